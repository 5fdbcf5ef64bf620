"""Claims about tensors of blnetwork that are none: they are refused by name."""

import numpy as np
import pytest

from behavior_learning.errors import DataError
from behavior_learning.interchange import read_blnetwork


def state(blocks=2, inputs=3):
    unit = {"lam": np.zeros((3, blocks))} | {f"lin_{h}.bias": np.zeros(blocks) for h in "uct"}
    unit |= {f"lin_{h}.weight": np.ones((blocks, inputs)) for h in "uct"}
    own = {f"backbone.blocks.0.unit.{name}": value for name, value in unit.items()}
    return own | {"head.weight": np.ones((1, blocks)), "head.bias": np.zeros(1)}


def test_a_network_of_ones_is_read():
    """Two blocks of z = x₁ + x₂ + y, λ = log 2: 2·log 2·(tanh z − max(0, z) − |z|)."""
    x, y = np.float32([[0.2, -0.5], [1.0, 0.3]]), np.float32([[[0.4], [-2.0]]])
    z = x.sum(axis=1)[:, None] + y[..., 0]
    expected = 2 * np.log(2) * (np.tanh(z) - np.maximum(z, 0) - np.abs(z))
    np.testing.assert_allclose(read_blnetwork(state())(x, y), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("head.weight"), "'head.weight' of blnetwork's BLDeep is missing"),
        (lambda s: s.update({"head.weight": np.ones((1, 5))}), r"must have the shape \(1, 2\); it has \(1, 5\)"),
        (lambda s: s.update({"backbone.blocks.0.unit.lam": np.ones((2, 2))}), r"must have the shape \(3, 2\)"),
        (lambda s: s.clear(), "there are none"),
    ],
)
def test_other_tensors_are_refused(change, message):
    tensors = state()
    change(tensors)
    with pytest.raises(DataError, match=message):
        read_blnetwork(tensors)


def test_more_responses_than_inputs_are_refused():
    with pytest.raises(DataError, match="3 inputs, fewer than response=4"):
        read_blnetwork(state(), response=4)
