"""What simple predictions make of the same rows: one without inputs, a linear one, and gradient boosting."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import jax.numpy as jnp
import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from threadpoolctl import threadpool_limits

from behavior_learning.learned.model import LearnedModel
from behavior_learning.report.predictive import ClassLaw, GaussianGuess, NumberLaw, Rows, column, spaced

__all__ = ["comparators"]

MOST_ROWS = 20_000
"""Rows of the fit that comparators are fitted to."""

FEWEST_ROWS = 10
"""Rows of the fit, in training as well as held out, below which nothing is fitted to compare with."""

NUMBERS = {
    "linear regression, Gaussian": LinearRegression(),
    "gradient boosting, Gaussian": HistGradientBoostingRegressor(random_state=0, early_stopping=False),
}
"""Of numbers; the standard deviation is that of the rows which the model held out."""

CLASSES = {
    "logistic regression": LogisticRegression(max_iter=1_000),
    "gradient boosting": HistGradientBoostingClassifier(random_state=0, early_stopping=False),
}


class Known(NamedTuple):
    """Rows of the fit with one of their responses, in the user's units or as codes of classes."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def at(self, rows: np.ndarray) -> "Known":
        """Some of the rows, `MOST_ROWS` of them at most."""
        chosen = np.flatnonzero(rows)
        chosen = chosen[spaced(len(chosen), MOST_ROWS)] if len(chosen) else chosen
        return Known(*(column[chosen] for column in self))


def comparators(model: LearnedModel, law: NumberLaw | ClassLaw, j: int, rows: Rows) -> Mapping[str, Any]:
    """Predictions of the j-th response at the rows, as `law.quality` takes them.

    Where the rows are those of the fit, or the model came without them, there is only the prediction without inputs:
    a comparison needs rows that no model has seen.
    """
    part = cast(Any, law.part)
    trained, held_out = (None, None) if rows.seen else _rows_of_the_fit(model, j)
    if isinstance(law, ClassLaw):
        shares = {"training shares": np.tile(np.asarray(part.shares), (len(law.observed), 1))}
        return shares if trained is None else shares | _probabilities(trained, rows.x, len(part.shares))
    center, scale = part.variables[0].center, part.variables[0].scale
    average = {"training mean, Gaussian": GaussianGuess(np.full(len(law.mean), center), scale)}
    return average if trained is None or held_out is None else average | _gaussians(trained, held_out, rows.x)


def _rows_of_the_fit(model: LearnedModel, j: int) -> tuple[Known, Known] | tuple[None, None]:
    """Those that trained and those held out, where the response was observed; None where there are too few."""
    if model.rows is None or not model.rows.x.shape[1]:
        return None, None
    part, y = model.response.components[j], column(model, model.rows.y, j)
    weight = np.ones(len(y)) if model.rows.weight is None else model.rows.weight
    values = y.astype(int) if part.labelled else part.restore(np.asarray(part.space().points(jnp.asarray(y))))
    known, exact = Known(model.rows.x, values, weight), part.exact(y)
    trained, held_out = known.at(exact & ~model.rows.held_out), known.at(exact & model.rows.held_out)
    enough = min(len(trained.y), len(held_out.y)) >= FEWEST_ROWS
    return (trained, held_out) if enough else (None, None)


def _gaussians(trained: Known, held_out: Known, x: np.ndarray) -> dict[str, GaussianGuess]:
    guesses = {}
    for name, regressor in NUMBERS.items():
        fitted = _fitted(regressor, trained)
        errors = held_out.y - fitted.predict(held_out.x)
        scale = float(np.sqrt(np.average(errors**2, weights=held_out.weight)))
        guesses[name] = GaussianGuess(fitted.predict(x), max(scale, np.finfo(float).tiny))
    return guesses


def _probabilities(trained: Known, x: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    found = {}
    for name, classifier in CLASSES.items() if len(np.unique(trained.y)) > 1 else ():
        fitted = _fitted(classifier, trained)
        found[name] = np.zeros((len(x), classes))
        found[name][:, fitted.classes_] = fitted.predict_proba(x)
    return found


def _fitted(estimator: Any, rows: Known) -> Any:
    """By one thread: those that wait for each other on a busy machine take longer."""
    with threadpool_limits(1):
        return clone(estimator).fit(*rows)
