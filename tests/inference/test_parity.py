"""Where BL reduces to a model that statsmodels has, estimates and errors are the same."""

import jax.numpy as jnp
import numpy as np
import pytest
import statsmodels.api as sm

from behavior_learning.errors import FewClustersWarning, OptionError
from tests.conftest import rng
from tests.inference.problems import gaussian, gaussian_rows, logit, logit_rows

LABELS = [f"utility[{x}{k}]" for k in "BC" for x in ("", "u*", "v*")]


def reference(cov_type: str = "nonrobust", **options):
    x, y = logit_rows()
    return sm.MNLogit(y, sm.add_constant(x)).fit(disp=0, tol=1e-12, cov_type=cov_type, **options)


def test_multinomial_logit_has_the_same_estimates():
    ours, theirs = logit(), reference()
    np.testing.assert_allclose(ours.params[LABELS], np.asarray(theirs.params).T.ravel(), atol=1e-6)
    np.testing.assert_allclose(ours.loglikelihood, theirs.llf, atol=1e-8)
    np.testing.assert_allclose([ours.aic, ours.bic], [theirs.aic, theirs.bic], rtol=1e-9)


@pytest.mark.parametrize(("kind", "cov_type"), [("hessian", "nonrobust"), ("robust", "HC0")])
def test_multinomial_logit_has_the_same_errors(kind, cov_type):
    ours, theirs = logit(cov_type=kind), reference(cov_type)
    np.testing.assert_allclose(ours.bse[LABELS], np.asarray(theirs.bse).T.ravel(), atol=1e-6)
    order = [LABELS.index(label) for label in ours.params.index]
    theirs_cov = np.asarray(theirs.cov_params())[np.ix_(order, order)]
    np.testing.assert_allclose(ours.cov, theirs_cov, atol=1e-6)
    np.testing.assert_allclose(ours.conf_int().loc[LABELS[0]], np.asarray(theirs.conf_int())[0][0], atol=1e-6)


def test_clustered_errors_differ_by_the_small_sample_factor_only():
    """statsmodels also multiplies by (n − 1)/(n − k), which belongs to linear regression."""
    groups = rng("groups").integers(0, 25, size=400)
    ours, theirs = logit(cov_type="clustered", clusters=groups), reference("cluster", cov_kwds={"groups": groups})
    factor = np.sqrt(399 / (400 - 6))
    np.testing.assert_allclose(factor * ours.bse[LABELS], np.asarray(theirs.bse).T.ravel(), atol=1e-6)


def test_fewer_clusters_than_parameters_bring_a_warning_with_both_counts():
    with pytest.warns(FewClustersWarning, match="4 clusters for 6 free parameters"):
        logit().with_covariance("clustered", clusters=np.arange(400) % 4)


def test_clusters_of_one_row_are_the_sandwich():
    ours = logit(cov_type="clustered", clusters=np.arange(400))
    np.testing.assert_allclose(ours.bse, logit().bse * np.sqrt(400 / 399), rtol=1e-10)


def test_two_way_clusters_with_equal_ways_are_one_way():
    groups = rng("groups").integers(0, 25, size=400)
    twice = logit(cov_type="clustered", clusters=np.stack([groups, groups], axis=1))
    np.testing.assert_allclose(twice.bse, logit(cov_type="clustered", clusters=groups).bse, rtol=1e-8)


def test_two_way_clusters_lose_the_negative_part_of_their_difference():
    """Two halves crossed with two halves: the difference has a direction with less than nothing."""
    fitted, ways = logit().fitted, np.stack([np.arange(400) % 2, np.arange(400) // 200], axis=1)
    scores, bread = fitted.scores(), fitted.information.inverse()

    def meat(codes):
        count = int(codes.max()) + 1
        sums = np.stack([scores[codes == code].sum(axis=0) for code in range(count)])
        return sums.T @ sums * count / (count - 1)

    values, vectors = np.linalg.eigh(meat(ways[:, 0]) + meat(ways[:, 1]) - meat(2 * ways[:, 0] + ways[:, 1]))
    assert values.min() < -1e-3 * values.max()
    repaired = sum(value * np.outer(v, v) for value, v in zip(values, vectors.T, strict=True) if value > 0)
    with pytest.warns(FewClustersWarning):
        found = logit().with_covariance("clustered", clusters=ways)
    np.testing.assert_allclose(found.cov, bread @ repaired @ bread / 400**2, atol=1e-10)


def test_frequency_weights_count_equal_rows():
    x, y = logit_rows()
    counts = rng("counts").integers(1, 4, size=len(y))
    theirs = sm.MNLogit(np.repeat(y, counts), sm.add_constant(np.repeat(x, counts, axis=0))).fit(disp=0, tol=1e-12)
    for kind, cov_type in (("hessian", "nonrobust"), ("robust", "HC0")):
        ours = logit(cov_type=kind, weights=counts)
        again = theirs.model.fit(disp=0, tol=1e-12, cov_type=cov_type)
        np.testing.assert_allclose(ours.params[LABELS], np.asarray(again.params).T.ravel(), atol=1e-6)
        np.testing.assert_allclose(ours.bse[LABELS], np.asarray(again.bse).T.ravel(), atol=1e-6)


def test_sampling_weights_do_not_claim_more_rows():
    """Multiplying all sampling weights changes nothing; frequency weights of 4 halve the errors."""
    plain = logit()
    np.testing.assert_allclose(logit(weights=np.full(400, 7.5), weight_kind="sampling").bse, plain.bse, rtol=1e-8)
    np.testing.assert_allclose(logit(weights=np.full(400, 4)).bse, plain.bse / 2, rtol=1e-8)
    with pytest.raises(OptionError, match="not valid with sampling weights"):
        logit(weights=np.ones(400), weight_kind="sampling", cov_type="hessian")


@pytest.mark.parametrize(("kind", "cov_type"), [("hessian", "nonrobust"), ("robust", "HC0")])
def test_gaussian_is_least_squares(kind, cov_type):
    """−(a·x + b·y + c)² has mean −(a·x + c)/b and variance 1/(2b²)."""
    x, y = gaussian_rows()
    theirs = sm.OLS(y, sm.add_constant(x)).fit(cov_type=cov_type)
    ours = gaussian().with_covariance(kind)
    row = "equality"
    lines = [f"{row}.intercept", f"{row}[u]", f"{row}[v]"]
    slopes = ours.function(lambda p: -jnp.stack([p[name] / p[f"{row}[y]"] for name in lines]))
    degrees = np.sqrt((300 - 3) / 300) if kind == "hessian" else 1.0
    np.testing.assert_allclose(slopes["estimate"], theirs.params, atol=1e-6)
    np.testing.assert_allclose(slopes["std. error"], theirs.bse * degrees, atol=1e-6)
    variance = ours.function(lambda p: 0.5 / p[f"{row}[y]"] ** 2)["estimate"][0]
    np.testing.assert_allclose(variance, np.mean(theirs.resid**2), atol=1e-6)
    np.testing.assert_allclose(ours.loglikelihood, theirs.llf, atol=1e-6)


def test_wald_test_is_that_of_statsmodels():
    ours, theirs = logit(cov_type="hessian"), reference()
    found = ours.wald_test("utility[u*B] = utility[u*C]")
    matrix = np.zeros((1, 6))
    matrix[0, [1, 4]] = 1, -1
    expected = theirs.t_test(matrix)
    np.testing.assert_allclose(found.statistic, np.squeeze(expected.tvalue) ** 2, rtol=1e-6)
    assert found.df == 1


@pytest.mark.parametrize("test", ["wald_test", "lr_test", "score_test"])
def test_three_tests_agree_near_the_hypothesis(test):
    ours = logit(cov_type="hessian")
    value = ours.params["utility[v*B]"] + 0.05
    found = getattr(ours, test)(f"utility[v*B] = {value}")
    wald = ours.wald_test(f"utility[v*B] = {value}")
    np.testing.assert_allclose(found.statistic, wald.statistic, rtol=0.05)
    np.testing.assert_allclose(found.pvalue, wald.pvalue, rtol=0.05)


def test_profile_interval_ends_where_the_likelihood_ratio_test_rejects():
    ours, label = logit(), "utility[v*B]"
    found = ours.profile_interval(label, level=0.9)
    for end in (found.lower, found.upper):
        np.testing.assert_allclose(ours.lr_test(f"{label} = {end}").statistic, 2.7055, atol=0.02)
    wald = logit(cov_type="hessian").conf_int(0.9).loc[label]
    np.testing.assert_allclose([found.lower, found.upper], wald, atol=0.05)


def test_a_hypothesis_that_the_estimate_meets_is_met_at_once():
    fitted = logit().fitted
    row = np.eye(len(fitted.theta))[1] + np.eye(len(fitted.theta))[2]
    theta, optimum = fitted.restricted(row[None], np.array([row @ fitted.theta]))
    np.testing.assert_allclose(theta, fitted.theta, atol=1e-6)
    assert int(optimum.steps) <= 2


def test_likelihood_ratio_is_that_of_nested_logits():
    x, y = logit_rows()
    ours = logit().lr_test("utility[v*B] = 0, utility[v*C] = 0")
    full, small = reference(), sm.MNLogit(y, sm.add_constant(x[:, :1])).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(ours.statistic, 2 * (full.llf - small.llf), rtol=1e-6)
    assert ours.df == 2
