"""Tables to arrays: scaling, one-hot, missing values, names and units.

Every encoded column is (value − center)/scale of something the user can name, so coefficients on encoded columns turn
into coefficients in the user's units by one affine substitution.
"""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from behavior_learning.errors import DataError, UnseenCategoryWarning, UnseenMissingWarning
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.symbolic.sources import Source

__all__ = [
    "EncodedColumn",
    "TableEncoder",
    "aligned",
    "as_table",
    "listed",
    "location_and_spread",
    "unmasked",
    "with_the_same_categories",
]

Kind = Literal["numeric", "category", "missing"]


LARGEST = 1e150
"""Size beyond which squares overflow."""

ROUNDING = 1e-15
"""Share of a column's size below which its spread is rounding error, and the column constant."""

FARTHEST = 1e9
"""Training spreads beyond which single precision cannot evaluate a utility."""


@dataclass(frozen=True)
class EncodedColumn:
    """One column of the design matrix.

    Attributes
    ----------
    source : the user's column.
    kind : ``"numeric"`` (also booleans), ``"category"`` (1 where the source equals `level`) or ``"missing"``.
    level : the category, as text.
    center, scale : the encoded value is (value − center)/scale; 0 and 1 for indicators.
    spread : standard deviation of the value over the training rows.
    """

    source: str
    kind: Kind
    level: str = ""
    center: float = 0.0
    scale: float = 1.0
    spread: float = 1.0

    @property
    def name(self) -> str:
        """The source column, with the level where it is an indicator: ``job[teacher]``, ``age[missing]``."""
        suffix = {"numeric": "", "category": f"[{self.level}]", "missing": "[missing]"}[self.kind]
        return self.source + suffix


@dataclass(frozen=True)
class TableEncoder:
    """Turns a table with known columns into a matrix; learned from the training rows alone.

    Attributes
    ----------
    names : the user's columns, in the order of the training table.
    columns : the columns of the matrix.
    """

    names: tuple[str, ...]
    columns: tuple[EncodedColumn, ...]

    @classmethod
    def learn(cls, table: pd.DataFrame) -> "TableEncoder":
        """Read scales, categories and which columns have missing values from `table`.

        Raises
        ------
        DataError
            If a column holds infinite values, no value at all, or values that are neither numbers, booleans nor text.
        """
        names = tuple(map(str, table.columns))
        columns = [encoded for name in table.columns for encoded in _learn_column(str(name), table[name])]
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
        return frozenset(column.source for column in self.columns if column.kind == "category")

    def _source(self, column: EncodedColumn) -> Source:
        if column.kind == "numeric":
            return Source(column.source, fill=column.center)
        if column.kind == "category":
            return Source(column.source, "level", level=column.level)
        levels = tuple(c.level for c in self.columns if c.source == column.source and c.kind == "category")
        return Source(column.source, "missing", levels=levels)

    def __call__(self, table: pd.DataFrame, dtype: type = float) -> np.ndarray:
        """Encode rows as a matrix (n, d) of numbers of this type.

        Missing numbers become the training mean, missing and unseen categories no category at all; where the training
        column had missing values, its indicator column is set.

        Raises
        ------
        DataError
            If columns are missing or unexpected, or hold infinite values or text where numbers were learned.
        """
        table = aligned(table, self.names)
        encoded = np.empty((len(table), len(self.columns)), dtype)
        places: dict[str, list[int]] = {}
        for i, column in enumerate(self.columns):
            places.setdefault(column.source, []).append(i)
        for name, own in places.items():
            encoded[:, own] = _encode_column(table[name], [self.columns[i] for i in own])
        return encoded

    def to_json(self) -> dict[str, Any]:
        return {"names": list(self.names), "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "TableEncoder":
        return cls(tuple(state["names"]), tuple(EncodedColumn(**column) for column in state["columns"]))


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
    """Tables whose categorical columns have the categories of all of them, so that one below another they stay so."""
    shared = list(tables)
    for name in tables[0].columns:
        columns = [table[name] for table in shared]
        if any(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
            categories = pd.unique(np.concatenate([pd.Categorical(c).categories.astype(object) for c in columns]))
            dtype = pd.CategoricalDtype(categories)
            shared = [t.assign(**{name: c.astype(dtype)}) for t, c in zip(shared, columns, strict=True)]
    return shared


def _learn_column(name: str, values: pd.Series) -> list[EncodedColumn]:
    missing = values.isna()
    if missing.all():
        raise DataError(f"Column {name!r} has no value in the training rows. Drop it.")
    indicator = [EncodedColumn(name, "missing", spread=_indicator_spread(missing))] if missing.any() else []
    if _is_numeric(values):
        numbers = _numbers(name, values)
        center, spread = location_and_spread(f"Column {name!r}", numbers[~missing])
        return [EncodedColumn(name, "numeric", "", center, spread or 1.0, spread), *indicator]
    text = values[~missing].map(lambda value: _text(name, value))
    levels = [EncodedColumn(name, "category", v, spread=_indicator_spread(text == v)) for v in sorted(set(text))]
    return levels + indicator


def location_and_spread(what: str, numbers: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation; the latter is 0 where it is rounding error.

    Raises
    ------
    DataError
        If the numbers are too large to be squared.
    """
    largest, pivot = float(np.max(np.abs(numbers))), numbers[0]
    if largest > LARGEST:
        raise DataError(f"{what} must stay below {LARGEST:g} in size; got {largest:g}. Use a larger unit.")
    shifted = (numbers - pivot) / (largest or 1.0)  # So that equal numbers have no spread, however large they are.
    center, spread = float(pivot + np.mean(shifted) * largest), float(np.std(shifted)) * largest
    return center, spread if spread > ROUNDING * largest else 0.0


def _indicator_spread(hits: pd.Series) -> float:
    return float(np.sqrt(hits.mean() * (1 - hits.mean())))


def _encode_column(values: pd.Series, columns: Sequence[EncodedColumn]) -> np.ndarray:
    name, kinds = columns[0].source, [column.kind for column in columns]
    missing = values.isna().to_numpy()
    if kinds[0] == "numeric":
        if not _is_numeric(values):
            raise DataError(f"Column {name!r} held numbers in training; got {values.dtype} values. Convert it first.")
        column = columns[0]
        numbers = _numbers(name, values)
        gap = numbers - column.center
        constant = missing | ((column.spread == 0) & (np.abs(gap) <= ROUNDING * abs(column.center)))
        encoded = np.where(constant, 0.0, gap / column.scale)
        if np.any(np.abs(encoded) > FARTHEST):
            row = int(np.argmax(np.abs(encoded)))
            raise DataError(
                f"Column {name!r} in row {values.index[row]} is {numbers[row]:g}, more than {FARTHEST:g} training "
                f"spreads from its training mean {column.center:g}. Check the units."
            )
        parts = [encoded]
    else:
        text = np.array([None if gone else _text(name, v) for v, gone in zip(values, missing, strict=True)], object)
        levels = [column.level for column in columns if column.kind == "category"]
        unseen = sorted({value for value in text if value is not None and value not in levels})
        if unseen:
            warnings.warn(
                f"Column {name!r} has categories absent from training, treated as missing: {listed(unseen)}.",
                UnseenCategoryWarning,
                stacklevel=2,
            )
        missing = missing | np.isin(text.astype(str), unseen)
        parts = [(text == level).astype(float) for level in levels]
    if kinds[-1] == "missing":
        parts.append(missing.astype(float))
    elif values.isna().any():
        fate = "take its training mean" if kinds[0] == "numeric" else "count as no category"
        warnings.warn(
            f"Column {name!r} was complete in training; {values.isna().sum()} missing values {fate}.",
            UnseenMissingWarning,
            stacklevel=2,
        )
    return np.stack(parts, axis=1)


def _is_numeric(values: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        return True
    return values.dtype == object and all(
        isinstance(value, (bool, int, float, np.number, np.bool_)) for value in values.dropna()
    )


def _numbers(name: str, values: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise DataError(
            f"Column {name!r} must be finite; row {values.index[int(np.argmax(infinite))]} is {numbers[infinite][0]} "
            f"({infinite.sum()} infinite values). Replace them with numbers, or with NaN to treat them as missing."
        )
    return numbers


def _text(name: str, value: object) -> str:
    if isinstance(value, (str, bool, int, float, np.generic)):
        return str(value)
    raise DataError(
        f"Column {name!r} must hold numbers, booleans or text; got {type(value).__name__} {value!r}. "
        "Convert dates to numbers and nested values to columns first."
    )


def listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def as_table(X: Any) -> pd.DataFrame:
    """Return X as a DataFrame; arrays and lists get the names x0, x1, ….

    Raises
    ------
    DataError
        If X is not two-dimensional, has no rows or columns, is sparse, or repeats a column name.
    """
    if issparse(X):
        raise DataError("Sparse matrices are not supported. Pass X.toarray() or a DataFrame.")
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
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported. Split real and imaginary parts into columns.")
    return pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])
