"""Smaller models at a stated loss."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.learned.model import LearnedModel, Procedure, Rows, TrainingRows, in_single
from behavior_learning.learned.records import history, restarts, standard_deviations
from behavior_learning.learned.refits import procedure_of
from behavior_learning.options import check_count, check_number, check_seed
from behavior_learning.responses.base import checked_split
from behavior_learning.training.active_set import kept_blocks
from behavior_learning.training.polish import polish
from behavior_learning.training.prune import Pruner, Stage, path, smallest, with_terms
from behavior_learning.training.weights import chosen_rows

__all__ = ["pruned", "pruning_path"]


@dataclass(frozen=True, eq=False)
class Pruning:
    """What made a model, and pruning after it.

    Attributes
    ----------
    before : what made the model that was pruned.
    options : of `pruned`.
    """

    before: Procedure
    options: dict[str, Any]

    def __call__(self, model: LearnedModel, rows: TrainingRows, rng: np.random.Generator) -> LearnedModel:
        return pruned(self.before(model, rows, rng), None, **self.options)


def pruned(
    model: LearnedModel,
    rows: Rows | None,
    *,
    tolerance: float,
    max_epochs: int,
    random_state: int,
    terms: int | None = None,
) -> LearnedModel:
    """The smallest model whose held-out loss is at most `tolerance` above that of the given one.

    Parameters
    ----------
    rows : to train on and to hold out; None for those of the fit.
    terms : the best model of at most so many terms instead, whatever it loses.
    """
    tolerance = check_number("tolerance", tolerance, inclusive=True)
    pruner = _pruner(model, rows, max_epochs, random_state)
    if terms is None:
        stage = smallest(pruner, model.network, tolerance)
    else:
        stage = with_terms(pruner, model.network, check_count("terms", terms), model.printed_terms)
    if stage.result is None:
        return model
    objective = stage.result.objective
    rise = stage.rise(pruner.begin(model.network))[0] if terms is None else 0.0
    found = polish(
        stage.smaller,
        objective,
        data=pruner.data,
        validation=pruner.held_out,
        l2=pruner.settings.penalty.l2,
        epochs=len(model.history),
        allowed=tolerance - rise,
    )
    network = stage.smaller if found is None else found.network
    small = replace(
        model,
        network=network,
        objective=objective,
        l2=None if found is None else found.l2,
        history=history(stage.result),
        restarts=restarts(stage.result),
        known_deviations=standard_deviations(network, objective.space, *map(np.asarray, pruner.data[:2])),
        block_names={},
        procedure=Pruning(
            procedure_of(model),
            {"tolerance": tolerance, "max_epochs": max_epochs, "random_state": random_state, "terms": terms},
        ),
    )
    return replace(small, block_names=_names_of_kept(model, small, kept_blocks(stage.network, stage.support)))


def pruning_path(
    model: LearnedModel, rows: Rows | None, *, share: float, max_epochs: int, random_state: int
) -> pd.DataFrame:
    """Model size against held-out loss, a line per stage, from the whole model to its last coefficient."""
    share = check_number("share", share, below=1.0)
    stages = path(_pruner(model, rows, max_epochs, random_state), model.network, share)
    return pd.DataFrame([_line(stage, stages[0]) for stage in stages]).rename_axis("stage")


def _line(stage: Stage, start: Stage) -> dict[str, Any]:
    rise, error = stage.rise(start)
    heads = [coef for layer in stage.support.coefs for coef in layer.values()]
    return {
        "n_parameters": stage.size,
        "layers": stage.smaller.architecture.layers,
        "rows": sum(int(coef.any(axis=-1).sum()) for coef in heads),
        "coefficients": sum(int(coef.sum()) for coef in heads),
        "loss": stage.loss,
        "rise": rise,
        "std_error": error,
    }


def _pruner(model: LearnedModel, given: Rows | None, max_epochs: int, random_state: int) -> Pruner:
    random = np.random.RandomState(check_seed("random_state", random_state))
    recipe, settings = model.recipe, model.recipe.settings
    data = in_single(model.given_rows("prune") if given is None else given)
    weight = None
    if given is None:
        rows = model.training_rows("prune")
        train, held_out, weight = np.flatnonzero(~rows.held_out), np.flatnonzero(rows.held_out), rows.weight
    else:
        order = random.permutation(len(data[0]))
        size = max(1, round(recipe.validation_fraction * len(order)))
        train, held_out = checked_split(order[size:], order[:size])
    return Pruner(
        model.objective.on(model.space, model.temperature),
        chosen_rows(data, weight, train),
        chosen_rows(data, weight, held_out),
        replace(settings, max_epochs=check_count("max_epochs", max_epochs), penalty=settings.penalty.ridge),
        int(random.randint(2**31)),
    )


def _names_of_kept(model: LearnedModel, small: LearnedModel, kept: Sequence[np.ndarray]) -> dict[str, str]:
    """The names that the user gave to blocks, by where these now stand."""
    starts = np.cumsum([0, *model.network.architecture.layers[:-1]])
    before, given = list(model.problem.blocks), set(model.block_names.values())
    names = [before[start + block] for start, blocks in zip(starts, kept, strict=True) for block in blocks]
    return {now: name for now, name in zip(small.problem.blocks, names, strict=True) if name in given}
