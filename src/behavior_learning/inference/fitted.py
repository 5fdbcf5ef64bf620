"""An estimate with all that its errors and tests need: the problem, the optimum, and what may move."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.identification.canonical_form import Canonical, canonicalize
from behavior_learning.identification.parameters import (
    LocalParameters,
    Parametrization,
    learned_numbers,
    null_space,
    number_places,
)
from behavior_learning.inference.estimation import Convergence, Optimum, Search, polish, status_of
from behavior_learning.inference.information import AT_BOUND, Information
from behavior_learning.inference.problem import ONCE, Problem, compiled, losses, outer, scores
from behavior_learning.objectives import Objective

__all__ = [
    "GUIDING_ROWS",
    "Fitted",
    "LinearParametrization",
    "WeightKind",
    "at_optimum",
    "information_at",
    "numbers_of",
]

WeightKind = Literal["frequency", "sampling"]

MOST_FORMS = 4
"""Times that an optimum is brought to canonical form and followed from there."""

GUIDING_ROWS = 1000
"""Rows whose Hessian guides a search while it is far from the optimum."""


class LinearParametrization(eqx.Module):
    """u ↦ network at θ = base + directions·u: a parametrization under linear restrictions.

    Attributes
    ----------
    learned : stands for u, as in `Parametrization`.
    """

    parametrization: Parametrization
    base: Float[Array, " p"]
    directions: Float[Array, "p q"]

    def network(self, theta: Float[Array, " q"]) -> BehaviorNetwork:
        return self.parametrization.network(self.canonical(theta))

    def canonical(self, theta: Float[Array, " q"]) -> Float[Array, " p"]:
        return self.base + self.directions @ theta

    @property
    def learned(self) -> Int[np.ndarray, " q"]:
        return np.arange(self.directions.shape[1])

    @property
    def template(self) -> BehaviorNetwork:
        return self.parametrization.template


@dataclass(frozen=True)
class Fitted:
    """An M-estimate in canonical form.

    Attributes
    ----------
    problem : rows and their loss in the parameters.
    local : those of the canonical form at the optimum.
    optimum : where the search ended.
    convergence : how.
    information : the information matrix there, and the directions that are free.
    weights : of the rows, in their order.
    names : labels of all numbers of the network.
    one_hot : whether candidates are indicators of a class.
    """

    problem: Problem
    local: LocalParameters
    optimum: Optimum
    convergence: Convergence
    information: Information
    canonical: Canonical
    weights: Float[np.ndarray, " n"]
    weight_kind: WeightKind
    names: tuple[str, ...]
    one_hot: bool

    @property
    def theta(self) -> Float[np.ndarray, " p"]:
        return self.local.theta

    @property
    def network(self) -> BehaviorNetwork:
        """The canonical network at the optimum."""
        return self.canonical.network

    @property
    def row_names(self) -> dict[tuple[int, int, str, int], str]:
        """What rows are called, by (layer, block, role, row)."""
        named = zip(number_places(self.network), self.names, strict=True)
        return {place.of_row: name.removesuffix(".multiplier") for place, name in named if place.part == "multiplier"}

    @property
    def omitted(self) -> set[tuple[int, int, str, int]]:
        """Rows that are taken out: their λ is zero and not learned."""
        gone = (numbers_of(self.network) == 0) & ~learned_numbers(self.network)
        places = number_places(self.network)
        return {places[at].of_row for at in np.flatnonzero(gone) if places[at].part == "multiplier"}

    @property
    def total(self) -> float:
        return float(np.sum(self.weights))

    @property
    def loss(self) -> float:
        """Mean loss of the rows, without the ridge."""
        with jax.enable_x64(True):
            return float(self.optimum.loss - self.problem.penalty(jnp.asarray(self.theta)))

    def losses(self) -> Float[np.ndarray, " n"]:
        """Loss of every row."""
        with jax.enable_x64(True):
            return np.asarray(_losses(self.problem, jnp.asarray(self.theta)))

    def scores(self) -> Float[np.ndarray, "n p"]:
        """Gradient of the loss of every row."""
        with jax.enable_x64(True):
            return np.asarray(_scores(self.problem, jnp.asarray(self.theta)))

    def outer_product(self, power: int = 1) -> Float[np.ndarray, "p p"]:
        """Σ w^power ∇ℓ ∇ℓᵀ over rows."""
        with jax.enable_x64(True):
            return np.asarray(_outer(self.problem, jnp.asarray(self.theta), power))

    def restricted(
        self, matrix: Float[np.ndarray, "r p"], value: Float[np.ndarray, " r"]
    ) -> tuple[np.ndarray, Optimum]:
        """θ̂ under R θ = r, and the optimum in the other directions; parameters that R leaves alone keep their sign."""
        involved = matrix.any(axis=0)
        start = np.where(involved, 0.0, self.theta)
        base = self.theta + np.linalg.pinv(matrix) @ (value - matrix @ self.theta) - start
        alone = np.eye(len(start))[:, ~involved]
        tied = np.eye(len(start))[:, involved] @ null_space(matrix[:, involved])
        directions = np.concatenate([alone, tied], axis=1)
        signs = np.append(self.local.signs[~involved], np.zeros(tied.shape[1], int))
        with jax.enable_x64(True):
            parametrization = LinearParametrization(
                self.local.parametrization, jnp.asarray(base), jnp.asarray(directions)
            )
            problem = eqx.tree_at(lambda p: p.parametrization, self.problem, parametrization)
            begin = jnp.append(jnp.asarray(start[~involved]), jnp.zeros(tied.shape[1]))
            optimum = polish(problem, begin, jnp.asarray(signs), self.search())
            return base + directions @ np.asarray(optimum.theta), optimum

    def search(self, **options: float) -> Search:
        """A search guided by a sample of the rows."""
        p = len(self.local.parametrization.learned)
        return Search(sample=self.problem.chunks_of(max(GUIDING_ROWS, 20 * p)), **options)


def at_optimum(
    objective: Objective,
    data: Sequence[np.ndarray],
    network: BehaviorNetwork,
    names: Sequence[str],
    *,
    candidates: int,
    weights: Float[np.ndarray, " n"],
    weight_kind: WeightKind,
    one_hot: bool,
    choose: Callable[[Problem, LocalParameters], tuple[Problem, Optimum]] | None = None,
    signs: Int[np.ndarray, " numbers"] | None = None,
    l2: float = 0.0,
) -> Fitted:
    """Search for the optimum from a network and bring it to canonical form.

    Parameters
    ----------
    choose : the search, from a problem and the parameters of the starting point to the problem that it ended with,
        which may have another ridge, and its optimum; from the network alone by default.
    signs : that numbers must keep, where the rules of the network no longer say it.
    l2 : of `Problem`.
    """
    with jax.enable_x64(True):
        first = canonicalize(network, one_hot=one_hot, signs=signs, prune=False)
        start = LocalParameters.of(first, names)
        problem = Problem.of(objective, start.parametrization, data, weights, candidates=candidates, l2=l2)
        if choose is None:
            sample = problem.chunks_of(max(GUIDING_ROWS, 20 * len(start.theta)))
            optimum = polish(problem, jnp.asarray(start.theta), jnp.asarray(start.signs), Search(sample=sample))
        else:
            problem, optimum = choose(problem, start)
        local, signs, canonical = start, first.signs, first
        for _ in range(MOST_FORMS):  # A ridge tells equal distributions apart: its optimum moves with the form.
            network = local.parametrization.network(jnp.asarray(optimum.theta))
            canonical = canonicalize(network, one_hot=one_hot, signs=signs, prune=False)
            before, local, signs = local.labels, LocalParameters.of(canonical, names), canonical.signs
            problem = eqx.tree_at(lambda p: p.parametrization, problem, local.parametrization)
            moved = local.labels != before or not np.allclose(local.theta, optimum.theta, atol=1e-12)
            if not moved or status_of(optimum) is not Convergence.OPTIMUM:
                break
            optimum = polish(problem, jnp.asarray(local.theta), jnp.asarray(local.signs), Search())
        return Fitted(
            problem,
            local,
            optimum,
            status_of(optimum),
            information_at(local, np.asarray(optimum.hessian), float(problem.l2) / float(np.sum(weights))),
            canonical,
            np.asarray(weights, float),
            weight_kind,
            tuple(names),
            one_hot,
        )


def information_at(local: LocalParameters, hessian: Float[np.ndarray, "p p"], ridge: float = 0.0) -> Information:
    """The information where numbers at a bound stay there."""
    theta, signs = local.theta, local.signs
    bounded = (signs != 0) & (signs * theta < AT_BOUND)
    tangent_space = local.tangent_space
    if bounded.any():
        tangent_space = tangent_space @ null_space(tangent_space[bounded])
    return Information(local.labels, hessian, tangent_space, bounded, ridge)


def numbers_of(network: BehaviorNetwork) -> Float[np.ndarray, " numbers"]:
    """All numbers of a canonical network, given and learned."""
    return np.concatenate([np.asarray(weight.raw, float).ravel() for weight in network.weights])


_losses, _outer, _scores = compiled(ONCE)(losses), compiled(ONCE)(outer), compiled(ONCE)(scores)
