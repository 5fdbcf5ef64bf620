"""A learned problem as MathML, which browsers draw themselves: maximise … subject to … ≤ 0, … = 0.

A row is a sequence of short formulas rather than a long one, so that it wraps on a narrow screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from behavior_learning.core.heads import Head
from behavior_learning.symbolic.forms import ATOM, PRODUCT, Notation
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.text import DIGITS, Shortened, format_number, shorten, shorten_term

__all__ = ["block_rows", "math", "sum_row"]


PLUS = '<mo form="infix">+</mo>'


def math(*parts: str) -> str:
    """Presentation MathML as a formula within text."""
    return f"<math>{''.join(parts)}</math>"


def block_rows(block: Block, terms: int | None, digits: int = DIGITS) -> str:
    """The rows of a block, each with its strongest terms, and the penalty of each constraint in v, its row.

    Parameters
    ----------
    terms : how many of the strongest terms to show, None for all.
    digits : significant ones of every number.
    """
    write, deviations, chooses = _Writer(digits), block.standard_deviations, bool(block.response)
    rows = []
    for term in block.terms_of("utility"):
        formula = write.objective(term, shorten_term(term, deviations, terms))
        rows.append(_row("utility", "maximise" if chooses else "rewards", formula, ""))
    if block.shortcut.coefficients:
        formula = " ".join(write.chunks(shorten(block.shortcut, deviations, terms)))
        rows.append(_row("utility", "passes on", formula, ""))
    for role, (relation, when) in _RELATIONS.items():
        for term in block.terms_of(role):
            close = math(_operator(relation if chooses else when), "<mn>0</mn>")
            formula = " ".join([*write.chunks(shorten_term(term, deviations, terms)), close])
            note = f'<span class="penalty">penalty {write.penalty(term)}</span>'
            rows.append(_row(role, "subject to" if chooses else "penalises", formula, note))
    return f'<div class="problem">{"".join(rows)}</div>'


def sum_row(name: str, shown: Shortened) -> str:
    """A variable equal to a polynomial."""
    formula = " ".join(_Writer(DIGITS).chunks(shown))
    equals = math(_identifier(name), _operator("="))
    return f'<div class="row">{equals} <span class="formula">{formula}</span></div>'


_RELATIONS = {"inequality": ("≤", ">"), "equality": ("=", "≠")}


def _row(role: str, word: str, formula: str, note: str) -> str:
    return (
        f'<div class="row {role}"><span class="word">{word}</span> <span class="formula">{formula}</span> {note}</div>'
    )


@dataclass(frozen=True)
class _Writer:
    """Polynomials and heads with numbers of so many significant digits."""

    digits: int

    def chunks(self, shown: Shortened) -> list[str]:
        """A product where there is one, a formula for each term, then the constant and what was left out."""
        chunks = self.product(shown.factors)
        written = shown.kept.written(shown.order)
        for monomial, value in written if shown.order or shown.kept.constant or not chunks else ():
            chunks.append(math(self.signed(value, monomial, first=not chunks)))
        if shown.omitted:
            count = len(shown.omitted)
            share = f"{count} smaller, {shown.omitted_share:.0%}"
            chunks.append(f'{math(PLUS)} <span class="rest">({share})</span>')
        return chunks

    def product(self, factors: Sequence[Polynomial]) -> list[str]:
        """A formula for each factor, so that a long product wraps."""
        written = []
        for factor in factors:
            if factor.monomials:
                terms = factor.written(factor.monomials)
                inside = "".join(self.signed(value, m, first=i == 0) for i, (m, value) in enumerate(terms))
                written.append(f"{_fence('(')}{inside}{_fence(')')}")
            elif self.text(factor.constant) != "1":
                written.append(self.number(factor.constant))
        return [math(_operator("·") if i else "", part) for i, part in enumerate(written)]

    def signed(self, value: float, monomial: Monomial, *, first: bool) -> str:
        form = "prefix" if first else "infix"
        sign = "" if first and value >= 0 else f'<mo form="{form}">{"−" if value < 0 else "+"}</mo>'
        number = "" if monomial and self.text(abs(value)) == "1" else self.number(abs(value))
        return sign + _operator("·").join(filter(None, [number, *(_power(name, power) for name, power in monomial)]))

    def objective(self, term: HeadTerm, shown: Shortened) -> str:
        """λ·φ(…), the brackets around formulas that may wrap."""
        name = "" if term.head.form == "t" else _identifier(term.head.family)
        scaled = self.text(term.scale) != "1"
        scale = self.number(term.scale) + _operator("·") + _fence("[") if scaled else ""
        opening = math(self.number(term.multiplier), _operator("·"), name, _fence("("), scale)
        return " ".join([opening, *self.chunks(shown), math(_fence("]") if scaled else "", _fence(")"))])

    def penalty(self, term: HeadTerm) -> str:
        """λ·ρ(scale·v) or λ·ψ(scale·v)."""
        scale = self.number(term.scale) + _operator("·") if self.text(term.scale) != "1" else ""
        argument = f"<mrow>{scale}{_identifier('v')}</mrow>"
        return math(self.number(term.multiplier), _operator("·"), _MathML()(term.head, argument))

    def text(self, value: float) -> str:
        return format_number(value, self.digits)

    def number(self, value: float) -> str:
        return _number(value, self.digits)


class _MathML(Notation):
    """The form of a head in MathML; its argument is MathML, one name."""

    def is_atom(self, argument: str) -> bool:
        return "·" not in argument

    def held(self, written: tuple[str, int], least: int) -> str:
        return written[0] if written[1] >= least else f"<mrow>{_fence('(')}{written[0]}{_fence(')')}</mrow>"

    def named(self, head: Head, argument: str) -> str:
        below = _operator(",").join(map(self.number, head.parameters.values()))
        name = f"<msub>{_identifier(head.family)}<mrow>{below}</mrow></msub>" if below else _identifier(head.family)
        return f"{name}{_fence('(')}{argument}{_fence(')')}"

    def number(self, value: float) -> str:
        return _number(value)

    def function(self, name: str, arguments: list[str]) -> str:
        inside = _operator(",").join(arguments)
        if name in ("Abs", "sqrt"):
            return f"{_fence('|')}{inside}{_fence('|')}" if name == "Abs" else f"<msqrt>{inside}</msqrt>"
        return f"{_identifier(name.lower())}{_fence('(')}{inside}{_fence(')')}"

    def power(self, base: tuple[str, int], exponent: tuple[str, int]) -> str:
        return f"<msup><mrow>{self.held(base, ATOM)}</mrow><mrow>{exponent[0]}</mrow></msup>"

    def product(self, left: tuple[str, int], right: tuple[str, int]) -> str:
        return f"{self.held(left, PRODUCT)}{_operator('·')}{self.held(right, PRODUCT)}"

    def quotient(self, left: tuple[str, int], right: tuple[str, int]) -> str:
        return f"<mfrac><mrow>{left[0]}</mrow><mrow>{right[0]}</mrow></mfrac>"

    def added(self, left: tuple[str, int], sign: str, right: tuple[str, int]) -> str:
        return f"{left[0]}{_operator(sign.replace('-', '−'))}{self.held(right, PRODUCT)}"


def _power(name: str, power: int) -> str:
    return _identifier(name) if power == 1 else f"<msup>{_identifier(name)}<mn>{power}</mn></msup>"


def _identifier(name: str) -> str:
    tag = "mi" if name.isidentifier() else "mtext"
    return f"<{tag}>{escape(name)}</{tag}>"


def _number(value: float, digits: int = DIGITS) -> str:
    mantissa, _, exponent = format_number(value, digits).partition("e")
    number = f"<mn>{escape(mantissa.removeprefix('-'))}</mn>"
    number = f"<mrow>{_operator('−')}{number}</mrow>" if mantissa.startswith("-") else number
    if not exponent:
        return number
    return f"<mrow>{number}{_operator('×')}<msup><mn>10</mn><mn>{int(exponent)}</mn></msup></mrow>".replace(
        "<mn>-", "<mn>−"
    )


def _operator(symbol: str) -> str:
    return f"<mo>{escape(symbol)}</mo>"


def _fence(symbol: str) -> str:
    return f'<mo stretchy="false">{escape(symbol)}</mo>'
