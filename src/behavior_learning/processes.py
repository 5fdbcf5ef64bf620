"""Processes that cannot compute: copies of one that had begun to, whose threads they lack."""

import os

from behavior_learning.errors import ProcessError

__all__ = ["begin_computing"]


class _Process:
    """Whether this process has computed, and whether it is the copy of one that had."""

    computes = False
    is_copy = False


def _mark_copy() -> None:
    _Process.is_copy = _Process.computes


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_copy)


def begin_computing() -> None:
    """Note that this process computes from here on.

    Raises
    ------
    ProcessError
        If it was forked from one that did: it would wait for ever.
    """
    if _Process.is_copy:
        raise ProcessError(
            "This process was forked from one that had computed already, and would wait for its threads for ever. "
            "Start processes with multiprocessing.get_context('spawn') or joblib's loky, or fork before the first fit, "
            "load or prediction (gunicorn without --preload)."
        )
    _Process.computes = True
