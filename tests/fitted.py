"""Tables and fits that tests of the outer modules share.

Every table has 80 rows and 7 encoded columns and every fit the same layers, so that a process compiles one training
program per kind of response.
"""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import behavior_learning as bl
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from tests.conftest import rng

ROWS = 80
ESTIMATORS = (BLRegressor, BLClassifier)
QUICK = {
    "layers": (2, 1),
    "max_epochs": 25,
    "n_restarts": 2,
    "optimizer": bl.Adam(learning_rate=0.05, batch_size=32),
    "penalty": bl.Penalty(l2=1.0),
}
LOGISTIC = {
    "output": "vector",
    "heads": ("identity", None, None),
    "layers": (3,),
    "optimizer": "lbfgs",
    "penalty": bl.Penalty(l2=0.0),
}


def quick(estimator: type, **options: Any):
    """An unfitted estimator with a small budget, whose blocks see the response."""
    scalar = {"output": "scalar"} if estimator is BLClassifier else {}
    return estimator(**{**QUICK, **scalar, "random_state": 0, **options})


def numbers(seed: int = 0) -> pd.DataFrame:
    """Seven numeric columns of unlike location and scale."""
    columns, rows = rng("columns"), rng("rows", seed)
    center, scale = columns.normal(scale=20, size=7), np.exp(columns.normal(size=7))
    return pd.DataFrame(center + scale * rows.normal(size=(ROWS, 7)), columns=list("abcdefg"))


def mixed(seed: int = 0) -> pd.DataFrame:
    """Numbers, one of them with gaps, a boolean and text: seven columns once encoded."""
    generator = rng("mixed", seed)
    age = generator.normal(40, 10, ROWS)
    age[generator.permutation(ROWS)[:20]] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "income": generator.normal(5e4, 1e4, ROWS),
            "owner": generator.permutation(ROWS) % 2 == 0,
            "job": np.array(["clerk", "nurse", "teacher"])[generator.permutation(ROWS) % 3],
        }
    )


def amounts(table: pd.DataFrame, seed: int = 0) -> pd.Series:
    """A numeric response that depends on the numeric columns and spreads with one of them."""
    generator, z = rng("amounts", seed), _standardized(table)
    noise = (0.3 + 0.2 * np.abs(z[:, -1])) * generator.normal(size=len(z))
    return pd.Series(250.0 + 30.0 * (z[:, 0] - z[:, 1] + noise), name="spend", index=table.index)


def labels(table: pd.DataFrame, names: Any = ("bus", "car", "train"), seed: int = 0) -> pd.Series:
    """Labels of 30, 30 and 20 rows, or 40 and 40, that depend on the numeric columns."""
    generator, z = rng("labels", seed), _standardized(table)
    order = np.argsort(z[:, 0] + 0.7 * generator.normal(size=len(z)))
    codes = np.empty(len(z), int)
    codes[order] = np.repeat(np.arange(len(names)), (30, 30, 20) if len(names) == 3 else (40, 40))
    return pd.Series(np.array(names)[codes], name="mode", index=table.index)


def _standardized(table: pd.DataFrame) -> np.ndarray:
    columns = table.select_dtypes("number")
    return ((columns - columns.mean()) / columns.std()).fillna(0.0).to_numpy()


def response(estimator: type, table: pd.DataFrame) -> pd.Series:
    """A response that suits the estimator."""
    return amounts(table) if estimator is BLRegressor else labels(table)


@cache
def fitted(estimator: type, table: str = "mixed"):
    """An estimator fitted to the `numbers` or the `mixed` table, once per process; leave it as it is."""
    X = {"mixed": mixed, "numbers": numbers}[table]()
    return quick(estimator).fit(X, response(estimator, X))


@cache
def logistic():
    """A classifier that is multinomial logistic regression, trained to its optimum on all rows of `numbers`."""
    X = numbers()
    y = labels(X)
    return quick(BLClassifier, **LOGISTIC, max_epochs=150, patience=150).fit(X, y, validation_data=(X, y))
