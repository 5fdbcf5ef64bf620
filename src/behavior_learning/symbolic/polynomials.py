"""Polynomials in named variables: the change from standardised columns to the user's units is done here, exactly."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

from behavior_learning.symbolic.sources import Source

__all__ = ["Monomial", "Polynomial", "Variable"]

Monomial = tuple[tuple[str, int], ...]
"""Sorted (variable, power) pairs; the empty tuple is the constant 1."""

ROUNDING = 1e-12
"""Relative size below which a difference of coefficients is rounding error."""


@dataclass(frozen=True)
class Variable:
    """A standardised column as the user knows it: standardised = (name − center)/scale.

    Attributes
    ----------
    name : the user's spelling.
    center, scale : in the user's units.
    standard_deviation : over the training rows in the user's units, by which terms are ranked.
    source : how it follows from a column of the user's table; a column of numbers of the same name by default.
    """

    name: str
    center: float = 0.0
    scale: float = 1.0
    standard_deviation: float = 1.0
    source: Source | None = None

    @property
    def standardized(self) -> "Polynomial":
        return Polynomial({((self.name, 1),): 1 / self.scale, (): -self.center / self.scale})

    @property
    def scaled(self) -> "Polynomial":
        return Polynomial({((self.name, 1),): 1 / self.scale})


@dataclass(frozen=True)
class Polynomial:
    """Σ coefficient · monomial."""

    coefficients: Mapping[Monomial, float]

    def __add__(self, other: "Polynomial") -> "Polynomial":
        total = dict(self.coefficients)
        for monomial, value in other.coefficients.items():
            total[monomial] = total.get(monomial, 0.0) + value
        return Polynomial(total)

    def __mul__(self, other: "Polynomial") -> "Polynomial":
        total: dict[Monomial, float] = {}
        for left, a in self.coefficients.items():
            for right, b in other.coefficients.items():
                powers = dict(left)
                for name, power in right:
                    powers[name] = powers.get(name, 0) + power
                product = tuple(sorted(powers.items()))
                total[product] = total.get(product, 0.0) + a * b
        return Polynomial(total)

    def scaled(self, factor: float) -> "Polynomial":
        return Polynomial({monomial: factor * value for monomial, value in self.coefficients.items()})

    @property
    def constant(self) -> float:
        return self.coefficients.get((), 0.0)

    @property
    def monomials(self) -> dict[Monomial, float]:
        """Coefficients of everything but the constant, zeros left out."""
        return {monomial: value for monomial, value in self.coefficients.items() if monomial and value != 0.0}

    def written(self, order: Iterable[Monomial]) -> list[tuple[Monomial, float]]:
        """Monomials in an order with their coefficients, the constant last; it is written where it is all there is."""
        terms = [(monomial, self.coefficients[monomial]) for monomial in order]
        return [*terms, ((), self.constant)] if self.constant or not terms else terms

    def strengths(self, standard_deviations: Mapping[str, float]) -> dict[Monomial, float]:
        """|coefficient| times its variables' standard deviations: how far each term moves over the training rows."""
        return {
            monomial: abs(value) * prod(standard_deviations.get(name, 1.0) ** power for name, power in monomial)
            for monomial, value in self.monomials.items()
        }

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that it depends on."""
        return tuple(dict.fromkeys(name for monomial in self.monomials for name, _ in monomial))

    def renamed(self, names: Mapping[str, str]) -> "Polynomial":
        """The same polynomial with other names for some variables."""
        moved = (tuple(sorted((names.get(n, n), power) for n, power in monomial)) for monomial in self.coefficients)
        return Polynomial(dict(zip(moved, self.coefficients.values(), strict=True)))

    def without(self, part: "Polynomial") -> "Polynomial":
        """What is left when a part is taken away; differences within rounding error are zero."""
        left = self + part.scaled(-1.0)
        sizes = {m: abs(self.coefficients.get(m, 0.0)) + abs(part.coefficients.get(m, 0.0)) for m in left.coefficients}
        return Polynomial({m: 0.0 if abs(v) <= ROUNDING * sizes[m] else v for m, v in left.coefficients.items()})

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Its value at numbers, or at arrays of them; variables whose coefficients are zero are not needed."""
        return sum(c * prod(values[name] ** power for name, power in m) for m, c in self.coefficients.items() if c)

    @classmethod
    def total(cls, parts: Iterable["Polynomial"]) -> "Polynomial":
        return reduce(Polynomial.__add__, parts, cls({}))

    @classmethod
    def product(cls, factors: Iterable["Polynomial"]) -> "Polynomial":
        return reduce(Polynomial.__mul__, factors, cls({(): 1.0}))
