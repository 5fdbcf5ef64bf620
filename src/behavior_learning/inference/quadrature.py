"""Integrals over y whose error does not move with the parameters.

`Interval` places its candidates where each row's density is, and leaves that out of derivatives. Training does not
mind, but an optimum to eight digits needs the gradient of the very sum that is minimised: candidates stay put here.
"""

from dataclasses import replace
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from behavior_learning.core.numerics import PANEL
from behavior_learning.core.products import Product
from behavior_learning.core.spaces import Interval, Space, Utility
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.inference.problem import ONCE, Problem, compiled
from behavior_learning.objectives import Objective

__all__ = ["MOST", "TOLERANCE", "enough_candidates", "quadrature_gap", "sharp_enough"]

NODES_PER_SPREAD = 3.0
"""Candidates per standard deviation of the narrowest density: Gauss–Legendre then errs below 1e-9 of a smooth one."""

FEWEST, MOST = 96, 1024

TOLERANCE = 1e-7
"""Nats by which twice the candidates may change the loss of a row, on average."""

SEVERAL = 48
"""Candidates per dimension for several responses."""

ROWS_CHECKED = 500


def enough_candidates(utility: Utility, space: Space, temperature: ArrayLike, x: Float[np.ndarray, "n d"]) -> Space:
    """The space with candidates that stay put, enough for the narrowest density of some rows, in double precision."""
    match space:
        case Product():
            return Product([_steady(part, max(part.size, SEVERAL)) for part in space.components])
        case Interval():
            gibbs = Gibbs(utility, _steady(space, MOST), jnp.asarray(temperature, float))
            rows = x[np.linspace(0, len(x) - 1, min(len(x), 200)).astype(int)]
            narrow = float(jnp.quantile(_standard_deviations(gibbs, jnp.asarray(rows)), 0.02))
            needed = NODES_PER_SPREAD * float(space.upper - space.lower) / max(narrow, 1e-12)
            return _steady(space, int(np.clip(-(-needed // PANEL) * PANEL, FEWEST, MOST)))
        case _:
            return space


def _steady(space: Space, size: int) -> Space:
    """The interval with the same candidates for every row and every parameter."""
    if not space.continuous:
        return space
    lower, upper = (jnp.asarray(np.asarray(end, float))[0] for end in space.ends)
    return replace(cast(Interval, space), lower=lower, upper=upper, size=size, refinements=0)


@eqx.filter_jit
def _standard_deviations(gibbs: Gibbs, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Standard deviation of each row's distribution."""
    y = gibbs.space.quadrature(gibbs.utility, x).candidates[0, :, 0]
    mass = gibbs.mass(x)
    mean = mass @ y
    return jnp.sqrt(jnp.sum(mass * (y - mean[:, None]) ** 2, axis=1))


def sharp_enough(problem: Problem, theta: ArrayLike) -> Objective:
    """The objective with so many candidates, `MOST` at most, that twice as many would hardly change it at a point."""
    while quadrature_gap(problem, theta) > TOLERANCE and problem.objective.space.size < MOST:
        problem = eqx.tree_at(lambda p: p.objective, problem, problem.objective.refined(2))
    return problem.objective


def quadrature_gap(problem: Problem, theta: ArrayLike) -> float:
    """Mean change of a row's loss, in nats, when the candidates are doubled; 0 where the sum is exact."""
    finer, objective = problem.objective.refined(2), problem.objective
    if finer is objective or not objective.likelihood:
        return 0.0
    with jax.enable_x64(True):
        # The rows of the first chunk are spread over the table.
        some = jax.tree.map(lambda column: column[:1, :ROWS_CHECKED], (problem.data, problem.weights))
        few = eqx.tree_at(lambda p: (p.data, p.weights), problem, some)
        sharp = eqx.tree_at(lambda p: p.objective, few, finer)
        plain, fine = (_chunk_losses(p, jnp.asarray(theta)) for p in (few, sharp))
        return float(jnp.mean(jnp.abs(plain - fine)))


@compiled(ONCE)
def _chunk_losses(problem: Problem, theta: Float[Array, " p"]) -> Float[Array, " rows"]:
    return problem.objective(problem.network(theta), *jax.tree.map(lambda column: column[0], problem.data))
