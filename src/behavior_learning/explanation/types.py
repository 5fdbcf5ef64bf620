"""What every block stands for, in a line: the themes that move it, what it does to the blocks below (Table 10)."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from behavior_learning.explanation.legend import Legend
from behavior_learning.explanation.measure import MeasuredBlock
from behavior_learning.explanation.names import NAMED, block_weights, relation, sorted_below, theme_weights

__all__ = ["BlockType", "block_types"]

MOST_THEMES = 4
"""Themes, or columns without one, that a line lists."""


class BlockType(NamedTuple):
    """A line of the table of types.

    Attributes
    ----------
    title : what the block is called.
    represents : what moves it, with shares of its movement, or what it does to the blocks below.
    share : of the movement of its layer.
    sign_share : share of cases in which raising its utility raises the whole.
    """

    block: str
    layer: int
    title: str
    represents: str
    share: float
    sign_share: float


def block_types(
    blocks: Sequence[MeasuredBlock], response: Collection[str], titles: Mapping[str, str], legend: Legend
) -> tuple[BlockType, ...]:
    """A line for every block, from the first layer up."""
    weights, kinds = block_weights(blocks), []
    for block in blocks:
        name = block.block.name
        text = _above(block) if block.below else _moved(weights[name], response, legend)
        layer = sum(other.moves for other in blocks if other.layer == block.layer) or 1.0
        kinds.append(BlockType(name, block.layer, titles[name], text, block.moves / layer, block.sign_share))
    return tuple(kinds)


def _moved(loads: Mapping[str, float], response: Collection[str], legend: Legend) -> str:
    """The themes that move a block, with their columns, by their shares of the movement through all that count."""
    themes, theme_of = theme_weights(loads, response, legend.theme_of), legend.theme_of
    total = sum(themes.values()) or 1.0
    parts = []
    for theme in sorted(themes, key=lambda name: -themes[name])[:MOST_THEMES]:
        if themes[theme] < NAMED * max(themes.values()) or not themes[theme]:
            continue
        own = sorted((c for c in loads if theme_of.get(c) == theme), key=lambda column: -loads[column])
        strong = [legend.described(c) for c in own if loads[c] >= NAMED * loads[own[0]]]
        inside = f": {', '.join(strong)}" if own else ""
        parts.append(f"{theme if own else legend.described(theme)} ({themes[theme] / total:.0%}{inside})")
    return f"is moved by {', '.join(parts) or 'nothing'}"


def _above(block: MeasuredBlock) -> str:
    """What a block does to the blocks below, with the share of its movement that each makes and how often it rises."""
    below, total = sorted_below(block), sum(entry.lost for entry in block.below.values()) or 1.0

    def listed(side: str) -> str:
        lines = (
            f"{name} ({block.below[name].lost / total:.0%}, rises with it in {block.below[name].sign_share:.0%})"
            for name in below[side]
        )
        return ", ".join(lines)

    if relation(block) == "trades off":
        text = f"trades off {listed('rises')} against {listed('falls')}"
    else:
        verbs = {"rises": "aggregates", "falls": "opposes"}
        text = " and ".join(f"{verb} {listed(side)}" for side, verb in verbs.items() if below[side])
    return " and ".join([text] * bool(text) + [f"balances {listed('either')}"] * bool(below["either"])) or (
        "is moved by no block below"
    )
