"""Processes and devices that compute together: one mesh over the rows, and what the processes tell each other.

Rows are cut over the mesh, all else every device has, and XLA adds what a sum over rows needs: the program is the one
of a single process, which is a mesh of one.
"""

import atexit
import os
import pickle
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache, partial, reduce
from importlib.metadata import version
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from behavior_learning.errors import BLError, ProcessError
from behavior_learning.launched import PLACE, Place

__all__ = [
    "alone",
    "by_rows",
    "count",
    "device_count",
    "everyone",
    "everywhere",
    "from_first",
    "gathered",
    "index",
    "join",
    "on_mesh",
    "rows_dealt",
    "together",
    "total",
]

PATIENCE, HEARTBEAT = 300, 60
"""Seconds that processes wait for each other to begin, and without a sign of life after which one counts as dead."""

Value = TypeVar("Value")


class _Process:
    """Whether this process computes, and its place among those that it has joined."""

    computes = False
    place: Place | None = None


def join(place: Place | None = None) -> None:
    """Join the other processes, if the environment names some; before anything is computed, and once.

    Parameters
    ----------
    place : in place of what the environment says; joined already, the address may be another.

    Raises
    ------
    ProcessError
        If they cannot be joined, or run other versions.
    """
    if _Process.computes:
        if place is not None and (_Process.place is None or _Process.place[:2] != place[:2]):
            was = "alone" if _Process.place is None else "as {}/{}".format(*_Process.place[:2])
            raise ProcessError(
                f"Process {place.process} of {place.processes} has computed {was} before and cannot join others now. "
                "Start it anew, as client.restart() does."
            )
        return
    _Process.computes = True
    told = os.environ.pop(PLACE, None)  # Processes that this one starts are none of them.
    if place is None and told is None:
        return
    place = _Process.place = place or Place.read(str(told))
    how: Any = {"initialization_timeout": PATIENCE, "heartbeat_timeout_seconds": HEARTBEAT}
    try:
        jax.distributed.initialize(place.address, place.processes, place.process, **how)
    except (RuntimeError, ValueError) as error:
        raise ProcessError(
            f"Process {place.process} of {place.processes} could not join the others at {place.address}: {error}. "
            "Compute nothing by JAX before the first fit, and see that the port is free and reached by all."
        ) from error
    atexit.register(_leave_at_once)
    check_versions(gathered(f"behavior-learning {version('behavior-learning')} with JAX {jax.__version__}"))


def check_versions(found: list[str]) -> None:
    """Refuse processes that run different versions."""
    other = next((number for number, own in enumerate(found) if own != found[0]), None)
    if other is not None:
        raise ProcessError(
            f"Process 0 runs {found[0]}, and process {other} {found[other]}. Install the same versions everywhere."
        )


def _leave_at_once() -> None:
    """After an error, end without waiting for the others, who would wait for this one."""
    if getattr(sys, "last_value", None) is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


def index() -> int:
    """The number of this process."""
    join()
    return jax.process_index()


def count() -> int:
    """How many processes there are."""
    join()
    return jax.process_count()


def device_count() -> int:
    """How many devices there are, of all processes together."""
    join()
    return jax.device_count()


def alone() -> bool:
    """Whether there is one device only."""
    return device_count() == 1


# One mesh over the rows.


@cache
def _over(*axes: str) -> NamedSharding:
    return NamedSharding(Mesh(np.array(jax.devices()), ("rows",)), PartitionSpec(*axes))


def on_mesh(tree: PyTree) -> PyTree:
    """Arrays that every process holds alike, on every device; what is there already stays."""
    if alone():
        return tree

    def place(leaf: Any) -> Any:
        there = isinstance(leaf, jax.Array) and len(leaf.sharding.device_set) > 1
        return leaf if there else jax.make_array_from_process_local_data(_over(), np.asarray(leaf))

    return jax.tree.map(place, tree)


def rows_dealt(columns: tuple[np.ndarray, ...]) -> tuple[jax.Array, ...]:
    """Columns of which every process holds its rows, the same number each, as columns of all rows."""
    return tuple(map(partial(jax.make_array_from_process_local_data, _over("rows")), columns))


def by_rows(tree: PyTree) -> PyTree:
    """Arrays in a compiled program, their rows cut over the devices."""
    return tree if alone() else jax.lax.with_sharding_constraint(tree, _over("rows"))


def everywhere(tree: PyTree) -> PyTree:
    """Arrays in a compiled program, whole on every device."""
    return tree if alone() else jax.lax.with_sharding_constraint(tree, _over())


# What processes tell each other.


def gathered(value: Value) -> list[Value]:
    """What each process passes, in their order; all must call it.

    Raises
    ------
    ProcessError
        If one of them has ended.
    """
    if count() == 1:
        return [value]
    own = np.frombuffer(pickle.dumps(value), np.uint8)
    with together(lambda: "while they exchanged what they know"):
        sizes = np.asarray(process_allgather(np.array(own.size, np.int32)))
        longest = 1 << int(sizes.max()).bit_length()  # Few lengths, few programs.
        parts = np.asarray(process_allgather(np.pad(own, (0, longest - own.size))))
    return [pickle.loads(part[:size].tobytes()) for part, size in zip(parts, sizes, strict=True)]


def total(tree: PyTree) -> PyTree:
    """The sum over processes of arrays that each has summed over its rows, bit for bit the same in all."""
    return reduce(partial(jax.tree.map, np.add), gathered(jax.tree.map(np.asarray, tree)))


def everyone(make: Callable[[], Value]) -> list[Value]:
    """What each process makes, in their order; what one raises on purpose is raised by all."""
    own: tuple[Value | None, BLError | None] = (None, None)
    try:
        own = make(), None
    except BLError as error:
        if count() == 1:
            raise
        own = None, error
    found: list[Any] = gathered(own)
    for number, (_, error) in enumerate(found):
        if error is not None:
            raise type(error)(f"Process {number}: {error}")
    return [value for value, _ in found]


def from_first(make: Callable[[], Value]) -> Value:
    """What the first process makes, in all of them."""
    found: list[Any] = everyone(lambda: make() if index() == 0 else None)
    return found[0]


@contextmanager
def together(when: Callable[[], str]) -> Generator[None]:
    """Say in words that another process has ended, where a computation of all of them fails for it."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if count() == 1:
            raise
        reason = str(error).splitlines()[0][:200]
        raise ProcessError(
            f"Process {index()} of {count()} lost another one {when()} ({reason}). Start all of them again: with "
            "checkpoint= training goes on from where it was last kept."
        ) from error
