"""SymPy and LaTeX forms of a learned problem."""

from collections.abc import Sequence
from math import prod
from typing import Any

import sympy

from behavior_learning.core.features import BSpline, Curve, Ramp, Wave
from behavior_learning.core.heads import ROLES, Head
from behavior_learning.errors import OptionError
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Goal, Hierarchy, LearnedUMP
from behavior_learning.symbolic.text import Shortened, format_number

__all__ = ["block_expression", "hierarchy_expressions", "outputs_latex", "polynomial_expression", "ump_latex"]


def polynomial_expression(polynomial: Polynomial) -> sympy.Expr:
    """A polynomial in symbols named like its variables."""
    terms = (
        value * prod(_symbol(name) ** power for name, power in monomial)
        for monomial, value in polynomial.coefficients.items()
    )
    return sympy.Add(*terms)


def head_expression(head: Head, t: sympy.Expr) -> sympy.Expr:
    """φ, ρ or ψ of an expression."""
    family = head.name.split("(")[0]
    width = head.width
    forms = {
        "tanh": lambda: sympy.tanh(t),
        "identity": lambda: t,
        "relu": lambda: sympy.Max(0, t),
        "softplus": lambda: width * sympy.log(1 + sympy.exp(t / width)),
        "abs": lambda: sympy.Abs(t),
        "square": lambda: t**2,
        "huber": lambda: sympy.Piecewise((t**2 / 2, sympy.Abs(t) <= width), (width * (sympy.Abs(t) - width / 2), True)),
        "smooth_abs": lambda: sympy.sqrt(t**2 + width**2) - width,
    }
    if family not in forms:
        raise OptionError(f"The head {head.name!r} has no symbolic form; add it to head_expression.")
    return forms[family]()


def goal_expression(goal: Goal) -> sympy.Expr:
    argument = goal.scale * polynomial_expression(goal.polynomial)
    return ROLES[goal.head.role] * goal.multiplier * head_expression(goal.head, argument)


def block_expression(ump: LearnedUMP) -> sympy.Expr:
    """λ₀ᵀφ(U) − λ₁ᵀρ(C) − λ₂ᵀψ(T), exact, with curves written out."""
    total = sympy.Add(*map(goal_expression, ump.goals), polynomial_expression(ump.shortcut))
    return total.xreplace({_symbol(name): curve_expression(*curve) for name, curve in ump.curves.items()})


def curve_expression(curve: Curve, column: str) -> sympy.Expr:
    """A ramp, B-spline or wave of a column."""
    z = _symbol(column)
    if isinstance(curve, Ramp):
        return sympy.Min(1, sympy.Max(0, (z - curve.low) / (curve.high - curve.low)))
    if isinstance(curve, Wave):
        angle = sympy.pi * curve.frequency * (z - curve.low) / (curve.high - curve.low)
        return sympy.sin(angle) if curve.function == "sin" else sympy.cos(angle)
    return _bspline_expression(sympy.Min(sympy.Max(z, curve.low), curve.high), curve)


def _bspline_expression(z: sympy.Expr, curve: BSpline) -> sympy.Expr:
    """A cubic on each interval between neighbouring knots; the last interval of a column includes its end."""
    t = curve.knots
    pieces = [
        (_cubic(z, t, i), sympy.And(z >= t[i], z <= t[i + 1] if t[i + 1] == curve.high else z < t[i + 1]))
        for i in range(4)
        if t[i] < t[i + 1]
    ]
    return sympy.Piecewise(*pieces, (0, True))


def _cubic(z: sympy.Expr, t: tuple[float, ...], interval: int) -> sympy.Expr:
    """The B-spline on one interval, by the recursion of Cox and de Boor."""
    ratio = lambda numerator, width: numerator / width if width > 0 else sympy.Integer(0)
    b = [sympy.Integer(int(i == interval)) for i in range(4)]
    for p in range(1, 4):
        rise = [ratio(z - t[i], t[i + p] - t[i]) for i in range(5 - p)]
        fall = [ratio(t[i + p] - z, t[i + p] - t[i]) for i in range(5 - p)]
        b = [rise[i] * b[i] + fall[i + 1] * b[i + 1] for i in range(4 - p)]
    return b[0]


def _symbol(name: str) -> sympy.Symbol:
    return sympy.Symbol(name, real=True)


def hierarchy_expressions(hierarchy: Hierarchy) -> dict[str, Any]:
    """Every output of a hierarchy in the user's columns, lower blocks substituted; exact."""
    known: dict[sympy.Symbol, Any] = {}
    for layer in hierarchy.layers:
        known |= {_symbol(ump.name): block_expression(ump).xreplace(known) for ump in layer}
    return {name: polynomial_expression(output).xreplace(known) for name, output in hierarchy.outputs.items()}


def ump_latex(ump: LearnedUMP, terms: int | None, digits: int) -> str:
    """maximise … subject to …, with the strongest terms of each row; the penalty of a constraint is in v, its row."""
    brief = lambda goal: goal.shown(ump.spreads, terms)
    objective = [_head_latex(goal, _shortened_latex(brief(goal), digits), digits) for goal in ump.rows("utility")]
    if ump.shortcut.coefficients:
        objective.append(_sum_latex(ump.shortcut, list(ump.shortcut.monomials), digits))
    variables = ", ".join(map(_name_latex, ump.response))
    goal_word, constraint_word = (
        (rf"\max_{{{variables}}}", r"\text{s.t.}") if ump.response else (r"\text{rewards}", r"\text{penalises}")
    )
    lines = [rf"{goal_word}\quad & {' + '.join(objective) or '0'}"]
    for role, relation in (_RELATION_LATEX if ump.response else _WHEN_LATEX).items():
        for goal in ump.rows(role):
            word = rf"{constraint_word}\quad" if len(lines) == 1 else ""
            penalty = rf"\qquad \text{{penalty }} {_head_latex(goal, 'v', digits)}"
            lines.append(f"{word} & {_shortened_latex(brief(goal), digits)} {relation} {penalty}")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


_RELATION_LATEX = {"inequality": r"\le 0", "equality": "= 0"}
_WHEN_LATEX = {"inequality": "> 0", "equality": r"\ne 0"}


def _head_latex(goal: Goal, argument: str, digits: int) -> str:
    """multiplier · head(scale · argument)."""
    t = sympy.Symbol("ARGUMENT", real=True)
    expression = goal.multiplier * head_expression(goal.head, goal.scale * t)
    formula = sympy.latex(expression.xreplace({x: _short(x, digits) for x in expression.atoms(sympy.Float)}))
    bare = len(argument) == 1 or r"\left(ARGUMENT \right)" in formula
    return formula.replace("ARGUMENT", argument if bare else rf"\left({argument}\right)")


def _short(number: sympy.Float, digits: int) -> sympy.Number:
    """A number with few digits, whole where it is whole."""
    rounded = float(f"{float(number):.{digits}g}")
    return sympy.Integer(int(rounded)) if rounded.is_integer() else sympy.Float(rounded, digits)


def _shortened_latex(shown: Shortened, digits: int) -> str:
    rest = _sum_latex(shown.kept, shown.order, digits) + (r" + \cdots" if shown.omitted else "")
    if not shown.factors:
        return rest
    written = [(factor, _sum_latex(factor, list(factor.monomials), digits)) for factor in shown.factors]
    product = r"\,".join(
        latex if len(factor.coefficients) == 1 else rf"\left({latex}\right)" for factor, latex in written
    )
    if not shown.order and not shown.kept.constant:
        return product
    return f"{product} {rest}" if rest.startswith("-") else f"{product} + {rest}"


def _term_latex(value: float, monomial: Monomial, digits: int) -> str:
    variables = r"\,".join(_name_latex(name) + (f"^{{{power}}}" if power > 1 else "") for name, power in monomial)
    sign = "-" if value < 0 else "+"
    number = "" if format_number(abs(value), digits) == "1" and monomial else _number_latex(abs(value), digits)
    return f"{sign} {number}" + (r"\," if number and variables else "") + variables


def _number_latex(value: float, digits: int) -> str:
    return sympy.latex(sympy.Float(f"{value:.{digits}g}", digits)) if value else "0"


_LATEX_ESCAPES = {character: "\\" + character for character in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}


def outputs_latex(hierarchy: Hierarchy, digits: int) -> str:
    """Every output of a hierarchy as a weighted sum of its top blocks."""
    lines = [
        rf"{_name_latex(name)} &= {_sum_latex(p, list(p.monomials), digits)}" for name, p in hierarchy.outputs.items()
    ]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _sum_latex(polynomial: Polynomial, order: Sequence[Monomial], digits: int) -> str:
    parts = [_term_latex(polynomial.coefficients[m], m, digits) for m in order]
    if polynomial.constant or not parts:
        parts.append(_term_latex(polynomial.constant, (), digits))
    return " ".join(parts).removeprefix("+ ")


def _name_latex(name: str) -> str:
    escaped = "".join(_LATEX_ESCAPES.get(character, character) for character in name)
    return rf"\text{{{escaped}}}"
