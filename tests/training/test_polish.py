"""Claims about polishing: fits end at the optimum of their stated loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing
from behavior_learning.training.polish import held_out_losses
from tests.fitted import fitted, logistic


def test_a_fit_ends_at_the_optimum_of_its_stated_loss():
    model = logistic().model_
    assert model.l2 == 0.0
    packing = Packing.of(model.network)
    loss = PenalizedLoss(model.objective, packing, jnp.zeros(()))
    train = ~model.rows.held_out
    rows = jnp.asarray(model.rows.x[train], jnp.float32), jnp.asarray(model.rows.y[train])
    assert np.linalg.norm(jax.grad(loss)(packing.packed(model.network), rows)[0]) == pytest.approx(0, abs=5e-3)


def test_the_loss_of_some_rows_at_a_time_and_its_slope_are_those_of_all(monkeypatch):
    model = fitted(bl.BLRegressor, "numbers").model_
    packing = Packing.of(model.network)
    loss = PenalizedLoss(model.objective, packing, jnp.asarray(0.1))
    (vector,) = packing.packed(model.network)
    rows = tuple(jnp.asarray(column[:31], jnp.float32) for column in (model.rows.x, model.rows.y))
    value, (slope,) = jax.value_and_grad(loss)((vector,), rows)
    for numbers in (1, 2**13, 2**30):
        monkeypatch.setattr("behavior_learning.training.fit.CACHED", numbers)
        found = loss.with_slope(rows, vector)
        assert found[0] == pytest.approx(value, rel=1e-5)
        np.testing.assert_allclose(found[1], slope, rtol=1e-3, atol=1e-5)


def test_held_out_rows_are_evaluated_some_at_a_time(monkeypatch):
    model = fitted(bl.BLRegressor, "numbers").model_
    packing = Packing.of(model.network)
    at = packing.packed(model.network, np)[0]
    rows = tuple(column[:40].astype(np.float32) for column in (model.rows.x, model.rows.y))
    whole = held_out_losses(model.objective, packing, at, rows)
    monkeypatch.setattr("behavior_learning.core.batches.VALUES_IN_MEMORY", 1)
    np.testing.assert_allclose(held_out_losses(model.objective, packing, at, rows), whole, rtol=1e-5)
