"""Claims about what a search for agents tries."""

import numpy as np
import pytest

from behavior_learning.discovery.groupings import EVERY, splits


@pytest.mark.parametrize("units", range(2, EVERY + 1))
def test_every_split_in_two_is_tried_once(units):
    tried = [tuple(split) for split in splits(units, np.random.default_rng(0))]
    assert len(tried) == 2 ** (units - 1) - 1
    assert len({frozenset([split, tuple(not own for own in split)]) for split in tried}) == len(tried)
    assert all(0 < sum(split) < units for split in tried)
