"""What kind of values a column holds, and numbers and categories in their plain form."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from math import ceil, floor
from typing import Any, Literal

import numpy as np
import pandas as pd

from behavior_learning.errors import DataError
from behavior_learning.symbolic.sources import in_days, level_text

__all__ = [
    "Levels",
    "as_floats",
    "bounds",
    "bulk_range",
    "kind_of",
    "levels_of",
    "location_and_spread",
    "numbers_of",
    "ordered_levels",
    "pair_of",
]

LARGEST, SMALLEST = 1e150, 1e-150
"""Sizes beyond and below which squares overflow."""

ROUNDING = 1e-15
"""Share of a column's size below which its spread is rounding error, and the column constant."""

TAIL = 0.005
"""Share of the rows on each side that is not counted when it is asked how wide a column is."""

WIDEST = 3.0
"""Widths of the bulk that a training row may be away from it and still be read as it is."""

FEW_ROWS = 20
"""Rows below which no row is left out, and from which on at least one is on each side."""

REAL = (bool, int, float, Decimal, np.integer, np.floating, np.bool_)
TIMES = (date, timedelta, np.datetime64, np.timedelta64, pd.Period)
"""Kinds of values in a column of objects that make it one of numbers, or of dates and durations."""

Levels = tuple[np.ndarray, list[str], list[Any]]
"""Codes of rows, −1 where missing; the text of each level; and the level as it is."""


def kind_of(values: pd.Series) -> Literal["numeric", "time", "step", "category"]:
    """Numbers and booleans; dates and durations; categories with an order; other categories."""
    match values.dtype:
        case pd.CategoricalDtype(ordered=ordered):
            return "step" if ordered else "category"
        case pd.IntervalDtype():
            return "step"
        case pd.PeriodDtype():
            return "time"
        case np.dtype(kind="O"):
            known = values.dropna()
            if all(isinstance(value, REAL) for value in known):
                return "numeric"
            return "time" if all(isinstance(value, TIMES) for value in known) else "category"
        case dtype if dtype.kind in "mM":
            return "time"
        case _:
            types = pd.api.types
            return "numeric" if types.is_numeric_dtype(values) and not types.is_complex_dtype(values) else "category"


def numbers_of(name: str, values: pd.Series, kind: str) -> np.ndarray:
    """Finite numbers, or days, of a column; NaN where it has none.

    Raises
    ------
    DataError
        If it holds values of another kind, or infinite ones.
    """
    if kind == "time":
        return in_days(name, values)
    values = values.sparse.to_dense() if isinstance(values.dtype, pd.SparseDtype) else values
    if values.dtype == object:
        with as_floats(f"Column {name!r}"):
            values = values.where(values.notna(), np.nan).astype(float)
    numbers = pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise DataError(
            f"Column {name!r} must be finite; row {values.index[int(np.argmax(infinite))]} is {numbers[infinite][0]} "
            f"({infinite.sum()} infinite values). Replace them with numbers, or with NaN to treat them as missing."
        )
    return numbers


@contextmanager
def as_floats(what: str) -> Generator[None]:
    """Turn Python's whole numbers into floating-point ones.

    Raises
    ------
    DataError
        If one is too large.
    """
    try:
        yield
    except OverflowError:
        raise DataError(f"{what} holds whole numbers beyond 1.8e308. Use a larger unit.") from None


def levels_of(name: str, values: pd.Series) -> Levels:
    """The categories of a column: numbers compare as numbers, and text as it stands.

    Raises
    ------
    DataError
        If a value is none of number, boolean, text, bytes, date or interval.
    """
    try:
        codes, found = pd.factorize(values if isinstance(values.dtype, pd.CategoricalDtype) else values.astype(object))
    except TypeError:
        first = next(value for value in values if not pd.api.types.is_hashable(value))
        raise DataError(
            f"Column {name!r} must hold numbers, booleans, text or dates; got {type(first).__name__} {first!r}. "
            "Convert nested values to columns first."
        ) from None
    known = list(found)
    odd = [value for value in known if isinstance(value, (complex, tuple, frozenset)) or callable(value)]
    if odd:
        raise DataError(
            f"Column {name!r} must hold numbers, booleans, text or dates; got {type(odd[0]).__name__} {odd[0]!r}. "
            "Convert nested values to columns first."
        )
    return codes, [level_text(value) for value in known], known


def location_and_spread(what: str, numbers: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation; the latter is 0 where it is rounding error.

    Raises
    ------
    DataError
        If the numbers are too large or too small to be squared.
    """
    largest, pivot = float(np.max(np.abs(numbers))), numbers[0]
    if largest > LARGEST:
        raise DataError(f"{what} must stay below {LARGEST:g} in size; got {largest:g}. Use a larger unit.")
    shifted = (numbers - pivot) / (largest or 1.0)  # So that equal numbers have no spread, however large they are.
    center, spread = float(pivot + np.mean(shifted) * largest), float(np.std(shifted)) * largest
    whole = bool(np.all(numbers == np.round(numbers)))  # Whole numbers differ by no rounding.
    if not whole and spread <= ROUNDING * largest:
        return center, 0.0
    if 0 < spread < SMALLEST:
        raise DataError(f"{what} must spread by more than {SMALLEST:g}; got {spread:g}. Use a smaller unit.")
    return center, spread


def bulk_range(numbers: np.ndarray) -> tuple[float, float]:
    """The range of all but half a percent of the rows on each side, widened by its width.

    Of columns that are the same in nearly all rows it is the whole range, widened likewise.
    """
    share, last = TAIL if len(numbers) >= FEW_ROWS else 0.0, len(numbers) - 1
    places = [ceil(last * share), floor(last * (1 - share))]
    low, high = np.partition(numbers, places)[places]
    if low == high:
        low, high = numbers.min(), numbers.max()
    return float(low - (high - low)), float(high + (high - low))


def bounds(numbers: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Where extrapolation ends: the bulk of the rows, and every training row less than `WIDEST` of its widths away."""
    reach = WIDEST * (high - low)
    return max(min(low, float(numbers.min())), low - reach), min(max(high, float(numbers.max())), high + reach)


def pair_of(numbers: np.ndarray) -> tuple[float, float] | None:
    """The two values that a column has, where there are no others."""
    low, high = float(numbers.min()), float(numbers.max())
    return (low, high) if low < high and bool(np.all((numbers == low) | (numbers == high))) else None


def ordered_levels(name: str, values: pd.Series) -> list[Any]:
    """The levels of a column with an order, lowest first."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return list(values.cat.categories)
    return sorted(values.dropna().unique())
