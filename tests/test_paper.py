"""Figures of the paper that fix the architecture."""

import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.network import BehaviorNetwork

TABLE_13 = {
    ("MNIST", (88,)): 208_384,
    ("MNIST", (88, 42)): 219_264,
    ("MNIST", (88, 42, 20)): 221_684,
    ("FashionMNIST", (88,)): 208_384,
    ("FashionMNIST", (88, 42)): 219_264,
    ("FashionMNIST", (88, 42, 20)): 221_684,
    ("AGNews", (380,)): 149_720,
    ("AGNews", (512, 128)): 397_568,
    ("AGNews", (256, 128, 64)): 224_128,
    ("Yelp", (380,)): 148_960,
    ("Yelp", (512, 128)): 397_312,
    ("Yelp", (256, 128, 64)): 224_000,
}

INPUTS = {"MNIST": 784, "FashionMNIST": 784, "AGNews": 128, "Yelp": 128}
CLASSES = {"MNIST": 10, "FashionMNIST": 10, "AGNews": 4, "Yelp": 2}


@pytest.mark.parametrize(("table", "layers"), TABLE_13)
def test_parameter_counts_equal_table_13(table, layers):
    architecture = Architecture(layers, output="vector", readout="free", readout_bias=False)
    network = BehaviorNetwork.random(
        np.random.default_rng(0), architecture, features=INPUTS[table], response=CLASSES[table]
    )
    assert network.n_parameters == TABLE_13[table, layers]
