"""Claims about maximisation and inversion on a box: kinks, corners, sides, and closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from behavior_learning.core.numerics import PANEL, climbed, integrated, inverted, unit_rule, zoomed
from tests.conftest import rng

pytestmark = pytest.mark.usefixtures("float64")

N = 5
LOWER, UPPER = -2.0, 3.0
SHARPNESS = {"kink": jnp.abs, "parabola": jnp.square, "quartic": lambda t: t**4, "cusp": lambda t: jnp.sqrt(jnp.abs(t))}


def side(value, dimension):
    return jnp.full(dimension, value)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("shape", SHARPNESS)
def test_zooming_finds_a_maximum_that_its_window_holds(shape, dimension):
    """With or without a kink, to as many digits as values can tell apart."""
    generator = rng("zoom", shape, dimension)
    top = jnp.asarray(generator.uniform(LOWER, UPPER, size=(N, dimension)))
    weight = jnp.asarray(generator.uniform(0.5, 3.0, size=dimension))
    f = lambda y: -jnp.sum(weight * SHARPNESS[shape](y - top[:, None]), axis=-1)
    start = jnp.clip(top + jnp.asarray(generator.uniform(-0.5, 0.5, size=top.shape)), LOWER, UPPER)
    found = zoomed(f, start, jnp.full((N, dimension), 0.6), side(LOWER, dimension), side(UPPER, dimension))
    np.testing.assert_allclose(found, top, atol={"parabola": 2e-7, "quartic": 1e-3}.get(shape, 1e-8))


@pytest.mark.parametrize("slopes", [(1.3,), (-0.4,), (1.0, 2.0), (1.0, -0.2), (-3.0, 0.1)], ids=str)
def test_zooming_ends_in_the_corner_that_a_slope_points_to(slopes):
    slope, dimension = jnp.array(slopes), len(slopes)
    f = lambda y: y @ slope
    start = jnp.asarray(rng("corner", slopes).uniform(LOWER, UPPER, size=(N, dimension)))
    found = zoomed(f, start, jnp.full(start.shape, UPPER - LOWER), side(LOWER, dimension), side(UPPER, dimension))
    np.testing.assert_array_equal(found, jnp.broadcast_to(jnp.where(slope > 0, UPPER, LOWER), found.shape))


def test_zooming_along_a_ridge_of_two_penalties_reaches_their_corner():
    """−|a·y − 1| − |b·y| has its maximum where both lines cross, a kink in every direction."""
    lines, level = jnp.array([[2.0, 1.0], [1.0, -1.0]]), jnp.array([1.0, 0.0])
    f = lambda y: -jnp.sum(jnp.abs(y @ lines.T - level), axis=-1)
    found = zoomed(f, jnp.zeros((1, 2)), jnp.full((1, 2), 1.0), side(LOWER, 2), side(UPPER, 2))
    np.testing.assert_allclose(found[0], np.linalg.solve(lines, level), atol=1e-3)


@pytest.mark.parametrize("dimension", [1, 4])
def test_climbing_reaches_the_top_of_a_concave_hill(dimension):
    """A quadratic with a random, ill-conditioned Hessian beside a quartic: the slope at the top is zero."""
    generator = rng("climb", dimension)
    axes = np.linalg.qr(generator.normal(size=(dimension, dimension)))[0]
    precision = jnp.asarray(axes @ np.diag(np.geomspace(0.2, 50, dimension)) @ axes.T)
    top = jnp.asarray(generator.uniform(-1, 1, size=(N, dimension)))
    gap = lambda y: y - top[:, None]
    f = lambda y: -0.5 * jnp.einsum("nki,ij,nkj->nk", gap(y), precision, gap(y)) - jnp.sum(gap(y) ** 4, axis=-1)
    start = jnp.asarray(generator.uniform(LOWER, UPPER, size=(N, dimension)))
    np.testing.assert_allclose(climbed(f, start, side(LOWER, dimension), side(UPPER, dimension)), top, atol=1e-6)


def test_climbing_from_a_valley_goes_up():
    """Where the curvature is positive a plain Newton step would descend; cos has its tops at multiples of 2π."""
    start = jnp.asarray(np.pi + rng("valley").uniform(-1.5, 1.5, size=(N, 4)))
    found = climbed(lambda y: jnp.sum(jnp.cos(y), axis=-1), start, side(-1.0, 4), side(7.0, 4))
    np.testing.assert_allclose(jnp.cos(found), 1.0, atol=1e-9)


def test_climbing_takes_too_long_steps_back():
    """−log cosh is nearly straight far from its top, where a Newton step goes far beyond it."""
    start = jnp.asarray(rng("straight").uniform(1.5, 2.0, size=(N, 1)))
    f = lambda y: -jnp.sum(jnp.log(jnp.cosh(10 * y)), axis=-1)
    np.testing.assert_allclose(climbed(f, start, side(-50.0, 1), side(50.0, 1)), 0.0, atol=1e-6)


def test_climbing_up_a_flat_hill_ends_at_its_top():
    """Damping fades after good steps; at its first value 50 steps would hardly move."""
    start = jnp.asarray(rng("flat").uniform(-1, 1, size=(N, 2)))
    found = climbed(lambda y: -0.5e-4 * jnp.sum((y - 0.3) ** 2, axis=-1), start, side(-2.0, 2), side(2.0, 2))
    np.testing.assert_allclose(found, 0.3, atol=1e-6)


@pytest.mark.parametrize("slopes", [(1.0, -2.0, 0.5, 3.0), (-1.0, -1.0, 1.0, 1.0)], ids=str)
def test_climbing_ends_at_the_sides_of_the_box(slopes):
    slope = jnp.array(slopes)
    f = lambda y: y @ slope - 0.01 * jnp.sum(y**2, axis=-1)
    start = jnp.asarray(rng("sides", slopes).uniform(LOWER, UPPER, size=(N, 4)))
    found = climbed(f, start, side(LOWER, 4), side(UPPER, 4))
    np.testing.assert_allclose(found, jnp.broadcast_to(jnp.where(slope > 0, UPPER, LOWER), (N, 4)), atol=1e-9)


def test_climbing_never_ends_below_its_start():
    generator = rng("never below")
    weight = jnp.asarray(generator.normal(size=(6, 4)))
    f = lambda y: jnp.sum(jnp.sin(3 * y @ weight.T), axis=-1)
    start = jnp.asarray(generator.uniform(LOWER, UPPER, size=(20, 4)))
    found = climbed(f, start, side(LOWER, 4), side(UPPER, 4))
    assert bool(jnp.all(f(found[:, None]) >= f(start[:, None])))
    assert bool(jnp.all((found >= LOWER) & (found <= UPPER)))


def test_inversion_is_exact_for_a_piecewise_linear_density():
    """SciPy's trapezoidal law has a linear density between its four corners."""
    law = stats.trapezoid(0.2, 0.7, loc=LOWER, scale=UPPER - LOWER)
    edges = LOWER + (UPPER - LOWER) * jnp.array([0.0, 0.1, 0.2, 0.45, 0.7, 0.8, 1.0])
    shares = jnp.linspace(0.01, 0.99, 23)
    found = inverted(edges, jnp.asarray(law.pdf(edges)), shares)
    np.testing.assert_allclose(found, law.ppf(shares), rtol=1e-9)


def test_inversion_keeps_each_entry_of_a_batch_apart():
    generator = rng("batch")
    edges = jnp.sort(jnp.asarray(generator.uniform(size=(2, 3, 9))), axis=-1)
    density, shares = jnp.asarray(generator.uniform(size=(2, 3, 9))), jnp.asarray(generator.uniform(size=(2, 3, 4)))
    found = inverted(edges, density, shares)
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(found[i], inverted(edges[i], density[i], shares[i]), rtol=1e-12)


def test_inversion_skips_an_interval_without_mass():
    edges, density = jnp.arange(6.0), jnp.array([1.0, 1.0, 0.0, 0.0, 1.0, 1.0])
    below, above = inverted(edges, density, jnp.array([0.499, 0.501]))
    assert float(below) < 2.0
    assert float(above) > 3.0
    np.testing.assert_array_equal(inverted(edges, density, jnp.array([0.0, 1.0])), [0.0, 5.0])


def test_integration_is_exact_for_a_piecewise_linear_density():
    """SciPy's trapezoidal law again, at the corners, between them and beyond."""
    law = stats.trapezoid(0.2, 0.7, loc=LOWER, scale=UPPER - LOWER)
    edges = LOWER + (UPPER - LOWER) * jnp.array([0.0, 0.1, 0.2, 0.45, 0.7, 0.8, 1.0])
    at = jnp.linspace(LOWER - 0.5, UPPER + 0.5, 41)
    found = integrated(edges[None], jnp.asarray(law.pdf(edges))[None], at)
    np.testing.assert_allclose(found, law.cdf(at), atol=1e-12)


@pytest.mark.parametrize("nodes", [5, PANEL, PANEL + 1, 4 * PANEL])
def test_nodes_and_weights_integrate_polynomials_over_the_unit_interval(nodes):
    at, weights = unit_rule(nodes, np.dtype(float))
    assert ((at > 0) & (at < 1)).all()
    assert (np.diff(at) > 0).all()
    for power in range(6):
        assert weights @ at**power == pytest.approx(1 / (power + 1), rel=1e-12)
