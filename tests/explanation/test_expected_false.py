"""Claims about the bound on false statements."""

import numpy as np
import pytest

from behavior_learning.explanation.stability import expected_false
from tests.conftest import rng


def test_the_bound_is_shah_and_samworths():
    assert expected_false(0.9, 10, 100, 50) == pytest.approx(4 * (1 - 0.9 + 0.01) / 1.02 * 0.1 * 10)
    assert expected_false(0.6, 5, 100, 50) == pytest.approx(1 / (2 * (0.2 - 0.01)) * 0.05 * 5)


@pytest.mark.parametrize("threshold", [0.6, 0.7, 0.9])
def test_chance_recurs_less_often_than_the_bound(threshold):
    """Candidates that halves name at random, independently: p = 40, q = 8, B = 25."""
    draws = rng("bound", int(100 * threshold)).uniform(size=(400, 50, 40)) < 0.2
    counted = (draws.mean(axis=1) >= threshold).sum(axis=1)
    assert counted.mean() <= expected_false(threshold, 8, 40, 25)
    assert np.isfinite(expected_false(threshold, 8, 40, 2))
