"""Counts: whole numbers with probabilities, against closed forms, and an upper end that is checked."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

import behavior_learning as bl
from behavior_learning.errors import DataError, FewValuesWarning, TruncationWarning
from tests.conftest import rng
from tests.responses.every import columns, fitted, visits

LINEAR = {
    "layers": (1,),
    "heads": ("identity", None, None),
    "n_restarts": 1,
    "optimizer": "lbfgs",
    "penalty": bl.Penalty(l2=0.0),
}


def test_linear_utility_is_a_truncated_geometric_distribution():
    """The utility that is linear in y has p(y) ∝ rʸ; at its likelihood's maximum the mean is that of the sample."""
    X, y = columns(), visits(columns())
    reg = bl.BLRegressor(response=bl.Counts(upper=20), max_epochs=150, patience=150, random_state=0, **LINEAR)
    distribution = reg.fit(X, y, validation_data=(X, y)).distribution(X.head(1))
    k = np.arange(21)
    mean = lambda r: np.sum(k * r**k) / np.sum(r**k)
    r = brentq(lambda r: mean(r) - y.mean(), 1e-3, 2.0)
    np.testing.assert_allclose(distribution.probabilities()[0], r**k / np.sum(r**k), atol=2e-4)
    np.testing.assert_allclose(distribution.mean(), y.mean(), rtol=1e-3)


def test_mean_and_ranked_score_are_sums_over_the_probabilities():
    distribution, y = fitted("counts").distribution, fitted("counts").y.to_numpy()
    p, k = distribution.probabilities(), np.arange(len(distribution.response.levels))
    np.testing.assert_allclose(distribution.mean(), p @ k, rtol=1e-5)
    ranked = np.sum((np.cumsum(p, axis=1) - (k >= y[:, None])) ** 2, axis=1)
    np.testing.assert_allclose(distribution.crps(y), ranked, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(np.exp(distribution.log_prob(y)), p[np.arange(len(y)), y], rtol=1e-4)
    np.testing.assert_allclose(distribution.cdf(y + 0.5), np.cumsum(p, axis=1)[np.arange(len(y)), y], rtol=1e-4)


def test_quantiles_intervals_modes_and_draws_are_whole_numbers():
    distribution = fitted("counts").distribution
    answers = (
        distribution.quantile([0.1, 0.9]),
        distribution.interval(),
        distribution.mode(),
        distribution.sample(5),
    )
    assert all(values.dtype.kind == "i" and (values >= 0).all() for values in answers)


def test_draws_follow_the_probabilities():
    distribution = fitted("counts").distribution
    drawn, p = distribution.sample(4000, random_state=0)[0], distribution.probabilities()[0]
    np.testing.assert_allclose(np.bincount(drawn, minlength=len(p)) / 4000, p, atol=0.03)


@pytest.mark.parametrize(("value", "shown"), [(-1, "row 2 is -1"), (1.5, "row 2 is 1.5")])
def test_numbers_that_are_no_counts_are_refused(value, shown):
    with pytest.raises(DataError, match=rf"must be whole numbers 0, 1, 2, …; {shown}.*Use bl.Numbers"):
        bl.BLRegressor(response=bl.Counts()).fit([[0.0], [1.0], [2.0]], [0, 1, value])


def test_counts_above_the_stated_end_or_too_large_for_a_sum_are_refused():
    with pytest.raises(DataError, match=r"at most upper=3; row 1 is 4. Fit with a larger upper="):
        bl.BLRegressor(response=bl.Counts(upper=3)).fit([[0.0], [1.0], [2.0]], [0, 4, 1])
    with pytest.raises(DataError, match=r"too far for a sum.*bl.Numbers\(\)"):
        bl.BLRegressor(response=bl.Counts()).fit([[0.0], [1.0]], [0, 90_000])


def test_constant_counts_are_refused():
    with pytest.raises(DataError, match="must vary; all 8 training values equal 2"):
        bl.BLRegressor(response=bl.Counts()).fit(np.zeros((10, 1)), [2] * 10)


def test_mass_at_a_chosen_upper_end_is_reported():
    """A heavy ridge leaves the distribution nearly uniform, so that it reaches the end; a stated end is taken."""
    X, y = columns(), visits(columns())
    options = {**LINEAR, "penalty": bl.Penalty(l2=1e6), "max_epochs": 20, "random_state": 0}
    with pytest.warns(TruncationWarning, match=r"end at \d+, a bound that was chosen.*State upper="):
        bl.BLRegressor(response=bl.Counts(), **options).fit(X, y)
    bl.BLRegressor(response=bl.Counts(upper=20), **options).fit(X, y)


def test_whole_numbers_given_as_numbers_are_recognised():
    X, y = columns(), visits(columns())
    with pytest.warns(FewValuesWarning, match=r"looks like .*counts.*response=bl.Counts\(\)"):
        bl.Numbers().read(y, len(X))


@pytest.mark.parametrize(
    "amounts", [np.arange(18, 60), 10 * (np.arange(42) % 6), np.arange(60) / 2, np.arange(300), -(np.arange(42) % 7)]
)
@pytest.mark.filterwarnings("ignore::behavior_learning.errors.AtomWarning")
def test_ages_amounts_and_fractions_are_no_counts(amounts):
    bl.Numbers().read(pd.Series(np.tile(amounts, 4)), 4 * len(amounts))


def test_counts_stand_beside_classes():
    X = columns()
    Y = pd.DataFrame({"visits": visits(X), "seen": rng("seen").integers(0, 2, len(X)).astype(bool)})
    options = {"layers": (1,), "max_epochs": 3, "n_restarts": 1, "random_state": 0}
    hybrid = bl.BLHybrid(response={"visits": bl.Counts(upper=20)}, **options).fit(X, Y)
    p = hybrid.distribution(X, given={"seen": True}).probabilities()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
