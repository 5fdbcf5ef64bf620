"""Which class to say where the most likely one does not serve: rare classes lifted as far as a metric gains by it."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_predict

from behavior_learning.errors import DataError, OptionError

__all__ = ["TunedDecision", "macro_f1"]

STRENGTHS = np.linspace(0, 1.5, 16)
"""Strengths that are compared: 0 says the most likely class, 1 the one whose share rises most by x."""


def macro_f1(y: Any, said: Any) -> float:
    """The mean over classes of 2·right/(true + said); 0 for a class that is never said.

    Examples
    --------
    >>> macro_f1(["a", "a", "b", "b"], ["a", "a", "a", "b"])
    0.7333333333333334
    """
    return float(f1_score(y, said, average="macro", zero_division=0))


class TunedDecision(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Say the class that maximises log p(k|x) − strength·log share_k, the strength chosen by a metric.

    Probabilities stay those of the classifier. The strength is one number whatever the number of classes, so that a
    few rare rows cannot overfit it; it is judged on rows that were held out from the fits that predict them.

    Parameters
    ----------
    estimator : a classifier with `predict_proba`.
    metric : of the labels and of what is said about them, larger where better.
    cv : folds, or a splitter of scikit-learn.

    Attributes
    ----------
    estimator_ : fitted to all rows.
    strength_ : chosen; of equals the smallest.
    shares_ : of the classes among the rows.
    classes_ : labels, in the order of the columns of `predict_proba`.

    Source: Menon et al. (2021), logit adjustment.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = [[float(i % 7)] for i in range(70)], ["rare" if i % 7 == 6 else "often" for i in range(70)]
    >>> tuned = bl.TunedDecision(LogisticRegression()).fit(X, y)
    >>> tuned.predict([[6.0]]).tolist()
    ['rare']
    """

    def __init__(self, estimator: Any, *, metric: Callable[[Any, Any], float] = macro_f1, cv: Any = 5):
        self.estimator = estimator
        self.metric = metric
        self.cv = cv

    def fit(self, X: Any, y: Any) -> "TunedDecision":
        """Fit the classifier without each fold and to all rows, and choose the strength.

        Raises
        ------
        OptionError
            If the classifier has no `predict_proba`, or the metric is no function.
        DataError
            If the metric gives no number for any strength.
        """
        if not hasattr(self.estimator, "predict_proba"):
            raise OptionError(f"TunedDecision needs a classifier with predict_proba; got {self.estimator!r}.")
        if not callable(self.metric):
            raise OptionError(f"metric must be a function of labels and of what is said; got {self.metric!r}.")
        y = np.asarray(y)
        labels, counts = np.unique(y, return_counts=True)
        with warnings.catch_warnings():  # A class that a fold lacks is not said there.
            warnings.filterwarnings("ignore", "Number of classes in training fold", RuntimeWarning)
            log_p = _log(cross_val_predict(self.estimator, X, y, cv=self.cv, method="predict_proba"))
        shares = counts / len(y)
        scores = [self.metric(y, labels[_lifted(log_p, shares, strength)]) for strength in STRENGTHS]
        if not np.isfinite(scores).any():
            raise DataError("metric gives no number for any strength. Check it on (y, y).")
        self.strength_ = float(STRENGTHS[np.nanargmax(scores)])
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.classes_ = self.estimator_.classes_
        self.shares_ = shares[np.searchsorted(labels, self.classes_)]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The class that serves the metric."""
        return self.classes_[_lifted(_log(self.predict_proba(X)), self.shares_, self.strength_)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of the classifier, which the strength leaves as they are."""
        return self.estimator_.predict_proba(X)


def _log(p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(p)


def _lifted(log_p: np.ndarray, shares: np.ndarray, strength: float) -> np.ndarray:
    return np.argmax(log_p - strength * np.log(shares), axis=1)
