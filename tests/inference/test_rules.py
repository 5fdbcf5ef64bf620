"""Rules of inference on hand-made pieces: thresholds, repairs, variances and steps."""

from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from behavior_learning.core.products import Product
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.identification.normalize import Change, Note
from behavior_learning.inference import (
    NotIdentified,
    boundary,
    estimation,
    passes,
    report,
    simplify,
    vuong_test,
    wander,
)
from behavior_learning.inference.information import Information
from behavior_learning.inference.problem import all_sums, cluster_scores, gradient, hessian, hessian_columns, outer
from behavior_learning.inference.quadrature import FEWEST, MOST, enough_candidates
from tests.conftest import rng

# Vuong's test.


def stand_in(log_density, degrees):
    """What `vuong_test` asks of a result."""
    return SimpleNamespace(
        n=len(log_density),
        degrees_of_freedom=degrees,
        fitted=SimpleNamespace(weights=np.ones(len(log_density))),
        row_loglikelihoods=lambda: log_density,
        need_likelihood=lambda *names: None,
    )


def test_vuong_statistic_is_standard_normal_where_both_models_fit_alike():
    """Schennach and Wilhelm: a variance without one of its terms would be far from 1."""
    generator = rng("vuong")
    rows = generator.normal(size=(1500, 2, 400)) * [[[1.0], [2.0]]]
    statistics = [vuong_test(stand_in(a, 3), stand_in(b, 3)).statistic for a, b in rows]
    assert np.mean(statistics) == pytest.approx(0.0, abs=4 / np.sqrt(1500))
    assert np.std(statistics) == pytest.approx(1.0, abs=4 / np.sqrt(3000))


def test_vuong_statistic_is_that_of_the_formula():
    """Rows written out: weights 1 and 1 + ε in turn, the other way round for the second model."""
    a, b = rng("formula").normal(loc=[[0.3], [0.0]], size=(2, 64))
    n, epsilon, center = 64, 64 ** (-1 / 6), 0.5 * (a.mean() + b.mean())
    gap = 0.0
    for i in range(n):
        own, other = (1.0, 1 + epsilon) if i % 2 == 0 else (1 + epsilon, 1.0)
        gap += (own * (a[i] - center) - other * (b[i] - center)) / n
    variance = (1 + epsilon) * np.var(a - b) + 0.5 * epsilon**2 * (np.var(a) + np.var(b))
    found = vuong_test(stand_in(a, 4), stand_in(b, 2))
    assert found.statistic == pytest.approx(np.sqrt(n) * (gap - 0.5 * np.log(n) * 2 / n) / np.sqrt(variance), rel=1e-9)


def test_penalties_of_vuongs_test_are_half_a_logarithm_one_and_nothing_a_parameter():
    a, b = rng("penalties").normal(loc=[[0.3], [0.0]], size=(2, 64))
    found = {
        name: vuong_test(stand_in(a, 4), stand_in(b, 2), penalty=name).statistic for name in ("bic", "aic", "none")
    }
    per_parameter = (found["none"] - found["aic"]) / 2
    assert per_parameter > 0
    assert found["none"] - found["bic"] == pytest.approx(np.log(64) * per_parameter)


# Identification.


def test_a_parameter_at_its_bound_is_not_identified():
    table = pd.DataFrame({"verdict": ["identified"], "direction": ["a"], "eigenvalue": [1.0]})
    made = lambda rank, bounded: report.IdentificationReport(rank, 2, np.ones(2), table, (), bounded, ())
    assert made(2, ()).identified
    assert not made(2, ("a",)).identified
    assert not made(1, ()).identified
    assert made(2, ()).sentences == ()
    assert made(1, ()).sentences == ("1 of 2 directions are unidentified.",)


def information(hessian, ridge=0.0, bounded=(False, False)):
    return Information(("a", "b"), np.asarray(hessian), np.eye(2), np.array(bounded), ridge)


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [(1.2e-5, "identified"), (0.9e-5, "weak"), (1.5e-9, "weak"), (0.8e-9, "unidentified"), (-2e-9, "no minimum")],
)
def test_directions_are_judged_by_their_eigenvalue_beside_a_unit_diagonal(gap, verdict):
    """Of [[1, c], [c, 1]] those are 1 ± c; units of two millions and one change nothing."""
    units = np.diag([2e6, 1.0])
    found = information(units @ [[1.0, 1 - gap], [1 - gap, 1.0]] @ units)
    assert found.weakest()["verdict"].tolist() == [verdict, "identified"]
    assert found.weakest()["eigenvalue"].tolist() == pytest.approx([gap, 2 - gap], rel=1e-2)
    assert found.rank == 2 - (gap < 1e-9)
    reason = {"unidentified": NotIdentified.UNIDENTIFIED, "no minimum": NotIdentified.INDEFINITE}.get(verdict)
    assert found.not_identified() == [reason] * 2
    assert found.condition_number == (np.inf if reason else pytest.approx((2 - gap) / gap, rel=1e-2))


def test_more_than_a_tenth_of_the_ridge_in_a_variance_is_refused():
    assert information(np.diag([1.0, 5.0]), ridge=0.12).not_identified() == [NotIdentified.RIDGE, None]
    assert information(np.diag([1.0, 5.0]), ridge=0.08).not_identified() == [None, None]
    assert information(np.eye(2), bounded=(True, False)).not_identified() == [NotIdentified.BOUNDARY, None]


def test_rows_that_are_not_there_are_left_out_and_said(monkeypatch):
    place, other = (0, 0, "inequality", 0), (0, 0, "inequality", 1)
    said = (Note(other, Change.VANISHED),)
    fitted = SimpleNamespace(
        local=SimpleNamespace(parametrization=SimpleNamespace(learned=np.array([], int))), network=None,
        information=SimpleNamespace(bounded=np.array([], bool)), canonical=SimpleNamespace(notes=said),
        row_names={place: "budget", other: "limit"},
    )  # fmt: skip
    found = lambda *notes: (
        monkeypatch.setattr(
            simplify, "_pruned", lambda fitted, idle: SimpleNamespace(notes=notes, network="smaller", signs=None)
        )
        or simplify.without_idle_rows(fitted)
    )
    monkeypatch.setattr(simplify, "number_places", lambda network: [])
    assert found() is None
    assert found(*said, Note(place, Change.DIRECTION)) is None  # Said before; no row less.
    smaller = found(*said, Note(place, Change.DUPLICATE))
    assert (smaller.network, smaller.reason) == ("smaller", "budget repeats another: estimated without it.")


# Tests of a constraint.


@pytest.mark.parametrize("modelled", [False, True])
def test_suprema_are_the_largest_standard_scores_and_those_of_random_signs_or_of_draws_of_the_model(modelled):
    e, weights, generator = rng("suprema").normal(size=(9, 4, 3)), 1.0 + np.arange(9) % 2, np.random.default_rng(4)
    e[..., 1] *= 1e-12  # A direction without scores but for rounding says nothing.
    mass = rng("mass").dirichlet(np.ones(4), 9)
    scores = boundary._Scores(e[:, 0], *((e, mass) if modelled else (e[:, :0], mass[:, :0])))
    largest, simulated = boundary._suprema(scores, weights, np.random.default_rng(4), 6)
    largest_of = lambda own: max(-np.sum(own, axis=0) / np.sqrt(np.sum(own**2, axis=0)))
    kept = e[..., [0, 2]] * weights[:, None, None]
    assert largest == pytest.approx(largest_of(kept[:, 0]))
    if modelled:
        picks = np.argmax(np.cumsum(mass, axis=1) >= generator.random((6, 9))[..., None], axis=2)
        by_hand = [largest_of(kept[np.arange(9), own]) for own in picks]
    else:
        by_hand = [largest_of(kept[:, 0] * f[:, None]) for f in generator.standard_normal((6, 9))]
    np.testing.assert_allclose(simulated, by_hand)


def test_a_constraint_is_tested_in_double_precision_by_the_share_of_simulated_suprema_above_its_own(monkeypatch):
    fitted, place = SimpleNamespace(total=50.0, weights=np.ones(4)), SimpleNamespace(coefficients=np.arange(3))
    seen, information = {}, SimpleNamespace(tangent_space=np.zeros((4, 3)))  # Three numbers of twelve rows.
    for name, value in {"_row": place, "_null_information": information}.items():
        monkeypatch.setattr(boundary, name, lambda *arguments, value=value: value)

    def scores(*arguments):
        seen.update(double=jax.config.jax_enable_x64)
        return boundary._Scores(np.zeros((12, 5)), np.zeros((12, 0, 5)), np.zeros((12, 0)))

    def suprema(scores, weights, rng, draws):
        seen.update(rows=scores.rows, draws=draws)
        return 3.0**0.5, np.array([0.5, 1.65, 2.0, 1.0])

    monkeypatch.setattr(boundary, "_effective_scores", scores)
    monkeypatch.setattr(boundary, "_suprema", suprema)
    monkeypatch.setattr(boundary, "_without", lambda *own: SimpleNamespace(gradient_norm=0.0, theta=None))
    found = boundary.constraint_test(fitted, "limit", directions=5, draws=4, seed=0)
    assert (found.statistic, found.pvalue) == (pytest.approx(1.5 * 3**0.5), pytest.approx(3 / 5))
    assert "largest of 5 directions" in found.note
    assert (seen["rows"].shape, seen["draws"], seen["double"]) == ((12, 5), 4, True)
    monkeypatch.setattr(boundary, "_without", lambda *own: SimpleNamespace(gradient_norm=1.0, limited=True))
    assert np.isnan(boundary.constraint_test(fitted, "limit", directions=5, draws=4, seed=0).pvalue)


# Candidates.


class Bells(eqx.Module):
    """−y²/2s² with the width s as x."""

    def __call__(self, x, y):
        return -0.5 * (y[..., 0] / x[:, :1]) ** 2


@pytest.mark.parametrize(("narrow", "size"), [(0.02, MOST), (0.05, 512), (0.051, 512), (1.0, FEWEST)])
def test_candidates_are_three_per_narrowest_standard_deviation(narrow, size):
    x = np.full((50, 1), 1.0)
    x[0], x[1:4] = 1e-3, narrow  # A single row is none that decides.
    with jax.enable_x64(True):
        space = enough_candidates(Bells(), Interval(-4.0, 4.0, 32), 1.0, x)
    assert (space.size, space.refinements) == (size, 0)


def test_several_responses_have_48_candidates_each_that_stay_put():
    space = enough_candidates(
        Bells(), Product([Interval(-4.0, 4.0, 32), Categories(3), Interval(0.0, 1.0, 96)]), 1.0, None
    )
    few, classes, many = space.components
    assert [(part.size, part.refinements) for part in (few, many)] == [(48, 0), (96, 0)]
    assert [float(end) for part in (few, many) for end in (part.lower, part.upper)] == [-4.0, 4.0, 0.0, 1.0]
    assert classes.size == 3


# Steps of the search.


@pytest.fixture
def after_a_step(float64, monkeypatch):
    """The state after a step from (1, −2), where ½|θ|² is 2.5, by the loss and the slope found at its end."""
    at, no = jnp.array([1.0, -2.0]), jnp.zeros((), bool)
    monkeypatch.setattr(estimation, "hessian", lambda problem, theta, rows: jnp.eye(2))

    @jax.jit
    def stepped(loss, slope, damping):
        monkeypatch.setattr(estimation, "gradient", lambda problem, theta, rows: (loss, slope * theta))
        before = estimation._State(at, jnp.asarray(2.5), at, jnp.eye(2), no, no, damping, jnp.asarray(1), no, no)
        return estimation._step(SimpleNamespace(chunks=1), jnp.zeros(2, int), estimation.Search(), before, False)

    return stepped


def test_damping_falls_after_a_good_step_and_grows_after_a_rejected_one(after_a_step):
    good, rejected = after_a_step(0.3, 1.0, 0.5), after_a_step(1e9, 1.0, 0.5)
    assert [float(good.damping), float(rejected.damping)] == pytest.approx([0.05, 5.0])
    np.testing.assert_allclose(good.theta, [1 / 3, -2 / 3], rtol=1e-9)
    np.testing.assert_allclose(rejected.theta, [1.0, -2.0])


def test_a_step_is_taken_that_lowers_the_loss_or_halves_the_slope_at_the_same_loss(after_a_step):
    """The same to rounding, 3.5e-13 of a loss of 2.5; by some thousands of it a loss may rise. It steps to half."""
    taken = lambda rise, slope: bool(after_a_step(2.5 + rise, slope, 1.0).theta[0] == 0.5)
    assert all([taken(-5e-13, 2.0), taken(2e-9, 0.8)])
    assert not any([taken(-2e-13, 2.0), taken(2e-9, 1.2), taken(2e-8, 0.8), taken(-1.0, np.inf), taken(np.nan, 0.8)])


@pytest.mark.usefixtures("float64")
def test_a_step_solves_the_curvature_in_units_of_its_diagonal_and_keeps_signs():
    def step(theta, slope, hessian, signs, damping=0.0):
        arrays = (np.array(theta), np.array(slope), np.asarray(hessian), damping, np.array(signs))
        return np.asarray(stepped(*arrays))

    @jax.jit
    def stepped(theta, slope, hessian, damping, signs):
        state = SimpleNamespace(theta=theta, gradient=slope, hessian=hessian, damping=damping)
        return estimation.newton_step(state, signs)

    curved = np.array([[2.0, 0.6], [0.6, 0.5]])
    whole = np.array([0.3, -0.4]) - np.linalg.solve(curved, [0.2, 0.1])
    np.testing.assert_allclose(step([0.3, -0.4], [0.2, 0.1], curved, [0, 0]), whole)
    np.testing.assert_allclose(step([0.0, 0.0], [0.2, 0.1], np.diag([2.0, -0.5]), [0, 0], 1.0), [-0.05, -0.1])
    np.testing.assert_allclose(step([3.0, 4.0], [30.0, 40.0], np.eye(2), [0, 0]), [-0.6, -0.8])  # 1 + ‖θ‖ at most.
    np.testing.assert_allclose(step([1.0, -1.0], [1.5, -1.5], np.eye(2), [1, -1]), [0.1, -0.1])
    np.testing.assert_allclose(
        step([0.0, 0.5], [1.0, 0.1], curved, [1, 0]), [0.0, 0.3]
    )  # One that is held is not there.
    np.testing.assert_allclose(step([0.0, 0.5], [-1.0, 0.1], curved, [-1, 0]), [0.0, 0.3])


class Squares(eqx.Module):
    """½(θ − a)² of rows a, with weights and a ridge."""

    data: tuple[jax.Array, ...]
    weights: jax.Array
    l2: float = 0.0

    candidates = 1
    n = property(lambda self: len(self.weights))
    total = property(lambda self: jnp.sum(self.weights))

    def joined(self, column):
        return column

    def network(self, theta):
        return theta

    def objective(self, theta, rows):
        return 0.5 * jnp.sum((theta - rows) ** 2, axis=1)

    def penalty(self, theta):
        return 0.5 * self.l2 / self.total * jnp.sum(theta**2)


@pytest.mark.usefixtures("float64")
def test_steps_of_scoring_are_those_of_the_outer_product_and_keep_signs():
    """By hand: a trial that does not lower the loss is taken back, and a number keeps a tenth of itself at least."""
    rows, weights = rng("scoring").normal([3.0, -0.5], size=(20, 2)), 1.0 + np.arange(20) % 2
    problem, signs = Squares((jnp.asarray(rows),), jnp.asarray(weights), 2.0), np.array([0, 1])

    def at(theta):
        share, pull = weights / weights.sum(), 2.0 / weights.sum()
        scores = theta - rows
        loss = share @ (0.5 * np.sum(scores**2, axis=1)) + 0.5 * pull * theta @ theta
        return loss, share @ scores + pull * theta, (scores.T * share) @ scores + pull * np.eye(2)

    theta, damping = np.array([0.0, 1.0]), wander.DAMPING
    for _ in range(6):
        loss, slope, outer = at(theta)
        move = -np.linalg.solve(outer + damping * np.diag(np.diag(outer)), slope)
        move *= min(1.0, wander.LONGEST / np.linalg.norm(move))
        trial = theta + move
        trial[1] = max(trial[1], 0.1 * theta[1])
        theta, damping = (trial, wander.EASED * damping) if at(trial)[0] < loss else (theta, wander.HARDER * damping)
    stages = jnp.array([[2, 2, 20], [1, 4, 20]])  # A stage begins with a look at where the last one ended.
    starts = jnp.array([[0.0, 1.0], [90.0, 90.0]])
    ends, losses = wander._scored(problem, starts, jnp.asarray(signs), jax.random.key(0), stages)
    np.testing.assert_allclose(ends[0], theta, rtol=1e-6, atol=1e-12)
    assert float(losses[0]) == pytest.approx(at(theta)[0], rel=1e-9)
    assert np.isinf(losses[1])  # What does not go on is not compared: it has seen fewer rows.


def test_of_a_round_ever_fewer_go_on_and_as_many_as_are_followed_at_least():
    assert [count for count, *_ in wander._stages(288)] == [288, 96, 32, 8]
    assert [count for count, *_ in wander._stages(60)] == [60, 20, 6, wander.FOLLOWED]
    assert [count for count, *_ in wander._stages(3)] == [3, 3, 3, 3]
    assert wander.cost_of_round(10**6, 3, 29) > 2 * wander.cost_of_round(200, 3, 29)


class Lines(Squares):
    """½(aᵀθ)² of rows a in two chunks."""

    chunks = 2

    def objective(self, theta, rows):
        return 0.5 * (rows @ theta) ** 2

    def cut(self, column):
        return column.reshape(self.weights.shape)


@pytest.mark.usefixtures("float64")
def test_sums_over_weighted_rows_are_their_closed_form():
    rows, weights, theta = rng("rows").normal(size=(2, 5, 3)), rng("weights").uniform(1, 2, (2, 5)), np.arange(3.0) + 1
    lines, codes = Lines((jnp.asarray(rows),), jnp.asarray(weights), 0.4), np.arange(10) % 3
    found = eqx.filter_jit(
        lambda own, at: {
            "gradient": gradient(own, at),
            "first chunk": gradient(own, at, 1),
            "hessian": hessian(own, at),
            "columns": hessian_columns(own, at, 2),
            "outer": outer(own, at, 2),
            "clusters": cluster_scores(own, at, jnp.asarray(codes), 3),
            "all": all_sums(own, at, (1, 2), jnp.asarray(codes), 3),
        }
    )(lines, jnp.asarray(theta))
    a, w = rows.reshape(-1, 3), weights.ravel()[:, None]
    scores, whole, pull = (a @ theta)[:, None] * a, a.T @ (w * a), 0.4 / w.sum()
    loss, slope = (
        0.5 * theta @ whole @ theta / w.sum() + 0.5 * pull * theta @ theta,
        whole @ theta / w.sum() + pull * theta,
    )
    by_cluster = np.array([(w * scores)[codes == code].sum(axis=0) for code in range(3)])
    twice = scores.T @ (w**2 * scores)
    expected = {
        "gradient": (loss, slope), "hessian": whole / w.sum() + pull * np.eye(3), "columns": (whole / w.sum())[:, :2],
        "outer": twice, "clusters": by_cluster, "all": (whole, (scores.T @ (w * scores), twice), by_cluster),
    }  # fmt: skip
    for name, value in expected.items():
        for one, other in zip(jax.tree.leaves(found[name]), jax.tree.leaves(value), strict=True):
            np.testing.assert_allclose(one, other, err_msg=name)
    part = (w[:5] * scores[:5]).sum(axis=0) / w[:5].sum() + pull * theta
    np.testing.assert_allclose(found["first chunk"][1], part)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("curvature", "most", "limited"), [(3.0, 30, False), (0.2, 30, False), (1.25, 1, False), (3.0, 1, True)]
)
def test_a_search_by_passes_ends_in_the_optimum_of_all_rows(monkeypatch, curvature, most, limited):
    """Of Σ w(θ − a)²/2 with a ridge, from a Hessian of the sample that is wrong by a factor."""
    monkeypatch.setattr(passes, "MOST_PASSES", most)
    rows, weights, ridge = rng("stream").normal(2.0, size=18), 1.0 + rng("weights").uniform(size=18), 0.25
    share = weights / weights.sum()

    def look(theta, which):
        loss = 0.5 * (share * (theta - rows) ** 2).sum(axis=1) + 0.5 * ridge * theta[:, 0] ** 2
        return loss, (share * (theta - rows)).sum(axis=1, keepdims=True) + ridge * theta

    begin, signs = np.array([[1.0]]), np.array([0])
    start = passes.Searched.at(begin, *look(begin, 0), np.array([[[curvature]]]), signs)
    at, count = passes.search_by_passes(start, look, signs, estimation.AIM)
    best = np.sum(share * rows) / (1 + ridge)
    assert count <= most
    assert (at.norm[0] > 1e-3) == limited
    np.testing.assert_allclose(at.theta, best, atol=1.0 if limited else 1e-9)
    loss, slope = look(at.theta, 0)
    np.testing.assert_allclose(at.loss, loss, rtol=1e-12)
    np.testing.assert_allclose(at.gradient, slope, atol=1e-12)


def test_what_a_bound_holds_back_is_no_slope():
    held, free = [(0, 0.2, 1), (0, -0.2, -1)], [(0, 2, 0), (0, -2, 1), (0, 2, -1), (0.5, 2, 1), (-0.5, -2, -1)]
    theta, slope, signs = np.array(held + free, float).T[..., None]
    norms = jax.vmap(estimation.projected_norm)(theta, slope, signs.astype(int))
    np.testing.assert_allclose(norms, [0.0] * 2 + [2.0] * 5)
