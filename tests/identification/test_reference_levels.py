"""Indicators of a category beside what they multiply: one level is the reference, and the utility stays as it is."""

import jax
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis, polynomial_basis, with_terms, without_pure_x
from behavior_learning.core.block import Rule
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork, RowRules, in_double
from behavior_learning.identification.parameters import learned_numbers
from behavior_learning.identification.reference_levels import equal_sums, with_reference_levels
from tests.conftest import rng

ROWS = 60
HEADS = ("tanh", "softplus", "square")


def levels(count, seed, rows=ROWS):
    """Indicators of a category whose every level is there."""
    codes = rng("levels", seed).permutation(np.arange(rows) % count)
    return np.eye(count)[codes]


def table(*parts):
    return np.concatenate(parts, axis=1)


def number(seed=0):
    return rng("number", seed).normal(size=(ROWS, 1))


def products(*pairs):
    return [(Product(x), Product(y)) for x, y in pairs]


def beside_y(columns):
    """y, and each column of x times y."""
    return with_terms(without_pure_x(affine_basis(columns, 1)), products(*(((j,), (0,)) for j in range(columns))))


CASES = {
    # x, basis, categories, numbers pinned per row
    "levels times y": (table(levels(3, 0), number()), beside_y(4), [[0, 1, 2]], 1),
    "levels and an intercept": (table(levels(3, 0), number()), affine_basis(4, 1), [[0, 1, 2]], 1),
    "two categories": (table(levels(3, 0), levels(2, 1)), beside_y(5), [[0, 1, 2], [3, 4]], 2),
    "two categories without y": (
        table(levels(3, 0), levels(2, 1)),
        with_terms(affine_basis(5, 0), products(*(((j,), (0,)) for j in range(5)))),
        [[0, 1, 2], [3, 4]],
        3,
    ),
    "levels times levels": (
        table(levels(3, 0), levels(2, 1)),
        polynomial_basis(5, 0, degree=2, x=table(levels(3, 0), levels(2, 1))),
        [[0, 1, 2], [3, 4]],
        6,
    ),
    "levels times a number": (
        table(levels(2, 0), number()),
        polynomial_basis(3, 1, degree=2, x=table(levels(2, 0), number())),
        [[0, 1]],
        3,
    ),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("case", CASES)
def test_utility_stays_and_the_terms_are_independent(case):
    x, basis, categories, pinned = CASES[case]
    response = max((max(f.columns) + 1 for f in basis.y_functions if f.columns), default=1)
    architecture = Architecture((1,), (2, 2, 2), HEADS, readout="identity")
    network = in_double(BehaviorNetwork.random(rng(case), architecture, features=0, response=response, basis=basis))
    chosen = with_reference_levels(network, equal_sums(basis, x, categories))
    y = rng("candidates").normal(size=(ROWS, 4, response))
    np.testing.assert_allclose(chosen(x, y), network(x, y), atol=1e-12)
    free = learned_numbers(chosen)
    assert free.sum() == learned_numbers(network).sum() - pinned * 2 * len(HEADS)
    assert rank_of_first_row(chosen, x, y) == int(learned(chosen))


def learned(network):
    """Numbers of the first row that are learned, its intercept among them."""
    rows = network.layers[0].heads["utility"]
    masks = [np.isnan(np.broadcast_to(w.rule.numbers, w.raw.shape))[0, 0] for w in (rows.coef, rows.intercept)]
    return sum(int(np.sum(mask)) for mask in masks)


def rank_of_first_row(network, x, y):
    """Rank of the learned terms of a row over rows and candidates."""
    values = [np.asarray(each(x)) for each in network.basis.x_maps]
    of_x, of_y = (
        np.concatenate([*values, np.ones((ROWS, 1))], axis=1),
        np.concatenate([each(y) for each in network.basis.y_maps], axis=-1),
    )
    of_y = np.concatenate([of_y, np.ones((*y.shape[:2], 1))], axis=2)
    pairs = [*network.basis.pairing.pairs, (-1, -1)]
    mask = network.layers[0].heads["utility"].coef.rule.numbers
    kept = np.append(np.isnan(np.broadcast_to(mask, network.layers[0].heads["utility"].coef.raw.shape))[0, 0], True)
    terms = np.stack([of_x[:, None, i] * of_y[:, :, j] for i, j in pairs], axis=-1).reshape(-1, len(pairs))
    return int(np.linalg.matrix_rank(terms[:, kept]))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("x", [table(levels(3, 0)) * (np.arange(ROWS) > 3)[:, None], np.tri(3)[levels(3, 1).argmax(1)]])
def test_rows_without_a_level_and_ordered_steps_need_no_reference(x):
    basis = without_pure_x(polynomial_basis(3, 1, degree=2))
    assert equal_sums(basis, x, [[0, 1, 2]]) == []


def test_a_stated_number_is_a_reference_of_its_own():
    x, basis, categories, _ = CASES["levels times y"]
    stated = RowRules(
        Rule(fixed=(*(1.0 if t == (Product(()), Product((0,))) else None for t in basis.terms),)), Rule(), Rule(1)
    )
    architecture = Architecture((1,), heads=HEADS, readout="identity", intercepts=False)
    with jax.enable_x64(True):
        network = in_double(
            BehaviorNetwork.random(
                rng("stated"), architecture, features=0, response=1, basis=basis, rules={"utility": stated}
            )
        )
        chosen = with_reference_levels(network, equal_sums(basis, x, categories))
    assert learned(chosen) == learned(network)
    assert learned_numbers(chosen).sum() == learned_numbers(network).sum() - 2
