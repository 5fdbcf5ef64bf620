"""Ways to make a basis from the training rows: affine, polynomial, splines and waves, one class each.

A family that is defined elsewhere takes part like those here once `register_basis` knows it.

Source: A.3.2 (affine maps, monomials up to a total degree). Deviation: splines and waves are beyond the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from jaxtyping import Float

from behavior_learning.core.bases import Basis, affine_basis, fourier_basis, polynomial_basis, spline_basis
from behavior_learning.errors import OptionError
from behavior_learning.options import Option, check_count

__all__ = [
    "Affine",
    "BasisFamily",
    "Fourier",
    "Polynomial",
    "Spline",
    "get_basis",
    "register_basis",
    "registered_bases",
]


@dataclass(frozen=True)
class BasisFamily(Option):
    """Makes a basis; a subclass is frozen and has its options as fields.

    Attributes
    ----------
    name : the spelling that selects it with its defaults.
    curved : whether it draws curves over the range of every column of x, so that none may be constant.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.Spline(knots=3)(np.array([[0.0], [1.0], [4.0]]), [None]).names(["x"], ["y"])
    ['ramp(x, 0, 1)', 'ramp(x, 1, 4)', 'y']
    """

    name: ClassVar[str]
    curved: ClassVar[bool] = False

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        """The basis of encoded training rows.

        Parameters
        ----------
        choices : for each column of y which choice it is an indicator of, None for numbers.
        """
        raise NotImplementedError


Registered = TypeVar("Registered", bound=type[BasisFamily])

_FAMILIES: dict[str, type[BasisFamily]] = {}


def register_basis(family: Registered) -> Registered:
    """Make a class of bases known by its name, as a decorator.

    Raises
    ------
    OptionError
        If another class has the name.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.register_basis(bl.Spline)
    Traceback (most recent call last):
    behavior_learning.errors.OptionError: Every basis has a name of its own; 'spline' is already that of ...
    """
    if family.name in _FAMILIES:
        taken = _FAMILIES[family.name]
        raise OptionError(
            f"Every basis has a name of its own; {family.name!r} is already that of {taken.__module__}."
            f"{taken.__qualname__}. Give {family.__name__} another name."
        )
    _FAMILIES[family.name] = family
    return family


def registered_bases() -> tuple[str, ...]:
    """The names of every registered class."""
    return tuple(_FAMILIES)


def get_basis(name: str) -> type[BasisFamily]:
    """The class of a name.

    Raises
    ------
    OptionError
        If no class has it.
    """
    if name not in _FAMILIES:
        raise OptionError(f"basis must be one of {', '.join(map(repr, _FAMILIES))}; got {name!r}.")
    return _FAMILIES[name]


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

    name = "affine"

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        return affine_basis(x.shape[1], len(choices))


@register_basis
@dataclass(frozen=True)
class Polynomial(BasisFamily):
    """All monomials of (x, y) up to a total degree.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.Polynomial(degree=2)(np.zeros((5, 1)), [None]).names(["x"], ["y"])
    ['x', 'x^2', 'y', 'y^2', 'x*y']
    """

    name = "polynomial"
    degree: int = 2

    def __post_init__(self):
        check_count("degree", self.degree)

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        return polynomial_basis(x.shape[1], len(choices), degree=self.degree, one_hot=choices)


@register_basis
@dataclass(frozen=True)
class Spline(BasisFamily):
    """Curves of each column of x between its quantiles, straight pieces (degree 1) or cubic ones (degree 3).

    Examples
    --------
    >>> import behavior_learning as bl
    >>> len(bl.Spline(knots=4, degree=3)(np.arange(9.0)[:, None], [None]).x_functions)
    5
    """

    name, curved = "spline", True
    knots: int = 8
    degree: int = 1

    def __post_init__(self):
        check_count("knots", self.knots, minimum=2)
        if self.degree not in (1, 3):
            raise OptionError(
                f"degree must be 1 (piecewise linear) or 3 (cubic) for basis='spline'; got {self.degree!r}."
            )

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        return spline_basis(x, len(choices), knots=self.knots, degree=self.degree)


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

    name, curved = "fourier", True
    frequencies: int = 3

    def __post_init__(self):
        check_count("frequencies", self.frequencies)

    def __call__(self, x: Float[np.ndarray, "n d"], choices: Sequence[int | None]) -> Basis:
        return fourier_basis(x, len(choices), frequencies=self.frequencies)
