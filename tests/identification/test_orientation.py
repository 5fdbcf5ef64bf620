"""Claims about the direction of limits: beside a square or a sum it is chosen, and p(y|x) does not change with it."""

import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import Basis, Pairing
from behavior_learning.core.block import Weight
from behavior_learning.core.features import Monomials
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_head
from behavior_learning.identification.orientation import oriented

HEADS = {"softplus": (None, "softplus", "square"), "relu": ("tanh", "relu", "square"), "abs": (None, "relu", "abs")}
HEADS |= {"sum": ("identity", "relu", None), "soft sum": ("identity", "softplus", None)}


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
@pytest.mark.parametrize("heads", ["softplus", "relu", "sum", "soft sum"])
def test_beside_a_square_or_a_sum_limits_hold_the_response_from_above_and_the_distribution_stays(heads, rows):
    turned = 0
    for seed in range(4):
        network = drawn(HEADS[heads], seed, rows)
        above = oriented(network)
        assert (slopes(above) > 0).all()
        np.testing.assert_allclose(beyond_x(above), beyond_x(network), atol=2e-5)
        turned += (slopes(network) < 0).sum()
    assert turned


@pytest.mark.parametrize("mean", [2.0, -2.0])
def test_a_limit_of_a_product_points_upward_where_the_columns_are_on_average(mean):
    """A limit on x·y rises in y where the mean of x is above zero; a utility without x·y leaves it as it is."""
    architecture = Architecture((1,), rows=(1, 1, 0), heads=HEADS["sum"], readout="identity")
    pairs = Pairing.ordered([(0, -1), (-1, 0), (0, 0)])
    basis = Basis((Monomials(((0,),), (mean,)),), (Monomials(((0,),), (2.0,)),), pairs)
    network = BehaviorNetwork.random(np.random.default_rng(0), architecture, features=1, response=1, basis=basis)
    limits = network.layers[0].heads["inequality"]
    for sign in (1.0, -1.0):
        coef = Weight(np.float32([[[0.3, 0.0, sign]]]), limits.coef.rule)
        given = with_head(network, 0, "inequality", coef=coef)
        above = oriented(given)
        assert np.sign(weight_value(above.layers[0].heads["inequality"].coef)[0, 0, 2]) == np.sign(mean)
        x, y = np.float32([[-1.0], [0.5], [2.0]]), np.float32(np.linspace(-2, 2, 7))[None, :, None]
        before, after = (np.asarray(each(x, y)) for each in (given, above))
        np.testing.assert_allclose(*(u - u.mean(axis=1, keepdims=True) for u in (after, before)), atol=2e-5)
        taken = weight_value(network.layers[0].heads["utility"].coef) * np.float32([1.0, 1.0, 0.0])
        without = with_head(given, 0, "utility", coef=Weight(taken, network.layers[0].heads["utility"].coef.rule))
        np.testing.assert_array_equal(weight_value(oriented(without).layers[0].heads["inequality"].coef), coef.raw)


def test_beside_an_absolute_value_the_direction_is_a_finding():
    for seed in range(4):
        network = drawn(HEADS["abs"], seed)
        np.testing.assert_array_equal(slopes(oriented(network)), slopes(network))
