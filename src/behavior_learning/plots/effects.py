"""What variables, blocks and heads do to the utility: bars, curves and interaction surfaces."""

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

__all__ = ["contributions", "curve", "marginal", "surface"]

MOST = 15
"""Bars in one figure."""


@styled
def marginal(table: pd.DataFrame, *, most: int = MOST) -> Figure:
    """How far a standard deviation of each variable moves the utility on average, the strongest first.

    A bar's colour and hatch say whether most rows go up or down with the variable.

    Parameters
    ----------
    table : `effects.marginal`; where there is one utility per class, the largest effect over the classes is drawn.
    most : variables shown.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> table = pd.DataFrame({"strength": [2.0, 1.0], "share_positive": [1.0, 0.1]}, index=["RM", "LSTAT"])
    >>> [label.get_text() for label in bl.plots.marginal(table).axes[0].get_yticklabels()]
    ['RM', 'LSTAT']
    """
    columns = ("share_positive", "strength")
    check_frame("table", table, columns, "effects.marginal")
    check_count("most", most)
    if table.index.nlevels > 1:
        table = table.sort_values("strength").groupby(level="variable").last()
    shown = table.sort_values("strength", ascending=False).head(most)
    rows = np.arange(len(shown))
    figure, (ax,) = canvas(4.6, 1.1 + 0.23 * len(shown))
    ups = (shown["share_positive"] >= 0.5).to_numpy()
    ax.barh(rows[ups], shown["strength"][ups], color=BLUE, height=0.68, label="raises the utility in most rows")
    ax.barh(rows[~ups], shown["strength"][~ups], color="none", edgecolor=VERMILION, hatch="////", height=0.68,
            label="lowers it in most rows")  # fmt: skip
    _names_down(ax, [str(name) for name in shown.index], rows)
    ax.set_xlabel("mean size of the marginal utility × standard deviation of the variable")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def contributions(values: pd.Series, *, most: int = MOST) -> Figure:
    """What each part adds to the utility of one row, or on average: bars that sum to the total.

    Parameters
    ----------
    values : a line of `effects.contributions`, or its mean; indexed by (block, head).
    most : parts shown; the others are summed in one bar.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> parts = pd.Series({("block1.1", "utility"): 0.8, ("block1.1", "inequality"): -0.3})
    >>> [label.get_text() for label in bl.plots.contributions(parts).axes[0].get_yticklabels()]
    ['block1.1 utility', 'block1.1 inequality', 'total']
    """
    check_kind("values", values, pd.Series, "a line of effects.contributions, such as effects.contributions.mean()")
    check_count("most", most)
    order = values.abs().sort_values(ascending=False).index
    shown, rest = values[order[:most]], values[order[most:]]
    heads = shown.index.get_level_values(-1) if shown.index.nlevels > 1 else [""] * len(shown)
    names = _joined(shown.index)
    sizes, colors = list(shown), [ROLES[head].color if head in ROLES else GREY for head in heads]
    if len(rest):
        names, sizes, colors = [*names, f"{len(rest)} smaller"], [*sizes, rest.sum()], [*colors, GREY]
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
def curve(table: pd.DataFrame, *, name: str | None = None, ylabel: str = "utility") -> Figure:
    """Curves over one variable: `effects.curve(variable)` or `effects.terms(variable)`.

    Columns after the sixth are left out; those that move most are kept.

    Parameters
    ----------
    table : a column per curve, indexed by the variable's values.
    name : of the variable; by default the index's.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> table = pd.DataFrame({"utility": [0.0, 1.0]}, index=pd.Index([4.0, 9.0], name="RM"))
    >>> bl.plots.curve(table).axes[0].get_xlabel()
    'RM'
    """
    check_frame("table", table, (), "effects.curve(variable) or effects.terms(variable)")
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
    if not numbers:
        levels = list(map(str, table.index))
        short = brief_names(levels, 14)
        ax.set_xticks(x, [short[level] for level in levels], rotation=30)
    ax.set(xlabel=plain(str(table.index.name or "") if name is None else name), ylabel=ylabel)
    if len(kept) > 1:
        figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def surface(
    first: Any, second: Any, values: Any, *, names: tuple[str, str], label: str = "interaction in utility"
) -> Figure:
    """A function of two variables as a map; zero is white where the values have both signs.

    Parameters
    ----------
    first, second : values of the variables, numbers or levels, such as `effects.surface(a, b).first` and `.second`.
    values : by first and second, such as `.utility` or `.interaction`.
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
