"""Simplified problems: the strongest terms of each row, the rest in a named residual, and how faithful that is."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import floor, log10

import numpy as np

from behavior_learning.explanation.measure import monomial_strengths, standard_deviation
from behavior_learning.printing import Printed
from behavior_learning.symbolic.evaluate import block_values
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.factor import factored
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.text import format_monomial, format_number

__all__ = ["Fidelity", "Residual", "SimplifiedProblem", "compare_utilities", "simplify_problem"]

NAMED_TERMS = 5
"""Terms of a residual that are named."""

LIKELY = 0.99
"""Probability of the responses over which the largest deviation is taken, in each row."""


@dataclass(frozen=True)
class Residual:
    """What a simplified row leaves out, under the name that stands for it.

    Attributes
    ----------
    name : the variable in the row.
    block, head : where it stands.
    mean, standard_deviation : of its value over the rows; the simplified problem puts the mean in its place.
    terms : the monomials left out, strongest first.
    """

    name: str
    block: str
    head: str
    mean: float
    standard_deviation: float
    terms: tuple[str, ...]

    def text(self, digits: int) -> str:
        listed = ", ".join(self.terms[:NAMED_TERMS]) + (", …" if len(self.terms) > NAMED_TERMS else "")
        what = f"{len(self.terms)} term{'s' if len(self.terms) > 1 else ''} ({listed})" if self.terms else "constant"
        mean, deviation = (format_number(value, digits) for value in (self.mean, self.standard_deviation))
        return f"{self.name} = {mean} ± {deviation}: {what} of {self.block}'s {self.head}"


@dataclass(frozen=True)
class Fidelity:
    """How well a simplified utility stands for the full one.

    Functions of x alone change no choice, so each row's mean over responses, weighted by the fitted p(y|x), is removed
    from both first.

    Attributes
    ----------
    r2 : share of the variance of the utility over responses, weighted by p(y|x), that the simplified one keeps.
    largest : largest absolute deviation over the responses that hold 99 % of the probability of a row.
    standard_deviation : of the full utility over responses, to compare `largest` with.
    agreement : share of rows with the same most likely response.
    same : what counts as the same.
    rows : how many rows were compared.
    """

    r2: float
    largest: float
    standard_deviation: float
    agreement: float
    same: str
    rows: int

    def __str__(self) -> str:
        return (
            f"R² {self.r2:.3f} of the utility and a largest deviation of {self.largest:.2g} (its standard deviation is "
            f"{self.standard_deviation:.2g}), functions of x removed; {self.same} in {self.agreement:.0%} of "
            f"{self.rows:,} rows"
        )


@dataclass(frozen=True, repr=False)
class SimplifiedProblem(Printed):
    """A simplified problem that says how faithful it is.

    Attributes
    ----------
    shown : the problem as it is printed, with residuals as variables.
    problem : the same with the mean of each residual in its place; what the fidelity is of.
    residuals : what was left out.
    fidelity : against the full problem.
    digits : to which its numbers are rounded.
    """

    shown: LearnedProblem
    problem: LearnedProblem
    residuals: tuple[Residual, ...]
    fidelity: Fidelity
    digits: int

    def text(self) -> str:
        """The simplified problem, its residuals and its fidelity."""
        lines = [self.shown.text(None, self.digits), ""]
        for i, residual in enumerate(self.residuals):
            lines.append(("where     " if i == 0 else " " * 10) + residual.text(self.digits))
        return "\n".join([*lines, f"fidelity  {self.fidelity}"])

    def __str__(self) -> str:
        return self.text()

    def to_latex(self) -> str:
        """The same in LaTeX, its fidelity as a sentence below."""
        fidelity = str(self.fidelity).replace("R²", "$R^2$").replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")
        return f"{self.shown.to_latex(None, self.digits)}\n\nFidelity: {fidelity}."


def simplify_problem(
    problem: LearnedProblem,
    values: Mapping[str, np.ndarray],
    *,
    terms: int,
    digits: int,
    factor: bool = True,
    refit: bool = True,
) -> tuple[LearnedProblem, LearnedProblem, tuple[Residual, ...]]:
    """Keep the `terms` strongest monomials of every row, collect the rest in a residual and round.

    Parameters
    ----------
    values : every variable that blocks read, curves included, one number per row of data.
    factor : whether to write quadratics as products where they are.
    refit : whether the kept coefficients are fitted to the whole row by least squares over the rows, so that they stand
        for correlated terms too; otherwise they are the model's.

    Returns
    -------
    The problem with residuals as variables, the same with their means in place, and the residuals.

    Source: Section 3.2. Deviation: terms are ranked by how far they move over the rows, not by their coefficients,
    which depend on units; and a row that speaks of the response keeps a term of it, without which it is no row of a
    choice.
    """
    taken = {name for block in problem.blocks.values() for name in (*block.variables, *block.standard_deviations)}
    names = (name for name in (f"R{i}" for i in count(1)) if name not in taken)
    work = _Simplifier(terms, digits, factor, refit, names)
    full, brief, shown, closed = dict(values), dict(values), {}, {}
    for name, block in problem.blocks.items():
        pairs = [work.head_term(term, block, full, brief) for term in block.head_terms]
        shortcut = work.rounded(block.shortcut)
        shown[name] = replace(block, head_terms=tuple(pair[0] for pair in pairs), shortcut=shortcut)
        closed[name] = replace(block, head_terms=tuple(pair[1] for pair in pairs), shortcut=shortcut)
        full[name], brief[name] = block_values(block, full), block_values(closed[name], brief)
    of_residuals = {residual.name: residual.standard_deviation for residual in work.residuals}
    for name, block in shown.items():
        shown[name] = replace(block, standard_deviations={**block.standard_deviations, **of_residuals})
    outputs = {name: work.rounded(output) for name, output in problem.outputs.items()}
    written, at_means = (
        replace(problem, layers=tuple(tuple(new[b.name] for b in layer) for layer in problem.layers), outputs=outputs)
        for new in (shown, closed)
    )
    return written, at_means, tuple(work.residuals)


class _Simplifier:
    """Simplifies one row after the other and names their residuals."""

    def __init__(self, terms: int, digits: int, factor: bool, refit: bool, names: Iterator[str]):
        self.terms, self.digits, self.factor, self.refit, self.names = terms, digits, factor, refit, names
        self.residuals: list[Residual] = []

    def head_term(
        self, term: HeadTerm, block: Block, full: Mapping[str, np.ndarray], brief: Mapping[str, np.ndarray]
    ) -> tuple[HeadTerm, HeadTerm]:
        """The row with its residual as a variable, and with the residual's mean in its place."""
        strengths = monomial_strengths(term.polynomial, full)
        kept, omitted = self.chosen(list(strengths), block.response)
        linear = Polynomial({m: term.polynomial.coefficients[m] for m in kept})
        if self.refit and omitted:
            linear = _fitted(term.polynomial, kept, full)
        factors = factored(linear) if self.factor else None
        factors = tuple(map(self.rounded, factors)) if factors else ()
        linear = Polynomial.product(factors) if factors else self.rounded(linear)
        rest = np.asarray(term.polynomial.evaluate(full) - linear.evaluate(brief), float)
        unit = max((strengths[m] for m in kept), default=1.0)
        # The mean is rounded to the place of the last digit that matters beside a term that moves so far.
        mean = round(float(np.mean(rest)), self.digits - floor(log10(unit)) if unit > 0 else self.digits)
        numbers = {name: _significant(getattr(term, name), self.digits) for name in ("multiplier", "scale")}
        closed = replace(term, polynomial=linear + Polynomial({(): mean}), **numbers)
        if not omitted and not factors:
            return closed, closed
        name, terms = next(self.names), tuple(map(format_monomial, omitted))
        self.residuals.append(Residual(name, block.name, term.head.role, mean, standard_deviation(rest), terms))
        with_rest = linear + Polynomial({((name, 1),): 1.0})
        return replace(term, polynomial=with_rest, factors=factors, rest=name, **numbers), closed

    def chosen(self, order: Sequence[Monomial], response: Collection[str]) -> tuple[list[Monomial], list[Monomial]]:
        """The strongest terms and the others; where the row speaks of the response, one of those kept does too."""
        speaking = [monomial for monomial in order if any(name in response for name, _ in monomial)]
        kept = list(order[: self.terms])
        if speaking and not any(monomial in kept for monomial in speaking):
            kept = [*order[: self.terms - 1], speaking[0]]
        return kept, [monomial for monomial in order if monomial not in kept]

    def rounded(self, polynomial: Polynomial) -> Polynomial:
        return Polynomial({m: _significant(v, self.digits) for m, v in polynomial.coefficients.items()})


def compare_utilities(
    full: np.ndarray, brief: np.ndarray, probability: np.ndarray, agree: np.ndarray, same: str
) -> Fidelity:
    """Compare two utilities on candidates.

    Parameters
    ----------
    full, brief, probability : one number per row and candidate; probabilities of a row sum to one.
    agree : whether the most likely responses of a row are the same.
    same : in words, what that means.
    """
    full, brief = (u - np.sum(probability * u, axis=1, keepdims=True) for u in (full, brief))
    total = float(np.mean(np.sum(probability * full**2, axis=1)))
    lost = float(np.mean(np.sum(probability * (full - brief) ** 2, axis=1)))
    order = np.argsort(-probability, axis=1)
    ranked = np.take_along_axis(probability, order, axis=1)
    likely = np.take_along_axis(np.cumsum(ranked, axis=1) - ranked < LIKELY, np.argsort(order, axis=1), axis=1)
    largest = float(np.max(np.abs(full - brief), where=likely, initial=0.0))
    r2 = 1 - lost / total if total > 0 else float("nan")
    return Fidelity(r2, largest, total**0.5, float(np.mean(agree)), same, len(full))


def _fitted(polynomial: Polynomial, kept: Sequence[Monomial], values: Mapping[str, np.ndarray]) -> Polynomial:
    """The kept monomials with the coefficients that come closest to the whole polynomial over the rows."""
    target = np.atleast_1d(np.asarray(polynomial.evaluate(values), float))
    columns = [np.broadcast_to(Polynomial({m: 1.0}).evaluate(values), target.shape) for m in kept]
    scales = [standard_deviation(column) or 1.0 for column in columns]
    design = np.column_stack([np.ones(len(target)), *(c / s for c, s in zip(columns, scales, strict=True))])
    solution = np.linalg.lstsq(design, target)[0][1:]
    return Polynomial({m: float(v / s) for m, v, s in zip(kept, solution, scales, strict=True)})


def _significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
