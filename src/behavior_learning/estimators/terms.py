"""What the terms that users write stand for: products of encoded columns, and functions of one."""

from collections.abc import Sequence

import numpy as np

from behavior_learning.core.features import TRANSFORMS, BSpline, Function, Pair, Product, Transform
from behavior_learning.errors import DataError, OptionError
from behavior_learning.formulas import Call, called, parse_product, short, write_product
from behavior_learning.learned.columns import Columns

__all__ = ["named_products", "stated_products"]

MOST_PRODUCTS = 10_000
"""Products that a term may stand for at most."""

FLOOR = 1e-3
"""Of the smallest value, or of the standard deviation of a response that may be 0: below it functions are level."""


def stated_products(text: str, columns: Columns, x: np.ndarray) -> list[Pair]:
    """What a term of a stated problem stands for: products of uncentred columns, with at most one curve of x and of y.

    Parameters
    ----------
    x : the encoded training rows, on which functions find their ends and knots.

    Raises
    ------
    OptionError
        If a name is no column, a function is unknown or meets another column of its side.
    DataError
        If a logarithm, root or inverse is of a column that is not above zero.
    """
    factors = parse_product(text)
    calls = {name: call for name, _ in factors if name not in columns.x if (call := called(name))}
    plain = tuple(factor for factor in factors if factor[0] not in calls)
    pairs: list[Pair] = _uncentered(write_product(plain), columns) if plain else [(Product(()), Product(()))]
    for name, power in factors:
        for _ in range(power if name in calls else 0):
            functions = _functions(text, calls[name], columns, x)
            pairs = [(_times(text, a, c), _times(text, b, d)) for a, b in pairs for c, d in functions]
            _check_many(text, len(pairs))
    return pairs


def _uncentered(text: str, columns: Columns) -> list[Pair]:
    """Products of columns that are scaled only, so that a row holds exactly the terms written."""
    products = [[own.columns for own in pair] for pair in named_products(text, columns, True)]
    return [(Product(tuple(a), uncentered=bool(a)), Product(tuple(b), uncentered=bool(b))) for a, b in products]


def _times(text: str, a: Function, b: Function) -> Function:
    """The product of two functions of one side, of which a curve meets nothing but 1."""
    match a, b:
        case Product(), Product():
            together = tuple(sorted((*a.columns, *b.columns)))
            return Product(together, uncentered=bool(together))
        case (Product(()), other) | (other, Product(())):
            return other
        case _:
            raise OptionError(
                f"{short(text)}: a function of a column of x may meet the response, and one of the response columns of "
                "x, and nothing else. Add a column for more."
            )


def _functions(text: str, call: Call, columns: Columns, x: np.ndarray) -> list[Pair]:
    """What ``log(income)``, ``poly(income, 2)`` or ``bs(income, 5)`` stand for."""
    function, name, number = call
    named, responses = ([j for j, own in enumerate(names) if own == name] for names in (columns.x, columns.y))
    one = Product(())
    match function:
        case "poly" if number >= 1:
            powers = [write_product(((name, power),)) for power in range(1, number + 1)]
            return [pair for own in powers for pair in _uncentered(own, columns)]
        case "bs" | "log" | "sqrt" | "inverse" if not named and not responses:
            raise OptionError(f"{short(text)}: functions are of columns of numbers, and {name!r} is none.")
        case "bs" if not named:
            raise OptionError(f"{short(text)}: splines are of columns of x, and {name!r} is the response. Use poly.")
        case "bs" if number >= 2:
            knots = np.unique(np.quantile(x[:, named[0]], np.linspace(0, 1, number)))
            return [(spline, one) for spline in BSpline.between(named[0], knots)]
        case _ if function in TRANSFORMS and not number and named:
            center, scale = columns.x_units[named[0]]
            smallest = center + scale * float(x[:, named[0]].min())
            if smallest <= 0:
                raise DataError(f"{short(text)} needs {name!r} above 0; its smallest value is {smallest:g}. Shift it.")
            return [(_transform(named[0], function, center, scale, smallest), one)]
        case _ if function in TRANSFORMS and not number:
            least, (center, scale) = columns.y_least[responses[0]], columns.y_units[responses[0]]
            if least < 0:
                raise DataError(
                    f"{short(text)} needs {name!r} at 0 or above, and its support begins at {least:g}. State it: "
                    "response=bl.Numbers(support=(0, …))."
                )
            return [(one, _transform(responses[0], function, center, scale, least or scale))]
        case _:
            raise OptionError(
                f"{function!r} in {short(text)} is no function. Known: log(x), sqrt(x), inverse(x), poly(x, degree) "
                "and bs(x, knots) with at least two knots."
            )


def _transform(column: int, function: str, center: float, scale: float, smallest: float) -> Transform:
    """A function of a column in the user's units, level below a share of its smallest value."""
    zero = -center / scale
    return Transform(column, function, zero, 1 / scale, zero + FLOOR * smallest / scale)


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
        _check_many(text, len(products) * len(choices))
        products = [(a + c, b + d) for a, b in products for c, d in choices]
    return [(Product(tuple(sorted(x))), Product(tuple(sorted(y)))) for x, y in products]


def _check_many(text: str, products: int) -> None:
    if products > MOST_PRODUCTS:
        raise OptionError(f"The term {short(text)} stands for more than {MOST_PRODUCTS} products. Write fewer factors.")
