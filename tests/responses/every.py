"""What must hold for every response: a table to learn from, and claims about the estimator fitted to it."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.inference.estimation import Convergence
from behavior_learning.symbolic.read_json import from_json
from tests.conftest import rng

ROWS = 64
OPTIONS: dict[str, Any] = {
    "layers": (1,),
    "heads": ("tanh", None, "square"),
    "max_epochs": 8,
    "n_restarts": 1,
    "optimizer": bl.Adam(learning_rate=0.05, batch_size=32),
    "penalty": bl.Penalty(l2=1.0),
    "random_state": 0,
}


class Example(NamedTuple):
    """An estimator, and rows that suit it."""

    estimator: Any
    X: pd.DataFrame
    y: Any

    @property
    def distribution(self):
        """That of the first response."""
        whole = self.estimator.distribution(self.X)
        return whole.component(whole.response.components[0].name)

    @property
    def response(self):
        return self.estimator.model_.response

    @property
    def own(self):
        """y of the first response."""
        several = len(self.response.components) > 1
        return self.y.iloc[:, 0] if several else self.y

    @property
    def table(self) -> pd.DataFrame:
        """The rows with the number or the labels of each response."""
        model = self.estimator.model_
        _, y = model.given_rows("a test", self.X, self.y)
        points = model.response.restore(np.asarray(model.space.points(y)))
        names = [part.name for part in self.response.components]
        return self.X.assign(**dict(zip(names, points.reshape(len(self.X), -1).T, strict=True)))


def columns() -> pd.DataFrame:
    return pd.DataFrame(rng("columns").normal(size=(ROWS, 2)), columns=["a", "b"])


def amount(X: pd.DataFrame) -> pd.Series:
    return pd.Series(1.0 + X["a"] - 0.5 * X["b"] + 0.4 * rng("noise").normal(size=ROWS), name="amount")


def visits(X: pd.DataFrame) -> pd.Series:
    return pd.Series(rng("visits").poisson(np.exp(0.5 + 0.5 * X["a"])), name="visits")


def grades(X: pd.DataFrame) -> pd.Series:
    return pd.Series(np.array(["low", "mid", "high"])[np.digitize(amount(X), [0.3, 1.6])], name="grade")


def joint(X: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([visits(X), grades(X)], axis=1)


EXAMPLES = {
    "numbers": (bl.BLRegressor, bl.Numbers(), amount),
    "classes": (bl.BLClassifier, bl.Classes(), grades),
    "counts": (bl.BLRegressor, bl.Counts(), visits),
    "ordered": (bl.BLClassifier, bl.Ordered(["low", "mid", "high"]), grades),
    "censored": (bl.BLRegressor, bl.Censored(upper=1.5), lambda X: amount(X).clip(upper=1.5)),
    "joint": (bl.BLHybrid, {"visits": bl.Counts(), "grade": bl.Ordered(["low", "mid", "high"])}, joint),
}
"""By short name: the estimator, its response, and y from x."""


def fit(estimator: type, response: Any, y: Any) -> Example:
    X = columns()
    scalar = {"output": "scalar"} if estimator is bl.BLClassifier else {}
    return Example(estimator(response=response, **OPTIONS, **scalar).fit(X, y(X)), X, y(X))


@cache
def fitted(name: str) -> Example:
    """Fitted once per process; leave it as it is."""
    return fit(*EXAMPLES[name])


# What must hold.


def predictions_are_values(example: Example) -> None:
    """Every row has a best response and a draw that can be read again, and finite log p of what was observed."""
    distribution = example.estimator.distribution(example.X)
    assert np.isfinite(distribution.log_prob(example.y)).all()
    assert np.isfinite(distribution.entropy()).all()
    assert len(distribution.mean()) == len(distribution.median()) == ROWS
    for values in (distribution.mode(), distribution.sample(2, random_state=0)[:, 1]):
        several = values.ndim == 2
        read = pd.DataFrame(values, columns=example.y.columns).infer_objects() if several else values
        assert len(example.response.values(read, ROWS)) == ROWS


def quantiles_and_distribution_function_agree(example: Example) -> None:
    """F at a quantile reaches its level; intervals are in order and narrower ones lie inside."""
    distribution = example.distribution
    if not distribution.response.ordered:
        return
    low, high = distribution.interval(0.8).T
    assert (distribution.cdf(high) >= 0.9 - 2e-3).all()
    assert (distribution.cdf(low) >= 0.1 - 2e-3).all()
    median = distribution.median()
    assert (distribution.cdf(low) <= distribution.cdf(median) + 1e-6).all()
    assert (distribution.cdf(median) <= distribution.cdf(high) + 1e-6).all()


def probabilities_are_those_of_the_printed_problem(example: Example) -> None:
    """exp of the printed utility, summed over the levels, gives the probabilities."""
    response = example.response
    if response.levels is None:
        return
    problem, probabilities = example.estimator.problem_, example.distribution.probabilities()
    table = pd.concat([example.X.assign(**{response.name: level}) for level in response.levels])
    utility = np.asarray(problem.utility(table)).reshape(len(response.levels), ROWS).T
    weights = np.exp((utility - utility.max(axis=1, keepdims=True)) / example.estimator.temperature_)
    np.testing.assert_allclose(probabilities, weights / weights.sum(axis=1, keepdims=True), atol=2e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def scores_are_finite_where_the_response_is_known(example: Example) -> None:
    distribution = example.distribution
    if distribution.response.ordered:
        known = distribution.response.exact(distribution._encode(example.own))
        scores = distribution.crps(example.own)
        assert np.isfinite(scores[known]).all()
        assert np.isnan(scores[~known]).all()


def problem_evaluates_the_table_of_the_user(example: Example) -> None:
    """The utility of the problem, of its source and of its JSON, from columns as the user has them."""
    problem, table = example.estimator.problem_, example.table
    utility = problem.utility(table)
    scope: dict[str, Any] = {}
    exec(problem.to_python(), scope)
    np.testing.assert_allclose(scope["utility"](**table), utility, atol=1e-10)
    np.testing.assert_allclose(from_json(problem.to_json()).utility(table), utility, atol=1e-12)
    np.testing.assert_allclose(example.estimator.utility(example.X, example.y), utility, atol=2e-5)


def effects_follow_every_response(example: Example) -> None:
    """Average effects on the mean are differences of predictions, in the user's units; others are finite."""
    estimator, X, step = example.estimator, example.X, 0.02
    table = estimator.effects(std_errors="none", correct=False).table()["estimate"]
    rises = [(mean_or_probabilities(estimator, X.assign(a=X["a"] + h)), h) for h in (step, -step)]
    slope = sum(np.sign(h) * values for values, h in rises).mean(axis=0) / (2 * step)
    np.testing.assert_allclose(np.atleast_1d(table.loc["a"]), slope, rtol=0.02, atol=5e-3)
    for of in ("mean", "log_density", "marginal_utility", "cross"):
        assert np.isfinite(estimator.effects(of=of, std_errors="none").table()["estimate"]).all()


def mean_or_probabilities(estimator: Any, X: pd.DataFrame) -> np.ndarray:
    """Means of numbers, and probabilities of the levels of labels, of every response."""
    whole = estimator.distribution(X)
    parts = [whole.component(part.name) for part in whole.response.components]
    values = [part.probabilities() if part.response.labelled else part.mean()[:, None] for part in parts]
    return np.concatenate(values, axis=1)


def quantiles_move_with_their_effects(example: Example) -> None:
    """dQ/dx of a number is the difference of its quantiles."""
    response, X = example.response, example.X
    if len(response.components) > 1 or response.levels is not None:
        return
    table = example.estimator.effects(of="quantile", q=0.3, std_errors="none").table()
    up, down = (example.estimator.distribution(X.assign(a=X["a"] + h)).quantile(0.3) for h in (0.05, -0.05))
    assert table.loc["a", "estimate"] == pytest.approx((up - down).mean() / 0.1, rel=0.05)


def explanations_and_brief_versions_are_given(example: Example) -> None:
    assert len(example.estimator.explain().statements)
    assert example.estimator.simplified(terms=3).fidelity.r2 <= 1 + 1e-9


def calibration_moves_the_temperature_alone(example: Example) -> None:
    before = example.estimator.model_
    try:
        after = example.estimator.calibrate(example.X, example.y).model_
        assert 0 < after.temperature < np.inf
        assert after.network is before.network
    finally:
        example.estimator.model_ = before


def file_gives_the_same_answers(example: Example, path: Any) -> None:
    example.estimator.save(path)
    loaded = bl.load(path)
    assert loaded.model_.response.to_json() == example.response.to_json()
    ours, theirs = (e.distribution(example.X).log_prob(example.y) for e in (example.estimator, loaded))
    np.testing.assert_array_equal(ours, theirs)


def report_is_written(example: Example) -> None:
    html = example.estimator.report(X=example.X, y=example.y).html
    assert all(part.name in html for part in example.response.components)


def inference_reaches_the_optimum(example: Example) -> None:
    results = example.estimator.inference(n_restarts=0, l2=1.0)
    assert results.convergence is Convergence.OPTIMUM
    assert results.summary().tables


QUICK = (
    predictions_are_values,
    quantiles_and_distribution_function_agree,
    probabilities_are_those_of_the_printed_problem,
    scores_are_finite_where_the_response_is_known,
    problem_evaluates_the_table_of_the_user,
    effects_follow_every_response,
    quantiles_move_with_their_effects,
    explanations_and_brief_versions_are_given,
    calibration_moves_the_temperature_alone,
)
"""Claims that take an example alone and little time."""
