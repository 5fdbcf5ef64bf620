"""Minimise a mean loss from several starts side by side, keeping each start's best parameters by validation loss."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from itertools import pairwise
from math import ceil
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from behavior_learning.caching import quickly
from behavior_learning.core.arrays import make_key, make_keys, to_device
from behavior_learning.launched import note
from behavior_learning.mesh import everywhere, gathered, on_mesh, together
from behavior_learning.training.checkpoint import Keeper, Kept
from behavior_learning.training.optimizers import Data, Loss, Optimizer, Params

__all__ = ["Change", "Feed", "Losses", "Progress", "Refine", "Trace", "minimize", "side_by_side"]

Progress = Callable[[int, float], bool | None]
"""Called after each compiled chunk with the epochs done and the best validation loss so far; True ends training."""


Noise = Callable[[PRNGKeyArray, Data], Data]
"""Completes the rows with the noise that a loss takes as an argument."""


def noiseless(key: PRNGKeyArray, data: Data) -> Data:
    """The rows as they are."""
    return data


class Feed(NamedTuple):
    """Rows that come a window at a time.

    Attributes
    ----------
    windows : the rows of each chunk of epochs, all of one shape, from the chunk of a number on.
    rows : that train in all.
    shards : of the same number of rows, one behind the other, whose parts of a batch are equal.
    """

    windows: Callable[[int], Generator[Data]]
    rows: int
    shards: int = 1

    def repeating(self, data: Data) -> "Feed":
        """The same rows again and again."""
        return Feed(lambda done: _same(data), self.rows, self.shards)

    def first_shard(self, data: Data) -> Data:
        """Rows that the first process holds, whatever the number of them."""
        rows = len(jax.tree.leaves(data)[0]) // self.shards
        return jax.tree.map(lambda column: np.asarray(column.addressable_shards[0].data)[:rows], data)


class Losses(NamedTuple):
    """The loss that is lowered, and the one that decides which parameters are kept; means over rows.

    A validation loss that is not finite is never kept. Noise is drawn anew in every epoch of a stochastic optimiser;
    full-batch ones and the validation rows keep theirs.

    Attributes
    ----------
    noise, held_out_noise : of the rows that train and of those that validate.
    """

    train: Loss
    validation: Loss
    noise: Noise = noiseless
    held_out_noise: Noise = noiseless


class Change(NamedTuple):
    """Other losses to go on with, and whether what was kept under the present ones still counts."""

    losses: Losses
    comparable: bool


Refine = Callable[[Losses, Float[np.ndarray, "starts epochs"], bool], Change | None]
"""Given the present losses, the validation losses of the last chunk and whether all starts have stopped: what to go on
with, or None to keep the present losses."""


FEW = 300
"""Numbers of a start up to which a program without fused loops runs as fast; it compiles in two thirds of the time."""

SCHEDULED = 0.2
"""Share of a schedule that a start goes through without a better validation loss before it stops."""


class Trace(NamedTuple):
    """What happened in training; axis 0 runs over starts, axis 1 over epochs.

    Losses go on for starts that have stopped, as long as others run; `ran` says which took part in an epoch.
    """

    train_loss: Float[np.ndarray, "starts epochs"]
    validation_loss: Float[np.ndarray, "starts epochs"]
    ran: Bool[np.ndarray, "starts epochs"]
    best_epoch: Int[np.ndarray, " starts"]
    best_loss: Float[np.ndarray, " starts"]
    stopped: Bool[np.ndarray, " starts"]


def side_by_side(traces: Sequence[Trace]) -> Trace:
    """The traces of several trainings as one; an epoch that one of them did not run has no loss."""
    longest = max(trace.ran.shape[1] for trace in traces)

    def joined(name: str, missing: float) -> np.ndarray:
        parts = [getattr(trace, name) for trace in traces]
        return np.concatenate(
            [np.pad(part, ((0, 0), (0, longest - part.shape[1])), constant_values=missing) for part in parts]
        )

    ends = {name: np.concatenate([getattr(trace, name) for trace in traces]) for name in Trace._fields[3:]}
    return Trace(joined("train_loss", np.nan), joined("validation_loss", np.nan), joined("ran", False), **ends)


class _Chance(NamedTuple):
    """What is left to chance in some epochs, the same for all starts.

    Drawn by NumPy: permuting rows takes XLA longer than a pass of a small network over them.

    Attributes
    ----------
    asked : whether an epoch is to be run at all; a compiled chunk has more epochs than are always wanted.
    order : of the rows; empty where the optimiser takes all of them at once.
    fresh, fixed : keys of the noise that is drawn in every epoch, and of the noise that stays.
    """

    asked: Bool[Array, "*epochs"]
    order: Int[Array, "*epochs rows"]
    fresh: PRNGKeyArray
    fixed: PRNGKeyArray

    @classmethod
    def drawn(
        cls, streams: Sequence[np.random.Generator], fixed: PRNGKeyArray, *, asked: int, chunk: int, rows: int
    ) -> "_Chance":
        """Orders and keys from a stream of their own each, so that chunks of any length draw the same."""
        for_orders, for_keys = streams
        order, words = np.zeros((chunk, rows), np.int32), np.zeros((chunk, 2), np.uint32)
        for epoch in range(asked):
            order[epoch] = for_orders.permutation(rows)
            words[epoch] = for_keys.integers(2**32, size=2, dtype=np.uint32)
        return cls(to_device(np.arange(chunk) < asked), to_device(order), make_keys(words), fixed)


class _Limits(NamedTuple):
    """Epochs without a better validation loss, and epochs at most."""

    patience: Int[Array, ""]
    epochs: Int[Array, ""]


class _State(NamedTuple):
    params: Params
    optimizer: PyTree
    best: Params
    best_loss: Float[Array, ""]
    best_epoch: Int[Array, ""]
    since: Int[Array, ""]
    epoch: Int[Array, ""]
    active: Bool[Array, ""]

    def forgetting(self) -> "_State":
        """Go on from the present parameters as if none had been kept before."""
        nothing, awake = np.full_like(self.best_loss, np.inf), np.ones_like(self.active)
        best = {"best_loss": to_device(nothing), "best_epoch": self.epoch}
        return self._replace(**best, since=self.epoch, active=to_device(awake))

    def anew(self, begun: "_State") -> "_State":
        """Go on with new patience, from the starting point where nothing has been kept."""
        empty = np.isinf(self.best_loss)

        def choose(new: Array, old: Array) -> Array:
            return to_device(np.where(empty.reshape(-1, *(1,) * (old.ndim - 1)), new, old))

        params, optimizer = jax.tree.map(choose, (begun.params, begun.optimizer), (self.params, self.optimizer))
        awake = to_device(np.ones_like(self.active))
        return self._replace(params=params, optimizer=optimizer, since=self.epoch, active=awake)


class _History(NamedTuple):
    """The losses of each epoch, and which starts took part in it: none where it was not run at all."""

    train: Float[Array, "*epochs starts"]
    validation: Float[Array, "*epochs starts"]
    ran: Bool[Array, "*epochs starts"]


def minimize(
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
    every: int | None = None,
    feed: Feed | None = None,
    refine: Refine | None = None,
    progress: Progress | None = None,
    keeper: Keeper | None = None,
) -> tuple[Params, Trace, Losses]:
    """Lower the training loss from every start until its validation loss has not improved for `patience` epochs.

    Parameters
    ----------
    starts : parameters with a leading axis of starts; they train side by side in one compiled program, on the same
        batches and noise.
    data, validation : arrays with rows first.
    seed : of the order of the rows and of noise.
    chunk : most epochs per call of the compiled program, whose shape it decides.
    every : epochs between two calls of `refine`; by default `chunk`. `progress` is called as often, or more often where
        chunks are shorter.
    feed : other rows for each chunk in place of `data`, of the same shape.
    refine : may replace the losses. Where the old ones are not comparable, what was best under them is
        forgotten; where they are, a start that has kept nothing yet begins anew.
    keeper : of the checkpoint to go on from and to write.

    Returns
    -------
    The best parameters of each start, the trace, and the losses that training ended with.
    """
    begun = state = on_mesh(_begun(optimizer, starts))
    data, validation, feed = on_mesh(data), on_mesh(validation), feed or Feed(lambda done: _same(data), 0)
    most = np.iinfo(np.int32).max
    patience = max(patience, ceil(SCHEDULED * max_epochs)) if optimizer.budgeted else patience
    limits = _Limits(*(to_device(np.asarray(min(limit, most), np.int32)) for limit in (patience, max_epochs)))
    run_chunk = _run_few if sum(leaf.size // len(leaf) for leaf in jax.tree.leaves(starts)) <= FEW else _run_many
    streams, fixed = np.random.default_rng(seed).spawn(2), make_key(seed)
    rows = len(jax.tree.leaves(data)[0]) // feed.shards if optimizer.stochastic else 0
    histories, looks, done = [], [(0, False)], 0
    if keeper is not None and (kept := keeper.read(state)) is not None:
        state, histories, looks, done = (
            on_mesh(jax.tree.map(to_device, kept.state)),
            [kept.history],
            kept.looks,
            kept.history[0].shape[1],
        )
        losses = _replayed(losses, refine, kept)
        for stream, own in zip(streams, kept.streams, strict=True):
            stream.bit_generator.state = own

    def write() -> None:
        if keeper is not None:
            history = [np.concatenate(values, axis=1) for values in zip(*histories, strict=True)]
            keeper.write(Kept(state, history, looks, [dict(stream.bit_generator.state) for stream in streams]))

    with closing(feed.windows(done)) as windows, together(lambda: f"after epoch {done}"):
        while done < max_epochs and np.asarray(state.active).any():
            if keeper is not None and keeper.due and histories:
                write()
            asked = min(chunk if every is None else every, chunk, max_epochs - done)
            chance = _Chance.drawn(streams, fixed, asked=asked, chunk=chunk, rows=rows)
            window = on_mesh(next(windows))
            state, history = run_chunk(losses, optimizer, limits, state, chance, window, validation)
            run = np.asarray(history.ran).any(axis=1)
            histories.append([np.asarray(values)[run].T for values in history])
            done += int(run.sum())
            note(f"after epoch {done}" + ("" if keeper is None else keeper.note))
            ends = progress is not None and progress(done, float(np.asarray(state.best_loss).min())) is True
            if any(gathered(ends)):
                break
            stopped, looked = not np.asarray(state.active).any(), looks[-1][0]
            if refine is None or done >= max_epochs or not (stopped or done - looked >= (every or chunk)):
                continue
            latest = np.concatenate([own[1] for own in histories], axis=1)[:, looked:]
            looks.append((done, stopped))
            change = refine(losses, latest, stopped)
            if change is not None:
                changed = state.anew(begun) if change.comparable else state.forgetting()
                losses, state = change.losses, on_mesh(changed)
        else:
            write()
    trace = Trace(
        *(np.concatenate(values, axis=1) for values in zip(*histories, strict=True)),
        best_epoch=np.asarray(state.best_epoch),
        best_loss=np.asarray(state.best_loss),
        stopped=~np.asarray(state.active),
    )
    return state.best, trace, losses


def _replayed(losses: Losses, refine: Refine | None, kept: Kept) -> Losses:
    """The losses that training had come to, by the same looks at the same history."""
    for (since, _), (until, stopped) in pairwise(kept.looks):
        change = None if refine is None else refine(losses, kept.history[1][:, since:until], stopped)
        losses = losses if change is None else change.losses
    return losses


def _same(data: Data) -> Generator[Data]:
    while True:
        yield data


def _begun(optimizer: Optimizer, starts: Params) -> _State:
    """All starts before the first epoch; NumPy makes what it can, so that nothing is compiled for it."""
    count, dtype = jax.tree.leaves(starts)[0].shape[0], jnp.result_type(*jax.tree.leaves(starts))
    counter = to_device(np.zeros(count, np.int32))
    unknown, awake = to_device(np.full(count, np.inf, dtype)), to_device(np.ones(count, bool))
    return _State(starts, optimizer.init(starts), starts, unknown, counter, counter, counter, awake)


def _run_chunk(
    losses: Losses,
    optimizer: Optimizer,
    limits: _Limits,
    state: _State,
    chance: _Chance,
    data: Data,
    validation: Data,
) -> tuple[_State, _History]:
    def one(state: _State, own: tuple[Array, Array, PRNGKeyArray]) -> tuple[_State, _History]:
        def run(state: _State) -> tuple[_State, tuple[Array, Array]]:
            return _epoch(losses, optimizer, limits, data, validation, state, _Chance(*own, chance.fixed))

        unknown, (asked, *_) = jnp.full_like(state.best_loss, jnp.nan), own
        wanted = asked & state.active.any()
        # An axis of one start would take half as long again.
        each = jax.vmap(run) if len(unknown) > 1 else partial(jax.lax.map, run)
        next_state, (train, held_out) = jax.lax.cond(wanted, each, lambda s: (s, (unknown, unknown)), state)
        return next_state, _History(train, held_out, asked & state.active)

    return everywhere(jax.lax.scan(one, state, (chance.asked, chance.order, chance.fresh)))


_run_few, _run_many = quickly(level=3)(_run_chunk), eqx.filter_jit(_run_chunk)


def _epoch(
    losses: Losses,
    optimizer: Optimizer,
    limits: _Limits,
    data: Data,
    validation: Data,
    state: _State,
    chance: _Chance,
) -> tuple[_State, tuple[Float[Array, ""], Float[Array, ""]]]:
    rows = losses.noise(chance.fresh if optimizer.stochastic else chance.fixed, data)
    elapsed = state.epoch / limits.epochs, (state.epoch + 1) / limits.epochs
    params, optimizer_state, train_loss = optimizer.epoch(
        losses.train, state.params, state.optimizer, rows, chance.order, elapsed
    )
    candidate = optimizer.kept(params, optimizer_state)
    validation_loss = losses.validation(candidate, losses.held_out_noise(chance.fixed, validation))
    train_loss, validation_loss = (loss.astype(state.best_loss.dtype) for loss in (train_loss, validation_loss))
    better = state.active & (validation_loss < state.best_loss)
    epoch = state.epoch + 1
    since = jnp.where(better, epoch, state.since)
    next_state = _State(
        params,
        optimizer_state,
        jax.tree.map(partial(jnp.where, better), candidate, state.best),
        jnp.where(better, validation_loss, state.best_loss),
        jnp.where(better, epoch, state.best_epoch),
        since,
        epoch,
        state.active & (epoch - since < limits.patience),
    )
    return next_state, (train_loss, validation_loss)
