"""Response spaces: where y lives, which candidates carry its normaliser, and how mass turns into quantiles.

One `logsumexp` over a space's candidates is the normaliser of Eq. 3, a sum for categories and quadrature for a box.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = ["Box", "Categories", "Space", "Utility"]

Utility = Callable[[Float[Array, "n d"], Float[Array, "#n k m"]], Float[Array, "n k"]]
"""BL(x, y) on candidates: the one primitive of the library."""


class Space(Protocol):
    """What the Gibbs distribution needs to know of where y lives."""

    @property
    def dimension(self) -> int:
        """m, the length of a candidate y."""
        ...

    @property
    def candidates(self) -> Float[Array, "1 k m"]:
        """The values of y at which the normaliser is evaluated."""
        ...

    @property
    def log_weights(self) -> Float[Array, " k"]:
        """Logarithm of the measure each candidate stands for."""
        ...

    def observed(
        self, utility: Utility, x: Float[Array, "n d"], y: Array, at_candidates: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        """BL at the observed responses."""
        ...

    def quantile(self, log_density: Float[Array, "n k"], q: Float[Array, "#n j"]) -> Array:
        """The responses below which a share q of the mass lies."""
        ...

    def maximiser(self, utility: Utility, x: Float[Array, "n d"], at_candidates: Float[Array, "n k"]) -> Array:
        """argmax of BL over the space, refined between candidates where it is continuous."""
        ...


class Categories(eqx.Module):
    """One of `size` classes: candidates are one-hot, responses are integer codes 0 … size − 1."""

    size: int = eqx.field(static=True)

    @property
    def dimension(self) -> int:
        return self.size

    @property
    def candidates(self) -> Float[Array, "1 k k"]:
        return jnp.eye(self.size)[None]

    @property
    def log_weights(self) -> Float[Array, " k"]:
        return jnp.zeros(self.size)

    def observed(
        self, utility: Utility, x: Float[Array, "n d"], y: Int[Array, " n"], at_candidates: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        return jnp.take_along_axis(at_candidates, y[:, None], axis=1)[:, 0]

    def quantile(self, log_density: Float[Array, "n k"], q: Float[Array, "#n j"]) -> Int[Array, "n j"]:
        """The lowest code whose cumulative probability reaches q."""
        cumulative = jnp.cumsum(jax.nn.softmax(log_density, axis=1), axis=1)
        code = jnp.sum(cumulative[:, None, :] < q[..., None], axis=-1)
        return jnp.minimum(code, self.size - 1)

    def maximiser(self, utility: Utility, x: Float[Array, "n d"], at_candidates: Float[Array, "n k"]) -> Int[Array, " n"]:
        return jnp.argmax(at_candidates, axis=1)


class Box(eqx.Module):
    """A bounded interval [lower, upper] of the real line, with composite Gauss–Legendre candidates.

    Attributes
    ----------
    lower, upper : the ends, in the units of y.
    nodes : how many candidates; they stand in panels of at most 64.
    """

    lower: float = eqx.field(static=True)
    upper: float = eqx.field(static=True)
    nodes: int = eqx.field(static=True, default=64)

    @property
    def dimension(self) -> int:
        return 1

    @property
    def candidates(self) -> Float[Array, "1 k 1"]:
        return jnp.asarray(self._rule[0])[None, :, None]

    @property
    def log_weights(self) -> Float[Array, " k"]:
        return jnp.log(jnp.asarray(self._rule[1]))

    @property
    def _rule(self) -> tuple[np.ndarray, np.ndarray]:
        unit_nodes, unit_weights = _unit_rule(self.nodes)
        width = self.upper - self.lower
        return self.lower + width * unit_nodes, width * unit_weights

    def refined(self, factor: int) -> "Box":
        """The same interval with `factor` times the candidates."""
        return Box(self.lower, self.upper, self.nodes * factor)

    def observed(
        self, utility: Utility, x: Float[Array, "n d"], y: Float[Array, " n"], at_candidates: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        return utility(x, y[:, None, None])[:, 0]

    def quantile(self, log_density: Float[Array, "n k"], q: Float[Array, "#n j"]) -> Float[Array, "n j"]:
        """Invert the distribution function of the density interpolated linearly between candidates."""
        edges = jnp.concatenate([jnp.array([self.lower]), jnp.asarray(self._rule[0]), jnp.array([self.upper])])
        density = jnp.exp(log_density - jnp.max(log_density, axis=1, keepdims=True))
        density = jnp.pad(density, ((0, 0), (1, 1)), mode="edge")
        return jax.vmap(_invert, in_axes=(None, 0, 0))(edges, density, jnp.broadcast_to(q, (len(density), q.shape[1])))

    def maximiser(
        self, utility: Utility, x: Float[Array, "n d"], at_candidates: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        """Golden-section search between the neighbours of the best candidate; kinks do not disturb it."""
        edges = jnp.concatenate([jnp.array([self.lower]), jnp.asarray(self._rule[0]), jnp.array([self.upper])])
        best = jnp.argmax(at_candidates, axis=1) + 1
        at = lambda y: utility(x, y[:, None, None])[:, 0]
        return _golden_section(at, edges[best - 1], edges[best + 1])


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
def _unit_rule(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Composite Gauss–Legendre on [0, 1] in equal panels of at most 64 nodes."""
    panels = -(-nodes // 64)
    if nodes % panels:
        raise ValueError(f"{nodes} nodes do not divide into {panels} equal panels.")
    t, w = np.polynomial.legendre.leggauss(nodes // panels)
    starts = np.arange(panels) / panels
    return (starts[:, None] + (t + 1) / (2 * panels)).ravel(), np.tile(w / (2 * panels), panels)
