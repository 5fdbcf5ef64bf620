"""Estimates with their intervals, where searches ended, and how training went."""

import re
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from behavior_learning.options import check_count, check_number
from behavior_learning.plots.checks import check_frame, check_kind
from behavior_learning.plots.style import BLUE, GREY, ROLES, VERMILION, brief_names, canvas, styled

__all__ = ["coefficients", "local_optima", "training"]

MOST = 40
"""Parameters in one forest."""

BEYOND = 6.0
"""A forest's axis ends at so many times the middle half of the estimates and interval ends; longer ones get arrows."""


@runtime_checkable
class WithIntervals(Protocol):
    """Inference results, or their `estimates` or `original`."""

    @property
    def params(self) -> pd.Series: ...

    def conf_int(self, level: float = 0.95) -> pd.DataFrame: ...


@styled
def coefficients(results: WithIntervals, *, level: float = 0.95, most: int = MOST) -> Figure:
    """A forest: every estimate with its confidence interval, coloured by head.

    Parameters with no standard error are hollow; intervals that leave the figure end in an arrow.

    Parameters
    ----------
    results : inference results (on standardised columns, whose coefficients compare), or `results.original`.
    level : of the intervals.
    most : parameters shown; the ones with the largest |z| where there are more.

    Examples
    --------
    >>> import behavior_learning as bl, numpy as np
    >>> estimates = bl.inference.Estimates.of(("a", "b"), np.array([1.0, 2.0]), np.diag([0.01, 0.04]))
    >>> [label.get_text() for label in bl.plots.coefficients(estimates).axes[0].get_yticklabels()]
    ['a', 'b']
    """
    check_number("level", level, below=1.0)
    check_count("most", most)
    check_kind("results", results, WithIntervals, "what model.inference(...) returned")
    params, ends = results.params, results.conf_int(level)
    width = (ends["upper"] - ends["lower"]).to_numpy()
    if len(params) > most:
        z = np.nan_to_num(np.abs(params.to_numpy()) / width)
        chosen = np.sort(np.argsort(-z, kind="stable")[:most])
        left_out = len(params) - most
        params, ends = params.iloc[chosen], ends.iloc[chosen]
    else:
        left_out = 0
    labels = list(brief_names(map(str, params.index), 46).values())
    figure, (ax,) = canvas(6.4, 1.1 + 0.21 * len(params))
    rows = np.arange(len(params))
    limits = _limits(np.concatenate([params.to_numpy(), ends.to_numpy().ravel(), [0.0]]))
    for row, label, value, low, high in zip(rows, params.index, params, ends["lower"], ends["upper"], strict=True):
        parts = re.split(r"[.\[]", str(label))
        color = next((s.color for role, s in ROLES.items() if any(p.startswith(role) for p in parts)), GREY)
        _line(ax, row, value, low, high, limits, color)
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set(
        yticks=rows,
        yticklabels=labels,
        xlim=limits,
        ylim=(len(params) - 0.4, -0.6),
        xlabel=f"estimate and {level:.0%} interval",
    )
    ax.tick_params("y", length=0)
    ax.spines["left"].set_visible(False)
    if left_out:
        ax.set_title(f"{left_out} parameters with smaller |z| left out")
    return figure


def _limits(numbers: np.ndarray) -> tuple[float, float]:
    """Ends of the axis: all numbers, but none farther out than `BEYOND` times the middle half."""
    known = numbers[np.isfinite(numbers)]
    first, third = np.quantile(known, [0.25, 0.75])
    reach = BEYOND * max(third - first, 1e-12)
    low, high = max(known.min(), first - reach), min(known.max(), third + reach)
    pad = 0.04 * (high - low or 1.0)
    return low - pad, high + pad


def _line(ax: Any, row: Any, value: float, low: float, high: float, limits: tuple[float, float], color: str) -> None:
    shown = np.clip([low, high], *limits)
    if np.isfinite(low):
        ax.plot(shown, [row, row], color=color, linewidth=2, solid_capstyle="butt", zorder=1)
    for end, at, marker in ((low, shown[0], "<"), (high, shown[1], ">")):
        if np.isfinite(end) and end != at:
            ax.plot(at, row, marker, color=color, markersize=5, clip_on=False)
    inside = limits[0] <= value <= limits[1]
    face = color if np.isfinite(low) else "none"
    marker = "o" if inside else ">" if value > limits[1] else "<"
    ax.plot(np.clip(value, *limits), row, marker, markerfacecolor=face, markeredgecolor=color, markersize=5, zorder=2)
    if not inside:
        aside = {"xytext": (-7 if value > 0 else 7, 0), "textcoords": "offset points", "fontsize": "small"}
        ax.annotate(
            f"{value:.3g}", (np.clip(value, *limits), row), ha="right" if value > 0 else "left", va="center", **aside
        )


@styled
def local_optima(table: pd.DataFrame) -> Figure:
    """Where searches from several starts ended: the loss above the best, and how many ended there.

    Parameters
    ----------
    table : `results.local_optima`, one line per local optimum: loss, reached, distance, gradient, starts.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> ends = {"loss": [1.2, 1.3], "reached": [3, 1], "distance": [0.0, 2.0], "gradient": [1e-9, 1e-9]}
    >>> bl.plots.local_optima(pd.DataFrame(ends)).axes[0].get_title(loc="left")
    '3 of 4 searches ended in the best'
    """
    check_frame("table", table, ("loss", "reached", "distance", "gradient"), "results.local_optima")
    above = (table["loss"] - table["loss"].min()).to_numpy(float)
    figure, (ax,) = canvas(4.6, 1.3 + 0.32 * len(table))
    rows = np.arange(len(table))
    settled = table["gradient"].to_numpy(float) < SETTLED
    colors = [BLUE if done else "none" for done in settled]
    bars = ax.barh(rows, table["reached"], color=colors, edgecolor=[BLUE if done else VERMILION for done in settled])
    for bar, done in zip(bars, settled, strict=True):
        bar.set_linestyle("-" if done else "--")
    for row, gap, reached, distance in zip(rows, above, table["reached"], table["distance"], strict=True):
        text = "best" if row == 0 else f"+{gap:.3g} nats per row, distance {distance:.2g}"
        ax.annotate(text, (reached, row), (5, 0), textcoords="offset points", va="center", fontsize="small")
    most = int(table["reached"].max())
    ax.set(xlabel="searches that ended there", xlim=(0, most * 2.2 + 0.5), xticks=range(0, most + 1, max(1, most // 5)))
    ax.set(ylabel="end point", yticks=rows, yticklabels=[f"{row + 1}" for row in rows], ylim=(len(table) - 0.4, -0.6))
    note = "" if settled.all() else "\n(dashed: not an optimum, the gradient is not zero)"
    ax.set_title(f"{int(table['reached'].iloc[0])} of {int(table['reached'].sum())} searches ended in the best{note}")
    return figure


SETTLED = 1e-6
"""Gradient norm above which an end point is drawn as no optimum."""


@styled
def training(history: pd.DataFrame, restarts: pd.DataFrame) -> Figure:
    """Validation loss by epoch of every start, the one that was kept in front, with its training loss.

    Parameters
    ----------
    history, restarts : `model.history_` and `model.restarts_`.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> losses = {"train_loss": [2.0, 1.0], "validation_loss": [2.1, 1.2]}
    >>> history = pd.DataFrame({"start": [0, 0], "epoch": [1, 2], **losses})
    >>> restarts = pd.DataFrame({"best_epoch": [2], "validation_loss": [1.2], "kept": [True]})
    >>> bl.plots.training(history, restarts).axes[0].get_ylabel()
    'loss per row'
    """
    check_frame("history", history, ("start", "epoch", "train_loss", "validation_loss"), "model.history_")
    check_frame("restarts", restarts, ("kept",), "model.restarts_")
    figure, (ax,) = canvas(4.6, 3.1)
    kept = int(np.flatnonzero(restarts["kept"])[0])
    for start, lines in history.groupby("start"):
        if start != kept:
            ax.plot(
                lines["epoch"],
                _finite(lines["validation_loss"]),
                color=GREY,
                linewidth=0.9,
                alpha=0.7,
                label="other starts",
            )
    chosen = history[history["start"] == kept]
    ax.plot(
        chosen["epoch"],
        _finite(chosen["train_loss"]),
        color=BLUE,
        linewidth=1.2,
        linestyle="--",
        label="kept: training, with penalty",
    )
    ax.plot(chosen["epoch"], _finite(chosen["validation_loss"]), color=BLUE, linewidth=1.8, label="kept: validation")
    best = restarts.iloc[kept]
    ax.plot(
        best["best_epoch"],
        best["validation_loss"],
        "o",
        color=VERMILION,
        markersize=6,
        label=f"best epoch, {int(best['best_epoch'])}",
    )
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    ax.legend(unique.values(), unique.keys())
    if np.isnan(_finite(chosen["validation_loss"])).any():
        ax.set_title("gaps: the quadrature was too coarse to trust, and was refined", fontsize="small")
    ax.set(xlabel="epoch", ylabel="loss per row", ylim=_range(chosen, history))
    return figure


def _finite(values: pd.Series) -> np.ndarray:
    numbers = values.to_numpy(float)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _range(chosen: pd.DataFrame, history: pd.DataFrame) -> tuple[float, float]:
    """From the lowest loss to where the first tenth of the kept start has been: early losses can be enormous."""
    both = np.concatenate([_finite(chosen[c]) for c in ("train_loss", "validation_loss")])
    everything = np.concatenate([_finite(history[c]) for c in ("train_loss", "validation_loss")])
    low, high = np.nanmin(everything), np.nanquantile(both, 0.98)
    high = max(high, np.nanquantile(everything, 0.75))
    pad = 0.06 * (high - low or 1.0)
    return low - pad, high + pad
