"""Claims about BLHybrid and BLDensity: any part of several responses, given any others, in the user's words."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import behavior_learning as bl
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.density import BLDensity
from behavior_learning.estimators.hybrid import BLHybrid
from behavior_learning.estimators.regressor import BLRegressor
from tests.fitted import amounts, fitted, labels, numbers, quick
from tests.jointly import chosen, density, few, hybrid, pair, plane, vector

CLASSES = ["bus", "car", "train"]
DRAWS = 1000


def rows(n=16):
    """Rows that no fit has seen."""
    return numbers(seed=9).head(n)


def tables():
    X = rows()
    return X, chosen(numbers(seed=9)).head(len(X)).reset_index(drop=True)


# What is learned from.


def test_two_arguments_are_the_columns_of_one_table():
    X, Y = numbers(), chosen(numbers())
    apart = few(BLHybrid).fit(X, Y["mode"], Y["spend"])
    np.testing.assert_array_equal(apart.log_density(X, Y), hybrid().log_density(X, Y))
    assert apart.model_.response.names == ("mode", "spend")


def test_arrays_have_made_up_names():
    X, Y = numbers(), chosen(numbers())
    model = few(BLHybrid, max_epochs=1).fit(X.to_numpy(), Y["mode"].to_numpy(), Y["spend"].tolist())
    assert model.predict(X.to_numpy()).columns.tolist() == ["y_disc", "y_cont"]


def test_codes_given_as_the_discrete_responses_are_classes():
    X, Y = numbers(), chosen(numbers())
    codes = Y["mode"].map({name: code for code, name in enumerate(CLASSES)})
    assert few(BLHybrid, max_epochs=1).fit(X, codes, Y["spend"]).predict_proba(X).columns.tolist() == [0, 1, 2]


def test_numbers_stated_discrete_are_classes():
    X, Y = numbers(), chosen(numbers())
    codes = Y.assign(mode=Y["mode"].map({name: code for code, name in enumerate(CLASSES)}))
    model = few(BLHybrid, response={"mode": "classes"}).fit(X, codes)
    np.testing.assert_array_equal(model.predict_proba(X).columns, [0, 1, 2])
    np.testing.assert_array_equal(model.log_density(X, codes), hybrid().log_density(X, Y))


def test_order_of_the_columns_of_a_table_is_immaterial_after_fitting():
    X, Y = tables()
    np.testing.assert_array_equal(hybrid().log_density(X, Y[["spend", "mode"]]), hybrid().log_density(X, Y))


@pytest.mark.parametrize("power", [-3, 10])
def test_powers_of_two_as_units_scale_the_predictions(power):
    X, Y, unit = numbers(), chosen(numbers()), 2.0**power
    scaled = few(BLHybrid).fit(X, Y.assign(spend=Y["spend"] * unit))
    predicted, expected = scaled.predict(X), hybrid().predict(X)
    np.testing.assert_array_equal(predicted["mode"], expected["mode"])
    np.testing.assert_allclose(predicted["spend"], unit * expected["spend"], rtol=1e-5)
    log_density = scaled.log_density(X, Y.assign(spend=Y["spend"] * unit))
    np.testing.assert_allclose(log_density, hybrid().log_density(X, Y) - np.log(unit), atol=1e-4)


def test_validation_table_decides_which_parameters_are_kept():
    X, Y = numbers(), chosen(numbers())
    model = few(BLHybrid).fit(X[:64], Y[:64], validation_data=(X[64:], Y[64:]))
    scale = np.log(model.model_.response.components[1].scale)
    loss = -np.mean(model.log_density(X[64:], Y[64:])) - scale
    assert model.restarts_["validation_loss"].min() == pytest.approx(loss, abs=1e-3)


# The joint law and its parts.


@pytest.mark.parametrize("first", ["mode", "spend"])
@pytest.mark.parametrize("model", [hybrid, density])
def test_joint_log_density_is_marginal_plus_conditional(model, first):
    X, Y = tables()
    arguments = (X, Y) if model is hybrid else (Y,)
    ask = lambda **which: model().log_density(*arguments, **which)
    np.testing.assert_allclose(ask(), ask(of=[first]) + ask(given=[first]), atol=2e-3)


@pytest.mark.parametrize("model", [hybrid, pytest.param(plane, marks=pytest.mark.slow)])
def test_order_of_the_responses_asked_of_is_immaterial(model):
    X, Y = rows(), chosen(numbers(seed=9)).head(16) if model is hybrid else pair(numbers()).head(16)
    arguments = (X, Y) if model is hybrid else (Y,)
    forwards = model().log_density(*arguments, of=list(Y.columns))
    np.testing.assert_allclose(model().log_density(*arguments, of=list(Y.columns)[::-1]), forwards, atol=1e-3)


@pytest.mark.parametrize("model", [hybrid, density])
def test_density_sums_and_integrates_to_one_in_the_users_units(model):
    part = model().model_.response.components[1]
    spend = np.linspace(part.lower, part.upper, 601)
    table = pd.DataFrame({"mode": np.repeat(CLASSES, len(spend)), "spend": np.tile(spend, 3)})
    X = pd.concat([rows(1)] * len(table))
    log_density = model().log_density(X, table) if model is hybrid else model().log_density(table)
    by_class = np.exp(log_density).reshape(3, -1)
    assert np.trapezoid(by_class.sum(axis=0), spend) == pytest.approx(1.0, abs=2e-3)
    law = hybrid().distribution(rows(1)) if model is hybrid else density().distribution()
    probability = law.component("mode").probabilities()[0]
    np.testing.assert_allclose(np.trapezoid(by_class, spend), probability, atol=2e-3)
    mean = np.trapezoid(spend * by_class.sum(axis=0), spend)
    assert law.table()["spend"][0] == pytest.approx(mean, abs=0.01 * part.scale)


@pytest.mark.slow
def test_density_of_two_numbers_integrates_to_one():
    first, second = (np.linspace(part.lower, part.upper, 81) for part in plane().model_.response.components)
    grid = pd.DataFrame({"spend": np.repeat(first, 81), "weight": np.tile(second, 81)})
    height = np.exp(plane().log_density(grid)).reshape(81, 81)
    assert np.trapezoid(np.trapezoid(height, second), first) == pytest.approx(1.0, abs=5e-3)


def test_utility_differs_from_the_log_density_by_one_constant():
    for model, arguments in ((density(), (tables()[1],)), (plane(), (pair(numbers()),))):
        gap = model.utility(*arguments) - model.log_density(*arguments)
        np.testing.assert_allclose(gap, gap[0], atol=1e-3)


def test_score_of_a_density_is_its_mean_log_density():
    Y = tables()[1]
    assert density().score(Y) == pytest.approx(density().log_density(Y).mean())


def test_score_of_a_hybrid_is_its_mean_log_density():
    X, Y = tables()
    assert hybrid().score(X, Y) == pytest.approx(hybrid().log_density(X, Y).mean())


def test_probabilities_are_those_of_the_marginal_and_sum_to_one():
    X, _ = tables()
    proba = hybrid().predict_proba(X)
    assert proba.columns.tolist() == CLASSES
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-12)
    for name in CLASSES:
        table = pd.DataFrame({"mode": [name] * len(X)})
        np.testing.assert_allclose(np.log(proba[name]), hybrid().log_density(X, table, of=["mode"]), atol=1e-4)


def test_classes_predicted_are_the_most_likely_ones():
    X, Y = tables()
    expected = hybrid().predict_proba(X).idxmax(axis=1)
    assert hybrid().predict(X)["mode"].tolist() == expected.tolist()
    given = hybrid().predict(X, given={"spend": Y["spend"]})
    assert given.columns.tolist() == ["mode"]
    assert given["mode"].tolist() == hybrid().predict_proba(X, given={"spend": Y["spend"]}).idxmax(axis=1).tolist()


# Given.


def test_given_values_may_be_spelled_in_any_way():
    X, _ = tables()
    odd = pd.Series(["car"] * len(X), index=range(100, 100 + len(X)), name="other")
    spelled = ["car", ["car"] * len(X), np.array(["car"] * len(X)), odd, odd.astype("category")]
    expected = hybrid().predict(X, given={"mode": "car"})
    for given in [{"mode": values} for values in spelled] + [pd.DataFrame({"mode": odd})]:
        pd.testing.assert_frame_equal(hybrid().predict(X, given=given), expected)


@pytest.mark.parametrize("spelled", [250, 250.0, np.float32(250), np.int64(250)], ids=lambda v: type(v).__name__)
def test_given_number_may_be_of_any_type(spelled):
    expected = hybrid().predict_proba(rows(), given={"spend": [250.0] * 16})
    pd.testing.assert_frame_equal(hybrid().predict_proba(rows(), given={"spend": spelled}), expected)


def test_each_row_has_its_own_given_value():
    X, Y = tables()
    together = hybrid().predict(X, given=Y[["mode"]])
    for i in range(3):
        alone = hybrid().predict(X.iloc[[i]], given={"mode": Y["mode"][i]})
        np.testing.assert_allclose(alone["spend"][0], together["spend"][i], rtol=1e-4)
    assert density().distribution({"mode": CLASSES}).table().shape == (3, 1)
    assert density().distribution({"mode": "car"}).table().shape == (1, 1)


# Draws.


def test_draws_follow_their_seed_and_stay_in_the_support():
    X, part = rows(3), hybrid().model_.response.components[1]
    drawn = hybrid().sample(X, 50, random_state=1)
    assert drawn.shape == (150, 2)
    pd.testing.assert_frame_equal(drawn, hybrid().sample(X, 50, random_state=1))
    assert not drawn.equals(hybrid().sample(X, 50, random_state=2))
    assert drawn["spend"].between(part.lower, part.upper).all()
    assert set(drawn["mode"]) <= set(CLASSES)
    assert hybrid().sample(X, 2, given={"mode": "car"}, random_state=0).columns.tolist() == ["spend"]
    assert density().sample(7, random_state=0).shape == (7, 2)
    assert density().sample(2, given={"mode": CLASSES}, random_state=0).shape == (6, 1)


def test_shares_and_means_of_draws_are_those_predicted():
    """The draws of the first row come first, within 4.5 standard errors."""
    X = rows(4)
    drawn = hybrid().sample(X, DRAWS, random_state=3)
    spend = drawn["spend"].to_numpy().reshape(4, DRAWS)
    share = np.stack([(drawn["mode"] == name).to_numpy().reshape(4, DRAWS).mean(axis=1) for name in CLASSES], axis=1)
    assert np.abs(share - hybrid().predict_proba(X)).max(axis=None) < 4.5 * 0.5 / np.sqrt(DRAWS)
    error = spend.std(axis=1) / np.sqrt(DRAWS)
    assert np.all(np.abs(spend.mean(axis=1) - hybrid().predict(X)["spend"]) < 4.5 * error)


def test_draws_given_a_part_follow_the_conditional_law():
    X, coverage = rows(4), 0.8
    drawn = hybrid().sample(X, DRAWS, given={"mode": "bus"}, random_state=4)["spend"].to_numpy().reshape(4, DRAWS)
    interval = hybrid().predict_interval(X, coverage, given={"mode": "bus"})
    inside = ((drawn >= interval[:, :1]) & (drawn <= interval[:, 1:])).mean(axis=1)
    assert np.all(np.abs(inside - coverage) < 4.5 * np.sqrt(coverage * (1 - coverage) / DRAWS))
    median = hybrid().predict(X, given={"mode": "bus"}, statistic="median")["spend"]
    assert np.all(np.abs((drawn < median.to_numpy()[:, None]).mean(axis=1) - 0.5) < 4.5 * 0.5 / np.sqrt(DRAWS))


# Temperature.


def test_temperature_zero_is_the_joint_mode():
    X = rows()
    best = hybrid().predict(X, statistic="mode")
    pd.testing.assert_frame_equal(hybrid().predict(X, temperature=0), best)
    repeated = hybrid().sample(X, 2, temperature=0)
    pd.testing.assert_frame_equal(repeated.iloc[::2].reset_index(drop=True), best)
    part = hybrid().model_.response.components[1]
    for name in CLASSES:
        for share in np.linspace(0, 1, 9):
            other = best.assign(mode=name, spend=part.lower + share * (part.upper - part.lower))
            assert np.all(hybrid().utility(X, other) <= hybrid().utility(X, best) + 1e-4)


def test_small_temperatures_approach_the_mode():
    X = rows()
    best = hybrid().predict(X, given={"mode": "car"}, temperature=0)["spend"]
    scale = hybrid().model_.response.components[1].scale
    gaps = [
        np.abs(hybrid().predict(X, given={"mode": "car"}, temperature=t)["spend"] - best).mean() / scale
        for t in (1.0, 0.1, 0.01)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.05


@pytest.mark.parametrize("method", ["predict_proba", "predict_interval"])
def test_every_prediction_knows_temperature_zero(method):
    getattr(hybrid(), method)(rows(), temperature=0)


HELD_OUT = {
    "regressor": lambda: (fitted(BLRegressor, "numbers"), (rows(), amounts(numbers(seed=9))[:16])),
    "classifier": lambda: (fitted(BLClassifier, "numbers"), (rows(), labels(numbers(seed=9))[:16])),
    "hybrid": lambda: (hybrid(), tables()),
    "density": lambda: (density(), tables()[1:]),
    "plane": lambda: (plane(), (pair(numbers(seed=9)).head(16).clip(*support(plane()), axis=1),)),
    "vector": lambda: (vector(), (rows(), pair(numbers(seed=9)).head(16).clip(*support(vector()), axis=1))),
}
SLOW = dict.fromkeys(("plane", "vector"), pytest.mark.slow)


def support(model):
    """Lower and upper ends, a shade inside."""
    ends = np.array([(part.lower, part.upper) for part in model.model_.response.components]).T
    return ends + 1e-3 * np.ptp(ends, axis=0) * np.array([[1], [-1]])


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in HELD_OUT])
def test_calibration_lowers_the_loss_and_then_has_nothing_left_to_do(name):
    model, held_out = HELD_OUT[name]()
    model = deepcopy(model)
    before = model.log_density(*held_out).mean()
    assert model.calibrate(*held_out) is model
    after, temperature = model.log_density(*held_out).mean(), model.temperature_
    assert np.isfinite(after)
    assert after >= before - 1e-5
    assert temperature > 0
    assert model.calibrate(*held_out).temperature_ == pytest.approx(temperature, rel=0.02)
    for tau in (0.8 * temperature, 1.25 * temperature):
        model.model_ = replace(model.model_, temperature=tau)
        assert model.log_density(*held_out).mean() <= after + 1e-5


def test_calibration_on_rows_that_are_all_right_stays_positive_and_finite():
    clf, X = deepcopy(fitted(BLClassifier, "numbers")), rows()
    assert 0 < clf.calibrate(X, clf.predict(X)).temperature_ < 1
    assert np.isfinite(clf.predict_proba(X)).all()


def test_calibration_on_rows_that_are_all_wrong_stays_finite():
    clf, X = deepcopy(fitted(BLClassifier, "numbers")), rows()
    worst = clf.classes_[clf.predict_proba(X).argmin(axis=1)]
    assert 1 < clf.calibrate(X, worst).temperature_ < np.inf
    assert np.isfinite(clf.predict_proba(X)).all()


# Reading and keeping.


@pytest.mark.parametrize(("model", "names"), [(hybrid, ("mode[car]", "spend")), (plane, ("spend", "weight"))])
def test_problem_names_every_response(model, names):
    text, latex = model().problem_.text(None), model().problem_.to_latex(None)
    assert all(name in text for name in names)
    assert latex


def outputs(name, model, held_out):
    """Everything that an estimator says of rows."""
    x = held_out[:1] if name in ("hybrid", "vector") else ()
    said = [model.log_density(*held_out), model.utility(*held_out)]
    said += [model.sample(*x, n=3, random_state=0)]
    if name == "density":
        said += [model.distribution(given={"mode": "car"}).component("spend").mean()]
    elif name == "plane":
        said += [model.distribution().mean()]
    else:
        said += [model.predict(*x)]
    if name == "hybrid":
        said += [model.predict_proba(*x), model.predict_interval(*x), model.predict(*x, given={"mode": "car"})]
    return said


@pytest.mark.parametrize(
    "name", ["hybrid", "density", *(pytest.param(name, marks=pytest.mark.slow) for name in ("plane", "vector"))]
)
def test_nothing_is_lost_in_a_file(name, tmp_path):
    model, held_out = HELD_OUT[name]()
    model.save(tmp_path / "model.bl")
    again = bl.load(tmp_path / "model.bl")
    assert type(again) is type(model)
    assert again.get_params() == model.get_params()
    assert {n for n in vars(again) if n.endswith("_")} == {n for n in vars(model) if n.endswith("_")}
    for value, expected in zip(outputs(name, again, held_out), outputs(name, model, held_out), strict=True):
        np.testing.assert_array_equal(value, expected)
        if isinstance(expected, pd.DataFrame):
            pd.testing.assert_frame_equal(value, expected)
    assert again.problem_.text(None) == model.problem_.text(None)


def test_calibrated_temperature_survives_a_file(tmp_path):
    model = deepcopy(density()).calibrate(tables()[1])
    model.save(tmp_path / "model.bl")
    assert bl.load(tmp_path / "model.bl").temperature_ == model.temperature_


def test_stated_supports_survive_a_file(tmp_path):
    stated = {"spend": bl.Numbers(support=(np.int64(-100), np.float32(600)))}
    model = few(BLHybrid, response=stated, max_epochs=1).fit(numbers(), chosen(numbers()))
    model.save(tmp_path / "model.bl")
    assert bl.load(tmp_path / "model.bl").get_params() == model.get_params()


@pytest.mark.parametrize("estimator", [BLHybrid, BLDensity])
def test_clone_and_repr(estimator):
    model = {BLHybrid: hybrid, BLDensity: density}[estimator]()
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]
    assert repr(estimator()) == f"{estimator.__name__}()"
    penalty = bl.Penalty(l2=3.0)
    shown = " ".join(repr(estimator(response={"a": "classes"}, penalty=penalty)).split())
    assert shown == f"{estimator.__name__}(penalty={penalty}, response={{'a': 'classes'}})"
    with pytest.raises(ValueError, match="Invalid parameter 'neurons'"):
        estimator().set_params(neurons=3)


def test_seed_reproduces_the_fit():
    X, Y = numbers(), chosen(numbers())
    again, other = few(BLHybrid).fit(X, Y), few(BLHybrid, random_state=1).fit(X, Y)
    np.testing.assert_array_equal(again.log_density(X, Y), hybrid().log_density(X, Y))
    assert (other.log_density(X, Y) != again.log_density(X, Y)).any()


# Densities of one column.


@pytest.mark.slow
def test_density_of_one_number_is_that_of_a_regressor_without_columns():
    """It integrates to one, its mean is the mean of its draws, and a Series, an array and a table are the same."""
    spend = amounts(numbers())
    model = few(BLDensity).fit(spend)
    part = model.model_.response.components[0]
    at = np.linspace(part.lower, part.upper, 801)
    height = np.exp(model.log_density(pd.DataFrame({"spend": at})))
    assert np.trapezoid(height, at) == pytest.approx(1.0, abs=2e-3)
    law = model.distribution()
    assert law.mean()[0] == pytest.approx(np.trapezoid(at * height, at), abs=0.01 * part.scale)
    drawn = model.sample(DRAWS, random_state=0)["spend"]
    assert abs(drawn.mean() - law.mean()[0]) < 4.5 * drawn.std() / np.sqrt(DRAWS)
    lower, upper = law.interval(0.5)[0]
    assert np.mean(drawn.between(lower, upper)) == pytest.approx(0.5, abs=4.5 * 0.5 / np.sqrt(DRAWS))
    array = few(BLDensity).fit(spend.to_numpy())
    np.testing.assert_array_equal(array.log_density(at), np.log(height))


def test_density_of_one_class_has_its_shares():
    """The likelihood of classes alone is greatest at their shares, to which training comes close."""
    y = labels(numbers())
    model = few(BLDensity, max_epochs=100, patience=100, penalty=bl.Penalty(l2=0.0)).fit(y, validation_data=y)
    shares = model.model_.response.components[0].shares
    np.testing.assert_allclose(model.distribution().probabilities()[0], shares, atol=0.1)


def test_validation_table_of_a_density_decides_which_parameters_are_kept():
    Y = chosen(numbers())
    model = few(BLDensity).fit(Y[:64], validation_data=Y[64:])
    scale = np.log(model.model_.response.components[1].scale)
    loss = -model.score(Y[64:]) - scale
    assert model.restarts_["validation_loss"].min() == pytest.approx(loss, abs=1e-3)


# Vectors of numbers.


def test_vector_predictions_have_an_axis_of_responses():
    X, reg = rows(), vector()
    assert reg.predict(X).shape == reg.predict(X, "mode").shape == reg.predict(X, "median").shape == (16, 2)
    assert reg.predict_quantile(X, 0.3).shape == (16, 2)
    assert reg.predict_quantile(X, [0.3, 0.5, 0.9]).shape == (16, 2, 3)
    assert reg.predict_interval(X).shape == (16, 2, 2)
    assert reg.sample(X, 5, random_state=0).shape == (16, 5, 2)
    np.testing.assert_array_equal(reg.predict(X, temperature=0), reg.predict(X, "mode"))
    np.testing.assert_array_equal(reg.predict_quantile(X, 0.3, temperature=0), reg.predict(X, "mode"))
    np.testing.assert_array_equal(reg.sample(X, 5, temperature=0)[:, 3], reg.predict(X, "mode"))


@pytest.mark.slow
def test_vector_draws_have_the_predicted_moments_and_quantiles():
    X, reg = rows(4), vector()
    drawn = reg.sample(X, DRAWS, random_state=5)
    assert np.all(np.abs(drawn.mean(axis=1) - reg.predict(X)) < 4.5 * drawn.std(axis=1) / np.sqrt(DRAWS))
    interval = reg.predict_interval(X, 0.8)
    inside = ((drawn >= interval[:, None, :, 0]) & (drawn <= interval[:, None, :, 1])).mean(axis=1)
    assert np.all(np.abs(inside - 0.8) < 4.5 * 0.4 / np.sqrt(DRAWS))


def test_vector_density_integrates_to_one_in_the_users_units():
    first, second = (np.linspace(part.lower, part.upper, 81) for part in vector().model_.response.components)
    grid = np.stack([np.repeat(first, 81), np.tile(second, 81)], axis=1)
    height = np.exp(vector().log_density(pd.concat([rows(1)] * len(grid)), grid)).reshape(81, 81)
    assert np.trapezoid(np.trapezoid(height, second), first) == pytest.approx(1.0, abs=5e-3)


def test_vector_score_is_the_average_coefficient_of_determination_and_crps_is_positive():
    X, Y, reg = numbers(), pair(numbers()), vector()
    residual = ((Y - reg.predict(X)) ** 2).sum() / ((Y - Y.mean()) ** 2).sum()
    assert reg.score(X, Y) == pytest.approx(1 - residual.mean())
    assert (reg.crps(X, Y) > 0).all()


def test_array_and_table_of_vectors_are_the_same():
    X, Y = numbers(), pair(numbers())
    array = few(BLRegressor).fit(X, Y.to_numpy())
    np.testing.assert_array_equal(array.predict(X), vector().predict(X))
    assert array.model_.response.names == ("y1", "y2")


# Objectives.


@pytest.mark.parametrize("sigma", [0.3, (1.0, 0.5, 0.3), [1.0, 0.3]], ids=str)
def test_noise_levels_are_gone_through_and_the_last_one_kept(sigma):
    X = numbers()
    reg = quick(BLRegressor, objective=bl.DenoisingScoreMatching(sigma=sigma), max_epochs=100).fit(X, amounts(X))
    assert reg.model_.objective.sigma == np.float32(0.3)
    assert np.isfinite(reg.log_density(X, amounts(X))).all()
    assert reg.log_density(X, amounts(X)).mean() > -np.log(np.ptp(reg.model_.response.ends()))


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["dsm", "score_matching"])
@pytest.mark.parametrize("estimator", [BLRegressor, BLHybrid, BLDensity])
def test_heads_left_to_the_library_are_smooth_for_scores_and_silent(estimator, objective):
    X, Y = numbers(), {BLRegressor: amounts, BLHybrid: chosen, BLDensity: pair}[estimator](numbers())
    model = few(estimator, objective=objective).fit(*((Y,) if estimator is BLDensity else (X, Y)))
    assert model.network_.architecture.heads == ("tanh", "softplus(5)", "smooth_abs(0.2)")
    learned = model.model_.objective
    numbers_part = learned.continuous if estimator is BLHybrid else learned
    assert (
        type(numbers_part).__name__ == {"dsm": "DenoisingScoreMatching", "score_matching": "ScoreMatching"}[objective]
    )
    assert objective == "score_matching" or 0 < numbers_part.sigma < 0.2 + 1e-6


far_modes = pytest.mark.filterwarnings("ignore::behavior_learning.errors.SamplingWarning")
"""Brief fits to few rows have modes that chains do not cross; what these tests claim holds of any draws."""


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["dsm", "score_matching"])
@far_modes
def test_three_numbers_are_learned_from_scores_and_drawn_by_chains(objective):
    Y = pair(numbers(), 3)
    reg = few(BLRegressor, objective=objective).fit(numbers(), Y)
    X = rows(2)
    drawn = reg.sample(X, 64, random_state=0)
    assert drawn.shape == (2, 64, 3)
    np.testing.assert_array_equal(drawn, reg.sample(X, 64, random_state=0))
    assert reg.predict(X).shape == reg.predict(X, "mode").shape == (2, 3)
    assert reg.predict_interval(X).shape == (2, 3, 2)
    best = reg.predict(X, "mode")
    assert np.all(reg.utility(X, best) >= reg.utility(X, reg.predict(X)) - 1e-4)
    with pytest.raises(bl.errors.NoQuadratureError, match="3 continuous responses"):
        reg.log_density(X, Y.head(2))


@pytest.mark.slow
@far_modes
def test_density_of_four_numbers_predicts_each_of_them():
    Y = pair(numbers(), 3).assign(depth=amounts(numbers(), seed=3))
    model = few(BLDensity, objective="dsm", max_epochs=25).fit(Y)
    assert model.sample(2, random_state=0).shape == (2, 4)
    assert model.distribution().table().shape == (1, 4)
    assert model.distribution().component("spend").interval().shape == (1, 2)


@pytest.mark.slow
def test_denoising_learns_the_law_of_y_plus_noise():
    """For a normal y the fitted deviation is √(s² + σ²), of which draws come within a tenth."""
    y = np.random.default_rng(0).normal(5.0, 2.0, 2000)
    heads = {
        "heads": ("identity", None, "square"),
        "layers": (1,),
        "max_epochs": 300,
        "optimizer": bl.Adam(batch_size=256),
        "penalty": bl.Penalty(l2=0.0),
    }
    for sigma in (0.2, 1.0):
        model = few(
            BLDensity,
            objective=bl.DenoisingScoreMatching(sigma=sigma),
            response={"y": bl.Numbers(support=(-25.0, 35.0))},
            **heads,
        ).fit(y)
        drawn = model.sample(4000, random_state=1)["y"]
        assert drawn.std() == pytest.approx(y.std() * np.hypot(1, sigma), rel=0.1)
        assert drawn.mean() == pytest.approx(y.mean(), abs=0.3)
