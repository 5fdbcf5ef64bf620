"""Names for blocks, proposed from the columns that move them most: "LSTAT- and RM-sensitive"."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from behavior_learning.explanation.measure import MeasuredBlock

__all__ = [
    "DEFINITE",
    "NAMED",
    "NOUNS",
    "block_weights",
    "propose_names",
    "relation",
    "sorted_below",
    "theme_weights",
]

DEFINITE = 0.95
"""Share of cases in which a block must rise with another, or fall, for that to be said."""

NAMED = 0.3
"""What moves at least this share of what the strongest does is named."""

NOUNS = {"aggregates": "aggregate", "opposes": "opposition", "trades off": "trade-off", "balances": "balance"}
"""What a block that sees blocks is called, by what it does to them."""

SECOND = 0.5
"""A second column is named where it weighs at least this share of the first."""

MOST_NAMED = 4
"""Columns that a name may list to tell a block from others."""


def propose_names(
    blocks: Sequence[MeasuredBlock], response: Collection[str], themes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A name of its own for each block from the columns of x that move it most, and what it does to blocks below.

    Parameters
    ----------
    response : the columns of y, which every block sees and none is named for unless there are no others, or a theme
        counts them.
    themes : by column, the theme that stands for it in names.

    Source: Section 3.2 and Table 10 name blocks for what their terms load on. Deviation: by a stated rule rather than
    by hand, and by movements rather than by coefficients, which the data do not determine.
    """
    names: dict[str, str] = {}
    for block, loads in zip(blocks, block_weights(blocks).values(), strict=True):
        suffix = f" {NOUNS[relation(block)]}" if block.below else " aggregate" if block.layer > 1 else ""
        candidates = _candidates(theme_weights(loads, response, themes or {}), suffix)
        names[block.block.name] = next(name for name in candidates if name not in names.values())
    return names


def theme_weights(loads: Mapping[str, float], response: Collection[str], themes: Mapping[str, str]) -> dict[str, float]:
    """The weight of each theme, and of each column of x that has none; of y where there are no others."""
    own = {column: weight for column, weight in loads.items() if column not in response or column in themes}
    total: dict[str, float] = {}
    for column, weight in (own or loads).items():
        _add(total, {themes.get(column, column): 1.0}, weight)
    return total


def sorted_below(block: MeasuredBlock) -> dict[str, list[str]]:
    """The blocks below that move a block, strongest first, by whether it rises with them, falls, or does either."""
    strongest = max((below.lost for below in block.below.values()), default=0.0)
    order = sorted(block.below, key=lambda name: -block.below[name].lost)
    found: dict[str, list[str]] = {"rises": [], "falls": [], "either": []}
    for name in order:
        lost, share = block.below[name]
        if lost >= NAMED * strongest > 0:
            found["rises" if share >= DEFINITE else "falls" if share <= 1 - DEFINITE else "either"].append(name)
    return found


def relation(block: MeasuredBlock) -> str:
    """What a block does to those below: it aggregates what it rises with, opposes what it falls with, trades off the
    one against the other, and balances what it rises with in some cases and falls with in others.

    Source: Table 10 (aggregates, integrated, budget conflict, balanced trade-off). Deviation: by signs over p(y|x).
    """
    below = sorted_below(block)
    if below["rises"] and below["falls"]:
        return "trades off"
    if below["either"]:
        return "balances"
    return "opposes" if below["falls"] else "aggregates"


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
