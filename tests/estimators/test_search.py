"""`search`: the candidate that the truth calls for wins, and the table says by how much."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators import search as search_module
from behavior_learning.estimators.search import _folds
from tests.conftest import rng

LINEAR = {
    "heads": ("identity", None, None),
    "penalty": bl.Penalty(l2=1.0),
    "optimizer": bl.Adam(learning_rate=0.05),
    "max_epochs": 50,
    "n_restarts": 2,
}


def classifier(**options):
    return bl.BLClassifier(**{**LINEAR, "layers": (1,), "random_state": 0, **options})


def rows(n=180):
    """Three classes around the corners of a triangle: two scores tell them apart, one cannot."""
    generator = rng("search rows")
    codes = np.arange(n) % 3
    corners = 2.0 * np.array([[0.0, 1.0], [-0.9, -0.5], [0.9, -0.5]])
    X = pd.DataFrame(corners[codes] + 0.7 * generator.normal(size=(n, 2)), columns=["east", "north"])
    return X, pd.Series(np.array(["a", "b", "c"])[codes], name="corner")


@pytest.fixture(scope="module")
def found():
    return bl.search(classifier(), *rows(), {"layers": [(1,), (2,)]}, folds=2)


def test_the_needed_width_wins(found):
    table = found.table
    assert table["layers"].tolist() == [(2,), (1,)]
    assert table["behind"].iloc[0] == table["behind_error"].iloc[0] == 0.0
    assert table["behind"].iloc[1] > 4 * table["behind_error"].iloc[1] > 0
    assert table["n_parameters"].tolist() == [2 * 4 + 3 * 2 + 3, 4 + 3 + 3]
    assert "error" not in table


def test_best_is_refitted_to_all_rows(found):
    X, y = rows()
    assert found.best.layers == (2,)
    assert len(found.best.model_.rows.x) == len(X)
    assert found.best.score(X, y) > 0.85


def test_loss_is_that_of_the_folds(found):
    """The winner's loss from fits of its own."""
    X, y = rows()
    losses = []
    for train, held_out in _folds(classifier(), X, y, 2, 0):
        model = classifier(layers=(2,)).fit(X.iloc[train], y.iloc[train])
        losses.append(-model.log_density(X.iloc[held_out], y.iloc[held_out]))
    losses = np.concatenate(losses)
    assert found.table["loss"].iloc[0] == pytest.approx(losses.mean(), abs=1e-5)
    assert found.table["std_error"].iloc[0] == pytest.approx(losses.std(ddof=1) / len(losses) ** 0.5, abs=1e-5)


def test_a_single_fold_is_a_fifth_of_the_rows():
    X, y = rows()
    ((train, held_out),) = _folds(classifier(), X, y, 1, 0)
    assert len(held_out) == len(X) // 5
    assert sorted([*train, *held_out]) == list(range(len(X)))


def test_folds_have_one_size_and_every_class():
    X, y = rows(100)
    parts = list(_folds(classifier(), X, y, 3, 0))
    assert {(len(train), len(held_out)) for train, held_out in parts} == {(67, 33)}
    assert len(np.unique(np.concatenate([held_out for _, held_out in parts]))) == 99
    for _, held_out in parts:
        assert np.bincount(pd.factorize(y)[0][held_out]).min() >= 10


def test_folds_have_every_pair_of_two_labels():
    y = pd.DataFrame({"choice": ["bus", "car"] * 50, "day": ["week"] * 90 + ["end"] * 10})
    for _, held_out in _folds(classifier(), np.zeros((100, 2)), y, 5, 0):
        assert sorted(y.iloc[held_out].value_counts()) == [1, 1, 9, 9]


def test_candidates_that_fail_come_last_with_their_reason():
    heads = [("identity", None, None), ("identity", "relu", "magic")]
    table = bl.search(classifier(layers=(2,)), *rows(), {"heads": heads}, folds=2).table
    assert table["heads"].tolist() == heads
    assert "got 'magic'" in table["error"].iloc[1]
    with pytest.raises(DataError, match=r"No candidate could be fitted\. .*'magic'"):
        bl.search(classifier(), *rows(), {"heads": heads[1:]}, folds=2)


def test_random_search_draws_choices_and_ranges():
    space = {"penalty__l2": (0.01, 100.0), "optimizer__learning_rate": [0.05, 0.02]}
    table = bl.search(classifier(layers=(2,)), *rows(), space, method="random", trials=4, folds=2).table
    assert len(table) == 4
    assert table["penalty__l2"].between(0.01, 100.0).all()
    assert table["penalty__l2"].nunique() == 4
    assert set(table["optimizer__learning_rate"]) <= {0.05, 0.02}
    assert table["loss"].is_monotonic_increasing


def test_halving_trains_the_best_third_for_three_times_as_long(monkeypatch):
    epochs = []
    judge = search_module._judge

    def noted(estimator, choice, *given):
        epochs.append(estimator.max_epochs)
        return judge(estimator, choice, *given)

    monkeypatch.setattr(search_module, "_judge", noted)
    found = bl.search(
        classifier(layers=(2,), max_epochs=54),
        *rows(),
        {"penalty__l2": (0.01, 100.0)},
        method="halving",
        trials=9,
        folds=1,
    )
    assert epochs == [2] * 9 + [6] * 3 + [18] + [54]
    assert found.table["round"].tolist() == [3, 1, 1, 0, 0, 0, 0, 0, 0]
    assert found.table["loss"].iloc[3:].is_monotonic_increasing
    assert found.best.penalty.l2 == found.table["penalty__l2"].iloc[0]
    with pytest.raises(OptionError, match="halving' varies max_epochs itself"):
        bl.search(classifier(), *rows(), {"max_epochs": [5, 10]}, method="halving")


def test_what_was_judged_is_kept(monkeypatch, tmp_path):
    """A search that is called again judges what is new, and candidates of other rows are others."""
    judge, asked = search_module._judge, []

    def noted(estimator, choice, *given):
        asked.append(choice["penalty__l2"])
        return judge(estimator, choice, *given)

    monkeypatch.setattr(search_module, "_judge", noted)
    (X, y), brief = rows(60), classifier(max_epochs=3, n_restarts=1)
    search = lambda y, *strengths: bl.search(
        brief, X, y, {"penalty__l2": [*strengths]}, folds=2, checkpoint=tmp_path / "kept"
    )
    first = search(y, 1.0, 10.0)
    again = search(y, 1.0, 10.0)
    pd.testing.assert_frame_equal(first.table, again.table)
    search(y, 10.0, 30.0)
    search(y.iloc[::-1], 1.0)
    assert asked == [1.0, 10.0, 30.0, 1.0]
    for file in (tmp_path / "kept").iterdir():
        file.write_text("{")
    with pytest.raises(DataError, match=r"is damaged .*Delete it"):
        search(y, 1.0)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is no folder to write to"):
        bl.search(brief, X, y, checkpoint=tmp_path / "file")
    with pytest.raises(OptionError, match="needs a random_state of the estimator"):
        bl.search(classifier(random_state=None), X, y, checkpoint=tmp_path)


def test_optuna_is_asked_for_by_name():
    pytest.importorskip("optuna")
    space = {"penalty__l2": (0.01, 100.0), "layers": [(1,), (2,)]}
    table = bl.search(classifier(), *rows(), space, method="optuna", trials=4, folds=2).table
    assert len(table) == 4
    assert set(table["layers"]) <= {(1,), (2,)}


def test_optuna_is_an_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(OptionError, match=r"pip install 'behavior-learning\[search\]'"):
        bl.search(classifier(), *rows(), {"penalty__l2": [1.0]}, method="optuna")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"method": "magic"}, "method must be one of 'grid', 'random', 'halving', 'optuna'"),
        ({"space": {}}, "at least one hyperparameter"),
        ({"space": {"width": [1]}}, "'width', which is no hyperparameter of BLClassifier"),
        ({"space": {"penalty__alpha": [1]}}, r"bl\.Penalty has no parameter 'alpha'\. Its parameters: l2, l1"),
        ({"space": {"basis__knots": [4]}}, "basis='auto' has no parameters of its own"),
        ({"space": {"penalty__l2": 3.0}}, "must be a list of choices or a pair"),
        ({"space": {"penalty__l2": (2.0, 1.0)}}, "must be a list of choices or a pair"),
        ({"space": {"penalty__l2": (1.0, 2.0)}}, "is a range. Use method='random'"),
        ({"folds": 0}, "folds must be a whole number of at least 1"),
        ({"trials": 0}, "trials must be a whole number of at least 1"),
    ],
)
def test_bad_searches_are_refused(options, complaint):
    with pytest.raises(OptionError, match=complaint):
        bl.search(classifier(), *rows(), **options)


def test_bad_estimators_and_few_rows_are_refused():
    with pytest.raises(OptionError, match="takes an estimator of this library; got dict"):
        bl.search({}, *rows())
    with pytest.raises(DataError, match=r"A single held-out fifth needs at least 20 rows; got 13\. Use folds=2 or 3"):
        bl.search(classifier(), *rows(13), {"layers": [(1,)]}, folds=1)
    with pytest.raises(DataError, match="3 folds need at least 12 rows; got 6"):
        bl.search(classifier(), *rows(6))
    X, y = rows()
    for given, complaint in [
        ((X,), "got y=None"),
        ((None, y), "got X=None"),
        ((X, y[:5]), "y has 5"),
        ((X, 3), "got 3"),
    ]:
        with pytest.raises(DataError, match=complaint):
            bl.search(classifier(), *given)
    with pytest.raises(OptionError, match="space must be a dictionary"):
        bl.search(classifier(), X, y, [1])


@pytest.mark.slow
def test_joint_responses_and_densities_can_be_searched():
    X, y = rows()
    options = {"layers": (1,), "max_epochs": 25, "n_restarts": 1, "random_state": 0}
    density = bl.search(bl.BLDensity(**options), X, space={"penalty__l2": [1.0, 100.0]}, folds=2)
    assert density.best.log_density(X).mean() > -6
    Y = pd.DataFrame({"corner": y, "north": X["north"]})
    hybrid = bl.search(bl.BLHybrid(**options), X[["east"]], Y, {"penalty__l2": [1.0, 100.0]}, folds=2)
    assert len(hybrid.table) == 2
