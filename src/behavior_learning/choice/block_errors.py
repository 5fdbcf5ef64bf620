"""Errors of a readable utility with blocks beside it: the sandwich of the penalised estimate, over choosers.

H is the Gauss-Newton information of the choices plus the curvature of the ridge. Errors are those of the estimate with
this ridge and these blocks; what the ridge shrinks is in none of them.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from behavior_learning.choice.answers import Answers
from behavior_learning.choice.blocks import BlockModel
from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.estimation import Optimum
from behavior_learning.choice.logit import information
from behavior_learning.choice.results import ChoiceResults, FitStatistics, covariance_of, resolved_cov_type
from behavior_learning.errors import OptionError
from behavior_learning.inference.clusters import Clusters
from behavior_learning.inference.tables import Estimates

__all__ = ["FittedBlocks"]

NUMBERS_AT_ONCE = 2**22
"""Slopes of utilities that are held at once."""


@dataclass(frozen=True)
class FittedBlocks:
    """A trained model with blocks, with what its errors need."""

    model: BlockModel
    data: ChoiceData
    weights: Float[np.ndarray, " cases"]
    fit: FitStatistics

    @cached_property
    def scores(self) -> Float[np.ndarray, "cases p"]:
        """∂ log P/∂θ of every case."""
        return self._curvature[0]

    @cached_property
    def inverse(self) -> Float[np.ndarray, "p p"]:
        """H⁻¹."""
        values, vectors = np.linalg.eigh(self._curvature[1])
        kept = values > 1e-10 * values[-1]
        return (vectors[:, kept] / values[kept]) @ vectors[:, kept].T

    @cached_property
    def _curvature(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores, and H."""
        theta, count = self.model.theta, -(-self.data.lines * len(self.model.theta) // NUMBERS_AT_ONCE)
        ends = np.unique(np.linspace(0, len(self.data), count + 1).astype(int))
        scores, total = np.empty((len(self.data), len(theta))), np.diag(self._ridge)
        for first, last in pairwise(ends):
            data, weights = self.data.between(first, last), self.weights[first:last]
            on = self.model.on(data)
            p, slopes = on.probabilities(theta), on.slopes(theta)
            mean = np.add.reduceat(p[:, None] * slopes, data.starts)
            scores[first:last] = weights[:, None] * (slopes[data.chosen_lines] - mean)
            total += information(p, slopes, weights, data)
        return scores, total

    @cached_property
    def _ridge(self) -> Float[np.ndarray, " p"]:
        """Second derivatives of the ridge."""

        def sum_of_slopes(packed: Any) -> jax.Array:
            """Its gradient is the diagonal of the Hessian of ‖weights‖², which is a sum over single numbers."""
            slopes = jax.grad(self.model.packing.squared)(packed)
            return sum((jnp.sum(slope) for slope in slopes), start=jnp.zeros(()))

        with jax.enable_x64(True):
            own = jax.grad(sum_of_slopes)(tuple(jnp.asarray(a) for a in self.model.packed(self.model.theta)))
        blocks = np.concatenate([np.asarray(a).ravel() for a in own])
        return np.concatenate([np.zeros(len(self.model.labels)), self.model.l2 / 2 * blocks])

    @property
    def optimum(self) -> Optimum:
        """The readable coefficients with what is left of scores and curvature once the blocks have adapted."""
        k, own = len(self.model.labels), self.inverse
        bread = own[:k, :k]
        effective = np.linalg.solve(bread, own[:k] @ self.scores.T).T if k else np.zeros((len(self.data), 0))
        logs = self.weights * np.log(self.model.on(self.data).probabilities(self.model.theta)[self.data.chosen_lines])
        hessian = -np.linalg.inv(bread)
        free = np.ones(k, bool)
        return Optimum(self.model.theta[:k], float(logs.sum()), logs, effective, hessian, free, 0.0, 0)

    def results(self, cov_type: str = "auto", clusters: Any = None) -> ChoiceResults:
        """The readable coefficients with errors that know that blocks were trained beside them."""
        kind, said = resolved_cov_type(cov_type, self.data.repeats, clusters)
        codes = self._codes(clusters) if kind == "clustered" else None
        optimum = self.optimum
        estimates = Estimates.of(self.model.labels, optimum.theta, covariance_of(optimum, kind, codes))
        penalised = "Errors are those of the estimate with its ridge; they do not hold what the ridge shrinks."
        title = "Blocks beside a readable utility"
        results = ChoiceResults(estimates, optimum, self.fit, kind, title, (*said, penalised))
        return replace(results, effective=self.effective)

    @property
    def effective(self) -> float:
        """Effective parameters, tr(H⁻¹J)."""
        return float(np.trace(self.inverse @ (self._curvature[1] - np.diag(self._ridge))))

    def _codes(self, clusters: Any) -> Int[np.ndarray, " cases"]:
        if clusters is None and not self.data.repeats:
            raise OptionError("cov_type='clustered' needs choosers: read the data with id=, or pass clusters=.")
        return self.data.panel if clusters is None else Clusters.of(clusters, len(self.data)).codes[0]

    def root(self, cov_type: str = "auto") -> Float[np.ndarray, "p draws"]:
        """A matrix A with A Aᵀ the covariance of all parameters."""
        kind, _ = resolved_cov_type(cov_type, self.data.repeats, None)
        if kind == "hessian":
            return np.linalg.cholesky(self.inverse + 1e-12 * np.eye(len(self.inverse)))
        if kind == "robust":
            return self.inverse @ self.scores.T
        codes = self._codes(None)
        sums = np.zeros((int(codes.max()) + 1, self.scores.shape[1]))
        np.add.at(sums, codes, self.scores)
        return self.inverse @ sums.T * np.sqrt(len(sums) / (len(sums) - 1))

    def answers(self, method: str, level: float, cov_type: str) -> Answers:
        """The model with the covariance of its parameters, by the delta method whatever the other models use."""
        model = self.model
        return Answers(model.on, model.theta, np.empty((0, 0)), level=level, root=self.root(cov_type))
