"""Claims about stability: blocks are matched whatever their order, and what recurs is told from what does not."""

import re
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import behavior_learning as bl
from behavior_learning.core.heads import get_head
from behavior_learning.errors import DataError, OptionError
from behavior_learning.explanation.stability import compare_refits, match_blocks
from behavior_learning.explanation.words import explain_problem
from behavior_learning.learned import prune
from behavior_learning.learned.refits import refits
from behavior_learning.learned.stability import measure_stability
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm, Problem
from behavior_learning.training import minimize
from tests.conftest import rng
from tests.fitted import amounts, fitted, numbers

COLUMNS = ("y", "a", "b", "c", "d")
VALUES = {name: rng(name).normal(size=300) for name in COLUMNS}


def linear(**coefficients):
    return Polynomial({((name, 1),): float(value) for name, value in coefficients.items()})


def agents(order=("block1.1", "block1.2"), *, wants="a", sign=1.0, belief=1.0, multiplier=1.0):
    """Two agents under one block: one wants y and a column, one believes in d; `order` is what they are called."""
    first, second = order
    want = HeadTerm(get_head("utility", "tanh"), multiplier, linear(y=1.0, **{wants: sign}))
    limit = HeadTerm(get_head("inequality", "relu"), 1.0, linear(y=1.0, b=-1.0))
    believe = HeadTerm(get_head("equality", "abs"), 1.0, linear(y=belief, d=-belief))
    blocks = {first: Block(first, (want, limit), ("y",), {}), second: Block(second, (believe,), ("y",), {})}
    above = HeadTerm(get_head("utility", "tanh"), 1.0, Polynomial({((first, 1),): 0.2, ((second, 1),): 1.5}))
    lower = tuple(blocks[name] for name in sorted(blocks))
    top = Block("block2.1", (above,), ("y",), {})
    problem = Problem((lower, (top,)), {"utility": linear(**{"block2.1": 1.0})}, ("y",))
    return explain_problem(problem, VALUES)


SWAPPED = ("block1.2", "block1.1")


def test_blocks_are_matched_by_what_moves_them():
    assert match_blocks(agents(), agents()) == {name: name for name in ("block1.1", "block1.2", "block2.1")}
    assert match_blocks(agents(), agents(SWAPPED)) == {
        "block1.1": "block1.2",
        "block1.2": "block1.1",
        "block2.1": "block2.1",
    }


def test_upper_blocks_are_matched_by_the_lower_blocks_they_see():
    def read(lower, upper):
        believe = lambda name, column: Block(
            name, (HeadTerm(get_head("equality", "abs"), 1.0, linear(y=1.0, **{column: -1.0})),), ("y",), {}
        )
        above = lambda name, seen: Block(
            name, (HeadTerm(get_head("utility", "tanh"), 1.0, linear(**{seen: 1.0})),), ("y",), {}
        )
        first = {lower[0]: believe(lower[0], "a"), lower[1]: believe(lower[1], "b")}
        second = {upper[0]: above(upper[0], lower[0]), upper[1]: above(upper[1], lower[1])}
        layers = tuple(tuple(layer[name] for name in sorted(layer)) for layer in (first, second))
        return explain_problem(Problem(layers, {name: linear(**{name: 1.0}) for name in upper}, ("y",)), VALUES)

    names, tops = ("block1.1", "block1.2"), ("block2.1", "block2.2")
    found = match_blocks(read(names, tops), read(SWAPPED, tops))
    assert found == {"block1.1": "block1.2", "block1.2": "block1.1", "block2.1": "block2.1", "block2.2": "block2.2"}
    found = match_blocks(read(names, tops), read(names, tops[::-1]))
    assert found["block2.1"] == "block2.2"


def test_an_explanation_recurs_in_itself_and_in_other_orders():
    stability = compare_refits(agents(), [agents(), agents(SWAPPED)], "seeds")
    assert set(stability.frequencies.values()) == {1.0}
    assert set(stability.columns["frequency"]) == {1.0}


def test_an_equality_has_no_sign():
    assert set(compare_refits(agents(), [agents(belief=-1.0)], "seeds").frequencies.values()) == {1.0}


def test_what_changes_does_not_recur():
    refits = [agents(), agents(SWAPPED), agents(wants="c"), agents(wants="c"), agents(sign=-1.0)]
    stability = compare_refits(agents(), refits, "bootstrap")
    utility = ("block1.1", "utility", 1)
    assert stability.frequencies[utility] == pytest.approx(2 / 5)
    assert all(share == 1.0 for key, share in stability.frequencies.items() if key != utility)
    columns = stability.columns.query("block == 'block1.1' and head == 'utility'").set_index("column")
    assert columns["frequency"].to_dict() == pytest.approx({"a": 3 / 5, "y": 1.0, "c": 2 / 5})
    assert columns["named"].to_dict() == {"a": True, "y": True, "c": False}
    assert "as a whole in 40% of the refits" in stability.text()
    assert re.search(r"\ba [\d.]+ \(60%\)", stability.text())


def test_a_row_that_hardly_moves_says_nothing():
    refit = agents(multiplier=1e-3)
    assert compare_refits(agents(), [refit], "seeds").frequencies[("block1.1", "utility", 1)] == 0.0


@pytest.mark.parametrize("kind", ["bootstrap", "seeds"])
def test_refits_of_a_fitted_model(kind):
    model = fitted(bl.BLRegressor, "numbers")
    before = model.network_
    stability = model.stability(n=2, kind=kind)
    assert (stability.n, stability.failed, stability.kind) == (2, 0, kind)
    assert model.network_ is before
    keys = [statement.key for statement in stability.explanation.said]
    assert list(stability.frequencies) == keys
    assert all(0 <= share <= 1 for share in stability.frequencies.values())
    assert stability.to_frame()["frequency"].tolist() == list(stability.frequencies.values())
    assert model.explain(stability=stability).text() == stability.explanation.text()
    assert model.explain().to_frame()["frequency"].isna().all()


def test_refits_differ_and_repeat_by_seed():
    model = fitted(bl.BLRegressor, "numbers").model_
    rows = model.given_rows("stability")
    weights = lambda seed: [np.asarray(m.network.weights[0].raw) for m, _ in refits(model, rows, 2, "seeds", seed)]
    first, again, other = weights(0), weights(0), weights(1)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[0] - first[1]).max() > 1e-3
    assert np.abs(first[0] - other[0]).max() > 1e-3


def test_refits_reuse_the_compiled_program(monkeypatch):
    model = fitted(bl.BLRegressor, "numbers").model_
    rows = model.given_rows("stability")
    list(refits(model, rows, 1, "bootstrap", 0))
    monkeypatch.setattr(minimize, "_epoch", None)  # Called while a program is traced.
    list(refits(model, rows, 2, "bootstrap", 5))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n": 0}, "n must be"), ({"n": 3}, "must be even"), ({"kind": "jackknife"}, "kind must be one")],
)
def test_options_are_checked(options, message):
    with pytest.raises(OptionError, match=message):
        fitted(bl.BLRegressor, "numbers").stability(**options)


def made_again(model, n, kind="halves"):
    """What a procedure that gives the model back is asked for, and what comes of it."""
    asked = []

    def procedure(model, rows, rng):
        asked.append(rows)
        return model

    return asked, measure_stability(replace(model, procedure=procedure), None, n=n, kind=kind, seed=0)


def test_all_that_made_a_model_is_repeated_on_complementary_halves():
    model = fitted(bl.BLRegressor, "numbers").model_
    asked, found = made_again(model, 4)
    assert set(found.frequencies.values()) == {1.0}
    assert found.effects["same_sign"].eq(1.0).all()
    rows = {tuple(row) for row in model.rows.x}
    for first, second in zip(asked[::2], asked[1::2], strict=True):
        halves = [{tuple(row) for row in half.x} for half in (first, second)]
        assert not halves[0] & halves[1]
        assert halves[0] | halves[1] == rows
        assert first.held_out.sum() == round(model.recipe.validation_fraction * len(first.x))


def test_statements_stand_beside_what_linear_regression_says():
    model = fitted(bl.BLRegressor, "numbers").model_
    asked, found = made_again(model, 2)
    said = LinearRegression().fit(model.rows.x, model.rows.y).coef_
    named = np.abs(said) >= 0.3 * np.abs(said).max()
    again = [LinearRegression().fit(rows.x, rows.y).coef_ for rows in asked]
    same = [np.all((coef * np.sign(said) >= 0.15 * np.abs(coef).max())[named]) for coef in again]
    assert found.reference == pytest.approx(np.mean(same))
    assert found.statements["reference"].eq(found.reference).all()
    assert found.statements["recurrence"].tolist() == list(found.frequencies.values())
    assert 0 <= found.false_columns(0.9) <= found.false_columns(0.6)
    assert "linear regression" in found.text()


def test_a_pruned_model_is_pruned_again(monkeypatch):
    model, options = fitted(bl.BLRegressor, "numbers").model_, {"tolerance": 0.1, "max_epochs": 1, "random_state": 0}
    calls = []
    monkeypatch.setattr(prune, "pruned", lambda model, rows, **options: calls.append((model, rows, options)) or model)
    procedure = prune.Pruning(lambda model, rows, rng: replace(model, rows=rows), options)
    made = list(refits(replace(model, procedure=procedure), (model.rows.x, model.rows.y), 2, "halves", 0))
    assert [(small, rows, options) for (small, _), (_, rows, _) in zip(made, calls, strict=True)] == calls
    assert [small.rows for small, _ in made] == [sample for _, sample in made]


def test_a_file_of_a_selected_model_does_not_hide_the_selection(tmp_path):
    estimator = copy(fitted(bl.BLRegressor, "numbers"))
    estimator.model_ = replace(estimator.model_, procedure=lambda model, rows, rng: model)
    estimator.save(tmp_path / "selected.bl")
    X = numbers()
    with pytest.raises(DataError, match="selection of terms"):
        bl.load(tmp_path / "selected.bl").stability(X, amounts(X), n=2)
