"""Fits that go on from what there is: `warm_start`, and rows in parts."""

import copy
import pickle

import jax
import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators import learning
from behavior_learning.learned import model as models
from behavior_learning.learned import refits
from behavior_learning.learned.model import TrainingRows, sampled
from tests.conftest import rng
from tests.estimators.test_conformance import untrained
from tests.fitted import amounts, labels, numbers, quick

STANDING = bl.Adam(learning_rate=1e-12, averaging=0.0)
"""Steps that lead nowhere."""

PLAIN = {"penalty": bl.Penalty(l2=0.0), "n_restarts": 1, "patience": 99}


def response_of(estimator, table):
    return (amounts if estimator is bl.BLRegressor else labels)(table)


def assert_same_numbers(network, other):
    pairs = zip(jax.tree.leaves(network), jax.tree.leaves(other), strict=True)
    assert all(np.allclose(own, its, atol=2e-4) for own, its in pairs)


def fitted(monkeypatch, **options):
    """An estimator that has its numbers at random, and does not train."""
    monkeypatch.setattr(learning, "fit_from", untrained)
    return quick(bl.BLRegressor, warm_start=True, **options).fit(numbers(), amounts(numbers()))


@pytest.mark.parametrize("rows", [80, 30])
def test_a_warm_fit_begins_at_the_present_network_with_its_scales_and_support(rows, monkeypatch):
    reg = fitted(monkeypatch).rename_blocks({"block1.1": "the budget"})
    before, later = reg.model_, numbers(seed=1)[:rows]
    reg.set_params(random_state=1).fit(later[list("gfedcba")], amounts(numbers())[:rows])
    assert_same_numbers(reg.network_, before.network)
    assert reg.model_.encoder is before.encoder
    assert reg.model_.response == before.response
    np.testing.assert_allclose(reg.model_.rows.x, before.encoder(later))
    assert "the budget" in reg.problem_.blocks


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"warm_start": True}, {}], ids=["warm", "cold"])
def test_steps_that_lead_nowhere_leave_a_warm_fit_where_it_was(options):
    X, y = numbers(), labels(numbers())
    clf = quick(bl.BLClassifier, output="vector", average=True, **options).fit(X, y)
    before = clf.predict_proba(X)
    again = clf.set_params(optimizer=STANDING, max_epochs=1, random_state=5).fit(X, y)
    assert np.allclose(again.predict_proba(X), before, atol=1e-5) == bool(options)


REFUSED = {
    "another model": ({"layers": (3, 1)}, {}, OptionError, r"layers=\(3, 1\) is of another; it was \[2, 1\]"),
    "other columns": ({}, {"X": numbers().rename(columns={"a": "z"})}, DataError, "missing: 'a'; unexpected: 'z'"),
    "outside": ({}, {"y": amounts(numbers()) * 100}, DataError, r"lives on \[.*State a wider support="),
    "a stream": ({}, {"X": numbers().assign(y=1.0), "y": None, "target": "y"}, OptionError, "of rows in memory"),
}


@pytest.mark.parametrize(("options", "given", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_warm_fit_cannot_keep_is_refused(options, given, error, message, monkeypatch):
    reg = fitted(monkeypatch)
    before = reg.model_
    with pytest.raises(error, match=message):
        reg.set_params(**options).fit(**{"X": numbers(), "y": amounts(numbers())} | given)
    assert reg.model_ is before


@pytest.mark.parametrize("estimator", [pytest.param(bl.BLRegressor, marks=pytest.mark.slow), bl.BLClassifier])
def test_parts_that_are_all_rows_are_epochs_of_a_fit(estimator):
    X = numbers()
    y = response_of(estimator, X)
    options = {"output": "vector"} if estimator is bl.BLClassifier else {}
    options |= {**PLAIN, "optimizer": bl.Adam(batch_size=80), "max_epochs": 3}
    parts = quick(estimator, **options)
    for _ in range(3):
        parts.partial_fit(X, y, **({"classes": np.unique(y)} if estimator is bl.BLClassifier else {}))
    whole = quick(estimator, **options).fit(X, y, validation_data=(X, y))
    assert_same_numbers(parts.network_, whole.network_)
    np.testing.assert_allclose(parts.history_.train_loss, whole.history_.train_loss, rtol=1e-4)


@pytest.mark.slow
def test_parts_go_on_from_a_fit_and_through_pickle():
    X, y = numbers(), labels(numbers())
    clf = quick(bl.BLClassifier, output="vector", n_restarts=1).fit(X, y)
    before = clf.predict_proba(X)
    still = copy.deepcopy(clf).set_params(optimizer=STANDING).partial_fit(X, y)
    np.testing.assert_allclose(still.predict_proba(X), before, atol=1e-5)
    clf.partial_fit(X, y)
    stored = pickle.loads(pickle.dumps(clf)).partial_fit(X, y)
    np.testing.assert_array_equal(stored.predict_proba(X), clf.partial_fit(X, y).predict_proba(X))
    assert not np.allclose(clf.predict_proba(X), before, atol=1e-3)


def test_parts_may_lack_classes_and_may_not_bring_others():
    X, y = numbers(), labels(numbers())
    clf = quick(bl.BLClassifier, output="vector", **PLAIN, optimizer=bl.Adam(batch_size=80))
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X, y)
    clf.partial_fit(X, y.replace("train", "car"), classes=["train", "car", "bus"])
    assert clf.classes_.tolist() == ["bus", "car", "train"]
    before = clf.model_
    for bad, message in (
        ({"y": y.replace("bus", "boat")}, "labels absent from training: 'boat'"),
        ({"classes": ["bus", "car"]}, "not the same as on the first call"),
        ({"X": X.drop(columns="a")}, "missing: 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            clf.partial_fit(**{"X": X, "y": y} | bad)
    assert clf.model_ is before
    assert "bus" in str(clf.problem_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"average": True}, "average=True needs all"),
        ({"penalty": bl.Penalty(l1=1.0)}, "penalties that make zeros needs all"),
        ({"class_weight": "balanced"}, "class_weight='balanced' needs all"),
        ({"optimizer": bl.LBFGS(), "heads": ("tanh", None, None)}, "steps of one kind"),
        ({"optimizer": bl.Adam(schedule="cosine")}, "steps of one kind"),
    ],
)
def test_what_needs_all_rows_is_refused_of_parts(options, message):
    with pytest.raises(OptionError, match=message):
        quick(bl.BLClassifier, output="vector", **options).partial_fit(
            numbers(), labels(numbers()), classes=["bus", "car", "train"]
        )


@pytest.mark.slow
def test_many_parts_come_as_close_as_a_fit():
    random = rng("parts")
    X = pd.DataFrame(random.normal(size=(4000, 3)), columns=list("abc"))
    y = 2 * X["a"] - X["b"] + 0.5 * random.normal(size=4000)
    reg = bl.BLRegressor(layers=(2, 1), response=bl.Numbers(support=(-15, 15)), random_state=0)
    for start in 4 * list(range(0, 3000, 100)):
        reg.partial_fit(X[start : start + 100], y[start : start + 100])
    truth = 0.5 * np.log(2 * np.pi * np.e * 0.25)
    assert -reg.log_density(X[3000:], y[3000:]).mean() < truth + 0.1


def test_rows_that_stay_are_a_fair_sample_of_all(monkeypatch):
    monkeypatch.setattr(models, "KEPT_ROWS", 20)
    random, kept = np.random.RandomState(0), np.zeros(60)
    for _ in range(500):
        rows = None
        for part in np.split(np.arange(60.0), [10, 35, 40]):
            more = TrainingRows(part[:, None], part, np.zeros(len(part), bool), weight=part)
            rows = sampled(rows, more, random)
        assert (len(rows.x), rows.of) == (20, 60)
        np.testing.assert_array_equal(rows.x[:, 0], rows.weight)
        kept[rows.y.astype(int)] += 1
    np.testing.assert_allclose(kept / 500, 20 / 60, atol=4.5 * np.sqrt(1 / 3 * 2 / 3 / 500))


@pytest.mark.slow
def test_refits_that_are_kept_are_not_made_again(tmp_path, monkeypatch):
    X, y = numbers(), amounts(numbers())
    reg, made, plain = quick(bl.BLRegressor, layers=(1,)).fit(X, y), [], refits.fit_from
    monkeypatch.setattr(refits, "fit_from", lambda *args, **how: made.append(1) or plain(*args, **how))

    def interrupt(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reg.stability(n=2, checkpoint=tmp_path, progress=interrupt)
    kept, anew = reg.stability(n=2, checkpoint=tmp_path), reg.stability(n=2)
    assert len(made) == 1 + 1 + 2
    assert kept.frequencies == anew.frequencies
    pd.testing.assert_frame_equal(kept.effects, anew.effects)
    first, again = (reg.effects(std_errors="bootstrap", n_refits=2, checkpoint=tmp_path).table() for _ in range(2))
    assert len(made) == 4 + 2
    pd.testing.assert_frame_equal(first, again)
    reg.stability(n=2, seed=1, checkpoint=tmp_path)  # Other samples.
    assert len(made) == 6 + 2
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is no folder to write to"):
        reg.stability(n=2, checkpoint=tmp_path / "file")
