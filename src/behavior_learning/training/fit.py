"""Fit a behaviour network: starts side by side, a quadrature fine enough to trust, the best by validation loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from behavior_learning.core.arrays import to_device
from behavior_learning.core.batches import by_batches
from behavior_learning.core.network import BehaviorNetwork, Thinned
from behavior_learning.devices import platform, suited
from behavior_learning.errors import ConvergenceError
from behavior_learning.mesh import by_rows, device_count
from behavior_learning.objectives import Objective, Weighted
from behavior_learning.training.active_set import Support, reduced
from behavior_learning.training.checkpoint import Checkpoint, Keeper, fingerprint
from behavior_learning.training.minimize import Change, Feed, Losses, Progress, Trace, minimize
from behavior_learning.training.optimizers import Data, Optimizer, Params
from behavior_learning.training.packing import Packing
from behavior_learning.training.proximal import Sparse
from behavior_learning.training.settings import Settings

__all__ = ["FitResult", "bound_optimizer", "can_be_refined", "fit", "losses_of", "row_losses", "rows_at_once"]

QUADRATURE_TOLERANCE = 0.01
"""Nats by which doubling the candidates may change the mean validation loss of parameters that are kept."""

TRUSTED = 2 / 3
"""Share of the validation losses of a chunk that must be trusted; below it the quadrature is refined."""

MOST_NODES = {1: 256, 2: 64}
"""Candidates per dimension, for one and for two of them, beyond which a quadrature is not refined in training."""

LOOKS = 4
"""Times that a brief fit is looked at, so that its quadrature can be refined."""

CHUNK = 25
"""Epochs per call of the compiled program."""

PERMUTED = 2**24
"""Most entries of the orders of rows of a chunk."""

EVALUATIONS = 2**20
"""Utility evaluations held in memory at once when a loss is evaluated over all rows."""

CACHED = 2**20
"""Numbers of the widest layer that a loss by quadrature holds at once: more leave a processor's cache and take twice as
long."""


@dataclass(frozen=True)
class FitResult:
    """A fitted network and how it came about.

    Attributes
    ----------
    network : the best start at its best epoch.
    objective : what it minimises, with the candidates that training ended with.
    trace : losses of every start.
    best_start : index of `network` among the starts.
    l2 : ridge of all rows together at whose optimum the network is; None where training stopped early.
    polished_loss : mean loss of the held-out rows at that optimum; of an average, the mean of its members' own.
    biases : of the readout of every network whose mean `network` is; none where it is one of the starts.
    parts : which of the parts of the rows each of these networks was trained on.
    """

    network: BehaviorNetwork
    objective: Objective
    trace: Trace
    best_start: int
    l2: float | None = None
    polished_loss: float | None = None
    biases: tuple[tuple[float, ...], ...] = ()
    parts: tuple[int, ...] = ()

    @property
    def held_out_loss(self) -> float:
        """Mean loss of the held-out rows under `network`."""
        return float(self.trace.best_loss[self.best_start]) if self.polished_loss is None else self.polished_loss


class PenalizedLoss(eqx.Module):
    """Mean loss plus ridge·‖M, λ, Π, W‖², as a function of the packed numbers of a network.

    With dropout the last column of the data says which blocks of the first layer a row sees.
    """

    objective: Objective
    packing: Packing
    ridge: Float[Array, ""]
    dropout: float = eqx.field(static=True, default=0.0)

    def __call__(self, params: Params, data: Data) -> Float[Array, ""]:
        network, rows = self.packing.evaluated(params), by_rows(data)
        utility = Thinned(network, rows[-1], self.dropout) if self.dropout else network
        loss = jnp.mean(self.objective(utility, *(rows[:-1] if self.dropout else rows)))
        return loss + self.ridge * self.packing.squared(params)

    def with_slope(self, data: Data, vector: Float[Array, " p"]) -> tuple[Float[Array, ""], Float[Array, " p"]]:
        """The loss and its gradient in the vector of small arrays, so many rows at a time as the cache holds."""
        rows, width = len(data[0]), self.packing.network((vector,)).width
        count = -(-rows // rows_at_once(self.objective.evaluations, width))
        if count == 1:
            value, (slope,) = jax.value_and_grad(self)((vector,), data)
            return value, slope
        size = -(-rows // count)
        at = (jnp.arange(count * size) % rows).reshape(count, size)
        counted = (jnp.arange(count * size) < rows).reshape(count, size) / rows

        def share(vector: Array, batch: Data, share: Array) -> Array:
            return jnp.sum(self.objective(self.packing.evaluated((vector,)), *batch) * share)

        def add(total: tuple[Array, Array], own: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
            batch = jax.tree.map(lambda column: column[own[0]], data)
            return jax.tree.map(jnp.add, total, jax.value_and_grad(share)(vector, batch, own[1])), None

        ridge = jax.value_and_grad(lambda vector: self.ridge * self.packing.squared((vector,)))(vector)
        return jax.lax.scan(add, ridge, (at, counted))[0]


class ValidationLoss(eqx.Module):
    """Mean loss; where it is a quadrature, by the finer of two rules, and infinite where the two disagree.

    A density narrower than the spacing of its candidates can make its normaliser look arbitrarily small; parameters
    that do are never kept.
    """

    objective: Objective
    finer: Objective | None
    packing: Packing

    @classmethod
    def of(cls, objective: Objective, packing: Packing) -> "ValidationLoss":
        finer = objective.refined(2)
        return cls(objective, None if finer is objective else finer, packing)

    def __call__(self, params: Params, data: Data) -> Float[Array, ""]:
        network = self.packing.evaluated(params)
        finer, evaluations = self.finer, self.objective.evaluations
        if finer is None:
            return mean_in_batches(partial(self.objective, network), data, max(1, EVALUATIONS // evaluations))

        def fine_and_gap(*columns: Array) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
            coarse, fine = self.objective.with_finer(finer, network, *columns)
            return fine, jnp.abs(fine - coarse)

        rows = rows_at_once(evaluations + finer.evaluations, network.width)
        mean, disagreement = mean_in_batches(fine_and_gap, data, rows)
        return jnp.where(disagreement <= QUADRATURE_TOLERANCE, mean, jnp.inf)


class HalfSquared(eqx.Module):
    """½‖M, λ, Π, W‖²: what decoupled weight decay lowers."""

    packing: Packing

    def __call__(self, params: Params) -> Float[Array, ""]:
        return 0.5 * self.packing.squared(params)


class OnNetwork(eqx.Module):
    """A penalty on a network, for its packed numbers."""

    penalty: Sparse
    packing: Packing

    def __call__(self, params: Params, steps: Params) -> Params:
        return self._through(self.penalty, params, steps)

    def thresholded(self, params: Params, steps: Params) -> Params:
        return self._through(self.penalty.thresholded, params, steps)

    def _through(self, move: Callable[..., BehaviorNetwork], params: Params, steps: Params) -> Params:
        return self.packing.packed(move(self.packing.network(params), self.packing.network(steps)))


class WithNoise(eqx.Module):
    """Rows with the noise that an objective takes, and with dropout the blocks of the first layer that each sees."""

    objective: Objective
    dropout: float = eqx.field(static=True, default=0.0)
    blocks: int = eqx.field(static=True, default=0)

    def __call__(self, key: PRNGKeyArray, data: Data) -> Data:
        rows = (*data, *self.objective.noise(key, data[1]))
        if not self.dropout:
            return rows
        return *rows, jax.random.bernoulli(jax.random.fold_in(key, 1), 1 - self.dropout, (len(data[0]), self.blocks))


def rows_at_once(evaluations: int, width: int) -> int:
    """Rows whose losses, by so many candidates each, a processor's cache holds, or the memory of other devices."""
    most = CACHED if platform() == "cpu" else EVALUATIONS * width
    return max(1, device_count() * most // (evaluations * width))


def mean_in_batches(values: Callable[..., PyTree], data: Data, size: int) -> PyTree:
    """Mean of values per row over all rows, `size` rows at a time at most."""
    n = jax.tree.leaves(data)[0].shape[0]
    if n <= size:
        return jax.tree.map(jnp.mean, values(*by_rows(data)))
    count = -(-n // size)
    batches = (jnp.arange(count * -(-n // count)) % n).reshape(count, -1)
    batched = jax.lax.map(lambda rows: values(*by_rows(jax.tree.map(lambda column: column[rows], data))), batches)
    return jax.tree.map(lambda column: jnp.mean(column.ravel()[:n]), batched)


def fit(
    starts: Sequence[BehaviorNetwork],
    stages: Sequence[Objective],
    *,
    data: tuple[Array, ...],
    validation: tuple[Array, ...],
    settings: Settings,
    seed: int,
    progress: Progress | None = None,
    chunk: int = CHUNK,
    feed: Feed | None = None,
    checkpoint: Checkpoint | None = None,
) -> FitResult:
    """Train every start and return the one with the lowest validation loss.

    Parameters
    ----------
    starts : networks of one shape, under the same rules.
    stages : objectives one after the other, such as falling noise levels; the last one decides. Each but the last
        ends when all starts have stopped, or with its share of half the epochs. A quadrature is refined during
        training until it can be trusted.
    data, validation : encoded (x, y), and weights per row with a mean of one where there are any.
    seed : of the order of the rows and of noise.
    chunk : most epochs per call of the compiled program; fewer for very many rows, brief fits and short stages.
    feed : further rows for each epoch in place of `data`, and how many train in all; of the ridge a row carries a
        share.
    checkpoint : where training is kept, to go on from.

    Raises
    ------
    ConvergenceError
        If no start reached parameters with a finite, verified validation loss.
    """
    if any(jax.tree.structure(start) != jax.tree.structure(starts[0]) for start in starts):
        raise ValueError("Starts must have one architecture and the same rules.")
    packing, rows = Packing.of(starts[0]), len(data[0]) if feed is None else feed.rows
    if settings.optimizer.stochastic:
        chunk = max(1, min(chunk, PERMUTED // len(data[0])))
    schedule = _Schedule(stages, settings.max_epochs)
    every = max(1, min(chunk, schedule.share, settings.max_epochs // LOOKS))
    chunk = chunk if feed is None else 1

    losses = partial(losses_of, packing=packing, data=data, validation=validation, settings=settings, rows=rows)

    def refine(current: Losses, latest: Float[np.ndarray, "starts epochs"], stopped: bool) -> Change | None:
        stages_left = len(schedule.later)
        moved = schedule.next(latest, stopped)
        return None if moved is None else Change(losses(moved), comparable=len(schedule.later) == stages_left)

    known = data if feed is None else feed.first_shard(data)
    packed = zip(*(packing.packed(start, np) for start in starts), strict=True)
    evaluations = len(starts) * len(data[0]) * settings.max_epochs * schedule.objective.evaluations
    with suited(evaluations * starts[0].width) as place:
        if place is not None:  # At once, in place of chunk by chunk.
            data, validation = jax.device_put((data, validation), place)
        best, trace, _ = minimize(
            tuple(to_device(np.stack(arrays)) for arrays in packed),
            losses(schedule.objective),
            bound_optimizer(settings, packing, rows=rows),
            data=data,
            validation=validation,
            seed=seed,
            max_epochs=settings.max_epochs,
            patience=settings.patience,
            chunk=chunk,
            every=every,
            feed=feed,
            refine=refine,
            progress=progress,
            keeper=checkpoint
            and Keeper(checkpoint, fingerprint(known, validation, starts, stages, settings, seed, rows)),
        )
    winner = int(np.argmin(trace.best_loss))
    if not np.isfinite(trace.best_loss[winner]):
        raise ConvergenceError(
            f"None of {len(trace.best_loss)} starts reached parameters with a finite, verified validation loss in "
            f"{trace.train_loss.shape[1]} epochs. Raise max_epochs, lower learning_rate, raise l2 or temperature, "
            "look for extreme values in the columns, or state a narrower support."
        )
    network = jax.tree.map(to_device, packing.network(tuple(np.asarray(array)[winner] for array in best)))
    if settings.penalty.sparse:
        support = Support.of(network)
        if support.empty:
            raise ConvergenceError("The penalties l1 and group_l2 leave no row of any block. Lower them.")
        network = reduced(network, support)  # Other zeros than the penalties' are no longer learned either.
    return FitResult(network, schedule.objective, trace, winner)


def row_losses(
    objective: Objective, network: BehaviorNetwork, rows: tuple[Array, ...], key: PRNGKeyArray
) -> Float[np.ndarray, " rows"]:
    """The loss of every row, times its weight where there is one, with noise from `key`."""
    noisy = (*rows, *objective.noise(key, rows[1]))
    columns = tuple(map(np.asarray, noisy))
    values = objective.evaluations * network.width
    return by_batches(lambda *batch: _losses(Weighted.where(objective, rows), network, batch), columns, values)


@eqx.filter_jit
def _losses(objective: Objective, network: BehaviorNetwork, rows: tuple[Array, ...]) -> Float[Array, " rows"]:
    return objective(network, *rows)


class _Schedule:
    """Which objective comes next: the same on a finer rule, or the next stage."""

    def __init__(self, stages: Sequence[Objective], max_epochs: int):
        self.objective, *self.later = stages
        self.share = max(1, max_epochs // (2 * len(self.later))) if self.later else max_epochs
        self.epochs = 0

    def next(self, latest: Float[np.ndarray, "starts epochs"], stopped: bool) -> Objective | None:
        """The objective that replaces the present one after a chunk of epochs, or None."""
        self.epochs += latest.shape[1]
        if np.isfinite(latest).mean() < TRUSTED and can_be_refined(self.objective):
            self.objective = self.objective.refined(2)
        elif self.later and (stopped or self.epochs >= self.share):
            self.objective, *self.later = self.later
            self.epochs = 0
        else:
            return None
        return self.objective


def losses_of(
    objective: Objective, *, packing: Packing, data: Data, validation: Data, settings: Settings, rows: int
) -> Losses:
    """What is lowered, and what decides, on rows (x, y) or (x, y, weight), of as many in all."""
    ridge = to_device(0.0 if settings.optimizer.decoupled else settings.penalty.l2 / (2 * rows))
    dropout, blocks = settings.penalty.dropout, packing.blank.layers[0].n_blocks
    train = PenalizedLoss(Weighted.where(objective, data), packing, ridge, dropout)
    held_out = ValidationLoss.of(Weighted.where(objective, validation), packing)
    return Losses(train, held_out, WithNoise(objective, dropout, blocks), WithNoise(objective))


def can_be_refined(objective: Objective) -> bool:
    """Whether there is a finer rule that training can afford."""
    finer = objective.refined(2)
    return finer is not objective and finer.space.nodes <= MOST_NODES[len(objective.space.continuous)]


def bound_optimizer(settings: Settings, packing: Packing, *, rows: int) -> Optimizer:
    """The optimiser of the penalised loss of so many rows."""
    penalty = settings.penalty
    sparse = Sparse(penalty.l1 / rows, penalty.group_l2 / rows, penalty.groups)
    return settings.optimizer.on(
        decay=penalty.l2 / rows,
        half_squared=HalfSquared(packing),
        proximal=OnNetwork(sparse, packing) if penalty.sparse else None,
    )
