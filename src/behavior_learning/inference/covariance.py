"""Covariance of the estimates, one class per estimator: inverse Hessian, sandwich, clustered, bootstrap, jackknife.

Source: Theorem B.9 and B.10, √n(θ̂ − θ) → N(0, J⁻¹ K J⁻¹).
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from behavior_learning.errors import FewClustersWarning, OptionError
from behavior_learning.inference.clusters import Clusters
from behavior_learning.inference.fitted import Fitted
from behavior_learning.inference.information import Information
from behavior_learning.inference.problem import cluster_scores
from behavior_learning.inference.resampling import (
    Refits,
    one_step_jackknife,
    refit,
    refits_of,
    resampling_weights,
    score_draws,
)

__all__ = [
    "COV_TYPES",
    "Bootstrap",
    "ClusterBootstrap",
    "Clustered",
    "Covariance",
    "CovarianceEstimator",
    "Hessian",
    "Jackknife",
    "Multiplier",
    "OuterProduct",
    "Robust",
    "clustered",
    "make_covariance",
    "of_refits",
    "sandwich",
]


class Covariance(NamedTuple):
    """A covariance of estimates.

    Attributes
    ----------
    draws : estimates behind it, where it was resampled.
    notes : what the user should know of them.
    """

    matrix: Float[np.ndarray, "p p"]
    draws: Float[np.ndarray, "draws p"] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CovarianceEstimator(ABC):
    """How the covariance of an M-estimate is estimated.

    With frequency weights a row of weight 3 stands for three equal rows. With sampling weights a row stands for its
    share of the population: estimates solve the weighted equation, and only robust estimators are valid.

    Attributes
    ----------
    name : the short name that selects it.
    description : how it is printed.
    robust : whether it is valid where the model is wrong.
    resampled : whether it needs draws or refits, so that it exists at the optimum only.
    posterior : whether a ridge counts in it as a prior.
    intervals : ``"normal"``, or ``"percentile"`` where draws say more than a standard error.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    robust: ClassVar[bool] = True
    resampled: ClassVar[bool] = False
    posterior: ClassVar[bool] = False
    intervals: ClassVar[str] = "normal"

    def __call__(self, fitted: Fitted) -> Covariance:
        """The covariance of the estimates; inside `jax.enable_x64`.

        Raises
        ------
        OptionError
            If it is not valid with the weights of the rows.
        """
        if fitted.weight_kind == "sampling" and not self.robust:
            raise OptionError(
                f"cov_type={self.name!r} is not valid with sampling weights. Use 'robust' or 'clustered'."
            )
        return self.estimate(fitted)

    @abstractmethod
    def estimate(self, fitted: Fitted) -> Covariance:
        """The covariance of the estimates."""


class Hessian(CovarianceEstimator):
    """J⁻¹/n."""

    name = "hessian"
    description = "inverse Hessian (valid where the model is right)"
    robust = False
    posterior = True

    def estimate(self, fitted: Fitted) -> Covariance:
        return Covariance(fitted.information.inverse() / fitted.total)


class OuterProduct(CovarianceEstimator):
    """K⁻¹/n, the outer product of gradients."""

    name = "opg"
    description = "outer product of scores (valid where the model is right)"
    robust = False

    def estimate(self, fitted: Fitted) -> Covariance:
        information, total = fitted.information, fitted.total
        middle = fitted.outer_product() / total
        outer_product = Information(information.labels, middle, information.tangent_space, information.bounded)
        return Covariance(outer_product.inverse() / total)


class Robust(CovarianceEstimator):
    """J⁻¹ K J⁻¹/n, the sandwich."""

    name = "robust"
    description = "sandwich (Godambe; valid where the model is wrong, for its pseudo-true parameters)"

    def estimate(self, fitted: Fitted) -> Covariance:
        return sandwich(fitted, fitted.outer_product(2 if fitted.weight_kind == "sampling" else 1))


@dataclass(frozen=True)
class Clustered(CovarianceEstimator):
    """The sandwich around Σ_g s_g s_gᵀ·G/(G − 1), and for two ways the sum of both less that of their intersection.

    Source: Liang and Zeger (1986); Cameron, Gelbach and Miller (2011), whose repair of a difference that is not
    positive semidefinite (negative eigenvalues become zero) is used too.
    """

    clusters: Clusters

    name = "clustered"
    description = "sandwich over clusters (rows of a cluster may depend on each other)"

    def estimate(self, fitted: Fitted) -> Covariance:
        ways = (
            self.clusters.codes if len(self.clusters.codes) == 1 else (*self.clusters.codes, self.clusters.intersection)
        )
        scores = (
            _cluster_scores(fitted.problem, jnp.asarray(fitted.theta), jnp.asarray(codes), int(codes.max()) + 1)
            for codes in ways
        )
        return clustered(fitted, [np.asarray(own) for own in scores])


def clustered(fitted: Fitted, sums: Sequence[Float[np.ndarray, "clusters p"]]) -> Covariance:
    """The clustered sandwich from scores summed by cluster: one way, or both of two ways and their intersection."""
    warn_of_few_clusters(min(map(len, sums)), fitted.information.rank)
    first, *others = (own.T @ own * len(own) / (len(own) - 1) for own in sums)
    if not others:
        return sandwich(fitted, first)
    second, intersection = others
    values, vectors = np.linalg.eigh(first + second - intersection)
    return sandwich(fitted, (vectors * np.maximum(values, 0)) @ vectors.T)


@dataclass(frozen=True)
class Bootstrap(CovarianceEstimator):
    """Refits to rows drawn with replacement."""

    draws: int = 500
    seed: int = 0

    name = "bootstrap"
    description = "bootstrap of rows (refits)"
    resampled = True

    def estimate(self, fitted: Fitted) -> Covariance:
        return _of_refits(fitted, self.seed, self.draws)


@dataclass(frozen=True)
class ClusterBootstrap(CovarianceEstimator):
    """Refits to whole clusters drawn with replacement."""

    clusters: Clusters
    draws: int = 500
    seed: int = 0

    name = "cluster_bootstrap"
    description = "bootstrap of clusters (refits)"
    resampled = True

    def estimate(self, fitted: Fitted) -> Covariance:
        return _of_refits(fitted, self.seed, self.draws, self.clusters)


@dataclass(frozen=True)
class Multiplier(CovarianceEstimator):
    """Scores with random signs, those of a cluster together."""

    clusters: Clusters | None = None
    draws: int = 500
    seed: int = 0

    name = "multiplier"
    description = "multiplier bootstrap of scores (no refits)"
    resampled = True

    def estimate(self, fitted: Fitted) -> Covariance:
        rng, bread = np.random.default_rng(self.seed), fitted.information.inverse()
        drawn = score_draws(rng, fitted.scores(), bread, fitted.theta, fitted.weights, self.draws, self.clusters)
        return Covariance(np.cov(drawn.T).reshape(drawn.shape[1], -1), drawn)


class Jackknife(CovarianceEstimator):
    """One Newton step per row that is left out."""

    name = "jackknife"
    description = "jackknife (one Newton step per row left out)"
    resampled = True

    def estimate(self, fitted: Fitted) -> Covariance:
        bread, sampling = fitted.information.inverse(), fitted.weight_kind == "sampling"
        return Covariance(one_step_jackknife(fitted.problem, fitted.theta, bread, fitted.weights, sampling=sampling))


COV_TYPES: dict[str, type[CovarianceEstimator]] = {
    estimator.name: estimator
    for estimator in (Robust, Hessian, OuterProduct, Clustered, Bootstrap, ClusterBootstrap, Multiplier, Jackknife)
}
"""Covariance estimators by the short name that `cov_type=` takes."""


def make_covariance(cov_type: str, **options: Any) -> CovarianceEstimator:
    """The covariance estimator of a short name, with those of the options that it has.

    Raises
    ------
    OptionError
        If the name is unknown, it needs clusters and there are none, or draws them and they are of two ways.

    Examples
    --------
    >>> make_covariance("bootstrap", draws=200, seed=1, clusters=None)
    Bootstrap(draws=200, seed=1)
    """
    if cov_type not in COV_TYPES:
        raise OptionError(f"cov_type must be one of {', '.join(map(repr, COV_TYPES))}; got {cov_type!r}.")
    estimator = COV_TYPES[cov_type]
    own = {field.name: options[field.name] for field in fields(estimator) if field.name in options}
    if any(field.default is MISSING and own.get(field.name) is None for field in fields(estimator)):
        raise OptionError(f"cov_type={cov_type!r} needs clusters=, a label for every row.")
    clusters = own.get("clusters")
    if estimator.resampled and clusters is not None and len(clusters.codes) > 1:
        raise OptionError(
            f"cov_type={cov_type!r} draws clusters of one kind, and clusters has two columns. Pass one, or use "
            "cov_type='clustered'."
        )
    return estimator(**own)


def sandwich(fitted: Fitted, middle: Float[np.ndarray, "p p"]) -> Covariance:
    bread = fitted.information.inverse()
    return Covariance(bread @ middle @ bread / fitted.total**2)


def warn_of_few_clusters(count: int, parameters: int) -> None:
    if count < parameters:
        warnings.warn(
            f"There are {count} clusters for {parameters} free parameters: clustered errors are too small. Use "
            "cov_type='robust', a smaller model, or finer clusters.",
            FewClustersWarning,
            stacklevel=3,
        )


def _of_refits(fitted: Fitted, seed: int, draws: int, clusters: Clusters | None = None) -> Covariance:
    """The covariance of refits to resampled rows."""
    sampling, rng = fitted.weight_kind == "sampling", np.random.default_rng(seed)
    replicates = resampling_weights(rng, fitted.weights, draws, sampling=sampling, clusters=clusters)
    arrays = (jnp.asarray(numbers) for numbers in (fitted.theta, fitted.local.signs, replicates))
    return of_refits(refits_of(*refit(fitted.problem, *arrays)))


def of_refits(refits: Refits, notes: tuple[str, ...] = ()) -> Covariance:
    """The covariance of refits, those that did not converge left aside."""
    kept, (draws, p) = refits.theta[refits.converged], refits.theta.shape
    if len(kept) < draws:
        notes = (*notes, f"{draws - len(kept)} of {draws} bootstrap refits did not converge and are omitted.")
    if len(kept) < 2:
        return Covariance(np.full((p, p), np.nan), None, notes)
    return Covariance(np.cov(kept.T).reshape(p, -1), kept, notes)


_cluster_scores = eqx.filter_jit(cluster_scores)
