"""What effects ask of a network, per row, and the answers with their loadings on independent errors of unit size."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.explanation.averages import Sums
from behavior_learning.explanation.correction import Correction, Terms
from behavior_learning.explanation.quantities import Quantity
from behavior_learning.gibbs.distribution import Gibbs

__all__ = ["Answer", "Estimator", "Level", "Moves", "Question"]


class Question(eqx.Module):
    """Numbers per row that a network answers; `gibbs` is that of any network of the same shape."""

    quantity: Quantity = eqx.field(static=True)
    gibbs: Gibbs

    def __call__(self, network: BehaviorNetwork, x: Float[Array, "n d"], y: Array) -> Float[Array, "n q"]:
        raise NotImplementedError

    def changes(self, terms: Terms, x: Float[np.ndarray, "n d"]) -> Iterator[Float[np.ndarray, "n terms"]]:
        """What it asks of a distribution, asked of terms of x instead."""
        raise NotImplementedError

    def of(self, network: BehaviorNetwork) -> Gibbs:
        """The distribution of a network."""
        return Gibbs(network, self.gibbs.space, self.gibbs.temperature)

    @property
    def outputs(self) -> int:
        """How many numbers it asks of each row."""
        raise NotImplementedError


class Level(Question):
    """A quantity itself."""

    @property
    def outputs(self) -> int:
        return len(self.quantity.outcomes)

    def __call__(self, network: BehaviorNetwork, x: Float[Array, "n d"], y: Array) -> Float[Array, "n q"]:
        return self.quantity(self.of(network), x, y)

    def changes(self, terms: Terms, x: Float[np.ndarray, "n d"]) -> Iterator[Float[np.ndarray, "n terms"]]:
        yield terms(x)


class Moves(Question):
    """How a quantity changes along directions of x, and from some values of its columns to others.

    Attributes
    ----------
    directions : of derivatives.
    touched, after, before : columns that a difference sets, to what, and what that is compared with.
    """

    directions: Float[Array, "slopes d"]
    touched: Bool[Array, "steps d"]
    after: Float[Array, "steps d"]
    before: Float[Array, "steps d"]

    @property
    def outputs(self) -> int:
        return (len(self.directions) + len(self.touched)) * len(self.quantity.outcomes)

    def __call__(self, network: BehaviorNetwork, x: Float[Array, "n d"], y: Array) -> Float[Array, "n q"]:
        p = self.of(network)

        def slope(direction: Array) -> Array:
            return self.quantity.slope(p, x, y, jnp.broadcast_to(direction, x.shape))

        def step(touched: Array, after: Array, before: Array) -> Array:
            return self.quantity(p, jnp.where(touched, after, x), y) - self.quantity(
                p, jnp.where(touched, before, x), y
            )

        moved = [jax.vmap(slope, out_axes=1)(self.directions)] if len(self.directions) else []
        moved += [jax.vmap(step, out_axes=1)(self.touched, self.after, self.before)] if len(self.touched) else []
        return jnp.concatenate(moved, axis=1).reshape(len(x), -1)

    def changes(self, terms: Terms, x: Float[np.ndarray, "n d"]) -> Iterator[Float[np.ndarray, "n terms"]]:
        yield from (terms.slope(x, direction) for direction in np.asarray(self.directions))
        for touched, after, before in zip(*map(np.asarray, (self.touched, self.after, self.before)), strict=True):
            yield terms(np.where(touched, after, x)) - terms(np.where(touched, before, x))


class Estimator(Protocol):
    """Where numbers and their errors come from."""

    @property
    def description(self) -> str:
        """How the errors were had."""
        ...

    @property
    def unknown(self) -> bool:
        """Whether there are no errors."""
        ...

    def values(self, question: Question, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "n q"]:
        """What the model answers."""
        ...

    def loadings(self, question: Question, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "n q r"]:
        """How far the answers move with each of r independent errors of unit size; none where errors are unknown."""
        ...


@dataclass(frozen=True, eq=False)
class Answer:
    """Numbers per row, with loadings that are computed when they are first looked at.

    Attributes
    ----------
    estimator, question, x, y : who is asked what of which rows.
    unit : of every number.
    """

    estimator: Estimator
    question: Question
    x: Float[np.ndarray, "n d"]
    y: np.ndarray
    unit: Float[np.ndarray, " q"]

    @cached_property
    def values(self) -> Float[np.ndarray, "n q"]:
        return self.estimator.values(self.question, self.x, self.y) / self.unit

    @cached_property
    def loadings(self) -> Float[np.ndarray, "n q r"]:
        return self.estimator.loadings(self.question, self.x, self.y) / self.unit[:, None]

    def sums(
        self, weights: Float[np.ndarray, "lines n q"], of: Float[np.ndarray, "lines q"], by: Correction | None
    ) -> Sums:
        """Weighted sums over rows, one line for every (line, q), also of the terms of a correction.

        Parameters
        ----------
        of : the weight of the rows that count.
        """
        terms = None if by is None else by(self.question.changes(by.terms, self.x), weights / self.unit)
        values = np.einsum("gnq,nq->gq", weights, self.values)
        return Sums(of, values, np.einsum("gnq,nqr->gqr", weights, self.loadings), terms)
