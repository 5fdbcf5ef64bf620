"""Numbers that are known to lie between two ends: censored, rounded or grouped."""

from functools import partial
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.core.spaces import Interval, Utility

__all__ = ["Coarsened"]


class Coarsened(Interval):
    """An interval whose responses are observed as sets [l, u] of one response or more: observations have shape (n, 2).

    An observation contributes the logarithm of its mass, log ∫_l^u exp{BL(x, y)} dy, by a quadrature of its own that
    is focused like that of the whole interval; where l = u, the utility there. Ends may be infinite.
    """

    pointwise: ClassVar[bool] = False

    def points(self, y: Float[Array, "n 2"]) -> Float[Array, " n"]:
        """The middle of what is observed, or its finite end."""
        low, high = y[..., 0], y[..., 1]
        point = jnp.where(jnp.isinf(low), high, jnp.where(jnp.isinf(high), low, 0.5 * (low + high)))
        return jnp.clip(point, self.lower, self.upper)

    def contains(self, y: Float[Array, "n 2"]) -> Array:
        """Whether some of what is observed lies in the interval: a value, or a stretch that has mass."""
        low, high = y[..., 0], y[..., 1]
        exact = (low == high) & (low >= self.lower) & (high <= self.upper)
        return exact | ((low < high) & (low < self.upper) & (high > self.lower))

    def observed(
        self, utility: Utility, x: Float[Array, "n d"], y: Float[Array, "n 2"], at_candidates: Float[Array, "#n k"]
    ) -> Float[Array, " n"]:
        y = y.astype(x.dtype)
        known = self.contains(y)
        stretch = known & (y[:, 0] < y[:, 1])
        low = jnp.where(stretch, jnp.maximum(y[:, 0], self.lower), self.lower)
        high = jnp.where(stretch, jnp.minimum(y[:, 1], self.upper), self.upper)
        values = partial(utility, x)
        rule = Interval(low, high, self.size, self.refinements).rule(values, x.shape[:1], x.dtype)
        log_mass = rule.log_integral(values(rule.candidates))
        at_point = utility(x, self.candidates(self.points(y))[:, None])[:, 0]
        return jnp.where(known, jnp.where(stretch, log_mass, at_point), -jnp.inf)
