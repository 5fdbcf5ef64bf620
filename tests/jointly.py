"""Fits of several responses at once, on the tables of `fitted`, once per process; leave them as they are."""

from functools import cache
from typing import Any

import pandas as pd

from behavior_learning.estimators.density import BLDensity
from behavior_learning.estimators.hybrid import BLHybrid
from behavior_learning.estimators.regressor import BLRegressor
from tests.fitted import QUICK, amounts, labels, numbers

LAYERS = {**QUICK, "random_state": 0}


def few(estimator: type, **options: Any):
    """An unfitted estimator with a small budget."""
    return estimator(**{**LAYERS, **options})


def chosen(X: pd.DataFrame) -> pd.DataFrame:
    """A class and a number."""
    return pd.DataFrame({"mode": labels(X), "spend": amounts(X)})


def pair(X: pd.DataFrame, columns: int = 2) -> pd.DataFrame:
    """Numbers of unlike units that depend on one another and on X."""
    first, second = amounts(X), amounts(X, seed=1)
    table = pd.DataFrame({"spend": first, "weight": 0.01 * (first - second), "height": first + second})
    return table.iloc[:, :columns]


@cache
def hybrid() -> BLHybrid:
    return few(BLHybrid).fit(numbers(), chosen(numbers()))


@cache
def density() -> BLDensity:
    """The law of a class and a number."""
    return few(BLDensity).fit(chosen(numbers()))


@cache
def plane() -> BLDensity:
    """The law of two numbers."""
    return few(BLDensity).fit(pair(numbers()))


@cache
def vector() -> BLRegressor:
    """Two numbers given seven columns."""
    return few(BLRegressor).fit(numbers(), pair(numbers()))
