"""Claims about optima from random starts: they are those of the stated loss of the rows that a sample drew."""

from dataclasses import replace

import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.core.arrays import to_device
from behavior_learning.core.network import drawn_like
from behavior_learning.learned import refits
from behavior_learning.learned.refits import Fitting
from behavior_learning.objectives import Weighted
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.optima import STARTS, distinct, from_random
from behavior_learning.training.packing import Packing
from behavior_learning.training.polish import Polished
from tests.conftest import rng
from tests.fitted import fitted, logistic


def sampled(weighted):
    """Rows of a model drawn with replacement, with and without weights of their own."""
    model = logistic().model_
    chosen = rng("sample").choice(60, 150)
    weight = rng("weight").uniform(0.5, 2.0, 150).astype(np.float32)
    data = model.rows.x[chosen].astype(np.float32), model.rows.y[chosen]
    return model, (*data, weight / weight.mean()) if weighted else data


@pytest.mark.parametrize("weighted", [False, True])
def test_distinct_rows_with_weights_have_the_loss_of_all_rows(weighted):
    model, data = sampled(weighted)
    known = distinct(data)
    assert len(np.unique(known[0], axis=0)) < len(known[0]) < 150
    losses = [
        np.mean(np.asarray(Weighted.where(model.objective, rows)(model.network, *map(to_device, rows))))
        for rows in (data, known)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_descents_end_at_the_optimum_of_the_drawn_rows():
    model, data = sampled(weighted=True)
    starts = [drawn_like(model.network, rng("starts")) for _ in range(2)]
    found = from_random(starts, model.objective, data=data, validation=data, l2=1.0)
    assert found is not None
    assert found.l2 == 1.0  # Less ridge is a lower loss of the same rows.
    packing = Packing.of(model.network)
    loss = PenalizedLoss(Weighted.where(model.objective, data), packing, np.float32(found.l2 / (2 * len(data[0]))))
    _, slope = loss.with_slope(tuple(map(to_device, data)), packing.packed(found.network)[0])
    assert np.linalg.norm(slope) < 5e-3


def test_layers_at_an_optimum_are_made_again_by_descents_and_other_models_by_training(monkeypatch):
    trained, few = fitted(bl.BLRegressor, "numbers").model_, logistic().model_
    assert (trained.l2, few.l2, few.network.architecture.layers) == (None, 0.0, (3,))
    asked = []

    def descents(starts, objective, *, data, validation, l2):
        asked.append((len(starts), len(data[0]), len(validation[0]), l2))
        return Polished(starts[0], 2 * l2, 0.0)

    monkeypatch.setattr(refits, "from_random", descents)
    monkeypatch.setattr(refits, "fit_from", lambda *given, **named: pytest.fail("trained"))
    rows, stated = trained.given_rows("refits"), trained.recipe.settings.penalty.l2
    [(again, sample)] = refits.refits(replace(trained, l2=stated), rows, 1, "bootstrap", 0)
    held_out = int(sample.held_out.sum())
    assert asked == [(STARTS, len(rows[0]) - held_out, held_out, stated)]
    assert again is not None
    assert again.rows is sample
    assert again.l2 == 2 * stated
    for model in (trained, few):
        with pytest.raises(pytest.fail.Exception, match="trained"):
            Fitting([model.network], [model.recipe.settings])(model, model.rows, np.random.default_rng(0))
