"""What training holds of a network: its small arrays in one vector, the rows of all heads of a layer side by side.

A step of an optimiser is then a few long operations instead of many short ones, and a layer one matrix product.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.bases import TermCoefs
from behavior_learning.core.block import Weight, under_rule
from behavior_learning.core.fused import FusedLayer, HeadRows
from behavior_learning.core.narrow import NarrowNetwork
from behavior_learning.core.network import BehaviorNetwork, Readout, with_weights

__all__ = ["Packed", "Packing", "fused"]

LARGE = 2**14
"""Numbers from which an array stays out of the vector: copying it would cost more than the operations saved."""

Packed = tuple[Float[Array, "..."], ...]
"""The vector of all small arrays, and every large one."""


class _Place(NamedTuple):
    """Where an array of a network is packed: which part of the vector, or which of the large arrays."""

    shape: tuple[int, ...]
    ruled: bool
    penalized: bool
    large: bool

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


class Packing(eqx.Module):
    """How the numbers of networks of one shape and rules are packed.

    Attributes
    ----------
    blank : the network without its numbers.
    shapes : of its weights.
    places : of each array.
    free, ruled : the arrays in the vector, in their order: those under no rule, and then those under one, so that
        rules are applied to all at once; among each the penalised come first.
    large : the arrays that stand alone.

    Examples
    --------
    >>> from behavior_learning import Architecture
    >>> network = BehaviorNetwork.random(np.random.default_rng(0), Architecture((2, 1)), features=3, response=1)
    >>> packing = Packing.of(network)
    >>> vector, *large = packing.packed(network)
    >>> len(vector) == network.n_parameters, large
    (True, [])
    """

    blank: BehaviorNetwork
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    places: tuple[_Place, ...] = eqx.field(static=True)
    free: tuple[int, ...] = eqx.field(static=True)
    ruled: tuple[int, ...] = eqx.field(static=True)
    large: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, network: BehaviorNetwork) -> "Packing":
        """The packing of a network, and of all networks of its shape and rules."""
        weights, penalized = network.weights, [id(weight) for weight in network.penalized_weights]
        shapes = tuple(weight.raw.shape for weight in weights)
        wide = lambda values: [np.broadcast_to(v, shape) for v, shape in zip(values, shapes, strict=True)]
        ruled = [(weight.rule.signs != 0) | ~np.isnan(weight.rule.numbers) for weight in weights]
        arranged = zip(
            _arranged(network, wide(ruled), np),
            _arranged(network, wide([id(weight) in penalized for weight in weights]), np),
            strict=True,
        )
        places = tuple(_Place(r.shape, bool(r.any()), bool(p.all()), r.size >= LARGE) for r, p in arranged)
        blank = with_weights(network, [Weight(cast(Any, None), weight.rule, weight.gate) for weight in weights])
        penalized_first = sorted(range(len(places)), key=lambda i: not places[i].penalized)
        small = [i for i in penalized_first if not places[i].large]
        free, ruled = (tuple(i for i in small if places[i].ruled == under) for under in (False, True))
        return cls(blank, shapes, places, free, ruled, tuple(i for i, place in enumerate(places) if place.large))

    def packed(self, network: BehaviorNetwork, xp: Any = jnp) -> Packed:
        """The raw numbers of a network, by JAX or, without compiling anything, by NumPy."""
        return self._packed([xp.asarray(weight.raw) for weight in network.weights], xp)

    def network(self, packed: Packed) -> BehaviorNetwork:
        """The network of raw numbers."""
        raws = _restored(self.blank, self.shapes, self._cut([(packed[0], self._order)], packed[1:]))
        pairs = zip(raws, self.blank.weights, strict=True)
        return with_weights(self.blank, [Weight(raw, weight.rule, weight.gate) for raw, weight in pairs])

    def evaluated(self, packed: Packed) -> BehaviorNetwork | NarrowNetwork:
        """The network of raw numbers with its rules applied and its layers fused: the same utility for less work."""
        (free, ruled), large = self._values(packed)
        arrays = iter(self._cut([(free, self.free), (ruled, self.ruled)], large))
        network = self.blank
        takes_in = network.readout.weight is not None and network.architecture.skip != "residual"
        parts = [_LayerParts.of(network, number) for number in range(len(network.layers))]
        taken = [{name: next(arrays) for name in part.names} for part in parts]
        projections = [None if p is None else Weight(next(arrays)) for p in network.projections]
        weights = None if network.readout.weight is None else next(arrays)
        bias = None if network.readout.bias is None else Weight(next(arrays))
        outer = [None] * (len(parts) - 1) + [weights if takes_in else None]
        layers = [part.fused(arrays, read) for part, arrays, read in zip(parts, taken, outer, strict=True)]
        if NarrowNetwork.suits(network.architecture, layers):
            return NarrowNetwork(
                network.basis, tuple(layers), None if bias is None else bias.value, network.architecture
            )
        readout = Readout(None if takes_in or weights is None else Weight(weights), bias)
        return BehaviorNetwork(
            network.basis, cast(Any, tuple(layers)), tuple(projections), readout, network.architecture
        )

    def squared(self, packed: Packed) -> Float[Array, ""]:
        """‖M‖² + ‖λ‖² + ‖Π‖² + ‖W‖²: what the ridge penalises. Intercepts and biases are free."""
        (free, ruled), large = self._values(packed)
        size = lambda own: sum(self.places[i].size for i in own if self.places[i].penalized)
        penalized = [array for array, i in zip(large, self.large, strict=True) if self.places[i].penalized]
        parts = [free[: size(self.free)], ruled[: size(self.ruled)], *penalized]
        return sum((jnp.sum(part**2) for part in parts), start=jnp.zeros(()))

    @property
    def _order(self) -> tuple[int, ...]:
        """The arrays in the vector."""
        return self.free + self.ruled

    def _packed(self, values: Sequence[Any], xp: Any) -> tuple[Any, ...]:
        arrays = list(_arranged(self.blank, values, xp))
        vector = xp.concatenate([xp.ravel(arrays[i]) for i in self._order])
        return (vector, *(xp.asarray(arrays[i]) for i in self.large))

    def _values(self, packed: Packed) -> tuple[list[Array], list[Array]]:
        """The free and the ruled part of the vector, and the large arrays, with rules and gates applied."""
        n = sum(self.places[i].size for i in self.free)
        halves = lambda vectors: [vectors[0][:n], vectors[0][n:], *vectors[1:]]
        raws = [*jnp.split(packed[0], [n]), *packed[1:]]
        values = list(map(under_rule, raws, halves(self._rules("signs")), halves(self._rules("numbers"))))
        gates = [weight.gate for weight in self.blank.weights]
        if any(gate is not None for gate in gates):
            wide = [jnp.ones(shape) if g is None else g for g, shape in zip(gates, self.shapes, strict=True)]
            gates = halves(self._packed(wide, jnp))
            values = [value * gate for value, gate in zip(values, gates, strict=True)]
        return values[:2], values[2:]

    def _rules(self, name: str) -> tuple[np.ndarray, ...]:
        """What the rules say of every number."""
        rules = [getattr(weight.rule, name) for weight in self.blank.weights]
        return self._packed([np.broadcast_to(r, shape) for r, shape in zip(rules, self.shapes, strict=True)], np)

    def _cut(self, vectors: Sequence[tuple[Array, Sequence[int]]], large: Sequence[Array]) -> list[Array]:
        """Every array in its own shape, from vectors with the arrays in each, and the large ones."""
        arrays = dict(zip(self.large, large, strict=True))
        for vector, own in vectors:
            arrays |= dict(zip(own, _split(vector, [self.places[i].size for i in own]), strict=True))
        return [arrays[i].reshape(place.shape) for i, place in enumerate(self.places)]


def _split(vector: Any, sizes: Sequence[int]) -> list[Any]:
    """Consecutive parts, whose gradient is put together by one concatenation."""
    split = np.split if isinstance(vector, np.ndarray) else jnp.split
    return list(split(vector, np.cumsum(sizes)[:-1])) if sizes else []


def fused(network: BehaviorNetwork) -> BehaviorNetwork | NarrowNetwork:
    """The same utility with the heads of every layer side by side, for use inside compiled functions."""
    packing = Packing.of(network)
    return packing.evaluated(packing.packed(network))


class _LayerParts(NamedTuple):
    """How a layer's weights turn into few arrays: M by what its columns multiply, b and λ, a column per row."""

    heads: tuple[HeadRows, ...]
    n_blocks: int
    terms: tuple[int, int, int]
    below: int

    @classmethod
    def of(cls, network: BehaviorNetwork, number: int) -> "_LayerParts":
        layer, architecture = network.layers[number], network.architecture
        rows = architecture.head_rows
        heads = tuple(HeadRows(role, r.head, rows[role]) for role, r in layer.heads.items() if r.head is not None)
        terms = network.basis.pairing.sizes if architecture.sees_terms(number) else (0, 0, 0)
        return cls(heads, architecture.layers[number], terms, architecture.seen_blocks(number) if number else 0)

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays that there are."""
        sizes = {**dict(zip(TermCoefs._fields, self.terms, strict=True)), "below": self.below}
        return (*(name for name, size in sizes.items() if size), "intercept", "multiplier")

    def fused(self, arrays: dict[str, Array], weights: Array | None) -> FusedLayer:
        empty = jnp.zeros((0, len(arrays["intercept"])), arrays["intercept"].dtype)
        terms = TermCoefs(*(arrays.get(name, empty) for name in TermCoefs._fields)) if any(self.terms) else None
        return FusedLayer(
            terms, arrays.get("below"), arrays["intercept"], arrays["multiplier"], weights, self.heads, self.n_blocks
        )


def _arranged(network: BehaviorNetwork, values: Sequence[Any], xp: Any) -> Iterator[Any]:
    """Values of all weights as the arrays that are packed."""
    given = iter(values)
    for number in range(len(network.layers)):
        parts = _LayerParts.of(network, number)
        rows = [[next(given) for _ in range(3)] for _ in network.layers[number].heads]
        side_by_side = lambda which, rows=rows: xp.concatenate(
            [head[which].reshape(-1, *head[which].shape[2:]) for head in rows]
        )
        sizes = [size for size in (*parts.terms, parts.below) if size]
        yield from xp.split(side_by_side(0).T, np.cumsum(sizes)[:-1])
        yield side_by_side(1)
        yield side_by_side(2)
    yield from given


def _restored(network: BehaviorNetwork, shapes: Sequence[tuple[int, ...]], arrays: Sequence[Any]) -> list[Any]:
    """The values of all weights from the arrays that are packed, the inverse of `_arranged`."""
    given, wanted = iter(arrays), iter(shapes)
    values = []
    for number in range(len(network.layers)):
        parts = _LayerParts.of(network, number)
        taken = [next(given) for _ in parts.names]
        xp = np if isinstance(taken[0], np.ndarray) else jnp
        together = (xp.concatenate(taken[:-2]).T, *taken[-2:])
        start = 0
        for _ in network.layers[number].heads:
            head = [next(wanted) for _ in range(3)]
            rows = slice(start, start + int(np.prod(head[1])))
            values += [whole[rows].reshape(shape) for whole, shape in zip(together, head, strict=True)]
            start = rows.stop
    return values + list(given)
