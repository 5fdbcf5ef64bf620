"""What p(y|x) says and effects are effects on: means, probabilities, quantiles, log densities and utilities of y.

All of them are functions of p(y|x) alone. With the candidates of the quadrature held fixed, as they are here, automatic
differentiation gives these identities exactly, s(y) = ∂BL(x, y)/∂x:

    dE[y|x]/dx        =  Cov(y, s(y) | x) / τ
    dP(c|x)/dx        =  P(c|x) · (s(c) − E[s|x]) / τ
    d log p(y|x)/dx   =  (s(y) − E[s|x]) / τ
    dQ_q/dx           = −Cov(1{y ≤ Q_q}, s(y) | x) / (τ·p(Q_q|x))
    E[∂²BL/∂x∂y | x]  = −E[s(y) · ∂BL/∂y | x] / τ, and s·p between the ends of the support where p does not vanish

The last holds for kinked heads too, whose second derivative automatic differentiation loses.

Source: Eq. 3. Deviation: beyond the paper.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.errors import OptionError
from behavior_learning.gibbs.components import marginal_distribution
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.options import check_choice, check_number

__all__ = ["QUANTITIES", "Counted", "Labels", "Number", "Ordered", "Part", "Quantity", "make_quantity"]

Rows = Float[Array, "n d"]
Values = Float[Array, "n outcomes"]


@dataclass(frozen=True)
class Part(ABC):
    """One of the responses: its name, and how its quantities are had from its own distribution.

    Attributes
    ----------
    center, unit : a candidate z is center + unit·z to the user.
    levels : the values as text, where there are finitely many.
    """

    name: str
    center: float = 0.0
    unit: float = 1.0
    levels: tuple[str, ...] = ()

    @property
    def means(self) -> tuple[str, ...]:
        """Names of the outcomes of `mean`."""
        return (self.name,)

    @property
    def utilities(self) -> tuple[str, ...]:
        """Names of the outcomes of `marginal_utility`."""
        return (self.name,)

    def held(self, y: np.ndarray) -> Float[np.ndarray, "n outcomes"]:
        """Which of the levels of `probabilities` observed responses are."""
        return np.eye(len(self.levels))[y.astype(int)][:, -len(self.probabilities) :]

    @property
    def probabilities(self) -> tuple[str, ...]:
        """Names of the levels; of two the second alone, whose effects are those of the first negated."""
        if not self.levels:
            raise OptionError(
                f"{self.name!r} has a density, no probabilities. Use of='mean', 'quantile' or 'log_density'."
            )
        return tuple(f"{self.name}[{level}]" for level in (self.levels[1:] if len(self.levels) == 2 else self.levels))

    def probability(self, p: Gibbs, x: Rows) -> Values:
        return p.mass(x)[:, -len(self.probabilities) :]

    def mean(self, p: Gibbs, x: Rows) -> Values:
        return self.center + self.unit * p.mean(x)

    @abstractmethod
    def observed(self, y: np.ndarray) -> Float[np.ndarray, "n outcomes"]:
        """What `mean` is the expectation of, at observed responses."""

    @abstractmethod
    def quantile(self, p: Gibbs, x: Rows, q: float) -> Values: ...

    @abstractmethod
    def marginal_utility(self, p: Gibbs, x: Rows, y: Array) -> Values:
        """How BL changes with y, at the observed y."""

    @abstractmethod
    def cross(self, p: Gibbs, x: Rows, direction: Rows) -> Values:
        """How that changes along a direction of x, on average over p(y|x)."""


class Number(Part):
    """A continuous number."""

    def observed(self, y: np.ndarray) -> Float[np.ndarray, "n 1"]:
        return self.center + self.unit * y[:, None]

    def quantile(self, p: Gibbs, x: Rows, q: float) -> Values:
        return self.center + self.unit * p.quantile(x, jnp.array([q]))

    def marginal_utility(self, p: Gibbs, x: Rows, y: Array) -> Values:
        at = p.space.candidates(p.space.points(y))[:, None].astype(x.dtype)
        return jax.jvp(lambda y: p.utility(x, y), (at,), (jnp.ones_like(at),))[1] / self.unit

    def cross(self, p: Gibbs, x: Rows, direction: Rows) -> Values:
        ends = p.space.ends[None].astype(x.dtype)
        rule = p.space.quadrature(p.scaled, x)
        y = jnp.concatenate([jnp.broadcast_to(rule.candidates, (len(x), *rule.candidates.shape[1:])),
                             jnp.broadcast_to(ends, (len(x), 2, 1))], axis=1)  # fmt: skip
        utility, by_x = jax.jvp(lambda x: p.utility(x, y), (x,), (direction,))
        by_y = jax.jvp(lambda y: p.utility(x, y), (y,), (jnp.ones_like(y),))[1]
        density = jnp.exp(utility / p.temperature - p.log_normalizer(x)[:, None])
        inner = jnp.sum((density * by_x * by_y)[:, :-2] * jnp.exp(rule.log_weights), axis=1) / p.temperature
        lower, upper = (by_x * density)[:, -2], (by_x * density)[:, -1]
        return (upper - lower - inner)[:, None] / self.unit


class Finite(Part):
    """One of finitely many values."""

    def quantile(self, p: Gibbs, x: Rows, q: float) -> Values:
        """Of the distribution that spreads the mass of each level evenly half a level to both sides."""
        mass = p.mass(x)
        reached = jnp.cumsum(mass, axis=1)
        at = jnp.minimum(jnp.sum(reached < q, axis=1), mass.shape[1] - 1)[:, None]
        own, up_to = jnp.take_along_axis(mass, at, axis=1), jnp.take_along_axis(reached, at, axis=1)
        return at + 0.5 - (up_to - q) / own

    def at_levels(self, p: Gibbs, x: Rows) -> Float[Array, "n levels"]:
        return p.utility(x, p.space.quadrature(p.scaled, x).candidates)


class Counted(Finite):
    """A whole number; its marginal utility is that of one more."""

    def observed(self, y: np.ndarray) -> Float[np.ndarray, "n 1"]:
        return np.array(self.levels, float)[y.astype(int)][:, None]

    def marginal_utility(self, p: Gibbs, x: Rows, y: Array) -> Values:
        rises = jnp.diff(self.at_levels(p, x), axis=1)
        return jnp.take_along_axis(rises, jnp.minimum(y.astype(int), rises.shape[1] - 1).reshape(-1, 1), axis=1)

    def cross(self, p: Gibbs, x: Rows, direction: Rows) -> Values:
        rises = jax.jvp(lambda x: jnp.diff(self.at_levels(p, x), axis=1), (x,), (direction,))[1]
        mass = p.mass(x)[:, :-1]
        return jnp.sum(mass * rises, axis=1, keepdims=True) / jnp.sum(mass, axis=1, keepdims=True)


class Labels(Finite):
    """A class; its marginal utilities are those of each class beside the first."""

    @property
    def means(self) -> tuple[str, ...]:
        return self.probabilities

    @property
    def utilities(self) -> tuple[str, ...]:
        return tuple(f"{self.name}[{level}] - {self.name}[{self.levels[0]}]" for level in self.levels[1:])

    def mean(self, p: Gibbs, x: Rows) -> Values:
        return self.probability(p, x)

    def observed(self, y: np.ndarray) -> Float[np.ndarray, "n outcomes"]:
        return self.held(y)

    def quantile(self, p: Gibbs, x: Rows, q: float) -> Values:
        raise OptionError(f"The classes of {self.name!r} have no order, and so no quantiles. Use of='probability'.")

    def marginal_utility(self, p: Gibbs, x: Rows, y: Array) -> Values:
        at = self.at_levels(p, x)
        return at[:, 1:] - at[:, :1]

    def cross(self, p: Gibbs, x: Rows, direction: Rows) -> Values:
        return jax.jvp(lambda x: self.marginal_utility(p, x, jnp.zeros(0)), (x,), (direction,))[1]


class Ordered(Labels):
    """A class of several in an order; quantiles are in positions, from 0."""

    def quantile(self, p: Gibbs, x: Rows, q: float) -> Values:
        return Finite.quantile(self, p, x, q)


@dataclass(frozen=True)
class Quantity(ABC):
    """A function of p(y|x), and how it changes with x.

    Attributes
    ----------
    parts : the responses; of several each is taken with the others integrated out.
    q : level of a quantile.
    """

    parts: tuple[Part, ...]
    q: float = 0.5

    needs_y = False
    """Whether it is asked at the observed y."""

    effects = True
    """Whether the table is of its changes with x, and not of itself."""

    expected = False
    """Whether it is the mean of `observed`."""

    @property
    @abstractmethod
    def outcomes(self) -> tuple[str, ...]:
        """Names of what it has for every row."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is, in a few words."""

    @abstractmethod
    def __call__(self, p: Gibbs, x: Rows, y: Array) -> Values:
        """Its value in every row, in the user's units."""

    def slope(self, p: Gibbs, x: Rows, y: Array, direction: Rows) -> Values:
        """Its derivative along a direction of x."""
        return jax.jvp(lambda x: self(p, x, y), (x,), (direction,))[1]

    def observed(self, y: np.ndarray) -> Float[np.ndarray, "n outcomes"]:
        """What it is the mean of, at observed responses."""
        raise NotImplementedError

    def responses(self, y: Any) -> list[tuple[Part, Any]]:
        """Each response with its own column."""
        several = len(self.parts) > 1
        return [(part, y[:, at] if several else y) for at, part in enumerate(self.parts)]

    def distributions(self, p: Gibbs) -> "list[tuple[Part, Gibbs]]":
        """Each response with its own distribution."""
        if len(self.parts) == 1:
            return [(self.parts[0], p)]
        return [(part, marginal_distribution(p, [at])) for at, part in enumerate(self.parts)]


class Mean(Quantity):
    """E[y|x], and of labels their probabilities."""

    expected = True

    def observed(self, y: np.ndarray) -> Float[np.ndarray, "n outcomes"]:
        return np.concatenate([part.observed(own) for part, own in self.responses(y)], axis=1)

    @property
    def outcomes(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.means)

    @property
    def description(self) -> str:
        return ", ".join(f"P({name})" if "[" in name else f"E[{name}|x]" for name in self.outcomes)

    def __call__(self, p: Gibbs, x: Rows, y: Array) -> Values:
        return jnp.concatenate([part.mean(own, x) for part, own in self.distributions(p)], axis=1)


class Probability(Quantity):
    """P(y = level|x)."""

    expected = True

    def observed(self, y: np.ndarray) -> Float[np.ndarray, "n outcomes"]:
        return np.concatenate([part.held(own) for part, own in self.responses(y) if part.levels], axis=1)

    @property
    def outcomes(self) -> tuple[str, ...]:
        return tuple(name for part in self._finite for name in part.probabilities)

    @property
    def description(self) -> str:
        return ", ".join(f"P({name})" for name in self.outcomes)

    @property
    def _finite(self) -> list[Part]:
        return [part for part in self.parts if part.levels] or list(self.parts)

    def __call__(self, p: Gibbs, x: Rows, y: Array) -> Values:
        chosen = [(part, own) for part, own in self.distributions(p) if part in self._finite]
        return jnp.concatenate([part.probability(own, x) for part, own in chosen], axis=1)


class Quantile(Quantity):
    """The value with a share q of the mass below it."""

    @property
    def outcomes(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts)

    @property
    def description(self) -> str:
        return ", ".join(f"the {self.q:g} quantile of {name}" for name in self.outcomes)

    def __call__(self, p: Gibbs, x: Rows, y: Array) -> Values:
        return jnp.concatenate([part.quantile(own, x, self.q) for part, own in self.distributions(p)], axis=1)


class LogDensity(Quantity):
    """log p(y|x) of the observed y, of all responses together."""

    needs_y = True

    @property
    def outcomes(self) -> tuple[str, ...]:
        return ("log p",)

    @property
    def description(self) -> str:
        return f"log p({', '.join(part.name for part in self.parts)}|x) at the observed values"

    def __call__(self, p: Gibbs, x: Rows, y: Array) -> Values:
        return p.log_prob(x, y)[:, None]


class MarginalUtility(Quantity):
    """∂BL/∂y at the observed y, of classes and counts the difference between values."""

    needs_y = True
    effects = False

    @property
    def outcomes(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.utilities)

    @property
    def description(self) -> str:
        return f"the marginal utility of {', '.join(part.name for part in self.parts)}"

    def __call__(self, p: Gibbs, x: Rows, y: Array) -> Values:
        pairs = zip(self.distributions(p), self.responses(y), strict=True)
        return jnp.concatenate([part.marginal_utility(own, x, y) for (part, own), (_, y) in pairs], axis=1)


class Cross(MarginalUtility):
    """d²BL/dx dy, on average over p(y|x): how x moves the marginal utility of y."""

    effects = True

    def slope(self, p: Gibbs, x: Rows, y: Array, direction: Rows) -> Values:
        return jnp.concatenate([part.cross(own, x, direction) for part, own in self.distributions(p)], axis=1)


QUANTITIES: dict[str, type[Quantity]] = {
    "mean": Mean,
    "quantile": Quantile,
    "probability": Probability,
    "log_density": LogDensity,
    "marginal_utility": MarginalUtility,
    "cross": Cross,
}
"""By the name that `of=` takes."""


def make_quantity(of: Any, q: Any, parts: Sequence[Part]) -> Quantity:
    """The quantity with a name, for some responses.

    Raises
    ------
    OptionError
        If there is no such quantity, the responses do not have it, or q is no number between 0 and 1.
    """
    kind = QUANTITIES[check_choice("of", of, tuple(QUANTITIES))]
    quantity = kind(tuple(parts), check_number("q", q, below=1.0))
    unordered = [part.name for part in quantity.parts if type(part) is Labels]
    if kind is Quantile and unordered:
        raise OptionError(f"The classes of {unordered[0]!r} have no order, and so no quantiles. Use of='probability'.")
    _ = quantity.outcomes
    return quantity
