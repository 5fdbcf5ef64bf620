"""Do probabilities hold? Histograms of the probability integral transform, coverage, and reliability of classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import beta, binom

from behavior_learning.errors import DataError
from behavior_learning.options import check_count
from behavior_learning.plots.checks import check_numbers
from behavior_learning.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    brief_names,
    canvas,
    plain,
    styled,
)

__all__ = ["coverage", "pit_histogram", "reliability"]

CLASSES = 6
"""Classes whose reliability is drawn one by one."""


@styled
def pit_histogram(pit: Any, *, bins: int = 20) -> Figure:
    """Histogram of F(y|x): flat where the predicted distributions hold, with the band that chance leaves.

    A hump in the middle means distributions too wide, a bowl too narrow, a slope biased.

    Parameters
    ----------
    pit : the predicted probability of a response no larger than the one observed, between 0 and 1; one per row.

    Examples
    --------
    >>> import behavior_learning as bl, numpy as np
    >>> bl.plots.pit_histogram(np.linspace(0, 1, 200)).axes[0].get_xlabel()
    'predicted probability of a smaller response'
    """
    pit, bins = check_numbers("pit", pit, (None,), share=True), check_count("bins", bins)
    figure, (ax,) = canvas(4.6, 3.0)
    counts, edges = np.histogram(pit, bins=bins, range=(0, 1))
    low, high = binom.ppf([0.025, 0.975], len(pit), 1 / bins) * bins / len(pit)
    ax.axhspan(low, high, color=SKY, alpha=0.3, linewidth=0, label="95 % of bins, if exact")
    ax.axhline(1, color=GREY, linewidth=1)
    ax.stairs(counts * bins / len(pit), edges, fill=True, color=BLUE, alpha=0.75)
    ax.set(
        xlabel="predicted probability of a smaller response", ylabel="frequency, exact = 1", xlim=(0, 1), ylim=(0, None)
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14))
    return figure


@styled
def coverage(pit: Any) -> Figure:
    """Share of responses inside their central interval against the probability the interval claims, with a 95 % band.

    Parameters
    ----------
    pit : as in `pit_histogram`.

    Examples
    --------
    >>> import behavior_learning as bl, numpy as np
    >>> bl.plots.coverage(np.linspace(0, 1, 200)).axes[0].get_ylabel()
    'responses inside'
    """
    distance = 2 * np.abs(check_numbers("pit", pit, (None,), share=True) - 0.5)
    claimed = np.linspace(0.02, 0.98, 49)
    held = np.mean(distance[:, None] <= claimed, axis=0)
    low, high = _binomial_interval(np.round(held * len(distance)), len(distance))
    figure, (ax,) = canvas(3.6, 3.4)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="exact")
    ax.fill_between(claimed, low, high, color=BLUE, alpha=0.2, linewidth=0)
    ax.plot(claimed, held, color=BLUE, linewidth=1.8, label="observed")
    _percent(ax, "interval claims", "responses inside")
    ax.legend(loc="upper left")
    return figure


@styled
def reliability(probabilities: Any, observed: Any, classes: Sequence[Any], *, bins: int = 10) -> Figure:
    """Observed frequency of a class against its predicted probability, rows grouped by the latter, with 95 % intervals.

    Up to six classes are drawn one by one; with more, the class predicted as most likely.

    Parameters
    ----------
    probabilities : shape (n, classes).
    observed : position of each row's class among `classes`, shape (n,).
    bins : groups of equal width.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> figure = bl.plots.reliability([[0.9, 0.1], [0.2, 0.8]], [0, 1], ["no", "yes"])
    >>> figure.axes[0].get_ylabel()
    'observed frequency'
    """
    bins, probabilities = (
        check_count("bins", bins),
        check_numbers("probabilities", probabilities, (None, None), share=True),
    )
    observed = _positions(observed, len(probabilities), len(classes))
    if probabilities.shape[1] != len(classes):
        raise DataError(f"probabilities must have a column per class; got {probabilities.shape[1]} for {len(classes)}.")
    figure, (ax,) = canvas(4.2, 4.0)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    if len(classes) == 2 or len(classes) > CLASSES:
        top = probabilities.argmax(axis=1) if len(classes) > 2 else np.ones(len(observed), int)
        name = plain(str(classes[1])) if len(classes) == 2 else "the class predicted"
        _reliability_line(ax, probabilities[np.arange(len(top)), top], observed == top, bins, name, 0)
    else:
        for code, name in enumerate(brief_names(map(str, classes)).values()):
            _reliability_line(ax, probabilities[:, code], observed == code, bins, name, code)
    _percent(ax, "predicted probability", "observed frequency")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


_LINES = tuple(zip((BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY), "os^DvP", strict=True))


def _positions(observed: Any, rows: int, classes: int) -> np.ndarray:
    codes = check_numbers("observed", observed, (rows,))
    if not np.isin(codes, np.arange(classes)).all():
        raise DataError(
            f"observed must hold positions 0 to {classes - 1} among the classes, not labels; got {observed!r}."
        )
    return codes.astype(int)


def _reliability_line(ax: Axes, predicted: np.ndarray, hit: np.ndarray, bins: int, name: str, number: int) -> None:
    groups = np.minimum((predicted * bins).astype(int), bins - 1)
    counts = np.bincount(groups, minlength=bins)
    used = counts > 0
    hits = np.bincount(groups, hit, minlength=bins)[used]
    low, high = _binomial_interval(hits, counts[used])
    share, mean = hits / counts[used], np.bincount(groups, predicted, minlength=bins)[used] / counts[used]
    color, marker = _LINES[number]
    errors = np.maximum([share - low, high - share], 0)
    ax.errorbar(
        mean,
        share,
        errors,
        color=color,
        marker=marker,
        markersize=5,
        linewidth=1.3,
        elinewidth=0.8,
        label=name,
    )


def _binomial_interval(hits: np.ndarray, n: Any) -> tuple[np.ndarray, np.ndarray]:
    """Jeffreys' 95 % interval of a share, ends at 0 and 1 where all or none hit."""
    low = np.where(hits == 0, 0.0, beta.ppf(0.025, hits + 0.5, n - hits + 0.5))
    return low, np.where(hits == n, 1.0, beta.ppf(0.975, hits + 0.5, n - hits + 0.5))


def _percent(ax: Axes, across: str, up: str) -> None:
    ax.set(xlabel=across, ylabel=up, xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
