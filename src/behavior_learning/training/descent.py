"""Lower a loss to its optimum by BFGS, all steps of it one compiled program.

A step must bring its share of the fall that the slope promises and leave less slope behind; its length is doubled and
halved until it does. Kinks are no obstacle then, but slow the search down.

Source: Lewis and Overton (2013), "Nonsmooth optimization via quasi-Newton methods".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from behavior_learning.caching import quickly

__all__ = ["FALL", "FLAT", "PATIENCE", "Descent", "bfgs", "descend"]

FALL, FLAT, PATIENCE = 1e-4, 1e-6, 5
"""Share of the fall promised by the slope that a step must bring; fall below which a step counts as none; such steps
after which the descent ends."""

LEFT = 0.9
"""Share of the slope that a step may leave."""

TRIALS = 15
"""Evaluations of a line search."""

TINY = 1e-20

Evaluate = Callable[[Float[Array, " p"]], tuple[Float[Array, ""], Float[Array, " p"]]]
"""A loss and its gradient; arrays that it holds may change without a new program."""


class Point(NamedTuple):
    """A vector, its loss and the gradient there."""

    vector: Float[Array, " p"]
    value: Float[Array, ""]
    slope: Float[Array, " p"]


class Descent(NamedTuple):
    """Where a descent is.

    Attributes
    ----------
    at : where the last step ended.
    inverse : of the Hessian, as gradients show it.
    best : the best trial of the line search from there; `at` before one falls.
    low, high, length : lengths known to be too short and too long, and the one that is tried next.
    trials, flat, evaluations : of this line search, steps that brought nothing, and all evaluations.
    steps : that were made; the first one arrives at the start, and before the third the size of the inverse is a guess.
    """

    at: Point
    inverse: Float[Array, "p p"]
    best: Point
    low: Float[Array, ""]
    high: Float[Array, ""]
    length: Float[Array, ""]
    trials: Int[Array, ""]
    flat: Int[Array, ""]
    evaluations: Int[Array, ""]
    steps: Int[Array, ""]


@quickly(level=1)
def descend(
    evaluate: Evaluate,
    start: Float[Array, " p"],
    guess: Float[Array, "p p"],
    evaluations: Int[Array, ""],
) -> Descent:
    """Follow a loss downhill until steps bring nothing or the evaluations are used.

    Parameters
    ----------
    guess : of the inverse Hessian.
    """

    def trial(state: Descent) -> Descent:
        at, move = state.at, _direction(state, guess)
        promised = move @ at.slope
        point = Point(at.vector + state.length * move, *evaluate(at.vector + state.length * move))
        sound = jnp.isfinite(point.value) & jnp.all(jnp.isfinite(point.slope))
        falls = sound & (point.value <= at.value + FALL * state.length * promised)
        best = _either(falls, point, state.best)
        low, high = jnp.where(falls, state.length, state.low), jnp.where(falls, state.high, state.length)
        longer = jnp.where(jnp.isinf(high), 2 * low, 0.5 * (low + high))
        going_on = state._replace(best=best, low=low, high=high, length=longer, trials=state.trials + 1)
        enough = falls & (point.slope @ move >= LEFT * promised) | (going_on.trials == TRIALS)
        taken = _either(enough, _stepped(going_on), going_on)
        return taken._replace(evaluations=state.evaluations + 1)

    one, none = jnp.ones((), start.dtype), jnp.int32(0)
    nowhere = Point(start, jnp.inf * one, jnp.zeros_like(start))  # Its slope is flat, and the first trial the start.
    first = Descent(nowhere, guess, nowhere, 0 * one, jnp.inf * one, one, none, none, none, none)
    end = jax.lax.while_loop(lambda s: (s.evaluations < evaluations) & (s.flat < PATIENCE), trial, first)
    return end._replace(at=end.best)


def _direction(state: Descent, guess: Float[Array, "p p"]) -> Float[Array, " p"]:
    """Of a step: −H⁻¹∇ where that goes downhill, no longer than the vector and one, and first no longer than one."""
    at = state.at
    move = -(state.inverse @ at.slope)
    move = jnp.where(move @ at.slope < 0, move, -(guess @ at.slope))
    longest = 1 + jnp.where(state.steps > 1, jnp.linalg.norm(at.vector), 0.0)
    return move * jnp.minimum(1.0, longest / jnp.maximum(jnp.linalg.norm(move), TINY))


def _stepped(state: Descent) -> Descent:
    """After the step to the best trial; where there is none, the end."""
    at, best, zero = state.at, state.best, jnp.zeros_like(state.length)
    change, move = best.slope - at.slope, best.vector - at.vector
    size = move @ change / jnp.maximum(change @ (state.inverse @ change), TINY)
    guess = state.inverse * jnp.where((state.steps == 1) & (size > 0), size, 1.0)
    fallen = at.value - best.value > FLAT * (1 + jnp.abs(best.value))
    flat = jnp.where(best.value < at.value, jnp.where(fallen, 0, state.flat + 1), PATIENCE)
    return Descent(
        at=best,
        inverse=bfgs(guess, move, change),
        best=best,
        low=zero,
        high=zero + jnp.inf,
        length=zero + 1,
        trials=0 * state.trials,
        flat=flat,
        evaluations=state.evaluations,
        steps=state.steps + 1,
    )


def _either(condition: Bool[Array, ""], one: NamedTuple, other: NamedTuple):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


def bfgs(inverse: Float[Array, "p p"], move: Float[Array, " p"], change: Float[Array, " p"]) -> Float[Array, "p p"]:
    """(I − ρsyᵀ)H(I − ρysᵀ) + ρssᵀ after a step s that changed the gradient by y; H where yᵀs is not positive."""
    along = move @ change
    sound = along > 1e-10
    rate = 1 / jnp.where(sound, along, 1.0)
    bent = inverse @ change
    outer = jnp.outer(move, bent)
    updated = inverse - rate * (outer + outer.T) + (rate**2 * (change @ bent) + rate) * jnp.outer(move, move)
    return jnp.where(sound, updated, inverse)
