"""How far each row, term and column of a learned problem moves over rows of data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from behavior_learning.core.heads import ROLES
from behavior_learning.symbolic.evaluate import block_values, goal_values
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Goal, Hierarchy, LearnedUMP

__all__ = ["MeasuredBlock", "MeasuredRow", "column_of", "measure_blocks", "spread"]

Values = Mapping[str, np.ndarray]

ALIGNED = 0.5
"""Correlation with a column from which a row counts as rising or falling in it."""


@dataclass(frozen=True)
class MeasuredRow:
    """One row of a head and how far it moves over rows of data.

    Attributes
    ----------
    goal : the row.
    number : counted from 1 within its head.
    terms : by monomial, the standard deviation of each term.
    columns : by column of the user or block below, the standard deviation of what changes inside the head when the
        column is held at its mean; levels of a category and curves of a column are held together.
    directions : by column, 1 where multiplier · row rises in it, −1 where it falls, 0 where neither.
    moves : standard deviation of what the row adds to its block's utility.
    active : share of rows in which the polynomial is positive.
    penalty : mean of what the row takes from its block's utility; negative where it adds.
    off : mean absolute value of the polynomial.
    """

    goal: Goal
    number: int
    terms: Mapping[Monomial, float]
    columns: Mapping[str, float]
    directions: Mapping[str, int]
    moves: float
    active: float
    penalty: float
    off: float


@dataclass(frozen=True)
class MeasuredBlock:
    """A block, its rows, and how far it moves.

    Attributes
    ----------
    layer : counted from 1.
    moves : standard deviation of its utility.
    """

    ump: LearnedUMP
    layer: int
    rows: tuple[MeasuredRow, ...]
    moves: float

    def share(self, row: MeasuredRow) -> float:
        """A row's share of the movement of all rows of the block."""
        return row.moves / (sum(other.moves for other in self.rows) or 1.0)


def measure_blocks(
    problem: LearnedUMP | Hierarchy, values: Values
) -> tuple[list[MeasuredBlock], dict[str, np.ndarray]]:
    """Measure every block from the first layer up.

    Parameters
    ----------
    values : every variable that blocks read, curves included, one number per row of data.

    Returns
    -------
    The blocks, and the values with the utility of each block added.
    """
    layers = ((problem,),) if isinstance(problem, LearnedUMP) else problem.layers
    known, measured = dict(values), []
    for number, layer in enumerate(layers, start=1):
        utilities = {ump.name: block_values(ump, known) for ump in layer}
        measured += [_measured_block(ump, number, known, utilities[ump.name]) for ump in layer]
        known |= utilities
    return measured, known


def spread(values: np.ndarray) -> float:
    """Standard deviation over rows; 0 for a number."""
    return float(np.std(values))


def column_of(name: str, ump: LearnedUMP) -> str:
    """The user's column behind a variable: of a curve, a level or an indicator of missing values; else its own name."""
    if name in ump.curves:
        return column_of(ump.curves[name][1], ump)
    return ump.sources[name].column if name in ump.sources else name


def _measured_block(ump: LearnedUMP, layer: int, values: Values, utility: np.ndarray) -> MeasuredBlock:
    rows, counts = [], dict.fromkeys(ROLES, 0)
    for goal in ump.goals:
        counts[goal.head.role] += 1
        rows.append(_measured_row(goal, counts[goal.head.role], ump, values))
    return MeasuredBlock(ump, layer, tuple(rows), spread(utility))


def _measured_row(goal: Goal, number: int, ump: LearnedUMP, values: Values) -> MeasuredRow:
    polynomial, added = goal.polynomial, goal_values(goal, values)
    inside = np.asarray(polynomial.evaluate(values), float)
    terms = {m: spread(Polynomial({m: v}).evaluate(values)) for m, v in polynomial.monomials.items()}
    groups: dict[str, list[str]] = {}
    for name in polynomial.variables:
        groups.setdefault(column_of(name, ump), []).append(name)
    changes = {column: _change(polynomial, names, values) for column, names in groups.items()}
    sign = 1 if goal.multiplier >= 0 else -1
    return MeasuredRow(
        goal,
        number,
        terms,
        {column: spread(change) for column, change in changes.items()},
        {column: sign * _direction(change, groups[column], ump, values) for column, change in changes.items()},
        spread(added),
        float(np.mean(inside > 0)),
        float(-np.mean(added)),
        float(np.mean(np.abs(inside))),
    )


def _change(polynomial: Polynomial, names: Sequence[str], values: Values) -> np.ndarray:
    """What a polynomial loses where some of its variables are held at their means."""
    touched = {m: v for m, v in polynomial.monomials.items() if any(name in names for name, _ in m)}
    held = dict(values) | {name: np.mean(values[name]) for name in names}
    part = Polynomial(touched)
    return np.asarray(part.evaluate(values) - part.evaluate(held), float)


def _direction(change: np.ndarray, names: Sequence[str], ump: LearnedUMP, values: Values) -> int:
    """The sign of the change along a single variable, or along the column of curves."""
    columns = {ump.curves[name][1] if name in ump.curves else name for name in names}
    column = np.asarray(values[columns.pop()] if len(columns) == 1 else 0.0)
    if spread(column) == 0 or spread(change) == 0:
        return 0
    correlation = float(np.corrcoef(column, change)[0, 1])
    return int(np.sign(correlation)) if abs(correlation) >= ALIGNED else 0
