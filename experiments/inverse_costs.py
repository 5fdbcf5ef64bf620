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
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from behavior_learning.decision.inverse import Decision, consistent_costs, edges_of, learn_costs
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
        others = {f"error, {way}": learn_costs(train[:count], center=way) for way in ("margin", "mean")}
        chosen = {"train": train[:count], "test": held_out}
        missed = {
            name: np.mean([np.linalg.norm(decide(found.direction, d.matrix, d.limits) - d.x) for d in part])
            for name, part in chosen.items()
            if part
        }
        truth = costs / np.linalg.norm(costs)
        ways = {"error": found, "error, costs >= 0": known, **others}
        errors = {name: float(np.linalg.norm(way.direction - truth)) for name, way in ways.items()}
        edges = np.concatenate([edges_of(decision, 0) for decision in train[:count]])
        theirs = consistent_costs(edges / np.abs(edges).max(axis=1, keepdims=True))
        errors["error, invopt's margin"] = float(np.linalg.norm(theirs / np.linalg.norm(theirs) - truth))
        lines.append({"decisions": count, **errors, "seconds": seconds, **missed})
    return lines


def noisy(first: int, replications: int, decisions: int, noise: float, out: Path) -> None:
    """Replications are appended to a file, so that several runs add up; what is printed is of all of them."""
    for seed in range(first, first + replications):
        stream = np.random.RandomState(seed)
        costs = stream.rand(VARIABLES)
        sample = drawn(costs, decisions, stream, noise)
        truth = np.append(costs, noise) / np.linalg.norm(costs)
        try:
            found = learn_noisy_costs(sample).table()
        except (ConvergenceError, DataError):
            found = pd.DataFrame(np.nan, range(VARIABLES + 1), ["estimate", "std_error", "lower", "upper"])
        lines = found.reset_index(names="what").assign(truth=truth, seed=seed, decisions=decisions, noise=noise)
        lines.to_csv(out, mode="a", header=not out.exists(), index=False)
    table = pd.read_csv(out)
    table = table[(table["decisions"] == decisions) & (table["noise"] == noise)]
    known = table.dropna()
    covered = known["truth"].between(known["lower"], known["upper"])
    error = (known["estimate"] - known["truth"]) ** 2
    of_costs = known["what"] != "noise"
    print(
        f"noise {noise}, {decisions} decisions: {known['seed'].nunique()} of {table['seed'].nunique()} have an estimate"
    )
    print(f"covered: costs {covered[of_costs].mean():.3f}, noise {covered[~of_costs].mean():.3f}")
    print(f"error of the direction {np.sqrt(error[of_costs].groupby(known['seed']).sum()).mean():.3f}")


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
    parser.add_argument("--first", type=int, default=0, help="seed of the first replication")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "noisy_costs.csv")
    parser.add_argument("--decisions", type=int, default=50)
    parser.add_argument("--noise", type=float, default=0.3)
    given = parser.parse_args()
    noiseless() if given.part == "noiseless" else noisy(
        given.first, given.replications, given.decisions, given.noise, given.out
    )


if __name__ == "__main__":
    main()
