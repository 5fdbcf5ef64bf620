"""Columns of y as the user gives them: tables, numbers and labels, and what is wrong with a bad one."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import DataConversionWarning

from behavior_learning.encoding import as_floats, in_pandas, unmasked, what_text_hides
from behavior_learning.errors import DataError

__all__ = [
    "UNNAMED",
    "check_distinct",
    "class_codes",
    "free_name",
    "has_columns",
    "holds_numbers",
    "one_column",
    "response_columns",
    "response_values",
    "shown",
]

UNNAMED = "y"
"""Name of a response that comes without one."""


def response_columns(y: Any, rows: int, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Several responses as a table, its columns in the order of `names` where they are known.

    Raises
    ------
    DataError
        If y is no table of the same length as X, repeats a column name or lacks one of `names`.
    """
    y = in_pandas(y)
    table = y if isinstance(y, pd.DataFrame) else _unnamed_table(y, names)
    if len(table) != rows:
        raise DataError(f"X and y must have the same number of rows; X has {rows}, y has {len(table)}.")
    table = table.set_axis([str(name) for name in table.columns], axis=1)
    twice = table.columns[table.columns.duplicated()].tolist()
    if twice:
        raise DataError(f"The responses must have different names; {twice[0]!r} comes twice. Rename one.")
    if names is None:
        return table
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(f"The responses must be {', '.join(map(repr, names))}; {missing[0]!r} is missing.")
    return table[list(names)]


def _unnamed_table(y: Any, names: Sequence[str] | None) -> pd.DataFrame:
    try:
        values = np.asarray(unmasked(y))
    except ValueError as error:
        raise DataError("The responses must be a table; its rows have different lengths.") from error
    shaped = values.ndim == 2 and values.shape[1] > 0 and (names is None or values.shape[1] == len(names))
    if not shaped or values.dtype.kind == "V":
        wanted = "two axes (rows, responses)" if names is None else f"shape (rows, {len(names)})"
        raise DataError(f"The responses must be a table of {wanted}; got shape {values.shape}.")
    known = names if names is not None else [f"{UNNAMED}{j + 1}" for j in range(values.shape[1])]
    return pd.DataFrame(values, columns=list(known)).infer_objects()


def response_values(y: Any, rows: int) -> tuple[str, np.ndarray]:
    """Return the name and the finite numbers of a continuous response.

    Raises
    ------
    DataError
        If y is not one column of finite numbers of the same length as X.
    """
    name, values = one_column(y, rows)
    if values.dtype.kind in "mMc":
        raise DataError(
            f"The response {name!r} must hold real numbers; got {values.dtype}. Convert it to numbers first"
            + (": Complex data not supported." if values.dtype.kind == "c" else ".")
        )
    with as_floats(f"The response {name!r}"):
        known = pd.to_numeric(values.where(values.notna(), np.nan), errors="coerce")
        numbers = known.to_numpy(dtype=float, na_value=np.nan)
    text = np.isnan(numbers) & ~values.isna().to_numpy()
    if text.any():
        raise DataError(
            f"The response {name!r} must hold numbers; got {shown(values[text].iloc[0])}. Use BLClassifier for labels."
        )
    bad = ~np.isfinite(numbers)
    if bad.any():
        raise DataError(
            f"The response {name!r} must be finite; row {values.index[int(np.argmax(bad))]} is {numbers[bad][0]} "
            f"({bad.sum()} such rows: NaN or inf). Drop or repair them."
        )
    return name, numbers


def class_codes(y: Any, rows: int) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the name, the sorted classes and the integer codes of a discrete response.

    Raises
    ------
    DataError
        If y is not one column of labels of the same length as X, or some are missing.
    """
    name, values = one_column(y, rows)
    labels = np.asarray(values.infer_objects())
    if labels.dtype.kind in "mMc":
        raise DataError(f"The labels of {name!r} must be text, numbers or booleans; got {labels.dtype}. Convert them.")
    gone = pd.isna(labels)
    if gone.any():
        row = values.index[int(np.argmax(gone))]
        raise DataError(f"The response {name!r} must have a label in every row; row {row} has none.")
    fractional = (
        labels[~(np.isfinite(labels) & (labels == np.round(labels)))] if labels.dtype.kind == "f" else labels[:0]
    )
    if len(fractional):
        raise DataError(
            f"Unknown label type: continuous. The response {name!r} must hold classes; got {fractional[0]}. "
            "Use BLRegressor for numbers."
        )
    text = labels[[isinstance(label, str) for label in labels]].astype(str)
    distinct, rows_of = np.unique(text, return_counts=True)
    hidden = what_text_hides(distinct.tolist(), rows_of)
    if hidden and not isinstance(values.dtype, pd.CategoricalDtype):
        raise DataError(f"The response {name!r} is text, and {hidden} To learn it as it stands, use pd.Categorical.")
    try:
        classes, codes = np.unique(labels, return_inverse=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"The labels of {name!r} mix types that cannot be ordered. Convert them to text.") from error
    return name, classes, codes


def one_column(y: Any, rows: int) -> tuple[str, pd.Series]:
    """The name of a response ("y" where it has none) and its values."""
    if y is None:
        raise DataError("y must be given: this estimator requires y to be passed, but the target y is None.")
    match in_pandas(y):
        case pd.DataFrame(shape=(_, 1)) as table:
            values = table.iloc[:, 0]
        case pd.Series() as column:
            values = column
        case other:
            values = _as_series(other)
    if len(values) != rows:
        raise DataError(f"X and y must have the same number of rows; X has {rows}, y has {len(values)}.")
    return UNNAMED if values.name in (None, "") else str(values.name), values


def _as_series(y: Any) -> pd.Series:
    y = unmasked(y)
    if isinstance(y, (list, tuple)) and not any(isinstance(entry, (list, tuple, np.ndarray)) for entry in y):
        return pd.Series(list(y), dtype=None if y else object)
    try:
        values = np.asarray(y)
    except ValueError as error:
        raise DataError("y must be one column; its entries have different lengths.") from error
    if values.ndim == 2 and values.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Pass y.ravel(), or a DataFrame to name it.",
            DataConversionWarning,
            stacklevel=2,
        )
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind == "V":
        fields = f" of {values.dtype}, a structured array: choose one of its fields" if values.dtype.kind == "V" else ""
        raise DataError(f"y must be one column; got shape {values.shape}{fields}.")
    return pd.Series(values)


def has_columns(y: Any) -> bool:
    """Whether y is a table of several columns."""
    try:
        shape = np.shape(y)
    except ValueError:
        return False
    return len(shape) == 2 and shape[1] > 1


def holds_numbers(column: pd.Series) -> bool:
    """Whether a column is of numbers, and not of text, booleans or categories, which are classes."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def shown(value: Any) -> str:
    """A value as the user wrote it, without NumPy's type around it."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def free_name(y: Any, name: str, table: pd.DataFrame) -> str:
    """The name of a response, or another where a column has it and y is not that column.

    A Series keeps the name of the column that it was computed from, and a response without a name is called ``y``.
    """
    columns = set(map(str, table.columns))
    if name not in columns:
        return name
    column = table[next(c for c in table.columns if str(c) == name)]
    if np.size(y) == len(table) and np.array_equal(np.ravel(np.asarray(y, object)), np.asarray(column, object)):
        return name  # The response itself is among the columns, which is refused.
    others = (f"{UNNAMED}{i or ''}" for i in range(len(columns) + 1))
    return next(other for other in others if other not in columns)


def check_distinct(responses: Sequence[str], response_names: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse a response that would be printed like a column.

    Raises
    ------
    DataError
        If a column of X has the name of the response or of one of its classes.
    """
    shared = [name for name in (*responses, *response_names) if name in columns]
    if shared:
        raise DataError(
            f"X has a column with the name of the response, {shared[0]!r}. Drop it from X if it is the response, or "
            "rename one of the two."
        )
