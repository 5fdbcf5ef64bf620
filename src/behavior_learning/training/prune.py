"""Take the weakest parts out of a trained network, stage by stage, and train on after each.

The strength of a part is what the loss would rise by without it, to second order, with the empirical Fisher information
for curvature: ½·mean over rows of (∂loss/∂gate)², where a gate multiplies a coefficient, or all multipliers of a row or
of a block.

Source: optimal brain damage (LeCun, Denker and Solla 1989). Deviation: Fisher information in place of the diagonal of
the Hessian, which also covers rows and blocks.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from behavior_learning.core.arrays import make_key
from behavior_learning.core.block import Weight
from behavior_learning.core.network import BehaviorNetwork, with_weights
from behavior_learning.errors import ConvergenceError
from behavior_learning.objectives import Objective, Weighted
from behavior_learning.training.active_set import Support, count, gated, reduced
from behavior_learning.training.fit import FitResult, fit, row_losses
from behavior_learning.training.settings import Settings

__all__ = ["Pruner", "Stage", "path", "smallest", "with_terms"]

STRENGTH_ROWS, CHUNK_ROWS = 2048, 64
"""Rows from which strengths are read, and rows whose gradients are held at once."""

LARGE_SHARES, SMALL_SHARES = (0.5, 0.3, 0.15), (0.1, 0.0)
"""Shares of the numbers that `smallest` takes out at once: from the whole network, and from the best so far."""

MISSES = 4
"""Stages beyond the tolerance after which it turns back; training on does not lower the loss evenly."""


@dataclass(frozen=True)
class Stage:
    """A network on the way down.

    Attributes
    ----------
    network : whole, with what is out of use beside what is in use.
    support : what is in use.
    losses : of every held-out row.
    result : of the training that led here; None for the start.
    """

    network: BehaviorNetwork
    support: Support
    losses: Float[np.ndarray, " rows"]
    result: FitResult | None = None

    @cached_property
    def size(self) -> int:
        """How many numbers are learned."""
        return count(self.network, self.support)

    @cached_property
    def smaller(self) -> BehaviorNetwork:
        """The network without what is out of use."""
        return reduced(self.network, self.support)

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    def rise(self, start: "Stage") -> tuple[float, float]:
        """By how much the held-out loss exceeds that of another stage, and its standard error over rows."""
        difference = self.losses.astype(float) - start.losses
        return float(difference.mean()), float(difference.std(ddof=1) / len(difference) ** 0.5)


class _Part(NamedTuple):
    """A coefficient, row, block or readout weight that can be taken out.

    Attributes
    ----------
    strength : what the loss would rise by, per number that would then no longer be learned.
    numbers : how many those are.
    layer, role, at : where it is; the readout has no layer, a block no role.
    """

    strength: float
    numbers: int
    layer: int | None
    role: str | None
    at: tuple[int, ...]


@dataclass(frozen=True)
class Pruner:
    """What every stage needs.

    Attributes
    ----------
    objective : what is minimised.
    data, held_out : encoded (x, y), and weights per row with a mean of one where there are any.
    settings : how to train after each removal.
    seed : of noise and batches; every stage has the same, so that losses are compared on the same noise.
    """

    objective: Objective
    data: tuple[Array, ...]
    held_out: tuple[Array, ...]
    settings: Settings
    seed: int

    def begin(self, network: BehaviorNetwork) -> Stage:
        support = Support.of(network)
        return Stage(network, support, self._losses(network, support))

    def without(self, stage: Stage, numbers: int) -> Stage | None:
        """The stage after the weakest parts, of at least so many numbers, are gone; None where nothing would be left.

        Training that finds nothing worth keeping leaves the parameters as they were.
        """
        support = self._thinned(stage, numbers)
        if support is None:
            return None
        start = gated(stage.network, support)
        try:
            result = fit(
                [start],
                [self.objective],
                data=self.data,
                validation=self.held_out,
                settings=self.settings,
                seed=self.seed,
            )
        except ConvergenceError:
            return Stage(stage.network, support, self._losses(stage.network, support))
        return Stage(result.network, support, self._losses(result.network, support), result)

    def _losses(self, network: BehaviorNetwork, support: Support) -> Float[np.ndarray, " rows"]:
        return row_losses(self.objective, gated(network, support), self.held_out, make_key(self.seed))

    def _thinned(self, stage: Stage, numbers: int) -> Support | None:
        """Without the weakest parts; those that would leave nothing stay."""
        parts = _weakest(sorted(self._parts(stage), key=lambda part: part.strength), numbers)
        while parts:
            support = _without(stage.support, parts).settled(stage.network)
            if not support.empty:
                return support
            parts = parts[: len(parts) // 2]
        return None

    def _parts(self, stage: Stage) -> Iterator[_Part]:
        """Everything that can be taken out without taking out everything."""
        network, support = stage.network, stage.support
        squares, blocks = self._mean_squares(stage)
        whole: list[_Part] = []
        for number, (layer, square) in enumerate(zip(network.layers, squares.layers, strict=True)):
            totals = np.zeros(len(blocks[number]), int)
            for role, rows in layer.heads.items():
                coefs, alone = support.coefs[number][role], np.asarray(square.heads[role].coef.raw)
                together, learned = np.asarray(square.heads[role].multiplier.raw), coefs & rows.coef.learned
                numbers = learned.sum(axis=-1) + rows.intercept.learned + rows.multiplier.learned
                numbers = np.where(support.rows(number, role), numbers, 0)
                totals += numbers.sum(axis=1)
                several = learned & (coefs.sum(axis=-1, keepdims=True) > 1)
                yield from (_Part(float(alone[at]), 1, number, role, at) for at in _places(several))
                whole += [
                    _Part(float(together[at]) / numbers[at], int(numbers[at]), number, role, at)
                    for at in _places(numbers > 0)
                ]
            whole += [
                _Part(float(blocks[number][b]) / totals[b], int(totals[b]), number, None, (b,))
                for (b,) in _places(totals > 0)
            ]
        if support.readout is not None and len(support.readout) > 1:
            alone = np.asarray(squares.readout.weight.raw)  # pyright: ignore[reportOptionalMemberAccess]
            whole += [_Part(float(alone[at]), 1, None, None, at) for at in _places(support.readout)]
        yield from (part for part in whole if not _without(support, [part]).settled(network).empty)

    def _mean_squares(self, stage: Stage) -> tuple[BehaviorNetwork, list[np.ndarray]]:
        """Mean squared gradients in every gate, as a network, and in the gate of every block's multipliers."""
        n = len(self.data[0])
        chosen = np.linspace(0, n - 1, min(n, STRENGTH_ROWS)).astype(int)
        rows = tuple(
            column[chosen] for column in (*self.data, *self.objective.noise(make_key(self.seed), self.data[1]))
        )
        gates = [weight.gate.astype(weight.raw.dtype) for weight in gated(stage.network, stage.support).weights]  # pyright: ignore[reportOptionalMemberAccess]
        objective = Weighted.where(self.objective, self.data)
        squares, blocks = _mean_squares(objective, stage.network, gates, rows)
        return with_weights(stage.network, [Weight(square) for square in squares]), [np.asarray(b) for b in blocks]


def path(pruner: Pruner, network: BehaviorNetwork, share: float) -> list[Stage]:
    """Stages from the whole network to its last part, each without a share of the numbers of the one before."""
    stages, following = [], pruner.begin(network)
    while following is not None:
        stages.append(following)
        following = pruner.without(following, max(1, int(share * following.size)))
    return stages


def smallest(pruner: Pruner, network: BehaviorNetwork, tolerance: float) -> Stage:
    """The smallest network found whose held-out loss exceeds that of the whole one by at most `tolerance`.

    It walks down from the whole network in steps of several sizes, and from the best it met in smaller ones, at last
    part by part.
    """
    start = pruner.begin(network)
    ends = (_walked(pruner, start, start, share, tolerance) for share in LARGE_SHARES)
    best = min(ends, key=lambda stage: stage.size)
    for share in SMALL_SHARES:
        best = _walked(pruner, start, best, share, tolerance)
    return best


def with_terms(pruner: Pruner, network: BehaviorNetwork, terms: int, count: Callable[[BehaviorNetwork], int]) -> Stage:
    """The network found of at most so many terms with the lowest held-out loss.

    It walks down in steps of several sizes, each at the end part by part.

    Parameters
    ----------
    count : terms of a network.
    """
    ends: list[Stage] = []
    for share in LARGE_SHARES:
        stage = pruner.begin(network)
        while (over := count(stage.smaller) - terms) > 0:
            following = pruner.without(stage, max(1, min(int(share * stage.size), over // 2)))
            if following is None:
                break
            stage = following
        ends.append(stage)
    return min(ends, key=lambda stage: (count(stage.smaller) > terms, stage.loss))


def _walked(pruner: Pruner, start: Stage, stage: Stage, share: float, tolerance: float) -> Stage:
    """The last stage within the tolerance, `MISSES` stages beyond it being walked past."""
    best, missed, following = stage, 0, stage
    while missed < MISSES:
        following = pruner.without(following, max(1, int(share * following.size)))
        if following is None:
            break
        within = following.rise(start)[0] <= tolerance
        best, missed = (following, 0) if within else (best, missed + 1)
    return best


def _places(where: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(map(int, at)) for at in np.argwhere(where)]


def _weakest(parts: Iterable[_Part], numbers: int) -> list[_Part]:
    """The first parts that hold so many numbers together; what lies inside another of them does not count."""
    chosen: list[_Part] = []
    gone: set[tuple[object, ...]] = set()
    for part in parts:
        if numbers <= 0:
            break
        inside = [
            (part.layer, role, part.at[:depth]) for role in (part.role, None) for depth in range(len(part.at) + 1)
        ]
        if part.layer is not None and gone.intersection(inside):
            continue
        gone.add((part.layer, part.role, part.at))
        chosen.append(part)
        numbers -= part.numbers
    return chosen


def _without(support: Support, parts: Iterable[_Part]) -> Support:
    support = support.copy()
    for part in parts:
        if part.layer is None:
            support.readout[part.at] = False  # pyright: ignore[reportOptionalSubscript]
        else:
            heads = support.coefs[part.layer]
            for coef in heads.values() if part.role is None else (heads[part.role],):
                coef[part.at] = False
    return support


@eqx.filter_jit
def _mean_squares(
    objective: Objective, network: BehaviorNetwork, gates: list[Array], rows: tuple[Array, ...]
) -> tuple[list[Array], list[Array]]:
    def squares(*row: Array) -> tuple[list[Array], list[Array]]:
        def loss(gates: list[Array]) -> Array:
            pairs = zip(network.weights, gates, strict=True)
            gated = with_weights(network, [Weight(weight.raw, weight.rule, gate) for weight, gate in pairs])
            return objective(gated, *(part[None] for part in row))[0]

        alone = jax.grad(loss)(gates)
        layers = with_weights(network, [Weight(gradient) for gradient in alone]).layers
        blocks = [sum(jnp.sum(rows.multiplier.raw, axis=1) for rows in layer.heads.values()) for layer in layers]
        return jax.tree.map(jnp.square, (alone, blocks))

    n, size = len(rows[0]), min(len(rows[0]), CHUNK_ROWS)
    places = jnp.arange(-(-n // size) * size).reshape(-1, size)

    def add(total: PyTree, at: Array) -> tuple[PyTree, None]:
        """The last chunk is filled up with rows that count nothing."""
        found, counts = jax.vmap(squares)(*(column[at % n] for column in rows)), at < n
        return jax.tree.map(lambda t, s: t + jnp.tensordot(counts.astype(s.dtype), s, 1), total, found), None

    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(squares, *(c[0] for c in rows)))
    total, _ = jax.lax.scan(add, zero, places)
    return jax.tree.map(lambda t: 0.5 * t / n, total)
