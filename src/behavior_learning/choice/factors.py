"""What the terms of a utility are made of: columns, powers, logarithms, pieces and indicators.

A new one is a frozen class with `label` and `__call__`, and a reader in `formula`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from behavior_learning.choice.data import ChoiceData
from behavior_learning.errors import DataError, OptionError
from behavior_learning.responses.columns import shown

__all__ = ["FUNCTIONS", "AlternativeIs", "BoxCox", "Factor", "Number", "Piece", "Transformed", "ValueIs"]


def _numbers(data: ChoiceData, name: str) -> Float[np.ndarray, " lines"]:
    values = data.column(name)
    if values.dtype.kind not in "biuf":
        raise DataError(f"Column {name!r} holds no numbers. Write C({name}), an indicator of each of its values.")
    return values.astype(float)


@dataclass(frozen=True)
class Function:
    """A function of one column, and the values that it is defined for."""

    apply: Callable[[np.ndarray], np.ndarray]
    positive: bool = False


FUNCTIONS = {
    "log": Function(np.log, positive=True),
    "sqrt": Function(np.sqrt, positive=True),
    "exp": Function(np.exp),
    "inverse": Function(np.reciprocal, positive=True),
}
"""Functions of one column by name."""


class Factor:
    """A number per line that does not depend on parameters."""

    label: str

    def __call__(self, data: ChoiceData) -> Float[np.ndarray, " lines"]:
        """Its values."""
        raise NotImplementedError


@dataclass(frozen=True)
class Number(Factor):
    """A column, or a power of it."""

    name: str
    power: int = 1

    @property
    def label(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.name if self.power == 1 else f"{self.name}^{self.power}"

    def __call__(self, data: ChoiceData) -> Float[np.ndarray, " lines"]:
        return _numbers(data, self.name) ** self.power


@dataclass(frozen=True)
class Transformed(Factor):
    """log, sqrt, exp or inverse of a column."""

    function: str
    name: str

    @property
    def label(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"{self.function}({self.name})"

    def __call__(self, data: ChoiceData) -> Float[np.ndarray, " lines"]:
        values, function = _numbers(data, self.name), FUNCTIONS[self.function]
        if function.positive:
            need_positive(data, self.name, values, self.label)
        return function.apply(values)


def need_positive(data: ChoiceData, name: str, values: np.ndarray, label: str) -> None:
    """Refuse values that are not above zero."""
    if (values <= 0).any():
        line = int(np.argmax(values <= 0))
        raise DataError(
            f"{label} needs {name!r} above 0; it is {values[line]:g} for {data.named(line)}. "
            "Add a constant to the column, or leave the term linear."
        )


@dataclass(frozen=True)
class Piece(Factor):
    """The part of a column between two knots, min(max(t − lower, 0), upper − lower), linear and no further."""

    name: str
    lower: float
    upper: float

    @classmethod
    def read(cls, name: str, level: str | None, knots: Sequence[str]) -> list["Piece"]:
        """All pieces that knots cut a column into, or the one with the ends that a level names."""
        try:
            ends = [float(knot) for knot in (level.split(",") if level else ["-inf", *knots, "inf"])]
        except ValueError as error:
            raise OptionError(f"piecewise({name}, …) needs numbers as knots; got {', '.join(knots)}.") from error
        if len(ends) < 2 + (level is None) or any(a >= b for a, b in pairwise(ends)):
            raise OptionError(f"piecewise needs knots in increasing order, such as piecewise({name}, 30, 60).")
        return [cls(name, lower, upper) for lower, upper in pairwise(ends)]

    @property
    def label(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"piecewise({self.name})[{self.lower:g},{self.upper:g}]"

    def __call__(self, data: ChoiceData) -> Float[np.ndarray, " lines"]:
        values = _numbers(data, self.name)
        if np.isinf(self.lower):
            return np.minimum(values, self.upper)
        return np.clip(values, self.lower, self.upper) - self.lower


@dataclass(frozen=True)
class AlternativeIs(Factor):
    """1 for an alternative, 0 for others."""

    alternative: str

    @property
    def label(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"C(alternative)[{self.alternative}]"

    def __call__(self, data: ChoiceData) -> Float[np.ndarray, " lines"]:
        data.check_alternatives([self.alternative])
        return (data.alternative == data.alternatives.index(self.alternative)).astype(float)


@dataclass(frozen=True)
class ValueIs(Factor):
    """1 where a column has a value, 0 elsewhere.

    Attributes
    ----------
    known : all values of the training data, as text; others are refused.
    """

    name: str
    value: Any
    known: Sequence[str] = ()

    @classmethod
    def read(cls, name: str, level: str | None, data: ChoiceData) -> list["ValueIs"]:
        """One per value of a column but the first, or the one of the value that a level names."""
        column = data.column(name)
        values = np.unique(column.astype(str) if column.dtype == object else column)
        known = {str(value): value for value in values}
        if level is not None:
            if level not in known:
                raise DataError(f"Column {name!r} has no value {level!r}. Values: {', '.join(known)}.")
            return [cls(name, known[level], tuple(known))]
        if len(values) > 100:
            raise OptionError(f"C({name}) would make {len(values)} indicators. Use the number itself or fewer groups.")
        return [cls(name, value, tuple(known)) for value in values[1:]]

    @property
    def label(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"C({self.name})[{self.value}]"

    def __call__(self, data: ChoiceData) -> Float[np.ndarray, " lines"]:
        values = data.column(self.name).astype(str)
        unknown = np.flatnonzero(~np.isin(values, list(self.known)))
        if self.known and len(unknown):
            line = int(unknown[0])
            raise DataError(
                f"Column {self.name!r} is {shown(values[line])} for {data.named(line)}, which no row of the training "
                f"data was, so that {self.label} says nothing of it. Known: {', '.join(self.known)}."
            )
        return (values == str(self.value)).astype(float)


@dataclass(frozen=True)
class BoxCox:
    """(t^λ − 1)/λ of a column, log t where λ = 0, with a λ that is estimated.

    Source: Box and Cox (1964).
    """

    name: str

    START: ClassVar[float] = 1.0

    @property
    def label(self) -> str:
        return f"boxcox({self.name})"

    @property
    def parameter(self) -> str:
        """The label of λ."""
        return f"lambda({self.name})"

    def __call__(self, data: ChoiceData, power: float) -> tuple[np.ndarray, np.ndarray]:
        """Values and their derivative by λ; zero stays at −1/λ, its limit for λ > 0."""
        values = _numbers(data, self.name)
        if (values < 0).any() or (power <= 0 and (values <= 0).any()):
            need_positive(data, self.name, values, self.label)
        log = np.log(np.where(values > 0, values, 1.0))
        if abs(power) < 1e-6:
            return log + power * log**2 / 2, log**2 / 2
        powered = np.where(values > 0, np.exp(power * log), 0.0)
        return (powered - 1) / power, (powered * (power * log - 1) + 1) / power**2
