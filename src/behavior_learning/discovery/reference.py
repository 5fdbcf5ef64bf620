"""What linear regressions say again on the same samples: the recurrence that others are to be compared with."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from sklearn.linear_model import lars_path

from behavior_learning.explanation.statements import KEPT, MOST_NAMED, NAMED

__all__ = ["linear_recurrence"]

Regression = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Coefficients (columns,) of standardised columns (rows, columns) and a response (rows,)."""


class _Said(NamedTuple):
    """Columns of a regression: how far each moves the response, and in which direction (0 for a category)."""

    strengths: Float[np.ndarray, " columns"]
    directions: Float[np.ndarray, " columns"]

    @property
    def named(self) -> Int[np.ndarray, " named"]:
        order = np.argsort(-self.strengths)
        return order[self.strengths[order] >= max(NAMED * self.strengths.max(), 1e-12)][:MOST_NAMED]

    def says(self, named: Int[np.ndarray, " named"], directions: Float[np.ndarray, " columns"]) -> bool:
        """Whether named columns move the response here too, not much less than the strongest, in their directions."""
        kept = self.strengths[named] >= max(KEPT * self.strengths.max(), 1e-12)
        return bool(np.all(kept & (self.directions[named] == directions[named])))


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

    def lasso(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        coefs = lars_path(x, y, method="lasso")[2]
        few = np.flatnonzero((coefs != 0).sum(axis=0) <= size)
        return coefs[:, few[-1]]

    def said(regression: Regression, rows: np.ndarray) -> _Said:
        own = x[rows] - x[rows].mean(axis=0)
        effects = regression(own, y[rows] - y[rows].mean()) * own.std(axis=0)
        single = [np.sign(effects[group[0]]) if len(group) == 1 else 0.0 for group in at]
        return _Said(np.array([np.linalg.norm(effects[group]) for group in at]), np.array(single))

    lines = []
    for name, regression in (("least squares", _least_squares), ("lasso", lasso)):
        whole = said(regression, np.arange(len(x)))
        again = [said(regression, rows).says(whole.named, whole.directions) for rows in samples]
        lines.append((name, tuple(names[i] for i in whole.named), float(np.mean(again)) if again else np.nan))
    return pd.DataFrame(lines, columns=["regression", "columns", "recurrence"]).set_index("regression")


def _least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(x, y, rcond=None)[0]
