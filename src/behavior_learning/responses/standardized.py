"""What responses that are numbers share: one column, of which the model sees (y − center)/scale."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from behavior_learning.encoding import location_and_spread
from behavior_learning.errors import DataError
from behavior_learning.options import learned
from behavior_learning.responses.base import Response
from behavior_learning.symbolic.polynomials import Variable

__all__ = ["Standardized"]


@dataclass(frozen=True)
class Standardized(Response):
    """A number.

    Attributes
    ----------
    center, scale : mean and standard deviation of the training rows, in the user's units.
    """

    center: float = learned(0.0)
    scale: float = learned(1.0)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; the unit is a positive number."""
        number = super().from_json(state)
        if not (0 < number.scale < np.inf and np.isfinite(number.center)):
            raise ValueError(f"a response with center {number.center} and scale {number.scale}")
        return number

    def standardized(self, numbers: np.ndarray) -> Self:
        """The response with center and scale of some numbers.

        Raises
        ------
        DataError
            If they are all the same.
        """
        center, scale = location_and_spread(f"The response {self.name!r}", numbers)
        if scale == 0:
            raise DataError(
                f"The response {self.name!r} must vary; all {len(numbers)} training values equal {numbers[0]:g}. "
                "There is nothing to learn from a constant."
            )
        return replace(self, center=center, scale=scale)

    @property
    def unit(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.scale

    @property
    def log_unit(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        return float(np.log(self.scale))

    @property
    def variables(self) -> list[Variable]:
        return [Variable(self.name, self.center, self.scale, self.scale)]

    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        return ((values - self.center) / self.scale).astype(dtype)

    def restore(self, y: np.ndarray) -> np.ndarray:
        return self.center + self.scale * np.asarray(y, float)

    def mean(self, candidates: np.ndarray) -> np.ndarray:
        return self.center + self.scale * np.asarray(candidates[:, 0], float)
