"""Tests that estimate the model again under the hypothesis: likelihood ratio and score."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import chi2

from behavior_learning.identification.parameters import number_places
from behavior_learning.inference.covariance import CovarianceEstimator
from behavior_learning.inference.estimation import Convergence, Optimum, status_of
from behavior_learning.inference.fitted import Fitted, information_at
from behavior_learning.inference.hypotheses import Hypothesis, TestResult, chi_square_test
from behavior_learning.inference.information import NotIdentified
from behavior_learning.inference.problem import gradient, hessian

__all__ = ["likelihood_ratio_test", "score_test"]

RESTRICTED_TOLERANCE = 1e-6
"""Norm of the gradient at a restricted estimate, above which there is no test."""

ONE_SIDED = "half of 0, half of chi-square 1"
"""The distribution of a statistic where the hypothesis is the end of a range, which estimates leave one way only."""


def likelihood_ratio_test(fitted: Fitted, hypothesis: Hypothesis) -> TestResult:
    """2n(Q(θ̃) − Q(θ̂)) against χ² with the rank of R as degrees of freedom, or half of it at the end of a range."""
    ends = _ends_of_ranges(fitted, hypothesis)
    refused = _refused(fitted, hypothesis, ends)
    if refused is not None:
        return refused
    if fitted.convergence is not Convergence.OPTIMUM:
        return TestResult.unavailable(NotIdentified.UNCONVERGED.value)
    _, optimum = fitted.restricted(*hypothesis)
    if float(optimum.gradient_norm) > RESTRICTED_TOLERANCE:
        return _unconverged(optimum)
    statistic = max(2 * fitted.total * (float(optimum.loss) - float(fitted.optimum.loss)), 0.0)
    l2 = float(fitted.problem.l2)
    note = "Likelihood-ratio test." if l2 == 0 else f"Likelihood-ratio test with the ridge l2={l2:g} in both models."
    if ends:
        return _one_sided(statistic, note)
    df = int(np.linalg.matrix_rank(hypothesis.matrix))
    return TestResult(statistic, df, float(chi2.sf(statistic, df)), "chi-square", note)


def _unconverged(optimum: Optimum) -> TestResult:
    return TestResult.unavailable(f"The model under the hypothesis: {status_of(optimum).value} Or use .wald_test.")


def _ends_of_ranges(fitted: Fitted, hypothesis: Hypothesis) -> list[int]:
    """Parameters with a sign that an equation puts at zero."""
    alone = [np.flatnonzero(line) for line, value in zip(*hypothesis, strict=True) if value == 0]
    return [int(at[0]) for at in alone if len(at) == 1 and fitted.local.signs[at[0]]]


def _refused(fitted: Fitted, hypothesis: Hypothesis, ends: list[int]) -> TestResult | None:
    """Why there is no test: a value out of range, numbers that mean nothing there, several ends, or a ridge decides."""
    places, learned = number_places(fitted.network), np.asarray(fitted.local.parametrization.learned)
    for line, value in zip(*hypothesis, strict=True):
        only = np.flatnonzero(line)
        if len(only) == 1 and fitted.local.signs[only[0]] * value / line[only[0]] < 0:
            return TestResult.unavailable(
                f"{fitted.local.labels[only[0]]} cannot be {value / line[only[0]]:g}: it keeps its sign."
            )
    for end in ends:
        place = places[learned[end]]
        others = [at for at in learned if places[at].of_row == place.of_row and at != learned[end]]
        if place.part == "multiplier" and others:
            row = fitted.row_names[place.of_row]
            return TestResult.unavailable(
                f"Where {row}.multiplier is zero the coefficients of {row} mean nothing. Use .constraint_test({row!r})."
            )
    if ends and len(hypothesis.matrix) > 1:
        return TestResult.unavailable("One end of a range can be tested at a time. Test the equations one by one.")
    known = fitted.information.not_identified()
    resting = any(known[at] is NotIdentified.RIDGE for at in np.flatnonzero(hypothesis.matrix.any(axis=0)))
    return TestResult.unavailable(NotIdentified.RIDGE.value) if resting else None


def _one_sided(statistic: float, note: str) -> TestResult:
    pvalue = 0.5 * float(chi2.sf(statistic, 1)) if statistic > 0 else 1.0
    return TestResult(statistic, 1, pvalue, ONE_SIDED, f"{note} The hypothesis is the end of a range: one-sided.")


def score_test(fitted: Fitted, hypothesis: Hypothesis, covariance: CovarianceEstimator) -> TestResult:
    """gapᵀ(R V Rᵀ)⁻¹ gap with gap = R J⁻¹∇Q at θ̃, and V the covariance there.

    Source: Boos (1992), the generalised score test.
    """
    ends = _ends_of_ranges(fitted, hypothesis)
    refused = _refused(fitted, hypothesis, ends)
    if refused is not None:
        return refused
    theta, optimum = fitted.restricted(*hypothesis)
    if float(optimum.gradient_norm) > RESTRICTED_TOLERANCE:
        return _unconverged(optimum)
    matrix = hypothesis.matrix
    with jax.enable_x64(True):
        point = jnp.asarray(theta)
        slope = np.asarray(_gradient(fitted.problem, point)[1])
        local = replace(fitted.local, theta=theta, signs=np.where(matrix.any(axis=0), 0, fitted.local.signs))
        information = information_at(local, np.asarray(_hessian(fitted.problem, point)), fitted.information.ridge)
        there = replace(fitted, local=local, information=information)
        gap = matrix @ information.inverse() @ slope
        spread = matrix @ covariance(there).matrix @ matrix.T
    result = chi_square_test(gap, spread, f"Score test with {covariance.description}.")
    if ends and np.isfinite(result.statistic):
        inside = -gap[0] * matrix[0, ends[0]] * fitted.local.signs[ends[0]] > 0
        return _one_sided(result.statistic if inside else 0.0, result.note)
    return result


_gradient, _hessian = eqx.filter_jit(gradient), eqx.filter_jit(hessian)
