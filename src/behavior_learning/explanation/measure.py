"""How far each row, term and column of a learned problem moves over rows of data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from behavior_learning.symbolic.evaluate import block_values, head_term_values
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm, Problem

__all__ = ["MeasuredBlock", "MeasuredTerm", "measure_blocks", "monomial_strengths", "standard_deviation"]

Values = Mapping[str, np.ndarray]

ALIGNED = 0.5
"""Correlation with a column from which a row counts as rising or falling in it."""


def standard_deviation(values: np.ndarray) -> float:
    """Over rows; 0 for a number."""
    return float(np.std(values))


def monomial_strengths(polynomial: Polynomial, values: Values) -> dict[Monomial, float]:
    """The standard deviation of each term of a polynomial, the strongest first."""
    found = {m: standard_deviation(Polynomial({m: v}).evaluate(values)) for m, v in polynomial.monomials.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


@dataclass(frozen=True)
class MeasuredTerm:
    """One row of a head and how far it moves over rows of data.

    Attributes
    ----------
    term : the row.
    number : counted from 1 within its head.
    monomials : by monomial, the standard deviation of each term of its polynomial, the strongest first.
    columns : by column of the user or block below, the standard deviation of what changes inside the head when the
        column is held at its mean; levels of a category and curves of a column are held together.
    directions : by column, 1 where multiplier · row rises in it, −1 where it falls, 0 where neither.
    moves : standard deviation of what the row adds to its block's utility.
    active : share of rows in which the polynomial is positive.
    penalty : mean of what the row takes from its block's utility; negative where it adds.
    """

    term: HeadTerm
    number: int
    monomials: Mapping[Monomial, float]
    columns: Mapping[str, float]
    directions: Mapping[str, int]
    moves: float
    active: float
    penalty: float

    @classmethod
    def of(cls, term: HeadTerm, number: int, block: Block, values: Values) -> "MeasuredTerm":
        """Measure a term of a block."""
        polynomial, added = term.polynomial, head_term_values(term, values)
        groups: dict[str, list[str]] = {}
        for name in polynomial.variables:
            groups.setdefault(block.column_of(name), []).append(name)
        changes: dict[str, np.ndarray] = {}  # What the polynomial loses where these variables are held at their means.
        for column, names in groups.items():
            part = Polynomial({m: v for m, v in polynomial.monomials.items() if any(name in names for name, _ in m)})
            held = dict(values) | {name: np.mean(values[name]) for name in names}
            changes[column] = np.asarray(part.evaluate(values) - part.evaluate(held), float)
        sign = 1 if term.multiplier >= 0 else -1
        return cls(
            term,
            number,
            monomial_strengths(polynomial, values),
            {column: standard_deviation(change) for column, change in changes.items()},
            {column: sign * _direction(change, groups[column], block, values) for column, change in changes.items()},
            standard_deviation(added),
            float(np.mean(np.asarray(polynomial.evaluate(values)) > 0)),
            float(-np.mean(added)),
        )


@dataclass(frozen=True)
class MeasuredBlock:
    """A block, its rows, and how far it moves.

    Attributes
    ----------
    layer : counted from 1.
    moves : standard deviation of its utility.
    """

    block: Block
    layer: int
    terms: tuple[MeasuredTerm, ...]
    moves: float

    def share(self, term: MeasuredTerm) -> float:
        """A row's share of the movement of all rows of the block."""
        return term.moves / (sum(other.moves for other in self.terms) or 1.0)


def measure_blocks(problem: Problem, values: Values) -> tuple[list[MeasuredBlock], dict[str, np.ndarray]]:
    """Measure every block from the first layer up.

    Parameters
    ----------
    values : every variable that blocks read, curves included, one number per row of data.

    Returns
    -------
    The blocks, and the values with the utility of each block added.
    """
    known, measured = dict(values), []
    for layer, blocks in enumerate(problem.layers, start=1):
        for block in blocks:
            counts: Counter[str] = Counter()
            terms = []
            for term in block.head_terms:
                counts[term.head.role] += 1
                terms.append(MeasuredTerm.of(term, counts[term.head.role], block, known))
            known[block.name] = block_values(block, known)
            measured.append(MeasuredBlock(block, layer, tuple(terms), standard_deviation(known[block.name])))
    return measured, known


def _direction(change: np.ndarray, names: Sequence[str], block: Block, values: Values) -> int:
    """The sign of the change along a single variable, or along the column of curves."""
    columns = {block.plain_variable(name) for name in names}
    column = np.asarray(values[columns.pop()] if len(columns) == 1 else 0.0)
    if standard_deviation(column) == 0 or standard_deviation(change) == 0:
        return 0
    correlation = float(np.corrcoef(column, change)[0, 1])
    return int(np.sign(correlation)) if abs(correlation) >= ALIGNED else 0
