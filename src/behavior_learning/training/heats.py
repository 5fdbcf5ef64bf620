"""Many starts for a single problem: heats of a few epochs each, and full training for their winners.

A single block has local optima that no step leads out of: rows that point the wrong way, or that stand in each other's
place. A few random starts can all end there. Most of what will come of a start shows after a few epochs.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import ConvergenceError
from behavior_learning.objectives import Objective
from behavior_learning.training.fit import CHUNK, FitResult, Settings, fit, stacked

__all__ = ["fit_from"]

HEATS = 8
"""Heats, each of as many starts as are trained in full."""


def fit_from(
    draw: Callable[[], BehaviorNetwork],
    count: int,
    stages: Sequence[Objective],
    *,
    settings: Settings,
    key: PRNGKeyArray,
    progress: Callable[[int, float], None] | None = None,
    **options,
) -> FitResult:
    """`fit` from random networks; a single block, where several starts are asked for, from the winners of heats.

    A heat has as many starts as the fit, so that all share one compiled program.

    Parameters
    ----------
    draw : makes a random network.
    count : starts that are trained in full.
    """
    starts = [draw() for _ in range(count)]
    if count > 1 and sum(starts[0].architecture.layers) == 1:
        brief = replace(settings, max_epochs=min(CHUNK, settings.max_epochs))
        heats = [starts, *([draw() for _ in range(count)] for _ in range(HEATS - 1))]
        starts = _winners(heats, stages, settings=brief, key=key, **options)
    return fit(stacked(starts), stages, settings=settings, key=key, progress=progress, **options)


def _winners(
    heats: Sequence[Sequence[BehaviorNetwork]], stages: Sequence[Objective], *, key: PRNGKeyArray, **options
) -> list[BehaviorNetwork]:
    """The best networks of the heats, as many as one heat has; random ones where too few have a finite loss."""
    ends: list[tuple[float, BehaviorNetwork]] = []
    for number, heat in enumerate(heats):
        try:
            result = fit(stacked(heat), stages, key=jax.random.fold_in(key, number), **options)
        except ConvergenceError:
            continue
        ends.append((float(np.min(result.trace.best_loss)), result.network))
    ends.sort(key=lambda end: end[0])
    best = [network for _, network in ends[: len(heats[0])]]
    return best + list(heats[0])[: len(heats[0]) - len(best)]
