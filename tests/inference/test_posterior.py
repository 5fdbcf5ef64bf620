"""Intervals beyond Wald: posteriors by the No-U-Turn Sampler and bootstrapped scores, against what they tend to."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy.stats import norm

from behavior_learning.errors import OptionError
from behavior_learning.gibbs import kernels
from behavior_learning.inference import posterior, profile
from behavior_learning.inference.clusters import Clusters
from behavior_learning.inference.covariance import Covariance, Robust
from behavior_learning.inference.profile import efficient_scores
from behavior_learning.inference.resampling import score_draws
from behavior_learning.inference.results import estimated
from tests.conftest import rng
from tests.inference.problems import gaussian, logit, single


@cache
def classes():
    return logit()


@pytest.mark.slow
def test_posterior_of_many_rows_is_the_normal_distribution_of_the_estimates():
    """Bernstein and von Mises: 400 rows say much more than a prior of standard deviation 10."""
    plain = classes().with_covariance("hessian")
    posterior = classes().posterior(draws=500)
    assert posterior.estimates.draws.shape == (2000, len(plain.params))
    np.testing.assert_allclose(posterior.bse, plain.bse, rtol=0.12)
    np.testing.assert_allclose(posterior.estimates.draws.mean(), plain.params, atol=0.35 * plain.bse.max())
    np.testing.assert_allclose(posterior.conf_int(), plain.conf_int(), atol=0.6 * plain.bse.max())
    assert "Largest R-hat" in posterior.notes[0]


@pytest.mark.slow
def test_bootstrapped_scores_give_robust_intervals_where_wald_is_right():
    label = "equality[v]"
    found, robust = gaussian().profile_interval(label, method="score"), gaussian().conf_int().loc[label]
    np.testing.assert_allclose([found.lower, found.upper], robust, atol=0.25 * gaussian().bse[label])


@pytest.mark.slow
def test_efficient_scores_and_that_of_a_strong_ridge_cancel_at_the_estimate():
    """Without the ridge the sum is no zero there, and an interval of scores need not hold the estimate."""
    results = gaussian(l2=400.0)
    row = np.eye(len(results.params))[0]
    efficient, ridge = efficient_scores(results.fitted, row, results.fitted.theta)
    assert abs(ridge) > 1.0
    assert efficient.sum() == pytest.approx(-ridge, rel=1e-4)
    found = results.profile_interval(results.params.index[0], method="score")
    assert found.lower < found.estimate < found.upper


def of_a_mean(values, unit=1.0):
    """What intervals ask of the estimate of a mean with a known spread of one unit."""
    return SimpleNamespace(
        theta=np.array([values.mean()]), total=float(len(values)), weights=np.ones(len(values)),
        information=SimpleNamespace(inverse=lambda: unit**2 * np.eye(1)),
        optimum=SimpleNamespace(loss=0.5 * np.mean((values - values.mean()) ** 2) / unit**2),
        restricted=lambda row, value: (value, SimpleNamespace(loss=0.5 * np.mean((values - value) ** 2) / unit**2)),
    )  # fmt: skip


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_intervals_of_a_mean_are_their_closed_form(level, monkeypatch):
    values, row = rng("mean").normal(1.0, 2.0, size=60), np.eye(1)[0]
    fitted = of_a_mean(values)
    half = norm.ppf(0.5 + level / 2) / np.sqrt(60)
    ends = np.array([values.mean(), values.mean() - half, values.mean() + half])
    for unit in (1.0, 1e-5, 1e7):
        found = profile.profile_interval(of_a_mean(unit * values, unit), row, level)
        np.testing.assert_allclose(found, unit * ends, atol=1e-3 * half * unit)

    monkeypatch.setattr(profile, "efficient_scores", lambda fitted, row, theta: (values - theta - 0.1, 6.0))
    found = profile.score_interval(fitted, row, level, seed=3)
    draws = np.random.default_rng(3).choice([-1.0, 1.0], (profile.SCORE_DRAWS, 60))
    grid = np.linspace(-1, 3, 401)
    inside = [abs((values - r).sum()) < np.quantile(np.abs(draws @ (values - r - 0.1)), level) for r in grid]
    np.testing.assert_allclose([found.lower, found.upper], grid[inside][[0, -1]], atol=0.012)


def test_an_interval_that_the_data_do_not_bound_is_infinite():
    fitted = of_a_mean(rng("mean").normal(size=60))
    fitted.restricted = lambda row, value: (value, fitted.optimum)
    assert profile.profile_interval(fitted, np.eye(1)[0], 0.95)[1:] == (-np.inf, np.inf)


def test_signs_of_bootstrapped_scores_are_one_and_shared_by_clusters():
    """Of one row a draw is one Newton step to either side; the steps of a cluster's rows add up."""
    bread, theta = np.array([[0.5]]), np.array([2.0])
    draws = lambda scores, weights, clusters=None: score_draws(
        np.random.default_rng(0), np.array(scores)[:, None], bread, theta, np.array(weights), 200, clusters
    )
    np.testing.assert_allclose(np.unique(draws([3.0], [4.0])), [0.5, 3.5])
    np.testing.assert_allclose(np.unique(draws([3.0, 1.0], [1.0, 3.0])), [1.25, 2.0, 2.75], atol=1e-12)
    together = Clusters((np.array([0, 0]),))
    np.testing.assert_allclose(np.unique(draws([3.0, 1.0], [1.0, 3.0], together)), [1.25, 2.75])


@pytest.mark.usefixtures("float64")
def test_chains_start_at_the_estimate_with_its_covariance_in_their_coordinates():
    """Logarithms of numbers with a sign, λ·M of coefficients: by the Jacobian of the way back, which is exact."""
    theta, signs = np.array([2.0, 0.7, -1.5, 0.3, 0.9, 0.4]), np.array([1, 0, -1, 0, 1, 0])
    owners = np.array([-1, 0, -1, 2, 2, -1])
    root = rng("posterior").normal(size=(6, 6))
    covariance = np.linalg.inv(50 * root @ root.T + 50 * np.eye(6))
    fitted = SimpleNamespace(
        theta=theta, total=25.0, local=SimpleNamespace(signs=signs),
        information=SimpleNamespace(hessian=np.linalg.inv(covariance) / 25),
    )  # fmt: skip
    center, scale = posterior._start(fitted, owners, 1e-3)
    back = jax.jit(lambda at: posterior._parameters(at, signs, owners))
    (at, log_jacobian), (jacobian, _) = back(center), map(np.asarray, jax.jit(jax.jacfwd(back))(center))
    np.testing.assert_allclose(at, theta, rtol=1e-12)
    np.testing.assert_allclose(jacobian @ scale @ scale.T @ jacobian.T, covariance, rtol=1e-6, atol=1e-9)
    assert float(log_jacobian) == pytest.approx(np.linalg.slogdet(jacobian)[1])
    fitted.information.hessian = fitted.information.hessian * 1e-3  # So flat that logarithms would wander over orders.
    _, flat = posterior._start(fitted, owners, 1e-3)
    assert (np.linalg.norm(flat, axis=1) <= 1 + 1e-9)[signs != 0].all()
    assert (np.linalg.norm(flat, axis=1) > 1).any()


def test_a_coefficient_belongs_to_the_multiplier_of_its_row():
    local = single().fitted.local
    labels, owners = list(local.labels), posterior._owners(local)
    for label, owner in zip(labels, owners, strict=True):
        own = f"{label.partition('[')[0]}.multiplier"
        assert owner == (labels.index(own) if "[" in label and own in labels else -1)
    assert (owners >= 0).any()


def test_under_the_weak_prior_a_posterior_is_its_draws_and_other_errors_count_the_prior(monkeypatch):
    """The prior is in the draws already."""
    p = len(single().params)
    drawn = Covariance(np.diag(np.arange(1.0, p + 1)), np.tile(single().fitted.theta, (3, 1)), ())
    ridged = replace(single().fitted, information=replace(single().fitted.information, ridge=1e3))
    results = replace(single(), fitted=ridged, weak_prior=True)
    errors = {}
    for kind in (posterior.Posterior, Robust):
        monkeypatch.setattr(kind, "estimate", lambda self, fitted: drawn._replace(matrix=drawn.matrix.copy()))
        errors[kind] = estimated(results, kind()).bse
    np.testing.assert_allclose(errors[posterior.Posterior], np.sqrt(np.arange(1.0, p + 1)))
    assert (errors[Robust] > 1.001 * errors[posterior.Posterior]).any()


def test_posterior_without_blackjax_names_the_way_out(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(kernels, "import_module", missing)
    with pytest.raises(OptionError, match=r"behavior-learning\[sampling\].*profile_interval"):
        single().posterior()
