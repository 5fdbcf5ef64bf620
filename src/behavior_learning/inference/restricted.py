"""Tests that estimate the model again under the hypothesis: likelihood ratio and score."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import chi2

from behavior_learning.inference.covariance import CovarianceEstimator
from behavior_learning.inference.estimation import Convergence
from behavior_learning.inference.fitted import Fitted
from behavior_learning.inference.hypotheses import Hypothesis, TestResult, chi_square_test
from behavior_learning.inference.information import NotIdentified
from behavior_learning.inference.problem import gradient, hessian

__all__ = ["likelihood_ratio_test", "score_test"]

RESTRICTED_TOLERANCE = 1e-6
"""Norm of the gradient at a restricted estimate, above which there is no test."""

UNCONVERGED = TestResult.unavailable(NotIdentified.UNCONVERGED.value)


def likelihood_ratio_test(fitted: Fitted, hypothesis: Hypothesis) -> TestResult:
    """2n(Q(θ̃) − Q(θ̂)) against χ² with the rank of R as degrees of freedom."""
    _, optimum = fitted.restricted(*hypothesis)
    if float(optimum.gradient_norm) > RESTRICTED_TOLERANCE or fitted.convergence is not Convergence.OPTIMUM:
        return UNCONVERGED
    statistic = 2 * fitted.total * (float(optimum.loss) - float(fitted.optimum.loss))
    df = int(np.linalg.matrix_rank(hypothesis.matrix))
    return TestResult(statistic, df, float(chi2.sf(statistic, df)), "chi-square", "Likelihood-ratio test.")


def score_test(fitted: Fitted, hypothesis: Hypothesis, covariance: CovarianceEstimator) -> TestResult:
    """gapᵀ(R V Rᵀ)⁻¹ gap with gap = R J⁻¹∇Q at θ̃, and V the covariance there.

    Source: Boos (1992), the generalised score test.
    """
    theta, optimum = fitted.restricted(*hypothesis)
    if float(optimum.gradient_norm) > RESTRICTED_TOLERANCE:
        return UNCONVERGED
    with jax.enable_x64(True):
        point = jnp.asarray(theta)
        information = replace(fitted.information, hessian=np.asarray(_hessian(fitted.problem, point)))
        slope = np.asarray(_gradient(fitted.problem, point)[1])
        there = replace(fitted, local=replace(fitted.local, theta=theta), information=information)
        matrix = hypothesis.matrix
        gap = matrix @ information.inverse() @ slope
        spread = matrix @ covariance(there).matrix @ matrix.T
    return chi_square_test(gap, spread, f"Score test with {covariance.description}.")


_gradient, _hessian = eqx.filter_jit(gradient), eqx.filter_jit(hessian)
