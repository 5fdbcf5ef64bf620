"""Equivalences: moves of parameters under which p(y|x) stays as it is, each a function of networks.

Applied twice, an equivalence changes nothing; all of them in turn give the canonical form, see `canonical_form`.

Source: Definition B.1 and Assumption B.1. Deviation: the quotient of Definition B.1 (sign of T) is too small; each
equivalence says what else leaves the distribution unchanged.
"""

from collections.abc import Callable
from functools import update_wrapper

import numpy as np
from jaxtyping import Float

from behavior_learning.core.heads import Identity, Square
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.identification.head_table import HeadTable
from behavior_learning.identification.normalize import Canonicalizer, Change
from behavior_learning.identification.squares import ROUNDING, Shifts

__all__ = ["EQUIVALENCES", "MINIMALITY", "Equivalence"]

VANISHING = 1e-7
"""Size of a penalty or utility, relative to the largest of its layer, below which a row is omitted."""

DUPLICATE = 1e-7
"""Relative difference below which two rows are one."""


class Equivalence:
    """A move of the numbers of one layer, as a function of networks."""

    __name__: str

    def __init__(self, move: Callable[[Canonicalizer, int], None]):
        self.move = move
        update_wrapper(self, move)

    def __call__(self, network: BehaviorNetwork, *, one_hot: bool = False) -> BehaviorNetwork:
        """The equivalent network, layer by layer from below; a number that is pinned is fixed by rule."""
        form = Canonicalizer.of(network, one_hot)
        for layer in range(len(form.tables)):
            self.move(form, layer)
        return form.assembled()


# Scales.


@Equivalence
def fold_readout(form: Canonicalizer, layer: int) -> None:
    """W_b·(λ·f) = (W_b·λ)·f: where the utility is a sum of blocks, λ takes up W, which is 1, and b cancels in Z.

    Deviation: not in Definition B.1.
    """
    if not form.scalar or layer < form.top:
        return
    if form.bias is not None:
        form.bias.pin(slice(None), 0.0)
    tables = form.tables[layer].values()
    if form.weight is None or form.blockwise(layer) or not form.weight.learned.all():
        return
    if not all((table.multiplier.learned | (table.multiplier.value == 0)).all() for table in tables):
        return
    weight = form.weight.value[0].copy()
    for table in tables:
        table.multiplier.value *= np.repeat(weight, table.per_block)
        table.multiplier.sign *= np.repeat(np.sign(weight).astype(int), table.per_block)
    projection = form.incoming(layer)
    if projection is not None:
        total = weight @ projection.value
        projection.pin(slice(1, None), 0.0)
        projection.value[0] = total
    form.weight.pin(slice(None), 1.0)


@Equivalence
def absorb_multipliers(form: Canonicalizer, layer: int) -> None:
    """λ·f(t) = ±f(|λ|^{1/degree}·t) for homogeneous heads: λ becomes ±1 and the row carries the scale.

    A row with a given coefficient that is not zero keeps its λ: there the scale is known.

    Deviation: not in Definition B.1.
    """
    for table in form.present(layer).values():
        degree = table.degree
        for i in range(table.size if degree else 0):
            if table.multiplier.learned[i] and table.scales_freely(i):
                strength = table.multiplier.value[i]
                table.rows.value[i] *= abs(strength) ** (1 / degree)
                table.multiplier.pin(i, -1.0 if strength < 0 else 1.0)


@Equivalence
def scale_blocks(form: Canonicalizer, layer: int) -> None:
    """w·B = (w/c)·(c·B) for blocks that others read: the λ of a block sum to 1.

    Where all its heads are homogeneous, the first head's rows have length 1 instead.

    Deviation: not in Definition B.1.
    """
    if form.additive(layer) or form.blockwise(layer):
        return
    readers = [reader for member in form.chain(layer) for reader in form.readers(layer=member)]
    incoming = form.incoming(layer)
    for block in range(form.network.architecture.layers[layer]):
        own = form.block_rows(layer, block)
        members = [pair for member in form.chain(layer) for pair in form.block_rows(member, block)]
        columns = [(reader.numbers, reader.column(block)) for reader in readers]
        given = any((~numbers.learned[at] & (numbers.value[at] != 0)).any() for numbers, at in columns)
        if not readers or given or not all(table.scalable(rows) for table, rows in members):
            continue
        strengths = [abs(t.multiplier.value[i]) for t, rows in own for i in rows if t.multiplier.learned[i]]
        table, rows = own[0]
        length = float(np.linalg.norm(table.rows.value[rows])) ** table.degree
        size = float(sum(strengths)) if strengths else length
        if size <= 0:
            continue
        for table, rows in members:
            table.scale(rows, 1 / size)
        if incoming is not None:
            incoming.value[block] /= size
        for numbers, at in columns:
            numbers.value[at] *= size
        form.scaled.append((layer, block))


# Signs and rotations.


@Equivalence
def make_multipliers_positive(form: Canonicalizer, layer: int) -> None:
    """λ·f(t) = (−λ)·f(−t) for odd heads with a λ of free sign.

    Deviation: not in Definition B.1, where λ ≥ 0.
    """
    for table in form.present(layer).values():
        for i in range(table.size if table.parity == "odd" else 0):
            if table.multiplier.value[i] < 0 and table.flips(i, slice(None)):
                table.multiplier.value[i] *= -1
                table.multiplier.sign[i] *= -1
                table.rows.value[i] *= -1


@Equivalence
def turn_odd_blocks(form: Canonicalizer, layer: int) -> None:
    """W·B = (−W)·(−B), and −B is of the same kind where all its heads are odd: its largest coefficient is positive.

    Deviation: not in Definition B.1.
    """
    heads = [table.head for table in form.present(layer).values()]
    if form.additive(layer) or len(form.chain(layer)) > 1 or form.incoming(layer) is not None:
        return
    if any(head.parity != "odd" for head in heads if head):
        return
    readers = form.readers(layer)
    for block in range(form.network.architecture.layers[layer]):
        own = form.block_rows(layer, block)
        columns = [(reader.numbers, reader.column(block)) for reader in readers]
        free = all((n.learned[at] | (n.value[at] == 0)).all() and not n.sign[at].any() for n, at in columns)
        if not columns or not free or not all(table.flips(i, slice(None)) for table, rows in own for i in rows):
            continue
        if _sign_of_largest(np.concatenate([table.rows.value[rows].ravel() for table, rows in own])) < 0:
            for table, rows in own:
                table.rows.value[rows] *= -1
            for numbers, at in columns:
                numbers.value[at] *= -1


@Equivalence
def order_two_classes(form: Canonicalizer, layer: int) -> None:
    """f(t_1) − f(t_0) = f(−t_0) − f(−t_1) for odd f: the second of two classes has the largest coefficient.

    Deviation: not in Definition B.1.
    """
    sets = form.complete_sets(layer)
    if not sets or any(len(classes) != 2 for classes in sets) or not _sees_terms_alone(form, layer):
        return
    first, second = np.array(sets).T
    for table in form.present(layer).values():
        both = np.concatenate([first, second])
        if table.parity != "odd" or table.degree or len(table.groups) != 2 or len(both) != sum(map(len, table.groups)):
            continue
        for i in range(table.size):
            if table.flips(i, both) and table.rows.learned[i, both].all():
                values = table.rows.value[i]
                if np.abs(values[first]).max() > np.abs(values[second]).max():
                    values[both] = -values[np.concatenate([second, first])]


@Equivalence
def reflect_even_rows(form: Canonicalizer, layer: int) -> None:
    """f(−t) = f(t) for even heads: the largest coefficient is positive.

    Source: Definition B.1. Deviation: where candidates are one-hot and every term names its class, each class has a
    sign of its own.
    """
    for table in form.present(layer).values():
        for i in range(table.size if table.parity == "even" else 0):
            for group in table.groups:
                if table.flips(i, group):
                    table.rows.value[i, group] *= _sign_of_largest(table.rows.value[i, group])


@Equivalence
def rotate_squares(form: Canonicalizer, layer: int) -> None:
    """Σ t_k² = ‖M m‖² depends on MᵀM alone: rows of one λ become its eigenvectors, each as long as √eigenvalue.

    Deviation: Definition B.1 knows the signs only. Rows with λ = 1 beside rows with λ = −1 (free multipliers) may
    also be boosted into each other; that is left to the rank of the information.
    """
    for _, table, rows in form.pooled_rows(layer):
        if table.head != Square():
            continue
        for group in table.groups:
            for same in table.alike(rows, group):
                if len(same) > 1 and table.rows.learned[same].any() and _turns(table, same, group):
                    at = np.ix_(same, group)
                    table.rows.value[at] = principal_rows(table.rows.value[at])
                    table.orthogonal += [(int(i), int(j), group) for n, i in enumerate(same) for j in same[n + 1 :]]


@Equivalence
def merge_squares(form: Canonicalizer, layer: int) -> None:
    """Σ t_k² of more rows than terms that matter is that of as many rows: those beyond are turned into functions of x.

    For one continuous y in an affine basis one row says all: Σ (a_k·y + d_k(x))² = (α·y + δ(x))² + g(x).

    Deviation: not in Definition B.1.
    """
    for role, table, rows in form.pooled_rows(layer):
        if table.head != Square():
            continue
        for group in table.groups:
            matters = ~np.append(form.functions_of_x(layer), True)[group] if _sees_terms_alone(form, layer) else True
            for same in table.alike(rows, group):
                own = np.zeros(table.rows.value.shape[1], bool)
                own[group] = matters & (table.rows.learned[same[0], group] | (table.rows.value[same[0], group] != 0))
                most = max(int(own.sum()), 1)
                if len(same) <= most or not _turns(table, same, group):
                    continue
                turn = np.linalg.svd(table.rows.value[np.ix_(same, own)])[0].T
                at = np.ix_(same, group)
                table.rows.value[at] = turn @ table.rows.value[at]
                for i in same[most:]:
                    table.rows.pin((i, group), 0.0)
                    if not table.rows.learned[i].any():
                        form.note(layer, role, i, Change.SQUARED)


def _sees_terms_alone(form: Canonicalizer, layer: int) -> bool:
    """Whether functions of x cancel in a layer, and are known: it is additive and has no blocks below."""
    return form.additive(layer) and not form.network.architecture.inputs(layer).blocks


def _turns(table: HeadTable, rows: np.ndarray, group: np.ndarray) -> bool:
    """Whether only the Gram matrix of some squared rows matters: all are free, and λ is the same."""
    return not table.multiplier.learned[rows].any() and all(table.flips(i, group) for i in rows)


@Equivalence
def orient_inequalities(form: Canonicalizer, layer: int) -> None:
    """−λ·f(c) = −λ·c − λ·f(−c) for heads with f(t) = t + f(−t): c turns so that its largest coefficient is positive.

    An identity utility over the same terms takes up −λ·c, and so do squares, −(t + s)² = −t² − 2·s·t up to functions of
    x; a row with a stated number or sign keeps its direction.

    Deviation: not in Definition B.1.
    """
    table = form.tables[layer]["inequality"]
    if not (table.head and table.head.flippable):
        return
    for blocks in form.pools(layer):
        utility, home, free = _home(form, layer, blocks)
        shifts = form.shifts(layer, blocks)
        for i in table.rows_of(blocks):
            if not table.flips(i, slice(None)):
                continue
            for group in table.groups:
                linear = np.zeros(len(free))
                linear[group] = table.multiplier.value[i] * table.rows.value[i, group]
                linear[form.cancelling(layer)] = 0.0
                change = _taken(shifts, linear, free)
                if change is None:
                    continue
                form.note(layer, "inequality", i, Change.DIRECTION)
                if _sign_of_largest(table.rows.value[i, group]) < 0:
                    table.rows.value[i, group] *= -1
                    if shifts is not None:
                        shifts.move(change)
                        linear = linear - _gained(shifts, change, len(free))
                    if free.any():
                        utility.rows.value[home, free] -= linear[free]


def _home(form: Canonicalizer, layer: int, blocks: list[int]) -> tuple[HeadTable, int, np.ndarray]:
    """The row of an identity utility that takes up what is linear, and at which columns."""
    utility = form.tables[layer]["utility"]
    rows = utility.rows_of(blocks)
    none = np.zeros(form.tables[layer]["inequality"].rows.value.shape[1], bool)
    if utility.head != Identity() or utility.multiplier.value[rows[0]] != 1:
        return utility, 0, none
    return utility, int(rows[0]), utility.rows.learned[rows[0]] & (utility.rows.sign[rows[0]] == 0)


def _taken(shifts: Shifts | None, linear: np.ndarray, free: np.ndarray) -> np.ndarray | None:
    """The change of squares that takes up what a utility cannot; none is needed where it can."""
    if not linear[~free].any():
        return np.zeros(0 if shifts is None else len(shifts.entries))
    return None if shifts is None else shifts.taking(linear, free)


def _gained(shifts: Shifts, change: np.ndarray, columns: int) -> np.ndarray:
    """What Σ λ T² gains by a change, column by column."""
    gained = np.zeros(columns)
    for column, gain in zip(shifts.columns, shifts.gains @ change, strict=True):
        if column >= 0:
            gained[column] += gain
    return gained


@Equivalence
def complete_squares(form: Canonicalizer, layer: int) -> None:
    """−Σ (t_k + d_k)² = −Σ t_k² − 2·Σ d_k·t_k + g(x) for functions d_k of x.

    Where the last sum vanishes, or an identity utility takes it up, d is not there: what the squares hold in functions
    of x is orthogonal to all such d.

    Deviation: not in Definition B.1.
    """
    for blocks in form.pools(layer):
        utility, home, free = _home(form, layer, blocks)
        shifts = form.shifts(layer, blocks)
        if shifts is None or shifts.table.multiplier.learned[shifts.table.rows_of(blocks)].any():
            continue
        idle = shifts.idle(free)
        change = -idle @ (idle.T @ shifts.values())
        shifts.move(change)
        if free.any():
            utility.rows.value[home, free] += _gained(shifts, change, len(free))[free]
        for (i, t), share in zip(shifts.entries, np.sum(idle**2, axis=1), strict=True):
            if share > 1 - ROUNDING:
                shifts.table.rows.pin((i, t), 0.0)
        form.completed.append((layer, blocks, free))


# Orders.


@Equivalence
def put_positive_multipliers_first(form: Canonicalizer, layer: int) -> None:
    """Σ λ_k f(t_k) in any order: rows with λ > 0 come before rows with λ < 0, which only free weights have.

    Deviation: not in Definition B.1.
    """
    for _, table, rows in form.pooled_rows(layer):
        for same in table.alike(rows, slice(None), any_multiplier=True):
            table.arrange(same, same[np.argsort(table.multiplier.value[same] < 0, kind="stable")])


@Equivalence
def order_rows(form: Canonicalizer, layer: int) -> None:
    """Σ λ_k f(t_k) in any order: strongest first, by λ or by the length of the row where λ is given.

    Deviation: not in Definition B.1.
    """
    for _, table, rows in form.pooled_rows(layer):
        for same in table.alike(rows, slice(None)):
            if table.multiplier.learned[same].any():
                table.arrange(same, same[np.argsort(-table.multiplier.value[same], kind="stable")])
                continue
            for group in table.groups:
                at = np.ix_(same, group)
                longest_first = np.argsort(-np.linalg.norm(table.rows.value[at], axis=1), kind="stable")
                table.rows.value[at] = table.rows.value[at][longest_first]


@Equivalence
def order_blocks(form: Canonicalizer, layer: int) -> None:
    """Σ_b w_b·B_b in any order, for blocks under the same rules: those with the longest rows first.

    Deviation: not in Definition B.1.
    """
    if form.additive(layer) or form.blockwise(layer):
        return
    blocks = [form.block_rows(layer, block) for block in range(form.network.architecture.layers[layer])]
    rules = {tuple((t.rows.learned[rows].tobytes(), t.rows.sign[rows].tobytes()) for t, rows in b) for b in blocks}
    sizes = [
        sum(np.sum(t.rows.value[rows] ** 2) + np.sum(t.multiplier.value[rows] ** 2) for t, rows in b) for b in blocks
    ]
    if len(rules) == 1:
        form.permute_blocks(layer, np.argsort(-np.array(sizes), kind="stable"))


# What only adds up, cancels or is not there.


@Equivalence
def merge_identities(form: Canonicalizer, layer: int) -> None:
    """Σ U_k(z) depends on the sum of the identity rows alone: the first carries it.

    Deviation: not in Definition B.1.
    """
    for role, table, rows in form.pooled_rows(layer):
        if table.head != Identity() or len(rows) < 2 or not (table.multiplier.value[rows] == 1).all():
            continue
        for column in range(table.rows.value.shape[1]):
            learned = [i for i in rows if table.rows.learned[i, column]]
            for other in learned[1:]:
                table.rows.value[learned[0], column] += table.rows.value[other, column]
                table.rows.pin((other, column), 0.0)
        for i in rows[1:]:
            if not table.rows.learned[i].any() and not table.rows.value[i].any():
                form.note(layer, role, i, Change.MERGED)


@Equivalence
def omit_inactive_rows(form: Canonicalizer, layer: int) -> None:
    """λ·f(0) and, in a sum of blocks, λ·f(g(x)) add a function of x, which cancels in Z.

    Source: Assumption B.1 (minimality).
    """
    alone = form.additive(layer) and not form.network.architecture.inputs(layer).blocks
    seen = np.append(~form.functions_of_x(layer), False)
    for role, table in form.present(layer).items():
        strength = np.abs(table.multiplier.value) * np.linalg.norm(table.rows.value, axis=1)
        inactive = strength <= VANISHING * max(1.0, strength.max(initial=0.0))
        if alone:
            inactive |= ~table.rows.value[:, seen].any(axis=1)
        for i in map(int, np.flatnonzero(inactive)):
            if table.multiplier.learned[i] or table.rows.learned[i].any():
                form.omit(layer, role, int(i), Change.VANISHED)


@Equivalence
def merge_duplicates(form: Canonicalizer, layer: int) -> None:
    """λ·f(t) + μ·f(t) = (λ + μ)·f(t), and f(t) + f(c·t) = f((1 + c)·t) for c > 0 and heads of degree 1.

    Source: Assumption B.1 (minimality).
    """
    for role, table, rows in form.pooled_rows(layer):
        for n, i in enumerate(rows):
            for j in rows[n + 1 :]:
                if _repeats(table, i, j):
                    carrier = table.multiplier if table.multiplier.learned[i] else table.rows
                    carrier.value[i] += carrier.value[j]
                    form.omit(layer, role, j, Change.DUPLICATE)


def _repeats(table: HeadTable, i: int, j: int) -> bool:
    """Whether two rows are one: equal rows with learned λ, or parallel rows of a head of degree 1 with one λ."""
    learned, strength = table.multiplier.learned[[i, j]], table.multiplier.value[[i, j]]
    rows = table.rows.value[[i, j]]
    if not learned.any() and table.degree == 1 and strength[0] == strength[1]:
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
    elif not learned.all():
        return False
    alike = (table.rows.learned[i] == table.rows.learned[j]).all()
    return bool(alike and rows.any() and np.abs(rows[0] - rows[1]).max() <= DUPLICATE * np.abs(rows).max())


@Equivalence
def omit_functions_of_x(form: Canonicalizer, layer: int) -> None:
    """exp{g(x) + …}/Z(x) does not depend on g: terms of x alone of an identity utility in a sum of blocks.

    Deviation: not in Definition B.1.
    """
    table = form.tables[layer]["utility"]
    if table.head != Identity():
        return
    for column in np.flatnonzero(form.cancelling(layer)):
        for i in map(int, np.flatnonzero(table.rows.learned[:, column])):
            table.rows.pin((i, column), 0.0)
            form.note(layer, "utility", int(i), Change.CANCELS)


@Equivalence
def choose_reference_class(form: Canonicalizer, layer: int) -> None:
    """Σ_k a_k(x)·y_k = a_0(x) + Σ_k (a_k − a_0)(x)·y_k as one-hot y sum to one: the first class has no utility.

    Deviation: not in Definition B.1.
    """
    table = form.tables[layer]["utility"]
    if table.head != Identity() or not form.additive(layer):
        return
    for classes in form.complete_sets(layer):
        for i in range(table.size):
            if table.rows.learned[i, classes].all() and not table.rows.sign[i, classes].any():
                table.rows.value[i, classes] -= table.rows.value[i, classes[0]]
                table.rows.pin((i, classes[0]), 0.0)


@Equivalence
def center_readout(form: Canonicalizer, layer: int) -> None:
    """W_k·s + b_k + g(x) for every class k is one distribution: the first class reads zero.

    Deviation: not in Definition B.1.
    """
    if form.scalar or layer < form.top:
        return
    for numbers in (form.weight, form.bias):
        if numbers is not None and numbers.learned.all():
            numbers.value -= numbers.value[:1].copy()
            numbers.pin(0, 0.0)
            numbers.sign[...] = 0


MINIMALITY = (omit_inactive_rows, merge_duplicates)
"""Those that take rows out; without them every row keeps its parameters, which may mean nothing."""

EQUIVALENCES = (
    fold_readout,
    make_multipliers_positive,
    turn_odd_blocks,
    order_two_classes,
    absorb_multipliers,
    merge_identities,
    merge_squares,
    orient_inequalities,
    complete_squares,
    put_positive_multipliers_first,
    rotate_squares,
    reflect_even_rows,
    *MINIMALITY,
    order_rows,
    omit_functions_of_x,
    choose_reference_class,
    scale_blocks,
    order_blocks,
    center_readout,
)
"""All of them, in the order in which the canonical form applies them to each layer."""


def principal_rows(table: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """±S Vᵀ of A = U S Vᵀ: rows with the same AᵀA, orthogonal, longest first, their largest entries positive."""
    _, lengths, directions = np.linalg.svd(table, full_matrices=False)
    principal = np.zeros_like(table)
    principal[: len(lengths)] = lengths[:, None] * directions
    return np.array([_sign_of_largest(row) * row for row in principal])


def _sign_of_largest(values: Float[np.ndarray, " n"]) -> float:
    """−1 where the entry of largest size is negative, 1 elsewhere."""
    return -1.0 if len(values) and values[np.argmax(np.abs(values))] < 0 else 1.0
