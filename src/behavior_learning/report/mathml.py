"""A learned problem as MathML, which browsers draw themselves: maximise … subject to … ≤ 0, … = 0.

A row is a sequence of short formulas rather than a long one, so that it wraps on a narrow screen.
"""

from html import escape

from behavior_learning.core.heads import Head
from behavior_learning.errors import OptionError
from behavior_learning.symbolic.polynomials import Monomial
from behavior_learning.symbolic.text import Shortened, format_number, shorten
from behavior_learning.symbolic.ump import Goal, LearnedUMP

__all__ = ["EQUALS", "math_name", "polynomial_chunks", "problem_rows"]


EQUALS = "<math><mo>=</mo></math>"


def math_name(name: str) -> str:
    """A variable as a formula."""
    return math(_identifier(name))


def math(*parts: str) -> str:
    """Presentation MathML as a formula within text."""
    return f"<math>{''.join(parts)}</math>"


def problem_rows(problem: LearnedUMP, terms: int | None) -> str:
    """The rows of a block, each with its strongest terms, and the penalty of each constraint in v, its row."""
    chooses = bool(problem.response)
    rows = []
    for goal in problem.rows("utility"):
        shown = shorten(goal.polynomial, problem.spreads, terms)
        rows.append(_row("utility", "maximise" if chooses else "rewards", _objective(goal, shown), ""))
    if problem.shortcut.coefficients:
        shown = shorten(problem.shortcut, problem.spreads, terms)
        rows.append(_row("utility", "passes on", " ".join(polynomial_chunks(shown)), ""))
    for role, (relation, when) in _RELATIONS.items():
        for goal in problem.rows(role):
            shown = shorten(goal.polynomial, problem.spreads, terms)
            formula = " ".join(
                [*polynomial_chunks(shown), math(_operator(relation if chooses else when), _number(0.0))]
            )
            penalty = math(_number(goal.multiplier), _operator("·"), _head(goal.head, _argument(goal)))
            note = f'<span class="penalty">penalty {penalty}</span>'
            rows.append(_row(role, "subject to" if chooses else "penalises", formula, note))
    return f'<div class="problem">{"".join(rows)}</div>'


_RELATIONS = {"inequality": ("≤", ">"), "equality": ("=", "≠")}


def polynomial_chunks(shown: Shortened) -> list[str]:
    """One formula for each term, strongest first, then the constant and what was left out."""
    order: list[Monomial] = list(shown.order)
    if shown.kept.constant or not order:
        order.append(())
    chunks = [_term(shown.kept.coefficients.get(m, 0.0), m, first=i == 0) for i, m in enumerate(order)]
    if shown.omitted:
        count = len(shown.omitted)
        share = f"{count} smaller, {shown.omitted_share:.0%}"
        chunks.append(f'{math('<mo form="infix">+</mo>')} <span class="rest">({share})</span>')
    return chunks


def _row(role: str, word: str, formula: str, note: str) -> str:
    return (
        f'<div class="row {role}"><span class="word">{word}</span> <span class="formula">{formula}</span> {note}</div>'
    )


def _objective(goal: Goal, shown: Shortened) -> str:
    """λ·φ(…), the brackets around formulas that may wrap."""
    name = _identifier("tanh") if goal.head.name == "tanh" else ""
    scale = _number(goal.scale) + _operator("·") if format_number(goal.scale) != "1" else ""
    opening = math(_number(goal.multiplier), _operator("·"), name, _fence("("), scale, _fence("[") if scale else "")
    closing = math(_fence("]") if scale else "", _fence(")"))
    return " ".join([opening, *polynomial_chunks(shown), closing])


def _argument(goal: Goal) -> str:
    """scale·v."""
    scaled = format_number(goal.scale) != "1"
    return f"<mrow>{_number(goal.scale) + _operator('·') if scaled else ''}{_identifier('v')}</mrow>"


def _head(head: Head, t: str) -> str:
    """φ, ρ or ψ of an argument."""
    width = _number(head.width)
    exponential = f"{_identifier('exp')}{_fence('(')}{t}{_fence(')')}"
    sharp = f"{_identifier('exp')}{_fence('(')}<mfrac>{t}{width}</mfrac>{_fence(')')}"
    log = lambda e: f"{_identifier('log')}{_fence('(')}{_number(1.0)}{_operator('+')}{e}{_fence(')')}"
    squared = f"<msup><mrow>{_fence('(')}{t}{_fence(')')}</mrow><mn>2</mn></msup>"
    forms = {
        "identity": lambda: t,
        "tanh": lambda: f"{_identifier('tanh')}{_fence('(')}{t}{_fence(')')}",
        "relu": lambda: f"{_identifier('max')}{_fence('(')}<mn>0</mn>{_operator(',')}{t}{_fence(')')}",
        "softplus": lambda: log(exponential) if head.width == 1 else width + _operator("·") + log(sharp),
        "abs": lambda: f"{_fence('|')}{t}{_fence('|')}",
        "square": lambda: squared,
        "huber": lambda: f"<msub>{_identifier('huber')}{width}</msub>{_fence('(')}{t}{_fence(')')}",
        "smooth_abs": lambda: (
            f"{_fence('(')}<msqrt>{squared}{_operator('+')}<msup>{width}<mn>2</mn></msup></msqrt>"
            f"{_operator('−')}{width}{_fence(')')}"
        ),
    }
    family = head.name.split("(")[0]
    if family not in forms:
        raise OptionError(f"The head {head.name!r} has no MathML form; add it to report/mathml.py.")
    return forms[family]()


def _term(value: float, monomial: Monomial, *, first: bool) -> str:
    sign = (
        "" if first and value >= 0 else f'<mo form="{"prefix" if first else "infix"}">{"−" if value < 0 else "+"}</mo>'
    )
    unit = monomial and format_number(abs(value)) == "1"
    number = "" if unit else _number(abs(value))
    factors = [_power(name, power) for name, power in monomial]
    return math(sign, _operator("·").join(filter(None, [number, *factors])))


def _power(name: str, power: int) -> str:
    return _identifier(name) if power == 1 else f"<msup>{_identifier(name)}<mn>{power}</mn></msup>"


def _identifier(name: str) -> str:
    tag = "mi" if name.isidentifier() else "mtext"
    return f"<{tag}>{escape(name)}</{tag}>"


def _number(value: float) -> str:
    mantissa, _, exponent = format_number(value).partition("e")
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
