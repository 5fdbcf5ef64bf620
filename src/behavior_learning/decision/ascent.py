"""Local maximisation of many small smooth problems at once, with and without constraints, in double precision.

Everything is on the unit box: z = (y − lower)/(upper − lower). Rows do not see each other.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

__all__ = ["Multipliers", "climb", "constrained"]

Function = Callable[[Float[Array, "n m"]], Float[Array, " n"]]
Functions = Callable[[Float[Array, "n m"]], Float[Array, "n constraints"]]

FIRST_PENALTY, LAST_PENALTY = 10.0, 1e5
OUTER, INNER, POLISHING = 14, 16, 6
"""Updates of the multipliers, Newton steps after each, and steps on the conditions of the active constraints."""

ACTIVE = 1e-6
"""Distance to a side of the box at which a number is held there."""


class Multipliers(NamedTuple):
    """A constrained optimum, and ∂(optimal value)/∂(how far each constraint is moved)."""

    z: Float[Array, "n m"]
    price: Float[Array, "n constraints"]


def climb(f: Function, start: Float[Array, "n m"], steps: int) -> Float[Array, "n m"]:
    """A local argmax of f on the unit box by damped Newton steps on (|H| + μI).

    Numbers at a side towards which f rises stay there (Bertsekas 1982); a step that does not raise f is taken back.
    """
    slope_of = jax.grad(lambda z: jnp.sum(f(z)))

    def step(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        z, value, damping = state
        slope, curvature = _with_jacobian(slope_of, z)
        held = ((z <= 0) & (slope < 0)) | ((z >= 1) & (slope > 0))
        proposed = jnp.clip(z + _newton(slope, curvature, held, damping), 0.0, 1.0)
        raised = f(proposed)
        better = raised > value
        z = jnp.where(better[:, None], proposed, z)
        return z, jnp.where(better, raised, value), jnp.where(better, damping / 10, damping * 10)

    return jax.lax.fori_loop(0, steps, step, (start, f(start), jnp.ones(len(start), start.dtype)))[0]


def constrained(
    f: Function, constraints: Functions, equality: Bool[Array, " constraints"], start: Float[Array, "n m"]
) -> Multipliers:
    """A local argmax of f under constraints ≤ 0 or = 0 on the unit box: augmented Lagrangian, then Newton's method on
    the conditions of the active constraints.

    Functions and constraints should have slopes of order 1.

    Source: Nocedal and Wright (2006), sections 17.4 and 18.1.
    """

    def lagrangian(z: Array, price: Array, penalty: Array) -> Array:
        moved = price + penalty * constraints(z)
        moved = jnp.where(equality, moved, jnp.maximum(moved, 0.0))
        return f(z) - 0.5 / penalty * jnp.sum(moved**2 - price**2, axis=1)

    def update(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        z, price, penalty = state
        z = climb(lambda z: lagrangian(z, price, penalty), z, INNER)
        price = price + penalty * constraints(z)
        return z, jnp.where(equality, price, jnp.maximum(price, 0.0)), jnp.minimum(2.5 * penalty, LAST_PENALTY)

    none = jnp.zeros_like(constraints(start))
    z, price, _ = jax.lax.fori_loop(0, OUTER, update, (start, none, jnp.asarray(FIRST_PENALTY, start.dtype)))
    return _polished(f, constraints, equality, Multipliers(z, price)) if none.shape[1] else Multipliers(z, price)


def _polished(f: Function, constraints: Functions, equality: Array, found: Multipliers) -> Multipliers:
    """Newton's method on ∇f = Σ price·∇c, c = 0 of the constraints and sides that are active; kept where it helps."""
    active = equality | (found.price > 1e-7)
    held = (found.z < ACTIVE) | (found.z > 1 - ACTIVE)
    z = jnp.where(found.z < ACTIVE, 0.0, jnp.where(found.z > 1 - ACTIVE, 1.0, found.z))
    slope_of = jax.grad(lambda z, price: jnp.sum(f(z)) - jnp.sum(price * constraints(z)))

    def conditions(z: Array, price: Array) -> tuple[Array, Array]:
        slope = slope_of(z, price)
        return jnp.where(held, 0.0, slope), jnp.where(active, constraints(z), 0.0)

    def error(at: Multipliers) -> Array:
        return sum((jnp.sum(part**2, axis=1) for part in conditions(at.z, at.price)), start=jnp.zeros(len(at.z)))

    def step(_: int, state: tuple[Multipliers, Array]) -> tuple[Multipliers, Array]:
        at, known = state
        slope, h = _with_jacobian(lambda z: slope_of(z, at.price), at.z)
        value, a = _with_jacobian(constraints, at.z)
        h = jnp.where(held[:, :, None] | held[:, None, :], 0.0, h) - _diagonal(jnp.where(held, 1.0, 1e-10))
        a = jnp.where(active[:, :, None] & ~held[:, None, :], a, 0.0)
        corner = _diagonal(jnp.where(active, 1e-12, 1.0))
        left = jnp.concatenate([h, a], 1)
        right = jnp.concatenate([-jnp.swapaxes(a, 1, 2), corner], 1)
        miss = jnp.concatenate([jnp.where(held, 0.0, slope), jnp.where(active, value, 0.0)], 1)
        change = jnp.linalg.solve(jnp.concatenate([left, right], 2), -miss[..., None])[..., 0]
        m = z.shape[1]
        proposed = Multipliers(jnp.clip(at.z + change[:, :m], 0, 1), at.price + jnp.where(active, change[:, m:], 0.0))
        found = error(proposed)
        better = jnp.isfinite(found) & (found < known)
        kept = jax.tree.map(lambda new, old: jnp.where(better[:, None], new, old), proposed, at)
        return kept, jnp.where(better, found, known)

    first = Multipliers(z, jnp.where(active, found.price, 0.0))
    end, _ = jax.lax.fori_loop(0, POLISHING, step, (first, error(first)))
    signed = jnp.all(equality | (end.price >= -1e-9), axis=1)
    kept = signed & (jnp.max(jnp.where(active, 0.0, constraints(end.z)), axis=1, initial=-jnp.inf) <= 1e-9)
    return jax.tree.map(lambda new, old: jnp.where(kept[:, None], new, old), end, found)


def _newton(slope: Array, hessian: Array, held: Array, damping: Array) -> Array:
    """(|H| + μI)⁻¹∇f in the numbers that are not held."""
    slope = jnp.where(held, 0.0, slope)
    if slope.shape[1] == 1:
        return slope / (jnp.abs(hessian[:, 0]) + damping[:, None])
    free = jnp.where(held[:, :, None] | held[:, None, :], 0.0, hessian)
    curvature, axes = jnp.linalg.eigh(free)
    along = jnp.einsum("nij,ni->nj", axes, slope) / (jnp.abs(curvature) + damping[:, None])
    return jnp.where(held, 0.0, jnp.einsum("nij,nj->ni", axes, along))


def _with_jacobian(f: Callable[[Array], Array], z: Float[Array, "n m"]) -> tuple[Array, Float[Array, "n values m"]]:
    """The values of a function whose rows do not see each other, and ∂f/∂z."""
    values, along = jax.linearize(f, z)
    columns = jax.vmap(lambda e: along(jnp.broadcast_to(e, z.shape)))(jnp.eye(z.shape[1], dtype=z.dtype))
    return values, jnp.moveaxis(columns, 0, -1)


def _diagonal(values: Float[Array, "n m"]) -> Float[Array, "n m m"]:
    return values[:, :, None] * jnp.eye(values.shape[1], dtype=values.dtype)
