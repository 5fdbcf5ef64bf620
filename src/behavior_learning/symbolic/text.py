"""Numbers, polynomials and problems as a person would write them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from behavior_learning.core.heads import ROLES
from behavior_learning.options import check_count
from behavior_learning.symbolic.forms import Text
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm, Problem

__all__ = [
    "BLOCKS_SHOWN",
    "DIGITS",
    "TERMS_SHOWN",
    "Shortened",
    "blocks_left",
    "check_shown",
    "foremost",
    "format_head_term",
    "format_monomial",
    "format_number",
    "format_polynomial",
    "format_shortened",
    "problem_text",
    "shorten",
    "shorten_term",
]

DIGITS = 3
"""Significant digits of a printed number by default."""

DUST = 1e-6
"""Share of the largest term, or of the constant, below which either is printed as zero."""

TERMS_SHOWN = 5
"""Terms of a polynomial that a printed problem shows by default."""

BLOCKS_SHOWN = 8
"""Blocks that a printed problem shows where its terms are limited."""

NAMES_SHOWN = 12
"""Names of terms left out that it lists."""


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


def format_monomial(monomial: Iterable[tuple[str, int]]) -> str:
    return "*".join(name if power == 1 else f"{name}^{power}" for name, power in monomial)


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


def shorten(
    polynomial: Polynomial, standard_deviations: Mapping[str, float], limit: int | None, last: str = ""
) -> Shortened:
    """Keep the `limit` strongest terms; a term's strength is how far it moves over the training rows. Dust is zero.

    Parameters
    ----------
    last : a variable that is kept whatever its strength, and written last.
    """
    strengths = polynomial.strengths(standard_deviations)
    largest = max(*strengths.values(), abs(polynomial.constant), 0.0, 0.0)
    strengths = {m: s for m, s in strengths.items() if s > DUST * largest or m == ((last, 1),)}
    constant = polynomial.constant if abs(polynomial.constant) > DUST * largest else 0.0
    order = sorted(strengths, key=lambda monomial: -strengths[monomial])
    rest = [monomial for monomial in order if monomial == ((last, 1),)]
    order = [monomial for monomial in order if monomial not in rest]
    limit = len(order) if limit is None else limit
    kept, omitted = [*order[:limit], *rest], order[limit:]
    share = sum(strengths[m] for m in omitted) / (sum(strengths.values()) or 1.0)
    coefficients = {m: polynomial.coefficients[m] for m in kept} | {(): constant}
    return Shortened(Polynomial(coefficients), kept, omitted, share)


def shorten_term(term: HeadTerm, standard_deviations: Mapping[str, float], limit: int | None) -> Shortened:
    """The strongest terms of its polynomial, apart from what its factors make up."""
    if not term.factors:
        return shorten(term.polynomial, standard_deviations, limit, term.rest)
    remainder = term.polynomial.without(Polynomial.product(term.factors))
    return replace(shorten(remainder, standard_deviations, None, term.rest), factors=term.factors)


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
    """Write a polynomial with its terms in the given order and the constant last.

    Names that would read as sums or products stand in square brackets.
    """
    text = ""
    for monomial, value in polynomial.written(order):
        number = format_number(abs(value), digits)
        names = format_monomial([(n if _ONE_WORD.fullmatch(n) else f"[{n}]", power) for n, power in monomial])
        term = names if number == "1" and names else "*".join(filter(None, [number, names]))
        text += (" - " if value < 0 else " + ") + term
    return text.removeprefix(" + ") if text.startswith(" + ") else f"-{text.removeprefix(' - ')}"


def format_head_term(term: HeadTerm, argument: str, digits: int = DIGITS) -> str:
    """Write multiplier · head(scale · argument)."""
    scale = format_number(term.scale, digits)
    scaled = argument if scale == "1" else f"{scale}*{argument}"
    return f"{format_number(term.multiplier, digits)}*{Text()(term.head, scaled)}"


def problem_text(problem: Problem, terms: int | None, digits: int, *, every_block: bool = False) -> str:
    """Every output as a sum of blocks, then the blocks, the top layer first; a single block by itself.

    Where terms are limited, of many blocks those are written that matter most, unless every block is asked for.
    """
    top, head = problem.layers[-1][0], []
    if problem.readouts:
        shape = ",".join(str(len(layer)) for layer in problem.layers)
        likely = f"most likely {', '.join(problem.response)} maximises"
        head = [f"BL[{shape}]: the {likely if problem.chooses else 'most likely class has the largest of'}"]
    for name, output in problem.readouts.items():
        head.append(f"  {name} = {_with_omitted(shorten(output, top.standard_deviations, None), digits)}")
    shown = problem.downwards if terms is None or every_block else foremost(problem)
    blocks = [_block_text(block, terms, digits) for block in shown]
    more = (
        f"({blocks_left(problem, shown)}: terms=None, --terms 0, writes all)"
        if len(shown) < len(problem.blocks)
        else ""
    )
    return "\n\n".join(filter(None, ["\n".join(head), *blocks, more]))


def blocks_left(problem: Problem, shown: Sequence[Block]) -> str:
    """How many are not shown."""
    left = len(problem.blocks) - len(shown)
    return f"{left} more block{'s' if left > 1 else ''}, which matter{'' if left > 1 else 's'} least"


def foremost(problem: Problem) -> list[Block]:
    """Of many blocks those that move most what reads them, the top layer's before those below."""
    moved, top = dict.fromkeys(problem.blocks, 0.0), problem.layers[-1][0]
    read = [(1.0, output, top.standard_deviations) for output in problem.outputs.values()]
    for block in problem.downwards:
        rows = [(abs(term.multiplier) * term.scale, term.polynomial) for term in block.head_terms]
        read += [(weight, row, block.standard_deviations) for weight, row in [*rows, (1.0, block.shortcut)]]
    for weight, polynomial, deviations in read:
        for monomial, strength in polynomial.strengths(deviations).items():
            for name in moved.keys() & {name for name, _ in monomial}:
                moved[name] += weight * strength
    layers = (sorted(layer, key=lambda block: -moved[block.name]) for layer in reversed(problem.layers))
    names = {block.name for block in list(chain.from_iterable(layers))[:BLOCKS_SHOWN]}
    return [block for block in problem.downwards if block.name in names]


def _block_text(block: Block, terms: int | None, digits: int) -> str:
    """Its objective, its constraints, and what appears in neither."""
    objective, constraints, shown, omitted = [], [], set(), []
    for role in ROLES:
        for term in block.terms_of(role):
            brief = shorten_term(term, block.standard_deviations, terms)
            written = _with_omitted(brief, digits)
            shown |= set(brief.order)
            omitted += brief.omitted
            if role == "utility":
                identity = term.head.form == "t"
                objective.append(format_head_term(term, f"[{written}]" if identity else written, digits))
            else:
                relation = (_RELATION if block.response else _WHEN)[role]
                constraints.append(f"{written}{relation}   [penalty {format_head_term(term, 'v', digits)}]")
    if block.shortcut.coefficients:
        objective.append(format_polynomial(block.shortcut, list(block.shortcut.monomials), digits))
    words = ("maximise", "subject to") if block.response else ("rewards", "penalises")
    lines = _label(words[0], objective, joint=" + ") + _label(words[1], constraints)
    hidden = [format_monomial(m) for m in dict.fromkeys(omitted) if m not in shown]
    if hidden:
        more = f" and {len(hidden) - NAMES_SHOWN} more" if len(hidden) > NAMES_SHOWN else ""
        lines += _label("left out", [", ".join(hidden[:NAMES_SHOWN]) + more])
    return "\n".join([block.name, *lines])


_RELATION = {"inequality": " <= 0", "equality": " = 0"}
_WHEN = {"inequality": " > 0", "equality": " != 0"}


def _with_omitted(shown: Shortened, digits: int) -> str:
    omitted = f" + ({len(shown.omitted)} smaller, {shown.omitted_share:.0%})" if shown.omitted else ""
    return format_shortened(shown, digits) + omitted


def _label(word: str, rows: list[str], joint: str = "") -> list[str]:
    return [(f"  {word:<12}" if i == 0 else f"{joint:>14}") + row for i, row in enumerate(rows)]
