"""Claims about descents: they reach optima, smooth or kinked, never rise, and keep their best trial."""

import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.training.descent import descend
from tests.conftest import rng


def lowered(loss, start, evaluations):
    start = jnp.asarray(start, jnp.float32)
    return descend(jax.value_and_grad(loss), start, jnp.eye(len(start)), jnp.int32(evaluations)).at


def test_a_descent_solves_linear_equations():
    root = rng("root").normal(size=(6, 6))
    matrix, right = root @ root.T + np.eye(6), rng("right").normal(size=6)
    end = lowered(lambda v: 0.5 * v @ jnp.asarray(matrix) @ v - jnp.asarray(right) @ v, np.zeros(6), 200)
    np.testing.assert_allclose(end.vector, np.linalg.solve(matrix, right), atol=3e-3)


def test_a_descent_gets_along_a_kink():
    kinked = lambda v: jnp.abs(v[1] - v[0] ** 2) + 0.1 * (1 - v[0]) ** 2
    assert lowered(kinked, [-1.0, 2.0], 400).value < 1e-3


def test_a_descent_never_raises_the_loss():
    steep = lambda v: jnp.where(jnp.abs(v).max() > 3, jnp.inf, jnp.sum(jnp.cosh(5 * v)))
    start = rng("start").uniform(-1, 1, 4)
    assert lowered(steep, start, 60).value < 0.5 * steep(start)


def test_a_descent_stays_where_slopes_are_finite():
    """Beyond 1 the loss falls on and its slope is none, as where a head overflows."""

    def broken(v):
        edge = jnp.where(v > 1, jnp.nan, 1.0)
        return -jnp.sum(v), -edge

    at = descend(broken, jnp.zeros(3), jnp.eye(3), jnp.int32(60)).at
    assert np.all(np.isfinite(at.slope))
    assert np.all(at.vector <= 1)


def test_a_descent_that_is_cut_short_keeps_its_best_trial():
    values = [
        lowered(lambda v: jnp.sum(v**4 + v**2), np.full(3, 2.0), evaluations).value for evaluations in range(1, 9)
    ]
    assert np.all(np.diff(values) <= 0)
    assert values[-1] < 0.1 * values[0]
