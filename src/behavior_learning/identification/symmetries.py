"""Equivalences: moves of parameters under which p(y|x) stays as it is, each a function of networks.

Applied twice, an equivalence changes nothing; all of them in turn give the canonical form, see `canonical_form`.

Source: Definition B.1 and Assumption B.1. Deviation: the quotient of Definition B.1 (sign of T) is too small; each
equivalence says what else leaves the distribution unchanged.
"""

import numpy as np

from behavior_learning.core.heads import Identity
from behavior_learning.identification.equivalence import Equivalence
from behavior_learning.identification.head_table import HeadTable
from behavior_learning.identification.normalize import Canonicalizer, Change
from behavior_learning.identification.signs import (
    complete_squares,
    make_multipliers_positive,
    merge_squares,
    order_two_classes,
    orient_inequalities,
    reflect_even_rows,
    rotate_squares,
    separate_two_classes,
    turn_odd_blocks,
)

__all__ = ["EQUIVALENCES", "MINIMALITY"]

VANISHING = 1e-7
"""Size of a penalty or utility, relative to the largest of its layer, below which a row is omitted."""

DUPLICATE = 1e-7
"""Relative difference below which two rows are one."""


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
    separate_two_classes,
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
