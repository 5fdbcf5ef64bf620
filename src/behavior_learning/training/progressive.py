"""Rows that come in parts: one pass over each, from several starts side by side, judged by rows before they train."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from behavior_learning.core.arrays import make_key, to_device
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import ConvergenceError, OptionError
from behavior_learning.objectives import Objective
from behavior_learning.training.fit import bound_optimizer, can_be_refined, losses_of
from behavior_learning.training.minimize import Losses
from behavior_learning.training.optimizers import Data, Optimizer, Params
from behavior_learning.training.packing import Packing
from behavior_learning.training.settings import Settings

__all__ = ["Progressive"]

FORGETTING = 0.8
"""Weight of what came before in the running loss by which a start is chosen."""

REMEMBERED = 1_000
"""Parts whose losses are kept."""


class _Pass(NamedTuple):
    """Of every start: its loss before it saw the rows and after, parameters, what is kept of them, and optimiser."""

    before: Float[Array, " starts"]
    after: Float[Array, " starts"]
    train: Float[Array, " starts"]
    params: Params
    kept: Params
    optimizer: PyTree


@dataclass(frozen=True, eq=False)
class Progressive:
    """Training between two parts of the rows.

    Attributes
    ----------
    objective : with the candidates that the rows so far have asked for.
    params, optimizer : of every start.
    kept : parameters of every start to predict with.
    rows, parts : how many have trained, and in how many parts.
    running_loss : of every start on rows that it had not seen, the latest counting most.
    losses : the last parts' losses, in training and before it, by start.
    """

    objective: Objective
    packing: Packing
    params: Params
    optimizer: PyTree
    kept: Params
    rows: int = 0
    parts: int = 0
    running_loss: Float[np.ndarray, " starts"] | None = None
    losses: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    @classmethod
    def begun(cls, starts: Sequence[BehaviorNetwork], objective: Objective, settings: Settings) -> "Progressive":
        """Before the first rows.

        Raises
        ------
        OptionError
            If the optimiser needs all rows, or how many epochs there will be.
        """
        optimizer = settings.optimizer
        if not optimizer.stochastic or optimizer.budgeted:
            raise OptionError(
                f"Rows in parts need steps of one kind whatever is to come; {optimizer!r} plans with all rows or all "
                "epochs. Use bl.Adam() with schedule='constant'."
            )
        packing = Packing.of(starts[0])
        packed = zip(*(packing.packed(start, np) for start in starts), strict=True)
        params = tuple(to_device(np.stack(arrays)) for arrays in packed)
        return cls(objective, packing, params, optimizer.init(params), params)

    @property
    def best(self) -> int:
        """The start with the lowest running loss."""
        return 0 if self.running_loss is None else int(np.argmin(self.running_loss))

    @property
    def network(self) -> BehaviorNetwork:
        """That of the best start."""
        kept = tuple(np.asarray(array)[self.best] for array in cast(Sequence[Array], self.kept))
        return jax.tree.map(to_device, self.packing.network(kept))

    def after(self, data: tuple[Array, ...], settings: Settings, random: np.random.RandomState) -> "Progressive":
        """One pass over further rows, each start of which the loss is finite going on.

        A quadrature is refined, and the pass made again, until the loss after it can be trusted.

        Raises
        ------
        ConvergenceError
            If no start has a finite, verified loss after it.
        """
        rows = self.rows + len(data[0])
        order = to_device(random.permutation(len(data[0])).astype(np.int32))
        fresh, fixed = (make_key(int(random.randint(2**31))) for _ in range(2))
        optimizer = bound_optimizer(settings, self.packing, rows=rows)
        objective, own = self.objective, {"data": data, "validation": data}
        while True:
            losses = losses_of(objective, packing=self.packing, **own, settings=settings, rows=rows)
            end = _passed(losses, optimizer, self.params, self.optimizer, data, order, fresh, fixed)
            after = np.asarray(end.after)
            if np.isfinite(after).any() or not can_be_refined(objective):
                break
            objective = objective.refined(2)
        if not np.isfinite(after).any():
            raise ConvergenceError(
                f"No start has a finite, verified loss on these {len(data[0])} rows, which were not learned. Lower "
                "learning_rate, raise l2, or look for extreme values in the columns."
            )
        before = np.where(np.isfinite(end.before), end.before, after)
        known = before if self.running_loss is None else self.running_loss
        running = np.where(np.isfinite(after), FORGETTING * known + (1 - FORGETTING) * before, np.inf)
        return replace(
            self,
            objective=objective,
            params=end.params,
            optimizer=end.optimizer,
            kept=end.kept,
            rows=rows,
            parts=self.parts + 1,
            running_loss=running,
            losses=(*self.losses, (np.asarray(end.train), before))[-REMEMBERED:],
        )


@eqx.filter_jit
def _passed(
    losses: Losses,
    optimizer: Optimizer,
    params: Params,
    state: PyTree,
    data: Data,
    order: Int[Array, " rows"],
    fresh: PRNGKeyArray,
    fixed: PRNGKeyArray,
) -> _Pass:
    held_out, rows = losses.held_out_noise(fixed, data), losses.noise(fresh, data)

    def one(params: Params, state: PyTree) -> _Pass:
        before = losses.validation(optimizer.kept(params, state), held_out)
        begun = jnp.zeros((), before.dtype)
        params, state, train = optimizer.epoch(losses.train, params, state, rows, order, (begun, begun))
        kept = optimizer.kept(params, state)
        return _Pass(before, losses.validation(kept, held_out), train, params, kept, state)

    return jax.vmap(one)(params, state)
