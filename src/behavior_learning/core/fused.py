"""A layer whose three heads share one matrix product: the same utility as `Layer`, for the loops of training."""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.bases import TermCoefs
from behavior_learning.core.block import BlockInput
from behavior_learning.core.heads import ROLES, Head

__all__ = ["FusedLayer", "HeadRows"]


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
        """Σ_h ±λ_hᵀ f_h(p_h) of every block, or what a readout makes of them."""
        by_head = zip(*map(self.cut, self._products(z)), strict=True)
        reads = [self._read(own, *head) for own, head in zip(by_head, self.mixed, strict=True)]
        return sum(reads[1:], start=reads[0])

    def _read(
        self, products: Sequence[Array], head: HeadRows, mixed: Float[Array, "..."]
    ) -> Float[Array, "#n #k outputs"]:
        """±λᵀ f(p) of one head: by a matrix product where a readout is taken in."""
        values = head.head.function(sum(products[1:], start=products[0]))
        if self.weights is not None:
            return values @ mixed
        scaled = mixed * values
        return scaled if head.rows == 1 else scaled.reshape(*scaled.shape[:-1], self.n_blocks, head.rows).sum(axis=-1)

    def _products(self, z: BlockInput) -> list[Float[Array, "#n #k rows"]]:
        """What adds up to M m(z) + b."""
        products = [] if self.terms is None or z.terms is None else z.terms.products(self.terms)
        if self.blocks is not None and z.blocks is not None:
            products.append(z.blocks @ self.blocks)
        return [products[0] + self.intercept, *products[1:]]

    @property
    def mixed(self) -> list[tuple[HeadRows, Array]]:
        """Each head, and ±λ, or ±λ·W with a row per row of the head and a column per output."""
        signed = [ROLES[head.role] * part for head, part in zip(self.heads, self.cut(self.multiplier), strict=True)]
        if self.weights is not None:
            wide = lambda rows: jnp.repeat(self.weights.T, rows, axis=0)  # pyright: ignore[reportOptionalMemberAccess]
            signed = [part[:, None] * wide(head.rows) for head, part in zip(self.heads, signed, strict=True)]
        return list(zip(self.heads, signed, strict=True))

    def cut(self, values: Array, axis: int = -1) -> list[Array]:
        """The parts of each head along an axis of rows."""
        ends = np.cumsum([head.rows * self.n_blocks for head in self.heads])[:-1]
        return jnp.split(values, ends, axis=axis)
