"""Score tests find the term that is missing."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import behavior_learning as bl
from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis, polynomial_basis
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Interval
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.identification.parameters import Parametrization, learned_numbers
from behavior_learning.inference.problem import Problem
from behavior_learning.learned import score_tests as module
from behavior_learning.learned.columns import Columns
from behavior_learning.learned.score_tests import (
    _statistic,
    _table,
    candidate_products,
    efficient_tests,
    product_name,
    score_tests,
    with_zero_terms,
)
from behavior_learning.objectives import Likelihood
from tests.conftest import rng

OPTIONS = {
    "layers": (1,),
    "max_epochs": 150,
    "n_restarts": 1,
    "random_state": 0,
    "optimizer": bl.Adam(learning_rate=0.03),
    "penalty": bl.Penalty(l2=1.0),
}


def table(rows=600):
    X = pd.DataFrame(rng("suggest").normal(size=(rows, 4)), columns=list("abcd"))
    noise = 0.5 * rng("noise").normal(size=rows)
    return X, pd.Series(X.a + X.b * X.c + noise, name="y"), pd.Series(X.a - X.b + noise, name="y")


@pytest.mark.slow
def test_missing_product_ranks_first_and_is_no_longer_suggested_once_added():
    X, y, _ = table()
    suggested = BLRegressor(**OPTIONS).fit(X, y).suggest_terms(X, y, n=3)
    assert suggested["term"][0] == "b:c"
    assert suggested["pvalue"][0] < 1e-10
    again = BLRegressor(**OPTIONS, extra_terms=["b:c"]).fit(X, y).suggest_terms(X, y, n=14)
    assert "b:c" not in set(again["term"])


def test_nothing_is_urgent_where_the_affine_model_is_right():
    X, _, y = table()
    suggested = BLRegressor(**OPTIONS).fit(X, y).suggest_terms(X, y, n=15)
    assert stats.binom.sf((suggested["pvalue"] < 0.01).sum() - 1, len(suggested), 0.01) > 1e-4


def test_candidates_are_products_that_are_not_constant_by_construction():
    """No product of two levels of one category, no square of an indicator, nothing the basis has."""
    columns = Columns(
        x=("a", "job[u]", "job[v]"),
        y=("q", "class[u]", "class[v]"),
        x_sources=("a", "job", "job"),
        y_sources=("q", "class", "class"),
        x_units=((0.0, 1.0),) * 3,
        y_units=((0.0, 1.0),) * 3,
        choices=(None, 0, 0),
        y_least=(0.0,) * 3,
    )
    names = lambda basis, with_y: {
        product_name(pair, columns) for pair in candidate_products(basis, columns, (False, True, True), with_y)
    }
    assert names(affine_basis(3, 3), False) == {"a^2", "a:job[u]", "a:job[v]"}
    mixed = {f"{x}:{y}" for x in columns.x for y in columns.y}
    assert names(affine_basis(3, 3), True) == names(affine_basis(3, 3), False) | mixed | {
        "q^2", "q:class[u]", "q:class[v]"
    }  # fmt: skip
    assert names(polynomial_basis(3, 3, degree=2), True) == set()


@pytest.mark.usefixtures("float64")
def test_efficient_tests_are_of_the_new_coefficients_of_every_row_less_what_the_fitted_ones_explain(monkeypatch):
    architecture = Architecture((2,), (1, 0, 1), ("tanh", None, "square"))
    network = BehaviorNetwork.random(rng("efficient"), architecture, features=2, response=1, basis=affine_basis(2, 1))
    products = [(Product((0, 1)), Product(())), (Product((0,)), Product((0,)))]
    p, more, n = int(learned_numbers(network).sum()), 4 * len(products), 60
    scores, cross = rng("scores").normal(size=(n, p + more)), rng("cross").normal(size=(p + more, p))
    inverse = np.diag(rng("inverse").uniform(0.5, 1.0, p))
    parametrization = Parametrization(network, jnp.zeros(network.n_parameters), jnp.arange(p))
    loss = Likelihood().on(Interval(-4.0, 4.0, 8, refinements=0))
    fitted = SimpleNamespace(
        network=network, theta=np.zeros(p), weights=np.ones(n), information=SimpleNamespace(inverse=lambda: inverse),
        problem=Problem.of(loss, parametrization, (np.zeros((n, 2)), np.zeros(n))),
    )  # fmt: skip
    monkeypatch.setattr(module, "_scores", lambda *own: scores)
    monkeypatch.setattr(module, "_hessian_columns", lambda *own: cross)
    table = efficient_tests(fitted, products, ["first", "second"]).set_index("term")
    left = scores[:, p:] - scores[:, :p] @ inverse @ cross[p:].T
    for name, own in zip(("first", "second"), np.split(left, 2, axis=1), strict=True):
        expected = own.sum(axis=0) @ np.linalg.solve(own.T @ own, own.sum(axis=0))
        assert (table.loc[name, "statistic"], table.loc[name, "df"]) == (pytest.approx(expected), 4)


def test_the_statistic_of_scores_counts_the_directions_that_they_span():
    scores = rng("scores").normal(0.3, size=(40, 2))
    total, outer = scores.sum(axis=0), scores.T @ scores
    expected = total @ np.linalg.solve(outer, total)
    for units in (np.eye(2), np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0]])):  # One more that the others make, or none.
        statistic, freedom = _statistic(scores @ units)
        assert (statistic, freedom) == (pytest.approx(expected), 2)
    assert _statistic(scores[:, :1]) == (pytest.approx(total[0] ** 2 / outer[0, 0]), 1)
    table = _table(["a", "b", "c"], [(1.0, 1), (9.0, 2), (9.0, 1)])
    assert table["term"].tolist() == ["c", "b", "a"]
    np.testing.assert_allclose(table["pvalue"], stats.chi2.sf([9.0, 9.0, 1.0], [1, 2, 1]))


@pytest.mark.parametrize("at_once", [1, 64])
def test_scores_are_tested_after_projection_on_those_of_the_fitted_numbers(monkeypatch, at_once):
    """By hand, of two candidates in two rows of a layer."""
    generator = rng("projected")
    fitted, added = generator.normal(size=(30, 3)), generator.normal(size=(30, 5, 2))  # Rows, columns, heads.
    wide = SimpleNamespace(layers=[SimpleNamespace(coef=SimpleNamespace(raw=added))], basis=None)
    columns = {"u": 3, "v": 1}
    monkeypatch.setattr(module, "TERMS_AT_ONCE", at_once)
    monkeypatch.setattr(
        module, "with_zero_terms",
        lambda network, batch: SimpleNamespace(basis=SimpleNamespace(terms=SimpleNamespace(index=columns.get))),
    )  # fmt: skip
    monkeypatch.setattr(module, "_gradients", lambda network, *rest: [fitted] if network == "narrow" else wide)
    table = score_tests("narrow", None, np.zeros((30, 1)), np.zeros(30), ["u", "v"], ["u", "v"], ridge=0.7)
    for name, column in columns.items():
        new = added[:, column]
        left = new - fitted @ np.linalg.solve(fitted.T @ fitted + 0.7 * np.eye(3), fitted.T @ new)
        expected = left.sum(axis=0) @ np.linalg.solve(left.T @ left, left.sum(axis=0))
        found = table.set_index("term").loc[name]
        assert (found["statistic"], found["df"]) == (pytest.approx(expected), 2)


@pytest.mark.slow
def test_scores_of_a_new_coefficient_are_those_of_its_data_rows_less_what_the_fitted_ones_explain():
    """One row of one layer, by reverse derivatives and least squares with a ridge."""
    generator = rng("score by hand")
    architecture = Architecture((1,), (0, 0, 1), (None, None, "square"), readout="identity")
    network = BehaviorNetwork.random(generator, architecture, features=2, response=1, basis=affine_basis(2, 1))
    objective = Likelihood().on(Interval(-4.0, 4.0, 32, refinements=0))
    x = generator.normal(size=(40, 2)).astype(np.float32)
    y = (x[:, 0] + generator.normal(size=40)).clip(-3.9, 3.9).astype(np.float32)
    product = (Product((0, 1)), Product(()))
    wide = with_zero_terms(network, [product])
    slopes = jax.jit(jax.jacrev(lambda drawn: objective(drawn, jnp.asarray(x), jnp.asarray(y))))
    fitted = np.concatenate([np.asarray(leaf).reshape(40, -1) for leaf in jax.tree.leaves(slopes(network))], axis=1)
    added = np.asarray(slopes(wide).layers[0].coef.raw)[:, wide.basis.terms.index(product)].reshape(40, 1)
    residual = added - fitted @ np.linalg.solve(fitted.T @ fitted + 0.5 * np.eye(fitted.shape[1]), fitted.T @ added)
    table = score_tests(network, objective, x, y, [product], ["x0:x1"], ridge=0.5)
    assert table["statistic"][0] == pytest.approx(residual.sum() ** 2 / (residual**2).sum(), rel=1e-3)
    assert table["df"][0] == 1


@pytest.mark.parametrize("skip", [None, "input", "dense"])
def test_larger_basis_with_zero_coefficients_is_the_same_utility(skip):
    generator = np.random.default_rng(0)
    network = BehaviorNetwork.random(
        generator, Architecture((3, 2), skip=skip), features=4, response=1, basis=affine_basis(4, 1)
    )
    wide = with_zero_terms(network, [(Product((0, 1)), Product(())), (Product((2,)), Product((0,)))])
    x, y = generator.normal(size=(5, 4)).astype(np.float32), generator.normal(size=(5, 3, 1)).astype(np.float32)
    assert wide.basis.size == network.basis.size + 2
    np.testing.assert_allclose(wide(x, y), network(x, y), rtol=1e-5, atol=1e-6)
