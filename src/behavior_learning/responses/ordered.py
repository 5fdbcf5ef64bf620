"""One of several classes in an order, such as grades."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from behavior_learning.core.spaces import Finite
from behavior_learning.errors import DataError, OptionError
from behavior_learning.options import check_sequence
from behavior_learning.responses.base import register_response
from behavior_learning.responses.classes import Classes
from behavior_learning.responses.columns import class_codes, one_column, shown
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.symbolic.sources import Source

__all__ = ["Ordered"]


@register_response
@dataclass(frozen=True)
class Ordered(Classes):
    """Classes in an order: the model sees, for each level but the lowest, whether y is at or above it.

    Neighbours thus differ in one column, and cumulative probabilities, quantiles and intervals follow the order.

    Parameters
    ----------
    levels : the labels from the lowest to the highest; by default the order of a pandas Categorical that has one, or
        that of numbers.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, ["low", "mid", "mid", "high"] * 10
    >>> clf = bl.BLClassifier(response=bl.Ordered(["low", "mid", "high"]), layers=(1,), max_epochs=5).fit(X, y)
    >>> clf.classes_.tolist(), float(clf.distribution(X).cdf(["high"] * 40).round(3).min())
    (['low', 'mid', 'high'], 1.0)
    """

    levels: Any = None

    short_name: ClassVar[str] = "ordered"
    ordered: ClassVar[bool] = True
    one_hot: ClassVar[bool] = False

    def read(self, y: Any, rows: int) -> tuple[Self, np.ndarray]:
        """Read levels from y where none are stated.

        Raises
        ------
        OptionError
            If the levels are no list of different labels, or none are stated and y has no order of its own.
        DataError
            If a label is no level, or all rows have the same one.
        """
        name, classes, codes = class_codes(y, rows)
        levels = self._order(name, one_column(y, rows)[1].dtype, classes)
        if len(classes) < 2:
            raise DataError(
                f"The response {name!r} must have at least two levels; got {shown(classes[0])} alone. "
                "There is nothing to learn from a constant."
            )
        labels = np.array(levels)
        labels = labels if labels.dtype.kind == classes.dtype.kind else np.array(levels, dtype=object)
        dtype = "object" if labels.dtype.kind == "O" else labels.dtype.str
        read = replace(self, name=name, levels=levels, dtype=dtype)
        return read, read._codes(classes, "levels=")[codes]

    def _order(self, name: str, dtype: Any, classes: np.ndarray) -> tuple[Any, ...]:
        if self.levels is not None:
            levels = check_sequence("levels", self.levels, '["low", "mid", "high"]')
            plain = all(isinstance(level, Hashable) for level in levels)
            if len(levels) < 2 or not plain or len(set(levels)) < len(levels):
                raise OptionError(f"levels must be two different labels or more, lowest first; got {self.levels!r}.")
            return levels
        if getattr(dtype, "ordered", False):
            return tuple(dtype.categories.tolist())
        if classes.dtype.kind not in "biuf":
            raise OptionError(
                f"The labels of {name!r} have no order of their own: {', '.join(map(shown, classes[:5]))}, … State it, "
                'lowest first: bl.Ordered(["low", "mid", "high"]).'
            )
        return tuple(classes.tolist())

    @property
    def variables(self) -> list[Variable]:
        """One per level but the lowest."""
        above = np.clip(1 - np.cumsum(self.shares)[:-1], 0.0, 1.0)
        texts = tuple(map(str, self.labels))
        return [
            Variable(
                f"{self.name}[>={level}]",
                standard_deviation=float(share * (1 - share)) ** 0.5,
                source=Source(self.name, "at_least", level=level, levels=texts),
            )
            for level, share in zip(texts[1:], above, strict=True)
        ]

    def space(self, nodes: int | None = None, refinements: int = 1) -> Finite:
        return Finite(np.tri(len(self.levels), len(self.levels) - 1, -1, dtype=np.float32))

    def mean(self, candidates: np.ndarray) -> np.ndarray:
        """The most likely label: the largest fall of the probability to be at or above a level."""
        above = np.pad(candidates, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
        return self.restore(np.argmax(-np.diff(above, axis=1), axis=1))
