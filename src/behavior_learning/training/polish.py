"""From where training stopped to an optimum of the stated loss.

Early stopping regularises, but what it stops at is the optimum of nothing. The size of the ridge takes over its part:
the mean training loss with the stated ridge, and with twice of it, is lowered to its optimum by BFGS, and the ridge of
the lower held-out loss is kept. Kinks are no obstacle to BFGS (Lewis and Overton 2013), but slow it down.
"""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.caching import quickly
from behavior_learning.core.arrays import make_key, to_device
from behavior_learning.core.batches import by_batches
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.objectives import Objective, Weighted
from behavior_learning.training.descent import FLAT, Descent, descend
from behavior_learning.training.fit import QUADRATURE_TOLERANCE, PenalizedLoss
from behavior_learning.training.optimizers import Data
from behavior_learning.training.packing import Packing
from behavior_learning.training.scores import inverse_curvature, row_scores

__all__ = ["MOST_NUMBERS", "Polished", "descended", "held_out_losses", "lowered", "polish", "unpacked"]

FEWEST, SHARE = 40, 0.4
"""Evaluations that are worth while, and those for a first ridge as a share of the epochs of training; each takes about
as long."""

RIDGES = {1.0: 1.0, 2.0: 0.5}
"""Ridges in multiples of the stated one, and the share of those evaluations that each may take from where the last one
ended."""

CLEARLY = 2.0
"""Standard errors of the held-out difference beyond which an optimum predicts worse than what training stopped at."""

ROWS_PER_NUMBER = 2
"""Rows per number of a network from which its optimum is worth reading: with fewer, training that stops early predicts
better than any ridge (Boston, BL[16,4]: by 0.1 nats)."""

INFORMING_ROWS = 10_000
"""Rows whose scores guess the curvature, at most, evenly spaced."""

MOST_NUMBERS = 2_000
"""Numbers of a network up to which it is polished: beyond, nobody reads them, and the Hessian does not fit."""


class Polished(NamedTuple):
    """An optimum.

    Attributes
    ----------
    network : there.
    l2 : ridge of all rows together whose penalised loss is lowest there.
    held_out_loss : mean loss of the held-out rows there.
    """

    network: BehaviorNetwork
    l2: float
    held_out_loss: float


def polish(
    network: BehaviorNetwork,
    objective: Objective,
    *,
    data: Data,
    validation: Data,
    l2: float,
    epochs: int,
    allowed: float | None = None,
) -> Polished | None:
    """The optimum, near a trained network, of the mean training loss with the ridge that validates best.

    Early stopping chose its network by the held-out rows: an optimum is preferred unless it is clearly worse.

    Parameters
    ----------
    l2 : the weaker of two ridges.
    epochs : that training took, over all starts.
    allowed : by how much its held-out loss may be above that of the trained network; two standard errors by default.

    Returns
    -------
    None where there is none: brief training, fewer than two rows per number, large networks, losses with noise, or a
    held-out loss that is worse or cannot be verified.
    """
    packing, rows = Packing.of(network), len(data[0])
    evaluations, most = int(SHARE * epochs), min(rows / ROWS_PER_NUMBER, MOST_NUMBERS)
    if evaluations < FEWEST or packing.large or network.n_parameters > most or objective.noise(make_key(0), data[1]):
        return None
    weighted = Weighted.where(objective, data)
    at, inverse, found = packing.packed(network, np)[0], None, []
    trained = held_out_losses(weighted, packing, at, validation)
    for ridge, share in {factor * l2: share for factor, share in RIDGES.items()}.items():
        end = descended(weighted, packing, data, ridge, at, inverse, int(share * evaluations))
        at, inverse = end.at.vector, end.inverse
        found.append((held_out_losses(weighted, packing, at, validation), ridge, at))
    losses, ridge, at = min(found, key=lambda end: end[0].mean())
    if not (np.isfinite(losses).all() and np.isfinite(trained).all()):
        return None
    worse = losses - trained
    if worse.mean() > (CLEARLY * worse.std() / len(worse) ** 0.5 if allowed is None else allowed):
        return None
    return Polished(unpacked(packing, at), ridge, float(losses.mean()))


def lowered(
    network: BehaviorNetwork, objective: Objective, *, data: Data, l2: float, evaluations: int
) -> BehaviorNetwork:
    """The network where descents of the mean loss of some rows end, with a ridge of all rows together.

    BFGS ends where kinks leave it nothing to gain by the curvature it has gathered. It begins anew from there, with the
    information of the scores as its first guess, until that brings nothing.
    """
    packing, weighted = Packing.of(network), Weighted.where(objective, data)
    chosen = np.linspace(0, len(data[0]) - 1, min(len(data[0]), INFORMING_ROWS)).astype(int)
    some = tuple(column[chosen] for column in data)
    at, inverse, before, loss = packing.packed(network, np)[0], None, np.inf, np.finfo(float).max
    while evaluations > 0 and before - loss > FLAT * (1 + abs(loss)):
        end = descended(weighted, packing, data, l2, at, inverse, evaluations)
        at, evaluations, before, loss = end.at.vector, evaluations - int(end.evaluations), loss, float(end.at.value)
        scores = np.asarray(row_scores(weighted, packing, at, some), float)
        inverse = inverse_curvature(scores, l2 / len(data[0])).astype(np.float32)
    return unpacked(packing, at)


def descended(
    objective: Objective, packing: Packing, data: Data, l2: float, start: Any, inverse: Any, evaluations: int
) -> Descent:
    """Where BFGS ends from a packed vector, with a ridge of all rows together; None guesses the identity."""
    loss = PenalizedLoss(objective, packing, to_device(np.float32(l2 / (2 * len(data[0])))))
    guess = np.eye(len(start), dtype=np.float32) if inverse is None else inverse
    evaluate = eqx.Partial(PenalizedLoss.with_slope, loss, data)
    return descend(evaluate, to_device(start), to_device(guess), to_device(np.int32(evaluations)))


def unpacked(packing: Packing, vector: Any) -> BehaviorNetwork:
    """The network of a vector, cut by NumPy, which compiles nothing."""
    known: Any = np.asarray(vector)
    return jax.tree.map(to_device, packing.network((known,)))


def held_out_losses(objective: Objective, packing: Packing, vector: Array, validation: Data) -> np.ndarray:
    """The loss of every row by the finer of two rules; infinite where they disagree."""
    both = partial(_both, objective, packing, to_device(vector))
    values = 3 * objective.evaluations * unpacked(packing, vector).width  # The finer rule has twice the candidates.
    fine, coarse = by_batches(lambda *rows: both(rows), tuple(map(np.asarray, validation)), values)
    return fine if np.abs(fine - coarse).mean() <= QUADRATURE_TOLERANCE else np.full_like(fine, np.inf)


@quickly()  # It runs three times a fit.
def _both(objective: Objective, packing: Packing, vector: Float[Array, " p"], rows: Data) -> tuple[Array, Array]:
    network, finer = packing.evaluated((vector,)), objective.refined(2)
    if finer is objective:
        losses = objective(network, *rows)
        return losses, losses
    coarse, fine = objective.with_finer(finer, network, *rows)
    return fine, coarse
