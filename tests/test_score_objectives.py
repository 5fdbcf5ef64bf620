"""Claims about every objective, and about those that learn from scores: closed forms, edges, kinks and noise."""

import itertools
from functools import cache
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from behavior_learning import objectives
from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis
from behavior_learning.core.block import Weight
from behavior_learning.core.heads import get_head
from behavior_learning.core.network import with_head
from behavior_learning.core.products import Product
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.objectives import (
    CrossEntropy,
    DenoisingScoreMatching,
    Hybrid,
    Likelihood,
    ScoreMatching,
)
from tests.conftest import SPELLED, random_network, randomize, rng

pytestmark = pytest.mark.usefixtures("float64")

N, D = 5, 2
LOWER, UPPER = -2.0, 3.0
SIGMA, TAU = 0.4, 1.7
BOX = Interval(LOWER, UPPER, 64)
PLANE = Product([Interval(LOWER, UPPER, 24), Interval(0.0, 1.0, 24)])
HYBRID = Product([Categories(2), Interval(LOWER, UPPER, 32), Categories(3)])

OBJECTIVES = {
    "Likelihood-box": lambda tau: Likelihood().on(BOX, tau),
    "Likelihood-plane": lambda tau: Likelihood().on(PLANE, tau),
    "Likelihood-hybrid": lambda tau: Likelihood().on(HYBRID, tau),
    "DenoisingScoreMatching-nodes": lambda tau: DenoisingScoreMatching(SIGMA, draws=8, gauss_hermite=True).on(BOX, tau),
    "DenoisingScoreMatching-plane": lambda tau: DenoisingScoreMatching(SIGMA, draws=6, gauss_hermite=False).on(
        PLANE, tau
    ),
    "DenoisingScoreMatching-hybrid": lambda tau: DenoisingScoreMatching(SIGMA, draws=6, gauss_hermite=False).on(
        HYBRID, tau
    ),
    "ScoreMatching-box": lambda tau: ScoreMatching().on(BOX, tau),
    "ScoreMatching-plane": lambda tau: ScoreMatching().on(PLANE, tau),
    "ScoreMatching-hybrid": lambda tau: ScoreMatching().on(HYBRID, tau),
    "CrossEntropy-hybrid": lambda tau: CrossEntropy().on(HYBRID, tau),
    "Hybrid-dsm": lambda tau: Hybrid(DenoisingScoreMatching(SIGMA, draws=8, gauss_hermite=False), 0.7, 1.9).on(
        HYBRID, tau
    ),
    "Hybrid-likelihood": lambda tau: Hybrid(Likelihood(), 0.7, 1.9).on(HYBRID, tau),
}
every_objective = pytest.mark.parametrize("name", OBJECTIVES)


class Problem(NamedTuple):
    objective: objectives.Objective
    network: eqx.Module
    x: jax.Array
    y: jax.Array
    noise: tuple[jax.Array, ...]


def responses(space, generator, size):
    draw = lambda part: (
        generator.integers(part.size, size=size)
        if isinstance(part, Categories)
        else generator.uniform(part.lower, part.upper, size)
    )
    columns = [draw(part) for part in space.components]
    return jnp.asarray(columns[0] if len(columns) == 1 else np.stack(columns, axis=1).astype(float))


def problem(name, tau=TAU):
    """An objective with a smooth random network, rows and noise."""
    objective, generator = OBJECTIVES[name](jnp.asarray(tau)), rng("objective", name)
    m = objective.space.dimension
    architecture = Architecture((2,), heads=("tanh", "softplus", "square"))
    network = random_network(architecture, affine_basis(D, m), m, generator)
    y = responses(objective.space, generator, N)
    noise = objective.noise(jax.random.key(0), y)
    return Problem(objective, network, jnp.asarray(generator.normal(size=(N, D))), y, noise)


@eqx.filter_jit
def losses(objective, utility, x, y, noise):
    return objective(utility, x, y, *noise)


def test_every_objective_is_tested():
    named = {name: getattr(objectives, name) for name in objectives.__all__}
    defined = {
        name for name, kind in named.items() if isinstance(kind, type) and issubclass(kind, objectives.Objective)
    }
    assert defined - {"Objective", "Weighted"} == {name.split("-")[0] for name in OBJECTIVES}


@every_objective
def test_there_is_one_finite_loss_per_row(name):
    values = losses(*problem(name))
    assert values.shape == (N,)
    assert bool(jnp.all(jnp.isfinite(values)))


@every_objective
def test_losses_of_rows_are_separate(name):
    """Other rows, in another order, change no loss but their own."""
    objective, network, x, y, noise = problem(name)
    order = np.array([0, 3, 4, 1, 2])
    values = losses(objective, network, x, y, noise)
    mixed = losses(objective, network, x[order], y[order], tuple(epsilon[order] for epsilon in noise))
    np.testing.assert_allclose(mixed, values[order], rtol=1e-10)
    assert len(np.unique(np.round(values, 12))) == N


@every_objective
def test_gradient_is_the_finite_difference_of_the_loss(name):
    objective, network, x, y, noise = problem(name)
    params, static = eqx.partition(network, eqx.is_inexact_array)
    direction = randomize(params, rng("direction", name))
    along = lambda t: jax.tree.map(lambda p, v: p + t * v, params, direction)
    mean = jax.jit(lambda t: jnp.mean(objective(eqx.combine(along(t), static), x, y, *noise)))
    step = 1e-5
    slope = jax.jit(jax.grad(lambda t: mean(t)))(0.0)
    assert float(slope) == pytest.approx(float(mean(step) - mean(-step)) / (2 * step), rel=1e-5)


@every_objective
def test_temperature_divides_the_utility(name):
    objective, network, x, y, noise = problem(name)
    warm = losses(objective, network, x, y, noise)
    scaled = lambda x, y: network(x, y) / TAU
    np.testing.assert_allclose(losses(problem(name, 1.0).objective, scaled, x, y, noise), warm, rtol=1e-9)


@every_objective
def test_function_of_x_alone_changes_no_loss(name):
    objective, network, x, y, noise = problem(name)
    shifted = lambda x, y: network(x, y) + 5 * jnp.sin(x[:, :1])
    expected = losses(objective, network, x, y, noise)
    np.testing.assert_allclose(losses(objective, shifted, x, y, noise), expected, rtol=1e-8)


@every_objective
def test_refinement_of_an_objective_keeps_its_loss(name):
    """Where there is a quadrature it has more candidates; where there is none the objective is itself."""
    objective, network, x, y, noise = problem(name)
    finer = objective.refined(2)
    if finer is objective:
        assert "likelihood" not in name.lower()
        return
    assert finer.evaluations >= objective.evaluations
    np.testing.assert_allclose(losses(finer, network, x, y, noise), losses(objective, network, x, y, noise), atol=1e-4)


@every_objective
def test_weighted_losses_are_losses_times_the_weights(name):
    """By this objective's candidates and by those of a finer version, evaluated together or apart."""
    objective, network, x, y, noise = problem(name)
    weight = jnp.asarray(rng("weight", name).uniform(0.5, 2.0, N))
    weighted = objectives.Weighted.where(objective, (x, y, weight))
    pair = eqx.filter_jit(lambda own: own.with_finer(own.refined(2), network, x, y, weight, *noise))(weighted)
    for found, own in zip(pair, (objective, objective.refined(2)), strict=True):
        np.testing.assert_allclose(found, weight * losses(own, network, x, y, noise), rtol=1e-9)


# Classes.


def test_cross_entropy_is_minus_the_log_softmax_over_all_pairs_of_classes():
    objective, network, x, y, _ = problem("CrossEntropy-hybrid")
    candidates = [
        np.concatenate([np.broadcast_to(np.eye(2)[a], (N, 2)), y[:, 1:2], np.broadcast_to(np.eye(3)[b], (N, 3))], 1)
        for a in range(2)
        for b in range(3)
    ]
    scaled = np.asarray(network(x, jnp.asarray(np.stack(candidates, axis=1)))) / TAU
    picked = np.asarray(y[:, 0] * 3 + y[:, 2], int)
    expected = -special.log_softmax(scaled, axis=1)[np.arange(N), picked]
    np.testing.assert_allclose(losses(objective, network, x, y, ()), expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["Hybrid-dsm", "Hybrid-likelihood"])
def test_hybrid_is_the_weighted_sum_of_its_parts(name):
    objective, network, x, y, noise = problem(name)
    parts = [
        losses(CrossEntropy().on(HYBRID, TAU), network, x, y, ()),
        losses(objective.continuous, network, x, y, noise),
    ]
    np.testing.assert_allclose(losses(objective, network, x, y, noise), 0.7 * parts[0] + 1.9 * parts[1], rtol=1e-10)


def test_hybrid_draws_the_noise_of_its_numbers():
    objective, _, _, y, noise = problem("Hybrid-dsm")
    (expected,) = objective.continuous.noise(jax.random.key(0), y)
    np.testing.assert_array_equal(noise[0], expected)
    assert noise[0].shape == (N, 8, 1)


# Noise.


@pytest.mark.parametrize("draws", [2, 7, 8])
@pytest.mark.parametrize("space", [BOX, PLANE, HYBRID], ids=["box", "plane", "hybrid"])
def test_noise_has_its_standard_deviation_and_comes_in_pairs(space, draws):
    rows = 4000
    objective = DenoisingScoreMatching(SIGMA, draws=draws, gauss_hermite=False).on(space)
    (noise,) = objective.noise(jax.random.key(3), responses(space, rng("noise"), rows))
    pairs, columns = -(-draws // 2), len(space.continuous)
    assert objective.evaluations == 2 * pairs
    assert noise.shape == (rows, 2 * pairs, columns)
    np.testing.assert_array_equal(noise[:, :pairs], -noise[:, pairs:])
    independent = np.asarray(noise[:, :pairs]).reshape(-1, columns) / SIGMA
    assert np.all(np.abs(np.mean(independent**2, axis=0) - 1) < 4 * np.sqrt(2 / len(independent)))
    assert all(stats.kstest(column, "norm").pvalue > 1e-4 for column in independent.T)


@pytest.mark.parametrize("nodes", [True, False])
def test_a_row_takes_as_many_evaluations_as_it_has_noisy_copies(nodes):
    for draws in (1, 2, 5):
        objective = DenoisingScoreMatching(SIGMA, draws=draws, gauss_hermite=nodes).on(BOX)
        copies = jax.eval_shape(objective.noise, jax.random.key(0), jnp.zeros(3))[0].shape[1]
        assert copies == objective.evaluations == (draws if nodes or draws < 5 else 6)


def test_a_single_noisy_copy_has_no_twin():
    (noise,) = (
        DenoisingScoreMatching(SIGMA, draws=1, gauss_hermite=False)
        .on(PLANE)
        .noise(jax.random.key(0), responses(PLANE, rng("one"), N))
    )
    assert noise.shape == (N, 1, 2)


def test_default_noise_is_a_fifth_of_the_geometric_mean_of_what_a_linear_model_leaves():
    x = rng("left").normal(size=(50, 2))
    two = np.column_stack(
        [x[:, 0] + rng("first").normal(size=50), 3 * rng("second").normal(size=50), np.arange(50) % 2]
    )
    design = np.column_stack([np.ones(50), x])
    left = [column - design @ np.linalg.lstsq(design, column, rcond=None)[0] for column in two.T[:2]]
    space = Product([Interval(-9.0, 9.0), Interval(-9.0, 9.0), Categories(2)])
    (level,) = DenoisingScoreMatching().levels(space, x, two)
    assert level.sigma == pytest.approx(0.2 * np.sqrt(np.std(left[0]) * np.std(left[1])))
    (level,) = DenoisingScoreMatching().levels(Interval(-9.0, 9.0), x, 2 + x[:, 1])  # Nothing is left.
    assert level.sigma == pytest.approx(0.2e-3)


def test_noise_follows_its_key():
    objective, y = DenoisingScoreMatching(SIGMA, gauss_hermite=False).on(PLANE), responses(PLANE, rng("key"), N)
    first, again, other = (objective.noise(jax.random.key(seed), y)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_gauss_hermite_is_the_average_over_many_random_draws():
    """Within four standard errors of 4000 means over 50 draws each, for every row."""
    _, network, x, y, _ = problem("DenoisingScoreMatching-nodes")
    repeats = 4000
    exact = DenoisingScoreMatching(SIGMA, draws=24, gauss_hermite=True).on(BOX, TAU)
    random = DenoisingScoreMatching(SIGMA, draws=50, gauss_hermite=False).on(BOX, TAU)
    many_x, many_y = jnp.repeat(x, repeats, axis=0), jnp.repeat(y, repeats)
    drawn = losses(random, network, many_x, many_y, random.noise(jax.random.key(1), many_y)).reshape(N, repeats)
    expected = losses(exact, network, x, y, exact.noise(jax.random.key(0), y))
    error = np.asarray(drawn.std(axis=1) / np.sqrt(repeats))
    assert np.all(np.abs(drawn.mean(axis=1) - expected) < 4 * error)


def test_gauss_hermite_nodes_need_no_key_and_converge():
    _, network, x, y, _ = problem("DenoisingScoreMatching-nodes")
    at = lambda nodes, seed: (lambda dsm: losses(dsm, network, x, y, dsm.noise(jax.random.key(seed), y)))(
        DenoisingScoreMatching(SIGMA, draws=nodes, gauss_hermite=True).on(BOX, TAU)
    )
    np.testing.assert_array_equal(at(8, 0), at(8, 1))
    np.testing.assert_allclose(at(12, 0), at(40, 0), rtol=1e-5)


# Closed forms.


class Normal(eqx.Module):
    """−½ precision·(y − mean)²."""

    mean: jax.Array
    precision: jax.Array

    def __call__(self, x, y):
        return jnp.broadcast_to(-0.5 * self.precision * (y[..., 0] - self.mean) ** 2, (len(x), y.shape[1]))


def slope_at(objective, mean, precision, y):
    """Gradient of the mean loss in mean and precision, and its Hessian."""
    noise = objective.noise(jax.random.key(0), y)
    total = lambda p: jnp.mean(objective(Normal(p[0], p[1]), jnp.zeros((len(y), 1)), y, *noise))
    at = jnp.array([mean, precision])
    return jax.jit(jax.grad(total))(at), jax.jit(jax.hessian(total))(at)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 2.0])
def test_denoising_a_gaussian_fits_exactly_the_widened_variance(sigma):
    """√(σ² + s²) is the minimiser to rounding: nodes make the mean over the noise exact."""
    y = jnp.asarray(rng("widened", sigma).normal(0.7, 0.5, size=30))
    objective = DenoisingScoreMatching(sigma, draws=4, gauss_hermite=True).on(BOX)
    gradient, hessian = slope_at(objective, y.mean(), 1 / (y.var() + sigma**2), y)
    np.testing.assert_allclose(gradient, 0, atol=1e-9 / sigma**2)
    assert bool(jnp.all(jnp.linalg.eigvalsh(hessian) > 0))


def test_score_matching_of_a_gaussian_fits_exactly_its_mean_and_variance():
    y = jnp.asarray(rng("matched").normal(0.7, 0.5, size=30))
    assert bool(jnp.all(jnp.abs(y) < 5))
    gradient, hessian = slope_at(ScoreMatching().on(Interval(-10.0, 10.0)), y.mean(), 1 / y.var(), y)
    np.testing.assert_allclose(gradient, 0, atol=1e-10)
    assert bool(jnp.all(jnp.linalg.eigvalsh(hessian) > 0))


def test_score_matching_of_a_gaussian_is_its_closed_form():
    """½ p²(y − m)² − p in the middle of a wide box."""
    y, mean, precision = jnp.linspace(-3, 3, N), 0.4, 1.7
    found = ScoreMatching().on(Interval(-10.0, 10.0), TAU)(
        Normal(jnp.asarray(mean), jnp.asarray(TAU * precision)), jnp.zeros((N, 1)), y
    )
    np.testing.assert_allclose(found, 0.5 * precision**2 * (y - mean) ** 2 - precision, rtol=1e-12)


def test_denoising_tends_to_score_matching_as_the_noise_vanishes():
    """DSM − 1/(2σ²) = score matching + O(σ²): halving σ quarters the gap, in the middle of the box."""
    _, network, x, _, _ = problem("DenoisingScoreMatching-nodes")
    y = jnp.asarray(rng("middle").uniform(-0.5, 1.5, size=N))
    limit = losses(ScoreMatching().on(BOX, TAU), network, x, y, ())

    def gap(sigma):
        dsm = DenoisingScoreMatching(sigma, draws=12, gauss_hermite=True).on(BOX, TAU)
        return losses(dsm, network, x, y, dsm.noise(jax.random.key(0), y)) - 0.5 / sigma**2 - limit

    coarse, fine = gap(0.04), gap(0.02)
    assert bool(jnp.all(jnp.abs(coarse) < 0.5))
    np.testing.assert_allclose(fine / coarse, 0.25, atol=0.02)


# Mass at the edges of a box.


class Family(eqx.Module):
    """θ·t(y) with t = y_j, −½ y_j² and, in two dimensions, y₁y₂."""

    theta: jax.Array

    def __call__(self, x, y):
        terms = [y, -0.5 * y**2] + ([y[..., :1] * y[..., 1:]] if y.shape[-1] == 2 else [])
        return jnp.broadcast_to(jnp.concatenate(terms, axis=-1) @ self.theta, (len(x), y.shape[1]))


def on_a_grid(space):
    """Nodes and weights on a box or a plane, in four panels along each side, at whose ends the fading weight bends."""
    t, w = np.polynomial.legendre.leggauss(10)
    unit = np.concatenate([(panel + (t + 1) / 2) / 4 for panel in range(4)])
    axes = [part.lower + (part.upper - part.lower) * unit for part in space.components]
    weights = [np.tile(w, 4)] * len(axes)
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=-1)
    return jnp.asarray(points), np.prod([m.ravel() for m in np.meshgrid(*weights, indexing="ij")], axis=0)


def minimizer(loss_per_row, theta, space):
    """Where the expected loss under exp{θ·t} is least; it is quadratic in the parameters, so one Newton step from 0."""
    points, weights = on_a_grid(space)
    log_p = Family(theta)(jnp.zeros((1, 1)), points[None])[0]
    mass = weights * jnp.exp(log_p - jnp.max(log_p))
    total = lambda other: jnp.sum(mass / mass.sum() * loss_per_row(Family(other), points))
    newton = lambda at: -jnp.linalg.solve(jax.hessian(total)(at), jax.grad(total)(at))
    return jax.jit(newton)(jnp.zeros_like(theta))


def weighted(space):
    return lambda family, points: ScoreMatching().on(space)(
        family, jnp.zeros((len(points), 1)), points[:, 0] if len(space.components) == 1 else points
    )


def unweighted(family, points):
    """½‖∇u‖² + Δu by hand."""
    value = lambda y: family(jnp.zeros((1, 1)), y[None, None])[0, 0]
    slope, laplacian = jax.vmap(jax.grad(value))(points), jax.vmap(lambda y: jnp.trace(jax.hessian(value)(y)))(points)
    return 0.5 * jnp.sum(slope**2, axis=-1) + laplacian


TRUTHS = {
    "truncated gaussian": (Interval(-1.0, 2.0), [0.8, 1.5]),
    "tilted uniform": (Interval(-1.0, 2.0), [1.2, 0.0]),
    "heavy at both ends": (Interval(-1.0, 2.0), [0.3, -1.0]),
    "correlated in a plane": (Product([Interval(-1.0, 2.0), Interval(0.0, 1.5)]), [0.8, -0.4, 1.5, 0.7, 0.6]),
}


@pytest.mark.parametrize("truth", TRUTHS)
def test_score_matching_recovers_a_density_with_mass_at_the_edges(truth):
    """And would not without the weight that fades towards the edges."""
    space, theta = TRUTHS[truth][0], jnp.array(TRUTHS[truth][1])
    np.testing.assert_allclose(minimizer(weighted(space), theta, space), theta, atol=1e-6)
    assert float(jnp.max(jnp.abs(minimizer(unweighted, theta, space) - theta))) > 0.1


# Kinks.

HEADS = [(role, name) for role in ("inequality", "equality") for name in SPELLED[role]]


def single_head(role, name):
    """BL = −λ f(a·y + c) of one row of one head."""
    heads = tuple(name if own == role else None for own in SPELLED)
    architecture = Architecture((1,), heads=heads, readout="identity")
    network = random_network(architecture, affine_basis(0, 1), 1, rng("kink", role, name))
    at = lambda intercept: with_head(network, 0, role, intercept=Weight(intercept.reshape(1, 1)))
    return at(jnp.full((1, 1), 0.1)), at


@cache
def slopes_in_the_intercept(role, name, matching):
    """d/dc of the expected loss: mean of automatic derivatives, and a finite difference of adaptive integrals."""
    network, with_intercept = single_head(role, name)
    a, at = (float(getattr(network.layers[0].heads[role], field).raw.ravel()[0]) for field in ("coef", "intercept"))
    center, x = 0.3 * SIGMA - at / a, jnp.zeros((1, 0))
    objective = (
        ScoreMatching().on(Interval(-50.0, 50.0))
        if matching
        else DenoisingScoreMatching(SIGMA, gauss_hermite=False).on(BOX)
    )

    def loss(c, e):
        at = with_intercept(c)
        if matching:
            return objective(at, x, (center + e).reshape(1))[0]
        return objective(at, x, jnp.array([center]), e.reshape(1, 1, 1))[0]

    def expected(f, c):
        """Mean over e ~ N(0, σ²), in pieces between the kinks that heads have in a·y + c."""
        density = lambda e: stats.norm.pdf(e, scale=SIGMA) * float(f(jnp.asarray(c), jnp.asarray(e)))
        kinks = [(t - c) / a - center for t in (-0.7, 0.0, 0.7)]
        pieces = itertools.pairwise(sorted({-8 * SIGMA, *np.clip(kinks, -8 * SIGMA, 8 * SIGMA), 8 * SIGMA}))
        return sum(integrate.quad(density, *ends, epsabs=1e-10, limit=200)[0] for ends in pieces)

    value, slope, step = jax.jit(loss), jax.jit(jax.grad(loss)), 1e-3
    return expected(slope, at), (expected(value, at + step) - expected(value, at - step)) / (2 * step)


@pytest.mark.parametrize(("role", "name"), HEADS, ids=lambda v: v)
def test_automatic_gradient_of_denoising_is_that_of_the_expected_loss_for_smooth_heads_alone(role, name):
    """DESIGN's deviation: differentiating at a kink drops what moving the kink contributes."""
    automatic, differences = slopes_in_the_intercept(role, name, matching=False)
    if name in ("relu", "abs"):
        assert abs(automatic - differences) > 0.2 * abs(differences)
    else:
        assert automatic == pytest.approx(differences, rel=1e-4)


def test_gradient_that_a_relu_loses_is_its_closed_form():
    """For BL = −λ relu(y − c): d/dc = φ_σ(c − y)·(λ(c − y)/σ² − ½λ²), of which automatic differentiation keeps none."""
    multiplier, c, y = 1.3, 0.2, 0.5
    objective = DenoisingScoreMatching(SIGMA, draws=64, gauss_hermite=True).on(BOX)
    noise = objective.noise(jax.random.key(0), jnp.array([y]))
    utility = lambda c: lambda x, y: -multiplier * jax.nn.relu(y[..., 0] - c)
    automatic = jax.grad(lambda c: objective(utility(c), jnp.zeros((1, 1)), jnp.array([y]), *noise)[0])(c)
    assert float(automatic) == 0.0

    def expected_loss(c):
        tail = stats.norm.sf((c - y) / SIGMA)
        return 0.5 * multiplier**2 * tail - multiplier * stats.norm.pdf(c - y, scale=SIGMA) + 0.5 / SIGMA**2

    density = lambda e: stats.norm.pdf(e, scale=SIGMA) * 0.5 * (-multiplier * (y + e > c) + e / SIGMA**2) ** 2
    by_integral = sum(integrate.quad(density, *ends)[0] for ends in ((-8 * SIGMA, c - y), (c - y, 8 * SIGMA)))
    assert expected_loss(c) == pytest.approx(by_integral, rel=1e-8)
    closed = stats.norm.pdf(c - y, scale=SIGMA) * (multiplier * (c - y) / SIGMA**2 - 0.5 * multiplier**2)
    assert (expected_loss(c + 1e-5) - expected_loss(c - 1e-5)) / 2e-5 == pytest.approx(closed, rel=1e-6)
    assert abs(closed) > 0.5


@pytest.mark.parametrize(("role", "name"), [case for case in HEADS if get_head(*case).smooth], ids=lambda v: v)
def test_score_matching_needs_a_second_derivative_that_huber_has_not(role, name):
    """The curvature of a Huber head jumps, and moving the jump is what its automatic gradient loses."""
    automatic, differences = slopes_in_the_intercept(role, name, matching=True)
    if name.startswith("huber"):
        assert abs(automatic - differences) > 0.2 * abs(differences)
    else:
        assert automatic == pytest.approx(differences, rel=1e-4)


def test_heads_with_kinks_are_marked_so():
    """What the estimators replace for denoising is what the test above finds wanting."""
    assert {name for role, name in HEADS if not get_head(role, name).smooth} == {"relu", "abs"}
