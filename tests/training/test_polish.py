"""Claims about polishing: descents reach optima, smooth or kinked, and fits end at that of the stated loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing
from behavior_learning.training.polish import descend
from tests.conftest import rng
from tests.fitted import logistic


def test_a_descent_solves_linear_equations():
    root = rng("root").normal(size=(6, 6))
    matrix, right = root @ root.T + np.eye(6), rng("right").normal(size=6)
    end = descend(lambda v: (0.5 * v @ matrix @ v - right @ v, matrix @ v - right), np.zeros(6), None, 200)
    np.testing.assert_allclose(end.vector, np.linalg.solve(matrix, right), atol=1e-3)


def test_a_descent_gets_along_a_kink():
    def kinked(v):
        return abs(v[1] - v[0] ** 2) + 0.1 * (1 - v[0]) ** 2, np.array(
            [-2 * v[0] * np.sign(v[1] - v[0] ** 2) - 0.2 * (1 - v[0]), np.sign(v[1] - v[0] ** 2)]
        )

    assert descend(kinked, np.array([-1.0, 2.0]), None, 400).value < 1e-3


def test_a_descent_never_raises_the_loss():
    steep = lambda v: (np.inf, v) if np.abs(v).max() > 3 else (float(np.sum(np.cosh(5 * v))), 5 * np.sinh(5 * v))
    start = rng("start").uniform(-1, 1, 4)
    assert descend(steep, start, None, 60).value < steep(start)[0]


def test_a_fit_ends_at_the_optimum_of_its_stated_loss():
    model = logistic().model_
    assert model.l2 == 0.0
    packing = Packing.of(model.network)
    loss = PenalizedLoss(model.objective, packing, jnp.zeros(()))
    train = ~model.rows.held_out
    rows = jnp.asarray(model.rows.x[train], jnp.float32), jnp.asarray(model.rows.y[train])
    assert np.linalg.norm(jax.grad(loss)(packing.packed(model.network), rows)[0]) == pytest.approx(0, abs=5e-3)
