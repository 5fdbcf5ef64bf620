"""Claims about p(y|x): against adaptive quadrature of the oracle, closed forms, SciPy's distributions, and draws."""

import itertools
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis, polynomial_basis
from behavior_learning.core.block import Weight
from behavior_learning.core.network import with_head
from behavior_learning.core.products import Product
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.gibbs.distribution import Gibbs
from tests import oracle
from tests.conftest import SPELLED, random_network, rng

pytestmark = pytest.mark.usefixtures("float64")

N, D = 3, 2
LOWER, UPPER = -3.0, 4.0
PANELS = list(itertools.pairwise(np.linspace(LOWER, UPPER, 8)))
CLASSES = 4
DEFAULT = {"utility": "tanh", "inequality": "relu", "equality": "abs"}
HEADS = [
    tuple({**DEFAULT, "inequality": None, "equality": None, role: name}.values())
    for role, names in SPELLED.items()
    for name in names
] + [("tanh", "relu", "abs"), ("tanh", "softplus", "square")]
every_heads = pytest.mark.parametrize("heads", HEADS, ids=lambda heads: "-".join(map(str, heads)))
every_temperature = pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])


def rows(*seed):
    return rng("rows", *seed).normal(size=(N, D))


def tolerance(heads):
    """What 256 candidates reach: it depends on how many derivatives the heads have."""
    if {"relu", "abs"} & set(heads):
        return 1e-3
    return 1e-5 if "huber(0.7)" in heads else 1e-7


def box_network(heads, *seed):
    return random_network(Architecture((2,), heads=heads), affine_basis(D, 1), 1, rng("box", heads, *seed))


def category_network(output, *seed):
    basis = affine_basis(D, 0) if output == "vector" else polynomial_basis(D, CLASSES, degree=2, one_hot=True)
    return random_network(Architecture((3, 2), output=output), basis, CLASSES, rng("codes", output, *seed))


def single_row(role, name, *seed):
    """One block with one head of one row, BL = ±λ f(a·x + b·y + c), with its numbers."""
    heads = tuple(name if role == r else None for r in SPELLED)
    generator = rng("single", name, *seed)
    network = random_network(Architecture((1,), heads=heads, readout="identity"), affine_basis(D, 1), 1, generator)
    slope = generator.choice([-1, 1]) * generator.uniform(0.7, 1.6)
    coef = network.layers[0].heads[role].coef.raw.copy()
    coef[0, 0, D] = slope
    network = with_head(network, 0, role, coef=Weight(coef))
    head = network.layers[0].heads[role]
    level = lambda x: x @ np.asarray(head.coef.raw)[0, 0, :D] + float(head.intercept.raw[0, 0])
    return network, float(np.logaddexp(0, head.multiplier.raw[0, 0])), slope, level


def gaussian(x, temperature, size=256):
    """The Gibbs distribution of −λ(a·x + b·y + c)² and the truncated normal that it is."""
    network, multiplier, slope, level = single_row("equality", "square")
    center, deviation = -level(x) / slope, np.sqrt(temperature / (2 * multiplier)) / abs(slope)
    distribution = stats.truncnorm((LOWER - center) / deviation, (UPPER - center) / deviation, center, deviation)
    return Gibbs(network, Interval(LOWER, UPPER, size), temperature), distribution, center


def integral(f, relative):
    return sum(integrate.quad(f, *ends, epsabs=1e-9, epsrel=relative)[0] for ends in PANELS)


@cache
def quadrature_of_the_oracle(heads, temperature):
    """log Z, mean and entropy of exp{BL/τ} by SciPy's adaptive quadrature, one row at a time."""
    network, relative = oracle.arrays(box_network(heads)), max(1e-3 * tolerance(heads), 1e-9)

    def by_hand(row):
        scaled = lambda y: oracle.candidate_utility(network, row, [y]) / temperature
        z = integral(lambda y: np.exp(scaled(y)), relative)
        mean = integral(lambda y: y * np.exp(scaled(y)), relative) / z
        energy = integral(lambda y: scaled(y) * np.exp(scaled(y)), relative) / z
        return np.log(z), mean, np.log(z) - energy

    return np.transpose([by_hand(row) for row in rows(heads)])


def box_gibbs(heads, temperature=1.0, size=256):
    return Gibbs(box_network(heads), Interval(LOWER, UPPER, size), temperature), rows(heads)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
@every_heads
def test_density_integrates_to_one(heads, temperature):
    gibbs, x = box_gibbs(heads, temperature)
    log_z, _, _ = quadrature_of_the_oracle(heads, temperature)
    y = rng("y", heads).uniform(LOWER, UPPER, size=N)
    utility = oracle.utility(gibbs.utility, x, y[:, None, None])[:, 0]
    np.testing.assert_allclose(gibbs.log_normalizer(jnp.asarray(x)), log_z, atol=tolerance(heads))
    np.testing.assert_allclose(
        gibbs.log_prob(jnp.asarray(x), jnp.asarray(y)), utility / temperature - log_z, atol=tolerance(heads)
    )


@every_heads
def test_mean_and_entropy_agree_with_adaptive_quadrature(heads):
    gibbs, x = box_gibbs(heads)
    _, mean, entropy = quadrature_of_the_oracle(heads, 1.0)
    np.testing.assert_allclose(gibbs.mean(jnp.asarray(x))[:, 0], mean, atol=tolerance(heads))
    np.testing.assert_allclose(gibbs.entropy(jnp.asarray(x)), entropy, atol=tolerance(heads))


@every_heads
def test_mass_of_the_candidates_sums_to_one(heads):
    gibbs, x = box_gibbs(heads)
    np.testing.assert_allclose(jnp.sum(gibbs.mass(jnp.asarray(x)), axis=1), 1, rtol=1e-12)


@every_heads
def test_quantile_inverts_the_distribution_function(heads):
    gibbs, x = box_gibbs(heads)
    log_z, _, _ = quadrature_of_the_oracle(heads, 1.0)
    network, shares = oracle.arrays(gibbs.utility), np.array([0.05, 0.7])
    values = np.asarray(gibbs.quantile(jnp.asarray(x), jnp.asarray(shares)))
    for i, j in itertools.product(range(N), range(len(shares))):
        density = lambda y, i=i: np.exp(oracle.candidate_utility(network, x[i], [y]) - log_z[i])
        reached = integrate.quad(density, LOWER, values[i, j], epsabs=1e-5, epsrel=1e-5)[0]
        assert reached == pytest.approx(shares[j], abs=1e-3)


@every_heads
def test_mode_is_the_highest_point_of_a_fine_grid(heads):
    gibbs, x = box_gibbs(heads, size=32)
    x = jnp.asarray(x)
    grid = jnp.linspace(LOWER, UPPER, 20_001)
    mode = gibbs.mode(x)
    at_mode, at_grid = gibbs.utility(x, mode[:, None, None])[:, 0], gibbs.utility(x, grid[None, :, None])
    assert bool(jnp.all(at_mode >= jnp.max(at_grid, axis=1) - 1e-6))
    assert bool(jnp.all((mode >= LOWER) & (mode <= UPPER)))


@every_heads
def test_temperature_divides_the_utility(heads):
    gibbs, x = box_gibbs(heads, 0.4)
    scaled = Gibbs(lambda x, y: gibbs.utility(x, y) / 0.4, gibbs.space)
    x, y = jnp.asarray(x), jnp.asarray(rng("scaled", heads).uniform(LOWER, UPPER, size=N))
    np.testing.assert_allclose(gibbs.log_prob(x, y), scaled.log_prob(x, y), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gibbs.entropy(x), scaled.entropy(x), rtol=1e-12, atol=1e-12)


def test_no_response_lies_outside_the_box():
    gibbs, x = box_gibbs(("tanh", "relu", "abs"), size=32)
    y = jnp.array([LOWER - 1e-6, UPPER + 1e-6, 1e9])
    np.testing.assert_array_equal(gibbs.log_prob(jnp.asarray(x), y), -np.inf)


@every_heads
def test_logarithm_of_the_mass_does_not_underflow(heads):
    gibbs, x = box_gibbs(heads, 1e-3)
    log_mass = gibbs.log_mass(jnp.asarray(x))
    assert bool(jnp.all(jnp.isfinite(log_mass)))
    np.testing.assert_allclose(np.exp(log_mass), gibbs.mass(jnp.asarray(x)), rtol=1e-9, atol=1e-300)


@every_temperature
def test_square_equality_is_a_truncated_normal(temperature):
    x = rows("gaussian")
    gibbs, distribution, center = gaussian(x, temperature)
    x, y = jnp.asarray(x), rng("gaussian", temperature).uniform(LOWER, UPPER, size=N)
    np.testing.assert_allclose(gibbs.log_prob(x, jnp.asarray(y)), distribution.logpdf(y), atol=1e-8)
    np.testing.assert_allclose(gibbs.mean(x)[:, 0], distribution.mean(), atol=1e-8)
    np.testing.assert_allclose(gibbs.entropy(x), distribution.entropy(), atol=1e-8)
    np.testing.assert_allclose(gibbs.mode(x), np.clip(center, LOWER, UPPER), atol=1e-6)


@every_temperature
def test_quantiles_of_a_truncated_normal(temperature):
    x = rows("gaussian")
    gibbs, distribution, _ = gaussian(x, temperature)
    shares = np.array([0.0, 0.01, 0.25, 0.6, 0.99, 1.0])
    expected = np.stack([distribution.ppf(q) for q in shares], axis=1)
    np.testing.assert_allclose(gibbs.quantile(jnp.asarray(x), jnp.asarray(shares)), expected, atol=5e-3)
    np.testing.assert_allclose(gibbs.median(jnp.asarray(x)), distribution.ppf(0.5), atol=1e-3)
    interval = np.stack([distribution.ppf(0.05), distribution.ppf(0.95)], axis=1)
    np.testing.assert_allclose(gibbs.interval(jnp.asarray(x), 0.9), interval, atol=1e-3)


@every_temperature
def test_abs_equality_is_a_truncated_laplace(temperature):
    x = rows("laplace")
    network, multiplier, slope, level = single_row("equality", "abs")
    gibbs = Gibbs(network, Interval(LOWER, UPPER, 512), temperature)
    distribution = stats.laplace(-level(x) / slope, temperature / (multiplier * abs(slope)))
    inside = distribution.cdf(UPPER) - distribution.cdf(LOWER)
    y = rng("laplace").uniform(LOWER, UPPER, size=N)
    np.testing.assert_allclose(
        gibbs.log_prob(jnp.asarray(x), jnp.asarray(y)), distribution.logpdf(y) - np.log(inside), atol=1e-3
    )
    median = distribution.ppf(distribution.cdf(LOWER) + 0.5 * inside)
    np.testing.assert_allclose(gibbs.median(jnp.asarray(x)), median, atol=2e-3)


@every_temperature
def test_identity_utility_is_a_truncated_exponential(temperature):
    x = rows("exponential")
    network, multiplier, slope, _ = single_row("utility", "identity")
    gibbs = Gibbs(network, Interval(LOWER, UPPER, 64), temperature)
    rate = multiplier * slope / temperature
    y = rng("exponential").uniform(LOWER, UPPER, size=N)
    log_prob = rate * y - np.log((np.exp(rate * UPPER) - np.exp(rate * LOWER)) / rate)
    np.testing.assert_allclose(gibbs.log_prob(jnp.asarray(x), jnp.asarray(y)), log_prob, atol=1e-9)
    np.testing.assert_allclose(gibbs.mode(jnp.asarray(x)), UPPER if rate > 0 else LOWER, atol=1e-6)


def test_gradient_of_the_log_likelihood_is_observed_minus_expected():
    """∂ log p/∂b of −λ(a·x + b·y + c)² against differences of the truncated normal's own log-density."""
    x, y = rows("gaussian"), rng("slope").uniform(LOWER, UPPER, size=N)
    gibbs, _, _ = gaussian(x, 1.0)
    network, multiplier, slope, level = single_row("equality", "square")

    def log_prob(b):
        center, deviation = -level(x) / b, np.sqrt(1 / (2 * multiplier)) / abs(b)
        return stats.truncnorm.logpdf(y, (LOWER - center) / deviation, (UPPER - center) / deviation, center, deviation)

    total = lambda n: jnp.sum(Gibbs(n, gibbs.space).log_prob(jnp.asarray(x), jnp.asarray(y)))
    gradient = eqx.filter_jit(eqx.filter_grad(total))(network).layers[0].heads["equality"].coef.raw[0, 0, D]
    step = 1e-5
    assert float(gradient) == pytest.approx(
        np.sum(log_prob(slope + step) - log_prob(slope - step)) / (2 * step), rel=1e-5
    )


@every_heads
def test_a_function_of_x_alone_changes_no_probability(heads):
    gibbs, x = box_gibbs(heads, 0.7, size=32)
    x, y = jnp.asarray(x), jnp.asarray(rng("shift", heads).uniform(LOWER, UPPER, size=N))
    shifted = Gibbs(lambda x, y: gibbs.utility(x, y) + 30 * jnp.sum(x**2, axis=1, keepdims=True), gibbs.space, 0.7)
    np.testing.assert_allclose(shifted.log_prob(x, y), gibbs.log_prob(x, y), rtol=1e-9, atol=1e-9)


@every_heads
def test_change_of_units_moves_density_by_the_jacobian(heads):
    """In units y' = 100 + 20·y the density is p/20 at the same response, and quantiles move with the units."""
    gibbs, x = box_gibbs(heads, size=64)
    x, y = jnp.asarray(x), jnp.asarray(rng("units", heads).uniform(LOWER, UPPER, size=N))
    rescaled = Gibbs(lambda x, y: gibbs.utility(x, (y - 100) / 20), Interval(100 + 20 * LOWER, 100 + 20 * UPPER, 64))
    np.testing.assert_allclose(rescaled.log_prob(x, 100 + 20 * y), gibbs.log_prob(x, y) - np.log(20), atol=1e-9)
    np.testing.assert_allclose(rescaled.median(x), 100 + 20 * gibbs.median(x), rtol=1e-9)


@every_heads
def test_high_temperature_is_uniform(heads):
    gibbs, x = box_gibbs(heads, 1e9, size=32)
    np.testing.assert_allclose(gibbs.entropy(jnp.asarray(x)), np.log(UPPER - LOWER), atol=1e-6)
    np.testing.assert_allclose(gibbs.mean(jnp.asarray(x)), (LOWER + UPPER) / 2, atol=1e-6)


def test_low_temperature_concentrates_on_the_mode():
    x = rows("gaussian")
    distances = []
    for temperature in (1.0, 0.1, 0.01):
        gibbs, distribution, center = gaussian(x, temperature)
        np.testing.assert_allclose(gibbs.mean(jnp.asarray(x))[:, 0], distribution.mean(), atol=1e-4)
        distances.append(np.max(np.abs(gibbs.mean(jnp.asarray(x))[:, 0] - np.clip(center, LOWER, UPPER))))
    assert distances[-1] < 0.2
    assert np.all(np.diff(distances) < 1e-12)  # Rounding aside.


def test_single_precision_agrees_with_double():
    heads = ("tanh", "softplus", "square")
    gibbs, x = box_gibbs(heads, size=64)
    y = rng("single precision").uniform(LOWER, UPPER, size=N)
    double = gibbs.log_prob(jnp.asarray(x), jnp.asarray(y))
    with jax.enable_x64(False):
        single, _ = box_gibbs(heads, size=64)
        value = single.log_prob(jnp.asarray(x), jnp.asarray(y))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, double, atol=2e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_draws_follow_a_truncated_normal(seed):
    """Mean within four standard errors and a Kolmogorov–Smirnov distance that one seed in 10 000 exceeds."""
    x = rows("gaussian")
    gibbs, distribution, _ = gaussian(x, 1.0)
    draws = np.asarray(gibbs.sample(jax.random.key(seed), jnp.asarray(x), 4000))
    assert draws.shape == (N, 4000)
    assert draws.min() >= LOWER
    assert draws.max() <= UPPER
    assert np.all(np.abs(draws.mean(axis=1) - distribution.mean()) < 4 * distribution.std() / np.sqrt(4000))
    for i in range(N):
        u = distribution.cdf(draws[i][:, None])[:, i]
        assert stats.kstest(u, "uniform").pvalue > 1e-4
        assert abs(np.var(u) - 1 / 12) < 4 * np.sqrt(1 / 180 / 4000)


@pytest.mark.parametrize("space", ["box", "categories"])
def test_draws_follow_their_key_and_differ_between_rows(space):
    network = box_network(("tanh", "relu", "abs")) if space == "box" else category_network("scalar")
    gibbs = Gibbs(network, Interval(LOWER, UPPER) if space == "box" else Categories(CLASSES))
    x = jnp.ones((N, D))
    draws = gibbs.sample(jax.random.key(0), x, 200)
    np.testing.assert_array_equal(draws, gibbs.sample(jax.random.key(0), x, 200))
    assert not np.array_equal(draws, gibbs.sample(jax.random.key(1), x, 200))
    assert not np.array_equal(draws[0], draws[1])


@every_temperature
@pytest.mark.parametrize("output", ["scalar", "vector"])
def test_categories_are_the_softmax_of_their_utilities(output, temperature):
    x = rows("softmax", output)
    network = category_network(output)
    gibbs = Gibbs(network, Categories(CLASSES), temperature)
    probability = special.softmax(oracle.utility(network, x, np.eye(CLASSES)[None]) / temperature, axis=1)
    codes = np.array([1, 3, 0])
    x = jnp.asarray(x)
    np.testing.assert_allclose(gibbs.mean(x), probability, rtol=1e-10)
    np.testing.assert_allclose(gibbs.mass(x), probability, rtol=1e-10)
    np.testing.assert_allclose(
        gibbs.log_prob(x, jnp.asarray(codes)), np.log(probability[np.arange(N), codes]), atol=1e-10
    )
    np.testing.assert_allclose(gibbs.entropy(x), stats.entropy(probability, axis=1), rtol=1e-10)
    np.testing.assert_array_equal(gibbs.mode(x), np.argmax(probability, axis=1))
    np.testing.assert_array_equal(gibbs.median(x), np.argmax(np.cumsum(probability, axis=1) >= 0.5, axis=1))


def test_certain_categories_have_finite_entropy_and_log_probability():
    gibbs = Gibbs(lambda x, y: jnp.broadcast_to(1e4 * y[..., 0], (len(x), y.shape[1])), Categories(CLASSES))
    x = jnp.zeros((N, D))
    np.testing.assert_allclose(gibbs.entropy(x), 0, atol=1e-12)
    np.testing.assert_allclose(gibbs.log_prob(x, jnp.array([0, 1, 0])), [0, -1e4, 0], atol=1e-9)


def test_drawn_categories_have_their_frequencies():
    gibbs, x = Gibbs(category_network("scalar"), Categories(CLASSES)), jnp.asarray(rows("frequencies"))
    draws = np.asarray(gibbs.sample(jax.random.key(3), x, 4000))
    probability = np.asarray(gibbs.mean(x))
    share = np.stack([np.mean(draws == code, axis=1) for code in range(CLASSES)], axis=1)
    assert np.all(np.abs(share - probability) <= 4 * np.sqrt(probability * (1 - probability) / 4000))


@pytest.mark.parametrize("statistic", ["log_normalizer", "mean", "mode", "median", "entropy"])
@pytest.mark.parametrize("space", ["box", "categories"])
def test_rows_do_not_see_each_other(space, statistic):
    network = box_network(("tanh", "relu", "abs")) if space == "box" else category_network("scalar")
    gibbs = Gibbs(network, Interval(LOWER, UPPER) if space == "box" else Categories(CLASSES))
    x = jnp.asarray(rows("company"))
    others = jnp.asarray(rows("other company")).at[0].set(x[0])
    values, beside_others = (getattr(gibbs, statistic)(rows) for rows in (x, others))
    np.testing.assert_allclose(beside_others[0], values[0], rtol=1e-12)


# The continuous ranked probability score.


@eqx.filter_jit
def crps(gibbs, x, y):
    return gibbs.crps(x, y)


def normal_utility(mean, deviation):
    return lambda x, y: jnp.broadcast_to(-0.5 * ((y[..., 0] - mean) / deviation) ** 2, (len(x), y.shape[1]))


@pytest.mark.parametrize("deviation", [0.2, 1.5])
def test_crps_of_a_normal_is_its_closed_form(deviation):
    """σ {z (2Φ(z) − 1) + 2φ(z) − 1/√π} (Gneiting and Raftery 2007, Eq. 21)."""
    mean, y = 0.7, np.linspace(-4, 5, 7)
    z = (y - mean) / deviation
    expected = deviation * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    gibbs = Gibbs(normal_utility(mean, deviation), Interval(-20.0, 20.0, 256))
    np.testing.assert_allclose(crps(gibbs, np.zeros((7, 1)), jnp.asarray(y)), expected, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_crps_of_a_truncated_normal_is_the_integral_of_the_squared_gap(seed):
    """∫ (F(t) − 1{y ≤ t})² dt with F from SciPy, and what pairs of its draws make of E|Y − y| − ½ E|Y − Y′|."""
    generator, x = rng("crps", seed), np.zeros((N, 1))
    distribution, y = stats.truncnorm(LOWER / 1.2, UPPER / 1.2, 0, 1.2), generator.uniform(LOWER, UPPER, size=N)
    found = crps(Gibbs(normal_utility(0.0, 1.2), Interval(LOWER, UPPER, 256)), x, jnp.asarray(y))
    by_integral = [
        integrate.quad(lambda t: distribution.cdf(t) ** 2, LOWER, at)[0]
        + integrate.quad(lambda t: distribution.sf(t) ** 2, at, UPPER)[0]
        for at in y
    ]
    np.testing.assert_allclose(found, by_integral, rtol=1e-3)
    draws, others = distribution.rvs((2, 20_000), random_state=generator)
    terms = np.abs(draws - y[:, None]) - 0.5 * np.abs(draws - others)
    assert np.all(np.abs(found - terms.mean(axis=1)) < 4 * terms.std(axis=1) / np.sqrt(terms.shape[1]))


# No x at all.


@pytest.mark.parametrize(
    "space",
    [Interval(LOWER, UPPER), Categories(CLASSES), Product([Categories(3), Interval(LOWER, UPPER)])],
    ids=["box", "categories", "product"],
)
def test_rows_without_columns_have_the_law_of_an_irrelevant_column(space):
    weight = jnp.asarray(rng("no x").normal(size=space.dimension))
    utility = lambda x, y: jnp.broadcast_to(jnp.sin(2 * y @ weight) + y @ weight, (len(x), y.shape[1]))
    gibbs, none, irrelevant = Gibbs(utility, space, 0.6), np.zeros((5, 0)), np.full((5, 1), 3.7)
    y = eqx.filter_jit(Gibbs.sample)(gibbs, jax.random.key(0), none, 1)[:, 0]
    assert len(np.unique(y)) > 1
    found, expected = (eqx.filter_jit(Gibbs.log_prob)(gibbs, x, y) for x in (none, irrelevant))
    assert found.shape == (5,)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
