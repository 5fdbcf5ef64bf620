"""Figures of decisions: a scenario beside its baseline, and effects in order of size."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from behavior_learning.plots.style import BLUE, GREY, VERMILION, canvas, styled

__all__ = ["scenario", "tornado"]

STATES = {"baseline": (BLUE, "o", -0.16), "scenario": (VERMILION, "s", 0.16)}


@styled
def scenario(levels: pd.DataFrame, *, level: float = 0.95) -> Figure:
    """Means of each outcome without and with a scenario, with intervals.

    Parameters
    ----------
    levels : what `Scenario.levels` returned.
    level : of the intervals.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> index = pd.MultiIndex.from_product([["effect", "baseline", "scenario"], ["demand"]])
    >>> table = pd.DataFrame({"estimate": [1.0, 2, 3], "lower": [0.5, 1, 2], "upper": [1.5, 3, 4]}, index)
    >>> [label.get_text() for label in bl.plots.scenario(table).axes[0].get_yticklabels()]
    ['demand']
    """
    names = list(levels.loc["baseline"].index)
    figure, (ax,) = canvas(4.6, 1.1 + 0.45 * len(names))
    for state, (colour, marker, shift) in STATES.items():
        _intervals(ax, levels.loc[state], np.arange(len(names)) + shift, color=colour, fmt=marker, label=state)
    ax.set_yticks(range(len(names)), [str(name) for name in names])
    ax.set_xlabel(f"mean over the rows, {level:.0%} interval")
    ax.invert_yaxis()
    ax.legend()
    return figure


@styled
def tornado(effects: pd.DataFrame, *, level: float = 0.95) -> Figure:
    """Effects of several scenarios, the largest on top.

    Parameters
    ----------
    effects : a line per scenario with columns estimate, lower and upper, as `Scenario.effect` returns them.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> table = pd.DataFrame({"estimate": [1.0, -2], "lower": [0.5, -3], "upper": [1.5, -1]}, ["tax", "subsidy"])
    >>> [label.get_text() for label in bl.plots.tornado(table).axes[0].get_yticklabels()]
    ['tax', 'subsidy']
    """
    ordered = effects.reindex(effects["estimate"].abs().sort_values().index)
    figure, (ax,) = canvas(4.6, 1.1 + 0.3 * len(ordered))
    place = np.arange(len(ordered))
    ax.barh(place, ordered["estimate"], color=BLUE, alpha=0.35)
    _intervals(ax, ordered, place, color=BLUE, fmt="o")
    ax.axvline(0.0, color=GREY, linewidth=0.8)
    ax.set_yticks(place, [str(name) for name in ordered.index])
    ax.set_xlabel(f"effect, {level:.0%} interval")
    return figure


def _intervals(ax: Axes, part: pd.DataFrame, place: np.ndarray, **look: Any) -> None:
    gaps = np.abs(part[["lower", "upper"]].to_numpy().T - part["estimate"].to_numpy())
    ax.errorbar(part["estimate"], place, xerr=np.nan_to_num(gaps), capsize=3, **look)
