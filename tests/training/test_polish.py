"""Claims about polishing: fits end at the optimum of their stated loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing
from tests.fitted import logistic


def test_a_fit_ends_at_the_optimum_of_its_stated_loss():
    model = logistic().model_
    assert model.l2 == 0.0
    packing = Packing.of(model.network)
    loss = PenalizedLoss(model.objective, packing, jnp.zeros(()))
    train = ~model.rows.held_out
    rows = jnp.asarray(model.rows.x[train], jnp.float32), jnp.asarray(model.rows.y[train])
    assert np.linalg.norm(jax.grad(loss)(packing.packed(model.network), rows)[0]) == pytest.approx(0, abs=5e-3)
