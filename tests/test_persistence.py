"""Claims about saving and loading: one file without pickle, and nothing lost."""

import json
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.exceptions import NotFittedError

import behavior_learning as bl
from behavior_learning.errors import DataError
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from tests.fitted import ESTIMATORS, fitted, labels, logistic, mixed, numbers, quick, response
from tests.fuzz import HOSTILE, fuzz, parts, write

MODELS = {
    "regressor": lambda: fitted(BLRegressor),
    "regressor on numbers": lambda: fitted(BLRegressor, "numbers"),
    "classifier": lambda: fitted(BLClassifier),
    "classifier in vector output": logistic,
}
every_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture
def pair(model, tmp_path):
    """A fitted estimator, and what comes back after saving it."""
    estimator = MODELS[model]()
    estimator.save(tmp_path / "model.bl")
    return estimator, bl.load(tmp_path / "model.bl")


def table(estimator):
    return (mixed if estimator.n_features_in_ == 4 else numbers)(seed=9).head(16)


def outputs(estimator, X):
    """Everything that an estimator says of rows."""
    y = response(type(estimator), X.assign()).to_numpy() if isinstance(estimator, BLRegressor) else estimator.predict(X)
    said = [estimator.predict(X), estimator.log_density(X, y), estimator.utility(X, y), estimator.sample(X, 3, 0)]
    if isinstance(estimator, BLRegressor):
        return [*said, estimator.predict(X, "mode"), estimator.predict_interval(X), estimator.predict_quantile(X, 0.2)]
    return [*said, estimator.predict_proba(X), estimator.predict_set(X), estimator.classes_]


@every_model
def test_predictions_are_identical_after_loading(pair):
    before, after = pair
    for expected, value in zip(outputs(before, table(before)), outputs(after, table(before)), strict=True):
        np.testing.assert_array_equal(value, expected)


@every_model
def test_learned_problem_is_identical_after_loading(pair):
    before, after = pair
    assert after.problem_.text(None) == before.problem_.text(None)
    assert after.problem_.to_latex(None) == before.problem_.to_latex(None)


@every_model
def test_fitted_attributes_survive(pair):
    before, after = pair
    learned = {name for name in vars(before) if name.endswith("_")}
    assert {name for name in vars(after) if name.endswith("_")} == learned
    assert after.n_parameters_ == before.n_parameters_
    assert after.model_.encoder == before.model_.encoder
    np.testing.assert_array_equal(after.feature_names_in_, before.feature_names_in_)
    pd.testing.assert_frame_equal(after.history_, before.history_, check_dtype=False)
    pd.testing.assert_frame_equal(after.restarts_, before.restarts_, check_dtype=False)


@every_model
def test_hyperparameters_survive(pair):
    before, after = pair
    assert type(after) is type(before)
    assert after.get_params() == before.get_params()
    assert repr(after) == repr(before)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_loaded_estimator_can_be_fitted_again(estimator, tmp_path):
    fitted(estimator, "numbers").save(tmp_path / "model.bl")
    again = bl.load(tmp_path / "model.bl").fit(numbers(), response(estimator, numbers()))
    np.testing.assert_array_equal(again.predict(numbers()), fitted(estimator, "numbers").predict(numbers()))


@pytest.mark.parametrize("seed", [7, np.int64(7)], ids=["int", "int64"])
def test_seed_survives(seed, tmp_path):
    quick(BLRegressor, random_state=seed).fit(numbers(), response(BLRegressor, numbers())).save(tmp_path / "model.bl")
    assert bl.load(tmp_path / "model.bl").random_state == 7


def test_generator_as_seed_is_left_out(tmp_path):
    reg = quick(BLRegressor, random_state=np.random.RandomState(0)).fit(numbers(), response(BLRegressor, numbers()))
    reg.save(tmp_path / "model.bl")
    assert bl.load(tmp_path / "model.bl").random_state is None


@pytest.mark.parametrize(
    "options",
    [
        {"layers": [2, 1]},
        {"layers": (np.int64(2), 1)},
        {"response": bl.Numbers(support=(np.float64(-900), np.int64(900)))},
    ],
)
def test_numpy_numbers_and_lists_as_hyperparameters_are_saved(options, tmp_path):
    reg = quick(BLRegressor, **options).fit(numbers(), response(BLRegressor, numbers()))
    reg.save(tmp_path / "model.bl")
    np.testing.assert_array_equal(bl.load(tmp_path / "model.bl").predict(numbers()), reg.predict(numbers()))


@pytest.mark.parametrize(
    "names",
    [(-7, 3, 1000), (-1.0, 0.0, 2.0), ("a", "bb", "Straße"), (False, True)],
    ids=["integers", "floats", "text", "booleans"],
)
@pytest.mark.parametrize("dtype", [None, object, "category"], ids=["plain", "object", "category"])
def test_labels_survive_with_their_type(names, dtype, tmp_path):
    y = labels(numbers(), names)
    clf = quick(BLClassifier).fit(numbers(), y if dtype is None else y.astype(dtype))
    clf.save(tmp_path / "model.bl")
    after = bl.load(tmp_path / "model.bl").classes_
    assert after.dtype == clf.classes_.dtype
    assert after.tolist() == clf.classes_.tolist()
    assert [type(v) for v in after] == [type(v) for v in clf.classes_]


def test_unnamed_features_stay_unnamed(tmp_path):
    clf = quick(BLClassifier).fit(numbers().to_numpy(), labels(numbers()))
    clf.save(tmp_path / "model.bl")
    after = bl.load(tmp_path / "model.bl")
    assert not hasattr(after, "feature_names_in_")
    np.testing.assert_array_equal(after.predict_proba(numbers().to_numpy()), clf.predict_proba(numbers().to_numpy()))


def test_file_holds_arrays_and_json_and_no_training_rows(tmp_path):
    reg = fitted(BLRegressor)
    reg.save(tmp_path / "model.bl")
    with safe_open(tmp_path / "model.bl", framework="numpy") as file:
        header = json.loads(file.metadata()["behavior_learning"])
        sizes = [file.get_tensor(name).size for name in file.keys()]  # noqa: SIM118
    assert sum(sizes) == reg.n_parameters_
    assert header["estimator"] == "BLRegressor"
    assert [path.name for path in tmp_path.iterdir()] == ["model.bl"]
    assert mixed()["income"].iloc[0].astype(str) not in json.dumps(header)


@pytest.mark.parametrize("as_text", [True, False])
def test_paths_may_be_text(as_text, tmp_path):
    path = tmp_path / "model.bl"
    fitted(BLRegressor).save(str(path) if as_text else path)
    assert isinstance(bl.load(str(path) if as_text else path), BLRegressor)


@every_model
def test_fitted_estimators_pickle_so_that_they_cross_processes(model):
    before = MODELS[model]()
    after = pickle.loads(pickle.dumps(before))
    np.testing.assert_array_equal(after.predict(table(before)), before.predict(table(before)))


# Files that are none.


def test_text_is_refused(tmp_path):
    (tmp_path / "model.bl").write_text("not a model at all")
    with pytest.raises(DataError, match=r"model\.bl is no model file of this library .*Write one with \.save"):
        bl.load(tmp_path / "model.bl")


def test_arrays_of_something_else_are_refused(tmp_path):
    save_file({"a": np.ones(3)}, str(tmp_path / "model.bl"))
    with pytest.raises(DataError, match="safetensors file of something else"):
        bl.load(tmp_path / "model.bl")


@pytest.mark.parametrize(
    ("format_", "way_out"),
    [(999, "Upgrade behavior-learning"), (1, "Fit the model again, or install that")],
    ids=["newer", "older"],
)
def test_another_format_is_refused_with_the_way_out(format_, way_out, tmp_path):
    header = {"behavior_learning": json.dumps({"format": format_, "version": "9.9"})}
    save_file({"a": np.ones(3)}, str(tmp_path / "model.bl"), metadata=header)
    message = rf"written by version 9\.9 in format {format_}; this version reads format 4\. {way_out}\."
    with pytest.raises(DataError, match=message):
        bl.load(tmp_path / "model.bl")


@pytest.mark.parametrize("part", ["architecture", "response", "parameters", "estimator"])
def test_a_damaged_file_is_refused(part, tmp_path):
    fitted(BLRegressor).save(tmp_path / "model.bl")
    with safe_open(tmp_path / "model.bl", framework="numpy") as file:
        header = json.loads(file.metadata()["behavior_learning"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header.pop(part)
    write(tmp_path / "model.bl", json.dumps(header), arrays)
    with pytest.raises(DataError, match=rf"model\.bl is damaged: KeyError\('{part}'\)\. Save the model again"):
        bl.load(tmp_path / "model.bl")


@pytest.mark.parametrize("kind", ["regressor", "classifier in vector output"])
def test_hostile_files_raise_one_error(kind, tmp_path):
    """A hundred mutations of a file of each kind, the same ones in every run; `make fuzz` goes on for ten minutes."""
    MODELS[kind]().save(tmp_path / "model.bl")
    wrong = fuzz(tmp_path / "model.bl", range(100))
    assert wrong == []


@pytest.mark.parametrize("hostile", HOSTILE)
def test_headers_larger_than_their_file_are_refused_before_anything_is_made(hostile, tmp_path):
    MODELS["classifier"]().save(tmp_path / "model.bl")
    header, arrays = parts(tmp_path / "model.bl")
    write(tmp_path / "model.bl", HOSTILE[hostile](header), arrays)
    tracemalloc.start()
    with pytest.raises(DataError, match="damaged"):
        bl.load(tmp_path / "model.bl")
    assert tracemalloc.get_traced_memory()[1] < 5e7
    tracemalloc.stop()


def test_file_that_was_changed_is_refused(tmp_path):
    MODELS["regressor"]().save(tmp_path / "model.bl")
    content = (tmp_path / "model.bl").read_bytes()
    (tmp_path / "model.bl").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match="it has changed since it was written"):
        bl.load(tmp_path / "model.bl")


def test_hashed_levels_are_not_in_the_file_and_predict_the_same(tmp_path):
    reg = fitted(BLRegressor)
    reg.save(tmp_path / "model.bl", hash_levels=True)
    assert b"teacher" not in (tmp_path / "model.bl").read_bytes()
    after = bl.load(tmp_path / "model.bl")
    np.testing.assert_array_equal(after.predict(mixed()), reg.predict(mixed()))
    rows = mixed().assign(spend=250.0)
    np.testing.assert_allclose(after.problem_.utility(rows), reg.problem_.utility(rows))
    with pytest.raises(DataError, match="saved as digests"):
        after.problem_.to_python()


def test_missing_file_is_named(tmp_path):
    with pytest.raises((FileNotFoundError, DataError), match="absent"):
        bl.load(tmp_path / "absent.bl")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_unfitted_estimator_is_not_saved(estimator, tmp_path):
    with pytest.raises(NotFittedError):
        quick(estimator).save(tmp_path / "model.bl")
    assert not (tmp_path / "model.bl").exists()
