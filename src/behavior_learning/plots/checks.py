"""Checks of what figures are drawn from: each error states the rule, the value received and the way out."""

from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.errors import DataError

__all__ = ["check_frame", "check_kind", "check_numbers"]


def check_numbers(name: str, values: Any, shape: tuple[int | None, ...], *, share: bool = False) -> np.ndarray:
    """Finite numbers of a shape in which None stands for any length but none; between 0 and 1 where they are shares.

    Raises
    ------
    DataError
        If they are not.
    """
    try:
        numbers = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be numbers ({error}).") from error
    fits = numbers.ndim == len(shape) and all(
        found == stated if stated is not None else found > 0 for found, stated in zip(numbers.shape, shape, strict=True)
    )
    if not fits:
        wanted = " x ".join("n" if length is None else str(length) for length in shape)
        raise DataError(f"{name} must be an array of shape {wanted}, not empty; got shape {numbers.shape}.")
    if not np.isfinite(numbers).all():
        raise DataError(f"{name} must be finite; {int((~np.isfinite(numbers)).sum())} values are not. Leave them out.")
    if share and (numbers.min() < 0 or numbers.max() > 1):
        raise DataError(f"{name} must lie between 0 and 1; got {numbers.min():g} to {numbers.max():g}.")
    return numbers


def check_kind(name: str, value: Any, kind: type | tuple[type, ...], source: str) -> None:
    """Refuse what is of another type than the one that `source` gives.

    Raises
    ------
    DataError
        If it is.
    """
    if not isinstance(value, kind):
        raise DataError(f"{name} must be {source}; got {type(value).__name__}.")


def check_frame(name: str, value: Any, columns: tuple[str, ...], source: str) -> None:
    """Refuse what is no table with lines and these columns.

    Raises
    ------
    DataError
        If it is none.
    """
    check_kind(name, value, pd.DataFrame, source)
    absent = [column for column in columns if column not in value.columns]
    if absent or not len(value):
        lacks = f"lacks the column {absent[0]!r}" if absent else "has no lines"
        raise DataError(f"{name} must be {source}; this table {lacks}.")
