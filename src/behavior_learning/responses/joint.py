"""Several responses at once, in any mixture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
import pandas as pd

from behavior_learning.core.products import Product
from behavior_learning.errors import DataError, OptionError
from behavior_learning.options import learned
from behavior_learning.responses.base import Response, as_response, checked_split, register_response, response_from_json
from behavior_learning.responses.classes import Classes
from behavior_learning.responses.columns import holds_numbers, response_columns
from behavior_learning.responses.numbers import Numbers
from behavior_learning.symbolic.polynomials import Variable

__all__ = ["Joint", "by_name"]

NODES = {1: 32, 2: 16}
"""Candidates along each dimension with which training of one or two continuous responses begins."""


@register_response
@dataclass(frozen=True)
class Joint(Response):
    """Several responses; encoded, one column for each.

    Parameters
    ----------
    stated : by name, what each response is; of any other, text and booleans are classes and numbers are numbers.

    Attributes
    ----------
    components : the responses in the order of the user's columns.
    """

    stated: Mapping[str, Any] | None = None
    components: tuple[Response, ...] = learned(())  # pyright: ignore[reportIncompatibleMethodOverride]

    short_name: ClassVar[str] = "joint"
    several: ClassVar[bool] = True

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.components)

    def read(self, y: Any, rows: int) -> tuple[Self, np.ndarray]:
        table = response_columns(y, rows)
        stated = {name: as_response(response) for name, response in by_name(self.stated).items()}
        unknown = [name for name in stated if name not in table.columns]
        if unknown:
            raise OptionError(f"response names {unknown[0]!r}, which is no response: {', '.join(table.columns)}.")
        if not len(table.columns):
            raise DataError("The responses must have a column at least; the table has none.")
        default = {name: Numbers() if holds_numbers(table[name]) else Classes() for name in table.columns}
        read = [(default | stated)[name].read(table[name], rows) for name in table.columns]
        components, values = zip(*read, strict=True)
        wide = [part for part in components if part.columns > 1]
        if wide:
            raise OptionError(
                f"bl.{type(wide[0]).__name__}() stands by itself; {wide[0].name!r} is one of several responses. Use "
                "BLRegressor for it alone, or another response."
            )
        return self._of(components), np.stack([column.astype(float) for column in values], axis=1)

    def values(self, y: Any, rows: int) -> np.ndarray:
        table = response_columns(y, rows, self.names)
        return np.stack([part.values(table[part.name], rows) for part in self.components], axis=1)

    def learn(self, values: np.ndarray, train: np.ndarray) -> Self:
        pairs = zip(self.components, values.T, strict=True)
        return self._of(tuple(part.learn(column, train) for part, column in pairs))

    def _of(self, components: tuple[Response, ...]) -> Self:
        return replace(self, components=components, name=", ".join(part.name for part in components))

    def split(
        self, values: np.ndarray, fraction: float, random: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Validation takes a random share, but leaves every class of every response a row that trains."""
        order = random.permutation(len(values))
        first = np.isin(np.arange(len(order)), self.must_train(values[order]))
        order = np.concatenate([order[~first], order[first]])
        held_out = order[: min(max(1, round(fraction * len(order))), len(order) - int(first.sum()))]
        return checked_split(np.setdiff1d(order, held_out), held_out)

    def must_train(self, values: np.ndarray) -> np.ndarray:
        parts = zip(self.components, values.T, strict=True)
        return np.unique(np.concatenate([part.must_train(column) for part, column in parts]))

    def examine(self, distribution: Any) -> None:
        for part in self.components:
            part.examine(distribution.component(part.name))

    @property
    def log_unit(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        return sum(part.log_unit for part in self.components)

    def log_units(self, encoded: np.ndarray) -> np.ndarray | float:
        return sum(part.log_units(encoded[:, j]) for j, part in enumerate(self.components))

    @property
    def variables(self) -> list[Variable]:
        return [variable for part in self.components for variable in part.variables]

    def space(self, nodes: int | None = None, refinements: int = 2) -> Product:
        dimensions = sum(len(part.space().continuous) for part in self.components)
        nodes = nodes or NODES[min(max(dimensions, 1), 2)]
        return Product(cast(Any, [part.space(nodes, refinements) for part in self.components]))

    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        columns = [part.encode(column, dtype) for part, column in zip(self.components, values.T, strict=True)]
        return np.stack(columns, axis=1).astype(dtype)

    def restore(self, y: np.ndarray) -> np.ndarray:
        """Encoded responses, along the last axis, in the user's units and labels."""
        columns = [part.restore(y[..., i]) for i, part in enumerate(self.components)]
        kind = object if any(part.labelled for part in self.components) else float
        return np.stack([column.astype(kind) for column in columns], axis=-1)

    def mean(self, candidates: np.ndarray) -> np.ndarray:
        ends = np.cumsum([len(part.variables) for part in self.components])[:-1]
        pairs = zip(self.components, np.split(candidates, ends, axis=1), strict=True)
        kind = object if any(part.labelled for part in self.components) else float
        return np.stack([part.mean(own).astype(kind) for part, own in pairs], axis=-1)

    def table(self, y: np.ndarray) -> pd.DataFrame:
        """Encoded responses (n, components) as the user's columns."""
        return pd.DataFrame({part.name: part.restore(y[:, j]) for j, part in enumerate(self.components)})

    def some(self, chosen: Sequence[int]) -> Response:
        """Some of the components: one by itself, or several."""
        parts = tuple(self.components[i] for i in chosen)
        return parts[0] if len(parts) == 1 else self._of(parts)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.short_name, "name": self.name, "components": [part.to_json() for part in self.components]}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        return cls(name=state["name"], components=tuple(map(response_from_json, state["components"])))


def by_name(responses: Any) -> Mapping[str, Any]:
    """What is stated of several responses, nothing where it is None.

    Raises
    ------
    OptionError
        If it is no dictionary.
    """
    if responses is None or isinstance(responses, Mapping):
        return responses or {}
    example = "{'class': 'classes'}"
    raise OptionError(f"response of several responses must be a dictionary by name, {example}; got {responses!r}.")
