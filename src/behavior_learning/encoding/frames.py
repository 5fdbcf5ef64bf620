"""Tables of any library as pandas', and their columns in order."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse

from behavior_learning.errors import DataError

__all__ = ["aligned", "as_table", "in_pandas", "listed", "unmasked", "with_the_same_categories"]


def in_pandas(values: Any) -> Any:
    """A table or a column of Polars, Arrow and other libraries as one of pandas, anything else as it is.

    Sparse matrices and whatever else turns into an array become one.

    Raises
    ------
    DataError
        If it is a plan of a table or names a file, whose rows have not been read.
    """
    match values:
        case str() | PathLike():
            raise DataError(
                f"{str(values)[:100]!r} names a file, and rows are needed here. Pass them, as pd.read_parquet(...). "
                "fit and inference with target=, and predict_to, read files themselves."
            )
        case None | pd.DataFrame() | pd.Series() | np.ndarray() | list() | tuple():
            return values
        case pd.api.extensions.ExtensionArray():
            return pd.Series(values)
        case _ if issparse(values):
            return values.toarray()
        case _:
            known = nw.from_native(values, pass_through=True, allow_series=True)
    match known:
        case nw.LazyFrame():
            raise DataError(f"{type(values).__name__} is a plan of a table and holds no rows. Pass .collect() of it.")
        case nw.DataFrame() | nw.Series():
            return known.to_pandas()
        case _:
            return np.asarray(values) if hasattr(values, "__array__") else values


def as_table(X: Any) -> pd.DataFrame:
    """Return X as a DataFrame; arrays, lists and sparse matrices get the names x0, x1, ….

    Raises
    ------
    DataError
        If X is not two-dimensional, has no rows or columns, or repeats a column name.
    """
    X = in_pandas(X)
    if isinstance(X, pd.DataFrame):
        names = pd.Series([str(name) for name in X.columns], dtype=object)
        repeated = names[names.duplicated()].tolist()
        if repeated:
            raise DataError(f"Column names must be unique; repeated: {listed(repeated)}. Rename them.")
        table = X
    else:
        table = _array_table(X)
    if table.shape[0] == 0 or table.shape[1] == 0:
        raise DataError(
            f"Found array with {table.shape[0]} sample(s) and {table.shape[1]} feature(s) (shape={table.shape}) "
            "while a minimum of 1 is required."
        )
    return table


def aligned(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the columns of a table in the order of `names`.

    Raises
    ------
    DataError
        If columns are missing or unexpected.
    """
    if list(table.columns) == list(names):
        return table
    table = table.set_axis([str(name) for name in table.columns], axis=1)
    missing = [name for name in names if name not in table.columns]
    unexpected = [name for name in table.columns if name not in names]
    if missing or unexpected:
        raise DataError(
            f"X must have the {len(names)} columns of the training table; "
            f"missing: {listed(missing)}; unexpected: {listed(unexpected)}. Add or drop them and try again."
        )
    return table[list(names)]


def with_the_same_categories(*tables: pd.DataFrame) -> list[pd.DataFrame]:
    """Tables whose categorical columns have the categories of all of them, so that one below another they stay so.

    Raises
    ------
    DataError
        If categories have an order, and a later table has one that the first does not know.
    """
    shared = list(tables)
    for name in tables[0].columns:
        columns = [table[name] for table in shared]
        if any(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
            categories = pd.unique(np.concatenate([pd.Categorical(c).categories.astype(object) for c in columns]))
            ordered = bool(getattr(columns[0].dtype, "ordered", False))
            if ordered and len(categories) > len(columns[0].cat.categories):
                more = [str(level) for level in categories[len(columns[0].cat.categories) :]]
                raise DataError(f"The order of column {name!r} in X lacks {listed(more)}. Add it where it belongs.")
            dtype = columns[0].dtype if ordered else pd.CategoricalDtype(categories)
            shared = [t.assign(**{name: c.astype(dtype)}) for t, c in zip(shared, columns, strict=True)]
    return shared


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    if not names:
        return "none"
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def unmasked(values: Any) -> Any:
    """A masked array with None where it is masked; anything else as it is."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    entries = np.array(values, dtype=object)
    entries[np.ma.getmaskarray(values)] = None
    return entries


def _array_table(X: Any) -> pd.DataFrame:
    X = unmasked(X)
    try:
        array = np.asarray(X)
        array = np.asarray(X, dtype=object) if array.dtype.kind in "SU" and not isinstance(X, np.ndarray) else array
    except ValueError as error:
        raise DataError("X must be a table: every row needs the same number of entries.") from error
    if array.ndim != 2:
        raise DataError(
            f"X must be two-dimensional (rows x columns); got {array.ndim} dimensions with shape {array.shape}. "
            "Reshape your data: X.reshape(-1, 1) makes one column, X.reshape(1, -1) one row."
        )
    if array.dtype.kind == "V":
        raise DataError(f"X is a structured array of {array.dtype}. Pass pd.DataFrame(X), which keeps its names.")
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported. Split real and imaginary parts into columns.")
    return pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])], copy=False)
