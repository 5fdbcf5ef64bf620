"""Claims about what is said beside what is likely: the strength is the best by the metric on rows held out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.svm import LinearSVC

from behavior_learning import TunedDecision
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.decisions import STRENGTHS, macro_f1
from tests.conftest import rng

LABELS = np.array(["common", "often", "rare"])


def rows(n=400):
    """Three overlapping classes, one of them rare."""
    generator = rng("decisions")
    codes = generator.choice(3, n, p=[0.6, 0.34, 0.06])
    return generator.normal(size=(n, 2)) + np.array([[0, 0], [1, 0], [0.5, 1.2]])[codes], LABELS[codes]


@pytest.fixture(scope="module")
def tuned():
    return TunedDecision(LogisticRegression(), cv=KFold(4)).fit(*rows())


def test_strength_is_the_best_by_the_metric_on_rows_held_out(tuned):
    X, y = rows()
    p, shares = cross_val_predict(LogisticRegression(), X, y, cv=KFold(4), method="predict_proba"), tuned.shares_
    said = {strength: LABELS[np.argmax(p / shares**strength, axis=1)] for strength in STRENGTHS}
    scores = {strength: f1_score(y, own, average="macro") for strength, own in said.items()}
    assert scores[tuned.strength_] == max(scores.values())
    assert scores[tuned.strength_] > scores[0.0] + 0.05


def test_what_is_said_divides_probabilities_by_powers_of_shares(tuned):
    X, y = rows()
    assert dict(zip(tuned.classes_, tuned.shares_, strict=True)) == pd.Series(y).value_counts(normalize=True).to_dict()
    expected = np.argmax(tuned.predict_proba(X) / tuned.shares_**tuned.strength_, axis=1)
    np.testing.assert_array_equal(tuned.predict(X), LABELS[expected])
    np.testing.assert_array_equal(tuned.predict_proba(X), LogisticRegression().fit(X, y).predict_proba(X))


def test_accuracy_asks_for_next_to_no_strength():
    assert TunedDecision(LogisticRegression(), metric=accuracy_score, cv=KFold(4)).fit(*rows()).strength_ <= 0.2


def test_a_class_that_a_fold_lacks_is_not_said_there():
    X = pd.DataFrame({"text": list("abcdefgh")})
    y = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    found = TunedDecision(DummyClassifier(), cv=KFold(4)).fit(X, y)
    assert found.strength_ == 0.0
    assert found.predict(X).tolist() == [0] * 8


def test_a_metric_without_numbers_is_refused():
    with pytest.raises(DataError, match="no number for any strength"):
        TunedDecision(DummyClassifier(), metric=lambda y, said: np.nan, cv=2).fit([[0], [1], [2], [3]], [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": LinearSVC()}, "needs a classifier with predict_proba"),
        ({"estimator": DummyClassifier(), "metric": "f1_macro"}, "metric must be a function"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_any_fit(options, message):
    with pytest.raises(OptionError, match=message):
        TunedDecision(**options).fit([[0], [1], [2], [3]], [0, 1, 0, 1])


def test_parameters_are_those_of_scikit_learn():
    tuned = clone(TunedDecision(LogisticRegression(C=2.0), cv=3)).set_params(estimator__C=3.0)
    assert tuned.get_params()["estimator__C"] == 3.0
    assert tuned.metric is macro_f1
