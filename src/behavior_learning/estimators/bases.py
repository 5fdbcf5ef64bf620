"""Bases as users ask for them: which functions of the columns the rows of the first layer are linear in."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from behavior_learning.core.bases import Basis, affine_basis, fourier_basis, polynomial_basis, spline_basis
from behavior_learning.errors import DataError, OptionError
from behavior_learning.learned.columns import Columns
from behavior_learning.options import Option, check_count, check_option, parameter, register

__all__ = ["BASES", "Affine", "BasisOption", "Fourier", "Polynomial", "Spline", "check_basis", "register_basis"]

BASES: dict[str, type["BasisOption"]] = {}
"""Every registered basis by its short name."""

Kind = TypeVar("Kind", bound="type[BasisOption]")


def register_basis(kind: Kind) -> Kind:
    """Make a basis known by its `short_name`: to estimators, files and the tests over all bases.

    Raises
    ------
    OptionError
        If the name is taken.
    """
    register(BASES, kind)
    return kind


class BasisOption(Option):
    """A basis before it has met data."""

    short_name: ClassVar[str]
    """How strings call it."""

    @abstractmethod
    def build(self, x: np.ndarray, y_columns: int, columns: Columns) -> Basis:
        """The terms.

        Parameters
        ----------
        x : encoded training rows.
        y_columns : of a candidate that the rows see.
        """


def check_basis(name: str, value: Any) -> Any:
    """``"auto"``, or a basis with its parameters checked."""
    return value if isinstance(value, str) and value == "auto" else check_option(name, value, BASES)


@register_basis
@dataclass(frozen=True)
class Affine(BasisOption):
    """The columns themselves."""

    short_name: ClassVar[str] = "affine"

    def build(self, x: np.ndarray, y_columns: int, columns: Columns) -> Basis:
        return affine_basis(x.shape[1], y_columns)


@register_basis
@dataclass(frozen=True)
class Polynomial(BasisOption):
    """All products of columns of x and y up to a total degree.

    Parameters
    ----------
    degree : of the products; where `degrees` are stated for rows, the largest of them.
    """

    degree: int = parameter(2, check_count)

    short_name: ClassVar[str] = "polynomial"

    def build(self, x: np.ndarray, y_columns: int, columns: Columns) -> Basis:
        return polynomial_basis(x.shape[1], y_columns, degree=self.degree, one_hot=columns.choices[:y_columns])


@register_basis
@dataclass(frozen=True)
class Fourier(BasisOption):
    """Sines and cosines of each numeric column of x over its training range, beside the columns.

    Parameters
    ----------
    frequencies : half periods, at most.
    """

    frequencies: int = parameter(3, check_count)

    short_name: ClassVar[str] = "fourier"

    def build(self, x: np.ndarray, y_columns: int, columns: Columns) -> Basis:
        _refuse_constants(self.short_name, x, columns)
        return fourier_basis(x, y_columns, frequencies=self.frequencies)


def _check_spline_degree(name: str, degree: Any) -> int:
    if degree in (1, 3):
        return int(degree)
    raise OptionError(f"{name} must be 1 (piecewise linear) or 3 (cubic); got {degree!r}.")


@register_basis
@dataclass(frozen=True)
class Spline(BasisOption):
    """Curves of each numeric column of x on its training quantiles, and the columns of y.

    Parameters
    ----------
    knots : quantiles per column, the ends included.
    degree : 1 for piecewise-linear curves, 3 for cubic ones.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.BLRegressor(basis="spline").set_params(basis__knots=5).basis
    Spline(knots=5, degree=1)
    """

    knots: int = parameter(8, check_count, minimum=2)
    degree: int = parameter(1, _check_spline_degree)

    short_name: ClassVar[str] = "spline"

    def build(self, x: np.ndarray, y_columns: int, columns: Columns) -> Basis:
        _refuse_constants(self.short_name, x, columns)
        return spline_basis(x, y_columns, knots=self.knots, degree=self.degree)


def _refuse_constants(kind: str, x: np.ndarray, columns: Columns) -> None:
    constant = [name for name, values in zip(columns.x, x.T, strict=True) if np.ptp(values) == 0]
    if constant:
        raise DataError(f"basis={kind!r} needs columns that vary; {constant[0]!r} is constant. Drop it.")
