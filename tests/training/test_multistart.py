"""Claims about screened starts: who takes part, who goes on, and that a single start stays one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import ConvergenceError
from behavior_learning.training import multistart
from behavior_learning.training.fit import CHUNK
from behavior_learning.training.multistart import in_turn
from behavior_learning.training.optimizers import Adam
from behavior_learning.training.settings import Penalty, Settings
from tests.conftest import rng

SETTINGS = Settings(Adam(batch_size=8), Penalty(l2=1.0), max_epochs=500, patience=40)


def first_numbers(starts):
    """A number of each start that tells them apart."""
    return np.array([start.layers[0].heads["utility"].coef.raw[0, 0, 0] for start in starts])


@pytest.fixture
def race(monkeypatch):
    """`fit_from` with a stub for `fit` that notes its calls and prefers starts with small numbers."""
    calls, failing = [], set()

    def fit(starts, stages, *, settings, **options):
        losses = np.abs(first_numbers(starts))
        calls.append((losses, settings.max_epochs))
        if len(calls) - 1 in failing:
            raise ConvergenceError("None of the starts converged.")
        best = int(np.argmin(losses))
        return SimpleNamespace(network=starts[best], trace=SimpleNamespace(best_loss=losses), best_start=best)

    def run(layers, count, rows=80, fails=()):
        failing.update(fails)
        generator = rng("heats")
        draw = lambda: BehaviorNetwork.random(generator, Architecture(layers), features=2, response=1)
        multistart.fit_from(
            [draw() for _ in range(count)],
            draw,
            [],
            data=(np.zeros(rows),),
            validation=(),
            settings=SETTINGS,
            seed=0,
        )
        return calls

    monkeypatch.setattr(multistart, "fit", fit)
    monkeypatch.setattr(multistart, "settled", lambda result, **rows: result)
    return run


def test_screened_starts_are_trained_in_full(race):
    *short, (last, epochs) = race((2,), 3)
    assert epochs == SETTINGS.max_epochs
    assert {e for _, e in short} == {CHUNK}
    assert len(short) == multistart.SCREENINGS
    best = sorted(losses.min() for losses, _ in short)
    np.testing.assert_allclose(np.sort(last), best[:3])


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_what_dropout_led_to_is_not_led_back_to_the_optimum_of_the_ridge(dropout, monkeypatch):
    monkeypatch.setattr(multistart, "fit", lambda starts, stages, **options: "trained")
    monkeypatch.setattr(multistart, "settled", lambda result, **options: "settled")
    start = BehaviorNetwork.random(rng("led back"), Architecture((4, 2)), features=2, response=1)
    how = {"data": (np.zeros(80),), "validation": (), "seed": 0}
    found = multistart.fit_from(
        [start], lambda: start, [], settings=replace(SETTINGS, penalty=Penalty(dropout=dropout)), **how
    )
    assert found == ("trained" if dropout else "settled")


@pytest.mark.parametrize(("layers", "count"), [((1,), 1), ((4,), 3), ((2, 1), 3)], ids=str)
def test_single_starts_and_many_blocks_are_not_screened(race, layers, count):
    ((losses, epochs),) = race(layers, count)
    assert len(losses) == count
    assert epochs == SETTINGS.max_epochs


def test_screening_of_many_rows_is_a_few_epochs(race):
    *short, _ = race((1,), 3, rows=SETTINGS.optimizer.batch_size * multistart.SCREENING_STEPS // 4)
    assert {epochs for _, epochs in short} == {4}


def test_screenings_that_fail_have_no_start(race):
    calls = race((1,), 3, fails=range(multistart.SCREENINGS - 2))
    found = {losses.min() for losses, _ in calls[multistart.SCREENINGS - 2 : multistart.SCREENINGS]}
    last = set(calls[-1][0])
    assert found <= last
    assert last - found <= set(calls[0][0])


def test_the_networks_of_a_mean_have_parts_and_settings_by_turns(monkeypatch):
    seen = {}

    def fit(starts, stages, *, data, settings, **options):
        seen[float(first_numbers(starts)[0])] = (data, settings)
        raise ConvergenceError("not asked")

    monkeypatch.setattr(multistart, "fit", fit)
    generator = rng("turns of settings")
    starts = [BehaviorNetwork.random(generator, Architecture((2,)), features=2, response=1) for _ in range(5)]
    settings = [SETTINGS, replace(SETTINGS, penalty=Penalty(dropout=0.1)), replace(SETTINGS, max_epochs=3)]
    with pytest.raises(ConvergenceError, match="not asked"):
        multistart.average_from(starts, [], parts=[("a", ()), ("b", ())], rows=8, settings=settings, seed=0)
    turns = [(data, settings[number % 3]) for number, data in enumerate("ababa")]
    assert [seen[number] for number in first_numbers(starts)] == turns


@pytest.mark.parametrize(("count", "most", "each"), [(2, 5, 5), (3, 9, 6), (4, 9, 4), (8, 9, 2), (9, 1, 1)])
def test_rows_are_held_out_in_turn_and_but_once(count, most, each):
    fixed, values = np.array([2, 7]), rng("values").normal(size=20)
    parts = list(in_turn(values, fixed, rng("turns"), count=count, most=most))
    for own, out in parts:
        np.testing.assert_array_equal(np.sort(np.concatenate([own, out])), np.arange(20))
        assert not np.isin(fixed, out).any()
    every = np.concatenate([out for _, out in parts])
    assert len(every) == len(set(every)) == count * each


def test_a_part_has_its_share_of_every_class_and_of_large_and_small_numbers():
    sorted_by_class = np.repeat([0, 1, 2], [80, 40, 40])
    for _, out in in_turn(sorted_by_class, np.array([0, 80, 120]), rng("turns"), count=8, most=32):
        assert np.abs(np.bincount(sorted_by_class[out]) - [10, 5, 5]).max() <= 1
    amounts = np.arange(160.0)
    for _, out in in_turn(amounts, np.array([], int), rng("turns"), count=8, most=32):
        np.testing.assert_array_equal(np.sort(out) // 8, np.arange(20))


@pytest.mark.parametrize(("groups", "parts"), [(40, 8), (9, 8), (5, 4)])
def test_groups_are_held_out_as_a_whole_and_but_once(groups, parts):
    group = rng("groups").permutation(np.arange(200) % groups)
    found = list(in_turn(np.zeros(200), np.array([0]), rng("turns"), count=8, most=40, group=group))
    for own, out in found:
        assert not np.isin(group[out], group[own]).any()
        np.testing.assert_array_equal(np.sort(np.concatenate([own, out])), np.arange(200))
    every = np.concatenate([out for _, out in found])
    assert len(every) == len(set(every)) == (group != group[0]).sum()
    assert len(found) == parts
    assert max(len(out) for _, out in found) <= max(200 / 8 + 200 / groups, 200 / groups)


def test_no_more_groups_are_held_out_at_a_time_than_are_asked_for():
    group = np.arange(200) // 5
    found = list(in_turn(np.zeros(200), np.array([], int), rng("turns"), count=8, most=10, group=group))
    assert [len(out) for _, out in found] == [10] * 8


@pytest.mark.parametrize("large", [60, 5_000])
def test_a_group_of_most_rows_trains_unless_there_is_no_other(large):
    group = np.repeat([0, 1, 2], [large, 10, 30])
    for fixed, expected in (([], [10, 30]), ([large], [30]), ([large, large + 10], [large])):
        found = in_turn(np.zeros(large + 40), np.array(fixed, int), rng("turns"), count=8, most=10, group=group)
        assert sorted(len(out) for _, out in found) == expected
