"""One representative of every class of parameters with the same BL(x, y), and the distance between classes.

Two networks are equivalent where their utilities differ by a function of x alone, which cancels in the Gibbs
distribution. The canonical form pins what a class leaves free:

 * λ of homogeneous heads (identity, relu, abs, square) is 1 and the row carries the scale;
 * rows of a square are orthogonal, longest first; other rows are ordered by λ; even rows have a positive largest
   coefficient; identity rows of a block are one row;
 * blocks that only add up are one pool of rows, and the readout is 1; other blocks have λ summing to 1;
 * beside an identity utility an inequality points where its largest coefficient is positive;
 * what depends on x alone, repeats another row or vanishes is omitted, with a note.

Source: Definition B.1, Assumption B.1. Deviation: Definition B.1 has the sign of T only; in raw local the
Hessian of Theorem B.9 is singular.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from jaxtyping import Float, Int

from behavior_learning.core.heads import Square
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.identification.head_table import HeadTable
from behavior_learning.identification.normalize import Canonical, Canonicalizer, Change, Note
from behavior_learning.identification.symmetries import EQUIVALENCES, MINIMALITY

__all__ = ["Canonical", "Change", "Note", "canonicalize", "distance"]

MOST_MATCHED = 6
"""Rows or blocks up to which every order is tried to find the closest."""


def canonicalize(
    network: BehaviorNetwork,
    *,
    one_hot: bool = False,
    signs: Int[np.ndarray, " numbers"] | None = None,
    prune: bool = True,
) -> Canonical:
    """Return the canonical representative of a network: all equivalences in turn, layer by layer.

    Parameters
    ----------
    one_hot : whether candidates are indicators of one class, so that rows whose every term names a class split into
        one row per class.
    signs : sign that each number must keep, where the rules of the network no longer say it.
    prune : whether rows that vanish or repeat others are omitted; kept, they have parameters that mean nothing.

    Examples
    --------
    >>> from behavior_learning.core.architecture import Architecture
    >>> square = Architecture((1,), heads=("tanh", "softplus", "square"), readout="identity")
    >>> network = BehaviorNetwork.random(np.random.default_rng(0), square, features=2, response=1)
    >>> float(canonicalize(network).network.layers[0].heads["equality"].multiplier.value[0, 0])
    1.0
    """
    form = Canonicalizer.of(network, one_hot, signs)
    for layer in range(len(form.tables)):
        for equivalence in EQUIVALENCES:
            if prune or equivalence not in MINIMALITY:
                equivalence.move(form, layer)
    return form.canonical()


def distance(a: BehaviorNetwork, b: BehaviorNetwork, *, one_hot: bool = False) -> float:
    """Euclidean distance between the canonical parameters of two networks of one architecture, closest copies.

    Rows and signs are matched afresh, so that two nearby networks on different sides of a tie are near; squared rows
    are compared up to rotation (Procrustes). Blocks of hidden layers are matched layer by layer, which bounds the
    distance in the quotient from above.

    Examples
    --------
    >>> from behavior_learning.core.architecture import Architecture
    >>> network = BehaviorNetwork.random(np.random.default_rng(0), Architecture((2, 1)), features=2, response=1)
    >>> distance(network, network)
    0.0
    """
    form, other = (Canonicalizer.of(canonicalize(network, one_hot=one_hot).network, one_hot) for network in (a, b))
    total = 0.0
    for layer in range(len(form.tables)):
        if not form.additive(layer) and not form.blockwise(layer):
            width = form.network.architecture.layers[layer]
            costs: dict[tuple[int, ...], float] = {}
            for order in permutations(range(width)) if width <= MOST_MATCHED else [tuple(range(width))]:
                other.permute_blocks(layer, np.array(order))
                costs[order] = sum(_pool_distance(form, other, layer, [block]) for block in range(width))
                other.permute_blocks(layer, np.argsort(order))
            other.permute_blocks(layer, np.array(min(costs, key=lambda order: costs[order])))
        total += sum(_pool_distance(form, other, layer, pool) for pool in form.pools(layer))
    numbers = ((*each.projections, each.weight, each.bias) for each in (form, other))
    for p, q in zip(*numbers, strict=True):
        total += float(np.sum((p.value - q.value) ** 2)) if p is not None and q is not None else 0.0
    return float(np.sqrt(total))


def _pool_distance(form: Canonicalizer, other: Canonicalizer, layer: int, pool: Sequence[int]) -> float:
    """Sum of squares between the rows of blocks that add up, rows matched head by head."""
    pairs = ((table, other.tables[layer][role]) for role, table in form.present(layer).items())
    return sum(_rows_distance(table, match, table.rows_of(pool)) for table, match in pairs)


def _rows_distance(table: HeadTable, other: HeadTable, rows: Int[np.ndarray, " rows"]) -> float:
    """The smallest sum of squares over one-to-one matches of rows (in order, of many), or over rotations of squares."""
    if _rotates(table, rows) and _rotates(other, rows):
        pairs = ((t.rows.value[np.ix_(rows, group)] for t in (table, other)) for group in table.groups)
        return sum(procrustes(a, b) for a, b in pairs)
    costs = np.array([[table.row_distance(i, other, j) for j in rows] for i in rows])
    n = len(rows)
    orders = permutations(range(n)) if n <= MOST_MATCHED else [tuple(range(n))]
    return min(float(costs[range(n), order].sum()) for order in orders) if n else 0.0


def _rotates(table: HeadTable, rows: Int[np.ndarray, " rows"]) -> bool:
    """Whether only MᵀM of some rows matters: squares of λ = 1, beside rows that are omitted."""
    given = ~table.multiplier.learned[rows] & np.isin(table.multiplier.value[rows], (0.0, 1.0))
    return table.head == Square() and bool(given.all())


def procrustes(a: Float[np.ndarray, "rows columns"], b: Float[np.ndarray, "rows columns"]) -> float:
    """min over rotations R of ‖a − R b‖²."""
    u, _, v = np.linalg.svd(a @ b.T)
    return float(np.sum((a - u @ v @ b) ** 2))
