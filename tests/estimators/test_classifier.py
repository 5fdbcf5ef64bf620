"""Claims about BLClassifier: probabilities of classes of any labels."""

from copy import copy

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, logsumexp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

import behavior_learning as bl
from behavior_learning import devices
from behavior_learning.errors import (
    DataError,
    OptionError,
    TrainingWarning,
    UnseenCategoryWarning,
    UnseenMissingWarning,
)
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.learned.model import in_single
from behavior_learning.learned.refits import refits
from behavior_learning.responses import Classes
from tests.conftest import rng
from tests.fitted import ROWS, fitted, labels, logistic, mixed, numbers, quick

LABELS = {
    "text": ("bus", "car", "train"),
    "integers": (-7, 3, 1000),
    "whole floats": (-1.0, 0.0, 2.0),
    "text of unlike length": ("a", "bb", "ccc"),
    "unsorted text": ("z", "a", "M"),
    "booleans": (False, True),
}


def rows():
    """Rows that no fit has seen."""
    return mixed(seed=9).head(16)


# Probabilities.


def test_probabilities_of_a_row_sum_to_one():
    proba = fitted(BLClassifier).predict_proba(rows())
    assert proba.shape == (16, 3)
    assert (proba > 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-6)


def test_log_probabilities_are_the_logarithm_of_the_probabilities():
    clf = fitted(BLClassifier)
    np.testing.assert_allclose(clf.predict_log_proba(rows()), np.log(clf.predict_proba(rows())), atol=1e-5)


def test_predict_is_the_most_likely_class():
    clf = fitted(BLClassifier)
    expected = clf.classes_[clf.predict_proba(rows()).argmax(axis=1)]
    np.testing.assert_array_equal(clf.predict(rows()), expected)


def test_log_density_is_the_log_probability_of_the_label():
    clf, X = fitted(BLClassifier), mixed()
    y = labels(X)
    expected = clf.predict_log_proba(X)[np.arange(ROWS), np.searchsorted(clf.classes_, y)]
    np.testing.assert_allclose(clf.log_density(X, y), expected, atol=1e-6)


def test_probabilities_are_the_softmax_of_the_utility():
    clf, X = fitted(BLClassifier), rows()
    utility = np.stack([clf.utility(X, [label] * len(X)) for label in clf.classes_], axis=1)
    expected = np.exp(utility) / np.exp(utility).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-4)


def test_log_density_of_an_unknown_label_is_refused():
    with pytest.raises(DataError, match=r"labels absent from training: 'walk'\. Known: 'bus', 'car', 'train'"):
        fitted(BLClassifier).log_density(rows(), ["walk"] * 16)


def test_draws_have_the_predicted_shares():
    clf, draws = fitted(BLClassifier), 4000
    sample = clf.sample(rows(), draws, random_state=1)
    shares = np.stack([(sample == label).mean(axis=1) for label in clf.classes_], axis=1)
    assert sample.shape == (16, draws)
    assert np.abs(shares - clf.predict_proba(rows())).max() < 4.5 * 0.5 / np.sqrt(draws)
    np.testing.assert_array_equal(sample, clf.sample(rows(), draws, random_state=1))


@pytest.mark.parametrize("coverage", [0.05, 0.5, 0.8, 0.99])
def test_prediction_set_is_the_smallest_that_covers(coverage):
    clf = fitted(BLClassifier)
    chosen, proba = clf.predict_set(rows(), coverage), clf.predict_proba(rows())
    inside = np.where(chosen, proba, 0.0).sum(axis=1)
    weakest = np.where(chosen, proba, np.inf).min(axis=1)
    assert (inside >= coverage).all()
    assert (inside - weakest < coverage).all()
    assert (weakest >= np.where(chosen, -np.inf, proba).max(axis=1)).all()


def test_invalid_arguments_of_predictions_are_refused():
    with pytest.raises(OptionError, match="coverage must be a number above 0 and below 1; got 1"):
        fitted(BLClassifier).predict_set(rows(), 1)
    with pytest.raises(OptionError, match="n must be a whole number of at least 1; got 0"):
        fitted(BLClassifier).sample(rows(), 0)


def test_unseen_category_predicts_like_a_missing_one():
    clf = fitted(BLClassifier)
    with pytest.warns(UnseenCategoryWarning, match="'job'.*'pilot'"):
        unseen = clf.predict_proba(rows().assign(job="pilot"))
    with pytest.warns(UnseenMissingWarning, match="'job'.*count as no category"):
        missing = clf.predict_proba(rows().assign(job=None))
    np.testing.assert_array_equal(unseen, missing)


# Labels.


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind_come_back_as_they_were(kind):
    X = numbers()
    y = labels(X, LABELS[kind])
    clf = quick(BLClassifier).fit(X, y)
    assert clf.classes_.tolist() == sorted(LABELS[kind])
    assert set(clf.predict(X)) <= set(LABELS[kind])
    assert type(clf.classes_.tolist()[0]) is type(LABELS[kind][0])
    np.testing.assert_array_equal(clf.predict(X.head(16)), clf.classes_[clf.predict_proba(X.head(16)).argmax(axis=1)])


@pytest.mark.parametrize("kind", ["integers", "whole floats", "text of unlike length"])
def test_spelling_of_labels_does_not_change_the_fit(kind):
    X = numbers()
    clf = quick(BLClassifier).fit(X, labels(X, LABELS[kind]))
    np.testing.assert_array_equal(clf.predict_proba(X), fitted(BLClassifier, "numbers").predict_proba(X))


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_dtype_of_text_labels_does_not_change_the_fit(dtype):
    X = numbers()
    clf = quick(BLClassifier).fit(X, labels(X).astype(dtype))
    assert clf.classes_.tolist() == ["bus", "car", "train"]
    np.testing.assert_array_equal(clf.predict_proba(X), fitted(BLClassifier, "numbers").predict_proba(X))


@pytest.mark.parametrize("seed", range(4))
def test_class_with_a_single_row_is_kept(seed):
    X = numbers()
    y = labels(X, ("bus", "car")).to_numpy().astype(object)
    y[rng("rare", seed).integers(ROWS)] = "boat"
    clf = quick(BLClassifier, random_state=seed).fit(X, y)
    assert clf.classes_.tolist() == ["boat", "bus", "car"]
    assert clf.model_.response.shares[0] == pytest.approx(1 / 64)
    assert (clf.predict_proba(X)[:, 0] > 0).all()


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_rare_class_trains_however_large_the_validation_share(rows):
    X = numbers()
    y = labels(X, ("bus", "car")).to_numpy().astype(object)
    y[rng("rare", rows).permutation(ROWS)[:rows]] = "boat"
    response, codes = Classes().read(y, ROWS)
    train, held_out = response.split(codes, 0.8, np.random.RandomState(0))
    assert "boat" in y[train]
    assert sorted([*train, *held_out]) == list(range(ROWS))


# What is learned.


def test_identity_utility_alone_is_logistic_regression():
    X, y = numbers(), labels(numbers())
    Z = (X - X.mean()) / X.std(ddof=0)
    golden = LogisticRegression(C=1e8, max_iter=5000, tol=1e-10).fit(Z, y)
    assert -logistic().log_density(X, y).mean() == pytest.approx(log_loss(y, golden.predict_proba(Z)), abs=1e-3)
    np.testing.assert_allclose(logistic().predict_proba(X), golden.predict_proba(Z), atol=0.02)


@pytest.mark.parametrize(("rows", "linear"), [(45, True), (400, False)])
def test_few_labels_are_learned_by_logistic_regression_and_more_where_classes_are_linear(rows, linear):
    """Of all rows, by a ridge that takes out what says nothing; not where one class lies round the other."""
    X = pd.DataFrame(rng("labels round each other").normal(size=(rows, 2)), columns=["a", "b"])
    inside = np.where((X**2).sum(axis=1) < 1.4, "in", "out")
    clf = BLClassifier(random_state=0, n_restarts=1, max_epochs=100).fit(X, inside)
    assert (clf.network_.architecture.heads == ("identity", None, None)) == linear
    assert clf.model_.rows.held_out.any() != linear
    if linear:
        np.testing.assert_allclose(
            clf.predict_proba(X), [pd.Series(inside).value_counts(normalize=True)[clf.classes_]] * rows, atol=0.01
        )
    else:
        assert clf.score(X, inside) > 0.9


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_labels_of_noise_are_given_their_shares(share):
    """Twelve columns say nothing of 140 labels: what early stopping makes of them is not ahead beyond doubt."""
    random = rng("labels of noise")
    X, y = random.normal(size=(140, 12)), random.choice(["a", "b"], size=140, p=[share, 1 - share])
    with pytest.warns(TrainingWarning, match="A linear problem was learned") as said:
        clf = BLClassifier(random_state=0, n_restarts=1).fit(X, y)
    assert {warning.filename for warning in said if warning.category is TrainingWarning} == {__file__}
    np.testing.assert_allclose(clf.predict_proba(X)[:, 0], (y == "a").mean(), atol=0.02)
    coef, intercept, *_, readout, bias = (np.asarray(weight.raw) for weight in clf.network_.weights)
    assert not any(numbers.any() for numbers in (coef, intercept, readout))  # Exactly nothing, and not 1e-7.
    assert bias.any()
    assert "(no column moves it)" in str(clf.explain())


def test_fit_learns_more_than_the_shares():
    X = numbers()
    y = labels(X)
    assert fitted(BLClassifier, "numbers").log_density(X, y).mean() > np.log(y.map(y.value_counts() / ROWS)).mean()


def test_data_frame_array_and_list_give_the_same_fit():
    X, y = numbers(), labels(numbers())
    expected = fitted(BLClassifier, "numbers").predict_proba(X)
    for table, target in ((X.to_numpy(), y.to_numpy()), (X.to_numpy().tolist(), y.tolist())):
        np.testing.assert_array_equal(quick(BLClassifier).fit(table, target).predict_proba(table), expected)


def test_seed_reproduces_the_fit():
    X, y = numbers(), labels(numbers())
    again, other = quick(BLClassifier).fit(X, y), quick(BLClassifier, random_state=1).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), fitted(BLClassifier, "numbers").predict_proba(X))
    assert (other.predict_proba(X) != again.predict_proba(X)).any()


@pytest.mark.parametrize("power", [-12, 20])
def test_powers_of_two_as_units_change_nothing(power):
    X, y = numbers(), labels(numbers())
    clf = quick(BLClassifier).fit(X * 2.0**power, y)
    expected = fitted(BLClassifier, "numbers").predict_proba(X)
    np.testing.assert_allclose(clf.predict_proba(X * 2.0**power), expected, atol=1e-5)


def test_validation_data_decides_which_parameters_are_kept():
    X, y = numbers(), labels(numbers())
    order = rng("validation").permutation(ROWS)
    train, held_out = order[:64], order[64:]
    clf = quick(BLClassifier).fit(X.iloc[train], y.iloc[train], validation_data=(X.iloc[held_out], y.iloc[held_out]))
    loss = -np.mean(clf.log_density(X.iloc[held_out], y.iloc[held_out]))
    assert clf.restarts_["validation_loss"].min() == pytest.approx(loss, abs=1e-4)


def test_validation_label_absent_from_training_is_refused():
    X, y = numbers(), labels(numbers())
    with pytest.raises(DataError, match="labels absent from training: 'walk'"):
        quick(BLClassifier).fit(X, y, validation_data=(X.head(1), ["walk"]))


# The scikit-learn interface.


def test_clone_has_the_hyperparameters_and_nothing_learned():
    copy = clone(fitted(BLClassifier))
    assert copy.get_params() == fitted(BLClassifier).get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(BLClassifier()) == "BLClassifier()"
    assert repr(BLClassifier(output="scalar")) == "BLClassifier(output='scalar')"


def test_grid_search_tries_hyperparameters():
    X, y, order = numbers(), labels(numbers()), rng("folds").permutation(ROWS)
    search = GridSearchCV(
        quick(BLClassifier),
        {"penalty__l2": [0.1, 1e6]},
        cv=[(order, order)],
        scoring="neg_log_loss",
        error_score="raise",
    )
    assert search.fit(X, y).best_params_ == {"penalty__l2": 0.1}


def test_score_is_the_accuracy():
    clf, X = fitted(BLClassifier), mixed()
    assert clf.score(X, labels(X)) == pytest.approx(np.mean(clf.predict(X) == labels(X)))


def test_counts_of_what_was_fitted():
    # Two blocks of three rows on 7 columns and 3 classes, one block of three rows on two blocks.
    assert fitted(BLClassifier).n_parameters_ == 2 * 3 * (10 + 2) + 3 * (2 + 2)
    # Three blocks of one row on 7 columns, and a readout of 3 by 3 with a bias.
    assert logistic().n_parameters_ == 3 * (7 + 2) + 9 + 3


def test_history_has_one_line_per_start_and_epoch():
    history = fitted(BLClassifier).history_
    assert isinstance(history, pd.DataFrame)
    assert len(history) == 2 * history["epoch"].max()


def averaged(**options):
    X = mixed()
    y = np.where(rng("average").normal(size=len(X)) + (X["job"] == "nurse") > 0, "yes", "no")
    return quick(BLClassifier, average=True, n_restarts=3, max_epochs=5, output="vector").fit(X, y, **options)


@pytest.fixture(scope="module")
def average():
    return averaged()


@pytest.mark.parametrize("cores", [1, 3])
def test_members_of_an_average_are_the_same_however_many_are_trained_at_a_time(average, monkeypatch, cores):
    monkeypatch.setattr(devices, "_cores", lambda: cores)
    heard = []
    again = averaged(progress=lambda done, loss: heard.append((done, loss)))
    np.testing.assert_array_equal(again.predict_proba(mixed(1)), average.predict_proba(mixed(1)))
    epochs, losses = zip(*heard, strict=True)
    assert list(epochs) == sorted(epochs)  # Of all members together, their mean.
    assert epochs[-1] == 5
    assert list(losses) == sorted(losses, reverse=True)


def test_average_predicts_with_the_mean_of_its_members_utilities(average):
    X = mixed(1)
    mean = np.mean([member.predict_log_proba(X) for member in average.members_], axis=0)
    np.testing.assert_allclose(average.predict_log_proba(X), log_softmax(mean, axis=1), atol=1e-5)
    assert len(average.members_) == 3
    assert average.members_[0].network_.architecture.layers == (2, 1)


def test_average_says_what_it_is_and_sends_readers_to_a_member(average, tmp_path):
    assert "This is members_[0], to read; the model is the mean of 3 problems, to predict with." in str(
        average.explain()
    )
    assert "the mean of" not in str(average.members_[0].explain())
    for written in (str, lambda problem: problem.to_latex()):
        own, first = average.problem_, average.members_[0].problem_
        assert written(own).endswith(written(first)), "of a mean one problem is printed"
    assert len(average.problem_.text(terms=None)) > 2 * len(first.text(terms=None)), "all of it where that is asked for"
    named = copy(average).rename_blocks({"block1.1": "thrift", "block1.3": "habit"})
    assert "thrift" in str(named.explain())
    assert "thrift" in str(named.problem_)
    assert "thrift" in str(own.renamed({"block1.1": "thrift"}))
    assert "thrift" not in str(named.members_[1].problem_)
    with pytest.raises(OptionError, match=r"mean of 3. Use members_\[0\]"):
        average.inference()
    average.save(tmp_path / "a.bl")
    loaded = bl.load(tmp_path / "a.bl")
    X = mixed(1)
    np.testing.assert_allclose(loaded.members_[2].predict_proba(X), average.members_[2].predict_proba(X), atol=1e-6)
    # Whose fits are made again as those in memory.
    rows = average.model_.given_rows("refits")
    made = [next(refits(model, rows, 1, "bootstrap", 0))[0] for model in (average.model_, loaded.model_)]
    one, other = (model.gibbs().log_prob(*in_single(rows)) for model in made)
    assert made[0].members == made[1].members == 3
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert "bootstrap, 2 refits" in str(average.effects(n_refits=2))
    layers = [network.architecture.layers for network in average.model_.refitted["bootstrap", 2, 0]]
    assert layers == 2 * [tuple(2 * width for width in average.members_[0].model_.network.architecture.layers)]


def test_average_and_penalties_that_make_zeros_exclude_each_other():
    with pytest.raises(OptionError, match="average=True is not for penalties that make zeros"):
        quick(BLClassifier, average=True, penalty=bl.Penalty(l1=1.0)).fit(mixed(), np.arange(80) % 2)


@pytest.mark.parametrize("method", ["max_probability", "entropy", "energy"])
def test_strangeness_is_what_it_is_called(method):
    X, clf = mixed(), fitted(BLClassifier)
    p, log_z = clf.predict_proba(X), logsumexp([clf.utility(X, np.repeat(k, len(X))) for k in clf.classes_], axis=0)
    expected = {"max_probability": 1 - p.max(axis=1), "entropy": -(p * np.log(p)).sum(axis=1), "energy": -log_z}
    np.testing.assert_allclose(clf.ood_score(X, method), expected[method], rtol=1e-4, atol=1e-5)
