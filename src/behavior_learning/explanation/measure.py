"""How far each row, term and column of a learned problem moves the choice over rows of data.

Values have the rows first and, last, draws of y from p(y|x) of each row; a plain column of numbers is the draws of one
row. A function of x alone cancels in p(y|x), so movement is what remains after the mean over the draws is taken off.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from behavior_learning.symbolic.evaluate import block_values, head_values
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm, Problem

__all__ = [
    "Below",
    "MeasuredBlock",
    "MeasuredTerm",
    "measure_blocks",
    "monomial_strengths",
    "movement",
    "standard_deviation",
]

Values = Mapping[str, np.ndarray]

ALIGNED = 0.5
"""Correlation with a column from which a row counts as rising or falling in it."""


TURNED = 0.25
"""Correlation, of one sign below the median of a column and of the other above, from which a row turns round."""

STEP = 1e-3
"""Share of its spread by which a block's utility is raised to see what the whole does."""


def standard_deviation(values: np.ndarray) -> float:
    """Over rows and draws; 0 for a number."""
    return float(np.std(values))


def movement(values: np.ndarray) -> float:
    """Standard deviation over draws, after the mean of each row's draws is taken off."""
    values = np.asarray(values, float)
    return float(np.sqrt(np.mean((values - values.mean(axis=-1, keepdims=True)) ** 2))) if values.ndim else 0.0


def monomial_strengths(
    polynomial: Polynomial, values: Values, measure: Callable[[np.ndarray], float] = standard_deviation
) -> dict[Monomial, float]:
    """How far each term of a polynomial moves, the strongest first."""
    found = {m: measure(Polynomial({m: v}).evaluate(values)) for m, v in polynomial.monomials.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


@dataclass(frozen=True)
class MeasuredTerm:
    """One row of a head and how far it moves over rows of data.

    Attributes
    ----------
    term : the row.
    number : counted from 1 within its head.
    monomials : by monomial, the standard deviation of each term of its polynomial, the strongest first.
    columns : by column of the user or block below, the movement of what the row adds that is lost when the column is
        held at its mean; levels of a category and curves of a column are held together.
    directions : by column, 1 where multiplier · row rises in it, −1 where it falls, 0 where neither.
    moves : movement of what the row adds to its block's utility.
    active : share of rows in which the polynomial is positive.
    penalty : mean of what the row takes from its block's utility; negative where it adds.
    distance : of the polynomial from 0, the least over the rows, in its standard deviations.
    """

    term: HeadTerm
    number: int
    monomials: Mapping[Monomial, float]
    columns: Mapping[str, float]
    directions: Mapping[str, int]
    moves: float
    active: float
    penalty: float
    distance: float = 0.0

    @classmethod
    def of(cls, term: HeadTerm, number: int, block: Block, values: Values) -> "MeasuredTerm":
        """Measure a term of a block."""
        polynomial = term.polynomial
        shape = _shape(values)
        inside = np.broadcast_to(polynomial.evaluate(values), shape)
        groups: dict[str, list[str]] = {}
        for name in polynomial.variables:
            groups.setdefault(block.column_of(name), []).append(name)
        changes: dict[str, np.ndarray] = {}  # What the polynomial loses where these variables are held at their means.
        for column, names in groups.items():
            part = Polynomial({m: v for m, v in polynomial.monomials.items() if any(name in names for name, _ in m)})
            held = dict(values) | {name: np.asarray(np.mean(values[name])) for name in names}
            changes[column] = np.broadcast_to(part.evaluate(values) - part.evaluate(held), shape)
        # Evaluated together: a head on a few thousand numbers takes less time than a call of it.
        added, *left = head_values(term, np.stack([inside, *(inside - change for change in changes.values())]))
        lost = {column: movement(added - other) for column, other in zip(changes, left, strict=True)}
        sign = 1 if term.multiplier >= 0 else -1
        return cls(
            term,
            number,
            monomial_strengths(polynomial, values),
            lost,
            {column: sign * _direction(change, groups[column], block, values) for column, change in changes.items()},
            movement(added),
            float(np.mean(inside > 0)),
            float(-np.mean(added)),
            float(np.min(np.abs(inside)) / (standard_deviation(inside) or np.inf)),
        )


class Below(NamedTuple):
    """How a block below enters a block: what its utility, held at its mean, takes from the movement of the block, and
    the share of rows and draws in which the block rises with it."""

    lost: float
    sign_share: float


@dataclass(frozen=True)
class MeasuredBlock:
    """A block, its rows, and how far it moves.

    Attributes
    ----------
    layer : counted from 1.
    moves : movement of its utility.
    below : by name, how the blocks that it sees enter it.
    raises : mean of ∂BL/∂s, the utility of the whole by that of the block; 0 of classes, each beside the mean of all.
    sign_share : share of rows and draws in which it is positive.
    """

    block: Block
    layer: int
    terms: tuple[MeasuredTerm, ...]
    moves: float
    below: Mapping[str, Below] = field(default_factory=dict)
    raises: float = 1.0
    sign_share: float = 1.0

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
            known[block.name] = _wide(block_values(block, known), values)
            seen = {name: _below(block, name, known) for name in block.variables if name in problem.blocks}
            measured.append(MeasuredBlock(block, layer, tuple(terms), movement(known[block.name]), seen))
    return [_entering(problem, block, known) for block in measured], known


def _entering(problem: Problem, measured: MeasuredBlock, known: Values) -> MeasuredBlock:
    """The block with how it enters the whole, by raising its utility a little."""
    if not problem.outputs:
        return measured
    name, step = measured.block.name, _step(known[measured.block.name])
    ends = []
    for sign in (1.0, -1.0):
        changed = dict(known) | {name: known[name] + sign * step}
        moved = {name}
        for block in (block for layer in problem.layers[measured.layer :] for block in layer):
            if not moved.isdisjoint(block.variables):
                changed[block.name] = block_values(block, changed)
                moved.add(block.name)
        outputs = [np.broadcast_to(output.evaluate(changed), known[name].shape) for output in problem.outputs.values()]
        utilities = np.stack(outputs, axis=-1)
        if len(outputs) > 1:  # Of classes, each beside the mean of all: what they share cancels.
            utilities = utilities - utilities.mean(axis=-1, keepdims=True)
        ends.append(utilities)
    slope = (ends[0] - ends[1]) / (2 * step)
    raises = 0.0 if len(problem.outputs) > 1 else float(slope.mean())  # Classes it raises and lowers cancel.
    return replace(measured, raises=raises, sign_share=_share_above_zero(slope))


def _below(block: Block, name: str, known: Values) -> Below:
    """How a block enters another that sees it, by holding its utility and by raising it a little."""
    held = block_values(block, dict(known) | {name: np.asarray(np.mean(known[name]))})
    step = _step(known[name])
    up, down = (block_values(block, dict(known) | {name: known[name] + move}) for move in (step, -step))
    lost = movement(_wide(known[block.name] - held, known))
    return Below(lost, _share_above_zero(_wide(up - down, known)))


def _step(values: np.ndarray) -> float:
    return STEP * (standard_deviation(values) or 1.0)


def _share_above_zero(slope: np.ndarray) -> float:
    return float(np.mean(slope > 0) + 0.5 * np.mean(slope == 0))


def _shape(like: Values) -> tuple[int, ...]:
    """Rows and draws."""
    return np.broadcast_shapes(*{np.shape(column) for column in like.values()})


def _wide(values: object, like: Values) -> np.ndarray:
    """Values in every row and draw."""
    return np.broadcast_to(np.asarray(values, float), _shape(like))


def _direction(change: np.ndarray, names: Sequence[str], block: Block, values: Values) -> int:
    """The sign of the change along a single variable, or along the column of curves; 0 where the change turns round."""
    columns = {block.plain_variable(name) for name in names}
    column = _wide(values[columns.pop()] if len(columns) == 1 else 0.0, values)
    whole = _correlation(column, change)
    if abs(whole) < ALIGNED:
        return 0
    above = column > np.median(column)
    below, beyond = _correlation(column[~above], change[~above]), _correlation(column[above], change[above])
    turns = below * beyond < 0 and min(abs(below), abs(beyond)) >= TURNED
    return 0 if turns else int(np.sign(whole))


def _correlation(column: np.ndarray, change: np.ndarray) -> float:
    """0 where one of them does not vary."""
    if column.size < 2:
        return 0.0
    a, b = (values.ravel() - values.mean() for values in (column, change))
    return float(a @ b) / (float(np.linalg.norm(a) * np.linalg.norm(b)) or np.inf)
