"""What the terms that users write stand for: products of encoded columns, and functions of one."""

import re
from collections.abc import Sequence

import numpy as np

from behavior_learning.core.features import TRANSFORMS, BSpline, Curve, Product, Transform
from behavior_learning.errors import DataError, OptionError
from behavior_learning.formulas import parse_product, short, write_product
from behavior_learning.learned.columns import Columns

__all__ = ["named_products", "stated_products"]

MOST_PRODUCTS = 10_000
"""Products that a term may stand for at most."""

FLOOR = 1e-3
"""Of the smallest training value: below it a logarithm, a root or an inverse is level."""

_CALL = re.compile(r"(\w+)\(\s*(`[^`]+`|[^,]+?)\s*(?:,\s*(\d+)\s*)?\)")


def stated_products(text: str, columns: Columns, x: np.ndarray) -> list[tuple[Product | Curve, Product]]:
    """What a term of a stated problem stands for: products of uncentred columns, with at most one function of a column.

    Parameters
    ----------
    x : the encoded training rows, on which functions find their ends and knots.

    Raises
    ------
    OptionError
        If a name is no column, a function is unknown or meets another column of x.
    DataError
        If a logarithm, root or inverse is of a column that is not above zero.
    """
    factors = parse_product(text)
    calls = [(name, call) for name, _ in factors if name not in columns.x if (call := _CALL.fullmatch(name))]
    if not calls:
        return [
            (Product(a.columns, uncentered=bool(a.columns)), Product(b.columns, uncentered=bool(b.columns)))
            for a, b in named_products(text, columns, True)
        ]
    name, call = calls[0]
    others = [(other, power) for other, power in factors if other != name]
    functions = _functions(text, call, columns, x)
    if not others:
        return functions
    around = named_products(write_product(tuple(others)), columns, True)
    curved = any(not isinstance(function, Product) for function, _ in functions)
    if len(calls) > 1 or dict(factors)[name] > 1 or (curved and any(a.columns for a, _ in around)):
        raise OptionError(
            f"{short(text)}: a function of a column of x may meet the response and nothing else. Add a column for more."
        )
    return [(_times(a, c) if isinstance(a, Product) else a, _times(b, d)) for a, b in functions for c, d in around]


def _times(a: Product, b: Product) -> Product:
    """A product of uncentred columns."""
    together = tuple(sorted((*a.columns, *b.columns)))
    return Product(together, uncentered=bool(together))


def _functions(
    text: str, call: re.Match[str], columns: Columns, x: np.ndarray
) -> list[tuple[Product | Curve, Product]]:
    """What ``log(income)``, ``poly(income, 2)`` or ``bs(income, 5)`` stand for."""
    function, name, number = call[1], call[2].strip("`"), int(call[3] or 0)
    named, responses = ([j for j, own in enumerate(names) if own == name] for names in (columns.x, columns.y))
    one = Product(())
    match function:
        case "poly" if number >= 1:
            texts = [write_product(((name, power),)) for power in range(1, number + 1)]
            powers = [named_products(own, columns, True) for own in texts]
            return [(_times(a, one), _times(b, one)) for own in powers for a, b in own]
        case "bs" | "log" | "sqrt" | "inverse" if not named:
            which = "is the response: transform it before fit" if responses else "is no column of numbers"
            raise OptionError(f"{short(text)}: functions are of columns of x, and {name!r} {which}.")
        case "bs" if number >= 2:
            knots = np.unique(np.quantile(x[:, named[0]], np.linspace(0, 1, number)))
            return [(spline, one) for spline in BSpline.between(named[0], knots)]
        case _ if function in TRANSFORMS and not number:
            center, scale = columns.x_units[named[0]]
            smallest = center + scale * float(x[:, named[0]].min())
            if smallest <= 0:
                raise DataError(f"{short(text)} needs {name!r} above 0; its smallest value is {smallest:g}. Shift it.")
            zero = -center / scale
            return [(Transform(named[0], function, zero, 1 / scale, zero + FLOOR * smallest / scale), one)]
        case _:
            raise OptionError(
                f"{call[0]!r} in {short(text)} is no function. Known: log(x), sqrt(x), inverse(x), poly(x, degree) and "
                "bs(x, knots) with at least two knots."
            )


def _named_columns(name: str, columns: Sequence[str], sources: Sequence[str]) -> list[int]:
    """The columns with a name: one by its own, or all levels of a category, but no indicator of missing values."""
    named = zip(columns, sources, strict=True)
    return [j for j, (c, source) in enumerate(named) if c == name or (source == name and c != f"{name}[missing]")]


def named_products(text: str, columns: Columns, with_y: bool) -> list[tuple[Product, Product]]:
    """Products of encoded columns that a term such as ``"RM:MEDV"`` or ``"LSTAT^2"`` stands for.

    A categorical column stands for each of its levels.

    Raises
    ------
    OptionError
        If the term names no column.
    """
    products: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), ())]
    for name, power in parse_product(text):
        x = _named_columns(name, columns.x, columns.x_sources)
        y = _named_columns(name, columns.y, columns.y_sources)
        y = y if with_y else []
        if not x and not y:
            known = ", ".join(dict.fromkeys((*columns.x_sources, *(columns.y_sources if with_y else ()))))
            raise OptionError(f"The term {short(text)} names {name!r}, which is no column. Columns: {known}.")
        choices = [((j,) * power, ()) for j in x] + [((), (j,) * power) for j in y]
        if len(products) * len(choices) > MOST_PRODUCTS:
            raise OptionError(
                f"The term {short(text)} stands for more than {MOST_PRODUCTS} products. Write fewer factors."
            )
        products = [(a + c, b + d) for a, b in products for c, d in choices]
    return [(Product(tuple(sorted(x))), Product(tuple(sorted(y)))) for x, y in products]
