"""From where training stopped to an optimum of the stated loss.

Early stopping regularises, but what it stops at is the optimum of nothing. The size of the ridge takes over its part:
the mean training loss with the stated ridge, and with twice of it, is lowered to its optimum by BFGS, and the ridge of
the lower held-out loss is kept. Kinks are no obstacle to BFGS (Lewis and Overton 2013), but slow it down.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.caching import quickly
from behavior_learning.core.arrays import make_key, to_device
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.objectives import Objective, Weighted
from behavior_learning.training.fit import EVALUATIONS, QUADRATURE_TOLERANCE, PenalizedLoss
from behavior_learning.training.optimizers import Data
from behavior_learning.training.packing import Packing

__all__ = ["Polished", "descend", "polish"]

ARMIJO, WOLFE = 1e-4, 0.9
"""Shares of the slope that a step must bring and must leave."""

TRIALS = 15
"""Evaluations of a line search."""

FLAT, PATIENCE = 1e-6, 5
"""Fall of the loss below which a step counts as none, and such steps after which the descent ends."""

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

MOST_NUMBERS = 2_000
"""Numbers of a network up to which it is polished: beyond, nobody reads them, and the Hessian does not fit."""

Evaluate = Callable[[Float[np.ndarray, " p"]], tuple[float, Float[np.ndarray, " p"]]]
"""A loss and its gradient."""


class Descent(NamedTuple):
    """Where a descent is.

    Attributes
    ----------
    vector, value, slope : the point, the loss and its gradient.
    inverse : of the Hessian, as gradients show it.
    """

    vector: Float[np.ndarray, " p"]
    value: float
    slope: Float[np.ndarray, " p"]
    inverse: Float[np.ndarray, "p p"]


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
    at, inverse, found = np.asarray(packing.packed(network, np)[0], float), None, []
    trained = _held_out(weighted, packing, at, validation)
    for ridge, share in {factor * l2: share for factor, share in RIDGES.items()}.items():
        loss = PenalizedLoss(weighted, packing, to_device(np.float32(ridge / (2 * rows))))
        end = descend(partial(_evaluated, loss, data), at, inverse, int(share * evaluations))
        at, inverse = end.vector, end.inverse
        found.append((_held_out(weighted, packing, at, validation), ridge, at))
    losses, ridge, at = min(found, key=lambda end: end[0].mean())
    if not (np.isfinite(losses).all() and np.isfinite(trained).all()):
        return None
    worse = losses - trained
    if worse.mean() > (CLEARLY * worse.std() / len(worse) ** 0.5 if allowed is None else allowed):
        return None
    return Polished(jax.tree.map(to_device, packing.network((_single(at),))), ridge, float(losses.mean()))


def _single(vector: np.ndarray) -> Array:
    return to_device(vector.astype(np.float32))


def _evaluated(loss: PenalizedLoss, data: Data, vector: np.ndarray) -> tuple[float, np.ndarray]:
    value, slope = _mean_and_slope(loss, _single(vector), data)
    return float(value), np.asarray(slope, float)


def _held_out(objective: Objective, packing: Packing, vector: np.ndarray, validation: Data) -> np.ndarray:
    """The loss of every row by the finer of two rules; infinite where they disagree."""
    fine, coarse = map(np.asarray, _both(objective, packing, _single(vector), validation))
    return fine if np.abs(fine - coarse).mean() <= QUADRATURE_TOLERANCE else np.full_like(fine, np.inf)


@quickly  # It runs three times a fit.
def _both(objective: Objective, packing: Packing, vector: Float[Array, " p"], rows: Data) -> tuple[Array, Array]:
    network, finer = packing.evaluated((vector,)), objective.refined(2)
    if finer is objective:
        losses = objective(network, *rows)
        return losses, losses
    coarse, fine = objective.with_finer(finer, network, *rows)
    return fine, coarse


def descend(
    evaluate: Evaluate, start: Float[np.ndarray, " p"], inverse: np.ndarray | None, evaluations: int
) -> Descent:
    """Lower a loss by BFGS with a line search that also gets along kinks.

    Source: Lewis and Overton (2013).

    Parameters
    ----------
    inverse : first guess of the inverse Hessian.
    evaluations : at most, up to one line search.
    """
    value, slope = evaluate(start)
    first = inverse is None
    guess = np.eye(len(start)) / max(1.0, float(np.linalg.norm(slope))) if inverse is None else inverse
    at, left, flat = Descent(start, value, slope, guess), evaluations, 0
    while left > 0 and flat < PATIENCE:
        move = -at.inverse @ at.slope
        if move @ at.slope >= 0:
            break
        length, value, slope, used = _searched(evaluate, at, move)
        left -= used
        step, change = length * move, slope - at.slope
        if not value < at.value:
            break
        flat = 0 if at.value - value > FLAT * (1 + abs(value)) else flat + 1
        along = step @ change
        inverse = at.inverse
        if along > 1e-12:
            if first:
                inverse, first = np.eye(len(step)) * along / (change @ change), False
            bent = inverse @ change
            outer = np.outer(step, bent)
            inverse = inverse - (outer + outer.T) / along + (change @ bent / along + 1) / along * np.outer(step, step)
        at = Descent(at.vector + step, value, slope, inverse)
    return at


def _searched(evaluate: Evaluate, at: Descent, move: np.ndarray) -> tuple[float, float, np.ndarray, int]:
    """A length that lowers the loss and leaves less slope, by doubling and halving."""
    slope = float(move @ at.slope)
    low, high, length = 0.0, np.inf, 1.0
    best = (0.0, at.value, at.slope)
    for trial in range(TRIALS):
        value, gradient = evaluate(at.vector + length * move)
        sound = np.isfinite(value) and np.isfinite(gradient).all()
        if not sound or value > at.value + ARMIJO * length * slope:
            high = length
        else:
            best = (length, value, gradient)
            if gradient @ move >= WOLFE * slope:
                return (*best, trial + 1)
            low = length
        length = 2 * low if np.isinf(high) else 0.5 * (low + high)
    return (*best, TRIALS)


@eqx.filter_jit
def _mean_and_slope(loss: PenalizedLoss, vector: Float[Array, " p"], data: Data) -> tuple[Array, Array]:
    """The penalised mean loss of all rows and its gradient, so many rows at a time as memory holds."""
    rows, size = len(data[0]), max(1, EVALUATIONS // loss.objective.evaluations)
    if rows <= size:
        value, (slope,) = jax.value_and_grad(loss)((vector,), data)
        return value, slope
    count = -(-rows // size)
    at = (jnp.arange(count * size) % rows).reshape(count, size)
    counted = (jnp.arange(count * size) < rows).reshape(count, size) / rows

    def share(vector: Array, batch: Data, share: Array) -> Array:
        return jnp.sum(loss.objective(loss.packing.evaluated((vector,)), *batch) * share)

    def add(total: tuple[Array, Array], own: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        batch = jax.tree.map(lambda column: column[own[0]], data)
        return jax.tree.map(jnp.add, total, jax.value_and_grad(share)(vector, batch, own[1])), None

    ridge = jax.value_and_grad(lambda vector: loss.ridge * loss.packing.squared((vector,)))(vector)
    return jax.lax.scan(add, ridge, (at, counted))[0]
