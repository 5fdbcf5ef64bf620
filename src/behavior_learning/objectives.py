"""Learning objectives: each returns one loss per row, in nats for likelihoods (Section 2.2)."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.core.spaces import Space, Utility
from behavior_learning.gibbs.distribution import Gibbs

__all__ = ["NegativeLogLikelihood"]


class NegativeLogLikelihood(eqx.Module):
    """−log p_τ(y|x), exact: the cross-entropy of Eq. 6 for classes, by quadrature for continuous y.

    Deviation: the paper trains continuous responses by denoising score matching (Eq. 6). The likelihood needs no
    noise level, estimates the law of y itself rather than of y plus noise, and is as cheap in one dimension.
    """

    space: Space
    temperature: Float[Array, ""] = eqx.field(default=1.0, converter=jnp.asarray)

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array) -> Float[Array, " n"]:
        return -Gibbs(utility, self.space, self.temperature).log_prob(x, y)
