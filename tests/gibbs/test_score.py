"""Claims about derivatives in y: finite differences, and both ways to take them."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis
from behavior_learning.gibbs import score as module
from behavior_learning.gibbs.score import score, score_and_curvature
from tests.conftest import SPELLED, random_network, rng

pytestmark = pytest.mark.usefixtures("float64")

N, K, D, M = 3, 2, 2, 4
KINKS = {"relu", "abs", "huber(0.7)"}
SMOOTH = {
    tuple(name if role == own else other for own, other in zip(SPELLED, ("tanh", "softplus", "square"), strict=True))
    for role, names in SPELLED.items()
    for name in names
    if name not in KINKS
}
every_smooth_heads = pytest.mark.parametrize("heads", sorted(SMOOTH), ids="-".join)
every_columns = pytest.mark.parametrize("columns", [(2,), (0, 3), (3, 1, 0)], ids=str)
STEP = 1e-4


def problem(heads, *seed):
    generator = rng("score", heads, *seed)
    network = random_network(Architecture((2, 2), heads=heads), affine_basis(D, M), M, generator)
    return network, jnp.asarray(generator.normal(size=(N, D))), jnp.asarray(generator.normal(size=(N, K, M)))


def differences(f, y, column):
    """First and second central differences along a column of y."""
    along = STEP * jnp.eye(M)[column]
    below, here, above = (f(y + step * along) for step in (-1, 0, 1))
    return (above - below) / (2 * STEP), (above - 2 * here + below) / STEP**2


@every_smooth_heads
def test_score_and_curvature_are_finite_differences(heads):
    network, x, y = problem(heads)
    first, second = zip(*(differences(lambda y: network(x, y), y, j) for j in range(M)), strict=True)
    slope, curvature = eqx.filter_jit(score_and_curvature)(network, x, y, tuple(range(M)))
    np.testing.assert_allclose(slope, jnp.stack(first, axis=-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(curvature, jnp.stack(second, axis=-1), rtol=1e-4, atol=1e-5)


@every_columns
def test_tangents_and_the_reverse_pass_agree(columns, monkeypatch):
    network, x, y = problem(("tanh", "softplus", "square"), columns)
    both = []
    for most in (0, M):
        monkeypatch.setattr(module, "MOST_TANGENTS", most)
        both.append(eqx.filter_jit(lambda network, x, y: score(network, x, y, columns))(network, x, y))
    assert both[0].shape == (N, K, len(columns))
    np.testing.assert_allclose(*both, rtol=1e-11, atol=1e-13)
    slope, _ = eqx.filter_jit(score_and_curvature)(network, x, y, columns)
    np.testing.assert_allclose(slope, both[0], rtol=1e-11, atol=1e-13)


@every_columns
def test_score_has_the_columns_asked_for_in_their_order(columns):
    network, x, y = problem(("tanh", "softplus", "square"), columns)
    full, some = (eqx.filter_jit(score)(network, x, y, chosen) for chosen in (tuple(range(M)), columns))
    np.testing.assert_allclose(some, full[..., np.array(columns)], rtol=1e-11, atol=1e-13)


def test_score_of_a_gaussian_is_its_closed_form():
    """∇ −½ yᵀΛy = −Λy, and the diagonal of its Jacobian is −diag Λ."""
    generator = rng("gaussian score")
    root = generator.normal(size=(M, M))
    precision, y = root @ root.T, jnp.asarray(generator.normal(size=(N, K, M)))
    utility = lambda x, y: -0.5 * jnp.einsum("nki,ij,nkj->nk", y, precision, y)
    slope, curvature = score_and_curvature(utility, jnp.zeros((N, 1)), y, (1, 3))
    np.testing.assert_allclose(slope, -(y @ precision)[..., [1, 3]], rtol=1e-10)
    np.testing.assert_allclose(curvature, np.broadcast_to(-np.diag(precision)[[1, 3]], (N, K, 2)), rtol=1e-10)
