"""One representative of every class of parameters with the same BL(x, y), and the distance between classes.

Two networks are equivalent where their utilities differ by a function of x alone, which cancels in the Gibbs
distribution. The canonical form pins what a class leaves free:

 * λ of homogeneous heads (identity, relu, abs, square) is 1 and the row carries the scale;
 * rows of a square are orthogonal, longest first; other rows are ordered by λ; even rows have a positive largest
   coefficient; identity rows of a block are one row;
 * blocks that only add up are one pool of rows, and the readout is 1; other blocks have λ summing to 1;
 * beside an identity utility an inequality points where its largest coefficient is positive;
 * what depends on x alone, repeats another row or vanishes is dropped, with a note.

Source: Definition B.1, Assumption B.1. Deviation: Definition B.1 has the sign of T only; in raw coordinates the
Hessian of Theorem B.9 is singular.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from jaxtyping import Int

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.identification.canonical import Canonical, Change, Note
from behavior_learning.identification.normalize import Form
from behavior_learning.identification.symmetries import EVEN, RowTable, family

__all__ = ["Canonical", "Change", "Note", "canonicalize", "distance"]


def canonicalize(
    network: BehaviorNetwork,
    *,
    one_hot: bool = False,
    signs: Int[np.ndarray, " numbers"] | None = None,
    prune: bool = True,
) -> Canonical:
    """Return the canonical representative of a network.

    Parameters
    ----------
    one_hot : whether candidates are indicators of one class, so that rows whose every term names a class split into
        one row per class.
    signs : sign that each number must keep, where the rules of the network no longer say it.
    prune : whether rows that vanish or repeat others are dropped; kept, they have parameters that mean nothing.

    Examples
    --------
    >>> from behavior_learning.core.network import Architecture
    >>> square = Architecture((1,), heads=("tanh", "softplus", "square"), readout="identity")
    >>> network = BehaviorNetwork.random(np.random.default_rng(0), square, features=2, response=1)
    >>> float(canonicalise(network).network.layers[0].equality.multiplier.value[0, 0])
    1.0
    """
    form = Form.of(network, one_hot, signs)
    form.fold_readout()
    for number in range(len(form.tables)):
        for pool in form.pools(number):
            form.normalize(number, pool, prune)
        form.place_blocks(number)
    form.center_readout()
    return form.canonical()


def distance(a: BehaviorNetwork, b: BehaviorNetwork, *, one_hot: bool = False) -> float:
    """Euclidean distance between the canonical parameters of two networks of one architecture, closest copies.

    Rows and signs are matched afresh, so that two nearby networks on different sides of a tie are near; squared rows
    are compared up to rotation (Procrustes). Blocks of hidden layers are matched layer by layer, which bounds the
    distance in the quotient from above.

    Examples
    --------
    >>> from behavior_learning.core.network import Architecture
    >>> network = BehaviorNetwork.random(np.random.default_rng(0), Architecture((2, 1)), features=2, response=1)
    >>> distance(network, network)
    0.0
    """
    form, other = (Form.of(canonicalize(network, one_hot=one_hot).network, one_hot) for network in (a, b))
    total = 0.0
    for number in range(len(form.tables)):
        if not form.additive(number) and not form.joined(number):
            _match_blocks(form, other, number)
        for pool in form.pools(number):
            total += _pool_distance(form, other, number, pool)
    rest = [(p, q) for p, q in zip(form.parts(), other.parts(), strict=True)][3 * len(form.offsets()) :]
    total += sum(float(np.sum((p.value - q.value) ** 2)) for p, q in rest)
    return float(np.sqrt(total))


def _pool_distance(form: Form, other: Form, number: int, pool: Sequence[int]) -> float:
    """Sum of squares between the rows of blocks that add up, rows matched head by head."""
    total = 0.0
    for role, table in form.tables[number].items():
        if table.head is None:
            continue
        lines = np.concatenate([table.block_lines(block) for block in pool])
        total += _rows_distance(table, other.tables[number][role], lines)
    return total


def _rows_distance(table: RowTable, other: RowTable, lines: np.ndarray) -> float:
    strength = lambda t: t.multiplier.value[lines]
    if family(table.head) == "square" and table.ties:
        apart = sum(
            _procrustes(table.line.value[np.ix_(lines, g)], other.line.value[np.ix_(lines, g)]) for g in table.groups
        )
        return apart + float(np.sum((strength(table) - strength(other)) ** 2))
    costs = np.array([[_row_distance(table, i, other, j) for j in lines] for i in lines])
    return _cheapest(costs)


def _row_distance(table: RowTable, i: int, other: RowTable, j: int) -> float:
    apart = (table.multiplier.value[i] - other.multiplier.value[j]) ** 2
    for group in table.groups:
        row, match = table.line.value[i, group], other.line.value[j, group]
        ways = [np.sum((row - match) ** 2)] + ([np.sum((row + match) ** 2)] if family(table.head) in EVEN else [])
        apart += min(ways)
    return float(apart)


def _procrustes(a: np.ndarray, b: np.ndarray) -> float:
    """min over rotations R of ‖a − R b‖²."""
    u, _, v = np.linalg.svd(a @ b.T)
    return float(np.sum((a - u @ v @ b) ** 2))


def _cheapest(costs: np.ndarray) -> float:
    """The smallest sum over one-to-one matches; in order beyond six rows."""
    n = len(costs)
    orders = permutations(range(n)) if n <= 6 else [tuple(range(n))]
    return min(float(costs[range(n), order].sum()) for order in orders) if n else 0.0


def _match_blocks(form: Form, other: Form, number: int) -> None:
    """Put the blocks of `other` in the order that is closest to `form`."""
    width = form.network.architecture.layers[number]
    best, order = np.inf, None
    for candidate in permutations(range(width)) if width <= 6 else [tuple(range(width))]:
        other.permute_blocks(number, np.array(candidate))
        apart = sum(_pool_distance(form, other, number, [block]) for block in range(width))
        if apart < best:
            best, order = apart, candidate
        other.permute_blocks(number, np.argsort(candidate))
    other.permute_blocks(number, np.array(order))
