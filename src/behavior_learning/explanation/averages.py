"""Averages over rows as sums that add up, so that rows may come in any parts; and tables of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import norm

from behavior_learning.explanation.correction import Correction
from behavior_learning.options import check_number

__all__ = ["Sums", "with_intervals"]

COLUMNS = ["estimate", "std_error", "z", "pvalue", "lower", "upper"]


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over rows of numbers that are asked of each, one line for every group of rows.

    Attributes
    ----------
    weight : of the rows that count.
    values, loads : of the numbers, and of their loadings on errors of unit size.
    terms : of the same changes of the terms of a correction; None without one.
    """

    weight: Float[np.ndarray, "lines q"]
    values: Float[np.ndarray, "lines q"]
    loads: Float[np.ndarray, "lines q r"]
    terms: Float[np.ndarray, "lines m k terms"] | None = None

    def __add__(self, other: "Sums") -> "Sums":
        terms = None if self.terms is None or other.terms is None else self.terms + other.terms
        return Sums(self.weight + other.weight, self.values + other.values, self.loads + other.loads, terms)

    @classmethod
    def stacked(cls, parts: Sequence["Sums"]) -> "Sums":
        """The lines of several, one below another."""
        terms = [part.terms for part in parts if part.terms is not None]
        return cls(
            np.concatenate([part.weight for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.loads for part in parts]),
            np.concatenate(terms) if terms else None,
        )

    def averages(self, units: Any = 1.0) -> "Sums":
        """Averages in multiples of units, of weight 1."""
        share = units / np.maximum(self.weight, 1e-300)
        terms = self.terms
        if terms is not None:
            terms = terms * share.reshape(*terms.shape[:3], 1)
        return Sums(np.ones_like(share), self.values * share, self.loads * share[..., None], terms)

    def table(
        self, index: pd.Index, level: float, by: Correction | None, *, unknown: bool, units: Any = 1.0
    ) -> pd.DataFrame:
        """Their averages with intervals, put right by a correction where there is one.

        Parameters
        ----------
        unknown : whether there are no errors.
        """
        own = self.averages(units)
        estimate, loads = own.values.ravel(), own.loads.reshape(own.values.size, -1)
        if by is not None and own.terms is not None:
            estimate = estimate + by.shift(own.terms)
            loads = loads if unknown else by.errors(own.terms, loads)
        return with_intervals(estimate, loads, index, level)


def with_intervals(
    estimate: Float[np.ndarray, " q"], loads: Float[np.ndarray, "q r"], index: pd.Index, level: float
) -> pd.DataFrame:
    """Estimates with the standard errors that loadings on unit errors say, NaN where there are none."""
    error = np.linalg.norm(loads, axis=1) if loads.shape[1] else np.full(len(estimate), np.nan)
    half = norm.ppf((1 + check_number("level", level, below=1.0)) / 2) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        z = estimate / error
    values = (estimate, error, z, 2 * norm.sf(np.abs(z)), estimate - half, estimate + half)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)), index)
