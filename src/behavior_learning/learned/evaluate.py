"""Evaluate a fitted distribution on many rows: bounded memory, and a bounded number of compiled programs.

Up to two continuous responses are exact; more are known by draws of Markov chains.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from behavior_learning.core.batches import SMALLEST, VALUES_IN_MEMORY, by_batches, padded, power_of_two
from behavior_learning.core.numerics import climbed
from behavior_learning.core.products import Product
from behavior_learning.core.spaces import MOST_DIMENSIONS
from behavior_learning.gibbs.components import marginal_distribution
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.gibbs.sampling import anneal, sample, spread_starts

__all__ = ["SUMMARY_DRAWS", "by_rows", "climbed_modes", "draws", "energy_score", "needs_chains"]

SUMMARY_DRAWS = 512
"""Draws behind a mean, a quantile or a mode that has no quadrature."""

PROGRAMS = 128
"""Compiled functions of distributions that are kept; each holds some hundred memory maps per shape of its rows."""

CHAINS, CHAIN_ROWS = 64, 256
"""Markov chains per row, and rows whose chains run side by side."""


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
    arrays, structure, values = _parts(_Itself(distribution))
    program = _program(function, structure)
    return by_batches(lambda *batch: program(arrays, batch, shared), rows, values)


@dataclass(frozen=True, eq=False)
class _Itself:
    """A distribution that equals no other, whatever its numbers."""

    value: Gibbs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


@lru_cache(maxsize=16)
def _parts(itself: _Itself) -> tuple[list[Any], Hashable, int]:
    """The arrays of a distribution, all else, and the numbers it holds per row: once for many calls with few rows."""
    distribution = itself.value
    arrays, other = eqx.partition(distribution, eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)
    rest, shape = jax.tree.flatten(other)
    candidates = SUMMARY_DRAWS if needs_chains(distribution) else distribution.space.size
    return leaves, (structure, tuple(rest), shape), candidates * cast(Any, distribution.utility).width


@lru_cache(maxsize=PROGRAMS)
def _program(function: Callable[..., Any], structure: tuple[Any, tuple[Any, ...], Any]) -> Callable[..., Any]:
    """The function of (arrays, rows, shared), compiled for each shape of them; the least used are let go."""
    of_arrays, rest, of_rest = structure
    other = jax.tree.unflatten(of_rest, rest)

    @jax.jit
    def program(arrays: list[Array], rows: tuple[Array, ...], shared: tuple[Any, ...]) -> Any:
        return function(eqx.combine(jax.tree.unflatten(of_arrays, arrays), other), *rows, *shared)

    return program


def climbed_modes(distribution: Gibbs, x: np.ndarray, sampled: np.ndarray) -> np.ndarray:
    """argmax of BL from draws (n, draws, responses), encoded."""
    return by_rows(_climb, distribution, (x, sampled))


def draws(distribution: Gibbs, x: np.ndarray, n: int, random: np.random.RandomState) -> np.ndarray:
    """n draws per row: (rows, n), with a last axis of responses where there are several; encoded.

    Independent by inversion for up to two numbers; beyond, numbers come from Markov chains, and classes given them.
    """
    if needs_chains(distribution):
        return _mixed_draws(distribution, x, n, random)
    space = distribution.space
    levels = random.uniform(size=(len(x), n, len(space.components))).astype(np.float32)
    if len(space.components) == 1:
        return by_rows(Gibbs.draw, distribution, (x, levels))
    at_once = max(1, VALUES_IN_MEMORY // (2 * max(space.nodes, 1) * cast(Any, distribution.utility).width * SMALLEST))
    at_once = min(power_of_two(n), power_of_two(at_once))
    starts = range(0, n, at_once)
    batches = [by_rows(Gibbs.draw, distribution, (x, _wrapped(levels, start, at_once))) for start in starts]
    return np.concatenate(batches, axis=1)[:, :n]


def needs_chains(distribution: Gibbs) -> bool:
    """Whether there are more numbers than quadrature can do."""
    return len(distribution.space.continuous) > MOST_DIMENSIONS


def _wrapped(levels: np.ndarray, start: int, size: int) -> np.ndarray:
    """Columns of the draws from `start`, as many as asked for: beyond the last they begin again."""
    return levels[:, np.arange(start, start + size) % levels.shape[1]]


def _mixed_draws(distribution: Gibbs, x: np.ndarray, n: int, random: np.random.RandomState) -> np.ndarray:
    parts = distribution.space.components
    numbers = [i for i, part in enumerate(parts) if part.continuous]
    classes = [i for i in range(len(parts)) if i not in numbers]
    values = _chain_draws(marginal_distribution(distribution, numbers) if classes else distribution, x, n, random)
    if not classes:
        return values
    both = np.empty((len(x), n, len(parts)), np.float32)
    both[..., numbers] = values
    wide = np.concatenate([np.repeat(x, n, axis=0), values.reshape(len(x) * n, -1)], axis=1)
    given = marginal_distribution(distribution, classes, given=numbers)
    both[..., classes] = draws(given, wide, 1, random).reshape(len(x), n, len(classes))
    return both


def _chain_draws(distribution: Gibbs, x: np.ndarray, n: int, random: np.random.RandomState) -> np.ndarray:
    """Draws by MALA from many chains per row, which tempering has shared out between the modes."""
    size = min(power_of_two(len(x)), CHAIN_ROWS)
    lower, upper = np.asarray(distribution.space.ends)
    kept = max(16, -(-n // CHAINS))
    sampled = []
    for start in range(0, len(x), size):
        target = eqx.Partial(Gibbs.scaled, distribution, padded((x,), start, size)[0])
        for_starts, for_annealing, for_draws = jax.random.split(jax.random.key(random.randint(2**31)), 3)
        starts = spread_starts(for_starts, size, CHAINS, lower=lower, upper=upper)
        starts = anneal(target, starts, for_annealing, lower=lower, upper=upper)
        chains = sample(target, starts, for_draws, draws=kept, warmup=200, thin=5, lower=lower, upper=upper)
        sampled.append(np.asarray(chains.pooled))
    pooled = np.concatenate(sampled)[: len(x)]
    return pooled[:, random.permutation(pooled.shape[1])[:n]]


def _climb(distribution: Gibbs, x: jax.Array, sampled: jax.Array) -> jax.Array:
    """The best of some draws, its numbers moved to the top of their hill."""
    space, columns = cast(Product, distribution.space), np.array(distribution.space.continuous)
    candidates = space.candidates(sampled)
    at = jnp.argmax(distribution.utility(x, candidates), axis=1)[:, None, None]
    best = jnp.take_along_axis(candidates, at, axis=1)[:, 0]
    top = climbed(
        lambda y: distribution.utility(x, best[:, None].at[..., columns].set(y)),
        best[:, columns],
        *space.ends[:, columns],
    )
    return space.responses(best.at[:, columns].set(top))


def energy_score(sampled: np.ndarray, y: np.ndarray) -> np.ndarray:
    """E‖Y − y‖ − ½E‖Y − Y′‖ of each row from draws (n, draws, responses), half of them against the other half."""
    to_observed = np.linalg.norm(sampled - y[:, None], axis=-1).mean(axis=1)
    half = sampled.shape[1] // 2
    apart = np.linalg.norm(sampled[:, :half] - sampled[:, half : 2 * half], axis=-1).mean(axis=1)
    return to_observed - 0.5 * apart
