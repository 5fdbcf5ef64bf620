"""Errors of rows that are not held in memory: equal to those in memory on some of them, and their time on all.

python benchmarks/streamed_inference.py --rows 1000000 --some 100000
"""

import argparse
import resource
import time
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import behavior_learning as bl

GROUP, COLUMNS, CLUSTERS = 2**16, 5, 10_000


def rows_of(rows: int, seed: int) -> pd.DataFrame:
    """A linear law with noise that spreads with x; clusters share a part of it and stand anywhere."""
    rng = np.random.default_rng(seed)
    x, who = rng.normal(size=(rows, COLUMNS)), rng.integers(CLUSTERS, size=rows)
    shared = np.random.default_rng(0).normal(size=CLUSTERS)[who]
    y = x @ np.linspace(-1, 1, COLUMNS) + 0.3 * shared + (0.5 + 0.2 * np.abs(x[:, 0])) * rng.normal(size=rows)
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(COLUMNS)]).assign(y=y, who=who)


def made(folder: Path, rows: int) -> Path:
    """The file, written a row group at a time."""
    path = folder / f"clustered_{rows}.parquet"
    groups = (rows_of(min(GROUP, rows - start), number) for number, start in enumerate(range(0, rows, GROUP)))
    first = next(groups)
    with pq.ParquetWriter(path, pa.Table.from_pandas(first, preserve_index=False).schema) as writer:
        for table in (first, *groups):
            writer.write_table(pa.Table.from_pandas(table, preserve_index=False))
    return path


def main() -> None:
    """Print a line per covariance, and one for all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10**6)
    parser.add_argument("--some", type=int, default=10**5)
    parser.add_argument("--draws", type=int, default=0, help="bootstrap samples of all rows, and effects over them")
    parser.add_argument("--folder", type=Path, default=Path(gettempdir()))
    given = parser.parse_args()
    some = rows_of(given.some, 0)
    X, y = some[[f"x{j}" for j in range(COLUMNS)]], some["y"]
    reg = bl.BLRegressor(layers=(1,), heads=(None, None, "square"), n_restarts=1, max_epochs=5, random_state=0)
    reg.fit(X, y)
    for cov_type, clusters in (("robust", None), ("clustered", "who")):
        columns = some if clusters else some.drop(columns="who")
        own = {"cov_type": cov_type, "n_restarts": 0}
        began = time.perf_counter()
        stream = bl.Stream([columns[::2], columns[1::2]], sample=20_000)
        streamed = reg.inference(stream, target="y", clusters=clusters, **own)
        between = time.perf_counter()
        whole = reg.inference(X, y, clusters=None if clusters is None else some[clusters], **own)
        ended = time.perf_counter()
        gap = float(np.nanmax(np.abs(streamed.bse / whole.bse - 1)))
        print(
            f"{cov_type}, {given.some:,} rows: largest relative difference of an error {gap:.1e}; "
            f"{between - began:.1f} s as a stream, {ended - between:.1f} s in memory",
            flush=True,
        )
    path, began = made(given.folder, given.rows), time.perf_counter()
    results = reg.inference(str(path), target="y", clusters="who", cov_type="clustered", n_restarts=0)
    print(
        f"clustered, {given.rows:,} rows of a file: {time.perf_counter() - began:.1f} s, {results.convergence.name}, "
        f"{len(results.params)} parameters, peak memory of all this "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB",
        flush=True,
    )
    if given.draws:
        began = time.perf_counter()
        drawn = reg.inference(str(path), target="y", cov_type="bootstrap", draws=given.draws, n_restarts=0)
        ratio = drawn.bse / results.with_covariance("robust").bse
        print(
            f"bootstrap, {given.draws} samples: {time.perf_counter() - began:.1f} s; errors {ratio.min():.3f} to "
            f"{ratio.max():.3f} of robust ones, {(2 * given.draws) ** -0.5:.3f} is one standard error; {drawn.notes}",
            flush=True,
        )
        began = time.perf_counter()
        table = reg.effects(str(path), target="y", inference=results).table()
        slopes = np.linspace(-1, 1, COLUMNS)
        most = np.abs((table["estimate"] - slopes) / table["std_error"]).max()
        print(
            f"effects over all rows: {time.perf_counter() - began:.1f} s, {most:.2f} standard errors from the true "
            f"slopes at most; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
