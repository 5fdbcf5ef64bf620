"""Many starts for few blocks: they are screened by a few epochs each, and the best are trained in full.

One problem, or a sum of a few, has local optima that no step leads out of: rows that point the wrong way, or that stand
in each other's place. A few random starts can all end there. Most of what will come of a start shows early.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import cycle
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Array, Int

from behavior_learning.core.averaging import biases_of, mean_of
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.devices import in_threads
from behavior_learning.errors import ConvergenceError
from behavior_learning.objectives import Objective
from behavior_learning.training.checkpoint import Checkpoint
from behavior_learning.training.fit import CHUNK, FitResult, fit
from behavior_learning.training.minimize import Feed, Progress, side_by_side
from behavior_learning.training.polish import polish
from behavior_learning.training.settings import Settings

__all__ = ["average_from", "few_blocks", "fit_from", "in_turn"]

SCREENINGS = 8
"""Fits of a few epochs, each of as many starts as are trained in full, of which the best start goes on."""

SCREENING_STEPS = 600
"""Steps of the optimiser after which a screening may end; it lasts 25 epochs at most."""

FEW_BLOCKS = 3
"""Blocks of a single layer up to which starts are screened."""


def few_blocks(network: BehaviorNetwork) -> bool:
    """Whether a single layer of few blocks makes so many starts necessary."""
    layers = network.architecture.layers
    return len(layers) == 1 and layers[0] <= FEW_BLOCKS


def fit_from(
    starts: Sequence[BehaviorNetwork],
    draw: Callable[[], BehaviorNetwork],
    stages: Sequence[Objective],
    *,
    data: tuple[Array, ...],
    validation: tuple[Array, ...],
    settings: Settings,
    seed: int,
    progress: Progress | None = None,
    feed: Feed | None = None,
    checkpoint: Checkpoint | None = None,
) -> FitResult:
    """`fit` from random networks and on to the optimum; a layer of few blocks from screened starts.

    A screening has as many starts as the fit, so that all share one compiled program. Random starts fill up where too
    few screenings have a finite loss.

    Parameters
    ----------
    starts : random networks, as many as are trained in full.
    draw : makes one more.
    feed : as in `fit`; screenings use `data` alone, and only where these are all rows the optimum is sought.
    checkpoint : as in `fit`; screenings are made again.
    """
    count = len(starts)
    if count > 1 and few_blocks(starts[0]):
        steps = settings.optimizer.steps(len(data[0]))
        epochs = min(CHUNK, -(-SCREENING_STEPS // steps), settings.max_epochs)
        # Without penalties all screened starts keep their rows, so that they have one shape.
        brief = replace(settings, max_epochs=epochs, penalty=settings.penalty.ridge)
        screened: list[tuple[float, BehaviorNetwork]] = []
        for group in [starts, *([draw() for _ in range(count)] for _ in range(SCREENINGS - 1))]:
            with suppress(ConvergenceError):
                once = None if feed is None else feed.repeating(data)
                result = fit(group, stages, data=data, validation=validation, settings=brief, seed=seed, feed=once)
                screened.append((float(np.min(result.trace.best_loss)), result.network))
        screened.sort(key=lambda end: end[0])
        best = [network for _, network in screened[:count]]
        starts = best + list(starts)[: count - len(best)]
    own: dict[str, Any] = {"settings": settings, "seed": seed, "progress": progress, "feed": feed}
    result = fit(starts, stages, data=data, validation=validation, checkpoint=checkpoint, **own)
    if feed is not None or settings.penalty.dropout:  # The optimum of the ridge alone is what dropout leads away from.
        return result
    return settled(result, data=data, validation=validation, l2=settings.penalty.l2)


Part = tuple[tuple[Array, ...], tuple[Array, ...]]
"""Rows that train and rows that validate."""


def average_from(
    starts: Sequence[BehaviorNetwork],
    stages: Sequence[Objective],
    *,
    parts: Iterable[Part],
    rows: int,
    settings: Sequence[Settings],
    seed: int,
    progress: Progress | None = None,
) -> FitResult:
    """The mean of the networks that training makes of every start, each with rows of its own; the best comes first.

    A start whose losses are not finite takes no part. Of few rows several are trained at a time.

    Parameters
    ----------
    parts : the rows of each start, from the first again where there are fewer; parts of one size share a compiled
        program.
    rows : how many train in a part.
    settings : of the starts by turns.

    Raises
    ------
    ConvergenceError
        If no start reached parameters with a finite, verified validation loss.
    """
    told = None if progress is None else _Together(progress, len(starts))

    def trained(number: int, start: BehaviorNetwork, part: Part, settings: Settings) -> FitResult | ConvergenceError:
        data, validation = part
        try:
            return fit(
                [start],
                stages,
                data=data,
                validation=validation,
                settings=settings,
                seed=(seed + number) % 2**31,
                progress=told and partial(told, number),
            )
        except ConvergenceError as error:
            return error

    calls = (
        partial(trained, number, *own)
        for number, own in enumerate(zip(starts, cycle(parts), cycle(settings), strict=False))
    )
    ends = list(in_threads(calls, rows))
    found = [(number, end) for number, end in enumerate(ends) if isinstance(end, FitResult)]
    if not found:
        raise next((end for end in ends if isinstance(end, ConvergenceError)), ConvergenceError("There are no starts."))
    found.sort(key=lambda pair: pair[1].held_out_loss)
    results = [result for _, result in found]
    finest = max(results, key=lambda result: result.objective.evaluations)
    loss = float(np.mean([result.held_out_loss for result in results]))
    networks = [result.network for result in results]
    trace = side_by_side([result.trace for result in results])
    return FitResult(
        mean_of(networks),
        finest.objective,
        trace,
        best_start=0,
        polished_loss=loss,
        biases=biases_of(networks),
        parts=tuple(number for number, _ in found),
    )


class _Together:
    """Tells of several fits as of one: their mean of epochs and their lowest loss, one at a time."""

    def __init__(self, progress: Progress, count: int):
        self.progress, self.turn = progress, Lock()
        self.epochs, self.lowest = [0] * count, np.inf

    def __call__(self, number: int, done: int, loss: float) -> bool | None:
        with self.turn:
            self.epochs[number], self.lowest = done, min(self.lowest, loss)
            return self.progress(sum(self.epochs) // len(self.epochs), self.lowest)


def in_turn(
    values: np.ndarray,
    fixed: np.ndarray,
    rng: np.random.Generator,
    *,
    count: int,
    most: int,
    group: Int[np.ndarray, " rows"] | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that train and rows that validate, so many times: all but `fixed` are held out in turn, each but once.

    Every part has its share of each class, and of large and small numbers, so that one is judged as another is. Groups
    are held out as a whole, so that of few of them there are fewer parts; one of more than half of the rows trains.

    Parameters
    ----------
    values : the response of each row.
    most : rows at most that are held out at a time.
    """
    every = np.arange(len(values))
    if group is None:
        order = rng.permutation(np.setdiff1d(every, fixed))
        if values.ndim == 1:
            order = order[np.argsort(values[order], kind="stable")]
        size = min(most, max(len(order) // count, 1))
        parts = [order[number % (len(order) // size) :: len(order) // size][:size] for number in range(count)]
    else:
        sizes, free = np.bincount(group), np.setdiff1d(group, group[fixed])
        small = free[2 * sizes[free] <= len(group)]
        order = rng.permutation(small if len(small) else free)
        ends = np.cumsum(sizes[order])
        turn = (ends - sizes[order] / 2) // min(most, ends[-1] / count)
        parts = [np.flatnonzero(np.isin(group, order[turn == own])) for own in np.unique(turn)[:count]]
    for out in parts:
        yield np.setdiff1d(every, out), out


def settled(result: FitResult, *, data: tuple[Array, ...], validation: tuple[Array, ...], l2: float) -> FitResult:
    """What training found, at the optimum near it where there is one."""
    epochs = int(result.trace.ran.sum())
    found = polish(result.network, result.objective, data=data, validation=validation, l2=l2, epochs=epochs)
    if found is None:
        return result
    return replace(result, network=found.network, l2=found.l2, polished_loss=found.held_out_loss)
