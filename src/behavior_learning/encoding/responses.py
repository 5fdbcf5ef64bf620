"""Responses to arrays and back: standardised numbers, codes of classes, and what is wrong with a bad column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.encoding.tables import location_and_spread, unmasked
from behavior_learning.errors import DataError

__all__ = ["UNNAMED", "ContinuousResponse", "DiscreteResponse", "check_distinct", "class_codes", "response_values"]

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
        return self.standardise(self.lower), self.standardise(self.upper)

    def standardise(self, y: Any) -> Any:
        return (y - self.center) / self.scale

    def restore(self, y: Any) -> Any:
        return self.center + self.scale * y


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

    def codes(self, labels: Any, rows: int) -> np.ndarray:
        """Positions of labels among the classes.

        Raises
        ------
        DataError
            If a label was absent from training.
        """
        _, values = _one_column(labels, rows)
        values = np.asarray(values)
        known = np.isin(values, self.classes)
        if not known.all():
            raise DataError(
                f"The response {self.name!r} has labels absent from training: "
                f"{', '.join(sorted(set(map(_shown, values[~known]))))}. Known: {', '.join(map(_shown, self.classes))}."
            )
        return np.searchsorted(self.classes, values)


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


def check_distinct(response: str, response_names: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse a response that would be printed like a column.

    Raises
    ------
    DataError
        If a column of X has the name of the response or of one of its classes.
    """
    shared = [name for name in (response, *response_names) if name in columns]
    if shared:
        raise DataError(
            f"X has a column with the name of the response, {shared[0]!r}. Drop it from X if it is the response, or "
            "rename one of the two (an array response is called 'y'; a Series brings its own name)."
        )
