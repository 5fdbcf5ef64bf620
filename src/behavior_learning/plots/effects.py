"""What variables do to what is predicted, and heads to the utility: intervals, bars, curves and surfaces."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from behavior_learning.errors import DataError
from behavior_learning.options import check_count
from behavior_learning.plots.checks import check_frame, check_kind, check_numbers
from behavior_learning.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    ROLES,
    SKY,
    VERMILION,
    brief_names,
    canvas,
    plain,
    styled,
)

__all__ = ["contributions", "curve", "effects", "surface"]

MOST = 15
"""Bars in one figure."""


@styled
def effects(table: pd.DataFrame, *, most: int = MOST) -> Figure:
    """Effects with their intervals, the largest first; hollow where there is no standard error.

    Parameters
    ----------
    table : `effects.table(standardized=True)`, or any other table of effects.
    most : lines shown.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> table = pd.DataFrame({"estimate": [2.0, -3.0], "lower": [1.0, -5.0], "upper": [3.0, -1.0]}, ["RM", "LSTAT"])
    >>> [label.get_text() for label in bl.plots.effects(table).axes[0].get_yticklabels()]
    ['LSTAT', 'RM']
    """
    check_frame("table", table, ("estimate", "lower", "upper"), "effects.table(standardized=True)")
    check_count("most", most)
    shown = table.loc[table["estimate"].abs().sort_values(ascending=False).index].head(most)
    rows = np.arange(len(shown))
    figure, (ax,) = canvas(4.6, 1.1 + 0.23 * len(shown))
    ax.hlines(rows, shown["lower"], shown["upper"], color=BLUE, linewidth=1.6)
    filled = [BLUE if known else "none" for known in shown["lower"].notna()]
    ax.scatter(shown["estimate"], rows, s=22, facecolors=filled, edgecolors=BLUE, zorder=3)
    ax.axvline(0, color=GREY, linewidth=0.8)
    _names_down(ax, _joined(shown.index), rows)
    ax.set_xlabel("effect with its interval" if shown["lower"].notna().any() else "effect, without errors")
    return figure


@styled
def contributions(values: pd.Series, *, most: int = MOST, total: bool = True) -> Figure:
    """What each part adds to the utility of one row: bars that sum to the total.

    Parameters
    ----------
    values : a line of `model.contributions()`, indexed by (block, head).
    most : parts shown; the others are summed in one bar.
    total : whether the sum has a bar of its own.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> parts = pd.Series({("block1.1", "utility"): 0.8, ("block1.1", "inequality"): -0.3})
    >>> [label.get_text() for label in bl.plots.contributions(parts).axes[0].get_yticklabels()]
    ['block1.1 utility', 'block1.1 inequality', 'total']
    """
    check_kind("values", values, pd.Series, "a line of model.contributions(), such as model.contributions().iloc[0]")
    check_count("most", most)
    order = values.abs().sort_values(ascending=False).index
    shown, rest = values[order[:most]], values[order[most:]]
    heads = shown.index.get_level_values(-1) if shown.index.nlevels > 1 else [""] * len(shown)
    names = _joined(shown.index)
    sizes, colors = list(shown), [ROLES[head].color if head in ROLES else GREY for head in heads]
    if len(rest):
        names, sizes, colors = [*names, f"{len(rest)} smaller"], [*sizes, rest.sum()], [*colors, GREY]
    if total:
        names, sizes, colors = [*names, "total"], [*sizes, values.sum()], [*colors, INK]
    rows = np.arange(len(sizes))
    figure, (ax,) = canvas(4.6, 0.9 + 0.25 * len(sizes))
    ax.barh(rows, sizes, color=colors, height=0.68)
    ax.axvline(0, color=GREY, linewidth=0.8)
    _names_down(ax, names, rows)
    ax.set_xlabel("utility (nats × τ)")
    return figure


def _joined(index: pd.Index) -> list[str]:
    """Labels of one or several levels as text."""
    return [" ".join(map(str, key)) for key in (index if index.nlevels > 1 else zip(index))]


def _names_down(ax: Axes, names: list[str], rows: np.ndarray) -> None:
    brief = brief_names(names, 34)
    ax.set(yticks=rows, yticklabels=[brief[name] for name in names], ylim=(len(rows) - 0.4, -0.6))
    ax.tick_params("y", length=0)


_LINES = tuple(zip((BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY), ("-", "--", "-.", ":", "-", "--"), strict=True))


@styled
def curve(table: pd.DataFrame, *, name: str | None = None, ylabel: str = "") -> Figure:
    """Curves over one variable with their bands: `effects.curve(variable)`, or a column per curve.

    Columns after the sixth are left out; those that move most are kept.

    Parameters
    ----------
    table : of `effects.curve`, or one with a column per curve, indexed by the variable's values.
    name : of the variable; by default the index's.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> table = pd.DataFrame({"utility": [0.0, 1.0]}, index=pd.Index([4.0, 9.0], name="RM"))
    >>> bl.plots.curve(table).axes[0].get_xlabel()
    'RM'
    """
    check_frame("table", table, (), "effects.curve(variable)")
    parts, outcomes = ("estimate", "lower", "upper"), table.index.nlevels > 1
    banded = set(parts) <= set(table.columns)
    wide = {p: table[p].unstack(sort=False) if outcomes else table[[p]] for p in (parts if banded else ())}
    table = wide.get("estimate", table)
    if not all(map(pd.api.types.is_numeric_dtype, table.dtypes)):
        raise DataError(f"table must hold numbers; got columns of {', '.join(sorted(set(map(str, table.dtypes))))}.")
    spread = (table.max() - table.min()).to_numpy()
    kept = np.sort(np.argsort(-spread, kind="stable")[: len(_LINES)])
    figure, (ax,) = canvas(4.6, 3.2)
    labels = _joined(table.columns[kept])
    brief = brief_names(labels, 26)
    numbers = pd.api.types.is_numeric_dtype(table.index)
    x = table.index.to_numpy() if numbers else np.arange(len(table))
    for (color, line), column, label in zip(_LINES, kept, labels, strict=False):
        ax.plot(
            x, table.iloc[:, column], color=color, linestyle=line, marker=None if numbers else "o", label=brief[label]
        )
        if banded and wide["lower"].iloc[:, column].notna().all():
            ends = (wide[end].iloc[:, column] for end in ("lower", "upper"))
            ax.fill_between(x, *ends, color=color, alpha=0.18, linewidth=0)
    if not numbers:
        levels = list(map(str, table.index))
        short = brief_names(levels, 14)
        ax.set_xticks(x, [short[level] for level in levels], rotation=30)
    ax.set(xlabel=plain(str(table.index.name or "") if name is None else name), ylabel=ylabel)
    if len(kept) > 1:
        figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def surface(first: Any, second: Any, values: Any, *, names: tuple[str, str], label: str = "") -> Figure:
    """A function of two variables as a map; zero is white where the values have both signs.

    Parameters
    ----------
    first, second : values of the variables, numbers or levels, the first two that `effects.surface(a, b)` returns.
    values : by first and second, the third that it returns.
    names : of the two variables.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> figure = bl.plots.surface([4, 9], [0, 30], [[0.0, 1.0], [1.0, 0.0]], names=("RM", "LSTAT"))
    >>> figure.axes[0].get_ylabel()
    'LSTAT'
    """
    values = check_numbers("values", values, (len(first) or None, len(second) or None))
    if len(names) != 2:
        raise DataError(f"names must be those of the two variables; got {names!r}.")
    figure, (ax,) = canvas(4.6, 3.4)
    signed = values.min() < 0 < values.max()
    largest = np.abs(values).max() or 1.0
    scale: dict[str, Any] = {"cmap": "PuOr", "vmin": -largest, "vmax": largest} if signed else {"cmap": "cividis"}
    across, up = _places(ax.xaxis, first), _places(ax.yaxis, second)
    drawn = ax.pcolormesh(across, up, values.T, shading="nearest", rasterized=True, **scale)
    figure.colorbar(drawn, ax=ax, label=label)
    if min(values.shape) > 2 and np.ptp(values) > 0:
        lines = ax.contour(across, up, values.T, levels=6, colors=[INK], linewidths=0.6)
        ax.clabel(lines, fontsize="small", fmt="%.3g")
    ax.set(xlabel=plain(names[0]), ylabel=plain(names[1]))
    return figure


def _places(axis: Any, values: Any) -> np.ndarray:
    """Numbers as they are, and levels side by side."""
    values = np.asarray(values)
    if values.dtype.kind in "fiu":
        return values.astype(float)
    short = brief_names(map(str, values), 12)
    axis.set_ticks(np.arange(len(values)), [short[name] for name in map(str, values)])
    return np.arange(len(values), dtype=float)
