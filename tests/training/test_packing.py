"""Claims about what training holds of a network: the same numbers, the same utility, the same gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core import network as network_module
from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import polynomial_basis
from behavior_learning.core.block import NONNEGATIVE, Rule, Weight
from behavior_learning.core.network import BehaviorNetwork, RowRules, with_arrays, with_head
from behavior_learning.training import packing as packing_module
from behavior_learning.training.active_set import Support, gated
from behavior_learning.training.packing import Packing
from tests import oracle
from tests.conftest import randomize, rng

pytestmark = pytest.mark.usefixtures("float64")

N, D, K, CLASSES = 5, 3, 4, 3

NETWORKS = {
    "single": Architecture((1,), readout="identity"),
    "several rows": Architecture((2, 3), (2, 1, 3)),
    "dropped heads": Architecture((2, 1), heads=(None, "relu", "abs"), readout="identity"),
    "dense": Architecture((2, 2), skip="dense"),
    "dense in three layers": Architecture((2, 1, 2), skip="dense"),
    "biased": Architecture((2,), readout="free", readout_bias=True),
    "input": Architecture((2, 2, 1), (1, 2, 1), skip="input"),
    "residual": Architecture((2, 3), skip="residual", readout="free", readout_bias=True),
    "equal residual": Architecture((2, 2), skip="residual"),
    "vector": Architecture((3, 2), output="vector", readout="free", readout_bias=True),
    "free multipliers": Architecture((2,), multipliers="free", intercepts=False),
    "degrees": Architecture((2, 1), (2, 1, 1), degrees=((1, 2), (1,), (2,))),
}

RULES = {
    "utility": RowRules(Rule(sign=1), Rule(fixed=0.5), Rule(fixed=2.0)),
    "inequality": RowRules(Rule(fixed=((None, 0.0, 1.0),)), Rule(sign=-1), NONNEGATIVE),
}


def network(architecture, *, degree=2, rules=None, seed=0):
    response = CLASSES if architecture.output == "vector" else 1
    basis = polynomial_basis(D, 0 if architecture.output == "vector" else 1, degree=degree)
    drawn = BehaviorNetwork.random(
        rng(seed), architecture, features=D, response=response, basis=basis, rules=rules or {}
    )
    return randomize(drawn, rng("packing", seed))


def ruled():
    """Stated signs and numbers in the first layer; two terms in every row."""
    basis = polynomial_basis(2, 1, degree=1)
    drawn = BehaviorNetwork.random(rng(0), Architecture((2, 1)), features=2, response=1, basis=basis, rules=RULES)
    return randomize(drawn, rng("ruled"))


def pruned(name):
    whole = network(NETWORKS[name])
    support = Support.of(whole)
    for role, coefs in support.coefs[0].items():
        coefs[..., rng("pruned", role).integers(coefs.shape[-1])] = False
    return gated(whole, support.settled(whole))


def one_gate():
    """A single weight with a gate, beside others without."""
    whole = network(NETWORKS["several rows"])
    multiplier = whole.layers[0].heads["utility"].multiplier
    gate = jnp.asarray(rng("gate").random(multiplier.raw.shape) < 0.5)
    return with_head(whole, 0, "utility", multiplier=Weight(multiplier.raw, multiplier.rule, gate))


CASES = {
    **{name: lambda name=name: network(NETWORKS[name]) for name in NETWORKS},
    "rules": ruled,
    "gates": lambda: pruned("several rows"),
    "one gate": one_gate,
    "gates and readout": lambda: pruned("dense"),
}
every_case = pytest.mark.parametrize("name", CASES)


WAYS = {"small arrays, rows first": (2**14, 1_000), "large arrays, rows last": (4, 0)}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Arrays in the vector and rows of M first where they can be; arrays that stand alone and rows last."""
    large, narrow = WAYS[request.param]
    monkeypatch.setattr(packing_module, "LARGE", large)
    monkeypatch.setattr(network_module, "NARROW", narrow)
    return request.param


def rows(model, features):
    generator = rng("rows")
    x = jnp.asarray(generator.normal(size=(N, features)))
    vector = model.architecture.output == "vector"
    y = np.eye(CLASSES)[None] if vector else generator.normal(size=(N, K, 1))
    return x, jnp.asarray(y)


def features_of(model):
    return 1 + max(max(f.columns, default=-1) for f in model.basis.x_functions)


@every_case
def test_packing_loses_no_number(name, way):
    model = CASES[name]()
    packing = Packing.of(model)
    again = packing.network(packing.packed(model))
    assert jax.tree.structure(again) == jax.tree.structure(model)
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(packing.packed(model, np), packing.packed(model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_large_arrays_stand_alone(way):
    model = network(NETWORKS["several rows"])
    assert (len(Packing.of(model).packed(model)) > 1) == ("large" in way)


@every_case
def test_evaluated_network_has_the_same_utility(name, way):
    model = CASES[name]()
    packing = Packing.of(model)
    x, y = rows(model, features_of(model))
    evaluated = packing.evaluated(packing.packed(model))
    for own_or_shared in (y, y[:1]):
        expected = oracle.utility(gates_applied(model), np.asarray(x), np.asarray(own_or_shared))
        np.testing.assert_allclose(evaluated(x, own_or_shared), expected, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(model(x, own_or_shared), expected, rtol=1e-10, atol=1e-10)


def gates_applied(model):
    """The network with plain numbers in place of its weights."""
    return with_arrays(model, [Weight(weight.value) for weight in model.arrays])


@every_case
def test_gradients_are_those_of_the_network(name, way):
    model = CASES[name]()
    packing = Packing.of(model)
    x, y = rows(model, features_of(model))
    loss = lambda utility: jnp.sum(jnp.sin(utility(x, y)))
    packed = jax.grad(lambda p: loss(packing.evaluated(p)))(packing.packed(model))
    plain = jax.grad(lambda p: loss(packing.network(p)))(packing.packed(model))
    for a, b in zip(packed, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@every_case
def test_ridge_is_the_sum_of_squared_coefficients_multipliers_projections_and_readout(name, way):
    model = CASES[name]()
    penalized = [rows.coef for layer in model.layers for rows in layer.heads.values()]
    penalized += [rows.multiplier for layer in model.layers for rows in layer.heads.values()]
    penalized += [weight for weight in (*model.projections, model.readout.weight) if weight is not None]
    expected = sum(float(np.sum(np.asarray(weight.value) ** 2)) for weight in penalized)
    packing = Packing.of(model)
    assert packing.squared(packing.packed(model)) == pytest.approx(expected, rel=1e-12)
