"""Do 95 % intervals of average effects hold them after a search: cross-fitted, of one half, and of the rows that chose?

    python experiments/honest_effects.py --replications 100

y = .8a + .6max(0, b) + .06c + noise of .5, n rows of standard normal columns, d going with a (.7) and e with nothing,
neither of which matters: a is found always, b is bent, and c by some halves only. True effects are averages over the
rows asked about. `cross-fitted` is `discover(honest=True).effects()`; `one half` is the same problem as it is printed,
at the rows of the half that did not choose it; both are put right by what y leaves over. `same rows` are the
delta-method effects of a search that is not honest, at its optimum and not put right, where a column that was not
chosen has an interval of no width. `chosen` is how many halves hold the column, `ratio` the mean standard error over
the standard deviation of the errors. Searches have two folds and no halves, so that what recurs plays no part.

Seeds that count begin at 700; development used 0 to 9.
"""

import argparse
import time

import numpy as np
import pandas as pd

import behavior_learning as bl
from behavior_learning.discovery.cross_fitting import Half
from behavior_learning.explanation.axes import find

NOISE, FIRST_SEED = 0.5, 700
SLOPES = {"a": 0.8, "b": 0.6, "c": 0.06, "d": 0.0, "e": 0.0}
SEARCH = {"folds": 2, "pairs": 0, "max_terms": 12}


def drawn(n: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=list(SLOPES))
    X["d"] = 0.7 * X["a"] + 0.51**0.5 * X["d"]
    columns = X.assign(b=np.maximum(0, X["b"]))
    return X, (columns @ pd.Series(SLOPES) + NOISE * rng.normal(size=n)).rename("y")


def judged(table: pd.DataFrame, b: np.ndarray, chosen: pd.Series, kind: str) -> pd.DataFrame:
    """Whether each interval holds the truth at rows of some b; one of no width holds a zero alone."""
    truth = pd.Series(SLOPES) * [1, np.mean(b > 0), 1, 1, 1]
    error = table["estimate"] - truth
    half = (table["upper"] - table["estimate"]).fillna(0)
    found = {"error": error, "std_error": table["std_error"], "holds": error.abs() <= half + 1e-12}
    return pd.DataFrame({**found, "chosen": chosen, "kind": kind})


def replication(n: int, seed: int) -> pd.DataFrame:
    X, y = drawn(n, seed)
    crossed = bl.discover(X, y, honest=True, random_state=seed, **SEARCH).effects()
    table, half = crossed.table(), crossed.first
    chosen = table["chosen_by"].map({"both": 2, "first": 1, "second": 1, "neither": 0})
    first = table["chosen_by"].isin(["both", "first"]).astype(int)
    same = bl.discover(X, y, random_state=seed, **SEARCH)
    greedy = Half(same.model, same.model.inference(), None)
    own = same.model.effects(inference=greedy.errors) if not same.empty else None
    parts = [judged(table, X["b"].to_numpy(), chosen, "cross-fitted")]
    parts += [judged(half.table(), find(half.axes, "b").values(half.x), first, "one half")]
    if own is not None:
        named = pd.Series({name: int(name in greedy.columns) for name in X})
        parts += [judged(own.table(), X["b"].to_numpy(), named, "same rows")]
    return pd.concat(parts).rename_axis("column").reset_index().assign(seed=seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--replications", type=int, default=100)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed")
    given = parser.parse_args()
    lines, start = [], time.perf_counter()
    for seed in range(given.first, given.first + given.replications):
        lines.append(replication(given.rows, seed))
        done = len(lines)
        if done % 10 == 0 or done == given.replications:
            every = pd.concat(lines)
            by = every.groupby(["kind", "column"])
            summary = by.agg(holds=("holds", "mean"), chosen=("chosen", "mean"), std_error=("std_error", "mean"))
            summary["error"], summary["deviation"] = by["error"].mean(), by["error"].std()
            print(f"{done} replications, {time.perf_counter() - start:.0f} s", flush=True)
            print(summary.assign(ratio=summary["std_error"] / summary["deviation"]).round(4).to_string())
            print(every.groupby("kind")["holds"].mean().round(4).to_string(), flush=True)
