"""Does the reading name the right variables in the right heads? Synthetic problems whose truth is known.

Each data set has its own truth: three of six columns are drawn for the utility, the inequality and the equality, with
coefficients of random sign and size; the other three do nothing. U, C and T each hold the response and one column:

    single   one block: maximise 3·tanh(U) subject to C ≤ 0 (4·relu) and T = 0 (T²);
    agents   the sum of two blocks, one with a utility and an inequality, one with a belief:
             B = b₁ + b₂,  b₁ = 3·tanh(U) − 4·relu(C),  b₂ = −T²;
    layered  a block above two such agents that wants the first and keeps the second above a floor:
             B = 3·tanh(0.8·b₁) − 3·relu(−b₂ − 0.5),  b₁ = 1.5·tanh(U) − 2·relu(C),  b₂ = −T².

Responses are drawn from exp(B) on [-4, 4] by inversion. In the first family the model is told the shape alone, one row
for each head; in the other two it is also told which agent has which heads, that the inequality holds y from above and
that the equality holds y. Every row may hold all six columns.

Criterion, stated before the runs: a data set counts where each of the three heads of the first layer names exactly
the response and the true column (`Statement.variables`: columns that move the row at least 0.3 as far as the
strongest). Options of the fits were chosen on seeds 0 to 5. A first run (seeds 200 to 230) ended in local optima in 5
of 31 sets; screening of starts (`training/multistart.py`) was then developed on its misses and on seeds 303 and
305. The seeds that count begin at 400. A first design had |T| for T², and seeds 100 to 103 of it swapped inequality and
equality in two of four: |t| = 2·relu(t) − t, so that with a tanh that is nearly linear on the data it is hardly
identified which row is which. T² is no sum of ramps.

    python experiments/reading.py [--families single agents] [--sets 50] [--starts 6] [--out FILE.csv]
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import behavior_learning as bl

COLUMNS = [f"x{j}" for j in range(1, 7)]
HEADS = ("utility", "inequality", "equality")
GRID = np.linspace(-4, 4, 2001)
OPTIONS = {
    "heads": ("tanh", "relu", "square"),
    "response": bl.Numbers(support=(-4.0, 4.0)),
    "penalty": bl.Penalty(l2=1.0),
}
ANY = " + ".join(["1", *COLUMNS])


class Truth:
    """Which column each head of the first layer holds, and the coefficients."""

    def __init__(self, rng: np.random.Generator):
        self.columns = dict(zip(HEADS, rng.choice(len(COLUMNS), 3, replace=False), strict=True))
        self.slope = {head: rng.choice([-1, 1]) * rng.uniform(0.8, 1.4) for head in HEADS}

    def rows(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        """U, C and T: the response less what its column asks for."""
        asked = lambda head: self.slope[head] * x[:, [self.columns[head]]]
        return 1.2 * (y - asked("utility")), y - asked("inequality") - 0.5, y - asked("equality")

    def names(self) -> dict[str, set[str]]:
        return {head: {"y", COLUMNS[column]} for head, column in self.columns.items()}


def single(truth: Truth, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, c, t = truth.rows(x, y)
    return 3 * np.tanh(u) - 4 * np.maximum(0, c) - t**2


def agents(truth: Truth, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return single(truth, x, y)


def layered(truth: Truth, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, c, t = truth.rows(x, y)
    first, second = 1.5 * np.tanh(u) - 2 * np.maximum(0, c), -(t**2)
    return 3 * np.tanh(0.8 * first) - 3 * np.maximum(0, -second - 0.5)


TWO_AGENTS = [bl.UMP(utility=f"y + {ANY}", inequalities=f"y <= {ANY}"), bl.UMP(equalities=f"y = {ANY}")]
FAMILIES = {
    "single": (single, {"layers": (1,)}),
    "agents": (agents, {"layers": (2,), "structure": TWO_AGENTS}),
    "layered": (layered, {"layers": (2, 1), "structure": TWO_AGENTS}),
}


def draw(utility, truth: Truth, rng: np.random.Generator, n: int) -> pd.DataFrame:
    x = rng.normal(size=(n, len(COLUMNS)))
    values = utility(truth, x, GRID[None])
    mass = np.exp(values - values.max(axis=1, keepdims=True))
    cumulative = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
    at = (cumulative < rng.uniform(size=(n, 1))).sum(axis=1)
    return pd.DataFrame(x, columns=COLUMNS).assign(y=GRID[np.minimum(at, len(GRID) - 1)])


def negative_log_likelihood(utility, truth: Truth, table: pd.DataFrame) -> float:
    """Of the true law, in nats per row."""
    x, y = table[COLUMNS].to_numpy(), table[["y"]].to_numpy()
    normalizer = np.log(np.trapezoid(np.exp(utility(truth, x, GRID[None])), GRID, axis=1))
    return float(np.mean(normalizer - utility(truth, x, y)[:, 0]))


def one(family: str, seed: int, n: int, starts: int) -> dict[str, object]:
    """One data set: what each head named beside the truth."""
    utility, shape = FAMILIES[family]
    rng = np.random.default_rng([seed, list(FAMILIES).index(family)])
    truth, started = Truth(rng), time.perf_counter()
    table = draw(utility, truth, rng, n)
    reg = bl.BLRegressor(random_state=seed, n_restarts=starts, **OPTIONS, **shape).fit(table[COLUMNS], table["y"])
    statements = reg.explain().said
    lower = {head: set() for head in HEADS} | {s.head: set(s.variables) for s in statements if s.layer == 1}
    right = {head: lower[head] == names for head, names in truth.names().items()}
    loss = -float(np.mean(reg.log_density(table[COLUMNS], table["y"])))
    gap = {"nats above the truth": loss - negative_log_likelihood(utility, truth, table)}
    said = {f"{head} said": " ".join(sorted(lower[head])) for head in HEADS}
    true = {f"{head} true": " ".join(sorted(names)) for head, names in truth.names().items()}
    seconds = time.perf_counter() - started
    return {"family": family, "seed": seed, "all": all(right.values()), **right, **gap, **true, **said, "s": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=50)
    parser.add_argument("--first", type=int, default=400, help="seed of the first data set")
    parser.add_argument("--starts", type=int, default=6, help="random starts of each fit")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=["single", "agents"])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    results = []
    for i in range(arguments.sets):
        results.append(
            one(arguments.families[i % len(arguments.families)], arguments.first + i, arguments.rows, arguments.starts)
        )
        frame = pd.DataFrame(results)
        if arguments.out:
            frame.round(3).to_csv(arguments.out, index=False)
        print(" ".join(f"{key}={value}" for key, value in results[-1].items()), flush=True)
    print(frame.groupby("family")[["all", *HEADS, "nats above the truth"]].mean().to_string())
    print(f"right in all heads: {frame['all'].sum()} of {len(frame)}")


if __name__ == "__main__":
    main()
