"""Training from a Parquet file that is not held in memory, beside the same fit in memory, LightGBM and PyTorch.

python benchmarks/streams.py --rows 1000000 --columns 20 --windows 20

Every fit is a process of its own, so that its peak memory is its own. The file is made once and kept in --folder.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import norm

import behavior_learning as bl

GROUP, BATCH = 2**16, 64
"""Rows of a row group, and of a step of PyTorch, which are BL's."""


def rows_of(columns: int, rows: int, seed: int) -> pd.DataFrame:
    """Numbers and one response that is not linear in them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns))
    y = np.tanh(x[:, 0] + x[:, 1]) + 0.5 * np.abs(x[:, 2]) + 0.2 * x[:, 3] + 0.3 * rng.normal(size=rows)
    return pd.DataFrame(np.column_stack([x, y]), columns=[*(f"x{j}" for j in range(columns)), "y"])


def made(folder: Path, rows: int, columns: int) -> Path:
    """The file, written a row group at a time."""
    path = folder / f"rows_{rows}_{columns}.parquet"
    if not path.exists():
        writer = None
        for number, start in enumerate(range(0, rows, GROUP)):
            table = pa.Table.from_pandas(rows_of(columns, min(GROUP, rows - start), number), preserve_index=False)
            writer = writer or pq.ParquetWriter(path.with_suffix(".part"), table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()
        path.with_suffix(".part").rename(path)
    return path


def used() -> dict[str, float]:
    """Processor seconds of this process and its own, and its peak memory."""
    own, others = (resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = sum(each.ru_utime + each.ru_stime for each in (own, others))
    return {"cpu_seconds": seconds, "peak_MiB": own.ru_maxrss / 1024, "peak_MiB_of_workers": others.ru_maxrss / 1024}


class Clock:
    """When each epoch had ended; the first one compiles."""

    def __init__(self):
        self.times: list[tuple[int, float]] = []

    def __call__(self, done: int, loss: float) -> None:
        self.times.append((done, time.perf_counter()))

    @property
    def epoch_seconds(self) -> float:
        (first, began), (last, ended) = self.times[0], self.times[-1]
        return (ended - began) / (last - first)


def fitted(path: Path, how: str, given: argparse.Namespace) -> dict[str, float]:
    """Fit in one way, and say what it took. In memory as many epochs are run as come to the same rows."""
    clock, began, windows, window = Clock(), time.perf_counter(), given.windows, given.window
    options = {
        "layers": tuple(map(int, given.layers.split(","))),
        "optimizer": bl.Adam(batch_size=given.batch, schedule=given.schedule),
        "n_restarts": 1,
        "random_state": given.seed,
        "patience": 1000,
    }
    test = rows_of(pq.read_schema(path).names.index("y"), 50_000, 10**6)
    if how == "stream":
        reg = bl.BLRegressor(max_epochs=windows, **options)
        reg.fit(bl.Stream(str(path), window=window), target="y", progress=clock)
        trained = window
    else:
        table = pd.read_parquet(path)
        trained = round(0.8 * len(table))
        reg = bl.BLRegressor(max_epochs=max(3, round(windows * window / trained)), **options)
        reg.fit(table.drop(columns="y"), table["y"], progress=clock)
    X, y = test.drop(columns="y"), test["y"]
    return {
        "seconds": time.perf_counter() - began,
        "rows_per_second": trained / clock.epoch_seconds,
        "loss": -float(reg.log_density(X, y).mean()),
        **used(),
    }


def by_lightgbm(path: Path) -> dict[str, float]:
    """100 trees of the table in memory; the loss is that of a normal error."""
    import lightgbm

    began, table = time.perf_counter(), pd.read_parquet(path)
    X, y = table.drop(columns="y"), table["y"]
    model = lightgbm.LGBMRegressor(n_estimators=100, verbose=-1).fit(X, y)
    seconds, spread = time.perf_counter() - began, float(np.std(y[:50_000] - model.predict(X[:50_000])))
    return _measured(seconds, len(y) / seconds, path, lambda x: (model.predict(x), np.full(len(x), spread)))


def by_torch(path: Path) -> dict[str, float]:
    """One pass of a network for mean and spread, 32 hidden units, Adam on batches as BL's, row groups in one worker."""
    import torch

    names = pq.read_schema(path).names

    class Groups(torch.utils.data.IterableDataset):
        def __iter__(self):
            file, order = pq.ParquetFile(path), np.random.default_rng(0)
            for group in order.permutation(file.num_row_groups):
                rows = file.read_row_group(int(group)).to_pandas()[names].to_numpy(np.float32)
                yield from torch.from_numpy(rows[order.permutation(len(rows))]).split(BATCH)

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(len(names) - 1, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2))
    adam, began, done = torch.optim.Adam(network.parameters(), 3e-3), time.perf_counter(), 0
    for batch in torch.utils.data.DataLoader(Groups(), batch_size=None, num_workers=1):
        mean, log_spread = network(batch[:, :-1]).T
        loss = (0.5 * ((batch[:, -1] - mean) / log_spread.exp()) ** 2 + log_spread).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        done += len(batch)
    seconds = time.perf_counter() - began

    def predicted(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            mean, log_spread = network(torch.from_numpy(x.astype(np.float32))).T
        return mean.numpy(), log_spread.exp().numpy()

    return _measured(seconds, done / seconds, path, predicted)


def _measured(seconds: float, rate: float, path: Path, predicted: Callable[[np.ndarray], Any]) -> dict[str, float]:
    test = rows_of(pq.read_schema(path).names.index("y"), 50_000, 10**6)
    mean, spread = predicted(test.drop(columns="y").to_numpy())
    return {
        "seconds": seconds,
        "rows_per_second": rate,
        "loss": -float(norm.logpdf(test["y"], mean, spread).mean()),
        **used(),
    }


def main() -> None:
    """Print a line per way to fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10**6)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--window", type=int, default=2**17)
    parser.add_argument("--layers", default="2,1")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--schedule", default="constant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(gettempdir()))
    parser.add_argument("--ways", default="stream,memory,lightgbm,torch")
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    path = made(given.folder, given.rows, given.columns)
    if given.only:
        others = {"lightgbm": by_lightgbm, "torch": by_torch}
        own = others[given.only](path) if given.only in others else fitted(path, given.only, given)
        print(json.dumps(own))
        return
    print(f"{path.name}: {path.stat().st_size / 2**20:.0f} MiB", flush=True)
    for how in given.ways.split(","):
        if how in ("lightgbm", "torch") and find_spec(how) is None:
            print(f"{how}: not installed, not measured")
            continue
        command = [sys.executable, __file__, *sys.argv[1:], "--only", how]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(how, {name: round(value, 3) for name, value in json.loads(said.splitlines()[-1]).items()}, flush=True)


if __name__ == "__main__":
    main()
