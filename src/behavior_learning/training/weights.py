"""A weight per row: how often a row counts, up to a common factor."""

from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int

from behavior_learning.core.arrays import to_device
from behavior_learning.errors import DataError

__all__ = ["check_weights", "chosen_rows", "standard_error"]


def check_weights(weights: Any, rows: int, name: str = "sample_weight") -> Float[np.ndarray, " rows"]:
    """One finite weight of at least 0 per row, not all of them 0, in double precision.

    Raises
    ------
    DataError
        If they are none.
    """
    try:
        values = np.asarray(weights, float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be a number per row; got {type(weights).__name__}: {error}.") from error
    if values.shape != (rows,):
        raise DataError(f"{name} must be one number for each of {rows} rows; its shape is {values.shape}.")
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{name} must be finite and at least 0; row {row} has {values[row]:g} ({wrong.sum()} such rows). "
            "Drop such rows or give them weight 0, which leaves them out."
        )
    if values.max() > np.finfo(float).max / rows:
        raise DataError(f"{name} must have a finite sum; the largest is {values.max():g}. Divide all by it.")
    if not values.any():
        raise DataError(f"{name} leaves every row out: all {rows} weights are zero. Give some rows a positive weight.")
    return values


def chosen_rows(columns: tuple[np.ndarray, ...], weight: np.ndarray | None, rows: np.ndarray) -> tuple[Array, ...]:
    """Some rows on the device, with a column of their weights scaled to a mean of one where there are any."""
    chosen = tuple(to_device(column[rows]) for column in columns)
    if weight is None:
        return chosen
    return (*chosen, to_device((weight[rows] / weight[rows].mean()).astype(columns[0].dtype)))


def standard_error(
    values: Float[np.ndarray, "*models rows"],
    weight: Float[np.ndarray, " rows"] | None = None,
    group: Int[np.ndarray, " rows"] | None = None,
) -> Any:
    """Of the weighted mean of values, where rows are independent of each other, or only groups of them are.

    Examples
    --------
    >>> values = np.array([1.0, 1.0, 3.0, 3.0])
    >>> round(float(standard_error(values)), 3), float(standard_error(values, group=np.array([0, 0, 1, 1])))
    (0.577, 1.0)
    """
    weight = np.ones(values.shape[-1]) if weight is None else weight
    off = weight * (values - (values @ weight / weight.sum())[..., None])
    if group is not None:
        codes = np.unique(group, return_inverse=True)[1]
        off = np.stack([np.bincount(codes, own) for own in np.atleast_2d(off)]).reshape(*values.shape[:-1], -1)
    n = off.shape[-1]
    return np.sqrt((off**2).sum(axis=-1) * n / max(n - 1, 1)) / weight.sum()
