"""Claims about the PyTorch module: outputs and gradients are those of the network; it can be trained, rules hold."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.core.block import Weight
from behavior_learning.core.heads import get_head
from behavior_learning.core.network import with_arrays
from behavior_learning.errors import OptionError
from tests.conftest import SPELLED
from tests.fitted import fitted, mixed
from tests.symbolic.networks import BASES, Drawn

torch = pytest.importorskip("torch")
torch_module = pytest.importorskip("behavior_learning.interchange.torch_module")

SMALL = np.float32(1e-5)


def module_of(drawn):
    """The module of a random network, which no table belongs to."""
    response = SimpleNamespace(labelled=False, several=False)
    return torch_module.BehaviorModule(
        SimpleNamespace(network=drawn.network, inputs=None, temperature=2.0, response=response)
    )


def assert_agrees(drawn):
    network, module = drawn.network, module_of(drawn)
    x, y = np.float32(drawn.x), np.float32(drawn.y[:, None, :])
    mine = module(torch.tensor(x), torch.tensor(y))
    np.testing.assert_allclose(mine.detach().numpy(), network(x, y) / 2, rtol=2e-5, atol=2e-5)
    rules = [weight.rule for weight in network.arrays]
    loss = lambda raws: jnp.sum(with_arrays(network, list(map(Weight, raws, rules)))(x, y)) / 2
    expected = jax.grad(loss)([weight.raw for weight in network.arrays])
    mine.sum().backward()
    for weight, gradient in zip(module.weights, expected, strict=True):
        own = np.zeros_like(gradient) if weight.raw.grad is None else weight.raw.grad.numpy()
        np.testing.assert_allclose(own, gradient, rtol=1e-3, atol=1e-4 * max(1.0, np.abs(gradient).max()))


@pytest.mark.parametrize("basis", BASES)
def test_outputs_and_gradients_are_those_of_the_network_for_every_basis(basis):
    assert_agrees(Drawn(basis=basis))


@pytest.mark.parametrize("skip", [None, "dense", "residual", "input"])
@pytest.mark.parametrize("output", ["scalar", "vector"])
def test_outputs_and_gradients_are_those_of_the_network_for_every_way_through_it(skip, output):
    assert_agrees(Drawn(layers=(3, 2), skip=skip, output=output))


@pytest.mark.parametrize(("role", "head"), [(role, head) for role, heads in SPELLED.items() for head in heads])
def test_every_head_is_the_same_far_out_as_well(role, head):
    t = np.float32([-200.0, -3.0, -0.1, 0.0, 0.2, 2.0, 200.0])
    found = torch_module.torch_head(get_head(role, head))(torch.tensor(t))
    np.testing.assert_allclose(found, get_head(role, head)(t), rtol=1e-5, atol=1e-6)


def test_probabilities_of_classes_are_those_of_the_estimator():
    X, clf = mixed(), fitted(bl.BLClassifier)
    module = bl.interchange.to_torch(clf)
    np.testing.assert_allclose(
        module(module.encode(X)).softmax(-1).detach(), clf.predict_proba(X), rtol=1e-4, atol=SMALL
    )


def test_a_step_of_training_lowers_the_loss_and_keeps_multipliers_above_zero():
    X, clf = mixed(), fitted(bl.BLClassifier)
    module = bl.interchange.to_torch(clf)
    x, codes = module.encode(X), torch.tensor(clf.model_.rows.y.astype(int))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(module(x), codes)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses == sorted(losses, reverse=True)
    assert all(weight().min().item() >= 0 for weight in module.weights if bool((weight.signs == 1).all()))


def test_numbers_need_candidates_and_estimators_a_fit():
    module = bl.interchange.to_torch(fitted(bl.BLRegressor))
    with pytest.raises(OptionError, match="needs candidates"):
        module(module.encode(mixed()))
    with pytest.raises(OptionError, match="Fit it first"):
        bl.interchange.to_torch(bl.BLRegressor())
