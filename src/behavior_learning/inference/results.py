"""What inference returns: estimates with errors, tests, and the reasons where there is no number.

Source: Theorem B.9 (asymptotic normality) and B.10 (efficiency) of the paper, at the optimum of the plain loss.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import chi2, norm

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import OptionError
from behavior_learning.inference.boundary import constraint_test
from behavior_learning.inference.covariance import (
    ANALYTIC,
    KINDS,
    Clusters,
    analytic_covariance,
    check_kind,
    cluster_codes,
)
from behavior_learning.inference.estimation import Convergence
from behavior_learning.inference.fitted import Fitted, numbers_of
from behavior_learning.inference.hypotheses import (
    TestResult,
    adjusted_pvalues,
    chi_square_test,
    parse_hypotheses,
)
from behavior_learning.inference.information import Refusal
from behavior_learning.inference.kinds import covariance_of
from behavior_learning.inference.problem import gradient, hessian
from behavior_learning.inference.report import IdentificationReport
from behavior_learning.inference.tables import Estimates, Summary

__all__ = ["InferenceResults", "Units", "estimated"]


RIDGE_SHIFT = 0.5
"""Standard errors by which the ridge may move a parameter; at so much a 95 % interval covers 92 %."""


@dataclass(frozen=True)
class Units:
    """The user's units: labels and a linear map from all numbers of the canonical network.

    Attributes
    ----------
    labels : of the numbers in the user's units.
    matrix : from the numbers of the network, in the order of `network.weights`.
    log_scale : logarithm of the unit of y; densities per unit of y are smaller by it.
    """

    labels: tuple[str, ...]
    matrix: Float[np.ndarray, "q numbers"]
    log_scale: float = 0.0


@dataclass(frozen=True)
class InferenceResults:
    """Estimates of a behaviour network in canonical form, with standard errors that hold or are refused.

    Parameters are on standardised columns; `original` has the same in the user's units.

    Attributes
    ----------
    fitted : the optimum and what its errors need.
    estimates : parameters and their covariance.
    refusals : for each parameter why it has no standard error, or None.
    covariance : the kind of covariance.
    basins : where searches from several starts ended.
    target : what the parameters are parameters of.
    likelihood : whether the loss is −log p, so that likelihood-ratio tests and information criteria apply.
    notes, cautions : what else the user should know of the errors, and of the estimates.
    """

    fitted: Fitted
    estimates: Estimates
    refusals: pd.Series
    covariance: str
    basins: pd.DataFrame
    target: str
    likelihood: bool
    units: Units | None = None
    clusters: Clusters | None = None
    seed: int = 0
    draws: int = 500
    notes: tuple[str, ...] = field(default=())
    cautions: tuple[str, ...] = field(default=())

    # Estimates.

    @property
    def params(self) -> pd.Series:
        """Canonical parameters on standardised columns."""
        return self.estimates.params

    @property
    def cov(self) -> pd.DataFrame:
        """Covariance of `params`; NaN where it is refused."""
        return self.estimates.cov

    @property
    def bse(self) -> pd.Series:
        """Standard errors of `params`; NaN where they are refused, see `refusals`."""
        return self.estimates.bse

    @property
    def zvalues(self) -> pd.Series:
        return self.estimates.zvalues

    @property
    def pvalues(self) -> pd.Series:
        return self.estimates.pvalues

    def conf_int(self, level: float = 0.95, method: str = "normal") -> pd.DataFrame:
        """Confidence intervals of `params`; `method="percentile"` uses bootstrap draws."""
        return self.estimates.conf_int(level, method)

    @cached_property
    def original(self) -> Estimates:
        """The parameters in the user's units, by the delta method (exact: they are linear in `params`)."""
        if self.units is None:
            return self.estimates
        learned = np.asarray(self.fitted.local.parametrization.learned)
        matrix, numbers = self.units.matrix, numbers_of(self.fitted.network)
        given = np.delete(matrix, learned, axis=1) @ np.delete(numbers, learned)
        used = (matrix[:, learned] != 0).any(axis=1)
        labels = [label for label, kept in zip(self.units.labels, used, strict=True) if kept]
        return self.estimates.transformed(labels, matrix[np.ix_(used, learned)], given[used])

    def with_covariance(
        self, covariance: str, *, clusters: object = None, draws: int | None = None, seed: int | None = None
    ) -> "InferenceResults":
        """The same estimates with another kind of standard error; nothing is searched for again.

        Parameters
        ----------
        covariance : ``"hessian"``, ``"opg"``, ``"robust"``, ``"clustered"``, ``"bootstrap"``, ``"cluster_bootstrap"``,
            ``"multiplier"`` or ``"jackknife"``.
        clusters : a label per row, or two columns of labels for two-way clustering.
        draws, seed : of the bootstrap.
        """
        groups = self.clusters if clusters is None else cluster_codes(clusters, self.n)
        return estimated(
            replace(self, clusters=groups, draws=draws or self.draws, seed=self.seed if seed is None else seed),
            covariance,
        )

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
        """Directions in which the law can move: parameters less ties, bounds and unidentified directions."""
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
        s, w = self.fitted.scores(), self.fitted.weights
        middle = (s * w[:, None]).T @ s / self.fitted.total
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
        involved = [self.refusals.index[i] for i in np.flatnonzero(matrix.any(axis=0)) if self.refusals.iloc[i]]
        if involved:
            return _refused(involved[0], self.refusals[involved[0]])
        covariance = matrix @ np.nan_to_num(self.cov.to_numpy()) @ matrix.T
        return chi_square_test(
            matrix @ self.params.to_numpy() - value, covariance, f"Wald test with {KINDS[self.covariance]}."
        )

    def lr_test(self, hypotheses: str | Sequence[str] | np.ndarray) -> TestResult:
        """Likelihood-ratio test of linear hypotheses: the restricted model is estimated. For models that are right."""
        self.need_likelihood("lr_test", "wald_test or score_test")
        if self.fitted.weight_kind == "sampling" and (self.fitted.weights != 1).any():
            raise OptionError("lr_test is not valid with sampling weights. Use wald_test or score_test.")
        matrix, value = parse_hypotheses(hypotheses, self.params.index)
        _, restricted = self.fitted.restricted(matrix, value)
        statistic = 2 * self.fitted.total * (float(restricted.loss) - float(self.fitted.optimum.loss))
        if float(restricted.gradient_norm) > 1e-6 or self.convergence is not Convergence.OPTIMUM:
            return TestResult(np.nan, None, np.nan, "refused", Refusal.UNCONVERGED.value)
        df = int(np.linalg.matrix_rank(matrix))
        return TestResult(statistic, df, float(chi2.sf(statistic, df)), "chi-square", "Likelihood-ratio test.")

    def score_test(self, hypotheses: str | Sequence[str] | np.ndarray) -> TestResult:
        """Score (Lagrange multiplier) test of linear hypotheses at the restricted estimate, as robust as `covariance`.

        Source: Boos (1992), the generalised score test.
        """
        matrix, value = parse_hypotheses(hypotheses, self.params.index)
        theta, restricted = self.fitted.restricted(matrix, value)
        if float(restricted.gradient_norm) > 1e-6:
            return TestResult(np.nan, None, np.nan, "refused", Refusal.UNCONVERGED.value)
        with jax.enable_x64(True):
            return _score_test(self, matrix, theta)

    def constraint_test(
        self, row: str, *, directions: int = 400, draws: int = 2000, seed: int | None = None
    ) -> TestResult:
        """Is this constraint (or utility row) there? A test of λ = 0 that is valid at the boundary.

        Parameters
        ----------
        row : where the row stands, such as ``"layer1.block1.inequality"``.
        directions : coefficients tried for the row, which mean nothing if λ = 0.
        draws : simulated laws of the statistic.
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
        method : ``"delta"`` linearises f; ``"simulation"`` draws parameters from their normal law (or takes the
            bootstrap draws) and gives quantiles.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> ibl = bl.BLRegressor(layers=(1,), identifiable=True, max_epochs=20, random_state=0).fit(X[["RM"]], y)
        >>> res = ibl.inference(restarts=0)
        >>> ratio = lambda p: p["layer1.block1.equality.coef[RM*MEDV]"] / p["layer1.block1.equality.coef[MEDV]"]
        >>> res.function(ratio).columns.tolist()
        ['estimate', 'std. error', 'lower', 'upper']
        """
        labels = list(self.params.index)
        if of not in ("params", "network") or method not in ("delta", "simulation"):
            raise OptionError("of must be 'params' or 'network', and method 'delta' or 'simulation'.")
        inner = (
            self.fitted.local.parametrization.network
            if of == "network"
            else lambda t: dict(zip(labels, t, strict=True))
        )
        with jax.enable_x64(True):
            g = jax.jit(lambda theta: jnp.atleast_1d(f(inner(theta))))  # pyright: ignore[reportArgumentType]
            theta = jnp.asarray(self.fitted.theta)
            value, slope = np.asarray(g(theta)), np.asarray(jax.jacfwd(g)(theta))
            known = self.cov.to_numpy()
            refused = np.isnan(np.diag(known))
            spoiled = (np.abs(slope[:, refused]) > 0).any(axis=1)
            variance = np.einsum("ij,jk,ik->i", slope, np.nan_to_num(known), slope)
            errors = np.where(spoiled, np.nan, np.sqrt(np.maximum(variance, 0)))
            if method == "delta":
                half = norm.ppf((1 + level) / 2) * errors
                low, high = value - half, value + half
            else:
                simulated = np.asarray(jax.vmap(g)(jnp.asarray(self._simulated(draws))))
                errors = np.where(spoiled, np.nan, simulated.std(axis=0, ddof=1))
                low, high = np.where(
                    spoiled, np.nan, np.quantile(simulated, [(1 - level) / 2, (1 + level) / 2], axis=0)
                )
        return pd.DataFrame({"estimate": value, "std. error": errors, "lower": low, "upper": high})

    def _simulated(self, draws: int) -> Float[np.ndarray, "draws p"]:
        if self.estimates.draws is not None:
            return self.estimates.draws.to_numpy()
        values, vectors = np.linalg.eigh(np.nan_to_num(self.cov.to_numpy()))
        normal = np.random.default_rng(self.seed).standard_normal((draws, len(values)))
        return self.fitted.theta + normal * np.sqrt(np.maximum(values, 0)) @ vectors.T

    # Printing.

    def summary(self, level: float = 0.95) -> Summary:
        """Estimates on standardised columns and in the user's units, fit statistics, and what was refused and why."""
        caption = {"On standardised columns": self.estimates.table(level)}
        if self.units is not None:
            caption["In the units of the table"] = self.original.table(level)
        return Summary("Inference on a learned optimisation problem", self._facts(), caption, self._notes())

    def __str__(self) -> str:
        return str(self.summary())

    def _facts(self) -> dict[str, str]:
        alpha = float(self.fitted.problem.ridge)
        ridge = {"Ridge": f"alpha={alpha:g}, a normal prior of standard deviation {alpha**-0.5:.3g}"} if alpha else {}
        facts = {
            "Rows": f"{self.n}"
            + ("" if (self.fitted.weights == 1).all() else f", weights sum to {self.fitted.total:g}"),
            "Standard errors": KINDS[self.covariance],
            **ridge,
            "Parameters of": self.target,
            "Search": f"{self.convergence.value} (norm {self.gradient_norm:.1e})",
            "Basins": _basins_sentence(self.basins),
            "Information": f"rank {self.degrees_of_freedom} of {self.fitted.information.tangent_space.shape[1]}, "
            f"condition number {self.condition_number:.3g}",
        }
        if self.likelihood:
            facts["Log-likelihood"] = f"{self.loglikelihood:.2f} nats"
            facts["AIC, BIC, TIC"] = f"{self.aic:.2f}, {self.bic:.2f}, {self.tic:.2f}"
        return facts

    def _notes(self) -> tuple[str, ...]:
        refused = _refusal_sentences(self.refusals)
        if any(str(label).endswith(".multiplier") for label in self.params.index):
            refused.append(
                "z and P of a multiplier do not say whether its row is there: zero ends its range. "
                "Use .constraint_test(row)."
            )
        return (*refused, *self.identification.sentences, *self.cautions, *self.notes)

    def need_likelihood(self, what: str, instead: str) -> None:
        """Refuse what only a likelihood has, and name what to use instead."""
        if not self.likelihood:
            raise OptionError(f"{what} compares likelihoods, and this loss is none. Use {instead}.")


def _basins_sentence(basins: pd.DataFrame) -> str:
    best, searches = basins.iloc[0], int(basins["reached"].sum())
    return f"{int(best['reached'])} of {searches} searches ended in the best of {len(basins)}"


def _refusal_sentences(refusals: pd.Series) -> list[str]:
    """One sentence for each reason, and the parameters it holds for."""
    labels = lambda why: refusals.index[[other is why for other in refusals]]
    who = lambda named: "All parameters" if len(named) == len(refusals) > 1 else ", ".join(named)
    reasons = dict.fromkeys(why for why in refusals if why)
    return [f"{who(labels(why))}: no standard error, because {why.value}" for why in reasons]


def _refused(label: str, why: Refusal) -> TestResult:
    return TestResult(np.nan, None, np.nan, "refused", f"{label} has no standard error: {why.value}")


def estimated(results: InferenceResults, covariance: str) -> InferenceResults:
    """The results with estimates and covariance of a kind."""
    fitted, kind = results.fitted, check_kind(covariance)
    information, labels = fitted.information, fitted.local.labels
    with jax.enable_x64(True):
        values, draws, notes = covariance_of(
            fitted, kind, clusters=results.clusters, draws=results.draws, seed=results.seed
        )
    refusals = information.refusals()
    shifted = np.abs(information.ridge * information.inverse() @ fitted.theta) > RIDGE_SHIFT * np.sqrt(np.diag(values))
    refusals = [why or (Refusal.RIDGE if far else None) for why, far in zip(refusals, shifted, strict=True)]
    if fitted.convergence is not Convergence.OPTIMUM:
        refusals = [Refusal.UNCONVERGED] * len(labels)
    hidden = np.array([why is not None for why in refusals], bool)
    values[hidden] = values[:, hidden] = np.nan
    estimates = Estimates.of(labels, fitted.theta, values, draws)
    return replace(
        results,
        estimates=estimates,
        covariance=kind,
        refusals=pd.Series(refusals, estimates.params.index, dtype=object, name="refused"),
        notes=notes,
    )


def _score_test(results: InferenceResults, matrix: np.ndarray, theta: np.ndarray) -> TestResult:
    fitted = results.fitted
    point = jnp.asarray(theta)
    curvature = np.asarray(_hessian(fitted.problem, point))
    information = replace(fitted.information, hessian=curvature)
    slope = np.asarray(_gradient(fitted.problem, point)[1])
    kind = results.covariance if results.covariance in ANALYTIC else "robust"
    covariance = analytic_covariance(
        fitted.problem, theta, information, kind, weight_kind=fitted.weight_kind, clusters=results.clusters
    )
    gap = matrix @ information.inverse() @ slope
    return chi_square_test(gap, matrix @ covariance @ matrix.T, f"Score test with {ANALYTIC[kind]}.")


_gradient, _hessian = eqx.filter_jit(gradient), eqx.filter_jit(hessian)
