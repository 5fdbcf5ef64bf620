"""A number on a bounded support."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from behavior_learning.core.spaces import Interval
from behavior_learning.errors import DataError, FewValuesWarning, OptionError
from behavior_learning.options import learned
from behavior_learning.responses.base import register_response
from behavior_learning.responses.columns import response_values
from behavior_learning.responses.standardized import Standardized

__all__ = ["NODES", "Numbers", "checked_support", "default_support"]

NODES = 32
"""Candidates with which training of one number begins."""

FEW_VALUES, FEW_COUNTS = 5, 30
"""Distinct values up to which a number looks like classes, and whole ones like counts."""


CLASSES = "BLClassifier, or response='classes' in a joint one"


@register_response
@dataclass(frozen=True)
class Numbers(Standardized):
    """A real number, with a density on [lower, upper].

    Few distinct values bring a warning: up to 5 in ten rows or more each look like classes; up to 30 in three rows or
    more each, whole, from 0 or 1 on and filling half of their range look like counts.

    Parameters
    ----------
    support : (lower, upper) in the units of y; by default the range of y widened by half of itself on both sides.

    Attributes
    ----------
    lower, upper : the ends of the support.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> reg = bl.BLRegressor(response=bl.Numbers(support=(0, 60)), layers=(1,), max_epochs=5).fit(X[["RM"]], y)
    >>> reg.distribution(X[["RM"]].head(2)).cdf([60.0, 60.0]).tolist()
    [1.0, 1.0]
    """

    support: tuple[float, float] | None = None
    lower: float = learned(-np.inf)
    upper: float = learned(np.inf)

    short_name: ClassVar[str] = "numbers"

    def read(self, y: Any, rows: int) -> tuple[Self, np.ndarray]:
        checked_support(self.support)
        name, values = response_values(y, rows)
        _warn_of_few_values(name, values)
        return replace(self, name=name), values

    def values(self, y: Any, rows: int) -> np.ndarray:
        return response_values(y, rows)[1]

    def learn(self, values: np.ndarray, train: np.ndarray) -> Self:
        """Read center and scale from the training rows, and the support, where none is stated, from all rows.

        Raises
        ------
        DataError
            If the response is constant in the training rows or leaves the stated support.
        """
        lower, upper = checked_support(self.support) or default_support(values)
        outside = (values < lower) | (values > upper)
        if outside.any():
            raise DataError(
                f"The response {self.name!r} must lie in the support [{lower:g}, {upper:g}]; "
                f"row {int(np.argmax(outside))} is {values[outside][0]:g} ({outside.sum()} such rows). Widen support=."
            )
        return replace(self.standardized(values[train]), lower=lower, upper=upper)

    def space(self, nodes: int | None = None, refinements: int = 1) -> Interval:
        lower, upper = (np.float32((end - self.center) / self.scale) for end in (self.lower, self.upper))
        return Interval(lower, upper, nodes or NODES, refinements)

    def ends(self) -> tuple[float, float]:
        return self.lower, self.upper


def default_support(values: np.ndarray) -> tuple[float, float]:
    """The range of the values, widened by half of itself on both sides."""
    widened = 0.5 * np.ptp(values)
    return float(values.min() - widened), float(values.max() + widened)


def checked_support(support: Any) -> tuple[float, float] | None:
    """Two finite numbers in order, or None where nothing is stated.

    Raises
    ------
    OptionError
        If it is neither.
    """
    if support is None:
        return None
    try:
        lower, upper = map(float, support)
    except (TypeError, ValueError):
        lower, upper = float("nan"), float("nan")
    if not -float("inf") < lower < upper < float("inf"):
        raise OptionError(f"support must be two finite numbers (lower, upper) in order; got {support!r}.")
    return lower, upper


def _warn_of_few_values(name: str, numbers: np.ndarray) -> None:
    """Warn where numbers look like classes or counts."""
    distinct = np.unique(numbers)
    each = len(numbers) / len(distinct)
    classes = 1 < len(distinct) <= FEW_VALUES and each >= 10
    whole = bool(np.all(distinct == np.round(distinct))) and distinct[0] in (0, 1)
    counts = whole and 1 < len(distinct) <= FEW_COUNTS and each >= 3 and distinct[-1] < 2 * len(distinct)
    if classes or counts:
        kinds = [kind for kind, alike in (("classes", classes), ("counts", counts)) if alike]
        ways = ["response=bl.Counts()" if kind == "counts" else CLASSES for kind in kinds]
        warnings.warn(
            f"The response {name!r} has {len(distinct)} distinct values in {len(numbers)} rows, which looks like "
            f"{' or '.join(kinds)}; it is learned as a number all the same. Use {', or '.join(ways)}.",
            FewValuesWarning,
            stacklevel=2,
        )
