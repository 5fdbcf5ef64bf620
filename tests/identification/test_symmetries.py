"""Distributions that are equal by a formula are at distance zero; nearby ones are near."""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis, polynomial_basis, with_terms, without_pure_x
from behavior_learning.core.block import Weight
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_head
from behavior_learning.core.spaces import Categories
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.identification.canonical_form import canonicalize, distance
from behavior_learning.identification.parameters import LocalParameters, parameter_labels
from tests.conftest import random_network, rng
from tests.identification.test_canonical_form import relative_utility

pytestmark = pytest.mark.usefixtures("float64")

X, Y = rng("symmetries").normal(size=(2, 6, 1))


def drawn(heads, rows, basis, response: int = 1) -> BehaviorNetwork:
    return random_network(Architecture((1,), rows, heads, readout="identity"), basis, response, rng(heads, rows))


def numbers(network, role):
    return [weight_value(weight).copy()[0] for weight in network.layers[0].heads[role].weights]


def changed(network, role, coef, intercept, multiplier):
    size = np.asarray(multiplier)[None]
    weights = {"coef": coef[None], "intercept": intercept[None], "multiplier": size + np.log(-np.expm1(-size))}
    rules = {part: getattr(network.layers[0].heads[role], part).rule for part in weights}
    return with_head(network, 0, role, **{part: Weight(value, rules[part]) for part, value in weights.items()})


def flipped_beside_a_square():
    """−λ·softplus(c) − μ·t² ≡ −λ·softplus(−c) − μ·(t + s)², s = λ·β_c/(2·μ·α_t)."""
    network = drawn(("tanh", "softplus", "square"), (1, 1, 1), affine_basis(1, 1))
    c, c0, lam = numbers(network, "inequality")
    t, t0, mu = numbers(network, "equality")
    turned = changed(network, "inequality", -c, -c0, lam)
    return network, changed(turned, "equality", t, t0 + lam * c[:, 1] / (2 * mu * t[:, 1]), mu)


def several_affine_squares():
    """Σ μ_k(a_k·y + d_k(x))² ≡ (α·y + δ(x))², α² = Σ μ_k·a_k², α·δ = Σ μ_k·a_k·d_k."""
    network = drawn((None, "softplus", "square"), (0, 1, 3), affine_basis(1, 1))
    t, t0, mu = numbers(network, "equality")
    alpha = np.sqrt(mu @ t[:, 1] ** 2)
    one = np.array([(mu * t[:, 1]) @ t[:, 0] / alpha, alpha])
    intercept = (mu * t[:, 1]) @ t0 / alpha
    rest = np.array([[0.7, 0.0], [-0.4, 0.0]])
    return network, changed(network, "equality", np.vstack([rest, one]), np.array([0.1, 2.0, intercept]), np.ones(3))


def square_beside_an_identity():
    """w·y − μ·t² ≡ (w − 2·μ·s·α)·y − μ·(t − s)² for any number s."""
    network = drawn(("identity", "softplus", "square"), (1, 1, 1), affine_basis(1, 1))
    (u, u0, lam), (t, t0, mu) = numbers(network, "utility"), numbers(network, "equality")
    moved = changed(network, "utility", u - 2 * 0.8 * mu[:, None] * t / lam[:, None], u0, lam)
    return network, changed(moved, "equality", t, t0 - 0.8, mu)


def curved_squares():
    """Σ a_k(x)·d_k(x) does not see d = (a_2, −a_1)·s."""
    basis = with_terms(affine_basis(1, 1), [(Product((0,)), Product((0,)))])
    network = drawn(("tanh", None, "square"), (1, 0, 2), basis)
    t, t0, _ = numbers(network, "equality")
    other = t.copy()
    other[:, 0] += 0.9 * np.array([t[1, 2], -t[0, 2]])
    shifted = t0 + 0.9 * np.array([t[1, 1], -t[0, 1]])
    return changed(network, "equality", t, t0, np.ones(2)), changed(network, "equality", other, shifted, np.ones(2))


PAIRS = {
    pair.__name__: pair
    for pair in (flipped_beside_a_square, several_affine_squares, square_beside_an_identity, curved_squares)
}


@cache
def candidates():
    return X, rng("candidates").normal(size=(6, 8, 1))


@pytest.mark.parametrize("pair", PAIRS)
def test_equal_distributions_are_at_distance_zero(pair):
    a, b = PAIRS[pair]()
    np.testing.assert_allclose(relative_utility(a, *candidates()), relative_utility(b, *candidates()), atol=1e-10)
    for network in (a, b):
        form = canonicalize(network).network
        np.testing.assert_allclose(
            relative_utility(form, *candidates()), relative_utility(network, *candidates()), atol=1e-9
        )
    assert distance(a, b) < 1e-8


def two_classes():
    """tanh(t_1) − tanh(t_0) = tanh(−t_0) − tanh(−t_1)."""
    basis = without_pure_x(polynomial_basis(2, 2, degree=2, one_hot=True))
    architecture = Architecture((1,), (1, 0, 0), ("tanh", None, None), intercepts=False, readout="identity")
    network = random_network(architecture, basis, 2, rng("two"))
    coef, intercept, lam = numbers(network, "utility")
    classes = [np.array([i for i, (_, y) in enumerate(basis.terms) if y.columns == (k,)]) for k in range(2)]
    swapped = coef.copy()
    swapped[:, classes[0]], swapped[:, classes[1]] = -coef[:, classes[1]], -coef[:, classes[0]]
    return network, changed(network, "utility", swapped, intercept, lam)


def test_two_classes_may_trade_places_with_the_sign_of_an_odd_utility():
    a, b = two_classes()
    x = rng("x").normal(size=(6, 2))
    shares = [np.asarray(Gibbs(network, Categories(2)).mean(jnp.asarray(x))) for network in (a, b)]
    np.testing.assert_allclose(*shares, atol=1e-12)
    assert distance(a, b, one_hot=True) < 1e-9
    assert distance(a, b) > 1e-3


def test_squares_that_may_turn_are_near_whatever_their_axes():
    """Rows of nearly the same length turn freely under a small change."""
    network = drawn(("tanh", None, "square"), (1, 0, 2), affine_basis(1, 2), 2)
    _, t0, _ = numbers(network, "equality")
    round_, tilt = np.array([[0.3, 1.0, 0.0], [0.2, 0.0, 1.0]]), np.array([[0.0, 0.0, 1e-4], [0.0, 1e-4, 0.0]])
    a, b = (changed(network, "equality", rows, t0, np.ones(2)) for rows in (round_, round_ + tilt))
    assert distance(a, b) < 1e-3


def labels(network):
    return parameter_labels(network, ["x"], ["y"])


@pytest.mark.parametrize("pair", ["square_beside_an_identity", "curved_squares"])
def test_completed_squares_move_within_their_form(pair):
    network = PAIRS[pair]()[0]
    local = LocalParameters.of(canonicalize(network), labels(network))
    step = 1e-5 * local.tangent_space @ rng("t", pair).normal(size=local.tangent_space.shape[1])
    moved = local.parametrization.network(local.theta + step)
    again = LocalParameters.of(canonicalize(moved), labels(network)).theta
    np.testing.assert_allclose(again, local.theta + step, atol=2e-8)
