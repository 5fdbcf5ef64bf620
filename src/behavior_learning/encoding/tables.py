"""Tables to arrays: scaling, one-hot, missing values, names and units.

Every encoded column is (value − center)/scale of something the user can name, so coefficients on encoded columns turn
into coefficients in the user's units by one affine substitution.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from math import ceil
from typing import Any, Literal

import numpy as np
import pandas as pd

from behavior_learning.encoding.frames import aligned, listed
from behavior_learning.encoding.text import check_text
from behavior_learning.encoding.values import (
    ROUNDING,
    bounds,
    bulk_range,
    kind_of,
    levels_of,
    location_and_spread,
    numbers_of,
    ordered_levels,
    pair_of,
)
from behavior_learning.errors import (
    DataError,
    ExtrapolationWarning,
    ManyLevelsWarning,
    UnseenCategoryWarning,
    UnseenMissingWarning,
)
from behavior_learning.options import built, from_plain
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.symbolic.sources import HASHED, Source, hashed, level_text

__all__ = ["MOST_LEVELS", "EncodedColumn", "TableEncoder"]

Kind = Literal["numeric", "time", "category", "step", "other", "missing"]

FARTHEST = 1e9
"""Training spreads beyond which single precision cannot evaluate a utility."""

MOST_LEVELS = 50
"""Levels of a category with a column of their own at most; the others share one."""

LAID_TOGETHER = 16
"""Columns of a wide table that are copied at a time: single numbers of as many fill what a processor reads at once."""

MOST_TOLD = 5
"""Columns beyond what training had of which each is told."""

SUFFIX = {"numeric": "", "time": "[days]", "other": "[other]", "missing": "[missing]"}


@dataclass(frozen=True)
class EncodedColumn:
    """One column of the design matrix.

    Attributes
    ----------
    source : the user's column.
    kind : ``"numeric"`` (also booleans); ``"time"``, days since 1970 or of a duration; ``"category"``, 1 where the
        source equals `level`; ``"step"``, 1 where it is `level` or comes after it in `levels`; ``"other"``, 1 where
        it has a value, but none with a column of its own; or ``"missing"``.
    level : the category, as text.
    center, scale : the encoded value is (value − center)/scale; 0 and 1 for indicators.
    spread : standard deviation of the value over the training rows.
    low, high : ends beyond which a number is taken to be the end.
    levels : of ``"step"``, all in order.
    pair : the two values of a number that has no others in the training rows.
    """

    source: str
    kind: Kind
    level: str = ""
    center: float = 0.0
    scale: float = 1.0
    spread: float = 1.0
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] = ()
    pair: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """The source column, with the level where it is an indicator: ``job[teacher]``, ``age[missing]``."""
        return self.source + SUFFIX.get(self.kind, f"[{'>=' if self.kind == 'step' else ''}{self.level}]")

    @property
    def is_number(self) -> bool:
        """Whether it is a number with a unit, and no indicator."""
        return self.kind in ("numeric", "time")


@dataclass(frozen=True)
class TableEncoder:
    """Turns a table with known columns into a matrix; learned from the training rows alone.

    Numbers far outside the training rows are taken to be at the end of a range: that of all but half a percent of the
    rows on each side, widened by its own width. There extrapolation stops, and a warning says so.

    Attributes
    ----------
    names : the user's columns, in the order of the training table.
    columns : the columns of the matrix.
    """

    names: tuple[str, ...]
    columns: tuple[EncodedColumn, ...]

    @classmethod
    def learn(cls, table: pd.DataFrame, rows: np.ndarray | slice = slice(None)) -> "TableEncoder":
        """Read scales, categories and which columns have missing values from some rows of `table`, or from all.

        Raises
        ------
        DataError
            If a column holds infinite values, no value at all, or values that are neither numbers, booleans, dates nor
            text.
        """
        names = tuple(map(str, table.columns))
        given = ((str(name), values.iloc[rows]) for name, values in _columns(table))
        columns = [encoded for name, values in given for encoded in _learn_column(name, values)]
        encoded_names = pd.Series([column.name for column in columns], dtype=object)
        if encoded_names.duplicated().any():
            twice = encoded_names[encoded_names.duplicated()].tolist()
            raise DataError(f"Two columns would both be printed as {listed(twice)}. Rename a column or a level.")
        return cls(names, tuple(columns))

    @property
    def variables(self) -> list[Variable]:
        """What the columns of the matrix are to the user."""
        return [Variable(c.name, c.center, c.scale, c.spread, self._source(c)) for c in self.columns]

    @property
    def text_columns(self) -> frozenset[str]:
        """The user's columns that are categories."""
        return frozenset(column.source for column in self.columns if column.kind in ("category", "step"))

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Which columns of the matrix each of the user's columns became."""
        places: dict[str, list[int]] = {name: [] for name in self.names}
        for i, column in enumerate(self.columns):
            places[column.source].append(i)
        return places

    def _source(self, column: EncodedColumn) -> Source:
        own = [self.columns[i] for i in self.places[column.source]]
        levels = tuple(c.level for c in own if c.kind == "category")
        match column.kind:
            case "numeric" | "time":
                kind = "number" if column.kind == "numeric" else "days"
                return Source(column.source, kind, fill=column.center, low=column.low, high=column.high)
            case "category":
                return Source(column.source, "level", level=column.level)
            case "step":
                return Source(column.source, "at_least", level=column.level, levels=column.levels)
            case "other":
                return Source(column.source, "other", levels=levels)
            case "missing":
                known = own[0].levels if own[0].kind == "step" else levels
                return Source(column.source, "missing", levels=() if _pools(own) else known)

    def __call__(self, table: pd.DataFrame, dtype: type = float) -> np.ndarray:
        """Encode rows as a matrix (n, d) of numbers of this type.

        Missing numbers become the training mean, missing and unseen categories no category at all; where the training
        column had missing values, its indicator column is set. Where levels were pooled, unseen ones join them.

        Raises
        ------
        DataError
            If columns are missing or unexpected, or hold infinite values or text where numbers were learned.
        """
        table = aligned(table, self.names)
        encoded, beyond = np.zeros((len(table), len(self.columns)), dtype), []
        for (_, values), places in zip(_columns(table), self.places.values(), strict=True):
            own = [self.columns[i] for i in places]
            read = partial(_read_numbers, beyond=beyond) if own[0].is_number else _read_levels
            parts, missing = read(values, own)
            encoded[:, places[: parts.shape[1]]] = parts
            if own[-1].kind == "missing":
                encoded[:, places[-1]] = missing
            else:
                _warn_of_gaps(values, own[0])
        _warn_of_distance(beyond)
        return encoded

    def plain(self, X: Any, dtype: type = float) -> np.ndarray | None:
        """Encode an array or a table of numbers at once, or None where a value or a column needs a closer look.

        It has the columns of the training table, each a number that varied and lies within its range in every row.
        """
        if self._numbers is None or not isinstance(X, (np.ndarray, pd.DataFrame)):
            return None
        values = np.asarray(X)
        named = isinstance(X, np.ndarray) or tuple(X.columns) == self.names
        if not named or values.dtype.kind not in "fiu" or values.ndim != 2 or values.shape[1] != len(self.names):
            return None
        center, scale, low, high = self._numbers
        inside = bool(((values >= low) & (values <= high)).all())
        return ((values - center) / scale).astype(dtype) if inside and len(values) else None

    @cached_property
    def _numbers(self) -> np.ndarray | None:
        """Center, scale and ends of every column, where all are numbers that varied."""
        if not all(column.kind == "numeric" and column.spread > 0 for column in self.columns):
            return None
        ends = ((-np.inf, np.inf) if c.low is None or c.high is None else (c.low, c.high) for c in self.columns)
        return np.array([(c.center, c.scale, *end) for c, end in zip(self.columns, ends, strict=True)]).T

    def with_common_scale(self) -> "TableEncoder":
        """The same encoder with one scale for all numbers that vary, the root of their mean variance."""
        varying = [column.spread for column in self.columns if column.kind == "numeric" and column.spread > 0]
        common = float(np.sqrt(np.mean(np.square(varying)))) if varying else 1.0
        columns = (replace(c, scale=common) if c.kind == "numeric" and c.spread > 0 else c for c in self.columns)
        return TableEncoder(self.names, tuple(columns))

    def with_hashed_levels(self) -> "TableEncoder":
        """The same encoder with digests in place of the text of categories.

        Raises
        ------
        DataError
            If the levels of a column have an order, which digests lose.
        """
        steps = [column.source for column in self.columns if column.kind == "step"]
        if steps:
            raise DataError(f"hash_levels=True cannot keep the order of column {steps[0]!r}. Turn it into numbers.")
        columns = (replace(c, level=hashed(c.level)) if c.kind == "category" else c for c in self.columns)
        return TableEncoder(self.names, tuple(columns))

    def to_json(self) -> dict[str, Any]:
        return {"names": list(self.names), "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "TableEncoder":
        columns = tuple(built(EncodedColumn, from_plain(column)) for column in state["columns"])
        encoder = built(cls, {"names": tuple(state["names"]), "columns": columns})
        odd = [
            c.source for c in columns if c.source not in encoder.names or not c.scale > 0 or not np.isfinite(c.center)
        ]
        if odd or len(set(encoder.names)) < len(encoder.names):
            raise ValueError(f"columns without a place or a scale: {listed(odd)}")
        return encoder


def _columns(table: pd.DataFrame) -> Iterator[tuple[Any, pd.Series]]:
    """Names and columns; of wide tables so many at a time are laid together first, since an array has rows together."""
    wide = table.shape[1] > LAID_TOGETHER
    for first in range(0, table.shape[1], LAID_TOGETHER):
        part = table.iloc[:, first : first + LAID_TOGETHER]
        yield from (part.copy() if wide else part).items()


def _learn_column(name: str, values: pd.Series) -> list[EncodedColumn]:
    missing = values.isna()
    if missing.all():
        raise DataError(f"Column {name!r} has no value in the training rows. Drop it.")
    indicator = [_indicator(name, "missing", missing.mean())] if missing.any() else []
    kind = kind_of(values)
    if kind in ("numeric", "time"):
        numbers = numbers_of(name, values[~missing], kind)
        bulk = bulk_range(numbers)
        low, high = bounds(numbers, *bulk)
        center, spread = location_and_spread(f"Column {name!r}", np.clip(numbers, *bulk))
        pair = pair_of(np.clip(numbers, low, high))
        return [EncodedColumn(name, kind, "", center, spread or 1.0, spread, low, high, pair=pair), *indicator]
    if kind == "step" and len(steps := _learn_steps(name, values)):
        return steps + indicator
    return _learn_levels(name, values) + indicator


def _learn_levels(name: str, values: pd.Series) -> list[EncodedColumn]:
    """An indicator for each of the most frequent levels in order, numbers by size, and one for all others."""
    codes, texts, found = levels_of(name, values)
    rows = np.bincount(codes[codes >= 0], minlength=len(texts))
    counts: dict[str, int] = {}
    for text, count in zip(texts, rows, strict=True):
        counts[text] = counts.get(text, 0) + int(count)
    check_text(f"Column {name!r}", found, rows)
    kept = sorted(counts, key=lambda text: -counts[text])[:MOST_LEVELS]
    numeric = not any(isinstance(value, (str, bytes)) or _as_number(level_text(value)) is None for value in found)
    kept = sorted(kept, key=float if numeric else str)
    columns = [_indicator(name, "category", counts[text] / len(values), level=text) for text in kept]
    rest = sum(counts.values()) - sum(counts[text] for text in kept)
    if rest:
        warnings.warn(
            f"Column {name!r} has {len(counts)} categories; the {MOST_LEVELS} most frequent have a column each, the "
            f"others, {rest / len(values):.0%} of the rows, share {name}[other]. Group them yourself to choose.",
            ManyLevelsWarning,
            stacklevel=2,
        )
        columns.append(_indicator(name, "other", rest / len(values)))
    return columns


def _learn_steps(name: str, values: pd.Series) -> list[EncodedColumn]:
    """For each level in order but the lowest of the training rows, whether a row is at it or above."""
    order = [level_text(level) for level in ordered_levels(name, values)]
    codes, texts, _ = levels_of(name, values)
    position = np.array([order.index(text) for text in texts] or [0])[codes]
    position = position[codes >= 0]
    seen = sorted(set(position.tolist()))[1:]
    chosen = seen[:: ceil(len(seen) / MOST_LEVELS) or 1]
    shares = [float(np.sum(position >= at)) / len(values) for at in chosen]
    levels = tuple(order)
    pairs = zip(chosen, shares, strict=True)
    return [_indicator(name, "step", share, level=order[at], levels=levels) for at, share in pairs]


def _indicator(name: str, kind: Kind, share: float, **what: Any) -> EncodedColumn:
    return EncodedColumn(name, kind, spread=float(np.sqrt(share * (1 - share))), **what)


def _read_numbers(values: pd.Series, own: Sequence[EncodedColumn], beyond: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1) standardised numbers, 0 where there is none, and where that is; `beyond` is told what training had not."""
    column, missing = own[0], values.isna().to_numpy()
    name = column.source
    if missing.all():
        return np.zeros((len(values), 1)), missing
    if column.kind == "numeric" and kind_of(values) != "numeric":
        raise DataError(f"Column {name!r} held numbers in training; got {values.dtype} values. Convert it first.")
    numbers = numbers_of(name, values, column.kind)
    if column.spread == 0:
        other = ~missing & (np.abs(numbers - column.center) > ROUNDING * abs(column.center))
        beyond += _said_of_distance(column, numbers, other)
        return np.zeros((len(values), 1)), missing
    low, high = (-np.inf if column.low is None else column.low), (np.inf if column.high is None else column.high)
    encoded = (numbers - column.center) / column.scale
    if np.any(np.abs(encoded) > FARTHEST):
        row = int(np.nanargmax(np.abs(encoded)))
        raise DataError(
            f"Column {name!r} in row {values.index[row]} is {numbers[row]:g}, more than {FARTHEST:g} training "
            f"spreads from its training mean {column.center:g}. Check the units."
        )
    far = (numbers < low) | (numbers > high)
    beyond += _said_of_distance(column, numbers, far)
    encoded[far] = (np.clip(numbers[far], low, high) - column.center) / column.scale
    encoded[missing] = 0.0
    return encoded[:, None], missing


def _said_of_distance(column: EncodedColumn, numbers: np.ndarray, far: np.ndarray) -> list[str]:
    """A sentence on rows that lie where the column had none in training, if there are any."""
    if not far.any():
        return []
    ends = f"is taken to end at {column.low:g} and {column.high:g}"
    rule = "was constant in training" if column.spread == 0 else ends
    return [
        f"Column {column.source!r} {rule}; {far.sum()} of {len(far)} rows lie outside, one at {numbers[far][0]:g}, "
        "and are predicted as if they lay there."
    ]


def _warn_of_distance(beyond: Sequence[str]) -> None:
    """One warning per column, but for the last of many, such as pixels."""
    told, others = beyond[:MOST_TOLD], len(beyond) - MOST_TOLD
    if others > 0:
        told = [*told, f"In {others} more columns rows lie outside what training had, and are predicted likewise."]
    for said in told:
        warnings.warn(said, ExtrapolationWarning, stacklevel=3)


def _read_levels(values: pd.Series, own: Sequence[EncodedColumn]) -> tuple[np.ndarray, np.ndarray]:
    """(n, levels) indicators, and where there is no level, known or any."""
    codes, texts, found = levels_of(own[0].source, values)
    if own[0].kind == "step":
        columns = [column for column in own if column.kind == "step"]
        order = {level: i for i, level in enumerate(own[0].levels)}
        places = _places(texts, found, order)
        thresholds = np.array([order[column.level] for column in columns])
        table = places[:, None] >= thresholds
    else:
        columns = [column for column in own if column.kind in ("category", "other")]
        known = {column.level: j for j, column in enumerate(columns) if column.kind == "category"}
        places = _places(texts, found, known)
        places = np.where((places < 0) & _pools(own), len(columns) - 1, places)
        table = places[:, None] == np.arange(len(columns))
    _warn_of_unseen(own[0].source, [text for text, place in zip(texts, places, strict=True) if place < 0])
    table = np.concatenate([table, np.zeros((1, len(columns)), bool)])  # The last line is that of no value.
    unknown = np.concatenate([places < 0, [True]])
    return table[codes], unknown[codes]


def _places(texts: Sequence[str], found: Sequence[Any], known: dict[str, int]) -> np.ndarray:
    """The place of each value among known levels, −1 where it has none.

    A number that is no level by its text is the one level that reads as this number: 7 is ``007``.
    """
    if known and next(iter(known)).startswith(HASHED):
        texts = [hashed(text) for text in texts]
    by_number: dict[float, list[int]] = {}
    for level, place in known.items():
        if (number := _as_number(level)) is not None:
            by_number.setdefault(number, []).append(place)
    places = []
    for text, value in zip(texts, found, strict=True):
        number = None if isinstance(value, (str, bytes)) else _as_number(text)
        alike = by_number.get(number, []) if number is not None else []
        places.append(known.get(text, alike[0] if len(alike) == 1 else -1))
    return np.array(places, int)


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _pools(own: Sequence[EncodedColumn]) -> bool:
    return any(column.kind == "other" for column in own)


def _warn_of_unseen(name: str, unseen: Sequence[str]) -> None:
    if unseen:
        warnings.warn(
            f"Column {name!r} has categories absent from training, treated as missing: {listed(sorted(set(unseen)))}.",
            UnseenCategoryWarning,
            stacklevel=2,
        )


def _warn_of_gaps(values: pd.Series, column: EncodedColumn) -> None:
    gaps = int(values.isna().sum())
    if gaps:
        category = "count as its lowest level" if column.kind == "step" else "count as no category"
        fate = "take its training mean" if column.is_number else category
        warnings.warn(
            f"Column {column.source!r} was complete in training; {gaps} missing values {fate}.",
            UnseenMissingWarning,
            stacklevel=2,
        )
