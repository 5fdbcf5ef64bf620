"""Ordered labels: neighbours differ in one column, and everything follows the order."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from tests.responses.every import columns, fitted, grades

LEVELS = ["low", "mid", "high"]
QUICK = {"layers": (1,), "max_epochs": 3, "n_restarts": 1, "random_state": 0}


def ordered(levels=None):
    return bl.BLClassifier(response=bl.Ordered(levels), **QUICK)


def test_candidates_of_neighbours_differ_in_one_column():
    table = np.asarray(fitted("ordered").response.space().candidates(np.arange(3)))
    np.testing.assert_array_equal(table, [[0, 0], [1, 0], [1, 1]])
    names = [variable.name for variable in fitted("ordered").response.variables]
    assert names == ["grade[>=mid]", "grade[>=high]"]


def test_classes_and_probabilities_come_in_the_stated_order():
    example = fitted("ordered")
    assert example.estimator.classes_.tolist() == LEVELS
    p = example.estimator.predict_proba(example.X)
    drawn = example.estimator.sample(example.X, 4000, random_state=0)[0]
    np.testing.assert_allclose([(drawn == level).mean() for level in LEVELS], p[0], atol=0.03)


def test_cumulative_probabilities_do_not_decrease_and_end_at_one():
    example = fitted("ordered")
    cumulative = np.stack([example.distribution.cdf([level] * len(example.X)) for level in LEVELS])
    assert (np.diff(cumulative, axis=0) >= 0).all()
    np.testing.assert_allclose(cumulative, np.cumsum(example.distribution.probabilities(), axis=1).T, atol=1e-6)
    np.testing.assert_allclose(cumulative[-1], 1.0, atol=1e-6)


def test_mean_is_the_most_likely_label():
    example = fitted("ordered")
    likely = np.array(LEVELS)[example.distribution.probabilities().argmax(axis=1)]
    np.testing.assert_array_equal(example.distribution.mean(), likely)
    np.testing.assert_array_equal(example.estimator.predict(example.X), likely)


def test_linear_utility_without_inputs_learns_the_shares():
    """Each step has a coefficient of its own: at the maximum of the likelihood probabilities are the shares."""
    X, y = columns(), grades(columns())
    options = {
        "heads": ("identity", None, None),
        "optimizer": "lbfgs",
        "penalty": bl.Penalty(l2=0.0),
        "max_epochs": 150,
    }
    clf = bl.BLClassifier(response=bl.Ordered(LEVELS), **QUICK | options).fit(X, y, validation_data=(X, y))
    shares = y.value_counts(normalize=True)[LEVELS]
    np.testing.assert_allclose(clf.predict_proba(X.head(1))[0], shares, atol=1e-3)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (pd.Series(pd.Categorical(["b", "a", "c"] * 8, categories=["c", "a", "b"], ordered=True)), ["c", "a", "b"]),
        (pd.Series([10, 2, 3] * 8), [2, 3, 10]),
    ],
)
def test_order_is_that_of_a_categorical_or_of_numbers(y, expected):
    response, codes = bl.Ordered().read(y, 24)
    assert response.labels.tolist() == expected
    assert response.restore(codes).tolist() == y.tolist()


def test_text_without_an_order_is_refused():
    with pytest.raises(OptionError, match=r"have no order of their own: 'high', 'low', 'mid'.*bl.Ordered\(\["):
        ordered().fit(columns(), grades(columns()))


def test_levels_that_are_no_order_are_refused():
    for levels in ("abc", ["low", "low"], ["low"]):
        with pytest.raises(OptionError, match="levels must be"):
            ordered(levels).fit(columns(), grades(columns()))


def test_label_that_is_no_level_is_refused():
    with pytest.raises(DataError, match=r"labels absent from levels=: 'high'. Known: 'low', 'mid'"):
        ordered(LEVELS[:2]).fit(columns(), grades(columns()))
    example = fitted("ordered")
    with pytest.raises(DataError, match="absent from training: 'top'"):
        example.distribution.cdf(["top"] * len(example.X))


def test_vector_output_and_unordered_scores_are_refused():
    with pytest.raises(OptionError, match=r"has a utility for each class and no order; bl.Ordered\(\) needs 'scalar'"):
        ordered(LEVELS).set_params(output="vector").fit(columns(), grades(columns()))
    with pytest.raises(OptionError, match="crps is of numbers, and 'grade' has labels"):
        fitted("classes").distribution.crps(fitted("classes").y)
