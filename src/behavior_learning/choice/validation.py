"""Held-out log-likelihood of choice models, whole choosers held out."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from behavior_learning.choice.data import ChoiceData
from behavior_learning.errors import DataError, OptionError
from behavior_learning.options import is_number

__all__ = ["ChoiceValidation", "Folds", "folds_of", "validated"]

Folds = Any
"""A number of folds, or a label per case."""


class Model(Protocol):
    """What can be fitted to choices and asked about others."""

    def fit(self, data: ChoiceData) -> Any:
        """Fit it."""
        ...

    def log_density(self, data: ChoiceData) -> np.ndarray:
        """log P of what was chosen in every case."""
        ...


@dataclass(frozen=True)
class ChoiceValidation:
    """How well held-out choices are predicted.

    Attributes
    ----------
    log_density : log P of the choice of every case, by the model that did not see its chooser.
    fold : of every case.
    chooser : of every case.
    """

    log_density: Float[np.ndarray, " cases"]
    fold: Int[np.ndarray, " cases"]
    chooser: Int[np.ndarray, " cases"]

    @property
    def mean(self) -> float:
        """Log-likelihood per case, in nats."""
        return float(self.log_density.mean())

    @property
    def folds(self) -> pd.DataFrame:
        """Cases and mean log-likelihood of each fold."""
        grouped = pd.Series(self.log_density).groupby(self.fold)
        return pd.DataFrame({"cases": grouped.size(), "log-likelihood": grouped.mean()}).rename_axis("fold")

    def better_than(self, other: "ChoiceValidation") -> pd.Series:
        """Mean difference per case and its standard error over choosers, on the same cases."""
        difference = self.log_density - other.log_density
        sums = np.bincount(self.chooser, difference - difference.mean())
        error = np.sqrt((sums**2).sum()) / len(difference)
        return pd.Series({"difference": difference.mean(), "std. error": error})

    def __repr__(self) -> str:
        return f"ChoiceValidation({self.mean:.4f} nats per case, {len(self.folds)} folds)"


def folds_of(data: ChoiceData, folds: Folds, seed: int) -> Int[np.ndarray, " cases"]:
    """The fold of every case; those of a chooser together.

    Raises
    ------
    OptionError
        If there are fewer than two folds, or more than choosers.
    DataError
        If folds cut the cases of a chooser apart.
    """
    choosers = data.panel if data.ids is None else pd.factorize(data.ids, sort=True)[0]
    count = int(choosers.max()) + 1
    if np.ndim(folds) == 0:
        if not is_number(folds, Integral) or not 2 <= int(folds) <= count:
            raise OptionError(f"folds must be from 2 to the number of choosers, {count}; got {folds!r}.")
        return (np.random.default_rng(seed).permutation(count) % int(folds))[choosers]
    labels = pd.factorize(np.asarray(folds))[0]
    if len(labels) != len(data) or (labels < 0).any():
        known = int((labels >= 0).sum())
        raise DataError(f"folds needs a label for each of {len(data)} cases; got {known} of {len(labels)}.")
    if labels.max() < 1:
        raise DataError("These folds are one: nothing is left to learn from where it is held out. Give two or more.")
    cut = pd.Series(labels).groupby(choosers).nunique()
    if (cut > 1).any():
        raise DataError(
            f"These folds cut the cases of {int((cut > 1).sum())} choosers apart: what one chose before would tell of "
            "the rest, and the figure would not be of new choosers. Pass a number of folds, which keeps choosers whole."
        )
    return labels


def validated(model: Model, data: ChoiceData, fold: Int[np.ndarray, " cases"]) -> ChoiceValidation:
    """Fit on all folds but one and predict that one, for each."""
    log_density = np.full(len(data), np.nan)
    for held_out in np.unique(fold):
        model.fit(data.select(fold != held_out))
        log_density[fold == held_out] = model.log_density(data.select(fold == held_out))
    return ChoiceValidation(log_density, fold, data.panel)
