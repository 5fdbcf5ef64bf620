"""Claims about polishing: descents reach optima, smooth or kinked, and fits end at that of the stated loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.training.descent import ANY_SLOPE, LESS_SLOPE, descend
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing
from tests.conftest import rng
from tests.fitted import logistic


def lowered(loss, start, evaluations, **options):
    start = jnp.asarray(start, jnp.float32)
    return descend(jax.value_and_grad(loss), start, jnp.eye(len(start)), jnp.int32(evaluations), **options).at


@pytest.mark.parametrize("leaving", [LESS_SLOPE, ANY_SLOPE])
def test_a_descent_solves_linear_equations(leaving):
    root = rng("root").normal(size=(6, 6))
    matrix, right = root @ root.T + np.eye(6), rng("right").normal(size=6)
    end = lowered(
        lambda v: 0.5 * v @ jnp.asarray(matrix) @ v - jnp.asarray(right) @ v, np.zeros(6), 200, leaving=leaving
    )
    np.testing.assert_allclose(end.vector, np.linalg.solve(matrix, right), atol=3e-3)


def test_a_descent_gets_along_a_kink():
    kinked = lambda v: jnp.abs(v[1] - v[0] ** 2) + 0.1 * (1 - v[0]) ** 2
    assert lowered(kinked, [-1.0, 2.0], 400).value < 1e-3


def test_a_descent_never_raises_the_loss():
    steep = lambda v: jnp.where(jnp.abs(v).max() > 3, jnp.inf, jnp.sum(jnp.cosh(5 * v)))
    start = rng("start").uniform(-1, 1, 4)
    assert lowered(steep, start, 60).value < 0.5 * steep(start)


def test_a_descent_that_is_cut_short_keeps_its_best_trial():
    values = [
        lowered(lambda v: jnp.sum(v**4 + v**2), np.full(3, 2.0), evaluations).value for evaluations in range(1, 9)
    ]
    assert np.all(np.diff(values) <= 0)
    assert values[-1] < 0.1 * values[0]


def test_a_fit_ends_at_the_optimum_of_its_stated_loss():
    model = logistic().model_
    assert model.l2 == 0.0
    packing = Packing.of(model.network)
    loss = PenalizedLoss(model.objective, packing, jnp.zeros(()))
    train = ~model.rows.held_out
    rows = jnp.asarray(model.rows.x[train], jnp.float32), jnp.asarray(model.rows.y[train])
    assert np.linalg.norm(jax.grad(loss)(packing.packed(model.network), rows)[0]) == pytest.approx(0, abs=5e-3)
