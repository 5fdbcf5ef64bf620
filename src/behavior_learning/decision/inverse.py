"""Costs from noiseless decisions with known feasible sets: inverse linear optimisation.

A vertex says of the costs that no edge leaving it is cheaper. The costs returned have the largest margin over all
edges of all decisions: the incenter of what is consistent with them, as far as can be from contradicting any.

Source: Zattoni Scroccaro, Atasoy and Mohajerin Esfahani (2024), the incenter and the augmented suboptimality loss.
Deviation: distances are measured along edges, which bounds those to all other vertices; the margin is then a
least-distance problem, solved exactly by non-negative least squares (Lawson and Hanson 1974, chapter 23).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog, nnls

from behavior_learning.errors import DataError

__all__ = ["Costs", "Decision", "learn_costs"]

BINDING = 1e-7
"""Slack below which a constraint binds."""

RIDGE = 1e-3
"""Weight of Σ|cost| against the mean violation where decisions contradict each other."""


class Decision(NamedTuple):
    """x = argmin costs·x subject to matrix·x ≤ limits."""

    matrix: Float[np.ndarray, "rows n"]
    limits: Float[np.ndarray, " rows"]
    x: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Costs:
    """Costs up to their size, which decisions do not determine.

    Attributes
    ----------
    direction : of length 1.
    margin : by how much, per unit of length, every edge of every decision costs more; 0 where decisions contradict.
    consistent : whether every decision is optimal for these costs.
    """

    direction: Float[np.ndarray, " n"]
    margin: float
    consistent: bool


def learn_costs(decisions: Sequence[Decision], *, nonnegative: bool = False) -> Costs:
    """The costs for which decisions are optimal, with the largest margin.

    Parameters
    ----------
    decisions : vertices of their feasible sets.
    nonnegative : whether costs are known to be ≥ 0.

    Raises
    ------
    DataError
        If a decision is infeasible or no vertex.

    Examples
    --------
    >>> import numpy as np
    >>> box = np.vstack([np.eye(2), -np.eye(2)]), np.array([1.0, 1, 0, 0])
    >>> learn_costs([Decision(*box, np.array([0.0, 0.0]))]).direction.round(3).tolist()
    [0.707, 0.707]
    """
    edges = [_edges(decision, number) for number, decision in enumerate(decisions)]
    if not edges:
        raise DataError("Costs are learned from one decision at least; got none.")
    rows = np.concatenate([*edges, np.eye(edges[0].shape[1])] if nonnegative else edges)
    found = _least_distance(rows)
    if found is None:
        found = _least_violation(rows)
    size = float(np.linalg.norm(found))
    if size == 0:
        raise DataError("These decisions contradict each other so much that no costs explain them. Model their noise.")
    direction = found / size
    margin = float((np.concatenate(edges) @ direction).min())
    return Costs(direction, max(margin, 0.0), margin >= -BINDING)


def _edges(decision: Decision, number: int) -> Float[np.ndarray, "edges n"]:
    """Unit directions of the edges that leave a vertex."""
    slack = decision.limits - decision.matrix @ decision.x
    if slack.min() < -1e-6 * (1 + np.abs(decision.limits).max()):
        raise DataError(
            f"Decision {number} breaks its constraints by {-slack.min():.2g}. Correct it, or the constraints."
        )
    active, n = decision.matrix[slack <= BINDING], len(decision.x)
    if np.linalg.matrix_rank(active) < n:
        raise DataError(
            f"Decision {number} is no vertex: {len(active)} constraints bind and {n} must. A linear objective would "
            "not choose it; learn a curved one with bl.UMP."
        )
    found = []
    for chosen in combinations(range(len(active)), n - 1):
        _, sizes, axes = np.linalg.svd(active[list(chosen)])
        if n > 1 and sizes[-1] < 1e-9:
            continue
        found += [side * axes[-1] for side in (1, -1) if (active @ (side * axes[-1]) <= 1e-9).all()]
    return np.array(found)


def _least_distance(rows: Float[np.ndarray, "edges n"]) -> Float[np.ndarray, " n"] | None:
    """The shortest c with rows·c ≥ 1; None where there is none."""
    target = np.zeros(rows.shape[1] + 1)
    target[-1] = 1.0
    weights, distance = nnls(np.vstack([rows.T, np.ones(len(rows))]), target)
    if distance < 1e-9:
        return None
    residual = np.vstack([rows.T, np.ones(len(rows))]) @ weights - target
    return -residual[:-1] / residual[-1]


def _least_violation(rows: Float[np.ndarray, "edges n"]) -> Float[np.ndarray, " n"]:
    """min mean max(0, 1 − rows·c) + RIDGE·Σ|c|, by linear programming (HiGHS)."""
    edges, n = rows.shape
    costs = np.concatenate([np.full(2 * n, RIDGE), np.full(edges, 1 / edges)])
    result = linprog(costs, A_ub=-np.hstack([rows, -rows, np.eye(edges)]), b_ub=-np.ones(edges))
    return result.x[:n] - result.x[n : 2 * n]
