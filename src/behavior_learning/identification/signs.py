"""Equivalences of signs, directions and rotations: which of several spellings of a row stands for all of them.

Source: Definition B.1. Deviation: its quotient (sign of T) is too small, as each says.
"""

import numpy as np
from jaxtyping import Float

from behavior_learning.core.heads import Identity, Square
from behavior_learning.identification.equivalence import Equivalence
from behavior_learning.identification.head_table import HeadTable
from behavior_learning.identification.normalize import Canonicalizer, Change
from behavior_learning.identification.squares import ROUNDING, Shifts

__all__ = [
    "complete_squares",
    "make_multipliers_positive",
    "merge_squares",
    "order_two_classes",
    "orient_inequalities",
    "principal_rows",
    "reflect_even_rows",
    "rotate_squares",
    "separate_two_classes",
    "turn_odd_blocks",
]


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
    for table in form.present(layer).values():
        pair = _two_classes(form, layer, table)
        if pair is None or table.parity != "odd" or table.degree:
            continue
        first, second = pair
        both = np.concatenate(pair)
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
    also be boosted into each other; that is left to the rank of the information, but for two classes.
    """
    for _, table, rows in form.pooled_rows(layer):
        if table.head != Square():
            continue
        for group in table.groups:
            for same in table.alike(rows, group):
                if len(same) > 1 and table.rows.learned[same].any() and _turns(table, same, group):
                    at = np.ix_(same, group)
                    table.rows.value[at] = principal_rows(table.rows.value[at])
                    pairs = [(int(i), int(j)) for n, i in enumerate(same) for j in same[n + 1 :]]
                    table.orthogonal += [(i, j, group, group) for i, j in pairs]


@Equivalence
def separate_two_classes(form: Canonicalizer, layer: int) -> None:
    """Σ t_0² − Σ t_1² depends on M_0ᵀM_0 − M_1ᵀM_1 alone: of two classes the rows of squares are its eigenvectors.

    Those of positive eigenvalues belong to the first class, the others to the second, each as long as √|eigenvalue|.

    Deviation: not in Definition B.1.
    """
    for _, table, rows in form.pooled_rows(layer):
        pair = _two_classes(form, layer, table)
        if pair is None or table.head != Square():
            continue
        first, second = pair
        for same in table.alike(rows, np.concatenate(pair)):
            learned = table.rows.learned[same[0]]
            if not learned.any() or not _turns(table, same, np.concatenate(pair)):
                continue
            if not np.array_equal(learned[first], learned[second]):
                continue
            grams = (table.rows.value[np.ix_(same, own)] for own in pair)
            values, vectors = np.linalg.eigh(np.subtract(*(m.T @ m for m in grams)))
            for own, sign in ((first, 1), (second, -1)):
                order = np.argsort(-sign * values)[: len(same)]
                lengths = np.sqrt(np.maximum(sign * values[order], 0))
                table.rows.value[np.ix_(same, own)] = 0.0
                turned = [_sign_of_largest(v) * v for v in lengths[:, None] * vectors[:, order].T]
                table.rows.value[np.ix_(same[: len(order)], own)] = np.where(learned[own], turned, 0.0)
            table.orthogonal += [(int(i), int(j), second, first) for i in same for j in same]


def _two_classes(form: Canonicalizer, layer: int, table: HeadTable) -> tuple[np.ndarray, np.ndarray] | None:
    """The columns of the first and of the second of two classes, where all columns of a table name one of them."""
    sets = form.complete_sets(layer)
    if not sets or any(len(classes) != 2 for classes in sets) or not _sees_terms_alone(form, layer):
        return None
    first, second = np.array(sets).T
    whole = len(table.groups) == 2 and 2 * len(sets) == sum(map(len, table.groups))
    return (first, second) if whole else None


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


def principal_rows(table: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """±S Vᵀ of A = U S Vᵀ: rows with the same AᵀA, orthogonal, longest first, their largest entries positive."""
    _, lengths, directions = np.linalg.svd(table, full_matrices=False)
    principal = np.zeros_like(table)
    principal[: len(lengths)] = lengths[:, None] * directions
    return np.array([_sign_of_largest(row) * row for row in principal])


def _sign_of_largest(values: Float[np.ndarray, " n"]) -> float:
    """−1 where the entry of largest size is negative, 1 elsewhere."""
    return -1.0 if len(values) and values[np.argmax(np.abs(values))] < 0 else 1.0
