"""What the heads of the last layer add to the utility of a row, beyond what they add on average over p(y|x).

A function of x alone cancels in p(y|x), so it is taken off: contributions sum to BL(x, y) − E[BL(x, Y)|x].
"""

from typing import cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from behavior_learning.core.batches import by_batches
from behavior_learning.core.heads import ROLES
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.symbolic.read import block_name

__all__ = ["added_by_heads", "head_contributions", "head_names"]

SHORTCUT = "shortcut"
"""What a residual skip adds to a block, listed beside its heads."""


def head_contributions(p: Gibbs, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n m"]) -> pd.DataFrame:
    """A line per row, columns (block, head).

    Parameters
    ----------
    p : the distribution of a network by itself.
    y : responses as candidates.
    """
    network = cast(BehaviorNetwork, p.utility)
    columns = head_names(network)
    values = p.space.size * network.width * len(columns.levels[0])
    added = by_batches(lambda x, y: _centred(p, x, y), (x, y), values)
    return pd.DataFrame(added, columns=columns).swaplevel(axis=1)


def head_names(network: BehaviorNetwork) -> pd.MultiIndex:
    """(head, block) of every part of `added_by_heads`."""
    number, layer = len(network.layers), network.layers[-1]
    roles = [role for role in ROLES if layer.heads[role].head is not None]
    roles += [SHORTCUT] if network.architecture.skip == "residual" and number > 1 else []
    blocks = [block_name(number, block + 1) for block in range(network.architecture.layers[-1])]
    return pd.MultiIndex.from_product([roles, blocks], names=["head", "block"])


@eqx.filter_jit
def _centred(p: Gibbs, x: Float[Array, "n d"], y: Float[Array, "n m"]) -> Float[Array, "n parts"]:
    network, candidates = cast(BehaviorNetwork, p.utility), p.space.quadrature(p.scaled, x).candidates
    mean = jnp.sum(p.mass(x)[..., None] * added_by_heads(network, x, candidates), axis=1)
    return added_by_heads(network, x, y[:, None])[:, 0] - mean


def added_by_heads(
    network: BehaviorNetwork, x: Float[Array, "n d"], y: Float[Array, "#n k m"]
) -> Float[Array, "n k parts"]:
    """What each head of each block of the last layer adds to the utility of each candidate."""
    layer, at = network.layers[-1], network.trace(x, y)[-1]
    parts = [
        ROLES[role] * jnp.sum(head.multiplier.value * head.head(head.preactivation(at.input)), axis=-1)
        for role, head in layer.heads.items()
        if head.head is not None
    ]
    parts += [] if at.shortcut is None else [at.shortcut]
    weight = network.readout.weight
    weights = jnp.ones((1, parts[0].shape[-1])) if weight is None else weight.value
    of_candidate = y @ weights if network.architecture.output == "vector" else weights[:1]
    whole = [jnp.broadcast_to(of_candidate * part, (len(x), y.shape[1], part.shape[-1])) for part in parts]
    return jnp.concatenate(whole, axis=-1)
