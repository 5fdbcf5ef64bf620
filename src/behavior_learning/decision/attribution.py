"""An effect split over the heads that carry it.

Along the path p_t ∝ exp{(1−t)·BL₀ + t·BL₁} from baseline to scenario, dE_t[y]/dt = Cov_t(y, BL₁ − BL₀)/τ, and BL is a
sum over heads: the parts ∫₀¹ Cov_t(y, Δhead)/τ dt sum to the effect and depend on no order.

Source: Aumann and Shapley (1974); Sundararajan, Taly and Yan (2017), integrated gradients.
"""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.decision.edits import Edited
from behavior_learning.decision.outcomes import At, Outcome
from behavior_learning.explanation.contributions import added_by_heads

__all__ = ["Decomposed"]

NODES = 8
"""Gauss-Legendre nodes along the path."""


class Decomposed(Outcome):
    """What each head of each block adds to the change of E[y|x], and last what new constraints add; head by outcome."""

    scale: Float[Array, " m"]

    def __call__(self, before: At, after: At) -> Float[Array, "n numbers"]:
        space, temperature = before.gibbs.space, before.gibbs.temperature
        t, weights = np.polynomial.legendre.leggauss(NODES)

        def at(t: Array) -> Float[Array, "n parts m"]:
            def between(_: Array, y: Array) -> Float[Array, "n k"]:
                return (1 - t) * before.gibbs.scaled(before.x, y) + t * after.gibbs.scaled(after.x, y)

            rule = jax.lax.stop_gradient(space.quadrature(between, before.x))
            y = jnp.broadcast_to(rule.candidates, (len(before.x), *rule.candidates.shape[1:]))
            mass = jax.nn.softmax(between(before.x, y) + rule.log_weights, axis=1)
            moved = _parts(after, y) - _parts(before, y)
            centred = y - jnp.einsum("nk,nkm->nm", mass, y)[:, None]
            return jnp.einsum("nk,nkp,nkm->npm", mass, moved, centred) / temperature

        along = jax.lax.map(at, jnp.asarray((t + 1) / 2, before.x.dtype))
        parts = jnp.tensordot(jnp.asarray(weights / 2, before.x.dtype), along, axes=1)
        return (self.scale * parts).reshape(len(before.x), -1)


def _parts(at: At, y: Float[Array, "n k m"]) -> Float[Array, "n k parts"]:
    """What every head of the last layer adds to BL, and then what added constraints take from it."""
    utility = cast(Edited, at.gibbs.utility)
    added = [jnp.broadcast_to(-penalty(at.x, y), y.shape[:2])[..., None] for penalty in utility.added]
    new = sum(added, start=jnp.zeros((*y.shape[:2], 1), y.dtype))
    return jnp.concatenate([added_by_heads(utility.network, at.x, y), new], axis=-1)
