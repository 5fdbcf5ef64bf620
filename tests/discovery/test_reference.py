"""Claims about the regressions that discovery is compared with."""

import numpy as np

from behavior_learning.discovery.reference import linear_recurrence
from behavior_learning.discovery.selection import halves
from tests.conftest import rng


def test_strong_columns_recur_and_noise_does_not():
    x = rng("reference").normal(size=(200, 6))
    clear = x @ [2.0, -1.5, 0, 0, 0, 0] + 0.1 * rng("clear").normal(size=200)
    parts = halves(200, 10, np.random.default_rng(0))
    table = linear_recurrence(x, clear, list("abcdef"), parts, size=2)
    assert set(table["columns"]) == {("a", "b")}
    assert (table["recurrence"] == 1.0).all()
    noise = linear_recurrence(x, rng("nothing").normal(size=200), list("abcdef"), parts, size=2)
    assert (noise["recurrence"] <= 0.5).all()


def test_levels_of_a_category_are_one_column():
    x = rng("levels").normal(size=(200, 3))
    table = linear_recurrence(x, x @ [1.0, 1.0, 0.0], ["job", "job", "age"], [np.arange(100)], size=3)
    assert table.loc["least squares", "columns"] == ("job",)


def test_halves_are_complementary():
    parts = halves(101, 3, np.random.default_rng(0))
    assert [len(part) for part in parts] == [50] * 6
    assert all(not set(a) & set(b) for a, b in zip(parts[::2], parts[1::2], strict=True))
