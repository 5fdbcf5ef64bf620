"""Claims about one scale for all numbers: what is printed and kept is in the user's units; proportions count."""

import numpy as np
import pytest

import behavior_learning as bl
from tests.fitted import amounts, mixed, numbers, quick

COMMON = bl.Affine(common_scale=True)


def test_printed_problem_and_file_hold_the_same_model(tmp_path):
    X = mixed()
    model = quick(bl.BLRegressor, basis=COMMON).fit(X, amounts(X))
    assert len({column.scale for column in model.model_.encoder.columns if column.kind == "numeric"}) == 1
    model.save(tmp_path / "model.bl")
    y = amounts(X)
    np.testing.assert_array_equal(bl.load(tmp_path / "model.bl").utility(X, y), model.utility(X, y))
    np.testing.assert_allclose(model.problem_.utility(X.assign(spend=y)), model.utility(X, y), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_numbers_that_spread_alike_are_learned_as_by_default():
    X = numbers()
    X, y = (X - X.mean()) / X.std(ddof=0), amounts(X)
    rows = {"validation_data": (X, y)}
    common = quick(bl.BLRegressor, basis=COMMON).fit(X, y, **rows)
    np.testing.assert_allclose(common.predict(X), quick(bl.BLRegressor).fit(X, y, **rows).predict(X), rtol=1e-3)
