"""Estimation to the optimum: gradients vanish, starts agree, bounds hold, derivatives are those of the loss."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import behavior_learning as bl
from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis
from behavior_learning.core.block import NONNEGATIVE, Rule
from behavior_learning.core.network import BehaviorNetwork, RowRules
from behavior_learning.core.spaces import Interval
from behavior_learning.errors import DataError, OptionError
from behavior_learning.identification.canonical_form import distance
from behavior_learning.identification.parameters import parameter_labels
from behavior_learning.inference import Convergence, NotIdentified, exploration, infer, quadrature, wander
from behavior_learning.inference.estimation import Search, polish, status_of
from behavior_learning.inference.exploration import explore, rows_that_flip
from behavior_learning.inference.problem import (
    Problem,
    cluster_scores,
    gradient,
    hessian,
    losses,
    outer,
    row_hessians,
    scores,
)
from behavior_learning.inference.results import estimated
from behavior_learning.objectives import DenoisingScoreMatching, Likelihood
from tests.conftest import rng
from tests.inference.problems import (
    BOX,
    GAUSSIAN,
    SINGLE,
    TRUTH,
    drawn,
    gaussian,
    gaussian_rows,
    logit,
    logit_rows,
    single,
    single_basis,
    single_rows,
)


def test_gradient_vanishes_at_the_optimum():
    assert single().convergence is Convergence.OPTIMUM
    assert single().gradient_norm < 1e-8


@pytest.mark.parametrize(("limited", "status"), [(True, Convergence.LIMIT), (False, Convergence.STALLED)])
def test_a_search_that_stalls_late_has_not_run_out_of_steps(limited, status):
    """The best search may take more steps than others: their number alone does not say why it ended."""
    stopped = single().fitted.optimum._replace(
        gradient_norm=jnp.asarray(1e-3), steps=jnp.asarray(250), limited=jnp.asarray(limited)
    )
    assert status_of(stopped) is status


@pytest.mark.usefixtures("float64")
def test_search_says_that_it_ran_out_of_steps():
    problem, theta = single().fitted.problem, single().fitted.theta
    signs = np.zeros(len(theta), int)
    ends = [polish(problem, 1.5 * theta, signs, single().fitted.search(max_steps=most)) for most in (2, 100)]
    assert [bool(end.limited) for end in ends] == [True, False]


def test_optimum_is_near_the_truth():
    gap = (single().params - np.array(TRUTH)) / single().bse
    assert np.abs(gap).max() < 4


def test_local_optima_name_every_start_once():
    table = single().local_optima
    assert table["reached"].sum() == 3
    assert sorted(name for names in table["starts"] for name in names) == ["fit", "start 1", "start 2"]
    assert table["distance"][0] == 0
    assert (np.diff(table["loss"]) >= 0).all()
    assert (table["rows"] == 600).all()


def test_law_does_not_depend_on_the_start():
    """Another start that reaches the best basin gives the same canonical parameters."""
    fitted = single().fitted
    with jax.enable_x64(True):
        start = jnp.asarray(fitted.theta) + 0.1 * jnp.asarray(rng("start").normal(size=8))
        again = polish(fitted.problem, start, jnp.asarray(fitted.local.signs), Search())
        assert distance(fitted.problem.network(again.theta), fitted.network) < 1e-6


def chunked(chunks: int) -> tuple[Problem, jax.Array]:
    """A logit of 101 rows with weights, cut into so many chunks, and a point away from its optimum."""
    fitted = logit().fitted
    data = tuple(column[:101] for column in logit_rows())
    whole = Problem.of(fitted.problem.objective, fitted.local.parametrization, data, rng("w").integers(0, 4, 101))
    rows = -(-whole.n // chunks)
    place = np.arange(chunks * rows).reshape(rows, chunks).T
    weights = np.append(np.asarray(whole.joined(whole.weights)), np.zeros(chunks * rows - whole.n))[place]
    cut = tuple(jnp.asarray(np.asarray(column)[np.minimum(place, whole.n - 1)]) for column in data)
    problem = eqx.tree_at(lambda p: (p.data, p.weights), whole, (cut, jnp.asarray(weights)))
    return problem, jnp.asarray(rng("theta").normal(size=len(fitted.theta)))


@eqx.filter_jit
def quantities(problem: Problem, theta: jax.Array):
    codes = jnp.arange(101) % 7
    found = [quantity(problem, theta) for quantity in (losses, scores, row_hessians, gradient, hessian, outer)]
    return [*found, cluster_scores(problem, theta, codes, 7)]


@pytest.mark.usefixtures("float64")
def from_a_local_optimum(flips):
    """A search that begins where the inequality points the wrong way and the utility makes up for it."""
    parametrization = single().fitted.local.parametrization
    wrong = parametrization.network(jnp.array([1.64, 1.11, 2.41, -6.95, 13.52, 0.17, 0.87, 0.43]))
    loss = Likelihood().on(Interval(*BOX, 96, refinements=0))
    names = parameter_labels(wrong, ["x"], ["y"])
    return infer(wrong, loss, single_rows(), names, candidates=96, sign_flips=flips)


def test_a_row_that_points_the_wrong_way_is_negated():
    with jax.enable_x64(True):
        stuck, freed, best = from_a_local_optimum(0), from_a_local_optimum(4), single()
    assert stuck.fitted.loss > best.fitted.loss + 0.01
    assert freed.fitted.loss == pytest.approx(best.fitted.loss, abs=1e-9)
    assert "flipped" in freed.local_optima["starts"][0][0]


def test_rows_that_flip_are_those_that_mean_something_else_then():
    rows = rows_that_flip(single().fitted.local)
    labels = np.array(single().fitted.local.labels)
    assert set(rows) == {"utility", "inequality"}
    for row, places in rows.items():
        assert set(labels[places]) == {f"{row}[y]", f"{row}[x*y]"}
    assert rows_that_flip(gaussian().fitted.local) == {}


@pytest.mark.parametrize(("fit", "flips", "explores"), [(gaussian, 8, False), (single, 1, False), (single, 8, True)])
def test_a_sample_is_explored_only_where_there_is_a_row_to_negate(fit, flips, explores, monkeypatch):
    """One network whose rows are all even, or more than may be negated, is searched for on all rows at once."""
    fitted, searched = fit().fitted, []
    monkeypatch.setattr(exploration, "polish", lambda p, t, s, search: searched.append(search) or fitted.optimum)
    monkeypatch.setattr(
        exploration, "local_optima", lambda *args, **options: pd.DataFrame({"loss": [0.0], "starts": [["fit"]]})
    )
    parametrization = fitted.local.parametrization
    problem = SimpleNamespace(
        parametrization=parametrization, chunks=3, n=9, chunks_of=lambda rows: 1, weights=np.ones((3, 3)), network=None
    )
    explore(problem, fitted.local, [fitted.network], one_hot=False, sign_flips=flips)
    assert (int(searched[0].chunks) == 1) == explores


def ends_at(*losses):
    fitted = single().fitted
    return [fitted.optimum._replace(loss=loss, theta=fitted.theta + at) for at, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "contested"), [((1, 1, 1, 1.5, 2), False), ((1, 1.01, 1.02), False), ((1, 2, 3), True)]
)
def test_descents_follow_where_half_of_the_searches_end_far_above_the_best(losses, contested):
    assert exploration.contested(ends_at(*losses), 1.0, total=100.0) == contested


def test_rounds_of_descents_begin_anew_until_several_end_in_the_best(monkeypatch):
    rounds = []

    def ends(problem, starts, signs, seed):
        rounds.append(np.asarray(starts))
        return starts, np.arange(len(starts))

    monkeypatch.setattr(wander, "_ends", ends)
    worse, best = ends_at(0.95, 0.9)
    follow, known = lambda end: worse if len(rounds) == 1 else best, 0.9
    found = wander.wandered(None, single().fitted.local, follow, rounds=9, enough=4, known=known, seed=0)
    assert len(rounds) == 1 + 3  # The searches before are one of the four.
    assert [end.loss for end in found] == [0.9, 0.9, 0.95, 0.95]
    assert not np.isclose(rounds[0], rounds[1])[:, single().fitted.local.signs == 0].any()


def test_an_integral_gets_twice_the_candidates_until_that_changes_nothing(monkeypatch):
    problem = single().fitted.problem
    monkeypatch.setattr(quadrature, "quadrature_gap", lambda problem, theta: 4e-5 / problem.objective.space.size)
    assert quadrature.sharp_enough(problem, None).space.size == 96 * 8
    monkeypatch.setattr(quadrature, "quadrature_gap", lambda problem, theta: 1.0)
    assert quadrature.sharp_enough(problem, None).space.size == 96 * 16 >= quadrature.MOST


def test_the_best_optima_are_followed_to_those_of_a_finer_problem(monkeypatch):
    fitted, ends = single().fitted, ends_at(1.0, 1.1, 1.2, 1.3, 1.4)
    finer = {1.0: 1.15, 1.1: 1.05, 1.2: 1.2, 1.3: 1.3}  # The two best change places.
    losses = {float(end.theta[0]): finer.get(end.loss) for end in ends}
    monkeypatch.setattr(
        exploration, "polish", lambda p, t, s, search: fitted.optimum._replace(loss=losses[float(t[0])], theta=t)
    )
    before = exploration.Exploration(ends[0], pd.DataFrame({"loss": [1.0]}), tuple(ends[1:]), None)
    after = exploration.followed(fitted.problem, fitted.local, before)
    assert [end.loss for end in (after.best, *after.others)] == [1.05, 1.15, 1.2, 1.3]
    assert after.table is before.table


def test_optima_of_one_loss_are_kept_twice():
    found = [SimpleNamespace(loss=loss) for loss in (0.9, 0.9, 0.9, 0.9, 0.95, 0.95, 0.95, 1.1)]
    assert [end.loss for end in wander._at_most_twice(found)] == [0.9, 0.9, 0.95, 0.95, 1.1]


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_chunks_change_nothing():
    one, many = quantities(*chunked(1)), quantities(*chunked(4))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


@pytest.mark.usefixtures("float64")
def test_derivatives_are_those_of_the_loss():
    problem, theta = chunked(4)
    weights = np.asarray(problem.joined(problem.weights))
    each, s, h, (value, slope), curvature, crossed, grouped = quantities(problem, theta)
    np.testing.assert_allclose(value, weights @ np.asarray(each) / weights.sum(), rtol=1e-12)
    steps = 1e-5 * np.eye(len(theta))
    around = [[quantities(problem, theta + sign * step) for sign in (1, -1)] for step in steps]
    np.testing.assert_allclose(s, np.stack([(up[0] - down[0]) / 2e-5 for up, down in around], axis=1), atol=1e-8)
    np.testing.assert_allclose(h, np.stack([(up[1] - down[1]) / 2e-5 for up, down in around], axis=2), atol=1e-8)
    s, h = np.asarray(s), np.asarray(h)
    np.testing.assert_allclose(slope, weights @ s / weights.sum(), atol=1e-12)
    np.testing.assert_allclose(curvature, np.einsum("n,npq->pq", weights, h) / weights.sum(), atol=1e-12)
    np.testing.assert_allclose(crossed, s.T * weights @ s, atol=1e-9)
    member = np.arange(101)[:, None] % 7 == np.arange(7)
    np.testing.assert_allclose(grouped, member.T @ (weights[:, None] * s), atol=1e-10)


def test_kinks_are_refused():
    kinked = drawn(Architecture((1,), readout="identity"), single_basis(), 1, "kinks")
    with pytest.raises(OptionError, match=r"Standard errors need smooth heads.*identifiable=True"):
        infer(kinked, Likelihood().on(Interval(*BOX)), single_rows(), parameter_labels(kinked, ["x"], ["y"]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cov_type": "hc9"}, OptionError, "cov_type must be one of"),
        ({"cov_type": "clustered"}, OptionError, "needs clusters="),
        ({"weights": [-1.0] * 600}, DataError, "non-negative"),
        ({"weights": [0.5] * 600}, DataError, "whole numbers"),
        ({"l2": -1.0}, OptionError, "l2 must be a number at least 0"),
        ({"l2": "much"}, OptionError, "l2 must be a number at least 0"),
        ({"weight_kind": "odd"}, OptionError, "weight_kind must be"),
        ({"clusters": np.zeros(600), "cov_type": "clustered"}, DataError, "one cluster only"),
        ({"clusters": np.zeros(3)}, DataError, "a label for each of 600 rows"),
        ({"clusters": [None, *range(599)]}, DataError, "missing labels"),
    ],
)
def test_bad_options_are_refused_with_a_way_out(options, error, message):
    network = drawn(SINGLE, single_basis(), 1, "single")
    names = parameter_labels(network, ["x"], ["y"])
    with pytest.raises(error, match=message):
        infer(
            network, Likelihood().on(Interval(*BOX, 96, refinements=0)), single_rows(), names, candidates=96, **options
        )


def test_multiplier_at_its_bound_is_refused_and_the_rest_is_not():
    """Data flatter than a Gaussian push the multiplier of softplus(y) below zero: it ends there, and says so."""
    generator = rng("flat")
    x, y = generator.normal(size=(300, 1)), generator.uniform(-1, 1, size=300)
    architecture = Architecture((1,), (0, 1, 1), (None, "softplus(5)", "square"), readout="identity")
    stated = RowRules(Rule(fixed=(0.0, 1.0)), Rule(fixed=0.0), NONNEGATIVE)
    network = BehaviorNetwork.random(
        generator, architecture, features=1, response=1, basis=affine_basis(1, 1), rules={"inequality": stated}
    )
    names = parameter_labels(network, ["x"], ["y"])
    res = infer(network, Likelihood().on(Interval(-3.0, 3.0, 96, refinements=0)), (x, y), names, candidates=96)
    label = "inequality.multiplier"
    assert res.gradient_norm < 1e-8
    assert 0 <= res.params[label] < 1e-6
    assert res.not_identified[label] is NotIdentified.BOUNDARY
    assert np.isnan(res.bse[label])
    assert (res.bse.drop(label) > 0).all()
    assert res.wald_test(f"{label} = 0").distribution == "not identified"
    assert "constraint_test" in str(res.summary())
    assert res.constraint_test("inequality").pvalue > 0.5


@cache
def needless(l2=0.0):
    """A softplus that the data do not need."""
    generator = rng("no inequality")
    x, y = generator.normal(size=(300, 1)), 0.5 * generator.normal(size=300)
    architecture = Architecture((1,), (0, 1, 1), (None, "softplus", "square"), readout="identity")
    network = drawn(architecture, affine_basis(1, 1), 1, "bound")
    names = parameter_labels(network, ["x"], ["y"])
    loss = Likelihood().on(Interval(-6.0, 6.0, 96, refinements=0))
    return infer(network, loss, (x, y), names, candidates=96, l2=l2)


def test_parameters_that_run_off_are_refused():
    """It grows steep and vanishes: there is no optimum, and no number."""
    res = needless()
    assert res.convergence is Convergence.LIMIT
    assert res.bse.isna().all()
    assert set(res.not_identified) == {NotIdentified.UNCONVERGED}
    assert "Not converged" in str(res.summary())
    assert "All parameters: no standard error" in str(res.summary())


def test_what_would_run_off_is_left_out_or_held_by_the_weak_prior():
    """By default there are finite errors, and the summary says what they rest on."""
    res = needless(l2=None)
    assert res.convergence is Convergence.OPTIMUM
    assert res.bse.notna().all()
    held = res.weak_prior and any("weak normal prior of standard deviation 10" in note for note in res.notes)
    assert held or "estimated without it" in res.cautions[0]
    np.testing.assert_allclose(res.params["equality[y]"], np.sqrt(2), atol=4 * res.bse["equality[y]"])


def test_the_weak_prior_counts_as_information():
    """J⁻¹(K + P)J⁻¹, so that the variance is that of the prior where the data say nothing."""
    plain = logit()
    information = replace(plain.fitted.information, ridge=0.01)
    held = replace(plain, weak_prior=True, fitted=replace(plain.fitted, information=information))
    own = 0.01 * information.inverse() @ information.inverse() / plain.n
    np.testing.assert_allclose(estimated(held, plain.covariance).cov - plain.cov, own, rtol=1e-6, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "rows"), [(1, 40), (0, 20), (1, 20)])
def test_few_rows_of_noise_end_under_the_prior_and_not_in_a_saturated_tanh(seed, rows):
    """Without it a row of size 70 has z of 33, one of size 1e6 no error, and separated classes none at all."""
    draws = np.random.default_rng(seed)
    X = pd.DataFrame(draws.normal(size=(rows, 2)), columns=["a", "b"])
    y = pd.Series(draws.choice(["u", "v"], rows), name="y")
    res = bl.BLClassifier(layers=(1,), identifiable=True, random_state=0).fit(X, y).inference()
    assert res.weak_prior
    assert res.bse.notna().all()
    assert res.zvalues.abs().max() < 10


def test_ridge_holds_what_would_run_off_and_refuses_what_it_decides():
    res = needless(l2=0.1)
    assert res.convergence is Convergence.OPTIMUM
    decided = [label for label, why in res.not_identified.items() if why is NotIdentified.RIDGE]
    assert decided
    assert all(label.startswith("inequality") for label in decided)
    assert (res.bse.filter(regex="^equality") > 0).all()
    assert "l2=0.1, a normal prior of standard deviation 3.16" in str(res.summary())


def test_slope_of_the_ridge_meets_that_of_the_rows():
    """Mean score + α/n·θ = 0, and the log-likelihood is that of the rows alone."""
    res = needless(l2=0.1)
    np.testing.assert_allclose(res.fitted.scores().mean(axis=0), -0.1 / res.n * res.fitted.theta, atol=1e-8)
    assert res.loglikelihood == pytest.approx(-res.fitted.losses().sum(), rel=1e-10)
    kinds = res.with_covariance("hessian"), res.with_covariance("jackknife")
    for other in kinds:
        np.testing.assert_array_equal(other.bse.isna(), res.bse.isna())


def test_directions_without_information_are_named():
    """x and its copy: only the sum of their coefficients is determined."""
    x, y = gaussian_rows()
    network = drawn(GAUSSIAN, affine_basis(2, 1), 1, "copy")
    names = parameter_labels(network, ["u", "copy"], ["y"])
    twice = np.stack([x[:, 0], x[:, 0]], axis=1)
    res = infer(network, Likelihood().on(Interval(-15.0, 15.0, 192, refinements=0)), (twice, y), names, candidates=192)
    row = "equality"
    unknown = [f"{row}[u]", f"{row}[copy]"]
    assert res.not_identified[unknown].tolist() == [NotIdentified.UNIDENTIFIED] * 2
    assert res.bse[unknown].isna().all()
    assert res.bse.drop(unknown).notna().all()
    report = res.identification
    assert (report.rank, report.dimensions, report.unidentified) == (3, 4, tuple(unknown))
    assert not report.identified
    assert report.weakest["verdict"][0] == "unidentified"
    assert all(label in report.weakest["direction"][0] for label in unknown)
    assert res.condition_number == np.inf
    assert "UNIDENTIFIED" not in str(report)
    np.testing.assert_allclose(res.bse[f"{row}[y]"], plain_slope_error(x[:, :1], y), rtol=1e-6)
    sum_of_both = res.function(lambda p: p[unknown[0]] + p[unknown[1]])
    assert sum_of_both["std. error"].isna().all()


def plain_slope_error(x, y):
    network = drawn(GAUSSIAN, affine_basis(1, 1), 1, "once")
    names = parameter_labels(network, ["u"], ["y"])
    res = infer(network, Likelihood().on(Interval(-15.0, 15.0, 192, refinements=0)), (x, y), names, candidates=192)
    return res.bse["equality[y]"]


def test_affine_squares_of_one_response_are_estimated_as_one():
    """A·y² + 2(b·x + c)·y has as many numbers as one row, whatever the number of rows."""
    x, y = gaussian_rows()
    architecture = Architecture((1,), (0, 0, 2), (None, None, "square"), readout="identity")
    network = drawn(architecture, affine_basis(2, 1), 1, "rows")
    names = parameter_labels(network, ["u", "v"], ["y"])
    res = infer(network, Likelihood().on(Interval(-15.0, 15.0, 192, refinements=0)), (x, y), names, candidates=192)
    assert res.fitted.information.tangent_space.shape == (4, 4)
    assert np.isfinite(res.bse).all()


def test_denoising_score_matching_is_estimated_and_says_of_what():
    """A Gaussian seen through noise of variance σ² has variance + σ²: −t²y² with t² = 1/(2(s² + σ²))."""
    generator, sigma = rng("dsm"), 0.4
    y = generator.normal(scale=0.8, size=500)
    levels = (np.arange(32) + 0.5) / 32

    noise = norm.ppf(levels)
    noise = np.tile(sigma * noise / noise.std(), (500, 1))[..., None]

    network = drawn(
        Architecture((1,), (0, 0, 1), (None, None, "square"), readout="identity"), affine_basis(1, 1), 1, "d"
    )
    names = parameter_labels(network, ["x"], ["y"])
    x = generator.normal(size=(500, 1))
    res = infer(
        network,
        DenoisingScoreMatching(sigma, gauss_hermite=False).on(Interval(-15.0, 15.0)),
        (x, y, noise),
        names,
        candidates=32,
    )
    assert res.convergence is Convergence.OPTIMUM
    assert "wider than the distribution of y" in res.target
    assert np.isnan(res.aic)
    spread = res.function(lambda p: 0.5 / p["equality[y]"] ** 2)["estimate"][0]
    residual = y - np.polyval(np.polyfit(x[:, 0], y, 1), x[:, 0])
    np.testing.assert_allclose(spread, residual.var() + sigma**2, rtol=1e-6)
    with pytest.raises(OptionError, match="compares likelihoods"):
        res.lr_test("equality[x] = 0")
    assert res.score_test("equality[x] = 0").pvalue > 0.001


def test_gaussian_is_found_from_any_start():
    assert gaussian().convergence is Convergence.OPTIMUM
