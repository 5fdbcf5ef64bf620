"""Claims about other libraries' models of a learned problem: they have its optimum, and report how far they are."""

import numpy as np
import pytest
from scipy.optimize import minimize

from behavior_learning.errors import OptionError
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from tests.decision.problems import cobb_douglas, consumer, households, problem, random_convex, term
from tests.fitted import fitted, mixed

ROW = households(1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_optimum_is_cvxpys(seed, kind):
    pytest.importorskip("cvxpy")
    solved = random_convex(seed)
    model = solved.to_cvxpy(kind=kind)
    assert model.solve(solver="CLARABEL") < 1e-7
    found = solved.solve(kind=kind)
    np.testing.assert_allclose(found.y[0], [model.y[name] for name in solved.response], atol=1e-5)
    if kind == "hard":
        duals = [np.asarray(constraint.dual_value).item() for constraint in model.constraints.values()]
        np.testing.assert_allclose(found.prices.to_numpy()[0], duals, atol=1e-4)


def test_optimum_is_scipys():
    found = minimize(**consumer().to_scipy(ROW), method="SLSQP")
    assert found.x.item() == pytest.approx(consumer().solve(ROW, kind="hard").y[0], abs=1e-6)


def test_model_is_part_of_a_larger_one():
    """A seller sets how much a household may be sold, against a cost."""
    cp = pytest.importorskip("cvxpy")
    model = consumer().to_cvxpy(ROW)
    sold = model.variables["q"]
    larger = cp.Problem(cp.Maximize(model.utility - 3.5 * sold), list(model.constraints.values()))
    larger.solve(solver="CLARABEL")
    assert sold.value.item() == pytest.approx(0.5, abs=1e-5)
    assert model.gap < 1e-9


@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.parametrize("head", ["relu", "softplus"])
def test_pyomo_holds_the_same_numbers(kind, head):
    pytest.importorskip("pyomo")
    solved = consumer(head)
    model, best = solved.to_pyomo(ROW, kind=kind), solved.solve(ROW, kind=kind)
    model.variables["q"].set_value(best.y[0])
    for slack in model.model.kinks.values():
        slack.set_value(max(0.0, -best.slacks.iloc[0, 0]))
    assert model.gap < 1e-9
    assert model.value(model.utility) == pytest.approx(best.utility[0], abs=1e-9)


def test_logarithms_of_the_response_reach_solvers():
    """4·log(q) is concave, and its optimum 4/price everybody's."""
    pytest.importorskip("cvxpy")
    solved, optimum = cobb_douglas(), 4 / ROW["price"][0]
    assert (solved.problem_class.hard, solved.problem_class.soft) == ("convex", "convex")
    model = solved.to_cvxpy(ROW)
    assert model.solve(solver="CLARABEL") < 1e-7
    for q in (model.y["q"], minimize(**solved.to_scipy(ROW), method="SLSQP").x.item()):
        assert q == pytest.approx(optimum, abs=1e-4)


def test_logarithms_of_the_response_reach_pyomo():
    pytest.importorskip("pyomo")
    model = cobb_douglas().to_pyomo(ROW)
    model.variables["q"].set_value(4 / ROW["price"][0])
    assert model.gap < 1e-9


def squared(role: str, head: str, size: float):
    return term(role, head, {("q", "q"): size, ("q",): 1.0})


@pytest.mark.parametrize(
    ("rows", "hard", "soft"),
    [
        ([term("utility", "identity", {("q",): 1.0}), term("inequality", "relu", {("q",): 1.0})], "linear", "linear"),
        ([squared("utility", "identity", -1), term("inequality", "relu", {("q",): 1.0})], "quadratic", "quadratic"),
        ([squared("utility", "identity", -1), term("equality", "square", {("q",): 1.0})], "quadratic", "quadratic"),
        ([squared("utility", "identity", -1), term("inequality", "softplus", {("q",): 1.0})], "quadratic", "convex"),
        ([term("utility", "identity", {("q",): 1.0}), squared("inequality", "softplus", 1)], "convex", "convex"),
        ([squared("utility", "identity", 1)], "non-convex", "non-convex"),
        ([term("utility", "tanh", {("q",): 1.0})], "non-convex", "non-convex"),
        ([squared("equality", "square", 1)], "non-convex", "non-convex"),
    ],
)
def test_class_of_a_problem_is_found(rows, hard, soft):
    found = problem(rows, {"q": (-5, 5)}).problem_class
    assert (found.hard, found.soft) == (hard, soft)


def test_what_is_not_convex_is_refused_by_name():
    pytest.importorskip("cvxpy")
    with pytest.raises(OptionError, match=r"not convex by CVXPY's rules: block1.1.equality"):
        problem([squared("equality", "square", 1)], {"q": (-5, 5)}).to_cvxpy()
    assert "block1.1.equality" in str(problem([squared("equality", "square", 1)], {"q": (-5, 5)}).problem_class)


@pytest.mark.parametrize(
    ("estimator", "rows", "message"),
    [(BLRegressor, 2, "of one row of x; got 2"), (BLClassifier, 1, "responses that are numbers")],
)
def test_what_no_solver_model_holds_is_refused(estimator, rows, message):
    with pytest.raises(OptionError, match=message):
        fitted(estimator).problem_.to_scipy(mixed().head(rows))
