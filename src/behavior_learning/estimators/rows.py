"""Rows on their way to a network: as they were read, as they are encoded, and as a stream brings them."""

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Array

from behavior_learning.core.arrays import to_device
from behavior_learning.encoding import TableEncoder, aligned, with_the_same_categories
from behavior_learning.errors import DataError
from behavior_learning.estimators.groups import check_groups
from behavior_learning.learned.columns import Columns
from behavior_learning.learned.model import Rows, TrainingRows
from behavior_learning.mesh import count, gathered, rows_dealt
from behavior_learning.responses import Response
from behavior_learning.streams import Opened
from behavior_learning.training.checkpoint import fingerprint
from behavior_learning.training.weights import check_weights, chosen_rows

__all__ = ["EncodedRows", "ReadRows", "check_inside", "is_named", "uncopied", "windows_of", "with_columns"]


MOST_DOUBLES = 2**24
"""Numbers of a table up to which a model keeps it in double precision."""


def uncopied(rows: np.ndarray) -> np.ndarray | slice:
    """Positions as a slice, which copies nothing, where they are the first ones in order: others validate."""
    return slice(len(rows)) if np.array_equal(rows, np.arange(len(rows))) else rows


class ReadRows(NamedTuple):
    """Rows as they were read: columns, parsed responses, weights, numbers of groups; rows of weight 0 are left out."""

    table: pd.DataFrame
    values: np.ndarray
    weight: np.ndarray | None
    group: np.ndarray | None = None

    @classmethod
    def of(cls, table: pd.DataFrame, values: np.ndarray, sample_weight: Any = None, groups: Any = None) -> "ReadRows":
        weight = None if sample_weight is None else check_weights(sample_weight, len(table))
        counted = slice(None) if weight is None else weight > 0
        group = None if groups is None else check_groups(groups, len(table), counted)
        return cls(table[counted], values[counted], None if weight is None else weight[counted], group)

    def above(self, below: "ReadRows") -> "ReadRows":
        """These rows and others below them; without weights a row counts once."""
        tables = with_the_same_categories(*(rows.table.rename(columns=str) for rows in (self, below)))
        unweighted = self.weight is None and below.weight is None
        weights = [np.ones(len(rows.table)) if rows.weight is None else rows.weight for rows in (self, below)]
        values = np.concatenate([self.values, below.values])
        return ReadRows(pd.concat(tables), values, None if unweighted else np.concatenate(weights))


class EncodedRows(NamedTuple):
    """Rows as a network takes them."""

    encoder: TableEncoder
    response: Response
    columns: Columns
    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None

    def check_alike(self) -> None:
        """Refuse processes that were given different rows in memory."""
        found = gathered(fingerprint(self.x, self.y, self.weight) if count() > 1 else "")
        other = next((number for number, own in enumerate(found) if own != found[0]), None)
        if other is not None:
            raise DataError(
                f"Processes 0 and {other} have different rows. Give all the same table, or a stream, of which each "
                "reads its share: fit('folder/*.parquet', target='y')."
            )

    def at(self, rows: np.ndarray) -> tuple[Array, ...]:
        """Some of the rows on the device, with their weights where there are any."""
        return chosen_rows((self.x, self.y), self.weight, rows)

    def kept(self, rows: ReadRows, held_out: np.ndarray, of: int | None = None) -> TrainingRows:
        """What a model keeps of the rows: in double precision, unless they are very many."""
        x = self.encoder(rows.table) if self.x.size <= MOST_DOUBLES else self.x
        y = self.response.encode(rows.values, float)
        return TrainingRows(x, y, np.isin(np.arange(len(x)), held_out), self.weight, of)


def is_named(X: Any) -> bool:
    """Whether a table names its columns by text."""
    return isinstance(X, pd.DataFrame) and all(isinstance(name, str) for name in X.columns)


def with_columns(table: pd.DataFrame, given: Any, names: Sequence[str], where: str) -> pd.DataFrame:
    """A further table with some columns in their order; an array takes their names.

    Parameters
    ----------
    given : what the table was read from.
    where : it was given, for messages.
    """
    if isinstance(given, pd.DataFrame):
        return aligned(table, names)
    if table.shape[1] != len(names):
        raise DataError(
            f"In {where} X has {table.shape[1]} features, but fit is expecting {len(names)} features as input."
        )
    return table.set_axis(list(names), axis=1)


def check_inside(response: Response, values: np.ndarray) -> None:
    """Refuse further responses where the present model has no probability.

    Raises
    ------
    DataError
        If one lies outside the support.
    """
    outside = ~np.asarray(response.space().contains(to_device(response.encode(values)))).astype(bool)
    if outside.any():
        lower, upper = response.ends()
        row = int(np.argmax(outside))
        raise DataError(
            f"The response {response.name!r} lives on [{lower:g}, {upper:g}] since the first rows, and row {row} is "
            f"{values[row]} ({outside.sum()} such rows). State a wider support= before the first fit, or fit anew."
        )


def windows_of(stream: Opened, encoded: EncodedRows, seed: int, first: int) -> Generator[tuple[Array, ...]]:
    """Windows of rows on the device, encoded alike."""

    def encode(X: pd.DataFrame, y: Any) -> Rows:
        x = encoded.encoder.plain(X, np.float32)
        values = encoded.response.values(y, len(X))
        return encoded.encoder(X, np.float32) if x is None else x, encoded.response.encode(values)

    with closing(stream.windows(encode, seed, first)) as windows:
        for window in windows:
            yield tuple(map(to_device, window)) if stream.shards == 1 else rows_dealt(window)
