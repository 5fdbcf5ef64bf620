"""Claims about rows that belong together: they train together or validate together, in every fit and search."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError
from behavior_learning.estimators import base, learning, structure
from behavior_learning.estimators.groups import check_groups, split_by_groups
from behavior_learning.estimators.search import _folds
from tests.conftest import rng
from tests.fitted import amounts, labels, numbers, quick

ROWS = len(numbers())
GROUP = rng("groups").permutation(np.arange(ROWS) // 4)


def of_both_sides(held_out):
    return np.isin(GROUP[held_out], GROUP[~held_out]).any()


@pytest.mark.parametrize(
    ("kind", "y"),
    [
        (bl.BLRegressor, amounts(numbers())),
        (bl.BLClassifier, labels(numbers())),
        (bl.BLHybrid, pd.DataFrame({"mode": labels(numbers()), "spend": amounts(numbers())})),
    ],
)
def test_a_group_trains_or_validates(kind, y):
    names = pd.Series(GROUP).astype(str).add(" May")
    held_out = quick(kind).fit(numbers(), y, groups=names).model_.rows.held_out
    assert held_out.any()
    assert not of_both_sides(held_out)
    assert of_both_sides(quick(kind).fit(numbers(), y).model_.rows.held_out)


def test_a_group_of_a_table_trains_or_validates():
    assert not of_both_sides(quick(bl.BLDensity).fit(numbers()[["a", "b"]], groups=GROUP).model_.rows.held_out)


@pytest.mark.parametrize(("kind", "y"), [(bl.BLRegressor, amounts), (bl.BLClassifier, labels)])
def test_the_networks_of_a_mean_hold_out_groups_by_turns_in_parts_of_one_shape(kind, y, monkeypatch):
    parts, found, average_from = [], [], learning.average_from
    monkeypatch.setattr(
        learning,
        "average_from",
        lambda starts, stages, parts, **options: average_from(starts, stages, parts=seen(parts), **options),
    )
    monkeypatch.setattr(
        learning, "in_turn", lambda *given, own=learning.in_turn, **how: found.extend(own(*given, **how)) or found
    )

    def seen(given):
        for part in given:
            parts.append(part)
            yield part

    model = quick(kind, average=True, n_restarts=3, **({"output": "vector"} if kind is bl.BLClassifier else {}))
    group = np.minimum(GROUP, 12)  # The last one is large.
    model.fit(numbers(), y(numbers()), groups=group)
    assert len(found) == len(parts) == 3
    for own, out in found:
        assert not np.isin(group[out], group[own]).any()
    assert len({tuple(len(column) for column in (*data, *validation)) for data, validation in parts}) == 1


def test_groups_come_near_to_the_share_and_one_that_is_far_too_large_trains():
    group = np.concatenate([np.zeros(120, int), 1 + np.arange(80) // 2])
    for seed in range(20):
        train, held_out = split_by_groups(group, np.array([], int), 0.2, np.random.RandomState(seed))
        assert not np.isin(group[held_out], group[train]).any()
        assert 0 in group[train]
        assert len(held_out) == 40


def test_one_of_two_groups_validates_even_if_it_is_large():
    train, held_out = split_by_groups(np.repeat([0, 1], [60, 40]), np.array([], int), 0.1, np.random.RandomState(0))
    assert (len(train), len(held_out)) == (60, 40)


def test_every_class_trains():
    y = np.repeat(["rare", "common"], [4, 76])
    group = np.arange(80) // 4
    for seed in range(20):
        model = quick(bl.BLClassifier, max_epochs=1, random_state=seed, layers=(1,)).fit(numbers(), y, groups=group)
        assert not model.model_.rows.held_out[:4].any()


def test_rows_without_weight_are_left_out_with_their_groups():
    weight = (GROUP < 10).astype(float)
    rows = (
        quick(bl.BLRegressor, max_epochs=1)
        .fit(numbers(), amounts(numbers()), groups=GROUP, sample_weight=weight)
        .model_.rows
    )
    kept = GROUP[weight > 0]
    assert len(rows.x) == len(kept)
    assert not np.isin(kept[rows.held_out], kept[~rows.held_out]).any()
    with pytest.raises(DataError, match="two labels at least; all rows have 3"):
        quick(bl.BLRegressor).fit(numbers(), amounts(numbers()), groups=GROUP, sample_weight=GROUP == 3)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1] * ROWS, "two labels at least; all rows have 1"),
        (GROUP[:5], r"one label for each of 80 rows, such as X\['day'\]; got shape \(5,\)"),
        (np.where(GROUP == 3, np.nan, GROUP), r"no label in row \d+ \(4 such rows\)"),
        ([None, *map(str, GROUP[1:])], r"no label in row 0 \(1 such rows\)"),
        (numbers(), r"got shape \(80, 7\)"),
        ("day", "got 'day'"),
    ],
)
def test_labels_that_are_none_are_refused(groups, message):
    with pytest.raises(DataError, match=message):
        quick(bl.BLRegressor).fit(numbers(), amounts(numbers()), groups=groups)


def test_what_cannot_be_by_groups_is_refused(tmp_path):
    X, y = numbers(), labels(numbers())
    with pytest.raises(DataError, match="none is left to validate"):
        quick(bl.BLClassifier).fit(X, y, groups=y)
    with pytest.raises(DataError, match="Give one of them"):
        quick(bl.BLClassifier).fit(X, y, groups=GROUP, validation_data=(X, y))
    X.assign(y=y).to_csv(tmp_path / "t.csv")
    with pytest.raises(DataError, match="got groups="):
        quick(bl.BLClassifier).fit(str(tmp_path / "t.csv"), target="y", groups=GROUP)


def test_labels_may_be_days_text_or_numbers():
    days = pd.Series(pd.Timestamp("2026-05-01") + pd.to_timedelta(GROUP, unit="D"))
    for given in (days, days.astype(str), days.astype("category"), GROUP.tolist(), GROUP.astype(float)):
        codes = check_groups(given, ROWS)
        assert (codes[:, None] == codes).tolist() == (GROUP[:, None] == GROUP).tolist()


def test_folds_of_a_search_are_whole_groups_and_so_is_what_each_fit_holds_out(monkeypatch):
    X, y = numbers(), amounts(numbers())
    model = quick(bl.BLRegressor, layers=(1,))
    folds = list(_folds(model, X, y, 4, 0, GROUP))
    assert np.sort(np.concatenate([out for _, out in folds])).tolist() == list(range(ROWS))
    assert not any(np.isin(GROUP[own], GROUP[out]).any() for own, out in folds)
    fits, fit = [], bl.BLRegressor.fit
    monkeypatch.setattr(
        bl.BLRegressor, "fit", lambda self, *rows, groups: fits.append(groups) or fit(self, *rows, groups=groups)
    )
    found = bl.search(model, X, y, {"layers": [(1,), (2,)]}, folds=2, groups=GROUP)
    assert [len(set(own)) for own in fits] == [10, 10, 10, 10, 20]
    alone = bl.search(model, X, y, {"layers": [(1,), (2,)]}, folds=2, groups=np.arange(ROWS))
    assert found.table["std_error"].notna().all()
    assert alone.table["std_error"].notna().all()
    with pytest.raises(DataError, match="3 folds of whole groups need as many groups, three at least; got 2"):
        bl.search(model, X, y, {"layers": [(1,)]}, groups=GROUP < 5)


def test_pilots_and_plainer_problems_are_compared_by_groups(monkeypatch):
    monkeypatch.setattr(structure, "PILOTED_ROWS", 100)
    x = rng("compared").normal(size=(700, 2))
    y, group, told = np.where(x[:, 0] > 0, "up", "down"), np.arange(700) // 7, {}
    level_with_best, loss_of_plainer = learning.level_with_best, base.loss_of_plainer
    monkeypatch.setattr(learning, "level_with_best", lambda *own: told.update(pilots=own[2]) or level_with_best(*own))
    monkeypatch.setattr(base, "loss_of_plainer", lambda *own, **how: told.update(how) or loss_of_plainer(*own, **how))
    held_out = bl.BLClassifier(random_state=0, max_epochs=2).fit(x, y, groups=group).model_.rows.held_out
    np.testing.assert_array_equal(told["group"], group)
    assert len(told["pilots"]) > 100
    assert not held_out.any() or set(told["pilots"]) == set(group[held_out])
