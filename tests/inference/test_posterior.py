"""Intervals beyond Wald: posteriors by the No-U-Turn Sampler and bootstrapped scores, against what they tend to."""

from functools import cache

import numpy as np
import pytest

from behavior_learning.errors import OptionError
from behavior_learning.gibbs import kernels
from behavior_learning.inference.clusters import Clusters
from behavior_learning.inference.profile import efficient_scores
from behavior_learning.inference.resampling import score_draws
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


def test_posterior_without_blackjax_names_the_way_out(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(kernels, "import_module", missing)
    with pytest.raises(OptionError, match=r"behavior-learning\[sampling\].*profile_interval"):
        single().posterior()
