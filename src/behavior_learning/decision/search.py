"""Global search for soft and hard optima at many rows: candidates all over the support, then ascent from the best.

One and two numbers are searched on a grid; more, on a Sobol sequence. Several searches start from the best points.
Classes and counts are enumerated.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.stats import qmc

from behavior_learning.core.arrays import to_device
from behavior_learning.core.batches import by_batches
from behavior_learning.core.numerics import zoomed
from behavior_learning.core.spaces import MOST_DIMENSIONS
from behavior_learning.decision.ascent import climb, constrained
from behavior_learning.decision.domain import Domain
from behavior_learning.decision.rows import Evaluated, ProblemRows, Width

__all__ = ["FEASIBLE", "Optima", "hard_optima", "soft_optima", "violations"]

GRID, SOBOL = {1: 257, 2: 49}, 1024
"""Points per number of the even grid; points in more than two dimensions."""

STARTS = 3
"""Local searches per row in one and two dimensions; four times as many beyond."""

NEWTON_STEPS = 40
WIDTHS = (1e-1, 1e-3, 1e-5, 1e-7)
"""Widths of rounded kinks, one search after the other, in the argument of the head, which is of order 1."""

KINK_LOSS = 1e-6
"""Share of the utility's range that a search with rounded kinks may lose against one without."""

WEIGHTS = (1.0, 30.0, 1000.0)
"""Of violations against utility in the merit by which starting points are chosen."""

FEASIBLE = 1e-7
"""Largest violation of a feasible point, as a share of the constraint's range over the support."""


class Optima(NamedTuple):
    """The best response of every row.

    Attributes
    ----------
    numbers : (n, numbers) in the user's units.
    choice : which of the domain's choices.
    utility : BL(x, y), or the objective of the hard problem.
    prices : (n, constraints), ∂utility/∂(how far the constraint is moved).
    constraints : their values.
    violation : largest, as a share of the constraint's range; 0 in the soft problem.
    """

    numbers: Float[Any, "n numbers"]
    choice: Int[Any, " n"]
    utility: Float[Any, " n"]
    prices: Float[Any, "n constraints"]
    constraints: Float[Any, "n constraints"]
    violation: Float[Any, " n"]


def soft_optima(rows: ProblemRows, domain: Domain) -> Optima:
    """argmax BL(x, y): the mode of the Gibbs distribution at any temperature."""
    return _best(_soft, rows, domain)


def hard_optima(rows: ProblemRows, domain: Domain) -> Optima:
    """argmax of the utility heads subject to C ≤ 0 and T = 0; the least violation where that cannot be."""
    return _best(_hard, rows, domain)


def violations(rows: ProblemRows, domain: Domain, chosen: Bool[np.ndarray, " constraints"]) -> Float[np.ndarray, " n"]:
    """The smallest violation, over the support, of the worst among some constraints."""
    each = [_over_rows(_violation, rows, domain, choice, jnp.asarray(chosen)) for choice in range(len(domain.choices))]
    return np.min(each, axis=0)


def _best(search: Any, rows: ProblemRows, domain: Domain) -> Optima:
    """The best of all choices, feasible ones first."""
    every = [_over_rows(search, rows, domain, choice) for choice in range(len(domain.choices))]
    rank = [np.where(o.violation <= FEASIBLE, o.utility, -np.inf) for o in every]
    worst = [-o.violation for o in every]
    none = np.max(rank, axis=0) == -np.inf
    best = np.where(none, np.argmax(worst, axis=0), np.argmax(rank, axis=0))
    each = [np.stack(parts)[best, np.arange(len(rows))] for parts in zip(*every, strict=True)]
    return Optima(*each)._replace(choice=best)


def _over_rows(search: Any, rows: ProblemRows, domain: Domain, choice: int, *shared: Any) -> Any:
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, rows))
    m = len(domain.numbers)
    values = 8 * (GRID.get(m, 1) ** m if m <= MOST_DIMENSIONS else SOBOL)
    with jax.enable_x64(True):
        box = to_device(domain.lower), to_device(domain.upper), to_device(domain.choices[choice])

        def of_batch(*part: Array) -> Any:
            return _compiled(search, jax.tree.unflatten(structure, part), box, *shared)

        return by_batches(of_batch, tuple(leaves), values)


@eqx.filter_jit
def _compiled(search: Any, rows: ProblemRows, box: tuple[Array, Array, Array], *shared: Any) -> Any:
    return search(_Boxed(rows, *box), *shared)


class _Boxed(eqx.Module):
    """A problem at rows, on the unit box of its numbers, at one choice of all else."""

    rows: ProblemRows
    lower: Float[Array, " m"]
    upper: Float[Array, " m"]
    choice: Float[Array, " indicators"]

    @property
    def m(self) -> int:
        return len(self.lower)

    def candidates(self, z: Float[Array, "n k m"]) -> Float[Array, "n k columns"]:
        y = self.lower + (self.upper - self.lower) * z
        return jnp.concatenate([y, jnp.broadcast_to(self.choice, (*z.shape[:2], len(self.choice)))], axis=-1)

    def soft(self, z: Float[Array, "n k m"], width: Width = None) -> Float[Array, "n k"]:
        return self.rows(self.candidates(z), self.unmoved, width).utility

    def hard(self, z: Float[Array, "n k m"]) -> tuple[Float[Array, "n k"], Float[Array, "n k constraints"]]:
        at = self.rows.hard(self.candidates(z))
        return at.utility, at.constraints

    @property
    def unmoved(self) -> Float[Array, "n constraints"]:
        return jnp.zeros((len(self.rows), len(self.rows.labels)), self.lower.dtype)

    @property
    def equality(self) -> np.ndarray:
        return np.array(self.rows.equalities, bool)

    def repeated(self, times: int) -> "_Boxed":
        """Every row several times, one after the other."""
        return eqx.tree_at(lambda b: b.rows, self, self.rows.at(np.repeat(np.arange(len(self.rows)), times)))

    def grid(self) -> Float[Array, "1 k m"]:
        """Points all over the box."""
        if self.m > MOST_DIMENSIONS:
            return jnp.asarray(qmc.Sobol(self.m, seed=0).random(SOBOL))[None]
        axes = np.meshgrid(*[np.linspace(0, 1, GRID[self.m])] * self.m, indexing="ij") if self.m else [np.zeros(1)]
        return jnp.asarray(np.stack(axes, -1).reshape(1, -1, len(axes))[..., : self.m])

    def ended(self, z: Float[Array, "n m"], width: Width = None) -> Optima:
        """The soft problem at points, with its prices: λ·ρ'(C) in one block, times the slope of what lies above."""
        y = self.candidates(z[:, None])

        def utility(moved: Array) -> tuple[Array, Evaluated]:
            at = self.rows(y, moved, width)
            return jnp.sum(at.utility), at

        prices, at = jax.grad(utility, has_aux=True)(self.unmoved)
        utilities = self.soft(z[:, None])[:, 0] if self.rows.kinked else at.utility[:, 0]
        numbers = self.lower + (self.upper - self.lower) * z
        none = jnp.zeros(len(z), int)
        return Optima(numbers, none, utilities, prices, at.constraints[:, 0], jnp.zeros(len(z)))


def _soft(at: _Boxed) -> Optima:
    n = len(at.rows)
    if at.m == 0:
        return at.ended(jnp.zeros((n, 0)))
    points = jnp.broadcast_to(at.grid(), (n, *at.grid().shape[1:]))
    values = at.soft(points)
    starts = _chosen(points, _peaks(values, at.m), STARTS if at.m <= MOST_DIMENSIONS else 4 * STARTS)
    count = starts.shape[1]
    many = at.repeated(count)
    unit = jnp.repeat(jnp.maximum(jnp.max(values, 1) - jnp.min(values, 1), 1e-300), count)
    start = starts.reshape(-1, at.m)
    if at.rows.kinked and at.m <= MOST_DIMENSIONS:
        half = jnp.full_like(start, 2.0 / (GRID[at.m] - 1))
        start = zoomed(many.soft, start, half, jnp.zeros(at.m), jnp.ones(at.m))
    widths = WIDTHS if at.rows.kinked else (1.0,)
    end, _ = jax.lax.scan(
        lambda z, width: (climb(lambda z: many.soft(z[:, None], width)[:, 0] / unit, z, NEWTON_STEPS), None),
        start,
        jnp.array(widths),
    )
    both = jnp.stack([start, end], axis=1).reshape(n, 2 * count, at.m)
    favoured = jnp.tile(jnp.array([0.0, KINK_LOSS]), count) * unit.reshape(n, count)[:, :1]
    best = jnp.argmax(at.soft(both) + favoured, axis=1)
    z = jnp.take_along_axis(both, best[:, None, None], axis=1)[:, 0]
    return at.ended(z, widths[-1])


def _hard(at: _Boxed) -> Optima:
    n = len(at.rows)
    points = jnp.broadcast_to(at.grid(), (n, *at.grid().shape[1:]))
    values, constraints = at.hard(points)
    scale = _ranges(constraints)
    if at.m == 0:
        worst = _worst(constraints[:, 0], at.equality, scale)
        end = at.ended(jnp.zeros((n, 0)))
        return end._replace(utility=values[:, 0], prices=jnp.full_like(scale, jnp.nan), violation=worst)
    unit = jnp.max(values, 1) - jnp.min(values, 1)
    unit = jnp.where(unit < 1e-12 * (1 + jnp.max(jnp.abs(values), 1)), 1.0, unit)
    total = jnp.sum(_excess(constraints, at.equality) / scale[:, None], axis=-1)
    merits = [values / unit[:, None] - weight * total for weight in WEIGHTS]
    starts = jnp.concatenate([_chosen(points, merit, 1 if at.m <= MOST_DIMENSIONS else 4) for merit in merits], axis=1)
    count = starts.shape[1]
    many, wide, step = at.repeated(count), jnp.repeat(scale, count, axis=0), jnp.repeat(unit, count)
    found = constrained(
        lambda z: many.hard(z[:, None])[0][:, 0] / step,
        lambda z: many.hard(z[:, None])[1][:, 0] / wide,
        jnp.asarray(at.equality),
        starts.reshape(-1, at.m),
    )
    ends = found.z.reshape(n, count, at.m)
    utility, constraints = at.hard(ends)
    violation = _worst(constraints, at.equality, scale[:, None])
    feasible = violation <= FEASIBLE
    rank = jnp.where(feasible.any(1)[:, None], jnp.where(feasible, utility, -jnp.inf), -violation)
    best = jnp.argmax(rank, axis=1)[:, None]
    price = found.price.reshape(n, count, -1) * unit[:, None, None] / scale[:, None]
    z, prices, reached = (
        jnp.take_along_axis(part, best[..., None], axis=1)[:, 0] for part in (ends, price, constraints)
    )
    objective, violated = (jnp.take_along_axis(part, best, axis=1)[:, 0] for part in (utility, violation))
    numbers = at.lower + (at.upper - at.lower) * z
    return Optima(numbers, jnp.zeros(n, int), objective, prices, reached, violated)


def _violation(at: _Boxed, chosen: Bool[Array, " constraints"]) -> Float[Array, " n"]:
    n = len(at.rows)
    points = jnp.broadcast_to(at.grid(), (n, *at.grid().shape[1:]))
    constraints = at.hard(points)[1]
    scale = _ranges(constraints)[:, None]

    def excess(constraints: Array, scale: Array) -> Array:
        return jnp.where(chosen, _excess(constraints, at.equality) / scale, 0.0)

    everywhere = excess(constraints, scale)
    if at.m == 0:
        return jnp.max(everywhere, axis=(1, 2), initial=0.0)
    starts = _chosen(points, -jnp.sum(everywhere**2, axis=-1), STARTS)
    many, wide = at.repeated(STARTS), jnp.repeat(scale, STARTS, axis=0)

    def merit(z: Float[Array, "n m"]) -> Float[Array, " n"]:
        return -jnp.sum(excess(many.hard(z[:, None])[1], wide)[:, 0] ** 2, axis=-1)

    ends = climb(merit, starts.reshape(-1, at.m), 2 * NEWTON_STEPS).reshape(n, STARTS, at.m)
    return jnp.min(jnp.max(excess(at.hard(ends)[1], scale), axis=-1), axis=1)


def _ranges(values: Float[Array, "n k constraints"]) -> Float[Array, "n constraints"]:
    """How far each constraint moves over the support; its own size where it does not."""
    moves, size = jnp.max(values, 1) - jnp.min(values, 1), jnp.max(jnp.abs(values), 1)
    return jnp.where(moves > 1e-9 * size, moves, jnp.where(size > 0, size, 1.0))


def _excess(constraints: Array, equality: np.ndarray) -> Array:
    return jnp.where(equality, jnp.abs(constraints), jnp.maximum(constraints, 0.0))


def _worst(constraints: Float[Array, "... c"], equality: np.ndarray, scale: Array) -> Float[Array, "..."]:
    return jnp.max(_excess(constraints, equality) / scale, axis=-1, initial=0.0)


def _peaks(values: Float[Array, "n k"], m: int) -> Float[Array, "n k"]:
    """Values on the grid, −∞ where a neighbour is higher."""
    if m > MOST_DIMENSIONS:
        return values
    grid = values.reshape(len(values), *[GRID[m]] * m)
    peak = jnp.ones(grid.shape, bool)
    for axis in range(1, m + 1):
        low = jnp.full_like(jnp.take(grid, jnp.array([0]), axis), -jnp.inf)
        after = jnp.concatenate([jnp.take(grid, jnp.arange(1, GRID[m]), axis), low], axis)
        before = jnp.concatenate([low, jnp.take(grid, jnp.arange(GRID[m] - 1), axis)], axis)
        peak = peak & (grid >= after) & (grid >= before)
    return jnp.where(peak, grid, -jnp.inf).reshape(values.shape)


def _chosen(points: Float[Array, "n k m"], merit: Float[Array, "n k"], count: int) -> Float[Array, "n count m"]:
    """The points of highest merit."""
    _, best = jax.lax.top_k(merit, min(count, merit.shape[1]))
    return jnp.take_along_axis(points, best[..., None], axis=1)
