"""Time several things alternately in one run, and say on what machine."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

import jax
import numpy as np

__all__ = ["alternately", "heading", "slope", "table"]

PACKAGES = ("jax", "blnetwork", "torch", "scikit-learn", "interpret-core")


def alternately(runs: Mapping[str, Callable[[], object]], repeats: int = 9) -> dict[str, float]:
    """Median seconds of each, one after the other, round after round; the first round does not count.

    Noise of a shared machine that lasts longer than a round falls on all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            begun = time.perf_counter()
            jax.block_until_ready(run())
            seconds[name].append(time.perf_counter() - begun)
    return {name: float(np.median(times[1:])) for name, times in seconds.items()}


def slope(sizes: list[int], seconds: list[float]) -> float:
    """The exponent b of seconds = a·sizeᵇ, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def table(columns: tuple[str, ...], lines: list[tuple[object, ...]]) -> None:
    """Print a Markdown table."""
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for line in lines:
        print(f"| {' | '.join(map(str, line))} |")
    print(flush=True)


def heading(title: str) -> None:
    """Print a title, and the machine, versions and threads below it."""
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES if _version(name))
    print(f"## {title}\n\n{len(os.sched_getaffinity(0))} threads, Python {platform.python_version()}, {versions}.")
    print(flush=True)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
