"""Costs from noiseless decisions of linear programmes, on the generator and the random stream of invopt 0.0.7.

`examples/continuous_linear/LP.py` there: five variables, three random rows and the unit box, costs uniform on [0, 1],
seed 0. Its errors as measured (augmented suboptimality, mean of its 3 runs): .283, .126 and .104 with 5, 10 and 15
decisions; suboptimality .065 with 50. Errors are lengths of differences of directions of length 1.

    python experiments/inverse_costs.py
"""

import time

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from behavior_learning.decision.inverse import Decision, learn_costs

COUNTS = (5, 10, 15, 30, 50)
VARIABLES, ROWS, RUNS, MORE_RUNS = 5, 3, 3, 20


def feasible(stream: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Random rows that leave a corner of the unit box feasible, and the box; in invopt's order of draws."""
    corners = np.array([[(k >> i) & 1 for i in range(VARIABLES)] for k in range(2**VARIABLES)])
    while True:
        matrix, limits = 1 - 2 * stream.rand(ROWS, VARIABLES), -stream.rand(ROWS)
        if (corners @ matrix.T <= limits).all(axis=1).any():
            box = np.vstack([np.eye(VARIABLES), -np.eye(VARIABLES)])
            return np.vstack([matrix, box]), np.r_[limits, np.ones(VARIABLES), np.zeros(VARIABLES)]


def decide(costs: np.ndarray, matrix: np.ndarray, limits: np.ndarray) -> np.ndarray:
    return linprog(costs, A_ub=matrix, b_ub=limits, bounds=(None, None)).x


def drawn(costs: np.ndarray, count: int, stream: np.random.RandomState) -> list[Decision]:
    found = []
    for _ in range(count):
        matrix, limits = feasible(stream)
        stream.randn(VARIABLES)  # invopt draws noise, of size 0 here.
        found.append(Decision(matrix, limits, decide(costs, matrix, limits)))
    return found


def run(stream: np.random.RandomState, test: bool) -> list[dict[str, float]]:
    costs = stream.rand(VARIABLES)
    train = drawn(costs, max(COUNTS), stream)
    held_out = [Decision(*(sets := feasible(stream)), decide(costs, *sets)) for _ in range(max(COUNTS))] if test else []
    lines = []
    for count in COUNTS:
        started = time.perf_counter()
        found = learn_costs(train[:count])
        seconds = time.perf_counter() - started
        known = learn_costs(train[:count], nonnegative=True)
        chosen = {"train": train[:count], "test": held_out}
        missed = {
            name: np.mean([np.linalg.norm(decide(found.direction, d.matrix, d.limits) - d.x) for d in part])
            for name, part in chosen.items()
            if part
        }
        truth = costs / np.linalg.norm(costs)
        error, with_signs = (float(np.linalg.norm(way.direction - truth)) for way in (found, known))
        lines.append(
            {"decisions": count, "error": error, "error, costs >= 0": with_signs, "seconds": seconds, **missed}
        )
    return lines


def main() -> None:
    stream = np.random.RandomState(0)
    theirs = pd.DataFrame([line for _ in range(RUNS) for line in run(stream, test=True)])
    print(f"invopt's seed, mean of {RUNS} runs")
    print(theirs.groupby("decisions").mean().round(4).to_string())
    many = pd.DataFrame([line for seed in range(MORE_RUNS) for line in run(np.random.RandomState(seed), test=False)])
    print(f"\n{MORE_RUNS} runs, seeds 0 to {MORE_RUNS - 1}")
    print(many.groupby("decisions").mean().round(4).to_string())


if __name__ == "__main__":
    main()
