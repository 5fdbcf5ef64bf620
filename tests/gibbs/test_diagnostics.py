"""Claims about R-hat and effective sample size: closed forms, blackjax, and what chance does to independent draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from blackjax import diagnostics as golden

from behavior_learning.gibbs.diagnostics import effective_sample_size, split_r_hat
from tests.conftest import rng

pytestmark = pytest.mark.usefixtures("float64")

CHAINS, DRAWS, M = 4, 1000, 3
every_rank = pytest.mark.parametrize("rank_normalized", [True, False], ids=["ranks", "values"])


def independent(*seed, shape=(CHAINS, DRAWS, M)):
    return rng("independent", *seed).normal(size=shape)


def autoregressive(correlation, *seed, draws=20_000):
    """x' = ρx + √(1 − ρ²)ξ from its stationary distribution."""
    noise, x = independent(correlation, *seed, shape=(CHAINS, draws, M)), np.empty((CHAINS, draws, M))
    x[:, 0] = noise[:, 0]
    for t in range(1, draws):
        x[:, t] = correlation * x[:, t - 1] + np.sqrt(1 - correlation**2) * noise[:, t]
    return x


def split(draws):
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def split_r_hat_by_hand(draws):
    """Equations 1 to 4 of Vehtari et al. with loops, for one variable."""
    halves = split(draws[..., None])[..., 0]
    size, count = halves.shape[1], halves.shape[0]
    means = [sum(chain) / size for chain in halves]
    between = size / (count - 1) * sum((mean - sum(means) / count) ** 2 for mean in means)
    within = sum(sum((chain - mean) ** 2) / (size - 1) for chain, mean in zip(halves, means, strict=True)) / count
    return np.sqrt(((size - 1) / size * within + between / size) / within)


@pytest.mark.parametrize("draws", [7, 100])
def test_classic_r_hat_is_the_ratio_of_variances_by_hand(draws):
    x = independent(draws, shape=(CHAINS, draws, M)) + rng("offset").normal(size=(CHAINS, 1, 1))
    by_hand = [split_r_hat_by_hand(x[..., j]) for j in range(M)]
    np.testing.assert_allclose(split_r_hat(x, rank_normalized=False), by_hand, rtol=1e-10)


@every_rank
def test_independent_draws_have_r_hat_one_and_their_own_number(rank_normalized):
    x = independent()
    np.testing.assert_allclose(split_r_hat(x, rank_normalized=rank_normalized), 1, atol=0.01)
    np.testing.assert_allclose(effective_sample_size(x, rank_normalized=rank_normalized), CHAINS * DRAWS, rtol=0.15)


@every_rank
@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.5, 0.9])
def test_autoregression_is_worth_its_closed_form(correlation, rank_normalized):
    x = autoregressive(correlation)
    expected = x[..., 0].size * (1 - correlation) / (1 + correlation)
    np.testing.assert_allclose(effective_sample_size(x, rank_normalized=rank_normalized), expected, rtol=0.2)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_agrees_with_blackjax_on_split_chains(correlation):
    x = autoregressive(correlation, draws=2000)
    np.testing.assert_allclose(
        effective_sample_size(x, rank_normalized=False), golden.effective_sample_size(split(x)), rtol=0.05
    )
    np.testing.assert_allclose(
        split_r_hat(x, rank_normalized=False), golden.potential_scale_reduction(split(x)), rtol=1e-6
    )


@every_rank
def test_chains_in_different_places_are_found_out(rank_normalized):
    x = independent() + 3 * np.arange(CHAINS)[:, None, None]
    assert np.all(split_r_hat(x, rank_normalized=rank_normalized) > 1.5)
    assert np.all(effective_sample_size(x, rank_normalized=rank_normalized) < 20)


@every_rank
def test_a_drift_within_every_chain_is_found_out(rank_normalized):
    x = independent() + np.linspace(-3, 3, DRAWS)[:, None]
    assert np.all(split_r_hat(x, rank_normalized=rank_normalized) > 1.5)


def test_folded_ranks_find_chains_of_different_spread():
    x = independent() * np.array([1, 1, 1, 5])[:, None, None]
    assert np.all(split_r_hat(x, rank_normalized=False) < 1.02)
    assert np.all(split_r_hat(x) > 1.1)


def test_ranks_make_heavy_tails_and_units_harmless():
    x = rng("cauchy").standard_cauchy(size=(CHAINS, DRAWS, M))
    np.testing.assert_allclose(split_r_hat(x), 1, atol=0.01)
    np.testing.assert_allclose(effective_sample_size(np.arctan(x)), effective_sample_size(x), rtol=1e-9)


@every_rank
def test_chains_that_never_move_are_worth_nothing(rank_normalized):
    still = np.broadcast_to(np.arange(CHAINS, dtype=float)[:, None, None], (CHAINS, DRAWS, M))
    for x in (still, np.ones((CHAINS, DRAWS, M))):
        np.testing.assert_array_equal(split_r_hat(x, rank_normalized=rank_normalized), np.inf)
    np.testing.assert_array_equal(
        effective_sample_size(np.ones((CHAINS, DRAWS, M)), rank_normalized=rank_normalized), 0
    )
    assert np.all(effective_sample_size(still, rank_normalized=rank_normalized) < 4 * CHAINS)


@every_rank
@pytest.mark.parametrize("diagnostic", [split_r_hat, effective_sample_size])
def test_rows_do_not_see_each_other(diagnostic, rank_normalized):
    x = independent(shape=(5, CHAINS, 50, M)) + rng("offset").normal(size=(5, CHAINS, 1, M))
    by_row = [diagnostic(row, rank_normalized=rank_normalized) for row in x]
    np.testing.assert_allclose(diagnostic(x, rank_normalized=rank_normalized), by_row, rtol=1e-9)


def test_single_precision_agrees_with_double():
    x = 1000 + autoregressive(0.5, draws=500)
    double = split_r_hat(x), effective_sample_size(x)
    with jax.enable_x64(False):
        single = split_r_hat(jnp.asarray(x)), effective_sample_size(jnp.asarray(x))
    np.testing.assert_allclose(single[0], double[0], rtol=1e-3)
    np.testing.assert_allclose(single[1], double[1], rtol=0.02)
