"""Claims about Markov chains: closed-form moments, literal transcriptions, invariance, and named failures."""

import itertools
import warnings
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from behavior_learning.errors import DataError, OptionError, SamplingError, SamplingWarning
from behavior_learning.gibbs import kernels
from behavior_learning.gibbs.kernels import HMC, METHODS, NUTS, Langevin, Target, value_and_score
from behavior_learning.gibbs.sampling import anneal, check_chains, sample, simulate, spread_starts
from behavior_learning.gibbs.supports import Support
from tests.conftest import rng

pytestmark = pytest.mark.usefixtures("float64")


def among(names):
    """Every method; those that take long to compile among the slow tests."""
    slow = lambda name: pytest.mark.slow if name in ("hmc", "nuts") else ()
    return pytest.mark.parametrize("method", [pytest.param(name, marks=slow(name)) for name in names])


every_method = among(METHODS)
every_exact_method = among([name for name in METHODS if METHODS[name].adjusted])
BOXES = {
    "line": (-np.inf, np.inf),
    "interval": (-0.5, 1.5),
    "above": (-0.5, np.inf),
    "below": (-np.inf, 0.7),
}


class Normal(eqx.Module):
    """Rows of correlated normals: mean μ_i and covariance Σ_i."""

    mean: jax.Array
    precision: jax.Array

    def __call__(self, y):
        centered = y - self.mean[:, None]
        return -0.5 * jnp.einsum("nka,nab,nkb->nk", centered, self.precision, centered)


def normal(n=2, m=2, *seed):
    """A random target with its means and covariances."""
    generator = rng("normal", n, m, *seed)
    mean, root = generator.normal(size=(n, m)), generator.normal(size=(n, m, m)) / np.sqrt(m)
    covariance = root @ root.swapaxes(1, 2) + 0.5 * np.eye(m)
    return Normal(jnp.asarray(mean), jnp.asarray(np.linalg.inv(covariance))), mean, covariance


def independent_normal(y):
    return -0.5 * jnp.sum((y - jnp.array([0.3, -0.2])) ** 2 / jnp.array([0.25, 1.0]), axis=-1)


def standard_errors(statistic):
    """Standard error of the mean of a statistic (n, k, draws, m), from the spread of independent chains' means."""
    by_chain = np.asarray(statistic).mean(axis=2)
    return by_chain.std(axis=1, ddof=1) / np.sqrt(by_chain.shape[1])


def assert_mean(statistic, expected, bias=0.0):
    """Within four standard errors, and the `bias` that a method has by construction."""
    error = np.abs(np.asarray(statistic).mean(axis=(1, 2)) - expected)
    assert np.all(error < 4 * standard_errors(statistic) + bias), error / standard_errors(statistic)


def bias(method):
    return 0.0 if METHODS[method].adjusted else 0.15


def draw(log_density, starts, method, seed=0, **options):
    options = {"draws": 400, "warmup": 300, "thin": 10 if method == "langevin" else 4, **options}
    return sample(log_density, jnp.asarray(starts), jax.random.key(seed), method=method, **options)


@every_method
def test_moments_of_correlated_normals(method):
    target, mean, covariance = normal()
    draws = np.asarray(draw(target, np.zeros((2, 64, 2)), method).draws)
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    standardized = (draws - mean[:, None, None]) / spread[:, None, None]
    assert_mean(standardized, 0, bias(method))
    assert_mean(standardized**2, 1, bias(method))
    correlation = covariance[:, :1, 1] / np.prod(spread, axis=1, keepdims=True)
    assert_mean(standardized[..., :1] * standardized[..., 1:], correlation, bias(method))


@every_method
def test_moments_and_law_on_bounded_supports(method):
    """Independent truncated normals, one for each kind of support and of different spread, against SciPy."""
    lower, upper = np.transpose(list(BOXES.values()))
    center, spread = np.array([0.3, 0.2, -0.2, 1.0]), np.array([1.0, 0.5, 1.0, 2.0])
    distribution = stats.truncnorm((lower - center) / spread, (upper - center) / spread, center, spread)
    log_density = lambda y: -0.5 * jnp.sum(((y - center) / spread) ** 2, axis=-1)
    draws = np.asarray(draw(log_density, np.full((1, 64, 4), 0.2), method, lower=lower, upper=upper).draws)
    assert np.all((draws >= lower) & (draws <= upper))
    standardized = (draws - distribution.mean()) / distribution.std()
    assert_mean(standardized, 0, bias(method))
    assert_mean(standardized**2, 1, bias(method))
    if METHODS[method].adjusted:
        for q in (0.05, 0.5, 0.95):
            assert_mean(distribution.cdf(draws) < q, q)


@every_exact_method
def test_banana_has_its_moments(method):
    """y₁ ~ N(0, 1), y₂ | y₁ ~ N(y₁², 1): mean of y₂ is 1 and its variance 3."""
    banana = lambda y: -0.5 * (y[..., 0] ** 2 + (y[..., 1] - y[..., 0] ** 2) ** 2)
    draws = np.asarray(draw(banana, np.zeros((1, 64, 2)), method, thin=4).draws)
    assert_mean(draws, np.array([[0.0, 1.0]]))
    assert_mean((draws - [0, 1]) ** 2, np.array([[1.0, 3.0]]))


@every_method
def test_rows_and_chains_do_not_see_each_other(method):
    """All rows and chains together are each of them alone, draw by draw."""
    target, _, _ = normal(3, 2, "alone")
    starts = jnp.asarray(rng("starts").normal(size=(3, 4, 2)))
    options = {"draws": 6, "warmup": 0, "thin": 1, "step_size": jnp.array([0.1, 0.2, 0.3]), "method": METHODS[method]}
    together = simulate(target, starts, jax.random.key(3), **options).draws
    np.testing.assert_array_equal(together, simulate(target, starts, jax.random.key(3), **options).draws)
    assert not np.allclose(together, simulate(target, starts, jax.random.key(4), **options).draws)
    first = Normal(target.mean[:1], target.precision[:1])
    alone = simulate(first, starts[:1, :2], jax.random.key(3), **{**options, "step_size": 0.1}).draws
    np.testing.assert_allclose(alone, together[:1, :2], rtol=1e-9)


@every_method
def test_thinning_keeps_every_third_draw(method):
    target, _, _ = normal()
    options = {"warmup": 5, "step_size": 0.2, "method": METHODS[method]}
    every = simulate(target, jnp.zeros((2, 3, 2)), jax.random.key(0), draws=12, thin=1, **options)
    third = simulate(target, jnp.zeros((2, 3, 2)), jax.random.key(0), draws=4, thin=3, **options)
    np.testing.assert_allclose(third.draws, every.draws[:, :, 2::3], rtol=1e-12)
    np.testing.assert_allclose(third.acceptance, every.acceptance, rtol=1e-12)


@every_method
def test_other_arrays_and_numbers_reuse_the_program(method):
    traces, traced = [], []

    class Counted(Normal):
        def __call__(self, y):
            traces.append(None)
            return super().__call__(y)

    for seed, (warmup, thin) in enumerate([(20, 1), (30, 2), (40, 3)]):
        target, _, _ = normal(2, 2, seed)
        target = Counted(target.mean, target.precision)
        simulate(
            target, jnp.ones((2, 3, 2)) * seed, jax.random.key(seed),
            draws=5, warmup=warmup, thin=thin, method=METHODS[method], lower=[-9.0 - seed, -9], upper=9.0 + seed,
        )  # fmt: skip
        traced.append(len(traces))
    assert traced[0] == traced[-1]


def metropolis_hastings_by_hand(log_p, score, y, proposal, step):
    """p(y')q(y|y') / {p(y)q(y'|y)} with q(a|b) = N(a; b + η∇log p(b), 2η)."""
    q = lambda a, b: np.prod(stats.norm.pdf(a, b + step * score(b), np.sqrt(2 * step)))
    return min(1.0, np.exp(log_p(proposal) - log_p(y)) * q(y, proposal) / q(proposal, y))


@pytest.mark.parametrize("name", ["mala", "langevin"])
def test_acceptance_is_the_metropolis_hastings_ratio_by_hand(name):
    """The unadjusted step shows the proposal; its acceptance and MALA's are the textbook's ratio."""
    log_p = lambda y: -0.25 * np.sum(y**4) + 0.7 * y[0] * y[1]
    score = lambda y: -(y**3) + 0.7 * y[::-1]
    log_density = lambda y: -0.25 * jnp.sum(y**4, axis=-1) + 0.7 * y[..., 0] * y[..., 1]
    target = Target(log_density, Support(None, None, jnp.zeros(2)), transformed=False)
    starts, step = jnp.asarray(rng("by hand").normal(size=(2, 8, 2))), 0.3
    keys = jax.random.split(jax.random.key(1), (2, 8))
    advance = lambda method: method.step(
        target, keys, target.state(starts), jnp.full(2, step), jnp.ones((2, 2)), jnp.asarray(False)
    )
    proposal, move = advance(METHODS["langevin"])[0].position, advance(METHODS[name])[1]
    for i, j in itertools.product(range(2), range(8)):
        by_hand = metropolis_hastings_by_hand(log_p, score, np.asarray(starts[i, j]), np.asarray(proposal[i, j]), step)
        assert float(move.acceptance[i, j]) == pytest.approx(by_hand, rel=1e-8)


def test_langevin_step_is_the_equation():
    """y' = y + η∇log p(y) + √(2ηθ)ξ: without noise the drift, and differences of the noise scale as √θ."""
    target, _, _ = normal()
    starts = jnp.asarray(rng("equation").normal(size=(2, 8, 2)))
    step = lambda theta: simulate(
        target, starts, jax.random.key(5), draws=1, warmup=0, step_size=0.1,
        method=Langevin(adjusted=False, noise_temperature=theta),
    ).draws[:, :, 0]  # fmt: skip
    score = -np.einsum("nab,nkb->nka", target.precision, starts - target.mean[:, None])
    drift = starts + 0.1 * score
    noise = (step(1.0) - drift) / np.sqrt(0.2)
    np.testing.assert_allclose(step(0.04), drift + np.sqrt(2 * 0.1 * 0.04) * noise, rtol=1e-9)
    assert abs(np.mean(noise)) < 4 / np.sqrt(noise.size)
    assert np.mean(noise**2) == pytest.approx(1, abs=4 * np.sqrt(2 / noise.size))


@pytest.mark.parametrize("temperature", [0.25, pytest.param(4.0, marks=pytest.mark.slow)])
def test_noise_of_the_paper_samples_the_temperature_squared(temperature):
    """BL = −y²/2: noise √(2ητ) gives variance τ², that of exp(BL/τ²); noise √(2η) gives τ, that of exp(BL/τ)."""
    log_density = lambda y: -0.5 * jnp.sum(y**2, axis=-1) / temperature
    step = 0.05 * temperature
    variance = {}
    for theta in (temperature, 1.0):
        draws = simulate(
            log_density, jnp.zeros((1, 512, 1)), jax.random.key(0), draws=100, warmup=200, thin=5, step_size=step,
            method=Langevin(adjusted=False, noise_temperature=theta),
        ).draws  # fmt: skip
        discrete = 1 / (1 - step / (2 * temperature))
        variance[theta] = (draws**2, np.array([[theta * temperature * discrete]]))
    for squared, expected in variance.values():
        assert_mean(squared, expected)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("reflects", [True, False], ids=["reflected", "transformed"])
def test_mala_leaves_its_target_invariant(box, reflects):
    """One step from exact draws yields exact draws, even with a long step."""
    lower, upper = BOXES[box]
    distribution = stats.truncnorm((lower - 0.3) / 0.5, (upper - 0.3) / 0.5, 0.3, 0.5)
    starts = distribution.rvs(size=(1, 20_000, 1), random_state=1)
    log_density = lambda y: -0.5 * jnp.sum((y - 0.3) ** 2, axis=-1) / 0.25
    chains = simulate(
        log_density, jnp.asarray(starts), jax.random.key(0), draws=1, warmup=0, step_size=0.2 if reflects else 1.0,
        lower=lower, upper=upper, method=Langevin(reflects=reflects),
    )  # fmt: skip
    assert 0.1 < float(chains.acceptance.mean()) < 0.95
    assert stats.kstest(np.asarray(chains.draws).ravel(), distribution.cdf).pvalue > 1e-3


@pytest.mark.parametrize("m", [1, 3])
def test_score_is_the_gradient_of_each_chain(m):
    target, _, _ = normal(3, m, "score")
    y = jnp.asarray(rng("score", m).normal(size=(3, 4, m)))
    value, score = value_and_score(target, y)
    np.testing.assert_allclose(value, target(y), rtol=1e-12)
    alone = lambda i, y: Normal(target.mean[i : i + 1], target.precision[i : i + 1])(y[None, None])[0, 0]
    for i, j in itertools.product(range(3), range(4)):
        np.testing.assert_allclose(score[i, j], jax.grad(alone, argnums=1)(i, y[i, j]), rtol=1e-10)


@pytest.mark.parametrize("box", BOXES)
def test_support_maps_there_and_back_with_its_jacobian(box):
    support = Support(*BOXES[box], jnp.zeros(2))
    z = jnp.asarray(rng("support", box).normal(size=(5, 2)) * 2)
    y = support.constrain(z)
    assert np.all((y >= support.lower) & (y <= support.upper))
    np.testing.assert_allclose(support.unconstrain(y), z, rtol=1e-8)
    determinants = [np.linalg.slogdet(jax.jacobian(support.constrain)(row))[1] for row in z]
    np.testing.assert_allclose(support.log_jacobian(z), determinants, atol=1e-10)
    assert np.all(np.isfinite(jax.grad(lambda z: support.log_jacobian(z).sum())(300 * z)))


def reflect_by_hand(y, lower, upper):
    direction = 1.0
    while not lower <= y <= upper:
        y, direction = (2 * lower - y if y < lower else 2 * upper - y), -direction
    return y, direction


@pytest.mark.parametrize("box", BOXES)
def test_reflection_folds_until_inside(box):
    support = Support(*BOXES[box], jnp.zeros(1))
    y = rng("reflect", box).normal(size=40) * 5
    folded, direction = support.reflect(jnp.asarray(y[:, None]))
    by_hand = np.array([reflect_by_hand(value, *BOXES[box]) for value in y])
    np.testing.assert_allclose(np.stack([folded[:, 0], direction[:, 0]], axis=1), by_hand, atol=1e-12)


def test_starts_spread_over_every_slice_of_the_box():
    starts = spread_starts(jax.random.key(0), 3, 10, lower=[0.0, -5.0], upper=[1.0, 5.0])
    share = (np.asarray(starts) - [0, -5]) / [1, 10]
    np.testing.assert_array_equal(np.sort(np.floor(10 * share), axis=1), np.tile(np.arange(10)[:, None], (3, 1, 2)))


def two_modes(y):
    """A quarter of the mass at (−3, −3), three quarters at (3, 3); nothing to walk over in between."""
    bump = lambda center: -0.5 * jnp.sum((y - center) ** 2, axis=-1) / 0.1
    return jnp.logaddexp(jnp.log(0.25) + bump(-3.0), jnp.log(0.75) + bump(3.0))


def test_tempering_shares_chains_out_between_modes():
    starts = spread_starts(jax.random.key(0), 2, 1024, lower=[-5.0, -5.0], upper=[5.0, 5.0])
    tempered = anneal(two_modes, starts, jax.random.key(1), lower=-5.0, upper=5.0)
    share = np.mean(np.asarray(tempered)[..., 0] > 0, axis=1)
    np.testing.assert_allclose(share, 0.75, atol=0.1)
    np.testing.assert_allclose((np.asarray(tempered) ** 2).mean(axis=1), 9.1, atol=0.15)


def test_a_mixture_from_one_mode_warns():
    starts = np.where(np.arange(4)[None, :, None] < 2, -3.0, 3.0) * np.ones((1, 4, 2))
    with (
        pytest.warns(SamplingWarning, match=r"R-hat is above 1.06 in 1 of 1 rows .worst .*disagree.*`anneal`"),
        pytest.warns(SamplingWarning, match="worth fewer than"),
    ):
        draw(two_modes, starts, "mala")


def test_slow_chains_warn_of_their_worth():
    with (
        pytest.warns(SamplingWarning, match="800 draws are worth fewer than 80 independent ones .*thin="),
        pytest.warns(SamplingWarning, match="R-hat"),
    ):
        sample(independent_normal, jnp.zeros((1, 4, 2)), jax.random.key(0), draws=200, warmup=0, step_size=1e-3)


def test_long_steps_warn_of_low_acceptance():
    options = {"draws": 4000, "warmup": 10, "step_size": 1.0, "method": METHODS["mala"]}
    chains = simulate(independent_normal, jnp.zeros((1, 64, 2)), jax.random.key(0), **options)
    with pytest.warns(SamplingWarning, match=r"Acceptance is below 0.2 in 1 of 1 rows .worst 0\.\d+.*too long"):
        check_chains(chains)


@every_method
def test_good_chains_are_returned_without_a_warning(method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chains = draw(independent_normal, np.zeros((1, 8, 2)), method, thin=5)
    assert float(chains.r_hat.max()) < 1.05
    assert float(chains.effective.min()) > 100
    assert chains.pooled.shape == (1, 8 * 400, 2)


def test_divergence_is_a_named_error():
    quartic = lambda y: -jnp.sum(y**4, axis=-1)
    with pytest.raises(SamplingError, match=r"4 of 4 chains left the region .* at step size 0\.5.*method='mala'"):
        draw(quartic, 2 * np.ones((1, 4, 2)), "langevin", step_size=0.5)


@among(["mala", "nuts"])
def test_chains_that_never_move_are_a_named_error(method):
    nowhere = lambda y: jnp.where(jnp.sum(y, axis=-1) == 0, 0.0, -jnp.inf)
    with pytest.raises(SamplingError, match="In 1 of 1 rows no proposal was accepted"):
        draw(nowhere, np.zeros((1, 4, 2)), method)


@every_method
def test_not_a_number_never_travels_on(method):
    """A log-density that is NaN beyond 1 is as good as one that is zero there for methods that can refuse a step."""
    broken = lambda y: jnp.where(y[..., 0] > 1, jnp.nan, -0.5 * jnp.sum(y**2, axis=-1))
    if METHODS[method].adjusted:
        assert np.all(np.isfinite(draw(broken, np.zeros((1, 16, 2)), method).draws))
    else:
        with pytest.raises(SamplingError, match="left the region where log p is finite"):
            draw(broken, np.zeros((1, 16, 2)), method, step_size=0.3)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"method": "gibbs"}, OptionError, "method must be one of mala, langevin, hmc, nuts"),
        ({"draws": 3}, OptionError, "draws >= 4"),
        ({"thin": 0}, OptionError, "thin >= 1"),
        ({"warmup": 3}, OptionError, "warmup >= 16"),
        ({"step_size": 0.0}, OptionError, "step_size must be positive"),
        ({"lower": 1.0, "upper": [2.0, 1.0]}, OptionError, "lower must lie below upper"),
        ({"lower": 0.5}, DataError, "4 of 4 chains start outside the support.*spread_starts"),
        ({"starts": np.full((1, 4, 2), np.nan)}, DataError, "values that are not finite"),
        ({"starts": np.zeros((4, 2))}, DataError, "of shape"),
    ],
)
def test_bad_input_is_named(options, error, match):
    options = {"draws": 10, "starts": np.zeros((1, 4, 2)), **options}
    with pytest.raises(error, match=match):
        sample(independent_normal, options.pop("starts"), jax.random.key(0), **options)


def test_single_precision_stays_single():
    with jax.enable_x64(False):
        chains = draw(independent_normal, np.zeros((1, 8, 2), np.float32), "mala", thin=5)
    assert chains.draws.dtype == jnp.float32


@pytest.mark.slow
@pytest.mark.parametrize("m", [2, 8])
@every_exact_method
def test_moments_within_four_standard_errors_of_long_runs(method, m):
    """All first and second moments of correlated normals from 128 long chains."""
    target, mean, covariance = normal(2, m, "long")
    draws = np.asarray(draw(target, np.zeros((2, 128, m)), method, draws=1000, warmup=1000, thin=5).draws)
    centered = draws - mean[:, None, None]
    assert_mean(draws, mean)
    products = np.einsum("nkta,nktb->nkab", centered, centered)[:, :, None] / centered.shape[2]
    lower = np.tril_indices(m)
    assert_mean(products[..., *lower], covariance[:, *lower])


def test_lengths_of_hamiltonian_moves_vary_by_a_half_by_keys_of_their_own(monkeypatch):
    monkeypatch.setattr(kernels, "optional_blackjax", lambda *own: SimpleNamespace(build_kernel=lambda: None))
    monkeypatch.setattr(
        kernels, "_hamiltonian_step", lambda kernel, steps, target, keys, state, sizes, *own: (keys, sizes)
    )

    @jax.jit
    def drawn(keys):
        pairs = jax.vmap(jax.vmap(jax.random.split))(keys)
        lengths = jax.vmap(jax.vmap(lambda key: jax.random.uniform(key, minval=0.5, maxval=1.5)))(pairs[..., 0])
        found, sizes = HMC().step(None, keys, None, jnp.array([0.1, 2.0]), None, None)
        return [jax.random.key_data(own) for own in (found, pairs[..., 1])], (sizes, lengths)

    (found, rest), (sizes, lengths) = drawn(jax.random.split(jax.random.key(0), (2, 50)))
    np.testing.assert_array_equal(found, rest)
    np.testing.assert_allclose(sizes, np.array([[0.1], [2.0]]) * lengths, rtol=1e-6)
    assert 0.5 <= lengths.min() < 0.55
    assert 1.45 < lengths.max() <= 1.5


@pytest.mark.slow
def test_longer_trajectories_are_a_setting():
    chains = draw(independent_normal, np.zeros((1, 8, 2)), NUTS(doublings=3))
    assert float(chains.effective.min()) > 400
