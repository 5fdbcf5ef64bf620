"""Claims about a fit with aggregation="nonnegative": what follows from a fit follows from it, and its blocks want."""

from functools import cache

import numpy as np
import pytest

import behavior_learning as bl
from tests.fitted import amounts, mixed, numbers, quick


@cache
def monotone():
    return quick(bl.BLRegressor, aggregation="nonnegative").fit(mixed(), amounts(mixed()))


def test_every_block_raises_the_whole_in_all_cases():
    found = monotone().explain()
    assert (found.types["sign_share"] == 1.0).all()
    assert found.types.loc["block2.1", "represents"].startswith("aggregates")


def test_files_and_printed_problems_hold_the_same_model(tmp_path):
    model, X = monotone(), mixed()
    y = amounts(X)
    model.save(tmp_path / "model.bl")
    again = bl.load(tmp_path / "model.bl")
    np.testing.assert_array_equal(again.utility(X, y), model.utility(X, y))
    assert again.aggregation == again.network_.architecture.aggregation == "nonnegative"
    np.testing.assert_allclose(model.problem_.utility(X.assign(spend=y)), model.utility(X, y), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_what_is_pruned_or_estimated_still_rises_in_every_block():
    X = numbers()[["a", "b"]]
    smooth = quick(bl.BLRegressor, aggregation="nonnegative", heads=("tanh", "softplus", "square"), max_epochs=60)
    model = smooth.fit(X, amounts(numbers()))
    assert (model.prune(tolerance=0.1, max_epochs=10).explain(X, amounts(numbers())).types["sign_share"] == 1.0).all()
    results = model.inference(n_restarts=0, l2=1.0)
    for term in results.problem_.layers[1][0].head_terms:
        sign = {"utility": 1, "inequality": -1}[term.head.role]
        assert all(sign * value >= 0 for value in term.polynomial.monomials.values())
