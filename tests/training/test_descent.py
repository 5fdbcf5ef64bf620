"""Claims about descents: they reach optima, smooth or kinked, never rise, and keep their best trial."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.training.descent import Point, _direction, descend
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


@pytest.mark.parametrize(("steps", "longest"), [(0, 1.0), (1, 1.0), (2, 6.0)])
def test_a_direction_goes_downhill_no_longer_than_the_vector_and_one(steps, longest):
    """From (3, 4); before the third step, when the size of the inverse is a guess, no longer than one."""
    at = Point(jnp.array([3.0, 4.0]), jnp.array(0.0), jnp.array([60.0, 80.0]))
    state = SimpleNamespace(at=at, inverse=jnp.eye(2), steps=jnp.array(steps))
    np.testing.assert_allclose(_direction(state, jnp.eye(2)), [-0.6 * longest, -0.8 * longest], rtol=1e-6)
    state.inverse = -jnp.eye(2)  # Uphill: the guess serves.
    np.testing.assert_allclose(_direction(state, 1e-3 * jnp.eye(2)), [-0.06, -0.08], rtol=1e-6)


def test_a_descent_that_is_cut_short_keeps_its_best_trial():
    values = [
        lowered(lambda v: jnp.sum(v**4 + v**2), np.full(3, 2.0), evaluations).value for evaluations in range(1, 9)
    ]
    assert np.all(np.diff(values) <= 0)
    assert values[-1] < 0.1 * values[0]
