"""Claims about polishing: fits end at the optimum of their stated loss."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing
from behavior_learning.training.polish import held_out_losses
from tests.fitted import fitted, logistic


class Squares:
    """Squares of errors, as if by three candidates a row."""

    evaluations = 3

    def __call__(self, vector, x, y):
        return (x @ vector - y) ** 2


def test_a_fit_ends_at_the_optimum_of_its_stated_loss():
    model = logistic().model_
    assert model.l2 == 0.0
    packing = Packing.of(model.network)
    loss = PenalizedLoss(model.objective, packing, jnp.zeros(()))
    train = ~model.rows.held_out
    rows = jnp.asarray(model.rows.x[train], jnp.float32), jnp.asarray(model.rows.y[train])
    assert np.linalg.norm(jax.grad(loss)(packing.packed(model.network), rows)[0]) == pytest.approx(0, abs=5e-3)


@pytest.mark.parametrize("numbers", [1, 60, 2**20])
def test_the_loss_of_some_rows_at_a_time_and_its_slope_are_those_of_all(monkeypatch, numbers):
    rng = np.random.default_rng(0)
    x, y, vector = (jnp.asarray(rng.standard_normal(shape)) for shape in ((31, 3), 31, 3))
    packing = SimpleNamespace(
        network=lambda packed: SimpleNamespace(width=2),
        evaluated=lambda packed: packed[0],
        squared=lambda packed: jnp.sum(packed[0] ** 2),
    )
    monkeypatch.setattr("behavior_learning.training.fit.CACHED", numbers)
    value, slope = PenalizedLoss(Squares(), packing, 0.1).with_slope((x, y), vector)
    error = np.asarray(x @ vector - y)
    assert float(value) == pytest.approx((error**2).mean() + 0.1 * float(vector @ vector), rel=1e-5)
    np.testing.assert_allclose(slope, 2 * error @ np.asarray(x) / 31 + 0.2 * np.asarray(vector), rtol=1e-4)


def test_held_out_rows_are_evaluated_some_at_a_time(monkeypatch):
    model = fitted(bl.BLRegressor, "numbers").model_
    packing = Packing.of(model.network)
    at = packing.packed(model.network, np)[0]
    rows = tuple(column[:40].astype(np.float32) for column in (model.rows.x, model.rows.y))
    whole = held_out_losses(model.objective, packing, at, rows)
    monkeypatch.setattr("behavior_learning.core.batches.VALUES_IN_MEMORY", 1)
    np.testing.assert_allclose(held_out_losses(model.objective, packing, at, rows), whole, rtol=1e-4, atol=1e-5)
