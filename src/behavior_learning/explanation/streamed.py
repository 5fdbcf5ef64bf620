"""Effects over rows that are not held in memory: averages are sums over blocks of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.errors import OptionError
from behavior_learning.explanation.averages import Sums
from behavior_learning.explanation.axes import Axis
from behavior_learning.explanation.effects import Effects, quarters
from behavior_learning.mesh import gathered

__all__ = ["EffectBlocks", "StreamedEffects"]

EffectBlocks = Callable[[str | None], Iterator[tuple[np.ndarray, ...]]]
"""All rows once, each time it is called: x, y, weights and, of a column that is named, its values."""


@dataclass(frozen=True, repr=False)
class StreamedEffects(Effects):
    """Effects whose averages are over all rows of a stream; single rows, curves and surfaces are of a sample.

    Attributes
    ----------
    blocks : of the rows of this process.
    sample : rows of the stream, whose quarters cut a number into groups.
    """

    blocks: EffectBlocks = field(kw_only=True)
    sample: pd.DataFrame = field(kw_only=True)

    def by(self, column: Any, level: float = 0.95) -> pd.DataFrame:
        """Average effects by group, lines (group, variable).

        Parameters
        ----------
        column : a variable, or another column of the stream; a number of more than ten different values is cut at its
            quartiles, those of a sample where the stream has more rows than it keeps.
        """
        if not isinstance(column, str) or column not in self.sample.columns:
            known = ", ".join(map(repr, self.sample.columns))
            raise OptionError(f"by() of a stream needs one of its columns, {known}; got {column!r}.")
        axis = next((axis for axis in self.axes if axis.name == column), None)
        ends = quarters(self.sample[column])

        def grouped(block: Effects, values: np.ndarray | None) -> dict[Any, Sums]:
            groups = pd.Series(values if axis is None else axis.values(block.x)).infer_objects()
            groups = groups if ends is None else pd.cut(groups, ends, include_lowest=True)
            return {group: block._sums(groups == group) for group in groups.dropna().unique()}

        return self._by(column, self._added(grouped, None if axis else column), level)

    @property
    def _extent(self) -> str:
        return f"all {self.given:,} rows of a stream (single rows and curves: {len(self.x):,} of them)"

    @cached_property
    def _overall(self) -> Sums:
        return self._added(lambda block, _: {None: block._overall})[None]

    def _contrasted(self, axis: Axis, start: Any, end: Any) -> Sums:
        return self._added(lambda block, _: {None: block._contrasted(axis, start, end)})[None]

    @cached_property
    def _spreads(self) -> list[float]:
        columns, scales = [axis.columns[0] for axis in self._slopes], [axis.scale for axis in self._slopes]

        def powers(block: Effects, _: Any) -> dict[None, np.ndarray]:
            known = np.stack([~axis.absent(block.x) for axis in self._slopes], axis=1) & (block.weight > 0)[:, None]
            return {None: np.stack([(known * block.x[:, columns] ** power).sum(axis=0) for power in range(3)])}

        if not columns:
            return []
        count, first, second = self._added(powers)[None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return (np.sqrt(second / count - (first / count) ** 2) * scales).tolist()

    def _added(self, make: Callable[[Effects, np.ndarray | None], Mapping[Any, Any]], column: str | None = None):
        """Sums over the blocks of all processes of what is made of each, by group."""
        own: dict[Any, Any] = {}
        for x, y, weight, *values in self.blocks(column):
            asked = self.gibbs, self.estimator, self.correction
            block = Effects(self.quantity, self.axes, x, y, weight, np.arange(len(x)), len(x), *asked)
            _add(own, make(block, values[0] if values else None))
        whole: dict[Any, Any] = {}
        for part in gathered(own):
            _add(whole, part)
        return whole


def _add(to: dict[Any, Any], more: Mapping[Any, Any]) -> None:
    for key, value in more.items():
        to[key] = to[key] + value if key in to else value
