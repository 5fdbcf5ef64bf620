"""The user's variables as axes of the encoded rows z = [x, y]: a number is one column, a category one per level."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from behavior_learning.errors import OptionError
from behavior_learning.options import check_count

__all__ = ["Axis", "find", "typical"]


@dataclass(frozen=True)
class Axis:
    """A variable and where it stands in z.

    Attributes
    ----------
    name : the user's spelling.
    columns : of z; one for a number, and as many as tell the levels apart for a category.
    levels : of a category, as the user writes them; none for a number.
    labels : names of the levels, or of the column, as printed, such as ``"job[teacher]"``.
    center, scale : of a number, z = (value − center)/scale.
    missing : column that says that a number is missing.
    table : what the columns are at each level; by default 1 in the level's own column and 0 elsewhere.
    """

    name: str
    columns: tuple[int, ...]
    labels: tuple[str, ...]
    levels: tuple[Any, ...] = ()
    center: float = 0.0
    scale: float = 1.0
    missing: int | None = None
    table: Float[np.ndarray, "levels columns"] | None = field(default=None, compare=False)

    @property
    def encoding(self) -> Float[np.ndarray, "levels columns"]:
        """The columns at each level."""
        return np.eye(len(self.levels)) if self.table is None else self.table

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
        """All levels, or evenly spaced numbers over the range of the rows.

        Raises
        ------
        OptionError
            If points are no positive whole number, or no row has a value.
        """
        points = check_count("points", points)
        if self.levels:
            return np.array(self.levels, dtype=object)
        if self.absent(z).all():
            raise OptionError(f"{self.name!r} is missing in all of the rows, so that it has no range. Use other rows.")
        values = self.values(z)
        return np.linspace(np.nanmin(values), np.nanmax(values), points)

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
            raise OptionError(f"grid must be a list of {kind} of {self.name!r}; got {grid!r}.")
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
    raise OptionError(f"There is no variable {name!r}. Variables: {', '.join(axis.name for axis in axes)}.")


def typical(axes: Sequence[Axis], z: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "1 columns"]:
    """A row with every number at its median, missing where all are, and every category at its most common level."""
    row = np.zeros((1, z.shape[1]))
    for axis in axes:
        if axis.levels:
            row[0, axis.columns] = axis.encoding[axis.held(z).sum(axis=0).argmax()]
        else:
            present = z[~axis.absent(z), axis.columns[0]]
            row[0, axis.columns[0]] = np.median(present) if len(present) else np.median(z[:, axis.columns[0]])
            if axis.missing is not None and not len(present):
                row[0, axis.missing] = 1.0
    return row
