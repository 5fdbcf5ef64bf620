"""Draws from the posterior of the canonical parameters by the No-U-Turn Sampler, under a stated prior.

Source: Hoffman and Gelman (2014), by blackjax; R-hat and effective sample sizes of Vehtari et al. (2021).
"""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from behavior_learning.errors import OptionError
from behavior_learning.gibbs.diagnostics import effective_sample_size, split_r_hat
from behavior_learning.gibbs.kernels import optional_blackjax
from behavior_learning.identification.parameters import LocalParameters, number_places
from behavior_learning.inference.covariance import Covariance, CovarianceEstimator
from behavior_learning.inference.fitted import Fitted
from behavior_learning.inference.problem import WEAK_PRIOR, Problem

__all__ = ["Posterior"]

CHAINS, WARMUP = 4, 500

ACCEPTANCE = 0.9
"""Aim of the step size: small steps follow the bent ridges that weak identification leaves."""

WORST_R_HAT, FEWEST_DRAWS = 1.05, 100
"""R-hat above which, and effective draws below which, a parameter gets no interval."""

LONGER = 4
"""Times as many draws of chains that did not agree, once."""


@dataclass(frozen=True)
class Posterior(CovarianceEstimator):
    """Four chains around the optimum, under normal priors; multipliers and other numbers with a sign keep it.

    Attributes
    ----------
    draws : per chain, after the warm-up; chains that do not agree are run again for four times as many.
    """

    draws: int = 500
    seed: int = 0

    name = "posterior"
    description = "posterior, 4 chains of the No-U-Turn Sampler; intervals are its quantiles"
    robust = False
    resampled = True
    posterior = True
    intervals = "percentile"

    def estimate(self, fitted: Fitted) -> Covariance:
        """Covariance and draws; NaN for parameters on which the chains do not agree."""
        p = len(fitted.theta)
        if fitted.local.tangent_space.shape[1] < p:
            raise OptionError(
                "The posterior needs parameters that move freely; here rows of a square rotate into each other or "
                "blocks share a scale. Use one row per head and one layer, or profile_interval."
            )
        problem = fitted.problem
        problem = eqx.tree_at(lambda p: p.l2, problem, jnp.where(problem.l2 == 0, WEAK_PRIOR, problem.l2))
        keys = jax.random.split(jax.random.key(self.seed), CHAINS)
        owners = _owners(fitted.local)
        center, scale = map(jnp.asarray, _start(fitted, owners, float(problem.l2)))
        signs = jnp.asarray(fitted.local.signs)
        for draws in (self.draws, LONGER * self.draws):
            chains, divergent = _chains(problem, center, scale, signs, jnp.asarray(owners), keys, draws)
            drawn = _pointing_alike(np.asarray(chains), fitted.local)
            r_hat, effective = np.asarray(split_r_hat(drawn)), np.asarray(effective_sample_size(drawn))
            poor = (r_hat > WORST_R_HAT) | (effective < FEWEST_DRAWS)
            if not poor.any():
                break
        flat = drawn.reshape(-1, p)
        matrix = np.cov(flat.T).reshape(p, p)
        matrix[poor] = matrix[:, poor] = np.nan
        said = (
            f"Prior: normal of standard deviation {float(problem.l2) ** -0.5:.3g} on standardised columns, one-sided "
            f"where a sign is given. Largest R-hat {r_hat.max():.3f}, fewest effective draws {effective.min():.0f} of "
            f"{len(flat)}, {int(divergent)} divergent."
        )
        return Covariance(matrix, flat, (said,))


def _owners(local: LocalParameters) -> Int[np.ndarray, " p"]:
    """For every coefficient of a row with a learned λ the place of that λ, −1 elsewhere."""
    places = number_places(local.parametrization.template)
    own = [places[at] for at in np.asarray(local.parametrization.learned)]
    multipliers = {place.of_row: i for i, place in enumerate(own) if place.part == "multiplier"}
    return np.array([-1 if p.part == "multiplier" else multipliers.get(p.of_row, -1) for p in own], int)


def _start(fitted: Fitted, owners: Int[np.ndarray, " p"], l2: float) -> tuple[np.ndarray, np.ndarray]:
    """Where chains start and the root of a covariance, in the coordinates of `_chains`, linearised at the optimum."""
    theta, signs, p = fitted.theta, fitted.local.signs, len(fitted.theta)
    values, vectors = np.linalg.eigh(fitted.total * fitted.information.hessian)
    covariance = (vectors / np.maximum(np.abs(values), l2)) @ vectors.T
    size = np.maximum(np.abs(theta), 0.1 * np.sqrt(np.diag(covariance)))
    strength = np.where(owners < 0, 1.0, size[owners])
    change = np.diag(np.where(signs == 0, strength, signs / size))
    owned = np.flatnonzero(owners >= 0)
    side = np.where(theta[owners] < 0, -1.0, 1.0)
    change[owned, owners[owned]] += (side * np.where(signs == 0, theta, 1 / strength))[owned]
    root = np.linalg.cholesky(change @ covariance @ change.T + 1e-12 * np.eye(p))
    root /= np.where(signs == 0, 1.0, np.maximum(np.linalg.norm(root, axis=1), 1.0))[:, None]
    return np.where(signs == 0, theta * strength, np.log(size * strength)), root


def _parameters(
    at: Float[Array, " p"], signs: Int[Array, " p"], owners: Int[Array, " p"]
) -> tuple[Float[Array, " p"], Float[Array, ""]]:
    """θ at coordinates of `_chains`, and log |∂θ/∂at|."""
    logarithms = jnp.where(signs == 0, 0.0, at)
    values = jnp.where(signs == 0, at, signs * jnp.exp(logarithms))
    strength = jnp.where(owners < 0, 1.0, jnp.abs(values[owners]))
    return values / strength, jnp.sum(logarithms) - jnp.sum(jnp.log(strength))


@eqx.filter_jit
def _chains(
    problem: Problem,
    center: Float[Array, " p"],
    scale: Float[Array, "p p"],
    signs: Int[Array, " p"],
    owners: Int[Array, " p"],
    keys: PRNGKeyArray,
    draws: int,
) -> tuple[Float[Array, "chains draws p"], Int[Array, ""]]:
    """Draws of θ and the number of divergent transitions, one chain after the other.

    Numbers with a sign move on the logarithm, and coefficients as λ·M, which data know even where a head is nearly
    linear and λ and M are known only together.
    """
    blackjax: Any = optional_blackjax("blackjax", "use method='optimum' with profile_interval")

    def free(z: Float[Array, " p"]) -> Float[Array, " p"]:
        return center + scale @ z

    def log_posterior(z: Float[Array, " p"]) -> Float[Array, ""]:
        theta, jacobian = _parameters(free(z), signs, owners)
        network = problem.network(theta)
        losses = jax.lax.map(lambda data: problem.objective(network, *data), problem.data)
        return jacobian - jnp.sum(problem.weights * losses) - problem.total * problem.penalty(theta)

    def chain(key: PRNGKeyArray) -> tuple[Float[Array, "draws p"], Int[Array, ""]]:
        first, warm, run = jax.random.split(key, 3)
        begin = 0.5 * jax.random.normal(first, center.shape)
        adaptation = blackjax.window_adaptation(blackjax.nuts, log_posterior, target_acceptance_rate=ACCEPTANCE)
        (state, options), _ = adaptation.run(warm, begin, WARMUP)
        step = blackjax.nuts(log_posterior, **options).step

        def one(state: Any, key: PRNGKeyArray) -> tuple[Any, tuple[Array, Array]]:
            state, info = step(key, state)
            return state, (_parameters(free(state.position), signs, owners)[0], info.is_divergent)

        drawn, divergent = jax.lax.scan(one, state, jax.random.split(run, draws))[1]
        return drawn, jnp.sum(divergent)

    drawn, divergent = jax.lax.map(chain, keys)
    return drawn, jnp.sum(divergent)


def _pointing_alike(
    drawn: Float[np.ndarray, "chains draws p"], local: LocalParameters
) -> Float[np.ndarray, "chains draws p"]:
    """Draws with the rows of even heads, which may be negated, on the side of the estimate."""
    network, rows = local.parametrization.template, {}
    places = number_places(network)
    for number, at in enumerate(np.asarray(local.parametrization.learned)):
        place = places[at]
        head = network.layers[place.layer].head(place.role) if place.role else None
        if head is not None and head.parity == "even" and place.part in ("coef", "intercept"):
            rows.setdefault(place.of_row, []).append(number)
    drawn = drawn.copy()
    for row in rows.values():
        if not local.signs[row].any():
            drawn[..., row] *= np.where(drawn[..., row] @ local.theta[row] < 0, -1.0, 1.0)[..., None]
    return drawn
