"""A number with a floor, a cap or bounds of each row's own."""

from dataclasses import dataclass, replace
from os.path import commonprefix
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from behavior_learning.core.coarsened import Coarsened
from behavior_learning.errors import DataError, OptionError
from behavior_learning.options import learned
from behavior_learning.responses.base import register_response
from behavior_learning.responses.columns import UNNAMED, has_columns, response_columns, response_values
from behavior_learning.responses.numbers import NODES, checked_support
from behavior_learning.responses.standardized import Standardized

__all__ = ["Censored"]

OPEN, CLOSED = 1.0, 0.5
"""Ranges of the values by which the support goes on beyond them: where some are censored, and where none are."""


@register_response
@dataclass(frozen=True)
class Censored(Standardized):
    """A number of which some rows say no more than that it lies beyond a bound, or between two.

    Such a row contributes the logarithm of the mass there to the likelihood; predictions are of the number itself.
    y is a column whose values at or beyond `lower` or `upper` are censored, or a table of two columns (lower, upper):
    equal where the number is known, infinite where there is no bound, as for a duration that had not ended.

    Parameters
    ----------
    lower, upper : floor and cap in the units of y.
    support : (lower, upper) that holds the number itself; by default the range of the values, widened by half of itself
        on both sides, and by all of it where rows are censored.

    Attributes
    ----------
    first, last : the ends of the support, in the user's units.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> reg = bl.BLRegressor(response=bl.Censored(upper=50), layers=(1,), max_epochs=5).fit(X[["RM"]], y)
    >>> reg.predict_interval(X[["RM"]].head(1)).shape
    (1, 2)
    """

    lower: float | None = None
    upper: float | None = None
    support: tuple[float, float] | None = None
    first: float = learned(-np.inf)
    last: float = learned(np.inf)

    short_name: ClassVar[str] = "censored"
    columns: ClassVar[int] = 2

    def read(self, y: Any, rows: int) -> tuple[Self, np.ndarray]:
        checked_support(self.support)
        lower, upper = self._bounds()
        if not lower < upper:
            raise OptionError(
                f"lower must be below upper, both numbers; got lower={self.lower!r}, upper={self.upper!r}."
            )
        name, bounds = self._parsed(y, rows)
        return replace(self, name=name), bounds

    def _bounds(self) -> tuple[float, float]:
        """Floor and cap, infinite where there is none; NaN where one is no number."""
        stated = (-np.inf if self.lower is None else self.lower, np.inf if self.upper is None else self.upper)
        try:
            lower, upper = map(float, stated)
        except (TypeError, ValueError):
            return np.nan, np.nan
        return lower, upper

    def values(self, y: Any, rows: int) -> np.ndarray:
        """Between which two numbers each row lies, (rows, 2).

        Raises
        ------
        DataError
            If bounds of a row are inside out or say nothing.
        """
        return self._parsed(y, rows)[1]

    def _parsed(self, y: Any, rows: int) -> tuple[str, np.ndarray]:
        if has_columns(y) and np.shape(y)[1] == 2:
            table = response_columns(y, rows)
            shared = commonprefix(table.columns.tolist()).strip(" _-.")  # noqa: RUF071 (names, no paths)
            name = (shared if isinstance(y, pd.DataFrame) else "") or UNNAMED
            low, high = table.apply(pd.to_numeric, errors="coerce").to_numpy(float).T
        else:
            name, low = response_values(y, rows)
            high = low
        lower, upper = self._bounds()
        bounds = np.stack(
            [
                np.where(high <= lower, -np.inf, np.minimum(low, upper)),
                np.where(low >= upper, np.inf, np.maximum(high, lower)),
            ],
            axis=1,
        )
        checks = {
            "is missing a bound (NaN); where there is none, write inf": np.isnan(low) | np.isnan(high),
            "is inside out, its lower bound above its upper one; swap them": low > high,
            "has no bound at all; drop it": np.isinf(bounds).all(axis=1),
        }
        for what, bad in checks.items():
            if bad.any():
                row = int(np.argmax(bad))
                raise DataError(
                    f"The response {name!r} must have bounds in order: row {row}, ({low[row]:g}, {high[row]:g}), "
                    f"{what} ({bad.sum()} such rows)."
                )
        return name, bounds

    def learn(self, values: np.ndarray, train: np.ndarray) -> Self:
        """Read center, scale and, where none is stated, the support.

        Raises
        ------
        DataError
            If no training row is observed exactly, all are equal, or some rows leave the support.
        """
        finite = np.where(np.isfinite(values), values, values[:, ::-1])
        if not self.exact(values[train]).any():
            raise DataError(
                f"The response {self.name!r} is censored in all {len(train)} training rows; some must be observed "
                "exactly. Add such rows, or check lower= and upper=."
            )
        beyond = np.ptp(finite) * np.where(np.isinf(values).any(axis=0), OPEN, CLOSED)
        default = float(finite.min() - beyond[0]), float(finite.max() + beyond[1])
        first, last = checked_support(self.support) or default
        outside = (values[:, 0] > last) | (values[:, 1] < first) | (np.isinf(values[:, 1]) & (values[:, 0] >= last))
        outside |= np.isinf(values[:, 0]) & (values[:, 1] <= first)
        if outside.any():
            raise DataError(
                f"The response {self.name!r} must lie in the support [{first:g}, {last:g}]; row "
                f"{int(np.argmax(outside))}, {tuple(values[outside][0].tolist())}, has no part there "
                f"({outside.sum()} such rows). Widen support=."
            )
        return replace(self.standardized(finite[train].mean(axis=1)), first=first, last=last)

    def log_units(self, encoded: np.ndarray) -> np.ndarray:
        return np.where(self.exact(encoded), self.log_unit, 0.0)

    def exact(self, encoded: np.ndarray) -> np.ndarray:
        return encoded[:, 0] == encoded[:, 1]

    def space(self, nodes: int | None = None, refinements: int = 1) -> Coarsened:
        first, last = (np.float32((end - self.center) / self.scale) for end in (self.first, self.last))
        return Coarsened(first, last, nodes or NODES, refinements)  # pyright: ignore[reportArgumentType]

    def at(self, y: Any, rows: int) -> np.ndarray:
        """The numbers themselves."""
        return self.encode(response_values(y, rows)[1])

    def ends(self) -> tuple[float, float]:
        return self.first, self.last
