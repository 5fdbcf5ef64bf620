"""What linear regressions say again on the same samples: the recurrence that others are to be compared with."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from sklearn.linear_model import lars_path

from behavior_learning.explanation.stability import Linear

__all__ = ["linear_recurrence"]

Regression = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Coefficients (columns,) of centred columns (rows, columns) and a centred response (rows,)."""


def linear_recurrence(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    sources: Sequence[str],
    samples: Sequence[Int[np.ndarray, " some"]],
    size: int,
) -> pd.DataFrame:
    """By regression, the columns it names and the share of samples in which it does so again.

    A regression makes one statement, by the rule of those of problems: it names columns that move the response at least
    0.3 as far as the strongest, five at most, and recurs where all of them move it at least 0.15 as far, in the same
    directions.

    Parameters
    ----------
    x, y : encoded columns, and a response.
    sources : the user's column behind each encoded one.
    samples : rows of each.
    size : columns that the lasso may hold.
    """
    names = list(dict.fromkeys(sources))
    at = [np.flatnonzero([source == name for source in sources]) for name in names]

    def least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(x, y, rcond=None)[0]

    def lasso(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        coefs = lars_path(x, y, method="lasso")[2]
        few = np.flatnonzero((coefs != 0).sum(axis=0) <= size)
        return coefs[:, few[-1]]

    def said(regression: Regression, rows: np.ndarray) -> Linear:
        own = x[rows] - x[rows].mean(axis=0)
        effects = regression(own, y[rows] - y[rows].mean()) * own.std(axis=0)
        loads = [effects[group[0]] if len(group) == 1 else np.linalg.norm(effects[group]) for group in at]
        return Linear(np.array(loads)[:, None])

    lines = []
    for name, regression in (("least squares", least_squares), ("lasso", lasso)):
        whole = said(regression, np.arange(len(x)))
        again = [whole.recurrence(said(regression, rows)) for rows in samples]
        named = [i for i in np.argsort(-np.abs(whole.loads[:, 0])) if whole.named[i, 0]]
        lines.append((name, tuple(names[i] for i in named), float(np.mean(again)) if again else np.nan))
    return pd.DataFrame(lines, columns=["regression", "columns", "recurrence"]).set_index("regression")
