"""The numbers of a network as tables of rows, one table per head of a layer, in NumPy and double precision."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from behavior_learning.core.block import Rows, Rule, Weight
from behavior_learning.core.heads import Head
from behavior_learning.core.network import weight_value

__all__ = ["HeadTable", "ParameterBlock"]

Index = Any
"""What selects entries of an array."""


@dataclass
class ParameterBlock:
    """Numbers, which of them are learned, and the sign each must keep (0 for none)."""

    value: Float[np.ndarray, "*shape"]
    learned: Bool[np.ndarray, "*shape"]
    sign: Int[np.ndarray, "*shape"]

    @classmethod
    def of(cls, weight: Weight, sign: np.ndarray | None = None) -> "ParameterBlock":
        """The numbers of a weight; `sign` replaces what its rule says."""
        value = weight_value(weight)
        learned = np.isnan(np.broadcast_to(weight.rule.numbers, value.shape)).copy()
        sign = np.broadcast_to(weight.rule.signs, value.shape) if sign is None else sign.reshape(value.shape)
        return cls(value, learned, sign.copy())

    def pin(self, index: Index, value: float) -> None:
        """Take a number for given from here on."""
        self.value[index], self.learned[index] = value, False

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.value, self.learned, self.sign

    def weight(self) -> Weight:
        """A weight of these values, with what is not learned fixed by rule and learned numbers keeping their sign."""
        signs = np.where(self.learned, self.sign, 0)
        size = np.where(signs == 0, 1.0, np.abs(self.value))
        with np.errstate(divide="ignore"):  # A zero is −∞ under its rule.
            raw = np.where(signs == 0, self.value, size + np.log(-np.expm1(-size)))
        return Weight(cast(Array, raw), Rule(signs, self._fixed()))

    def values(self) -> Weight:
        """A weight that holds the values themselves, whatever their sign."""
        return Weight(cast(Array, self.value), Rule(fixed=self._fixed()))

    def _fixed(self) -> Float[np.ndarray, "*shape"]:
        return np.where(self.learned, np.nan, self.value)


@dataclass
class HeadTable:
    """One head of every block of a layer: a row per (block, row of the head), coefficients and intercept side by side.

    Attributes
    ----------
    rows : [M | b] of shape (blocks·rows, inputs + 1).
    multiplier : λ of shape (blocks·rows,).
    groups : columns that act on candidates of their own (one per class), or all columns together.
    orthogonal : (i, j, columns of i, columns of j) of rows that the canonical form keeps orthogonal.
    """

    head: Head | None
    blocks: int
    rows: ParameterBlock
    multiplier: ParameterBlock
    groups: list[Int[np.ndarray, " columns"]]
    orthogonal: list[tuple[int, int, np.ndarray, np.ndarray]] = field(
        default_factory=list[tuple[int, int, np.ndarray, np.ndarray]]
    )

    @classmethod
    def of(cls, rows: Rows, numbers: Sequence[ParameterBlock], groups: Sequence[np.ndarray]) -> "HeadTable":
        """The table of M, b and λ; `groups` are used where every learned term of every row belongs to one."""
        coef, intercept, multiplier = numbers
        blocks, count, inputs = coef.value.shape
        pairs = zip(coef.arrays(), intercept.arrays(), strict=True)
        beside = (np.concatenate([c, i[..., None]], axis=-1) for c, i in pairs)
        joined = ParameterBlock(*(table.reshape(blocks * count, inputs + 1) for table in beside))
        flat = ParameterBlock(*(array.reshape(-1) for array in multiplier.arrays()))
        everything = np.arange(inputs + 1)
        shared = np.setdiff1d(everything, np.concatenate([*groups, np.zeros(0, int)]))
        separate = bool(groups) and not (joined.learned[:, shared].any() or joined.value[:, shared].any())
        return cls(rows.head, blocks, joined, flat, list(groups) if separate else [everything])

    @property
    def size(self) -> int:
        return len(self.multiplier.value)

    def row_distance(self, i: int, other: "HeadTable", j: int) -> float:
        """Sum of squares between a row with its λ and one of another table, up to the sign where the head is even."""
        apart = (self.multiplier.value[i] - other.multiplier.value[j]) ** 2
        for group in self.groups:
            row, match = self.rows.value[i, group], other.rows.value[j, group]
            mirrored = [np.sum((row + match) ** 2)] if self.parity == "even" else []
            apart += min(np.sum((row - match) ** 2), *mirrored, np.inf)
        return float(apart)

    @property
    def degree(self) -> int:
        """Of homogeneity: where there is one, λ and the scale of a row are one number."""
        return 0 if self.head is None else self.head.degree

    @property
    def parity(self) -> str | None:
        return None if self.head is None else self.head.parity

    @property
    def per_block(self) -> int:
        return self.size // self.blocks

    def rows_of(self, blocks: Sequence[int]) -> Int[np.ndarray, " rows"]:
        """Which rows belong to some blocks."""
        return np.concatenate([np.arange(b * self.per_block, (b + 1) * self.per_block) for b in blocks])

    def parameter_blocks(self) -> tuple[ParameterBlock, ParameterBlock, ParameterBlock]:
        """M, b and λ in the shapes of the network."""
        shape = (self.blocks, self.per_block)
        inputs = self.rows.value.shape[1] - 1
        coef = ParameterBlock(*(a[:, :-1].reshape(*shape, inputs) for a in self.rows.arrays()))
        intercept = ParameterBlock(*(a[:, -1].reshape(shape) for a in self.rows.arrays()))
        return coef, intercept, ParameterBlock(*(a.reshape(shape) for a in self.multiplier.arrays()))

    def arrange(self, places: np.ndarray, order: np.ndarray) -> None:
        """Put the rows `order` in the places of others."""
        for array in (*self.rows.arrays(), *self.multiplier.arrays()):
            array[places] = array[order]

    # What may be changed.

    def flips(self, row: int, columns: Index) -> bool:
        """Whether a row may change sign within some columns: none is given a number or a sign."""
        given = ~self.rows.learned[row, columns]
        return not self.rows.value[row, columns][given].any() and not self.rows.sign[row, columns].any()

    def scales_freely(self, row: int) -> bool:
        """Whether a row may be multiplied by a number: no coefficient is given one but zero."""
        return not self.rows.value[row, ~self.rows.learned[row]].any()

    def scalable(self, rows: np.ndarray) -> bool:
        """Whether λ·f of some rows may be multiplied by a positive factor."""
        absorbs = self.degree > 0
        return all(self._scales_by_multiplier(i) or (absorbs and self.scales_freely(i)) for i in rows)

    def scale(self, rows: np.ndarray, factor: float) -> None:
        """Multiply λ·f of some rows by a positive factor."""
        for i in rows:
            if self._scales_by_multiplier(i):
                self.multiplier.value[i] *= factor
            else:
                self.rows.value[i] *= factor ** (1 / self.degree)

    def _scales_by_multiplier(self, row: int) -> bool:
        return bool(self.multiplier.learned[row]) or self.multiplier.value[row] == 0

    def alike(self, rows: np.ndarray, columns: Index, *, any_multiplier: bool = False) -> list[np.ndarray]:
        """Rows that obey the same rules and may trade places."""
        kinds: dict[tuple[bytes, ...], list[int]] = {}
        for i in rows:
            given = np.where(self.rows.learned[i, columns], np.nan, self.rows.value[i, columns])
            strength = np.nan if self.multiplier.learned[i] else self.multiplier.value[i]
            of_multiplier = () if any_multiplier else (strength, self.multiplier.sign[i])
            rules = (given, self.rows.sign[i, columns], *of_multiplier)
            kinds.setdefault(tuple(np.asarray(rule, float).tobytes() for rule in rules), []).append(i)
        return [np.array(kind) for kind in kinds.values()]
