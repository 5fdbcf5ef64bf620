"""Seconds of whole fits at defaults and what they are worth, beside what people use, and the ratio where it is as good.

The tables, splits and models of `experiments/paper` (7:1:2, seed 0), up to 40,000 rows of a table: all learn from the
first two parts and are judged by the third. BL is fitted twice: cold, programs compiled, and warm. One run, table by
table; seconds of a busy machine are as long as it is busy, CPU seconds less so.

    python benchmarks/peers_time.py --data DIR [--tables german_credit adult ...] [--models "BL default" LightGBM ...]

Models whose packages are missing take no part (`pip install -e .[evidence]`); RealMLP is pytabkit's.
"""

import argparse
import os
import sys
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import behavior_learning as bl
from timing import heading, table

sys.path.insert(0, str(Path(__file__).parents[1]))

from experiments.paper.baselines import MODELS, Coded, Model, imported
from experiments.paper.prediction import TABLES, Rows, judged, train

OURS, MOST_ROWS, MOST_OF_EBM = "BL default", 40_000, 5_000

AS_GOOD = 0.005
"""Nats by which another model may be worse and still count as good as BL."""

REAL_MLP = Model(lambda seed: Coded(imported("pytabkit", "RealMLP_TD_Classifier", random_state=seed, device="cpu")))
PEERS = {name: MODELS[name] for name in (OURS, "MLP", "LightGBM", "EBM")} | {"RealMLP": REAL_MLP}
MODULES = {"LightGBM": "lightgbm", "EBM": "interpret", "RealMLP": "pytabkit"}


def timed(model: Model, parts: list[Rows]) -> tuple[float, float, float]:
    """Seconds of a fit, those of all processors, and the mean held-out loss."""
    begun, used = time.perf_counter(), sum(os.times()[:4])
    fitted: Any = train(model, *parts[:2], seed=0)
    seconds, cpu = time.perf_counter() - begun, sum(os.times()[:4]) - used
    return seconds, cpu, judged(fitted, *parts[2])["NLL"]


def split(name: str) -> list[Rows]:
    X, y = bl.datasets.fetch_table(name)
    order = np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]
    parts = np.split(order, [int(0.7 * len(order)), int(0.8 * len(order))])
    return [(X.iloc[at], y.astype(str).iloc[at]) for at in parts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="*", default=list(TABLES), choices=TABLES)
    parser.add_argument("--models", nargs="*", default=list(PEERS), choices=PEERS)
    arguments = parser.parse_args()
    os.environ["BL_DATA"] = str(arguments.data)
    warnings.simplefilter("ignore")
    heading("Time to quality, at defaults")
    print(f"EBM takes part up to {MOST_OF_EBM:,} rows.\n")
    lines, beside = [], []
    here = [name for name in arguments.models if name not in MODULES or find_spec(MODULES[name])]
    for name in arguments.tables:
        parts, found = split(name), {}
        rows = sum(len(y) for _, y in parts[:2])
        for model in here:
            if model == "EBM" and rows > MOST_OF_EBM:
                continue
            if model == OURS:
                lines.append((f"{name}, {rows:,} rows", f"{model}, cold", *_cells(timed(PEERS[model], parts))))
            found[model] = timed(PEERS[model], parts)
            lines.append((f"{name}, {rows:,} rows", model, *_cells(found[model])))
        _, cpu, loss = found.pop(OURS)
        as_good = {model: own for model, own in found.items() if own[2] <= loss + AS_GOOD}
        fastest = min(as_good, key=lambda model: as_good[model][1], default=None)
        ratio = "first" if fastest is None else f"{cpu / as_good[fastest][1]:.1f}"
        beside.append((name, f"{loss:.3f}", f"{cpu:.1f}", fastest or "none", ratio))
    table(("table", "model", "fit, s", "fit, CPU s", "test NLL"), lines)
    table(("table", "BL's NLL", "CPU s", "fastest that is as good", "CPU s of BL to its (aim 2)"), beside)


def _cells(found: tuple[float, float, float]) -> tuple[str, ...]:
    seconds, cpu, loss = found
    return f"{seconds:.2f}", f"{cpu:.2f}", f"{loss:.3f}"


if __name__ == "__main__":
    main()
