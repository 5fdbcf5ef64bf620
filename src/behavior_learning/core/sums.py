"""Weighted sums of blocks and of functions of y, rows of M last or first, in what order a processor does them best."""

from functools import reduce
from operator import add

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.mesh import device_count

__all__ = ["FIRST", "LAST", "along", "for_each_row", "product", "product_of_few"]

LAST, FIRST = -1, 0
"""The axis along which rows of M lie: (n, k, rows) or (rows, n, k)."""

ADDED_IN_PARTS = 2**13
"""Numbers from which on XLA adds in parts on every processor; fewer it adds one after the other."""

FEW = 5
"""Values whose weighted sum is added one after the other: a matrix product so thin takes longer than all heads."""


def product(values: Array, weights: Float[Array, "below rows"], axis: int = LAST) -> Array:
    """weightsᵀ times the values along an axis."""
    if axis == LAST:
        return values @ weights
    return _added_or_multiplied(values, weights) if len(values) <= FEW else _multiplied(values, weights)


def product_of_few(values: Array, weights: Float[Array, "below rows"], axis: int = LAST) -> Array:
    """`product` of values that cost nothing to compute again, such as candidates."""
    return _added(values, weights) if axis == FIRST and len(values) <= FEW else product(values, weights, axis)


def _multiplied(values: Array, weights: Float[Array, "below rows"]) -> Array:
    return (weights.T @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:])


@jax.custom_jvp
def _added(values: Array, weights: Float[Array, "below rows"]) -> Array:
    return reduce(add, (along(own, FIRST) * value for value, own in zip(values, weights, strict=True)))


@_added.defjvp
def _(at: tuple[Array, Array], moved: tuple[Array, Array]) -> tuple[Array, Array]:
    """The gradient in the weights as a matrix product: a sum over candidates for each would take ten times as long."""
    (values, weights), (value_moved, weight_moved) = at, moved
    return _added(values, weights), _added(value_moved, weights) + _multiplied(values, weight_moved)


@jax.custom_jvp
def _added_or_multiplied(values: Array, weights: Array) -> Array:
    return _added(values, weights)


@_added_or_multiplied.defjvp
def _(at: tuple[Array, Array], moved: tuple[Array, Array]) -> tuple[Array, Array]:
    """Where a gradient is asked for, every one of its sums would compute the heads below again."""
    (values, weights), (value_moved, weight_moved) = at, moved
    return _multiplied(values, weights), _multiplied(value_moved, weights) + _multiplied(values, weight_moved)


def along(numbers: Float[Array, " rows"], axis: int) -> Array:
    """Numbers that broadcast along an axis of three."""
    return numbers[:, None, None] if axis == FIRST else numbers


def for_each_row(numbers: Float[Array, " rows"], values: Array, axis: int) -> Array:
    """`along`, so that values may be multiplied by it or added to it.

    Where several devices have few rows of data each, every one has a copy, whose gradient is the sum over its
    candidates: their terms cancel, and one long sum over all of them loses a digit that a single device keeps.
    """
    devices, candidates = device_count(), 2 if axis == FIRST else 1
    if devices == 1 or values.ndim < 3 or values.size // devices >= ADDED_IN_PARTS:
        return along(numbers, axis)
    shape = [1 if i == candidates else length for i, length in enumerate(values.shape)]
    return jax.lax.optimization_barrier(jnp.broadcast_to(along(numbers, axis), shape))
