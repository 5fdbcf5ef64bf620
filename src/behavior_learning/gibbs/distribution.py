"""p_τ(y|x) = exp{BL(x, y)/τ} / Z_τ(x): exact probabilities, moments, quantiles and draws (Eq. 3)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.spaces import Space, Utility

__all__ = ["Gibbs"]


class Gibbs(eqx.Module):
    """The Gibbs distribution of a utility on a response space.

    Attributes
    ----------
    utility : BL(x, y) on candidates.
    space : where y lives.
    temperature : τ > 0; small values concentrate the mass on the best response.
    """

    utility: Utility
    space: Space
    temperature: Float[Array, ""] | float = 1.0

    def log_prob(self, x: Float[Array, "n d"], y: Array) -> Float[Array, " n"]:
        """log p(y|x) = BL(x, y)/τ − log Z(x): in nats, a density for continuous y and a probability for classes."""
        at_candidates = self._at_candidates(x)
        observed = self.space.observed(self.utility, x, y, at_candidates)
        return observed / self.temperature - self._log_normalizer(at_candidates)

    def log_normalizer(self, x: Float[Array, "n d"]) -> Float[Array, " n"]:
        """log Z(x) = log ∫ exp{BL(x, y)/τ} dy, a sum for classes."""
        return self._log_normalizer(self._at_candidates(x))

    def log_density(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """log p at the candidates of the space."""
        at_candidates = self._at_candidates(x)
        return at_candidates / self.temperature - self._log_normalizer(at_candidates)[:, None]

    def mass(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Probability carried by each candidate; a row sums to one."""
        return jnp.exp(self.log_density(x) + self.space.log_weights)

    def mean(self, x: Float[Array, "n d"]) -> Float[Array, "n m"]:
        """E[y|x]; for classes, whose candidates are one-hot, the vector of probabilities."""
        return self.mass(x) @ self.space.candidates[0]

    def mode(self, x: Float[Array, "n d"]) -> Array:
        """argmax_y BL(x, y): the deterministic best response, the limit of the distribution as τ → 0."""
        return self.space.maximiser(self.utility, x, self._at_candidates(x))

    def median(self, x: Float[Array, "n d"]) -> Array:
        """The response with half the mass below it; for classes in the order of their codes."""
        return self.quantile(x, jnp.array([0.5]))[:, 0]

    def quantile(self, x: Float[Array, "n d"], q: Float[Array, " j"]) -> Array:
        """Responses below which shares q of the mass lie, one column per q."""
        return self.space.quantile(self.log_density(x), q[None])

    def interval(self, x: Float[Array, "n d"], coverage: float) -> Array:
        """Central interval: equal mass outside on both sides; columns are its lower and upper end."""
        return self.quantile(x, jnp.array([0.5 - coverage / 2, 0.5 + coverage / 2]))

    def entropy(self, x: Float[Array, "n d"]) -> Float[Array, " n"]:
        """−E[log p(y|x)] in nats; differential for continuous y."""
        log_density = self.log_density(x)
        return -jnp.sum(jnp.exp(log_density + self.space.log_weights) * log_density, axis=1)

    def sample(self, key: PRNGKeyArray, x: Float[Array, "n d"], draws: int) -> Array:
        """Independent draws by inversion, `draws` columns per row."""
        return self.space.quantile(self.log_density(x), jax.random.uniform(key, (len(x), draws)))

    def _at_candidates(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        return self.utility(x, self.space.candidates)

    def _log_normalizer(self, at_candidates: Float[Array, "n k"]) -> Float[Array, " n"]:
        return logsumexp(at_candidates / self.temperature + self.space.log_weights, axis=1)
