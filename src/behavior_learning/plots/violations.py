"""How firmly constraints hold: violations against temperature and against multipliers (Figure 6)."""

import pandas as pd
from matplotlib.figure import Figure

from behavior_learning.plots.checks import check_frame
from behavior_learning.plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, canvas, plain, styled

__all__ = ["violations"]

COLORS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, GREY)


@styled
def violations(table: pd.DataFrame) -> Figure:
    """Mean violation of each constraint as a line, its 95th percentile dotted, against τ and against λ (Figure 6).

    Parameters
    ----------
    table : what `model.violations()` returned: a line per sweep, value and row, with mean and percentile_95.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> lines = pd.DataFrame({"sweep": "temperature", "value": [0.5, 1.0], "row": "T", "mean": [0.1, 0.2]})
    >>> bl.plots.violations(lines.assign(percentile_95=0.5)).axes[0].get_xlabel()
    'temperature, in multiples of the fitted one'
    """
    check_frame("table", table, ("sweep", "value", "row", "mean", "percentile_95"), "what model.violations() returned")
    sweeps = list(table.groupby("sweep", sort=False))
    figure, axes = canvas(3.6 * len(sweeps), 3.2, columns=len(sweeps), sharey=True)
    for ax, (sweep, lines) in zip(axes, sweeps, strict=True):
        for i, (row, own) in enumerate(lines.groupby("row", sort=False)):
            color = COLORS[i % len(COLORS)]
            ax.plot(own["value"], own["mean"], "o-", color=color, markersize=3, label=plain(row))
            ax.plot(own["value"], own["percentile_95"], ":", color=color)
        ax.set(xscale="log", xlabel=f"{sweep}, in multiples of the fitted one")
    axes[0].set_ylabel("violation: mean, and 95th percentile dotted")
    axes[-1].legend()
    return figure
