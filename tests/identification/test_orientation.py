"""Claims about the direction of limits: beside a square it is chosen, and p(y|x) does not change with it."""

import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.network import BehaviorNetwork, weight_value
from behavior_learning.identification.orientation import oriented

HEADS = {"softplus": (None, "softplus", "square"), "relu": ("tanh", "relu", "square"), "abs": (None, "relu", "abs")}


def drawn(heads, seed, rows=(1, 1, 1)):
    architecture = Architecture((1,), rows=rows, heads=heads, readout="identity")
    return BehaviorNetwork.random(np.random.default_rng(seed), architecture, features=2, response=1)


def beyond_x(network):
    """BL(x, y) less its mean over candidates: what p(y|x) depends on."""
    x, y = np.random.default_rng(9).normal(size=(5, 2)), np.linspace(-2, 2, 7)[None, :, None]
    utility = np.asarray(network(x.astype(np.float32), y.astype(np.float32)))
    return utility - utility.mean(axis=1, keepdims=True)


def slopes(network):
    """Coefficients of the response in the inequality's rows."""
    plain = [i for i, (x, y) in enumerate(network.basis.terms) if y.degree]
    return weight_value(network.layers[0].heads["inequality"].coef)[0][:, plain]


@pytest.mark.parametrize("rows", [(1, 1, 1), (1, 2, 2)])
@pytest.mark.parametrize("heads", ["softplus", "relu"])
def test_beside_a_square_limits_hold_the_response_from_above_and_the_distribution_stays(heads, rows):
    turned = 0
    for seed in range(4):
        network = drawn(HEADS[heads], seed, rows)
        above = oriented(network)
        assert (slopes(above) > 0).all()
        np.testing.assert_allclose(beyond_x(above), beyond_x(network), atol=2e-5)
        turned += (slopes(network) < 0).sum()
    assert turned


def test_beside_an_absolute_value_the_direction_is_a_finding():
    for seed in range(4):
        network = drawn(HEADS["abs"], seed)
        np.testing.assert_array_equal(slopes(oriented(network)), slopes(network))
