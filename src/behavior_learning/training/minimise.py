"""Minimise a mean loss from several starts side by side, keeping each start's best parameters by validation loss."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from behavior_learning.core.arrays import key_of, keys_of, placed
from behavior_learning.training.optimizers import Data, Loss, Optimizer, Params

__all__ = ["Change", "Losses", "Progress", "Refine", "Trace", "minimise"]

Progress = Callable[[int, float], None]
"""Called after each compiled chunk with the epochs done and the best validation loss so far."""


Noise = Callable[[PRNGKeyArray, Data], Data]
"""Completes the rows with the noise that a loss takes as an argument."""


def noiseless(key: PRNGKeyArray, data: Data) -> Data:
    """The rows as they are."""
    return data


class Losses(NamedTuple):
    """The loss that is lowered, and the one that decides which parameters are kept; means over rows.

    A validation loss that is not finite is never kept. Noise is drawn anew in every epoch of a stochastic optimiser;
    full-batch ones and the validation rows keep theirs.
    """

    train: Loss
    validation: Loss
    noise: Noise = noiseless


class Change(NamedTuple):
    """Other losses to go on with, and whether what was kept under the present ones still counts."""

    losses: Losses
    comparable: bool


Refine = Callable[[Losses, Float[np.ndarray, "starts epochs"], bool], Change | None]
"""Given the present losses, the validation losses of the last chunk and whether all starts have stopped: what to go on
with, or None to keep the present losses."""


class Trace(NamedTuple):
    """What happened in training; axis 0 runs over starts, axis 1 over epochs."""

    train_loss: Float[np.ndarray, "starts epochs"]
    validation_loss: Float[np.ndarray, "starts epochs"]
    best_epoch: Int[np.ndarray, " starts"]
    best_loss: Float[np.ndarray, " starts"]
    stopped: Bool[np.ndarray, " starts"]


class _Chance(NamedTuple):
    """What is left to chance in some epochs, the same for all starts.

    Drawn by NumPy: permuting rows takes XLA longer than a pass of a small network over them.

    Attributes
    ----------
    order : of the rows; empty where the optimiser takes all of them at once.
    fresh, fixed : keys of the noise that is drawn in every epoch, and of the noise that stays.
    """

    order: Int[Array, "epochs rows"]
    fresh: PRNGKeyArray
    fixed: PRNGKeyArray

    @classmethod
    def drawn(cls, streams: Sequence[np.random.Generator], epochs: int, rows: int, fixed: PRNGKeyArray) -> "_Chance":
        """Orders and keys from a stream of their own each, so that chunks of any length draw the same."""
        for_orders, for_keys = streams
        order = np.stack([for_orders.permutation(np.arange(rows, dtype=np.int32)) for _ in range(epochs)])
        return cls(placed(order), keys_of(for_keys.integers(2**32, size=(epochs, 2), dtype=np.uint32)), fixed)


class _Limit(NamedTuple):
    """When a start stops; arrays, so that other limits reuse the compiled program."""

    epochs: Int[Array, ""]
    patience: Int[Array, ""]


class _State(NamedTuple):
    params: Params
    optimizer: PyTree
    best: Params
    best_loss: Float[Array, ""]
    best_epoch: Int[Array, ""]
    since: Int[Array, ""]
    epoch: Int[Array, ""]
    active: Bool[Array, ""]


class _History(NamedTuple):
    """The losses of each epoch, and whether it was run at all: not where every start had stopped before."""

    train: Float[Array, "*epochs starts"]
    validation: Float[Array, "*epochs starts"]
    run: Bool[Array, "*epochs"]


def minimise(
    starts: Params,
    losses: Losses,
    optimizer: Optimizer,
    *,
    data: Data,
    validation: Data,
    seed: int,
    max_epochs: int,
    patience: int,
    chunk: int = 25,
    refine: Refine | None = None,
    progress: Progress | None = None,
) -> tuple[Params, Trace, Losses]:
    """Lower the training loss from every start until its validation loss has not improved for `patience` epochs.

    Parameters
    ----------
    starts : parameters with a leading axis of starts; they train side by side in one compiled program, on the same
        batches and noise.
    data, validation : arrays with rows first.
    seed : of the order of the rows and of noise.
    chunk : epochs per call of the compiled program.
    refine : may replace the losses between chunks. Where the old ones are not comparable, what was best under them is
        forgotten; where they are, a start that has kept nothing yet begins anew.

    Returns
    -------
    The best parameters of each start, the trace, and the losses that training ended with.
    """
    begun = state = _begun(optimizer, starts)
    limit = _Limit(*(placed(np.asarray(limit, np.int32)) for limit in (max_epochs, patience)))
    streams, fixed = np.random.default_rng(seed).spawn(2), key_of(seed)
    rows = len(jax.tree.leaves(data)[0]) if optimizer.stochastic else 0
    train, held_out = [], []
    for done in range(0, max_epochs, chunk):
        chance = _Chance.drawn(streams, chunk, rows, fixed)
        state, history = _run_chunk(losses, optimizer, limit, state, chance, data, validation)
        run = np.asarray(history.run)
        train.append(np.asarray(history.train)[run].T)
        held_out.append(np.asarray(history.validation)[run].T)
        if progress is not None:
            progress(min(done + chunk, max_epochs), float(np.asarray(state.best_loss).min()))
        last, stopped = done + chunk >= max_epochs, not np.asarray(state.active).any()
        change = None if refine is None or last else refine(losses, held_out[-1], stopped)
        if change is not None:
            losses, state = change.losses, _anew(state, begun) if change.comparable else _forget(state)
        if not np.asarray(state.active).any():
            break
    trace = Trace(
        np.concatenate(train, axis=1)[:, :max_epochs],
        np.concatenate(held_out, axis=1)[:, :max_epochs],
        np.asarray(state.best_epoch),
        np.asarray(state.best_loss),
        np.asarray(state.epoch) - np.asarray(state.since) >= patience,
    )
    return state.best, trace, losses


def _begun(optimizer: Optimizer, starts: Params) -> _State:
    """All starts before the first epoch; NumPy makes what it can, so that nothing is compiled for it."""
    count, dtype = jax.tree.leaves(starts)[0].shape[0], jnp.result_type(*jax.tree.leaves(starts))
    counter = placed(np.zeros(count, np.int32))
    unknown, awake = placed(np.full(count, np.inf, dtype)), placed(np.ones(count, bool))
    return _State(starts, optimizer.init(starts), starts, unknown, counter, counter, counter, awake)


def _forget(state: _State) -> _State:
    """Go on from the present parameters as if none had been kept before."""
    nothing, awake = np.full_like(state.best_loss, np.inf), np.ones_like(state.active)
    best = {"best_loss": placed(nothing), "best_epoch": state.epoch}
    return state._replace(**best, since=state.epoch, active=placed(awake))


def _anew(state: _State, begun: _State) -> _State:
    """Go on with new patience, from the starting point where nothing has been kept."""
    empty = np.isinf(state.best_loss)
    choose = lambda new, old: placed(np.where(empty.reshape(-1, *(1,) * (old.ndim - 1)), new, old))
    params = jax.tree.map(choose, begun.params, state.params)
    optimizer = jax.tree.map(choose, begun.optimizer, state.optimizer)
    return state._replace(
        params=params, optimizer=optimizer, since=state.epoch, active=placed(np.ones_like(state.active))
    )


@eqx.filter_jit
def _run_chunk(
    losses: Losses,
    optimizer: Optimizer,
    limit: _Limit,
    state: _State,
    chance: _Chance,
    data: Data,
    validation: Data,
) -> tuple[_State, _History]:
    def one(state: _State, own: tuple[Array, PRNGKeyArray]) -> tuple[_State, _History]:
        run = lambda state: _epoch(losses, optimizer, limit, data, validation, state, _Chance(*own, chance.fixed))
        unknown = jnp.full_like(state.best_loss, jnp.nan)
        awake = state.active.any()
        state, (train, held_out) = jax.lax.cond(awake, jax.vmap(run), lambda state: (state, (unknown, unknown)), state)
        return state, _History(train, held_out, awake)

    return jax.lax.scan(one, state, (chance.order, chance.fresh))


def _epoch(
    losses: Losses,
    optimizer: Optimizer,
    limit: _Limit,
    data: Data,
    validation: Data,
    state: _State,
    chance: _Chance,
) -> tuple[_State, tuple[Float[Array, ""], Float[Array, ""]]]:
    rows = losses.noise(chance.fresh if optimizer.stochastic else chance.fixed, data)
    params, optimizer_state, train_loss = optimizer.epoch(
        losses.train, state.params, state.optimizer, rows, chance.order
    )
    candidate = optimizer.kept(params, optimizer_state)
    validation_loss = losses.validation(candidate, losses.noise(chance.fixed, validation))
    train_loss, validation_loss = (loss.astype(state.best_loss.dtype) for loss in (train_loss, validation_loss))
    better = state.active & (validation_loss < state.best_loss)
    epoch = state.epoch + state.active
    since = jnp.where(better, epoch, state.since)
    next_state = _State(
        params,
        optimizer_state,
        jax.tree.map(partial(jnp.where, better), candidate, state.best),
        jnp.where(better, validation_loss, state.best_loss),
        jnp.where(better, epoch, state.best_epoch),
        since,
        epoch,
        state.active & (epoch - since < limit.patience) & (epoch < limit.epochs),
    )
    return next_state, (train_loss, validation_loss)
