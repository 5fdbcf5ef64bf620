"""Short versions of the Monte-Carlo experiments; the long ones and their results are in `experiments/`."""

import sys
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import coverage
import designs
import efficiency
import misspecification

pytestmark = pytest.mark.slow

DESIGNS = {"continuous": designs.continuous, "classes": designs.classes}
every_design = pytest.mark.parametrize("design", DESIGNS)
REPLICATIONS = 150


@cache
def simulated(name, n):
    """A design, n, and replications without bootstrap."""
    with jax.enable_x64(True):
        design = DESIGNS[name]()
    (replications,) = coverage.run(design, n, REPLICATIONS, bootstrap=None, chunk=REPLICATIONS)
    return design, n, replications


def assert_covers(hits, level=0.95):
    """Shares of hits are the level within four standard errors of the simulation."""
    assert np.all(np.abs(hits - level) < 4 * np.sqrt(level * (1 - level) / REPLICATIONS)), hits


@every_design
def test_intervals_cover_the_truth(design):
    result = coverage.table(*simulated(design, 2000))
    assert (result["converged"] == REPLICATIONS).all()
    assert_covers(result["hessian"])
    assert_covers(result["robust"])


def test_bootstrap_of_refits_covers_the_truth():
    with jax.enable_x64(True):
        design = designs.classes()
    (replications,) = coverage.run(design, 2000, REPLICATIONS, bootstrap="refit", chunk=REPLICATIONS)
    assert_covers(coverage.table(design, 2000, replications)["bootstrap percentile"])


@every_design
def test_likelihood_attains_the_information_bound(design):
    """n (θ̂ − θ)ᵀ I (θ̂ − θ) is a χ² with as many degrees of freedom as parameters, whose median is about p − 2/3."""
    design, n, replications = simulated(design, 8000)
    with jax.enable_x64(True):
        information = designs.fisher_information(*designs.population(design), jnp.asarray(design.truth))
    errors = replications.theta - np.asarray(design.truth)
    distances = n * np.einsum("rp,pq,rq->r", errors, np.asarray(information), errors)
    median = stats.chi2(len(design.truth)).median()
    assert stats.binomtest(int(np.sum(distances < median)), REPLICATIONS).pvalue > 1e-4


@every_design
def test_errors_shrink_with_the_root_of_n(design):
    typical = lambda n: np.median(np.abs(simulated(design, n)[2].theta - simulated(design, n)[0].truth), axis=0)
    slopes = np.log(typical(8000) / typical(2000)) / np.log(4)
    assert slopes.mean() == pytest.approx(-0.5, abs=0.1)


def test_robust_errors_cover_where_the_model_is_wrong_and_plain_ones_do_not():
    design, replications = misspecification.run(2000, REPLICATIONS, bootstrap=None)
    result = coverage.table(design, 2000, replications)
    assert_covers(result["robust"])
    assert result["hessian"].min() < 0.85


def test_denoising_loses_efficiency_at_small_noise_and_is_biased_at_large():
    likelihood, small, large = efficiency.comparison((0.02, 0.3))
    assert likelihood["efficiency"] == pytest.approx(1.0, abs=1e-6)
    assert small["efficiency"] < 0.9
    assert small["largest bias in standard errors at n = 2000"] < 0.2
    assert large["largest bias in standard errors at n = 2000"] > 3
