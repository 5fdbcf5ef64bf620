"""Functions of estimates with intervals: the delta method, draws of the estimates, and Fieller's ratio."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import norm

from behavior_learning.errors import OptionError

__all__ = ["Function", "fieller", "with_interval"]

Function = Callable[[Float[np.ndarray, " p"]], Float[np.ndarray, " q"]]

COLUMNS = ["estimate", "std. error", "lower", "upper"]


def with_interval(
    f: Function,
    theta: Float[np.ndarray, " p"],
    cov: Float[np.ndarray, "p p"],
    *,
    level: float = 0.95,
    method: str = "delta",
    draws: int = 1000,
    seed: int = 0,
    root: Float[np.ndarray, "p r"] | None = None,
) -> pd.DataFrame:
    """f(θ̂) with standard errors and intervals; what has no variance is taken as known.

    An aggregate is f: averaging bounds of rows would make an interval too wide.

    Parameters
    ----------
    method : ``"delta"`` linearises f; ``"simulation"`` takes quantiles of f at normal draws of θ (Krinsky and Robb
        1986).
    root : A with A Aᵀ the covariance, in place of `cov`, for many parameters: f is then linearised along draws of A z.

    Raises
    ------
    OptionError
        If the method or the level is none.
    """
    if not 0 < level < 1:
        raise OptionError(f"level must lie strictly between 0 and 1; got {level!r}.")
    value = np.atleast_1d(f(theta))
    if root is not None:
        known, errors = cov, _along(f, theta, root, np.random.default_rng(seed))
    else:
        known = np.nan_to_num(cov)
        slope = _slopes(f, theta, np.sqrt(np.diag(known)))
        errors = np.sqrt(np.maximum(np.einsum("jq,jk,kq->q", slope, known, slope), 0))
    if method == "delta" or root is not None:
        half = norm.ppf((1 + level) / 2) * errors
        return pd.DataFrame(np.column_stack([value, errors, value - half, value + half]), columns=COLUMNS)
    if method != "simulation":
        raise OptionError(f"method must be 'delta' or 'simulation'; got {method!r}.")
    values, vectors = np.linalg.eigh(known)
    root = vectors * np.sqrt(np.maximum(values, 0))
    drawn = theta + np.random.default_rng(seed).standard_normal((draws, len(theta))) @ root.T
    at = np.array([np.atleast_1d(f(one)) for one in drawn])
    lower, upper = np.quantile(at, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame(np.column_stack([value, at.std(axis=0, ddof=1), lower, upper]), columns=COLUMNS)


def _slopes(f: Function, theta: np.ndarray, errors: np.ndarray) -> Float[np.ndarray, "p q"]:
    """Central differences of f over a hundredth of a standard error each way; 0 for what is known."""
    slopes = []
    for j, error in enumerate(errors):
        move = 0.01 * error * (np.arange(len(theta)) == j)
        change = np.atleast_1d(f(theta + move)) - np.atleast_1d(f(theta - move)) if error > 0 else None
        slopes.append(np.zeros(len(np.atleast_1d(f(theta)))) if change is None else change / (0.02 * error))
    return np.array(slopes)


DIRECTIONS = 100
"""Directions along which a function of many parameters is linearised; its error is then known to 7 %."""


def _along(f: Function, theta: np.ndarray, root: np.ndarray, rng: np.random.Generator) -> Float[np.ndarray, " q"]:
    """√(E (∇f · A z)²) over standard normal z, by differences over a hundredth of each draw."""
    moves = 0.01 * rng.standard_normal((DIRECTIONS, root.shape[1])) @ root.T
    changes = [np.atleast_1d(f(theta + move)) - np.atleast_1d(f(theta - move)) for move in moves]
    return np.sqrt(np.mean(np.square(changes), axis=0)) / 0.02


def fieller(a: float, b: float, cov: Float[np.ndarray, "2 2"], level: float = 0.95) -> tuple[float, float]:
    """The confidence set of a/b, the ratios r for which a − r b is not rejected; (−∞, ∞) where it is no interval.

    Source: Fieller (1954).
    """
    z2 = norm.ppf((1 + level) / 2) ** 2
    square, middle, constant = b**2 - z2 * cov[1, 1], a * b - z2 * cov[0, 1], a**2 - z2 * cov[0, 0]
    root = middle**2 - square * constant
    if square <= 0 or root < 0:
        return -np.inf, np.inf
    return float((middle - np.sqrt(root)) / square), float((middle + np.sqrt(root)) / square)
