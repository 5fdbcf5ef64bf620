"""Claims about tables of coefficients: they hold every number of a problem, where the paper's tables have it."""

import numpy as np
import pandas as pd
import pytest

from behavior_learning.symbolic.coefficients import coefficient_tables
from behavior_learning.symbolic.evaluate import table_values
from tests.symbolic.networks import Drawn


@pytest.fixture(scope="module")
def problem():
    return Drawn(layers=(2, 1), basis="affine").problem


def test_a_table_per_layer_has_a_column_per_row_of_a_block(problem):
    tables = coefficient_tables(problem)
    rows = [[(block.name, len(block.terms_of("utility"))) for block in layer] for layer in problem.layers]
    for table, layer in zip(tables, rows, strict=True):
        assert list(dict.fromkeys(table.columns.get_level_values("block"))) == [name for name, _ in layer]
        assert table.index[0] == "λ"
        assert table.index[-1] == "constant"


def test_columns_evaluate_to_what_stands_inside_the_heads(problem):
    drawn = Drawn(layers=(2, 1), basis="affine")
    values = drawn.table | table_values(drawn.problem.layers[0], drawn.table)
    table = coefficient_tables(drawn.problem)[0]
    terms = [term for block in drawn.problem.layers[0] for term in block.head_terms]
    for (_, column), term in zip(table.items(), terms, strict=True):
        coefficients = column.drop(["λ", "scale", "constant"], errors="ignore").dropna()
        inside = sum(v * np.prod([values[n] for n in name.split("*")], axis=0) for name, v in coefficients.items())
        np.testing.assert_allclose(inside + column["constant"], term.polynomial.evaluate(values), atol=1e-9)
        assert column["λ"] == term.multiplier


def test_standardized_coefficients_are_those_of_columns_over_their_deviations(problem):
    plain, scaled = (coefficient_tables(problem, standardized=own)[0] for own in (False, True))
    block = problem.layers[0][0]
    name = next(name for name in block.standard_deviations if name in plain.index)
    pd.testing.assert_series_equal(scaled.loc[name], plain.loc[name] * block.standard_deviations[name])


def test_descriptions_stand_before_names(problem):
    name = next(iter(problem.layers[0][0].variables))
    column = problem.layers[0][0].column_of(name)
    table = coefficient_tables(problem, descriptions={column: "what it is"})[0]
    assert f"what it is ({name})" in table.index
