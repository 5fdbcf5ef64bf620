"""The user's variables as axes of the encoded rows: a number is one column, a category one per level."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from behavior_learning.errors import OptionError
from behavior_learning.options import check_count

__all__ = ["Axis", "Step", "find"]


class Step(NamedTuple):
    """A difference: its name, the columns that change, and their values after and before."""

    name: str
    columns: tuple[int, ...]
    after: Float[np.ndarray, " columns"]
    before: Float[np.ndarray, " columns"]


@dataclass(frozen=True)
class Axis:
    """A variable and where it stands in z.

    Attributes
    ----------
    name : the user's spelling.
    columns : of the rows; one for a number, and as many as tell the levels apart for a category.
    levels : of a category, as the user writes them; none for a number.
    labels : names of the levels, or of the column, as printed, such as ``"job[teacher]"``.
    center, scale : of a number, z = (value − center)/scale.
    missing : column that says that a number is missing.
    pair : the two values of a number that has no others, such as 0 and 1.
    table : what the columns are at each level; by default 1 in the level's own column and 0 elsewhere.
    """

    name: str
    columns: tuple[int, ...]
    labels: tuple[str, ...]
    levels: tuple[Any, ...] = ()
    center: float = 0.0
    scale: float = 1.0
    missing: int | None = None
    pair: tuple[float, float] | None = None
    table: Float[np.ndarray, "levels columns"] | None = field(default=None, compare=False)

    @property
    def encoding(self) -> Float[np.ndarray, "levels columns"]:
        """The columns at each level."""
        return np.eye(len(self.levels)) if self.table is None else self.table

    @property
    def sloped(self) -> bool:
        """Whether a derivative makes sense: it is a number of more than two values."""
        return not self.levels and self.pair is None

    @property
    def steps(self) -> list[Step]:
        """From the first level to each other one, from one of two values to the other, from the mean to a gap."""
        if self.levels:
            first, label = self.encoding[0], self.labels[0]
            others = zip(self.labels[1:], self.encoding[1:], strict=True)
            return [Step(f"{name} - {label}", self.columns, after, first) for name, after in others]
        steps, gap = [], self.missing
        if self.pair is not None:
            low, high = (np.array([value - self.center]) / self.scale for value in self.pair)
            steps.append(Step(self.name, self.columns, high, low))
        if gap is not None:
            columns = (self.columns[0], gap)
            steps.append(Step(f"{self.name}[missing] - {self.name}[mean]", columns, np.array([0.0, 1.0]), np.zeros(2)))
        return steps

    def held(self, z: Float[np.ndarray, "n columns"]) -> Bool[np.ndarray, "n levels"]:
        """Which level each row has."""
        return (z[:, None, self.columns] == self.encoding).all(axis=2)

    def at(
        self, z: Float[np.ndarray, "n columns"], values: Sequence[Any] | np.ndarray
    ) -> Float[np.ndarray, "n columns"]:
        """The rows with this variable at the given values, one each.

        Raises
        ------
        OptionError
            If a category has no such level.
        """
        z = z.copy()
        if not self.levels:
            z[:, self.columns[0]] = (np.asarray(values, float) - self.center) / self.scale
        else:
            z[:, self.columns] = self.encoding[[self._position(value) for value in values]]
        if self.missing is not None:
            z[:, self.missing] = 0.0
        return z

    def values(self, z: Float[np.ndarray, "n columns"]) -> np.ndarray:
        """The variable's values in the user's units, or its levels; NaN or None where it has none."""
        if not self.levels:
            return np.where(self.absent(z), np.nan, self.center + self.scale * z[:, self.columns[0]])
        held, levels = self.held(z), np.array([*self.levels, None], dtype=object)
        return levels[np.where(held.any(axis=1), held.argmax(axis=1), len(self.levels))]

    def absent(self, z: Float[np.ndarray, "n columns"]) -> Bool[np.ndarray, " n"]:
        """Where a number is missing."""
        return np.zeros(len(z), bool) if self.missing is None else z[:, self.missing] == 1

    def grid(self, z: Float[np.ndarray, "n columns"], points: int) -> np.ndarray:
        """All levels, the two values of a number that has no others, or evenly spaced ones over the range of the rows.

        Raises
        ------
        OptionError
            If points are no positive whole number, or no row has a value.
        """
        points = check_count("points", points)
        if self.levels:
            return np.array(self.levels, dtype=object)
        if self.pair is not None:
            return np.array(self.pair)
        if self.absent(z).all():
            raise OptionError(f"{self.name!r} is missing in all of the rows, so that it has no range. Use other rows.")
        values = self.values(z)
        return np.unique(np.linspace(np.nanmin(values), np.nanmax(values), points))

    def given(self, grid: Any) -> np.ndarray:
        """Values of the user's choice.

        Raises
        ------
        OptionError
            If they are no list of levels, or of finite numbers.
        """
        kind = "levels" if self.levels else "finite numbers"
        try:
            values = np.array(grid, dtype=object if self.levels else float)
        except (TypeError, ValueError):
            values = np.array(None)
        finite = bool(self.levels) or bool(np.isfinite(values.astype(float)).all())
        if values.ndim != 1 or not len(values) or not finite:
            raise OptionError(f"Values of {self.name!r} must be a list of {kind}; got {grid!r}.")
        return values

    def _position(self, level: Any) -> int:
        if level not in self.levels:
            raise OptionError(
                f"{self.name!r} has no level {str(level)!r}. Levels: {', '.join(map(repr, self.levels))}."
            )
        return self.levels.index(level)


def find(axes: Sequence[Axis], name: str) -> Axis:
    """The axis with a name.

    Raises
    ------
    OptionError
        If there is none.
    """
    for axis in axes:
        if axis.name == name:
            return axis
    raise OptionError(
        f"No variable {name!r} varied in training. Those that did: {', '.join(axis.name for axis in axes)}."
    )
