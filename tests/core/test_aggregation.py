"""Claims about aggregation="nonnegative": raising the utility of a block never lowers what lies above it."""

from dataclasses import replace

import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis
from behavior_learning.core.block import BlockInput
from behavior_learning.core.network import BehaviorNetwork, drawn_like
from behavior_learning.errors import OptionError
from behavior_learning.identification.canonical_form import canonicalize
from tests.conftest import random_network, rng

pytestmark = pytest.mark.usefixtures("float64")

MONOTONE = Architecture((2, 3, 1), rows=(2, 1, 1), readout="identity", aggregation="nonnegative")


def drawn(**changes):
    return random_network(replace(MONOTONE, **changes), affine_basis(2, 1), 1, rng("aggregation", str(changes)))


def rises(network, number):
    """By how much the blocks of a layer rise as each block that they see does, at random places."""
    generator, layer = rng("places", number), network.layers[number]
    seen = network.architecture.inputs(number)
    terms = network.basis(generator.normal(size=(50, 2)), generator.normal(size=(1, 1, 1))) if seen.terms else None
    places = generator.normal(scale=3.0, size=(50, 1, len(seen.blocks)))
    ends = [places + step for step in np.eye(len(seen.blocks))]
    return np.stack([layer(BlockInput(terms, end)) - layer(BlockInput(terms, places)) for end in ends])


@pytest.mark.parametrize("skip", [None, "dense", "input"])
@pytest.mark.parametrize("heads", [("tanh", "relu", "abs"), ("identity", "softplus", "square"), (None, "relu", "abs")])
def test_layers_rise_in_the_blocks_below(skip, heads):
    network = drawn(skip=skip, heads=heads)
    for number in (1, 2):
        assert rises(network, number).min() >= -1e-12
        assert rises(network, number).max() > 0


def test_what_a_residual_skip_passes_on_does_not_fall():
    projections = [weight.value for weight in drawn(skip="residual").projections if weight is not None]
    assert projections
    assert all((value > 0).all() for value in projections)


def test_equality_heads_that_no_block_may_enter_are_dropped():
    counts = [{role: np.shape(own.coef.raw)[1] for role, own in layer.heads.items()} for layer in drawn().layers]
    assert [own["equality"] for own in counts] == [1, 0, 0]
    assert [own["utility"] for own in counts] == [2, 2, 2]


@pytest.mark.parametrize("skip", [None, "dense"])
def test_canonical_form_keeps_the_distribution_and_the_signs(skip):
    network = drawn(skip=skip, heads=("tanh", "softplus", "square"))
    canonical = canonicalize(network)
    x, y = rng("rows").normal(size=(4, 2)), rng("candidates").normal(size=(1, 5, 1))
    before, after = (np.asarray(own(x, y)) for own in (network, canonical.network))
    np.testing.assert_allclose(after - after.mean(axis=1, keepdims=True), before - before.mean(axis=1, keepdims=True))
    assert all(rises(canonical.network, number).min() >= -1e-12 for number in (1, 2))


def test_networks_drawn_like_it_have_its_rules():
    again = drawn_like(drawn(), rng("again"))
    assert rises(again, 1).min() >= -1e-12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout": "free"}, "BL rises with every block, which readout='free' contradicts. Use another readout"),
        ({"multipliers": "free"}, "which multipliers='free' contradicts"),
        ({"output": "vector", "readout": "nonnegative"}, "which output='vector' contradicts. Use another output"),
        ({"heads": (None, None, "abs")}, "lets blocks enter utility and inequality rows alone"),
    ],
)
def test_what_contradicts_it_is_refused(changes, message):
    with pytest.raises(OptionError, match=message):
        replace(MONOTONE, **changes)


def test_a_single_layer_is_as_before():
    made = [BehaviorNetwork.random(rng("one"), Architecture((2,), aggregation=own), features=2, response=1)
            for own in ("free", "nonnegative")]  # fmt: skip
    for a, b in zip(*(network.weights for network in made), strict=True):
        np.testing.assert_array_equal(a.value, b.value)
