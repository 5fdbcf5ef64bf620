"""A stream as users name it, and as a fit reads it."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.errors import DataError, OptionError
from behavior_learning.mesh import count, device_count, index
from behavior_learning.options import check_count
from behavior_learning.streams.sources import EVERYTHING, Share, Source, as_source
from behavior_learning.streams.survey import Counted, Survey, survey
from behavior_learning.streams.windows import Columns, ahead, blocks, filled, windows

__all__ = ["Opened", "Stream"]

LOOKED = 4
"""Rows of a window to rows that validate: looking at them after each window costs what it costs in memory."""


@dataclass(frozen=True)
class Stream:
    """Rows that need not fit in memory, to be learned from with ``fit(stream, target=...)``.

    Parameters
    ----------
    rows : a path such as ``"folder/*.parquet"``, a folder, a list of files, a ``pyarrow.dataset``, a list of tables or
        of functions that make one each, or a function that returns these one after the other, the same each time.
    window : training rows that are encoded and held at once, and shuffled among each other; an epoch of training is a
        window.
    sample : rows that stay in memory with the model, for quantiles, explanations, effects and plots.
    features : columns of x; by default all but those of the response and of weights.
    shards : into which the stream is dealt, each of which has its part of every batch; a multiple of the devices. By
        default one for each device, and one where a window holds all rows. What is learned depends on it, and not on
        how many processes share the work.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> tables = [X.assign(MEDV=y)[:40], X.assign(MEDV=y)[40:]]
    >>> reg = bl.BLRegressor(layers=(1,), max_epochs=5, n_restarts=1)
    >>> reg.fit(bl.Stream(tables, window=64), target="MEDV").predict(X.head(2)).shape
    (2,)
    """

    rows: Any
    window: int = 2**17
    sample: int = 100_000
    features: Sequence[str] | None = None
    shards: int | None = None


@dataclass(frozen=True)
class Opened:
    """A stream that has been read once.

    Attributes
    ----------
    source : of the rows.
    targets, weights : columns of the responses, and of how often a row counts.
    rule : which rows train.
    survey : what the first pass found.
    window : most rows of one.
    shards : into which the stream is dealt.
    features : columns of x; None for all that are neither.
    """

    source: Source
    targets: tuple[str, ...]
    weights: str | None
    rule: Counted
    survey: Survey
    window: int
    shards: int = 1
    features: tuple[str, ...] | None = None

    @classmethod
    def read(
        cls,
        given: Any,
        target: str | Sequence[str],
        weights: str | None,
        *,
        labelled: bool,
        fraction: float,
        needed: Sequence[str] = (),
        features: Sequence[str] | None = None,
    ) -> "Opened":
        """Read a stream for the first time.

        Parameters
        ----------
        given : a `Stream`, or what its rows are.
        labelled : whether every value of the response is a level.
        fraction : of the rows that validate.
        needed : further columns.
        features : columns of x, in place of what the stream says.

        Raises
        ------
        DataError
            If the rows cannot be read, or a column is missing.
        """
        stream = given if isinstance(given, Stream) else Stream(given)
        targets = (target,) if isinstance(target, str) else tuple(target)
        source, rule = as_source(stream.rows), Counted(weights, fraction)
        window = check_count("window of bl.Stream", stream.window, minimum=2)
        features = stream.features if features is None else features
        others = () if weights is None else (weights,)
        found = survey(
            source.parts(share=Share(index(), count())),
            rule,
            columns=(*targets, *needed, *others, *(features or ())),
            levels=targets if labelled else (),
            sample=check_count("sample of bl.Stream", stream.sample, minimum=2),
            looked=max(1, window // LOOKED),
        )
        shards = _shards(stream.shards, found.rows, window)
        features = None if features is None else tuple(features)
        return cls(source, targets, weights, rule, found, window, shards, features)

    @property
    def whole(self) -> bool:
        """Whether one window holds all rows that train, so that they are learned from as in memory."""
        return self.shards == 1 and self.survey.rows <= self.window

    @property
    def train(self) -> tuple[pd.DataFrame, Any, Any]:
        """X, y and weights of the sample of the rows that train."""
        return self.split(self.survey.train)

    @property
    def held_out(self) -> tuple[Any, ...]:
        """The same of the rows that validate, without weights where there are none."""
        X, y, weight = self.split(self.survey.held_out)
        return (X, y) if weight is None else (X, y, weight)

    def split(self, table: pd.DataFrame) -> tuple[pd.DataFrame, Any, Any]:
        """X, y and weights of some rows."""
        y = table[self.targets[0]] if len(self.targets) == 1 else table[list(self.targets)]
        others = {*self.targets, self.weights}
        x = [name for name in table.columns if name not in others] if self.features is None else list(self.features)
        return table[x], y, None if self.weights is None else table[self.weights].to_numpy(float)

    def windows(self, encode: Callable[[pd.DataFrame, Any], Columns], seed: int, first: int = 0) -> Generator[Columns]:
        """Windows of rows that train, from a number on, read ahead; of weights the mean over the stream is one.

        Of several shards this process reads its own. All have the same number of rows in a window; where some have
        fewer, they are filled up with rows of weight 0.

        Parameters
        ----------
        encode : X and y to arrays.
        seed : of the order in which the stream is read.
        """
        by_shard = [0] * self.shards
        for piece, rows in self.survey.by_piece.items():
            by_shard[self.source.dealt(piece, self.shards)] += rows
        per_pass = min(-(-self.survey.rows // self.window), max(by_shard))
        sizes = [rows // per_pass for rows in by_shard]
        own, mean = partial(self._encoded, encode), sum(sizes) / (self.shards * max(sizes))
        blank = own(self.survey.train[:1])
        each = self.shards // count()  # None where a single one is read by all processes.
        shares = [Share(number, self.shards) for number in range(index() * each, (index() + 1) * each)] or [EVERYTHING]
        how = {"per_pass": per_pass, "seed": seed, "first": first}
        read = [windows(self.source, self.rule, own, rows=by_shard[s.number], share=s, **how) for s in shares]

        def put(window: tuple[Columns | None, ...]) -> Columns:
            parts = [_filled(part, blank, max(sizes), mean) for part in window]
            return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

        return ahead(map(put, zip(*read, strict=False)))

    def blocks(self, encode: Callable[[pd.DataFrame, np.ndarray], Columns], size: int) -> Iterator[Columns]:
        """All rows of this process that count, read ahead in blocks of one size, a last one filled up by weights of 0.

        Parameters
        ----------
        encode : rows and the hashes of their places to arrays, weights third.
        """
        read = self.source.parts(share=Share(index(), count()))
        parts = (encode(*rows) for part in read if len((rows := self.rule(part))[0]))
        for block in ahead(blocks(parts, size, rest=True)):
            whole = list(filled(block, size))
            whole[2] = np.where(np.arange(size) < len(block[0]), whole[2], 0.0)
            yield tuple(whole)

    def _encoded(self, encode: Callable[[pd.DataFrame, Any], Columns], table: pd.DataFrame) -> Columns:
        X, y, weight = self.split(table)
        try:
            columns = encode(X, y)
        except DataError as error:
            raise DataError(f"A row that the sample does not hold cannot be learned from. {error}") from error
        return columns if weight is None else (*columns, (weight / self.survey.weight).astype(np.float32))


def _filled(columns: Columns | None, blank: Columns, size: int, mean: float) -> Columns:
    """So many rows of a shard, with weights where any shard has fewer; the mean weight of all shards is one.

    Parameters
    ----------
    blank : a row for shards that have none.
    mean : share of the rows that are not filled up.
    """
    whole = filled(blank if columns is None else columns, size)
    if mean == 1:
        return whole
    x, y, weight = whole if len(whole) > 2 else (*whole, np.ones(size, np.float32))
    counts = np.arange(size) < (0 if columns is None else len(columns[0]))
    return x, y, np.where(counts, weight, 0).astype(np.float32) / np.float32(mean)


def _shards(stated: int | None, rows: int, window: int) -> int:
    """Into how many shards so many rows are dealt.

    Raises
    ------
    OptionError
        If they cannot be dealt to the devices evenly.
    """
    devices = device_count()
    if stated is None:
        return 1 if rows <= window else devices
    shards = check_count("shards of bl.Stream", stated)
    if shards > 1 and shards % devices:
        more = -(-shards // devices) * devices
        raise OptionError(
            f"{shards} shards cannot be dealt evenly to {devices} devices. Say shards={more}, or leave it open."
        )
    return shards
