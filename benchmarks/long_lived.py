"""What one process can take: many predictions of a single row, and many fits of different shapes.

    python benchmarks/long_lived.py --predictions 100000 --fits 1000

Predictions are of one row each, as a service makes them; CPU time per prediction, and memory at the tenths of the way.
Fits differ in rows and columns, so that each compiles its own program; memory and memory maps, of which Linux allows
65,530 to a process, at the tenths of the way.
"""

import argparse
import resource
import time
import warnings
from pathlib import Path

import numpy as np

import behavior_learning as bl


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory() -> str:
    """Resident memory, and memory maps."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    maps = Path("/proc/self/maps").read_bytes().count(b"\n")
    return f"{pages * resource.getpagesize() / 2**20:.0f} MB, {maps} maps"


def predictions(count: int) -> None:
    X, y = bl.datasets.load_boston()
    models = {
        "BLRegressor, a row of a DataFrame": (bl.BLRegressor(max_epochs=5, random_state=0).fit(X, y), X.iloc[[3]]),
        "BLRegressor, an array": (bl.BLRegressor(max_epochs=5, random_state=0).fit(X.to_numpy(), y), X.to_numpy()[:1]),
        "BLClassifier, an array": (
            bl.BLClassifier(max_epochs=5, random_state=0).fit(X.to_numpy(), np.where(y > 20, "high", "low")),
            X.to_numpy()[:1],
        ),
    }
    for name, (model, row) in models.items():
        model.predict(row)
        begun, wall, seen = cpu_seconds(), time.perf_counter(), []
        for i in range(count):
            model.predict(row)
            if i % max(1, count // 4) == 0:
                seen.append(memory())
        each, waited = (cpu_seconds() - begun) / count, (time.perf_counter() - wall) / count
        print(f"{name}: {1e3 * each:.3f} ms of CPU, {1e3 * waited:.3f} ms; {'; '.join([*seen, memory()])}", flush=True)


def fits(count: int) -> None:
    rng = np.random.default_rng(0)
    begun = cpu_seconds()
    for i in range(count):
        X = rng.normal(size=(40 + i, 1 + i % 7))
        model = bl.BLClassifier(layers=(1,), max_epochs=1, n_restarts=1, random_state=0).fit(X, X[:, 0] > 0)
        model.predict_proba(X[:1])
        if (i + 1) % max(1, count // 10) == 0:
            print(f"{i + 1} fits: {memory()}, {(cpu_seconds() - begun) / (i + 1):.2f} s of CPU each", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--fits", type=int, default=1000)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # The fits are brief on purpose.
    if given.predictions:
        predictions(given.predictions)
    if given.fits:
        fits(given.fits)
