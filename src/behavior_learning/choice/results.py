"""Estimates of a choice model with their errors, tests and measures of fit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.stats import chi2

from behavior_learning.choice.estimation import Optimum
from behavior_learning.errors import OptionError
from behavior_learning.inference.clusters import Clusters
from behavior_learning.inference.hypotheses import TestResult, chi_square_test, parse_hypotheses
from behavior_learning.inference.tables import Estimates, EstimationResults, Summary
from behavior_learning.printing import Printed

__all__ = ["COV_TYPES", "ChoiceResults", "FitStatistics", "clusters_of_units", "covariance_of", "resolved_cov_type"]

COV_TYPES = {
    "hessian": "inverse Hessian (valid where the model is right)",
    "robust": "sandwich (valid where the model is wrong, if units are independent)",
    "clustered": "sandwich over choosers (cases of one chooser may depend on each other)",
}
"""Covariances by the short name that `cov_type=` takes."""


@dataclass(frozen=True)
class FitStatistics:
    """How well a choice model fits.

    Attributes
    ----------
    null : log-likelihood of equal probabilities.
    hit_rate : share of cases in which the likeliest alternative was chosen.
    cases, choosers : their numbers.
    simulation_error : of the log-likelihood, where a mean over coefficients was taken numerically.
    integration : how it was taken.
    """

    null: float
    hit_rate: float
    cases: int
    choosers: int
    simulation_error: float | None = None
    integration: str = ""


def covariance_of(
    optimum: Optimum, cov_type: str, clusters: Int[np.ndarray, " units"] | None
) -> Float[np.ndarray, "p p"]:
    """Covariance of the estimates; NaN for parameters that are fixed or at a bound.

    Raises
    ------
    OptionError
        If the name is unknown, or clusters are needed and there are none.
    """
    if cov_type not in COV_TYPES:
        raise OptionError(f"cov_type must be 'auto', {', '.join(map(repr, COV_TYPES))}; got {cov_type!r}.")
    at = np.ix_(optimum.free, optimum.free)
    scale = np.sqrt(np.maximum(np.diag(-optimum.hessian[at]), 1e-300))
    bread = np.linalg.pinv(-optimum.hessian[at] / np.outer(scale, scale), rcond=1e-12) / np.outer(scale, scale)
    own, s = bread, optimum.scores[:, optimum.free]
    if cov_type == "robust":
        own = bread @ (s.T @ s) @ bread
    if cov_type == "clustered":
        if clusters is None:
            raise OptionError("cov_type='clustered' needs choosers: read the data with id=, or pass clusters=.")
        count = int(clusters.max()) + 1
        sums = np.zeros((count, s.shape[1]))
        np.add.at(sums, clusters, s)
        own = bread @ (sums.T @ sums) @ bread * count / (count - 1)
    covariance = np.full(optimum.hessian.shape, np.nan)
    covariance[at] = own
    return covariance


@dataclass(frozen=True, repr=False)
class ChoiceResults(EstimationResults, Printed):
    """Estimates of a choice model with standard errors.

    Attributes
    ----------
    estimates : parameters and their covariance.
    optimum : where the search ended.
    fit : how well the model fits.
    cov_type : the short name of the covariance.
    title, cautions : what the model is, and what the user should know of it.
    effective : effective parameters, where blocks were trained.
    """

    estimates: Estimates
    optimum: Optimum
    fit: FitStatistics
    cov_type: str
    title: str
    cautions: tuple[str, ...] = field(default=())
    effective: float | None = None

    @property
    def n(self) -> int:
        """Cases."""
        return self.fit.cases

    @property
    def loglikelihood(self) -> float:
        return self.optimum.log_likelihood

    @property
    def degrees_of_freedom(self) -> float:
        """Parameters that are neither fixed nor at a bound; effective ones where blocks were trained."""
        return int(self.optimum.free.sum()) if self.effective is None else self.effective

    @property
    def aic(self) -> float:
        """−2 log L + 2 df."""
        return -2 * self.loglikelihood + 2 * self.degrees_of_freedom

    @property
    def bic(self) -> float:
        """−2 log L + log(cases) df."""
        return -2 * self.loglikelihood + np.log(self.n) * self.degrees_of_freedom

    @property
    def rho2(self) -> float:
        """McFadden's 1 − log L/log L₀ against equal probabilities."""
        return 1 - self.loglikelihood / self.fit.null

    @property
    def rho2_adjusted(self) -> float:
        """1 − (log L − df)/log L₀."""
        return 1 - (self.loglikelihood - self.degrees_of_freedom) / self.fit.null

    @property
    def hit_rate(self) -> float:
        """Share of cases in which the likeliest alternative was chosen."""
        return self.fit.hit_rate

    @property
    def identification(self) -> pd.DataFrame:
        """Eigenvalues of the information scaled to a unit diagonal, smallest first, and the direction of each.

        Where the smallest is below 1e-9, the data do not determine that direction.
        """
        at = np.ix_(self.optimum.free, self.optimum.free)
        scale = np.sqrt(np.maximum(np.diag(-self.optimum.hessian[at]), 1e-300))
        values, vectors = np.linalg.eigh(-self.optimum.hessian[at] / np.outer(scale, scale))
        labels = self.params.index[self.optimum.free]
        directions = [_direction(vector, labels) for vector in vectors.T]
        return pd.DataFrame({"eigenvalue": values, "direction": directions})

    def wald_test(self, hypotheses: str | Sequence[str] | np.ndarray) -> TestResult:
        """Test linear hypotheses such as ``"cost = time"`` with this covariance; labels are those of `params`."""
        matrix, value = parse_hypotheses(hypotheses, self.params.index)
        unknown = self.params.index[matrix.any(axis=0) & self.bse.isna().to_numpy()]
        if len(unknown):
            return TestResult.unavailable(f"{unknown[0]} is fixed or at a bound and has no standard error.")
        gap = matrix @ self.params.to_numpy() - value
        covariance = matrix @ np.nan_to_num(self.cov.to_numpy()) @ matrix.T
        return chi_square_test(gap, covariance, f"Wald test with {COV_TYPES[self.cov_type]}.")

    def lr_test(self, smaller: "ChoiceResults") -> TestResult:
        """Likelihood-ratio test against a model nested in this one, on the same cases; for models that are right.

        Raises
        ------
        OptionError
            If the other model has as many parameters, or was fitted to other cases.
        """
        df = self.degrees_of_freedom - smaller.degrees_of_freedom
        if df <= 0 or self.effective is not None or smaller.n != self.n:
            raise OptionError(
                "lr_test needs a model without blocks and one with fewer parameters on the same cases; got "
                f"{smaller.degrees_of_freedom} of {self.degrees_of_freedom} parameters and {smaller.n} of {self.n} "
                "cases."
            )
        statistic = 2 * (self.loglikelihood - smaller.loglikelihood)
        return TestResult(statistic, int(df), float(chi2.sf(statistic, df)), "chi-square", "Likelihood-ratio test.")

    def summary(self, level: float = 0.95) -> Summary:
        """Estimates, errors and measures of fit."""
        choosers = f" of {self.fit.choosers} choosers" if self.fit.choosers < self.n else ""
        error = self.fit.simulation_error
        stated = "" if error is None else f" ± {error:.2g} ({self.fit.integration})"
        facts = {
            "Cases": f"{self.n}{choosers}",
            "Standard errors": COV_TYPES[self.cov_type],
            "Search": self._search,
            "Log-likelihood": f"{self.loglikelihood:.3f}{stated}; equal probabilities {self.fit.null:.3f}",
            "rho², adjusted": f"{self.rho2:.4f}, {self.rho2_adjusted:.4f}",
            "AIC, BIC": f"{self.aic:.2f}, {self.bic:.2f}",
            "Hit rate": f"{self.hit_rate:.3f}",
        }
        return Summary(self.title, facts, {"Estimates": self.estimates.table(level)}, self.cautions)

    @property
    def _search(self) -> str:
        if self.effective is not None:
            return f"blocks trained, {self.effective:.1f} effective parameters"
        return f"{'converged' if self.optimum.converged else 'not converged'} in {self.optimum.steps} steps"

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary().as_html()


def _direction(vector: np.ndarray, labels: Any) -> str:
    """A direction by its largest parts."""
    largest = np.argsort(-np.abs(vector))[:4]
    return " ".join(f"{vector[i]:+.2f} {labels[i]}" for i in largest if abs(vector[i]) > 0.1)


def resolved_cov_type(cov_type: str, repeats: bool, clusters: Any) -> tuple[str, tuple[str, ...]]:
    """What ``"auto"`` stands for where choosers repeat or not, and what is to be said of it."""
    if cov_type != "auto":
        return cov_type, ()
    if clusters is not None or not repeats:
        return ("robust" if clusters is None else "clustered"), ()
    return "clustered", (
        "Choosers repeat, so that errors are clustered by chooser; cov_type='hessian' or 'robust' gives others.",
    )


def clusters_of_units(
    clusters: Any, unit: Int[np.ndarray, " cases"], order: Int[np.ndarray, " cases"]
) -> Int[np.ndarray, " units"]:
    """The cluster of each unit, from a label per case.

    Raises
    ------
    DataError
        If labels are missing or too few.
    """
    (codes,) = Clusters.of(clusters, len(unit)).codes
    first = np.flatnonzero(np.diff(unit, prepend=-1))
    return codes[order][first]
