"""The most memory that a fit holds beyond the process before it, as a share of the table (an array, a DataFrame).

    python benchmarks/memory.py [--rows 1000000]

Each in a process of its own, which has fitted a small table before, so that imports are not counted; Linux alone.
"""

import argparse
import re
import time
import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

import behavior_learning as bl
from timing import heading, table

COLUMNS = 50

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    heading("Memory")
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        lines = pool.starmap(_fitted, [(kind, rows) for kind in ("array", "DataFrame")], chunksize=1)
    columns = f"{rows:,} rows x {COLUMNS} columns, BL[2,1], two epochs", "table, MB", "peak, MB", "peak/table (aim 3)"
    table((*columns, "kept, MB", "s"), lines)


def _fitted(kind: str, rows: int) -> tuple[str, ...]:
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    make = {"array": np.asarray, "DataFrame": pd.DataFrame}[kind]
    reg = bl.BLRegressor(layers=(2, 1), n_restarts=1, max_epochs=2, random_state=0)
    few = rng.standard_normal((2_000, COLUMNS))
    reg.fit(make(few), few[:, 0] + rng.standard_normal(len(few)))
    before = _held("VmRSS")
    X = rng.standard_normal((rows, COLUMNS))
    y, size, given = X[:, 0] + rng.standard_normal(rows), X.nbytes / 2**20, make(X)
    del X
    FORGET.write_text("5")  # The peak begins anew.
    begun = time.perf_counter()
    reg.fit(given, y)
    seconds, peak, kept = time.perf_counter() - begun, _held("VmHWM") - before, _held("VmRSS") - before
    return kind, f"{size:.0f}", f"{peak:.0f}", f"{peak / size:.2f}", f"{kept:.0f}", f"{seconds:.0f}"


def _held(name: str) -> float:
    """What the process holds, or held at most, in MB."""
    found = re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text())
    return float(found[1]) / 1024 if found else np.nan


if __name__ == "__main__":
    main()
