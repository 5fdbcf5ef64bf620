"""Classes and numbers together, each by a loss of its own."""

from dataclasses import replace
from typing import Any, ClassVar, Self, cast

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.spaces import Space, Utility
from behavior_learning.errors import OptionError
from behavior_learning.objectives.base import OBJECTIVES, Objective, register_objective
from behavior_learning.objectives.cross_entropy import CrossEntropy
from behavior_learning.options import check_number, check_option, parameter

__all__ = ["Hybrid"]


@register_objective
class Hybrid(Objective):
    """γ_d · loss of the classes + γ_c · loss of the numbers (Eq. 6), the classes' by cross-entropy given the numbers.

    Parameters
    ----------
    continuous : the objective of the numbers, such as ``"dsm"`` or ``bl.ScoreMatching()``.
    discrete_weight, continuous_weight : γ_d and γ_c.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> hybrid = bl.BLHybrid(objective=bl.Hybrid(discrete_weight=2.0))
    >>> hybrid.set_params(objective__continuous_weight=0.5).objective.discrete_weight
    2.0
    """

    continuous: Objective | str = parameter("dsm", check_option, kinds=OBJECTIVES)
    discrete_weight: float = parameter(1.0, check_number)
    continuous_weight: float = parameter(1.0, check_number)

    short_name: ClassVar[str] = "hybrid"

    @property
    def derivatives(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._numbers.derivatives

    @property
    def _numbers(self) -> Objective:
        return cast(Objective, self.continuous)

    def stages(
        self, space: Space, temperature: Array | float, x: Float[np.ndarray, "n d"], y: np.ndarray
    ) -> tuple[Objective, ...]:
        self.check_space(space)
        return tuple(level.on(space, temperature) for level in self.levels(space, x, y))

    def check_space(self, space: Space) -> None:
        if not 0 < len(space.continuous) < len(space.components):
            raise OptionError("objective='hybrid' is for classes and numbers together. Use its `continuous` alone.")

    def levels(self, space: Space, x: Float[np.ndarray, "n d"], y: np.ndarray) -> tuple[Objective, ...]:
        return tuple(replace(self, continuous=level) for level in self._numbers.levels(space, x, y))

    def on(self, space: Space, temperature: Array | float = 1.0) -> Self:
        bound = cast(Any, super().on(space, temperature))
        return replace(bound, continuous=self._numbers.on(space, temperature))

    @property
    def evaluations(self) -> int:
        return self._classes.evaluations + self._numbers.evaluations

    @property
    def _classes(self) -> CrossEntropy:
        return CrossEntropy().on(self.space, self.temperature)

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        classes = self.discrete_weight * self._classes(utility, x, y)
        return classes + self.continuous_weight * self._numbers(utility, x, y, *noise)

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        return self._numbers.noise(key, y)

    def refined(self, factor: float) -> "Hybrid":
        finer = self._numbers.refined(factor)
        return self if finer is self._numbers else replace(self, space=finer.space, continuous=finer)
