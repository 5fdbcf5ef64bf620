"""Where a variable comes from: a column of numbers, one level of a category or all from one on, or a missing value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from behavior_learning.errors import DataError

__all__ = ["Source", "read_variables"]


@dataclass(frozen=True)
class Source:
    """How a variable follows from a column of the user's table.

    Attributes
    ----------
    column : the user's column.
    kind : ``"number"``, ``"level"`` (1 where the column equals `level`), ``"at_least"`` (1 where it is `level` or comes
        after it in `levels`) or ``"missing"`` (1 where it has no value).
    level : a category, as text.
    levels : the categories known from training, where a missing value of a category is meant: any other is missing too;
        of ``"at_least"`` the categories in order.
    fill : what stands for a missing number.
    """

    column: str
    kind: Literal["number", "level", "at_least", "missing"] = "number"
    level: str = ""
    levels: tuple[str, ...] = ()
    fill: float | None = None

    def read(self, values: Any) -> np.ndarray:
        """The variable's numbers from the values of its column."""
        missing = np.asarray(pd.isna(values))
        if self.kind == "number":
            return self._numbers(values, missing)
        text = np.vectorize(str, otypes=[object])(np.asarray(values, object))
        if self.kind == "level":
            return ((text == self.level) & ~missing).astype(float)
        if self.kind == "at_least":
            return (np.isin(text.astype(str), self.levels[self.levels.index(self.level) :]) & ~missing).astype(float)
        unknown = ~np.isin(text.astype(str), self.levels) if self.levels else False
        return (missing | unknown).astype(float)

    def _numbers(self, values: Any, missing: np.ndarray) -> np.ndarray:
        if self.fill is None and missing.any():
            raise DataError(
                f"Column {self.column!r} lacks a value in {int(missing.sum())} rows, and the utility has none without "
                "it. Drop or fill them."
            )
        try:
            numbers = np.where(missing, self.fill or 0.0, np.asarray(values, object)).astype(float)
        except (TypeError, ValueError) as error:
            raise DataError(f"Column {self.column!r} must hold numbers ({error}). Convert it first.") from error
        if not np.isfinite(numbers).all():
            raise DataError(
                f"Column {self.column!r} must be finite; {int((~np.isfinite(numbers)).sum())} values are not."
            )
        return numbers


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
            values[name] = Source(name, fill=source.fill).read(_column(table, name))
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
