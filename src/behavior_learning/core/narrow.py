"""A network of few rows, evaluated with rows of M first: every operation runs along rows of data times candidates.

With rows of M last, products of 2,000 candidates with three columns take longer than all heads together.
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.core.bases import Basis, Terms
from behavior_learning.core.fused import FIRST, FusedLayer, product
from behavior_learning.core.network import Architecture

__all__ = ["NARROW", "NarrowNetwork"]

NARROW = 32
"""Most rows of a layer with which a network is evaluated rows first."""


class NarrowNetwork(eqx.Module):
    """BL of a fused network without residual skips, in scalar output: the same utility in another order of axes.

    Attributes
    ----------
    layers : the last of them takes the readout in, or is a single block.
    bias : of the readout.
    """

    basis: Basis
    layers: tuple[FusedLayer, ...]
    bias: Float[Array, " 1"] | None
    architecture: Architecture = eqx.field(static=True)

    @staticmethod
    def suits(architecture: Architecture, layers: Sequence[FusedLayer]) -> bool:
        """Whether a network can be evaluated so, and is narrow enough to gain by it."""
        narrow = all(len(layer.intercept) <= NARROW for layer in layers)
        return narrow and architecture.output == "scalar" and architecture.skip != "residual"

    def __call__(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> Float[Array, "n k"]:
        """BL(x, y) for every row and candidate."""
        terms, seen = self.basis(x, y), []
        for layer in self.layers:
            below = seen if self.architecture.skip == "dense" else seen[-1:]
            seen.append(layer.summed([*_of_terms(layer, terms), *_of_blocks(layer, below)], FIRST))
        utility = seen[-1][0] if self.bias is None else seen[-1][0] + self.bias
        return jnp.broadcast_to(utility, (len(x), y.shape[1]))


def _of_terms(layer: FusedLayer, terms: Terms) -> list[Float[Array, " rows #n #k"]]:
    """The parts of M m(z) of x alone, of y alone and of both."""
    products = [] if layer.terms is None else terms.products(layer.terms)
    return [jnp.moveaxis(part, -1, 0) for part in products]


def _of_blocks(layer: FusedLayer, below: Sequence[Float[Array, " blocks #n #k"]]) -> list[Float[Array, " rows #n #k"]]:
    """The part of M m(z) of the blocks below."""
    if layer.blocks is None:
        return []
    shape = jnp.broadcast_shapes(*(part.shape[1:] for part in below))
    side_by_side = jnp.concatenate([jnp.broadcast_to(part, (len(part), *shape)) for part in below])
    return [product(side_by_side, layer.blocks, FIRST)]
