"""SymPy and LaTeX forms of a learned problem."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from types import MappingProxyType

import sympy

from behavior_learning.core.features import BSpline, Clip, Curve, Ramp, Transform, Wave
from behavior_learning.core.heads import ROLES, Head
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm, Problem
from behavior_learning.symbolic.text import Shortened, blocks_left, foremost, format_number, shorten_term

__all__ = ["block_expression", "head_expression", "output_expressions", "polynomial_expression", "problem_latex"]


def polynomial_expression(polynomial: Polynomial, known: Mapping[str, sympy.Expr] = MappingProxyType({})) -> sympy.Expr:
    """A polynomial in symbols named like its variables, or in what is known of them."""
    terms = (
        value * prod(known.get(name, _symbol(name)) ** power for name, power in monomial)
        for monomial, value in polynomial.coefficients.items()
    )
    return sympy.Add(*terms)


def head_expression(head: Head, t: sympy.Expr) -> sympy.Expr:
    """φ, ρ or ψ of an expression; SymPy does not look for the larger side of a maximum, which takes it seconds."""
    return sympy.sympify(head.form, locals={"t": t, "Max": partial(sympy.Max, evaluate=False), **head.parameters})


def block_expression(block: Block, known: Mapping[str, sympy.Expr] = MappingProxyType({})) -> sympy.Expr:
    """λ₀ᵀφ(U) − λ₁ᵀρ(C) − λ₂ᵀψ(T), exact, with curves and what is known of other blocks written out."""
    curves = {name: _CURVES[type(c)](c, _symbol(column)) for name, (c, column) in block.curves.items()}
    known = {**known, **curves}  # before heads are built: replacing within a maximum evaluates it anew
    added = (
        ROLES[term.head.role]
        * term.multiplier
        * head_expression(term.head, term.scale * polynomial_expression(term.polynomial, known))
        for term in block.head_terms
    )
    return sympy.Add(*added, polynomial_expression(block.shortcut, known))


def _ramp(curve: Ramp, z: sympy.Expr) -> sympy.Expr:
    return sympy.Min(1, sympy.Max(0, (z - curve.low) / (curve.high - curve.low), evaluate=False), evaluate=False)


def _clip(curve: Clip, z: sympy.Expr) -> sympy.Expr:
    inside = sympy.Min(curve.high, sympy.Max(curve.low, z, evaluate=False), evaluate=False)
    return (inside - curve.zero) / curve.unit


def _wave(curve: Wave, z: sympy.Expr) -> sympy.Expr:
    angle = sympy.pi * curve.frequency * (z - curve.low) / (curve.high - curve.low)
    return sympy.sin(angle) if curve.function == "sin" else sympy.cos(angle)


def _bspline(curve: BSpline, z: sympy.Expr) -> sympy.Expr:
    """A cubic on each interval between neighbouring knots; the last interval of a column includes its end."""
    t, z = curve.knots, sympy.Min(sympy.Max(z, curve.low), curve.high)
    pieces = [
        (_cubic(z, t, i), sympy.And(z >= t[i], z <= t[i + 1] if t[i + 1] == curve.high else z < t[i + 1]))
        for i in range(4)
        if t[i] < t[i + 1]
    ]
    return sympy.Piecewise(*pieces, (0, True))


def _transform(curve: Transform, z: sympy.Expr) -> sympy.Expr:
    inside = (sympy.Max(z, curve.low, evaluate=False) - curve.zero) / curve.unit
    return 1 / inside if curve.function == "inverse" else getattr(sympy, curve.function)(inside)


_CURVES: dict[type[Curve], Callable[..., sympy.Expr]] = {
    Ramp: _ramp,
    Clip: _clip,
    Wave: _wave,
    BSpline: _bspline,
    Transform: _transform,
}


def _cubic(z: sympy.Expr, t: tuple[float, ...], interval: int) -> sympy.Expr:
    """The B-spline on one interval, by the recursion of Cox and de Boor; 0/0 is 0 where knots coincide."""
    b = [sympy.Integer(int(i == interval)) for i in range(4)]
    for p in range(1, 4):
        widths = [t[i + p] - t[i] or sympy.oo for i in range(5 - p)]
        rise = [(z - t[i]) / widths[i] for i in range(5 - p)]
        fall = [(t[i + p] - z) / widths[i] for i in range(5 - p)]
        b = [rise[i] * b[i] + fall[i + 1] * b[i + 1] for i in range(4 - p)]
    return b[0]


def _symbol(name: str) -> sympy.Symbol:
    return sympy.Symbol(name, real=True)


def output_expressions(problem: Problem) -> dict[str, sympy.Expr]:
    """Every output in the user's columns, lower blocks substituted; exact."""
    known: dict[str, sympy.Expr] = {}
    for name, block in problem.blocks.items():
        known[name] = block_expression(block, known)
    return {name: polynomial_expression(output, known) for name, output in problem.outputs.items()}


def problem_latex(problem: Problem, terms: int | None, digits: int) -> str:
    """Every output as a sum of blocks, then the blocks, as `problem_text` has them; a single block by itself."""
    outputs = [f"{_name(name)} &= {_sum(p, list(p.monomials), digits)}" for name, p in problem.readouts.items()]
    shown = problem.downwards if terms is None else foremost(problem)
    blocks = [_block_lines(block, terms, digits) for block in shown]
    aligned = [" \\\\\n".join(lines) for lines in (outputs, *blocks) if lines]
    parts = [f"\\begin{{aligned}}\n{lines}\n\\end{{aligned}}" for lines in aligned]
    more = [rf"\text{{{blocks_left(problem, shown)}}}"] if len(shown) < len(problem.blocks) else []
    return "\n\n".join([*parts, *more])


def _block_lines(block: Block, terms: int | None, digits: int) -> list[str]:
    """maximise … subject to …, with the strongest terms of each row; the penalty of a constraint is in v, its row."""
    brief = {
        role: [(t, _shortened(shorten_term(t, block.standard_deviations, terms), digits)) for t in block.terms_of(role)]
        for role in ROLES
    }
    objective = [_head(term, written, digits) for term, written in brief["utility"]]
    if block.shortcut.coefficients:
        objective.append(_sum(block.shortcut, list(block.shortcut.monomials), digits))
    choice = rf"\max_{{{', '.join(map(_name, block.response))}}}"
    words = (choice, r"\text{s.t.}") if block.response else (r"\text{rewards}", r"\text{penalises}")
    lines = [rf"{words[0]}\quad & {' + '.join(objective) or '0'}"]
    for role, relation in (_RELATION if block.response else _WHEN).items():
        for term, written in brief[role]:
            word = rf"{words[1]}\quad" if len(lines) == 1 else ""
            lines.append(rf"{word} & {written} {relation} \qquad \text{{penalty }} {_head(term, 'v', digits)}")
    return lines


_RELATION = {"inequality": r"\le 0", "equality": "= 0"}
_WHEN = {"inequality": "> 0", "equality": r"\ne 0"}


def _head(term: HeadTerm, argument: str, digits: int) -> str:
    """multiplier · head(scale · argument)."""
    t = sympy.Symbol("ARGUMENT", real=True)
    expression = term.multiplier * head_expression(term.head, term.scale * t)
    brief = {number: float(f"{float(number):.{digits}g}") for number in expression.atoms(sympy.Float)}
    numbers = {x: sympy.Integer(int(v)) if v.is_integer() else sympy.Float(v, digits) for x, v in brief.items()}
    formula = sympy.latex(expression.xreplace(numbers))
    bare = len(argument) == 1 or r"\left(ARGUMENT \right)" in formula
    return formula.replace("ARGUMENT", argument if bare else rf"\left({argument}\right)")


def _shortened(shown: Shortened, digits: int) -> str:
    rest = _sum(shown.kept, shown.order, digits) + (r" + \cdots" if shown.omitted else "")
    if not shown.factors:
        return rest
    written = [(factor, _sum(factor, list(factor.monomials), digits)) for factor in shown.factors]
    product = r"\,".join(
        latex if len(factor.coefficients) == 1 else rf"\left({latex}\right)" for factor, latex in written
    )
    if not shown.order and not shown.kept.constant:
        return product
    return f"{product} {rest}" if rest.startswith("-") else f"{product} + {rest}"


def _sum(polynomial: Polynomial, order: Sequence[Monomial], digits: int) -> str:
    parts = []
    for monomial, value in polynomial.written(order):
        number = sympy.latex(sympy.Float(f"{abs(value):.{digits}g}", digits)) if value else "0"
        number = [] if format_number(abs(value), digits) == "1" and monomial else [number]
        powers = [_name(name) + (f"^{{{power}}}" if power > 1 else "") for name, power in monomial]
        parts.append(("- " if value < 0 else "+ ") + r"\,".join([*number, *powers]))
    return " ".join(parts).removeprefix("+ ")


_LATEX_ESCAPES = {character: "\\" + character for character in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}


def _name(name: str) -> str:
    escaped = "".join(_LATEX_ESCAPES.get(character, character) for character in name)
    return rf"\text{{{escaped}}}"
