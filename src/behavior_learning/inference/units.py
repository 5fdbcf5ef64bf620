"""Estimates in the units of the table, row by row as the printed equation says them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from behavior_learning.core.heads import ROLES
from behavior_learning.core.network import BehaviorNetwork, weight_value
from behavior_learning.inference.fitted import Fitted, numbers_of
from behavior_learning.inference.tables import Estimates
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.read import solved_scale

__all__ = ["RowTerms", "Units", "errors_by_term", "in_table_units"]

RowPlace = tuple[int, int, str, int]


@dataclass(frozen=True)
class RowTerms:
    """A row of the first layer among the numbers in the table's units: which they are, and what they multiply."""

    first: int
    monomials: tuple[Monomial, ...]

    @property
    def numbers(self) -> slice:
        return slice(self.first, self.first + len(self.monomials))

    def polynomial(self, values: Float[np.ndarray, " q"]) -> Polynomial:
        """The row, from all numbers."""
        return Polynomial(dict(zip(self.monomials, values[self.numbers].tolist(), strict=True)))


@dataclass(frozen=True)
class Units:
    """The user's units: labels and a linear map from all numbers of the canonical network.

    Attributes
    ----------
    labels : of the numbers in the user's units.
    matrix : from the numbers of the network, in the order of `network.weights`.
    log_scale : logarithm of the unit of y; densities per unit of y are smaller by it.
    rows : the rows of the first layer among the numbers, by (layer, block, role, row).
    problem : writes a network as the problem that it stands for; None where nothing is printed.
    """

    labels: tuple[str, ...]
    matrix: Float[np.ndarray, "q numbers"]
    log_scale: float = 0.0
    rows: Mapping[RowPlace, RowTerms] = field(default_factory=dict[RowPlace, RowTerms])
    problem: Callable[[BehaviorNetwork], LearnedProblem] | None = None


def in_table_units(estimates: Estimates, fitted: Fitted, units: Units, problem: LearnedProblem | None) -> Estimates:
    """The estimates in the table's units, by the delta method.

    Numbers are linear in the parameters, except in constraints that the printed equation solves for y: these are
    divided by the size of y's coefficient, which becomes the number `scale`. Numbers that are stated have variance 0.
    """
    learned = np.asarray(fitted.local.parametrization.learned)
    numbers, inside = numbers_of(fitted.network), units.matrix[:, learned]
    values = units.matrix @ numbers
    used = (inside != 0).any(axis=1)
    jacobian, labels, kept = inside, list(units.labels), used.copy()
    scales: list[tuple[str, float, np.ndarray]] = []
    for place, terms in units.rows.items():
        row, scale = terms.numbers, 1.0
        if used[row].any():
            kept[row] |= values[row] != 0
        if problem is not None:
            block = problem.layers[place[0]][place[1]]
            scale = solved_scale(
                Polynomial(dict(zip(terms.monomials, values[row].tolist(), strict=True))), block, place[2]
            )
        if scale != 1.0 and kept[row].any():
            at = int(np.flatnonzero(np.abs(values[row]) == scale)[0])
            slope = np.sign(values[row][at]) * inside[row][at]
            scales.append((f"{fitted.row_names[place]}.scale", scale, slope))
            jacobian = jacobian.copy()
            jacobian[row] = (inside[row] - np.outer(values[row] / scale, slope)) / scale
            values[row] /= scale
    order = np.flatnonzero(kept)
    return estimates.linearized(
        [*(labels[i] for i in order), *(label for label, _, _ in scales)],
        np.concatenate([values[order], [scale for _, scale, _ in scales]]),
        np.concatenate([jacobian[order], *(slope[None] for _, _, slope in scales)]),
    )


def errors_by_term(
    original: Estimates, fitted: Fitted, units: Units, problem: LearnedProblem
) -> dict[tuple[str, int], dict[Monomial, float]]:
    """Standard errors of the printed coefficients, by block and the number of its term in `head_terms`."""
    blocks, errors = problem.layers[0], original.bse.to_dict()
    found: dict[tuple[str, int], dict[Monomial, float]] = {}
    for place in sorted(units.rows, key=lambda place: (place[1], list(ROLES).index(place[2]), place[3])):
        strength = weight_value(fitted.network.layers[0].heads[place[2]].multiplier)[place[1], place[3]]
        name = blocks[place[1]].name
        if strength != 0:
            terms = units.rows[place]
            labels = zip(terms.monomials, units.labels[terms.numbers], strict=True)
            number = sum(block == name for block, _ in found)
            found[name, number] = {monomial: errors.get(label, np.nan) for monomial, label in labels}
    return found
