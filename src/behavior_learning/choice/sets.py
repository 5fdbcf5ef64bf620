"""Choice sets as arrays: choosers x (n, d), attributes y (n, k, m) of candidates, and which of them are there."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import DTypeLike

from behavior_learning.choice.data import ChoiceData
from behavior_learning.encoding import TableEncoder
from behavior_learning.errors import DataError

__all__ = ["SetEncoder", "Sets"]


class Sets(NamedTuple):
    """Choice sets, padded to the largest.

    Attributes
    ----------
    x, y : encoded columns of the choosers and of the alternatives; zeros where none is there.
    there : which places hold an alternative.
    place : of every line, within its case.
    """

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "n k m"]
    there: Bool[np.ndarray, "n k"]
    place: Int[np.ndarray, " lines"]


@dataclass(frozen=True)
class SetEncoder:
    """How choosers and alternatives become arrays, learned from the training data.

    Attributes
    ----------
    chooser : encodes the columns of the chooser; None where there are none.
    attributes : columns of y, in units of `scale` around `centre`; behind them is an indicator per alternative.
    """

    chooser: TableEncoder | None
    attributes: tuple[str, ...]
    centre: Float[np.ndarray, " attributes"]
    scale: Float[np.ndarray, " attributes"]
    alternatives: tuple[str, ...]

    @classmethod
    def learn(cls, data: ChoiceData) -> "SetEncoder":
        """Scales and categories of the training data."""
        centre, spread = (np.array([f(own) for own in data.attributes.values()]) for f in (np.mean, np.std))
        chooser = TableEncoder.learn(data.chooser) if data.chooser.shape[1] else None
        return cls(chooser, tuple(data.attributes), centre, np.where(spread > 0, spread, 1.0), data.alternatives)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns of y."""
        return (*self.attributes, *(f"C(alternative)[{name}]" for name in self.alternatives))

    def __call__(self, data: ChoiceData, dtype: DTypeLike = float) -> Sets:
        """The arrays of any data with these columns, y in a precision.

        Raises
        ------
        DataError
            If a column or an alternative is unknown.
        """
        unknown = set(data.alternatives) - set(self.alternatives)
        if unknown:
            raise DataError(f"Alternative {unknown.pop()!r} was not in the training data, and blocks know those only.")
        place = np.arange(data.lines) - data.starts[data.case]
        shape = (len(data), int(data.sizes.max()))
        y = np.zeros((*shape, len(self.names)), dtype)
        for j, name in enumerate(self.attributes):
            y[data.case, place, j] = (data.column(name) - self.centre[j]) / self.scale[j]
        number = np.array([self.alternatives.index(name) for name in data.alternatives])[data.alternative]
        y[data.case, place, len(self.attributes) + number] = 1.0
        there = np.zeros(shape, bool)
        there[data.case, place] = True
        x = np.zeros((len(data), 0)) if self.chooser is None else self.chooser(data.chooser)
        return Sets(x, y, there, place)
