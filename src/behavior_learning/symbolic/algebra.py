"""SymPy and LaTeX forms of a learned problem."""

import math
from collections.abc import Sequence
from math import prod
from typing import Any

import sympy

from behavior_learning.core.features import Curve, Ramp, Wave
from behavior_learning.core.heads import Head
from behavior_learning.errors import OptionError
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.text import shorten
from behavior_learning.symbolic.ump import Goal, Hierarchy, LearnedUMP

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
    sign = 1 if goal.head.role == "utility" else -1
    return sign * goal.multiplier * head_expression(goal.head, argument)


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
    inside = sympy.Min(sympy.Max(z, curve.low), math.nextafter(curve.high, curve.low))
    return _cox_de_boor(inside, curve.knots, 3)


def _cox_de_boor(z: sympy.Expr, t: tuple[float, ...], degree: int) -> sympy.Expr:
    if degree == 0:
        return sympy.Piecewise((1, sympy.And(z >= t[0], z < t[1])), (0, True)) if t[0] < t[1] else sympy.Integer(0)
    ratio = lambda numerator, width: numerator / width if width > 0 else sympy.Integer(0)
    rise = ratio(z - t[0], t[degree] - t[0]) * _cox_de_boor(z, t[:-1], degree - 1)
    return rise + ratio(t[-1] - z, t[-1] - t[1]) * _cox_de_boor(z, t[1:], degree - 1)


def _symbol(name: str) -> sympy.Symbol:
    return sympy.Symbol(name, real=True)


def hierarchy_expressions(hierarchy: Hierarchy) -> dict[str, Any]:
    """Every output of a hierarchy in the user's columns, lower blocks substituted; exact."""
    known: dict[sympy.Symbol, Any] = {}
    for layer in hierarchy.layers:
        known |= {_symbol(ump.name): block_expression(ump).xreplace(known) for ump in layer}
    return {name: polynomial_expression(output).xreplace(known) for name, output in hierarchy.outputs.items()}


def ump_latex(ump: LearnedUMP, terms: int | None, digits: int) -> str:
    """maximise … subject to …, with the strongest terms of each row and the number of those left out."""
    rows = {role: [_row_latex(goal, ump, terms, digits) for goal in ump.rows(role)] for role in _LATEX_RELATION}
    objective = " + ".join(rows["utility"]) or "0"
    constraints = rows["inequality"] + rows["equality"]
    lines = [rf"\max_{{{', '.join(map(_name_latex, ump.response))}}}\quad & {objective}"]
    lines += [(r"\text{s.t.}\quad & " if i == 0 else "& ") + row for i, row in enumerate(constraints)]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


_LATEX_RELATION = {"utility": "", "inequality": r" \le 0", "equality": " = 0"}


def _row_latex(goal: Goal, ump: LearnedUMP, terms: int | None, digits: int) -> str:
    shown = shorten(goal.polynomial, ump.spreads, terms)
    body = _sum_latex(shown.kept, shown.order, digits) + (r" + \cdots" if shown.omitted else "")
    if goal.head.role != "utility":
        return body + _LATEX_RELATION[goal.head.role]
    scale = "" if goal.head.name == "identity" else r"\tanh"
    return rf"{_number_latex(goal.multiplier, digits)} {scale}\left({body}\right)"


def _term_latex(value: float, monomial: tuple[tuple[str, int], ...], digits: int) -> str:
    variables = r"\,".join(_name_latex(name) + (f"^{{{power}}}" if power > 1 else "") for name, power in monomial)
    sign = "-" if value < 0 else "+"
    number = "" if abs(value) == 1.0 and monomial else _number_latex(abs(value), digits)
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
