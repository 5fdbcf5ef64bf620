"""Averages put right by what y leaves over: least squares whatever the model says, with White's errors."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

import behavior_learning as bl
from behavior_learning.errors import OptionError
from behavior_learning.explanation.axes import Axis
from behavior_learning.explanation.correction import RIDGE, Correction, Terms
from tests.conftest import rng
from tests.fitted import amounts, fitted, labels, mixed

AXES = [Axis(name, (at,), (name,)) for at, name in enumerate("abc")]


def corrected(correction, own):
    """The average slopes of a model by column, corrected, and their errors."""
    x = correction.x
    weights = np.full((1, len(x), 3), 1 / len(x))
    sums = correction([correction.terms.slope(x, direction) for direction in np.eye(3)], weights)
    loads = np.broadcast_to(own, (3, 1)) if np.ndim(own) else np.zeros((3, 0))
    return correction.shift(sums), np.linalg.norm(correction.errors(sums, loads), axis=1)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_wrong_linear_model_becomes_least_squares_with_robust_errors(weighted):
    generator = rng("correction")
    x = generator.normal(size=(60, 3))
    wrong, y = generator.normal(size=3), x @ [1.0, -2.0, 0.5] + np.abs(x[:, 0]) * generator.normal(size=60)
    weight = generator.uniform(0.5, 2.0, 60) if weighted else np.ones(60)
    terms = Terms.of(AXES, 3, most=8)
    moved = (x @ wrong)[:, None]
    found = Correction(terms, x, y[:, None] - moved, weight, lambda: moved[..., None], ridge=0.0)
    expected = sm.WLS(y, sm.add_constant(x), weights=weight).fit(cov_type="HC1")
    np.testing.assert_allclose(wrong + corrected(found, wrong[:, None])[0], expected.params[1:])
    slopes = np.asarray(expected.params)[1:]
    moved = (x @ slopes)[:, None]
    found = Correction(terms, x, y[:, None] - moved, weight, lambda: moved[..., None], ridge=0.0)
    shift, errors = corrected(found, slopes[:, None])  # The regression sees all that the model may err by.
    np.testing.assert_allclose(shift, 0.0, atol=1e-12)
    np.testing.assert_allclose(errors, expected.bse[1:])


def test_whatever_terms_hold_is_put_right_exactly():
    x = rng("exact correction").normal(size=(100, 3))
    y = x[:, 0] ** 2 - x[:, 0] * x[:, 1] + 3 * x[:, 2]
    found = Correction(Terms.of(AXES, 3), x, y[:, None], np.ones(100), lambda: np.zeros((100, 1, 0)), ridge=0.0)
    np.testing.assert_allclose(corrected(found, None)[0], [np.mean(2 * x[:, 0] - x[:, 1]), -np.mean(x[:, 0]), 3.0])


def test_terms_leave_out_products_within_a_variable():
    """A number with gaps and a category of two levels: no square of a level, no product of levels."""
    axes = [Axis("a", (0,), ("a",), missing=1), Axis("job", (2, 3), ("u", "v"), levels=("u", "v"))]
    terms = Terms.of(axes, 4)
    pairs = set(zip(terms.first.tolist(), terms.second.tolist(), strict=True))
    assert pairs == {(j, 4) for j in range(4)} | {(0, 0), (0, 2), (0, 3), (1, 2), (1, 3)}
    assert len(Terms.of(axes, 4, most=8)) == 4
    assert Terms.of(axes, 4, most=3) is None


@pytest.mark.parametrize("estimator", [bl.BLRegressor, bl.BLClassifier])
def test_averages_add_the_effects_of_a_ridge_regression_of_the_residuals(estimator):
    X, model = mixed(), fitted(estimator)
    found = model.effects(std_errors="none")
    own, table = (model.effects(std_errors="none", correct=which).table()["estimate"] for which in (False, True))
    if estimator is bl.BLRegressor:
        left = np.asarray(amounts(X) - model.distribution(X).mean())
    else:
        left = np.asarray(labels(X) == "car") - model.predict_proba(X)[:, 1]
        own, table = (part.xs("mode[car]", level="outcome") for part in (own, table))
    terms, (_, income, owner, _) = found.correction.terms, found.axes
    scaler = StandardScaler().fit(terms(found.x))
    ridge = Ridge(alpha=RIDGE * len(X)).fit(scaler.transform(terms(found.x)), left)

    def mean(x):
        return ridge.predict(scaler.transform(terms(x))).mean()

    values = income.values(found.x)
    rise = mean(income.at(found.x, values + 50)) - mean(income.at(found.x, values - 50))
    assert table["income"] - own["income"] == pytest.approx(rise / 100, rel=2e-3)
    yes, no = (np.where(np.arange(found.x.shape[1]) == owner.columns[0], value, found.x) for value in both(owner))
    assert table["owner"] - own["owner"] == pytest.approx(mean(yes) - mean(no), rel=2e-3)


def both(axis):
    """The two values of a column that has no others, encoded."""
    return axis.steps[0].after[0], axis.steps[0].before[0]


def test_groups_and_contrasts_are_corrected_and_rows_are_not():
    model = fitted(bl.BLRegressor)
    own, found = (model.effects(std_errors="none", correct=which) for which in (False, None))
    moved = found.table()["estimate"]["income"] - own.table()["estimate"]["income"]
    groups = [part.by("job")["estimate"].xs("income", level="variable") for part in (found, own)]
    size = mixed()["job"].value_counts()[groups[0].index]
    assert np.average(groups[0] - groups[1], weights=size) == pytest.approx(moved)
    contrasts = [
        part.contrast("job", "clerk", "teacher")["estimate"].iloc[0] - part.table()["estimate"].iloc[-1]
        for part in (found, own)
    ]
    np.testing.assert_allclose(contrasts, 0.0, atol=1e-9)
    np.testing.assert_allclose(found.rows()["estimate"], own.rows()["estimate"])
    assert "Put right by what y leaves over, regressed on" in str(found)


def test_a_correction_that_cannot_be_is_refused():
    model = fitted(bl.BLRegressor)
    with pytest.raises(OptionError, match=r"needs effects on a mean .* got the 0\.5 quantile of spend, 80 rows"):
        model.effects(of="quantile", correct=True)
    assert model.effects(of="quantile", std_errors="none").correction is None
