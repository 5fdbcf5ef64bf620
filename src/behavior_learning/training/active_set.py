"""Take numbers out of a network: what is in use, gates that hold the rest at zero, and the smaller network left.

A row without coefficients is a constant and goes; a block without rows, or that nothing above it uses, goes with all
that belongs to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from jaxtyping import Array, Bool, Int

from behavior_learning.core.arrays import to_device
from behavior_learning.core.bases import Basis, Pairing
from behavior_learning.core.block import Layer, Rows, Rule, Weight
from behavior_learning.core.heads import ROLES
from behavior_learning.core.network import BehaviorNetwork, Readout, weight_value, with_weights

__all__ = ["Support", "count", "gated", "kept_blocks", "reduced"]

Coefs = dict[str, Bool[np.ndarray, "blocks rows inputs"]]


@dataclass(frozen=True)
class Support:
    """Which coefficients of a network are in use.

    Attributes
    ----------
    coefs : for each layer and head; a row is in use where one of its coefficients is.
    readout : weights of the readout in use, absent where it is the identity.
    """

    coefs: tuple[Coefs, ...]
    readout: Bool[np.ndarray, "outputs blocks"] | None

    @classmethod
    def of(cls, network: BehaviorNetwork) -> "Support":
        """What is not zero."""

        def in_use(rows: Rows) -> np.ndarray:
            return (weight_value(rows.coef) != 0) & (weight_value(rows.multiplier) != 0)[..., None]

        coefs = tuple({role: in_use(rows) for role, rows in layer.heads.items()} for layer in network.layers)
        weight = network.readout.weight
        return cls(coefs, None if weight is None else weight_value(weight) != 0).settled(network)

    @property
    def empty(self) -> bool:
        """Whether nothing is left of the top layer."""
        return not any(coef.any() for coef in self.coefs[-1].values())

    def rows(self, layer: int, role: str) -> Bool[np.ndarray, "blocks rows"]:
        return np.asarray(self.coefs[layer][role].any(axis=-1))

    def blocks(self, layer: int) -> Bool[np.ndarray, " blocks"]:
        """Blocks with a row in use."""
        return np.any(np.stack([self.rows(layer, role).any(axis=1) for role in ROLES]), axis=0)

    def terms(self, network: BehaviorNetwork) -> Int[np.ndarray, " terms"]:
        """Terms of the basis in use."""
        seeing = [i for i in range(len(network.layers)) if network.architecture.inputs(i).terms]
        used = [coef[..., : network.basis.size].any(axis=(0, 1)) for i in seeing for coef in self.coefs[i].values()]
        return np.flatnonzero(np.stack(used).any(axis=0))

    def copy(self) -> "Support":
        """The same in arrays of its own."""
        coefs = tuple({role: coef.copy() for role, coef in layer.items()} for layer in self.coefs)
        return Support(coefs, None if self.readout is None else self.readout.copy())

    def within(self, other: "Support") -> "Support":
        """What another one has in use as well, of coefficients."""
        support = self.copy()
        for own, allowed in zip(support.coefs, other.coefs, strict=True):
            for role, coef in own.items():
                coef &= allowed[role]
        return support

    def settled(self, network: BehaviorNetwork) -> "Support":
        """Without what leads nowhere: blocks that nothing uses, and uses of blocks without rows."""
        support, before = self.copy(), -1
        while support.size != before:
            before = support.size
            for layer in range(len(self.coefs)):
                gone, uses = ~support.blocks(layer), support._uses(network, layer)
                if _kept_by_shortcut(network, layer):
                    continue
                for use in uses:
                    use[..., gone] = False
                used = np.any([use.any(axis=tuple(range(use.ndim - 1))) for use in uses], axis=0) if uses else ~gone
                for coef in support.coefs[layer].values():
                    coef[~used] = False
        return support

    @property
    def size(self) -> int:
        """Coefficients and readout weights in use."""
        readout = 0 if self.readout is None else int(self.readout.sum())
        return readout + sum(int(coef.sum()) for layer in self.coefs for coef in layer.values())

    @property
    def n_rows(self) -> int:
        """Rows in use."""
        return sum(int(coef.any(axis=-1).sum()) for layer in self.coefs for coef in layer.values())

    def _uses(self, network: BehaviorNetwork, layer: int) -> list[np.ndarray]:
        """Where the blocks of a layer enter: views with the blocks last."""
        above = range(layer + 1, len(self.coefs))
        uses = [
            coef[..., network.architecture.inputs(higher).columns(layer, network.basis.size)]
            for higher in above
            if layer in network.architecture.inputs(higher).layers
            for coef in self.coefs[higher].values()
        ]
        top = layer == len(self.coefs) - 1
        return uses + ([self.readout] if top and self.readout is not None else [])


def _kept_by_shortcut(network: BehaviorNetwork, layer: int) -> bool:
    """Whether the blocks of a layer carry more than their rows."""
    return network.architecture.skip == "residual" and len(network.layers) > 1


def gated(network: BehaviorNetwork, support: Support) -> BehaviorNetwork:
    """The network with everything out of use held at zero by gates, in arrays: other supports reuse a program."""
    weights = [
        Weight(weight.raw, weight.rule, cast(Array, gate))
        for weight, gate in zip(network.weights, _gates(network, support), strict=True)
    ]
    return with_weights(network, weights)


def _gates(network: BehaviorNetwork, support: Support) -> Iterator[np.ndarray]:
    for number, layer in enumerate(network.layers):
        for role in layer.heads:
            rows = support.rows(number, role)
            yield from (support.coefs[number][role], rows, rows)
    for projection in network.projections:
        if projection is not None:
            yield np.ones(projection.raw.shape, bool)
    if support.readout is not None:
        yield support.readout
    if network.readout.bias is not None:
        yield np.ones(network.readout.bias.raw.shape, bool)


def count(network: BehaviorNetwork, support: Support) -> int:
    """How many numbers in use are learned."""
    pairs = zip(network.weights, _gates(network, support), strict=True)
    return sum(int((weight.learned & gate).sum()) for weight, gate in pairs)


def kept_blocks(network: BehaviorNetwork, support: Support) -> list[Int[np.ndarray, " kept"]]:
    """The blocks of every layer that `reduced` keeps."""
    return [
        np.arange(width) if _kept_by_shortcut(network, layer) else np.flatnonzero(support.blocks(layer))
        for layer, width in enumerate(network.architecture.layers)
    ]


def reduced(network: BehaviorNetwork, support: Support) -> BehaviorNetwork:
    """The same utility as `gated` without the layers, blocks, terms and rows that are nowhere in use.

    Rows that only some blocks use stay, as zeros that are not learned.
    """
    kept = kept_blocks(network, support)
    layers = range(len(network.layers))
    counts = {role: max(int(support.rows(i, role).sum(axis=1).max()) for i in layers) for role in ROLES}
    terms = support.terms(network)
    cut = tuple(
        Layer.of(
            {
                role: _cut_rows(rows, support.coefs[i][role], kept[i], counts[role], _inputs(network, i, terms, kept))
                for role, rows in layer.heads.items()
            }
        )
        for i, layer in enumerate(network.layers)
        if len(kept[i])
    )
    architecture = replace(
        network.architecture,
        layers=tuple(len(blocks) for blocks in kept if len(blocks)),
        rows=tuple(counts[role] for role in ROLES),
        degrees=None,
    )
    basis = network.basis
    pairing = Pairing(tuple(basis.pairing.pairs[t] for t in terms))
    readout = network.readout
    if readout.weight is not None and support.readout is not None:
        every = np.arange(len(support.readout))[:, None]
        weight = _cut(readout.weight, (every, kept[-1]), support.readout[:, kept[-1]])
        readout = Readout(weight, readout.bias)
    return BehaviorNetwork(Basis(basis.x_maps, basis.y_maps, pairing), cut, network.projections, readout, architecture)


def _inputs(network: BehaviorNetwork, layer: int, terms: np.ndarray, kept: Sequence[np.ndarray]) -> np.ndarray:
    """The inputs of a layer that stay."""
    seen = network.architecture.inputs(layer)
    blocks = [seen.columns(below, network.basis.size).start + kept[below] for below in seen.layers]
    return np.concatenate([terms if seen.terms else terms[:0], *blocks]).astype(int)


def _cut_rows(rows: Rows, in_use: np.ndarray, blocks: np.ndarray, count: int, inputs: np.ndarray) -> Rows:
    """Rows in use first; `count` of them in every block."""
    alive = np.asarray(in_use.any(axis=-1))[blocks]
    order = np.argsort(~alive, axis=1, kind="stable")[:, :count]
    at = (blocks[:, None], order)
    row_in_use = np.take_along_axis(alive, order, axis=1)
    coef_in_use = in_use[at][..., inputs]
    return Rows(
        coef=_cut(rows.coef, (*(index[..., None] for index in at), inputs), coef_in_use),
        intercept=_cut(rows.intercept, at, row_in_use),
        multiplier=_cut(rows.multiplier, at, row_in_use),
        head=rows.head if count and rows.head is not None else None,
    )


def _cut(weight: Weight, index: Any, in_use: np.ndarray) -> Weight:
    """Some numbers of a weight; what is not in use is a zero that is not learned."""
    rule = weight.rule.moved(lambda values: values[index], np.shape(weight.raw))
    raw = np.where(in_use, np.asarray(weight.raw)[index], 0.0).astype(weight.raw.dtype)
    return Weight(to_device(raw), Rule(rule.signs, np.where(in_use, rule.numbers, 0.0)))
