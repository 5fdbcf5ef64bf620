"""Networks with parts taken out: what is left has the utility that zeros in the whole would give."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import polynomial_basis
from behavior_learning.core.block import NONNEGATIVE, Rule, Weight
from behavior_learning.core.network import BehaviorNetwork, drawn_like, weight_value, with_head, with_weights
from behavior_learning.training.active_set import Support, gated, reduced
from tests import oracle
from tests.conftest import rng

CASES = [
    (skip, output, layers)
    for skip in (None, "dense", "input", "residual")
    for output in ("scalar", "vector")
    for layers in ((3, 2, 2),)
]


def network(skip=None, output="scalar", layers=(3, 2, 2), seed=0):
    made = Architecture(layers, rows=(2, 1, 2), skip=skip, output=output, readout="free", readout_bias=True)
    response = 3 if output == "vector" else 1
    basis = polynomial_basis(3, 0 if output == "vector" else 1, degree=2)
    return BehaviorNetwork.random(rng("pruning", seed), made, features=3, response=response, basis=basis)


def thinned(drawn, share, *seed):
    """A random part of a network's coefficients, most rows of them gone altogether."""
    generator, support = rng("support", share, *seed), Support.of(drawn)
    some = lambda shape, of: generator.uniform(size=shape) < of
    keep = lambda coef: some(coef.shape, share) & some((*coef.shape[:2], 1), 0.6)
    coefs = tuple({role: coef & keep(coef) for role, coef in layer.items()} for layer in support.coefs)
    return replace(support, coefs=coefs).settled(drawn)


def with_zeros(drawn, support):
    """The whole network with plain numbers, zero where they are out of use."""
    weights = [Weight(jnp.asarray(weight.value)) for weight in gated(drawn, support).weights]
    return with_weights(drawn, weights)


@pytest.mark.parametrize(("skip", "output", "layers"), CASES, ids=str)
@pytest.mark.parametrize("share", [0.15, 0.6])
def test_reduced_network_has_the_utility_of_zeros(skip, output, layers, share):
    drawn = network(skip, output, layers)
    support = thinned(drawn, share, skip, output)
    assert not support.empty
    generator, small = rng("rows"), reduced(drawn, support)
    x, y = generator.normal(size=(5, 3)), generator.normal(size=(5, 2, 3 if output == "vector" else 1))
    expected = oracle.utility(with_zeros(drawn, support), x, y)
    np.testing.assert_allclose(oracle.utility(small, x, y), expected, rtol=1e-6, atol=1e-6)
    assert small.n_parameters < drawn.n_parameters
    assert Support.of(small).size == support.size


def test_blocks_terms_and_rows_are_removed():
    drawn = network()
    support = Support.of(drawn).copy()
    support.coefs[0]["utility"][:, 1] = False
    support.coefs[0]["equality"][:, 1] = False
    for layer in support.coefs[1:]:
        layer["utility"][:, 1] = False
        layer["equality"][:, 0] = False
    support.coefs[1]["utility"][..., 2] = support.coefs[1]["inequality"][..., 2] = False
    support.coefs[1]["equality"][..., 2] = False
    for coef in support.coefs[0].values():
        coef[..., 1] = False
    small = reduced(drawn, support.settled(drawn))
    assert small.architecture.layers == (2, 2, 2)
    assert small.architecture.rows == (1, 1, 1)
    assert small.basis.size == drawn.basis.size - 1
    rows, readout = 3 * (2 * (small.basis.size + 2) + 2 * (2 + 2) + 2 * (2 + 2)), 3
    assert small.n_parameters == rows + readout


def test_the_size_of_a_support_is_that_of_its_coefficients_and_readout():
    drawn = network()
    whole = Support.of(drawn)
    coefs = sum(rows.coef.raw.size for layer in drawn.layers for rows in layer.heads.values())
    assert whole.size == coefs + drawn.readout.weight.raw.size
    fewer = whole.copy()
    fewer.readout[0, 0] = fewer.coefs[0]["utility"][0, 0, 0] = False
    assert fewer.size == whole.size - 2


def test_what_nothing_uses_goes_with_all_below_it():
    drawn = network(layers=(2, 2, 1))
    support = Support.of(drawn).copy()
    for coef in support.coefs[1].values():
        coef[0] = False
    for coef in support.coefs[2].values():
        coef[..., 0] = True
    for coef in support.coefs[1].values():
        coef[1, :, 0] = False
    settled = support.settled(drawn)
    assert settled.blocks(1).tolist() == [False, True]
    assert settled.blocks(0).tolist() == [False, True]
    assert not any(coef[..., 0].any() for coef in settled.coefs[2].values())


def test_nothing_is_left_of_a_network_without_top():
    drawn = network()
    support = Support.of(drawn).copy()
    for coef in support.coefs[2].values():
        coef[:] = False
    assert support.settled(drawn).empty


def test_rules_survive_the_cut():
    drawn = network(layers=(1,))
    coef = drawn.layers[0].heads["inequality"].coef
    signs = tuple(1 if j == 0 else 0 for j in range(coef.raw.shape[-1]))
    fixed = tuple(2.5 if j == 3 else None for j in range(coef.raw.shape[-1]))
    ruled = Weight(coef.raw, Rule(sign=((signs,),), fixed=((fixed,),)))
    drawn = with_head(drawn, 0, "inequality", coef=ruled)
    support = Support.of(drawn).copy()
    support.coefs[0]["inequality"][..., 1] = False
    small = reduced(drawn, support).layers[0].heads["inequality"]
    assert small.coef.rule.signs[0, 0, 0] == 1
    assert small.coef.rule.numbers[0, 0, 3] == 2.5
    assert small.coef.rule.numbers[0, 0, 1] == 0.0
    assert small.coef.n_learned == coef.raw.size - 2
    assert small.multiplier.rule == NONNEGATIVE
    np.testing.assert_allclose(weight_value(small.coef)[0, 0, 0], weight_value(ruled)[0, 0, 0])


@pytest.mark.parametrize(("skip", "output", "layers"), CASES, ids=str)
def test_networks_drawn_alike_are_as_small_in_every_layer(skip, output, layers):
    drawn = network(skip, output, layers)
    small = reduced(drawn, thinned(drawn, 0.6, skip, output))
    other = drawn_like(small, rng("other"))
    assert other.n_parameters == small.n_parameters
    for ours, theirs in zip(small.weights, other.weights, strict=True):
        np.testing.assert_array_equal(weight_value(ours)[~ours.learned], weight_value(theirs)[~ours.learned])
        learned = ours.learned & (ours.raw != 0)
        assert not learned.any() or (weight_value(ours)[learned] != weight_value(theirs)[learned]).any()
