"""Claims about input no model can be learned from: a clear error at the edge, and nothing half-fitted."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError, UnseenMissingWarning
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.responses import Numbers
from tests.fitted import ESTIMATORS, ROWS, fitted, mixed, numbers, quick, response

pytestmark = pytest.mark.parametrize("estimator", ESTIMATORS)

HYPERPARAMETERS = [
    ({"layers": ()}, "layers needs one positive integer per layer"),
    ({"layers": (2, 0)}, r"layers needs one positive integer per layer, such as \(2, 1\); got \(2, 0\)"),
    ({"layers": (2.0, 1)}, r"layers needs one positive integer per layer.*got \(2\.0, 1\)"),
    ({"layers": 3}, r"layers must be a .* such as \(2, 1\); got 3"),
    ({"layers": "21"}, "layers must be a .*got '21'"),
    ({"n_terms": (1, 1)}, r"n_terms needs three counts \(utility, inequality, equality\).*got \(1, 1\)"),
    ({"n_terms": (1, -1, 1)}, "n_terms must be a whole number of at least 0; got -1"),
    ({"n_terms": (0, 0, 0)}, "Every head is dropped"),
    ({"n_terms": 1}, r"n_terms must be a .* such as \(1, 1, 1\); got 1"),
    ({"heads": ("sigmoid", "relu", "abs")}, "utility head must be one of tanh, identity.* or None; got 'sigmoid'"),
    ({"heads": ("tanh", "abs", "abs")}, "inequality head must be one of relu, softplus, .*; got 'abs'"),
    ({"heads": ("tanh", "relu", "huber(-1)")}, r"delta of the head huber must be a number above 0; got -1\.0"),
    ({"heads": (None, None, None)}, "Every head is dropped"),
    ({"heads": ("tanh", "relu")}, r"heads needs three names.*got \('tanh', 'relu'\)"),
    ({"heads": ("tanh", 3, "abs")}, "inequality head must be one of relu, softplus, .*; got 3"),
    ({"heads": None}, "heads .*got None"),
    ({"heads": "tanh"}, "heads .*got 'tanh'"),
    ({"readout": "positive"}, "readout must be one of 'auto', 'nonnegative', 'free'.*; got 'positive'"),
    ({"readout": "identity", "layers": (2,)}, "readout must be one of 'auto', 'nonnegative', 'free'; got 'identity'"),
    ({"basis": "wavelet"}, r"basis must be one of 'affine', .*bl\.Spline\(\).*; got 'wavelet'"),
    ({"skip": "highway"}, "skip must be one of None, 'dense', 'residual', 'input'; got 'highway'"),
    ({"multipliers": "positive"}, "multipliers must be one of 'nonnegative', 'free'; got 'positive'"),
    ({"identifiable": "yes"}, "identifiable must be one of False, True, 'pure_x'; got 'yes'"),
    ({"extra_terms": ["age:height"]}, "'age:height' names 'height', which is no column"),
    ({"temperature": 0.0}, r"temperature must be a number above 0; got 0\.0"),
    ({"temperature": float("inf")}, "temperature must be a number above 0; got inf"),
    ({"optimizer": "sgd"}, "optimizer must be one of 'adam', 'adamw', 'lbfgs', 'auto', or one of .*; got 'sgd'"),
    ({"optimizer": bl.Adam}, "optimizer must be one of .*got <class"),
    ({"optimizer": bl.Penalty()}, r"optimizer must be one of .*bl\.LBFGS\(\); got Penalty"),
    ({"optimizer": bl.Adam(learning_rate=-0.1)}, r"learning_rate of bl\.Adam must be a number above 0; got -0\.1"),
    ({"optimizer": bl.AdamW(learning_rate="fast")}, r"learning_rate of bl\.AdamW must be a number above 0; got 'fast'"),
    ({"optimizer": bl.Adam(batch_size=0)}, r"batch_size of bl\.Adam must be a whole number of at least 1; got 0"),
    (
        {"optimizer": bl.Adam(batch_size=12.5)},
        r"batch_size of bl\.Adam must be a whole number of at least 1; got 12\.5",
    ),
    ({"optimizer": bl.Adam(clip=0)}, r"clip of bl\.Adam must be a number above 0; got 0"),
    ({"optimizer": bl.Adam(averaging=1.0)}, r"averaging of bl\.Adam must be a number at least 0 and below 1; got 1\.0"),
    ({"optimizer": bl.LBFGS(memory=0)}, r"memory of bl\.LBFGS must be a whole number of at least 1; got 0"),
    ({"max_epochs": 0}, "max_epochs must be a whole number of at least 1; got 0"),
    ({"patience": True}, "patience must be a whole number of at least 1; got True"),
    ({"validation_fraction": 1.0}, r"validation_fraction must be a number above 0 and below 1; got 1\.0"),
    ({"validation_fraction": 0}, "validation_fraction must be a number above 0 and below 1; got 0"),
    ({"penalty": bl.Penalty(l2=-1.0)}, r"l2 of bl\.Penalty must be a number at least 0; got -1\.0"),
    ({"penalty": bl.Penalty(l2=float("nan"))}, r"l2 of bl\.Penalty must be a number at least 0; got nan"),
    ({"penalty": 3.0}, r"penalty must be one of 'ridge', or one of bl\.Penalty\(\); got 3\.0"),
    (
        {"n_restarts": bl.Initialization(coef_scale=0)},
        r"coef_scale of bl\.Initialization must be .* above 0; got 0",
    ),
    ({"objective": "mse"}, r"objective must be one of 'likelihood', .*bl\.ScoreMatching\(\).*; got 'mse'"),
    ({"basis": bl.Spline(knots=1)}, r"knots of bl\.Spline must be a whole number of at least 2; got 1"),
    ({"degrees": ((2,), (1,))}, r"degrees needs one list for each of utility, inequality, equality"),
    ({"degrees": {"utilities": (2,)}}, "degrees names 'utilities', which is no head"),
    ({"n_restarts": 0}, "n_restarts must be a whole number of at least 1; got 0"),
    ({"n_restarts": "many"}, 'n_restarts must be "auto", a whole number above 0 or a bl.Initialization; got .many.'),
]

OWN_HYPERPARAMETERS = {
    BLRegressor: [
        (
            {"response": Numbers(support=(5.0, 1.0))},
            r"support must be two finite numbers \(lower, upper\) in order; got \(5\.0, 1\.0\)",
        ),
        ({"response": Numbers(support=(0.0, float("inf")))}, "support must be two finite numbers"),
        ({"response": Numbers(support=5.0)}, r"support must be two finite numbers.*got 5\.0"),
        ({"response": Numbers(support="wide")}, "support must be two finite numbers.*got 'wide'"),
    ],
    BLClassifier: [({"output": "matrix"}, "output must be one of 'auto', 'scalar', 'vector'; got 'matrix'")],
}


def learned(estimator):
    """Names of what a fit leaves behind."""
    return [name for name in vars(estimator) if name.endswith("_")]


def refused(unfitted, X, y, message, error=DataError, **options):
    """Fitting fails with `message`, and leaves nothing behind."""
    with pytest.raises(error, match=message):
        unfitted.fit(X, y, **options)
    assert learned(unfitted) == []
    with pytest.raises(NotFittedError):
        unfitted.predict(mixed())


def spoil(column, row, value):
    """A good table with one bad value."""
    table = mixed()
    table.loc[row, column] = value
    return table


# The table.


@pytest.mark.parametrize("row", [0, 13, 39, 78])
def test_infinite_value_is_named_by_column_and_row_of_the_table_given(estimator, row):
    message = rf"Column 'income' must be finite; row {row} is inf"
    refused(quick(estimator), spoil("income", row, np.inf), response(estimator, mixed()), message)


def test_column_without_any_value_is_named(estimator):
    X = mixed().assign(height=np.nan)
    refused(quick(estimator), X, response(estimator, mixed()), "Column 'height' has no value")


def test_repeated_columns_are_named(estimator):
    X = mixed().rename(columns={"income": "age"})
    refused(quick(estimator), X, response(estimator, mixed()), "unique; repeated: 'age'")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(ROWS), "X must be two-dimensional"),
        ([[1.0], [1.0, 2.0]] * (ROWS // 2), "every row needs the same number of entries"),
        (np.ones((0, 7)), r"0 sample\(s\)"),
        (pd.DataFrame({"when": [[1]] * ROWS}), "'when' must hold numbers, booleans, text or dates"),
    ],
    ids=["1-D", "ragged", "empty", "lists"],
)
def test_what_is_no_table_is_refused(estimator, X, message):
    refused(quick(estimator), X, response(estimator, mixed())[: len(X)], message)


@pytest.mark.parametrize("rows", [1, 2])
def test_too_few_rows_for_a_split_are_refused(estimator, rows):
    y = response(estimator, numbers()).sort_values()
    y = y.iloc[:: ROWS - 1].iloc[:rows]
    few = rf"n_samples={rows} rows leaves|at least two classes"
    refused(quick(estimator), numbers().loc[y.index], y, few)


def test_validation_share_that_leaves_no_row_to_train_is_refused(estimator):
    y = response(estimator, numbers())
    rows = y.drop_duplicates().index[:3]
    refused(quick(estimator, validation_fraction=0.9), numbers().loc[rows], y[rows], "Training needs at least 2 rows")


# The response.


def test_response_of_another_length_is_refused(estimator):
    y = response(estimator, mixed())
    refused(quick(estimator), mixed(), y[:-1], f"X has {ROWS}, y has {ROWS - 1}")
    refused(quick(estimator), mixed()[:-1], y, f"X has {ROWS - 1}, y has {ROWS}")


@pytest.mark.parametrize("value", [3.0, "bus", True], ids=repr)
def test_constant_response_is_refused(estimator, value):
    if estimator is BLRegressor and value == "bus":
        pytest.skip("text is no number")
    words = "spend" if estimator is BLRegressor else "mode"
    message = f"The response '{words}' must vary; all .* training values equal"
    if estimator is BLClassifier:
        message = f"The response '{words}' must have at least two classes; got 1 class, {value!r}"
    refused(quick(estimator), mixed(), pd.Series([value] * ROWS, name=words), message)


@pytest.mark.parametrize("gap", [np.nan, None], ids=repr)
def test_missing_response_is_named_by_its_row(estimator, gap):
    y = response(estimator, mixed()).astype(object)
    y[31] = gap
    refused(quick(estimator), mixed(), y, "row 31 (is nan|has none)")


def test_infinite_response_is_refused(estimator):
    y = pd.Series(np.arange(ROWS) % 3.0)
    y[31] = np.inf
    refused(quick(estimator), mixed(), y, r"row 31 is inf|continuous.*inf")


def test_response_of_several_columns_is_refused_unless_they_are_numbers(estimator):
    if estimator is BLClassifier:
        refused(quick(estimator), mixed(), np.ones((ROWS, 2)), r"y must be one column; got shape \(80, 2\)")


def test_response_must_be_given(estimator):
    refused(quick(estimator), mixed(), None, "y must be given")


def test_response_of_the_wrong_kind_names_the_other_estimator(estimator):
    y = response(*{BLRegressor: (BLClassifier, mixed()), BLClassifier: (BLRegressor, mixed())}[estimator])
    refused(quick(estimator), mixed(), y, "Use BLClassifier" if estimator is BLRegressor else "Use BLRegressor")


def test_column_named_like_the_response_stays_apart_from_it(estimator):
    """Two variables of one name would be one variable in the problem that is printed."""
    y = response(estimator, mixed())
    twin = np.roll(y, 1) if estimator is BLClassifier else mixed()["income"]
    X = mixed().drop(columns="income" if estimator is BLRegressor else "job").assign(**{y.name: twin})
    model = quick(estimator)
    try:
        model.fit(X, y)
    except DataError as error:
        assert y.name in str(error)  # noqa: PT017
        assert learned(model) == []
    else:
        symbols = model.problem_.to_sympy()["utility"].free_symbols
        assert len(symbols) == 7 + (1 if estimator is BLRegressor else 3)


STRUCTURED = np.zeros(ROWS, dtype=[("a", float), ("b", float)])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (STRUCTURED, "X must be two-dimensional"),
        (np.zeros((ROWS, 2), "V4"), "X is a structured array of .*V4"),
        (mixed().assign(age=pd.Series([10**400] * ROWS, dtype=object)), "'age' holds whole numbers beyond 1.8e308"),
        (mixed().assign(age=pd.Series([print] * ROWS)), "'age' must hold numbers, booleans, text or dates"),
        (3.0, "X must be two-dimensional"),
        (None, "X must be two-dimensional"),
    ],
    ids=["structured", "void", "huge", "functions", "number", "none"],
)
def test_tables_of_odd_things_are_refused(estimator, X, message):
    refused(quick(estimator), X, response(estimator, mixed()), message)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (STRUCTURED, "a structured array: choose one of its fields"),
        ([[1], [2, 3]] * (ROWS // 2), "y must be one column; its entries have different lengths"),
        (np.array(3.0), "y must be one column"),
    ],
    ids=["structured", "ragged", "number"],
)
def test_responses_of_odd_things_are_refused(estimator, y, message):
    refused(quick(estimator), mixed(), y, message)


def test_a_response_beyond_the_largest_number_is_refused(estimator):
    if estimator is BLClassifier:
        return
    with pytest.raises(DataError, match="'y' holds whole numbers beyond"):
        Numbers().read([10**400 + i for i in range(ROWS)], ROWS)


@pytest.mark.parametrize("seed", ["a", 1.5, [1], np.nan], ids=repr)
def test_a_seed_that_is_none_is_refused(estimator, seed):
    message = "random_state must be a whole number, a generator of NumPy or None"
    refused(quick(estimator, random_state=seed), mixed(), response(estimator, mixed()), message, OptionError)


def test_weights_beyond_the_largest_sum_are_refused(estimator):
    weight = np.full(ROWS, 1e308)
    refused(
        quick(estimator), mixed(), response(estimator, mixed()), "finite sum; the largest is 1e", sample_weight=weight
    )


# Hyperparameters.


@pytest.mark.parametrize(("options", "message"), HYPERPARAMETERS, ids=lambda v: str(v) if isinstance(v, dict) else "")
def test_invalid_hyperparameter_states_the_valid_ones(estimator, options, message):
    refused(quick(estimator, **options), mixed(), response(estimator, mixed()), message, OptionError)


def test_invalid_hyperparameter_of_one_estimator_states_the_valid_ones(estimator):
    for options, message in OWN_HYPERPARAMETERS[estimator]:
        refused(quick(estimator, **options), mixed(), response(estimator, mixed()), message, OptionError)


def test_constructor_checks_nothing_so_that_clone_and_search_work(estimator):
    assert estimator(layers="nonsense", penalty=bl.Penalty(l2=-1)).layers == "nonsense"


# Validation data.


def test_validation_data_with_other_columns_are_named(estimator):
    X, y = mixed(), response(estimator, mixed())
    bad = X.drop(columns="age").assign(height=1.0)
    refused(quick(estimator), X, y, "missing: 'age'; unexpected: 'height'", validation_data=(bad, y))


def test_validation_array_of_another_width_is_refused(estimator):
    X, y = numbers(), response(estimator, numbers())
    message = "X has 3 features, but .* is expecting 7 features"
    refused(quick(estimator), X, y, message, validation_data=(X.to_numpy()[:, :3], y))
    refused(quick(estimator), X.to_numpy(), y, message, validation_data=(X.to_numpy()[:, :3], y))


def test_validation_array_beside_a_training_frame_is_read_in_its_order(estimator):
    X, y = numbers(), response(estimator, numbers())
    frame = quick(estimator).fit(X, y, validation_data=(X[:16], y[:16]))
    array = quick(estimator).fit(X, y, validation_data=(X[:16].to_numpy(), y[:16]))
    np.testing.assert_array_equal(frame.history_, array.history_)


def test_validation_response_of_another_length_is_refused(estimator):
    X, y = mixed(), response(estimator, mixed())
    refused(quick(estimator), X, y, "X has 80, y has 79", validation_data=(X, y[:-1]))


@pytest.mark.parametrize("pair", [3, "xy", (1, 2, 3, 4)], ids=repr)
def test_validation_data_that_are_no_pair_are_refused(estimator, pair):
    X, y = mixed(), response(estimator, mixed())
    refused(quick(estimator), X, y, r"validation_data must be .*\(X, y\)", ValueError, validation_data=pair)


# Prediction.


METHODS = {
    BLRegressor: ("predict", "predict_interval", "sample"),
    BLClassifier: ("predict", "predict_proba", "predict_log_proba", "predict_set", "sample"),
}


def test_prediction_before_fit_is_refused(estimator, tmp_path):
    unfitted, X = quick(estimator), mixed()
    y = response(estimator, X)
    calls = [lambda m=m: getattr(unfitted, m)(X) for m in METHODS[estimator]]
    calls += [lambda m=m: getattr(unfitted, m)(X, y) for m in ("log_density", "utility", "score")]
    calls += [lambda: unfitted.problem_, lambda: unfitted.save(tmp_path / "model.bl")]
    if estimator is BLRegressor:
        calls.append(lambda: unfitted.predict_quantile(X, 0.5))
    else:
        calls.append(lambda: unfitted.classes_)
    for call in calls:
        with pytest.raises(NotFittedError, match=f"This {estimator.__name__} instance is not fitted yet"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_missing_and_unexpected_columns_are_named_at_prediction(estimator):
    X = mixed().drop(columns=["age", "job"]).assign(height=1.0)
    for method in METHODS[estimator]:
        with pytest.raises(DataError, match="missing: 'age', 'job'; unexpected: 'height'"):
            getattr(fitted(estimator), method)(X)


def test_array_of_another_width_is_refused_at_prediction(estimator):
    message = "X has 3 features, but LearnedModel is expecting 7 features as input"
    with pytest.raises(DataError, match=message):
        fitted(estimator, "numbers").predict(np.ones((2, 3)))


def test_infinite_value_is_named_at_prediction(estimator):
    with pytest.raises(DataError, match="Column 'income' must be finite; row 5 is inf"):
        fitted(estimator).predict(spoil("income", 5, np.inf))


def test_text_for_numbers_is_refused_at_prediction(estimator):
    with pytest.raises(DataError, match="Column 'income' held numbers in training"):
        fitted(estimator).predict(mixed().assign(income="high"))


def test_first_gap_at_prediction_warns(estimator):
    X = mixed().head(16)
    with pytest.warns(UnseenMissingWarning, match="'income' was complete in training; 16 missing values"):
        filled = fitted(estimator).predict(X.assign(income=np.nan))
    center = next(c.center for c in fitted(estimator).model_.encoder.columns if c.name == "income")
    np.testing.assert_array_equal(filled, fitted(estimator).predict(X.assign(income=center)))


@pytest.mark.parametrize("method", ["log_density", "utility"])
def test_response_of_another_length_is_refused_at_prediction(estimator, method):
    with pytest.raises(DataError, match="X has 80, y has 79"):
        getattr(fitted(estimator), method)(mixed(), response(estimator, mixed())[:-1])


# Nothing half-fitted.


class Stop(Exception):  # noqa: N818
    """Raised in the middle of training."""


def stop(done, loss):
    raise Stop


def test_interrupted_training_leaves_nothing_behind(estimator):
    unfitted = quick(estimator)
    with pytest.raises(Stop):
        unfitted.fit(numbers(), response(estimator, numbers()), progress=stop)
    assert learned(unfitted) == []


@pytest.mark.parametrize("way", ["bad table", "bad response", "bad option", "interrupted"])
def test_failed_refit_leaves_the_previous_fit_whole(estimator, way):
    again, X = deepcopy(fitted(estimator, "numbers")), numbers()
    other, y = mixed(), response(estimator, mixed())
    options = {"progress": stop} if way == "interrupted" else {}
    before = again.predict(X)
    if way == "bad table":
        other = spoil("income", 3, np.inf)
    if way == "bad response":
        y = y[:-1]
    if way == "bad option":
        again.set_params(optimizer="sgd")
    with pytest.raises((DataError, OptionError, Stop)):
        again.fit(other, y, **options)
    np.testing.assert_array_equal(again.predict(X), before)
    assert again.n_features_in_ == 7
