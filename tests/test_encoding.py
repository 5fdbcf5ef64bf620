"""Claims about the way from a table to numbers and back."""

import json
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from behavior_learning.encoding import TableEncoder, as_table
from behavior_learning.errors import DataError, UnseenCategoryWarning, UnseenMissingWarning
from tests.conftest import rng
from tests.fitted import mixed, numbers

TEXT_DTYPES = ("object", "string", "category")
BOOLEANS = {
    "bool": pd.Series([True, False, True, True]),
    "object": pd.Series([True, False, True, True], dtype=object),
    "nullable": pd.Series([True, False, True, True], dtype="boolean"),
    "object with a gap": pd.Series([True, None, False, True], dtype=object),
    "nullable with a gap": pd.Series([True, None, False, True], dtype="boolean"),
}
INTEGERS = {
    "int64": pd.Series([3, 5, 9, 4]),
    "uint8": pd.Series([3, 5, 9, 4], dtype="uint8"),
    "float32": pd.Series([3, 5, 9, 4], dtype="float32"),
    "Int64": pd.Series([3, 5, 9, None], dtype="Int64"),
    "Float64": pd.Series([3, 5, None, 4], dtype="Float64"),
    "object": pd.Series([3, 5.0, np.int8(9), None], dtype=object),
}


def encoded(table, other=None):
    """`other`, or the table itself, as the encoder learned from `table` sees it, with the column names."""
    encoder = TableEncoder.learn(table)
    return pd.DataFrame(encoder(table if other is None else other), columns=[c.name for c in encoder.columns])


# Numbers.


@pytest.mark.parametrize("seed", range(3))
def test_numeric_columns_have_mean_zero_and_variance_one(seed):
    values = encoded(numbers(seed)).to_numpy()
    np.testing.assert_allclose(values.mean(axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(values.std(axis=0), 1.0, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_center_and_scale_restore_the_users_units(seed):
    table = numbers(seed)
    encoder = TableEncoder.learn(table)
    restored = [c.center + c.scale * column for c, column in zip(encoder.columns, encoder(table).T, strict=True)]
    np.testing.assert_allclose(np.transpose(restored), table.to_numpy(), rtol=1e-12)


def test_scales_come_from_the_training_rows_alone():
    table = numbers()
    encoder = TableEncoder.learn(table.head(50))
    np.testing.assert_allclose(encoder(table)[:50], encoder(table.head(50)))
    assert abs(encoder(table).mean()) > 1e-3


@given(st.floats(-1e12, 1e12), st.integers(2, 20))
def test_constant_column_encodes_to_zero_and_stays_finite(value, rows):
    table = pd.DataFrame({"same": np.full(rows, value)})
    encoder = TableEncoder.learn(table)
    np.testing.assert_allclose(encoder(table), 0.0, atol=1e-3)
    assert np.isfinite(encoder(table + 1.0)).all()


@pytest.mark.parametrize("kind", INTEGERS)
def test_every_numeric_dtype_is_read_as_numbers(kind):
    table = pd.DataFrame({"v": INTEGERS[kind]})
    columns = TableEncoder.learn(table).columns
    known = [float(v) for v in INTEGERS[kind] if not pd.isna(v)]
    assert columns[0].kind == "numeric"
    assert columns[0].center == pytest.approx(np.mean(known))
    assert columns[0].scale == pytest.approx(np.std(known))
    assert len(columns) == (1 if len(known) == 4 else 2)


# Booleans.


@pytest.mark.parametrize("kind", BOOLEANS)
def test_booleans_are_one_standardized_column(kind):
    series = BOOLEANS[kind]
    columns = encoded(pd.DataFrame({"owner": series}))
    known = np.array([bool(v) for v in series if not pd.isna(v)], float)
    expected = [0.0 if pd.isna(v) else (float(v) - known.mean()) / known.std() for v in series]
    np.testing.assert_allclose(columns["owner"], expected)
    assert list(columns) == (["owner", "owner[missing]"] if series.isna().any() else ["owner"])


def test_boolean_and_number_spell_the_same_column():
    table = pd.DataFrame({"owner": [True, False, True]})
    pd.testing.assert_frame_equal(encoded(table), encoded(table, table.astype(int)))


# Categories.


@pytest.mark.parametrize("dtype", TEXT_DTYPES)
def test_categories_are_indicators_in_sorted_order(dtype):
    job = pd.Series(["nurse", "clerk", "teacher", "clerk"])
    columns = encoded(pd.DataFrame({"job": job.astype(dtype)}))
    assert list(columns) == ["job[clerk]", "job[nurse]", "job[teacher]"]
    for level in job.unique():
        np.testing.assert_array_equal(columns[f"job[{level}]"], (job == level).astype(float))


def test_unused_levels_of_a_categorical_dtype_have_no_column():
    job = pd.Series(pd.Categorical(["nurse", "clerk"], categories=["clerk", "nurse", "teacher"]))
    assert list(encoded(pd.DataFrame({"job": job}))) == ["job[clerk]", "job[nurse]"]


def test_categorical_dtype_of_whole_numbers_gives_indicators():
    table = pd.DataFrame({"zone": pd.Categorical([10, 2, 10])})
    assert list(encoded(table)) == ["zone[10]", "zone[2]"]
    pd.testing.assert_frame_equal(encoded(table), encoded(table, pd.DataFrame({"zone": [10, 2, 10]})))


def test_indicator_spread_is_the_deviation_of_its_values():
    encoder = TableEncoder.learn(mixed())
    values = encoder(mixed())
    for j, column in enumerate(encoder.columns):
        if column.kind != "numeric":
            assert column.spread == pytest.approx(values[:, j].std())


@pytest.mark.parametrize("dtype", TEXT_DTYPES)
@pytest.mark.parametrize("gap", [True, False], ids=["gaps in training", "complete in training"])
def test_unseen_category_warns_and_equals_missing(dtype, gap):
    train = pd.DataFrame({"job": pd.Series(["clerk", "nurse", None if gap else "clerk", "nurse"], dtype=dtype)})
    encoder = TableEncoder.learn(train)
    with pytest.warns(UnseenCategoryWarning, match=r"'job' has categories absent from training.*: 'pilot'\.$"):
        unseen = encoder(pd.DataFrame({"job": pd.Series(["pilot", "nurse"], dtype=dtype)}))
    gone = pd.DataFrame({"job": pd.Series([None, "nurse"], dtype=dtype)})
    with nullcontext() if gap else pytest.warns(UnseenMissingWarning, match="1 missing values count as no category"):
        missing = encoder(gone)
    np.testing.assert_array_equal(unseen, missing)
    np.testing.assert_array_equal(unseen[0], [0.0, 0.0, 1.0] if gap else [0.0, 0.0])


def test_many_unseen_categories_are_counted_not_all_listed():
    encoder = TableEncoder.learn(pd.DataFrame({"job": ["clerk", "nurse"]}))
    with pytest.warns(UnseenCategoryWarning, match=r"'j4' and 7 more\.$"):
        encoder(pd.DataFrame({"job": [f"j{i:x}" for i in range(12)]}))


# Missing values.


def test_missing_numbers_take_the_mean_and_set_the_indicator():
    age = np.array([20.0, np.nan, 40.0, np.nan, 90.0])
    columns = encoded(pd.DataFrame({"age": age}))
    assert list(columns) == ["age", "age[missing]"]
    np.testing.assert_array_equal(columns["age[missing]"], np.isnan(age))
    np.testing.assert_array_equal(columns["age"][np.isnan(age)], 0.0)
    assert columns["age"][~np.isnan(age)].mean() == pytest.approx(0.0)


@pytest.mark.parametrize("dtype", TEXT_DTYPES)
def test_missing_category_is_no_category_and_sets_the_indicator(dtype):
    columns = encoded(pd.DataFrame({"job": pd.Series(["nurse", None, "clerk"], dtype=dtype)}))
    np.testing.assert_array_equal(columns, [[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert list(columns)[-1] == "job[missing]"


def test_first_gap_at_prediction_warns_and_takes_the_training_mean():
    encoder = TableEncoder.learn(pd.DataFrame({"age": [20.0, 40.0, 60.0]}))
    with pytest.warns(UnseenMissingWarning, match="'age' was complete in training; 2 missing values"):
        values = encoder(pd.DataFrame({"age": [np.nan, 60.0, np.nan]}))
    assert values[0, 0] == values[2, 0] == encoder(pd.DataFrame({"age": [40.0]}))[0, 0] == 0.0


@pytest.mark.parametrize("empty", [np.nan, None, pd.NA], ids=repr)
def test_column_without_any_value_at_prediction_is_all_missing(empty):
    encoder = TableEncoder.learn(pd.DataFrame({"age": [20.0, np.nan, 60.0], "job": ["nurse", None, "clerk"]}))
    values = encoder(pd.DataFrame({"age": [empty, empty], "job": [empty, empty]}, dtype=object))
    np.testing.assert_array_equal(values, [[0, 1, 0, 0, 1]] * 2)


# Columns.


def test_reordered_columns_encode_the_same():
    table = mixed()
    encoder = TableEncoder.learn(table)
    np.testing.assert_array_equal(encoder(table), encoder(table[list(reversed(table.columns))]))


def test_row_index_does_not_matter():
    table = mixed()
    shuffled = table.set_axis(rng("index").permutation(len(table)) + 1000)
    np.testing.assert_array_equal(TableEncoder.learn(table)(table), TableEncoder.learn(shuffled)(shuffled))


@pytest.mark.parametrize("X", [[[1, 2.5], [3, 4]], np.array([[1, 2.5], [3, 4]]), ((1, 2.5), (3, 4))])
def test_arrays_and_lists_become_numbered_columns(X):
    table = as_table(X)
    assert list(table.columns) == ["x0", "x1"]
    np.testing.assert_array_equal(table, [[1, 2.5], [3, 4]])


def test_lists_keep_numbers_beside_text():
    encoder = TableEncoder.learn(as_table([[1.0, "a", True], [2.0, "b", False], [None, "a", True]]))
    assert [c.name for c in encoder.columns] == ["x0", "x0[missing]", "x1[a]", "x1[b]", "x2"]


def test_learning_and_encoding_leave_the_table_alone():
    table = mixed()
    before = table.copy(deep=True)
    TableEncoder.learn(table)(table)
    pd.testing.assert_frame_equal(table, before)


def test_json_round_trip_keeps_every_digit():
    encoder = TableEncoder.learn(mixed())
    again = TableEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again == encoder
    np.testing.assert_array_equal(again(mixed()), encoder(mixed()))


# Refused tables.


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float64", "float32", "object"])
def test_infinite_value_names_its_column_and_row(value, dtype):
    table = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "income": [1.0, 2.0, value, value]}).astype(dtype)
    message = rf"Column 'income' must be finite; row 2 is {value} \(2 infinite values\)"
    with pytest.raises(DataError, match=message):
        TableEncoder.learn(table)
    encoder = TableEncoder.learn(table.head(2))
    with pytest.raises(DataError, match=message):
        encoder(table)


@pytest.mark.parametrize("empty", [np.nan, None, pd.NA], ids=repr)
def test_column_without_any_value_is_named(empty):
    with pytest.raises(DataError, match="Column 'income' has no value in the training rows"):
        TableEncoder.learn(pd.DataFrame({"age": [1.0, 2.0], "income": pd.Series([empty, empty], dtype=object)}))


def test_missing_and_unexpected_columns_are_named():
    encoder = TableEncoder.learn(mixed())
    with pytest.raises(DataError, match=r"missing: 'age', 'job'; unexpected: 'height'"):
        encoder(mixed().drop(columns=["age", "job"]).assign(height=1.0))
    with pytest.raises(DataError, match=r"missing: none; unexpected: 'h0', 'h1', 'h2', 'h3', 'h4' and 2 more"):
        encoder(mixed().assign(**{f"h{i}": 0 for i in range(7)}))


def test_text_where_numbers_were_learned_is_refused():
    encoder = TableEncoder.learn(pd.DataFrame({"age": [1.0, 2.0]}))
    with pytest.raises(DataError, match=r"Column 'age' held numbers in training; got .* values"):
        encoder(pd.DataFrame({"age": ["old", "young"]}))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.to_datetime(["2020-01-01", "2021-01-01"]), "Timestamp"),
        (pd.to_timedelta(["1h", "2h"]), "Timedelta"),
        ([[1], [2]], "list"),
        ([{"a": 1}, {"a": 2}], "dict"),
        ([1j, 2j], "complex"),
    ],
    ids=["dates", "durations", "lists", "dicts", "complex"],
)
def test_values_that_are_neither_numbers_booleans_nor_text_are_refused(values, kind):
    with pytest.raises(DataError, match=rf"Column 'when' must hold numbers, booleans or text; got {kind}"):
        TableEncoder.learn(pd.DataFrame({"when": values}))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), "unique; repeated: 'a'"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "unique; repeated: '1'"),
        ([[1, 2], [3]], "every row needs the same number of entries"),
        ([["a", 2], ["b"]], "every row needs the same number of entries"),
        (np.ones(4), r"two-dimensional \(rows x columns\); got 1 dimensions with shape \(4,\)"),
        ([1.0, 2.0], "got 1 dimensions"),
        (3.0, "got 0 dimensions"),
        (np.ones((2, 2, 2)), "got 3 dimensions"),
        (pd.Series([1.0, 2.0]), "got 1 dimensions"),
        (scipy.sparse.csr_matrix(np.eye(2)), "Sparse matrices are not supported"),
        (scipy.sparse.coo_array(np.eye(2)), "Sparse matrices are not supported"),
        (np.ones((2, 2), complex), "Complex data not supported"),
        (np.ones((0, 2)), r"0 sample\(s\) and 2 feature\(s\)"),
        (pd.DataFrame(index=range(3)), r"3 sample\(s\) and 0 feature\(s\)"),
        ([[], []], r"2 sample\(s\) and 0 feature\(s\)"),
    ],
    ids=[
        "repeated",
        "repeated once spelled",
        "ragged",
        "ragged text",
        "1-D",
        "flat list",
        "number",
        "3-D",
        "series",
        "csr",
        "coo",
        "complex",
        "no rows",
        "no columns",
        "empty lists",
    ],
)
def test_what_is_no_table_is_refused(X, message):
    with pytest.raises(DataError, match=message):
        as_table(X)


# Size.


@pytest.mark.parametrize("unit", [1e-200, 1e-20, 1.0, 1e20, 1e100])
def test_encoding_does_not_depend_on_the_unit(unit):
    table = pd.DataFrame({"a": rng("unit").normal(size=30)})
    here, there = TableEncoder.learn(table), TableEncoder.learn(table * unit)
    np.testing.assert_allclose(here(table), there(table * unit), rtol=1e-9)


def test_small_spread_on_a_large_offset_is_seen():
    table = pd.DataFrame({"a": 1e9 + 1e-3 * np.arange(30.0)})
    assert np.std(TableEncoder.learn(table)(table)) == pytest.approx(1.0, rel=1e-3)


def test_numbers_whose_square_overflows_are_refused():
    with pytest.raises(DataError, match=r"Column 'a' must stay below 1e\+150"):
        TableEncoder.learn(pd.DataFrame({"a": [1e200, 2e200]}))


def test_value_beyond_single_precision_is_refused_by_row():
    encoder = TableEncoder.learn(pd.DataFrame({"a": [1.0, 2.0, 3.0]}))
    with pytest.raises(DataError, match="Column 'a' in row 1 is 1e\\+38"):
        encoder(pd.DataFrame({"a": [1.0, 1e38]}))


def test_masked_entries_are_missing():
    masked = np.ma.masked_array([[1.0], [2.0], [50.0]], mask=[[0], [0], [1]])
    assert as_table(masked)["x0"].isna().tolist() == [False, False, True]
