"""Where a variable comes from: a column of numbers, one level of a category or all from one on, or a missing value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import pandas as pd

from behavior_learning.errors import DataError

__all__ = ["HASHED", "Source", "damped", "hashed", "in_days", "level_text", "read_variables"]


HASHED = "sha256:"
"""With which a level begins that is known by its digest alone."""

Kind = Literal["number", "days", "damped", "level", "at_least", "other", "missing"]


@dataclass(frozen=True)
class Source:
    """How a variable follows from a column of the user's table.

    Attributes
    ----------
    column : the user's column.
    kind : ``"number"``; ``"days"`` (of a date since 1970, or of a duration); ``"damped"`` (a number whose distance
        from `fill` counts logarithmically beyond `low` and `high`); ``"level"`` (1 where the column equals
        `level`); ``"at_least"`` (1 where it is `level` or comes after it in `levels`); ``"other"`` (1 where it has a
        value that is none of `levels`); or ``"missing"`` (1 where it has no value).
    level : a category, as text.
    levels : the categories known from training, where a missing value of a category is meant: any other is missing too;
        of ``"at_least"`` the categories in order.
    fill : what stands for a missing number.
    low, high : ends beyond which a number is taken to be the end.
    """

    column: str
    kind: Kind = "number"
    level: str = ""
    levels: tuple[str, ...] = ()
    fill: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_number(self) -> bool:
        """Whether it is a number with a unit, and no indicator."""
        return self.kind in ("number", "days", "damped")

    def read(self, values: Any) -> np.ndarray:
        """The variable's numbers from the values of its column."""
        missing = np.asarray(pd.isna(values))
        if self.is_number:
            return self._numbers(values, missing)
        text = np.vectorize(level_text, otypes=[object])(np.asarray(values, object)).astype(str)
        if any(level.startswith(HASHED) for level in (self.level, *self.levels)):
            text = np.vectorize(hashed, otypes=[object])(text).astype(str)
        if self.kind == "level":
            return ((text == self.level) & ~missing).astype(float)
        if self.kind == "at_least":
            return (np.isin(text, self.levels[self.levels.index(self.level) :]) & ~missing).astype(float)
        unknown = ~np.isin(text, self.levels) if self.levels else np.zeros_like(missing)
        return ((unknown & ~missing) if self.kind == "other" else (missing | unknown)).astype(float)

    def _numbers(self, values: Any, missing: np.ndarray) -> np.ndarray:
        if (self.fill is None or self.kind == "damped") and missing.any():
            raise DataError(
                f"Column {self.column!r} lacks a value in {int(missing.sum())} rows, and the utility has none without "
                "it. Drop or fill them."
            )
        try:
            given = in_days(self.column, values) if self.kind == "days" else np.asarray(values, object)
            numbers = np.where(missing, self.fill or 0.0, given).astype(float)
        except (TypeError, ValueError) as error:
            raise DataError(f"Column {self.column!r} must hold numbers ({error}). Convert it first.") from error
        if not np.isfinite(numbers).all():
            raise DataError(
                f"Column {self.column!r} must be finite; {int((~np.isfinite(numbers)).sum())} values are not."
            )
        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        if self.kind == "damped":
            return (self.fill or 0.0) + damped(
                numbers - (self.fill or 0.0), low - (self.fill or 0.0), high - (self.fill or 0.0)
            )
        return np.clip(numbers, low, high)


def damped(numbers: np.ndarray, low: float, high: float) -> np.ndarray:
    """Distances from 0 as they are between `low` < 0 and `high` > 0, and k·(1 + log(t/k)) beyond such an end k."""
    end = np.where(numbers > 0, high, low)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(np.isinf(end), 0.0, numbers / end)
        return np.where(ratio > 1, end * (1 + np.log(np.maximum(ratio, 1.0))), numbers)


def level_text(value: Any) -> str:
    """A category as text: a number shortest, so that 2 and 2.0 are one level; bytes decoded; text as it stands."""
    match value:
        case bytes():
            return value.decode(errors="backslashreplace")
        case bool():
            return str(value)
        case int() | float() | Decimal() | np.number():
            number = float(str(value))
            return str(int(number)) if number.is_integer() else repr(number)
        case _:
            return str(value)


def hashed(level: str) -> str:
    """The digest of a level, 16 hexadecimal digits of SHA-256."""
    return HASHED + sha256(level.encode()).hexdigest()[:16]


def in_days(name: str, values: Any) -> np.ndarray:
    """Dates as days since the beginning of 1970 in UTC, durations and numbers as days; NaN where there is none.

    Raises
    ------
    DataError
        If the values of the column of that name are none of these.
    """
    column = pd.Series(np.ravel(values)).astype(object)
    known = column.dropna()
    try:
        if all(isinstance(value, (int, float, np.number)) for value in known):
            days = pd.to_numeric(column)
        elif all(isinstance(value, (timedelta, np.timedelta64)) for value in known):
            days = pd.to_timedelta(column) / pd.Timedelta(days=1)
        else:
            dates = column.map(lambda value: value.to_timestamp() if isinstance(value, pd.Period) else value)
            days = (pd.to_datetime(dates, utc=True) - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    except (TypeError, ValueError) as error:
        first = known.iloc[0] if len(known) else None
        raise DataError(f"Column {name!r} holds dates or durations; got {str(first)[:40]!r}. Convert it.") from error
    return days.to_numpy(float, na_value=np.nan).reshape(np.shape(values))


def read_variables(
    names: Iterable[str], sources: Mapping[str, Source], table: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """The numbers of each named variable, from a column of its own name or, where that is absent, from its source.

    Parameters
    ----------
    names : of variables.
    sources : where each comes from; a variable that is not listed is a column of numbers.
    table : columns by name, a DataFrame or a mapping to arrays that broadcast against each other.

    Raises
    ------
    DataError
        If the table is none, a column is absent or twice there, or its values are no finite numbers.
    """
    if not isinstance(table, (pd.DataFrame, Mapping)):
        raise DataError(
            f"The utility takes a DataFrame, or a dictionary of columns by name; got {type(table).__name__}."
        )
    values, absent = {}, []
    for name in names:
        source = sources.get(name, Source(name))
        if name in table:
            own = replace(source, column=name) if source.is_number else Source(name)
            values[name] = own.read(_column(table, name))
        elif source.column in table:
            values[name] = source.read(_column(table, source.column))
        else:
            absent.append(source.column)
    if absent:
        listed = ", ".join(map(repr, dict.fromkeys(absent)))
        raise DataError(f"The utility needs the columns {listed}, which the table lacks. Add them, y included.")
    shapes = {name: np.shape(column) for name, column in values.items()}
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError as error:
        listed = ", ".join(f"{name!r} {shape}" for name, shape in shapes.items())
        raise DataError(f"All columns must have the same number of rows; got {listed}.") from error
    return values


def _column(table: Mapping[str, Any], name: str) -> Any:
    column = table[name]
    if isinstance(column, pd.DataFrame):
        raise DataError(f"The table has {column.shape[1]} columns named {name!r}. Give every column a name of its own.")
    return column
