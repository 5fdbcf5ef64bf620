"""Claims about refits: they reach the optimum, hold zeros, and read strengths as a refit would find them."""

import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.core.arrays import to_device
from behavior_learning.core.network import drawn_like
from behavior_learning.discovery.knowledge import Knowledge
from behavior_learning.discovery.path import learned
from behavior_learning.discovery.shapes import shape_of
from behavior_learning.training.refit import Family, Refit
from tests.conftest import rng

N = 400


@pytest.fixture(scope="module")
def linear():
    """A shape whose optimum is linear regression, its rows, and X and y."""
    X = rng("refit").normal(size=(N, 3))
    y = X @ [1.0, -0.5, 0.0] + 0.5 * rng("noise").normal(size=N)
    told = {"knowledge": Knowledge(), "response": bl.Numbers(support=(-9.0, 9.0))}
    shape = shape_of(("identity", None, None), X, y, degree=2, most=9, seed=0, **told)
    x, encoded = (np.float32(column) for column in (shape.model.rows.x, shape.model.rows.y))
    data = tuple(map(to_device, (x, encoded, np.ones(N, np.float32))))
    return Family(shape.model.network, shape.family.objective, 1e-3), shape.menu, data


@pytest.fixture(scope="module")
def optimum(linear):
    family, menu, data = linear
    start = family.drawn(drawn_like(family.template, np.random.default_rng(0)))
    return family.refit(data, start, menu.dense, 400)


def least_squares(data, columns):
    """Mean Gaussian loss of linear regression at its maximum-likelihood variance."""
    x, y = (np.asarray(column, float) for column in data[:2])
    design = np.column_stack([np.ones(N), x[:, columns]])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return 0.5 * np.log(2 * np.pi * np.mean(residual**2)) + 0.5


def test_a_sum_of_response_terms_reaches_linear_regression(linear, optimum):
    family, _, data = linear
    assert optimum.loss == pytest.approx(least_squares(data, [0, 1, 2]), abs=5e-4)
    assert family.losses(optimum, data).mean() == pytest.approx(optimum.loss, abs=1e-5)


def joint(menu, column):
    terms = menu.template.basis.terms
    return next(i for i, (x, y) in enumerate(terms) if x.columns == (column,) and y.columns == (0,))


def test_what_is_out_of_use_stays_zero(linear, optimum):
    family, menu, data = linear
    support = optimum.support.copy()
    support.coefs[0]["utility"][0, 0, joint(menu, 0)] = False
    without = family.refit(data, optimum.vector, support, 200)
    assert without.vector[family.coefs[0]["utility"][0, 0, joint(menu, 0)]] == 0
    assert without.loss == pytest.approx(least_squares(data, [1, 2]), abs=1e-3)


def test_strengths_rank_terms_as_refits_do(linear, optimum):
    family, menu, data = linear
    places = [family.coefs[0]["utility"][0, 0, joint(menu, column)] for column in range(3)]
    rises = family.scores(optimum, data).rises()[places]
    assert rises[0] > rises[1] > 20 * rises[2]
    support = optimum.support.copy()
    for column in (0, 1):
        support.coefs[0]["utility"][0, 0, joint(menu, column)] = False
    small = family.refit(data, optimum.vector, support, 200)
    falls = family.scores(small, data).falls()[places[:2]]
    assert falls[0] > falls[1] > 0.01


def test_the_loss_of_a_density_between_candidates_is_infinite(linear, monkeypatch):
    """Of a row that counts: one of a fold that is held out says nothing of what was learned."""
    family, menu, (x, y, weight) = linear
    losses = np.where(np.arange(N) == 3, -13.0, 1.0)
    monkeypatch.setattr(Family, "refit", lambda self, data, vector, support, steps, scores=None: ended)
    monkeypatch.setattr(Family, "losses", lambda self, refit, data: losses)
    ended = Refit(np.zeros(3), menu.empty(), 1.0)
    for held_out, loss in ((3, 1.0), (4, np.inf)):
        data = (x, y, weight.at[held_out].set(0))
        assert learned(family, data, menu, ended.vector, ended.support, 1).loss == loss
