"""Where to compute."""

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import islice
from typing import Any, TypeVar

import jax

from behavior_learning.errors import OptionError
from behavior_learning.mesh import alone
from behavior_learning.processes import begin_computing

__all__ = ["in_threads", "on_device", "platform", "suited"]

Of = TypeVar("Of")

WHOLE = "highest"
"""Products of matrices in all digits of single precision, of which accelerators leave out half by default."""

PAYS = 2**31
"""Numbers of the widest layer, of all rows, candidates and epochs, from which on an accelerator's shorter steps make up
for its longer compilation: some 15 s of training by a processor."""

THREADED_ROWS = 50_000
"""Rows up to which several calls are made at a time."""

IN_FORCE = ("default_device", "default_matmul_precision", "enable_x64")
"""Settings of JAX that are those of a thread."""


class _Chosen(threading.local):
    """Whether `suited` chose the device of this thread, and nobody else."""

    here = False


_chosen = _Chosen()


@contextmanager
def on_device(name: str | None) -> Generator[Any]:
    """Compute on a device whatever is called in a ``with`` block: fits, predictions, inference, searches.

    A setting of the place and not of the model: estimators have no parameter for it, files do not hold it, and a model
    that was fitted on one device answers on another. Outside of such blocks a single GPU trains and predicts where that
    makes up for its longer compilation, and the processor does all else; among several devices JAX chooses
    (``JAX_PLATFORMS=cpu`` in the environment keeps it from GPUs). Products of matrices are in whole single precision.
    Other threads are not concerned.

    Parameters
    ----------
    name : ``"cpu"``, ``"gpu"``, ``"tpu"``, or one of several by its number, ``"gpu:1"``; None leaves the choice to JAX.

    Raises
    ------
    OptionError
        If there is no such device; the message names those that there are.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> with bl.on_device("cpu") as device:
    ...     reg = bl.BLRegressor(layers=(1,), max_epochs=5, random_state=0).fit(X, y)
    >>> device.platform
    'cpu'
    """
    if name is None:
        yield None
        return
    device = _found(name)
    # A processor knows one precision, and programs compiled without saying so serve it.
    whole = nullcontext() if device.platform == "cpu" else jax.default_matmul_precision(WHOLE)
    with jax.default_device(device), whole:
        yield device


@contextmanager
def suited(numbers: int) -> Generator[Any]:
    """Compute on the processor unless there are so many numbers to compute that a single accelerator pays, given then.

    What `on_device` or the user's own settings of JAX say stands, and so does JAX's choice among several devices.
    """
    found, own = _accelerator(), _asked_for()
    if found is None or (own is not None and not _chosen.here):
        yield None
        return
    before, _chosen.here = _chosen.here, True
    place = found if numbers >= PAYS else None
    try:
        with jax.default_device(place or jax.devices("cpu")[0]), jax.default_matmul_precision(WHOLE):
            yield place
    finally:
        _chosen.here = before


def _accelerator() -> Any:
    """The only device, where that is no processor and no other process computes with this one."""
    return jax.devices()[0] if alone() and jax.default_backend() != "cpu" else None


def _asked_for() -> Any:
    """The device that is in force here, or its name, where JAX is not left to choose."""
    return jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]


def in_threads(calls: Iterable[Callable[[], Of]], rows: int) -> Generator[Of]:
    """What each call gives, in order, while every core of the processor makes one of those that follow.

    The first is made alone, so that what it compiles is there for the others. One after the other with many rows, of
    which one call occupies all cores and fills the memory, on accelerators, where processes compute together, since all
    must do so in one order, and in threads, of which there are enough then.

    Parameters
    ----------
    rows : that each call computes with.
    """
    calls, cores = iter(calls), _cores()
    nested = threading.current_thread() is not threading.main_thread()
    if cores == 1 or rows > THREADED_ROWS or nested or platform() != "cpu" or not alone():
        yield from (call() for call in calls)
        return
    here = {name: getattr(jax.config, f"jax_{name}") for name in IN_FORCE}

    def made(call: Callable[[], Of]) -> Of:
        with ExitStack() as settings:
            for name, value in here.items():
                settings.enter_context(getattr(jax, name)(value))
            return call()

    yield from (call() for call in islice(calls, 1))
    with ThreadPoolExecutor(cores) as pool:
        begun = deque(pool.submit(made, call) for call in islice(calls, cores))
        try:
            while begun:
                first = begun.popleft().result()
                begun.extend(pool.submit(made, call) for call in islice(calls, 1))
                yield first
        finally:
            pool.shutdown(cancel_futures=True)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def platform() -> str:
    """The kind of device that computes here."""
    own = _asked_for()
    return jax.default_backend() if own is None else getattr(own, "platform", own)


def _found(name: str) -> Any:
    begin_computing()
    spelled = re.fullmatch(r"([a-z]+)(?::([0-9]+))?", str(name))
    try:
        kind, number = ("none", None) if spelled is None else spelled.groups()
        return jax.devices(kind)[int(number or 0)]
    except (RuntimeError, IndexError) as error:
        own = dict.fromkeys(f"{device.platform}:{device.id}" for device in [*jax.devices(), *jax.devices("cpu")])
        raise OptionError(
            f"There is no device {name!r}; here {'is' if len(own) == 1 else 'are'} {', '.join(own)}. GPUs need the JAX "
            "that was built for them: pip install jax[cuda12]."
        ) from error
