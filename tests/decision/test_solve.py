"""Claims about solved problems: closed forms, Theorem 2.1, SciPy's optima, and what is said where there is none."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from tests.decision.problems import cobb_douglas, consumer, households, problem, term
from tests.fitted import fitted, mixed

X = households(12)
DEMAND = np.minimum(4, X["income"] / X["price"]).to_numpy()
SHADOW_PRICE = (4 - DEMAND) / X["price"].to_numpy()


@pytest.mark.parametrize("head", ["relu", "softplus"])
def test_hard_optimum_and_multiplier_are_the_closed_form(head):
    found = consumer(head).solve(X, kind="hard")
    np.testing.assert_allclose(found.y, DEMAND, atol=1e-9)
    np.testing.assert_allclose(found.prices["block1.1.inequality"], SHADOW_PRICE, atol=1e-9)
    np.testing.assert_allclose(found.slacks["block1.1.inequality"], X["income"] - X["price"] * DEMAND, atol=1e-8)


@pytest.mark.parametrize(("head", "exact"), [("relu", True), ("softplus", False)])
def test_theorem_2_1_soft_and_hard_agree_where_the_penalty_is_exact(head, exact):
    found = consumer(head).solve(X)
    assert np.allclose(found.gap, 0.0, atol=1e-5) is exact
    assert np.allclose(found.y, DEMAND, atol=1e-5) is exact
    assert np.allclose(found.prices["block1.1.inequality"], SHADOW_PRICE, atol=1e-3) is exact


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_demand_of_a_logarithmic_utility_is_the_closed_form(kind):
    np.testing.assert_allclose(cobb_douglas().solve(X, kind=kind).y, 4 / X["price"], rtol=1e-6)


def test_relu_below_the_multiplier_is_no_exact_penalty():
    short = consumer("relu", multiplier=0.5).solve(X)
    assert (short.y > DEMAND + 0.1).any()


def test_soft_optimum_is_scipys():
    solved, found = consumer(), consumer().solve(X)
    for i in range(3):
        row = X.iloc[[i]]
        best = minimize_scalar(
            lambda q, row=row: -float(solved.utility(row.assign(q=q)).item()), bounds=(0, 20), options={"xatol": 1e-9}
        )
        assert found.y[i] == pytest.approx(best.x, abs=1e-5)
        assert found.utility[i] == pytest.approx(-best.fun, abs=1e-9)


def test_soft_prices_are_what_relaxing_a_row_is_worth():
    base = consumer().solve(X)
    richer = consumer().solve(X.assign(income=X["income"] + 1e-5))
    np.testing.assert_allclose((richer.utility - base.utility) / 1e-5, base.prices["block1.1.inequality"], atol=1e-4)


def test_two_numbers_meet_their_equality():
    rows = [
        term("utility", "identity", {("a", "a"): -1.0, ("b", "b"): -2.0, ("a",): 2.0}),
        term("equality", "square", {("a",): 1.0, ("b",): 1.0, (): -4.0}),
    ]
    found = problem(rows, {"a": (-10, 10), "b": (-10, 10)}).solve(kind="hard")
    np.testing.assert_allclose(found.y, [[3.0, 1.0]], atol=1e-9)
    np.testing.assert_allclose(found.prices.to_numpy(), [[-4.0]], atol=1e-8)


def test_infeasible_rows_name_a_smallest_conflict():
    rows = [
        term("inequality", "relu", {("q",): 1.0, (): -2.0}),
        term("inequality", "relu", {("q",): 1.0, (): -5.0}),
        term("equality", "abs", {("q",): 1.0, (): -3.0}),
    ]
    found = problem(rows, {"q": (0, 20)}).solve(kind="hard")
    assert found.status[0].endswith("no response satisfies block1.1.inequality.row1 and block1.1.equality")
    assert np.isnan(found.gap).all()
    assert not found.feasible.any()


def test_unbounded_rows_name_a_direction():
    rows = [term("utility", "identity", {("q",): 1.0}), term("inequality", "relu", {("q",): -1.0, (): 1.0})]
    found = problem(rows, {"q": (0, 20)}).solve(kind="hard")
    assert "unbounded: no constraint ends the rise of the utility along +q" in found.status[0]


@pytest.mark.parametrize("estimator", [BLRegressor, BLClassifier])
def test_soft_optimum_of_a_fit_is_the_mode_of_its_distribution(estimator):
    model, table = fitted(estimator), mixed().head(8)
    found, mode = model.problem_.solve(table), model.distribution(table).mode()
    if estimator is BLClassifier:
        assert found.y.tolist() == mode.tolist()
    else:
        assert (model.problem_.utility(table.assign(spend=found.y)) >= found.utility - 1e-9).all()
        assert (found.utility >= model.problem_.utility(table.assign(spend=mode)) - 1e-6).all()


def test_prices_and_slacks_are_named_by_rows_of_the_problem():
    found = fitted(BLRegressor).problem_.solve(mixed().head(2))
    assert list(found.prices) == list(found.slacks)
    assert {"block1.1.inequality", "block2.1.equality"} <= set(found.prices)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda p: p.solve(X, kind="firm"), OptionError, "kind must be one of 'soft', 'hard'"),
        (lambda p: p.solve(X[["price"]]), DataError, "needs the columns 'income'"),
        (lambda p: type(p).of(p, {}), OptionError, "The response 'q' needs bounds"),
        (lambda p: type(p).of(p, {"q": (3, 1)}), OptionError, "two finite numbers in order"),
    ],
)
def test_bad_questions_are_refused(ask, error, message):
    with pytest.raises(error, match=message):
        ask(consumer())
