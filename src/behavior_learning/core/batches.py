"""Evaluate many rows with bounded memory and a bounded number of compiled programs."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from behavior_learning.core.arrays import to_device
from behavior_learning.devices import suited
from behavior_learning.errors import DataError
from behavior_learning.processes import begin_computing

__all__ = ["SMALLEST", "VALUES_IN_MEMORY", "by_batches", "padded", "power_of_two"]

VALUES_IN_MEMORY = 2**22
"""Numbers that one call may hold."""

SMALLEST = 16
"""Fewest rows in a batch of several."""


def by_batches(function: Callable[..., Any], rows: tuple[np.ndarray, ...], values: int) -> Any:
    """Apply `function(*rows)` to all rows, a power of two of them at a time; a single row by itself.

    Parameters
    ----------
    function : a compiled function of arrays with rows first, whose results have rows first; numbers are returned as
        doubles.
    rows : arrays with rows first; the last batch is padded with copies of its last row.
    values : numbers that it holds per row.

    Raises
    ------
    DataError
        If there are no rows.
    """
    n = len(rows[0])
    if n == 0:
        raise DataError("There are no rows to evaluate; pass one at least.")
    size = 1 if n == 1 else min(power_of_two(n), max(SMALLEST, power_of_two(VALUES_IN_MEMORY // values) // 2))
    whole, structure = [], None
    begin_computing()
    with suited(n * values):
        for start in range(0, n, size):
            batch = rows if size == n else padded(rows, start, size)
            parts, structure = jax.tree.flatten(function(*batch))
            wide = [float if part.dtype.kind == "f" else part.dtype for part in parts]
            whole = whole or [np.empty((n, *p.shape[1:]), dtype) for p, dtype in zip(parts, wide, strict=True)]
            for column, part in zip(whole, parts, strict=True):
                column[start : start + size] = np.asarray(part)[: n - start]
    return jax.tree.unflatten(structure, whole)


def padded(rows: tuple[np.ndarray, ...], start: int, size: int) -> tuple[jax.Array, ...]:
    """`size` rows from `start`, beyond the last one copies of it."""
    index = np.minimum(np.arange(start, start + size), len(rows[0]) - 1)
    return tuple(to_device(column[index]) for column in rows)


def power_of_two(count: int) -> int:
    """The next power of two, at least `SMALLEST`."""
    return max(SMALLEST, 1 << (int(count) - 1).bit_length())
