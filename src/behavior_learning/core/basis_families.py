"""Ways to make a basis from the training rows: affine, polynomial, splines and waves, one class each.

A family that is defined elsewhere takes part like those here once `register_basis` knows it.

Source: A.3.2 (affine maps, monomials up to a total degree). Deviation: splines and waves are beyond the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from jaxtyping import Float

from behavior_learning.core.bases import (
    Basis,
    affine_basis,
    fourier_basis,
    polynomial_basis,
    spline_basis,
    with_bends,
)
from behavior_learning.errors import OptionError
from behavior_learning.options import Option, check_choice, check_count, check_option, parameter, register

__all__ = ["BASES", "Affine", "BasisFamily", "Fourier", "Polynomial", "Spline", "check_basis", "register_basis"]

BASES: dict[str, type["BasisFamily"]] = {}
"""Every registered family of bases by its short name."""

Registered = TypeVar("Registered", bound="type[BasisFamily]")


def register_basis(family: Registered) -> Registered:
    """Make a class of bases known by its short name, as a decorator.

    Raises
    ------
    OptionError
        If another class has the name.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.register_basis(bl.Spline) is bl.Spline  # or a class of one's own
    True
    """
    register(BASES, family)
    return family


def check_basis(name: str, value: Any) -> Any:
    """``"auto"``, or a family of bases with its parameters checked."""
    return value if isinstance(value, str) and value == "auto" else check_option(name, value, BASES)


@dataclass(frozen=True)
class BasisFamily(Option):
    """Makes a basis; a subclass is frozen and has its options as fields.

    Attributes
    ----------
    short_name : the spelling that selects it with its defaults.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.Spline(knots=3)(np.array([[0.0], [1.0], [4.0]]), [None]).names(["x"], ["y"])
    ['ramp(x, 0, 1)', 'ramp(x, 1, 4)', 'y']
    """

    short_name: ClassVar[str]

    @property
    def curved(self) -> bool:
        """Whether curves stand in place of the columns of x, so that none of them may be constant."""
        return False

    @property
    def one_unit(self) -> bool:
        """Whether numbers of x share a unit, as pixels do, rather than each having its own spread for one."""
        return False

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        """The basis of encoded training rows.

        Parameters
        ----------
        choices : for each column of y which choice it is an indicator of, None for numbers.
        """
        raise NotImplementedError

    def of_degree(self, degree: int) -> "BasisFamily":
        """This family where rows state degrees, the largest of which is given."""
        return self


@register_basis
@dataclass(frozen=True)
class Affine(BasisFamily):
    """[x; y].

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.Affine()(np.zeros((5, 2)), [None]).names(["a", "b"], ["y"])
    ['a', 'b', 'y']
    """

    common_scale: bool = parameter(False, check_choice, valid=(False, True))

    short_name: ClassVar[str] = "affine"

    @property
    def one_unit(self) -> bool:
        return self.common_scale

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        return affine_basis(x.shape[1], len(choices))


@register_basis
@dataclass(frozen=True)
class Polynomial(BasisFamily):
    """All monomials of (x, y) up to a total degree, but none that repeats another on the training rows.

    Left out are squares of columns of two values, and products that are zero in every row, as that of two levels of
    a category, or that three of the four combinations of two such columns leave nothing to say. Without
    `products` powers of single columns are left: every row is a sum of polynomials of one column each. `bends` adds,
    for each column of x of more than two values, what it exceeds each of so many of its quantiles by.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.Polynomial(degree=2)(np.zeros((5, 1)), [None]).names(["x"], ["y"])
    ['x', 'x^2', 'y', 'y^2', 'x*y']
    >>> bl.Polynomial(degree=1, bends=1)(np.array([[0.0], [1.0], [4.0]]), [None]).names(["x"], ["y"])
    ['x', 'ramp(x, 1, 4)', 'y']
    """

    degree: int = parameter(2, check_count)
    products: bool = parameter(True, check_choice, valid=(True, False))
    bends: int = parameter(0, check_count, minimum=0)

    short_name: ClassVar[str] = "polynomial"

    def of_degree(self, degree: int) -> "Polynomial":
        return replace(self, degree=degree)

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        how: dict[str, Any] = {"degree": self.degree, "products": self.products}
        return with_bends(polynomial_basis(x.shape[1], len(choices), one_hot=choices, x=x, **how), x, self.bends)


def _check_spline_degree(name: str, degree: Any) -> int:
    if degree in (1, 3):
        return int(degree)
    raise OptionError(f"{name} must be 1 (piecewise linear) or 3 (cubic); got {degree!r}.")


@register_basis
@dataclass(frozen=True)
class Spline(BasisFamily):
    """Curves of each column of x between its quantiles, straight pieces (degree 1) or cubic ones (degree 3).

    Knots are quantiles in which rows and distinct values count half each, or all values of a column with a hundred rows
    per distinct value. `straight` keeps the columns beside their curves, up to where the bulk of the training rows
    ends, so that a ridge draws curves towards lines.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> len(bl.Spline(knots=4, degree=3)(np.arange(9.0)[:, None], [None]).x_functions)
    5
    """

    knots: int = parameter(8, check_count, minimum=2)
    degree: int = parameter(1, _check_spline_degree)
    straight: bool = parameter(False, check_choice, valid=(False, True))

    short_name: ClassVar[str] = "spline"

    @property
    def curved(self) -> bool:
        return not self.straight

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        return spline_basis(x, len(choices), knots=self.knots, degree=self.degree, straight=self.straight)


@register_basis
@dataclass(frozen=True)
class Fourier(BasisFamily):
    """[x; y], and sines and cosines of each column of x over its range.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> len(bl.Fourier(frequencies=3)(np.arange(9.0)[:, None], [None]).x_functions)
    7
    """

    frequencies: int = parameter(3, check_count)

    short_name: ClassVar[str] = "fourier"

    @property
    def curved(self) -> bool:
        return True

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        return fourier_basis(x, len(choices), frequencies=self.frequencies)
