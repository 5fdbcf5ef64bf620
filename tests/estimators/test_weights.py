"""Weights of rows: repeated rows by another name, the same up to a factor, and kept by what fits again."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from behavior_learning.learned import refits as refits_module
from tests.conftest import rng
from tests.fitted import LOGISTIC, ROWS, amounts, labels, mixed, numbers, quick

ESTIMATORS = (bl.BLRegressor, bl.BLClassifier, bl.BLHybrid, bl.BLDensity)
COUNTS = rng("counts").permutation(np.arange(ROWS) % 4)
"""Whole weights, a quarter of them 0."""


def few(estimator, **options):
    return quick(estimator, **{"max_epochs": 8, "n_restarts": 1, **options})


def data(estimator):
    """What `fit` takes without weights."""
    X, classes = numbers(), labels(numbers(), ("bus", "car", "train"))
    both = pd.concat([classes, amounts(X)], axis=1)
    y = {bl.BLRegressor: amounts(X), bl.BLClassifier: classes, bl.BLHybrid: both}
    return (both,) if estimator is bl.BLDensity else (X, y[estimator])


def log_density(model, rows):
    return model.log_density(*rows)


def logistic(**options):
    return quick(bl.BLClassifier, **{**LOGISTIC, "max_epochs": 150, "patience": 150, **options})


def golden(X, y, sample_weight=None, class_weight=None):
    """Probabilities of scikit-learn's logistic regression without a penalty."""
    Z = (X - X.mean()) / X.std(ddof=0)
    model = LogisticRegression(C=1e8, max_iter=5000, tol=1e-10, class_weight=class_weight)
    return model.fit(Z, y, sample_weight=sample_weight).predict_proba(Z)


def test_weighted_rows_have_the_optimum_of_weighted_logistic_regression():
    X, y, weight = numbers(), labels(numbers()), rng("weights").uniform(0.2, 3.0, ROWS)
    clf = logistic().fit(X, y, sample_weight=weight, validation_data=(X, y, weight))
    np.testing.assert_allclose(clf.predict_proba(X), golden(X, y, weight), atol=0.02)
    assert np.abs(golden(X, y, weight) - golden(X, y)).max() > 0.1


@pytest.mark.parametrize("class_weight", ["balanced", {"bus": 5.0, "train": 0.3}], ids=str)
def test_weighted_classes_have_the_optimum_of_weighted_logistic_regression(class_weight):
    X, y = numbers(), labels(numbers())
    clf = logistic(class_weight=class_weight).fit(X, y, validation_data=(X, y))
    np.testing.assert_allclose(clf.predict_proba(X), golden(X, y, class_weight=class_weight), atol=0.02)


def test_whole_weights_are_repeated_rows():
    X, y = numbers(), labels(numbers())
    rows = np.repeat(np.arange(ROWS), COUNTS)
    once = logistic().fit(X, y, sample_weight=COUNTS, validation_data=(X, y, COUNTS))
    repeated = logistic().fit(X.iloc[rows], y.iloc[rows], validation_data=(X.iloc[rows], y.iloc[rows]))
    np.testing.assert_allclose(once.predict_proba(X), repeated.predict_proba(X), atol=0.01)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_rows_of_weight_zero_are_left_out(estimator):
    rows, kept = data(estimator), np.flatnonzero(COUNTS)
    weighted = few(estimator).fit(*rows, sample_weight=COUNTS)
    without = few(estimator).fit(*(part.iloc[kept] for part in rows), sample_weight=COUNTS[kept])
    np.testing.assert_array_equal(log_density(weighted, rows), log_density(without, rows))
    assert len(weighted.model_.rows.x) == len(kept)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_common_factor_changes_nothing(estimator):
    rows, weight = data(estimator), rng("weights", estimator.__name__).uniform(0.2, 3.0, ROWS)
    one, three, plain = (
        few(estimator).fit(*rows, sample_weight=given) for given in (weight, 3.0 * weight, np.full(ROWS, 7.0))
    )
    np.testing.assert_allclose(log_density(one, rows), log_density(three, rows), rtol=1e-3, atol=1e-3)
    unweighted = few(estimator).fit(*rows)
    np.testing.assert_allclose(log_density(plain, rows), log_density(unweighted, rows), rtol=1e-3, atol=1e-3)
    assert np.abs(log_density(one, rows) - log_density(unweighted, rows)).max() > 0.01


def test_weights_of_validation_rows_decide_when_to_stop():
    """Validation rows that contradict the training rows stop it at once, unless they hardly count."""
    X, y = numbers(), amounts(numbers())
    table, values = pd.concat([X, X]), pd.concat([y, y.iloc[::-1]])
    weights = np.repeat([1.0, 1e-6], ROWS), np.repeat([1e-6, 1.0], ROWS)
    trusted, misled = (
        few(bl.BLRegressor, max_epochs=25).fit(X, y, validation_data=(table, values, weight)).restarts_
        for weight in weights
    )
    assert trusted["best_epoch"].iloc[0] > misled["best_epoch"].iloc[0]


def test_calibration_counts_rows_as_often_as_their_weights():
    X, y = numbers(), labels(numbers())
    rows = np.repeat(np.arange(ROWS), COUNTS)
    one, two, three = (few(bl.BLClassifier).fit(X, y) for _ in range(3))
    one.calibrate(X, y, sample_weight=COUNTS)
    two.calibrate(X.iloc[rows], y.iloc[rows])
    assert one.temperature_ == pytest.approx(two.temperature_, rel=1e-3)
    assert one.temperature_ != pytest.approx(three.calibrate(X, y).temperature_, rel=1e-3)


def test_class_weights_multiply_those_of_rows():
    X, y = numbers(), labels(numbers())
    weight = rng("rows").uniform(0.5, 2.0, ROWS)
    clf = few(bl.BLClassifier, class_weight={"bus": 3.0}).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(clf.model_.rows.weight, weight * np.where(y == "bus", 3.0, 1.0))


def test_what_fits_again_keeps_the_weights(monkeypatch):
    X, y = numbers(), amounts(numbers())
    reg = few(bl.BLRegressor, layers=(1,)).fit(X, y, sample_weight=COUNTS)
    seen, fit_from = [], refits_module.fit_from

    def noted(*args, **options):
        seen.append(options)
        return fit_from(*args, **options)

    monkeypatch.setattr(refits_module, "fit_from", noted)
    reg.stability(n=1, kind="bootstrap")
    for rows in (seen[0]["data"], seen[0]["validation"]):
        assert len(rows) == 3
        assert float(rows[2].mean()) == pytest.approx(1.0, abs=1e-5)
        assert float(rows[2].std()) > 0.1
    reg.stability(X, y, n=1, kind="bootstrap")
    assert len(seen[1]["data"]) == 2
    small = reg.prune(tolerance=10.0, max_epochs=2)
    assert small.n_parameters_ < reg.n_parameters_
    np.testing.assert_array_equal(small.model_.rows.weight, COUNTS[COUNTS > 0])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (
            np.r_[-1.0, np.ones(ROWS - 1)],
            r"must be finite and at least 0; row 0 has -1 \(1 such rows\)\. Drop such rows",
        ),
        (np.r_[np.ones(ROWS - 1), np.nan], f"row {ROWS - 1} has nan"),
        (np.r_[np.ones(ROWS - 1), np.inf], f"row {ROWS - 1} has inf"),
        (np.zeros(ROWS), f"leaves every row out: all {ROWS} weights are zero. Give some rows a positive weight"),
        (np.ones(ROWS - 1), rf"one number for each of {ROWS} rows; its shape is \({ROWS - 1},\)"),
        (np.ones((ROWS, 1)), rf"one number for each of {ROWS} rows; its shape is \({ROWS}, 1\)"),
        (1.0, r"its shape is \(\)"),
        (["heavy"] * ROWS, "sample_weight must be a number per row; got list"),
    ],
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bad_weights_are_refused_with_the_way_out(estimator, weight, message):
    with pytest.raises(DataError, match=message):
        few(estimator).fit(*data(estimator), sample_weight=weight)


def test_bad_weights_of_other_rows_are_refused():
    X, y = mixed(), amounts(numbers())
    with pytest.raises(DataError, match="leaves every row out"):
        few(bl.BLRegressor).fit(X, y, validation_data=(X, y, np.zeros(ROWS)))
    with pytest.raises(DataError, match=r"its shape is \(2,\)"):
        few(bl.BLRegressor).fit(X, y).calibrate(X, y, sample_weight=[1.0, 2.0])


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("even", "class_weight must be None, 'balanced' or a dictionary by label; got 'even'"),
        ({"plane": 2.0}, r"class_weight names 'plane', which is no class\. Classes: \['bus', 'car', 'train'\]"),
        ({"bus": 0.0}, r"class_weight\['bus'\] must be a number above 0; got 0\.0"),
        ({"bus": float("inf")}, r"class_weight\['bus'\] must be a number above 0; got inf"),
    ],
)
def test_bad_class_weights_are_refused(class_weight, message):
    with pytest.raises(OptionError, match=message):
        few(bl.BLClassifier, class_weight=class_weight).fit(numbers(), labels(numbers()))
