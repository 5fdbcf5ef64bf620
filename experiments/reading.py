"""Does the reading name the right variables in the right heads? Synthetic hierarchies whose truth is known.

Each data set has its own truth: three of six columns are drawn for the utility, the inequality and the equality, with
coefficients of random sign and size; the other three do nothing. Half of the truths are a single block,

    maximise 3·tanh(U)  subject to  C ≤ 0 (4·relu),  T = 0 (1.2·|T|),

half are hierarchies of two agents, one with a utility and an inequality, one with a belief, and a block above that wants
the first agent's utility and keeps the second's above a floor,

    B = 2·tanh(b₁) − 3·relu(−b₂ − 0.3),    b₁ = 3·tanh(U) − 4·relu(C),    b₂ = −1.2·|T|.

U, C and T each hold the response and one column. Responses are drawn from exp(B) on [-4, 4] by inversion. The model is
told how many rows each head of each block has, and nothing of their variables: every row may hold all six columns.

Criterion, stated before the runs: a data set counts where each of the three heads of the first layer names exactly the
response and the true column (`Statement.variables`: columns that move the row at least 0.3 as far as the strongest).
For hierarchies the report also says how often the upper block's utility and inequality name the right agent first.

    python experiments/reading.py [--sets 50] [--rows 2000] [--out experiments/results/reading.csv]
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
OPTIONS = {"heads": ("tanh", "relu", "abs"), "support": (-4.0, 4.0), "alpha": 1.0, "n_restarts": 8, "max_epochs": 300}
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
    return 3 * np.tanh(u) - 4 * np.maximum(0, c) - 1.2 * np.abs(t)


def hierarchy(truth: Truth, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, c, t = truth.rows(x, y)
    first, second = 3 * np.tanh(u) - 4 * np.maximum(0, c), -1.2 * np.abs(t)
    return 2 * np.tanh(first) - 3 * np.maximum(0, -second - 0.3)


FAMILIES = {
    "single": (single, {"layers": (1,)}),
    "hierarchy": (
        hierarchy,
        {
            "layers": (2, 1),
            "structure": [
                bl.UMP(maximize=f"y + {ANY}", at_most=f"y <= {ANY}"),
                bl.UMP(equal=f"y = {ANY}"),
            ],
        },
    ),
}


def draw(utility, truth: Truth, rng: np.random.Generator, n: int) -> pd.DataFrame:
    x = rng.normal(size=(n, len(COLUMNS)))
    values = utility(truth, x, GRID[None])
    mass = np.exp(values - values.max(axis=1, keepdims=True))
    cumulative = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
    at = (cumulative < rng.uniform(size=(n, 1))).sum(axis=1)
    return pd.DataFrame(x, columns=COLUMNS).assign(y=GRID[np.minimum(at, len(GRID) - 1)])


def one(family: str, seed: int, n: int) -> dict[str, object]:
    """One data set: what each head named beside the truth."""
    utility, shape = FAMILIES[family]
    rng = np.random.default_rng([seed, list(FAMILIES).index(family)])
    truth, started = Truth(rng), time.perf_counter()
    table = draw(utility, truth, rng, n)
    reg = bl.BLRegressor(random_state=seed, **OPTIONS, **shape).fit(table[COLUMNS], table["y"])
    statements = reg.reading().statements
    lower = {s.head: set(s.variables) for s in statements if s.layer == 1}
    right = {head: lower[head] == names for head, names in truth.names().items()}
    upper = {s.head: s.variables[0] for s in statements if s.layer == 2 and s.head in HEADS}
    agents = {"upper": upper["utility"] == "block1.1" and upper["inequality"] == "block1.2"} if upper else {}
    said = {f"{head} said": " ".join(sorted(lower[head])) for head in HEADS}
    true = {f"{head} true": " ".join(sorted(names)) for head, names in truth.names().items()}
    seconds = time.perf_counter() - started
    return {"family": family, "seed": seed, "all": all(right.values()), **right, **agents, **true, **said, "s": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=50)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--family", choices=list(FAMILIES))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    families = [arguments.family] if arguments.family else list(FAMILIES)
    results = []
    for i in range(arguments.sets):
        results.append(one(families[i % len(families)], i, arguments.rows))
        print(" ".join(f"{key}={value}" for key, value in results[-1].items()), flush=True)
    frame = pd.DataFrame(results)
    print(frame.groupby("family")[["all", *HEADS]].mean().to_string())
    print(f"right in all heads: {frame['all'].sum()} of {len(frame)}")
    if arguments.out:
        frame.round(1).to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
