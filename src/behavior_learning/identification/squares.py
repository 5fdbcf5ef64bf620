"""Completing the square: which functions squared rows take up, up to functions of x.

−λ(T + d)² = −λT² − 2λ·d·T − λd², and where d depends on x alone the last part cancels in Z. A change of what a squared
row holds in terms of x alone therefore adds a function of (x, y) that is linear in its other terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from behavior_learning.core.bases import ONE, Basis
from behavior_learning.core.features import Product
from behavior_learning.identification.head_table import HeadTable

__all__ = ["Shifts", "null_space_of", "shifts_of"]

ROUNDING = 1e-10
"""Relative size below which what is left over counts as nothing."""

Key = tuple[tuple[object, ...], int]
"""A product of functions of x as its sorted factors, and the function of y that it multiplies."""


@dataclass(frozen=True)
class Shifts:
    """What some squared rows of an additive layer can take up by moving their numbers on terms of x alone.

    Attributes
    ----------
    table : of the squares.
    entries : (row, column) of the numbers that may move.
    keys : the products of a function of x and one of y that may arise.
    gains : what Σ λ T² gains at each key per unit of each entry, to first order.
    column_of : the column of each key where the basis has it.
    parts : (key, entry, column of y) of which each gain is made.
    """

    table: HeadTable
    entries: list[tuple[int, int]]
    keys: list[Key]
    gains: Float[np.ndarray, "keys entries"]
    column_of: dict[Key, int]
    parts: list[tuple[int, int, int]]

    @property
    def columns(self) -> Int[np.ndarray, " keys"]:
        """The column of each key, −1 where the basis lacks it."""
        return np.array([self.column_of.get(key, -1) for key in self.keys], int)

    def values(self) -> Float[np.ndarray, " entries"]:
        return self.table.rows.value[tuple(np.array(self.entries, int).T)]

    def move(self, change: Float[np.ndarray, " entries"]) -> None:
        self.table.rows.value[tuple(np.array(self.entries, int).T)] += change

    def elsewhere(self, home: Bool[np.ndarray, " columns"]) -> Bool[np.ndarray, " keys"]:
        """Keys that a utility which is free at some columns cannot take."""
        return np.array([column < 0 or not home[column] for column in self.columns], bool)

    def idle(self, home: Bool[np.ndarray, " columns"]) -> Float[np.ndarray, "entries dimensions"]:
        """Changes after which Σ λ T² has gained nothing but what the utility takes."""
        return null_space_of(self.gains[self.elsewhere(home)], len(self.entries))

    def conditions(self, home: Bool[np.ndarray, " columns"]) -> list[Float[np.ndarray, "rows columns"]]:
        """Gradients, in all numbers of the table, of what holds where the entries are orthogonal to `idle`.

        With P the gains, n ∈ idle and D the entries, ⟨D, n⟩ = 0 stays true if ⟨dD, n⟩ = ⟨w, dP·n⟩ with Pᵀw = D.
        """
        hard, found = self.elsewhere(home), []
        w = np.zeros(len(self.keys))
        w[hard] = np.linalg.lstsq(self.gains[hard].T, self.values(), rcond=None)[0]
        for n in self.idle(home).T:
            gradient = np.zeros_like(self.table.rows.value)
            gradient[tuple(np.array(self.entries, int).T)] = n
            for key, place, s in self.parts:
                i = self.entries[place][0]
                gradient[i, s] -= 2 * self.table.multiplier.value[i] * n[place] * w[key]
            found.append(np.where(self.table.rows.learned, gradient, 0.0))
        return found

    def taking(
        self, linear: Float[np.ndarray, " columns"], home: Bool[np.ndarray, " columns"]
    ) -> Float[np.ndarray, " entries"] | None:
        """A change after which Σ λ T² has gained a function that is linear in the terms, but for what a utility takes.

        None where there is no such change.
        """
        place = {column: key for key, column in enumerate(self.columns) if column >= 0}
        if any(column not in place and not home[column] for column in np.flatnonzero(linear)):
            return None
        wanted, hard = np.zeros(len(self.keys)), self.elsewhere(home)
        for column in np.flatnonzero(linear):
            if column in place:
                wanted[place[column]] = linear[column]
        change = np.linalg.lstsq(self.gains[hard], wanted[hard], rcond=None)[0]
        left = self.gains[hard] @ change - wanted[hard]
        return change if np.abs(left).max(initial=0.0) <= ROUNDING * np.abs(linear).max() else None


def shifts_of(table: HeadTable, rows: Sequence[int], basis: Basis) -> Shifts | None:
    """The shifts of squared rows of an additive layer over the terms of a basis; None where nothing may move."""
    factors = [(_factors(x), j) for (x, _), (_, j) in zip(basis.terms, basis.pairing.pairs, strict=True)]
    keys: list[Key] = [*factors, ((), ONE)]
    of_x = np.array([j == ONE for _, j in keys], bool)
    numbers = table.rows
    own = [i for i in rows if table.multiplier.value[i] > 0]
    entries = [(i, int(t)) for i in own for t in np.flatnonzero(of_x & numbers.learned[i] & (numbers.sign[i] == 0))]
    found: dict[Key, int] = {}
    parts: list[tuple[int, int, int]] = []
    for place, (i, t) in enumerate(entries):
        for s in np.flatnonzero(~of_x & (numbers.learned[i] | (numbers.value[i] != 0))):
            key = tuple(sorted((*keys[t][0], *keys[s][0]), key=repr)), keys[s][1]
            parts.append((found.setdefault(key, len(found)), place, int(s)))
    gains = np.zeros((len(found), len(entries)))
    for key, place, s in parts:
        i = entries[place][0]
        gains[key, place] += 2 * table.multiplier.value[i] * numbers.value[i, s]
    column_of = {key: column for column, key in enumerate(keys) if key[1] != ONE}
    return Shifts(table, entries, list(found), gains, column_of, parts) if entries else None


def null_space_of(matrix: Float[np.ndarray, "rows columns"], columns: int) -> Float[np.ndarray, "columns dimensions"]:
    """An orthonormal basis of what a matrix sends to zero; everything where it has no rows."""
    if not matrix.size:
        return np.eye(columns)
    _, sizes, directions = np.linalg.svd(matrix)
    return directions[int(np.sum(sizes > ROUNDING * sizes[0])) :].T


def _factors(function: object) -> tuple[object, ...]:
    if isinstance(function, Product):
        return tuple((column, function.uncentered) for column in sorted(function.columns))
    return (function,)
