"""Names for blocks, proposed from the columns that move them most: "LSTAT- and RM-sensitive"."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from behavior_learning.explanation.measure import MeasuredBlock

__all__ = ["block_weights", "propose_names"]

SECOND = 0.5
"""A second column is named where it weighs at least this share of the first."""

MOST_NAMED = 4
"""Columns that a name may list to tell a block from others."""


def propose_names(blocks: Sequence[MeasuredBlock], response: Collection[str]) -> dict[str, str]:
    """A name of its own for each block from the columns of x that move it most.

    Parameters
    ----------
    response : the columns of y, which every block sees and none is named for unless there are no others.

    Source: Section 3.2 names blocks for what their terms load on. Deviation: by a stated rule rather than by hand.
    """
    weights = block_weights(blocks)
    names: dict[str, str] = {}
    for block in blocks:
        loads = weights[block.block.name]
        own = {column: weight for column, weight in loads.items() if column not in response} or loads
        candidates = _candidates(own, "" if block.layer == 1 else " aggregate")
        names[block.block.name] = next(name for name in candidates if name not in names.values())
    return names


def block_weights(blocks: Sequence[MeasuredBlock]) -> dict[str, dict[str, float]]:
    """How much of each block's movement comes from each column, summing to one; through the blocks below."""
    weights: dict[str, dict[str, float]] = {}
    for block in blocks:
        total: dict[str, float] = {}
        for term in block.terms:
            size = sum(term.columns.values()) or 1.0
            for column, strength in term.columns.items():
                _add(total, weights.get(column, {column: 1.0}), term.moves * strength / size)
        for name, coefficient in ((m[0][0], abs(v)) for m, v in block.block.shortcut.monomials.items()):
            _add(total, weights.get(name, {name: 1.0}), coefficient * block.block.standard_deviations.get(name, 1.0))
        size = sum(total.values()) or 1.0
        weights[block.block.name] = {column: weight / size for column, weight in total.items()}
    return weights


def _add(total: dict[str, float], parts: Mapping[str, float], weight: float) -> None:
    for column, part in parts.items():
        total[column] = total.get(column, 0.0) + weight * part


def _candidates(weights: Mapping[str, float], suffix: str) -> Iterator[str]:
    """Names that list one or two columns, then more of them, then numbered ones."""
    order = sorted(weights, key=lambda column: -weights[column])
    if not order:
        order, weights = ["nothing"], {"nothing": 1.0}
    usual = 2 if len(order) > 1 and weights[order[1]] >= SECOND * weights[order[0]] else 1
    longest = min(max(MOST_NAMED, usual), len(order))
    names = []
    for count in range(usual, longest + 1):
        *others, last = order[:count]
        before = f"{', '.join(f'{column}-' for column in others)} and " if others else ""
        names.append(f"{before}{last}-sensitive{suffix}")
    yield from names
    yield from (f"{names[0]} ({number})" for number in range(2, 10**6))
