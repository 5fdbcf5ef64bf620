"""Responses to arrays and back: standardised numbers, codes of classes, and what is wrong with a bad column."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.core.spaces import Categories, Interval, Product
from behavior_learning.encoding.tables import location_and_spread, unmasked
from behavior_learning.errors import DataError, FewValuesWarning
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.symbolic.sources import Source

__all__ = [
    "UNNAMED",
    "ContinuousResponse",
    "DiscreteResponse",
    "JointResponse",
    "Response",
    "check_distinct",
    "class_codes",
    "response_columns",
    "response_from_json",
    "response_values",
    "warn_of_few_values",
]

NODES = {1: 32, 2: 16}
"""Candidates along each dimension with which training of one or two continuous responses begins."""

FEW_VALUES = 5
"""Distinct values up to which a numeric response looks like classes."""

UNNAMED = "y"
"""Name of a response that comes without one."""


@dataclass(frozen=True)
class ContinuousResponse:
    """A number: standardised y = (y − center)/scale, inside [lower, upper].

    Attributes
    ----------
    name : the user's name of the response.
    center, scale, lower, upper : in the user's units.
    """

    name: str
    center: float
    scale: float
    lower: float
    upper: float

    @classmethod
    def learn(
        cls, name: str, y: np.ndarray, *, train: np.ndarray, support: tuple[float, float] | None
    ) -> "ContinuousResponse":
        """Read center and scale from the training rows, and the support, where none is given, from all rows.

        The default support is the range of y widened by half of itself on both sides.

        Raises
        ------
        DataError
            If the response is constant in the training rows or leaves the stated support.
        """
        center, scale = location_and_spread(f"The response {name!r}", y[train])
        if scale == 0:
            raise DataError(
                f"The response {name!r} must vary; all {len(train)} training values equal {y[train][0]:g}. "
                "There is nothing to learn from a constant."
            )
        widened = 0.5 * np.ptp(y)
        lower, upper = support if support is not None else (float(y.min() - widened), float(y.max() + widened))
        outside = (y < lower) | (y > upper)
        if outside.any():
            raise DataError(
                f"The response {name!r} must lie in the support [{lower:g}, {upper:g}]; "
                f"row {int(np.argmax(outside))} is {y[outside][0]:g} ({outside.sum()} such rows). Widen support=."
            )
        return cls(name, center, scale, lower, upper)

    @property
    def support(self) -> tuple[float, float]:
        """The ends of the support in standardised units."""
        return self.standardize(self.lower), self.standardize(self.upper)

    @property
    def log_unit(self) -> float:
        """Logarithm of the encoded response's unit in the user's units, by which their log densities differ."""
        return float(np.log(self.scale))

    @property
    def variables(self) -> list[Variable]:
        """What the columns of a candidate are called."""
        return [Variable(self.name, self.center, self.scale, self.scale)]

    @property
    def parts(self) -> "tuple[ContinuousResponse | DiscreteResponse, ...]":
        return (self,)

    def space(self, nodes: int = NODES[1], passes: int = 1) -> Interval:
        """Where the encoded response lives."""
        lower, upper = np.asarray(self.support, np.float32)
        return Interval(lower, upper, nodes, passes)

    def standardize(self, y: Any) -> Any:
        return (y - self.center) / self.scale

    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """Parsed values as the model takes them."""
        return self.standardize(values).astype(dtype)

    def restore(self, y: np.ndarray) -> np.ndarray:
        """Encoded responses in the user's units."""
        return self.center + self.scale * np.asarray(y, float)

    def values(self, y: Any, rows: int) -> np.ndarray:
        """Read responses as training read them."""
        return response_values(y, rows)[1]

    def to_json(self) -> dict[str, Any]:
        return {"kind": "continuous", **asdict(self)}


@dataclass(frozen=True)
class DiscreteResponse:
    """One of several classes.

    Attributes
    ----------
    name : the user's name of the response.
    classes : the labels in sorted order; codes are positions in it.
    shares : share of each class in the training rows.
    """

    name: str
    classes: np.ndarray
    shares: tuple[float, ...]

    @classmethod
    def learn(cls, name: str, codes: np.ndarray, classes: np.ndarray, *, train: np.ndarray) -> "DiscreteResponse":
        """Read the share of each class from the training rows."""
        counts = np.bincount(codes[train].astype(int), minlength=len(classes))
        return cls(name, classes, tuple(counts / len(train)))

    def codes(self, labels: Any, rows: int) -> np.ndarray:
        """Positions of labels among the classes.

        Raises
        ------
        DataError
            If a label was absent from training.
        """
        _, column = _one_column(labels, rows)
        values = np.asarray(column)
        known = np.isin(values, self.classes)
        if not known.all():
            raise DataError(
                f"The response {self.name!r} has labels absent from training: "
                f"{', '.join(sorted(set(map(_shown, values[~known]))))}. Known: {', '.join(map(_shown, self.classes))}."
            )
        return np.searchsorted(self.classes, values)

    log_unit = 0.0

    @property
    def variables(self) -> list[Variable]:
        """What the columns of a candidate are called: one per class."""
        spread = lambda share: (share * (1 - share)) ** 0.5
        source = lambda label: Source(self.name, "level", level=str(label))
        return [
            Variable(f"{self.name}[{label}]", spread=spread(share), source=source(label))
            for label, share in zip(self.classes, self.shares, strict=True)
        ]

    @property
    def parts(self) -> "tuple[ContinuousResponse | DiscreteResponse, ...]":
        return (self,)

    def space(self, nodes: int = 0, passes: int = 0) -> Categories:
        """Where the encoded response lives."""
        return Categories(len(self.classes))

    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """Codes as the model takes them, whole numbers in any precision."""
        return values.astype(np.int32)

    def restore(self, y: np.ndarray) -> np.ndarray:
        """Codes as labels."""
        return self.classes[np.asarray(y, int)]

    def values(self, y: Any, rows: int) -> np.ndarray:
        """Read labels as training read them."""
        return self.codes(y, rows)

    def to_json(self) -> dict[str, Any]:
        kind = "object" if self.classes.dtype.kind == "O" else self.classes.dtype.str
        state = {"classes": self.classes.tolist(), "dtype": kind, "shares": list(self.shares)}
        return {"kind": "discrete", "name": self.name, **state}


@dataclass(frozen=True)
class JointResponse:
    """Several responses at once; encoded, one column for each, classes as codes.

    Attributes
    ----------
    parts : the responses in the order of the user's columns.
    """

    parts: tuple[ContinuousResponse | DiscreteResponse, ...]

    @property
    def name(self) -> str:
        return ", ".join(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts)

    @property
    def log_unit(self) -> float:
        """Logarithm of the encoded responses' unit in the user's units."""
        return sum(part.log_unit for part in self.parts)

    @property
    def variables(self) -> list[Variable]:
        """What the columns of a candidate are called."""
        return [variable for part in self.parts for variable in part.variables]

    def space(self, nodes: int | None = None) -> Product:
        """Where the encoded responses live."""
        boxes = min(max(sum(isinstance(part, ContinuousResponse) for part in self.parts), 1), 2)
        return Product([part.space(nodes or NODES[boxes], passes=2) for part in self.parts])

    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """Parsed values, one column per response, as the model takes them."""
        columns = [part.encode(column, dtype) for part, column in zip(self.parts, values.T, strict=True)]
        return np.stack(columns, axis=1).astype(dtype)

    def restore(self, y: np.ndarray) -> np.ndarray:
        """Encoded responses, along the last axis, in the user's units and labels."""
        return np.stack([part.restore(y[..., i]) for i, part in enumerate(self.parts)], axis=-1)

    def values(self, y: Any, rows: int) -> np.ndarray:
        """Read responses as training read them."""
        table = response_columns(y, rows, self.names)
        return np.stack([part.values(table[part.name], rows) for part in self.parts], axis=1)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "joint", "parts": [part.to_json() for part in self.parts]}


Response = ContinuousResponse | DiscreteResponse | JointResponse


def response_from_json(state: dict[str, Any]) -> Response:
    """Read what `to_json` of a response wrote."""
    state = dict(state)
    kind = state.pop("kind")
    if kind == "joint":
        return JointResponse(tuple(response_from_json(part) for part in state["parts"]))  # pyright: ignore[reportArgumentType]
    if kind == "continuous":
        return ContinuousResponse(**state)
    return DiscreteResponse(state["name"], np.array(state["classes"], dtype=state["dtype"]), tuple(state["shares"]))


def response_columns(y: Any, rows: int, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Several responses as a table, its columns in the order of `names` where they are known.

    Raises
    ------
    DataError
        If y is no table of the same length as X, repeats a column name or lacks one of `names`.
    """
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
        values = np.asarray(unmasked(y) if isinstance(y, np.ma.MaskedArray) else y)
    except ValueError as error:
        raise DataError("The responses must be a table; its rows have different lengths.") from error
    if values.ndim != 2 or values.shape[1] < 1 or (names is not None and values.shape[1] != len(names)):
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
    name, values = _one_column(y, rows)
    if values.dtype.kind in "mMc":
        raise DataError(
            f"The response {name!r} must hold real numbers; got {values.dtype}. Convert it to numbers first."
        )
    numbers = pd.to_numeric(values.map(_missing_to_nan), errors="coerce").to_numpy(dtype=float)
    text = np.isnan(numbers) & ~values.isna().to_numpy()
    if text.any():
        raise DataError(
            f"The response {name!r} must hold numbers; got {_shown(values[text].iloc[0])}. Use BLClassifier for labels."
        )
    bad = ~np.isfinite(numbers)
    if bad.any():
        raise DataError(
            f"The response {name!r} must be finite; row {values.index[int(np.argmax(bad))]} is {numbers[bad][0]} "
            f"({bad.sum()} such rows: NaN or inf). Drop or repair them."
        )
    return name, numbers


def warn_of_few_values(name: str, numbers: np.ndarray) -> None:
    """Warn where a numeric response looks like classes."""
    distinct = len(np.unique(numbers))
    if 1 < distinct <= FEW_VALUES and len(numbers) >= 10 * distinct:
        warnings.warn(
            f"The response {name!r} has {distinct} distinct values in {len(numbers)} rows, which looks like classes; "
            "it is learned as a number all the same. Use BLClassifier, or turn it into text in a joint response.",
            FewValuesWarning,
            stacklevel=2,
        )


def class_codes(y: Any, rows: int) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the name, the sorted classes and the integer codes of a discrete response.

    Raises
    ------
    DataError
        If y is not one column of labels of the same length as X, or some are missing.
    """
    name, values = _one_column(y, rows)
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
    try:
        classes, codes = np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise DataError(f"The labels of {name!r} mix types that cannot be ordered. Convert them to text.") from error
    return name, classes, codes


def _one_column(y: Any, rows: int) -> tuple[str, pd.Series]:
    """The name of a response ("y" where it has none) and its values."""
    if y is None:
        raise DataError("y must be given: this estimator requires y to be passed, but the target y is None.")
    if isinstance(y, pd.DataFrame) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    values = y if isinstance(y, pd.Series) else _as_series(y)
    if len(values) != rows:
        raise DataError(f"X and y must have the same number of rows; X has {rows}, y has {len(values)}.")
    return UNNAMED if values.name is None else str(values.name), values


def _as_series(y: Any) -> pd.Series:
    if isinstance(y, np.ma.MaskedArray):
        y = unmasked(y)
    if isinstance(y, (list, tuple)) and not any(isinstance(entry, (list, tuple, np.ndarray)) for entry in y):
        return pd.Series(list(y), dtype=None if y else object)
    try:
        values = np.asarray(y)
    except ValueError as error:
        raise DataError("y must be one column; its entries have different lengths.") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"y must be one column; got shape {values.shape}.")
    return pd.Series(values)


def _missing_to_nan(value: Any) -> Any:
    return np.nan if value is None or value is pd.NA else value


def _shown(value: Any) -> str:
    """A value as the user wrote it, without NumPy's type around it."""
    return repr(value.item() if isinstance(value, np.generic) else value)


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
            "rename one of the two (an array response is called 'y'; a Series brings its own name)."
        )
