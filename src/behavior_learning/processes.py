"""Processes that cannot compute, copies of one that had begun to, and long computations that end when asked."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from behavior_learning.errors import ProcessError
from behavior_learning.mesh import join

__all__ = ["begin_computing", "interruptible"]


class _Process:
    """Whether this process has computed, and whether it is the copy of one that had."""

    computes = False
    is_copy = False


def _mark_copy() -> None:
    _Process.is_copy = _Process.computes


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_copy)


def begin_computing() -> None:
    """Note that this process computes from here on, together with others where there are some.

    Raises
    ------
    ProcessError
        If it was forked from one that did: it would wait for ever. If others cannot be joined.
    """
    if _Process.is_copy:
        raise ProcessError(
            "This process was forked from one that had computed already, and would wait for its threads for ever. "
            "Start processes with multiprocessing.get_context('spawn') or joblib's loky, or fork before the first fit, "
            "load or prediction (gunicorn without --preload)."
        )
    _Process.computes = True
    join()


@contextmanager
def interruptible(wanted: bool) -> Generator[Callable[[], bool]]:
    """Whether Ctrl-C has been pressed, which then interrupts nothing; pressed again it does.

    Signals reach the main thread alone: in others, and where it is not wanted, Ctrl-C does what it always does.
    """
    pressed: list[bool] = []
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)

    def note(*signal_and_frame: Any) -> None:
        pressed.append(True)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
