"""Intervals by inverting a test: all values of a parameter that the data do not reject."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.stats import chi2

from behavior_learning.identification.parameters import null_space
from behavior_learning.inference.fitted import Fitted
from behavior_learning.inference.problem import hessian, scores

__all__ = ["ProfileInterval", "profile_interval", "score_interval"]

SCORE_DRAWS = 1999
"""Random signs of the rows by which scores are bootstrapped."""

WIDEST = 40
"""Times that the search steps outwards, each one and a half times as far, before a side counts as unbounded."""

PRECISION = 1e-3
"""Of an end, relative to the distance from the estimate."""


class ProfileInterval(NamedTuple):
    """An interval by inversion of the likelihood-ratio test; an end is infinite where the data do not bound it."""

    estimate: float
    lower: float
    upper: float


def profile_interval(fitted: Fitted, row: Float[np.ndarray, " p"], level: float) -> ProfileInterval:
    """All values r of a linear function R θ with 2n(Q(θ̃_r) − Q(θ̂)) below the quantile of χ² with one degree."""
    estimate, most = float(row @ fitted.theta), float(chi2.ppf(level, 1))
    spread = float(np.sqrt(row @ fitted.information.inverse() @ row / fitted.total)) or 1.0

    def excess(value: float) -> float:
        _, optimum = fitted.restricted(row[None], np.array([value]))
        return 2 * fitted.total * (float(optimum.loss) - float(fitted.optimum.loss)) - most

    step = np.sqrt(most) * spread
    return ProfileInterval(estimate, *(_end(excess, estimate, side * step) for side in (-1, 1)))


def score_interval(fitted: Fitted, row: Float[np.ndarray, " p"], level: float, seed: int) -> ProfileInterval:
    """All values r of R θ at which |Σ e_i + e_0| is below the quantile of |Σ ±e_i|, e_i the efficient scores at θ̃_r.

    That of a ridge or weak prior is e_0, with which the sum is zero at the estimate. What is tested is given, so that
    the test holds where R θ is weakly identified, as long as the rest is identified once it is known.

    Source: Kline and Santos (2012), the score bootstrap; Stock and Wright (2000) for the inversion.
    """
    estimate = float(row @ fitted.theta)
    draws = np.random.default_rng(seed).choice([-1.0, 1.0], (SCORE_DRAWS, len(fitted.weights)))

    def excess(value: float) -> float:
        theta, _ = fitted.restricted(row[None], np.array([value]))
        efficient, ridge = efficient_scores(fitted, row, theta)
        return abs(efficient.sum() + ridge) - float(np.quantile(np.abs(draws @ efficient), level))

    step = float(np.sqrt(chi2.ppf(level, 1) * (row @ fitted.information.inverse() @ row) / fitted.total)) or 1.0
    return ProfileInterval(estimate, *(_end(excess, estimate, side * step) for side in (-1, 1)))


def efficient_scores(
    fitted: Fitted, row: Float[np.ndarray, " p"], theta: Float[np.ndarray, " p"]
) -> tuple[Float[np.ndarray, " n"], float]:
    """Scores along R θ less what the other directions explain, s_ν − J_νη J_ηη⁻¹ s_η: of the rows, and of the ridge."""
    along, others = row / (row @ row), fitted.local.tangent_space @ null_space(row[None] @ fitted.local.tangent_space)
    with jax.enable_x64(True):
        point = jnp.asarray(theta)
        curvature, s = np.asarray(_hessian(fitted.problem, point)), np.asarray(_scores(fitted.problem, point))
        ridge = fitted.total * np.asarray(jax.grad(fitted.problem.penalty)(point))
    explained = np.linalg.pinv(others.T @ curvature @ others, rcond=1e-10) @ (others.T @ curvature @ along)
    efficient = along - others @ explained
    return fitted.weights * (s @ efficient), float(ridge @ efficient)


_hessian, _scores = eqx.filter_jit(hessian), eqx.filter_jit(scores)


def _end(excess: Callable[[float], float], estimate: float, step: float) -> float:
    """Where the excess crosses zero on one side of the estimate."""
    near, far = estimate, estimate + step
    for _ in range(WIDEST):
        if excess(far) > 0:
            return float(brentq(excess, near, far, xtol=PRECISION * abs(far - estimate)))
        near, far = far, estimate + 1.5 * (far - estimate)
    return float(np.copysign(np.inf, step))
