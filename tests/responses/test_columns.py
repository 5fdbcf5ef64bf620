"""Claims about columns of y as the user gives them: numbers and labels in any form, and a bad one is named."""

import numpy as np
import pandas as pd
import pytest

from behavior_learning.errors import DataError
from behavior_learning.responses import Classes
from behavior_learning.responses.columns import class_codes, response_values


@pytest.mark.filterwarnings("ignore:A column-vector y:sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize(
    "y",
    [
        [1, 2, 3],
        np.array([[1.0], [2.0], [3.0]]),
        pd.Series([1, 2, 3], dtype="Int64"),
        pd.Series([1, 2, 3], index=[7, 1, 3]),
        pd.DataFrame({"y": [1, 2, 3]}),
        np.array([1, 2, 3], dtype=object),
    ],
    ids=["list", "column", "nullable", "index", "frame", "object"],
)
def test_one_column_of_numbers_is_read_in_any_form(y):
    name, values = response_values(y, 3)
    assert name == "y"
    assert values.dtype == float
    np.testing.assert_array_equal(values, [1, 2, 3])


@pytest.mark.parametrize("y", [pd.Series([1, 2], name="spend"), pd.DataFrame({"spend": [1, 2]})])
def test_response_keeps_the_users_name(y):
    assert response_values(y, 2)[0] == "spend"
    assert class_codes(y, 2)[0] == "spend"


@pytest.mark.parametrize("read", [response_values, class_codes])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, 2], "same number of rows; X has 3, y has 2"),
        (np.ones((3, 2)), r"y must be one column; got shape \(3, 2\)"),
        (None, "y must be given"),
        ([[1], [2, 3], [4]], "y must be one column"),
    ],
    ids=["short", "wide", "none", "ragged"],
)
def test_response_that_is_not_one_column_of_as_many_rows_is_refused(read, y, message):
    with pytest.raises(DataError, match=message):
        read(y, 3)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, np.nan, np.nan], r"row 1 is nan \(2 such rows: NaN or inf\)"),
        ([1.0, 2.0, np.inf], r"row 2 is inf \(1 such rows"),
        ([1.0, None, 2.0], r"row 1 is nan"),
        (pd.Series([1.0, 2.0, None], dtype="Float64"), r"row 2 is nan"),
        (["low", "mid", "high"], r"must hold numbers; got 'low'\. Use BLClassifier for labels"),
        (pd.Series([1.0, "mid", 3.0], dtype=object), r"must hold numbers; got 'mid'"),
    ],
    ids=["nan", "inf", "none", "nullable", "text", "one text"],
)
def test_response_that_is_not_finite_numbers_is_refused(y, message):
    with pytest.raises(DataError, match=message):
        response_values(y, 3)


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([True, False, True], [False, True]),
        ([7, -3, 7], [-3, 7]),
        ([2.0, 0.0, 2.0], [0.0, 2.0]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"]),
        (pd.Series(["b", "a", "b"], dtype="string"), ["a", "b"]),
        (pd.Series([7, -3, 7], dtype="Int64"), [-3, 7]),
    ],
    ids=["text", "boolean", "integer", "whole float", "category", "string", "nullable"],
)
def test_labels_of_any_kind_are_sorted_and_coded(y, classes):
    _, found, codes = class_codes(y, 3)
    assert found.tolist() == classes
    np.testing.assert_array_equal(codes, [1, 0, 1])
    np.testing.assert_array_equal(Classes().read(y, 3)[0].values(y, 3), codes)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", None, "b"], "must have a label in every row; row 1 has none"),
        ([0.0, np.nan, 1.0], "row 1 has none"),
        ([0.5, 1.0, 2.0], r"Unknown label type: continuous.*got 0\.5\."),
        (np.array([1, "a", 2], dtype=object), "mix types that cannot be ordered"),
    ],
    ids=["none", "nan", "continuous", "mixed"],
)
def test_labels_that_are_no_classes_are_refused(y, message):
    with pytest.raises(DataError, match=message):
        class_codes(y, 3)


@pytest.mark.parametrize(
    "values", [pd.date_range("2020", periods=4), np.arange(4) * (1 + 1j)], ids=["dates", "complex"]
)
def test_response_that_is_no_real_number_is_refused(values):
    with pytest.raises(DataError, match="must hold real numbers"):
        response_values(pd.Series(values), 4)


def test_missing_label_in_a_list_is_no_class():
    with pytest.raises(DataError, match="row 2 has none"):
        class_codes(["a", "b", float("nan")], 3)
