"""A network taken apart into tables of rows, so that equivalences can move its numbers; see `canonical_form`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from behavior_learning.core.bases import ONE, Basis
from behavior_learning.core.block import Weight
from behavior_learning.core.features import Function, Product
from behavior_learning.core.heads import ROLES, Square
from behavior_learning.core.network import BehaviorNetwork, with_weights
from behavior_learning.identification.head_table import HeadTable, ParameterBlock
from behavior_learning.identification.squares import Shifts, shifts_of

__all__ = ["Canonical", "Canonicalizer", "Change", "Note"]


class Change(Enum):
    """What the canonical form did to a row; the value is the sentence shown to the user."""

    VANISHED = "does not contribute: its multiplier or its coefficients are zero. Drop it (fewer rows)."
    DUPLICATE = "repeats another row of its head; the two were added up. Drop one (fewer rows)."
    CANCELS = "depends on x alone and cancels in the normaliser. Leave it out (identifiable=True does)."
    DIRECTION = (
        "has no direction of its own: penalising c and penalising −c differ by a term that an identity utility or a "
        "square over the same terms takes up. Fix a coefficient, as structure=bl.UMP(inequalities=...) does."
    )
    SQUARED = (
        "is one of more squared rows than the terms can tell apart: the others say all that they say together, up to "
        "functions of x. Use fewer rows."
    )
    MERGED = "is added to the first identity row: only their sum enters. Use one row."


class Note(NamedTuple):
    """What happened to one row.

    Attributes
    ----------
    place : (layer, block, role, row), counted from 0.
    """

    place: tuple[int, int, str, int]
    change: Change


class Canonical(NamedTuple):
    """A network in canonical form.

    Attributes
    ----------
    network : in double precision; weights hold their values, and what is pinned is fixed by rule.
    signs : sign that each number must keep, 0 for none; one entry per number in the order of `network.weights`.
    constraints : gradients of the conditions that hold between learned numbers, such as orthogonality of rows.
    notes : what was omitted or merged.
    """

    network: BehaviorNetwork
    signs: Int[np.ndarray, " numbers"]
    constraints: Float[np.ndarray, "conditions numbers"]
    notes: tuple[Note, ...]


class Reader(NamedTuple):
    """Numbers with a column for every block of a layer, from column `first` on."""

    numbers: ParameterBlock
    first: int

    def column(self, block: int) -> tuple[slice, int]:
        return slice(None), self.first + block


@dataclass
class Canonicalizer:
    """The numbers of a network while equivalences move them.

    Attributes
    ----------
    one_hot : whether candidates are indicators of one class.
    tables : of every layer, by head.
    notes : what happened to rows.
    scaled : (layer, block) pairs whose scale is fixed.
    completed : (layer, blocks, where a utility is free) of pools whose squares are completed.
    """

    network: BehaviorNetwork
    one_hot: bool
    tables: list[dict[str, HeadTable]]
    projections: list[ParameterBlock | None]
    weight: ParameterBlock | None
    bias: ParameterBlock | None
    notes: list[Note] = field(default_factory=list[Note])
    scaled: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    completed: list[tuple[int, list[int], np.ndarray]] = field(default_factory=list[tuple[int, list[int], np.ndarray]])

    @classmethod
    def of(cls, network: BehaviorNetwork, one_hot: bool, signs: np.ndarray | None = None) -> "Canonicalizer":
        """Take a network apart; `signs` replace what its rules say."""
        groups = _class_columns(network.basis) if one_hot and network.architecture.output == "scalar" else []
        weights = network.weights
        cuts = np.cumsum([np.size(weight.raw) for weight in weights])[:-1]
        given = [None] * len(weights) if signs is None else np.split(signs, cuts)
        blocks = iter([ParameterBlock.of(weight, sign) for weight, sign in zip(weights, given, strict=True)])

        def numbers(weight: Weight | None) -> ParameterBlock | None:
            return None if weight is None else next(blocks)

        tables = [
            {
                role: HeadTable.of(rows, [next(blocks) for _ in rows.weights], groups if layer == 0 else [])
                for role, rows in heads.heads.items()
            }
            for layer, heads in enumerate(network.layers)
        ]
        readout = network.readout
        projections = [numbers(projection) for projection in network.projections]
        weight, bias = numbers(readout.weight), numbers(readout.bias)
        return cls(network, one_hot, tables, projections, weight, bias)

    # What adds up.

    @property
    def top(self) -> int:
        return len(self.tables) - 1

    @property
    def scalar(self) -> bool:
        return self.network.architecture.output == "scalar"

    def blockwise(self, layer: int) -> bool:
        """Whether a layer adds to the layer below it, block by block."""
        residual = self.network.architecture.skip == "residual" and layer > 0
        return residual and self.projections[layer - 1] is None

    def additive(self, layer: int) -> bool:
        """Whether the blocks of a layer only add up, so that their rows are one pool."""
        alone = self.weight is None or (not self.weight.learned.any() and bool((self.weight.value == 1).all()))
        return layer == self.top and self.scalar and alone and not self.blockwise(layer)

    def pools(self, layer: int) -> list[list[int]]:
        """Blocks whose rows add up: all of an additive layer, or each by itself."""
        blocks = list(range(self.network.architecture.layers[layer]))
        return [blocks] if self.additive(layer) else [[block] for block in blocks]

    def present(self, layer: int) -> dict[str, HeadTable]:
        """The tables of heads that are there."""
        return {role: table for role, table in self.tables[layer].items() if table.head is not None}

    def pooled_rows(self, layer: int) -> list[tuple[str, HeadTable, np.ndarray]]:
        """The rows of every head that add up."""
        pools, present = self.pools(layer), self.present(layer).items()
        return [(role, table, table.rows_of(blocks)) for blocks in pools for role, table in present]

    def functions_of_x(self, layer: int) -> Bool[np.ndarray, " terms"]:
        """Which terms of the basis a layer sees are functions of x alone."""
        pairs = self.network.basis.pairing.pairs if self.network.architecture.inputs(layer).terms else ()
        return np.array([j == ONE for _, j in pairs], bool)

    def cancelling(self, layer: int) -> Bool[np.ndarray, " inputs+1"]:
        """Columns of an additive identity row that are functions of x alone."""
        columns = np.zeros(self.tables[layer]["utility"].rows.value.shape[1], bool)
        if self.additive(layer):
            of_x = self.functions_of_x(layer)
            columns[: len(of_x)] = of_x
            columns[-1] = True
        return columns

    def shifts(self, layer: int, blocks: Sequence[int]) -> Shifts | None:
        """What the squares of a pool take up by moving on functions of x; None where these do not cancel."""
        table, seen = self.tables[layer]["equality"], self.network.architecture.inputs(layer)
        if table.head != Square() or not self.additive(layer) or seen.blocks or not seen.terms:
            return None
        return shifts_of(table, table.rows_of(blocks).tolist(), self.network.basis)

    def complete_sets(self, layer: int) -> list[Int[np.ndarray, " classes"]]:
        """Terms of the first layer that are one function of x times each of the classes in turn."""
        basis = self.network.basis
        if not self.one_hot or layer > 0:
            return []
        named = [y.columns for y in basis.y_functions if isinstance(y, Product)]
        classes = max((len(m) and max(m) + 1 for m in named), default=0)
        by_x: dict[int, list[int]] = {}
        for term, (i, j) in enumerate(basis.pairing.pairs):
            if j != ONE and basis.y_functions[j].degree == 1:
                by_x.setdefault(i, []).append(term)
        return [np.array(terms) for terms in by_x.values() if len(terms) == classes > 1]

    # What happened.

    def note(self, layer: int, role: str, row: int, change: Change) -> None:
        block, place = divmod(int(row), self.tables[layer][role].per_block)
        note = Note((layer, block, role, place), change)
        self.notes += [] if note in self.notes else [note]

    def omit(self, layer: int, role: str, row: int, change: Change) -> None:
        """Take a row out."""
        table = self.tables[layer][role]
        table.multiplier.pin(row, 0.0)
        table.rows.pin(row, 0.0)
        table.orthogonal = [pair for pair in table.orthogonal if row not in pair[:2]]
        self.note(layer, role, row, change)

    # Blocks.

    def chain(self, layer: int) -> list[int]:
        """The layers whose blocks add up one by one, from `layer` on."""
        layers = [layer]
        while layers[-1] < self.top and self.blockwise(layers[-1] + 1):
            layers.append(layers[-1] + 1)
        return layers

    def block_rows(self, layer: int, block: int) -> list[tuple[HeadTable, np.ndarray]]:
        return [(table, table.rows_of([block])) for table in self.present(layer).values()]

    def readers(self, layer: int) -> list[Reader]:
        """What multiplies the blocks of a layer."""
        architecture = self.network.architecture
        residual = architecture.skip == "residual"
        found: list[Reader] = []
        for later in range(layer + 1, self.top + 1):
            inputs = architecture.inputs(later)
            first = inputs.columns(layer, self.network.basis.size).start
            found += [Reader(table.rows, first) for table in self.present(later).values() if layer in inputs.layers]
        projection = self.projections[layer] if residual and layer < self.top else None
        others = [projection, self.weight if layer == self.top else None]
        return found + [Reader(numbers, 0) for numbers in others if numbers is not None]

    def incoming(self, layer: int) -> ParameterBlock | None:
        """The projection that adds to the blocks of a layer, one line per block."""
        residual = self.network.architecture.skip == "residual" and layer > 0
        return self.projections[layer - 1] if residual else None

    def permute_blocks(self, layer: int, order: np.ndarray) -> None:
        """Put the blocks of a layer in another order, with all that reads them."""
        new = np.argsort(order)
        for member in self.chain(layer):
            for table in self.tables[member].values():
                rows = table.rows_of(order.tolist())
                place = np.argsort(rows)
                table.arrange(np.arange(table.size), rows)
                table.orthogonal = [(int(place[i]), int(place[j]), of_i, of_j) for i, j, of_i, of_j in table.orthogonal]
            for numbers, first in self.readers(member):
                for array in numbers.arrays():
                    array[:, first : first + len(order)] = array[:, first + order]
        incoming = self.incoming(layer)
        for array in () if incoming is None else incoming.arrays():
            array[...] = array[order]
        self.scaled = [(at, int(new[block]) if at == layer else block) for at, block in self.scaled]

    # Out.

    def parameter_blocks(self) -> list[ParameterBlock]:
        """All numbers in the order of `network.weights`."""
        rows = [block for layer in self.tables for role in ROLES for block in layer[role].parameter_blocks()]
        return rows + [block for block in (*self.projections, self.weight, self.bias) if block is not None]

    def assembled(self) -> BehaviorNetwork:
        """The network under its rules, with what is pinned fixed."""
        return with_weights(self.network, [block.weight() for block in self.parameter_blocks()])

    def canonical(self) -> Canonical:
        blocks = self.parameter_blocks()
        network = with_weights(self.network, [block.values() for block in blocks])
        signs = np.concatenate([np.where(block.learned, block.sign, 0).ravel() for block in blocks])
        return Canonical(network, signs, self._constraints(), tuple(self.notes))

    def _constraints(self) -> Float[np.ndarray, "conditions numbers"]:
        """A_i·A_j = 0 for rotated rows, Σλ = 1 (or a length of 1) for scaled blocks; gradients over all numbers."""
        gradients: list[np.ndarray] = []
        for layer, tables in enumerate(self.tables):
            for role, table in tables.items():
                for i, j, of_i, of_j in table.orthogonal:
                    rows = np.zeros_like(table.rows.value)
                    rows[i, of_i], rows[j, of_j] = table.rows.value[j, of_j], table.rows.value[i, of_i]
                    gradients.append(self._gradient(layer, role, rows=rows))
        gradients += [self._scale_gradient(layer, block) for layer, block in self.scaled]
        for layer, blocks, free in self.completed:
            shifts = self.shifts(layer, blocks)
            conditions = [] if shifts is None else shifts.conditions(free)
            gradients += [self._gradient(layer, "equality", rows=rows) for rows in conditions]
        return np.array(gradients).reshape(len(gradients), sum(block.value.size for block in self.parameter_blocks()))

    def _scale_gradient(self, layer: int, block: int) -> Float[np.ndarray, " numbers"]:
        """Of Σ|λ| over the block's learned multipliers, or of half the squared length of its first head's rows."""
        total = 0.0
        for role, table in self.present(layer).items():
            own = np.isin(np.arange(table.size), table.rows_of([block])) & table.multiplier.learned
            signs = np.where(table.multiplier.value < 0, -1.0, 1.0)
            total += self._gradient(layer, role, multiplier=np.where(own, signs, 0.0))
        if np.any(total):
            return np.asarray(total)
        role, table = next(iter(self.present(layer).items()))
        own = np.isin(np.arange(table.size), table.rows_of([block]))
        return self._gradient(layer, role, rows=np.where(own[:, None], table.rows.value, 0.0))

    def _gradient(
        self, layer: int, role: str, *, rows: np.ndarray | None = None, multiplier: np.ndarray | None = None
    ) -> Float[np.ndarray, " numbers"]:
        """A gradient in the rows or the multipliers of one table, over all numbers of the network."""
        numbers: list[np.ndarray] = []
        for at, tables in enumerate(self.tables):
            for name, table in tables.items():
                blank = np.zeros_like(table.rows.value), np.zeros_like(table.multiplier.value)
                here = (at, name) == (layer, role)
                of_rows = rows if here and rows is not None else blank[0]
                of_multiplier = multiplier if here and multiplier is not None else blank[1]
                numbers += [of_rows[:, :-1].ravel(), of_rows[:, -1], of_multiplier]
        rest = sum(block.value.size for block in (*self.projections, self.weight, self.bias) if block is not None)
        return np.concatenate([*numbers, np.zeros(rest)])


def _class_columns(basis: Basis) -> list[Int[np.ndarray, " columns"]]:
    """For each class the terms that name it."""
    y = basis.y_functions
    named: dict[Function, list[int]] = {}
    for term, (_, j) in enumerate(basis.pairing.pairs):
        if j != ONE:
            named.setdefault(y[j], []).append(term)
    return [np.array(terms) for terms in named.values()]
