"""Who is ahead over several data sets: mean ranks, Friedman's and Nemenyi's tests, Wilcoxon's of each pair.

Source: Demšar (2006), Statistical comparisons of classifiers over multiple data sets.
"""

from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import friedmanchisquare, studentized_range, wilcoxon

LEVEL = 0.05


class Ranks(NamedTuple):
    """Mean ranks of models over data sets that all of them have, 1 the best.

    Attributes
    ----------
    p_value : of Friedman's hypothesis that all models rank alike.
    critical_difference : of two mean ranks, by Nemenyi's test at 5 %.
    against : p-values of Wilcoxon's signed ranks, of every pair and not corrected for their number.
    """

    mean: pd.Series
    data_sets: int
    p_value: float
    critical_difference: float
    against: pd.DataFrame


def ranks_of(scores: pd.DataFrame, *, larger_is_better: bool) -> Ranks:
    """Ranks of scores, a line per data set and a column per model; lines with gaps are left out."""
    whole = scores.dropna()
    n, k = whole.shape
    mean = whole.rank(axis=1, ascending=not larger_is_better).mean().sort_values()
    several = n > 1 and k > 2
    p_value = float(friedmanchisquare(*whole.T.to_numpy()).pvalue) if several else np.nan
    spread = np.sqrt(k * (k + 1) / (6 * n)) if n else np.nan
    critical = float(studentized_range.ppf(1 - LEVEL, k, np.inf) / np.sqrt(2) * spread)
    pairs = pd.DataFrame(np.nan, index=mean.index, columns=mean.index)
    for one, other in combinations(mean.index if n > 1 else (), 2):
        # Ties and zeros would else be permuted one by one, for seconds.
        p = wilcoxon(whole[one], whole[other], zero_method="zsplit", method="exact").pvalue
        pairs.loc[one, other] = pairs.loc[other, one] = p
    return Ranks(mean, n, p_value, critical, pairs)


def tied(ranks: Ranks) -> list[tuple[int, int]]:
    """First and last place of every longest run of models whose mean ranks do not differ by the critical difference."""
    mean = ranks.mean.to_numpy()
    runs = [(i, int(np.searchsorted(mean, mean[i] + ranks.critical_difference, "right")) - 1) for i in range(len(mean))]
    ends = np.maximum.accumulate([-1, *(end for _, end in runs)])
    return [(i, end) for (i, end), before in zip(runs, ends, strict=False) if end > i and end > before]


def diagram(ranks: Ranks, title: str) -> Figure:
    """A critical-difference diagram: models on a line by mean rank, bars over those that do not differ."""
    k, half = len(ranks.mean), (len(ranks.mean) + 1) // 2
    bars = tied(ranks)
    figure = Figure(figsize=(8, 1.3 + 0.24 * half + 0.12 * len(bars)))
    axes = figure.add_axes((0.22, 0.02, 0.56, 0.8))
    depth = -0.35 * len(bars)
    axes.set(xlim=(1, k), ylim=(depth - 0.75 * half - 0.3, 0.05), yticks=[], xticks=range(1, k + 1))
    axes.xaxis.tick_top()
    axes.spines[["left", "right", "bottom"]].set_visible(False)
    for place, (name, rank) in enumerate(ranks.mean.items()):
        left = place < half
        row = place if left else k - 1 - place
        y = depth - 0.75 * (row + 0.8)
        axes.plot([rank, rank, 1 if left else k], [0, y, y], color="0.3", lw=0.8, clip_on=False)
        axes.text(
            0.9 if left else k + 0.1, y, f"{name}  {rank:.2f}", ha="right" if left else "left", va="center", fontsize=9
        )
    for level, (first, last) in enumerate(bars):
        ends = ranks.mean.iloc[[first, last]] + np.array([-0.05, 0.05])
        axes.plot(ends, [-0.2 - 0.35 * level] * 2, color="C3", lw=3, solid_capstyle="butt", clip_on=False)
    figure.suptitle(
        f"{title}: mean ranks over {ranks.data_sets} sets, critical difference {ranks.critical_difference:.2f}",
        fontsize=10,
    )
    return figure


def draw(ranks: Ranks, title: str, path: Path) -> None:
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        diagram(ranks, title).savefig(path, metadata={"Date": None})
