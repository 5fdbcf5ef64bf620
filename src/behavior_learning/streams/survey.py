"""One pass over a stream: how many rows train, a sample of them that misses nothing, and the rows that validate.

Which rows validate is decided by a hash of a row's place, so that every pass and every process agrees. Samples are the
rows of smallest hash, which is a random sample whatever the order of the rows. The sample of training rows also holds a
row for everything that must not be missed: each level of a category, a missing value, the smallest and the largest
number of every column. So ends and levels are those of all rows; quantiles are those of the sample, and means and
standard deviations those of all rows where none lies far outside.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt64

from behavior_learning.encoding import EncodedColumn, TableEncoder, bulk_range, with_the_same_categories
from behavior_learning.errors import DataError
from behavior_learning.mesh import everyone, gathered
from behavior_learning.streams.sources import Part

__all__ = ["Counted", "Reading", "Survey", "mixed", "place_hashes", "survey"]

MOST_LEVELS = 1_000
"""Levels of a column of which each has a row in the sample for certain."""

ALL, PLACES = float(2**64), 2**40
"""Hashes that there are, and more rows than a piece has."""

KINDS = {**dict.fromkeys("iuf", "numbers"), "b": "booleans", **dict.fromkeys("mM", "times")}
"""What a column of each kind of NumPy holds, of others text."""


class Counted:
    """What is to become of the rows of a stream.

    Parameters
    ----------
    weights : the column that says how often a row counts; rows of weight 0 are left out.
    fraction : of the rows that validate.
    """

    def __init__(self, weights: str | None, fraction: float):
        self.weights, self.fraction = weights, fraction

    def __call__(self, part: Part) -> tuple[pd.DataFrame, UInt64[np.ndarray, " rows"]]:
        """The rows of a part that count, and their hashes."""
        hashes = place_hashes(part)
        if self.weights is None:
            return part.table, hashes
        counted = row_weights(part, self.weights) > 0
        return part.table[counted], hashes[counted]

    def training(self, part: Part) -> pd.DataFrame:
        """The rows of a part that train."""
        table, hashes = self(part)
        return table[~self.held_out(hashes)]

    def held_out(self, hashes: UInt64[np.ndarray, " rows"]) -> np.ndarray:
        """Which rows validate."""
        return hashes < self.fraction * ALL


def place_hashes(part: Part) -> UInt64[np.ndarray, " rows"]:
    """A number per row that depends on its place alone, and looks random.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014), of the piece and then of the row in it.
    """
    with np.errstate(over="ignore"):
        return mixed(
            mixed(np.uint64(part.piece)) + np.arange(part.offset, part.offset + len(part.table), dtype=np.uint64)
        )


def mixed(numbers: Any) -> Any:
    """Numbers of 64 bits that look random, each a function of the one given."""
    z = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def row_weights(part: Part, name: str) -> Float[np.ndarray, " rows"]:
    """How often each row counts.

    Raises
    ------
    DataError
        If one is not a finite number of at least 0.
    """
    values = pd.to_numeric(part.table[name], errors="coerce").to_numpy(float, na_value=np.nan)
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"The weights {name!r} must be finite numbers of at least 0; row {part.offset + row} of piece {part.piece} "
            f"has {values[row]:g}. Drop such rows or give them weight 0, which leaves them out."
        )
    return values


class Sample:
    """The rows of smallest hash so far, at most so many; the index holds their numbers in the stream."""

    def __init__(self, most: int):
        self.most, self.limit = most, np.uint64(2**64 - 1)
        self.hashes, self.table = np.empty(0, np.uint64), pd.DataFrame()
        self.parts: list[tuple[np.ndarray, pd.DataFrame]] = []

    def add(self, hashes: UInt64[np.ndarray, " rows"], table: pd.DataFrame) -> None:
        low = hashes <= self.limit
        if low.any():
            self.parts.append((hashes[low], table[low]))
        if sum(len(hashes) for hashes, _ in self.parts) > self.most:
            self.rows()

    def rows(self) -> pd.DataFrame:
        """The sample, in the order of the stream."""
        if self.parts:
            tables = [part for _, part in self.parts] + ([self.table] if len(self.table) else [])
            table = joined(tables)
            hashes = np.concatenate([*(own for own, _ in self.parts), self.hashes])
            lowest = np.argsort(hashes, kind="stable")[: self.most]
            kept = lowest[np.argsort(table.index[lowest], kind="stable")]
            self.hashes, self.table, self.parts = hashes[kept], table.iloc[kept], []
            if len(kept) == self.most:
                self.limit = self.hashes.max()
        return self.table

    def cut(self, share: float) -> None:
        """Leave what is likely to be in the sample of all rows, of which these are a share."""
        table, mean = self.rows(), share * self.most
        lowest = np.sort(np.argsort(self.hashes, kind="stable")[: int(mean + 6 * mean**0.5) + 10])
        self.hashes, self.table = self.hashes[lowest], table.iloc[lowest]


def joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables one below another, categories staying categories."""
    return pd.concat(with_the_same_categories(*tables))


class Witnesses:
    """A row for everything that a column must not be missed to have: a level, a gap, its smallest and largest number.

    Parameters
    ----------
    levels : columns of numbers whose every value counts as a level.
    """

    def __init__(self, levels: Collection[str]):
        self.levels, self.rows = levels, {}
        self.seen: dict[str, set[object]] = {}
        self.ends: dict[str, tuple[object, object]] = {}

    def add(self, table: pd.DataFrame) -> None:
        for name in table.columns:
            column = table[name]
            if ("gap", name) not in self.rows and (gaps := column.isna().to_numpy()).any():
                self.rows["gap", name] = table.iloc[[int(np.argmax(gaps))]]
            ordered = column.dtype.kind in "iufmM" and name not in self.levels
            (self._note_ends if ordered else self._note_levels)(table, name, column)

    def _note_ends(self, table: pd.DataFrame, name: str, column: pd.Series) -> None:
        low, high = column.min(), column.max()
        least, most = self.ends.get(name, (None, None))
        if pd.isna(low):
            return
        if least is None or low < least:
            least, self.rows["least", name] = low, table[(column == low).to_numpy()].iloc[:1]
        if most is None or high > most:
            most, self.rows["most", name] = high, table[(column == high).to_numpy()].iloc[:1]
        self.ends[name] = least, most

    def _note_levels(self, table: pd.DataFrame, name: str, column: pd.Series) -> None:
        known = self.seen.setdefault(name, set())
        for level in column.dropna().unique() if len(known) < MOST_LEVELS else ():
            if level not in known:
                known.add(level)
                self.rows[name, level] = table[(column == level).to_numpy()].iloc[:1]


class Moments:
    """Count, mean and sum of squared deviations of columns of numbers, part by part.

    Source: Chan, Golub and LeVeque (1979).
    """

    def __init__(self):
        self.count, self.mean, self.squares = (np.zeros(0) for _ in range(3))

    def add(self, values: Float[np.ndarray, "rows columns"]) -> None:
        missing = ~np.isfinite(values)  # What is infinite is refused by whoever learns from the sample.
        own = Moments()
        own.count = len(values) - missing.sum(axis=0)
        own.mean = np.where(missing, 0.0, values).sum(axis=0) / np.maximum(own.count, 1)
        own.squares = (np.where(missing, 0.0, np.where(missing, 0.0, values) - own.mean) ** 2).sum(axis=0)
        self.join(own)

    def join(self, other: "Moments") -> None:
        """Those of both."""
        if not self.count.size:
            self.count, self.mean, self.squares = np.zeros((3, len(other.count)))
        both, shift = np.maximum(self.count + other.count, 1), other.mean - self.mean
        self.squares = self.squares + other.squares + shift**2 * self.count * other.count / both
        self.mean = self.mean + shift * other.count / both
        self.count = self.count + other.count

    @property
    def deviation(self) -> Float[np.ndarray, " columns"]:
        return np.sqrt(self.squares / np.maximum(self.count, 1))


@dataclass(frozen=True)
class Survey:
    """What one pass over a stream found.

    Attributes
    ----------
    rows : how many train.
    weight : their mean weight.
    train, held_out : samples of the rows that train, and of those that validate; the index has their numbers.
    center, deviation : mean and standard deviation of each column of numbers over all rows that train.
    by_piece : how many rows of each piece train.
    """

    rows: int
    weight: float
    train: pd.DataFrame
    held_out: pd.DataFrame
    center: dict[str, float]
    deviation: dict[str, float]
    by_piece: dict[int, int]

    def exact(self, encoder: TableEncoder) -> TableEncoder:
        """The encoder learned from the sample, with means and deviations of all rows that train."""
        return TableEncoder(encoder.names, tuple(self._exact(column) for column in encoder.columns))

    def _exact(self, column: EncodedColumn) -> EncodedColumn:
        if column.kind != "numeric" or column.spread == 0 or column.source not in self.center:
            return column
        values = self.train[column.source].dropna().to_numpy(float)
        low, high = bulk_range(values)
        if values.min() < low or values.max() > high:
            return column  # What lies far outside is clipped in both, and only the sample knows where.
        deviation = self.deviation[column.source]
        return replace(column, center=self.center[column.source], scale=deviation, spread=deviation)


class Reading:
    """What a process has read of its share, and what comes of the shares of all.

    Parameters
    ----------
    rule : what is to become of the rows.
    levels : columns of numbers whose every value must be in the sample.
    sample, looked : most rows that are kept of those that train, and of those that validate.
    """

    def __init__(self, rule: Counted, *, levels: Collection[str], sample: int, looked: int):
        self.rule, self.witnesses = rule, Witnesses(levels)
        self.kept, self.held_out = Sample(sample), Sample(looked)
        self.kinds: dict[str, str] = {}
        self.pieces: dict[int, Piece] = {}

    def add(self, part: Part) -> None:
        """Read some rows."""
        number = part.piece * PLACES + part.offset
        table, hashes = self.rule(
            part._replace(table=part.table.set_axis(pd.RangeIndex(number, number + len(part.table)), axis=0))
        )
        self.kinds = self.kinds or {name: part.table[name].dtype.kind for name in part.table.columns}
        piece, out = self.pieces.setdefault(part.piece, Piece()), self.rule.held_out(hashes)
        train = table[~out]
        self.held_out.add(hashes[out], table[out])
        self.kept.add(~hashes[~out], train)
        self.witnesses.add(train)
        piece.moments.add(train[self.numbers].to_numpy(float, na_value=np.nan))
        piece.read, piece.rows = piece.read + len(part.table), piece.rows + len(train)
        piece.weight += len(train) if self.rule.weights is None else train[self.rule.weights].sum()

    @property
    def numbers(self) -> list[str]:
        """Columns of numbers."""
        return [name for name, kind in self.kinds.items() if kind in "iuf"]

    @property
    def rows(self) -> int:
        return sum(piece.rows for piece in self.pieces.values())

    def sent(self, rows: int) -> "Reading":
        """The same, with little more of the samples than its share in those of so many rows."""
        for sample in (self.kept, self.held_out):
            sample.cut(self.rows / max(rows, 1))
        return self

    def joined(self, others: Sequence["Reading"]) -> "Reading":
        """What one process would have found that had read what all have read."""
        read = [other for other in others if other.pieces]
        for other in read[1:]:
            _check_kinds(read[0], other)
        whole = Reading(self.rule, levels=self.witnesses.levels, sample=self.kept.most, looked=self.held_out.most)
        whole.kinds = read[0].kinds if read else {}
        whole.pieces = dict(sorted(item for other in read for item in other.pieces.items()))
        for other in read:
            for own, more in ((whole.kept, other.kept), (whole.held_out, other.held_out)):
                table = more.rows()
                own.add(more.hashes, table)
        seen = [row for other in read for row in other.witnesses.rows.values()]
        if seen:
            whole.witnesses.add(joined(seen).sort_index())
        return whole

    def survey(self) -> "Survey":
        """What was found.

        Raises
        ------
        DataError
            If no row trains or validates.
        """
        held_out, moments = self.held_out.rows(), Moments()
        if self.rows < 2 or (self.rule.fraction > 0 and not len(held_out)):
            raise DataError(
                f"Training needs at least 2 rows and validation at least 1; the stream has {self.rows} and "
                f"{len(held_out)}. Add rows or change validation_fraction."
            )
        sampled = joined([self.kept.rows(), *self.witnesses.rows.values()])
        sampled = sampled[~sampled.index.duplicated()].sort_index()
        for piece in self.pieces.values():
            moments.join(piece.moments)
        starts = np.cumsum([0, *(piece.read for piece in self.pieces.values())])[:-1]
        known, numbers = np.array(list(self.pieces)), self.numbers

        def numbered(table: pd.DataFrame) -> pd.DataFrame:
            piece, offset = np.divmod(table.index.to_numpy(), PLACES)
            return table.set_axis(pd.Index(starts[np.searchsorted(known, piece)] + offset), axis=0)

        weight = sum(piece.weight for piece in self.pieces.values()) / self.rows
        center, deviation = (
            dict(zip(numbers, values.tolist(), strict=True)) for values in (moments.mean, moments.deviation)
        )
        by_piece = {number: piece.rows for number, piece in self.pieces.items()}
        return Survey(self.rows, weight, numbered(sampled), numbered(held_out), center, deviation, by_piece)


class Piece:
    """What was read of a piece: all rows, and of those that train the number, the weight and the moments."""

    def __init__(self):
        self.read, self.rows, self.weight, self.moments = 0, 0, 0.0, Moments()


def survey(
    parts: Iterable[Part], rule: Counted, *, columns: Collection[str], levels: Collection[str], sample: int, looked: int
) -> Survey:
    """Read a stream once, every process its share.

    Parameters
    ----------
    parts : of the share of this process.
    columns : that the stream must have.
    levels : columns of numbers whose every value must be in the sample.
    sample, looked : most rows that are kept of those that train, and of those that validate.

    Raises
    ------
    DataError
        If a column is missing or differs between shares, or no row trains or validates.
    """

    own = Reading(rule, levels=levels, sample=sample, looked=looked)

    def read() -> int:
        for part in parts:
            if not own.pieces:
                _check_has(columns, part.table)
            own.add(part)
        return own.rows

    rows = sum(everyone(read))
    return own.joined(gathered(own.sent(rows))).survey()


def _check_kinds(first: Reading, other: Reading) -> None:
    for name, kind in first.kinds.items():
        found = other.kinds.get(name)
        if found is None or KINDS.get(found) != KINDS.get(kind):
            said = [f"{KINDS.get(kind, 'text')} in table {min(first.pieces)}"]
            said += ["missing" if found is None else KINDS.get(found, "text") + f" in table {min(other.pieces)}"]
            raise DataError(f"Column {name!r} is {' and '.join(said)}. Write it alike in all parts of the stream.")


def _check_has(columns: Collection[str], table: pd.DataFrame) -> None:
    for name in columns:
        if name not in table.columns:
            known = ", ".join(map(repr, table.columns))
            raise DataError(f"The stream has no column {name!r}; its columns are {known}.")
