"""Fits by several processes on the loopback: equal to one, ended in seconds when one is killed, and how they scale.

python benchmarks/processes.py --parts equal,double,killed
python benchmarks/processes.py --parts weak      # needs two quiet cores

Every fit is a `bl launch` of its own. What is compared are the numbers of the trained network.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

import jax
import numpy as np
import pandas as pd

import behavior_learning as bl
from behavior_learning import mesh
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Interval
from behavior_learning.mesh import count, index, on_mesh, rows_dealt
from behavior_learning.processes import begin_computing
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing

SMOOTH = "tanh,softplus,square"

LAUNCH = [sys.executable, "-W", "ignore", "-c", "from behavior_learning.cli import app; app()", "launch"]


def rows_of(rows: int, columns: int, seed: int) -> pd.DataFrame:
    """Numbers and one response that is not linear in them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns))
    y = np.tanh(x[:, 0]) - x[:, 1] + 0.3 * rng.normal(size=rows)
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(columns)]).assign(y=y)


def written(folder: Path, groups: list[int], columns: int = 5, nudge: float = 0.0) -> Path:
    """A file for each number of rows; a level and a gap stand in the last one alone."""
    folder.mkdir()
    for number, rows in enumerate(groups):
        table, last = rows_of(rows, columns, number), number == len(groups) - 1
        level = np.where(np.arange(rows) % 7 == 0, "rare" if last else "b", "a")
        table.loc[0, "y"] += nudge
        table.loc[0, "x0"] = np.nan if last else 0.5
        table.assign(level=level).to_parquet(folder / f"{number:03}.parquet", row_group_size=2**16)
    return folder


class Timed:
    """When each window had ended."""

    def __init__(self, fails: bool):
        self.times: list[float] = []
        self.fails = fails

    def __call__(self, done: int, loss: float) -> None:
        self.times.append(time.perf_counter())
        if self.fails and index() == 1:
            raise RuntimeError("planted")


def fit_of(how: str, folder: Path, out: Path, given: argparse.Namespace) -> None:
    """What each process runs."""
    heads = given.heads if given.heads == "auto" else tuple(given.heads.split(","))
    options = {
        "heads": heads,
        "layers": (2, 1),
        "n_restarts": 2,
        "max_epochs": given.windows,
        "patience": 1000,
        "random_state": 0,
    }
    clock = Timed(how == "fails")
    if how == "double":
        begin_computing()
        with jax.enable_x64(True):
            np.savez(out.with_suffix(f".{index()}.npz"), *objective())
        return
    if how == "other version":
        mesh.version = lambda name: str(jax.process_index())  # As if each had its own.
        how = "stream"
    if how == "memory":
        table = pd.concat(map(pd.read_parquet, sorted(folder.glob("*.parquet"))))
        reg = bl.BLRegressor(**options).fit(table.drop(columns="y"), table["y"])
    else:
        stream = bl.Stream(str(folder / "*.parquet"), window=given.window, shards=given.shards)
        kept = {"checkpoint": bl.Checkpoint(given.kept, minutes=0.0)} if given.kept else {}
        optimizer = bl.Adam(batch_size=given.batch)
        reg = bl.BLRegressor(**options, optimizer=optimizer).fit(stream, target="y", progress=clock, **kept)
    seconds = [np.diff(clock.times).min() if len(clock.times) > 1 else 0.0]
    arrays = [np.asarray(weight.raw) for weight in reg.network_.weights]
    test = rows_of(1_000, 5 if "x5" not in reg.feature_names_in_ else 20, 10**6).assign(level="a")
    known = reg.log_density(test[list(reg.feature_names_in_)], test["y"])
    np.savez(out.with_suffix(f".{index()}.npz"), *arrays, known, reg.history_["validation_loss"].to_numpy(), seconds)


def objective() -> list[np.ndarray]:
    """The penalised loss of some rows and its gradient, in double precision."""
    table = rows_of(4_000, 5, 0)
    x, y = table.drop(columns="y").to_numpy(), table["y"].to_numpy()
    share = slice(index() * len(x) // count(), (index() + 1) * len(x) // count())
    network = BehaviorNetwork.random(np.random.default_rng(0), bl.Architecture((2, 1)), features=5, response=1)
    packing = Packing.of(network)
    loss = PenalizedLoss(bl.Likelihood().on(Interval(-6.0, 6.0)), packing, jax.numpy.asarray(1e-3))
    params = on_mesh(tuple(np.asarray(part, float) for part in packing.packed(network, np)))
    value, (slope, *_) = jax.jit(jax.value_and_grad(lambda p, d: loss(p, d)))(params, rows_dealt((x[share], y[share])))
    return [np.asarray(value), np.asarray(slope)]


def launched(
    processes: int,
    how: str,
    folder: Path,
    out: Path,
    *more: object,
    kill: tuple[int, int] | None = None,
    quiet: bool = False,
) -> tuple[list[list[np.ndarray]], str]:
    """What every process found, and what the launcher said. `kill` ends a process after so many windows."""
    command = [sys.executable, "-W", "ignore", __file__, "--work", how, str(folder), str(out), *map(str, more)]
    with subprocess.Popen([*LAUNCH, "-n", str(processes), *command], stderr=subprocess.PIPE, text=True) as launcher:
        if kill is not None:
            _killed(launcher, *kill, Path(str(more[more.index("--kept") + 1])))
        said = launcher.communicate()[1]
    if launcher.returncode and kill is None and not quiet:
        print(f"{how}, {processes} processes: FAILED\n{said[-1000:]}", flush=True)
    found = []
    for number in range(processes if launcher.returncode == 0 else 0):
        with np.load(out.with_suffix(f".{number}.npz")) as file:
            found.append([file[name] for name in file.files])
    return found, said


def _killed(launcher: subprocess.Popen[str], which: int, after: int, kept: Path) -> None:
    """End a process by signal 9 once the checkpoint has been written so many times."""
    checkpoint, seen = kept / "training.safetensors", 0
    written_at = checkpoint.stat().st_mtime if checkpoint.exists() else 0.0
    while launcher.poll() is None and seen < after:
        time.sleep(0.02)
        if checkpoint.exists() and checkpoint.stat().st_mtime != written_at:
            seen, written_at = seen + 1, checkpoint.stat().st_mtime
    workers = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    if launcher.poll() is None:
        os.kill(int(sorted(workers, key=int)[which]), signal.SIGKILL)
        began = time.perf_counter()
        launcher.wait()
        print(f"  process {which} killed, all had ended {time.perf_counter() - began:.2f} s later", flush=True)


def gap(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Largest difference of a number, relative to the largest of its array where that is above one."""
    pairs = [(a[a != b], b[a != b], a) for a, b in zip(one, other, strict=True)]
    return max(
        (float(np.abs(a - b).max() / max(1.0, np.abs(all_).max())) for a, b, all_ in pairs if a.size), default=0.0
    )


def equal(folder: Path, given: argparse.Namespace) -> None:
    """Several processes against one, and beside it one against one whose first response is another in the last digit.

    A constant in BL is not identified: its gradient is noise, of which Adam makes steps; log-densities do without it.
    """
    shapes = {"equal": [2_000] * 4, "unequal": [4_000, 1_000, 500, 2_000], "one without rows": [3_000, 3_000, 2_000]}
    for name, heads, how in (
        ("equal", SMOOTH, "memory"),
        ("unequal", SMOOTH, "stream"),
        ("one without rows", SMOOTH, "stream"),
        ("unequal", "auto", "stream"),
    ):
        if how not in given.of:
            continue
        rows, nudged = (folder / f"{name.replace(' ', '_')}{number}" for number in range(2))
        for path, nudge in ((rows, 0.0), (nudged, 1e-7)):
            if not path.exists():
                written(path, shapes[name], nudge=nudge)
        more = ("--window", 2_000, "--shards", 4, "--windows", given.windows, "--heads", heads)
        (alone,), _ = launched(1, how, rows, folder / "alone.npz", *more)
        pairs = [(f"{n} processes", n, rows) for n in map(int, given.processes.split(","))]
        for said, processes, path in [*pairs, ("1 process, nudged", 1, nudged)]:
            found, _ = launched(processes, how, path, folder / "many.npz", *more)
            if found:
                print(
                    f"{how}, {name}, heads {heads}, {said}, {given.windows} epochs: largest difference of a parameter "
                    f"{gap(alone[:-3], found[0][:-3]):.1e}, of a log-density {gap(alone[-3:-2], found[0][-3:-2]):.1e}; "
                    f"between processes {max(gap(found[0][:-2], other[:-2]) for other in found):.1e}",
                    flush=True,
                )


def double(folder: Path, given: argparse.Namespace) -> None:
    """The objective and its gradient in double precision."""
    (alone,), _ = launched(1, "double", folder, folder / "alone.npz")
    for processes in map(int, given.processes.split(",")):
        found, said = launched(processes, "double", folder, folder / "many.npz")
        differences = [gap([a], [b]) for a, b in zip(alone, found[0], strict=True)] if found else said
        print(f"double, {processes} processes: relative difference of objective and gradient {differences}", flush=True)


def killed(folder: Path, given: argparse.Namespace) -> None:
    """A process killed at random windows, and the training that goes on."""
    rows, rng = written(folder / "killed", [3_000, 1_000, 2_000, 2_000]), np.random.default_rng(0)
    more = ("--window", 2_000, "--shards", 2, "--windows", 6 * given.kills)
    whole, _ = launched(2, "stream", rows, folder / "whole.npz", *more)
    more = (*more, "--kept", folder / "kept")
    for _ in range(given.kills):
        kill = int(rng.integers(2)), int(rng.integers(1, 5))
        _, said = launched(2, "stream", rows, folder / "resumed.npz", *more, kill=kill)
        print("  " + " ".join(said.split())[:400], flush=True)
    found, said = launched(2, "stream", rows, folder / "resumed.npz", *more)
    same = bool(found) and all(np.array_equal(a, b) for a, b in zip(whole[0][:-1], found[0][:-1], strict=True))
    print(f"{given.kills} kills of one of 2 processes: {'bit for bit' if same else 'NOT'} the uninterrupted training")


def weak(folder: Path, given: argparse.Namespace) -> None:
    """Rows a second of one process on one core, and of two on two with twice the rows a window and a batch."""
    rates = {}
    for processes in (1, 2):
        rows = written(folder / f"weak{processes}", [given.rows] * processes, columns=20)
        more = ("--window", given.rows * processes, "--batch", given.batch * processes, "--windows", given.windows)
        more = (*more, "--shards", processes)
        found, said = launched_pinned(processes, rows, folder / "weak.npz", more)
        rates[processes] = given.rows * 0.8 * processes / float(found[0][-1][0]) if found else float("nan")
        print(
            f"weak, {processes} processes: {rates[processes]:,.0f} rows a second {said if not found else ''}",
            flush=True,
        )
    print(f"weak scaling from 1 to 2 processes: {rates[2] / (2 * rates[1]):.1%}", flush=True)


def launched_pinned(processes: int, rows: Path, out: Path, more: tuple[object, ...]):
    """A launch on so many cores, which it deals to its processes."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:processes])
    try:
        return launched(processes, "stream", rows, out, *more)
    finally:
        os.sched_setaffinity(0, before)


def faults(folder: Path, given: argparse.Namespace) -> None:
    """What is said, and after how long all have ended, where a fit by two processes cannot be."""
    rows, other = written(folder / "rows", [2_000, 2_000]), written(folder / "other", [500, 500])
    table = pd.read_parquet(other / "001.parquet")
    table.assign(x1="text").to_parquet(other / "001.parquet")
    (folder / "full").touch()  # No folder can be made there, as none on a disk that is full.
    for name, how, path, more in (
        ("a column of another type in one file", "stream", other, ()),
        ("a checkpoint that cannot be written", "stream", rows, ("--kept", folder / "full" / "kept")),
        ("another version in one process", "other version", rows, ()),
        ("an error in one process after the first window", "fails", rows, ()),
    ):
        began = time.perf_counter()
        found, said = launched(2, how, path, folder / "fault.npz", *more, quiet=True)
        words = [line for line in said.splitlines() if "Error: " in line or line.startswith("error: ")]
        print(f"{name}: {'NOT REFUSED' if found else f'{time.perf_counter() - began:.1f} s in all'}", flush=True)
        print("  " + "\n  ".join(line[:300] for line in words[-3:]), flush=True)


PARTS = {"faults": faults, "equal": equal, "double": double, "killed": killed, "weak": weak}


def main() -> None:
    """Run the parts that are asked for, or be a process of one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", nargs=3)
    parser.add_argument("--parts", default="equal,double,killed")
    parser.add_argument("--processes", default="2,4")
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--window", type=int, default=2_000)
    parser.add_argument("--shards", type=int)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--of", default="memory,stream")
    parser.add_argument("--heads", default="auto")
    parser.add_argument("--kept")
    given = parser.parse_args()
    if given.work:
        how, folder, out = given.work
        fit_of(how, Path(folder), Path(out), given)
        return
    folder = Path(mkdtemp())
    for part in given.parts.split(","):
        PARTS[part](folder, given)


if __name__ == "__main__":
    main()
