"""One of several classes."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from behavior_learning.core.spaces import Categories, Finite
from behavior_learning.errors import DataError
from behavior_learning.options import learned
from behavior_learning.responses.base import Response, register_response, stratified
from behavior_learning.responses.columns import class_codes, one_column, shown
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.symbolic.sources import Source

__all__ = ["Classes"]


@register_response
@dataclass(frozen=True)
class Classes(Response):
    """Classes of any labels, without an order.

    Attributes
    ----------
    levels : the labels in sorted order; codes are positions in it.
    dtype : of the labels as NumPy spells it.
    shares : share of each class in the training rows.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, [0, 0, 1, 1] * 10
    >>> bl.BLClassifier(response=bl.Classes(), layers=(1,), max_epochs=5).fit(X, y).classes_.tolist()
    [0, 1]
    """

    levels: tuple[Any, ...] = learned(())  # pyright: ignore[reportIncompatibleVariableOverride]
    dtype: str = learned("object")
    shares: tuple[float, ...] = learned(())  # pyright: ignore[reportIncompatibleVariableOverride]

    short_name: ClassVar[str] = "classes"
    labelled: ClassVar[bool] = True
    ordered: ClassVar[bool] = False
    one_hot: ClassVar[bool] = True
    indicators: ClassVar[bool] = True

    @property
    def labels(self) -> np.ndarray:
        """The levels as an array of the user's dtype."""
        return np.array(self.levels, dtype=self.dtype)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; labels are plain, and their dtype no larger than they are."""
        labels = super().from_json(state)
        stated = np.dtype(labels.dtype)
        longest = max((len(level) for level in labels.levels if isinstance(level, str)), default=1)
        if stated.kind not in "OUbiuf" or stated.itemsize > max(16, 4 * longest) or len(labels.levels) < 2:
            raise ValueError(f"labels of the dtype {labels.dtype[:20]!r}")
        if not all(isinstance(level, (str, int, float, bool)) for level in labels.levels):
            raise ValueError("labels that are no labels")
        return labels

    def read(self, y: Any, rows: int) -> tuple[Self, np.ndarray]:
        name, classes, codes = class_codes(y, rows)
        if len(classes) < 2:
            raise DataError(
                f"The response {name!r} must have at least two classes; got 1 class, {classes.tolist()[0]!r}. "
                "There is nothing to learn from a constant."
            )
        dtype = "object" if classes.dtype.kind == "O" else classes.dtype.str
        return replace(self, name=name, levels=tuple(classes.tolist()), dtype=dtype), codes

    def values(self, y: Any, rows: int) -> np.ndarray:
        """Positions of labels among the classes.

        Raises
        ------
        DataError
            If a label was absent from training.
        """
        return self._codes(np.asarray(one_column(y, rows)[1]), "training")

    def _codes(self, values: np.ndarray, where: str) -> np.ndarray:
        known = np.isin(values, self.labels)
        if not known.all():
            raise DataError(
                f"The response {self.name!r} has labels absent from {where}: "
                f"{', '.join(sorted(set(map(shown, values[~known]))))}. Known: {', '.join(map(shown, self.labels))}."
            )
        order = np.argsort(self.labels)
        return order[np.searchsorted(self.labels, values, sorter=order)]

    def learn(self, values: np.ndarray, train: np.ndarray) -> Self:
        counts = np.bincount(values[train].astype(int), minlength=len(self.levels))
        return replace(self, shares=tuple((counts / len(train)).tolist()))

    def split(
        self, values: np.ndarray, fraction: float, random: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Validation takes its share of every class, and leaves every class a row that trains."""
        return stratified(values, len(self.levels), fraction, random)

    def must_train(self, values: np.ndarray) -> np.ndarray:
        return np.unique(values, return_index=True)[1]

    @property
    def variables(self) -> list[Variable]:
        """One per class."""
        return [
            Variable(
                f"{self.name}[{label}]",
                standard_deviation=(share * (1 - share)) ** 0.5,
                source=Source(self.name, "level", level=str(label)),
            )
            for label, share in zip(self.labels, self.shares, strict=True)
        ]

    def space(self, nodes: int | None = None, refinements: int = 1) -> Finite:
        return Categories(len(self.levels))

    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """Codes, whole numbers in any precision."""
        return values.astype(np.int32)

    def restore(self, y: np.ndarray) -> np.ndarray:
        return self.labels[np.asarray(y, int)]

    def mean(self, candidates: np.ndarray) -> np.ndarray:
        return self.restore(np.argmax(candidates, axis=1))
