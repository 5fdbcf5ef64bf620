"""Many starts for few blocks: heats of a few epochs each, and full training for their winners.

One problem, or a sum of a few, has local optima that no step leads out of: rows that point the wrong way, or that stand
in each other's place. A few random starts can all end there. Most of what will come of a start shows early.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Array

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import ConvergenceError
from behavior_learning.objectives import Objective
from behavior_learning.training.fit import CHUNK, FitResult, fit
from behavior_learning.training.settings import Settings

__all__ = ["fit_from"]

HEATS = 8
"""Heats, each of as many starts as are trained in full."""

HEAT_STEPS = 600
"""Steps of the optimiser after which a heat may end; it lasts 25 epochs at most."""

FEW_BLOCKS = 3
"""Blocks of a single layer up to which there are heats."""


def fit_from(
    starts: Sequence[BehaviorNetwork],
    draw: Callable[[], BehaviorNetwork],
    stages: Sequence[Objective],
    *,
    data: tuple[Array, ...],
    settings: Settings,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
    **options,
) -> FitResult:
    """`fit` from random networks; a layer of few blocks, where several starts are asked for, from the winners of heats.

    A heat has as many starts as the fit, so that all share one compiled program.

    Parameters
    ----------
    starts : random networks, as many as are trained in full.
    draw : makes one more.
    """
    count, layers = len(starts), starts[0].architecture.layers
    if count > 1 and len(layers) == 1 and layers[0] <= FEW_BLOCKS:
        steps = settings.optimizer.steps(len(data[0]))
        epochs = min(CHUNK, -(-HEAT_STEPS // steps), settings.max_epochs)
        # Winners keep all rows: one shape for all.
        brief = replace(settings, max_epochs=epochs, penalty=settings.penalty.ridge)
        heats = [starts, *([draw() for _ in range(count)] for _ in range(HEATS - 1))]
        starts = _winners(heats, stages, data=data, settings=brief, seed=seed, **options)
    return fit(starts, stages, data=data, settings=settings, seed=seed, progress=progress, **options)


def _winners(
    heats: Sequence[Sequence[BehaviorNetwork]], stages: Sequence[Objective], *, seed: int, **options
) -> list[BehaviorNetwork]:
    """The best networks of the heats, as many as one heat has; random ones where too few have a finite loss."""
    ends: list[tuple[float, BehaviorNetwork]] = []
    for heat in heats:
        try:
            result = fit(heat, stages, seed=seed, **options)
        except ConvergenceError:
            continue
        ends.append((float(np.min(result.trace.best_loss)), result.network))
    ends.sort(key=lambda end: end[0])
    best = [network for _, network in ends[: len(heats[0])]]
    return best + list(heats[0])[: len(heats[0]) - len(best)]
