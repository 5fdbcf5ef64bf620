"""A hierarchy of problems as layers of boxes: what each block wants, is limited by and believes (Figure 2b, 2c)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from behavior_learning.plots.checks import check_kind
from behavior_learning.plots.style import BLUE, GREY, INK, PAPER, ROLES, VERMILION, Picture, brief_names, styled
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm, Problem

__all__ = ["hierarchy"]

WIDEST = 8
"""Boxes of a layer that are drawn; the strongest, where there are more."""

PER_LINE = 4
"""Boxes beside each other; more of a layer stand in further lines, so that a diagram is no wider than a page."""

TERMS = 3
"""Terms listed for each head."""

_WIDTH, _GAP, _RISE, _LINE = 2.3, 0.25, 0.75, 0.165
"""Inches of a box and between boxes, between layers, and from line to line of text."""

_SMALL = 7.5


@dataclass(frozen=True)
class _Box:
    """A rectangle with lines of text: (text, colour, weight or "italic")."""

    name: str
    x: float
    y: float
    lines: tuple[tuple[str, str, str], ...]
    edge: str = GREY

    @property
    def height(self) -> float:
        return _LINE * len(self.lines) + 0.14

    @property
    def top(self) -> float:
        return self.y + self.height

    def draw(self, ax: Axes, width: float, link: str | None) -> None:
        patch = FancyBboxPatch(
            (self.x - width / 2, self.y), width, self.height, boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=PAPER, edgecolor=self.edge, linewidth=1.1, zorder=2,
        )  # fmt: skip
        patch.set_url(link)
        ax.add_patch(patch)
        many, left = len(self.lines) > 1, self.x - width / 2
        for i, (text, color, weight) in enumerate(self.lines):
            y = self.top - 0.07 - (i + 0.5) * _LINE
            x, align = (left + 0.24, "left") if many and i and weight != "italic" else (self.x, "center")
            style: dict[str, Any] = {"fontstyle": "italic"} if weight == "italic" else {"fontweight": weight}
            ax.text(x, y, text, ha=align, va="center", fontsize=_SMALL, zorder=3, url=link, **style)
            if color not in (INK, GREY):
                ax.plot(left + 0.13, y, "s", color=color, markersize=6, zorder=3)


@styled
def hierarchy(
    problem: Problem,
    *,
    terms: int = TERMS,
    titles: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> Figure:
    """Layers of blocks from the data upwards, with the strongest terms of each head and what each block sees below.

    A line between blocks is as wide as the lower block's share in what the upper one responds to, and has the colour
    of the head through which it acts most. A layer shows its 8 strongest blocks.

    Parameters
    ----------
    terms : listed for each head of a block.
    titles : what blocks are called beside their names, such as `model.explain().names`.
    links : addresses by block name; in SVG its box leads there.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> from behavior_learning.core.heads import get_head
    >>> from behavior_learning.symbolic import LearnedProblem
    >>> from behavior_learning.symbolic.polynomials import Polynomial
    >>> from behavior_learning.symbolic.problem import Block, HeadTerm
    >>> budget = Polynomial({(("price", 1),): 1.0, (("income", 1),): -2.0})
    >>> block = Block("block1.1", (HeadTerm(get_head("inequality", "relu"), 1.0, budget),), ("price",), {})
    >>> problem = LearnedProblem.of_block(block)
    >>> "block1.1" in [text.get_text() for text in bl.plots.hierarchy(problem).axes[0].texts]
    True
    """
    check_kind("problem", problem, Problem, "model.problem_")
    layers, weights = problem.layers, _weights(problem)
    shown = [_strongest(layer, weights) for layer in layers]
    outputs = problem.outputs
    if problem.chooses:
        outputs = {" ".join(problem.response): next(iter(outputs.values()))}
    width = max(min(len(layer), PER_LINE) for layer in layers) * (_WIDTH + _GAP) + _GAP
    width = max(width, min(len(outputs), WIDEST) * (1.1 + _GAP) + _GAP, 4.6)
    boxes, level = [_inputs_box(problem, width)], 0.45 + _RISE * 0.7
    for layer, blocks in zip(layers, shown, strict=True):
        own = _layer(blocks, width, level, terms, titles or {}, more=len(layer) - len(blocks))
        boxes += own
        level = max(box.top for box in own) + _RISE
    tops = _output_boxes(outputs, width, level)
    figure = Picture(figsize=(width, level + 0.9))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(-0.28, level + 0.62))
    ax.set_axis_off()
    _draw_lines(ax, shown, weights, outputs, {box.name: box for box in (*boxes, *tops)})
    for box in (*boxes, *tops):
        box.draw(ax, 1.1 if box in tops else _WIDTH, (links or {}).get(box.name))
    _legend(ax)
    return figure


def _weights(problem: Problem) -> dict[tuple[str, str], dict[str, float]]:
    """How far each lower block moves each block above it, by head: Σ λ · scale · |coefficient| · standard deviation."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for block in problem.blocks.values():
        for term in block.head_terms:
            for monomial, strength in term.polynomial.strengths(block.standard_deviations).items():
                for name, _ in monomial:
                    by_role = found.setdefault((name, block.name), {})
                    size = abs(term.multiplier) * term.scale * strength
                    by_role[term.head.role] = by_role.get(term.head.role, 0.0) + size
    return found


def _strongest(layer: Sequence[Block], weights: Mapping[tuple[str, str], Mapping[str, float]]) -> list[Block]:
    """The blocks of a layer that are drawn: all, or those that what lies above uses most."""
    use = dict.fromkeys((block.name for block in layer), 0.0)
    for (lower, _), by_role in weights.items():
        if lower in use:
            use[lower] += sum(by_role.values())
    kept = sorted(use, key=lambda name: -use[name])[: len(layer) if len(layer) <= WIDEST else WIDEST - 1]
    return [block for block in layer if block.name in kept]


def _inputs_box(problem: Problem, width: float) -> _Box:
    first = problem.layers[0][0]
    seen = {first.plain_variable(name) for name in first.standard_deviations if name not in problem.blocks}
    columns = len(seen - set(first.response))
    sees = f"{columns} input{'s' if columns != 1 else ''}"
    if first.response:
        names = brief_names(first.response).values()
        sees += f" and {', '.join(names) if len(first.response) < 3 else 'the responses'}"
    return _Box("inputs", width / 2, 0.0, ((sees, INK, "normal"),))


def _layer(
    blocks: Sequence[Block], width: float, level: float, terms: int, titles: Mapping[str, str], more: int
) -> list[_Box]:
    """The boxes of a layer from a level upwards, `PER_LINE` of them beside each other."""
    texts = [(block.name, _lines(block, terms, titles)) for block in blocks]
    texts += [(f"more {level}", ((f"and {more} weaker blocks", GREY, "normal"),))] if more else []
    boxes: list[_Box] = []
    for line in (texts[i : i + PER_LINE] for i in range(0, len(texts), PER_LINE)):
        left = (width - (len(line) - 1) * (_WIDTH + _GAP)) / 2
        boxes += [_Box(name, left + i * (_WIDTH + _GAP), level, text, INK) for i, (name, text) in enumerate(line)]
        level = max(box.top for box in boxes) + _GAP
    return boxes


def _lines(block: Block, terms: int, titles: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """A block's name, its title where it has one, and a line for each head with its strongest terms and their signs."""
    weights = {titles.get(block.name, block.name): "italic"} | {block.name: "bold"}
    lines = [(brief_names([name], 36)[name], INK, weights[name]) for name in sorted(weights, key=weights.__getitem__)]
    for role, style in ROLES.items():
        rows = block.terms_of(role)
        if rows:
            lines.append((style.word, style.color, "bold"))
            lines.append((_signed(rows, block.standard_deviations, terms), INK, "normal"))
    return tuple(lines)


def _signed(rows: Sequence[HeadTerm], deviations: Mapping[str, float], terms: int) -> str:
    """The strongest terms of the rows of one head, with the signs of λ · coefficient: ``+RM −LSTAT``."""
    found: list[tuple[float, float, Monomial]] = []
    for row in rows:
        size = abs(row.multiplier) * row.scale
        for monomial, strength in row.polynomial.strengths(deviations).items():
            found.append((size * strength, row.multiplier * row.polynomial.coefficients[monomial], monomial))
    strongest = sorted(found, key=lambda entry: -entry[0])[:terms]
    names = brief_names([name for _, _, monomial in strongest for name, _ in monomial], 30 // max(terms, 1))
    powers = {1: "", 2: "²", 3: "³"}
    written = [
        ("−" if value < 0 else "+") + "·".join(names[n] + powers.get(power, f"^{power}") for n, power in monomial)
        for _, value, monomial in strongest
    ]
    return "  ".join(written) or "nothing"


def _output_boxes(outputs: Mapping[str, Polynomial], width: float, level: float) -> list[_Box]:
    names = list(outputs)[:WIDEST]
    more = len(outputs) - len(names)
    brief = brief_names(names, 16)
    step = 1.1 + _GAP
    left = width / 2 - step * (len(names) - 1) / 2
    texts = [brief[name] for name in names]
    texts[-1] += f" +{more}" if more else ""
    return [
        _Box(f"output {name}", left + i * step, level, ((text, INK, "bold"),), BLUE)
        for i, (name, text) in enumerate(zip(names, texts, strict=True))
    ]


def _draw_lines(
    ax: Axes,
    shown: Sequence[Sequence[Block]],
    weights: Mapping[tuple[str, str], Mapping[str, float]],
    outputs: Mapping[str, Polynomial],
    boxes: Mapping[str, _Box],
) -> None:
    for block in shown[0]:
        _line(ax, boxes["inputs"], boxes[block.name], GREY, 0.7)
    for upper in [block.name for layer in shown[1:] for block in layer]:
        below = {lower: by_role for (lower, above), by_role in weights.items() if above == upper and lower in boxes}
        largest = max((sum(by_role.values()) for by_role in below.values()), default=1.0)
        for lower, by_role in below.items():
            role = max(by_role, key=lambda r: by_role[r])
            _line(ax, boxes[lower], boxes[upper], ROLES[role].color, 0.6 + 3.2 * sum(by_role.values()) / largest)
    for name, polynomial in outputs.items():
        top = boxes.get(f"output {name}")
        largest = max(map(abs, polynomial.monomials.values()), default=1.0)
        for monomial, value in polynomial.monomials.items() if top is not None else ():
            lower = boxes.get(monomial[0][0])
            if lower is not None and top is not None:
                _line(ax, lower, top, BLUE if value >= 0 else VERMILION, 0.6 + 2.4 * abs(value) / largest, value < 0)


def _line(ax: Axes, lower: _Box, upper: _Box, color: str, width: float, dashed: bool = False) -> None:
    ax.plot(
        [lower.x, upper.x], [lower.top, upper.y], color=color, linewidth=width, zorder=1, solid_capstyle="round",
        linestyle="--" if dashed else "-", alpha=0.9,
    )  # fmt: skip


def _legend(ax: Axes) -> None:
    handles = [Line2D([], [], color=style.color, linewidth=3, label=style.word) for style in ROLES.values()]
    ax.legend(
        handles=handles, ncols=3, handlelength=1.6, loc="lower center", bbox_to_anchor=(0.5, -0.005), fontsize=_SMALL
    )
