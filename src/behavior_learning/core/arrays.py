"""Arrays and keys on the device without a compiled program for each shape, which `jnp.asarray` and others make."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray, UInt32

__all__ = ["key_of", "keys_of", "placed"]


def placed(values: Any) -> Array:
    """Numbers as a JAX array, in the precision that is in force; what is one already stays as it is."""
    return values if isinstance(values, jax.Array) else jax.device_put(values)


def key_of(seed: int | np.integer) -> PRNGKeyArray:
    """The threefry key of a seed below 2³²."""
    return keys_of(np.array([0, seed], np.uint32))


def keys_of(words: UInt32[np.ndarray, "*batch 2"]) -> PRNGKeyArray:
    """Threefry keys made of two random words each, whatever JAX's default."""
    return jax.random.wrap_key_data(placed(words), impl="threefry2x32")
