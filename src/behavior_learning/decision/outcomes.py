"""What may be asked of a scenario, each a number or more per row as a function of the two predictive distributions.

They are modules, so that another scenario of the same kind reuses the compiled program.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.gibbs.distribution import Gibbs

__all__ = [
    "At",
    "Change",
    "Column",
    "Elasticity",
    "Exceedance",
    "LogSum",
    "Mean",
    "Money",
    "Number",
    "Outcome",
    "Quantiles",
    "Slopes",
    "Surplus",
    "Variation",
]

STEPS = 6
"""Newton steps towards the payment that leaves a row as well off."""


class At(eqx.Module):
    """A predictive distribution at encoded rows."""

    gibbs: Gibbs
    x: Float[Array, "n d"]

    def moved(self, column: int, amount: Float[Array, " n"]) -> "At":
        """The same with one encoded column moved."""
        return At(self.gibbs, self.x.at[:, column].add(amount))


class Number(eqx.Module):
    """Numbers per row of one state."""

    @abstractmethod
    def __call__(self, at: At) -> Float[Array, "n numbers"]: ...


class Outcome(eqx.Module):
    """Numbers per row from the baseline and the scenario."""

    @abstractmethod
    def __call__(self, before: At, after: At) -> Float[Array, "n numbers"]: ...


class Column(eqx.Module):
    """An encoded column of numbers and its units."""

    place: int = eqx.field(static=True)
    center: Float[Any, ""]
    scale: Float[Any, ""]

    def slope(self, number: Number, at: At) -> tuple[Float[Array, "n numbers"], Float[Array, "n numbers"]]:
        """Numbers and their derivative by the column, per unit of the user's."""
        step = jnp.zeros_like(at.x).at[:, self.place].set(1 / self.scale)
        return jax.jvp(lambda x: number(At(at.gibbs, x)), (at.x,), (step,))

    def values(self, x: Float[Array, "n d"]) -> Float[Array, "n 1"]:
        return self.center + self.scale * x[:, self.place, None]


class Money(eqx.Module):
    """The column in which welfare is measured.

    Attributes
    ----------
    sign : 1 where more of it is better (an income), −1 where less is (a cost).
    """

    column: Column
    sign: Float[Any, ""]


class Change(Outcome):
    """The change from baseline to scenario, the baseline, and the scenario side by side."""

    number: Number

    def __call__(self, before: At, after: At) -> Float[Array, "n numbers"]:
        first, second = self.number(before), self.number(after)
        return jnp.concatenate([second - first, first, second], axis=1)


class Mean(Number):
    """E[y|x] in the user's units; of classes their probabilities."""

    center: Float[Any, " m"]
    scale: Float[Any, " m"]

    def __call__(self, at: At) -> Float[Array, "n m"]:
        return self.center + self.scale * at.gibbs.mean(at.x)


class Quantiles(Number):
    """Quantiles of each row's response."""

    levels: Float[Any, " q"]
    center: Float[Any, ""]
    scale: Float[Any, ""]

    def __call__(self, at: At) -> Float[Array, "n q"]:
        encoded = at.gibbs.quantile(at.x, self.levels)
        return self.center + self.scale * encoded


class Exceedance(Number):
    """P(Y > threshold | x)."""

    encoded: Float[Any, ""]

    def __call__(self, at: At) -> Float[Array, "n 1"]:
        threshold = jnp.full(len(at.x), self.encoded, at.x.dtype)
        return 1 - at.gibbs.cdf(at.x, threshold)[:, None]


class LogSum(Number):
    """τ·log ∫exp{(BL(x, y) − BL(x, y₀))/τ}dy: expected maximum utility beside that of a reference response y₀.

    Without a reference it would move with any function of x alone, which p(y|x) does not determine.
    """

    reference: Float[Any, " m"]

    def __call__(self, at: At) -> Float[Array, "n 1"]:
        own = at.gibbs.utility(at.x, self.reference[None, None])[:, 0]
        return (at.gibbs.temperature * at.gibbs.log_normalizer(at.x) - own)[:, None]


class Elasticity(Outcome):
    """∂log of each number / ∂log of a column, in the scenario."""

    column: Column
    number: Number

    def __call__(self, before: At, after: At) -> Float[Array, "n numbers"]:
        value, slope = self.column.slope(self.number, after)
        return slope * self.column.values(after.x) / value


class Slopes(Outcome):
    """Derivatives of a number by several columns, in both states or in the scenario alone."""

    number: Number
    columns: tuple[Column, ...]
    both: bool = eqx.field(static=True, default=False)

    def __call__(self, before: At, after: At) -> Float[Array, "n numbers"]:
        states = (before, after) if self.both else (after,)
        return jnp.concatenate([c.slope(self.number, at)[1] for at in states for c in self.columns], axis=1)


class Variation(Outcome):
    """What may be taken away after the change (compensating), or must be given instead of it (equivalent), so that a
    row is as well off as before, or as after; by root finding, as the marginal utility of money need not be constant.

    Source: Hicks (1939); McFadden (1999) for random utility.
    """

    money: Money
    welfare: Number
    equivalent: bool = eqx.field(static=True)

    def __call__(self, before: At, after: At) -> Float[Array, "n 1"]:
        start, goal = (before, after) if self.equivalent else (after, before)
        scale = self.money.column.scale
        direction = (self.money.sign if self.equivalent else -self.money.sign) / scale
        target = self.welfare(goal)[:, 0]

        def miss(paid: Array) -> Array:
            moved = start.moved(self.money.column.place, direction * paid)
            return self.welfare(moved)[:, 0] - target

        def newton(_: int, paid: Array) -> Array:
            value, slope = jax.jvp(miss, (paid,), (jnp.ones_like(paid),))
            return paid - jnp.clip(value / slope, -scale, scale)

        frozen = jax.lax.stop_gradient(jax.lax.fori_loop(0, STEPS, newton, jnp.zeros_like(target)))
        value, slope = jax.jvp(miss, (frozen,), (jnp.ones_like(frozen),))
        return (frozen - value / jax.lax.stop_gradient(slope))[:, None]


class Surplus(Outcome):
    """The change of the log-sum and, where there is money, compensating and equivalent variation."""

    welfare: Number
    variations: tuple[Variation, ...]

    def __call__(self, before: At, after: At) -> Float[Array, "n numbers"]:
        change = self.welfare(after) - self.welfare(before)
        return jnp.concatenate([change, *(own(before, after) for own in self.variations)], axis=1)
