"""Claims about evaluating many rows: every row as if alone, numbers as doubles, and never no rows."""

import jax
import numpy as np
import pytest

from behavior_learning.core.batches import SMALLEST, VALUES_IN_MEMORY, by_batches, power_of_two
from behavior_learning.errors import DataError
from tests.conftest import rng

twice = jax.jit(lambda x, codes: (2 * x, codes))


@pytest.mark.parametrize("n", [1, SMALLEST, SMALLEST + 1, 3 * SMALLEST + 5])
def test_batches_of_any_number_give_each_row_its_own(n):
    rows = rng(n).normal(size=(n, 3)).astype(np.float32), np.arange(n)
    doubled, codes = by_batches(twice, rows, VALUES_IN_MEMORY)
    np.testing.assert_array_equal(doubled, 2 * rows[0])
    np.testing.assert_array_equal(codes, rows[1])
    assert doubled.dtype == np.float64
    assert codes.dtype.kind == "i"


@pytest.mark.parametrize(("count", "size"), [(1, SMALLEST), (SMALLEST, SMALLEST), (17, 32), (32, 32), (33, 64)])
def test_sizes_of_batches_are_the_next_powers_of_two(count, size):
    assert power_of_two(count) == size


def test_no_rows_are_refused():
    with pytest.raises(DataError, match="There are no rows to evaluate"):
        by_batches(twice, (np.zeros((0, 3)), np.zeros(0)), 1)
