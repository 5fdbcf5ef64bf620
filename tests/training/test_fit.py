"""Fitting keeps only parameters whose normaliser can be trusted, and penalises weights but no intercepts."""

import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.bases import affine_basis
from behavior_learning.core.network import Architecture
from behavior_learning.core.spaces import Box, Categories
from behavior_learning.objectives import NegativeLogLikelihood
from behavior_learning.training.fit import VerifiedLoss, mean_in_batches, squared_weights
from tests.conftest import random_network, rng


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 20])
@pytest.mark.parametrize("size", [1, 8, 64])
def test_mean_in_batches_is_the_mean(rows, size):
    values = jnp.asarray(rng(rows, size).normal(size=rows))
    assert mean_in_batches(jnp.square, (values,), size) == pytest.approx(float(jnp.mean(values**2)), abs=1e-12)


@pytest.mark.usefixtures("float64")
def test_ridge_is_the_sum_of_squared_coefficients_multipliers_and_readout():
    architecture = Architecture((3, 2), skip="residual", readout="free", readout_bias=True)
    network = random_network(architecture, affine_basis(4, 1), 1, rng("ridge"))
    expected = sum(
        np.sum(np.asarray(weight.value) ** 2)
        for layer in network.layers
        for rows in (layer.utility, layer.inequality, layer.equality)
        for weight in (rows.coef, rows.multiplier)
    )
    expected += np.sum(np.asarray(network.projections[0].value) ** 2) + np.sum(
        np.asarray(network.readout.weight.value) ** 2
    )
    assert squared_weights(network) == pytest.approx(expected, rel=1e-12)


def losses_of(steepness):
    """A spiky utility on a fixed grid and a finer one, as training sees it."""
    utility = lambda params, x, y: -steepness * jnp.abs(y[..., 0] - 0.123 * x[:, :1])
    objective = lambda space: lambda network, x, y: NegativeLogLikelihood(space)(lambda a, b: utility(None, a, b), x, y)
    coarse, fine = objective(Box(-1.0, 1.0, 8)), objective(Box(-1.0, 1.0, 16))
    return VerifiedLoss(coarse, fine, {}, 64)


def test_parameters_whose_normaliser_the_finer_rule_disputes_are_worth_infinity():
    x, y = jnp.ones((5, 1)), jnp.full(5, 0.123)
    assert np.isfinite(losses_of(2.0)({}, (x, y)))
    assert losses_of(1e4)({}, (x, y)) == jnp.inf


def test_categories_are_exact_and_need_no_verification():
    assert Categories(4).refined(2) == Categories(4)
