"""Claims about several responses and objectives that cannot be learned: a named error or warning with the way out."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import behavior_learning as bl
from behavior_learning.errors import DataError, FewValuesWarning, NoQuadratureError, OptionError, SmoothHeadsWarning
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.density import BLDensity
from behavior_learning.estimators.hybrid import BLHybrid
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.responses import Numbers
from tests.fitted import ROWS, amounts, labels, numbers
from tests.jointly import chosen, density, few, hybrid, pair, vector

RESPONSES = {
    BLRegressor: lambda X: amounts(X),
    BLHybrid: chosen,
    BLDensity: pair,
    BLClassifier: lambda X: labels(X),
}
JOINT = (BLHybrid, BLDensity)
SCORES = ("dsm", "score_matching")


def fit(model, Y=None, **options):
    """Fit to the shared table, which a density does without."""
    X = numbers()
    Y = RESPONSES[type(model)](X) if Y is None else Y
    return model.fit(*((Y,) if isinstance(model, BLDensity) else (X, Y)), **options)


def refused(model, message, Y=None, error=DataError, **options):
    """Fitting fails with `message`, and leaves nothing behind."""
    with pytest.raises(error, match=message):
        fit(model, Y, **options)
    assert not [name for name in vars(model) if name.endswith("_")]


# Objectives.


@pytest.mark.parametrize("estimator", RESPONSES)
def test_unknown_objective_states_the_known_ones(estimator):
    message = (
        "objective must be one of 'likelihood', 'cross_entropy', 'dsm', 'hybrid', 'score_matching', or .*; got 'mle'"
    )
    refused(few(estimator, objective="mle"), message, error=OptionError)


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (0, r"sigma of bl\.DenoisingScoreMatching must be a number above 0; got 0"),
        (-0.3, r"sigma of bl\.DenoisingScoreMatching must be a number above 0; got -0\.3"),
        (float("nan"), r"sigma of bl\.DenoisingScoreMatching must be a number above 0; got nan"),
        ("small", r"sigma of bl\.DenoisingScoreMatching must be a number above 0; got 'small'"),
        ((0.5, 0.0), r"sigma of bl\.DenoisingScoreMatching must be a number above 0; got 0\.0"),
        (
            (0.3, 0.5),
            r"DenoisingScoreMatching must be a positive number or a falling sequence of them; got \(0\.3, 0\.5\)",
        ),
        ([0.3, 0.3], r"a falling sequence of them; got \[0\.3, 0\.3\]"),
        ((), r"a falling sequence of them; got \(\)"),
    ],
    ids=str,
)
@pytest.mark.parametrize("estimator", [BLRegressor, BLHybrid, BLDensity])
def test_noise_must_be_positive_and_fall(estimator, sigma, message):
    refused(few(estimator, objective=bl.DenoisingScoreMatching(sigma=sigma)), message, error=OptionError)


@pytest.mark.parametrize("draws", [0, 1, 2.5, None], ids=str)
def test_noisy_copies_are_at_least_two(draws):
    message = r"draws of bl\.DenoisingScoreMatching must be a whole number of at least 2"
    refused(few(BLRegressor, objective=bl.DenoisingScoreMatching(draws=draws)), message, error=OptionError)


@pytest.mark.parametrize("objective", SCORES)
def test_classes_have_no_derivatives(objective):
    message = f"objective='{objective}' takes derivatives in y, and classes have none. Use objective='cross_entropy'"
    refused(few(BLClassifier, objective=objective, output="scalar"), message, error=OptionError)
    refused(few(BLDensity, objective=objective), message, labels(numbers()).to_frame(), OptionError)


@pytest.mark.parametrize("estimator", [BLRegressor, BLHybrid, BLDensity])
def test_cross_entropy_is_for_classes(estimator):
    message = "objective='cross_entropy' is for classes; numbers need 'likelihood', 'dsm' or 'score_matching'"
    refused(few(estimator, objective="cross_entropy"), message, error=OptionError)


@pytest.mark.parametrize("name", ["discrete_weight", "continuous_weight"])
@pytest.mark.parametrize("value", [0, -1.0, "half"], ids=str)
def test_weights_of_a_hybrid_objective_are_positive(name, value):
    refused(
        few(BLHybrid, objective=bl.Hybrid(**{name: value})),
        rf"{name} of bl\.Hybrid must be a number above 0",
        error=OptionError,
    )


def test_options_inside_options_are_checked_and_named():
    objective = bl.Hybrid(continuous=bl.DenoisingScoreMatching(draws=0))
    message = r"draws of bl\.DenoisingScoreMatching must be a whole number of at least 2; got 0"
    refused(few(BLHybrid, objective=objective), message, error=OptionError)
    refused(few(BLHybrid, objective=bl.Hybrid("mse")), r"continuous of bl\.Hybrid must be one of", error=OptionError)


def test_a_hybrid_objective_is_for_classes_and_numbers():
    message = "objective='hybrid' is for classes and numbers together"
    refused(few(BLRegressor, objective="hybrid"), message, error=OptionError)


@pytest.mark.parametrize("estimator", [BLRegressor, BLDensity])
def test_likelihood_of_three_numbers_is_refused_with_the_way_out(estimator):
    message = r"3 continuous responses .* at most 2\. Learn with objective='dsm' or 'score_matching'"
    refused(few(estimator), message, pair(numbers(), 3), NoQuadratureError)


@pytest.mark.parametrize("objective", SCORES)
@pytest.mark.parametrize("estimator", [BLRegressor, pytest.param(BLHybrid, marks=pytest.mark.slow)])
def test_named_heads_with_kinks_are_replaced_with_a_warning(estimator, objective):
    message = rf"objective='{objective}' .* lose the kinks .*'softplus\(5\)', 'smooth_abs\(0\.2\)'.* are used instead"
    with pytest.warns(SmoothHeadsWarning, match=message):
        model = fit(few(estimator, objective=objective, heads=("tanh", "relu", "abs")))
    assert model.network_.architecture.heads == ("tanh", "softplus(5)", "smooth_abs(0.2)")


@pytest.mark.slow
def test_huber_is_no_smooth_head_for_score_matching():
    """Its gradient is wrong there: see `test_score_matching_needs_a_second_derivative_that_huber_has_not`."""
    with pytest.warns(SmoothHeadsWarning, match="huber"):
        fit(few(BLRegressor, objective="score_matching", heads=("tanh", "softplus(5)", "huber(0.5)"), max_epochs=1))


def test_smooth_heads_are_kept_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit(few(BLRegressor, objective="dsm", heads=("identity", "softplus", None), max_epochs=1))
    assert model.network_.architecture.heads == ("identity", "softplus", None)


# Supports.


@pytest.mark.parametrize("estimator", JOINT)
def test_support_that_names_no_response_is_refused(estimator):
    message = "response names 'price', which is no response: .*spend"
    refused(few(estimator, response={"price": Numbers(support=(0, 1))}), message, error=OptionError)


def test_support_of_a_class_is_refused():
    message = "'mode' must hold numbers; got 'car'"
    refused(few(BLHybrid, response={"mode": Numbers(support=(0, 1))}), message)


@pytest.mark.parametrize("estimator", [BLDensity, BLRegressor])
@pytest.mark.parametrize("response", [Numbers(support=(0, 1)), "numbers"], ids=str)
def test_response_of_several_columns_is_a_dictionary(estimator, response):
    message = (
        r"response of several responses must be a dictionary by name, .*; got (Numbers\(support=\(0, 1\)\)|'numbers')"
    )
    refused(few(estimator, response=response), message, pair(numbers()), OptionError)


@pytest.mark.parametrize("support", [(1, 0), (0, np.inf), 3, "wide", (0,)], ids=str)
def test_support_is_two_finite_numbers_in_order(support):
    message = r"support must be two finite numbers \(lower, upper\) in order"
    refused(few(BLHybrid, response={"spend": Numbers(support=support)}), message, error=OptionError)
    refused(few(BLRegressor, response=Numbers(support=support)), message, error=OptionError)


def test_observations_outside_a_stated_support_are_named_by_row():
    Y = chosen(numbers())
    upper = float(np.sort(Y["spend"])[-3])
    row = int(np.argmax(Y["spend"] > upper))
    message = rf"'spend' must lie in the support \[-1000, .*\]; row {row} is .* \(2 such rows\)\. Widen support="
    refused(few(BLHybrid, response={"spend": Numbers(support=(-1000, upper))}), message)
    refused(few(BLDensity, response={"spend": Numbers(support=(-1000, upper))}), message)


def test_stated_supports_are_kept():
    model = fit(few(BLHybrid, response={"spend": Numbers(support=(-400.0, 900.0))}, max_epochs=1))
    assert (model.model_.response.components[1].lower, model.model_.response.components[1].upper) == (-400.0, 900.0)
    drawn = model.sample(numbers(), 20, random_state=0)["spend"]
    assert drawn.between(-400, 900).all()


# Which responses there are.


@pytest.mark.parametrize("estimator", JOINT)
def test_classes_name_a_response(estimator):
    message = "response names 'price', which is no response: .*spend"
    refused(few(estimator, response={"price": "classes"}), message, error=OptionError)
    message = r"response of several responses must be a dictionary by name, .*; got \['spend'\]"
    refused(few(estimator, response=["spend"]), message, error=OptionError)


@pytest.mark.parametrize("response", ["price", "joint", 3, Numbers], ids=str)
@pytest.mark.parametrize("estimator", RESPONSES)
def test_unknown_response_states_the_known_ones(estimator, response):
    """Several at once are no response of a single column."""
    stated = {"spend": response} if estimator in JOINT else response
    message = r"response must be one of .*bl\.Numbers\(\) or 'numbers'.*; got"
    refused(few(estimator, response=stated), message, error=OptionError)


def test_hybrid_needs_classes_and_numbers():
    X = numbers()
    refused(few(BLHybrid), "spend, weight are all numbers. Use BLRegressor, or .*response=", pair(X))
    classes = pd.DataFrame({"mode": labels(X), "other": labels(X, seed=1)})
    refused(few(BLHybrid), "mode, other are all classes. Use BLClassifier or BLDensity", classes)


@pytest.mark.parametrize("estimator", JOINT)
def test_number_with_three_values_looks_like_classes(estimator):
    X = numbers()
    Y = chosen(X).assign(spend=np.arange(ROWS) % 3)
    message = "'spend' has 3 distinct values in 80 rows, which looks like classes"
    with pytest.warns(FewValuesWarning, match=message):
        fit(few(estimator, max_epochs=1), Y)


def test_number_with_three_values_looks_like_classes_to_a_regressor():
    with pytest.warns(FewValuesWarning, match="3 distinct values in 80 rows"):
        fit(few(BLRegressor, max_epochs=1), pd.Series(np.arange(ROWS) % 3.0))


@pytest.mark.parametrize("estimator", JOINT)
def test_responses_of_one_name_are_refused(estimator):
    Y = chosen(numbers()).set_axis(["spend", "spend"], axis=1)
    refused(few(estimator), "must have different names; 'spend' comes twice", Y)


def test_two_arguments_of_one_name_or_unlike_length_are_refused():
    X, Y = numbers(), chosen(numbers())
    with pytest.raises(DataError, match="'spend' comes twice"):
        few(BLHybrid).fit(X, Y["mode"].rename("spend"), Y["spend"])
    with pytest.raises(DataError, match="y and y_cont must have the same number of rows; got 80 and 79"):
        few(BLHybrid).fit(X, Y["mode"], Y["spend"][:-1])


def test_column_of_x_named_like_a_response_is_refused():
    message = "X has a column with the name of the response, 'spend'"
    with pytest.raises(DataError, match=message):
        few(BLHybrid).fit(numbers().rename(columns={"a": "spend"}), chosen(numbers()))


def test_column_of_x_named_like_a_discrete_response_is_refused():
    with pytest.raises(DataError, match="X has a column with the name of the response, 'mode'"):
        few(BLHybrid, max_epochs=1).fit(numbers().rename(columns={"a": "mode"}), chosen(numbers()))


@pytest.mark.parametrize("column", ["mode", "spend"])
@pytest.mark.parametrize("estimator", JOINT)
def test_gap_in_a_response_is_named_by_column_and_row(estimator, column):
    Y = chosen(numbers()).astype({"mode": object})
    Y.loc[31, column] = np.nan
    words = {
        "mode": "'mode' must have a label in every row; row 31 has none",
        "spend": "'spend' must be finite; row 31 is nan",
    }
    refused(few(estimator), words[column], Y)


@pytest.mark.parametrize("estimator", JOINT)
def test_constant_response_is_refused(estimator):
    Y = chosen(numbers())
    refused(few(estimator), "'mode' must have at least two classes; got 1 class, 'car'", Y.assign(mode="car"))
    refused(few(estimator), "'spend' must vary", Y.assign(spend=3.5))


@pytest.mark.parametrize("shift", [-1, 1])
def test_table_of_another_length_is_refused(shift):
    X, Y = numbers(), chosen(numbers())
    rows = ROWS + shift
    Y = pd.concat([Y, Y])[:rows]
    with pytest.raises(DataError, match=f"X has {ROWS}, y has {rows}"):
        few(BLHybrid).fit(X, Y)
    with pytest.raises(DataError, match=f"X has {ROWS}, y has {rows}"):
        hybrid().log_density(X, Y)


@pytest.mark.parametrize("estimator", JOINT)
def test_what_is_no_table_is_refused(estimator):
    three = np.zeros((ROWS, 2, 2))
    refused(few(estimator), r"must be a table of two axes \(rows, responses\); got shape \(80, 2, 2\)", three)


@pytest.mark.parametrize("Y", [None, 3.0, np.array(1.0), [[1], [1, 2]], bl.BLDensity], ids=lambda Y: type(Y).__name__)
def test_what_is_no_table_has_no_density(Y):
    with pytest.raises(DataError, match="Y must be a table"):
        few(BLDensity).fit(Y)


def test_a_table_without_columns_is_no_response():
    with pytest.raises(DataError, match="must have a column at least"):
        few(BLHybrid).fit(numbers(), pd.DataFrame(index=range(ROWS)))


def test_missing_responses_are_refused_by_name():
    X, Y = numbers(), chosen(numbers())
    with pytest.raises(DataError, match="must be 'mode', 'spend'; 'spend' is missing"):
        hybrid().log_density(X, Y[["mode"]])
    with pytest.raises(DataError, match=r"table of shape \(rows, 2\); got shape \(80, 1\)"):
        hybrid().log_density(X, Y[["mode"]].to_numpy())


def test_unknown_label_is_refused():
    Y = chosen(numbers()).head(3)
    message = "'mode' has labels absent from training: 'walk'. Known: 'bus', 'car', 'train'"
    with pytest.raises(DataError, match=message):
        density().log_density(Y.assign(mode="walk"))
    with pytest.raises(DataError, match=message):
        density().distribution({"mode": "walk"})


@pytest.mark.slow
def test_rare_class_trains_however_large_the_validation_share():
    """A class that only validation holds has an arbitrary probability."""
    Y = chosen(numbers()).astype({"mode": object})
    for seed in range(3):
        Y.loc[0, "mode"] = "boat"
        model = fit(few(BLHybrid, random_state=seed, validation_fraction=0.8, max_epochs=1), Y)
        assert min(model.model_.response.components[0].shares) > 0


# Given.


@pytest.mark.parametrize("ask", ["predict", "sample", "predict_proba", "predict_interval"])
def test_given_must_name_responses(ask):
    with pytest.raises(OptionError, match=r"There is no response 'price'\. Responses: mode, spend"):
        getattr(hybrid(), ask)(numbers(), given={"price": 3.0})
    with pytest.raises(OptionError, match=r"There is no response 'price'\. Responses: mode, spend"):
        density().distribution({"price": 3.0})


NOTHING_LEFT = "there is nothing left to ask"
EVERYTHING = {"mode": "car", "spend": 250.0}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="mean"),
        pytest.param({"statistic": "mode"}, id="mode"),
    ],
)
def test_prediction_of_nothing_is_refused(options):
    with pytest.raises(OptionError, match=NOTHING_LEFT):
        hybrid().predict(numbers(), given=EVERYTHING, **options)


def test_draws_and_densities_of_nothing_are_refused():
    X, Y = numbers(), chosen(numbers())
    for ask in (
        lambda: hybrid().sample(X, given=EVERYTHING),
        lambda: hybrid().predict_proba(X, given={"mode": "car"}),
        lambda: hybrid().predict_interval(X, given={"spend": 250.0}),
        lambda: hybrid().log_density(X, Y, given=["mode", "spend"]),
        lambda: hybrid().log_density(X, Y, of=["mode"], given=["mode"]),
        lambda: hybrid().log_density(X, Y, of=[]),
    ):
        with pytest.raises(OptionError, match=NOTHING_LEFT):
            ask()


def test_density_of_an_unknown_response_is_refused():
    with pytest.raises(OptionError, match="There is no response 'price'"):
        hybrid().log_density(numbers(), chosen(numbers()), of=["price"])


def test_density_given_an_unknown_response_is_refused():
    with pytest.raises(OptionError, match="There is no response 'price'"):
        hybrid().log_density(numbers(), chosen(numbers()), given=["price"])


def test_given_values_of_another_length_are_refused():
    with pytest.raises(DataError, match="X has 80, y has 3"):
        hybrid().predict(numbers(), given={"spend": [1.0, 2.0, 3.0]})


@pytest.mark.parametrize("value", [np.nan, np.inf, None], ids=str)
def test_given_gap_is_refused_by_name(value):
    with pytest.raises(DataError, match="'spend' must be finite"):
        hybrid().predict(numbers(), given={"spend": value})


def test_given_number_outside_its_support_is_refused():
    """Its density there is zero, and the utility extrapolates."""
    with pytest.raises(DataError, match="support"):
        hybrid().predict_proba(numbers(), given={"spend": 1e9})


def test_response_must_be_named_where_there_are_several_of_its_kind():
    with pytest.raises(OptionError, match="'spend' is not discrete"):
        hybrid().predict_proba(numbers(), response="spend")
    with pytest.raises(OptionError, match="'mode' is not continuous"):
        hybrid().predict_interval(numbers(), response="mode")


# Temperatures, statistics, and what comes before fitting.


@pytest.mark.parametrize("temperature", [-1.0, np.nan, "cold"], ids=str)
def test_temperature_is_not_negative(temperature):
    with pytest.raises(OptionError, match="temperature must be a number at least 0"):
        hybrid().predict(numbers(), temperature=temperature)
    with pytest.raises(OptionError, match="temperature must be a number at least 0"):
        vector().predict(numbers(), temperature=temperature)


def test_statistic_and_coverage_state_their_range():
    with pytest.raises(OptionError, match="statistic must be one of 'mean', 'median', 'mode'; got 'best'"):
        hybrid().predict(numbers(), statistic="best")
    with pytest.raises(OptionError, match="coverage must be a number above 0 and below 1; got 1"):
        density().distribution().component("spend").interval(1)
    with pytest.raises(OptionError, match="n must be a whole number of at least 1; got 0"):
        density().sample(0)


def test_calibration_on_responses_outside_the_support_is_refused():
    model = few(BLRegressor).fit(numbers(), amounts(numbers()))
    with pytest.raises(DataError, match="support"):
        model.calibrate(numbers(), amounts(numbers()) + 1e6)


@pytest.mark.parametrize("estimator", JOINT)
def test_nothing_is_said_before_fitting(estimator, tmp_path):
    model = few(estimator)
    X = () if estimator is BLDensity else (numbers(),)
    for ask in (
        lambda: model.distribution(*X),
        lambda: model.sample(*X),
        lambda: model.log_density(*X, chosen(numbers())),
        lambda: model.utility(*X, chosen(numbers())),
        lambda: model.calibrate(*X, chosen(numbers())),
        lambda: model.problem_,
        lambda: model.save(tmp_path / "model.bl"),
    ):
        with pytest.raises(NotFittedError, match=f"This {estimator.__name__} instance is not fitted yet"):
            ask()


def test_levels_of_noise_need_as_many_epochs():
    message = "3 levels of sigma need as many epochs at least; got max_epochs=2"
    refused(
        few(BLRegressor, objective=bl.DenoisingScoreMatching(sigma=(0.5, 0.3, 0.1)), max_epochs=2),
        message,
        error=OptionError,
    )
