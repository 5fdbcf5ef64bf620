"""An M-estimation problem: row losses as a function of canonical parameters, and their derivatives in bounded memory.

Source: Eq. 40 and 41, Theorem B.10: Q(θ) = mean ℓ(θ; Z_i), J = ∇²Q, K = mean ∇ℓ ∇ℓᵀ. Deviation: Q may carry a ridge
α/(2Σw)·|θ|², which vanishes as rows are added and keeps parameters finite that would run off.
"""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.identification.parameters import Parametrization

__all__ = [
    "Losses",
    "Problem",
    "cluster_scores",
    "gradient",
    "hessian",
    "losses",
    "outer",
    "row_hessians",
    "scores",
]

Losses = Callable[..., Float[Array, " n"]]
"""An objective: a loss per row of (network, *data), such as `Likelihood().on(space)`."""

VALUES_IN_MEMORY = 2**21
"""Numbers that one intermediate array of a chunk of rows may hold."""


class Problem(eqx.Module):
    """Mean loss of weighted rows in the parameters of a chart.

    Attributes
    ----------
    objective : a loss per row.
    chart : parameters to network.
    data : arrays with the rows first, cut into chunks (chunks, rows, ...); the last is filled up with rows of weight 0.
    weights : (chunks, rows), how often each row counts.
    n : rows.
    candidates : utility evaluations per row, which bound the rows of a chunk.
    ridge : α.
    """

    objective: Losses
    chart: Parametrization
    data: tuple[Array, ...]
    weights: Float[Array, "chunks rows"]
    n: int = eqx.field(static=True)
    candidates: int = eqx.field(static=True, default=1)
    ridge: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.0)

    @classmethod
    def of(
        cls,
        objective: Losses,
        chart: Parametrization,
        data: Sequence[np.ndarray],
        weights: np.ndarray | None = None,
        *,
        candidates: int = 1,
        ridge: float = 0.0,
    ) -> "Problem":
        """Cut the rows into chunks.

        Parameters
        ----------
        candidates : utility evaluations per row, which bound the rows of a chunk.
        """
        n = len(data[0])
        per_row = candidates * chart.template.width * len(chart.learned)
        chunks = -(-n // int(np.clip(VALUES_IN_MEMORY // max(per_row, 1), 1, n)))
        rows = -(-n // chunks)
        place = np.arange(chunks * rows).reshape(rows, chunks).T
        row = np.minimum(place, n - 1)
        weights = np.ones(n) if weights is None else np.asarray(weights, float)
        cut = tuple(jnp.asarray(np.asarray(column)[row]) for column in data)
        return cls(objective, chart, cut, jnp.asarray(np.where(place < n, weights[row], 0.0)), n, candidates, ridge)

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
        return self.chart.network(theta)

    def penalty(self, theta: Float[Array, " p"]) -> Float[Array, ""]:
        """α/(2Σw)·|θ|²."""
        return 0.5 * self.ridge / self.total * jnp.sum(self.chart.canonical(theta) ** 2)

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


def _chunk_losses(problem: Problem, theta: Float[Array, " p"], data: tuple[Array, ...]) -> Float[Array, " rows"]:
    return problem.objective(problem.chart.network(theta), *data)


def _row_gradients(problem: Problem, theta: Float[Array, " p"], data: tuple[Array, ...]) -> Float[Array, "rows p"]:
    one = lambda row: jax.grad(lambda t: _chunk_losses(problem, t, jax.tree.map(lambda a: a[None], row))[0])(theta)
    return jax.vmap(one)(data)


def losses(problem: Problem, theta: Float[Array, " p"]) -> Float[Array, " n"]:
    """Loss of every row."""
    return problem.joined(jax.lax.map(lambda data: _chunk_losses(problem, theta, data), problem.data))


def scores(problem: Problem, theta: Float[Array, " p"]) -> Float[Array, "n p"]:
    """Gradient of the loss of every row."""
    return problem.joined(jax.lax.map(lambda data: _row_gradients(problem, theta, data), problem.data))


def row_hessians(problem: Problem, theta: Float[Array, " p"]) -> Float[Array, "n p p"]:
    """Hessian of the loss of every row; for few rows and parameters."""
    one = lambda data: jnp.moveaxis(jax.jacfwd(lambda t: _row_gradients(problem, t, data))(theta), -1, 1)
    return problem.joined(jax.lax.map(one, problem.data))


def gradient(
    problem: Problem, theta: Float[Array, " p"], chunks: Int[Array, ""] | int | None = None
) -> tuple[Float[Array, ""], Float[Array, " p"]]:
    """Mean loss and its gradient, over all rows or those of the first chunks."""

    def part(data, weights):
        loss = lambda t: jnp.sum(weights * _chunk_losses(problem, t, data))
        return jax.value_and_grad(loss)(theta), jnp.sum(weights)

    total, weight = _summed(problem, part, chunks)
    return jax.tree.map(lambda part, ridge: part / weight + ridge, total, jax.value_and_grad(problem.penalty)(theta))


def hessian(
    problem: Problem, theta: Float[Array, " p"], chunks: Int[Array, ""] | int | None = None
) -> Float[Array, "p p"]:
    """J = ∇²Q, forward over reverse, a chunk of rows at a time.

    Parameters
    ----------
    chunks : use the first chunks only, an estimate from a sample of the rows; all by default.
    """

    def part(data, weights):
        slope = jax.grad(lambda t: jnp.sum(weights * _chunk_losses(problem, t, data)))
        return jax.jacfwd(slope)(theta), jnp.sum(weights)

    total, weight = _summed(problem, part, chunks)
    return 0.5 * (total + total.T) / weight + jax.hessian(problem.penalty)(theta)


def outer(problem: Problem, theta: Float[Array, " p"], power: int = 1) -> Float[Array, "p p"]:
    """Σ w^power ∇ℓ ∇ℓᵀ over rows."""

    def part(data, weights):
        s = _row_gradients(problem, theta, data)
        return (s * weights[:, None] ** power).T @ s

    return _summed(problem, part)


def cluster_scores(
    problem: Problem, theta: Float[Array, " p"], codes: Int[Array, " n"], clusters: int
) -> Float[Array, "clusters p"]:
    """Σ w ∇ℓ over the rows of each cluster."""

    def part(data, weights):
        *data, code = data
        s = _row_gradients(problem, theta, tuple(data)) * weights[:, None]
        return jax.ops.segment_sum(s, code, clusters)

    return _summed(eqx.tree_at(lambda p: p.data, problem, (*problem.data, problem.cut(codes))), part)


def _summed(problem: Problem, part: Callable[..., PyTree], chunks: Int[Array, ""] | int | None = None) -> PyTree:
    """Sum of part(data, weights) over chunks, one in memory at a time."""
    chunk = lambda number: part(*jax.tree.map(lambda column: column[number], (problem.data, problem.weights)))
    shapes = jax.eval_shape(chunk, 0)
    start = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    add = lambda number, total: jax.tree.map(jnp.add, total, chunk(number))
    return jax.lax.fori_loop(0, problem.chunks if chunks is None else chunks, add, start)
