"""Claims about the paper's evidence: what is there is not run again, what is missing is named, ranks are Demšar's."""

import json
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from experiments.paper import goals, records
from experiments.paper.__main__ import SECTIONS
from experiments.paper.ranks import ranks_of, tied
from experiments.paper.records import Case, measured, table_of
from experiments.paper.regression import LEVELS, log_density_between

from behavior_learning.errors import DataError
from tests.conftest import rng

CRITICAL = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
"""Nemenyi's critical values at 5 % for two to ten classifiers: Demšar (2006), Table 5(a)."""


@pytest.fixture
def scores():
    """Fourteen data sets and four models, of which the first two are ahead."""
    values = rng(3).normal(size=(14, 4)) + np.array([1.5, 1.5, 0, 0])
    return pd.DataFrame(values.round(1), columns=list("abcd"))


@pytest.mark.parametrize("k", range(2, 11))
def test_critical_differences_are_those_of_demsar(k):
    ranks = ranks_of(pd.DataFrame(rng(k).normal(size=(14, k))), larger_is_better=True)
    assert ranks.critical_difference == pytest.approx(CRITICAL[k - 2] * np.sqrt(k * (k + 1) / (6 * 14)), rel=1e-3)


def test_mean_ranks_count_who_is_ahead_and_half_of_who_is_level(scores):
    values = scores.to_numpy()
    ahead = (values[:, None] > values[:, :, None]).sum(axis=2) + (values[:, None] == values[:, :, None]).sum(axis=2) / 2
    found = ranks_of(scores, larger_is_better=True)
    assert found.mean[list(scores)].tolist() == pytest.approx((ahead + 0.5).mean(axis=0).tolist())
    assert found.p_value < 0.05 < found.against.loc["c", "d"]


def test_falling_scores_rank_the_other_way(scores):
    rising, falling = ranks_of(scores, larger_is_better=True), ranks_of(-scores, larger_is_better=False)
    pd.testing.assert_series_equal(rising.mean, falling.mean)


def test_a_data_set_that_a_model_lacks_is_left_out(scores):
    scores.loc[3, "c"] = np.nan
    assert ranks_of(scores, larger_is_better=True).data_sets == 13


def test_bars_join_the_longest_runs_that_do_not_differ(scores):
    means = pd.Series([1.0, 1.5, 2.4, 4.0, 4.1], list("abcde"))
    ranks = ranks_of(scores, larger_is_better=True)._replace(mean=means, critical_difference=1.0)
    assert tied(ranks) == [(0, 1), (1, 2), (3, 4)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    return tmp_path


def test_a_record_says_what_made_it_and_is_not_made_again(folder):
    case = Case("prediction", "wine", "BL default", 3, {"split": "7:1:2"}, ("pandas",))
    assert measured(case, lambda case: {"AUC": 0.5 + case.seed / 10})
    assert measured(case, lambda case: pytest.fail("It is there."))
    record = json.loads((folder / "prediction" / "wine" / "BL-default-3.json").read_text())
    assert record["measured"] == {"AUC": 0.8}
    assert record["settings"] == {"split": "7:1:2"}
    assert record["versions"]["pandas"] == pd.__version__
    assert table_of("prediction")[["model", "seed", "AUC"]].values.tolist() == [["BL default", 3, 0.8]]


@pytest.mark.parametrize("error", [DataError("no such table"), ModuleNotFoundError("No module named 'pygam'")])
def test_what_is_missing_is_named_and_leaves_no_record(folder, capsys, error):
    def measure(case):
        raise error

    assert not measured(Case("prediction", "wine", "pyGAM", 0), measure)
    assert capsys.readouterr().out == f"skipped prediction / wine / pyGAM / seed 0: {error}\n"
    assert table_of("prediction").empty


def test_every_case_of_every_section_has_a_file_of_its_own():
    sections = [import_module(f"experiments.paper.{name}") for name in SECTIONS]
    paths = [case.path for section in sections for case in section.cases(None, None, None)]
    assert len(paths) > 1000
    assert len(set(paths)) == len(paths)
    assert {path.parents[1].name for path in paths} == set(SECTIONS)


@pytest.mark.parametrize(
    ("reached", "larger", "behind"), [(0.98, True, 0.01), (0.98, False, -0.01), (1.0, True, -0.01)]
)
def test_a_goal_is_missed_by_what_lies_between_it_and_its_bar(reached, larger, behind):
    assert goals.Goal("AUC", reached, 0.99, larger).behind == pytest.approx(behind)


def test_the_page_of_goals_is_of_the_records_and_says_what_was_tried_of_all_that_is_missed(monkeypatch):
    written = {}
    monkeypatch.setattr(goals, "write", written.__setitem__)
    goals.render()
    (page,) = written.values()
    assert page.strip() + "\n" == (records.RESULTS / "goals.md").read_text(encoding="utf-8")
    table, missed = page.split("## Where it is less")
    said = [line.split("**") for line in missed.splitlines() if line.startswith("**")]
    assert all(text.strip() for _, _, text in said)
    named = {name for _, asked, _ in said for name in asked.rstrip(".").split("; ")}
    assert named == {row.split(" | ")[0][2:].split(", depth")[0] for row in table.splitlines() if "missed by" in row}


def test_density_between_quantiles_integrates_to_one():
    ends, y = np.cumsum(rng(0).uniform(0.1, 0.3, size=(1, len(LEVELS))), axis=1), np.linspace(-12, 16, 14_001)
    density = np.exp(log_density_between(np.repeat(ends, len(y), axis=0), y))
    assert np.trapezoid(density, y) == pytest.approx(1.0, abs=5e-3)
    below = y <= ends[0, 10]
    assert np.trapezoid(density[below], y[below]) == pytest.approx(LEVELS[10], abs=5e-3)
