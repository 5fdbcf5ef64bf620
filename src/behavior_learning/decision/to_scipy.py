"""A learned problem for `scipy.optimize.minimize`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.decision.domain import Domain
from behavior_learning.decision.export import check_exportable
from behavior_learning.decision.rows import ProblemRows

__all__ = ["scipy_problem"]


def scipy_problem(rows: ProblemRows, domain: Domain, kind: str) -> dict[str, Any]:
    """Arguments of `scipy.optimize.minimize`: −utility, its slope, bounds, constraints, a start.

    The functions are the learned problem's own, so there is no gap between solver and model. Where a penalty has a
    kink, the slope is that of one side of it.
    """
    check_exportable(rows, domain)
    hard = kind == "hard"

    def utility(y: jax.Array) -> jax.Array:
        unmoved = jnp.zeros((1, len(rows.labels)))
        return (rows.hard(y[None, None]) if hard else rows(y[None, None], unmoved)).utility[0, 0]

    def constraint(number: int) -> Callable[[jax.Array], jax.Array]:
        return lambda y: rows.hard(y[None, None]).constraints[0, 0, number]

    def entry(number: int, equality: bool) -> dict[str, Any]:
        """SciPy's inequalities are ≥ 0."""
        value, slope = _compiled(constraint(number), -1.0)
        return {"type": "eq" if equality else "ineq", "fun": value, "jac": slope}

    value, slope = _compiled(utility, -1.0)
    return {
        "fun": value,
        "jac": slope,
        "x0": (domain.lower + domain.upper) / 2,
        "bounds": list(zip(domain.lower.tolist(), domain.upper.tolist(), strict=True)),
        "constraints": [entry(i, equality) for i, equality in enumerate(rows.equalities)] if hard else [],
    }


def _compiled(
    f: Callable[[jax.Array], jax.Array], factor: float
) -> tuple[Callable[[Any], float], Callable[[Any], Any]]:
    """factor·f and its slope, of NumPy arrays in double precision."""
    both = jax.jit(jax.value_and_grad(f))

    def at(y: Any) -> tuple[jax.Array, jax.Array]:
        with jax.enable_x64(True):
            return both(jnp.asarray(y, float))

    return lambda y: factor * float(at(y)[0]), lambda y: factor * np.asarray(at(y)[1])
