"""The optimum of rows that are not held in memory, and its errors: sums over chunks of rows, whatever the chunks.

A search on a sample ends a few steps from the optimum of all rows, and its Hessian serves for these steps: each takes
one pass for the loss and its gradient. A last pass sums the Hessian, outer products of scores, and scores by cluster,
whose rows may stand anywhere; a bootstrap takes further ones.

Source: Theorem B.9 and B.10; Liang and Zeger (1986) for clusters.
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from behavior_learning.errors import DataError, OptionError
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import LocalParameters
from behavior_learning.inference.covariance import (
    Clustered,
    Covariance,
    CovarianceEstimator,
    clustered,
    make_covariance,
)
from behavior_learning.inference.estimation import AIM, Optimum, status_of
from behavior_learning.inference.fitted import Fitted, information_at
from behavior_learning.inference.passes import MOST_PASSES, Blocks, Searched, of_block, search_by_passes
from behavior_learning.inference.poisson import Resampling, poisson_bootstrap
from behavior_learning.inference.problem import all_sums, gradient_sums
from behavior_learning.inference.results import InferenceResults, estimated
from behavior_learning.mesh import gathered, total

__all__ = ["SUMMED", "infer_stream"]

SUMMED = ("robust", "hessian", "opg", "clustered", "bootstrap", "cluster_bootstrap")
"""Covariances that need no more than sums over rows."""


class Unheld:
    """Stands for the rows of a stream where something asks for them."""

    def __init__(self, n: int, l2: float):
        self.n, self.l2 = n, l2

    def __getattr__(self, name: str) -> Any:
        raise OptionError(
            "This needs the rows in memory, and these are of a stream, of which sums are kept. Ask it of "
            "inference(X, y) on a table, such as a sample of the rows."
        )


@dataclass(frozen=True)
class StreamFitted(Fitted):
    """An M-estimate of which sums over the rows are kept instead of the rows.

    Attributes
    ----------
    rows_total : Σw.
    mean_loss : of the rows, without the ridge.
    outer_products : Σ w^power ∇ℓ ∇ℓᵀ by power.
    """

    rows_total: float = 0.0
    mean_loss: float = 0.0
    outer_products: tuple[Float[np.ndarray, "p p"], ...] = ()

    @property
    def total(self) -> float:
        return self.rows_total

    @property
    def loss(self) -> float:
        return self.mean_loss

    def outer_product(self, power: int = 1) -> Float[np.ndarray, "p p"]:
        return self.outer_products[power - 1]


@dataclass(frozen=True)
class ClusteredSums(CovarianceEstimator):
    """The clustered sandwich from the scores of a stream.

    Attributes
    ----------
    sums : of scores by cluster, one array for each way, and of two their intersection.
    """

    sums: tuple[Float[np.ndarray, "clusters p"], ...]

    name = Clustered.name
    description = Clustered.description

    def estimate(self, fitted: Fitted) -> Covariance:
        return clustered(fitted, self.sums)


class ByCluster:
    """Sums of scores by cluster, whatever the order of the rows."""

    def __init__(self, parameters: int):
        self.known, self.sums = pd.Index([], dtype=object), np.zeros((0, parameters))

    def add(self, labels: np.ndarray, sums: Float[np.ndarray, "labels p"]) -> None:
        new = pd.unique(labels[self.known.get_indexer(labels) < 0])
        self.known = self.known.append(pd.Index(new, dtype=object))
        self.sums = np.concatenate([self.sums, np.zeros((len(new), self.sums.shape[1]))])
        np.add.at(self.sums, self.known.get_indexer(labels), sums)

    def with_others(self) -> "ByCluster":
        """Those of all processes."""
        whole = ByCluster(self.sums.shape[1])
        for labels, sums in gathered((self.known.to_numpy(), self.sums)):
            whole.add(labels, sums)
        return whole


def infer_stream(
    sample: InferenceResults, blocks: Blocks, *, cov_type: str, ways: int, rows: int, weight: float
) -> InferenceResults:
    """Inference on all rows of a stream, from that on a sample of them; inside `jax.enable_x64`.

    Parameters
    ----------
    sample : whose optimum the search begins at, and whose options it keeps.
    blocks : all rows once, each time it is called.
    cov_type : one of `SUMMED`.
    ways : of clustering; 0, 1 or 2, and 1 where clusters are drawn.
    rows, weight : how many rows count, and the sum of their weights.

    Raises
    ------
    DataError
        If there is one cluster only.
    """
    fitted = sample.fitted
    sampling, l2 = fitted.weight_kind == "sampling", float(fitted.problem.l2)
    counted = rows if sampling else weight
    at, passes = _searched(fitted, blocks, weight, l2 / counted)
    norm = float(at.norm)
    network = fitted.problem.network(jnp.asarray(at.theta))
    canonical = canonicalize(network, one_hot=fitted.one_hot, signs=fitted.canonical.signs, prune=False)
    local = LocalParameters.of(canonical, fitted.names)
    problem = eqx.tree_at(lambda p: p.parametrization, fitted.problem, local.parametrization)
    theta, powers = jnp.asarray(local.theta), (1, 2) if sampling else (1,)
    clusters = [ByCluster(len(local.theta)) for _ in range(2**ways - 1)]
    sums: tuple[Any, ...] = (0.0,) * (1 + len(powers))
    for block in blocks():
        labels = block.ways
        codes = pd.factorize(labels[-1] if ways else np.zeros(len(block.weights)))[0]  # Of the finest clusters.
        curvature, outers, scores = _all_sums(
            of_block(problem, block), theta, powers, jnp.asarray(codes), len(block.weights)
        )
        sums = tuple(map(jnp.add, sums, (curvature, *outers)))
        first = np.unique(codes, return_index=True)[1]
        for way, own in zip(clusters, labels, strict=True):
            way.add(np.asarray(own[first], object), np.asarray(scores)[: len(first)])
    sums, clusters = total(sums), [way.with_others() for way in clusters]
    curvature = np.asarray(sums[0]) / weight + l2 / counted * np.eye(len(theta))
    optimum = Optimum(theta, *map(jnp.asarray, (at.loss, curvature, norm, passes, passes >= MOST_PASSES)))
    whole = StreamFitted(
        cast(Any, Unheld(rows, l2)),
        local,
        optimum,
        status_of(optimum),
        information_at(local, curvature, l2 / counted),
        canonical,
        np.array([counted / rows]),
        fitted.weight_kind,
        fitted.names,
        fitted.one_hot,
        rows_total=counted,
        mean_loss=float(at.loss) - 0.5 * l2 / counted * float(np.sum(local.theta**2)),
        outer_products=tuple(
            (counted / weight) ** power * np.asarray(own) for power, own in zip(powers, sums[1:], strict=True)
        ),
    )
    results = replace(sample, fitted=whole, rivals=())
    if clusters and min(len(way.sums) for way in clusters) < 2:
        raise DataError("clusters has one cluster only; clustered errors need several, and many to be reliable.")
    if cov_type.endswith("bootstrap"):
        how = Resampling(sample.draws, sample.seed, clustered=ways > 0, repeated=not sampling and ways == 0)
        refits = poisson_bootstrap(problem, local, curvature, blocks, how, l2 * weight / counted)
        return estimated(results, refits)
    if cov_type != "clustered":
        return estimated(results, make_covariance(cov_type))
    return estimated(results, ClusteredSums(tuple(counted / weight * way.sums for way in clusters)))


def _searched(fitted: Fitted, blocks: Blocks, weight: float, ridge: float) -> tuple[Searched, int]:
    """The optimum of all rows by steps with the Hessian of the sample, and the passes it took."""

    def look(theta: np.ndarray, which: object = None) -> tuple[np.ndarray, np.ndarray]:
        at = jnp.asarray(theta[0])
        parts = (_first(of_block(fitted.problem, block), at)[0] for block in blocks())
        loss, slope = total(reduce(lambda sums, part: jax.tree.map(jnp.add, sums, part), parts, (0.0, 0.0)))
        return loss / weight + 0.5 * ridge * (theta**2).sum(1), slope / weight + ridge * theta

    start, signs = np.asarray(fitted.theta)[None], fitted.local.signs
    at = Searched.at(start, *look(start), np.asarray(fitted.optimum.hessian)[None], signs)
    found, passes = search_by_passes(at, look, signs, AIM)
    return found.some(0), passes + 1


_first, _all_sums = eqx.filter_jit(gradient_sums), eqx.filter_jit(all_sums)
