"""Effects: closed forms, differences of predictions, and errors that are those of what they are linear in."""

from functools import cache
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import behavior_learning as bl
from behavior_learning.core.network import in_double
from behavior_learning.encoding.tables import TableEncoder
from behavior_learning.errors import DataError, OptionError
from behavior_learning.explanation.quantities import QUANTITIES
from behavior_learning.explanation.questions import Answer
from behavior_learning.learned import effects as learned_effects
from behavior_learning.learned.effects import Errors, Refitted, axes_of
from tests.conftest import rng
from tests.fitted import amounts, fitted, mixed, quick

COLUMNS = ["estimate", "std_error", "z", "pvalue", "lower", "upper"]
regressor = cache(lambda: fitted(bl.BLRegressor))
classifier = cache(lambda: fitted(bl.BLClassifier))


def effects(of="mean", estimator=bl.BLRegressor, **options):
    return fitted(estimator).effects(of=of, std_errors="none", correct=False, **options)


@cache
def linear():
    """E[y|x] = 3a − 2b and more in one group, learned by a model that can say so, with its inference."""
    generator = rng("linear effects")
    X = pd.DataFrame(generator.normal(size=(150, 2)), columns=["a", "b"])
    X["group"] = np.where(np.arange(150) % 2 == 0, "north", "south")
    y = 3 * X["a"] - 2 * X["b"] + (X["group"] == "south") + 0.5 * generator.normal(size=150)
    options = {"layers": (1,), "heads": ("identity", None, "square"), "basis": "affine"}
    model = bl.BLRegressor(**options, identifiable="pure_x", optimizer="lbfgs", random_state=0, n_restarts=1)
    return model.fit(X, y.rename("y")), X, y


@pytest.fixture(scope="module")
def of_least_squares():
    """A Gaussian whose mean is linear: what inference estimates is ordinary least squares."""
    model, X, y = linear()
    results = model.inference(n_restarts=0, cov_type="hessian")
    design = np.c_[np.ones(len(X)), X[["a", "b"]], X["group"] == "south"]
    coef, (rss,) = np.linalg.lstsq(design, y)[:2]
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * rss / len(y))
    return SimpleNamespace(found=model.effects(inference=results), coef=coef, errors=errors)


def test_effects_and_errors_of_a_linear_mean_are_least_squares(of_least_squares):
    table = of_least_squares.found.table()
    assert table.index.tolist() == ["a", "b", "group[south] - group[north]"]
    assert table.columns.tolist() == COLUMNS
    np.testing.assert_allclose(table["estimate"], of_least_squares.coef[1:], rtol=1e-4)
    np.testing.assert_allclose(table["std_error"], of_least_squares.errors[1:], rtol=1e-3)
    np.testing.assert_allclose(table["z"], table["estimate"] / table["std_error"])
    np.testing.assert_allclose(table["pvalue"], 2 * norm.sf(np.abs(table["z"])))
    np.testing.assert_allclose(table["upper"], table["estimate"] + norm.ppf(0.975) * table["std_error"])


def test_rows_groups_contrasts_and_curves_of_a_linear_mean_agree(of_least_squares):
    found = of_least_squares.found
    slope, error = found.table().loc["a", ["estimate", "std_error"]]
    rows = found.rows().xs("a", level="variable")
    np.testing.assert_allclose(rows["estimate"], slope, rtol=1e-5)
    np.testing.assert_allclose(rows["std_error"], error, rtol=1e-4)
    for part in (found.by("group"), found.by(np.arange(150) < 40), found.by("b")):
        np.testing.assert_allclose(part.xs("a", level="variable")["estimate"], slope, rtol=1e-5)
    contrast = found.contrast("a", 1.0, 3.0)
    assert contrast.index.tolist() == ["a[3] - a[1]"]
    np.testing.assert_allclose(contrast[["estimate", "std_error"]], [[2 * slope, 2 * error]], rtol=1e-4)
    for kind in ("partial_dependence", "ale"):
        curve = found.curve("a", kind=kind, points=5)
        rise = np.diff(curve["estimate"]) / np.diff(curve.index)
        np.testing.assert_allclose(rise, slope, rtol=1e-4)
        assert (curve["upper"] > curve["lower"]).all()


def test_groups_of_unlike_labels_are_told_apart(of_least_squares):
    found = of_least_squares.found
    labels = np.array(["b", 2, None, "b", 1.5] * 30, dtype=object)
    assert found.by(labels).index.get_level_values("group").unique().tolist() == [1.5, 2, "b"]


def test_units_are_those_of_the_table(of_least_squares):
    standardized = of_least_squares.found.table(standardized=True)["estimate"]
    _, X, _ = linear()
    np.testing.assert_allclose(standardized["a"], of_least_squares.coef[1] * X["a"].std(ddof=0), rtol=1e-4)
    np.testing.assert_allclose(standardized.iloc[-1], of_least_squares.coef[3], rtol=1e-4)


def test_average_effects_are_differences_of_predictions():
    model, X = regressor(), mixed()
    table = effects().table()["estimate"]
    assert table.index.tolist()[:2] == ["age", "income"]
    assert {"owner", "age[missing] - age[mean]", "job[nurse] - job[clerk]", "job[teacher] - job[clerk]"} < set(
        table.index
    )
    up, down = (model.predict(X.assign(income=X["income"] + h)) for h in (50.0, -50.0))
    assert table["income"] == pytest.approx((up - down).mean() / 100, rel=1e-2)
    yes, no = (model.predict(X.assign(owner=value)) for value in (True, False))
    assert table["owner"] == pytest.approx((yes - no).mean(), rel=1e-3)
    teacher, clerk = (model.predict(X.assign(job=value)) for value in ("teacher", "clerk"))
    assert table["job[teacher] - job[clerk]"] == pytest.approx((teacher - clerk).mean(), rel=1e-3)
    known = X["age"].notna()
    assert effects().rows().xs("age", level="variable").index.tolist() == np.flatnonzero(known).tolist()


def test_slopes_are_covariances_with_the_slope_of_the_utility():
    """dE[y|x]/dx = Cov(y, ∂BL/∂x)/τ and d log p(y|x)/dx = (∂BL(y)/∂x − E[∂BL/∂x])/τ, by sums over candidates."""
    found = effects()
    p, x = found.gibbs, found.x[:9]
    with jax.enable_x64(True):
        candidates = p.space.quadrature(p.scaled, jnp.asarray(x)).candidates
        one = jnp.broadcast_to(jnp.eye(x.shape[1])[2], x.shape)
        slope = np.asarray(jax.jvp(lambda x: p.utility(x, candidates), (jnp.asarray(x),), (one,))[1])
        mass, y = np.asarray(p.mass(jnp.asarray(x))), np.asarray(candidates[..., 0])
    covariance = (mass * y * slope).sum(1) - (mass * y).sum(1) * (mass * slope).sum(1)
    unit = found.quantity.parts[0].unit / found.axes[1].scale
    rows = found.rows()["estimate"].xs("income", level="variable")
    np.testing.assert_allclose(rows[:9], covariance * unit, rtol=1e-8)


def test_cross_derivatives_count_the_kinks():
    """E[∂²BL/∂x∂y|x] by differences of utilities, kinks included, where automatic differentiation has none."""
    model = regressor()
    found = effects("cross").rows()["estimate"].xs("income", level="variable")
    p, x, axis = effects().gibbs, effects().x[:5], effects().axes[1]
    grid = np.linspace(*np.asarray(p.space.ends)[:, 0], 4001)[None, :, None]
    up, down = (x + h * np.eye(x.shape[1])[2] for h in (1e-3, -1e-3))
    with jax.enable_x64(True):
        by_x = np.asarray(p.utility(jnp.asarray(up), grid) - p.utility(jnp.asarray(down), grid)) / 2e-3
        weight = np.asarray(p.utility(jnp.asarray(x), grid))
    mass = np.exp(weight - weight.max(1, keepdims=True))
    middle = 0.5 * (mass[:, 1:] + mass[:, :-1])
    bent = np.diff(by_x, axis=1) / np.diff(grid[0, :, 0])
    expected = (bent * middle).sum(1) / middle.sum(1) / axis.scale / model.model_.response.unit
    np.testing.assert_allclose(found[:5], expected, atol=0.05 * np.abs(expected).max())


def test_probabilities_of_classes_move_against_each_other():
    table = effects("probability", bl.BLClassifier).table()["estimate"]
    assert table.index.names == ["variable", "outcome"]
    np.testing.assert_allclose(table.groupby(level="variable").sum(), 0.0, atol=1e-10)
    pd.testing.assert_series_equal(table, effects("mean", bl.BLClassifier).table()["estimate"])


@pytest.mark.slow
def test_of_two_classes_the_second_has_effects():
    X = mixed()
    two = quick(bl.BLClassifier).fit(X, amounts(X) > 250)
    table = two.effects(std_errors="none", correct=False).table()["estimate"]
    yes, no = (two.predict_proba(X.assign(owner=value))[:, 1] for value in (True, False))
    assert table["owner"] == pytest.approx((yes - no).mean(), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("of", QUANTITIES)
@pytest.mark.parametrize("estimator", [bl.BLRegressor, bl.BLClassifier])
def test_every_quantity_has_every_answer(of, estimator):
    if of in ("quantile", "probability") and (of == "quantile") == (estimator is bl.BLClassifier):
        with pytest.raises(OptionError, match=r"no quantiles|has a density"):
            effects(of, estimator)
        return
    found = effects(of, estimator)
    variable = found.table().index.get_level_values("variable")[0]
    for table in (
        found.table(),
        found.by("job"),
        found.contrast("job", "clerk", "teacher"),
        found.curve("age", points=3),
    ):
        assert np.isfinite(table["estimate"]).all()
        assert table["std_error"].isna().all()
    assert variable in found.rows().index.get_level_values("variable")


def test_a_curve_of_a_column_of_two_values_has_these():
    assert effects().curve("owner").index.tolist() == [0.0, 1.0]


def test_some_rows_of_many_keep_their_places_and_groups(monkeypatch):
    monkeypatch.setattr("behavior_learning.learned.effects.EFFECT_ROWS", 80)
    X, twice = mixed(), np.repeat(np.arange(80), 2)
    found = effects(X=X.iloc[twice], y=amounts(X).iloc[twice])
    assert found.rows().index.unique("row").tolist() == list(range(0, 160, 2))
    by_label, by_name = found.by(X["job"].to_numpy()[twice]), effects().by("job")
    np.testing.assert_allclose(by_label["estimate"], by_name["estimate"])
    assert "80 of 160 rows" in str(found)


def test_columns_that_never_varied_have_no_effects():
    table = mixed().assign(flat=3.0, one="level")
    assert [axis.name for axis in axes_of(TableEncoder.learn(table))] == list(mixed())


def test_levels_with_an_order_are_steps_and_a_gap_is_a_level_of_its_own():
    """The lowest level that was seen is at no step, the highest at all."""
    order = pd.CategoricalDtype(["S", "M", "L", "XL"], ordered=True)
    table = pd.DataFrame({"size": pd.Series(["M", None, "L", "XL"], dtype=order)})
    (axis,) = axes_of(TableEncoder.learn(table))
    assert axis.levels == ("M", "L", "XL", "missing")
    np.testing.assert_array_equal(axis.table, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]])


def test_marginal_utility_is_that_of_the_response_alone():
    model, X = regressor(), mixed()
    y, step = amounts(X), 1e-2
    expected = (model.utility(X, y + step) - model.utility(X, y - step)) / (2 * step)
    table = effects("marginal_utility")
    assert table.table().index.tolist() == ["spend"]
    rows = table.rows()["estimate"].droplevel("variable")
    assert np.median(np.abs(rows - expected)) < 2e-3 * np.abs(expected).max()


@pytest.mark.slow
def test_errors_of_refits_are_their_spread():
    found = effects()
    networks = []
    for factor in (0.9, 1.0, 1.15):
        changed = jax.tree.map(
            lambda leaf, factor=factor: np.asarray(leaf) * factor, found.estimator.network.layers[-1]
        )
        with jax.enable_x64(True):
            network = in_double(found.estimator.network)
            networks.append(
                type(network)(
                    network.basis,
                    (*network.layers[:-1], changed),
                    network.projections,
                    network.readout,
                    network.architecture,
                )
            )
    spread = type(found)(**{**vars_of(found), "estimator": Refitted(networks[1], tuple(networks))})
    single = [
        type(found)(**{**vars_of(found), "estimator": Refitted(network, tuple(networks))}).table()["estimate"]
        for network in networks
    ]
    np.testing.assert_allclose(spread.table()["std_error"], np.std(single, axis=0, ddof=1), rtol=1e-8)


def test_refits_on_the_rows_of_the_fit_are_made_once_for_each_seed(monkeypatch):
    made = []
    monkeypatch.setattr(learned_effects, "_are_of_fit", lambda model, rows: rows == "own")
    monkeypatch.setattr(learned_effects, "_weight", lambda model, rows: None)

    def refits(model, rows, count, kind, seed, weight, keep):
        made.append((rows, count, seed))
        return [(SimpleNamespace(network=f"{rows} {seed} {number}"), None) for number in range(count)] + [(None, None)]

    monkeypatch.setattr(learned_effects, "refits", refits)
    model, errors = SimpleNamespace(refitted={}, members=1), Errors("bootstrap", n_refits=2, seed=3)
    assert errors.refitted(model, "own") == errors.refitted(model, "own") == ("own 3 0", "own 3 1")
    assert errors.refitted(model, "others") == ("others 3 0", "others 3 1")
    assert Errors("bootstrap", n_refits=2, seed=4).refitted(model, "own") == ("own 4 0", "own 4 1")
    assert made == [("own", 2, 3), ("others", 2, 3), ("own", 2, 4)]


def test_loadings_of_refits_are_a_root_of_their_covariance(monkeypatch):
    answered = rng("refits").normal(size=(5, 4, 2))
    monkeypatch.setattr(learned_effects, "answers", lambda question, network, x, y: answered[network])
    loadings = Refitted(None, tuple(range(5))).loadings(None, None, None)
    found = np.einsum("nqr,mpr->nqmp", loadings, loadings).reshape(8, 8)
    np.testing.assert_allclose(found, np.cov(answered.reshape(5, 8).T))


def vars_of(found):
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


@pytest.mark.slow
def test_bootstrap_errors_come_from_refits():
    model = quick(bl.BLRegressor, layers=(1,), n_restarts=1).fit(mixed(), amounts(mixed()))
    found = model.effects(n_refits=3)
    assert "bootstrap, 3 refits" in str(found)
    assert (found.table()["std_error"] > 0).all()


def test_weights_of_an_answer_add_up_with_their_errors():
    generator = rng("answer")
    values, loadings = generator.normal(size=(6, 2)), generator.normal(size=(6, 2, 4))
    weights = generator.normal(size=(3, 6, 2))
    asked = SimpleNamespace(values=lambda *_: 2 * values, loadings=lambda *_: 2 * loadings)
    sums = Answer(asked, None, None, None, np.full(2, 2.0)).sums(weights, np.ones((3, 2)), None)
    table = sums.table(pd.RangeIndex(6), 0.9, None, unknown=False)
    covariance = np.einsum("nqr,mqr->qnm", loadings, loadings)
    expected = [[np.sqrt(w[:, q] @ covariance[q] @ w[:, q]) for q in range(2)] for w in weights]
    np.testing.assert_allclose(table["std_error"], np.ravel(expected))


def test_contributions_add_up_to_the_utility_beyond_its_mean():
    for estimator in (bl.BLRegressor, bl.BLClassifier):
        model = fitted(estimator)
        found, gibbs = model.contributions(), model.model_.gibbs()
        x, y = (np.asarray(a, np.float32) for a in model.model_.given_rows("a test"))
        y = y if estimator is bl.BLRegressor else y.astype(int)
        log_p = np.asarray(gibbs.log_prob(x, y))
        at = np.asarray(gibbs.log_mass(x)) - np.asarray(gibbs.space.quadrature(gibbs.scaled, x).log_weights)
        mean = (np.asarray(gibbs.mass(x)) * at).sum(axis=1)
        np.testing.assert_allclose(found.sum(axis=1), log_p - mean, atol=5e-4)
        assert set(found.columns.get_level_values("block")) == {"block2.1"} or estimator is bl.BLClassifier


def test_density_has_marginal_utilities_of_its_columns():
    Y = pd.DataFrame(rng("density effects").normal(size=(60, 2)), columns=["u", "v"])
    density = bl.BLDensity(layers=(1,), max_epochs=20, n_restarts=1, random_state=0).fit(Y)
    assert density.effects(std_errors="none").table().index.tolist() == ["u", "v"]
    with pytest.raises(OptionError, match="no effects of them"):
        density.effects(of="mean", std_errors="none")


def test_bad_questions_are_refused(tmp_path):
    model, found = regressor(), effects()
    for options, message in {
        ("of", "utility"): "of must be one of",
        ("q", 1.5): "q must be",
        ("std_errors", "robust"): "std_errors must be one of",
        ("inference", 3): r"inference must be what model\.inference",
        ("n_refits", 1): "n_refits must be",
        ("correct", "yes"): "correct must be one of",
    }.items():
        with pytest.raises(OptionError, match=message):
            model.effects(**{options[0]: options[1]})
    with pytest.raises(OptionError, match=r"'size' varied in training.* did: age, income, owner, job"):
        found.curve("size")
    with pytest.raises(OptionError, match="'job' has no level 'd'"):
        found.contrast("job", "clerk", "d")
    with pytest.raises(OptionError, match="ALE needs an order"):
        found.curve("job", kind="ale")
    with pytest.raises(OptionError, match="of 'age' there are 1"):
        found.curve("age", grid=[40.0], kind="ale")
    with pytest.raises(OptionError, match=r"Values of 'age' must be a list of finite numbers; got \[30, nan\]"):
        found.contrast("age", 30, np.nan)
    with pytest.raises(OptionError, match="a label for each of 80 rows"):
        found.by([1, 2])
    with pytest.raises(OptionError, match="all of 'group' are missing"):
        found.by([None] * 80)
    with pytest.raises(DataError, match="needs both X and y"):
        model.effects(mixed(), of="cross")
    model.save(tmp_path / "model.bl")
    loaded = bl.load(tmp_path / "model.bl")
    with pytest.raises(DataError, match=r"Pass X and y to effects\(\)"):
        loaded.effects()
    np.testing.assert_allclose(
        loaded.effects(mixed(), std_errors="none", correct=False).table()["estimate"],
        found.table()["estimate"],
        rtol=1e-9,
    )
