"""An M-estimation problem: row losses as a function of canonical parameters, and their derivatives in bounded memory.

Source: Eq. 40 and 41, Theorem B.10: Q(θ) = mean ℓ(θ; Z_i), J = ∇²Q, K = mean ∇ℓ ∇ℓᵀ. Deviation: Q may carry a ridge
l2/(2Σw)·|θ|², which vanishes as rows are added and keeps parameters finite that would run off.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from behavior_learning.caching import Of, quickly
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.identification.parameters import Parametrization
from behavior_learning.objectives import Objective

__all__ = [
    "ONCE",
    "WEAK_PRIOR",
    "Problem",
    "all_sums",
    "cluster_scores",
    "compiled",
    "gradient",
    "gradient_sums",
    "hessian",
    "hessian_columns",
    "losses",
    "outer",
    "row_hessians",
    "scores",
]

WEAK_PRIOR = 0.01
"""Ridge that keeps parameters finite where the likelihood has no finite maximum: a normal prior of deviation 10."""

IN_CACHE = 2**19
"""Numbers that one intermediate array of a chunk of rows may hold: a quarter faster than four times as many."""


class Problem(eqx.Module):
    """Mean loss of weighted rows in the parameters of a parametrization.

    Attributes
    ----------
    objective : a loss per row.
    parametrization : parameters to network.
    data : arrays with the rows first, cut into chunks (chunks, rows, ...); the last is filled up with rows of weight 0.
    weights : (chunks, rows), how often each row counts.
    n : rows.
    candidates : utility evaluations per row, which bound the rows of a chunk.
    l2 : strength of the ridge.
    """

    objective: Objective
    parametrization: Parametrization
    data: tuple[Array, ...]
    weights: Float[Array, "chunks rows"]
    n: int = eqx.field(static=True)
    candidates: int = eqx.field(static=True, default=1)
    l2: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.0)

    @classmethod
    def of(
        cls,
        objective: Objective,
        parametrization: Parametrization,
        data: Sequence[np.ndarray],
        weights: np.ndarray | None = None,
        *,
        candidates: int = 1,
        l2: float = 0.0,
    ) -> "Problem":
        """Cut the rows into chunks.

        Parameters
        ----------
        candidates : utility evaluations per row, which bound the rows of a chunk.
        """
        n = len(data[0])
        per_row = candidates * parametrization.template.width * len(parametrization.learned)
        chunks = -(-n // int(np.clip(IN_CACHE // max(per_row, 1), 1, n)))
        rows = -(-n // chunks)
        place = np.arange(chunks * rows).reshape(rows, chunks).T
        row = np.minimum(place, n - 1)
        weights = np.ones(n) if weights is None else np.asarray(weights, float)
        cut = tuple(jnp.asarray(np.asarray(column)[row]) for column in data)
        return cls(
            objective, parametrization, cut, jnp.asarray(np.where(place < n, weights[row], 0.0)), n, candidates, l2
        )

    @property
    def total(self) -> Float[Array, ""]:
        """Sum of the weights."""
        return jnp.sum(self.weights)

    @property
    def chunks(self) -> int:
        return self.weights.shape[0]

    def chunks_of(self, rows: int) -> int:
        """How many chunks hold so many rows; the rows of a chunk are spread over the table."""
        return min(self.chunks, -(-rows // self.weights.shape[1]))

    def network(self, theta: Float[Array, " p"]) -> BehaviorNetwork:
        return self.parametrization.network(theta)

    def penalty(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        """l2/(2Σw)·|θ|²."""
        return 0.5 * self.l2 / self.total * jnp.sum(self.parametrization.canonical(theta) ** 2)

    def cut(self, column: Float[Array, "n ..."]) -> Float[Array, "chunks rows ..."]:
        """Cut a further column like the data, filled up with zeros."""
        short = self.weights.size - self.n
        padded = jnp.pad(column, ((0, short), *((0, 0) for _ in column.shape[1:])))
        return jnp.swapaxes(padded.reshape(*self.weights.shape[::-1], *column.shape[1:]), 0, 1)

    def joined(self, chunked: Float[Array, "chunks rows ..."]) -> Float[Array, "n ..."]:
        """Undo `cut`."""
        rows = jnp.swapaxes(chunked, 0, 1)
        return rows.reshape(-1, *rows.shape[2:])[: self.n]

    def reweighted(self, weights: Float[Array, " n"]) -> "Problem":
        """The same rows, counting differently."""
        return eqx.tree_at(lambda p: p.weights, self, self.cut(weights))


def compiled(quickly_up_to: int) -> Callable[[Of], Of]:
    """Compile a function of a problem and more, with the fewer optimizations the fewer rows times candidates it has.

    With few of them it runs briefly anyway, and up to `LARGE` it runs no faster for what takes twice as long to
    compile.
    """

    def of(function: Of) -> Of:
        small, middle, large = quickly()(function), quickly(level=1)(function), eqx.filter_jit(function)

        @wraps(function)
        def run(problem: Problem, *arguments: Any) -> Any:
            size = problem.n * problem.candidates
            program = small if size <= quickly_up_to else middle if size <= LARGE else large
            return program(problem, *arguments)

        return cast(Of, run)

    return of


LARGE = 5_000_000
"""Rows times candidates above which what is compiled with all optimizations runs faster by more than that takes."""

ONCE = 100_000
"""Rows times candidates up to which what is run once is compiled quickly."""


@eqx.filter_jit  # Traced once for all that differentiates it.
def _chunk_losses(problem: Problem, theta: Float[Array, " p"], data: tuple[Array, ...]) -> Float[Array, " rows"]:
    return problem.objective(problem.network(theta), *data)


def _row_gradients(problem: Problem, theta: Float[Array, " p"], data: tuple[Array, ...]) -> Float[Array, "rows p"]:
    def of_row(row: tuple[Array, ...]) -> Float[Array, " p"]:
        return jax.grad(lambda t: _chunk_losses(problem, t, jax.tree.map(lambda a: a[None], row))[0])(theta)

    return jax.vmap(of_row)(data)


def losses(problem: Problem, theta: Float[Array, " p"]) -> Float[Array, " n"]:
    """Loss of every row."""
    return problem.joined(jax.lax.map(lambda data: _chunk_losses(problem, theta, data), problem.data))


def scores(problem: Problem, theta: Float[Array, " p"]) -> Float[Array, "n p"]:
    """Gradient of the loss of every row."""
    return problem.joined(jax.lax.map(lambda data: _row_gradients(problem, theta, data), problem.data))


def row_hessians(problem: Problem, theta: Float[Array, " p"]) -> Float[Array, "n p p"]:
    """Hessian of the loss of every row; for few rows and parameters."""

    def of_chunk(data: tuple[Array, ...]) -> Float[Array, "rows p p"]:
        return jnp.moveaxis(jax.jacfwd(lambda t: _row_gradients(problem, t, data))(theta), -1, 1)

    return problem.joined(jax.lax.map(of_chunk, problem.data))


def gradient(
    problem: Problem, theta: Float[Array, " p"], chunks: Int[Array, ""] | int | None = None
) -> tuple[Float[Array, ""], Float[Array, " p"]]:
    """Mean loss and its gradient, over all rows or those of the first chunks."""
    total, weight = gradient_sums(problem, theta, chunks)
    return jax.tree.map(lambda part, ridge: part / weight + ridge, total, jax.value_and_grad(problem.penalty)(theta))


def gradient_sums(
    problem: Problem, theta: Float[Array, " p"], chunks: Int[Array, ""] | int | None = None
) -> tuple[tuple[Float[Array, ""], Float[Array, " p"]], Float[Array, ""]]:
    """Σwℓ, Σw∇ℓ and Σw, without the ridge."""

    def part(data: tuple[Array, ...], weights: Float[Array, " rows"]) -> PyTree:
        loss = jax.value_and_grad(lambda t: jnp.sum(weights * _chunk_losses(problem, t, data)))
        return loss(theta), jnp.sum(weights)

    return _summed(problem, part, chunks)


def hessian(
    problem: Problem, theta: Float[Array, " p"], chunks: Int[Array, ""] | int | None = None
) -> Float[Array, "p p"]:
    """J = ∇²Q, forward over reverse, a chunk of rows at a time.

    Parameters
    ----------
    chunks : use the first chunks only, an estimate from a sample of the rows; all by default.
    """

    def part(data: tuple[Array, ...], weights: Float[Array, " rows"]) -> PyTree:
        slope = jax.grad(lambda t: jnp.sum(weights * _chunk_losses(problem, t, data)))
        return jax.jacfwd(slope)(theta), jnp.sum(weights)

    total, weight = _summed(problem, part, chunks)
    return 0.5 * (total + total.T) / weight + jax.hessian(problem.penalty)(theta)


def hessian_columns(problem: Problem, theta: Float[Array, " p"], columns: int) -> Float[Array, "p columns"]:
    """The first columns of J, without the ridge."""

    def part(data: tuple[Array, ...], weights: Float[Array, " rows"]) -> PyTree:
        slope = jax.grad(lambda t: jnp.sum(weights * _chunk_losses(problem, t, data)))
        first = jax.jacfwd(lambda head: slope(jnp.concatenate([head, theta[columns:]])))
        return first(theta[:columns]), jnp.sum(weights)

    total, weight = _summed(problem, part)
    return total / weight


def outer(problem: Problem, theta: Float[Array, " p"], power: int = 1) -> Float[Array, "p p"]:
    """Σ w^power ∇ℓ ∇ℓᵀ over rows."""

    def part(data: tuple[Array, ...], weights: Float[Array, " rows"]) -> PyTree:
        s = _row_gradients(problem, theta, data)
        return (s * weights[:, None] ** power).T @ s

    return _summed(problem, part)


def cluster_scores(
    problem: Problem, theta: Float[Array, " p"], codes: Int[Array, " n"], clusters: int
) -> Float[Array, "clusters p"]:
    """Σ w ∇ℓ over the rows of each cluster."""

    def part(data: tuple[Array, ...], weights: Float[Array, " rows"]) -> PyTree:
        s = _row_gradients(problem, theta, data[:-1]) * weights[:, None]
        return jax.ops.segment_sum(s, data[-1], clusters)

    return _summed(eqx.tree_at(lambda p: p.data, problem, (*problem.data, problem.cut(codes))), part)


def all_sums(
    problem: Problem, theta: Float[Array, " p"], powers: Sequence[int], codes: Int[Array, " n"], clusters: int
) -> tuple[Float[Array, "p p"], tuple[Float[Array, "p p"], ...], Float[Array, "clusters p"]]:
    """Σ w∇²ℓ, Σ w^power ∇ℓ∇ℓᵀ of each power, and Σ w∇ℓ over the rows of each cluster, by one derivative of each row."""

    def part(data: tuple[Array, ...], weights: Float[Array, " rows"]) -> PyTree:
        *rows, own = data
        slope = jax.grad(lambda t: jnp.sum(weights * _chunk_losses(problem, t, tuple(rows))))
        s = _row_gradients(problem, theta, tuple(rows))
        outers = tuple((s * weights[:, None] ** power).T @ s for power in powers)
        return jax.jacfwd(slope)(theta), outers, jax.ops.segment_sum(s * weights[:, None], own, clusters)

    curvature, *rest = _summed(eqx.tree_at(lambda p: p.data, problem, (*problem.data, problem.cut(codes))), part)
    return 0.5 * (curvature + curvature.T), *rest


def _summed(problem: Problem, part: Callable[..., PyTree], chunks: Int[Array, ""] | int | None = None) -> PyTree:
    """Sum of part(data, weights) over chunks, one in memory at a time."""

    def of_chunk(number: Int[Array, ""] | int) -> PyTree:
        return part(*jax.tree.map(lambda column: column[number], (problem.data, problem.weights)))

    start = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(of_chunk, 0))
    end = problem.chunks if chunks is None else chunks
    return jax.lax.fori_loop(0, end, lambda number, total: jax.tree.map(jnp.add, total, of_chunk(number)), start)
