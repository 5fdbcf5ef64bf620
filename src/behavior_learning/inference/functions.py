"""Standard errors of functions of the parameters: the delta method, and simulation."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float
from scipy.stats import norm

__all__ = ["delta_method", "normal_draws", "simulated"]

Function = Callable[[Float[Array, " p"]], Float[Array, "..."]]


def delta_method(
    f: Function, theta: Float[np.ndarray, " p"], cov: Float[np.ndarray, "p p"], level: float
) -> pd.DataFrame:
    """f(θ̂) ± z·√(∇f V ∇fᵀ), NaN where f moves with a parameter that has no variance; inside `jax.enable_x64`."""
    value, slope, unknown = _linearized(f, theta, cov)
    variance = np.einsum("ij,jk,ik->i", slope, np.nan_to_num(cov), slope)
    errors = np.where(unknown, np.nan, np.sqrt(np.maximum(variance, 0)))
    half = norm.ppf((1 + level) / 2) * errors
    return pd.DataFrame({"estimate": value, "std. error": errors, "lower": value - half, "upper": value + half})


def simulated(
    f: Function,
    theta: Float[np.ndarray, " p"],
    cov: Float[np.ndarray, "p p"],
    level: float,
    draws: Float[np.ndarray, "draws p"],
) -> pd.DataFrame:
    """f(θ̂) with standard deviation and quantiles of f at draws of θ; inside `jax.enable_x64`."""
    value, _, unknown = _linearized(f, theta, cov)
    at_draws = np.asarray(jax.vmap(jax.jit(f))(jnp.asarray(draws))).reshape(len(draws), -1)
    lower, upper = np.quantile(at_draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    columns = {"std. error": at_draws.std(axis=0, ddof=1), "lower": lower, "upper": upper}
    return pd.DataFrame({"estimate": value, **{n: np.where(unknown, np.nan, v) for n, v in columns.items()}})


def normal_draws(
    theta: Float[np.ndarray, " p"], cov: Float[np.ndarray, "p p"], draws: int, seed: int
) -> Float[np.ndarray, "draws p"]:
    """Draws from N(θ̂, V); parameters without a variance stay."""
    values, vectors = np.linalg.eigh(np.nan_to_num(cov))
    normal = np.random.default_rng(seed).standard_normal((draws, len(values)))
    return theta + normal * np.sqrt(np.maximum(values, 0)) @ vectors.T


def _linearized(
    f: Function, theta: Float[np.ndarray, " p"], cov: Float[np.ndarray, "p p"]
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, "q p"], np.ndarray]:
    """f(θ̂), ∇f(θ̂), and which values move with a parameter that has no variance."""
    flat = jax.jit(lambda t: jnp.ravel(f(t)))
    point = jnp.asarray(theta)
    slope = np.asarray(jax.jacfwd(flat)(point))
    unknown = np.any(np.abs(slope[:, np.isnan(np.diag(cov))]) > 0, axis=1)
    return np.asarray(flat(point)), slope, np.asarray(unknown)
