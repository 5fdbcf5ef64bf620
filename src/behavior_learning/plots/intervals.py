"""Observed responses beside what was predicted."""

import numpy as np
from matplotlib.figure import Figure

from behavior_learning.options import check_number
from behavior_learning.plots.checks import check_numbers
from behavior_learning.plots.style import BLUE, GREY, VERMILION, canvas, plain, styled

__all__ = ["prediction_intervals"]


@styled
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

    Examples
    --------
    >>> import behavior_learning as bl, numpy as np
    >>> y, interval = np.array([1.0, 2.0]), np.array([[0.0, 2.0], [1.0, 1.5]])
    >>> figure = bl.plots.prediction_intervals(y, interval.mean(axis=1), interval, coverage=0.9, name="MEDV")
    >>> figure.axes[0].get_title(loc="left")
    '50% of 2 rows lie inside their 90% interval'
    """
    y, coverage = check_numbers("y", y, (None,)), check_number("coverage", coverage, below=1.0)
    prediction = check_numbers("prediction", prediction, (len(y),))
    interval = check_numbers("interval", interval, (len(y), 2))
    order = np.argsort(prediction)
    rank, inside = np.arange(len(y)), (y >= interval[:, 0]) & (y <= interval[:, 1])
    figure, (axes,) = canvas(5.6, 3.8)
    axes.vlines(rank, *interval[order].T, color=BLUE, alpha=0.35, linewidth=2, label=f"{coverage:.0%} interval")
    axes.plot(rank, prediction[order], color=BLUE, linewidth=1.5, label="predicted mean")
    for hit, color, marker, label in (
        (True, GREY, "o", "observed, inside"),
        (False, VERMILION, "X", "observed, outside"),
    ):
        shown = inside[order] == hit
        axes.plot(rank[shown], y[order][shown], marker, color=color, markersize=4.5, label=label)
    axes.set(
        xlabel="rows, by prediction",
        ylabel=plain(name),
        title=f"{inside.mean():.0%} of {len(y)} rows lie inside their {coverage:.0%} interval",
    )
    figure.legend(loc="outside lower center", ncols=4, columnspacing=1.0, handlelength=1.4)
    return figure
