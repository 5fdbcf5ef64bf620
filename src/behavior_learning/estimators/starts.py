"""Networks side by side, for training in one program."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.core.network import BehaviorNetwork

__all__ = ["stacked"]


def stacked(networks: list[BehaviorNetwork]) -> BehaviorNetwork:
    """Networks of one shape as one network with a leading axis."""
    params, static = zip(*(eqx.partition(network, eqx.is_inexact_array) for network in networks), strict=True)
    together = jax.tree.map(lambda *leaves: jnp.asarray(np.stack([np.asarray(leaf) for leaf in leaves])), *params)
    return eqx.combine(together, static[0])
