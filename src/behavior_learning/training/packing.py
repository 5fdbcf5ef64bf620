"""What training holds of a network: its small arrays in one vector, so that a step is a few long operations."""

from collections.abc import Sequence
from typing import Any, cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.block import Weight, under_rule
from behavior_learning.core.network import BehaviorNetwork, with_arrays

__all__ = ["Packed", "Packing"]

LARGE = 2**14
"""Numbers from which an array stays out of the vector: copying it would cost more than the operations saved."""

Packed = tuple[Float[Array, "..."], ...]
"""The vector of all small arrays, and every large one."""


class Packing(eqx.Module):
    """How the numbers of networks of one shape and rules are packed.

    `jax.flatten_util.ravel_pytree` would compile a program for every shape and copy large arrays.

    Attributes
    ----------
    blank : the network without its numbers.
    shapes : of its arrays.
    free, ruled : the arrays in the vector, in their order: those under no rule, and then those under one, so that
        rules are applied to all at once; among each the penalised come first.
    large : the arrays that stand alone.
    penalized : the arrays that a ridge penalises.

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
    free: tuple[int, ...] = eqx.field(static=True)
    ruled: tuple[int, ...] = eqx.field(static=True)
    large: tuple[int, ...] = eqx.field(static=True)
    penalized: frozenset[int] = eqx.field(static=True)

    @classmethod
    def of(cls, network: BehaviorNetwork) -> "Packing":
        """The packing of a network, and of all networks of its shape and rules."""
        arrays = network.arrays
        shapes = tuple(np.shape(weight.raw) for weight in arrays)
        penalized = frozenset(
            i for i, weight in enumerate(arrays) if any(weight is other for other in network.penalized_weights)
        )
        size = [int(np.prod(shape)) for shape in shapes]
        small = sorted((i for i, n in enumerate(size) if n < LARGE), key=lambda i: i not in penalized)
        free, ruled = (tuple(i for i in small if arrays[i].rule.trivial == trivial) for trivial in (True, False))
        large = tuple(i for i, n in enumerate(size) if n >= LARGE)
        blank = with_arrays(network, [Weight(cast(Any, None), weight.rule, weight.gate) for weight in arrays])
        return cls(blank, shapes, free, ruled, large, penalized)

    def packed(self, network: BehaviorNetwork, xp: Any = jnp) -> Packed:
        """The raw numbers of a network, by JAX or, without compiling anything, by NumPy."""
        return self._packed([weight.raw for weight in network.arrays], xp)

    def network(self, packed: Packed) -> BehaviorNetwork:
        """The network of raw numbers."""
        raws = self._cut(packed[0], packed[1:])
        pairs = zip(raws, self.blank.arrays, strict=True)
        return with_arrays(self.blank, [Weight(raw, weight.rule, weight.gate) for raw, weight in pairs])

    def evaluated(self, packed: Packed) -> BehaviorNetwork:
        """The network of raw numbers with its rules applied: the same utility for less work."""
        free, ruled, *large = self._values(packed)
        return with_arrays(self.blank, [Weight(value) for value in self._cut(jnp.concatenate([free, ruled]), large)])

    def squared(self, packed: Packed) -> Float[Array, ""]:
        """‖M‖² + ‖λ‖² + ‖Π‖² + ‖W‖²: what the ridge penalises. Intercepts and biases are free."""
        free, ruled, *large = self._values(packed)
        free_size, ruled_size = (self._size(self.penalized.intersection(own)) for own in (self.free, self.ruled))
        penalized = [array for array, i in zip(large, self.large, strict=True) if i in self.penalized]
        parts = [free[:free_size], ruled[:ruled_size], *penalized]
        return sum((jnp.sum(part**2) for part in parts), start=jnp.zeros(()))

    def _packed(self, values: Sequence[Any], xp: Any) -> tuple[Any, ...]:
        vector = xp.concatenate([xp.ravel(xp.asarray(values[i])) for i in self.free + self.ruled])
        return (vector, *(xp.asarray(values[i]) for i in self.large))

    def _values(self, packed: Packed) -> list[Array]:
        """The free and the ruled part of the vector, and the large arrays, with rules and gates applied."""
        weights = self.blank.arrays
        n = sum(int(np.prod(self.shapes[i])) for i in self.free)

        def halves(values: Sequence[Any], xp: Any) -> list[Any]:
            vector, *large = self._packed([xp.broadcast_to(v, s) for v, s in zip(values, self.shapes, strict=True)], xp)
            return [vector[:n], vector[n:], *large]

        raws = [*jnp.split(packed[0], [n]), *packed[1:]]
        signs, numbers = ([getattr(w.rule, name) for w in weights] for name in ("signs", "numbers"))
        values = list(map(under_rule, raws, halves(signs, np), halves(numbers, np)))
        if all(weight.gate is None for weight in weights):
            return values
        gates = [1.0 if weight.gate is None else weight.gate for weight in weights]
        return [value * gate for value, gate in zip(values, halves(gates, jnp), strict=True)]

    def _cut(self, vector: Any, large: Sequence[Any]) -> list[Any]:
        """Every array in its own shape; the gradient of the vector is put together by one concatenation."""
        small = self.free + self.ruled
        split = np.split if isinstance(vector, np.ndarray) else jnp.split
        parts = split(vector, np.cumsum([int(np.prod(self.shapes[i])) for i in small])[:-1])
        arrays = dict(zip((*small, *self.large), (*parts, *large), strict=True))
        return [arrays[i].reshape(shape) for i, shape in enumerate(self.shapes)]
