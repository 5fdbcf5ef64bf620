"""Figures from plain values; every function returns a matplotlib Figure and shows nothing."""

import numpy as np
from matplotlib.figure import Figure

__all__ = ["prediction_intervals"]

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
"""From the Okabe–Ito palette, told apart by colour-blind readers."""


def prediction_intervals(
    y: np.ndarray, prediction: np.ndarray, interval: np.ndarray, *, coverage: float, name: str
) -> Figure:
    """Observed responses against predictions with their intervals, rows in order of the prediction.

    Parameters
    ----------
    y, prediction : shape (n,), in the user's units.
    interval : shape (n, 2), lower and upper ends.
    coverage : the probability the intervals claim, between 0 and 1.
    name : of the response.
    """
    order = np.argsort(prediction)
    rank, inside = np.arange(len(y)), (y >= interval[:, 0]) & (y <= interval[:, 1])
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.vlines(rank, *interval[order].T, color=BLUE, alpha=0.35, linewidth=2, label=f"{coverage:.0%} interval")
    axes.plot(rank, prediction[order], color=BLUE, linewidth=1.5, label="predicted mean")
    for hit, colour, marker, label in (
        (True, GREY, "o", "observed, inside"),
        (False, ORANGE, "X", "observed, outside"),
    ):
        shown = inside[order] == hit
        axes.plot(rank[shown], y[order][shown], marker, color=colour, markersize=4.5, label=label)
    axes.set(
        xlabel="held-out rows, by prediction",
        ylabel=name,
        title=f"{inside.mean():.0%} of {len(y)} held-out rows lie inside their {coverage:.0%} interval",
    )
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
