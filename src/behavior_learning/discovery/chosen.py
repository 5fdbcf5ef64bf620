"""The problem that some rows choose, and the same learned again from others."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from behavior_learning.discovery.path import LAST_STEPS, criterion, learned
from behavior_learning.discovery.remainder import Remainder, learned_remainder
from behavior_learning.discovery.result import path_table
from behavior_learning.discovery.selection import (
    Found,
    Rows,
    Search,
    Searching,
    halves,
    held_out_losses,
    recurrence_of,
    recurring_most,
    searched,
)
from behavior_learning.discovery.shapes import Shape
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.identification.orientation import oriented
from behavior_learning.inference.estimation import Convergence
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.inference import model_at
from behavior_learning.learned.model import LearnedModel, TrainingRows, in_single
from behavior_learning.learned.records import standard_deviations
from behavior_learning.training.active_set import reduced
from behavior_learning.training.refit import Refit

__all__ = ["Chosen", "Sample", "chosen_on", "encoded", "learned_from", "what_is_left"]


class Chosen(NamedTuple):
    """The problem that some rows choose.

    Attributes
    ----------
    whole : the search on all of them.
    without : those without each fold.
    refits : the empty problem, and one of each size.
    path : their losses, and which is chosen.
    """

    whole: Found
    without: list[Found]
    refits: list[Refit]
    path: pd.DataFrame

    @property
    def at(self) -> int:
        return int(np.argmax(self.path["chosen"]))

    @property
    def refit(self) -> Refit:
        return self.refits[self.at]


class Sample(NamedTuple):
    """A search on some of the rows.

    Attributes
    ----------
    part : positions of these.
    found : by the search on them.
    """

    part: np.ndarray
    found: Found


def chosen_on(
    rows: Rows,
    shapes: Sequence[Shape],
    *,
    hierarchy: bool,
    pairs: int,
    folds: int,
    choose: str | int,
    rng: np.random.Generator,
    done: Callable[[], None],
) -> tuple[Chosen, list[Sample]]:
    """The problem that rows choose, by samples and folds of them, and the samples that judge what it says.

    Half of the pairs of samples choose and the others judge; one does both.
    """
    whole = searched(shapes, rows.data(), rng)
    done()
    search, samples = whole.again if hierarchy else partial(searched, shapes), []
    for part in halves(len(rows.x), pairs, rng):
        samples.append(Sample(part, search(rows.at(part).data(), rng)))
        done()
    first = pairs // 2 * 2
    choosing, judging = (samples[:first], samples[first:]) if pairs > 1 else (samples, samples)
    found = [sample.found for sample in choosing]
    whole = recurring_most(whole, found, rows)
    return by_folds(whole, search, found, rows, folds, choose, rng, done), judging


def by_folds(
    whole: Found,
    search: Search,
    samples: Sequence[Found],
    rows: Rows,
    folds: int,
    choose: str | int,
    rng: np.random.Generator,
    done: Callable[[], None],
) -> Chosen:
    """The size by held-out losses and by what recurs on samples, if there are any."""
    losses, without = held_out_losses(search, rows, list(whole.path.refits), folds=folds, rng=rng, done=done)
    refits = [whole.path.empty, *whole.path.refits.values()]
    recurrence = [recurrence_of(whole.recurring(refit, samples)) for refit in refits]
    sizes = [0, *(refit.size for refit in refits[1:])]  # Terms of the response alone count as none.
    criteria = [criterion(refit, rows.data()) for refit in refits]
    return Chosen(whole, without, refits, path_table(sizes, losses, recurrence, criteria, choose))


def learned_from(
    chosen: Chosen, shapes: Sequence[Shape], table: pd.DataFrame, y: pd.Series, rows: np.ndarray, honest: bool
) -> tuple[BehaviorEstimator, InferenceResults | None]:
    """The chosen problem learned from rows, by inference where that is asked for and there is one."""
    shape = chosen.whole.shape
    estimator = copy(shape.estimator)
    estimator.model_ = _final(shape, shapes, chosen.refit, table, y, rows)
    errors = _errors(estimator) if honest and chosen.at > 0 else None
    if errors is not None:
        estimator.model_ = model_at(estimator.model_, errors)
    return estimator, errors


def _errors(estimator: BehaviorEstimator) -> InferenceResults | None:
    """Inference at the optimum of the likelihood, where heads are smooth and there is one."""
    found = estimator.inference() if estimator.model_.network.architecture.smooth else None
    return found if found is not None and found.convergence is Convergence.OPTIMUM else None


def encoded(model: LearnedModel, table: pd.DataFrame, y: pd.Series, at: np.ndarray) -> Rows:
    """Rows of a table as a model reads them."""
    return Rows(*in_single((model.encoder(model.table(table.iloc[at])), model.responses(y.iloc[at], len(at), float))))


def _final(
    shape: Shape, shapes: Sequence[Shape], refit: Refit, table: pd.DataFrame, y: pd.Series, rows: np.ndarray
) -> LearnedModel:
    """The problem learned again from rows, as a model of them."""
    model = shape.model
    x = model.encoder(model.table(table.iloc[rows]))
    given = model.responses(y.iloc[rows], len(rows), float)
    data = Rows(*in_single((x, given))).data()
    again = learned(shape.family, data, shape.menu, refit.vector, refit.support, LAST_STEPS)
    network = reduced(oriented(shape.family.network(again)), again.support)
    return replace(
        model,
        network=network,
        objective=shape.family.objective,
        rows=TrainingRows(x, given, np.zeros(len(x), bool)),
        procedure=Searching(tuple(shapes), refit.size),
        l2=shape.family.l2,
        history=pd.DataFrame(),
        restarts=pd.DataFrame(),
        known_deviations=standard_deviations(network, model.space, *map(np.asarray, data[:2])),
    )


def what_is_left(
    chosen: Chosen, final: LearnedModel, rows: Rows, unseen: Rows | None, whole: Rows, seed: int
) -> Remainder:
    """What is left is judged by a fifth of the rows, or by rows that chose nothing, and learned from all at last."""
    order, fifth = np.random.default_rng(seed).permutation(len(rows.x)), len(rows.x) // 5
    train, held_out = (rows.at(order[fifth:]), rows.at(order[:fifth])) if unseen is None else (rows, unseen)
    shape, empty = chosen.whole.shape, chosen.whole.path.empty
    return learned_remainder(shape, chosen.refit, empty, train, held_out, final=final, rows=whole, seed=seed)
