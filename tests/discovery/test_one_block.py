"""Claims about the moves of a search for one block: what they leave as it is, and that they lead past a greedy path."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.core.network import drawn_like
from behavior_learning.discovery.knowledge import Knowledge
from behavior_learning.discovery.one_block import learned_path, swapped, turned
from behavior_learning.discovery.path import criterion, learned, lowest_criterion
from behavior_learning.discovery.selection import Rows
from behavior_learning.discovery.shapes import HEADS, shape_of
from behavior_learning.learned.model import in_single
from behavior_learning.training.refit import Refit
from tests.conftest import rng

N = 400
GRID = np.linspace(0, 4, 401)


@cache
def consumer():
    """A sum beside a limit, for what is bought at prices p and budgets m: exp(3(2q − q²/2 − pq) − 6·max(0, pq − m))."""
    generator = rng("consumer")
    X = pd.DataFrame({"p": generator.uniform(0.5, 2, N), "m": generator.uniform(0.5, 3, N)})
    p, m = X["p"].to_numpy()[:, None], X["m"].to_numpy()[:, None]
    utility = 3 * (2 * GRID - GRID**2 / 2 - p * GRID) - 6 * np.maximum(0, p * GRID - m)
    cdf = np.cumsum(np.exp(utility), axis=1)
    place = (cdf / cdf[:, -1:] < generator.uniform(size=(N, 1))).sum(axis=1)
    told = {"degree": 2, "most": 9, "knowledge": Knowledge(), "response": bl.Numbers(support=(0.0, 4.0))}
    return shape_of(HEADS[1], X, pd.Series(GRID[place], name="q"), seed=0, centered=False, **told)


def data():
    return Rows(*in_single(consumer().model.given_rows("test"))).data()


def support_of(**terms):
    """The support with some terms of each head, as monomials of p, m and q."""
    x_names, support = consumer().model.columns.x, consumer().menu.allowed.copy()
    names = [
        "".join([*(x_names[i] for i in x.columns), *"q" * y.degree]) for x, y in consumer().family.template.basis.terms
    ]
    for role, coef in support.coefs[0].items():
        coef[...] = False
        coef[0, :, [names.index(term) for term in terms.get(role, ())]] = True
    return support


TRUE = {"utility": ("q", "qq", "pq")}


@pytest.mark.slow  # Compiling for a shape takes seconds.
def test_a_limit_turned_round_beside_a_sum_leaves_the_distribution():
    family, menu = consumer().family, consumer().menu
    support = support_of(utility=("q", "qq"), inequality=("m", "pq", "q", "mm"))
    vector = np.float32(family.drawn(drawn_like(family.template, rng("numbers"))) * family.gates(support))
    before = family.losses(Refit(vector, support, 0.0), data())
    ((there, wider),) = turned(family, menu, Refit(vector, support, 0.0))
    np.testing.assert_allclose(family.losses(Refit(there, wider, 0.0), data()), before, atol=1e-4)
    assert not np.allclose(there, vector)
    assert wider.size == support.size + 1  # p·q moves into the sum; m and m² cancel there.


@pytest.mark.slow
def test_exchanging_terms_finds_the_budget_behind_a_stand_in():
    """A limit at m² instead of m is an optimum that taking terms out does not leave."""
    family, menu = consumer().family, consumer().menu
    start = family.drawn(drawn_like(family.template, rng("start")))
    wrong = learned(family, data(), menu, start, support_of(**TRUE, inequality=("mm", "pq")), 250)
    found = lowest_criterion(swapped(family, data(), menu, wrong, rng("moves")), data())
    assert criterion(found, data()) < criterion(wrong, data()) - 1
    expected = support_of(**TRUE, inequality=("m", "pq"))
    assert all((coef == expected.coefs[0][role]).all() for role, coef in found.support.coefs[0].items())


@pytest.mark.slow
def test_the_best_of_a_path_is_as_likely_as_the_truth():
    family, menu = consumer().family, consumer().menu
    starts = [family.drawn(drawn_like(family.template, rng("start", number))) for number in range(4)]
    support = support_of(**TRUE, inequality=("m", "pq"))
    truth = lowest_criterion([learned(family, data(), menu, start, support, 250) for start in starts], data())
    path = learned_path(family, data(), menu, rng("path"))
    assert criterion(lowest_criterion(path.refits.values(), data()), data()) < criterion(truth, data()) + 0.1
