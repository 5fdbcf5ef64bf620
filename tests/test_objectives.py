"""Claims about objectives: one loss per row, the number the paper defines, and what it must not depend on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis, polynomial_basis
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.objectives import DenoisingScoreMatching, Likelihood
from tests import oracle
from tests.conftest import random_network, randomize, rng

pytestmark = pytest.mark.usefixtures("float64")

N, D, CLASSES = 4, 2, 3
LOWER, UPPER = -2.0, 3.0


def problem(space, *seed, readout_bias=False):
    """A smooth random network, its space, and observed rows."""
    generator = rng(space, *seed)
    architecture = Architecture((2, 2), heads=("tanh", "softplus", "square"), readout_bias=readout_bias)
    x = generator.normal(size=(N, D))
    if space == "categories":
        basis = polynomial_basis(D, CLASSES, degree=2, one_hot=True)
        y, space = generator.integers(CLASSES, size=N), Categories(CLASSES)
    else:
        basis = affine_basis(D, 1)
        y, space = generator.uniform(LOWER, UPPER, size=N), Interval(LOWER, UPPER, 256)
    network = random_network(architecture, basis, basis.y_functions[-1].columns[0] + 1, generator)
    return network, space, jnp.asarray(x), jnp.asarray(y)


every_space = pytest.mark.parametrize("space", ["categories", "box"])


def log_prob_by_hand(network, space, x, y, temperature):
    """log p(y|x) from the oracle: log-softmax over classes, adaptive quadrature over a box."""
    x, y = np.asarray(x), np.asarray(y)
    if isinstance(space, Categories):
        scaled = oracle.utility(network, x, np.eye(CLASSES)[None]) / temperature
        return special.log_softmax(scaled, axis=1)[np.arange(N), y]
    network, values = oracle.arrays(network), []
    for row, response in zip(x, y, strict=True):
        scaled = lambda y, row=row: oracle.candidate_utility(network, row, [y]) / temperature
        total = integrate.quad(lambda y, f=scaled: np.exp(f(y)), LOWER, UPPER, limit=200, epsrel=1e-9)[0]
        values.append(scaled(response) - np.log(total))
    return np.array(values)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@every_space
def test_likelihood_is_minus_the_log_probability_of_each_row(space, temperature):
    network, space, x, y = problem(space, temperature)
    losses = Likelihood().on(space, temperature)(network, x, y)
    assert losses.shape == (N,)
    np.testing.assert_allclose(losses, -log_prob_by_hand(network, space, x, y, temperature), rtol=1e-5, atol=1e-5)


@every_space
def test_losses_of_rows_are_separate(space):
    network, space, x, y = problem(space, "separate")
    loss = Likelihood().on(space)
    others = jnp.asarray(rng("others").normal(size=(N, D))).at[0].set(x[0])
    np.testing.assert_allclose(loss(network, others, y)[0], loss(network, x, y)[0], rtol=1e-12)
    assert bool(jnp.all(loss(network, others, y)[1:] != loss(network, x, y)[1:]))


@every_space
def test_gradient_is_the_slope_of_the_loss_by_hand(space):
    network, space, x, y = problem(space, "gradient")
    params, static = eqx.partition(network, eqx.is_inexact_array)
    direction = randomize(params, rng("direction"))
    mean = lambda p: jnp.mean(Likelihood().on(space)(eqx.combine(p, static), x, y))
    products = jax.tree.map(lambda g, v: jnp.sum(g * v), jax.jit(jax.grad(mean))(params), direction)
    slope = sum(jax.tree.leaves(products))
    step = 1e-4
    moved = [jax.tree.map(lambda p, v, s=s: p + s * step * v, params, direction) for s in (1, -1)]
    above, below = (-np.mean(log_prob_by_hand(eqx.combine(p, static), space, x, y, 1.0)) for p in moved)
    assert float(slope) == pytest.approx((above - below) / (2 * step), rel=1e-4)


@every_space
def test_likelihood_ignores_a_scalar_readout_bias(space):
    network, space, x, y = problem(space, "bias", readout_bias=True)
    moved = eqx.tree_at(lambda n: n.readout.bias.raw, network, replace_fn=lambda b: b + 5.0)
    loss = Likelihood().on(space)
    np.testing.assert_allclose(loss(moved, x, y), loss(network, x, y), rtol=1e-10, atol=1e-12)
    gradient = eqx.filter_jit(eqx.filter_grad(lambda n: jnp.mean(loss(n, x, y))))(network)
    np.testing.assert_allclose(gradient.readout.bias.raw, 0, atol=1e-12)


@every_space
def test_likelihood_sees_the_scale_of_the_utility(space):
    """Deviation 4: the loss is invariant to a function of x, not to a rescaling."""
    network, space, x, y = problem(space, "scale")
    loss = Likelihood().on(space)
    shifted = lambda x, y: network(x, y) + 9 * jnp.sin(x[:, :1])
    doubled = lambda x, y: 2 * network(x, y)
    np.testing.assert_allclose(loss(shifted, x, y), loss(network, x, y), rtol=1e-9, atol=1e-12)
    assert jnp.max(jnp.abs(loss(doubled, x, y) - loss(network, x, y))) > 1e-2
    np.testing.assert_allclose(loss(doubled, x, y), Likelihood().on(space, 0.5)(network, x, y), rtol=1e-10, atol=1e-12)


@every_space
def test_expected_score_is_zero_at_the_truth(space):
    """E[∂ log p/∂θ] = 0 under p itself: the losses of all responses, weighted by probability, have no slope."""
    network, space, x, _ = problem(space, "score")
    one = x[:1]
    params, static = eqx.partition(network, eqx.is_inexact_array)
    if isinstance(space, Categories):
        y, weight = jnp.arange(CLASSES), jnp.ones(CLASSES)
    else:
        nodes, weight = (jnp.asarray(a) for a in np.polynomial.legendre.leggauss(80))
        y, weight = LOWER + (nodes + 1) * (UPPER - LOWER) / 2, weight * (UPPER - LOWER) / 2

    def total(params):
        losses = Likelihood().on(space)(eqx.combine(params, static), jnp.repeat(one, len(y), axis=0), y)
        mass = jax.lax.stop_gradient(weight * jnp.exp(-losses))
        return jnp.sum(mass * losses), jnp.sum(mass)

    gradient, mass = jax.jit(jax.grad(total, has_aux=True))(params)
    np.testing.assert_allclose(mass, 1, rtol=1e-8)
    assert all(bool(jnp.all(jnp.abs(leaf) < 1e-7)) for leaf in jax.tree.leaves(gradient))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("draws", [1, 3])
def test_denoising_score_matching_is_the_squared_gap_between_the_slope_and_the_noise(draws):
    """½ mean (∂BL/∂ỹ/τ + (ỹ − y)/σ²)², the slope by finite differences (Eq. 6)."""
    generator, sigma, temperature = rng("dsm", draws), 0.4, 1.7
    network = random_network(
        Architecture((3, 2), heads=("tanh", "softplus", "square")), affine_basis(2, 1), 1, generator
    )
    x, y = jnp.asarray(generator.normal(size=(6, 2))), jnp.asarray(generator.normal(size=6))
    noise = jnp.asarray(sigma * generator.normal(size=(6, draws)))
    objective = DenoisingScoreMatching(sigma, gauss_hermite=False).on(Interval(LOWER, UPPER), temperature)
    at = lambda shift: network(x, (y[:, None] + noise + shift)[..., None])
    slope = (at(1e-6) - at(-1e-6)) / 2e-6 / temperature
    expected = 0.5 * jnp.mean((slope + noise / sigma**2) ** 2, axis=1)
    np.testing.assert_allclose(objective(network, x, y, noise[..., None]), expected, rtol=1e-6)


@pytest.mark.usefixtures("float64")
def test_denoising_score_matching_prefers_the_law_of_y_plus_noise():
    """For Gaussian y the minimiser is N(mean, s² + σ²), wider than the data."""
    generator, sigma, spread = rng("wider"), 0.8, 0.5
    y, noise = spread * generator.normal(size=4000), sigma * generator.normal(size=(4000, 1))
    x = jnp.zeros((4000, 1))
    objective = DenoisingScoreMatching(sigma, gauss_hermite=False).on(Interval(LOWER, UPPER))
    normal = lambda width: lambda x, y: -0.5 * y[..., 0] ** 2 / width**2
    loss = lambda width: jnp.mean(objective(normal(width), x, jnp.asarray(y), jnp.asarray(noise)[..., None]))
    widths = np.linspace(0.6, 1.4, 81)
    best = widths[np.argmin([float(loss(width)) for width in widths])]
    assert best == pytest.approx(np.hypot(spread, sigma), abs=0.03)
