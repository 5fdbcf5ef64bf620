"""Time several things alternately in one run, and say on what machine."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

import jax
import numpy as np

__all__ = ["alternately", "heading", "slope", "table"]

os.environ.setdefault("BEHAVIOR_LEARNING_CACHE", "off")  # Compilation counts.

PACKAGES = ("jax", "blnetwork", "torch", "scikit-learn", "interpret-core", "lightgbm")


TURN = 0.3
"""Seconds that each has at a time, so that threads which the one before leaves waiting hardly count."""


def alternately(runs: Mapping[str, Callable[[], object]], repeats: int = 9) -> dict[str, float]:
    """Median seconds of each, one after the other, round after round, each for as often as fits into its turn.

    Noise of a shared machine that lasts longer than a round falls on all of them.
    """
    often = {}
    for name, run in runs.items():
        jax.block_until_ready(run())
        often[name] = max(1, int(TURN / _seconds(run, 1)))
    rounds = [{name: _seconds(run, often[name]) for name, run in runs.items()} for _ in range(repeats)]
    return {name: float(np.median([turn[name] for turn in rounds])) for name in runs}


def _seconds(run: Callable[[], object], times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        jax.block_until_ready(run())
    return (time.perf_counter() - begun) / times


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
