"""Claims about a learned model: it is a value that later fits, names and temperatures leave as it was."""

from copy import copy
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from behavior_learning.learned.model import TrainingRows, in_single, sampled
from behavior_learning.learned.predictive import predictive
from behavior_learning.learned.records import history_of_parts
from behavior_learning.report.sections import data
from tests.fitted import amounts, fitted, labels, numbers, quick
from tests.jointly import few, pair


def rows():
    return numbers(seed=9).head(8)


def test_another_fit_leaves_an_earlier_model_as_it_was():
    X = numbers()
    reg = quick(bl.BLRegressor, max_epochs=3).fit(X, amounts(X))
    model, problem = reg.model_, str(reg.problem_)
    before = predictive(model, rows()).mean()
    np.testing.assert_array_equal(reg.predict(rows()), before)
    reg.fit(10 * X, amounts(X, seed=1))
    assert reg.model_ is not model
    np.testing.assert_array_equal(predictive(model, rows()).mean(), before)
    assert str(model.problem) == problem != str(reg.problem_)


def test_a_model_is_not_assigned_to():
    model = fitted(bl.BLRegressor, "numbers").model_
    with pytest.raises(FrozenInstanceError):
        model.temperature = 2.0


def test_other_names_make_another_model():
    model = fitted(bl.BLRegressor, "numbers").model_
    named = model.renamed({"block1.1": "the buyer"})
    assert (named.block_names, model.block_names) == ({"block1.1": "the buyer"}, {})
    assert named.network is model.network
    assert next(iter(named.problem.blocks)) == "the buyer"
    assert next(iter(model.problem.blocks)) == "block1.1"
    back = named.renamed({"the buyer": "the seller"}).renamed({"block1.1": "block1.1"})
    assert str(back.problem) == str(model.problem)
    with pytest.raises(OptionError, match="There is no block 'the buyer'"):
        model.renamed({"the buyer": "x"})


def test_what_columns_mean_stays_in_files_and_reports(tmp_path):
    reg = copy(fitted(bl.BLRegressor, "numbers"))
    reg.describe_columns({"a": "what is earned"}, themes={"money": ["a", "b", "c", "d", "e", "f", "g"]})
    assert fitted(bl.BLRegressor, "numbers").model_.legend.descriptions == {}
    reg.save(tmp_path / "model.bl")
    legend = bl.load(tmp_path / "model.bl").model_.legend
    assert legend == reg.model_.legend
    assert reg.explain().types.loc["block1.1", "type"] == "money-sensitive"
    page = data(reg.model_.encoder, None, legend)
    assert "what is earned" in page
    assert "money" in page


def test_copies_of_an_estimator_part_when_one_is_renamed_or_calibrated():
    reg, X = fitted(bl.BLRegressor, "numbers"), numbers()
    other = copy(reg).rename_blocks({"block1.1": "the buyer"}).calibrate(X, amounts(X))
    assert reg.model_.block_names == {}
    assert (reg.temperature_, reg.temperature_ != other.temperature_) == (1.0, True)


def test_rows_are_those_of_the_fit_or_both_are_given():
    model, X = fitted(bl.BLRegressor, "numbers").model_, numbers()
    mine, given = model.given_rows("effects"), model.given_rows("effects", X, amounts(X))
    for own, other in zip(mine, given, strict=True):
        np.testing.assert_allclose(own, other)
    with pytest.raises(DataError, match=r"effects\(\) needs both X and y, or neither; got X alone"):
        model.given_rows("effects", X)
    with pytest.raises(DataError, match=r"effects\(\) needs both X and y, or neither; got y alone"):
        model.given_rows("effects", None, amounts(X))


def test_columns_of_a_table_may_come_in_any_order_and_those_of_an_array_are_counted():
    model, X = fitted(bl.BLRegressor, "numbers").model_, rows()
    np.testing.assert_array_equal(model.inputs(X[X.columns[::-1]]), model.inputs(X))
    np.testing.assert_array_equal(model.inputs(X.to_numpy()), model.inputs(X))
    with pytest.raises(DataError, match="X has 3 features, but LearnedModel is expecting 7 features as input"):
        model.inputs(X.to_numpy()[:, :3])


# What an estimator holds.


CANNOT = {
    "numbers for a classifier": (bl.BLClassifier, bl.Numbers(), labels, "BLClassifier holds labels, .*BLRegressor"),
    "a name for a classifier": (bl.BLClassifier, "numbers", labels, "BLClassifier holds labels, .*BLRegressor"),
    "classes for a regressor": (bl.BLRegressor, bl.Classes(), amounts, "BLRegressor holds numbers; .*BLClassifier"),
    "classes among several": (bl.BLRegressor, {"spend": "classes"}, pair, "BLRegressor holds numbers; .*BLClassifier"),
    "one for several": (bl.BLDensity, bl.Numbers(), pair, "response of several responses must be a dictionary by name"),
}


@pytest.mark.parametrize("case", CANNOT)
def test_a_response_that_an_estimator_cannot_hold_is_refused(case):
    estimator, response, of, message = CANNOT[case]
    X = numbers()
    model = few(estimator, response=response, max_epochs=1)
    with pytest.raises(OptionError, match=message):
        model.fit(*((of(X),) if estimator is bl.BLDensity else (X, of(X))))
    assert not hasattr(model, "model_")


def test_a_response_may_be_spelled_by_its_name():
    X = numbers()
    named = quick(bl.BLRegressor, response="numbers").fit(X, amounts(X))
    np.testing.assert_array_equal(named.predict(X), fitted(bl.BLRegressor, "numbers").predict(X))


@pytest.mark.parametrize("weighted", [(False, False), (True, False), (False, True)])
def test_rows_in_parts_have_weights_where_any_part_has(weighted):
    parts = [
        TrainingRows(np.full((2, 1), float(number)), np.zeros(2), np.zeros(2, bool), np.full(2, 3.0) if own else None)
        for number, own in enumerate(weighted)
    ]
    whole = sampled(parts[0], parts[1], np.random.RandomState(0))
    np.testing.assert_array_equal(whole.x[:, 0], [0, 0, 1, 1])
    if not any(weighted):
        assert whole.weight is None
    else:
        np.testing.assert_array_equal(whole.weight, np.repeat([3.0 if own else 1.0 for own in weighted], 2))


def test_codes_stay_whole_numbers_in_single_precision():
    x, codes = in_single((np.ones((2, 1)), np.array([1, 2])))
    _, numbers = in_single((np.ones((2, 1)), np.array([1.0, 2.0])))
    assert [x.dtype, codes.dtype, numbers.dtype] == [np.float32, np.int64, np.float32]


def test_losses_of_parts_are_listed_by_part_and_start():
    losses = [(np.array([3.0, 4.0]), np.array([2.5, 3.5])), (np.array([1.0, 2.0]), np.array([0.5, 1.5]))]
    found = history_of_parts(losses, 5, 1)  # The last two parts of five.
    told = [(0, 4, 3.0, 2.5), (1, 4, 4.0, 3.5), (0, 5, 1.0, 0.5), (1, 5, 2.0, 1.5)]
    assert list(found["history"].itertuples(index=False, name=None)) == told
    assert list(found["history"]) == ["start", "epoch", "train_loss", "validation_loss"]
    ends = {"best_epoch": 5, "validation_loss": [0.5, 1.5], "stopped_early": False, "kept": [False, True]}
    pd.testing.assert_frame_equal(found["restarts"], pd.DataFrame(ends))


def test_very_many_rows_are_kept_in_single_precision_and_inferred_from_in_double(monkeypatch):
    X = numbers()
    reg = quick(bl.BLRegressor, max_epochs=3, heads=("tanh", "softplus", "square")).fit(X, amounts(X))
    exact, seen = reg.model_.rows.x, []
    monkeypatch.setattr("behavior_learning.estimators.rows.MOST_DOUBLES", 0)
    reg.fit(X, amounts(X))
    assert (exact.dtype, reg.model_.rows.x.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(reg.model_.rows.x, exact, rtol=1e-6, atol=1e-6)

    def infer(network, objective, data, *given, **options):
        seen.extend(column.dtype for column in data)
        raise KeyboardInterrupt

    monkeypatch.setattr("behavior_learning.learned.inference.infer", infer)
    with pytest.raises(KeyboardInterrupt):
        reg.inference()
    assert seen == [np.float64, np.float64]
