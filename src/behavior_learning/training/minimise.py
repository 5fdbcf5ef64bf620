"""Minimise a mean loss from several starts side by side, keeping each start's best parameters by validation loss."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from behavior_learning.training.optimizers import Data, Loss, Optimizer, Params

__all__ = ["Progress", "Trace", "minimise"]

Progress = Callable[[int, float], None]
"""Called after each compiled chunk with the epochs done and the best validation loss so far."""


class Trace(NamedTuple):
    """What happened in training; axis 0 runs over starts, axis 1 over epochs."""

    train_loss: Float[np.ndarray, "starts epochs"]
    validation_loss: Float[np.ndarray, "starts epochs"]
    best_epoch: Int[np.ndarray, " starts"]
    best_loss: Float[np.ndarray, " starts"]
    stopped: Bool[np.ndarray, " starts"]


class _State(NamedTuple):
    params: Params
    optimizer: PyTree
    best: Params
    best_loss: Float[Array, ""]
    best_epoch: Int[Array, ""]
    epoch: Int[Array, ""]
    active: Bool[Array, ""]


def minimise(
    starts: Params,
    loss: Loss,
    validation_loss: Loss,
    optimizer: Optimizer,
    *,
    data: Data,
    validation: Data,
    key: PRNGKeyArray,
    max_epochs: int,
    patience: int,
    chunk: int = 25,
    progress: Progress | None = None,
) -> tuple[Params, Trace]:
    """Lower `loss` from every start until its validation loss has not improved for `patience` epochs.

    Parameters
    ----------
    starts : parameters with a leading axis of starts; they train in one compiled program.
    loss, validation_loss : means over rows; the first may carry a penalty.
    data, validation : arrays with rows first.
    chunk : epochs per call of the compiled program.

    Returns
    -------
    The best parameters of each start, and the trace.
    """
    keys = jax.random.split(key, jax.tree.leaves(starts)[0].shape[0])
    run = partial(_run_chunk, loss, validation_loss, optimizer, chunk, patience)
    state = jax.vmap(partial(_begin, optimizer))(starts)
    train, held_out = [], []
    for done in range(0, max_epochs, chunk):
        state, (train_losses, validation_losses) = run(state, keys, data, validation, max_epochs)
        train.append(np.asarray(train_losses))
        held_out.append(np.asarray(validation_losses))
        if progress is not None:
            progress(min(done + chunk, max_epochs), float(jnp.min(state.best_loss)))
        if not bool(jnp.any(state.active)):
            break
    return state.best, Trace(
        np.concatenate(train, axis=1)[:, :max_epochs],
        np.concatenate(held_out, axis=1)[:, :max_epochs],
        np.asarray(state.best_epoch),
        np.asarray(state.best_loss),
        np.asarray(state.epoch - state.best_epoch >= patience),
    )


def _begin(optimizer: Optimizer, params: Params) -> _State:
    return _State(
        params, optimizer.init(params), params, jnp.array(jnp.inf), jnp.array(0), jnp.array(0), jnp.array(True)
    )


@eqx.filter_jit
def _run_chunk(loss, validation_loss, optimizer, chunk, patience, state, keys, data, validation, max_epochs):
    one = partial(_epoch, loss, validation_loss, optimizer, patience, data, validation, max_epochs)
    scan = lambda state, key: jax.lax.scan(lambda s, _: one(s, key), state, length=chunk)
    return jax.vmap(scan)(state, keys)


def _epoch(
    loss: Loss,
    validation_loss: Loss,
    optimizer: Optimizer,
    patience: int,
    data: Data,
    validation: Data,
    max_epochs: int,
    state: _State,
    key: PRNGKeyArray,
) -> tuple[_State, tuple[Float[Array, ""], Float[Array, ""]]]:
    params, optimizer_state, train = optimizer.epoch(
        loss, state.params, state.optimizer, data, jax.random.fold_in(key, state.epoch)
    )
    held_out = validation_loss(params, validation)
    better = state.active & (held_out < state.best_loss)
    epoch = state.epoch + state.active
    best_epoch = jnp.where(better, epoch, state.best_epoch)
    next_state = _State(
        params,
        optimizer_state,
        jax.tree.map(partial(jnp.where, better), params, state.best),
        jnp.where(better, held_out, state.best_loss),
        best_epoch,
        epoch,
        state.active & (epoch - best_epoch < patience) & (epoch < max_epochs),
    )
    return next_state, (train, held_out)
