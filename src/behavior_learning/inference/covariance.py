"""Covariance of the estimates: inverse Hessian, outer product, sandwich, clustered in one or two ways.

Source: Theorem B.9 and B.10, √n(θ̂ − θ) → N(0, J⁻¹ K J⁻¹).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from behavior_learning.errors import DataError, OptionError
from behavior_learning.inference.information import Information
from behavior_learning.inference.problem import Problem, cluster_scores, outer

__all__ = ["ANALYTIC", "KINDS", "RESAMPLED", "Kind", "WeightKind", "analytic_covariance", "cluster_codes"]

Kind = Literal["hessian", "opg", "robust", "clustered", "bootstrap", "cluster_bootstrap", "multiplier", "jackknife"]
WeightKind = Literal["frequency", "sampling"]

ANALYTIC = {
    "hessian": "inverse Hessian (valid where the model is right)",
    "opg": "outer product of scores (valid where the model is right)",
    "robust": "sandwich (Godambe; valid where the model is wrong, for its pseudo-true parameters)",
    "clustered": "sandwich over clusters (rows of a cluster may depend on each other)",
}
"""Kinds of covariance that need no refits, and how they are printed."""

RESAMPLED = {
    "bootstrap": "bootstrap of rows (refits)",
    "cluster_bootstrap": "bootstrap of clusters (refits)",
    "multiplier": "multiplier bootstrap of scores (no refits)",
    "jackknife": "jackknife (one Newton step per row left out)",
}

KINDS = {**ANALYTIC, **RESAMPLED}


@dataclass(frozen=True)
class Clusters:
    """Which cluster each row belongs to.

    Attributes
    ----------
    codes : one array of codes 0 … count − 1 per way of clustering; one or two.
    """

    codes: tuple[np.ndarray, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(int(codes.max()) + 1 for codes in self.codes)


def cluster_codes(clusters: Any, rows: int) -> Clusters:
    """Read cluster labels: one column, or two for two-way clustering.

    Raises
    ------
    DataError
        If there are not as many labels as rows, some are missing, or there are fewer than two clusters.
    """
    table = pd.DataFrame(clusters) if not isinstance(clusters, pd.DataFrame) else clusters
    if len(table) != rows or table.shape[1] not in (1, 2):
        raise DataError(
            f"clusters needs one or two columns with a label for each of {rows} rows; got shape {table.shape}."
        )
    if table.isna().to_numpy().any():
        raise DataError("clusters has missing labels. Give every row a cluster, or drop the row.")
    codes = tuple(pd.factorize(table.iloc[:, j])[0].astype(np.int32) for j in range(table.shape[1]))
    if min(int(c.max()) + 1 for c in codes) < 2:
        raise DataError("clusters has one cluster only; clustered errors need several, and many to be reliable.")
    return Clusters(codes)


def analytic_covariance(
    problem: Problem,
    theta: Float[np.ndarray, " p"],
    information: Information,
    kind: str,
    *,
    weight_kind: WeightKind = "frequency",
    clusters: Clusters | None = None,
) -> Float[np.ndarray, "p p"]:
    """Covariance matrix of θ̂.

    With frequency weights a row of weight 3 stands for three equal rows. With sampling weights a row stands for its
    share of the population: estimates solve the weighted equation, and only sandwich kinds are valid.

    Raises
    ------
    OptionError
        If the kind does not go with the weights, or needs clusters that are not given.
    """
    if weight_kind == "sampling" and kind in ("hessian", "opg"):
        raise OptionError(f"covariance={kind!r} is not valid with sampling weights. Use 'robust' or 'clustered'.")
    bread, total = information.inverse(), float(problem.total)
    point = jnp.asarray(theta)
    if kind == "hessian":
        return bread / total
    if kind == "opg":
        middle = np.asarray(_outer(problem, point, 1)) / total
        return Information(information.labels, middle, information.tangent_space, information.bounded).inverse() / total
    if kind == "robust":
        middle = np.asarray(_outer(problem, point, 2 if weight_kind == "sampling" else 1))
    elif clusters is None:
        raise OptionError(f"covariance={kind!r} needs clusters=, a label for every row.")
    else:
        middle = clustered_middle(problem, point, clusters)
    return bread @ middle @ bread / total**2


def clustered_middle(problem: Problem, theta: Float[jnp.ndarray, " p"], clusters: Clusters) -> np.ndarray:
    """Σ_g s_g s_gᵀ·G/(G − 1), and for two ways the sum of both less that of their intersection.

    Source: Liang and Zeger (1986); Cameron, Gelbach and Miller (2011), whose repair of a difference that is not
    positive semidefinite (negative eigenvalues become zero) is used too.
    """
    if len(clusters.codes) == 1:
        return _one_way(problem, theta, clusters.codes[0])
    first, second = clusters.codes
    both = pd.factorize(first.astype(np.int64) * (int(second.max()) + 1) + second)[0].astype(np.int32)
    middle = sum(sign * _one_way(problem, theta, codes) for sign, codes in ((1, first), (1, second), (-1, both)))
    values, vectors = np.linalg.eigh(middle)
    return (vectors * np.maximum(values, 0)) @ vectors.T


def _one_way(problem: Problem, theta: Float[jnp.ndarray, " p"], codes: np.ndarray) -> np.ndarray:
    count = int(codes.max()) + 1
    sums = np.asarray(_cluster_scores(problem, theta, jnp.asarray(codes), count))
    return sums.T @ sums * count / (count - 1)


_outer = eqx.filter_jit(outer)
_cluster_scores = eqx.filter_jit(cluster_scores)


def check_kind(kind: str, valid: Sequence[str] = tuple(KINDS)) -> str:
    """Refuse an unknown kind of covariance.

    Raises
    ------
    OptionError
        If it is none of the valid ones.
    """
    if kind not in valid:
        raise OptionError(f"covariance must be one of {', '.join(map(repr, valid))}; got {kind!r}.")
    return kind
