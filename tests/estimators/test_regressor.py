"""Claims about BLRegressor: a whole conditional density, in the user's units."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from statsmodels import datasets

import behavior_learning as bl
from behavior_learning.errors import (
    ConvergenceError,
    OptionError,
    OutsideSupportWarning,
    TrainingWarning,
    UnseenCategoryWarning,
    UnseenMissingWarning,
)
from behavior_learning.estimators.loading import load
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.responses import Numbers
from tests.conftest import rng
from tests.fitted import ROWS, amounts, fitted, mixed, numbers, quick

TABLES = ("numbers", "mixed")
every_table = pytest.mark.parametrize("table", TABLES)
LEVELS = np.linspace(0.02, 0.98, 25)


def rows(table):
    """Rows that no fit has seen."""
    return {"numbers": numbers, "mixed": mixed}[table](seed=9).head(16)


def grid(reg, points=1024):
    """A fine grid over the support."""
    return np.linspace(reg.model_.response.lower, reg.model_.response.upper, points)


def density(reg, row, y):
    """p(y|x) of one row along y."""
    return np.exp(reg.log_density(pd.concat([row] * len(y)), y))


# The density.


@every_table
def test_density_integrates_to_one_in_the_users_units(table):
    reg = fitted(BLRegressor, table)
    y = grid(reg)
    for i in range(3):
        assert np.trapezoid(density(reg, rows(table).iloc[[i]], y), y) == pytest.approx(1.0, abs=2e-3)


@every_table
def test_predict_is_the_mean_of_the_density(table):
    reg = fitted(BLRegressor, table)
    y = grid(reg)
    for i in range(3):
        row = rows(table).iloc[[i]]
        mean = np.trapezoid(y * density(reg, row, y), y)
        assert reg.predict(row)[0] == pytest.approx(mean, abs=5e-3 * reg.model_.response.scale)


@every_table
def test_quantiles_cut_off_their_share_of_the_density(table):
    reg = fitted(BLRegressor, table)
    y = grid(reg)
    for i in range(3):
        row = rows(table).iloc[[i]]
        p = density(reg, row, y)
        below = np.concatenate([[0.0], np.cumsum(0.5 * np.diff(y) * (p[1:] + p[:-1]))])
        np.testing.assert_allclose(np.interp(reg.predict_quantile(row, LEVELS)[0], y, below), LEVELS, atol=4e-3)


@every_table
def test_mode_is_the_most_likely_response(table):
    reg = fitted(BLRegressor, table)
    for i in range(3):
        row = rows(table).iloc[[i]]
        best = reg.log_density(row, reg.predict(row, statistic="mode"))[0]
        assert best >= np.log(density(reg, row, grid(reg))).max() - 1e-4


def test_log_density_is_minus_infinity_outside_the_support():
    reg = fitted(BLRegressor)
    low, high = reg.model_.response.lower, reg.model_.response.upper
    width = high - low
    y = [low - 0.01 * width, low + 0.01 * width, high - 0.01 * width, high + 0.01 * width]
    with pytest.warns(OutsideSupportWarning, match=r"2 of 4 rows lie outside .*'spend', .*; the others"):
        log_density = reg.log_density(rows("mixed").head(4), y)
    np.testing.assert_array_equal(np.isfinite(log_density), [False, True, True, False])


@every_table
def test_utility_and_log_density_differ_by_a_function_of_x(table):
    reg, generator = fitted(BLRegressor, table), rng("responses", table)
    X = rows(table)
    low, high = generator.uniform(reg.model_.response.lower, reg.model_.response.upper, size=(2, len(X)))
    gap = reg.utility(X, high) - reg.utility(X, low)
    np.testing.assert_allclose(reg.log_density(X, high) - reg.log_density(X, low), gap, rtol=1e-4, atol=1e-4)


# Quantiles, intervals, draws.


@every_table
def test_quantiles_rise_with_q(table):
    quantiles = fitted(BLRegressor, table).predict_quantile(rows(table), LEVELS)
    assert quantiles.shape == (16, 25)
    assert (np.diff(quantiles, axis=1) > 0).all()


def test_order_of_levels_is_the_order_of_columns():
    reg, X, order = fitted(BLRegressor), rows("mixed"), rng("levels").permutation(25)
    np.testing.assert_array_equal(reg.predict_quantile(X, LEVELS[order]), reg.predict_quantile(X, LEVELS)[:, order])


@pytest.mark.parametrize("q", [0.25, np.float32(0.25)])
def test_single_level_gives_one_number_per_row(q):
    reg, X = fitted(BLRegressor), rows("mixed")
    np.testing.assert_allclose(reg.predict_quantile(X, q), reg.predict_quantile(X, [0.25])[:, 0])


def test_median_is_the_middle_quantile():
    reg, X = fitted(BLRegressor), rows("mixed")
    np.testing.assert_allclose(reg.predict(X, statistic="median"), reg.predict_quantile(X, 0.5), rtol=1e-5)


@pytest.mark.parametrize("coverage", [0.1, 0.5, 0.9, 0.99])
def test_interval_ends_are_quantiles(coverage):
    reg, X = fitted(BLRegressor), rows("mixed")
    interval = reg.predict_interval(X, coverage)
    np.testing.assert_allclose(interval, reg.predict_quantile(X, [(1 - coverage) / 2, (1 + coverage) / 2]), rtol=1e-6)
    assert (interval[:, 0] < reg.predict(X, "median")).all()
    assert (interval[:, 1] > reg.predict(X, "median")).all()
    assert (interval >= reg.model_.response.lower).all()
    assert (interval <= reg.model_.response.upper).all()


def test_draws_fall_below_each_quantile_as_often_as_it_says():
    reg, X, draws = fitted(BLRegressor), rows("mixed"), 4000
    sample = reg.sample(X, draws, random_state=1)
    assert sample.shape == (16, draws)
    below = (sample[:, :, None] <= reg.predict_quantile(X, LEVELS)[:, None, :]).mean(axis=1)
    assert np.abs(below - LEVELS).max() < 4.5 * 0.5 / np.sqrt(draws)


def test_draws_repeat_with_their_seed_and_leave_the_global_generator_alone():
    reg, X = fitted(BLRegressor), rows("mixed")
    before = np.random.get_state()[1].copy()
    first = reg.sample(X, 8, random_state=3)
    np.testing.assert_array_equal(first, reg.sample(X, 8, random_state=3))
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    assert (first != reg.sample(X, 8, random_state=4)).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda reg, X: reg.predict(X, statistic="average"), "statistic must be one of 'mean', 'median', 'mode'; got"),
        (lambda reg, X: reg.predict_quantile(X, 0.0), r"q must hold numbers strictly between 0 and 1; got 0\.0"),
        (lambda reg, X: reg.predict_quantile(X, [0.1, 1.2]), r"strictly between 0 and 1; got \[0\.1, 1\.2\]"),
        (lambda reg, X: reg.predict_quantile(X, [[0.1]]), "strictly between 0 and 1"),
        (lambda reg, X: reg.predict_quantile(X, "half"), "strictly between 0 and 1; got 'half'"),
        (lambda reg, X: reg.predict_interval(X, 90), "coverage must be a number above 0 and below 1; got 90"),
        (lambda reg, X: reg.sample(X, 0), "n must be a whole number of at least 1; got 0"),
        (lambda reg, X: reg.sample(X, 2.5), r"n must be a whole number of at least 1; got 2\.5"),
    ],
)
def test_invalid_arguments_of_predictions_are_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call(fitted(BLRegressor), rows("mixed"))


def test_number_of_rows_does_not_change_a_prediction():
    reg, X = fitted(BLRegressor), mixed()
    np.testing.assert_allclose(reg.predict(X)[3], reg.predict(X.iloc[[3]])[0], rtol=1e-5)


def test_unseen_category_predicts_like_a_missing_one():
    reg, X = fitted(BLRegressor), rows("mixed")
    with pytest.warns(UnseenCategoryWarning, match="'job'.*'pilot'"):
        unseen = reg.predict(X.assign(job="pilot"))
    with pytest.warns(UnseenMissingWarning, match="'job'.*count as no category"):
        missing = reg.predict(X.assign(job=None))
    np.testing.assert_array_equal(unseen, missing)


# What is learned.


def test_fit_learns_more_than_the_mean():
    X = numbers()
    assert fitted(BLRegressor, "numbers").score(X, amounts(X)) > 0.1


def test_data_frame_array_and_list_give_the_same_fit():
    X, y = numbers(), amounts(numbers())
    expected = fitted(BLRegressor, "numbers").predict(X)
    for table, target in ((X.to_numpy(), y.to_numpy()), (X.to_numpy().tolist(), y.tolist())):
        np.testing.assert_array_equal(quick(BLRegressor).fit(table, target).predict(table), expected)


def test_fitted_estimator_reads_frames_arrays_and_reordered_columns_alike():
    reg, X = fitted(BLRegressor, "numbers"), rows("numbers")
    for table in (X.to_numpy(), X.to_numpy().tolist(), X[X.columns[::-1]]):
        np.testing.assert_array_equal(reg.predict(table), reg.predict(X))


def test_seed_reproduces_the_fit():
    X, y = numbers(), amounts(numbers())
    again, other = quick(BLRegressor).fit(X, y), quick(BLRegressor, random_state=1).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), fitted(BLRegressor, "numbers").predict(X))
    pd.testing.assert_frame_equal(again.history_, fitted(BLRegressor, "numbers").history_)
    assert (other.predict(X) != again.predict(X)).any()


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0), np.int64(0)], ids=["none", "state", "int64"])
def test_every_kind_of_seed_is_taken(random_state):
    X = numbers()
    assert np.isfinite(quick(BLRegressor, random_state=random_state).fit(X, amounts(X)).predict(X)).all()


def test_fit_leaves_its_inputs_and_hyperparameters_alone():
    X, y = mixed(), amounts(mixed())
    reg = quick(BLRegressor)
    before = reg.get_params()
    assert reg.fit(X, y) is reg
    assert reg.get_params() == before
    pd.testing.assert_frame_equal(X, mixed())
    pd.testing.assert_series_equal(y, amounts(mixed()))


def test_history_has_one_line_per_start_and_epoch():
    history, restarts = fitted(BLRegressor).history_, fitted(BLRegressor).restarts_
    assert list(history.columns) == ["start", "epoch", "train_loss", "validation_loss"]
    assert len(history) == 2 * history["epoch"].max()
    assert history["epoch"].max() <= 25
    assert len(restarts) == 2
    assert restarts["kept"].sum() == 1
    assert restarts["validation_loss"][restarts["kept"]].item() == restarts["validation_loss"].min()


def test_validation_data_decides_which_parameters_are_kept():
    X, y = numbers(), amounts(numbers())
    train, held_out = slice(0, 64), slice(64, ROWS)
    reg = quick(BLRegressor).fit(X[train], y[train], validation_data=(X[held_out], y[held_out]))
    loss = -np.mean(reg.log_density(X[held_out], y[held_out])) - np.log(reg.model_.response.scale)
    assert reg.restarts_["validation_loss"].min() == pytest.approx(loss, abs=0.01)
    assert reg.model_.response.center == pytest.approx(y[train].mean())
    assert reg.model_.encoder.columns[0].center == pytest.approx(X["a"][train].mean())


def test_validation_data_may_have_its_columns_in_another_order_and_any_index():
    X, y = numbers(), amounts(numbers())
    held_out = X[64:][X.columns[::-1]].set_axis(range(16))
    usual = quick(BLRegressor).fit(X[:64], y[:64], validation_data=(X[64:], y[64:]))
    other = quick(BLRegressor).fit(X[:64], y[:64], validation_data=(held_out, y[64:].to_numpy()))
    np.testing.assert_array_equal(usual.predict(X), other.predict(X))


def test_stated_support_bounds_every_prediction():
    X, y = numbers(), amounts(numbers())
    support = (float(y.min()) - 1.0, float(y.max()) + 1.0)
    reg = quick(BLRegressor, response=Numbers(support=support)).fit(X, y)
    assert (reg.model_.response.lower, reg.model_.response.upper) == support
    sample = reg.sample(X, 50, random_state=0)
    assert support[0] <= sample.min() <= sample.max() <= support[1]


def test_progress_is_told_how_far_it_is():
    heard = []
    X = numbers()
    quick(BLRegressor).fit(X, amounts(X), progress=lambda done, loss: heard.append((done, loss)))
    assert heard[-1][0] == 25
    assert np.isfinite(heard[-1][1])


# Units.


@pytest.mark.parametrize("power", [-12, -3, 5, 20])
def test_powers_of_two_as_units_change_nothing_but_the_units(power):
    X, y, unit = numbers(), amounts(numbers()), 2.0**power
    reg, scaled = fitted(BLRegressor, "numbers"), quick(BLRegressor).fit(X / unit, y * unit)
    np.testing.assert_allclose(scaled.predict(X / unit), unit * reg.predict(X), rtol=1e-5)
    np.testing.assert_allclose(scaled.predict_interval(X / unit), unit * reg.predict_interval(X), rtol=1e-5)
    shifted = reg.log_density(X, y) - np.log(unit)
    np.testing.assert_allclose(scaled.log_density(X / unit, y * unit), shifted, atol=1e-4)


@pytest.mark.parametrize("seed", range(2))
def test_any_change_of_units_and_origin_carries_over(seed):
    generator, X = rng("units", seed), numbers()
    y = amounts(X)
    unit, origin = np.exp(generator.normal(scale=3)), generator.normal(scale=100)
    columns, origins = np.exp(generator.normal(scale=3, size=7)), generator.normal(scale=10, size=7)
    reg, scaled = fitted(BLRegressor, "numbers"), quick(BLRegressor).fit(X * columns + origins, y * unit + origin)
    predicted = (scaled.predict(X * columns + origins) - origin) / unit
    np.testing.assert_allclose(predicted, reg.predict(X), atol=2e-3 * reg.model_.response.scale)
    log_density = scaled.log_density(X * columns + origins, y * unit + origin) + np.log(unit)
    np.testing.assert_allclose(log_density, reg.log_density(X, y), atol=5e-3)


def test_log_density_of_standardized_data_differs_by_the_log_scale():
    X, y = numbers(), amounts(numbers())
    Z = pd.DataFrame(StandardScaler().fit_transform(X), columns=X.columns)
    standard = quick(BLRegressor).fit(Z, (y - y.mean()) / y.std(ddof=0))
    shift = standard.log_density(Z, (y - y.mean()) / y.std(ddof=0)) - fitted(BLRegressor, "numbers").log_density(X, y)
    np.testing.assert_allclose(shift, np.log(y.std(ddof=0)), atol=5e-3)


# The scikit-learn interface.


def test_clone_has_the_hyperparameters_and_nothing_learned():
    copy = clone(fitted(BLRegressor))
    assert copy.get_params() == fitted(BLRegressor).get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]


def test_set_params_changes_one_and_refuses_unknown_names():
    reg = quick(BLRegressor)
    assert reg.set_params(penalty__l2=3.0).penalty.l2 == 3.0
    with pytest.raises(ValueError, match="Invalid parameter 'neurons'"):
        reg.set_params(neurons=3)
    with pytest.raises(TypeError, match="neurons"):
        BLRegressor(neurons=3)


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(BLRegressor()) == "BLRegressor()"
    penalty = bl.Penalty(l2=3.0)
    shown = " ".join(repr(BLRegressor(layers=(2, 1), penalty=penalty)).split())
    assert shown == f"BLRegressor(layers=(2, 1), penalty={penalty})"


def test_grid_search_tries_hyperparameters():
    X, y, order = numbers(), amounts(numbers()), rng("folds").permutation(ROWS)
    search = GridSearchCV(quick(BLRegressor), {"penalty__l2": [0.1, 1e6]}, cv=[(order, order)], error_score="raise")
    search.fit(X, y)
    assert search.best_params_ == {"penalty__l2": 0.1}
    assert search.predict(X).shape == (ROWS,)


def test_score_is_the_coefficient_of_determination():
    reg, X, y = fitted(BLRegressor, "numbers"), numbers(), amounts(numbers())
    residual = np.sum((y - reg.predict(X)) ** 2)
    assert reg.score(X, y) == pytest.approx(1 - residual / np.sum((y - y.mean()) ** 2))


def test_names_and_counts_of_what_was_fitted():
    reg = fitted(BLRegressor)
    assert reg.feature_names_in_.tolist() == ["age", "income", "owner", "job"]
    assert reg.n_features_in_ == 4
    # Two blocks of three rows on 7 columns and y, one block of three rows on two blocks; an intercept and a λ per row.
    assert reg.n_parameters_ == 2 * 3 * (8 + 2) + 3 * (2 + 2)
    unnamed = quick(BLRegressor).fit(numbers().to_numpy(), amounts(numbers()))
    assert not hasattr(unnamed, "feature_names_in_")
    assert unnamed.n_features_in_ == 7


def test_fit_without_trusted_parameters_is_refused_and_leaves_nothing():
    unfitted = quick(BLRegressor, temperature=1e-9, max_epochs=3)
    with pytest.raises(ConvergenceError, match="None of 2 starts reached parameters"):
        unfitted.fit(numbers(), amounts(numbers()))
    assert not [name for name in vars(unfitted) if name.endswith("_") and not name.startswith("_")]


def test_fitted_model_outlives_changed_hyperparameters(tmp_path):
    X = numbers()
    reg = clone(fitted(BLRegressor, "numbers")).fit(X, amounts(X))
    before = reg.predict(X)
    reg.set_params(layers=(3,), temperature=5.0, heads=("identity", None, "square"))
    np.testing.assert_array_equal(reg.predict(X), before)
    reg.save(tmp_path / "changed.bl")
    np.testing.assert_array_equal(load(tmp_path / "changed.bl").predict(X), before)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_second_fit_prints_as_a_first_one(loaded, tmp_path):
    X = numbers()
    again = quick(BLRegressor).fit(X, amounts(X))
    str(again.problem_)
    if loaded:
        again.save(tmp_path / "first.bl")
        again = load(tmp_path / "first.bl")
    other = X[X.columns[:3]] * 10
    again.fit(other, amounts(X))
    assert str(again.problem_) == str(quick(BLRegressor).fit(other, amounts(X)).problem_)


def test_spreads_are_those_of_the_training_rows():
    """Columns have the unit of the training rows, however far the rows that validate spread."""
    X = numbers()
    reg = quick(BLRegressor).fit(X, amounts(X), validation_data=(X.mean() + 1.5 * (X - X.mean()), amounts(X)))
    own = [column.spread / column.scale for column in reg.model_.encoder.columns]
    np.testing.assert_allclose(reg.model_.deviations.of_functions[: len(own)], own, atol=1e-5)


def test_history_of_a_start_ends_where_it_stopped():
    X = numbers()
    reg = quick(BLRegressor, max_epochs=60, patience=2, n_restarts=4).fit(X, amounts(X))
    last = reg.history_.groupby("start")["epoch"].max().to_numpy()
    assert len(set(last)) > 1
    assert (last - reg.restarts_["best_epoch"] <= 2).all()
    best = reg.history_.groupby("start")["validation_loss"].min()
    np.testing.assert_allclose(best, reg.restarts_["validation_loss"], rtol=1e-6)


@pytest.mark.parametrize("value", [1.0, 1_700_000_000_123_456_789, 3.3e19])
def test_a_column_that_never_changes_changes_nothing(value):
    X = numbers()
    reg = quick(BLRegressor).fit(X.assign(constant=value), amounts(X))
    assert np.array_equal(reg.model_.encoder(X.assign(constant=value))[:, -1], np.zeros(len(X)))


def test_large_identifiers_keep_their_spread():
    X = numbers().assign(identifier=2**56 + 500 * np.arange(ROWS))
    reg = quick(BLRegressor).fit(X, amounts(X))
    assert np.std(reg.model_.encoder(X)[:, -1]) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("temperature", [1e-5, 1e-7])
def test_the_mean_approaches_the_best_response_as_temperature_falls(temperature):
    reg, row = fitted(BLRegressor, "numbers"), rows("numbers")
    np.testing.assert_allclose(
        reg.predict(row, temperature=temperature),
        reg.predict(row, temperature=0),
        atol=0.02 * reg.model_.response.scale,
    )


def test_categories_stay_categories_beside_validation_rows_without_some():
    X = numbers()
    zone = lambda labels: X.assign(zone=pd.Categorical(np.resize(labels, len(X))))
    reg = quick(BLRegressor).fit(zone([1, 2]), amounts(X), validation_data=(zone([1]), amounts(X)))
    assert [column.name for column in reg.model_.encoder.columns][-2:] == ["zone[1]", "zone[2]"]
    assert reg.predict(zone([1, 2])).shape == (len(X),)


def test_few_rows_of_one_number_are_learned_by_linear_regression():
    """Of all rows, and with an unbiased variance."""
    X = numbers().head(45)
    y = pd.Series(X.to_numpy() @ np.arange(1, 8) + rng("few rows").normal(size=45), name="y")
    reg = BLRegressor(random_state=0, n_restarts=1).fit(X, y)
    assert reg.network_.architecture.heads == (None, None, "square")
    assert not reg.model_.rows.held_out.any()
    assert "maximise" not in str(reg.problem_)  # One row says all: a utility beside it would say the same.
    line = sm.OLS(y, sm.add_constant(X)).fit()
    np.testing.assert_allclose(reg.predict(X), line.fittedvalues, atol=0.02 * y.std())
    np.testing.assert_allclose(reg.distribution(X).std() ** 2, line.scale, rtol=0.05)
    assert BLRegressor(layers=(2, 1), max_epochs=1, n_restarts=1).fit(X, y).network_.architecture.heads[0] == "tanh"


@pytest.mark.slow
def test_a_linear_problem_is_learned_where_the_default_one_loses_to_it():
    """Consumption is linear in the other accounts to three percent; a problem that is named stays what it is."""
    table = datasets.macrodata.load_pandas().data
    X, y = table.drop(columns="realcons"), table["realcons"]
    with pytest.warns(TrainingWarning, match=r"A linear problem was learned: .* is not better beyond doubt"):
        reg = BLRegressor(random_state=0, n_restarts=1).fit(X, y)
    assert reg.network_.architecture.heads == (None, None, "square")
    assert reg.model_.recipe.settings.penalty == bl.Penalty(l2=0.01)
    assert np.std(reg.predict(X) - y) < 0.02 * y.std()
    with pytest.warns(TrainingWarning, match="A linear model with a normal error does better"):
        named = BLRegressor(layers=(16, 4), random_state=0, n_restarts=1, max_epochs=50).fit(X, y)
    assert named.network_.architecture.layers == (16, 4)
