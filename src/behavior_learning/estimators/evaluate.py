"""Evaluate a fitted distribution on many rows: bounded memory, and a bounded number of compiled programs."""

from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import numpy as np

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.gibbs.distribution import Gibbs

__all__ = ["by_rows"]

VALUES_IN_MEMORY = 2**23
"""Pre-activations that one call may hold."""

SMALLEST = 16


def by_rows(
    function: Callable[..., Any], distribution: Gibbs, rows: tuple[np.ndarray, ...], *shared: Any
) -> np.ndarray:
    """Apply `function(distribution, *rows, *shared)` to all rows, a power of two of them at a time.

    Parameters
    ----------
    function : a function defined once, such as `Gibbs.mean`, so that its compiled program is reused.
    rows : arrays with the rows first; the last batch is padded with copies of its last row.
    shared : further arguments, the same for all rows.
    """
    n = len(rows[0])
    size = min(_power_of_two(n), max(SMALLEST, _power_of_two(VALUES_IN_MEMORY // _row_values(distribution)) // 2))
    batches = [_padded(rows, start, size) for start in range(0, n, size)]
    return np.concatenate([np.asarray(_compiled(function, distribution, batch, shared)) for batch in batches])[:n]


@eqx.filter_jit
def _compiled(function: Callable[..., Any], distribution: Gibbs, rows: tuple[Any, ...], shared: tuple[Any, ...]) -> Any:
    return function(distribution, *rows, *shared)


def _padded(rows: tuple[np.ndarray, ...], start: int, size: int) -> tuple[jax.Array, ...]:
    index = np.minimum(np.arange(start, start + size), len(rows[0]) - 1)
    return tuple(jax.numpy.asarray(column[index]) for column in rows)


def _power_of_two(count: int) -> int:
    return max(SMALLEST, 1 << (int(count) - 1).bit_length())


def _row_values(distribution: Gibbs) -> int:
    return distribution.space.size * cast(BehaviorNetwork, distribution.utility).width
