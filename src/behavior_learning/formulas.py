"""The small language in which users write terms: ``rooms + price + rooms:price``, ``0.3*income``, ``LSTAT^2``."""

import math
import re
from dataclasses import dataclass

from behavior_learning.errors import OptionError

__all__ = ["Term", "parse_product", "parse_sum", "write_product"]

Factors = tuple[tuple[str, int], ...]

_TOKEN = re.compile(
    r"\s*(?:(?P<quoted>`[^`]+`)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d][\w.\[\]]*)|(?P<op>[+\-*:^]))"
)


_PLAIN_NAME = re.compile(r"[^\W\d][\w.\[\]]*")


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
        return ":".join(name if power == 1 else f"{name}^{power}" for name, power in self.factors) or "1"


def parse_sum(text: str) -> tuple[Term, ...]:
    """Read a sum of terms; names with blanks or signs go in backquotes.

    Raises
    ------
    OptionError
        If the text cannot be read.
    """
    if not isinstance(text, str):
        raise OptionError(f"Terms must be text such as 'rooms + price'; got {text!r}.")
    tokens, terms, position = _tokens(text), [], 0
    while position < len(tokens):
        signed = tokens[position] in (("op", "+"), ("op", "-"))
        if terms and not signed:
            raise OptionError(f"{text!r}: expected + or - before {tokens[position][1]!r}.")
        term, position = _term(text, tokens, position + signed, negative=tokens[position] == ("op", "-"))
        terms.append(term)
    if not terms:
        raise OptionError("An empty text has no terms; write a sum such as 'rooms + price'.")
    return tuple(terms)


def parse_product(text: str) -> Factors:
    """Read a single product of columns such as ``RM:MEDV`` or ``MEDV^2``."""
    terms = parse_sum(text)
    if len(terms) != 1 or terms[0].number is not None or terms[0].negative:
        raise OptionError(f"A term must be one product of columns, such as 'RM:MEDV' or 'MEDV^2'; got {text!r}.")
    return terms[0].factors


def write_product(factors: Factors) -> str:
    """Write a product of columns so that `parse_product` reads it back."""
    quoted = ((name if _PLAIN_NAME.fullmatch(name) else f"`{name}`", power) for name, power in factors)
    return ":".join(name if power == 1 else f"{name}^{power}" for name, power in quoted)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise OptionError(
                f"{text!r} cannot be read at {text[position:].strip()!r}. A sum holds columns, numbers, + - * : and ^; "
                "unusual names go in `backquotes`."
            )
        kind = str(match.lastgroup)
        tokens.append(("name", match[kind].strip("`")) if kind == "quoted" else (kind, match[kind]))
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
                raise OptionError(f"{text!r}: the number {value} is too large.")
        else:
            power, position = _power(text, tokens, position)
            factors.append((value, power))
        expected = False
    if expected:
        raise OptionError(f"{text!r}: a column or a number is missing after an operator.")
    if number is None:
        return Term(tuple(factors), negative=negative), position
    return Term(tuple(factors), -number if negative else number), position


def _power(text: str, tokens: list[tuple[str, str]], position: int) -> tuple[int, int]:
    if tokens[position : position + 1] != [("op", "^")]:
        return 1, position
    following = tokens[position + 1 : position + 2]
    if not following or not following[0][1].isdigit() or int(following[0][1]) < 1:
        raise OptionError(f"{text!r}: a power must be a whole number of at least 1.")
    return int(following[0][1]), position + 2
