"""Claims about `polish`: it ends at the optimum of the stated loss, and says what it cannot do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.errors import OptionError
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing
from tests.fitted import logistic


def slope_of_loss(model, l2):
    """Norm of the gradient of the mean loss of the training rows with a ridge of all rows together."""
    train, packing = ~model.rows.held_out, Packing.of(model.network)
    rows = jnp.asarray(model.rows.x[train], jnp.float32), jnp.asarray(model.rows.y[train])
    loss = PenalizedLoss(model.objective, packing, jnp.asarray(l2 / (2 * train.sum())))
    return np.linalg.norm(jax.grad(loss)(packing.packed(model.network), rows)[0])


def test_what_is_polished_is_an_optimum_with_its_ridge():
    whole = logistic()
    polished = whole.polish(l2=5.0)
    assert polished.l2_ == 5.0
    assert slope_of_loss(whole.model_, 5.0) > 0.01
    assert slope_of_loss(polished.model_, 5.0) == pytest.approx(0, abs=2e-3)
    assert whole.l2_ == 0.0


def test_polishing_is_repeated_with_the_fit():
    polished = logistic().polish(l2=5.0, evaluations=60)
    again = polished.model_.procedure(polished.model_, polished.model_.rows, np.random.default_rng(0))
    assert again.l2 == 5.0
    assert slope_of_loss(again, 5.0) < 0.02


@pytest.mark.parametrize(
    ("options", "said"), [({"l2": -1.0}, "l2 must be"), ({"evaluations": 0}, "evaluations must be")]
)
def test_bad_options_are_named(options, said):
    with pytest.raises(OptionError, match=said):
        logistic().polish(**options)
