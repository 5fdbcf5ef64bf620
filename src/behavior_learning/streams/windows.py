"""The rows that train, as windows of one shape without end, made by a thread while the device computes."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import count, islice, repeat
from queue import Empty, Full, Queue
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from behavior_learning.errors import DataError
from behavior_learning.streams.sources import EVERYTHING, Share, Source
from behavior_learning.streams.survey import Counted

__all__ = ["ahead", "blocks", "filled", "windows"]

Columns = tuple[np.ndarray, ...]
Item = TypeVar("Item")

PATIENCE = 0.1
"""Seconds after which a thread looks whether anybody still waits for it."""


def windows(
    source: Source,
    rule: Counted,
    encode: Callable[[pd.DataFrame], Columns],
    *,
    rows: int,
    per_pass: int,
    seed: int,
    first: int = 0,
    share: Share = EVERYTHING,
) -> Iterator[Columns | None]:
    """Windows of encoded training rows of a share, pass after pass, in a new order of the pieces each time.

    A pass is cut into windows of equal size; fewer rows than it has windows are left out of it. A share without rows
    has windows of None.

    Parameters
    ----------
    rows : of the share that train.
    per_pass : windows of a pass.
    seed : of the order of the pieces.
    first : the number of the first window; what is before it is read and thrown away.

    Raises
    ------
    DataError
        If a pass has other rows than the one before.
    """
    if rows < per_pass:
        yield from repeat(None)
    skipped = first % per_pass
    for number in count(first // per_pass):
        parts = source.parts(np.random.default_rng([seed, number]) if per_pass > 1 else None, share)
        cut = blocks((encode(table) for part in parts if len(table := rule.training(part))), rows // per_pass)
        passed = skipped
        for window in islice(cut, skipped, per_pass):
            passed += 1
            yield window
        if passed < per_pass:
            raise DataError(
                f"The stream had {rows} rows to train when it was first read, and fewer in pass {number + 1}. Rows "
                "must be the same in every pass: leave the files alone, or make the same tables again."
            )
        skipped = 0


def blocks(parts: Iterable[Columns], size: int, *, rest: bool = False) -> Iterator[Columns]:
    """Rows in blocks of one size; what does not fill the last one is left out, or comes as a `rest`."""
    waiting: list[Columns] = []
    have = 0
    for part in parts:
        waiting.append(part)
        have += len(part[0])
        while have >= size:
            whole = tuple(np.concatenate(columns) for columns in zip(*waiting, strict=True))
            yield tuple(column[:size] for column in whole)
            waiting, have = [tuple(column[size:] for column in whole)], have - size
    if rest and have:
        yield tuple(np.concatenate(columns) for columns in zip(*waiting, strict=True))


def filled(columns: Columns, size: int) -> Columns:
    """So many rows: these, and from the last on copies of it."""
    return tuple(column[np.minimum(np.arange(size), len(column) - 1)] for column in columns)


def ahead(items: Iterator[Item]) -> Generator[Item]:
    """The same items, the next one made by a thread while one is in use.

    Closing the generator ends the thread. What the thread raises is raised here.
    """
    made: Queue[tuple[Any, BaseException | None]] = Queue(1)
    unwanted = threading.Event()

    def put(item: Any, error: BaseException | None = None) -> None:
        while not unwanted.is_set():
            with suppress(Full):
                made.put((item, error), timeout=PATIENCE)
                return

    def make() -> None:
        try:
            for item in items:
                put(item)
                if unwanted.is_set():
                    return
            put(None, StopIteration())
        except BaseException as error:
            put(None, error)

    worker = threading.Thread(target=make, daemon=True, name="rows of a stream")
    worker.start()
    try:
        while True:
            item, error = made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        unwanted.set()
        with suppress(Empty):
            made.get_nowait()
        worker.join()
