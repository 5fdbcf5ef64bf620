"""Where BL reduces to models everybody knows."""

import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.network import BehaviorNetwork
from tests.conftest import randomize, rng


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("layers", [(7,), (6, 5)], ids=str)
def test_inequality_head_alone_with_a_readout_is_a_relu_mlp(layers):
    architecture = Architecture(layers, heads=(None, "relu", None), output="vector", readout="free", readout_bias=True)
    network = randomize(
        BehaviorNetwork.random(np.random.default_rng(0), architecture, features=4, response=3), rng(layers)
    )
    x = rng(layers, "x").normal(size=(9, 4))
    hidden = x
    for layer in network.layers:
        rows = layer.heads["inequality"]
        m, b, multiplier = (np.asarray(weight.value) for weight in rows.weights)
        hidden = -multiplier[:, 0] * np.maximum(hidden @ m[:, 0].T + b[:, 0], 0)
    expected = hidden @ np.asarray(network.readout.weight.value).T + np.asarray(network.readout.bias.value)
    np.testing.assert_allclose(network(jnp.asarray(x), jnp.eye(3)[None]), expected, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_scalar_utility_assembled_over_classes_is_a_vector():
    """A.1: the vector over candidates is a batch of pointwise evaluations."""
    architecture = Architecture((3, 2))
    network = randomize(
        BehaviorNetwork.random(np.random.default_rng(0), architecture, features=4, response=3), rng("scalar")
    )
    x = jnp.asarray(rng("x").normal(size=(6, 4)))
    one_by_one = [network(x, jnp.eye(3)[None, k : k + 1])[:, 0] for k in range(3)]
    np.testing.assert_allclose(network(x, jnp.eye(3)[None]), jnp.stack(one_by_one, axis=1), atol=1e-12)
