"""Fitting keeps only parameters whose normaliser can be trusted, and penalises weights but no intercepts."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.arrays import make_key
from behavior_learning.core.block import Rule
from behavior_learning.core.network import BehaviorNetwork, RowRules, Thinned
from behavior_learning.core.products import Product
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.objectives import (
    DenoisingScoreMatching,
    Hybrid,
    Likelihood,
    ScoreMatching,
)
from behavior_learning.training import fit as module
from behavior_learning.training.fit import CHUNK, ValidationLoss, _Schedule, fit, mean_in_batches, rows_at_once
from behavior_learning.training.minimize import Feed
from behavior_learning.training.optimizers import Adam
from behavior_learning.training.packing import Packing
from behavior_learning.training.settings import Penalty, Settings
from tests.conftest import rng

HYBRID = Product([Categories(3), Interval(-1.0, 1.0)])


def test_rows_that_train_do_without_a_share_of_blocks_and_rows_that_validate_see_all():
    network = BehaviorNetwork.random(rng("seen"), Architecture((5, 2)), features=2, response=1)
    generator, settings = rng("rows"), Settings(Adam(), Penalty(dropout=0.3), max_epochs=1, patience=1)
    rows = tuple(jnp.asarray(values, jnp.float32) for values in (generator.normal(size=(4_000, 2)), np.zeros(4_000)))
    objective, packing = Likelihood().on(Interval(-1.0, 1.0, 8)), Packing.of(network)
    losses = module.losses_of(objective, packing=packing, data=rows, validation=rows, settings=settings, rows=4_000)
    (*given, seen), (*_, other) = losses.noise(make_key(0), rows), losses.noise(make_key(1), rows)
    assert len(given) == len(losses.held_out_noise(make_key(0), rows)) == 2
    assert seen.shape == (4_000, 5)
    np.testing.assert_allclose(np.mean(seen, axis=0), 0.7, atol=0.03)
    assert np.mean(seen == other) == pytest.approx(0.7**2 + 0.3**2, abs=0.02)
    params, ridge = packing.packed(network), 10.0 / (2 * 4_000) * packing.squared(packing.packed(network))
    thinned = jnp.mean(objective(Thinned(network, seen, 0.3), *rows)) + ridge
    assert losses.train(params, (*rows, seen)) == pytest.approx(float(thinned), rel=1e-5)
    assert losses.train(params, (*rows, seen)) != pytest.approx(float(losses.train(params, (*rows, other))), rel=1e-5)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 20])
@pytest.mark.parametrize("size", [1, 8, 64])
def test_mean_in_batches_is_the_mean(rows, size):
    values = jnp.asarray(rng(rows, size).normal(size=rows))
    assert mean_in_batches(jnp.square, (values,), size) == pytest.approx(float(jnp.mean(values**2)), abs=1e-12)


def test_rows_at_once_are_those_whose_losses_the_cache_of_every_device_holds(monkeypatch):
    monkeypatch.setattr(module, "CACHED", 1000)
    monkeypatch.setattr(module, "device_count", lambda: 3)
    assert [rows_at_once(10, 2), rows_at_once(10, 3), rows_at_once(1000, 4)] == [150, 100, 1]


class Unpacked(eqx.Module):
    """Packs nothing: whatever the parameters, this is the utility."""

    utility: Callable | None = None

    def evaluated(self, params):
        return self.utility


class Spiky(NamedTuple):
    """A utility with a kink, as wide as a network of one number."""

    steepness: float
    width: int = 1

    def __call__(self, x, y):
        return -self.steepness * jnp.abs(y[..., 0] - 0.123 * x[:, :1])


def losses_of(steepness):
    """A spiky utility on a fixed grid and a finer one, as training sees it."""
    return ValidationLoss.of(Likelihood().on(Interval(-1.0, 1.0, 8)), Unpacked(Spiky(steepness)))


def test_parameters_whose_normalizer_the_finer_rule_disputes_are_worth_infinity():
    x, y = jnp.ones((5, 1)), jnp.full(5, 0.123)
    assert np.isfinite(losses_of(2.0)({}, (x, y)))
    assert losses_of(1e4)({}, (x, y)) == jnp.inf


def test_validation_loss_is_that_of_the_finer_rule():
    x, y = jnp.ones((5, 1)), jnp.full(5, 0.123)
    loss = losses_of(2.0)
    utility, objective = loss.packing.utility, loss.objective
    by = {size: float(jnp.mean(objective.refined(size // 8)(utility, x, y))) for size in (8, 16)}
    assert by[8] != pytest.approx(by[16], abs=1e-6)
    assert float(loss({}, (x, y))) == pytest.approx(by[16], abs=1e-7)


@pytest.mark.parametrize(
    "objective",
    [
        Likelihood().on(Categories(4)),
        DenoisingScoreMatching(0.1, gauss_hermite=False).on(Interval(-1.0, 1.0)),
        ScoreMatching().on(Interval(-1.0, 1.0)),
        Hybrid(ScoreMatching()).on(HYBRID),
    ],
    ids=lambda objective: type(objective).__name__,
)
def test_objectives_without_quadrature_need_no_verification(objective):
    assert objective.refined(2) is objective
    assert ValidationLoss.of(objective, Unpacked()).finer is None


def test_stages_follow_each_other_when_stopped_or_after_their_share_of_half_the_epochs():
    stages = [DenoisingScoreMatching(sigma, gauss_hermite=False).on(Interval(-1.0, 1.0)) for sigma in (0.9, 0.3, 0.1)]
    schedule = _Schedule(stages, max_epochs=4 * 4 * CHUNK)
    finite = np.zeros((2, CHUNK))
    moves = [schedule.next(finite, stopped) for stopped in (False, False, True, False, False, False, False, True)]
    assert [index for index, move in enumerate(moves) if move is not None] == [2, 6]
    assert moves[2] is stages[1]
    assert moves[6] is stages[2]


@pytest.mark.parametrize(("boxes", "steps"), [(1, 3), (2, 2)])
def test_quadrature_is_refined_while_most_starts_are_not_trusted(boxes, steps):
    space = Interval(-1.0, 1.0) if boxes == 1 else Product([Interval(-1.0, 1.0, 24), Interval(-1.0, 1.0, 24)])
    schedule = _Schedule([Likelihood().on(space)], max_epochs=1000)
    assert schedule.next(np.array([[0.0, 1.0, np.inf]]), False) is None
    nodes = [getattr(schedule.next(np.array([[np.inf, 1.0]]), False), "space", None) for _ in range(steps + 2)]
    assert [space is not None for space in nodes] == [True] * steps + [False, False]


def test_starts_under_different_rules_are_refused():
    stated = {"utility": RowRules(Rule(sign=1), Rule(), Rule(sign=1))}
    drawn = lambda rules: BehaviorNetwork.random(rng("s"), Architecture(), features=1, response=1, rules=rules)
    rows = jnp.zeros((8, 1)), jnp.zeros(8)
    settings = Settings(Adam(batch_size=8), Penalty(l2=0.0), max_epochs=1, patience=1)
    with pytest.raises(ValueError, match="the same rules"):
        fit(
            [drawn({}), drawn(stated)],
            [Likelihood().on(Interval(-1.0, 1.0))],
            data=rows,
            validation=rows,
            settings=settings,
            seed=0,
        )


def brief(stages, *, max_epochs, y=None, starts=1, patience=50, **how):
    """A short fit of BL(Single) to one column."""
    x = rng("brief").normal(size=(40, 1)).astype(np.float32)
    rows = (jnp.asarray(x), jnp.asarray(x[:, 0] if y is None else y))
    draw = lambda i: BehaviorNetwork.random(rng("start", i), Architecture(), features=1, response=1)
    settings = Settings(Adam(learning_rate=0.02, batch_size=8), Penalty(l2=1.0), max_epochs, patience)
    return fit([draw(i) for i in range(starts)], stages, data=rows, validation=rows, settings=settings, seed=0, **how)


@pytest.mark.parametrize(("fed", "epochs"), [(False, 20), (True, 1)])
def test_every_epoch_of_a_feed_has_a_window_of_its_own(monkeypatch, fed, epochs):
    seen = {}

    def minimize(*arguments, **options):
        seen.update(options)
        raise InterruptedError

    monkeypatch.setattr(module, "minimize", minimize)
    feed = Feed(lambda done: iter(()), rows=400) if fed else None
    with pytest.raises(InterruptedError):
        brief([Likelihood().on(Interval(-4.0, 4.0))], max_epochs=1000, chunk=20, feed=feed)
    assert (seen["chunk"], seen["feed"]) == (epochs, feed)


@pytest.mark.parametrize("max_epochs", [4, 7, 20, 60])
def test_brief_fits_reach_their_last_stage(max_epochs):
    stages = [
        DenoisingScoreMatching(sigma, gauss_hermite=False).on(Interval(-4.0, 4.0)) for sigma in (1.0, 0.5, 0.2, 0.1)
    ]
    result = brief(stages, max_epochs=max_epochs)
    assert float(result.objective.sigma) == pytest.approx(0.1)
    assert result.trace.ran.shape[1] <= max_epochs


@pytest.mark.slow
def test_brief_fits_can_refine_their_quadrature():
    """Eight candidates cannot see a density of temperature 0.03."""
    result = brief([Likelihood().on(Interval(-4.0, 4.0, 8), 0.03)], max_epochs=20)
    assert result.objective.space.nodes > 8
    assert np.isfinite(result.trace.best_loss).all()


def test_best_epoch_is_where_the_best_loss_stands_in_the_trace():
    stages = [DenoisingScoreMatching(sigma, gauss_hermite=False).on(Interval(-4.0, 4.0)) for sigma in (1.0, 0.3)]
    trace = brief(stages, max_epochs=60, starts=3, patience=1).trace
    at_best = trace.validation_loss[np.arange(3), trace.best_epoch - 1]
    np.testing.assert_allclose(at_best, trace.best_loss, rtol=1e-6)
    assert not trace.ran.all()
    assert trace.ran[np.arange(3), trace.best_epoch - 1].all()
