"""How cost grows with rows, inputs, blocks and classes, and what a million predictions take.

python benchmarks/growth.py
"""

import resource
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context

import jax
import numpy as np

import behavior_learning as bl
from step import Case, objective_of, our_epoch
from timing import alternately, heading, slope, table

GROWTH: dict[str, tuple[Sequence[int], Callable[[int], Case]]] = {
    "rows": ((1_000, 10_000, 100_000, 1_000_000), lambda n: Case((8, 1), 10, 2, 64, n // 64)),
    "inputs": ((10, 100, 1_000, 10_000), lambda d: Case((8, 1), d, 2, 64, 50)),
    "blocks": ((16, 64, 256, 1_024), lambda b: Case((b,), 20, 2, 64, 50)),
    "classes": ((4, 16, 64, 256), lambda k: Case((8, 1), 20, k, 64, 50)),
}
"""An epoch of training in scalar output, one start."""

PREDICTED, CLASSES = 1_000_000, 10


def growth() -> None:
    lines = []
    for name, (sizes, case_of) in GROWTH.items():
        cases = [case_of(size) for size in sizes]
        runs = {str(case): our_epoch(case, objective_of(case)) for case in cases}
        seconds = list(alternately(runs, 5).values())
        each = [f"{size:,}: {s / case.steps * 1e3:.3f} ms" for size, s, case in zip(sizes, seconds, cases, strict=True)]
        lines.append((name, ", ".join(each), f"{slope(list(sizes), seconds):.2f}", "1.1"))
    table(("an epoch grows with", "a step takes", "log-log slope", "aim, at most"), lines)


def predictions() -> None:
    """Seconds and extra memory of a second call, in scalar and in vector output, each in a process of its own."""
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        lines = pool.map(_predicted, ("scalar", "vector"), chunksize=1)
    table((f"{PREDICTED:,} rows x {CLASSES} classes, BL(40, 6, 4)", "seconds (aim 4)", "extra MB (aim 200)"), lines)


def _predicted(output: str) -> tuple[str, str, str]:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2_000, 10)), rng.integers(CLASSES, size=2_000)
    clf = bl.BLClassifier(layers=(40, 6, 4), output=output, max_epochs=2, n_restarts=1, random_state=0).fit(X, y)
    many = rng.standard_normal((PREDICTED, 10))
    clf.predict_proba(many[: PREDICTED // 10])
    before, begun = _peak(), time.perf_counter()
    clf.predict_proba(many)
    return output, f"{time.perf_counter() - begun:.2f}", f"{_peak() - before:.0f}"


def _peak() -> float:
    """The most memory the process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    heading("Growth")
    predictions()
    growth()
    jax.clear_caches()


if __name__ == "__main__":
    main()
