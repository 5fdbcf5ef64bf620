"""The data behind "one row at a time": curves, inputs and contributions of a few rows, rounded."""

from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.encoding import TableEncoder
from behavior_learning.learned.model import LearnedModel
from behavior_learning.report.markup import written
from behavior_learning.report.predictive import ClassLaw, NumberLaw, Rows, curves

__all__ = ["decoded", "explorer_data"]

POINTS = 70
"""Points of a curve over the range of all rows, and as many over the middle of each row's own distribution."""

COLUMNS = 200
"""Columns of a row that are listed."""

PARTS = 12
"""Contributions that are listed one by one."""

_KINDS = {"utility": "wants", "inequality": "limits", "equality": "believes"}


def decoded(encoder: TableEncoder, x: np.ndarray) -> pd.DataFrame:
    """Encoded rows as the user's columns; None where a value is missing or unknown."""
    columns: dict[str, Any] = {}
    for source in encoder.names:
        own = [(j, column) for j, column in enumerate(encoder.columns) if column.source == source]
        gap = next((x[:, j] == 1 for j, column in own if column.kind == "missing"), np.zeros(len(x), bool))
        first, number = own[0][1], x[:, own[0][0]]
        if first.is_number:
            value = first.center + first.scale * number
            columns[source] = np.where(gap, np.nan, _without_noise(value))
        else:
            level = np.full(len(x), None, object)
            if first.kind == "step":
                level[~gap] = first.levels[max(first.levels.index(first.level) - 1, 0)]
            for j, column in own:
                level[(x[:, j] == 1) & (column.kind != "missing")] = column.level or column.kind
            columns[source] = level
    return pd.DataFrame(columns, index=range(len(x)))


def _without_noise(values: np.ndarray) -> np.ndarray:
    """Numbers rounded to 12 digits of the largest: a 0 comes back from its encoding as 7e-18."""
    largest = np.abs(values).max(initial=0.0)
    return values if largest == 0 else np.round(values / largest, 12) * largest


def explorer_data(
    model: LearnedModel, rows: Rows, distributions: list[NumberLaw | ClassLaw], contributions: pd.DataFrame | None
) -> dict[str, Any]:
    """What the page's script draws: for every response the curves of each row, and what each row's columns hold.

    Parameters
    ----------
    distributions : of every response at these rows.
    contributions : a line per row, columns (block, head), or None.
    """
    table = decoded(model.encoder, rows.x).iloc[:, :COLUMNS]
    return {
        "columns": list(map(str, table.columns)),
        "values": [["missing" if pd.isna(v) else written(v) for v in line] for line in table.to_numpy(object)],
        "distributions": [_drawn(model, j, rows, predicted) for j, predicted in enumerate(distributions)],
        "contributions": None if contributions is None else _contributions(contributions),
    }


def _drawn(model: LearnedModel, j: int, rows: Rows, predicted: NumberLaw | ClassLaw) -> dict[str, Any]:
    part = predicted.part
    if isinstance(predicted, ClassLaw):
        classes = np.tile(np.arange(len(part.levels or ())), (len(rows), 1))
        utility, log_density = curves(model, j, rows, classes)
        own = {"classes": [str(label) for label in part.levels or ()], "observed": predicted.observed.tolist()}
        return {"name": part.name, **_heights(utility, log_density, 0.0), **own}
    low, high, grid = _grid(predicted)
    points = part.locate(grid)
    grid = part.restore(points)  # Counts are whole numbers.
    utility, log_density = curves(model, j, rows, points)
    ends = {"low": low, "high": high, "y": _rounded(grid), "observed": _rounded(predicted.observed)}
    typical = {"mean": _rounded(predicted.mean), "interval": _rounded(predicted.interval(0.9))}
    return {"name": part.name, **_heights(utility, log_density, part.log_unit), **ends, **typical}


def _grid(predicted: NumberLaw) -> tuple[float, float, np.ndarray]:
    """Ends of the picture, and points for each row: even ones, and more where its own distribution has its mass."""
    first, last = predicted.quantiles[:, 0], predicted.quantiles[:, -1]
    width = last - first
    low, high = np.minimum(first - 0.5 * width, predicted.observed), np.maximum(last + 0.5 * width, predicted.observed)
    low, high = np.clip([low.min(), high.max()], *predicted.part.ends())
    own = np.linspace(np.maximum(first - 0.3 * width, low), np.minimum(last + 0.3 * width, high), POINTS, axis=1)
    even = np.broadcast_to(np.linspace(low, high, POINTS), own.shape)
    return float(low), float(high), np.sort(np.concatenate([even, own], axis=1), axis=1)


def _heights(utility: np.ndarray, log_density: np.ndarray, log_unit: float) -> dict[str, Any]:
    best = utility.max(axis=1, keepdims=True)
    return {"utility": _rounded(utility - best), "density": _rounded(np.exp(log_density - log_unit))}


def _contributions(table: pd.DataFrame) -> dict[str, Any]:
    """The strongest parts, the sum of the others, and the total, of every row."""
    order = table.abs().mean().sort_values(ascending=False).index
    shown, rest = table[order[:PARTS]], table[order[PARTS:]]
    names = [" ".join(map(str, key)) for key in shown.columns]
    kinds = [_KINDS.get(key[-1], "other") for key in shown.columns]
    values = shown.to_numpy()
    if rest.shape[1]:
        values = np.c_[values, rest.sum(axis=1)]
        names, kinds = [*names, f"{rest.shape[1]} smaller"], [*kinds, "other"]
    return {
        "names": [*names, "total"],
        "kinds": [*kinds, "other"],
        "values": _rounded(np.c_[values, table.sum(axis=1)]),
    }


def _rounded(values: np.ndarray) -> list[Any]:
    """Four significant digits, as lists of numbers."""
    return np.vectorize(lambda value: float(f"{value:.4g}"), otypes=[float])(values).tolist()
