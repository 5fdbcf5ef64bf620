"""Integrals over y whose error does not move with the parameters.

`Interval` places its candidates where each row's density is, and leaves that out of derivatives. Training does not
mind, but an optimum to eight digits needs the gradient of the very sum that is minimised: candidates stay put here.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from behavior_learning.core.numerics import PANEL
from behavior_learning.core.spaces import Interval, Product, Space
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.inference.fitted import Fitted
from behavior_learning.inference.problem import Problem
from behavior_learning.objectives import Likelihood

__all__ = ["MOST", "enough_candidates", "quadrature_gap"]

NODES_PER_SPREAD = 3.0
"""Candidates per standard deviation of the narrowest density: Gauss–Legendre then errs below 1e-9 of a smooth one."""

FEWEST, MOST = 96, 1024

SEVERAL = 48
"""Candidates per dimension for several responses."""

ROWS_CHECKED = 500


def enough_candidates(utility: Callable, space: Space, temperature: ArrayLike, x: Float[np.ndarray, "n d"]) -> Space:
    """The space with candidates that stay put, enough for the narrowest density of some rows, in double precision."""
    if isinstance(space, Product):
        steady = lambda part: _steady(part, max(part.size, SEVERAL)) if isinstance(part, Interval) else part
        return Product([steady(part) for part in space.parts])
    if not isinstance(space, Interval):
        return space
    law = Gibbs(utility, _steady(space, MOST), jnp.asarray(temperature, float))
    rows = x[np.linspace(0, len(x) - 1, min(len(x), 200)).astype(int)]
    narrow = float(jnp.quantile(_spreads(law, jnp.asarray(rows)), 0.02))
    needed = NODES_PER_SPREAD * float(space.upper - space.lower) / max(narrow, 1e-12)
    return _steady(space, int(np.clip(-(-needed // PANEL) * PANEL, FEWEST, MOST)))


def _steady(box: Interval, size: int) -> Interval:
    """The interval with the same candidates for every row and every parameter."""
    lower, upper = (jnp.asarray(np.asarray(end, float)) for end in (box.lower, box.upper))
    return Interval(lower, upper, size, passes=0)


@eqx.filter_jit
def _spreads(law: Gibbs, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Standard deviation of each row's law."""
    y = law.space.quadrature(law.utility, x).candidates[0, :, 0]
    mass = law.mass(x)
    mean = mass @ y
    return jnp.sqrt(jnp.sum(mass * (y - mean[:, None]) ** 2, axis=1))


def quadrature_gap(fitted: Fitted, space: Space) -> float:
    """Mean change of a row's loss, in nats, when the candidates are doubled; 0 where the sum is exact."""
    finer, objective = space.refined(2), fitted.problem.objective
    if finer is space or not isinstance(objective, Likelihood):
        return 0.0
    with jax.enable_x64(True):
        problem = fitted.problem
        few = eqx.tree_at(lambda p: (p.data, p.weights), problem, _first(problem, ROWS_CHECKED))
        sharp = eqx.tree_at(lambda p: p.objective, few, objective.on(finer, objective.temperature))
        plain, fine = (_chunk_losses(p, jnp.asarray(fitted.theta)) for p in (few, sharp))
        return float(jnp.mean(jnp.abs(plain - fine)))


def _first(problem: Problem, rows: int) -> tuple:
    """Some rows of the first chunk, which are spread over the table."""
    cut = lambda column: column[:1, :rows]
    return tuple(map(cut, problem.data)), cut(problem.weights)


@eqx.filter_jit
def _chunk_losses(problem: Problem, theta: Float[Array, " p"]) -> Float[Array, " rows"]:
    return problem.objective(problem.chart.network(theta), *jax.tree.map(lambda column: column[0], problem.data))
