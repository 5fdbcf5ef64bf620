"""Passes over rows that are not held in memory: blocks of them, and searches that take a pass for each step."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int, UInt64

from behavior_learning.inference.estimation import TOLERANCE, bfgs_update, newton_step, projected_norm
from behavior_learning.inference.problem import Problem

__all__ = ["MOST_PASSES", "Block", "Blocks", "Searched", "of_block", "search_by_passes"]

MOST_PASSES = 30
"""Passes for gradients after which a search gives up."""

STUCK = 1e10
"""Damping beyond which no step lowers the loss."""


class Block(NamedTuple):
    """Rows that are held at once; all blocks have the same number, filled up with rows of weight 0.

    Attributes
    ----------
    data : arrays with rows first, in double precision.
    hashes : of the places of the rows.
    labels : of the cluster of each row, one array for each way of clustering.
    """

    data: tuple[np.ndarray, ...]
    weights: Float[np.ndarray, " rows"]
    hashes: UInt64[np.ndarray, " rows"]
    labels: tuple[np.ndarray, ...] = ()

    @property
    def ways(self) -> tuple[np.ndarray, ...]:
        """Labels of each way, and of two those of their intersection."""
        return self.labels if len(self.labels) < 2 else (*self.labels, self.label_hashes)

    @property
    def label_hashes(self) -> UInt64[np.ndarray, " rows"]:
        """A number for the labels of each row, the same in all processes."""
        return pd.util.hash_pandas_object(pd.DataFrame(dict(enumerate(self.labels))), index=False).to_numpy()


Blocks = Callable[[], Iterator[Block]]


def of_block(problem: Problem, block: Block) -> Problem:
    """The same problem of the rows of a block, without the ridge."""
    return Problem.of(
        problem.objective, problem.parametrization, block.data, block.weights, candidates=problem.candidates
    )


class Searched(NamedTuple):
    """Where searches are, one a line.

    Attributes
    ----------
    hessian : at the start, updated from gradients.
    norm : of the gradients, without the components that push a number with a sign against zero.
    damping : of the next step.
    """

    theta: Float[np.ndarray, "n p"]
    loss: Float[np.ndarray, " n"]
    gradient: Float[np.ndarray, "n p"]
    hessian: Float[np.ndarray, "n p p"]
    norm: Float[np.ndarray, " n"]
    damping: Float[np.ndarray, " n"]

    @classmethod
    def at(cls, theta: np.ndarray, loss: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, signs: Any):
        """Searches that begin at these points."""
        return cls(theta, loss, gradient, hessian, _norms(theta, gradient, signs), np.zeros(len(theta)))

    def some(self, which: Any) -> "Searched":
        return Searched(*(part[which] for part in self))

    def steps(self, signs: Int[np.ndarray, " p"]) -> Float[np.ndarray, "n p"]:
        """Where the next steps lead."""
        return _each(_step, self, signs=signs)


Look = Callable[[Float[np.ndarray, "n p"], Int[np.ndarray, " n"]], tuple[np.ndarray, np.ndarray]]


def search_by_passes(at: Searched, look: Look, signs: Int[np.ndarray, " p"], aim: float) -> tuple[Searched, int]:
    """Follow searches side by side to gradients below an aim, and say in how many passes.

    Parameters
    ----------
    look : mean losses of these searches at points, and their gradients, by one pass.
    """
    at, going, passes = Searched(*map(np.array, at)), at.norm > aim, 0
    while going.any() and passes < MOST_PASSES:
        which, passes = np.flatnonzero(going), passes + 1
        own = at.some(which)
        theta = own.steps(signs)
        loss, slope = look(theta, which)
        norm = _norms(theta, slope, signs)
        taken = (loss < own.loss - 1e-13 * (1 + np.abs(own.loss))) | (norm < 0.5 * own.norm)
        curvature = _each(_updated, (own.hessian, theta - own.theta, slope - own.gradient))
        after = Searched(theta, loss, slope, curvature, norm, 0.1 * own.damping)
        before = own._replace(damping=np.maximum(10 * own.damping, 1e-4))
        for part, new, old in zip(at, after, before, strict=True):
            part[which] = np.where(taken.reshape(-1, *[1] * (part.ndim - 1)), new, old)
        going[which] = np.where(taken, norm > aim, (own.norm >= TOLERANCE) & (at.damping[which] < STUCK))
    return at, passes


def _norms(theta: np.ndarray, slope: np.ndarray, signs: Any) -> Float[np.ndarray, " n"]:
    return _each(_norm, (theta, slope), signs=signs)


def _each(function: Callable[..., Array], lines: Iterable[np.ndarray], **more: Any) -> np.ndarray:
    """A function of every line, one by one: side by side it would be compiled anew for every number of them."""
    shared = {name: jnp.asarray(value) for name, value in more.items()}
    return np.stack([np.asarray(function(*map(jnp.asarray, line), **shared)) for line in zip(*lines, strict=True)])


@eqx.filter_jit
def _step(*line: Array, signs: Array) -> Array:
    return newton_step(Searched(*line), signs)  # pyright: ignore[reportArgumentType]


@eqx.filter_jit
def _norm(theta: Array, slope: Array, signs: Array) -> Array:
    return projected_norm(theta, slope, signs)


_updated = eqx.filter_jit(bfgs_update)
