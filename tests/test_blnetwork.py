"""Agreement with the paper's package on the same weights and the same noise; runs where it is installed."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.interchange import read_blnetwork
from behavior_learning.objectives import DenoisingScoreMatching, Likelihood

torch = pytest.importorskip("torch")
blnetwork = pytest.importorskip("blnetwork.model")
losses = pytest.importorskip("blnetwork.training.losses")

FEATURES, ROWS, CLASSES, SIGMA = 13, 32, 4, 0.7


def numbers(tensor):
    return np.asarray(tensor.detach().numpy(), np.float64)


def theirs(layers, task):
    torch.manual_seed(0)
    model = blnetwork.BLDeep(list(layers), task=task, num_classes=CLASSES if task == "discrete" else None)
    y = torch.arange(ROWS) % CLASSES if task == "discrete" else torch.zeros(ROWS)
    model.build(torch.zeros(ROWS, FEATURES), y)
    model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    return model


def table(seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((ROWS, FEATURES)), rng.standard_normal(ROWS), rng.integers(CLASSES, size=ROWS)


def gradients(loss, network):
    """Value, and gradients in the order of their parameters: per layer λ, then each head, and the readout last."""
    params, static = eqx.partition(network, eqx.is_inexact_array)
    value, gradient = jax.value_and_grad(lambda p: loss(eqx.combine(p, static)))(params)
    flat = []
    for built in gradient.layers:
        flat.append(np.stack([rows.multiplier.raw[:, 0] for rows in built.heads.values()]))
        for rows in built.heads.values():
            flat += [rows.coef.raw[:, 0], rows.intercept.raw[:, 0]]
    return float(value), [np.asarray(g) for g in (*flat, gradient.readout.weight.raw, gradient.readout.bias.raw)]


def assert_same_loss_and_gradients(value, flat, loss, model):
    # Their λ is softplus(raw) + 1e-8, ours softplus(raw).
    assert value == pytest.approx(loss.item(), abs=1e-5)
    theirs_flat = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    assert len(flat) == len(theirs_flat)
    for mine, other in zip(flat, theirs_flat, strict=True):
        np.testing.assert_allclose(mine, 0.0 if other is None else numbers(other), atol=1e-5)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("layers", [(2, 1), (5, 3, 1), (88, 42)], ids=str)
class TestAgreesWithBlnetwork:
    def test_utility(self, layers):
        model = theirs(layers, "continuous")
        x, y, _ = table()
        mine = read_blnetwork(model.state_dict())(jnp.asarray(x), jnp.asarray(y)[:, None, None])[:, 0]
        np.testing.assert_allclose(mine, numbers(model(torch.tensor(x), torch.tensor(y)))[:, 0], atol=1e-5)

    def test_denoising_score_matching_and_its_gradients(self, layers):
        model = theirs(layers, "continuous")
        x, y, _ = table()
        torch.manual_seed(3)
        noise = jnp.asarray(numbers(torch.randn(ROWS, 1, dtype=torch.float64)) * SIGMA)[..., None]
        objective = DenoisingScoreMatching(SIGMA, gauss_hermite=False).on(Interval(-10.0, 10.0))
        mine = lambda network: jnp.mean(objective(network, jnp.asarray(x), jnp.asarray(y), noise))
        torch.manual_seed(3)
        loss = losses.DSMLoss(SIGMA)(model, torch.tensor(x), torch.tensor(y)[:, None])
        assert_same_loss_and_gradients(*gradients(mine, read_blnetwork(model.state_dict())), loss, model)

    def test_cross_entropy_and_its_gradients(self, layers):
        model = theirs(layers, "discrete")
        x, _, codes = table()
        objective = Likelihood().on(Categories(CLASSES))
        mine = lambda network: jnp.mean(objective(network, jnp.asarray(x), jnp.asarray(codes)))
        loss = losses.CELoss()(model.logits(torch.tensor(x), CLASSES), torch.tensor(codes))
        assert_same_loss_and_gradients(
            *gradients(mine, read_blnetwork(model.state_dict(), response=CLASSES)), loss, model
        )
