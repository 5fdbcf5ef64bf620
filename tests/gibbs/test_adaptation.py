"""Warm-up against a literal transcription of Hoffman and Gelman (2014), Algorithm 5, and of Welford's moments."""

import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.gibbs.adaptation import Adaptation
from tests.conftest import rng

pytestmark = pytest.mark.usefixtures("float64")
ROWS, CHAINS, DIMENSIONS = 2, 3, 2


def test_chains_begin_with_a_tenth_of_the_spread_of_their_starts():
    position = jnp.asarray(rng("starts").normal(scale=[2.0, 30.0], size=(ROWS, 50, DIMENSIONS)))
    begun = Adaptation.start(position, preconditioned=True)
    np.testing.assert_allclose(jnp.exp(begun.log_step), 0.1)
    np.testing.assert_allclose(jnp.exp(begun.center), 1.0)
    np.testing.assert_allclose(begun.variance, np.var(position, axis=1))
    np.testing.assert_array_equal(Adaptation.start(position, preconditioned=False).variance, 1.0)
    together = jnp.full((ROWS, CHAINS, DIMENSIONS), 7.0)
    np.testing.assert_array_equal(Adaptation.start(together, preconditioned=True).variance, 1.0)


def test_step_sizes_follow_dual_averaging():
    """γ = 0.05, t₀ = 10, κ = 0.75, μ = log 10ε₀; step by step for every row."""
    position = jnp.asarray(rng("positions").normal(size=(ROWS, CHAINS, DIMENSIONS)))
    acceptance = rng("acceptance").uniform(size=(6, ROWS, CHAINS))
    state = Adaptation.start(position, preconditioned=True)
    averaged, bar = np.zeros(ROWS), np.full(ROWS, np.log(0.1))
    for i, accepted in enumerate(acceptance):
        t = i + 1
        options = {"target_acceptance": 0.6, "preconditioned": True}
        state = state.after(jnp.asarray(i), jnp.asarray(1000), jnp.asarray(accepted), position, **options)
        for row in range(ROWS):
            averaged[row] = (1 - 1 / (t + 10)) * averaged[row] + (0.6 - accepted[row].mean()) / (t + 10)
            step = np.log(10 * 0.1) - np.sqrt(t) / 0.05 * averaged[row]
            bar[row] = t**-0.75 * step + (1 - t**-0.75) * bar[row]
            assert float(state.log_step[row]) == pytest.approx(step, rel=1e-9)
    np.testing.assert_allclose(state.final().log_step, bar, rtol=1e-9)


def test_windows_end_with_the_variance_of_their_positions():
    """After the first eighth: variances shrunk as if five positions had had the one before, and a fresh average."""
    positions = rng("window").normal(scale=[1.0, 5.0], size=(8, ROWS, CHAINS, DIMENSIONS))
    state = Adaptation.start(jnp.asarray(positions[0]), preconditioned=True)
    before = np.asarray(state.variance)
    accepted = jnp.full((ROWS, CHAINS), 0.7)
    for i, position in enumerate(positions):
        options = {"target_acceptance": 0.6, "preconditioned": True}
        state = state.after(jnp.asarray(i), jnp.asarray(64), accepted, jnp.asarray(position), **options)
        assert int(state.begun) == (8 if i == 7 else 0)
    pooled = np.moveaxis(positions, 1, 0).reshape(ROWS, -1, DIMENSIONS)
    squares = ((pooled - pooled.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    np.testing.assert_allclose(state.variance, (squares + 5e-3 * before) / (8 * CHAINS + 5), rtol=1e-9)
    np.testing.assert_allclose(state.center, state.log_average + np.log(10))
    np.testing.assert_array_equal(state.error, 0.0)


@pytest.mark.parametrize(("moves", "preconditioned"), [(0.0, True), (1.0, False)])
def test_a_window_without_moves_or_without_a_preconditioner_keeps_the_variance(moves, preconditioned):
    positions = moves * rng("still").normal(size=(8, ROWS, CHAINS, DIMENSIONS))
    begun = Adaptation.start(jnp.asarray(positions[0]), preconditioned=False)
    state, accepted = begun, jnp.full((ROWS, CHAINS), 0.7)
    for i, position in enumerate(positions):
        options = {"target_acceptance": 0.6, "preconditioned": preconditioned}
        state = state.after(jnp.asarray(i), jnp.asarray(64), accepted, jnp.asarray(position), **options)
    assert int(state.begun) == 8
    np.testing.assert_array_equal(state.variance, begun.variance)
