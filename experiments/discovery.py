"""What `discover` finds: tables beside a dense BL[2,1], a consumer with a budget, and the bound on false statements.

Tables (`frontier`): one split per seed, a fifth held out. For each: terms, held-out NLL on the standardised response,
recurrence on half-samples (mean and smallest over statements), and the NLL of BL[2,1] with and without l1=10 on the
same split.

Consumer (`consumer`): q from exp(3[(2 + .5s)q − q²/2 − pq] − 6 max(0, pq − m)), n = 2,000, one noise column; told are
degree 2, the support, and that there is a utility which is a sum and an inequality. A set counts where the inequality
names p, m and the response and no other column.

Noise (`noise`): y = a + noise beside nine noise columns: how many columns of rows recur in at least 0.6 of the halves,
beside the bound.

    python experiments/discovery.py frontier --data boston auto_mpg --splits 1
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


def frontier(names: list[str], splits: int, pairs: int, degree: int) -> pd.DataFrame:
    lines = []
    for name in names:
        X, y = table(name)
        for seed in range(FIRST_SEED, FIRST_SEED + splits):
            order = np.random.default_rng(seed).permutation(len(X))
            test, train = order[: len(X) // 5], order[len(X) // 5 :]
            start = time.perf_counter()
            found = bl.discover(X.iloc[train], y.iloc[train], pairs=pairs, degree=degree, random_state=seed)
            seconds = time.perf_counter() - start
            scale = np.log(y.iloc[train].std())

            def loss(model, test=test, scale=scale, X=X, y=y) -> float:
                return -float(model.log_density(X.iloc[test], y.iloc[test]).mean()) - scale

            dense = [
                bl.BLRegressor(layers=(2, 1), penalty=bl.Penalty(l1=l1), random_state=seed).fit(
                    X.iloc[train], y.iloc[train]
                )
                for l1 in (0.0, 10.0)
            ]
            recurrence = found.statements["recurrence"]
            lines.append(
                {
                    "data": name,
                    "seed": seed,
                    "terms": int(found.path.query("chosen")["terms"].iloc[0]),
                    "NLL": loss(found.model),
                    "recurrence": recurrence.mean(),
                    "least": recurrence.min(),
                    "seconds": seconds,
                    "BL[2,1]": loss(dense[0]),
                    "BL[2,1] l1=10": loss(dense[1]),
                }
            )
            print(pd.DataFrame(lines[-1:]).round(3).to_string(index=False), flush=True)
    return pd.DataFrame(lines)


def consumers(n: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Prices, budgets, tastes and a noise column, and what is bought."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"p": rng.uniform(0.5, 2, n), "m": rng.uniform(0.5, 3, n)})
    X = X.assign(s=rng.normal(size=n), z=rng.normal(size=n))
    p, m, s = (X[name].to_numpy()[:, None] for name in "pms")
    utility = 3 * ((2 + 0.5 * s) * GRID - GRID**2 / 2 - p * GRID) - 6 * np.maximum(0, p * GRID - m)
    cdf = np.cumsum(np.exp(utility - utility.max(axis=1, keepdims=True)), axis=1)
    place = (cdf / cdf[:, -1:] < rng.uniform(size=(n, 1))).sum(axis=1)
    return X, pd.Series(GRID[np.minimum(place, len(GRID) - 1)], name="q")


def consumer(sets: int) -> pd.DataFrame:
    lines = []
    for seed in range(FIRST_SEED, FIRST_SEED + sets):
        found = bl.discover(
            *consumers(2000, seed),
            degree=2,
            heads=("identity", "relu", None),
            folds=3,
            pairs=0,
            response=bl.Numbers(support=(0.0, 4.0)),
            random_state=seed,
        )
        rows = {line.head: set(line.columns) for line in found.statements.itertuples()}
        budget = rows.get("inequality", set()) == {"p", "m", "q"}
        lines.append({"seed": seed, "budget": budget, "rows": rows})
        print(lines[-1], flush=True)
    return pd.DataFrame(lines)


def noise(sets: int) -> pd.DataFrame:
    lines = []
    for seed in range(FIRST_SEED, FIRST_SEED + sets):
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
    parser.add_argument("part", choices=("frontier", "consumer", "noise"))
    parser.add_argument("--data", nargs="+", default=["boston", "auto_mpg", "concrete_strength"])
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--degree", type=int, default=1)
    parser.add_argument("--sets", type=int, default=3)
    given = parser.parse_args()
    match given.part:
        case "frontier":
            result = frontier(given.data, given.splits, given.pairs, given.degree)
        case "consumer":
            result = consumer(given.sets)
        case _:
            result = noise(given.sets)
    print(result.drop(columns="rows", errors="ignore").mean(numeric_only=True).round(3))
