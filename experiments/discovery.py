"""What `discover` finds: tables, agents below a block, a consumer with a budget, and the bound on false statements.

Tables (`frontier`): one split per seed, a fifth held out. For each: terms, held-out NLL on the standardised response,
recurrence on half-samples (median and smallest over statements), that of linear regressions on the same ones, and the
NLL of BL[2,1] on the same split.

Agents (`agents`): two agents with two columns each among four and the noise columns; an upper block that wants what
the first wants, by a tanh, and keeps the second above a floor (relu) or at a level (abs); or their sum (`--sum`). Told
are the support of y and that there may be a hierarchy. The problem is the one that Schwarz's criterion prefers on all
rows, without folds. Of a layered set `columns` counts where there are two blocks in the first layer that name exactly
the columns of the agents, and `heads` where these also have exactly the agents' heads; of a sum, where there is one
block that names exactly their columns. The gap is the loss on 4,000 new rows above the truth's.

Consumer (`consumer`): q from exp(3[(2 + .5s)q − q²/2 − pq] − 6 max(0, pq − m)), n = 2,000, one noise column; told are
degree 2, the support, and that there is a utility which is a sum and an inequality. A set counts where the inequality
names p, m and the response and no other column. Elasticities of mean demand in p and m are relative to the truth's.

Noise (`noise`): y = a + noise beside nine noise columns: how many columns of rows recur in at least 0.6 of the halves,
beside the bound.

    python experiments/discovery.py frontier --data boston auto_mpg --splits 1
    python experiments/discovery.py agents --sets 50 [--sum] [--noise 10]
    python experiments/discovery.py consumer --sets 50
    python experiments/discovery.py noise --sets 50

Seeds that count begin at 700; development used 0 to 9.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import behavior_learning as bl
from behavior_learning.discovery.discover import POOL_AND_LAYERS
from behavior_learning.discovery.knowledge import Knowledge
from behavior_learning.discovery.path import lowest_criterion
from behavior_learning.discovery.selection import Rows, searched
from behavior_learning.discovery.shapes import LAYERED, shape_of
from behavior_learning.learned.model import in_single

DATA = Path(__file__).parents[1].parent / "shared" / "data"
TARGETS = {"auto_mpg": "mpg"}
GRID = np.linspace(0, 4, 2001)
FIRST_SEED = 700


def table(name: str) -> tuple[pd.DataFrame, pd.Series]:
    """Numeric columns and the response of a data set; Boston without column B."""
    if name == "boston":
        X, y = bl.datasets.load_boston()
        return X.drop(columns="B"), y
    rows = pd.read_parquet(DATA / f"{name}.parquet").dropna()
    target = TARGETS.get(name, rows.columns[-1])
    return rows.drop(columns=target).select_dtypes("number"), rows[target]


def frontier(names: list[str], splits: int, first: int, pairs: int, degree: int) -> pd.DataFrame:
    lines = []
    for name in names:
        X, y = table(name)
        for seed in range(first, first + splits):
            order = np.random.default_rng(seed).permutation(len(X))
            test, train = order[: len(X) // 5], order[len(X) // 5 :]
            start = time.perf_counter()
            found = bl.discover(X.iloc[train], y.iloc[train], pairs=pairs, degree=degree, random_state=seed)
            seconds = time.perf_counter() - start
            scale = np.log(y.iloc[train].std())

            def loss(model, test=test, scale=scale, X=X, y=y) -> float:
                return -float(model.log_density(X.iloc[test], y.iloc[test]).mean()) - scale

            dense = bl.BLRegressor(layers=(2, 1), random_state=seed).fit(X.iloc[train], y.iloc[train])
            recurrence = found.statements["recurrence"]
            lines.append(
                {
                    "data": name,
                    "seed": seed,
                    "terms": int(found.path.query("chosen")["terms"].iloc[0]),
                    "NLL": loss(found.model),
                    "recurrence": recurrence.median(),
                    "least": recurrence.min(),
                    "seconds": seconds,
                    "least squares": found.reference["recurrence"]["least squares"],
                    "lasso": found.reference["recurrence"]["lasso"],
                    "BL[2,1]": loss(dense),
                }
            )
            print(pd.DataFrame(lines[-1:]).round(3).to_string(index=False), flush=True)
            print(found, flush=True)
    return pd.DataFrame(lines)


LEVELS = np.linspace(-4, 4, 1001)


class Agents:
    """Which columns the agents have, and what they ask for."""

    def __init__(self, rng: np.random.Generator, noise: int, added: bool):
        self.names = [f"x{j + 1}" for j in range(4 + noise)]
        self.columns = rng.permutation(len(self.names))[:4]
        self.slopes = rng.choice([-1, 1], 4) * rng.uniform(0.8, 1.4, 4)
        self.upper, self.added = rng.choice(["relu", "abs"]), added

    def utility(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        a, b, c, d = (slope * x[:, [column]] for slope, column in zip(self.slopes, self.columns, strict=True))
        first = 1.5 * np.tanh(1.2 * (y - a)) - 2 * np.maximum(0, y - b - 0.5)
        second = -np.abs(y - c - d)
        if self.added:
            return 2 * first + 2 * second
        kept = np.maximum(0, -second - 0.5) if self.upper == "relu" else np.abs(second + 0.5)
        return 3 * np.tanh(0.8 * first) - 3 * kept

    def draw(self, rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, pd.Series]:
        x = rng.normal(size=(n, len(self.names)))
        utility = self.utility(x, LEVELS[None])
        cdf = np.cumsum(np.exp(utility - utility.max(axis=1, keepdims=True)), axis=1)
        place = (cdf / cdf[:, -1:] < rng.uniform(size=(n, 1))).sum(axis=1)
        y = LEVELS[np.minimum(place, len(LEVELS) - 1)]
        return pd.DataFrame(x, columns=self.names), pd.Series(y, name="y")

    def loss(self, X: pd.DataFrame, y: pd.Series) -> float:
        x = X.to_numpy()
        normalizer = np.log(np.trapezoid(np.exp(self.utility(x, LEVELS[None])), LEVELS, axis=1))
        return float(np.mean(normalizer - self.utility(x, y.to_numpy()[:, None])[:, 0]))

    def right(self, statements: pd.DataFrame) -> tuple[bool, bool]:
        """Whether the blocks of the first layer name exactly the agents' columns, and whether with their heads."""
        at = [self.names[column] for column in self.columns]
        lines = statements[[bool(set(columns) & set(self.names)) for columns in statements["columns"]]]
        blocks = [
            (frozenset(own["head"]), frozenset(name for names in own["columns"] for name in names) - {"y"})
            for _, own in lines.groupby("block")
        ]
        owned = [frozenset(at)] if self.added else [frozenset(at[:2]), frozenset(at[2:])]
        columns = sorted(map(sorted, (names for _, names in blocks))) == sorted(map(sorted, owned))
        heads = self.added or {(frozenset({"utility", "inequality"}), owned[0]), (frozenset({"equality"}), owned[-1])}
        return columns, columns and (self.added or set(blocks) == heads)


def agents(sets: int, first: int, noise: int, added: bool) -> pd.DataFrame:
    lines = []
    for seed in range(first, first + sets):
        rng = np.random.default_rng([seed, 1])
        truth = Agents(rng, noise, added)
        X, y = truth.draw(rng, 2000)
        new = truth.draw(rng, 4000)
        start, how = time.perf_counter(), {"degree": 1, "most": 30, "knowledge": Knowledge(), "seed": seed}
        space = bl.Numbers(support=(-4.0, 4.0))
        shapes = [shape_of(LAYERED, X, y, response=space, **plan, **how) for plan in POOL_AND_LAYERS]
        data = Rows(*in_single(shapes[0].model.given_rows("agents"))).data()
        found = searched(shapes, data, rng)
        best = lowest_criterion(found.path.refits.values(), data)
        rows = Rows(*in_single(found.shape.model.given_rows("agents", *new))).data()
        gap = float(found.shape.finer.losses(best, rows).mean() - truth.loss(*new))
        gap += float(np.log(found.shape.model.response.variables[0].scale))
        said = pd.DataFrame(
            [(s.block, s.head, s.variables) for s in found.shape.explained(best).said if s.layer == 1 and not s.faint],
            columns=["block", "head", "columns"],
        )
        columns, heads = truth.right(said)
        lines.append({"seed": seed, "columns": columns, "heads": heads, "gap": gap})
        true = [truth.names[column] for column in truth.columns]
        seconds = time.perf_counter() - start
        print(lines[-1], f"{seconds:.0f} s; {true}, {truth.upper}; said: {said.to_numpy().tolist()}", flush=True)
    return pd.DataFrame(lines)


def bought(X: pd.DataFrame) -> np.ndarray:
    """The consumer's distribution of q on the grid, a line per row."""
    p, m, s = (X[name].to_numpy()[:, None] for name in "pms")
    utility = 3 * ((2 + 0.5 * s) * GRID - GRID**2 / 2 - p * GRID) - 6 * np.maximum(0, p * GRID - m)
    mass = np.exp(utility - utility.max(axis=1, keepdims=True))
    return mass / mass.sum(axis=1, keepdims=True)


def consumers(n: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Prices, budgets, tastes and a noise column, and what is bought."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"p": rng.uniform(0.5, 2, n), "m": rng.uniform(0.5, 3, n)})
    X = X.assign(s=rng.normal(size=n), z=rng.normal(size=n))
    place = (np.cumsum(bought(X), axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)
    return X, pd.Series(GRID[np.minimum(place, len(GRID) - 1)], name="q")


def elasticity(demand, X: pd.DataFrame, column: str) -> float:
    """Of mean demand, by 2 % more and less of a column."""
    more, less = (np.mean(demand(X.assign(**{column: X[column] * factor}))) for factor in (1.02, 0.98))
    return float(np.log(more / less) / np.log(1.02 / 0.98))


def consumer(sets: int, first: int) -> pd.DataFrame:
    lines = []
    for seed in range(first, first + sets):
        X, y = consumers(2000, seed)
        start = time.perf_counter()
        found = bl.discover(
            X,
            y,
            degree=2,
            heads=("identity", "relu", None),
            folds=2,
            pairs=0,
            response=bl.Numbers(support=(0.0, 4.0)),
            random_state=seed,
        )
        seconds, some = time.perf_counter() - start, X.head(500)
        rows = {line.head: set(line.columns) for line in found.statements.itertuples()}
        miss = {
            f"elasticity in {name}": elasticity(found.model.predict, some, name)
            / elasticity(lambda table: bought(table) @ GRID, some, name)
            - 1
            for name in "pm"
        }
        lines.append({"seed": seed, "budget": rows.get("inequality", set()) == {"p", "m", "q"}, **miss})
        print(lines[-1], f"{seconds:.0f} s; said: {rows}", flush=True)
    return pd.DataFrame(lines)


def noise(sets: int, first: int) -> pd.DataFrame:
    lines = []
    for seed in range(first, first + sets):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame(rng.normal(size=(300, 10)), columns=list("abcdefghij"))
        found = bl.discover(X, pd.Series(X["a"] + 0.5 * rng.normal(size=300), name="y"), random_state=seed)
        columns = found.stability.columns
        often = columns[(columns["frequency"] >= found.threshold) & ~columns["column"].isin(["a", "y"])]
        named = {name for names in found.statements["columns"] for name in names} - {"a", "y"}
        lines.append(
            {"seed": seed, "recurring noise": len(often), "bound": found.false_statements, "named": len(named)}
        )
        print(lines[-1], flush=True)
    return pd.DataFrame(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("frontier", "agents", "consumer", "noise"))
    parser.add_argument("--data", nargs="+", default=["boston", "auto_mpg", "concrete_strength"])
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--degree", type=int, default=1)
    parser.add_argument("--sets", type=int, default=3)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed")
    parser.add_argument("--noise", type=int, default=2, help="noise columns beside agents")
    parser.add_argument("--sum", action="store_true", help="agents whose utilities add up")
    given = parser.parse_args()
    match given.part:
        case "frontier":
            result = frontier(given.data, given.splits, given.first, given.pairs, given.degree)
        case "agents":
            result = agents(given.sets, given.first, given.noise, given.sum)
        case "consumer":
            result = consumer(given.sets, given.first)
        case _:
            result = noise(given.sets, given.first)
    print(result.drop(columns="rows", errors="ignore").mean(numeric_only=True).round(3))
