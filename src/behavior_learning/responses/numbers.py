"""A number on a bounded support."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from behavior_learning.core.spaces import Interval
from behavior_learning.encoding import bulk_range
from behavior_learning.errors import AtomWarning, DataError, FewValuesWarning, OptionError, OutlierWarning
from behavior_learning.options import learned
from behavior_learning.responses.base import register_response
from behavior_learning.responses.columns import response_values
from behavior_learning.responses.standardized import Standardized
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.symbolic.sources import Source, damped

__all__ = ["NODES", "Numbers", "checked_support", "default_support"]

NODES = 32
"""Candidates with which training of one number begins."""

MANY_ROWS = 10
"""Rows from which on a value that they share is an atom."""

FEW_VALUES, FEW_COUNTS = 5, 30
"""Distinct values up to which a number looks like classes, and whole ones like counts."""


FEW_ROWS = 50
"""Training rows below which a support that is not stated has tails."""

BEYOND = 10.0
"""Times the furthest distance to which tails go on."""

PILED = 1.5
"""Values that are never negative pile up at 0 where the median is so many times closer to it than to the high end."""

ATOM = 0.05
"""Share of the rows from which on a single value has no density."""

CLASSES = "BLClassifier, or response='classes' in a joint one"


@register_response
@dataclass(frozen=True)
class Numbers(Standardized):
    """A real number, with a density on [lower, upper].

    Few distinct values bring a warning: up to 5 in ten rows or more each look like classes; up to 30 in three rows or
    more each, whole, from 0 or 1 on and filling half of their range look like counts.

    Parameters
    ----------
    support : (lower, upper) in the units of y; by default the range of y widened by half of itself on both sides, but
        not below 0 where y is never negative and piles up there. With fewer than 50 training rows it goes on beyond
        these ends, ten times as far, where distances count by their logarithm.

    Attributes
    ----------
    lower, upper : the ends of the support.
    low, high : ends of the bulk, where values lie far beyond it and no support is stated: all but half a percent of the
        rows on each side, widened by as much on both; after few rows those of the default support. Within, the model
        sees z = (y − center)/scale; beyond an end k it sees k·(1 + log(z/k)), so that tails are powers, equations hold
        as printed in the bulk, and the mean counts distances beyond it by their logarithm. A warning says so where
        values lie there.

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
    low: float | None = learned(None)
    high: float | None = learned(None)

    short_name: ClassVar[str] = "numbers"

    def read(self, y: Any, rows: int) -> tuple[Self, np.ndarray]:
        checked_support(self.support)
        name, values = response_values(y, rows)
        if not _warn_of_few_values(name, values):
            _warn_of_atoms(name, values)
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
        stated = checked_support(self.support)
        low, high = bulk_range(values)
        beyond = (values < low) | (values > high)
        if stated is None and beyond.any():
            return self._with_tails(values, train, low, high, beyond)
        if stated is None and len(train) < FEW_ROWS:
            return self._open_ended(values, train)
        lower, upper = stated or default_support(values)
        outside = (values < lower) | (values > upper)
        if outside.any():
            raise DataError(
                f"The response {self.name!r} must lie in the support [{lower:g}, {upper:g}]; "
                f"row {int(np.argmax(outside))} is {values[outside][0]:g} ({outside.sum()} such rows). Widen support=."
            )
        return replace(self.standardized(values[train]), lower=lower, upper=upper)

    def _with_tails(self, values: np.ndarray, train: np.ndarray, low: float, high: float, beyond: np.ndarray) -> Self:
        """Center and scale of the bulk, and a support that goes on beyond the furthest value on each side."""
        warnings.warn(
            f"{beyond.sum()} of {len(values)} values of {self.name!r} lie far outside the others, one at "
            f"{values[beyond][0]:g}. Beyond [{low:.4g}, {high:.4g}] distances count by their logarithm, in means too. "
            "Repair or drop them if they are wrong, or state support=.",
            OutlierWarning,
            stacklevel=2,
        )
        bulk = self.standardized(np.clip(values[train], low, high))
        least, most = default_support(np.clip(values, low, high))
        below, above = bulk.center - values.min(), values.max() - bulk.center
        lower = least if values.min() >= low else bulk.center - BEYOND * below
        upper = most if values.max() <= high else bulk.center + BEYOND * above
        return replace(bulk, lower=lower, upper=upper, low=low, high=high)

    def _open_ended(self, values: np.ndarray, train: np.ndarray) -> Self:
        """Center and scale, and logarithmic tails beyond the default support: the next row may lie anywhere."""
        standard, (low, high) = self.standardized(values[train]), default_support(values)
        lower = standard.center - BEYOND * (standard.center - low)
        upper = standard.center + BEYOND * (high - standard.center)
        return replace(standard, lower=low if low == 0 else lower, upper=upper, low=low, high=high)

    @property
    def affine(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.low is None or self.high is None

    @property
    def _knees(self) -> tuple[float, float]:
        """Ends of the bulk as encoded, infinite where it has none."""
        if self.low is None or self.high is None:
            return -np.inf, np.inf
        return (self.low - self.center) / self.scale, (self.high - self.center) / self.scale

    @property
    def variables(self) -> list[Variable]:
        (variable,) = super().variables
        source = Source(self.name, "damped", fill=self.center, low=self.low, high=self.high)
        return [variable if self.affine else replace(variable, source=source)]

    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        return damped((values - self.center) / self.scale, *self._knees).astype(dtype)

    def restore(self, y: np.ndarray) -> np.ndarray:
        z = np.asarray(y, float)
        knee = np.where(z > 0, self._knees[1], self._knees[0])
        with np.errstate(invalid="ignore"):
            ratio = np.where(np.isinf(knee), 0.0, z / knee)
        return super().restore(np.where(ratio > 1, knee * np.exp(np.maximum(ratio - 1, 0.0)), z))

    def log_units(self, encoded: np.ndarray) -> np.ndarray | float:
        """`log_unit`, and by how much the encoding is stretched beyond the bulk."""
        if self.affine:
            return self.log_unit
        z = np.asarray(encoded, float)
        return self.log_unit + np.maximum(z / np.where(z > 0, self._knees[1], self._knees[0]) - 1, 0.0)

    def space(self, nodes: int | None = None, refinements: int = 1) -> Interval:
        lower, upper = self.encode(np.array(self.ends()))
        return Interval(lower, upper, nodes or NODES, refinements)

    def ends(self) -> tuple[float, float]:
        return self.lower, self.upper


def default_support(values: np.ndarray) -> tuple[float, float]:
    """The range of the values, widened by half of itself on both sides, but not below 0 where they pile up there."""
    widened = 0.5 * np.ptp(values)
    lower, upper = float(values.min() - widened), float(values.max() + widened)
    middle, high = np.quantile(values, (0.5, 0.995))
    piled = values.min() >= 0 and PILED * middle < high - middle
    return (max(lower, 0.0) if piled else lower), upper


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


def _warn_of_few_values(name: str, numbers: np.ndarray) -> bool:
    """Warn where numbers look like classes or counts, and say whether they do."""
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
    return classes or counts


def _warn_of_atoms(name: str, numbers: np.ndarray) -> None:
    """Warn of a value that many rows share: a cap, a floor, zeros, rounding."""
    values, rows = np.unique(numbers, return_counts=True)
    most, shares = int(np.argmax(rows)), rows / len(numbers)
    if len(values) < 2 or rows[most] < MANY_ROWS or shares[most] <= ATOM:
        return
    end = {0: "lower", len(values) - 1: "upper"}.get(most)
    way = f"If it is a limit of what can be observed, use response=bl.Censored({end}={values[most]:g}). " if end else ""
    warnings.warn(
        f"{shares[most]:.0%} of the rows have {name} = {values[most]:g}, where a density says nothing: its value there "
        f"can be as large as the model is flexible, and looks like a good fit. {way}Compare models by other scores.",
        AtomWarning,
        stacklevel=3,
    )
