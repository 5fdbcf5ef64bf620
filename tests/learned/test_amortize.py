"""Claims about amortised predictions: they follow the exact ones, and say how far they are from them."""

import numpy as np
import pytest

from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.regressor import BLRegressor
from tests.fitted import amounts, fitted, mixed, numbers, quick


@pytest.fixture(scope="module")
def amortized():
    return fitted(BLRegressor).amortize(mixed(), max_epochs=150)


def test_prediction_is_close_to_the_exact_mean_and_shaped_like_it(amortized):
    reg, X = fitted(BLRegressor), mixed()
    exact, quick = reg.predict(X), amortized.predict(X)
    assert quick.shape == exact.shape
    assert np.corrcoef(quick, exact)[0, 1] > 0.9


def test_gap_is_in_the_users_units_and_bounds_itself(amortized):
    gap = amortized.gap.loc["spend"]
    assert 0 < gap["mean"] <= gap["largest"]
    assert 0 < gap["share missed"] < 0.5
    assert str(gap["largest"])[:6] in repr(amortized)


def test_gap_is_measured_on_rows_that_were_not_followed():
    """A network that cannot have seen them misses what only they show."""
    reg, X = fitted(BLRegressor), mixed()
    short = reg.amortize(X, max_epochs=1)
    long = reg.amortize(X, max_epochs=150)
    assert short.gap.loc["spend", "mean"] > long.gap.loc["spend", "mean"]


def test_prediction_outlives_another_fit_of_the_model():
    X = numbers()
    reg = quick(BLRegressor).fit(X, amounts(X))
    predictor = reg.amortize(X, max_epochs=2)
    before = predictor.predict(X)
    reg.fit(10 * X, 5 * amounts(X))
    np.testing.assert_array_equal(predictor.predict(X), before)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"statistic": "best"}, OptionError, "statistic must be one of 'mean', 'median', 'mode'"),
        ({"width": 0}, OptionError, "width must be a whole number of at least 1"),
        ({"max_epochs": 1.5}, OptionError, "max_epochs must be a whole number"),
        ({"random_state": 2**40}, OptionError, "random_state must be a whole number from 0 to 4294967295"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        fitted(BLRegressor).amortize(mixed(), **options)


def test_few_rows_are_refused():
    with pytest.raises(DataError, match="at least 20 rows of X to follow; got 5"):
        fitted(BLRegressor).amortize(mixed().head(5))
