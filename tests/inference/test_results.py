"""What a result offers: tables, tests, functions of parameters, comparisons, and not_identified."""

from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm

from behavior_learning.core.network import weight_value
from behavior_learning.errors import DataError, OptionError
from behavior_learning.inference import (
    NotIdentified,
    adjusted_pvalues,
    boundary,
    compare,
    comparison,
    functions,
    opposite_directions,
    report,
    simplify,
    vuong_test,
)
from behavior_learning.inference.fitted import numbers_of
from behavior_learning.inference.hypotheses import parse_hypotheses
from behavior_learning.inference.problem import row_hessians, scores
from behavior_learning.inference.resampling import one_step_jackknife
from behavior_learning.inference.results import InferenceResults, Units
from behavior_learning.inference.tables import Estimates, Summary, text_table
from tests.conftest import rng
from tests.inference.problems import ROWS, gaussian, logit, single

UTILITY, INEQUALITY, EQUALITY = (f"{role}" for role in ("utility", "inequality", "equality"))


def test_everything_is_indexed_by_label():
    res = single()
    for series in (res.params, res.bse, res.zvalues, res.pvalues, res.not_identified):
        assert list(series.index) == list(res.params.index)
    assert f"{UTILITY}[x*y]" in res.params.index
    assert f"{EQUALITY}.multiplier" not in res.params.index


def test_columns_of_the_table_are_one_calculation():
    res = single()
    np.testing.assert_allclose(res.zvalues, res.params / np.sqrt(np.diag(res.cov)))
    np.testing.assert_allclose(res.pvalues, 2 * norm.sf(np.abs(res.zvalues)))
    interval = res.conf_int(0.9)
    np.testing.assert_allclose(interval["upper"] - interval["lower"], 2 * norm.ppf(0.95) * res.bse)
    with pytest.raises(OptionError, match="level must lie"):
        res.conf_int(95)
    with pytest.raises(OptionError, match="needs draws"):
        res.conf_int(method="percentile")


def test_robust_is_not_plain_where_the_model_is_wrong():
    """The Gaussian's noise spreads with u: plain errors of its slope are far too small."""
    label = f"{EQUALITY}[u]"
    assert gaussian().bse[label] > 1.2 * gaussian().with_covariance("hessian").bse[label]


@pytest.mark.parametrize("kind", ["hessian", "opg", "multiplier", "jackknife"])
def test_kinds_of_errors_agree_where_the_model_is_right(kind):
    ratio = single(kind).bse / single().bse
    assert ratio.between(0.6, 1.9).all()


@pytest.mark.usefixtures("float64")
def test_jackknife_of_frequencies_is_that_of_equal_rows():
    """A row that counts thrice is three rows, each left out by itself; summed here one by one."""
    fitted, counts = single().fitted, rng("counts").integers(0, 4, ROWS)
    found = one_step_jackknife(fitted.problem, fitted.theta, fitted.information.inverse(), counts.astype(float))
    s, h = (np.asarray(of(fitted.problem, jnp.asarray(fitted.theta))) for of in (scores, row_hessians))
    rows = np.repeat(np.arange(ROWS), counts)
    moves = np.array([np.linalg.solve(h[rows].sum(axis=0) - h[i], s[i]) for i in rows])
    np.testing.assert_allclose(found, (len(rows) - 1) * np.cov(moves.T, bias=True), rtol=1e-8)


def test_bootstrap_refits_reach_their_optimum_and_give_percentiles():
    res = single("bootstrap")
    omitted = 60 - len(res.estimates.draws)
    assert omitted <= 3
    assert bool(omitted) == bool(res.notes)
    interval = res.conf_int(method="percentile")
    assert (interval["lower"] < res.params).all()
    assert (interval["upper"] > res.params).all()


@pytest.mark.slow
@pytest.mark.parametrize("cov_type", ["cluster_bootstrap", "multiplier"])
def test_clusters_of_two_ways_are_not_drawn(cov_type):
    clusters = np.column_stack([np.arange(400) // 2, np.arange(400) % 2])
    with pytest.raises(OptionError, match="clusters has two columns"):
        logit().with_covariance(cov_type, clusters=clusters)


def test_cluster_bootstrap_of_rows_that_move_together_is_wider():
    res = logit(cov_type="cluster_bootstrap", clusters=np.arange(400) // 2, draws=50)
    assert (res.bse > 0).all()
    with pytest.raises(OptionError, match="needs clusters"):
        logit().with_covariance("cluster_bootstrap")


def test_information_criteria_follow_from_the_likelihood():
    res = single()
    np.testing.assert_allclose(res.aic, -2 * res.loglikelihood + 16)
    np.testing.assert_allclose(res.bic, -2 * res.loglikelihood + 8 * np.log(600))
    assert abs(res.tic - res.aic) < 8


# Tests.


def test_hypotheses_are_read_as_written():
    labels = ["a.coef[x*y]", "a.coef[y]", "b"]
    read = parse_hypotheses("2*a.coef[x*y] - b/2 = 1 + a.coef[y], b = 0", labels)
    np.testing.assert_allclose(read.matrix, [[2, -1, -0.5], [0, 0, 1]])
    np.testing.assert_allclose(read.value, [1, 0])


@pytest.mark.parametrize("text", ["c = 0", "a.coef[y]*b = 0", "1 = 2", "a.coef[y] = b = 0", "", "b +"])
def test_unreadable_hypotheses_are_refused(text):
    with pytest.raises(OptionError, match="hypothesis"):
        parse_hypotheses(text, ["a.coef[x*y]", "a.coef[y]", "b"])


@pytest.mark.parametrize("given", [None, 3, [1], np.full((1, 3), np.nan), np.zeros((1, 3)), np.eye(2)])
def test_what_is_no_hypothesis_is_refused(given):
    with pytest.raises(OptionError, match=r"hypothesis is a text|hypothesis matrix needs"):
        parse_hypotheses(given, ["a", "b", "c"])


@pytest.mark.parametrize("test", ["lr_test", "score_test"])
def test_a_value_that_a_parameter_cannot_have_is_not_tested(test):
    found = getattr(single(), test)(f"{INEQUALITY}.multiplier = -1")
    assert np.isnan(found.pvalue)
    assert "multiplier cannot be -1" in found.note


NAMES = ["budget.inequality[LSTAT]", "budget.inequality[RM*MEDV]", "budget.utility[RM*MEDV]", "budget.utility[MEDV]"]

ODD = ["a[u*v]", "b[u]", "b[q^2*town=Ely, Cambs]", "c[v.old]"]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("LSTAT = 0", 0),
        ("budget[LSTAT] = 0", 0),
        ("inequality[MEDV*RM]", 1),
        ("utility[RM*MEDV]", 2),
        ("(MEDV) = 0", 3),
    ],
)
def test_a_part_of_a_label_names_the_one_parameter_that_has_it(text, column):
    np.testing.assert_allclose(parse_hypotheses(text, NAMES).matrix, np.eye(1, 4, column))


def test_a_name_of_several_parameters_lists_them_all():
    with pytest.raises(OptionError, match=r"any of budget\.inequality\[RM\*MEDV\], budget\.utility\[RM\*MEDV\]"):
        parse_hypotheses("budget[RM*MEDV] = 0", NAMES)


def test_brackets_and_signs_are_those_of_arithmetic():
    read = parse_hypotheses("-(LSTAT - 2*MEDV)/4 + 3 = -LSTAT*2", NAMES)
    np.testing.assert_allclose(read.matrix, [[1.75, 0, 0, 0.5]])
    np.testing.assert_allclose(read.value, [-3])


@pytest.mark.parametrize(
    ("text", "column"),
    [("u*v = 0", 0), ("2*v : u", 0), ("a[v:u]", 0), ("u", 1), ("3*town=Ely, Cambs*q^2 = 1, u = 0", 2), ("v.old", 3)],
)
def test_products_and_odd_names_are_short_names_too(text, column):
    assert np.flatnonzero(parse_hypotheses(text, ODD).matrix[0]).tolist() == [column]


def test_the_longest_name_is_read():
    labels = ["c[q^2]", "b[q^2*town=Ely, Cambs]", "d", "d[x]"]
    found = parse_hypotheses("q^2*town=Ely, Cambs = 0, q^2 = 0, d[x] = 0, d = 0", labels).matrix
    np.testing.assert_array_equal(found, np.eye(4)[[1, 0, 3, 2]])


@pytest.mark.parametrize(("count", "more"), [(8, ""), (9, " and 1 more"), (10, " and 2 more")])
def test_of_many_parameters_eight_are_named(count, more):
    with pytest.raises(OptionError, match=rf"Parameters: p0, .*, p6, p7{more}\.$"):
        parse_hypotheses("q = 0", [f"p{number}" for number in range(count)])


@pytest.mark.parametrize("name", ["RM*MEDV", "MEDV:RM", "budget[RM:MEDV]"])
def test_all_that_a_short_name_may_be_are_listed(name):
    with pytest.raises(OptionError, match=r"may be any of budget\.inequality\[RM\*MEDV\], budget\.utility\[RM\*MEDV\]"):
        parse_hypotheses(f"{name} = 0", NAMES)


@pytest.mark.parametrize("text", ["(" * 9000 + "LSTAT" + ")" * 9000, "-" * 19000 + "LSTAT", "+".join(["LSTAT"] * 3000)])
def test_long_and_deep_hypotheses_are_read(text):
    assert parse_hypotheses(text, NAMES).matrix.any()


@pytest.mark.parametrize("text", ["LSTAT +" * 200_000, "9" * 400 + "*LSTAT = 0", "MEDV" + "*2" * 9000, "a" * 10**6])
def test_endless_hypotheses_are_refused(text):
    with pytest.raises(OptionError):
        parse_hypotheses(text, NAMES)


def test_a_parameter_without_an_error_has_no_wald_test():
    labels = ["a", "b"]
    results = SimpleNamespace(
        params=pd.Series([1.0, 2.0], labels), not_identified=pd.Series([None, NotIdentified.RIDGE], labels),
        cov=pd.DataFrame(np.diag([0.25, np.nan]), labels, labels), covariance=SimpleNamespace(description="these"),
    )  # fmt: skip
    found = InferenceResults.wald_test(results, "a + b = 0")
    assert np.isnan(found.pvalue)
    assert found.note.startswith("b has no standard error: the ridge")
    assert InferenceResults.wald_test(results, "a = 0").statistic == pytest.approx(4.0)


def test_joint_wald_test_of_one_parameter_is_its_z_squared():
    res, label = single(), f"{UTILITY}[y]"
    found = res.wald_test(f"{label} = 0")
    np.testing.assert_allclose(found.statistic, res.zvalues[label] ** 2)
    np.testing.assert_allclose(found.pvalue, res.pvalues[label])


@pytest.mark.slow
def test_wald_likelihood_ratio_and_score_agree():
    res, label = single(), f"{INEQUALITY}[x*y]"
    hypothesis = f"{label} = {res.params[label] + 0.5 * res.bse[label]}"
    plain = res.with_covariance("hessian")
    statistics = [plain.wald_test(hypothesis), plain.lr_test(hypothesis), plain.score_test(hypothesis)]
    np.testing.assert_allclose([test.statistic for test in statistics], statistics[0].statistic, rtol=0.35)


def test_present_constraints_are_found_and_absent_ones_are_not():
    res = single()
    assert res.constraint_test(INEQUALITY, directions=50, draws=400).pvalue < 0.01
    with pytest.raises(OptionError, match=r"row must be one of 'equality', 'inequality', 'utility'"):
        res.constraint_test("layer9")


def test_adjusted_pvalues_match_their_definitions():
    p = np.array([0.04, 0.001, np.nan, 0.03])
    np.testing.assert_allclose(adjusted_pvalues(p, "bonferroni"), [0.12, 0.003, np.nan, 0.09])
    np.testing.assert_allclose(adjusted_pvalues(p, "holm"), [0.06, 0.003, np.nan, 0.06])
    np.testing.assert_allclose(adjusted_pvalues(p, "bh"), [0.04, 0.003, np.nan, 0.04])
    with pytest.raises(OptionError, match="method must be"):
        adjusted_pvalues(p, "guess")
    assert (single().adjusted_pvalues() >= single().pvalues).all()


@pytest.mark.slow
def test_vuong_prefers_the_true_model_and_is_antisymmetric():
    res, null = single(), single_without_utility()
    found, mirrored = vuong_test(res, null), vuong_test(null, res)
    assert found.statistic > 2
    assert mirrored.statistic < -2
    assert vuong_test(res, null, penalty="none").statistic > found.statistic
    with pytest.raises(DataError, match="same rows"):
        vuong_test(res, gaussian())
    with pytest.raises(OptionError, match="penalty must be"):
        vuong_test(res, null, penalty="x")


def test_vuong_compares_densities_per_unit_of_y():
    res = single()
    rescaled = replace(res, units=Units((), np.empty((0, 0)), log_scale=0.7))
    np.testing.assert_allclose(rescaled.row_loglikelihoods(), res.row_loglikelihoods() - 0.7)
    assert rescaled.row_loglikelihoods().sum() == pytest.approx(rescaled.loglikelihood, rel=1e-10)
    assert vuong_test(rescaled, res).statistic < -2
    weighted = replace(res, fitted=replace(res.fitted, weights=np.full(res.n, 2.0)))
    with pytest.raises(DataError, match="have weights"):
        vuong_test(weighted, weighted)


def test_likelihood_ratios_are_refused_where_weights_are_shares_of_a_population():
    fitted = replace(single().fitted, weights=np.full(ROWS, 2.0), weight_kind="sampling")
    with pytest.raises(OptionError, match="lr_test is not valid with sampling weights"):
        replace(single(), fitted=fitted).lr_test(f"{UTILITY}[y] = 0")


def single_without_utility():
    from behavior_learning.core.architecture import Architecture
    from behavior_learning.core.spaces import Interval
    from behavior_learning.identification.parameters import parameter_labels
    from behavior_learning.inference import infer
    from behavior_learning.objectives import Likelihood
    from tests.inference.problems import BOX, drawn, single_basis, single_rows

    architecture = Architecture((1,), (0, 1, 1), (None, "softplus", "square"), readout="identity", intercepts=False)
    network = drawn(architecture, single_basis(), 1, "null")
    names = parameter_labels(network, ["x"], ["y"])
    return infer(network, Likelihood().on(Interval(*BOX, 96, refinements=0)), single_rows(), names, candidates=96)


# Functions of parameters.


def test_delta_method_of_a_ratio():
    res, a, b = single(), f"{EQUALITY}[y]", f"{EQUALITY}[x*y]"
    found = res.function(lambda p: p[b] / p[a]).iloc[0]
    slope = np.array([-res.params[b] / res.params[a] ** 2, 1 / res.params[a]])
    np.testing.assert_allclose(found["std. error"] ** 2, slope @ res.cov.loc[[a, b], [a, b]].to_numpy() @ slope)
    simulated = res.function(lambda p: p[b] / p[a], method="simulation", draws=4000).iloc[0]
    np.testing.assert_allclose(simulated["std. error"], found["std. error"], rtol=0.1)


@pytest.mark.usefixtures("float64")
def test_a_function_has_no_error_only_where_it_moves_with_what_has_none():
    """a·b of a known a and b is a·b ± its error, whatever c; of b and c nothing is known. Draws leave c where it is."""
    theta, cov = np.array([2.0, 3.0, 5.0]), np.diag([0.04, 0.09, np.nan])
    products = lambda t: t[:2] * t[1:]
    found = functions.delta_method(products, theta, cov, 0.9)
    error = np.sqrt(9 * 0.04 + 4 * 0.09)
    half = norm.ppf(0.95) * error
    np.testing.assert_allclose(found.iloc[0], [6.0, error, 6 - half, 6 + half])
    draws = functions.normal_draws(theta, cov, 4000, seed=0)
    np.testing.assert_array_equal(draws[:, 2], 5.0)
    drawn = functions.simulated(products, theta, cov, 0.9, draws)
    np.testing.assert_allclose(
        drawn.iloc[0, 1:], [error, *np.quantile(draws[:, 0] * draws[:, 1], [0.05, 0.95])], rtol=0.05
    )
    for table in (found, drawn):
        assert table["estimate"].tolist() == [6.0, 15.0]
        assert table.iloc[1, 1:].isna().all()


def test_functions_of_the_network_have_errors_too():
    x, y = jnp.ones((1, 1)), jnp.array([[[0.5], [-0.5]]])
    found = single().function(lambda network: jnp.diff(network(x, y)[0]), of="network")
    assert np.isfinite(found.to_numpy()).all()


def test_linear_change_of_units_is_exact():
    estimates = Estimates.of(["a", "b"], np.array([1.0, 2.0]), np.array([[0.04, 0.01], [0.01, 0.09]]))
    moved = estimates.linearized(["c"], np.array([3.0]), np.array([[2.0, -1.0]]))
    np.testing.assert_allclose(moved.params["c"], 3.0)
    np.testing.assert_allclose(moved.bse["c"] ** 2, 4 * 0.04 - 4 * 0.01 + 0.09)


def test_intervals_are_quantiles_of_the_normal_law_or_of_the_draws():
    draws = rng("draws").normal(size=(401, 1)) ** 3
    estimates = Estimates.of(["a"], np.array([1.0]), np.array([[4.0]]), draws)
    np.testing.assert_allclose(estimates.conf_int(0.8).loc["a"], 1 + 2 * norm.ppf([0.1, 0.9]))
    np.testing.assert_allclose(estimates.conf_int(0.8, "percentile").loc["a"], np.quantile(draws, [0.1, 0.9]))


def test_draws_move_as_the_numbers_do():
    draws = np.array([[1.5, 2.0], [0.0, 2.5], [1.0, 1.0]])
    estimates = Estimates.of(["a", "b"], np.array([1.0, 2.0]), np.eye(2), draws)
    moved = estimates.linearized(["c"], np.array([3.0]), np.array([[2.0, -1.0]]))
    np.testing.assert_allclose(moved.draws["c"], 3 + 2 * (draws[:, 0] - 1) - (draws[:, 1] - 2))


def test_intervals_cover_every_optimum_that_fits_alike():
    best, other = (Estimates.of(["a", "b"], np.array(at), np.diag([0.01, 0.04])) for at in ([1.0, 5.0], [2.0, 4.9]))
    covering = replace(best, others=(other,)).conf_int()
    np.testing.assert_allclose(
        covering.loc["a"], [best.conf_int().loc["a", "lower"], other.conf_int().loc["a", "upper"]]
    )
    np.testing.assert_allclose(
        covering.loc["b"], [other.conf_int().loc["b", "lower"], best.conf_int().loc["b", "upper"]]
    )


@pytest.mark.slow
def test_an_optimum_that_a_rival_passes_is_a_rival(monkeypatch):
    """Without the weak prior, by which optima are searched, another may be the best."""

    def nat_ahead(fitted, *_):
        return [replace(fitted, optimum=fitted.optimum._replace(loss=fitted.optimum.loss - 1 / fitted.total))]

    module = import_module("behavior_learning.inference.infer")
    monkeypatch.setattr(module, "_rivals", nat_ahead)
    monkeypatch.setattr(module, "distance", lambda *_, **__: np.inf)
    with jax.enable_x64(True):
        results = gaussian.__wrapped__(l2=None)
    (passed,) = results.rivals
    assert float(passed.fitted.optimum.loss - results.fitted.optimum.loss) == pytest.approx(1 / results.n)


def test_refused_parameters_spoil_only_what_they_enter():
    cov = np.array([[np.nan, np.nan], [np.nan, 0.09]])
    moved = Estimates.of(["a", "b"], np.array([1.0, 2.0]), cov).linearized(["c", "d"], np.array([1.0, 2.0]), np.eye(2))
    assert np.isnan(moved.bse["c"])
    np.testing.assert_allclose(moved.bse["d"], 0.3)


# Printing.


def test_rules_of_a_table_are_as_wide_as_its_lines():
    lines = text_table(pd.DataFrame({"estimate": [1.5, -22.0], "z": [0.1, 3.0]}, ["a", "longer label"])).split("\n")
    assert lines[1] == lines[-1] == "-" * len(lines[0])
    assert {len(line) for line in lines} == {len(lines[0])}


def test_summary_prints_estimates_facts_and_reasons():
    text = str(single().summary())
    for part in ("sandwich", "Log-likelihood", "AIC", "rank 8 of 8", "P>|z|", f"{UTILITY}[x*y]", "Converged"):
        assert part in text


def test_summary_as_html_and_latex_is_escaped_and_whole():
    table = pd.DataFrame({"estimate": [1.5], "note": ["<b>&"]}, index=["coef[a_b^2*y]"])
    summary = Summary("T", {"n": "1 < 2"}, {"caption": table}, ("50 % of it",))
    assert "&lt;b&gt;&amp;" in summary.as_html()
    assert "<b>" not in summary.as_html()
    assert "<tr><th></th><th>estimate</th><th>note</th></tr>" in summary.as_html()
    assert "<tr><th>coef[a_b^2*y]</th><td>1.5</td><td>&lt;b&gt;&amp;</td></tr>" in summary.as_html()
    latex = summary.as_latex()
    assert r"coef[a\_b\^{}2*y] & 1.5" in latex
    assert r"50 \% of it" in latex
    assert summary._repr_html_() == summary.as_html()
    assert repr(summary) == summary.as_text()


def test_compare_puts_models_side_by_side():
    summary = compare({"robust": single(), "plain": single("hessian")})
    table = summary.tables["Estimates"]
    assert list(table.columns) == ["robust", "plain"]
    assert "*** p < 0.001" in summary.notes[0]
    assert f"| {EQUALITY}[y] |" in summary.as_markdown()
    assert summary.as_csv().splitlines()[0] == "table,,robust,plain"
    plain = compare({"robust": single()}, stars=False).tables["Estimates"]["robust"]
    assert not plain.str.contains("*", regex=False).any()
    assert table.index[-1] == "standard errors"
    assert table.loc["standard errors"].tolist() == ["robust", "hessian"]


@pytest.mark.parametrize("likelihood", [True, False])
def test_a_compared_model_has_stars_by_its_pvalues_and_criteria_where_it_has_a_likelihood(likelihood):
    labels = ["a", "b", "c", "d"]
    column = comparison._column(
        SimpleNamespace(
            params=pd.Series([1.23456, -2.0, 3.0, 4.0], labels), bse=np.array([0.1234, 1.0, 2.0, 3.0]),
            pvalues=np.array([0.0005, 0.005, 0.03, 0.07]), likelihood=likelihood, degrees_of_freedom=4, n=50,
            loglikelihood=-10.123, aic=28.246, bic=35.9, tic=27.0, cov_type="robust",
        ),
        stars=True,
    )  # fmt: skip
    stars = [value.partition(" ")[0].lstrip("-0123456789.") for value in list(column.values())[:4]]
    assert stars == ["***", "**", "*", ""]
    assert column["a"] == "1.235*** (0.123)"
    criteria = ["-10.12", "28.25", "35.90", "27.00"] if likelihood else ["nan"] * 4
    assert list(column.values())[4:] == [*criteria, "4", "50", "robust"]


def test_inequality_that_cannot_turn_is_identified():
    found = opposite_directions(single().fitted)
    assert found["row"].tolist() == [INEQUALITY]
    assert found["verdict"].tolist() == ["identified"]


def test_a_multiplier_at_zero_is_left_to_the_test_of_the_constraint():
    """The coefficients of a row with λ = 0 mean nothing: neither χ² nor half of it is the distribution."""
    for test in (single().lr_test, single().score_test):
        assert "constraint_test('inequality')" in test(f"{INEQUALITY}.multiplier = 0").note


def test_unknown_methods_of_intervals_are_refused():
    with pytest.raises(OptionError, match="method must be 'likelihood' or 'score'"):
        single().profile_interval(f"{EQUALITY}[y]", method="wald")


def test_opposite_directions_are_weak_below_the_95_percent_point_of_chi_square(monkeypatch):
    assert chi2.sf(report.WEAK_RATIO, 1) == pytest.approx(0.05, abs=2e-4)
    fitted = single().fitted

    def verdict(ratio, moved=1.0):
        loss = float(fitted.optimum.loss) + ratio / (2 * fitted.total)
        end = SimpleNamespace(theta=fitted.theta + moved, loss=loss)
        monkeypatch.setattr(report, "polish", lambda *arguments: end)
        return report.opposite_directions(fitted)

    assert verdict(3.8)["verdict"].tolist() == ["weak"]
    assert verdict(3.8)["ratio"].tolist() == [pytest.approx(3.8)]
    assert verdict(3.9)["verdict"].tolist() == ["identified"]
    assert verdict(1.0, moved=0.0)["verdict"].tolist() == ["identified"]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("model", "row"), [(single, "inequality"), (gaussian, "equality")], ids=["learned", "given"])
def test_without_a_row_its_numbers_move_nothing_but_the_multiplier_that_is_tested(model, row):
    """A λ that the form holds at one moves freely, to either side, as one that is learned."""
    fitted = model().fitted
    place = boundary._row(fitted, row)
    moved = jnp.asarray(fitted.theta).at[place.own].set(0.3)
    for tested, expected in ((False, 0.0), (True, 0.3)):
        network = boundary._null_problem(fitted, place, tested=tested).network(moved)
        numbers = np.concatenate([weight_value(weight).ravel() for weight in network.weights])
        assert numbers[place.multiplier] == pytest.approx(expected)
        np.testing.assert_array_equal(numbers[place.coefficients], 0.0)
        others = np.setdiff1d(np.arange(len(numbers)), [place.multiplier, *place.coefficients])
        np.testing.assert_allclose(numbers[others], numbers_of(fitted.network)[others])


@pytest.mark.parametrize(
    ("more", "limited", "pays", "searches"),
    [(-0.1, False, True, 1), (0.1, False, False, 1), (0.1, True, False, 2), (simplify.HOPELESS, True, False, 1)],
)
def test_a_smaller_model_pays_where_its_bic_is_about_as_low(monkeypatch, more, limited, pays, searches):
    """One parameter less is worth log n; two points more are let pass, and a search goes on where they may be met."""
    fitted = single().fitted
    held = np.arange(len(numbers_of(fitted.network))) == boundary._row(fitted, "inequality").multiplier
    loss = fitted.loss + (np.log(ROWS) + simplify.SLACK + more) / (2 * ROWS)
    end, plain = fitted.optimum._replace(loss=loss, limited=limited), []

    def polish(problem, *own):
        plain.append(float(problem.l2) == 0)
        return end

    monkeypatch.setattr(simplify, "polish", polish)
    assert simplify._pays(fitted, numbers_of(fitted.network), held) == pays
    assert plain == [True] * searches


def test_constraint_test_keeps_the_ridge_in_the_model_without_the_row(monkeypatch):
    fitted = single().fitted
    ridged = eqx.tree_at(lambda f: f.l2, fitted.problem, jnp.asarray(0.3))
    ridges = []

    def polish(problem, *arguments):
        ridges.append(float(problem.l2))
        return SimpleNamespace(loss=0.0)

    monkeypatch.setattr(boundary, "polish", polish)
    boundary._without(replace(fitted, problem=ridged), boundary._row(fitted, "inequality"))
    assert ridges == pytest.approx([0.3] * (1 + boundary.NULL_STARTS))
