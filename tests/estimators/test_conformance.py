"""scikit-learn's own checks, and its meta-estimators, on every estimator that claims to be one of its kind."""

import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import cross_validate
from sklearn.utils.estimator_checks import parametrize_with_checks

import behavior_learning as bl
from behavior_learning.errors import OptionError
from behavior_learning.estimators import learning
from behavior_learning.training.fit import FitResult
from behavior_learning.training.minimize import Trace
from tests.conftest import rng
from tests.fitted import ROWS, amounts, labels, numbers

BRIEF = {"layers": (4,), "n_restarts": 1, "max_epochs": 40, "optimizer": bl.Adam(learning_rate=0.05, batch_size=32)}
CHECKED = (
    bl.BLRegressor(**BRIEF),
    bl.BLClassifier(**BRIEF),
    bl.BLDensity(**BRIEF | {"objective": "score_matching", "heads": ("tanh", "softplus", "square")}),
)
WEIGHTS = "validation rows and batches are drawn among rows, of which repeated ones are more"
NORMALISER = "three numbers or more have no normaliser, and so no density to score"
OF_WEIGHTS = {f"check_sample_weight_equivalence_on_{kind}_data": WEIGHTS for kind in ("dense", "sparse")}
OF_BATCHES = {"check_methods_subset_invariance": "single precision: batches of other sizes round otherwise at the end"}
EXPECTED = {
    bl.BLRegressor: OF_WEIGHTS | OF_BATCHES,
    bl.BLClassifier: OF_WEIGHTS | OF_BATCHES,
    bl.BLDensity: {
        "check_fit_score_takes_y": NORMALISER,
        "check_pipeline_consistency": NORMALISER,
        "check_fit1d": "a single column may come as one",
    },
}

JUDGED = {f"check_{what}" for what in ("classifiers_train", "regressors_train", "class_weight_classifiers")}
"""Checks of what was learned; all others are of the face, and need no training."""


def untrained(starts, draw, stages, **options):
    """What training returns, with the first network as it was drawn."""
    losses, ran = np.zeros((1, 1)), np.ones((1, 1), bool)
    trace = Trace(losses, losses, ran, best_epoch=np.ones(1, int), best_loss=np.zeros(1), stopped=np.ones(1, bool))
    return FitResult(starts[0], stages[-1], trace, 0)


@pytest.mark.filterwarnings("ignore::behavior_learning.errors.BLWarning")
@parametrize_with_checks(CHECKED, expected_failed_checks=lambda estimator: EXPECTED[type(estimator)])
def test_estimator_keeps_the_conventions_of_scikit_learn(estimator, check, monkeypatch):
    if getattr(check, "func", check).__name__ not in JUDGED:
        monkeypatch.setattr(learning, "fit_from", untrained)
    check(estimator)


def test_weights_reach_the_fits_of_a_cross_validation_where_they_are_asked_for(monkeypatch):
    X, y, weight = numbers(), labels(numbers(), ("bus", "car")), rng("routed").uniform(0.5, 2.0, ROWS)
    monkeypatch.setattr(learning, "fit_from", untrained)
    with sklearn.config_context(enable_metadata_routing=True):
        asked = bl.BLClassifier(**BRIEF).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(
            asked, X, y, cv=2, params={"sample_weight": weight}, return_estimator=True, return_indices=True
        )
    for model, rows in zip(found["estimator"], found["indices"]["train"], strict=True):
        np.testing.assert_array_equal(model.model_.rows.weight, weight[rows])


@pytest.mark.parametrize("trained", [True, False], ids=["boosting", "calibration"])
def test_boosting_and_calibration_take_a_classifier_with_weights(trained, monkeypatch):
    X, y, weight = numbers(), labels(numbers(), ("bus", "car")), rng("boosted").uniform(0.5, 2.0, ROWS)
    if trained:  # Boosting refuses a classifier that is worse than chance.
        around = AdaBoostClassifier(bl.BLClassifier(**BRIEF), n_estimators=2, random_state=0)
    else:
        monkeypatch.setattr(learning, "fit_from", untrained)
        around = CalibratedClassifierCV(bl.BLClassifier(**BRIEF, random_state=0), cv=2)
    chances = around.fit(X, y, sample_weight=weight).predict_proba(X)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    assert around.classes_.tolist() == ["bus", "car"]


def test_a_column_of_y_is_taken_for_one_with_a_warning(monkeypatch):
    X, y = numbers(), amounts(numbers())
    monkeypatch.setattr(learning, "fit_from", untrained)
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed when a 1d array was expected"):
        array = bl.BLRegressor(**BRIEF, random_state=0).fit(X, y.to_numpy()[:, None])
    frame = bl.BLRegressor(**BRIEF, random_state=0).fit(X, y.to_frame("spend"))
    assert array.predict(X).shape == (ROWS,)
    np.testing.assert_array_equal(array.predict(X), frame.predict(X))
    assert frame.model_.response.name == "spend"


def test_decision_function_is_the_log_odds_of_two_classes_and_log_p_of_more(monkeypatch):
    X = numbers()
    monkeypatch.setattr(learning, "fit_from", untrained)
    model = bl.BLClassifier(**BRIEF, random_state=0).fit(X, labels(X))
    np.testing.assert_allclose(np.exp(model.decision_function(X)), model.predict_proba(X), rtol=1e-5)
    assert (model.classes_[model.decision_function(X).argmax(axis=1)] == model.predict(X)).all()
    two = bl.BLClassifier(**BRIEF, random_state=0).fit(X, labels(X, ("bus", "car")))
    chances = two.predict_proba(X)
    np.testing.assert_allclose(two.decision_function(X), np.log(chances[:, 1] / chances[:, 0]), atol=1e-5)


def test_standard_deviation_is_that_of_draws_in_the_units_of_y(monkeypatch):
    monkeypatch.setattr(learning, "fit_from", untrained)
    model, X = bl.BLRegressor(**BRIEF, random_state=0).fit(numbers(), amounts(numbers())), numbers().head(4)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_array_equal(mean, model.predict(X))
    drawn = model.sample(X, 4000, random_state=0)
    np.testing.assert_allclose(std, drawn.std(axis=1), rtol=4 / np.sqrt(2 * 4000) * 2)
    np.testing.assert_array_equal(model.predict(X, temperature=0, return_std=True)[1], 0.0)
    with pytest.raises(OptionError, match="labels, which have no standard deviation"):
        bl.BLClassifier(**BRIEF).fit(numbers(), labels(numbers())).distribution(X).std()
