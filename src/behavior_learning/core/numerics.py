"""Quadrature nodes, inversion of distribution functions and derivative-free maximisation on a box."""

from collections.abc import Callable
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["PANEL", "climbed", "integrated", "inverted", "unit_rule", "zoomed"]

PANEL = 64
"""Most candidates in a panel of a composite rule."""

POINTS, SHRINKING, ZOOMS = 7, 0.6, 40
"""Zooming in on a maximum: points per axis, factor on the window per step, and steps (0.6⁴⁰ = 1e-9)."""


NEWTON_STEPS = 50
"""Damped Newton steps towards a maximum in several dimensions."""


@lru_cache(maxsize=16)
def unit_rule(nodes: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the composite Gauss–Legendre rule on [0, 1] in equal panels."""
    panels = -(-nodes // PANEL)
    t, w = np.polynomial.legendre.leggauss(nodes // panels)
    starts = np.arange(panels) / panels
    unit_nodes, unit_weights = (starts[:, None] + (t + 1) / (2 * panels)).ravel(), np.tile(w / (2 * panels), panels)
    return unit_nodes.astype(dtype), unit_weights.astype(dtype)


@partial(jnp.vectorize, signature="(k),(k),(j)->(j)")
def inverted(edges: Float[Array, " k"], density: Float[Array, " k"], q: Float[Array, " j"]) -> Float[Array, " j"]:
    """Solve F(y) = q where F is the integral of the density interpolated linearly between the edges."""
    width = jnp.diff(edges)
    cumulative = jnp.concatenate([jnp.zeros(1, width.dtype), jnp.cumsum(0.5 * width * (density[1:] + density[:-1]))])
    target = q * cumulative[-1]
    i = jnp.clip(jnp.searchsorted(cumulative, target, side="right") - 1, 0, len(width) - 1)
    start, rise = density[i], density[i + 1] - density[i]
    mass = (target - cumulative[i]) / width[i]
    root = jnp.sqrt(jnp.maximum(start**2 + 2 * rise * mass, 0.0))
    fraction = 2 * mass / jnp.maximum(start + root, jnp.finfo(density.dtype).tiny)
    return edges[i] + width[i] * jnp.clip(fraction, 0.0, 1.0)


def integrated(
    edges: Float[Array, "*batch k"], density: Float[Array, "*batch k"], y: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """F(y), the share of the integral of the density interpolated linearly between the edges that lies below y."""
    width = jnp.diff(edges)
    inside = jnp.clip((y[..., None] - edges[..., :-1]) / jnp.where(width > 0, width, 1.0), 0.0, 1.0)
    start, rise = density[..., :-1], jnp.diff(density)
    whole = width * (start + 0.5 * rise)
    return jnp.sum(width * inside * (start + 0.5 * rise * inside), axis=-1) / jnp.sum(whole, axis=-1)


def zoomed(
    f: Callable[[Float[Array, "n k b"]], Float[Array, "n k"]],
    center: Float[Array, "n b"],
    half_width: Float[Array, "n b"],
    lower: Float[Array, " b"],
    upper: Float[Array, " b"],
) -> Float[Array, "n b"]:
    """argmax of f near `center`: the best point of a small grid, again and again on a shrinking window.

    It compares values only, so kinks, where penalties often put a maximum, do not disturb it.
    """
    axis = np.linspace(-1, 1, POINTS)
    grid = np.stack(np.meshgrid(*[axis] * center.shape[1], indexing="ij"), axis=-1).reshape(-1, center.shape[1])

    def closer(_: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        center, half_width = state
        points = jnp.clip(center[:, None] + half_width[:, None] * grid.astype(center.dtype), lower, upper)
        best = jnp.argmax(f(points), axis=1)
        return jnp.take_along_axis(points, best[:, None, None], axis=1)[:, 0], SHRINKING * half_width

    return jax.lax.fori_loop(0, ZOOMS, closer, (center, half_width))[0]


def climbed(
    f: Callable[[Float[Array, "n 1 b"]], Float[Array, "n 1"]],
    start: Float[Array, "n b"],
    lower: Float[Array, " b"],
    upper: Float[Array, " b"],
) -> Float[Array, "n b"]:
    """A local argmax of f by damped Newton steps on (|H| + μI), which ascend wherever they start; f is smooth.

    A step that does not raise f is taken back and μ grows; steps end at the sides of the box.
    """

    def value(y: Array) -> Array:
        return f(y[:, None])[:, 0]

    slope = jax.grad(lambda y: jnp.sum(value(y)))

    def hessian(y: Array) -> Array:
        along = lambda e: jax.jvp(slope, (y,), (jnp.broadcast_to(e, y.shape),))[1]
        return jnp.moveaxis(jax.vmap(along)(jnp.eye(y.shape[1], dtype=y.dtype)), 0, -1)

    def step(_: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        y, damping = state
        curvature, axes = jnp.linalg.eigh(hessian(y))
        along = jnp.einsum("nij,ni->nj", axes, slope(y)) / (jnp.abs(curvature) + damping[:, None])
        proposed = jnp.clip(y + jnp.einsum("nij,nj->ni", axes, along), lower, upper)
        better = value(proposed) > value(y)
        return jnp.where(better[:, None], proposed, y), jnp.where(better, damping / 5, damping * 5)

    return jax.lax.fori_loop(0, NEWTON_STEPS, step, (start, jnp.ones(len(start), start.dtype)))[0]
