"""Where a variable comes from: a column of numbers, a level of a category, or whether a value is missing."""

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
    kind : ``"number"``, ``"level"`` (1 where the column equals `level`) or ``"missing"`` (1 where it has no value).
    level : a category, as text.
    levels : the categories known from training, where a missing value of a category is meant: any other is missing too.
    fill : what stands for a missing number.
    """

    column: str
    kind: Literal["number", "level", "missing"] = "number"
    level: str = ""
    levels: tuple[str, ...] = ()
    fill: float | None = None

    def read(self, values: Any) -> np.ndarray:
        """The variable's numbers from the values of its column."""
        missing = np.asarray(pd.isna(values))
        if self.kind == "number":
            numbers = np.where(missing, np.nan, np.where(missing, 0.0, np.asarray(values, object))).astype(float)
            return numbers if self.fill is None else np.where(missing, self.fill, numbers)
        text = np.vectorize(str, otypes=[object])(np.asarray(values, object))
        if self.kind == "level":
            return ((text == self.level) & ~missing).astype(float)
        unknown = ~np.isin(text.astype(str), self.levels) if self.levels else False
        return (missing | unknown).astype(float)


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
        If a column is absent.
    """
    values, absent = {}, []
    for name in names:
        source = sources.get(name, Source(name))
        if name in table:
            values[name] = Source(name, fill=source.fill).read(table[name])
        elif source.column in table:
            values[name] = source.read(table[source.column])
        else:
            absent.append(source.column)
    if absent:
        listed = ", ".join(map(repr, dict.fromkeys(absent)))
        raise DataError(f"The utility needs the columns {listed}, which the table lacks. Add them, y included.")
    return values
