"""The two tables of a scenario, and how far the second leaves the data."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from behavior_learning.encoding import TableEncoder
from behavior_learning.errors import DataError, OptionError

__all__ = ["Change", "changed", "decoded", "distances"]

NEAR = 0.01
"""Standard deviations beyond the known values that do not count as leaving them."""

Change = Mapping[str, Any] | Callable[[pd.DataFrame], pd.DataFrame] | pd.DataFrame | None
"""Columns by name: a value, a function of the column, or a value per row; or a function of the table; or a table."""


def changed(table: pd.DataFrame, change: Change) -> pd.DataFrame:
    """The table of the scenario.

    Raises
    ------
    OptionError
        If a column is unknown, or the change is none.
    DataError
        If the result has other rows.
    """
    if change is None:
        return table
    if callable(change):
        after: Any = change(table.copy())
        if not isinstance(after, pd.DataFrame) or len(after) != len(table):
            raise DataError(f"A change of the table must return a table of its {len(table)} rows.")
        return after[list(table.columns)]
    if not isinstance(change, (Mapping, pd.DataFrame)):
        raise OptionError(
            f"change must be a dictionary by column, a function of the table, or a table; got {change!r}."
        )
    unknown = [str(name) for name in change if name not in table.columns]
    if unknown:
        raise OptionError(
            f"There is no column {unknown[0]!r} to change. Columns: {', '.join(map(str, table.columns))}."
        )
    return table.assign(**{str(name): _values(table[name], change[name]) for name in change})


def _values(column: pd.Series, change: Any) -> Any:
    if callable(change):
        return change(column)
    if np.ndim(change) == 1 and len(change) != len(column):
        raise DataError(f"The change of {column.name!r} needs {len(column)} values; got {len(change)}.")
    return np.asarray(change) if np.ndim(change) == 1 else change


def decoded(encoder: TableEncoder, x: Float[np.ndarray, "n d"]) -> pd.DataFrame:
    """Encoded rows as a table in the user's units.

    Raises
    ------
    DataError
        If a column cannot be read back from its encoding.
    """
    table = {}
    for name in encoder.names:
        own = [(j, column) for j, column in enumerate(encoder.columns) if column.source == name]
        kinds = {column.kind for _, column in own}
        missing = [x[:, j] > 0.5 for j, column in own if column.kind == "missing"]
        gone = missing[0] if missing else np.zeros(len(x), bool)
        if kinds <= {"numeric", "missing"}:
            j, column = own[0]
            table[name] = np.where(gone, np.nan, column.center + column.scale * x[:, j])
        elif kinds <= {"category", "missing"}:
            levels = [(j, column.level) for j, column in own if column.kind == "category"]
            place = np.argmax(x[:, [j for j, _ in levels]], axis=1)
            text = np.array([level for _, level in levels], object)[place]
            text[gone] = None
            table[name] = text
        else:
            raise DataError(f"The column {name!r} cannot be read back from the rows of the fit. Pass X.")
    return pd.DataFrame(table)


def distances(encoder: TableEncoder, known: Float[np.ndarray, "n d"], table: pd.DataFrame) -> pd.DataFrame:
    """By column of numbers, how far a scenario leaves the rows that the model has learned from.

    Returns
    -------
    A line per column: `outside`, the share of rows beyond the smallest or largest known value, and `farthest`, by how
    many standard deviations of the known rows.
    """
    lines = {}
    for j, column in enumerate(encoder.columns):
        if column.kind == "numeric":
            values = column.center + column.scale * known[:, j]
            asked = pd.to_numeric(table[column.source]).to_numpy(float, na_value=np.nan)
            spread = max(float(np.std(values)), 1e-300)
            beyond = np.nan_to_num(np.maximum(values.min() - asked, asked - values.max()) / spread, nan=0.0)
            beyond = np.where(beyond > NEAR, beyond, 0.0)
            lines[column.name] = {"outside": float(np.mean(beyond > 0)), "farthest": float(beyond.max())}
    return pd.DataFrame.from_dict(lines, orient="index", columns=["outside", "farthest"])
