"""How far to trust draws from Markov chains: split R-hat, effective sample size.

Source: Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), "Rank-normalization, folding, and localization: an
improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16; Geyer (1992), "Practical Markov chain Monte
Carlo", Statistical Science 7.
"""

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm, rankdata
from jaxtyping import Array, ArrayLike, Float

__all__ = ["autocovariance", "effective_sample_size", "initial_monotone_sum", "split_r_hat"]


@jax.jit(static_argnames="rank_normalized")
def split_r_hat(
    draws: Float[ArrayLike, "*rows chains draws m"], *, rank_normalized: bool = True
) -> Float[Array, "*rows m"]:
    """√(variance of all draws / variance within half-chains): 1 when all halves of all chains agree.

    With ranks, the larger of R-hat of normal scores (location) and of folded scores (spread), Section 4 of the source;
    without, the classic split R-hat. Chains that never move have R-hat infinity. Needs four draws per chain.
    """
    halves = _half_chains(draws)
    if not rank_normalized:
        return _r_hat(halves)
    folded = jnp.abs(halves - jnp.median(halves, axis=(-2, -1), keepdims=True))
    return jnp.maximum(_r_hat(_normal_scores(halves)), _r_hat(_normal_scores(folded)))


@jax.jit(static_argnames="rank_normalized")
def effective_sample_size(
    draws: Float[ArrayLike, "*rows chains draws m"], *, rank_normalized: bool = True
) -> Float[Array, "*rows m"]:
    """Independent draws that would fix the mean as well as all these chains together.

    Bulk effective sample size of the source: normal scores of half-chains, autocorrelations summed to Geyer's initial
    monotone sequence, S/τ with τ = −1 + 2·Σ and at most S·log10(S). Chains that never
    move count nothing. Needs four draws per chain.
    """
    halves = _half_chains(draws)
    halves = _normal_scores(halves) if rank_normalized else halves
    size = halves.shape[-2] * halves.shape[-1]
    within, pooled = _variances(halves)
    mean_autocovariance = jnp.mean(autocovariance(halves), axis=-2)
    moves = jnp.ptp(halves, axis=(-2, -1)) > 0
    correlation = 1 - (within[..., None] - mean_autocovariance) / jnp.where(moves, pooled, 1.0)[..., None]
    time = jnp.maximum(2 * initial_monotone_sum(correlation.at[..., 0].set(1.0)) - 1, 1 / jnp.log10(size))
    return jnp.where(moves, size / time, 0.0)


def _half_chains(draws: Float[ArrayLike, "*rows chains draws m"]) -> Float[Array, "*rows m half_chains half_draws"]:
    """First and last half of every chain, a middle draw left out where their number is odd."""
    chains = jnp.moveaxis(jnp.asarray(draws), -1, -3)
    half = chains.shape[-1] // 2
    return jnp.concatenate([chains[..., :half], chains[..., -half:]], axis=-2)


def _normal_scores(halves: Float[Array, "*rows c t"]) -> Float[Array, "*rows c t"]:
    """Φ⁻¹((rank − 3/8)/(S + 1/4)) among all S draws of a variable."""
    pooled = halves.reshape(*halves.shape[:-2], -1)
    share = (rankdata(pooled, axis=-1) - 0.375) / (pooled.shape[-1] + 0.25)
    return norm.ppf(share).reshape(halves.shape).astype(halves.dtype)


def _r_hat(halves: Float[Array, "*rows c t"]) -> Float[Array, "*rows"]:
    within, pooled = _variances(halves)
    moves = jnp.any(jnp.ptp(halves, axis=-1) > 0, axis=-1)
    return jnp.where(moves, jnp.sqrt(pooled / jnp.where(moves, within, 1.0)), jnp.inf)


def _variances(halves: Float[Array, "*rows c t"]) -> tuple[Float[Array, "*rows"], Float[Array, "*rows"]]:
    """W within chains, and var⁺ = (1 − 1/t)·W + B/t of all draws."""
    t = halves.shape[-1]
    within = jnp.mean(jnp.var(halves, axis=-1, ddof=1), axis=-1)
    return within, (1 - 1 / t) * within + jnp.var(jnp.mean(halves, axis=-1), axis=-1, ddof=1)


def autocovariance(halves: Float[Array, "*rows c t"]) -> Float[Array, "*rows c t"]:
    """Biased autocovariance of each chain at lags 0 … t − 1, by the fast Fourier transform."""
    t = halves.shape[-1]
    spectrum = jnp.fft.rfft(halves - jnp.mean(halves, axis=-1, keepdims=True), n=2 * t)
    return jnp.fft.irfft(jnp.abs(spectrum) ** 2, n=2 * t)[..., :t] / t


def initial_monotone_sum(correlation: Float[Array, "*rows t"]) -> Float[Array, "*rows"]:
    """Σ of ρ at lags 2j and 2j + 1 together, up to the first negative pair, no pair above the one before (Geyer)."""
    even = 2 * (correlation.shape[-1] // 2)
    pairs = correlation[..., :even:2] + correlation[..., 1:even:2]
    positive = jnp.cumprod(pairs > 0, axis=-1)
    return jnp.sum(jax.lax.cummin(pairs * positive, axis=pairs.ndim - 1), axis=-1)
