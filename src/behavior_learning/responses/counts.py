"""How often: 0, 1, 2, …"""

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from behavior_learning.core.spaces import Finite
from behavior_learning.errors import DataError, TruncationWarning
from behavior_learning.options import check_count, learned
from behavior_learning.responses.base import register_response
from behavior_learning.responses.columns import response_values
from behavior_learning.responses.standardized import Standardized

__all__ = ["Counts"]

BEYOND, ROOM = 2, 10
"""The upper end by default: so many times the largest count, and so many more."""

NEGLIGIBLE = 1e-3
"""Probability of the upper end, in any training row, above which it cuts something off."""

MOST = 10_000
"""Largest upper end: each count up to it is a candidate."""


@register_response
@dataclass(frozen=True)
class Counts(Standardized):
    """Counts 0, 1, 2, … up to an upper end, each with a probability; the sum over them is exact.

    Parameters
    ----------
    upper : the largest count there can be; by default twice the largest one given and ten more, which is checked after
        the fit.

    Attributes
    ----------
    last : the upper end.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, [0, 1, 1, 2] * 10
    >>> reg = bl.BLRegressor(response=bl.Counts(upper=8), layers=(1,), max_epochs=5).fit(X, y)
    >>> reg.distribution([[3.0]]).probabilities().shape
    (1, 9)
    """

    upper: int | None = None
    last: int = learned(1)

    short_name: ClassVar[str] = "counts"

    def read(self, y: Any, rows: int) -> tuple[Self, np.ndarray]:
        upper = None if self.upper is None else check_count("upper", self.upper)
        name, counts = self._parsed(y, rows, np.inf if upper is None else upper)
        last = BEYOND * int(counts.max()) + ROOM if upper is None else upper
        if last > MOST:
            raise DataError(
                f"The counts {name!r} go up to {counts.max():.0f}, which is too far for a sum over all of them (upper "
                f"end {last}, at most {MOST}). Use bl.Numbers(): large counts are as good as continuous."
            )
        return replace(self, name=name, last=last), counts

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; each count up to the last is a candidate, so they must not be too many."""
        counts = super().from_json(state)
        if not 0 < counts.last <= MOST:
            raise ValueError(f"counts up to {counts.last}")
        return counts

    def values(self, y: Any, rows: int) -> np.ndarray:
        return self._parsed(y, rows, self.last)[1]

    def _parsed(self, y: Any, rows: int, upper: float) -> tuple[str, np.ndarray]:
        """The name, and whole numbers from 0 to the upper end."""
        name, values = response_values(y, rows)
        bad = (values < 0) | (values != np.round(values))
        if bad.any():
            raise DataError(
                f"The counts {name!r} must be whole numbers 0, 1, 2, …; row {int(np.argmax(bad))} is "
                f"{values[bad][0]:g} ({bad.sum()} such rows). Use bl.Numbers() for other numbers."
            )
        if (values > upper).any():
            raise DataError(
                f"The counts {name!r} must be at most upper={upper:g}; row {int(np.argmax(values > upper))} is "
                f"{values[values > upper][0]:g}. Fit with a larger upper=."
            )
        return name, values

    def learn(self, values: np.ndarray, train: np.ndarray) -> Self:
        return self.standardized(values[train])

    def examine(self, distribution: Any) -> None:
        """Warn where an upper end that was not stated holds back mass."""
        largest = float(distribution.probabilities()[:, -1].max()) if self.upper is None else 0.0
        if largest > NEGLIGIBLE:
            warnings.warn(
                f"The counts {self.name!r} end at {self.last}, a bound that was chosen for them, and the fitted "
                f"distribution gives it a probability of up to {largest:.2g}. State upper=, the largest count there "
                "can be.",
                TruncationWarning,
                stacklevel=2,
            )

    @property
    def levels(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(range(self.last + 1))

    @property
    def log_unit(self) -> float:
        return 0.0

    def space(self, nodes: int | None = None, refinements: int = 1) -> Finite:
        return Finite(((np.arange(self.last + 1)[:, None] - self.center) / self.scale).astype(np.float32))

    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """Whole numbers in any precision."""
        return values.astype(np.int32)

    def locate(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        return np.clip(np.round(values), 0, self.last).astype(np.int32)

    def at(self, y: Any, rows: int) -> np.ndarray:
        """Any number: the probability of counts up to it."""
        return np.floor(response_values(y, rows)[1])

    def restore(self, y: np.ndarray) -> np.ndarray:
        return np.round(y).astype(int)

    def ends(self) -> tuple[float, float]:
        return 0.0, float(self.last)
