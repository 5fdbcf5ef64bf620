"""Claims about means of networks: one network is the mean of several, and each can be taken out again."""

import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.averaging import biases_of, mean_of, member_of
from behavior_learning.core.bases import spline_basis
from behavior_learning.core.block import Weight
from behavior_learning.core.network import BehaviorNetwork, with_arrays
from tests.conftest import rng

SHAPES = {
    "single": Architecture((1,), readout="identity"),
    "two layers": Architecture((3, 2), rows=(2, 1, 1)),
    "identity above two": Architecture((2, 1), readout="identity", heads=("tanh", None, "square")),
    "dense": Architecture((3, 2, 2), skip="dense", readout="free"),
    "residual": Architecture((3, 2, 2), skip="residual"),
    "input": Architecture((2, 2), skip="input", multipliers="free"),
    "vector": Architecture((3, 2), output="vector", readout="free", readout_bias=True),
}
RESPONSE = 2


def members(shape, count=3, knots=()):
    """Networks on columns, or on curves of so many knots each."""
    generator = rng("members")
    x, m = generator.normal(size=(30, 4)), 0 if shape == "vector" else RESPONSE
    bases = [spline_basis(x, m, knots=own, straight=True) for own in knots] or [None] * count
    drawn = [
        BehaviorNetwork.random(generator, SHAPES[shape], features=4, response=RESPONSE, basis=basis) for basis in bases
    ]
    return [with_arrays(net, [Weight(generator.normal(size=w.raw.shape), w.rule) for w in net.arrays]) for net in drawn]


def rows():
    generator = rng("rows")
    x = jnp.asarray(generator.normal(size=(5, 4)), jnp.float32)
    return x, jnp.asarray(generator.normal(size=(1, 6, RESPONSE)), jnp.float32)


every_kind = pytest.mark.parametrize("knots", [(), (3, 5, 3), (2, 9, 4)], ids=["columns", "two kinds", "three kinds"])


@every_kind
@pytest.mark.parametrize("shape", SHAPES)
def test_utility_of_the_mean_is_the_mean_of_utilities(shape, knots):
    own = members(shape, knots=knots)
    expected = np.mean([network(*rows()) for network in own], axis=0)
    np.testing.assert_allclose(mean_of(own)(*rows()), expected, rtol=1e-4, atol=1e-5)


def test_the_mean_of_one_network_is_that_network():
    own = members("vector", count=1)
    np.testing.assert_allclose(mean_of(own)(*rows()), own[0](*rows()), rtol=1e-5)


@every_kind
@pytest.mark.parametrize("shape", SHAPES)
def test_each_member_can_be_taken_out(shape, knots):
    own = members(shape, knots=knots)
    for i, network in enumerate(own):
        taken = member_of(mean_of(own), i, biases_of(own))
        np.testing.assert_allclose(taken(*rows()), network(*rows()), rtol=1e-4, atol=1e-5)


@every_kind
@pytest.mark.parametrize("shape", SHAPES)
def test_no_member_learns_from_the_blocks_or_the_curves_of_another(shape, knots):
    own = members(shape, knots=knots)
    extra = 3 if SHAPES[shape].readout == "identity" else 0
    pooled = (3 - 1) * RESPONSE if SHAPES[shape].readout_bias else 0
    assert mean_of(own).n_parameters == sum(network.n_parameters for network in own) + extra - pooled
