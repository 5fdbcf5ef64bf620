"""Arrays and keys on the device without a compiled program for each shape, which `jnp.asarray` and others make."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, PRNGKeyArray, UInt32

from behavior_learning.processes import begin_computing

__all__ = ["as_known", "make_key", "make_keys", "numbers_to_device", "side_by_side", "to_device"]


def to_device(values: Any) -> Array:
    """Numbers as a JAX array, in the precision that is in force; what is one already stays as it is."""
    begin_computing()
    return values if isinstance(values, jax.Array) else jax.device_put(values)


def numbers_to_device(tree: Any) -> Any:
    """The same tree with its real numbers as arrays, so that other numbers reuse a compiled program."""
    return jax.tree.map(lambda leaf: to_device(leaf) if isinstance(leaf, (float, np.floating)) else leaf, tree)


def as_known(values: Any) -> Any:
    """Numbers as a NumPy array, or what stands for them while a function is traced."""
    return values if isinstance(values, Tracer) else np.asarray(values)


def side_by_side(parts: Sequence[Any], axis: int) -> Any:
    """Arrays in one, on the device where that loses no digit; otherwise it stays NumPy's."""
    known = [as_known(part) for part in parts]
    if not all(isinstance(part, np.ndarray) for part in known):
        return jnp.concatenate(known, axis=axis)
    whole = np.concatenate(known, axis=axis)
    return to_device(whole) if jax.dtypes.canonicalize_dtype(whole.dtype) == whole.dtype else whole


def make_key(seed: int | np.integer) -> PRNGKeyArray:
    """The threefry key of a seed below 2³²."""
    return make_keys(np.array([0, seed], np.uint32))


def make_keys(words: UInt32[np.ndarray, "*batch 2"]) -> PRNGKeyArray:
    """Threefry keys made of two random words each, whatever JAX's default."""
    return jax.random.wrap_key_data(to_device(words), impl="threefry2x32")
