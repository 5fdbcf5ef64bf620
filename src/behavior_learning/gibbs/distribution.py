"""p_τ(y|x) = exp{BL(x, y)/τ} / Z_τ(x): probabilities, moments, quantiles and draws (Eq. 3).

Sums for classes are exact; integrals are as good as the quadrature, and quantiles interpolate the density linearly
between its candidates.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.arrays import to_device
from behavior_learning.core.spaces import Quadrature, Space, Utility, evaluate_jointly

__all__ = ["Gibbs", "OnCandidates"]


class _Evaluated(NamedTuple):
    """What every quantity below starts from: the rule, and BL/τ at its candidates."""

    rule: Quadrature
    scaled_utility: Float[Array, "n k"]

    @property
    def log_mass(self) -> Float[Array, "n k"]:
        """Below the best candidate first: at a small τ the rest of BL/τ is larger than its last digit can tell."""
        below = self.scaled_utility - jnp.max(self.scaled_utility, axis=1, keepdims=True)
        return jax.nn.log_softmax(below + self.rule.log_weights, axis=1)

    @property
    def log_density(self) -> Float[Array, "n k"]:
        return self.log_mass - self.rule.log_weights

    @property
    def mass(self) -> Float[Array, "n k"]:
        return jnp.exp(self.log_mass)

    @property
    def log_normalizer(self) -> Float[Array, " n"]:
        return self.rule.log_integral(self.scaled_utility)


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
    temperature: Float[Array, ""] = eqx.field(default=1.0, converter=to_device)

    def log_prob(self, x: Float[Array, "n d"], y: Array) -> Float[Array, " n"]:
        """log p(y|x) = BL(x, y)/τ − log Z(x): in nats, a density for continuous y and a probability for classes."""
        return self.log_probs(x, y)[0]

    def log_probs(self, x: Float[Array, "n d"], y: Array, *finer: Space) -> list[Float[Array, " n"]]:
        """log p(y|x) by the rule of the space, and by those of finer versions of it."""
        distinct = x if x.shape[1] else x[:1]  # Without x all rows have one distribution.

        def scaled(candidates: Float[Array, "#n k m"]) -> Float[Array, "n k"]:
            return self.scaled(distinct, candidates)

        still = _still(self)  # What is not differentiated is added up faster.
        rules = self.space.rules(finer, lambda y: still.scaled(distinct, y), distinct.shape[:1], x.dtype)
        candidates = [rule.candidates for rule in rules]
        each_row_has_its_own = candidates[0].shape[0] == len(y)
        if self.space.continuous and self.space.pointwise and each_row_has_its_own:
            own = self.space.candidates(y)[:, None].astype(x.dtype)
            if own.shape[-1] == 1:
                *at_candidates, at_own = evaluate_jointly(scaled, [*candidates, own])
            else:  # With rows of data last, one more candidate is a copy of all.
                at_candidates, at_own = evaluate_jointly(scaled, candidates), scaled(own)
            observed = [jnp.where(self.space.contains(y), at_own[:, 0], -jnp.inf)] * len(rules)
        else:
            at_candidates, spaces = evaluate_jointly(scaled, candidates), (self.space, *finer)
            pairs = zip(spaces, at_candidates, strict=True)
            observed = [space.observed(self.scaled, x, y, at) for space, at in pairs]
        normalizers = [rule.log_integral(at) for at, rule in zip(at_candidates, rules, strict=True)]
        return [own - log_normalizer for own, log_normalizer in zip(observed, normalizers, strict=True)]

    def log_normalizer(self, x: Float[Array, "n d"]) -> Float[Array, " n"]:
        """log Z(x) = log ∫ exp{BL(x, y)/τ} dy, a sum for classes."""
        return self._evaluate(x).log_normalizer

    def mass(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Probability carried by each candidate of the space's quadrature; a row sums to one."""
        return self._evaluate(x).mass

    def log_mass(self, x: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Logarithm of `mass`, without underflow."""
        return self._evaluate(x).log_mass

    def mean(self, x: Float[Array, "n d"]) -> Float[Array, "n m"]:
        """E[y|x]; for classes, whose candidates are one-hot, the vector of probabilities."""
        at = self._evaluate(x)
        return jnp.einsum(
            "nk,nkm->nm", at.mass, jnp.broadcast_to(at.rule.candidates, (*at.mass.shape, self.space.dimension))
        )

    def standard_deviation(self, x: Float[Array, "n d"]) -> Float[Array, "n m"]:
        """√(E[y²|x] − E[y|x]²) of every coordinate, about the mean."""
        at = self._evaluate(x)
        candidates = jnp.broadcast_to(at.rule.candidates, (*at.mass.shape, self.space.dimension))
        mean = jnp.einsum("nk,nkm->nm", at.mass, candidates)
        return jnp.sqrt(jnp.einsum("nk,nkm->nm", at.mass, (candidates - mean[:, None]) ** 2))

    def mode(self, x: Float[Array, "n d"]) -> Array:
        """argmax_y BL(x, y): the deterministic best response, the limit of the distribution as τ → 0."""
        at = self._evaluate(x)
        return self.space.maximizer(self.scaled, x, at.rule, at.scaled_utility)

    def median(self, x: Float[Array, "n d"]) -> Array:
        """The response with half the mass below it; for classes in the order of their codes."""
        return self.quantile(x, jnp.array([0.5]))[:, 0]

    def quantile(self, x: Float[Array, "n d"], q: Float[Array, " j"]) -> Array:
        """Responses below which shares q of the mass lie, one column per q."""
        return self.inverse_cdf(x, q[None])

    def interval(self, x: Float[Array, "n d"], coverage: Float[Array, ""] | float) -> Array:
        """Central interval: equal mass outside on both sides; columns are its lower and upper end."""
        return self.quantile(x, 0.5 + jnp.array([-0.5, 0.5]) * coverage)

    def inverse_cdf(self, x: Float[Array, "n d"], q: Float[Array, "#n j"]) -> Array:
        """Responses below which shares q of the mass lie, with shares of its own for every row."""
        at = self._evaluate(x)
        return self.space.inverse_cdf(at.rule, at.log_density, q)

    def cdf(self, x: Float[Array, "n d"], y: Float[Array, " n"]) -> Float[Array, " n"]:
        """P(Y ≤ y | x); classes in the order of their codes."""
        at = self._evaluate(x)
        return self.space.cdf(at.rule, jnp.broadcast_to(at.log_density, (len(y), at.log_density.shape[-1])), y)

    def entropy(self, x: Float[Array, "n d"]) -> Float[Array, " n"]:
        """−E[log p(y|x)] in nats; differential for continuous y."""
        at = self._evaluate(x)
        return -jnp.sum(at.mass * at.log_density, axis=1)

    def crps(self, x: Float[Array, "n d"], y: Float[Array, " n"]) -> Float[Array, " n"]:
        """Continuous ranked probability score ∫ (F(t) − 1{y ≤ t})² dt = E|Y − y| − ½E|Y − Y'|, in the units of y.

        Source: Gneiting and Raftery (2007), Eq. 21. The space has one dimension, its candidates ascend.
        """
        at, y = self._evaluate(x), self.space.candidates(self.space.points(y))[:, 0]
        candidates, mass = at.rule.candidates[..., 0], at.mass / jnp.sum(at.mass, axis=1, keepdims=True)
        half_spread = jnp.sum(mass * candidates * (2 * jnp.cumsum(mass, axis=1) - mass - 1), axis=1)
        return jnp.sum(mass * jnp.abs(candidates - y[:, None]), axis=1) - half_spread

    def sample(self, key: PRNGKeyArray, x: Float[Array, "n d"], draws: int) -> Array:
        """Independent draws by inversion, `draws` columns per row."""
        return self.draw(x, jax.random.uniform(key, (len(x), draws, len(self.space.components)), x.dtype))

    def draw(self, x: Float[Array, "n d"], levels: Float[Array, "n j components"]) -> Array:
        """Independent draws from uniform levels: each component of y by inversion, given those before it."""
        return self.space.draw(lambda y: self.scaled(x, y), x.shape[:1], levels)

    def scaled(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> Float[Array, "n k"]:
        return self.utility(x, y) / self.temperature

    def _evaluate(self, x: Float[Array, "n d"]) -> _Evaluated:
        rule = self.space.quadrature(self.scaled, x)
        return _Evaluated(rule, self.scaled(x, rule.candidates))


def _still(distribution: Gibbs) -> Gibbs:
    """The same distribution, of which no derivatives are taken."""
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf, distribution)


class OnCandidates(Gibbs):
    """A Gibbs distribution on candidates that are given, such as those of another one near it.

    Attributes
    ----------
    rule : the candidates of every row.
    """

    rule: Quadrature = eqx.field(kw_only=True)

    def _evaluate(self, x: Float[Array, "n d"]) -> _Evaluated:
        return _Evaluated(self.rule, self.scaled(x, self.rule.candidates))
