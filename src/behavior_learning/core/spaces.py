"""Response spaces: where y lives, which candidates carry its normaliser, and how mass turns into quantiles.

One `logsumexp` over a space's candidates is the normaliser of Eq. 3, a sum for categories and quadrature for a box.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

__all__ = ["Box", "Categories", "Quadrature", "Space", "Utility"]

PANEL = 64
"""Most candidates in a panel of a composite rule."""

Utility = Callable[[Float[Array, "n d"], Float[Array, "#n k m"]], Float[Array, "n k"]]
"""BL(x, y) on candidates: the one primitive of the library."""


class Quadrature(NamedTuple):
    """A sum over candidates that stands for the sum or integral over a space.

    Attributes
    ----------
    candidates : values of y; the row axis has length 1 where all rows share them.
    log_weights : logarithm of the measure each candidate stands for.
    """

    candidates: Float[Array, "#n k m"]
    log_weights: Float[Array, "#n k"]


class Space(Protocol):
    """What the Gibbs distribution needs to know of where y lives."""

    @property
    def size(self) -> int:
        """k, the number of candidates per row."""
        ...

    @property
    def dimension(self) -> int:
        """m, the length of a candidate y."""
        ...

    def quadrature(self, utility: Utility, x: Float[Array, "n d"]) -> Quadrature:
        """The rule whose weighted sum of exp{utility} is the normaliser."""
        ...

    def refined(self, factor: int) -> "Space":
        """The same space with `factor` times the candidates, or itself where the sum is exact."""
        ...

    def observed(
        self, utility: Utility, x: Float[Array, "n d"], y: Array, at_candidates: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        """The utility of the observed responses."""
        ...

    def inverse_cdf(self, rule: Quadrature, log_density: Float[Array, "n k"], q: Float[Array, "#n j"]) -> Array:
        """The responses below which a share q of the mass lies."""
        ...

    def maximiser(
        self, utility: Utility, x: Float[Array, "n d"], rule: Quadrature, at_candidates: Float[Array, "n k"]
    ) -> Array:
        """argmax of the utility over the space, refined between candidates where it is continuous."""
        ...


class Categories(eqx.Module):
    """One of `size` classes: candidates are one-hot, responses are integer codes 0 … size − 1."""

    size: int = eqx.field(static=True)

    @property
    def dimension(self) -> int:
        return self.size

    def quadrature(self, utility: Utility, x: Float[Array, "n d"]) -> Quadrature:
        return Quadrature(jnp.eye(self.size, dtype=x.dtype)[None], jnp.zeros((1, self.size), x.dtype))

    def refined(self, factor: int) -> "Categories":
        return self

    def observed(
        self, utility: Utility, x: Float[Array, "n d"], y: Int[Array, " n"], at_candidates: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        return jnp.take_along_axis(at_candidates, y[:, None], axis=1)[:, 0]

    def inverse_cdf(
        self, rule: Quadrature, log_density: Float[Array, "n k"], q: Float[Array, "#n j"]
    ) -> Int[Array, "n j"]:
        """The lowest code whose cumulative probability reaches q."""
        cumulative = jnp.cumsum(jnp.exp(log_density), axis=1)
        code = jnp.sum(cumulative[:, None, :] < q[..., None], axis=-1)
        return jnp.minimum(code, self.size - 1)

    def maximiser(
        self, utility: Utility, x: Float[Array, "n d"], rule: Quadrature, at_candidates: Float[Array, "n k"]
    ) -> Int[Array, " n"]:
        return jnp.argmax(at_candidates, axis=1)


class Box(eqx.Module):
    """A bounded interval [lower, upper] of the real line.

    The integral over y is Gauss–Legendre in u after y = μ + s·sinh(u), with μ and s the mean and the standard deviation
    of each row's own density, found by a first pass over equally weighted candidates. Candidates then crowd where the
    mass is, however narrow, and thin out logarithmically towards the ends.

    Attributes
    ----------
    lower, upper : the ends, in the units of y.
    size : candidates per row and pass, rounded up so that they fill equal panels of at most 64.
    """

    lower: Float[Array, ""]
    upper: Float[Array, ""]
    size: int = eqx.field(static=True)

    def __init__(self, lower: ArrayLike, upper: ArrayLike, size: int = 32):
        self.lower, self.upper = jnp.asarray(lower), jnp.asarray(upper)
        panels = -(-size // PANEL)
        self.size = panels * -(-size // panels)

    @property
    def dimension(self) -> int:
        return 1

    def quadrature(self, utility: Utility, x: Float[Array, "n d"]) -> Quadrature:
        mean, spread = jax.lax.stop_gradient(self._moments(utility, x))
        start, end = jnp.arcsinh((self.lower - mean) / spread), jnp.arcsinh((self.upper - mean) / spread)
        nodes, weights = _unit_rule(self.size, x.dtype)
        u = start[:, None] + (end - start)[:, None] * nodes
        y = mean[:, None] + spread[:, None] * jnp.sinh(u)
        log_weights = jnp.log(weights * ((end - start) * spread)[:, None] * jnp.cosh(u))
        return Quadrature(y[..., None], log_weights)

    def _moments(self, utility: Utility, x: Float[Array, "n d"]) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Mean and standard deviation of each row's density; the latter at least the spacing of the candidates."""
        nodes, weights = _unit_rule(self.size, x.dtype)
        y = self.lower + (self.upper - self.lower) * nodes
        mass = jax.nn.softmax(utility(x, y[None, :, None]) + jnp.log(weights), axis=1)
        mean = mass @ y
        spread = jnp.sqrt(jnp.sum(mass * (y - mean[:, None]) ** 2, axis=1))
        return mean, jnp.maximum(spread, (self.upper - self.lower) / self.size)

    def refined(self, factor: int) -> "Box":
        return Box(self.lower, self.upper, self.size * factor)

    def observed(
        self, utility: Utility, x: Float[Array, "n d"], y: Float[Array, " n"], at_candidates: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        inside = (y >= self.lower) & (y <= self.upper)
        return jnp.where(inside, utility(x, y[:, None, None])[:, 0], -jnp.inf)

    def inverse_cdf(
        self, rule: Quadrature, log_density: Float[Array, "n k"], q: Float[Array, "#n j"]
    ) -> Float[Array, "n j"]:
        """Invert the distribution function of the density interpolated linearly between candidates."""
        density = jnp.exp(log_density - jnp.max(log_density, axis=1, keepdims=True))
        density = jnp.pad(density, ((0, 0), (1, 1)), mode="edge")
        q = jnp.broadcast_to(q, (len(density), q.shape[1]))
        return jax.vmap(_invert)(self._edges(rule), density, q)

    def maximiser(
        self, utility: Utility, x: Float[Array, "n d"], rule: Quadrature, at_candidates: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        """Golden-section search between the neighbours of the best candidate; kinks do not disturb it."""
        edges, best = self._edges(rule), jnp.argmax(at_candidates, axis=1)[:, None]
        low, high = (jnp.take_along_axis(edges, best + step, axis=1)[:, 0] for step in (0, 2))
        return _golden_section(lambda y: utility(x, y[:, None, None])[:, 0], low, high)

    def _edges(self, rule: Quadrature) -> Float[Array, "n k+2"]:
        """The candidates between the two ends."""
        ends = (
            jnp.broadcast_to(self.lower, (len(rule.candidates), 1)),
            jnp.broadcast_to(self.upper, (len(rule.candidates), 1)),
        )
        return jnp.concatenate([ends[0], rule.candidates[..., 0], ends[1]], axis=1)


def _invert(edges: Float[Array, " k"], density: Float[Array, " k"], q: Float[Array, " j"]) -> Float[Array, " j"]:
    """Solve F(y) = q where F is the integral of the piecewise-linear density."""
    width = jnp.diff(edges)
    cumulative = jnp.concatenate([jnp.zeros(1), jnp.cumsum(0.5 * width * (density[1:] + density[:-1]))])
    target = q * cumulative[-1]
    i = jnp.clip(jnp.searchsorted(cumulative, target, side="right") - 1, 0, len(width) - 1)
    start, rise = density[i], density[i + 1] - density[i]
    mass = (target - cumulative[i]) / width[i]
    root = jnp.sqrt(jnp.maximum(start**2 + 2 * rise * mass, 0.0))
    fraction = 2 * mass / jnp.maximum(start + root, jnp.finfo(density.dtype).tiny)
    return edges[i] + width[i] * jnp.clip(fraction, 0.0, 1.0)


def _golden_section(
    f: Callable[[Float[Array, " n"]], Float[Array, " n"]], low: Float[Array, " n"], high: Float[Array, " n"]
) -> Float[Array, " n"]:
    ratio = (5**0.5 - 1) / 2

    def narrow(_, ends):
        low, high = ends
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        keep_left = f(left) >= f(right)
        return jnp.where(keep_left, low, left), jnp.where(keep_left, right, high)

    low, high = jax.lax.fori_loop(0, 40, narrow, (low, high))
    return 0.5 * (low + high)


@lru_cache(maxsize=16)
def _unit_rule(nodes: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Composite Gauss–Legendre on [0, 1] in equal panels."""
    panels = -(-nodes // PANEL)
    t, w = np.polynomial.legendre.leggauss(nodes // panels)
    starts = np.arange(panels) / panels
    unit_nodes, unit_weights = (starts[:, None] + (t + 1) / (2 * panels)).ravel(), np.tile(w / (2 * panels), panels)
    return unit_nodes.astype(dtype), unit_weights.astype(dtype)
