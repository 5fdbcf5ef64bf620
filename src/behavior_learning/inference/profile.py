"""Intervals by inverting the likelihood-ratio test: all values of a parameter that the data do not reject."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.stats import chi2

from behavior_learning.inference.fitted import Fitted

__all__ = ["ProfileInterval", "profile_interval"]

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


def _end(excess: Callable[[float], float], estimate: float, step: float) -> float:
    """Where the excess crosses zero on one side of the estimate."""
    near, far = estimate, estimate + step
    for _ in range(WIDEST):
        if excess(far) > 0:
            return float(brentq(excess, near, far, xtol=PRECISION * abs(far - estimate)))
        near, far = far, estimate + 1.5 * (far - estimate)
    return float(np.copysign(np.inf, step))
