"""Claims about `polish`: it ends at the optimum of the stated loss, and says what it cannot do."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.errors import OptionError
from behavior_learning.learned.polish import polished
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing
from behavior_learning.training.scores import row_scores
from tests.fitted import logistic, numbers


def rows_of(model):
    """The training rows of a model, as losses take them."""
    train = ~model.rows.held_out
    return jnp.asarray(model.rows.x[train], jnp.float32), jnp.asarray(model.rows.y[train])


def slope_of_loss(model, l2):
    """Norm of the gradient of the mean loss of the training rows with a ridge of all rows together."""
    rows, packing = rows_of(model), Packing.of(model.network)
    loss = PenalizedLoss(model.objective, packing, jnp.asarray(l2 / (2 * len(rows[0]))))
    return np.linalg.norm(jax.grad(loss)(packing.packed(model.network), rows)[0])


def test_what_is_polished_is_an_optimum_with_its_ridge():
    whole = logistic()
    closer = whole.polish(l2=5.0)
    assert closer.l2_ == 5.0
    assert slope_of_loss(whole.model_, 5.0) > 0.01
    assert slope_of_loss(closer.model_, 5.0) == pytest.approx(0, abs=2e-3)
    assert whole.l2_ == 0.0


def test_scores_of_rows_add_up_to_the_slope():
    model = logistic().polish(l2=5.0).model_
    packing = Packing.of(model.network)
    scores = row_scores(model.objective, packing, packing.packed(model.network)[0], rows_of(model))
    assert np.linalg.norm(scores.mean(axis=0)) == pytest.approx(slope_of_loss(model, 0.0), rel=1e-3)


def test_going_on_from_an_optimum_brings_nothing():
    closer = logistic().polish(l2=5.0)
    again = closer.polish()
    assert again.l2_ == 5.0
    assert again.predict_proba(numbers()) == pytest.approx(closer.predict_proba(numbers()), abs=1e-3)


def test_polishing_is_repeated_with_the_fit():
    closer = logistic().polish(l2=5.0, evaluations=60).model_
    again = closer.procedure(closer, closer.rows, np.random.default_rng(0))
    assert again.l2 == 5.0
    assert slope_of_loss(again, 5.0) < 0.02


@pytest.mark.parametrize(
    ("options", "said"), [({"l2": -1.0}, "l2 must be"), ({"evaluations": 0}, "evaluations must be")]
)
def test_bad_options_are_named(options, said):
    with pytest.raises(OptionError, match=said):
        logistic().polish(**options)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda model: {"biases": (0.0, 0.0)}, "the mean of 2 fits"),
        (lambda model: {"rows": replace(model.rows, of=10**6)}, "a sample of the stream"),
    ],
)
def test_what_has_no_optimum_of_its_own_is_refused(changed, said):
    model = logistic().model_
    with pytest.raises(OptionError, match=said):
        polished(replace(model, **changed(model)), l2=1.0, evaluations=10)
