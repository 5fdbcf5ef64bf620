"""A network of few rows, evaluated with rows of M first: every operation runs along rows of data times candidates.

With rows of M last, products of 2,000 candidates with three columns take longer than all heads together.
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.core.bases import Basis, Terms
from behavior_learning.core.fused import FusedLayer, HeadRows
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
            seen.append(_blocks(layer, [*_of_terms(layer, terms), *_of_blocks(layer, below)]))
        utility = seen[-1][0] if self.bias is None else seen[-1][0] + self.bias
        return jnp.broadcast_to(utility, (len(x), y.shape[1]))


def _of_terms(layer: FusedLayer, terms: Terms) -> list[Float[Array, " rows #n #k"]]:
    """The parts of M m(z) of x alone, of y alone and of both."""
    products = [] if layer.terms is None else terms.products(layer.terms)
    return [jnp.moveaxis(product, -1, 0) for product in products]


def _of_blocks(layer: FusedLayer, below: Sequence[Float[Array, " blocks #n #k"]]) -> list[Float[Array, " rows #n #k"]]:
    """The part of M m(z) of the blocks below."""
    if layer.blocks is None:
        return []
    shape = jnp.broadcast_shapes(*(part.shape[1:] for part in below))
    side_by_side = jnp.concatenate([jnp.broadcast_to(part, (len(part), *shape)) for part in below])
    return [_product(layer.blocks, side_by_side)]


def _blocks(layer: FusedLayer, products: Sequence[Float[Array, " rows #n #k"]]) -> Float[Array, " outputs #n #k"]:
    """Σ_h ±λ_hᵀ f_h(p_h) of every block, or what a readout makes of them."""
    shifted = [products[0] + layer.intercept[:, None, None], *products[1:]]
    by_head = zip(*(layer.cut(product, axis=0) for product in shifted), strict=True)
    reads = [_read(layer, own, *head) for own, head in zip(by_head, layer.mixed, strict=True)]
    return sum(reads[1:], start=reads[0])


def _read(
    layer: FusedLayer, products: Sequence[Array], head: HeadRows, mixed: Float[Array, "..."]
) -> Float[Array, " outputs #n #k"]:
    """±λᵀ f(p) of one head."""
    values = head.head.function(sum(products[1:], start=products[0]))
    if layer.weights is not None:
        return _product(mixed, values)
    scaled = mixed[:, None, None] * values
    return scaled if head.rows == 1 else scaled.reshape(layer.n_blocks, head.rows, *scaled.shape[1:]).sum(axis=1)


def _product(weights: Float[Array, "below rows"], values: Float[Array, " below #n #k"]) -> Float[Array, " rows #n #k"]:
    return (weights.T @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:])
