"""Claims about penalties: the radial closed form in many dimensions, the paper's own update, and when it diverges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from experiments.paper.enforcement import energy, exact_violation, run
from scipy import integrate

from behavior_learning.errors import OptionError, SamplingError
from behavior_learning.gibbs.enforcement import Penalized, enforce, violation
from behavior_learning.gibbs.kernels import Langevin

pytestmark = pytest.mark.usefixtures("float64")

D, ROWS = 16, 256


def problem(seed=0):
    """‖x‖² of rows x, and a start for each."""
    for_x, for_y, for_chains = jax.random.split(jax.random.key(seed), 3)
    squared_norms = jnp.sum(jax.random.normal(for_x, (ROWS, D)) ** 2, axis=1)
    return squared_norms, jax.random.normal(for_y, (ROWS, 1, D)), for_chains


def assert_agree(values, mean, feasible):
    """Mean |T| and P(|T| ≤ 0.1) within four standard errors, values of (settings, chains)."""
    size = np.abs(values)
    count = size.shape[1]
    assert np.all(np.abs(size.mean(axis=1) - mean) < 4 * size.std(axis=1) / np.sqrt(count))
    share = np.clip(feasible, 1 / count, 1 - 1 / count)
    assert np.all(np.abs((size <= 0.1).mean(axis=1) - feasible) < 4 * np.sqrt(share * (1 - share) / count))


@pytest.mark.parametrize(("multiplier", "temperature"), [(25.0, 2.0), (1.0, 0.05), (500.0, 0.05)])
def test_closed_form_agrees_with_adaptive_quadrature(multiplier, temperature):
    r = 9.0
    density = lambda t: (t + r) ** (D / 2 - 1) * np.exp(-multiplier * t**2 / temperature)
    within = lambda f, reach: integrate.quad(f, -reach, reach, points=[0], epsabs=0, epsrel=1e-8)[0]
    everywhere = min(10 * np.sqrt(temperature / multiplier), r)
    z = within(density, everywhere)
    mean, percentile, feasible = exact_violation(np.array([r]), multiplier, temperature, dimension=D)
    assert mean == pytest.approx(within(lambda t: abs(t) * density(t), everywhere) / z, rel=1e-4)
    assert feasible == pytest.approx(within(density, min(0.1, everywhere)) / z, abs=5e-3)
    assert within(density, percentile) / z == pytest.approx(0.95, abs=5e-3)


@pytest.mark.slow
def test_violations_agree_with_the_closed_form():
    squared_norms, starts, key = problem()
    multiplier, temperature = np.array([25.0, 25.0, 3.0, 500.0]), np.array([2.0, 0.1, 0.05, 0.05])
    result = enforce(energy(squared_norms), starts, key, multiplier=multiplier, temperature=temperature)
    norms = np.asarray(squared_norms)
    exact = [exact_violation(norms, *setting, dimension=D) for setting in zip(multiplier, temperature, strict=True)]
    mean, _, feasible = np.transpose(exact)
    assert_agree(result.residual[..., -1].reshape(4, -1), mean, feasible)
    np.testing.assert_allclose(result.violations.mean, np.abs(result.residual[..., -1]).mean(axis=(1, 2)), rtol=1e-12)


def test_update_of_the_paper_enforces_at_the_temperature_squared():
    """Where its step is small, ηH < 0.1, its |T| is that of exp(BL/τ²), far from exp(BL/τ)."""
    squared_norms, starts, key = problem(1)
    result = enforce(
        energy(squared_norms), starts, key, multiplier=1.0, temperature=0.05, step_size=2e-5,
        method=Langevin(adjusted=False, noise_temperature=0.05), warmup=2000, draws=20, thin=100,
    )  # fmt: skip
    squared, stated = (exact_violation(np.asarray(squared_norms), 1.0, 0.05**p, dimension=D) for p in (2, 1))
    assert_agree(result.residual[..., -1].reshape(1, -1), squared[0], squared[2])
    assert float(result.violations.mean[0]) < 0.3 * stated[0]


@pytest.mark.parametrize("stability", [0.4, 4.0])
def test_step_is_stable_where_the_curvature_says_so(stability):
    """A chain on the constraint stays while 8λ‖x‖²η/τ < 2, and leaves it above."""
    squared_norms, starts, key = problem(2)
    starts = starts * jnp.sqrt(squared_norms[:, None, None] / jnp.sum(starts**2, axis=-1, keepdims=True))
    step = stability * 0.5 / (8 * 25 * squared_norms)
    options = {"multiplier": 25.0, "temperature": 0.5, "method": Langevin(adjusted=False)}
    result = enforce(energy(squared_norms), starts, key, step_size=step, **options, checked=False)
    if stability < 2:
        expected = exact_violation(np.asarray(squared_norms), 25.0, 0.5 / (1 - stability / 2), dimension=D)[0]
        assert float(result.violations.mean[0]) == pytest.approx(expected, rel=0.2)
    else:
        assert not np.mean(np.abs(result.residual)) < 0.1
        with pytest.raises(SamplingError, match="left the region where log p is finite"):
            enforce(energy(squared_norms), starts, key, step_size=3 * step, **options)


def test_curvature_across_the_constraint_is_8_lambda_squared_norm_over_tau():
    y = jnp.arange(1.0, 5.0)
    target = Penalized(lambda y: jnp.sum(y**2, axis=-1) - 30.0, jnp.array([25.0]), jnp.array([0.5]))
    hessian = jax.hessian(lambda y: -target(y[None, None])[0, 0])(y)
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), [0, 0, 0, 8 * 25 * 30 / 0.5], atol=1e-8)


def test_settings_and_rows_do_not_see_each_other():
    residual = lambda y: jnp.sum(y, axis=-1) - jnp.arange(3.0)[:, None]
    multiplier, temperature = jnp.array([1.0, 2.0]), jnp.array([0.5, 3.0])
    y = jnp.asarray(np.random.default_rng(0).normal(size=(6, 2, 4)))
    value = Penalized(residual, multiplier, temperature)(y)
    for setting in range(2):
        for row in range(3):
            t = y[3 * setting + row].sum(axis=-1) - row
            by_hand = -multiplier[setting] * t**2 / temperature[setting]
            np.testing.assert_allclose(value[3 * setting + row], by_hand, rtol=1e-12)


def test_violation_is_mean_percentile_and_share():
    mean, percentile, feasible = violation(np.array([-0.05, 0.1, 0.2, -0.4]))
    assert (mean, feasible) == (pytest.approx(0.1875), 0.5)
    assert percentile == pytest.approx(0.37)


def test_settings_rows_and_chains_keep_their_places():
    """T = y − row: of a firm setting every draw lies near its row, of a loose one anywhere; by |T| ~ √(τ/2λ)."""
    starts = jnp.asarray(np.random.default_rng(1).normal(size=(3, 2, 1)))

    def from_row(y):
        assert y.shape[1:] == (2, 1)
        return y[..., 0] - jnp.arange(3.0)[:, None]

    result = enforce(
        from_row, starts, jax.random.key(0),
        multiplier=[0.5, 50.0], temperature=[4.0, 0.01], draws=40, warmup=40, checked=False,
    )  # fmt: skip
    assert (result.residual.shape, result.acceptance.shape, result.step_size.shape) == (
        (2, 3, 2, 40),
        (2, 3, 2),
        (2, 3),
    )
    size = np.abs(result.residual)
    assert (size[0].mean(axis=(1, 2)) > 0.3).all()
    assert (size[1].mean(axis=(1, 2)) < 0.1).all()
    np.testing.assert_allclose(result.violations.mean, size[..., -1].mean(axis=(1, 2)))
    np.testing.assert_allclose(result.violations.feasible, (size[..., -1] <= 0.1).mean(axis=(1, 2)))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"temperature": 0.0, "multiplier": 1.0}, "temperatures > 0"),
        ({"temperature": 1.0, "multiplier": -1.0}, "Multipliers must be >= 0"),
        ({"temperature": 1.0, "multiplier": [0.0, 1.0]}, "multiplier of 0 leaves a flat density"),
    ],
)
def test_settings_without_a_density_are_named(options, match):
    with pytest.raises(OptionError, match=match):
        enforce(lambda y: y[..., 0], jnp.zeros((1, 4, 2)), jax.random.key(0), **options)


@pytest.mark.slow
def test_figure_6_agrees_with_the_closed_form():
    """64 dimensions, 512 chains, 1500 steps, every (λ, τ) that has a density."""
    with jax.enable_x64(False):
        table = run(seed=3)
    mala = table[table["sampler"] == "MALA, adapted step"]
    assert len(mala) == 16
    assert np.all(np.abs(mala["mean"] - mala["mean exact"]) < 4 * mala["mean s.e."])
    np.testing.assert_allclose(mala["p95"], mala["p95 exact"], rtol=0.2)
    np.testing.assert_allclose(mala["P(|T|<=0.1)"], mala["P exact"], atol=0.09)
