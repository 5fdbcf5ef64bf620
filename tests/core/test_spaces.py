"""Claims about response spaces, made of each of them: candidates, weights, quantiles and maximisers."""

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from behavior_learning.core import products, spaces
from behavior_learning.core.products import Product
from behavior_learning.core.spaces import Categories, Finite, Interval
from behavior_learning.gibbs.distribution import Gibbs
from tests.conftest import rng

pytestmark = pytest.mark.usefixtures("float64")

SPACES = {
    "Categories": Categories(4),
    "Finite-lattice": Finite(np.linspace(-1.0, 2.0, 7)[:, None]),
    "Interval": Interval(-1.5, 2.0, 64),
    "Interval-even": Interval(-1.5, 2.0, 64, refinements=0),
    "Interval-twice": Interval(-1.5, 2.0, 64, refinements=2),
    "Product-hybrid": Product([Categories(3), Interval(-1.5, 2.0, 64)]),
    "Product-plane": Product([Interval(-1.5, 2.0, 64), Interval(0.5, 1.5, 48)]),
}
every_space = pytest.mark.parametrize(
    "space",
    [pytest.param(space, id=name, marks=pytest.mark.slow if "plane" in name else ()) for name, space in SPACES.items()],
)
single_space = pytest.mark.parametrize(
    "space", [SPACES["Categories"], SPACES["Interval"]], ids=["Categories", "Interval"]
)

N = 3
FLAT = lambda x, y: jnp.zeros((len(x), y.shape[1]))


def wavy(x, y):
    """A utility with several local maxima and different ones in every row."""
    return jnp.sin(7 * y[..., 0] + 9 * x[:, :1]) + jnp.cos(3 * jnp.sum(y, axis=-1)) - x[:, 1:] * y[..., -1]


def rows(*seed):
    return jnp.asarray(rng(*seed).normal(size=(N, 2)))


def test_every_space_is_tested():
    classes = [value for module in (spaces, products) for value in vars(module).values() if inspect.isclass(value)]
    defined = {c.__name__ for c in classes if issubclass(c, spaces.Space) and c is not spaces.Space}
    assert defined == {name.split("-")[0] for name in SPACES}


@every_space
@pytest.mark.parametrize("utility", [FLAT, wavy], ids=["flat", "wavy"])
def test_rule_has_one_weight_per_candidate(space, utility):
    rule = space.quadrature(utility, rows("rule"))
    leading = rule.candidates.shape[0]
    assert leading in (1, N)
    assert rule.candidates.shape == (leading, space.size, space.dimension)
    assert rule.log_weights.shape in ((1, space.size), (N, space.size))
    assert bool(jnp.all(jnp.isfinite(rule.log_weights)))


@every_space
def test_refined_space_has_more_candidates_and_the_same_measure(space):
    fine = space.refined(2)
    assert fine.dimension == space.dimension
    assert fine.size >= (2 * space.size if space.continuous else space.size)
    measure = [jnp.sum(jnp.exp(s.quadrature(wavy, rows("measure")).log_weights), axis=1) for s in (space, fine)]
    np.testing.assert_allclose(*np.broadcast_arrays(*measure), rtol=1e-8)


@every_space
@pytest.mark.parametrize("steepness", [1.0, 1e6], ids=["wide", "narrow"])
def test_rules_found_together_are_those_found_alone(space, steepness):
    x, fine = rows("together"), space.refined(2)
    values = lambda y: steepness * wavy(x, y)
    found = space.rules((fine,), values, x.shape[:1], x.dtype)
    for rule, alone in zip(found, (space, fine), strict=True):
        for own, other in zip(rule, alone.rule(values, x.shape[:1], x.dtype), strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-9, atol=1e-9)


@every_space
def test_log_density_by_two_rules_is_that_by_each(space):
    x, fine = rows("two rules"), space.refined(2)
    y = space.draw(lambda y: wavy(x, y), x.shape[:1], jnp.full((N, 1, len(space.components)), 0.3))[:, 0]
    both = Gibbs(wavy, space).log_probs(x, y, fine)
    for log_prob, own in zip(both, (space, fine), strict=True):
        np.testing.assert_allclose(log_prob, Gibbs(wavy, own).log_prob(x, y), rtol=1e-9)


@every_space
def test_maximizer_is_no_worse_than_any_candidate(space):
    x = rows("maximiser")
    rule = space.quadrature(wavy, x)
    at_candidates = wavy(x, rule.candidates)
    best = space.maximizer(wavy, x, rule, at_candidates)
    assert best.shape == ((N,) if len(space.components) == 1 else (N, len(space.components)))
    assert bool(jnp.all(space.observed(wavy, x, best, at_candidates) >= jnp.max(at_candidates, axis=1) - 1e-12))


@single_space
def test_quantiles_increase_with_their_share(space):
    x = rows("quantiles")
    rule = space.quadrature(wavy, x)
    log_density = wavy(x, rule.candidates)
    log_density = log_density - jnp.log(jnp.sum(jnp.exp(log_density + rule.log_weights), axis=1, keepdims=True))
    values = space.inverse_cdf(rule, log_density, jnp.linspace(0, 1, 21)[None])
    assert values.shape == (N, 21)
    assert bool(jnp.all(jnp.diff(values, axis=1) >= 0))


@every_space
def test_candidates_are_as_precise_as_x(space):
    """Single-precision rows give single-precision candidates where double precision is off."""
    with jax.enable_x64(False):
        single = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), space)
        rule = single.quadrature(wavy, jnp.ones((N, 2)))
    assert rule.candidates.dtype == rule.log_weights.dtype == jnp.float32


def test_categories_are_one_hot_with_unit_weight():
    rule = Categories(4).quadrature(FLAT, rows("one-hot"))
    np.testing.assert_array_equal(rule.candidates, np.eye(4)[None])
    np.testing.assert_array_equal(np.exp(rule.log_weights), np.ones((1, 4)))


def test_category_quantile_is_the_lowest_code_that_reaches_the_share():
    space = Categories(3)
    probability = np.array([[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]])
    rule = space.quadrature(FLAT, jnp.ones((2, 2)))
    shares = jnp.array([[0.1, 0.19, 0.21, 0.69, 0.71, 0.99]])
    codes = space.inverse_cdf(rule, jnp.log(probability), shares)
    np.testing.assert_array_equal(codes, [[0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 1, 2]])


def test_category_quantile_stays_a_code_when_rounding_loses_mass():
    space = Categories(3)
    rule = space.quadrature(FLAT, jnp.ones((1, 2)))
    log_probability = jnp.log(jnp.array([[0.2, 0.5, 0.3]])) - 1e-12
    assert int(space.inverse_cdf(rule, log_probability, jnp.array([[1.0]]))[0, 0]) == 2


def test_observed_category_reads_its_own_candidate():
    at_candidates = jnp.asarray(rng("observed").normal(size=(N, 4)))
    codes = jnp.array([2, 0, 3])
    values = Categories(4).observed(FLAT, rows("x"), codes, at_candidates)
    np.testing.assert_array_equal(values, np.asarray(at_candidates)[np.arange(N), [2, 0, 3]])


@pytest.mark.parametrize("size", [32, 128])
@pytest.mark.parametrize(("lower", "upper"), [(-1.5, 2.0), (1e3, 1e3 + 1), (-1e-3, 1e-3)])
def test_box_candidates_lie_inside_in_order(lower, upper, size):
    box = Interval(lower, upper, size)
    rule = box.quadrature(FLAT, rows("inside"))
    assert bool(jnp.all(jnp.diff(rule.candidates[..., 0], axis=1) > 0))
    assert bool(jnp.all((rule.candidates > lower) & (rule.candidates < upper)))


@pytest.mark.parametrize("power", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("utility", [FLAT, wavy], ids=["flat", "wavy"])
def test_box_integrates_powers(utility, power):
    rule = Interval(-1.5, 2.0, 64).quadrature(utility, rows("powers"))
    integral = jnp.sum(jnp.exp(rule.log_weights) * rule.candidates[..., 0] ** power, axis=1)
    exact = (2.0 ** (power + 1) - (-1.5) ** (power + 1)) / (power + 1)
    np.testing.assert_allclose(integral, exact, rtol=1e-9)


@pytest.mark.parametrize("share", [0.3, 0.1, 0.03, 0.01])
@pytest.mark.parametrize("center", [-1.2, 0.1, 1.99])
def test_box_normalizes_a_narrow_density(center, share):
    """The default rule finds the mass of a normal density as narrow as a hundredth of the box."""
    lower, upper = -1.5, 2.0
    deviation = share * (upper - lower)
    normal = stats.norm(center, deviation)
    log_density = lambda x, y: jnp.broadcast_to(
        -0.5 * ((y[..., 0] - center) / deviation) ** 2 - math.log(deviation * math.sqrt(2 * math.pi)),
        (len(x), y.shape[1]),
    )
    x = rows("narrow")
    rule = Interval(lower, upper).quadrature(log_density, x)
    mass = jnp.sum(jnp.exp(log_density(x, rule.candidates) + rule.log_weights), axis=1)
    np.testing.assert_allclose(mass, normal.cdf(upper) - normal.cdf(lower), rtol=1e-2)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("size", [32, 33, 64, 100, 132])
def test_box_can_be_refined_from_any_valid_size(size, factor):
    box = Interval(0.0, 1.0, size).refined(factor)
    rule = jax.eval_shape(lambda x: box.quadrature(FLAT, x), rows("refine"))
    assert factor * size <= rule.candidates.shape[1] < factor * size + 5


def test_box_quantile_of_a_flat_density_is_linear():
    box = Interval(-1.5, 2.0, 32)
    rule = box.quadrature(FLAT, rows("uniform"))
    shares = jnp.linspace(0, 1, 11)
    values = box.inverse_cdf(rule, jnp.zeros((N, 32)), shares[None])
    np.testing.assert_allclose(values, np.tile(-1.5 + 3.5 * shares, (N, 1)), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("slope", [-1.0, 1.0])
def test_box_maximizer_reaches_the_ends(slope):
    box = Interval(-1.5, 2.0, 32)
    utility = lambda x, y: jnp.broadcast_to(slope * y[..., 0], (len(x), y.shape[1]))
    x = rows("ends")
    rule = box.quadrature(utility, x)
    best = box.maximizer(utility, x, rule, utility(x, rule.candidates))
    np.testing.assert_allclose(best, 2.0 if slope > 0 else -1.5, atol=1e-6)
