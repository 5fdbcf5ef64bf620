"""Fits of two numbers beside fits of the first of them: CPU seconds, and held-out losses of both.

    python benchmarks/pairs.py [--rounds 4] [--seeds 1 2]

Tips and bills are drawn; heating and cooling loads of buildings come from `--data DIR`. BL[2,1], two starts, 60 epochs,
the first half of 488 rows; the least of several fits, after one that compiles.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import behavior_learning as bl
from timing import heading, table

ROWS, HALF = 488, 244
LOADS = ["Y1 Heating Load", "Y2 Cooling Load"]


def tips(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 7, ROWS)
    bill = np.exp(rng.normal(2.2 + 0.25 * size, 0.35))
    tip = np.maximum(0.15 * bill * np.exp(rng.normal(0, 0.35, ROWS)), 0.5)
    X = pd.DataFrame({"size": size, "hour": rng.integers(11, 23, ROWS), "smoker": rng.integers(0, 2, ROWS)})
    return X, pd.DataFrame({"tip": tip, "bill": bill})


def buildings(folder: Path, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = pd.read_parquet(folder / "energy_efficiency.parquet").sample(ROWS, random_state=seed).astype(float)
    return rows.drop(columns=LOADS), rows[LOADS]


class Fitted(NamedTuple):
    """A fit, the CPU seconds that it takes at least, and those of the first one, which may have to compile."""

    model: bl.BLRegressor
    seconds: float
    first: float


def fitted(X: pd.DataFrame, y: pd.DataFrame | pd.Series, seed: int, rounds: int) -> Fitted:
    model, seconds = bl.BLRegressor(layers=(2, 1), n_restarts=2, max_epochs=60, patience=60, random_state=seed), []
    for _ in range(1 + rounds):
        begun = time.process_time()
        model.fit(X.iloc[:HALF], y.iloc[:HALF])
        seconds.append(time.process_time() - begun)
    return Fitted(model, min(seconds[1:]), seconds[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    heading("Two numbers together")
    lines = []
    for seed in arguments.seeds:
        tables = {"tips": tips(seed)} | ({"loads": buildings(arguments.data, seed)} if arguments.data else {})
        for name, (X, y) in tables.items():
            two, one = (fitted(X, responses, seed, arguments.rounds) for responses in (y, y.iloc[:, 0]))
            loss = -two.model.log_density(X.iloc[HALF:], y.iloc[HALF:]).mean()
            nodes = two.model.model_.space.nodes
            seconds = f"{two.seconds:.2f}", f"{one.seconds:.2f}", f"{two.first:.1f}", f"{one.first:.1f}"
            lines.append((f"{name}, seed {seed}", f"{two.seconds / one.seconds:.1f}", *seconds, f"{loss:.4f}", nodes))
    times = "times one (aim 4)", "two, CPU s", "one, CPU s", "two, first fit", "one, first fit"
    table(("BL[2,1]", *times, "held-out NLL of two", "candidates along each"), lines)


if __name__ == "__main__":
    main()
