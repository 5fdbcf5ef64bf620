"""Censored numbers: the likelihood is the mass beyond a bound, and what it is fitted to is the number itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

import behavior_learning as bl
from behavior_learning.core.coarsened import Coarsened
from behavior_learning.core.spaces import Interval
from behavior_learning.errors import DataError, OptionError
from behavior_learning.gibbs.distribution import Gibbs
from tests.conftest import rng
from tests.responses.every import columns, fitted

GAUSSIAN = {
    "layers": (1,),
    "heads": ("identity", None, "square"),
    "n_restarts": 1,
    "optimizer": "lbfgs",
    "penalty": bl.Penalty(l2=0.0),
}
CAP, SLOPE, SPREAD = 1.2, 1.0, 0.5


def bell(mean, spread):
    return lambda x, y: -0.5 * ((y[..., 0] - mean - x[:, :1]) / spread) ** 2


@pytest.mark.parametrize(("spread", "passes"), [(1.0, 1), (0.1, 1), (0.1, 2), (0.01, 2)])
def test_log_probability_of_bounds_is_the_mass_between_them(spread, passes):
    """Of a Gaussian with its mass well inside: one-sided, two-sided, in the tails, and exact."""
    ends = np.array([[0.5, np.inf], [-np.inf, 0.5], [-0.2, 0.4], [2.0, 2.0 + 3 * spread], [0.3, 0.3]])
    ends[3] = 2.5 * spread, np.inf
    space, x = Coarsened(-6.0, 6.0, 64, passes), jnp.zeros((5, 1))
    got = Gibbs(bell(0.0, spread), space).log_prob(x, jnp.asarray(ends, jnp.float32))
    z = ends / spread
    mass = np.log(np.maximum(norm.cdf(z[:, 1]) - norm.cdf(z[:, 0]), 1e-300))
    mass[0] = norm.logsf(z[0, 0])
    mass[4] = norm.logpdf(0.3, 0.0, spread)
    near = mass > -200
    np.testing.assert_allclose(np.asarray(got)[near], mass[near], atol=1e-4, rtol=1e-3)
    assert np.isfinite(got).all()


def test_exact_observations_have_the_density_of_an_interval():
    x, y = jnp.asarray(rng("x").normal(size=(9, 1)), jnp.float32), jnp.linspace(-1, 1, 9)
    coarse, plain = (Gibbs(bell(0.2, 0.5), kind(-4.0, 4.0, 32)) for kind in (Coarsened, Interval))
    np.testing.assert_allclose(coarse.log_prob(x, jnp.stack([y, y], 1)), plain.log_prob(x, y), atol=1e-5)


def test_gradients_are_finite_whatever_was_observed():
    ends = jnp.array([[0.5, jnp.inf], [-jnp.inf, 0.5], [0.1, 0.1], [7.0, 8.0]])
    total = lambda mean: jnp.sum(Gibbs(bell(mean, 0.3), Coarsened(-4.0, 4.0, 32)).log_prob(jnp.zeros((4, 1)), ends)[:3])
    assert np.isfinite(jax.grad(total)(0.1))


def capped() -> tuple[pd.DataFrame, pd.Series]:
    X = pd.DataFrame({"a": rng("tobit").uniform(-1, 2, 300)})
    return X, pd.Series(SLOPE * X["a"] + SPREAD * rng("tobit noise").normal(size=300), name="price").clip(upper=CAP)


def tobit(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Intercept, slope and spread of the maximum likelihood of a linear model with a cap."""

    def loss(theta):
        mean, spread = theta[0] + theta[1] * a, np.exp(theta[2])
        return -np.where(y < CAP, norm.logpdf(y, mean, spread), norm.logsf(CAP, mean, spread)).sum()

    found = minimize(loss, [0.0, 0.5, -0.5]).x
    return np.array([found[0], found[1], np.exp(found[2])])


@pytest.fixture(scope="module")
def gaussian():
    """A linear Gaussian model of capped prices, by its maximum of the likelihood."""
    X, y = capped()
    response = bl.Censored(upper=CAP, support=(-6, 8))
    reg = bl.BLRegressor(response=response, max_epochs=60, patience=60, random_state=0, **GAUSSIAN)
    return X, y, reg.fit(X, y, validation_data=(X, y))


def test_gaussian_model_is_the_tobit_model(gaussian):
    """Mean and spread of the number itself are those of the tobit model; plain numbers flatten the slope."""
    X, y, reg = gaussian
    intercept, slope, spread = tobit(X["a"].to_numpy(), y.to_numpy())
    at = pd.DataFrame({"a": [0.0, 1.0]})
    mean = reg.predict(at)
    half = np.diff(reg.predict_interval(at, 0.9), axis=1)[:, 0] / 2
    np.testing.assert_allclose(mean, [intercept, intercept + slope], atol=0.02)
    np.testing.assert_allclose(half / norm.ppf(0.95), spread, atol=0.02)
    assert abs(slope - SLOPE) < 0.1
    assert np.polyfit(X["a"], y, 1)[0] < slope - 0.1


def test_likelihood_is_the_closed_form(gaussian):
    X, y, reg = gaussian
    intercept, slope, spread = tobit(X["a"].to_numpy(), y.to_numpy())
    mean = intercept + slope * X["a"]
    expected = np.where(y < CAP, norm.logpdf(y, mean, spread), norm.logsf(CAP, mean, spread))
    got = reg.log_density(X, y)
    assert abs(got.mean() - expected.mean()) < 1e-3
    distribution, censored = reg.distribution(X), (y == CAP).to_numpy()
    beyond = np.log1p(-distribution.cdf(np.full(len(X), CAP)))
    np.testing.assert_allclose(got[censored], beyond[censored], atol=0.02)


def test_rows_with_bounds_of_their_own_are_the_same_as_a_cap():
    """A table of (lower, upper) with inf says what a stated cap says."""
    X, y = fitted("censored").X, fitted("censored").y
    table = pd.DataFrame({"amount_lower": y, "amount_upper": y.where(y < 1.5, np.inf)})
    stated, bounds = bl.Censored(upper=1.5).read(y, len(X))
    free, own = bl.Censored().read(table, len(X))
    np.testing.assert_array_equal(bounds, own)
    assert (stated.name, free.name) == ("amount", "amount")


def test_estimator_takes_a_table_of_bounds():
    X = columns()
    low = np.exp(X["a"])
    table = pd.DataFrame({"time_from": low, "time_to": low + np.where(np.arange(len(X)) % 2, 0.0, 1.0)})
    reg = bl.BLRegressor(response=bl.Censored(), layers=(1,), max_epochs=3, n_restarts=1, random_state=0).fit(X, table)
    assert reg.predict(X).shape == (len(X),)
    assert np.isfinite(reg.log_density(X, table)).all()
    assert np.isnan(reg.crps(X, table)).sum() == len(X) // 2


def censored(**options):
    return bl.BLRegressor(response=bl.Censored(**options))


def test_bounds_inside_out_are_refused():
    X = [[0.0], [1.0], [2.0]]
    with pytest.raises(OptionError, match="lower must be below upper, both numbers; got lower=2, upper=1"):
        censored(lower=2, upper=1).fit(X, [1.0, 1.5, 2.0])
    with pytest.raises(DataError, match=r"row 1, \(3, 2\), is inside out.*swap them"):
        censored().fit(X, [[1.0, 1.0], [3.0, 2.0], [2.0, np.inf]])
    with pytest.raises(DataError, match=r"row 2, \(-inf, inf\), has no bound at all; drop it"):
        censored().fit(X, [[1.0, 1.0], [2.0, 2.0], [-np.inf, np.inf]])
    with pytest.raises(DataError, match=r"row 0, \(nan, 1\), is missing a bound .*where there is none, write inf"):
        censored().fit(X, [[np.nan, 1.0], [2.0, 2.0], [3.0, np.inf]])


def test_values_outside_the_support_are_refused():
    with pytest.raises(DataError, match=r"must lie in the support \[0, 3\]; row 1.*Widen support="):
        censored(support=(0, 3)).fit(np.arange(8.0)[:, None], [1.0, 4.0, 2.0, 1.0, 1.5, 2.0, 2.5, 1.0])


def test_nothing_observed_exactly_is_refused():
    with pytest.raises(DataError, match=r"censored in all .* training rows; some must be observed exactly"):
        censored(upper=1).fit(np.arange(8.0)[:, None], np.arange(1.0, 9.0))


def test_scores_and_joint_responses_are_refused():
    X, y = columns(), columns()["a"].rename("y")
    with pytest.raises(OptionError, match="needs y itself, and some rows give bounds on it only"):
        bl.BLRegressor(response=bl.Censored(upper=1), objective="dsm").fit(X, y)
    with pytest.raises(OptionError, match=r"bl.Censored\(\) stands by itself"):
        bl.BLDensity(response={"a": bl.Censored(upper=1)}).fit(X)
