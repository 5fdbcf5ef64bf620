"""A layer whose three heads share one matrix product: the same utility as `Layer`, for the loops of training."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.bases import TermCoefs
from behavior_learning.core.block import BlockInput
from behavior_learning.core.heads import ROLES, Head

__all__ = ["FIRST", "LAST", "FusedLayer", "HeadRows", "product"]

LAST, FIRST = -1, 0
"""The axis along which rows of M lie: (n, k, rows) or (rows, n, k)."""


class HeadRows(NamedTuple):
    """A head of a layer: its function and its rows per block."""

    role: str
    head: Head
    rows: int


class FusedLayer(eqx.Module):
    """𝔹 with the rows of all heads side by side, as plain numbers without rules.

    The parts of M m(z) + b that depend on x alone, on y alone and on both are cut into heads before they are added, so
    that nothing but what a head needs is ever as large as rows times candidates.

    Attributes
    ----------
    terms, blocks : M, its columns for terms of (x, y) and for blocks below, each with a column per row of a head.
    intercept, multiplier : b and λ.
    heads : which rows follow each other; those of one block lie together.
    weights : W of a readout that this layer takes in, (outputs, blocks); absent where it gives the blocks themselves.
    """

    terms: TermCoefs | None
    blocks: Float[Array, "below rows"] | None
    intercept: Float[Array, " rows"]
    multiplier: Float[Array, " rows"]
    weights: Float[Array, "outputs blocks"] | None
    heads: tuple[HeadRows, ...] = eqx.field(static=True)
    n_blocks: int = eqx.field(static=True)

    def __call__(self, z: BlockInput) -> Float[Array, "#n #k outputs"]:
        """The utility of every block, or what a readout makes of them."""
        products = [] if self.terms is None or z.terms is None else z.terms.products(self.terms)
        if self.blocks is not None and z.blocks is not None:
            products.append(product(z.blocks, self.blocks))
        return self.summed(products)

    def summed(self, products: Sequence[Array], axis: int = LAST) -> Array:
        """Σ_h ±λ_hᵀ f_h(M_h m(z) + b_h), times W where a readout is taken in.

        Parameters
        ----------
        products : what adds up to M m(z), with rows of M along `axis`, `LAST` or `FIRST`.
        """
        shifted = [products[0] + _along(self.intercept, axis), *products[1:]]
        by_head = zip(*(self._cut(part, axis) for part in shifted), strict=True)
        multipliers = self._cut(self.multiplier, LAST)
        reads = [
            self._read(head, reduce(add, own), ROLES[head.role] * multiplier, axis)
            for head, own, multiplier in zip(self.heads, by_head, multipliers, strict=True)
        ]
        return reduce(add, reads)

    def _read(self, head: HeadRows, p: Array, signed: Float[Array, " rows"], axis: int) -> Array:
        """±λᵀ f(p) of one head: by a matrix product where a readout is taken in."""
        values = head.head.function(p)
        if self.weights is not None:
            return product(values, signed[:, None] * jnp.repeat(self.weights.T, head.rows, axis=0), axis)
        scaled = _along(signed, axis) * values
        if head.rows == 1:
            return scaled
        if axis == FIRST:
            return scaled.reshape(self.n_blocks, head.rows, *scaled.shape[1:]).sum(axis=1)
        return scaled.reshape(*scaled.shape[:-1], self.n_blocks, head.rows).sum(axis=-1)

    def _cut(self, values: Array, axis: int) -> list[Array]:
        """The parts of each head."""
        ends = np.cumsum([head.rows * self.n_blocks for head in self.heads])[:-1]
        return jnp.split(values, ends, axis=axis)


def product(values: Array, weights: Float[Array, "below rows"], axis: int = LAST) -> Array:
    """weightsᵀ times the values along an axis."""
    if axis == LAST:
        return values @ weights
    return (weights.T @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:])


def _along(numbers: Float[Array, " rows"], axis: int) -> Array:
    return numbers[:, None, None] if axis == FIRST else numbers
