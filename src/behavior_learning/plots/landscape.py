"""The utility over what can be chosen: along one response with the density it implies, and in a plane of two."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from behavior_learning.errors import OptionError
from behavior_learning.plots.checks import check_kind, check_numbers
from behavior_learning.plots.style import (
    BLUE,
    FONT,
    INK,
    ORANGE,
    PAPER,
    PURPLE,
    SKY,
    VERMILION,
    brief_names,
    canvas,
    plain,
    styled,
)
from behavior_learning.symbolic.coefficients import row_name
from behavior_learning.symbolic.evaluate import table_values
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.problem import HeadTerm

__all__ = ["feasible_region", "landscape"]

GRID = 101
"""Points along each side of a plane."""


@styled
def landscape(
    y: Any,
    utility: Any,
    density: Any,
    *,
    name: str,
    observed: Any = None,
    interval: tuple[float, float] | None = None,
) -> Figure:
    """Utility along one response above the density it implies; bars where the response is a class.

    Parameters
    ----------
    y : shape (k,), increasing numbers, or the labels of classes.
    utility : BL(x, y) at each y; defined up to a constant, and drawn with its largest value at zero.
    density : p(y|x) per unit of y, or the probability of each class.
    observed : the response that was seen.
    interval : a range of predicted numbers to be shaded.

    Examples
    --------
    >>> import behavior_learning as bl, numpy as np
    >>> y = np.linspace(-3, 3, 61)
    >>> figure = bl.plots.landscape(y, -(y**2) / 2, np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi), name="price")
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['utility, best = 0', 'density per unit']
    """
    check_kind("y", y, (Sequence, np.ndarray, pd.Series, pd.Index), "a list or array of responses")
    height = check_numbers("utility", utility, (len(y) or None,))
    density, height = check_numbers("density", density, height.shape), height - height.max()
    if interval is not None:
        interval = _range("interval", interval)
    figure, (above, below) = canvas(4.6, 4.0, 2, 1, sharex=True)
    if np.asarray(y).dtype.kind in "OUSb":
        labels = list(brief_names(map(str, y), 14).values())
        seen = [str(label) == str(observed) for label in y]
        _bars(above, labels, height, seen)
        _bars(below, labels, density, seen)
    else:
        _curves(above, below, check_numbers("y", y, (len(y),)), height, density)
        if interval is not None:
            below.axvspan(*interval, color=SKY, alpha=0.25, linewidth=0, label="interval")
        seen_at = [] if observed is None else check_numbers("observed", np.ravel(observed), (1,))
        for ax, at in product((above, below), seen_at):
            ax.axvline(at, color=VERMILION, linestyle="--", linewidth=1.3, label="observed")
        if observed is not None or interval is not None:
            below.legend(loc="best")
    continuous = np.asarray(y).dtype.kind not in "OUSb"
    above.set_ylabel("utility, best = 0")
    below.set(ylabel="density per unit" if continuous else "probability", xlabel=plain(name))
    return figure


def _curves(above: Axes, below: Axes, y: np.ndarray, height: np.ndarray, density: np.ndarray) -> None:
    best = int(np.argmax(height))
    above.plot(y, height, color=BLUE, linewidth=1.8)
    above.plot(y[best], 0.0, "o", color=BLUE, markersize=5)
    above.annotate(f"best {y[best]:.4g}", (y[best], 0.0), (4, 4), textcoords="offset points", fontsize="small")
    above.margins(y=0.15)
    below.fill_between(y, density, color=BLUE, alpha=0.2, linewidth=0)
    below.plot(y, density, color=BLUE, linewidth=1.8)
    below.set_ylim(bottom=0)


def _bars(ax: Axes, labels: list[str], values: np.ndarray, seen: list[bool]) -> None:
    bars = ax.bar(labels, values, color=BLUE, alpha=0.75, width=0.7)
    for bar, observed in zip(bars, seen, strict=True):
        if observed:
            bar.set(edgecolor=VERMILION, linewidth=2.0)
    if max(map(len, labels)) * len(labels) > 45:
        ax.tick_params("x", rotation=45)


@styled
def feasible_region(
    problem: LearnedProblem,
    at: Mapping[str, float],
    plane: Mapping[str, tuple[float, float]],
    *,
    block: str | None = None,
) -> Figure:
    """The utility in a plane of two variables, the side that each inequality forbids, and where equalities hold.

    The rows drawn are those of the blocks that see the variables themselves. They are penalties: nothing forbids the
    hatched side, it costs utility.

    Parameters
    ----------
    at : values of all other variables, in the user's units.
    plane : two names, usually responses, and their ranges.
    block : draw the rows of this block only.

    Raises
    ------
    OptionError
        If the plane has not two variables of the problem with their ranges, or there is no such block.
    DataError
        If a variable of the problem has no value.

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
    >>> bl.plots.feasible_region(problem, {}, {"price": (0, 4), "income": (0, 2)}).axes[0].get_ylabel()
    'income'
    """
    check_kind("problem", problem, LearnedProblem, "model.problem_")
    for name, given in (("at", at), ("plane", plane)):
        check_kind(name, given, Mapping, "a dictionary by the names of variables")
    if len(plane) != 2:
        raise OptionError(f"plane must name two variables and their ranges; got {len(plane)}: {', '.join(plane)}.")
    _check_names(problem, plane, block)
    names = list(plane)
    sides = [np.linspace(*_range(f"plane[{name!r}]", ends), GRID) for name, ends in plane.items()]
    across, up = np.meshgrid(*sides)
    values = {**at, names[0]: across, names[1]: up}
    total, rows = _evaluated(problem, values)
    figure, (ax,) = canvas(5.4, 4.4)
    shading = ax.contourf(across, up, total - total.max(), levels=14, cmap="cividis", rasterized=True)
    figure.colorbar(shading, ax=ax, label="utility, best = 0")
    handles = []
    drawn = [row for row in rows if block in (None, row.block)]
    for number, row in enumerate(drawn):
        handles += _boundary(ax, across, up, row, _HATCHES[number % len(_HATCHES)])
    best = np.unravel_index(np.argmax(total), total.shape)
    ax.plot(across[best], up[best], "*", color="white", markeredgecolor=INK, markersize=13)
    handles.append(
        Line2D(
            [],
            [],
            color="none",
            marker="*",
            markerfacecolor="white",
            markeredgecolor=INK,
            markersize=11,
            label="best in the plane",
        )
    )
    ax.set(xlabel=plain(names[0]), ylabel=plain(names[1]))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _range(name: str, ends: Any) -> tuple[float, float]:
    low, high = check_numbers(name, ends, (2,))
    if low >= high:
        raise OptionError(f"{name} must be two numbers (lower, upper) in order; got {ends!r}.")
    return float(low), float(high)


def _check_names(problem: LearnedProblem, plane: Mapping[str, Any], name: str | None) -> None:
    blocks = problem.layers[0]
    known = [name for block in blocks for name in (*block.variables, *block.response, *block.standard_deviations)]
    known += [column for block in blocks for _, column in block.curves.values()]
    unknown = [name for name in plane if name not in known]
    if unknown:
        listed = ", ".join(dict.fromkeys(known))
        raise OptionError(f"plane names {unknown[0]!r}, which is no variable. Variables: {listed}.")
    if name is not None and name not in [block.name for block in blocks]:
        listed = ", ".join(block.name for block in blocks)
        raise OptionError(f"block must be one of those that see the variables, {listed}; got {name!r}.")


class _Row(NamedTuple):
    """A constraint of a block, and its polynomial at every point of the plane."""

    block: str
    label: str
    term: HeadTerm
    argument: np.ndarray


def _evaluated(problem: LearnedProblem, given: Mapping[str, Any]) -> tuple[np.ndarray, list[_Row]]:
    """The utility of the whole, and the constraint rows of the first layer, at every point."""
    utility = problem.utility(given)
    if not problem.chooses:
        raise OptionError("A problem with one utility per class has no plane of choices. Use output='scalar'.")
    values = table_values(problem.layers[0], given)
    rows = [
        _Row(b.name, row_name(b, term), term, np.broadcast_to(term.polynomial.evaluate(values), utility.shape))
        for b in problem.layers[0]
        for term in (*b.terms_of("inequality"), *b.terms_of("equality"))
    ]
    return utility, rows


_HATCHES = ("///", r"\\\\\\", "xx", "||", "--")


def _boundary(ax: Axes, across: np.ndarray, up: np.ndarray, row: _Row, hatch: str) -> list[Any]:
    """Draw where a constraint holds with equality, and hatch the side an inequality speaks against."""
    argument, inequality = row.argument, row.term.head.role == "inequality"
    crosses = argument.min() < 0 < argument.max()
    color, style = (ORANGE, "-") if inequality else (PURPLE, "--")
    relation = f"{plain(row.block)}: {row.label} {'≤' if inequality else '='} 0"
    if crosses:
        line = ax.contour(across, up, argument, levels=[0], colors=[color], linewidths=2, linestyles=style)
        for text in ax.clabel(line, fmt=row.label, fontsize=FONT, colors=[INK]):
            text.set_bbox({"boxstyle": "round,pad=0.15", "facecolor": PAPER, "edgecolor": color})
    if not inequality:
        label = relation + ("" if crosses else ", not in the plane")
        return [Line2D([], [], color=color, linestyle=style, linewidth=2, label=label)]
    if argument.max() > 0:
        hatched = ax.contourf(across, up, argument, levels=[0, argument.max() + 1], colors="none", hatches=[hatch])
        hatched.set(edgecolor=ORANGE, linewidth=0)
    where = "hatched: violated" if crosses else "violated everywhere" if argument.max() > 0 else "satisfied everywhere"
    return [Patch(facecolor="none", edgecolor=color, hatch=hatch, label=f"{relation} ({where})")]
