"""The formula of a utility: ``cost + time:C(purpose) + income:C(alternative) + log(wait) + boxcox(distance)``.

A sum of terms; a term is a product of factors by ``:``. A factor is a column, a power ``time^2``, a function
(`log`, `sqrt`, `exp`, `inverse`), ``piecewise(time, 30, 60)``, ``boxcox(time)``, ``C(column)``, an indicator of each
value but the first, or ``C(alternative)``, of each alternative. An alternative's name or a value in brackets picks one:
``time:C(alternative)[car]``. Every label of a parameter is itself a term.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.factors import (
    FUNCTIONS,
    AlternativeIs,
    BoxCox,
    Factor,
    Number,
    Piece,
    Transformed,
    ValueIs,
)
from behavior_learning.errors import DataError, OptionError

__all__ = ["Term", "read_formula", "read_terms", "varies_within_cases"]

_CALL = re.compile(r"(\w+)\((.*)\)(?:\[(.*)\])?")
_NAME = re.compile(r"(`[^`]+`|[^\W\d][\w.]*)(?:\^(\d+))?")
_SYNTAX = "Write terms with + between them and factors with : between them, such as 'cost + time:C(alternative)'."


@dataclass(frozen=True)
class Term:
    """A column of the design, the product of its factors, with one coefficient.

    Attributes
    ----------
    boxcox : the factor whose power is estimated, if any.
    """

    label: str
    factors: tuple[Factor, ...]
    boxcox: BoxCox | None = None

    @classmethod
    def of(cls, label: str, factors: Sequence[Factor | BoxCox]) -> "Term":
        """The product of factors, of which one may have a power that is estimated."""
        powers = [factor for factor in factors if isinstance(factor, BoxCox)]
        if len(powers) > 1:
            raise OptionError("A term can have one boxcox factor.")
        plain = tuple(factor for factor in factors if not isinstance(factor, BoxCox))
        return cls(label, plain, powers[0] if powers else None)

    def __call__(self, data: ChoiceData) -> np.ndarray:
        """The product of the factors, without the one whose power is estimated."""
        values = np.ones(data.lines)
        for factor in self.factors:
            values = values * factor(data)
        return values

    @property
    def columns(self) -> set[str]:
        """Names of the columns that it reads."""
        named = (*self.factors, *([self.boxcox] if self.boxcox else []))
        return {name for factor in named if (name := getattr(factor, "name", None)) is not None}


def read_formula(formula: str, data: ChoiceData) -> tuple[Term, ...]:
    """The terms of a formula on data, each checked to vary within cases.

    Raises
    ------
    OptionError
        If it cannot be read, or has a constant for every alternative.
    DataError
        If a term does not vary within any case, so that it cancels.
    """
    terms = [term for text in _split(formula, "+") for term in read_terms(text, data)]
    repeated = pd.Series([term.label for term in terms], dtype=object)
    if repeated.duplicated().any():
        raise OptionError(f"The term {repeated[repeated.duplicated()].iloc[0]!r} stands twice in {formula!r}.")
    constants = {term.label for term in terms}
    if constants.issuperset(AlternativeIs(name).label for name in data.alternatives):
        raise OptionError(
            "A constant for every alternative is one too many: only differences of utility matter. Leave one out; "
            f"C(alternative) leaves out that of {data.alternatives[0]!r}."
        )
    for term in terms:
        if not varies_within_cases(_value(term, data), data):
            raise DataError(
                f"The term {term.label!r} is the same for all alternatives of every case, so that it cancels. Let it "
                f"meet the alternatives, {term.label}:C(alternative), or drop it."
            )
    return tuple(terms)


def _value(term: Term, data: ChoiceData) -> np.ndarray:
    """What a term multiplies its coefficient with, at the start of an estimated power."""
    return term(data) if term.boxcox is None else term(data) * term.boxcox(data, BoxCox.START)[0]


def varies_within_cases(values: np.ndarray, data: ChoiceData) -> bool:
    """Whether a column differs between the alternatives of some case."""
    lowest, highest = (extreme.reduceat(values, data.starts) for extreme in (np.minimum, np.maximum))
    return bool((highest > lowest).any())


def read_terms(text: str, data: ChoiceData) -> list[Term]:
    """What one product stands for: a term for every combination of the levels of its factors."""
    parts = _split(text, ":")
    expanded = [[] if part == "C(alternative)" else _factors(part, data) for part in parts]
    others = [Term.of("", choice) for choice in product(*(own for own in expanded if own))]
    free = any(varies_within_cases(_value(term, data), data) for term in others)
    alternatives = [AlternativeIs(name) for name in data.alternatives[0 if free else 1 :]]
    chosen = product(*(own or alternatives for own in expanded))
    return [Term.of(":".join(factor.label for factor in factors), factors) for factors in chosen]


def _factors(text: str, data: ChoiceData) -> Sequence[Factor | BoxCox]:
    """What a factor stands for: one per level."""
    named = _NAME.fullmatch(text)
    if named:
        return [Number(named[1].strip("`"), int(named[2] or 1))]
    call = _CALL.fullmatch(text)
    if call is None:
        raise OptionError(f"{text!r} cannot be read in the formula of the utility. {_SYNTAX}")
    function, inside, level = call[1], [part.strip() for part in call[2].split(",")], call[3]
    name = inside[0].strip("`")
    if len(inside) > 1 and function != "piecewise":
        raise OptionError(f"{text!r}: {function} takes one column and nothing else.")
    match function:
        case "C" if name == "alternative":
            data.check_alternatives([level])
            return [AlternativeIs(level)]
        case "C":
            return ValueIs.read(name, level, data)
        case "boxcox":
            return [BoxCox(name)]
        case "piecewise":
            return Piece.read(name, level, inside[1:])
        case _ if function in FUNCTIONS:
            return [Transformed(function, name)]
        case _:
            known = ", ".join([*FUNCTIONS, "boxcox", "piecewise", "C"])
            raise OptionError(f"{function!r} in {text!r} is no function of a formula. Known: {known}.")


def _split(text: str, at: str) -> list[str]:
    """Parts between a character that stands outside parentheses, brackets and backquotes."""
    depth, quoted, parts = 0, False, [""]
    for character in text:
        quoted ^= character == "`"
        depth += (character in "([") - (character in ")]")
        if character == at and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    parts = [part.strip() for part in parts]
    if depth or quoted or not all(parts):
        raise OptionError(f"{text!r} cannot be read in the formula of the utility. {_SYNTAX}")
    return parts
