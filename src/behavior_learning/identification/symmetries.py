"""Moves of parameters that leave the utility as it is: row signs, scales, rotations, orders, and what they fix.

Everything here is NumPy in double precision on plain arrays; `identification` puts the moves together.

Source: Definition B.1 and Assumption B.1. Deviation: the quotient of Definition B.1 (sign of T) is too small; see each
move for what else leaves BL unchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from behavior_learning.core.block import Rows, Weight
from behavior_learning.core.heads import Head
from behavior_learning.core.network import weight_value

__all__ = [
    "EVEN",
    "FLIPPABLE",
    "ODD",
    "Part",
    "RowTable",
    "degree_of",
    "family",
]

DEGREE = {"identity": 1, "relu": 1, "abs": 1, "square": 2}
"""Heads with f(s·t) = s^degree·f(t) for s > 0: λ and the scale of the row are one number."""

EVEN = ("abs", "square", "huber", "smooth_abs")
"""Heads with f(−t) = f(t)."""

ODD = ("identity", "tanh")
"""Heads with f(−t) = −f(t)."""

FLIPPABLE = ("relu", "softplus")
"""Heads with f(t) = t + f(−t): beside an identity utility their direction is not identified."""


def family(head: Head | None) -> str:
    """The head's name without its width; empty where there is none."""
    return "" if head is None else head.name.split("(")[0]


def degree_of(head: Head | None) -> int:
    """Degree of homogeneity, 0 where the head has none."""
    return 0 if head is None else DEGREE.get(head.name, 0)


@dataclass
class Part:
    """Numbers, which of them are learned, and the sign each must keep (0 for none)."""

    value: np.ndarray
    learned: np.ndarray
    sign: np.ndarray

    @classmethod
    def of(cls, weight: Weight, sign: np.ndarray | None = None) -> "Part":
        """The parts of a weight; `sign` replaces what its rule says."""
        value = weight_value(weight)
        learned = np.isnan(np.broadcast_to(weight.rule.numbers, value.shape)).copy()
        sign = np.broadcast_to(weight.rule.signs, value.shape) if sign is None else sign.reshape(value.shape)
        return cls(value, learned, sign.copy())

    def pin(self, index, value) -> None:
        """Take a number for given from here on."""
        self.value[index], self.learned[index] = value, False

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.value, self.learned, self.sign


@dataclass
class RowTable:
    """One head of every block of a layer as a table: a line per (block, row), coefficients and intercept side by side.

    Attributes
    ----------
    line : [M | b] of shape (blocks·rows, inputs + 1).
    multiplier : λ of shape (blocks·rows,).
    groups : columns that act on candidates of their own (one per class), or all columns together.
    ties : pairs of lines, within a group of columns, that the canonical form keeps orthogonal.
    """

    head: Head | None
    blocks: int
    line: Part
    multiplier: Part
    groups: list[np.ndarray]
    ties: list[tuple[int, int, np.ndarray]] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Rows, parts: Sequence[Part], groups: Sequence[np.ndarray]) -> "RowTable":
        coef, intercept, multiplier = parts
        blocks, count, inputs = coef.value.shape
        joined = (
            np.concatenate([c, i[..., None]], axis=-1) for c, i in zip(coef.arrays(), intercept.arrays(), strict=True)
        )
        line = Part(*(table.reshape(blocks * count, inputs + 1) for table in joined))
        flat = Part(*(array.reshape(-1) for array in multiplier.arrays()))
        everything = np.arange(inputs + 1)
        shared = np.setdiff1d(everything, np.concatenate([*groups, []]).astype(int))
        separate = bool(groups) and not (line.learned[:, shared].any() or line.value[:, shared].any())
        return cls(rows.head, blocks, line, flat, list(groups) if separate else [everything])

    @property
    def size(self) -> int:
        return len(self.multiplier.value)

    @property
    def per_block(self) -> int:
        return self.size // self.blocks

    def block_lines(self, block: int) -> np.ndarray:
        return np.arange(block * self.per_block, (block + 1) * self.per_block)

    def parts(self) -> tuple[Part, Part, Part]:
        """M, b and λ in the shapes of the network."""
        shape = (self.blocks, self.per_block)
        inputs = self.line.value.shape[1] - 1
        coef = Part(*(a[:, :-1].reshape(*shape, inputs) for a in self.line.arrays()))
        intercept = Part(*(a[:, -1].reshape(shape) for a in self.line.arrays()))
        return coef, intercept, Part(*(a.reshape(shape) for a in self.multiplier.arrays()))

    # Moves.

    def absorb_multipliers(self) -> None:
        """λ·f(t) = f(λ^{1/degree}·t) for homogeneous heads: λ becomes ±1 and the row carries the scale.

        A row with a given coefficient that is not zero keeps its λ: there the scale is known.
        """
        degree = degree_of(self.head)
        for i in range(self.size):
            if degree and self.multiplier.learned[i] and self.scales_freely(i):
                strength = self.multiplier.value[i]
                self.line.value[i] *= abs(strength) ** (1 / degree)
                self.multiplier.pin(i, -1.0 if strength < 0 else 1.0)

    def scales_freely(self, i: int) -> bool:
        given = ~self.line.learned[i]
        return not self.line.value[i, given].any()

    def scale(self, lines: np.ndarray, factor: float) -> None:
        """Multiply λ·f of some lines by a positive factor."""
        for i in lines:
            if self.multiplier.learned[i] or self.multiplier.value[i] == 0:
                self.multiplier.value[i] *= factor
            else:
                self.line.value[i] *= factor ** (1 / degree_of(self.head))

    def scalable(self, lines: np.ndarray) -> bool:
        """Whether `scale` may be applied."""
        free = lambda i: self.multiplier.learned[i] or self.multiplier.value[i] == 0
        return all(free(i) or (degree_of(self.head) > 0 and self.scales_freely(i)) for i in lines)

    def turn_positive(self) -> None:
        """λ·f(t) = (−λ)·f(−t) for odd heads with a λ of free sign."""
        for i in range(self.size):
            if family(self.head) in ODD and self.multiplier.value[i] < 0 and self._turns(i, slice(None)):
                self.multiplier.value[i] *= -1
                self.line.value[i] *= -1

    def choose_signs(self, lines: np.ndarray) -> None:
        """f(−t) = f(t) for even heads: the largest coefficient is positive.

        Source: Definition B.1. Deviation: where candidates are one-hot and every term names its class, each class
        has a sign of its own.
        """
        for i in lines if family(self.head) in EVEN else ():
            for group in self.groups:
                if self._turns(i, group) and _largest(self.line.value[i, group]) < 0:
                    self.line.value[i, group] *= -1

    def _turns(self, i: int, columns) -> bool:
        given = ~self.line.learned[i, columns]
        return not self.line.value[i, columns][given].any() and not self.line.sign[i, columns].any()

    def gather_signs(self, lines: np.ndarray) -> None:
        """Rows with λ = 1 come before rows with λ = −1, which only free multipliers have."""
        strength = np.where(self.multiplier.learned, np.nan, self.multiplier.value)
        if not degree_of(self.head) or not (strength[lines] < 0).any():
            return
        for same in self._alike(lines, slice(None), any_multiplier=True):
            order = same[np.argsort(-strength[same], kind="stable")]
            for array in (*self.line.arrays(), *self.multiplier.arrays()):
                array[same] = array[order]

    def rotate_squares(self, lines: np.ndarray) -> None:
        """Σ λ_k t_k² depends on MᵀΛM alone: the rows become its eigenvectors, each as long as √eigenvalue.

        Deviation: Definition B.1 knows the signs only. Rows with λ = 1 beside rows with λ = −1 (free multipliers) may
        also be boosted into each other; that is left to the rank of the information.
        """
        if family(self.head) != "square":
            return
        for group in self.groups:
            for same in self._alike(lines, group):
                if (
                    len(same) > 1
                    and all(self._turns(i, group) for i in same)
                    and not self.multiplier.learned[same].any()
                ):
                    table = self.line.value[np.ix_(same, group)]
                    self.line.value[np.ix_(same, group)] = principal_rows(table)
                    self.ties += [(i, j, group) for n, i in enumerate(same) for j in same[n + 1 :]]

    def sort(self, lines: np.ndarray) -> None:
        """The order of rows has no meaning: strongest first, by λ or by the length of the row where λ is given."""
        for same in self._alike(lines, slice(None)):
            if self.multiplier.learned[same].any():
                order = same[np.argsort(-self.multiplier.value[same], kind="stable")]
                self.multiplier.value[same] = self.multiplier.value[order]
                self.line.value[same] = self.line.value[order]
            else:
                for group in self.groups:
                    lengths = np.linalg.norm(self.line.value[np.ix_(same, group)], axis=1)
                    order = same[np.argsort(-lengths, kind="stable")]
                    self.line.value[np.ix_(same, group)] = self.line.value[np.ix_(order, group)]

    def _alike(self, lines: np.ndarray, columns, any_multiplier: bool = False) -> list[np.ndarray]:
        """Lines that obey the same rules and may trade places."""
        kinds: dict[tuple, list[int]] = {}
        for i in lines:
            given = np.where(self.line.learned[i, columns], np.nan, self.line.value[i, columns])
            known = not self.multiplier.learned[i] and not any_multiplier
            strength = self.multiplier.value[i] if known else np.nan
            rules = (given, self.line.sign[i, columns], strength, self.multiplier.sign[i])
            kinds.setdefault(tuple(np.asarray(rule, float).tobytes() for rule in rules), []).append(i)
        return [np.array(kind) for kind in kinds.values()]


def principal_rows(table: np.ndarray) -> np.ndarray:
    """S Vᵀ of the singular value decomposition: rows with the same AᵀA, orthogonal and longest first."""
    _, lengths, directions = np.linalg.svd(table, full_matrices=False)
    principal = np.zeros_like(table)
    principal[: len(lengths)] = lengths[:, None] * directions
    return principal


def _largest(values: np.ndarray) -> float:
    """The entry of largest size."""
    return float(values[np.argmax(np.abs(values))]) if len(values) else 0.0
