"""Learning objectives: each returns one loss per row, in nats for likelihoods (Section 2.2)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.core.spaces import Space, Utility
from behavior_learning.gibbs.distribution import Gibbs

__all__ = ["DenoisingScoreMatching", "NegativeLogLikelihood"]


class NegativeLogLikelihood(eqx.Module):
    """−log p_τ(y|x), exact: the cross-entropy of Eq. 6 for classes, by quadrature for continuous y.

    Deviation: the paper trains continuous responses by denoising score matching (Eq. 6). The likelihood needs no
    noise level, estimates the law of y itself rather than of y plus noise, and is as cheap in one dimension.
    """

    space: Space
    temperature: Float[Array, ""] = eqx.field(default=1.0, converter=jnp.asarray)

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array) -> Float[Array, " n"]:
        return -Gibbs(utility, self.space, self.temperature).log_prob(x, y)


class DenoisingScoreMatching(eqx.Module):
    """½‖∇_ỹ BL(x, ỹ)/τ + (ỹ − y)/σ²‖² with ỹ = y + noise, averaged over the given noise (Eq. 6).

    It estimates the score of the law of y convolved with N(0, σ²), so the fitted density is wider than the data.
    Heads must be smooth: at a kink the gradient with respect to the parameters loses a contribution.

    Source: Eq. 6. Deviation: the factor ½ of Vincent (2011), which changes no minimiser; Eq. 39 has the opposite sign
    and another factor 1/σ².

    Attributes
    ----------
    sigma : standard deviation of the noise, in the units of y.
    """

    sigma: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    temperature: Float[Array, ""] = eqx.field(default=1.0, converter=jnp.asarray)

    def __call__(
        self, utility: Utility, x: Float[Array, "n d"], y: Float[Array, " n"], noise: Float[Array, "n draws"]
    ) -> Float[Array, " n"]:
        """Loss per row; `noise` has standard deviation σ and is drawn by the caller."""
        noisy = (y[:, None] + noise)[..., None]
        _, slope = jax.jvp(lambda candidates: utility(x, candidates), (noisy,), (jnp.ones_like(noisy),))
        return 0.5 * jnp.mean((slope / self.temperature + noise / self.sigma**2) ** 2, axis=1)
