"""The maximum of a log-likelihood: Newton's method where it is concave, else a quasi-Newton search and Newton's method.

Compiles nothing. Parameters may be fixed or bounded.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize

from behavior_learning.choice.likelihood import Scored

__all__ = ["Limits", "Optimum", "maximize"]

TOLERANCE = 1e-9
"""Half the squared Newton step in units of the log-likelihood, gᵀH⁻¹g, at which the search stops."""

MAX_STEPS = 60
MAX_SEARCH = 400
BORROWED = 15
"""Steps at most with the Hessian of a like log-likelihood."""

NEAR, SETTLED = 1e-3, 1e-5
"""Gap below which a Hessian is kept for the steps that are left, and below which it is that of the maximum."""


class Target(Protocol):
    """A log-likelihood that can be maximised."""

    @property
    def concave(self) -> bool:
        """Whether `hessian` is there and negative definite."""
        ...

    def __call__(self, theta: Float[np.ndarray, " p"]) -> Scored:
        """Log-likelihood and gradient of every unit."""
        ...

    def hessian(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "p p"]:
        """The second derivatives of the sum."""
        ...


@dataclass(frozen=True)
class Limits:
    """What the parameters may be.

    Attributes
    ----------
    lower, upper : bounds, infinite where there are none; equal where a parameter is fixed.
    """

    lower: Float[np.ndarray, " p"]
    upper: Float[np.ndarray, " p"]

    @classmethod
    def none(cls, p: int) -> "Limits":
        return cls(np.full(p, -np.inf), np.full(p, np.inf))

    @property
    def fixed(self) -> Bool[np.ndarray, " p"]:
        return self.lower == self.upper

    @property
    def bounded(self) -> bool:
        """Whether a parameter that is not fixed has a bound."""
        free = ~self.fixed
        return bool((np.isfinite(self.lower[free]) | np.isfinite(self.upper[free])).any())

    def clip(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        return np.clip(theta, self.lower, self.upper)


@dataclass(frozen=True)
class Optimum:
    """Where the search ended.

    Attributes
    ----------
    scores : gradients of the log-likelihood of every unit.
    hessian : of the log-likelihood.
    free : parameters that are neither fixed nor at a bound.
    gap : how far below the maximum the log-likelihood may be, gᵀ(−H)⁻¹g/2.
    steps : iterations, of both searches.
    """

    theta: Float[np.ndarray, " p"]
    log_likelihood: float
    log_likelihoods: Float[np.ndarray, " units"]
    scores: Float[np.ndarray, "units p"]
    hessian: Float[np.ndarray, "p p"]
    free: Bool[np.ndarray, " p"]
    gap: float
    steps: int

    @property
    def converged(self) -> bool:
        return bool(0 <= self.gap < 1e-6)

    def with_positive(self, spreads: slice) -> "Optimum":
        """The same with positive spreads: the distributions are symmetric in their sign."""
        signs = np.ones(len(self.theta))
        signs[spreads] = np.where(self.theta[spreads] < 0, -1, 1)
        return replace(
            self,
            theta=self.theta * signs,
            scores=self.scores * signs,
            hessian=self.hessian * np.outer(signs, signs),
        )


def maximize(
    target: Target,
    start: Float[np.ndarray, " p"],
    limits: Limits | None = None,
    hessian: Float[np.ndarray, "p p"] | None = None,
) -> Optimum:
    """Raise the log-likelihood from a start until Newton's step says that there is nothing left to gain.

    Parameters
    ----------
    hessian : of a like log-likelihood at its maximum, where that is the start.
    """
    limits = Limits.none(len(start)) if limits is None else limits
    theta, free, steps = limits.clip(start), ~limits.fixed, 0
    if hessian is not None and not limits.bounded:
        theta, steps = _quasi_newton(target, theta, free, limits, hessian)
    elif not target.concave or limits.bounded:
        theta, steps = _search(target, theta, limits)
        span = np.where(free, np.maximum(np.abs(theta), 1), 0)
        free = (theta > limits.lower + 1e-7 * span) & (theta < limits.upper - 1e-7 * span)
    return _newton(target, theta, free, limits, steps)


def _search(target: Target, theta: Float[np.ndarray, " p"], limits: Limits) -> tuple[np.ndarray, int]:
    """L-BFGS-B in units in which scores have a unit variance: at the start, and again after some steps."""
    steps, free = 0, ~limits.fixed
    for iterations in (15, MAX_SEARCH):
        scores = target(theta).scores[:, free]
        towards = _units(scores, limits.bounded)
        origin = theta.copy()

        def lost(u: np.ndarray, origin: np.ndarray = origin, towards: np.ndarray = towards) -> tuple[float, np.ndarray]:
            moved = origin.copy()
            moved[free] += towards @ u
            with np.errstate(all="ignore"):
                values = target(moved)
            total = values.log_likelihood.sum()
            if not np.isfinite(total):
                return 1e300, np.zeros(len(u))
            return -total, -(values.scores[:, free] @ towards).sum(axis=0)

        bounds = None
        if limits.bounded:
            scale = np.diag(towards)
            bounds = list(
                zip(*((end[free] - theta[free]) / scale for end in (limits.lower, limits.upper)), strict=True)
            )
        found = minimize(
            lost,
            np.zeros(int(free.sum())),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": iterations, "maxcor": 30, "ftol": 1e-11, "gtol": 1e-4},
        )
        theta = origin.copy()
        theta[free] += towards @ found.x
        theta, steps = limits.clip(theta), steps + int(found.nit)
    return theta, steps


def _units(scores: Float[np.ndarray, "units p"], diagonal: bool) -> Float[np.ndarray, "p p"]:
    """A root of the inverse of the outer product of scores, or of its diagonal."""
    outer = scores.T @ scores
    scale = np.sqrt(np.maximum(np.diag(outer), 1e-12 * max(outer.trace(), 1e-12)))
    if diagonal:
        return np.diag(1 / scale)
    values, vectors = np.linalg.eigh(outer / np.outer(scale, scale))
    return (vectors / np.sqrt(np.maximum(values, 1e-6))) / scale[:, None]


def _quasi_newton(
    target: Target, theta: np.ndarray, free: np.ndarray, limits: Limits, hessian: np.ndarray
) -> tuple[np.ndarray, int]:
    """BFGS from the Hessian of a like log-likelihood, near the maximum."""
    values, curvature = target(theta), -hessian[np.ix_(free, free)]
    for steps in range(BORROWED):
        gradient = values.scores.sum(axis=0)[free]
        step = _solved(curvature, gradient)
        moved = None if gradient @ step / 2 < TOLERANCE else _line_search(target, theta, values, free, step, limits)
        if moved is None:
            return theta, steps
        along, change = (moved[0] - theta)[free], gradient - moved[1].scores.sum(axis=0)[free]
        if along @ change > 0:
            old = curvature @ along
            curvature = curvature + np.outer(change, change) / (change @ along) - np.outer(old, old) / (old @ along)
        theta, values = moved
    return theta, BORROWED


def _newton(target: Target, theta: np.ndarray, free: np.ndarray, limits: Limits, steps: int) -> Optimum:
    """Newton's method; near the maximum a Hessian by differences is kept."""
    values, hessian, gap, taken, fresh = target(theta), np.zeros((len(theta),) * 2), np.inf, np.inf, False
    at = np.ix_(free, free)
    for _ in range(MAX_STEPS):
        gradient, fresh = values.scores.sum(axis=0)[free], target.concave or taken > NEAR
        if fresh:
            hessian = target.hessian(theta) if target.concave else _differences(target, theta, values.scores, free)
        step = _solved(-hessian[at], gradient)
        gap = float(gradient @ step) / 2
        taken = gap if fresh else taken
        if not np.isfinite(gap) or gap < TOLERANCE:
            break
        moved = _line_search(target, theta, values, free, step, limits)
        if moved is None:
            break
        (theta, values), steps = moved, steps + 1
    if not fresh and taken > SETTLED:
        hessian = _differences(target, theta, values.scores, free)
    total = float(values.log_likelihood.sum())
    return Optimum(theta, total, values.log_likelihood, values.scores, hessian, free, gap, steps)


def _solved(matrix: Float[np.ndarray, "k k"], gradient: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """The ascent direction |−H|⁻¹ g."""
    if not len(gradient) or not np.isfinite(matrix).all():
        return np.zeros_like(gradient)
    scale = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-300))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    return vectors @ ((vectors.T @ (gradient / scale)) / np.maximum(np.abs(values), 1e-10)) / scale


def _line_search(
    target: Target, theta: np.ndarray, values: Scored, free: np.ndarray, step: np.ndarray, limits: Limits
) -> tuple[np.ndarray, Scored] | None:
    """The first of shorter and shorter steps that raises the log-likelihood, with what holds there."""
    before = values.log_likelihood.sum()
    for share in 0.5 ** np.arange(20):
        moved = theta.copy()
        moved[free] += share * step
        moved = limits.clip(moved)
        with np.errstate(all="ignore"):
            after = target(moved)
        if after.log_likelihood.sum() > before - 1e-10 * abs(before) * (share == 1):
            return moved, after
    return None


def _differences(target: Target, theta: np.ndarray, scores: np.ndarray, free: np.ndarray) -> Float[np.ndarray, "p p"]:
    """Central differences of the gradient, a thousandth of the scale on which the log-likelihood varies each way."""
    p = len(theta)
    hessian = np.zeros((p, p))
    widths = 1e-3 / np.sqrt(np.maximum((scores**2).sum(axis=0), 1e-8))
    for j in np.flatnonzero(free):
        width = min(widths[j], 1e-3 * max(abs(theta[j]), 1.0))
        ends = [theta + sign * width * (np.arange(p) == j) for sign in (1, -1)]
        up, down = (target(end).scores.sum(axis=0) for end in ends)
        hessian[j] = (up - down) / (2 * width)
    return (hessian + hessian.T) / 2
