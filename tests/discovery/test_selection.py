"""Claims about what samples of the rows say of a path."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from behavior_learning.discovery.knowledge import Knowledge
from behavior_learning.discovery.selection import Rows, halves, recurrence_of, recurring_most, searched
from behavior_learning.discovery.shapes import HEADS, shape_of
from behavior_learning.learned.model import in_single
from tests.conftest import rng

pytestmark = pytest.mark.slow  # Compiling for a shape takes seconds.

N = 160


@cache
def paths():
    """Rows of two columns that go together; paths on all of them, on four halves, and of what recurs most."""
    draws = rng("selection").normal(size=(N, 5))
    X = pd.DataFrame(draws[:, :4], columns=["a", "b", "c", "d"]).assign(b=draws[:, 0] + 0.3 * draws[:, 1])
    y = pd.Series(draws[:, 0] + 0.5 * draws[:, 2] ** 2 + draws[:, 4], name="y")
    shape = shape_of(HEADS[0], X, y, degree=2, products=False, most=9, knowledge=Knowledge(), seed=0, response=None)
    rows = Rows(*in_single(shape.model.given_rows("test")))
    whole = searched([shape], rows.data(), rng("search"))
    samples = [searched([shape], rows.at(part).data(), rng("half")) for part in halves(N, 2, rng("halves"))]
    return rows, whole, samples, recurring_most(whole, samples, rows)


def test_of_problems_of_a_size_one_is_taken_that_is_as_good_and_recurs_no_less():
    rows, whole, samples, found = paths()
    losses, moved = whole.shape.family.losses, 0
    for size in found.path.refits.keys() & whole.path.refits.keys():
        before, after = whole.path.refits[size], found.path.refits[size]
        beyond = losses(after, rows.data()) - losses(before, rows.data())
        assert after.size == size
        assert beyond.mean() <= beyond.std(ddof=1) / N**0.5 + 1e-6
        again = [recurrence_of(whole.recurring(refit, samples)) for refit in (before, after)]
        assert again[1] >= again[0] or after.loss < before.loss
        moved += after is not before
    assert moved


def test_terms_without_products_are_powers_of_one_column():
    _, whole, _, _ = paths()
    terms = whole.shape.model.network.basis.terms
    assert {(x.columns, y.columns) for x, y in terms if x.degree + y.degree == 2} == {
        *(((j, j), ()) for j in range(4)),
        ((), (0, 0)),
    }
    assert np.all(whole.shape.menu.dense.coefs[0]["equality"])
