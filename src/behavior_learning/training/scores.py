"""Derivatives of the loss of every row, and the curvature that their mean outer product stands for.

Source: Berndt, Hall, Hall and Hausman (1974): where a loss is minus a log-likelihood and the model is right, that
product is the Hessian on average. Deviation: it only guides the first steps of a descent, which learns the rest.
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.objectives import Objective
from behavior_learning.training.packing import Packing

__all__ = ["inverse_curvature", "row_scores"]

DAMPING = 1e-3
"""Share of the information that is added to its diagonal before it guides the first steps."""

SCORED_ROWS = 256
"""Rows whose derivatives are held at once."""


@eqx.filter_jit
def row_scores(
    objective: Objective, packing: Packing, vector: Array, data: tuple[Array, ...]
) -> Float[Array, "rows numbers"]:
    """The derivatives of the loss of every row in the packed numbers."""

    def score(row: Any) -> Float[Array, " numbers"]:
        return jax.grad(lambda v: objective(packing.evaluated((v,)), *(part[None] for part in row))[0])(vector)

    return jax.lax.map(score, data, batch_size=SCORED_ROWS)


def inverse_curvature(table: Float[np.ndarray, "rows numbers"], ridge: float) -> Float[np.ndarray, "numbers numbers"]:
    """(I + damping + ridge)⁻¹, with I the mean outer product of the scores.

    Parameters
    ----------
    ridge : per row.
    """
    information = table.T @ table / max(len(table), 1)
    size = np.diag(information)
    return np.linalg.inv(information + np.diag(DAMPING * size + DAMPING * size.mean() + ridge))
