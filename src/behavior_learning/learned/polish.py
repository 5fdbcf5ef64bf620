"""The optimum of a stated loss, near a learned model."""

from dataclasses import dataclass, replace

import numpy as np

from behavior_learning.core.arrays import make_key, to_device
from behavior_learning.core.block import Weight
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_weights
from behavior_learning.errors import OptionError
from behavior_learning.learned.model import LearnedModel, Procedure, TrainingRows, in_single
from behavior_learning.learned.records import standard_deviations
from behavior_learning.learned.refits import procedure_of
from behavior_learning.options import check_count, check_number
from behavior_learning.training.polish import MOST_NUMBERS, lowered
from behavior_learning.training.weights import chosen_rows

__all__ = ["linear_of_all_rows", "polished"]

LINEAR_EVALUATIONS = 500
"""Of the loss of a linear model, at most."""

NOTHING = 1e-5
"""Log odds by which a block that says nothing moves a class at most, per standard deviation of a column: a ridge of
coefficients, multipliers and readout has its optimum at zero, and a descent ends a hair beside it."""


@dataclass(frozen=True, eq=False)
class Polishing:
    """What made a model, and polishing after it.

    Attributes
    ----------
    before : what made the model that was polished.
    l2, evaluations : of `polished`.
    """

    before: Procedure
    l2: float
    evaluations: int

    def __call__(self, model: LearnedModel, rows: TrainingRows, rng: np.random.Generator) -> LearnedModel:
        return polished(self.before(model, rows, rng), l2=self.l2, evaluations=self.evaluations)


def polished(model: LearnedModel, *, l2: float | None, evaluations: int) -> LearnedModel:
    """The model at the optimum, near it, of the mean loss of the rows that trained it, with a ridge.

    Parameters
    ----------
    l2 : ridge of all rows together; None for that of the fit.
    evaluations : of the loss and its gradient on all rows, at most.
    """
    rows, objective, numbers = model.training_rows("polish"), model.objective, model.network.n_parameters
    reasons = {
        "a loss with noise": bool(objective.noise(make_key(0), to_device(rows.y[:1]))),
        f"the mean of {model.members} fits": model.members > 1,
        f"{numbers:,} parameters": numbers > MOST_NUMBERS,
        "a sample of the stream that trained it": rows.of is not None,
    }
    for reason in (reason for reason, holds in reasons.items() if holds):
        raise OptionError(
            f"polish() needs all rows, a loss without noise, a single fit and {MOST_NUMBERS:,} parameters at most; "
            f"this model has {reason}. Fit another: in memory, objective='likelihood', average=False, fewer layers."
        )
    fitted = model.recipe.settings.penalty.l2 if model.l2 is None else model.l2
    l2 = fitted if l2 is None else check_number("l2", l2, inclusive=True)
    train = np.flatnonzero(~rows.held_out)
    data = chosen_rows(in_single((rows.x, rows.y)), rows.weight, train)
    evaluations = check_count("evaluations", evaluations)
    network = lowered(model.network, objective, data=data, l2=l2, evaluations=evaluations)
    return replace(
        model,
        network=network,
        l2=l2,
        known_deviations=standard_deviations(network, objective.space, *map(np.asarray, data[:2])),
        procedure=Polishing(procedure_of(model), l2, evaluations),
    )


def linear_of_all_rows(model: LearnedModel) -> LearnedModel:
    """A linear or logistic model at the optimum of all rows, those included that were held out.

    It has one optimum, so that there is nothing to stop or to choose any more. Of a number τ = n/(n − rank) makes up
    for the degrees of freedom, by which the variance of largest likelihood is too small.
    """
    rows, l2 = model.training_rows("fit"), model.recipe.settings.penalty.l2
    every = np.arange(len(rows.x))
    data = chosen_rows(in_single((rows.x, rows.y)), rows.weight, every)
    network = lowered(model.network, model.objective, data=data, l2=l2, evaluations=LINEAR_EVALUATIONS)
    temperature = model.temperature
    if model.response.levels is not None:
        network = _emptied(network)
    else:
        rank = np.linalg.matrix_rank(np.column_stack([np.ones(len(every)), rows.x]))
        temperature *= len(every) / max(len(every) - rank, 1)
    return replace(
        model,
        network=network,
        temperature=temperature,
        l2=l2,
        rows=replace(rows, held_out=np.zeros(len(every), bool)),
        known_deviations=standard_deviations(network, model.space, *map(np.asarray, data[:2])),
    )


def _emptied(network: BehaviorNetwork) -> BehaviorNetwork:
    """Logistic regression in which blocks that say nothing are zero, and enter no class but by its bias."""
    coef, intercept, multiplier, *others, readout, bias = network.weights
    sizes = weight_value(multiplier)[:, 0]
    moved = np.abs(weight_value(coef)).max(axis=(1, 2), initial=0.0) * sizes
    empty = moved * np.abs(weight_value(readout)).max(axis=0) < NOTHING
    constant = weight_value(readout) @ (empty * sizes * weight_value(intercept)[:, 0])
    bias = replace(bias, raw=to_device((weight_value(bias) + constant).astype(np.float32)))

    def without(weight: Weight, blocks: np.ndarray) -> Weight:
        return replace(weight, raw=to_device(np.where(blocks, np.float32(0.0), np.asarray(weight.raw))))

    coef, intercept = without(coef, empty[:, None, None]), without(intercept, empty[:, None])
    return with_weights(network, [coef, intercept, multiplier, *others, without(readout, empty), bias])
