"""The optimum of a mean loss from random starts, by BFGS alone.

With few numbers and few rows a descent of some 60 evaluations of all rows ends lower than mini-batches do in as many
epochs, and most of what will come of a start shows after 20: the worse half of the starts is left as often as that.
"""

from collections.abc import Sequence

import numpy as np

from behavior_learning.core.arrays import make_key
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.objectives import Objective, Weighted
from behavior_learning.training.optimizers import Data
from behavior_learning.training.packing import Packing
from behavior_learning.training.polish import MOST_NUMBERS, Polished, descended, held_out_losses, unpacked

__all__ = ["STARTS", "from_random"]

MOST_ROWS = 5_000
"""Distinct rows from which mini-batches come down faster."""

STARTS = 8
"""Random starts."""

ROUND = 20
"""Evaluations after which the worse half of the starts is left."""

FOLLOWED = {1.0: 40, 2.0: 50}
"""Evaluations from the best of the starts on, by the multiple of the stated ridge."""

SCREENING, FOLLOWING, FEWEST = 0.25, 0.5, 16
"""Shares of the candidates of a single number by which starts are compared and followed, and the fewest of them."""

PADDED = 32
"""Distinct rows are filled up to a multiple of this, so that samples share compiled programs."""


def from_random(
    starts: Sequence[BehaviorNetwork], objective: Objective, *, data: Data, validation: Data, l2: float
) -> Polished | None:
    """The best optimum that descents from random networks come to, with the ridge that validates best.

    Parameters
    ----------
    starts : random networks of one shape.
    l2 : the weaker of two ridges, of all rows together.

    Returns
    -------
    None where descents are not for this: many rows, large networks, losses with noise, or a held-out loss that cannot
    be verified.
    """
    packing, rows = Packing.of(starts[0]), len(data[0])
    known = distinct(data)
    too_large = packing.large or starts[0].n_parameters > MOST_NUMBERS or len(known[0]) > MOST_ROWS
    if too_large or objective.noise(make_key(0), data[1]):
        return None
    share = len(known[0]) / rows  # The ridge of all rows, of which there are fewer now.
    screening, following = (_coarser(Weighted.where(objective, known), own) for own in (SCREENING, FOLLOWING))
    live = [(np.inf, packing.packed(start, np)[0], None) for start in starts]
    while True:
        ends = [descended(screening, packing, known, share * l2, at, inverse, ROUND) for _, at, inverse in live]
        live = sorted(((float(end.at.value), end.at.vector, end.inverse) for end in ends), key=lambda end: end[0])
        if len(live) == 1:
            break
        live = live[: len(live) // 2]
    _, at, inverse = live[0]
    weighted, found = Weighted.where(objective, validation), []
    for ridge, evaluations in FOLLOWED.items():
        end = descended(following, packing, known, share * ridge * l2, at, inverse, evaluations)
        at, inverse = end.at.vector, end.inverse
        found.append((float(held_out_losses(weighted, packing, at, validation).mean()), ridge * l2, at))
    loss, ridge, at = min(found, key=lambda end: end[0])
    return Polished(unpacked(packing, at), ridge, loss) if np.isfinite(loss) else None


def distinct(data: Data) -> Data:
    """Every row once, with how often it counts as its weight, filled up by rows that do not count."""
    x, y, *weight = (np.asarray(column) for column in data)
    keys = np.column_stack([x, y.reshape(len(y), -1)])
    _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    counts = np.bincount(place.ravel(), weights=weight[0] if weight else None)
    empty = -len(first) % PADDED
    at, counts = np.append(first, np.zeros(empty, int)), np.append(counts, np.zeros(empty))
    return x[at], y[at], (counts * (len(at) / counts.sum())).astype(np.float32)


def _coarser(objective: Objective, share: float) -> Objective:
    """The objective with a share of the candidates, where there is one number."""
    nodes = objective.space.nodes
    if nodes <= FEWEST or len(objective.space.continuous) > 1:
        return objective
    return objective.refined(max(share, FEWEST / nodes))
