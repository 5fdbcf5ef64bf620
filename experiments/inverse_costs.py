"""Costs from noiseless decisions of linear programmes, on the generator and the random stream of invopt 0.0.7.

`examples/continuous_linear/LP.py` there: five variables, three random rows and the unit box, costs uniform on [0, 1],
seed 0. Its errors as measured (augmented suboptimality, mean of its 3 runs): .283, .126 and .104 with 5, 10 and 15
decisions; suboptimality .065 with 50. Errors are lengths of differences of directions of length 1.

    python experiments/inverse_costs.py
    python experiments/inverse_costs.py noise --replications 200 --decisions 50

`noise`: the same generator with its noise, costs + N(0, level²) for every decision, level .3 beside costs uniform on
[0, 1]: how often 95 % intervals hold the direction and the size of the noise. Replications whose decisions do not
contradict each other have no errors and are counted apart.
"""

import argparse
import time

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from behavior_learning.decision.inverse import Decision, learn_costs
from behavior_learning.decision.noisy_costs import learn_noisy_costs
from behavior_learning.errors import ConvergenceError, DataError

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


def drawn(costs: np.ndarray, count: int, stream: np.random.RandomState, noise: float = 0.0) -> list[Decision]:
    found = []
    for _ in range(count):
        matrix, limits = feasible(stream)
        seen = costs + noise * stream.randn(VARIABLES)
        found.append(Decision(matrix, limits, decide(seen, matrix, limits)))
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
        mean = learn_costs(train[:count], center="mean")
        chosen = {"train": train[:count], "test": held_out}
        missed = {
            name: np.mean([np.linalg.norm(decide(found.direction, d.matrix, d.limits) - d.x) for d in part])
            for name, part in chosen.items()
            if part
        }
        truth = costs / np.linalg.norm(costs)
        ways = {"error": found, "error, costs >= 0": known, "error, mean": mean}
        errors = {name: float(np.linalg.norm(way.direction - truth)) for name, way in ways.items()}
        lines.append({"decisions": count, **errors, "seconds": seconds, **missed})
    return lines


def noisy(replications: int, decisions: int, noise: float) -> None:
    lines, without, spent = [], 0, []
    for seed in range(replications):
        stream = np.random.RandomState(seed)
        costs = stream.rand(VARIABLES)
        sample = drawn(costs, decisions, stream, noise)
        started = time.perf_counter()
        try:
            found = learn_noisy_costs(sample).table()
        except (ConvergenceError, DataError):
            without += 1
            continue
        spent.append(time.perf_counter() - started)
        truth = np.append(costs / np.linalg.norm(costs), noise / np.linalg.norm(costs))
        margin = learn_costs(sample).direction
        errors = [np.linalg.norm(way - truth[:-1]) for way in (found["estimate"].to_numpy()[:-1], margin)]
        held = (found["lower"] <= truth) & (truth <= found["upper"])
        lines.append({**held, "error": errors[0], "error of learn_costs": errors[1]})
    table = pd.DataFrame(lines).astype(float)
    print(f"noise {noise}, {decisions} decisions, {len(table)} replications; {without} more without an estimate")
    print(table.mean().round(4).to_string())
    costs = table[[name for name in table if name.startswith("cost")]].to_numpy()
    print(f"all coordinates of the direction {costs.mean():.4f}; {np.mean(spent):.2f} s each")


def noiseless() -> None:
    stream = np.random.RandomState(0)
    theirs = pd.DataFrame([line for _ in range(RUNS) for line in run(stream, test=True)])
    print(f"invopt's seed, mean of {RUNS} runs")
    print(theirs.groupby("decisions").mean().round(4).to_string())
    many = pd.DataFrame([line for seed in range(MORE_RUNS) for line in run(np.random.RandomState(seed), test=False)])
    print(f"\n{MORE_RUNS} runs, seeds 0 to {MORE_RUNS - 1}")
    print(many.groupby("decisions").mean().round(4).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="noiseless", choices=("noiseless", "noise"))
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--decisions", type=int, default=50)
    parser.add_argument("--noise", type=float, default=0.3)
    given = parser.parse_args()
    noiseless() if given.part == "noiseless" else noisy(given.replications, given.decisions, given.noise)


if __name__ == "__main__":
    main()
