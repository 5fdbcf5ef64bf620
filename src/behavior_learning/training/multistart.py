"""Many starts for few blocks: they are screened by a few epochs each, and the best are trained in full.

One problem, or a sum of a few, has local optima that no step leads out of: rows that point the wrong way, or that stand
in each other's place. A few random starts can all end there. Most of what will come of a start shows early.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Array

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import ConvergenceError
from behavior_learning.objectives import Objective
from behavior_learning.training.fit import CHUNK, FitResult, fit
from behavior_learning.training.minimize import Feed, Progress
from behavior_learning.training.polish import polish
from behavior_learning.training.settings import Settings

__all__ = ["fit_from"]

SCREENINGS = 8
"""Fits of a few epochs, each of as many starts as are trained in full, of which the best start goes on."""

SCREENING_STEPS = 600
"""Steps of the optimiser after which a screening may end; it lasts 25 epochs at most."""

FEW_BLOCKS = 3
"""Blocks of a single layer up to which starts are screened."""


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
    rows: int | None = None,
) -> FitResult:
    """`fit` from random networks and on to the optimum; a layer of few blocks from screened starts.

    A screening has as many starts as the fit, so that all share one compiled program. Random starts fill up where too
    few screenings have a finite loss.

    Parameters
    ----------
    starts : random networks, as many as are trained in full.
    draw : makes one more.
    feed, rows : as in `fit`; screenings use `data` alone, and only where these are all rows the optimum is sought.
    """
    count, layers = len(starts), starts[0].architecture.layers
    if count > 1 and len(layers) == 1 and layers[0] <= FEW_BLOCKS:
        steps = settings.optimizer.steps(len(data[0]))
        epochs = min(CHUNK, -(-SCREENING_STEPS // steps), settings.max_epochs)
        # Without penalties all screened starts keep their rows, so that they have one shape.
        brief = replace(settings, max_epochs=epochs, penalty=settings.penalty.ridge)
        screened: list[tuple[float, BehaviorNetwork]] = []
        for group in [starts, *([draw() for _ in range(count)] for _ in range(SCREENINGS - 1))]:
            with suppress(ConvergenceError):
                result = fit(group, stages, data=data, validation=validation, settings=brief, seed=seed)
                screened.append((float(np.min(result.trace.best_loss)), result.network))
        screened.sort(key=lambda end: end[0])
        best = [network for _, network in screened[:count]]
        starts = best + list(starts)[: count - len(best)]
    own: dict[str, Any] = {"settings": settings, "seed": seed, "progress": progress, "feed": feed, "rows": rows}
    result = fit(starts, stages, data=data, validation=validation, **own)
    if rows is not None and rows > len(data[0]):
        return result
    return settled(result, data=data, validation=validation, l2=settings.penalty.l2)


def settled(result: FitResult, *, data: tuple[Array, ...], validation: tuple[Array, ...], l2: float) -> FitResult:
    """What training found, at the optimum near it where there is one."""
    epochs = int(result.trace.ran.sum())
    found = polish(result.network, result.objective, data=data, validation=validation, l2=l2, epochs=epochs)
    if found is None:
        return result
    return replace(result, network=found.network, l2=found.l2, polished_loss=found.held_out_loss)
