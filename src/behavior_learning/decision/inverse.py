"""Costs from noiseless decisions with known feasible sets: inverse linear optimisation.

A vertex says of the costs that no edge leaving it is cheaper: consistent costs are a cone. The costs returned are its
analytic centre, which has the largest product of the margins over those edges that bound it; or its incenter, whose
smallest margin is largest.

Source: Zattoni Scroccaro, Atasoy and Mohajerin Esfahani (2024), the incenter and the augmented suboptimality loss;
Sonnevend (1986), the analytic centre. Deviation: distances are measured along edges, which bounds those to all other
vertices; the smallest margin is then a least-distance problem, solved exactly by non-negative least squares (Lawson and
Hanson 1974, chapter 23).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog, nnls
from scipy.stats import truncnorm

from behavior_learning.errors import DataError
from behavior_learning.options import check_choice

__all__ = ["Costs", "Decision", "consistent_costs", "edges_of", "learn_costs"]

BINDING = 1e-7
"""Slack below which a constraint binds."""

CHAINS, SWEEPS = 50, 400
"""Chains that average over consistent costs, and steps of each before and while they count."""

NEWTON_STEPS = 50
"""Of the search for the analytic centre, at most."""

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


def learn_costs(
    decisions: Sequence[Decision],
    *,
    nonnegative: bool = False,
    center: Literal["analytic", "margin", "mean"] = "analytic",
) -> Costs:
    """The costs for which decisions are optimal, in the middle of all such costs.

    Parameters
    ----------
    decisions : vertices of their feasible sets.
    nonnegative : whether costs are known to be ≥ 0.
    center : ``"analytic"`` is in the middle of all that bounds the consistent costs; ``"margin"`` is farthest from
        contradicting a decision; ``"mean"`` is the mean of all directions that contradict none, the best guess where
        all are equally likely beforehand. Where decisions contradict each other, all are the costs of least violation.

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
    edges = [edges_of(decision, number) for number, decision in enumerate(decisions)]
    if not edges:
        raise DataError("Costs are learned from one decision at least; got none.")
    rows = np.concatenate([*edges, np.eye(edges[0].shape[1])] if nonnegative else edges)
    check_choice("center", center, ("analytic", "margin", "mean"))
    found = consistent_costs(rows)
    if found is None:
        found = _least_violation(rows)
    elif center == "mean":
        found = _mean_direction(rows, found / np.linalg.norm(found))
    elif center == "analytic":
        found = _analytic_center(_bounding(rows), found / np.linalg.norm(found))
    size = float(np.linalg.norm(found))
    if size == 0:
        raise DataError("These decisions contradict each other so much that no costs explain them. Model their noise.")
    direction = found / size
    margin = float((np.concatenate(edges) @ direction).min())
    return Costs(direction, max(margin, 0.0), margin >= -BINDING)


def edges_of(decision: Decision, number: int) -> Float[np.ndarray, "edges n"]:
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


def consistent_costs(rows: Float[np.ndarray, "edges n"]) -> Float[np.ndarray, " n"] | None:
    """The shortest c with rows·c ≥ 1; None where there is none."""
    target = np.zeros(rows.shape[1] + 1)
    target[-1] = 1.0
    weights, distance = nnls(np.vstack([rows.T, np.ones(len(rows))]), target)
    if distance < 1e-9:
        return None
    residual = np.vstack([rows.T, np.ones(len(rows))]) @ weights - target
    return -residual[:-1] / residual[-1]


def _bounding(rows: Float[np.ndarray, "edges n"]) -> Float[np.ndarray, "facets n"]:
    """The rows that bound {c: rows·c ≥ 0}: those that are no sum of others with weights ≥ 0 (Farkas)."""
    kept = np.unique(rows.round(9), axis=0)
    for row in kept.copy():
        others = kept[(kept != row).any(axis=1)]
        if len(others) and nnls(others.T, row)[1] < 1e-7:
            kept = others
    return kept


def _analytic_center(rows: Float[np.ndarray, "facets n"], start: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """max Σ log(rows·c) over |c| = 1, which is min Σ {|c|²/2 − log(rows·c)}, by Newton's method."""
    c, facets, n = start, *rows.shape
    for _ in range(NEWTON_STEPS):
        slack = rows @ c
        gradient = facets * c - (rows / slack[:, None]).sum(axis=0)
        step = np.linalg.solve(facets * np.eye(n) + (rows / slack[:, None] ** 2).T @ rows, gradient)
        decrement = np.sqrt(gradient @ step)
        if decrement < 1e-8:
            break
        c = c - step / (1 + decrement)
    return c


def _mean_direction(rows: Float[np.ndarray, "edges n"], start: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """E[u | rows·u ≥ 0] of u ~ N(0, I), whose direction is the mean of directions: hit and run from inside.

    Source: Smith (1984); along a line u + t·v, t is normal and cut where a row is met.
    """
    rng, n = np.random.default_rng(0), len(start)
    u, total = np.tile(start, (CHAINS, 1)), np.zeros(n)
    for step in range(2 * SWEEPS):
        v = rng.standard_normal((CHAINS, n))
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        slope, slack = v @ rows.T, u @ rows.T
        with np.errstate(divide="ignore"):
            ends = -slack / slope
        low = np.where(slope > 0, ends, -np.inf).max(axis=1)
        high = np.where(slope < 0, ends, np.inf).min(axis=1)
        along = (u * v).sum(axis=1)
        t = truncnorm.ppf(rng.random(CHAINS), low + along, np.maximum(high, low) + along) - along
        u = u + np.clip(np.nan_to_num(t), np.minimum(low, 0), np.maximum(high, 0))[:, None] * v
        total += u.sum(axis=0) if step >= SWEEPS else 0.0
    return total


def _least_violation(rows: Float[np.ndarray, "edges n"]) -> Float[np.ndarray, " n"]:
    """min mean max(0, 1 − rows·c) + RIDGE·Σ|c|, by linear programming (HiGHS)."""
    edges, n = rows.shape
    costs = np.concatenate([np.full(2 * n, RIDGE), np.full(edges, 1 / edges)])
    result = linprog(costs, A_ub=-np.hstack([rows, -rows, np.eye(edges)]), b_ub=-np.ones(edges))
    return result.x[:n] - result.x[n : 2 * n]
