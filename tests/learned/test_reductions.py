"""Where a stated problem reduces to a model that others estimate, the table in the user's units is theirs."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from scipy.special import k1
from scipy.stats import gamma, norm, truncnorm

import behavior_learning as bl
from tests.conftest import rng

QUICK = {"max_epochs": 1, "n_restarts": 1, "random_state": 0}
ROWS = 200


@cache
def columns():
    generator = rng("reductions")
    X = pd.DataFrame({"x": generator.normal(40, 12, ROWS)})
    return X, generator.normal(size=ROWS), generator.uniform(1e-3, 1 - 1e-3, ROWS)


def linear():
    X, noise, _ = columns()
    return X, pd.Series(300 + 0.75 * X["x"] + 8 * noise, name="y")


def skewed():
    X, _, level = columns()
    return X, pd.Series(-np.log(level) / (0.02 + 0.001 * X["x"]), name="y")


def stated(heads, **rows):
    return {"structure": bl.UMP(**rows), "heads": heads, **QUICK}


@cache
def line(factor: float = 1.0):
    X, y = linear()
    reg = bl.BLRegressor(**stated((None, None, "square"), equalities="y ~ 1 + x"))
    return reg.fit(factor * X, y).inference(cov_type="hessian", n_restarts=0)


@cache
def truncated():
    X, y = linear()
    ends = float(y.min()), float(np.quantile(y, 0.9))
    kept = y <= ends[1]
    options = stated((None, None, "square"), equalities="y ~ 1 + x")
    reg = bl.BLRegressor(**options, response=bl.Numbers(support=ends)).fit(X[kept], y[kept])
    return reg.inference(cov_type="hessian", n_restarts=0), X[kept]["x"].to_numpy(), y[kept].to_numpy(), ends


@cache
def laplace():
    X, y = linear()
    reg = bl.BLRegressor(**stated((None, None, "smooth_abs(0.3)"), equalities="y ~ 1 + x"))
    reg = reg.set_params(response=bl.Numbers(support=(100.0, 600.0))).fit(X, y)
    return reg.inference(cov_type="hessian", n_restarts=0), reg.model_.response.scale


@cache
def exponential():
    X, y = skewed()
    reg = bl.BLRegressor(**stated(("identity", None, None), utility="y + x:y"), response=bl.Numbers(support=(0, 400)))
    return reg.fit(X, y).inference(cov_type="hessian", n_restarts=0)


@cache
def logit():
    X, _, level = columns()
    buys = pd.Series(np.where(level < 1 / (1 + np.exp(4 - 0.1 * X["x"])), "yes", "no"), name="buy")
    clf = bl.BLClassifier(**stated(("identity", None, None), utility="buy + x:buy"), output="scalar")
    return clf.fit(X, buys).inference(cov_type="hessian", n_restarts=0), X, buys


def maximum(loss, start) -> tuple[np.ndarray, np.ndarray]:
    """Where a loss summed over rows is least, and the errors by its Hessian, by differences."""
    start = np.asarray(start, float)
    unit = np.abs(start) + 1e-3
    scaled = lambda t: loss(t * unit)
    point = minimize(scaled, start / unit, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    for _ in range(8):
        slope, curvature = differences(scaled, point)
        point = point - np.linalg.solve(curvature, slope)
    return point * unit, np.sqrt(np.diag(np.linalg.inv(differences(scaled, point)[1]))) * unit


def differences(loss, point, step: float = 3e-4):
    """Gradient and Hessian by differences of the sixth order along every line through two axes."""
    p = len(point)
    axes = np.eye(p)
    weights = {1: (3 / 4, 1.5), 2: (-3 / 20, -3 / 20), 3: (1 / 60, 1 / 90)}

    def along(direction):
        ends = {k: (loss(point + k * step * direction), loss(point - k * step * direction)) for k in weights}
        first = sum(w * (ends[k][0] - ends[k][1]) for k, (w, _) in weights.items()) / step
        second = sum(w * (sum(ends[k]) - 2 * loss(point)) for k, (_, w) in weights.items()) / step**2
        return first, second

    slope, diagonal = np.array([along(axis) for axis in axes]).T
    curvature = np.diag(diagonal)
    for i in range(p):
        for j in range(i):
            both = along(axes[i] + axes[j])[1]
            curvature[i, j] = curvature[j, i] = (both - diagonal[i] - diagonal[j]) / 2
    return slope, curvature


def assert_same(results, labels, estimates, errors):
    np.testing.assert_allclose(results.original.params[labels], estimates, rtol=1e-6)
    np.testing.assert_allclose(results.original.bse[labels], errors, rtol=1e-6)


LINE = ["equality.intercept", "equality[x]"]


def test_stated_line_is_least_squares_in_the_units_of_the_table():
    X, y = linear()
    theirs = sm.OLS(y, sm.add_constant(X)).fit()
    assert_same(line(), LINE, -theirs.params, theirs.bse * np.sqrt((ROWS - 2) / ROWS))


def test_truncated_line_is_scipys():
    results, x, y, (low, high) = truncated()

    def loss(t):
        mean, spread = t[0] + t[1] * x, np.exp(t[2])
        return -truncnorm.logpdf(y, (low - mean) / spread, (high - mean) / spread, mean, spread).sum()

    estimates, errors = maximum(loss, [300, 0.75, np.log(8)])
    assert_same(results, LINE, -estimates[:2], errors[:2])


def test_smoothed_laplace_regression_has_its_closed_form():
    """∫ exp{−λ√(v² + δ²)} dv = 2δ K₁(λδ) for v in units of sd(y)."""
    results, unit = laplace()
    X, y = linear()

    def loss(t):
        v, strength = (y - t[0] - t[1] * X["x"]).to_numpy() / unit, np.exp(t[2])
        return np.sum(strength * np.sqrt(v**2 + 0.3**2) + np.log(2 * 0.3 * unit * k1(0.3 * strength)))

    estimates, errors = maximum(loss, [300, 0.75, 1.0])
    assert_same(results, LINE, -estimates[:2], errors[:2])
    np.testing.assert_allclose(results.loglikelihood, -loss(estimates), rtol=1e-8)


def test_exponential_regression_is_that_of_its_rate():
    """p(y|x) ∝ exp(r·y) on [0, 400], with r = a + b·x."""
    X, y = skewed()

    def loss(t):
        rate = -(t[0] + t[1] * X["x"])
        return np.sum(rate * y - np.log(rate) + np.log(-np.expm1(-400 * rate)))

    estimates, errors = maximum(loss, [-0.02, -0.001])
    assert_same(exponential(), ["utility[y]", "utility[x*y]"], estimates, errors)


def test_cobb_douglas_demand_is_gamma_regression():
    """p(y|x) ∝ y^a·exp(r·y): a gamma law of shape a + 1 and rate −r = −(b + c·x)."""
    X, _, level = columns()
    y = pd.Series(gamma.ppf(level, 4.0) / (0.02 + 0.005 * X["x"]), name="y")
    options = stated(("identity", None, None), utility="log(y) + y + x:y", signs={"log(y)": ">= 0"})
    reg = bl.BLRegressor(**options, response=bl.Numbers(support=(0, 800))).fit(X, y)
    results = reg.inference(cov_type="hessian", n_restarts=0)

    def loss(t):
        return -np.sum(gamma.logpdf(y, t[0] + 1, scale=-1 / (t[1] + t[2] * X["x"])))

    estimates, errors = maximum(loss, [3.0, -0.02, -0.005])
    assert_same(results, ["utility[log(y)]", "utility[y]", "utility[x*y]"], estimates, errors)


def test_stated_choice_is_a_logit():
    results, X, buys = logit()
    theirs = sm.Logit((buys == "yes").astype(float), sm.add_constant(X)).fit(disp=0, tol=1e-12)
    labels = [label for label in results.original.params.index if "buy[yes]" in label or "buy=yes" in label]
    assert_same(results, labels, theirs.params, theirs.bse)


@pytest.mark.parametrize("slope", [0.75, 1.0])
def test_hypotheses_of_the_table_are_in_its_units(slope):
    """The square of z, of the slope of the table less the stated number."""
    found = line().original
    gap = (found.params["equality[x]"] - slope) / found.bse["equality[x]"]
    test = found.wald_test(f"equality[x] = {slope}")
    assert test.statistic == pytest.approx(gap**2)
    assert test.pvalue == pytest.approx(2 * norm.sf(abs(gap)))


# Stated numbers.


def test_stated_coefficients_are_listed_as_given():
    given = line().original.given
    assert given.index[given].tolist() == ["equality[y]", "equality.scale"]
    assert line().original.params["equality[y]"] == 1.0
    assert "given" in str(line().summary())


def test_table_is_the_printed_equation():
    row = line().problem_.blocks["block1.1"].terms_of("equality")[0]
    table = line().original.params
    printed = {"equality[y]": (("y", 1),), "equality[x]": (("x", 1),), "equality.intercept": ()}
    for label, monomial in printed.items():
        np.testing.assert_allclose(table[label], row.polynomial.coefficients[monomial], rtol=1e-12)
    np.testing.assert_allclose(
        table[["equality.scale", "equality.multiplier"]], [row.scale, row.multiplier], rtol=1e-12
    )


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_table_follows_the_units_of_columns(factor):
    np.testing.assert_allclose(
        line(factor).original.params["equality[x]"] * factor, line().original.params["equality[x]"], rtol=1e-7
    )
