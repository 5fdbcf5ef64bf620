"""Evaluate a fitted distribution on many rows: bounded memory, and a bounded number of compiled programs.

Up to two continuous responses are exact; more are known by draws of Markov chains.
"""

from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import numpy as np

from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.gibbs.parts import part_of

__all__ = ["by_rows", "draws", "energy_score", "means", "modes", "quantiles"]

VALUES_IN_MEMORY = 2**23
"""Pre-activations that one call may hold."""

SMALLEST = 16


def by_rows(
    function: Callable[..., Any], distribution: Gibbs, rows: tuple[np.ndarray, ...], *shared: Any, copies: int = 1
) -> np.ndarray:
    """Apply `function(distribution, *rows, *shared)` to all rows, a power of two of them at a time.

    Parameters
    ----------
    function : a function defined once, such as `Gibbs.mean`, so that its compiled program is reused.
    rows : arrays with the rows first; the last batch is padded with copies of its last row.
    shared : further arguments, the same for all rows.
    copies : how often each row evaluates all candidates at once.
    """
    n = len(rows[0])
    values = copies * distribution.space.size * cast(Any, distribution.utility).width
    size = min(_power_of_two(n), max(SMALLEST, _power_of_two(VALUES_IN_MEMORY // values) // 2))
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


def means(distribution: Gibbs, x: np.ndarray) -> np.ndarray:
    """E[y|x] encoded: (n,) for one response, (n, responses) for several continuous ones."""
    values = by_rows(Gibbs.mean, distribution, (x,))
    return values if len(distribution.space.parts) > 1 else values[:, 0]


def modes(distribution: Gibbs, x: np.ndarray) -> np.ndarray:
    """argmax of BL, encoded."""
    return by_rows(Gibbs.mode, distribution, (x,))


def quantiles(distribution: Gibbs, x: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles of each response, the others integrated out: (n, responses, levels), encoded."""
    parts = range(len(distribution.space.parts))
    return np.stack([by_rows(Gibbs.quantile, part_of(distribution, [j]), (x,), levels) for j in parts], axis=1)


def draws(distribution: Gibbs, x: np.ndarray, n: int, random: np.random.RandomState) -> np.ndarray:
    """n independent draws per row: (n rows, n), with a last axis of responses where there are several; encoded."""
    parts = len(distribution.space.parts)
    levels = random.uniform(size=(len(x), n, parts)).astype(np.float32)
    return by_rows(Gibbs.draw, distribution, (x, levels), copies=1 if parts == 1 else n)


def energy_score(sampled: np.ndarray, y: np.ndarray) -> np.ndarray:
    """E‖Y − y‖ − ½E‖Y − Y′‖ of each row from draws (n, draws, responses), half of them against the other half."""
    to_observed = np.linalg.norm(sampled - y[:, None], axis=-1).mean(axis=1)
    half = sampled.shape[1] // 2
    apart = np.linalg.norm(sampled[:, :half] - sampled[:, half : 2 * half], axis=-1).mean(axis=1)
    return to_observed - 0.5 * apart
