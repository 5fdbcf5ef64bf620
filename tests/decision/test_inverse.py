"""Claims about costs learned from vertices: what is chosen is optimal for them, and they come near the truth."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import norm

from behavior_learning.decision.inverse import Decision, edges_of, learn_costs
from behavior_learning.decision.noisy_costs import learn_noisy_costs
from behavior_learning.errors import DataError


def decisions(costs: np.ndarray, count: int, seed: int) -> list[Decision]:
    """The generator of invopt's linear programme: random rows that leave a corner of the unit box feasible."""
    rng, n, found = np.random.default_rng(seed), len(costs), []
    corners = np.array(np.meshgrid(*[[0, 1]] * n)).reshape(n, -1).T
    while len(found) < count:
        rows, limits = 1 - 2 * rng.random((3, n)), -rng.random(3)
        if (corners @ rows.T <= limits).all(axis=1).any():
            matrix, ends = np.vstack([rows, np.eye(n), -np.eye(n)]), np.r_[limits, np.ones(n), np.zeros(n)]
            found.append(Decision(matrix, ends, linprog(costs, A_ub=matrix, b_ub=ends, bounds=(None, None)).x))
    return found


TRUTH = np.array([0.9, 0.4, 0.7, 0.2, 0.6]) / np.linalg.norm([0.9, 0.4, 0.7, 0.2, 0.6])


@pytest.mark.parametrize("count", [5, 15])
def test_every_decision_is_optimal_for_the_learned_costs(count):
    chosen = decisions(TRUTH, count, seed=count)
    found = learn_costs(chosen, nonnegative=True)
    assert found.consistent
    assert found.margin > 0
    for decision in chosen:
        best = linprog(found.direction, A_ub=decision.matrix, b_ub=decision.limits, bounds=(None, None))
        assert found.direction @ decision.x == pytest.approx(best.fun, abs=1e-8)


def test_more_decisions_come_nearer_to_the_truth():
    errors = [np.linalg.norm(learn_costs(decisions(TRUTH, n, 1)).direction - TRUTH) for n in (5, 40)]
    assert errors[1] < errors[0] < 0.1


def test_contradicting_decisions_are_said_to_be_so():
    chosen = decisions(TRUTH, 5, 0) + decisions(-TRUTH, 1, 1)
    assert not learn_costs(chosen).consistent


@pytest.mark.parametrize(
    ("x", "message"), [([2.0, 0.0], "breaks its constraints by 1"), ([0.5, 0.0], "is no vertex: 1 constraints bind")]
)
def test_what_no_linear_objective_chooses_is_refused(x, message):
    box = np.vstack([np.eye(2), -np.eye(2)]), np.array([1.0, 1, 0, 0])
    with pytest.raises(DataError, match=message):
        learn_costs([Decision(*box, np.array(x))])


def corners(*counts: int) -> list[Decision]:
    """So many choices of each corner (0, 0), (0, 1), (1, 0) of the unit square."""
    box = np.vstack([np.eye(2), -np.eye(2)]), np.array([1.0, 1, 0, 0])
    points = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]], counts, axis=0)
    return [Decision(*box, point) for point in points]


def test_noisy_costs_of_a_square_in_closed_form():
    """A corner says the sign of each cost by itself: a probit of each, with its textbook errors and its jackknife."""
    found, held = learn_noisy_costs(corners(25, 20, 5)), np.array([45, 30])
    shares = held / 50
    less, same = norm.ppf((held - 1) / 49), norm.ppf(held / 49)
    jackknife = 50 * norm.ppf(shares) - 49 * (shares * less + (1 - shares) * same)
    np.testing.assert_allclose(found.scaled, jackknife, atol=2e-2)
    errors = np.sqrt(shares * (1 - shares) / 50) / norm.pdf(norm.ppf(shares))
    np.testing.assert_allclose(np.sqrt(np.diag(found.cov)), errors, rtol=2e-2)
    assert found.log_likelihood < 0
    noise = found.table().loc["noise"]
    assert noise["estimate"] == pytest.approx(1 / np.linalg.norm(found.scaled))
    assert noise["upper"] / noise["estimate"] == pytest.approx(noise["estimate"] / noise["lower"])


def test_noise_that_is_not_to_be_seen_is_refused():
    with pytest.raises(DataError, match="No decision contradicts another"):
        learn_noisy_costs(corners(5, 0, 0))


@pytest.mark.parametrize(("center", "tolerance"), [("analytic", 1e-8), ("margin", 1e-8), ("mean", 0.02)])
def test_centers_of_consistent_costs_are_the_middle_of_an_arc(center, tolerance):
    """One corner leaves a quarter of the circle."""
    found = learn_costs(corners(1, 0, 0), center=center).direction
    np.testing.assert_allclose(found, [0.5**0.5] * 2, atol=tolerance)


def test_analytic_center_maximises_the_product_of_margins_over_what_bounds_the_costs():
    chosen = decisions(TRUTH, 6, seed=2)
    rows, found = np.concatenate([edges_of(d, 0) for d in chosen]), learn_costs(chosen).direction
    least = [
        linprog(row, A_ub=-np.delete(rows, i, axis=0), b_ub=np.zeros(len(rows) - 1), bounds=(-1, 1)).fun
        for i, row in enumerate(rows)
    ]
    facets = rows[np.array(least) < -1e-6]
    slope = (facets / (facets @ found)[:, None]).sum(axis=0)
    np.testing.assert_allclose(slope / np.linalg.norm(slope), found, atol=1e-6)
