"""What inference returns: estimates with errors, tests, and the reasons where there is no number.

Source: Theorem B.9 (asymptotic normality) and B.10 (efficiency) of the paper, at the optimum of the plain loss.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import OptionError
from behavior_learning.inference.boundary import constraint_test
from behavior_learning.inference.clusters import Clusters
from behavior_learning.inference.covariance import CovarianceEstimator, Robust, make_covariance
from behavior_learning.inference.estimation import Convergence
from behavior_learning.inference.fitted import Fitted
from behavior_learning.inference.functions import delta_method, normal_draws, simulated
from behavior_learning.inference.hypotheses import (
    TestResult,
    adjusted_pvalues,
    chi_square_test,
    parse_hypotheses,
)
from behavior_learning.inference.information import NotIdentified
from behavior_learning.inference.posterior import Posterior
from behavior_learning.inference.profile import ProfileInterval, profile_interval, score_interval
from behavior_learning.inference.report import IdentificationReport
from behavior_learning.inference.restricted import likelihood_ratio_test, score_test
from behavior_learning.inference.tables import Estimates, EstimationResults, Summary
from behavior_learning.inference.units import Units, errors_by_term, in_table_units
from behavior_learning.options import check_number
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Monomial

__all__ = ["InferenceResults", "estimated"]


RIDGE_SHIFT = 0.5
"""Standard errors by which the ridge may move a parameter; at so much a 95 % interval covers 92 %."""


@dataclass(frozen=True, repr=False)
class InferenceResults(EstimationResults):
    """Estimates of a behaviour network in canonical form, with standard errors or reasons why there are none.

    Parameters are on standardised columns; `original` has the same in the user's units.

    Attributes
    ----------
    fitted : the optimum and what its errors need.
    estimates : parameters and their covariance.
    not_identified : for each parameter why it has no standard error, or None.
    covariance : how their covariance is estimated.
    local_optima : where searches from several starts ended.
    target : what the parameters are parameters of.
    likelihood : whether the loss is −log p, so that likelihood-ratio tests and information criteria apply.
    weak_prior : whether the likelihood has no finite maximum, so that the estimates are under a weak prior.
    rivals : results of other optima that fit alike, which intervals cover too.
    notes, cautions : what else the user should know of the errors, and of the estimates.
    """

    fitted: Fitted
    estimates: Estimates
    not_identified: pd.Series
    covariance: CovarianceEstimator
    local_optima: pd.DataFrame
    target: str
    likelihood: bool
    units: Units | None = None
    clusters: Clusters | None = None
    seed: int = 0
    draws: int = 500
    weak_prior: bool = False
    rivals: tuple["InferenceResults", ...] = ()
    notes: tuple[str, ...] = field(default=())
    cautions: tuple[str, ...] = field(default=())

    # Estimates.

    @cached_property
    def original(self) -> Estimates:
        """The numbers of `problem_` in the user's units, with errors by the delta method.

        A constraint that is solved for y is divided by the size of y's coefficient, the number ``scale``. Numbers that
        are stated have variance 0.
        """
        if self.units is None:
            return self.estimates
        own = in_table_units(self.estimates, self.fitted, self.units, self._problem)
        return replace(own, others=tuple(rival.original for rival in self.rivals))

    @cached_property
    def _problem(self) -> LearnedProblem | None:
        if self.units is None or self.units.problem is None:
            return None
        with jax.enable_x64(True):
            return self.units.problem(self.fitted.network)

    @property
    def problem_(self) -> LearnedProblem:
        """The problem at these very estimates, in the user's names and units; its numbers are those of `original`.

        Raises
        ------
        OptionError
            If the results are of a network without names and units.
        """
        if self._problem is None:
            raise OptionError("problem_ needs names and units: use the inference() of a fitted estimator.")
        return self._problem

    @property
    def errors_by_term(self) -> dict[tuple[str, int], dict[Monomial, float]]:
        """Standard errors of the coefficients of `problem_`: by block, number of the term in `head_terms`, monomial."""
        return {} if self.units is None else errors_by_term(self.original, self.fitted, self.units, self.problem_)

    def with_covariance(
        self, cov_type: str, *, clusters: object = None, draws: int | None = None, seed: int | None = None
    ) -> "InferenceResults":
        """The same estimates with other standard errors; nothing is searched for again.

        Parameters
        ----------
        cov_type : ``"hessian"``, ``"opg"``, ``"robust"``, ``"clustered"``, ``"bootstrap"``, ``"cluster_bootstrap"``,
            ``"multiplier"`` or ``"jackknife"``.
        clusters : a label per row, or two columns of labels for two-way clustering.
        draws, seed : of the bootstrap.
        """
        options = {
            "clusters": self.clusters if clusters is None else Clusters.of(clusters, self.n),
            "draws": draws or self.draws,
            "seed": self.seed if seed is None else seed,
        }
        return estimated(replace(self, **options), make_covariance(cov_type, **options))

    def posterior(self, *, draws: int | None = None, seed: int | None = None) -> "InferenceResults":
        """The same estimates with intervals from the posterior, by the No-U-Turn Sampler (needs blackjax).

        The prior is the weak one, normal with standard deviation 10 on standardised columns, or that of the ridge.

        Parameters
        ----------
        draws : of each of four chains; where these do not agree, four times as many.

        Raises
        ------
        OptionError
            If the loss is no likelihood, parameters are tied to each other, or blackjax is not installed.
        """
        self.need_likelihood("The posterior", "cov_type='bootstrap'")
        options = {"draws": draws or self.draws, "seed": self.seed if seed is None else seed}
        return estimated(replace(self, **options), Posterior(**options))

    @property
    def cov_type(self) -> str:
        """The short name of the covariance estimator."""
        return self.covariance.name

    # Fit statistics.

    @property
    def n(self) -> int:
        """Rows."""
        return self.fitted.problem.n

    @property
    def convergence(self) -> Convergence:
        return self.fitted.convergence

    @property
    def gradient_norm(self) -> float:
        """Of the mean loss at the estimates."""
        return float(self.fitted.optimum.gradient_norm)

    @property
    def condition_number(self) -> float:
        """Of the information scaled to a unit diagonal."""
        return self.fitted.information.condition_number

    @property
    def degrees_of_freedom(self) -> int:
        """Directions in which p(y|x) can move: parameters less constraints, bounds and unidentified directions."""
        return self.fitted.information.rank

    @property
    def loglikelihood(self) -> float:
        """Σ log p(y|x) in nats, per unit of y as the user measures it; NaN where the loss is no likelihood."""
        return -self.fitted.total * (self.fitted.loss + self._log_scale) if self.likelihood else np.nan

    def row_loglikelihoods(self) -> Float[np.ndarray, " n"]:
        """log p(y|x) of every row, in the units of `loglikelihood`."""
        self.need_likelihood("row_loglikelihoods", "fitted.losses")
        return -self.fitted.losses() - self._log_scale

    @property
    def _log_scale(self) -> float:
        return self.units.log_scale if self.units is not None else 0.0

    @property
    def aic(self) -> float:
        """−2 log L + 2 df."""
        return -2 * self.loglikelihood + 2 * self.degrees_of_freedom

    @property
    def bic(self) -> float:
        """−2 log L + log(n) df."""
        return -2 * self.loglikelihood + np.log(self.fitted.total) * self.degrees_of_freedom

    @cached_property
    def tic(self) -> float:
        """−2 log L + 2 tr(J⁻¹K): Takeuchi's criterion, AIC where the model is right."""
        middle = self.fitted.outer_product() / self.fitted.total
        return -2 * self.loglikelihood + 2 * float(np.trace(self.fitted.information.inverse() @ middle))

    @cached_property
    def identification(self) -> IdentificationReport:
        """Rank, spectrum and weak directions of the information, and what to do about each."""
        return IdentificationReport.of(self.fitted)

    # Tests.

    def wald_test(self, hypotheses: str | Sequence[str] | np.ndarray) -> TestResult:
        """Test linear hypotheses such as ``"a = b"`` or ``"2*a + b = 1, c = 0"`` with this covariance.

        Parameters
        ----------
        hypotheses : labels from `params.index`, or a matrix R for R θ = 0.
        """
        matrix, value = parse_hypotheses(hypotheses, self.params.index)
        involved = self.not_identified[matrix.any(axis=0)].dropna()
        if len(involved):
            label, why = involved.index[0], involved.iloc[0]
            return TestResult.unavailable(f"{label} has no standard error: {why.value}")
        gap, cov = matrix @ self.params.to_numpy() - value, matrix @ np.nan_to_num(self.cov.to_numpy()) @ matrix.T
        return chi_square_test(gap, cov, f"Wald test with {self.covariance.description}.")

    def lr_test(self, hypotheses: str | Sequence[str] | np.ndarray) -> TestResult:
        """Likelihood-ratio test of linear hypotheses: the restricted model is estimated. For models that are right."""
        self.need_likelihood("lr_test", "wald_test or score_test")
        if self.fitted.weight_kind == "sampling" and (self.fitted.weights != 1).any():
            raise OptionError("lr_test is not valid with sampling weights. Use wald_test or score_test.")
        return likelihood_ratio_test(self.fitted, parse_hypotheses(hypotheses, self.params.index))

    def score_test(self, hypotheses: str | Sequence[str] | np.ndarray) -> TestResult:
        """Score (Lagrange multiplier) test of linear hypotheses at the restricted estimate, as robust as `covariance`.

        Source: Boos (1992), the generalised score test.
        """
        covariance = Robust() if self.covariance.resampled else self.covariance
        return score_test(self.fitted, parse_hypotheses(hypotheses, self.params.index), covariance)

    def profile_interval(self, function: str, level: float = 0.95, *, method: str = "likelihood") -> ProfileInterval:
        """All values of a parameter, or of a sum of them such as ``"a - 2*b"``, that a test does not reject.

        It follows the likelihood where that is no parabola; an infinite end says that the data do not bound it.

        Parameters
        ----------
        method : ``"likelihood"``, the likelihood-ratio test, for models that are right; or ``"score"``, the bootstrap
            of scores at the restricted estimate, which is valid where the model is wrong, and for any loss.

        Raises
        ------
        OptionError
            If the loss is no likelihood and `method` needs one.
        """
        if method not in ("likelihood", "score"):
            raise OptionError(f"method must be 'likelihood' or 'score'; got {method!r}.")
        matrix, value = parse_hypotheses(function, self.params.index)
        if len(matrix) != 1 or value.any():
            raise OptionError(f"profile_interval takes one sum of parameters such as 'a - b'; got {function!r}.")
        level = check_number("level", level, below=1.0)
        if method == "score":
            return score_interval(self.fitted, matrix[0], level, self.seed)
        self.need_likelihood("profile_interval", "method='score'")
        return profile_interval(self.fitted, matrix[0], level)

    def constraint_test(
        self, row: str, *, directions: int = 64, draws: int = 2000, seed: int | None = None
    ) -> TestResult:
        """Is this constraint (or utility row) there? A test of λ = 0 that is valid at the boundary.

        Parameters
        ----------
        row : where the row stands, such as ``"inequality"`` or ``"block1.2.inequality"``.
        directions : coefficients tried for the row, which mean nothing if λ = 0.
        draws : simulated values of the statistic.
        """
        return constraint_test(
            self.fitted, row, directions=directions, draws=draws, seed=self.seed if seed is None else seed
        )

    def adjusted_pvalues(self, method: str = "holm") -> pd.Series:
        """P-values of all parameters, adjusted for their number: ``"holm"``, ``"bonferroni"`` or ``"bh"``."""
        return pd.Series(adjusted_pvalues(self.pvalues, method), self.params.index, name=f"{method} p")

    # Functions of the parameters.

    def function(
        self,
        f: Callable[[dict[str, jax.Array]], jax.Array] | Callable[[BehaviorNetwork], jax.Array],
        *,
        of: str = "params",
        level: float = 0.95,
        method: str = "delta",
        draws: int = 2000,
    ) -> pd.DataFrame:
        """Estimate, standard error and interval of any smooth function of the parameters.

        Parameters
        ----------
        f : of a dictionary from labels to numbers (``of="params"``) or of the canonical network (``of="network"``,
            on standardised columns), written with `jax.numpy`; a number or a vector.
        method : ``"delta"`` linearises f; ``"simulation"`` gives quantiles of f at draws from their normal
            distribution, or at the bootstrap draws.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> ibl = bl.BLRegressor(layers=(1,), identifiable=True, max_epochs=20, random_state=0).fit(X[["RM"]], y)
        >>> res = ibl.inference(n_restarts=0)
        >>> ratio = lambda p: p["equality[RM*MEDV]"] / p["equality[MEDV]"]
        >>> res.function(ratio).columns.tolist()
        ['estimate', 'std. error', 'lower', 'upper']
        """
        if of not in ("params", "network") or method not in ("delta", "simulation"):
            raise OptionError("of must be 'params' or 'network', and method 'delta' or 'simulation'.")
        labels, network = list(self.params.index), self.fitted.local.parametrization.network

        def of_theta(theta: jax.Array) -> jax.Array:
            return f(network(theta) if of == "network" else dict(zip(labels, theta, strict=True)))  # pyright: ignore[reportArgumentType]

        theta, cov, known = self.fitted.theta, self.cov.to_numpy(), self.estimates.draws
        with jax.enable_x64(True):
            if method == "delta":
                return delta_method(of_theta, theta, cov, level)
            drawn = normal_draws(theta, cov, draws, self.seed) if known is None else known.to_numpy()
            return simulated(of_theta, theta, cov, level, drawn)

    # Printing.

    def summary(self, level: float = 0.95) -> Summary:
        """Estimates on standardised columns and in the user's units, fit statistics, and what has no error and why."""
        caption = {"On standardised columns": self.estimates.table(level)}
        if self.units is not None:
            caption["In the units of the table, as in the equations of problem_"] = self.original.shown(level)
        return Summary("Inference on a learned optimisation problem", self._facts(), caption, self._notes())

    def __repr__(self) -> str:
        return self.summary().as_text()

    def _repr_html_(self) -> str:
        return self.summary().as_html()

    def _facts(self) -> dict[str, str]:
        l2 = float(self.fitted.problem.l2)
        ridge = {"Ridge": f"l2={l2:g}, a normal prior of standard deviation {l2**-0.5:.3g}"} if l2 else {}
        best, searches = self.local_optima.iloc[0], int(self.local_optima["reached"].sum())
        facts = {
            "Rows": f"{self.n}"
            + ("" if (self.fitted.weights == 1).all() else f", weights sum to {self.fitted.total:g}"),
            "Standard errors": self.covariance.description,
            **ridge,
            "Parameters of": self.target,
            "Search": f"{self.convergence.value} (norm {self.gradient_norm:.1e})",
            "Local optima": f"{int(best['reached'])} of {searches} searches ended in the best of "
            f"{len(self.local_optima)}",
            "Information": f"rank {self.degrees_of_freedom} of {self.fitted.information.tangent_space.shape[1]}, "
            f"condition number {self.condition_number:.3g}",
        }
        if self.likelihood:
            facts["Log-likelihood"] = f"{self.loglikelihood:.2f} nats"
            facts["AIC, BIC, TIC"] = f"{self.aic:.2f}, {self.bic:.2f}, {self.tic:.2f}"
        return facts

    def _notes(self) -> tuple[str, ...]:
        by_reason = [
            (why, [*group.index]) for why, group in self.not_identified.groupby(self.not_identified, sort=False)
        ]
        everything = len(by_reason) == 1 and len(by_reason[0][1]) == len(self.params) > 1
        reasons = [
            f"{'All parameters' if everything else ', '.join(labels)}: no standard error, because {why.value}"
            for why, labels in by_reason
        ]
        if int(self.local_optima["reached"].iloc[0]) == 1 and len(self.local_optima) > 2:
            reasons.append(ONCE_FOUND.format(int(self.local_optima["reached"].sum())))
        if any(str(label).endswith(".multiplier") for label in self.params.index):
            reasons.append(
                "z and P of a multiplier do not say whether its row is there: zero ends its range. "
                "Use .constraint_test(row)."
            )
        return (*reasons, *self.identification.sentences, *self.cautions, *self.notes)

    def need_likelihood(self, what: str, instead: str) -> None:
        """Refuse what only a likelihood has, and name what to use instead."""
        if not self.likelihood:
            raise OptionError(f"{what} compares likelihoods, and this loss is none. Use {instead}.")


def estimated(results: InferenceResults, covariance: CovarianceEstimator) -> InferenceResults:
    """The results with estimates and errors by a covariance estimator.

    Under the weak prior the prior counts as information: J⁻¹(K + P)J⁻¹ with P its share of J, which is the variance of
    the prior where the data say nothing.
    """
    fitted = results.fitted
    information, labels = fitted.information, fitted.local.labels
    with jax.enable_x64(True):
        values, draws, notes = covariance(fitted)
    bread = information.inverse()
    if results.weak_prior and not covariance.posterior:
        values = values + information.ridge / fitted.total * bread @ bread
    errors = np.sqrt(np.diag(values))
    shifted = np.abs(information.ridge * bread @ fitted.theta) > RIDGE_SHIFT * errors
    known = information.not_identified()
    reasons = [why or (NotIdentified.RIDGE if far else None) for why, far in zip(known, shifted, strict=True)]
    if covariance.intervals == "percentile":
        reasons = [NotIdentified.UNMIXED if variance else None for variance in np.isnan(np.diag(values))]
    if fitted.convergence is not Convergence.OPTIMUM:
        reasons = [NotIdentified.UNCONVERGED] * len(labels)
    if results.weak_prior:
        resting = [label for label, why in zip(labels, reasons, strict=True) if why is NotIdentified.RIDGE]
        reasons = [None if why is NotIdentified.RIDGE else why for why in reasons]
        notes = (*notes, WEAKLY_KNOWN.format(f"; {', '.join(resting)} rest on it" if resting else ""))
    hidden = np.array([why is not None for why in reasons], bool)
    values[hidden] = values[:, hidden] = np.nan
    rivals = tuple(estimated(rival, covariance) for rival in results.rivals)
    if rivals:
        alike = f"{len(rivals) + 1} optima fit alike (log-likelihoods within 1.92): intervals cover all of them."
        notes = (*notes, alike)
    estimates = replace(
        Estimates.of(labels, fitted.theta, values, draws),
        intervals=covariance.intervals,
        others=tuple(rival.estimates for rival in rivals),
    )
    not_identified = pd.Series(reasons, estimates.params.index, dtype=object, name="not identified")
    return replace(
        results,
        estimates=estimates,
        covariance=covariance,
        not_identified=not_identified,
        notes=notes,
        rivals=rivals,
    )


ONCE_FOUND = (
    "One search of {} ended in the best optimum: a better one may exist, with numbers far from these, and errors are "
    "those of this one. Search again with n_restarts=50."
)

WEAKLY_KNOWN = (
    "The likelihood has no finite maximum near the best fit, as where a tanh is nearly linear. Estimates are under a "
    "weak normal prior of standard deviation 10 on standardised columns, whose information counts in the errors{}."
)
