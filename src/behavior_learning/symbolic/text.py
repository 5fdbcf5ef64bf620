"""Numbers, monomials and polynomials as a person would write them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from behavior_learning.options import check_count
from behavior_learning.symbolic.polynomials import Monomial, Polynomial

__all__ = [
    "DIGITS",
    "Shortened",
    "check_shown",
    "format_monomial",
    "format_number",
    "format_polynomial",
    "format_shortened",
    "shorten",
]

DIGITS = 3
"""Significant digits of a printed number by default."""


def check_shown(terms: Any, digits: Any) -> None:
    """Refuse counts of terms and digits that nothing can be written with.

    Raises
    ------
    OptionError
        If terms is neither None nor a whole number of at least 0, or digits no whole number of at least 1.
    """
    if terms is not None:
        check_count("terms", terms, minimum=0)
    check_count("digits", digits)


def format_number(value: float, digits: int = DIGITS) -> str:
    """Write a number with so many significant digits, and zeros in full: ``0.0123``, ``4,210``, ``1.2e-07``."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits - 1}e}"
    rounded = float(f"{value:.{digits - 1}e}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10 ** (digits - 1) else f"{rounded:.{digits}g}"


def format_monomial(monomial: Monomial) -> str:
    return "*".join(name if power == 1 else f"{name}^{power}" for name, power in monomial)


def _bracketed(monomial: Monomial) -> Monomial:
    """Names that would read as sums or products stand in square brackets."""
    return tuple((name if _ONE_WORD.fullmatch(name) else f"[{name}]", power) for name, power in monomial)


_ONE_WORD = re.compile(r"[\w.']+(\[.*\])?|\w+\(.*\)", re.DOTALL)
"""A word, a level of a category or a function of a column."""


@dataclass(frozen=True)
class Shortened:
    """The strongest terms of a polynomial, and what was left out.

    Attributes
    ----------
    kept : the polynomial of the strongest terms, and the constant.
    order : its monomials, strongest first.
    omitted : the remaining monomials, strongest first.
    omitted_share : their share of the summed strengths.
    factors : polynomials whose product is added to `kept`.
    """

    kept: Polynomial
    order: Sequence[Monomial]
    omitted: Sequence[Monomial]
    omitted_share: float
    factors: tuple[Polynomial, ...] = ()

    def times(self, factors: tuple[Polynomial, ...]) -> "Shortened":
        """The same beside a product."""
        return replace(self, factors=factors)


def shorten(polynomial: Polynomial, spreads: Mapping[str, float], limit: int | None, last: str = "") -> Shortened:
    """Keep the `limit` strongest terms; a term's strength is how far it moves over the training rows.

    Parameters
    ----------
    last : a variable that is kept whatever its strength, and written last.
    """
    strengths = polynomial.strengths(spreads)
    order = sorted(strengths, key=lambda monomial: -strengths[monomial])
    rest = [monomial for monomial in order if monomial == ((last, 1),)]
    order = [monomial for monomial in order if monomial not in rest]
    limit = len(order) if limit is None else limit
    kept, omitted = [*order[:limit], *rest], order[limit:]
    share = sum(strengths[m] for m in omitted) / (sum(strengths.values()) or 1.0)
    coefficients = {m: polynomial.coefficients[m] for m in kept} | {(): polynomial.constant}
    return Shortened(Polynomial(coefficients), kept, omitted, share)


def format_shortened(shown: Shortened, digits: int = DIGITS) -> str:
    """Write what was kept, a product first."""
    rest = format_polynomial(shown.kept, shown.order, digits)
    if not shown.factors:
        return rest
    factors = [format_polynomial(factor, list(factor.monomials), digits) for factor in shown.factors]
    product = "*".join(
        f if len(factor.coefficients) == 1 else f"({f})" for f, factor in zip(factors, shown.factors, strict=True)
    )
    if not shown.order and not shown.kept.constant:
        return product
    return f"{product} - {rest[1:]}" if rest.startswith("-") else f"{product} + {rest}"


def format_polynomial(polynomial: Polynomial, order: Sequence[Monomial], digits: int = DIGITS) -> str:
    """Write a polynomial with its terms in the given order and the constant last."""
    terms = [(polynomial.coefficients[monomial], format_monomial(_bracketed(monomial))) for monomial in order]
    if polynomial.constant or not terms:
        terms.append((polynomial.constant, ""))
    text = "".join(
        (" - " if value < 0 else " + ") + _format_term(abs(value), monomial, digits) for value, monomial in terms
    )
    return text.removeprefix(" + ") if not text.startswith(" - ") else "-" + text.removeprefix(" - ")


def _format_term(size: float, monomial: str, digits: int) -> str:
    number = format_number(size, digits)
    if not monomial:
        return number
    return monomial if number == "1" else f"{number}*{monomial}"
