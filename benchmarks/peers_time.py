"""Seconds of whole fits at defaults and what they are worth, beside what people use, and the ratio where it is as good.

Random 7:1:2 splits as in ranks.py (seed 0), up to 40,000 rows of a table: BL trains on the first part and stops by the
second, the others train on both; all are judged by the third. BL is fitted twice: cold, programs compiled, and warm.
One run, alternately by table; seconds of a busy machine are as long as it is busy, CPU seconds less so.

    python benchmarks/peers_time.py --data DIR [--tables german magic ...] [--models BL LightGBM ...]

LightGBM and interpret (EBM, on up to `MOST_OF_EBM` rows) take part where they are installed.
"""

import argparse
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ranks import MODELS, TABLES, encoded, make
from sklearn.neural_network import MLPClassifier

import behavior_learning as bl
from timing import heading, table

MOST_ROWS, MOST_OF_EBM = 40_000, 5_000

AS_GOOD = 0.005
"""Nats by which another model may be worse and still count as good as BL."""

PEERS = ["boosting (scikit-learn)", "MLP", *(name for name in ("LightGBM", "EBM") if name in MODELS)]


def estimator(name: str) -> Any:
    match name:
        case "BL":
            return bl.BLClassifier(random_state=0)
        case "MLP":
            return encoded(MLPClassifier(random_state=0))
        case _:
            return make(name, 0)


def judged(name: str, parts: list[tuple[pd.DataFrame, pd.Series]]) -> tuple[float, float, float]:
    """Seconds of a fit, those of all processors, and the mean held-out loss."""
    train, held_out, (X, y) = parts
    model = estimator(name)
    begun, used = time.perf_counter(), sum(os.times()[:4])
    if name == "BL":
        model.fit(*train, validation_data=held_out)
    else:
        model.fit(*(pd.concat(both) for both in zip(train, held_out, strict=True)))
    seconds, cpu = time.perf_counter() - begun, sum(os.times()[:4]) - used
    p = model.predict_proba(X)[np.arange(len(X)), np.searchsorted(model.classes_, y)]
    return seconds, cpu, float(-np.log(np.clip(p, 1e-12, 1)).mean())


def split(folder: Path, name: str) -> list[tuple[pd.DataFrame, pd.Series]]:
    file, target = TABLES[name]
    rows = pd.read_parquet(folder / f"{file}.parquet")
    order = np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS]
    parts = np.split(order, [int(0.7 * len(order)), int(0.8 * len(order))])
    return [(rows.drop(columns=target).iloc[at], rows[target].astype(str).iloc[at]) for at in parts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="*", default=list(TABLES))
    parser.add_argument("--models", nargs="*", default=["BL", *PEERS])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    heading("Time to quality, at defaults")
    lines, beside = [], []
    for name in arguments.tables:
        parts = split(arguments.data, name)
        rows = sum(len(y) for _, y in parts[:2])
        found = {}
        for model in arguments.models:
            if model == "EBM" and rows > MOST_OF_EBM:
                continue
            if model == "BL":
                lines.append((f"{name}, {rows:,} rows", "BL, cold", *_cells(judged(model, parts))))
            found[model] = judged(model, parts)
            lines.append((f"{name}, {rows:,} rows", model, *_cells(found[model])))
        _, cpu, loss = found.pop("BL")
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
