"""Claims about training: what is kept, when it stops, what it reaches, and that it compiles once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from behavior_learning.core.arrays import numbers_to_device
from behavior_learning.training.minimize import Change, Losses, Trace, minimize, side_by_side
from behavior_learning.training.optimizers import LBFGS, Adam, AdamW
from tests.conftest import rng

pytestmark = pytest.mark.usefixtures("float64")

N, D, STARTS = 60, 3, 3
BEGUN = 0.0, 0.1
"""Shares of training behind, before and after the first of ten epochs."""


class Walk:
    """An optimiser that adds one to its parameter, so that every epoch's parameters are known."""

    stochastic = budgeted = False

    def init(self, params):
        return ()

    def epoch(self, loss, params, state, data, order, elapsed):
        return params + 1.0, state, loss(params, data)

    def kept(self, params, state):
        return params


def train(
    starts, loss, optimizer, *, validation_loss=None, data=None, seed=0, max_epochs=50, patience=50, chunk=5, **options
):
    """`minimize` with this module's defaults: the best parameters and the trace."""
    data = (jnp.zeros((1, 1)),) if data is None else data
    losses = Losses(loss, loss if validation_loss is None else validation_loss)
    best, trace, *_ = minimize(
        starts,
        losses,
        optimizer,
        data=data,
        validation=data,
        seed=seed,
        max_epochs=max_epochs,
        patience=patience,
        chunk=chunk,
        **options,
    )
    return best, trace


def distance_to(target):
    return lambda params, data: jnp.abs(params - target)


def distance_to_origin(params, data):
    return jnp.sum(jnp.abs(params))


def logistic_loss(params, data):
    """Ridge-penalised logistic regression: strictly convex."""
    x, y = data
    margins = y * (x @ params["coef"] + params["intercept"])
    return jnp.mean(jax.nn.softplus(-margins)) + 0.05 * jnp.sum(params["coef"] ** 2)


def logistic_data(*seed):
    generator = rng("logistic", *seed)
    x = generator.normal(size=(N, D))
    return jnp.asarray(x), jnp.asarray(np.sign(generator.normal(size=N) + x @ np.array([2.0, -1.0, 0.5])))


def starting_points(*seed, starts=STARTS):
    generator = rng("starts", *seed)
    return {
        "coef": jnp.asarray(3 * generator.normal(size=(starts, D))),
        "intercept": jnp.asarray(generator.normal(size=starts)),
    }


def copies_of_one(starts, i):
    """Start i in every place, which keeps the shape of the compiled program."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[i], leaf.shape), starts)


def full_batch_adam(**options):
    return numbers_to_device(
        Adam(**{"learning_rate": 0.05, "clip": 10.0, "averaging": 0.5, "batch_size": N, **options})
    )


OPTIMIZERS = {"lbfgs": LBFGS(), "adam": full_batch_adam()}


@pytest.mark.parametrize("chunk", [1, 4, 25])
def test_best_parameters_are_those_of_the_best_epoch(chunk):
    best, trace = train(jnp.array([0.0, 2.5]), distance_to(7.0), Walk(), max_epochs=12, chunk=chunk)
    np.testing.assert_allclose(best, [7.0, 6.5])
    np.testing.assert_array_equal(trace.best_epoch, [7, 4])
    np.testing.assert_allclose(trace.best_loss, [0.0, 0.5])


@pytest.mark.parametrize("chunk", [1, 4, 25])
def test_trace_holds_the_losses_of_every_epoch(chunk):
    _, trace = train(jnp.array([0.0]), distance_to(7.0), Walk(), max_epochs=10, chunk=chunk)
    np.testing.assert_allclose(trace.train_loss[0], np.abs(np.arange(10) - 7.0))
    np.testing.assert_allclose(trace.validation_loss[0], np.abs(np.arange(1, 11) - 7.0))


@pytest.mark.parametrize("patience", [1, 3, 8])
@pytest.mark.parametrize("chunk", [1, 4, 25])
def test_training_stops_after_patience_epochs_without_improvement(chunk, patience):
    """A second, better minimum lies `patience` + 1 epochs after the first and must not be reached."""
    valley = lambda params, data: jnp.where(params == 5.0 + patience + 1, -1.0, jnp.abs(params - 5.0))
    best, trace = train(jnp.array([0.0]), valley, Walk(), max_epochs=40, patience=patience, chunk=chunk)
    assert float(best[0]) == 5.0
    assert trace.best_epoch[0] == 5
    assert trace.stopped[0]
    assert trace.train_loss.shape == trace.validation_loss.shape == (1, 5 + patience)


@pytest.mark.parametrize("patience", [2, 3, 8])
def test_improvement_on_the_last_patient_epoch_counts(patience):
    valley = lambda params, data: jnp.where(params == 5.0 + patience, -1.0, jnp.abs(params - 5.0))
    best, trace = train(jnp.array([0.0]), valley, Walk(), max_epochs=40, patience=patience, chunk=4)
    assert float(best[0]) == 5.0 + patience
    assert float(trace.best_loss[0]) == -1.0


@pytest.mark.parametrize("chunk", [3, 4, 25])
def test_no_parameters_beyond_the_last_epoch_are_kept(chunk):
    best, trace = train(jnp.array([0.0]), distance_to(100.0), Walk(), max_epochs=10, chunk=chunk)
    assert float(best[0]) == 10.0
    assert trace.best_epoch[0] == 10
    assert trace.train_loss.shape == trace.validation_loss.shape == (1, 10)
    assert not trace.stopped[0]


def test_start_that_stopped_is_not_moved_by_one_that_goes_on():
    """The first start passes its minimum early; the second lasts to epoch 30."""
    best, trace = train(jnp.array([6.0, -23.0]), distance_to(7.0), Walk(), max_epochs=60, patience=3, chunk=4)
    np.testing.assert_allclose(best, [7.0, 7.0])
    np.testing.assert_array_equal(trace.best_epoch, [1, 30])
    assert trace.stopped.all()


def test_loss_that_is_not_finite_is_never_kept():
    diverging = lambda params, data: jnp.where(params > 4, jnp.nan, -params)
    best, trace = train(jnp.array([0.0]), diverging, Walk(), max_epochs=30, patience=5, chunk=4)
    assert float(best[0]) == 4.0
    assert float(trace.best_loss[0]) == -4.0
    assert trace.stopped[0]


def test_validation_loss_decides_what_is_kept():
    best, trace = train(
        jnp.array([0.0]), distance_to(20.0), Walk(), validation_loss=distance_to(3.0), max_epochs=15, patience=15
    )
    assert float(best[0]) == 3.0
    np.testing.assert_allclose(trace.train_loss[0, 0], 20.0)


def test_progress_reports_epochs_and_the_best_loss():
    reports = []
    train(
        jnp.array([0.0, 1.0]),
        distance_to(7.0),
        Walk(),
        max_epochs=10,
        chunk=4,
        progress=lambda done, best: reports.append((done, best)),
    )
    assert reports == [(4, 2.0), (8, 0.0), (10, 0.0)]


def test_refined_losses_judge_anew():
    """What was best under the first losses is forgotten, however low it was."""
    refine = lambda losses, latest, stopped: (
        None if losses.train is fine else Change(Losses(fine, fine), comparable=False)
    )
    fine = distance_to(12.0)
    best, trace = train(
        jnp.array([0.0]), lambda params, data: -100.0 - 0 * params, Walk(), max_epochs=20, chunk=4, refine=refine
    )
    assert float(best[0]) == 12.0
    assert float(trace.best_loss[0]) == 0.0


def test_comparable_losses_keep_what_was_best():
    """The walk passes 3 under the first losses; the finer ones, which want 30, find nothing as good in time."""
    near, far = distance_to(3.0), distance_to(30.0)
    refine = lambda losses, latest, stopped: None if losses.train is far else Change(Losses(far, far), comparable=True)
    best, trace = train(jnp.array([0.0]), near, Walk(), max_epochs=12, chunk=4, patience=6, refine=refine)
    assert float(best[0]) == 3.0
    assert (trace.best_epoch[0], trace.best_loss[0]) == (3, 0.0)
    assert np.isfinite(trace.validation_loss[0, 9])


def test_start_that_has_kept_nothing_begins_anew_under_finer_losses():
    blind, seeing = lambda params, data: jnp.inf + 0 * params, distance_to(2.0)
    refine = lambda losses, latest, stopped: Change(Losses(seeing, seeing), True) if losses.train is blind else None
    best, trace = train(jnp.array([0.0, 5.0]), blind, Walk(), max_epochs=8, chunk=4, refine=refine)
    np.testing.assert_array_equal(best, [2.0, 6.0])
    np.testing.assert_array_equal(trace.best_epoch, [6, 5])


def test_a_look_sees_the_epochs_since_the_one_before():
    seen = []
    refine = lambda losses, latest, stopped: seen.append((latest[0].tolist(), stopped))
    train(jnp.array([0.0]), distance_to(9.0), Walk(), max_epochs=10, chunk=4, refine=refine)
    assert seen == [([8.0, 7.0, 6.0, 5.0], False), ([4.0, 3.0, 2.0, 1.0], False)]


def test_traces_side_by_side_have_no_losses_where_one_had_ended():
    long = Trace(
        *np.arange(10.0).reshape(2, 1, 5), np.ones((1, 5), bool), np.array([4]), np.array([0.5]), np.array([True])
    )
    short = Trace(
        *(10 + np.arange(12.0).reshape(2, 2, 3)), np.ones((2, 3), bool), np.array([1, 2]), np.array([0.3, 0.2]),
        np.array([False, True]),
    )  # fmt: skip
    both = side_by_side([long, short])
    gap = [np.nan, np.nan]
    np.testing.assert_array_equal(both.train_loss, [np.arange(5), [10, 11, 12, *gap], [13, 14, 15, *gap]])
    np.testing.assert_array_equal(both.validation_loss[1:], [[16, 17, 18, *gap], [19, 20, 21, *gap]])
    np.testing.assert_array_equal(both.ran.sum(axis=1), [5, 3, 3])
    assert (both.best_epoch.tolist(), both.stopped.tolist()) == ([4, 1, 2], [True, False, True])


def test_refining_after_the_last_epoch_loses_nothing():
    refine = lambda losses, latest, stopped: Change(Losses(distance_to(7.0), distance_to(7.0)), comparable=True)
    best, trace = train(jnp.array([0.0]), distance_to(7.0), Walk(), max_epochs=8, chunk=8, refine=refine)
    assert float(best[0]) == 7.0
    assert float(trace.best_loss[0]) == 0.0


@pytest.mark.parametrize("chunk", [1, 4, 25])
def test_chunks_of_any_length_draw_the_same_orders_and_noise(chunk):
    noise = lambda key, data: (data[0] + 0.1 * jax.random.normal(key, data[0].shape), data[1])
    losses = Losses(logistic_loss, logistic_loss, noise, noise)
    rows = logistic_data("chunks")
    optimizer, starts = full_batch_adam(batch_size=16), starting_points("chunks")
    options = {"data": rows, "validation": rows, "seed": 3, "max_epochs": 12, "patience": 12}
    alone, trace, _ = minimize(starts, losses, optimizer, chunk=12, **options)
    chunked, other, _ = minimize(starts, losses, optimizer, chunk=chunk, **options)
    np.testing.assert_allclose(other.train_loss, trace.train_loss, rtol=1e-9)
    np.testing.assert_allclose(other.validation_loss, trace.validation_loss, rtol=1e-9)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), chunked, alone)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_starts_side_by_side_equal_each_start_alone(name):
    data, starts = logistic_data(name), starting_points(name)
    together, trace = train(starts, logistic_loss, OPTIMIZERS[name], data=data, max_epochs=15)
    for i in range(STARTS):
        alone, single = train(copies_of_one(starts, i), logistic_loss, OPTIMIZERS[name], data=data, max_epochs=15)
        np.testing.assert_allclose(single.validation_loss[0], trace.validation_loss[i], rtol=1e-7)
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_allclose(a[0], b[i], rtol=1e-5, atol=1e-7)


def test_lbfgs_reaches_the_optimum_that_scipy_finds():
    data = logistic_data("optimum")
    best, trace = train(starting_points("optimum"), logistic_loss, LBFGS(), data=data, max_epochs=60)
    margins = lambda v: np.asarray(data[1]) * (np.asarray(data[0]) @ v[:D] + v[D])
    by_hand = lambda v: np.mean(np.logaddexp(0, -margins(v))) + 0.05 * v[:D] @ v[:D]
    optimum = optimize.minimize(by_hand, np.zeros(D + 1), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(trace.best_loss, optimum.fun, atol=1e-10)
    np.testing.assert_allclose(best["coef"], np.tile(optimum.x[:D], (STARTS, 1)), atol=1e-5)
    np.testing.assert_allclose(best["intercept"], optimum.x[D], atol=1e-5)


@pytest.mark.parametrize(("batch_size", "averaging"), [(7, 0.9), (1000, 0.0)])
def test_minibatch_adam_lowers_the_loss(batch_size, averaging):
    data, starts = logistic_data("minibatch"), starting_points("minibatch")
    optimizer = full_batch_adam(batch_size=batch_size, averaging=averaging)
    best, trace = train(starts, logistic_loss, optimizer, data=data, max_epochs=40)
    before = jax.vmap(lambda p: logistic_loss(p, data))(starts)
    after = jax.vmap(lambda p: logistic_loss(p, data))(best)
    assert bool(jnp.all(after < before))
    np.testing.assert_allclose(after, trace.best_loss, rtol=1e-9)
    assert np.all(trace.best_loss <= np.nanmin(trace.validation_loss, axis=1) + 1e-12)


@pytest.mark.parametrize(("n", "batch_size"), [(10, 4), (5, 100)])
def test_an_epoch_visits_rows_at_most_once_and_leaves_out_fewer_than_its_batches(n, batch_size):
    """With a loss linear in one weight per row, plain counting of gradients tells which rows were visited."""
    seen = []
    loss = lambda params, rows: jnp.sum(params[rows[0]])
    optimizer = full_batch_adam(batch_size=batch_size)
    params = jnp.zeros(n)
    for seed in range(3):
        order = rng("order", seed).permutation(n)
        moved, _, _ = optimizer.epoch(loss, params, optimizer.init(params), (jnp.arange(n),), order, BEGUN)
        visited = np.flatnonzero(np.asarray(moved) != 0)
        steps = -(-n // batch_size)
        assert n - len(visited) == n % steps
        seen.append(tuple(visited))
    assert len(visited) == n or len(set(seen)) > 1


def test_kept_adam_parameters_are_the_running_mean_of_the_steps():
    loss = lambda params, data: jnp.sum((params - data[0][0]) ** 2)
    data = (jnp.asarray(rng("mean").normal(size=(1, D))),)
    params = jnp.zeros(D)
    last, averaged = full_batch_adam(averaging=0.0), full_batch_adam(averaging=0.75)
    states = last.init(params), averaged.init(params)
    mean, path = params, (params, params)
    for _ in range(5):
        moved, state, _ = last.epoch(loss, path[0], states[0], data, np.arange(1), BEGUN)
        other, mean_state, _ = averaged.epoch(loss, path[1], states[1], data, np.arange(1), BEGUN)
        path, states = (moved, other), (state, mean_state)
        mean = 0.75 * mean + 0.25 * moved
        np.testing.assert_allclose(last.kept(path[0], states[0]), moved, rtol=1e-12)
    np.testing.assert_allclose(averaged.kept(path[1], states[1]), mean, rtol=1e-10)


def test_cosine_schedule_rises_and_falls_to_nothing():
    """A loss of constant slope: every step of Adam is as long as the learning rate."""
    line = lambda params, data: jnp.sum(params)
    optimizer = full_batch_adam(schedule="cosine", averaging=0.0)
    at, state, lengths = jnp.zeros(1), optimizer.init(jnp.zeros(1)), []
    for epoch in range(100):
        elapsed = epoch / 100, (epoch + 1) / 100
        moved, state, _ = optimizer.epoch(line, at, state, (jnp.zeros((1, 1)),), np.arange(1), elapsed)
        lengths.append(float((at - moved)[0]))
        at = moved
    assert np.argmax(lengths) == 10
    np.testing.assert_allclose(lengths[10:], 0.025 * (1 + np.cos(np.pi * np.arange(90) / 90)), rtol=1e-5)


@pytest.mark.parametrize(("patience", "ran"), [(1, 5 + 8), (3, 5 + 8), (11, 5 + 11)])
def test_a_fifth_of_a_schedule_is_patience(patience, ran):
    class Budgeted(Walk):
        budgeted = True

    _, trace = train(jnp.array([0.0]), distance_to(5.0), Budgeted(), max_epochs=40, patience=patience)
    assert trace.ran.shape == (1, ran)


def test_decoupled_decay_shrinks_by_learning_rate_times_decay():
    flat = lambda params, data: 0.0 * jnp.sum(params)
    decayed = AdamW(0.1, N, 10.0, 0.5, decay=0.3, half_squared=lambda p: 0.5 * jnp.sum(p**2))
    params = jnp.asarray(rng("decay").normal(size=D))
    moved, _, _ = decayed.epoch(flat, params, decayed.init(params), (jnp.zeros((1, 1)),), np.arange(1), BEGUN)
    np.testing.assert_allclose(moved, params * (1 - 0.1 * 0.3), rtol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_is_traced_once(name):
    """Later chunks, another number of epochs, other starts and another seed reuse the first program."""
    traces = []

    def counted(params, data):
        traces.append(1)
        return logistic_loss(params, data)

    after_each_chunk = []
    options = {"data": logistic_data("traced"), "progress": lambda *_: after_each_chunk.append(len(traces))}
    train(starting_points("first"), counted, OPTIMIZERS[name], max_epochs=15, **options)
    train(starting_points("second"), counted, OPTIMIZERS[name], max_epochs=10, seed=1, **options)
    assert len(after_each_chunk) == 5
    assert set(after_each_chunk) == {after_each_chunk[0]}


def test_another_learning_rate_reuses_the_program():
    traces = []

    def counted(params, data):
        traces.append(1)
        return logistic_loss(params, data)

    data, counts = logistic_data("rates"), []
    for rate in (0.1, 0.01):
        train(starting_points("rates"), counted, full_batch_adam(learning_rate=rate), data=data, max_epochs=5)
        counts.append(len(traces))
    assert counts[0] == counts[1]


def test_training_follows_its_seed():
    data, starts = logistic_data("keys"), starting_points("keys")
    optimizer = full_batch_adam(batch_size=16)
    train_loss = lambda seed: train(starts, logistic_loss, optimizer, data=data, seed=seed, max_epochs=5)[1].train_loss
    runs = [train_loss(seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


class Follow(Walk):
    """An optimiser that walks and reports the first entry of its rows as its loss."""

    def epoch(self, loss, params, state, data, order, elapsed):
        return params + 1.0, state, data[-1].ravel()[0]


def test_optimizers_say_what_they_expect():
    """Noise in the loss, weights decayed by themselves, exact zeros, and no kinks."""
    kinds = (Adam, AdamW, LBFGS)
    said = [(kind.stochastic, kind.decoupled, kind.makes_zeros, kind.needs_smooth) for kind in kinds]
    assert said == [(True, False, True, False), (True, True, True, False), (False, False, False, True)]


@pytest.mark.parametrize("stochastic", [True, False])
def test_noise_is_fresh_every_epoch_only_for_stochastic_optimizers(stochastic):
    optimizer = Follow()
    optimizer.stochastic = stochastic
    noise = lambda key, data: (*data, jax.random.normal(key, (1, 1)))
    validation = lambda params, data: data[-1].ravel()[0] + 0 * params[0]
    losses = Losses(distance_to(0.0), validation, noise, noise)
    rows = (jnp.zeros((1, 1)),)
    _, trace, _ = minimize(
        jnp.zeros((2, 1)),
        losses,
        optimizer,
        data=rows,
        validation=rows,
        seed=0,
        max_epochs=6,
        patience=6,
    )
    distinct = [len(np.unique(values)) for values in trace.train_loss]
    assert distinct == ([6, 6] if stochastic else [1, 1])
    assert [len(np.unique(values)) for values in trace.validation_loss] == [1, 1]
