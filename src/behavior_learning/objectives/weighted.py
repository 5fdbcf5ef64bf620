"""Rows that count more than others."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.spaces import Utility
from behavior_learning.objectives.base import Objective

__all__ = ["Weighted"]


class Weighted(Objective):
    """The losses of another objective times a weight per row, which is a third column of the data; its mean is one."""

    objective: Objective = cast(Any, None)

    @classmethod
    def where(cls, objective: Objective, rows: Sequence[Array]) -> Objective:
        """The objective for rows (x, y) or (x, y, weight)."""
        return cls(objective=objective).on(objective.space, objective.temperature) if len(rows) > 2 else objective

    @property
    def evaluations(self) -> int:
        return self.objective.evaluations

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        return noise[0] * self.objective(utility, x, y, *noise[1:])

    def with_finer(
        self, finer: Objective, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        coarse, fine = self.objective.with_finer(cast(Weighted, finer).objective, utility, x, y, *noise[1:])
        return noise[0] * coarse, noise[0] * fine

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        return self.objective.noise(key, y)

    def refined(self, factor: float) -> Objective:
        finer = self.objective.refined(factor)
        return self if finer is self.objective else replace(self, objective=finer, space=finer.space)
