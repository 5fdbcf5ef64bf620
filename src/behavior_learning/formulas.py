"""The small language in which users write terms: ``rooms + price + rooms:price``, ``0.3*income``, ``LSTAT^2``.

A function of a column, ``log(income)``, is read as a name; who resolves names says which functions there are.
"""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from behavior_learning.errors import OptionError

__all__ = ["Call", "Term", "called", "parse_product", "parse_sum", "short", "write_product"]

Factors = tuple[tuple[str, int], ...]

_TOKEN = re.compile(
    r"\s*(?:(?P<quoted>`(?:[^`]|``)+`)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*\((?:`[^`]+`|[^()`])+\)|[^\W\d][\w.\[\]]*)|(?P<op>[+\-*:^]))"
)


_CALL = re.compile(r"(\w+)\(\s*(`[^`]+`|[^,]+?)\s*(?:,\s*(\d+)\s*)?\)")

LONGEST, MOST_TERMS, HIGHEST = 100_000, 2_000, 20
"""Characters of a text, terms of a sum and degree of a product at most."""

_PLAIN_NAME = re.compile(r"[^\W\d][\w.\[\]]*")


class Call(NamedTuple):
    """A function of a column as it is written: ``bs(income, 5)``; the number is 0 where there is none."""

    function: str
    column: str
    number: int


def called(name: str) -> Call | None:
    """What a name calls, where it is written as a function of a column."""
    found = _CALL.fullmatch(name)
    return Call(found[1], found[2].strip("`"), int(found[3] or 0)) if found else None


@dataclass(frozen=True)
class Term:
    """One summand: number · product of powers of columns; no number where none was written.

    Attributes
    ----------
    factors : (column, power) pairs; none for a constant.
    number : the written number with its sign, or None.
    negative : whether a minus stands before a term without a number.
    """

    factors: Factors
    number: float | None = None
    negative: bool = False

    @property
    def text(self) -> str:
        """The product as it is written, odd names in backquotes."""
        return write_product(self.factors) or "1"


def parse_sum(text: str) -> tuple[Term, ...]:
    """Read a sum of terms; names with blanks or signs go in backquotes, a backquote in them doubled.

    Raises
    ------
    OptionError
        If the text cannot be read.
    """
    if not isinstance(text, str):
        raise OptionError(f"Terms must be text such as 'rooms + price'; got {repr(text)[:80]}.")
    tokens, terms, position = _tokens(text), [], 0
    while position < len(tokens):
        signed = tokens[position] in (("op", "+"), ("op", "-"))
        if terms and not signed:
            raise OptionError(f"{short(text)}: expected + or - before {short(tokens[position][1])}.")
        term, position = _term(text, tokens, position + signed, negative=tokens[position] == ("op", "-"))
        terms.append(term)
    if len(terms) > MOST_TERMS:
        raise OptionError(f"{short(text)}: a sum has at most {MOST_TERMS} terms; got {len(terms)}.")
    if not terms:
        raise OptionError("An empty text has no terms; write a sum such as 'rooms + price'.")
    return tuple(terms)


def short(text: str, most: int = 80) -> str:
    """A text as messages quote it: its beginning, where it is long."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}… ({len(text)} characters)"


def parse_product(text: str) -> Factors:
    """Read a single product of columns such as ``RM:MEDV`` or ``MEDV^2``."""
    terms = parse_sum(text)
    if len(terms) != 1 or terms[0].number is not None or terms[0].negative:
        raise OptionError(f"A term must be one product of columns, such as 'RM:MEDV' or 'MEDV^2'; got {short(text)}.")
    return terms[0].factors


def write_product(factors: Factors) -> str:
    """Write a product of columns so that `parse_product` reads it back."""
    names = [n if _PLAIN_NAME.fullmatch(n) else "`" + n.replace("`", "``") + "`" for n, _ in factors]
    return ":".join(n if power == 1 else f"{n}^{power}" for n, (_, power) in zip(names, factors, strict=True))


def _tokens(text: str) -> list[tuple[str, str]]:
    if len(text) > LONGEST:
        raise OptionError(f"Terms must be at most {LONGEST} characters long; got {len(text)}: {short(text)}.")
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise OptionError(
                f"{short(text)} cannot be read at {short(text[position:].strip())}. A sum holds columns, numbers, "
                "+ - * : and ^; unusual names go in `backquotes`."
            )
        kind = str(match.lastgroup)
        value = match[kind][1:-1].replace("``", "`") if kind == "quoted" else match[kind]
        tokens.append(("name" if kind == "quoted" else kind, value))
        position = match.end()
    return tokens


def _term(text: str, tokens: list[tuple[str, str]], position: int, *, negative: bool) -> tuple[Term, int]:
    factors, number, expected = [], None, True
    while position < len(tokens):
        kind, value = tokens[position]
        if not expected:
            if (kind, value) not in (("op", "*"), ("op", ":")):
                break
            expected, position = True, position + 1
            continue
        if kind == "op":
            break
        position += 1
        if kind == "number":
            number = float(value) * (1.0 if number is None else number)
            if not math.isfinite(number):
                raise OptionError(f"{short(text)}: the number {short(value)} is too large.")
        else:
            power, position = _power(text, tokens, position)
            factors.append((value, power))
        expected = False
    if expected:
        raise OptionError(f"{short(text)}: a column or a number is missing after an operator.")
    if sum(power for _, power in factors) > HIGHEST:
        raise OptionError(f"{short(text)}: a product has a degree of at most {HIGHEST}.")
    if number is None:
        return Term(tuple(factors), negative=negative), position
    return Term(tuple(factors), -number if negative else number), position


def _power(text: str, tokens: list[tuple[str, str]], position: int) -> tuple[int, int]:
    if tokens[position : position + 1] != [("op", "^")]:
        return 1, position
    following = tokens[position + 1 : position + 2]
    digits = following[0][1] if following else ""
    if not re.fullmatch("[0-9]{1,4}", digits) or not 1 <= int(digits) <= HIGHEST:
        raise OptionError(f"{short(text)}: a power must be a whole number from 1 to {HIGHEST}.")
    return int(digits), position + 2
