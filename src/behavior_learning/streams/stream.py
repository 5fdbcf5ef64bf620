"""A stream as users name it, and as a fit reads it."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.errors import DataError
from behavior_learning.options import check_count
from behavior_learning.streams.sources import Source, as_source
from behavior_learning.streams.survey import Counted, Survey, survey
from behavior_learning.streams.windows import Columns, ahead, blocks, windows

__all__ = ["Opened", "Stream"]

LOOKED = 4
"""Rows of a window to rows that validate: looking at them after each window costs what it costs in memory."""


@dataclass(frozen=True)
class Stream:
    """Rows that need not fit in memory, to be learned from with ``fit(stream, target=...)``.

    Parameters
    ----------
    rows : a path such as ``"folder/*.parquet"``, a folder, a list of files, a ``pyarrow.dataset``, a list of tables, or
        a function that returns tables one after the other, the same each time it is called.
    window : training rows that are encoded and held at once, and shuffled among each other; an epoch of training is a
        window.
    sample : rows that stay in memory with the model, for quantiles, explanations, effects and plots.
    features : columns of x; by default all but those of the response and of weights.

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
    features : columns of x; None for all that are neither.
    """

    source: Source
    targets: tuple[str, ...]
    weights: str | None
    rule: Counted
    survey: Survey
    window: int
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
            source.parts(),
            rule,
            columns=(*targets, *needed, *others, *(features or ())),
            levels=targets if labelled else (),
            sample=check_count("sample of bl.Stream", stream.sample, minimum=2),
            looked=max(1, window // LOOKED),
        )
        return cls(source, targets, weights, rule, found, window, None if features is None else tuple(features))

    @property
    def whole(self) -> bool:
        """Whether one window holds all rows that train."""
        return self.survey.rows <= self.window

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

        Parameters
        ----------
        encode : X and y to arrays.
        seed : of the order in which the stream is read.
        """
        own = partial(self._encoded, encode)
        how = {"rows": self.survey.rows, "most": self.window, "seed": seed, "first": first}
        return ahead(windows(self.source, self.rule, own, **how))

    def blocks(self, encode: Callable[[pd.DataFrame], Columns], size: int) -> Iterator[Columns]:
        """All rows that count, in blocks of one size read ahead; a last short one is filled up with rows of weight 0.

        Parameters
        ----------
        encode : rows to arrays, weights third.
        """
        parts = (encode(table) for part in self.source.parts() if len(table := self.rule(part)[0]))
        for block in ahead(blocks(parts, size, rest=True)):
            at = np.minimum(np.arange(size), len(block[0]) - 1)
            filled = [column[at] for column in block]
            filled[2] = np.where(np.arange(size) < len(block[0]), filled[2], 0.0)
            yield tuple(filled)

    def _encoded(self, encode: Callable[[pd.DataFrame, Any], Columns], table: pd.DataFrame) -> Columns:
        X, y, weight = self.split(table)
        try:
            columns = encode(X, y)
        except DataError as error:
            raise DataError(f"A row that the sample does not hold cannot be learned from. {error}") from error
        return columns if weight is None else (*columns, (weight / self.survey.weight).astype(np.float32))
