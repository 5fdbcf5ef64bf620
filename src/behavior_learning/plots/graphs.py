"""Polynomials as computation graphs, and a block as the graphs of its rows.

Source: Figure 7 (an interaction is an edge that acts on an edge) and Figure 2a.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from behavior_learning.core.heads import ROLES as SIGNS
from behavior_learning.options import check_number
from behavior_learning.plots.checks import check_kind
from behavior_learning.plots.style import BLUE, GREY, INK, PAPER, ROLES, SKY, VERMILION, brief_names, canvas, styled
from behavior_learning.symbolic.coefficients import row_name
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.text import Shortened, format_head_term, format_monomial, format_number, shorten

__all__ = ["block_graph", "polynomial_graph"]

TERMS = 6
"""Terms that a graph shows by default."""

PANEL = 3.5
"""Inches of one graph."""

_WIDE = 1.25
"""How much wider than high the ring of variables is: names are wide."""

_HIGH, _LOW = 1.25, 0.5
"""Reach of a graph above its centre, and that of two variables that only face each other."""

_THINNEST, _THICKEST = 0.7, 3.6
_RELATION = {"inequality": "≤ 0", "equality": "= 0"}
_WHEN = {"inequality": "> 0", "equality": "≠ 0"}

Point = tuple[float, float]


@styled
def polynomial_graph(
    polynomial: Polynomial,
    standard_deviations: Mapping[str, float] | None = None,
    *,
    name: str = "F",
    response: Sequence[str] = (),
    terms: int | None = TERMS,
    threshold: float = 0.0,
) -> Figure:
    """A polynomial as a graph: an edge per variable, and edges on edges for squares and interactions (Figure 7).

    An edge is as wide as its term is strong, |coefficient| times the standard deviations of its variables; the number
    on it is the coefficient. A dotted edge has no effect of its own and only carries an interaction.

    Parameters
    ----------
    standard_deviations : of every variable; 1 where it has none.
    name : what the polynomial is called.
    response : variables to be marked as choices.
    terms : how many of the strongest terms to show, None for all.
    threshold : smallest strength that is shown.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> from behavior_learning.symbolic.polynomials import Polynomial
    >>> demand = Polynomial({(("price", 1),): -1.0, (("income", 1), ("price", 1)): 0.5})
    >>> "income" in [text.get_text() for text in bl.plots.polynomial_graph(demand).axes[0].texts]
    True
    """
    check_kind("polynomial", polynomial, Polynomial, "the polynomial of a row, such as head_term.polynomial")
    figure, (ax,) = canvas(PANEL, PANEL - 0.1)
    shown = _strong(polynomial, standard_deviations or {}, terms, check_number("threshold", threshold, inclusive=True))
    _draw(ax, shown, standard_deviations or {}, name, response)
    ax.set_title(_left_out(shown), fontsize="small", loc="center", y=-0.02, va="top")
    _legend(figure)
    return figure


@styled
def block_graph(block: Block, *, terms: int | None = TERMS, threshold: float = 0.0) -> Figure:
    """The rows of a block's utility, inequality and equality heads, each as a computation graph (Figure 2a).

    Parameters
    ----------
    terms : how many of the strongest terms to show in each graph, None for all.
    threshold : smallest strength that is shown, of what stands inside the head. Strengths are coefficients of columns
        divided by their standard deviations, so that the paper's 0.3 is ``terms=None, threshold=0.3``.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> from behavior_learning.core.heads import get_head
    >>> from behavior_learning.symbolic.polynomials import Polynomial
    >>> from behavior_learning.symbolic.problem import Block, HeadTerm
    >>> budget = Polynomial({(("price", 1),): 1.0, (("income", 1),): -2.0})
    >>> block = Block("block1.1", (HeadTerm(get_head("inequality", "relu"), 1.0, budget),), ("price",), {})
    >>> len(bl.plots.block_graph(block).axes)
    1
    """
    check_kind("block", block, Block, "one block, such as model.problem_.blocks['block1.1']")
    check_number("threshold", threshold, inclusive=True)
    deviations = block.standard_deviations
    panels = [
        (term, row_name(block, term), _strong(term.polynomial, deviations, terms, threshold / term.scale))
        for role in SIGNS
        for term in block.terms_of(role)
    ]
    columns = min(len(panels), 3) or 1
    rows = -(-len(panels) // columns) or 1
    edges = [_edges(shown, deviations) for _, _, shown in panels]
    low = [len(own) <= 2 and not any(edge.actors for edge in own) for own in edges]
    reach = max((_LOW if own else _HIGH for own in low), default=_HIGH)
    figure, axes = canvas(PANEL * columns, (2 * reach + 0.8) * rows + 0.4, rows, columns)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, (term, name, shown) in zip(axes, panels, strict=False):
        _draw(ax, shown, deviations, name, block.response, ROLES[term.head.role].color, reach)
        ax.set_title(_headline(term, name, bool(block.response)), loc="center")
        ax.text(0.5, -0.01, _left_out(shown), transform=ax.transAxes, ha="center", va="top", fontsize="small")
    _legend(figure)
    return figure


def _headline(term: HeadTerm, name: str, chooses: bool) -> str:
    """What a row says of its polynomial."""
    if term.head.role == "utility":
        return f"{'maximise' if chooses else 'rewards'} {format_head_term(term, name)}"
    relation = (_RELATION if chooses else _WHEN)[term.head.role]
    return f"{'subject to' if chooses else 'penalises'} {name} {relation}\npenalty {format_head_term(term, name)}"


def _left_out(shown: Shortened) -> str:
    if not shown.omitted:
        return ""
    count = len(shown.omitted)
    return f"{count} smaller term{'s' if count > 1 else ''} left out, {shown.omitted_share:.0%} of the strength"


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=BLUE, linewidth=2, label="raises"),
        Line2D([], [], color=VERMILION, linewidth=2, linestyle=(0, (4, 2)), label="lowers"),
        Line2D([], [], color=GREY, linewidth=1, linestyle=":", label="carries an interaction"),
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=3, handlelength=2.2, columnspacing=1.0, fontsize="small"
    )


@dataclass(frozen=True)
class _Edge:
    """One term: the variable whose edge to the centre it is or acts on, and the variables that act."""

    monomial: Monomial
    carrier: str
    actors: tuple[str, ...]


def _edges(shown: Shortened, deviations: Mapping[str, float]) -> list[_Edge]:
    """Every term as an edge; an interaction acts on the edge of its variable with the strongest effect of its own."""
    strengths = shown.kept.strengths(deviations)
    own = {monomial[0][0]: s for monomial, s in strengths.items() if len(monomial) == 1 and monomial[0][1] == 1}

    def edge(monomial: Monomial) -> _Edge:
        carrier = max((name for name, _ in monomial), key=lambda name: own.get(name, 0.0))
        left = [(name, power - (name == carrier)) for name, power in monomial]
        return _Edge(monomial, carrier, tuple(name for name, power in left if power))

    return [edge(monomial) for monomial in shown.order]


def _strong(polynomial: Polynomial, deviations: Mapping[str, float], terms: int | None, threshold: float) -> Shortened:
    """The strongest terms, none weaker than the threshold."""
    strong = sum(strength >= threshold for strength in polynomial.strengths(deviations).values())
    return shorten(polynomial, deviations, strong if terms is None else min(strong, terms))


def _around(edges: Sequence[_Edge]) -> list[str]:
    """Variables in an order that puts those that interact beside each other."""
    waiting = list(dict.fromkeys(name for edge in edges for name in (edge.carrier, *edge.actors)))
    partners = {(a, e.carrier) for e in edges for a in e.actors} | {(e.carrier, a) for e in edges for a in e.actors}
    order: list[str] = []
    while waiting:
        beside = [name for name in waiting if order and (name, order[-1]) in partners]
        order.append((beside or waiting)[0])
        waiting.remove(order[-1])
    return order


def _draw(
    ax: Axes,
    shown: Shortened,
    deviations: Mapping[str, float],
    name: str,
    response: Sequence[str],
    color: str = GREY,
    reach: float = _HIGH,
) -> None:
    """Draw one graph around its centre."""
    edges = _edges(shown, deviations)
    names = _around(edges)
    turn = 2 * pi / max(len(names), 1)
    angles = [pi / 2 + (i + 0.5) * turn for i in range(len(names))]
    at = {name: (_WIDE * cos(angle), sin(angle)) for name, angle in zip(names, angles, strict=True)}
    strengths = shown.kept.strengths(deviations)
    strongest = max(strengths.values(), default=1.0)
    widths = {m: _THINNEST + (_THICKEST - _THINNEST) * s / strongest for m, s in strengths.items()}
    _draw_edges(ax, shown.kept, edges, at, widths)
    for variable, short in brief_names(names).items():
        marked = variable in response
        box = {"boxstyle": "round,pad=0.35", "facecolor": PAPER, "edgecolor": SKY if marked else GREY}
        weight = "bold" if marked else "normal"
        ax.text(*at[variable], short, ha="center", va="center", bbox=box | {"linewidth": 1.6 if marked else 0.8},
                fontweight=weight, zorder=4)  # fmt: skip
    center = {"boxstyle": "circle,pad=0.4", "facecolor": PAPER, "edgecolor": color, "linewidth": 2}
    ax.text(0, 0, name, ha="center", va="center", bbox=center, zorder=4, fontweight="bold")
    ax.set(xlim=(-1.75, 1.75), ylim=(-reach, reach), aspect="equal")
    ax.set_axis_off()


def _draw_edges(
    ax: Axes, kept: Polynomial, edges: Sequence[_Edge], at: Mapping[str, Point], widths: Mapping[Monomial, float]
) -> None:
    plain_edges = [edge for edge in edges if not edge.actors]
    acting = [edge for edge in edges if edge.actors]
    for edge in plain_edges:
        value = kept.coefficients[edge.monomial]
        _arrow(ax, at[edge.carrier], (0, 0), value, widths[edge.monomial], shrink=14)
        _number(ax, _along(at[edge.carrier], 0.46), format_number(value))
    carried = {edge.carrier for edge in plain_edges}
    for name in dict.fromkeys(edge.carrier for edge in acting if edge.carrier not in carried):
        ax.plot(*zip(at[name], (0, 0), strict=True), color=GREY, linewidth=1, linestyle=":", zorder=1)
    used: dict[str, int] = {}
    for edge in acting:
        place = used[edge.carrier] = used.get(edge.carrier, -1) + 1
        tip = _along(at[edge.carrier], _STOPS[place % 3])
        _act(ax, edge, kept.coefficients[edge.monomial], widths[edge.monomial], at, tip)


_STOPS = (0.66, 0.74, 0.58)
"""How far along an edge the edges that act on it end."""


def _act(ax: Axes, edge: _Edge, value: float, width: float, at: Mapping[str, Point], tip: Point) -> None:
    """Arrows from the variables that act to a point on the edge they act on."""
    for i, actor in enumerate(edge.actors):
        (x0, y0), (x1, y1) = at[actor], tip
        away = 0.25 if x0 * y1 - y0 * x1 >= 0 else -0.25  # From the center.
        bend = 0.9 if actor == edge.carrier else away
        _arrow(ax, at[actor], tip, value, width, bend=bend, shrink=0)
        if i == 0:
            middle = (x0 + x1) / 2 + bend * (y1 - y0) / 2, (y0 + y1) / 2 - bend * (x1 - x0) / 2
            high = sum(power for _, power in edge.monomial) > 2
            text = f"{format_number(value)} ({format_monomial(edge.monomial)})" if high else format_number(value)
            _number(ax, middle, text)


def _arrow(ax: Axes, start: Point, end: Point, value: float, width: float, *, bend: float = 0.0, shrink: float) -> None:
    """An arrow in the colour and dash of its sign."""
    style: dict[str, Any] = {"color": BLUE} if value >= 0 else {"color": VERMILION, "linestyle": (0, (4, 2))}
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=7 + 1.5 * width, linewidth=width, shrinkA=0, shrinkB=shrink,
        connectionstyle=f"arc3,rad={bend}", zorder=2, **style,
    )  # fmt: skip
    ax.add_patch(arrow)


def _number(ax: Axes, at: Point, text: str) -> None:
    box = {"boxstyle": "round,pad=0.12", "facecolor": PAPER, "edgecolor": "none"}
    ax.text(*at, text, ha="center", va="center", fontsize="small", color=INK, bbox=box, zorder=3)


def _along(start: Point, share: float) -> Point:
    """A point on the way from `start` to the centre."""
    return start[0] * (1 - share), start[1] * (1 - share)
