"""Claims about products of spaces: nested quadrature against closed forms, draws, and what lies outside."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array
from scipy import special, stats

from behavior_learning.core.products import Product
from behavior_learning.core.spaces import MOST_DIMENSIONS, Categories, Interval
from behavior_learning.errors import NoQuadratureError
from behavior_learning.gibbs.distribution import Gibbs
from tests.conftest import rng

pytestmark = pytest.mark.usefixtures("float64")

N = 2
X = np.zeros((N, 1))
LOWER, UPPER = -7.0, 8.0
DRAWS = 4000
CORRELATIONS = [-0.9, 0.0, 0.6, 0.97]


def plane(size=48):
    return Product([Interval(LOWER, UPPER, size), Interval(2 * LOWER, 2 * UPPER, size)])


class Quadratic(eqx.Module):
    """−½ (y − μ)ᵀ Σ⁻¹ (y − μ)."""

    mean: Array
    precision: Array

    def __call__(self, x, y):
        gap = y - self.mean
        utility = -0.5 * jnp.einsum("nki,ij,nkj->nk", gap, self.precision, gap)
        return jnp.broadcast_to(utility, (len(x), y.shape[1]))


def gaussian(correlation):
    """A quadratic utility with its μ and Σ, almost all of whose mass the plane holds."""
    mean, spread = np.array([0.4, -0.7]), np.array([0.8, 1.6])
    covariance = np.outer(spread, spread) * np.array([[1, correlation], [correlation, 1]])
    return Quadratic(jnp.asarray(mean), jnp.asarray(np.linalg.inv(covariance))), mean, covariance


@eqx.filter_jit
def ask(gibbs, quantity, *arguments):
    """One compiled program per quantity and kind of distribution."""
    return getattr(gibbs, quantity)(*arguments)


WEIGHTS, CENTRES, SPREADS = np.array([0.2, 0.7, 0.1]), np.array([-2.0, 0.5, 3.0]), np.array([0.3, 1.0, 0.6])


def mixture(x, y):
    """log w_c + log N(y; μ_c, s_c) of a class (columns 0 to 2) and a number (column 3)."""
    number = y[..., 3:]
    components = jnp.log(WEIGHTS) - 0.5 * ((number - CENTRES) / SPREADS) ** 2 - jnp.log(SPREADS)
    utility = jnp.sum(y[..., :3] * (components - 0.5 * np.log(2 * np.pi)), axis=-1)
    return jnp.broadcast_to(utility, (len(x), y.shape[1]))


def turned(utility):
    """The utility of the mixture with its number first."""
    return lambda x, y: utility(x, jnp.roll(y, -1, axis=-1))


HYBRID = {
    "class first": (Product([Categories(3), Interval(LOWER, UPPER, 64)]), mixture, 0),
    "number first": (Product([Interval(LOWER, UPPER, 64), Categories(3)]), turned(mixture), 1),
}
every_hybrid = pytest.mark.parametrize(("space", "utility", "of_class"), HYBRID.values(), ids=HYBRID)


def within(values, expected, deviation):
    """Whether means along the first axis are within four standard errors."""
    return np.all(np.abs(np.mean(values, axis=0) - expected) < 4 * deviation / np.sqrt(len(values)))


@eqx.filter_jit
def second_moment(gibbs):
    gap = gibbs.space.quadrature(gibbs.utility, X).candidates[0] - gibbs.utility.mean
    return gap.T @ (gibbs.mass(X)[0, :, None] * gap)


# Closed forms.


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_plane_normalizes_a_correlated_gaussian_and_has_its_moments(correlation):
    utility, mean, covariance = gaussian(correlation)
    gibbs, law = Gibbs(utility, plane()), stats.multivariate_normal(mean, covariance)
    log_z = np.log(2 * np.pi) + 0.5 * np.linalg.slogdet(covariance)[1]
    np.testing.assert_allclose(ask(gibbs, "log_normalizer", X), log_z, atol=1e-6)
    np.testing.assert_allclose(ask(gibbs, "mean", X), np.tile(mean, (N, 1)), atol=1e-5)
    np.testing.assert_allclose(ask(gibbs, "entropy", X), law.entropy(), atol=1e-5)
    np.testing.assert_allclose(second_moment(gibbs), covariance, atol=1e-4)


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_plane_has_the_gaussian_log_density_and_mode(correlation):
    utility, mean, covariance = gaussian(correlation)
    gibbs = Gibbs(utility, plane())
    y = rng("plane", correlation).multivariate_normal(mean, covariance, size=N)
    law = stats.multivariate_normal(mean, covariance)
    np.testing.assert_allclose(ask(gibbs, "log_prob", X, jnp.asarray(y)), law.logpdf(y), atol=1e-6)
    np.testing.assert_allclose(ask(gibbs, "mode", X), np.tile(mean, (N, 1)), atol=1e-6)


RIDGES = {
    "straight": lambda a, b: -0.5 * ((a - 0.4) ** 2 - 1.99 * (a - 0.4) * (b + 0.7) + (b + 0.7) ** 2) / 0.01,
    "curved": lambda a, b: -0.5 * (a / 1.2) ** 2 - 0.5 * ((b - 0.5 * a**2 + 1) / 0.2) ** 2,
    "kinked": lambda a, b: -3 * abs(a - b + 0.3) - 2 * abs(a + 0.5 * b),
}


@pytest.mark.parametrize("shape", RIDGES)
def test_candidates_focused_together_find_ridges(shape):
    """To 0.01 nats where the ridge is a hundredth as wide as the plane; the truth is a sum over nine million points."""
    utility, ends = RIDGES[shape], ((-7.0, 8.0), (-14.0, 16.0))
    space = Product([Interval(*own, 32, 2) for own in ends])
    found = ask(Gibbs(lambda x, y: utility(y[..., 0], y[..., 1]), space), "log_normalizer", X)
    cells = [(high - low) / 3000 for low, high in ends]
    a, b = (low + cell * (np.arange(3000) + 0.5) for (low, _), cell in zip(ends, cells, strict=True))
    rows = [special.logsumexp(utility(part[:, None], b)) for part in np.array_split(a, 10)]
    np.testing.assert_allclose(found, special.logsumexp(rows) + np.log(np.prod(cells)), atol=0.01)


def test_finer_planes_that_share_a_focusing_have_their_own_rules():
    utility, _, _ = gaussian(0.6)
    space, fine = plane(16), plane(24)
    together = space.rules([fine], lambda y: utility(X, y), (N,), X.dtype)
    for rule, own in zip(together, (space, fine), strict=True):
        alone = own.quadrature(utility, X)
        assert rule.weights.shape == (N, own.size)
        np.testing.assert_allclose(rule.candidates, alone.candidates, rtol=1e-12)
        np.testing.assert_allclose(rule.log_weights, alone.log_weights, rtol=1e-10)


@pytest.mark.parametrize("temperature", [0.25, 4.0])
def test_temperature_scales_the_covariance_of_a_plane(temperature):
    utility, _, covariance = gaussian(0.6)
    gibbs = Gibbs(utility, Product([Interval(-20, 20, 64), Interval(-30, 30, 64)]), temperature)
    log_z = np.log(2 * np.pi * temperature) + 0.5 * np.linalg.slogdet(covariance)[1]
    np.testing.assert_allclose(ask(gibbs, "log_normalizer", X), log_z, atol=1e-5)


@every_hybrid
def test_hybrid_normalizes_a_mixture_and_has_its_moments(space, utility, of_class):
    gibbs = Gibbs(utility, space)
    np.testing.assert_allclose(ask(gibbs, "log_normalizer", X), 0.0, atol=1e-6)
    mean = np.concatenate([WEIGHTS, [WEIGHTS @ CENTRES]])
    np.testing.assert_allclose(ask(gibbs, "mean", X)[0], mean if of_class == 0 else np.roll(mean, 1), atol=1e-6)


@every_hybrid
def test_hybrid_log_density_is_that_of_the_component(space, utility, of_class):
    generator = rng("component", of_class)
    codes = generator.integers(3, size=N)
    numbers = generator.normal(CENTRES[codes], SPREADS[codes])
    y = np.stack([codes, numbers] if of_class == 0 else [numbers, codes], axis=1)
    expected = np.log(WEIGHTS[codes]) + stats.norm.logpdf(numbers, CENTRES[codes], SPREADS[codes])
    np.testing.assert_allclose(ask(Gibbs(utility, space), "log_prob", X, jnp.asarray(y)), expected, atol=1e-6)


@every_hybrid
def test_hybrid_mode_is_the_highest_peak(space, utility, of_class):
    best = np.argmax(np.log(WEIGHTS) - np.log(SPREADS))
    mode = np.asarray(ask(Gibbs(utility, space), "mode", X))
    np.testing.assert_array_equal(mode[:, of_class], best)
    np.testing.assert_allclose(mode[:, 1 - of_class], CENTRES[best], atol=1e-6)


def test_product_of_classes_is_the_sum_over_all_pairs():
    space, table = Product([Categories(2), Categories(3)]), rng("pairs").normal(size=(2, 3))
    utility = lambda x, y: jnp.broadcast_to(
        jnp.einsum("nka,ab,nkb->nk", y[..., :2], jnp.asarray(table), y[..., 2:]), (len(x), y.shape[1])
    )
    gibbs = Gibbs(utility, space)
    np.testing.assert_allclose(ask(gibbs, "log_normalizer", X), special.logsumexp(table), rtol=1e-12)
    probability = special.softmax(table)
    expected = np.concatenate([probability.sum(axis=1), probability.sum(axis=0)])
    np.testing.assert_allclose(ask(gibbs, "mean", X)[0], expected, rtol=1e-12)
    np.testing.assert_array_equal(ask(gibbs, "mode", X)[0], np.unravel_index(np.argmax(table), (2, 3)))
    assert space.refined(4) is space


@pytest.mark.parametrize(
    "part",
    [Categories(4), pytest.param(Interval(-1.5, 2.0, 64), marks=pytest.mark.slow)],
    ids=["Categories", "Interval"],
)
def test_product_of_one_part_is_that_part(part):
    weight = jnp.asarray(rng("one part").normal(size=part.dimension))
    utility = lambda x, y: jnp.broadcast_to(jnp.sin(3 * y @ weight), (len(x), y.shape[1]))
    alone, product = Gibbs(utility, part), Gibbs(utility, Product([part]))
    y = jnp.array([1, 0]) if isinstance(part, Categories) else jnp.array([0.3, -1.2])
    np.testing.assert_allclose(ask(product, "log_prob", X, y[:, None]), ask(alone, "log_prob", X, y), rtol=1e-12)
    np.testing.assert_allclose(ask(product, "mean", X), ask(alone, "mean", X), rtol=1e-12)
    np.testing.assert_allclose(ask(product, "mode", X)[:, 0], ask(alone, "mode", X), atol=1e-7)
    key = jax.random.key(0)
    np.testing.assert_allclose(ask(product, "sample", key, X, 7)[..., 0], ask(alone, "sample", key, X, 7), rtol=1e-12)


# Draws.


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_draws_from_a_plane_follow_their_gaussian(correlation):
    """Moments within four standard errors; the first marginal and the second given the first by Kolmogorov–Smirnov."""
    utility, mean, covariance = gaussian(correlation)
    draws = np.asarray(ask(Gibbs(utility, plane(32)), "sample", jax.random.key(1), X, DRAWS))
    assert draws.shape == (N, DRAWS, 2)
    assert not np.allclose(draws[0], draws[1])
    deviation = np.sqrt(np.diag(covariance))
    for of_row in draws:
        z = (of_row - mean) / deviation
        assert within(z, 0.0, 1.0)
        assert within(z**2, 1.0, np.sqrt(2))
        assert within(z[:, 0] * z[:, 1], correlation, np.sqrt(1 + correlation**2))
        rest = (z[:, 1] - correlation * z[:, 0]) / np.sqrt(1 - correlation**2)
        assert min(stats.kstest(z[:, 0], "norm").pvalue, stats.kstest(rest, "norm").pvalue) > 1e-4


@every_hybrid
def test_draws_from_a_hybrid_follow_their_mixture(space, utility, of_class):
    draws = np.asarray(ask(Gibbs(utility, space), "sample", jax.random.key(2), X, DRAWS))
    codes, numbers = draws[..., of_class].ravel().astype(int), draws[..., 1 - of_class].ravel()
    assert within(np.eye(3)[codes], WEIGHTS, np.sqrt(WEIGHTS * (1 - WEIGHTS)))
    for code in range(3):
        assert stats.kstest(numbers[codes == code], "norm", (CENTRES[code], SPREADS[code])).pvalue > 1e-4


# Responses, candidates and the outside.

SPACES = {
    "class, number": Product([Categories(3), Interval(-1.5, 2.0)]),
    "number, class, class": Product([Interval(-1.5, 2.0), Categories(2), Categories(4)]),
    "plane": Product([Interval(-1.5, 2.0), Interval(0.5, 1.5)]),
    "four numbers": Product([Interval(-1.5, 2.0)] * 4),
    "classes": Product([Categories(3), Categories(2)]),
}
every_product = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def inside(space, *seed, size=20):
    generator = rng("inside", *seed)
    draw = lambda part: (
        generator.integers(part.size, size=size)
        if isinstance(part, Categories)
        else generator.uniform(part.lower, part.upper, size)
    )
    return jnp.asarray(np.stack([draw(part) for part in space.components], axis=1).astype(float))


@every_product
def test_candidates_and_responses_are_inverse(space):
    y = inside(space)
    assert space.candidates(y).shape == (20, space.dimension)
    np.testing.assert_array_equal(space.responses(space.candidates(y)), y)


@every_product
def test_ends_and_continuous_columns_agree(space):
    assert np.flatnonzero(np.isfinite(space.ends[0])).tolist() == list(space.continuous)
    y, (lower, upper) = inside(space, "ends"), space.ends
    assert bool(jnp.all((space.candidates(y) >= lower) & (space.candidates(y) <= upper)))


@every_product
def test_response_outside_in_any_part_is_outside(space):
    y = inside(space)
    assert bool(jnp.all(space.contains(y)))
    for i, part in enumerate(space.components):
        for far in (-9.0, 9.0):
            assert not bool(jnp.any(space.contains(y.at[:, i].set(far)))), part


@pytest.mark.parametrize("name", ["class, number", "number, class, class", "plane", "classes"])
def test_log_probability_outside_is_minus_infinity(name):
    space = SPACES[name]
    weight = jnp.asarray(rng("outside").normal(size=space.dimension))
    gibbs = Gibbs(lambda x, y: jnp.broadcast_to(y @ weight, (len(x), y.shape[1])), space)
    y = inside(space, size=N)
    assert bool(jnp.all(jnp.isfinite(ask(gibbs, "log_prob", X, y))))
    for i in range(len(space.components)):
        np.testing.assert_array_equal(ask(gibbs, "log_prob", X, y.at[:, i].set(9.0)), -np.inf)


@pytest.mark.parametrize("code", [-1, 3])
def test_log_probability_of_no_class_is_minus_infinity(code):
    gibbs = Gibbs(lambda x, y: jnp.broadcast_to(y[..., 1], (len(x), y.shape[1])), Categories(3))
    np.testing.assert_array_equal(ask(gibbs, "log_prob", X, jnp.full(N, code)), -np.inf)


@every_product
@pytest.mark.parametrize("factor", [2, 4])
def test_refined_product_has_the_parts_and_the_candidates_asked_for(space, factor):
    finer = space.refined(factor)
    kinds = [[type(part) for part in product.components] for product in (space, finer)]
    assert kinds[0] == kinds[1]
    assert finer.size >= (factor if space.continuous else 1) * space.size
    np.testing.assert_array_equal(finer.ends, space.ends)


@pytest.mark.parametrize("boxes", [3, 5])
@pytest.mark.parametrize("quantity", ["log_normalizer", "mean", "sample", "log_prob"])
def test_normalizer_of_three_numbers_is_refused_with_the_way_out(boxes, quantity):
    gibbs = Gibbs(lambda x, y: -jnp.sum(y**2, axis=-1), Product([Categories(2), *[Interval(-1.0, 1.0)] * boxes]))
    arguments = {"sample": (jax.random.key(0), X, 3), "log_prob": (X, jnp.zeros((N, boxes + 1)))}
    message = (
        rf"{boxes} continuous responses .* at most {MOST_DIMENSIONS}.*objective='dsm' or 'score_matching'.*sample\(\)"
    )
    with pytest.raises(NoQuadratureError, match=message):
        getattr(gibbs, quantity)(*arguments.get(quantity, (X,)))


def test_quantile_of_several_responses_is_refused():
    with pytest.raises(NotImplementedError, match="take that of one component"):
        plane().inverse_cdf(None, jnp.zeros((1, 4)), jnp.array([[0.5]]))
