"""The numbers of a network while they are brought to canonical form; see `identification` for what that is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.bases import ONE, Basis
from behavior_learning.core.block import Rule, Weight
from behavior_learning.core.heads import ROLES
from behavior_learning.core.network import BehaviorNetwork, with_weights
from behavior_learning.identification.canonical import Canonical, Change, Note
from behavior_learning.identification.symmetries import FLIPPABLE, Part, RowTable, degree_of, family

__all__ = ["Form"]

VANISHING = 1e-7
"""Size of a penalty or utility, relative to the largest of its layer, below which a row is dropped."""

DUPLICATE = 1e-7
"""Relative difference below which two rows are one."""


@dataclass
class Form:
    """The numbers of a network while they are moved."""

    network: BehaviorNetwork
    one_hot: bool
    tables: list[dict[str, RowTable]]
    projections: list[Part | None]
    weight: Part | None
    bias: Part | None
    notes: list[Note]
    scaled: list[tuple[int, int]]

    @classmethod
    def of(cls, network: BehaviorNetwork, one_hot: bool, signs: np.ndarray | None = None) -> "Form":
        architecture = network.architecture
        groups = _class_columns(network.basis) if one_hot and architecture.output == "scalar" else []
        cuts = np.cumsum([np.size(weight.raw) for weight in network.weights])[:-1]
        given = [None] * (len(cuts) + 1) if signs is None else np.split(signs, cuts)
        parts = {id(w): Part.of(w, sign) for w, sign in zip(network.weights, given, strict=True)}
        table = lambda rows, groups: RowTable.of(rows, [parts[id(weight)] for weight in rows.weights], groups)
        tables = [
            {role: table(rows, groups if number == 0 else []) for role, rows in layer.heads.items()}
            for number, layer in enumerate(network.layers)
        ]
        part = lambda weight: None if weight is None else parts[id(weight)]
        projections = [part(projection) for projection in network.projections]
        readout = network.readout
        return cls(network, one_hot, tables, projections, part(readout.weight), part(readout.bias), [], [])

    # What adds up.

    @property
    def top(self) -> int:
        return len(self.tables) - 1

    def joined(self, number: int) -> bool:
        """Whether a layer adds to the layer below it, block by block."""
        residual = self.network.architecture.skip == "residual" and number > 0
        return residual and self.projections[number - 1] is None

    def additive(self, number: int) -> bool:
        """Whether the blocks of a layer only add up, so that their rows are one pool."""
        alone = self.weight is None or (not self.weight.learned.any() and (self.weight.value == 1).all())
        return number == self.top and self.network.architecture.output == "scalar" and alone and not self.joined(number)

    def pools(self, number: int) -> list[list[int]]:
        blocks = list(range(self.network.architecture.layers[number]))
        return [blocks] if self.additive(number) else [[block] for block in blocks]

    def fold_readout(self) -> None:
        """W_b·λ is one number: where the utility is a sum of blocks, λ takes it up and W is 1."""
        if self.network.architecture.output == "vector":
            return
        if self.bias is not None:
            self.bias.pin(slice(None), 0.0)
        if self.weight is None or self.joined(self.top) or not self.weight.learned.all():
            return
        weight = self.weight.value[0].copy()
        tables = self.tables[self.top].values()
        if all(
            table.multiplier.learned[i] or table.multiplier.value[i] == 0 for table in tables for i in range(table.size)
        ):
            for table in tables:
                table.multiplier.value *= np.repeat(weight, table.per_block)
            projection = self.projections[self.top - 1] if self.top else None
            if projection is not None and self.network.architecture.skip == "residual":
                total = weight @ projection.value
                projection.pin(slice(1, None), 0.0)
                projection.value[0] = total
            self.weight.pin(slice(None), 1.0)

    # Rows.

    def normalize(self, number: int, blocks: list[int], prune: bool) -> None:
        """Bring the rows of blocks that add up to their canonical form."""
        additive = self.additive(number)
        for role, table in self.tables[number].items():
            if table.head is None:
                continue
            lines = np.concatenate([table.block_lines(block) for block in blocks])
            if blocks[0] == 0:
                table.turn_positive()
                table.absorb_multipliers()
            if role == "utility":
                self._merge_identities(number, table, lines)
            if role == "inequality":
                self._direct(number, table, lines, blocks)
            table.gather_signs(lines)
            table.rotate_squares(lines)
            table.choose_signs(lines)
            if prune:
                self._drop(number, role, lines, additive)
            table.sort(lines)
        if additive:
            self._cancel(number)

    def _note(self, number: int, role: str, line: int, change: Change) -> None:
        per_block = self.tables[number][role].per_block
        note = Note((number, line // per_block, role, line % per_block), change)
        self.notes += [] if note in self.notes else [note]

    def _merge_identities(self, number: int, table: RowTable, lines: np.ndarray) -> None:
        """Σ U_k depends on the sum of the rows alone."""
        if family(table.head) != "identity" or len(lines) < 2 or not (table.multiplier.value[lines] == 1).all():
            return
        for column in range(table.line.value.shape[1]):
            learned = [i for i in lines if table.line.learned[i, column]]
            for other in learned[1:]:
                table.line.value[learned[0], column] += table.line.value[other, column]
                table.line.pin((other, column), 0.0)
        for i in lines[1:]:
            if not table.line.learned[i].any() and not table.line.value[i].any():
                self._note(number, "utility", i, Change.MERGED)

    def _direct(self, number: int, table: RowTable, lines: np.ndarray, blocks: list[int]) -> None:
        """−λ·f(c) = −λ·c − λ·f(−c): beside an identity utility, turn c so that its largest coefficient is positive."""
        utility = self.tables[number]["utility"]
        if family(table.head) not in FLIPPABLE or utility.head is None or family(utility.head) != "identity":
            return
        home = utility.block_lines(blocks[0])[0]
        for i in lines:
            for group in table.groups:
                row, given = table.line.value[i, group], ~table.line.learned[i, group]
                takes = utility.line.learned[home, group] | (row == 0) | self._cancelling(number)[group]
                if (
                    row[given].any()
                    or table.line.sign[i, group].any()
                    or not takes.all()
                    or utility.multiplier.value[home] != 1
                ):
                    continue
                self._note(number, "inequality", i, Change.DIRECTION)
                if row[np.argmax(np.abs(row))] < 0:
                    learned = group[utility.line.learned[home, group]]
                    utility.line.value[home, learned] -= table.multiplier.value[i] * table.line.value[i, learned]
                    table.line.value[i, group] *= -1

    def _cancelling(self, number: int) -> np.ndarray:
        """Columns of an additive identity row that are functions of x alone."""
        columns = np.zeros(self.tables[number]["utility"].line.value.shape[1], bool)
        if self.additive(number):
            x_only = self._terms(number)
            columns[: len(x_only)] = x_only
            columns[-1] = True
        return columns

    def _terms(self, number: int) -> np.ndarray:
        """Which terms of the basis a layer sees are functions of x alone."""
        pairs = self.network.basis.pairing.pairs if self.network.architecture.sees_terms(number) else ()
        return np.array([j == ONE for _, j in pairs], bool)

    def _drop(self, number: int, role: str, lines: np.ndarray, additive: bool) -> None:
        """Assumption B.1 (minimality): no row twice, none without effect."""
        table = self.tables[number][role]
        strength = np.abs(table.multiplier.value) * np.linalg.norm(table.line.value, axis=1)
        silent = strength <= VANISHING * max(1.0, strength.max(initial=0.0))
        if additive and not self.network.architecture.seen_blocks(number):
            speaks = np.append(~self._terms(number), False)
            silent |= ~table.line.value[:, speaks].any(axis=1)
        for i in lines:
            if silent[i] and (table.multiplier.learned[i] or table.line.learned[i].any()):
                self._silence(number, role, i, Change.VANISHED)
        for n, i in enumerate(lines):
            for j in lines[n + 1 :]:
                if self._repeats(table, i, j):
                    self._add_up(table, i, j)
                    self._silence(number, role, j, Change.DUPLICATE)

    def _repeats(self, table: RowTable, i: int, j: int) -> bool:
        """Whether two rows are one atom: equal rows with learned λ, or parallel rows of a head of degree 1."""
        learned = table.multiplier.learned[[i, j]]
        alike = (table.line.learned[i] == table.line.learned[j]).all()
        rows = table.line.value[[i, j]]
        if not learned.any() and degree_of(table.head) == 1 and table.multiplier.value[i] == table.multiplier.value[j]:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
        elif not learned.all():
            return False
        return bool(alike and rows.any() and np.abs(rows[0] - rows[1]).max() <= DUPLICATE * np.abs(rows).max())

    @staticmethod
    def _add_up(table: RowTable, i: int, j: int) -> None:
        part = table.multiplier if table.multiplier.learned[i] else table.line
        part.value[i] += part.value[j]

    def _silence(self, number: int, role: str, line: int, change: Change) -> None:
        table = self.tables[number][role]
        table.multiplier.pin(line, 0.0)
        table.line.pin(line, 0.0)
        table.ties = [tie for tie in table.ties if line not in tie[:2]]
        self._note(number, role, line, change)

    def _cancel(self, number: int) -> None:
        """Additive terms of x alone cancel; among one-hot candidates Σ_k y_k = 1: the first class is the reference."""
        table = self.tables[number]["utility"]
        if table.head is None or family(table.head) != "identity":
            return
        for column in np.flatnonzero(self._cancelling(number)):
            for i in range(table.size):
                if table.line.learned[i, column]:
                    table.line.pin((i, column), 0.0)
                    self._note(number, "utility", i, Change.CANCELS)
        for classes in _complete_sets(self.network.basis) if self.one_hot and number == 0 else ():
            for i in range(table.size):
                if table.line.learned[i, classes].all() and not table.line.sign[i, classes].any():
                    table.line.value[i, classes] -= table.line.value[i, classes[0]]
                    table.line.pin((i, classes[0]), 0.0)

    # Blocks.

    def place_blocks(self, number: int) -> None:
        """Blocks that do not simply add up: scale against what reads them, and order."""
        if self.additive(number) or self.joined(number):
            return
        for block in range(self.network.architecture.layers[number]):
            self._scale_block(number, block)
        self._order_blocks(number)

    def chain(self, number: int) -> list[int]:
        """The layers whose blocks add up one by one, from `number` on."""
        layers = [number]
        while layers[-1] < self.top and self.joined(layers[-1] + 1):
            layers.append(layers[-1] + 1)
        return layers

    def _lines(self, number: int, block: int) -> list[tuple[RowTable, np.ndarray]]:
        tables = [table for table in self.tables[number].values() if table.head is not None]
        return [(table, table.block_lines(block)) for table in tables]

    def _readers(self, number: int) -> list[tuple[Part, Callable[[int], tuple]]]:
        """Arrays whose columns multiply the blocks of a layer."""
        architecture, readers = self.network.architecture, []
        later = (
            range(number + 1, self.top + 1)
            if architecture.skip == "dense"
            else range(number + 1, min(number + 2, self.top + 1))
        )
        for reader in later:
            start = self.network.basis.size if architecture.sees_terms(reader) else 0
            start += sum(architecture.layers[:number]) if architecture.skip == "dense" else 0
            tables = [table for table in self.tables[reader].values() if table.head is not None]
            readers += [(table.line, lambda block, start=start: (slice(None), start + block)) for table in tables]
        if architecture.skip == "residual" and number < self.top and self.projections[number] is not None:
            readers.append((self.projections[number], lambda block: (slice(None), block)))
        if number == self.top and self.weight is not None:
            readers.append((self.weight, lambda block: (slice(None), block)))
        return readers

    def _incoming(self, number: int) -> Part | None:
        residual = self.network.architecture.skip == "residual" and number > 0
        return self.projections[number - 1] if residual else None

    def _scale_block(self, number: int, block: int) -> None:
        """c·B read with weight w/c is B read with weight w: λ of the block sum to 1.

        Where all its heads are homogeneous, the first head's rows have length 1 instead.
        """
        members = [pair for layer in self.chain(number) for pair in self._lines(layer, block)]
        readers = [(part, at(block)) for layer in self.chain(number) for part, at in self._readers(layer)]
        incoming = self._incoming(number)
        given = any((~part.learned[at] & (part.value[at] != 0)).any() for part, at in readers)
        if not readers or given or not all(table.scalable(lines) for table, lines in members):
            return
        strengths = [
            abs(t.multiplier.value[i]) for t, ls in self._lines(number, block) for i in ls if t.multiplier.learned[i]
        ]
        table, lines = self._lines(number, block)[0]
        length = float(np.linalg.norm(table.line.value[lines])) ** degree_of(table.head)
        size = float(sum(strengths)) if strengths else length
        if size <= 0:
            return
        factor = 1 / size
        for table, lines in members:
            table.scale(lines, factor)
        if incoming is not None:
            incoming.value[block] *= factor
        for part, at in readers:
            part.value[at] /= factor
        self.scaled.append((number, block))

    def _order_blocks(self, number: int) -> None:
        """Parallel blocks have no order of their own: longest first."""
        width = self.network.architecture.layers[number]
        size = lambda b: sum(
            np.sum(t.line.value[ls] ** 2) + np.sum(t.multiplier.value[ls] ** 2) for t, ls in self._lines(number, b)
        )
        rules = [
            tuple((t.line.learned[ls].tobytes(), t.line.sign[ls].tobytes()) for t, ls in self._lines(number, b))
            for b in range(width)
        ]
        if len(set(rules)) == 1:
            self.permute_blocks(number, np.argsort([-size(block) for block in range(width)], kind="stable"))

    def permute_blocks(self, number: int, order: np.ndarray) -> None:
        for layer in self.chain(number):
            for table in self.tables[layer].values():
                lines = np.concatenate([table.block_lines(block) for block in order]).astype(int)
                place = {old: new for new, old in enumerate(lines)}
                for array in (*table.line.arrays(), *table.multiplier.arrays()):
                    array[...] = array[lines]
                table.ties = [(place[i], place[j], group) for i, j, group in table.ties]
            for part, at in self._readers(layer):
                for array in part.arrays():
                    columns = [array[at(block)].copy() for block in order]
                    for block, column in enumerate(columns):
                        array[at(block)] = column
        incoming = self._incoming(number)
        for array in () if incoming is None else incoming.arrays():
            array[...] = array[order]
        place = {int(old): new for new, old in enumerate(order)}
        self.scaled = [(layer, place[block] if layer == number else block) for layer, block in self.scaled]

    def center_readout(self) -> None:
        """Adding one function of x to the utility of every class changes nothing: the first class reads zero."""
        if self.network.architecture.output != "vector":
            return
        for part in (self.weight, self.bias):
            if part is not None and part.learned.all():
                part.value -= part.value[:1].copy()
                part.pin(0, 0.0)
                part.sign[...] = 0

    # Out.

    def canonical(self) -> Canonical:
        parts = self.parts()
        network = with_weights(self.network, [_pinned(part) for part in parts])
        signs = np.concatenate([np.where(part.learned, part.sign, 0).ravel() for part in parts])
        return Canonical(network, signs, self._constraints(), tuple(self.notes))

    def parts(self) -> list[Part]:
        rows = [part for layer in self.tables for role in ROLES for part in layer[role].parts()]
        return rows + [part for part in (*self.projections, self.weight, self.bias) if part is not None]

    def _constraints(self) -> Float[np.ndarray, "conditions numbers"]:
        """A_i·A_j = 0 for rotated rows, Σλ = 1 (or a length of 1) for scaled blocks; gradients over all numbers."""
        blank = [np.zeros(part.value.shape) for part in self.parts()]
        gradients = []
        for table, offset in self.offsets():
            for i, j, group in table.ties:
                gradient = [array.copy() for array in blank]
                self._put(gradient, table, offset, i, group, table.line.value[j, group])
                self._put(gradient, table, offset, j, group, table.line.value[i, group])
                gradients.append(gradient)
        gradients += [self._scale_gradient(blank, *unit) for unit in self.scaled]
        flat = [np.concatenate([array.ravel() for array in gradient]) for gradient in gradients]
        return np.array(flat).reshape(len(flat), sum(array.size for array in blank))

    def offsets(self) -> list[tuple[RowTable, int]]:
        tables = [layer[role] for layer in self.tables for role in ROLES]
        return [(table, 3 * place) for place, table in enumerate(tables)]

    @staticmethod
    def _put(
        gradient: list[np.ndarray], table: RowTable, offset: int, line: int, group: np.ndarray, values: np.ndarray
    ) -> None:
        block, row = divmod(int(line), table.per_block)
        inputs = table.line.value.shape[1] - 1
        inside = group < inputs
        gradient[offset][block, row, group[inside]] = values[inside]
        gradient[offset + 1][block, row] = values[~inside].sum()

    def _scale_gradient(self, blank: list[np.ndarray], number: int, block: int) -> list[np.ndarray]:
        gradient = [array.copy() for array in blank]
        offsets = {id(table): offset for table, offset in self.offsets()}
        lines = self._lines(number, block)
        learned = [(table, i) for table, ls in lines for i in ls if table.multiplier.learned[i]]
        for table, i in learned:
            sign = -1.0 if table.multiplier.value[i] < 0 else 1.0
            gradient[offsets[id(table)] + 2][divmod(int(i), table.per_block)] = sign
        if not learned:
            table, ls = lines[0]
            for i in ls:
                everything = np.arange(table.line.value.shape[1])
                self._put(gradient, table, offsets[id(table)], i, everything, table.line.value[i])
        return gradient


def _pinned(part: Part) -> Weight:
    """A weight that holds its value, with what is not learned fixed by rule."""
    rule = Rule() if part.learned.all() else Rule(fixed=_nested(part.value, part.learned))
    return Weight(cast(Array, part.value), rule)


def _nested(value: np.ndarray, learned: np.ndarray) -> Any:
    if value.ndim:
        return tuple(map(_nested, value, learned))
    return None if learned else float(value)


def _class_columns(basis: Basis) -> list[np.ndarray]:
    """For each class the terms that name it."""
    y = basis.y_map.columns
    named: dict[tuple[int, ...], list[int]] = {}
    for term, (_, j) in enumerate(basis.pairing.pairs):
        if j != ONE:
            named.setdefault(y[j], []).append(term)
    return [np.array(terms) for terms in named.values()]


def _complete_sets(basis: Basis) -> list[np.ndarray]:
    """Terms that are one function of x times each of the classes in turn."""
    classes = max((len(m) and max(m) + 1 for m in basis.y_map.columns), default=0)
    by_x: dict[int, list[int]] = {}
    for term, (i, j) in enumerate(basis.pairing.pairs):
        if j != ONE and len(basis.y_map.columns[j]) == 1:
            by_x.setdefault(i, []).append(term)
    return [np.array(terms) for terms in by_x.values() if len(terms) == classes > 1]
