"""Claims about the way from a table to numbers and back."""

import json
import warnings
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from behavior_learning.encoding import TableEncoder, as_table, bulk_range
from behavior_learning.encoding.tables import LAID_TOGETHER
from behavior_learning.errors import (
    DataError,
    ExtrapolationWarning,
    ManyLevelsWarning,
    TextColumnWarning,
    UnseenCategoryWarning,
    UnseenMissingWarning,
)
from behavior_learning.estimators.rows import uncopied
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


def test_some_rows_are_learned_from_as_if_they_were_the_table():
    table = numbers(0).assign(level=np.arange(len(numbers(0))) % 3, gap=BOOLEANS["object with a gap"])
    table["level"] = table["level"].map({0: "a", 1: "b", 2: "c"})
    chosen = np.random.default_rng(0).choice(len(table), len(table) // 2, replace=False)
    chosen = np.union1d(chosen, range(4))  # The column with a gap has values there alone.
    assert TableEncoder.learn(table, chosen) == TableEncoder.learn(table.iloc[chosen])


@pytest.mark.parametrize("rows", [20, 333, 1_000])
def test_the_bulk_of_a_column_lies_inside_half_a_percent_of_its_rows(rows):
    numbers = rng("bulk").permutation(rows) ** 2.0
    low, high = np.quantile(numbers, 0.005, method="higher"), np.quantile(numbers, 0.995, method="lower")
    assert bulk_range(numbers) == (2 * low - high, 2 * high - low)


def test_first_rows_in_order_alone_are_looked_at_without_a_copy():
    x = np.arange(10)
    for rows in ([0, 1, 2], [1, 2, 3], [0, 2, 1], []):
        own = x[uncopied(np.array(rows, int))]
        assert own.tolist() == rows
        assert (own.base is x) == (rows in ([0, 1, 2], []))


def test_columns_of_a_wide_table_are_read_one_by_one():
    X = rng("wide").normal(size=(30, 2 * LAID_TOGETHER + 3))
    X[:, -1] = np.arange(30) % 2
    table = as_table(X).assign(x7=["nurse", "clerk"] * 15, x20=np.where(np.arange(30) % 3, 1.5, np.nan))
    encoder, alone = TableEncoder.learn(table), [TableEncoder.learn(table[[name]]) for name in table]
    assert encoder.columns == tuple(column for own in alone for column in own.columns)
    assert encoder.columns[-1].pair == (0.0, 1.0)
    each = [own(table[[name]]) for own, name in zip(alone, table, strict=True)]
    np.testing.assert_array_equal(encoder(table), np.hstack(each))


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


def test_common_scale_keeps_the_proportions_of_numbers_and_leaves_indicators():
    table = numbers().assign(constant=7.0, kind=["a", "b"] * (len(numbers()) // 2))
    plain, common = TableEncoder.learn(table), TableEncoder.learn(table).with_common_scale()
    amount = [column.kind == "numeric" and column.spread > 0 for column in plain.columns]
    spreads = common(table).std(axis=0)[amount]
    own = numbers().to_numpy().std(axis=0)
    np.testing.assert_allclose(spreads / spreads[0], own / own[0], rtol=1e-10)
    assert np.mean(spreads**2) == pytest.approx(1.0)
    np.testing.assert_array_equal(common(table)[:, ~np.array(amount)], plain(table)[:, ~np.array(amount)])


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


def test_new_value_in_a_constant_column_is_flagged_and_moves_nothing():
    encoder = TableEncoder.learn(pd.DataFrame({"same": [0.3, 0.1 + 0.2, 0.3]}))
    assert (encoder(pd.DataFrame({"same": [0.1 + 0.2, 0.3]})) == 0.0).all()
    with pytest.warns(ExtrapolationWarning, match=r"was constant in training; 1 of 2 rows lie outside, one at 7"):
        assert (encoder(pd.DataFrame({"same": [0.3, 7.0]})) == 0.0).all()


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
    assert list(encoded(table)) == ["zone[2]", "zone[10]"]
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
    table = pd.DataFrame({"age": [1.0, 2.0, 1.0, 2.0], "income": [1.0, 2.0, value, value]}).astype(dtype)
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
        ([[1], [2]], "list"),
        ([{"a": 1}, {"a": 2}], "dict"),
        ([1j, 2j], "complex"),
    ],
    ids=["lists", "dicts", "complex"],
)
def test_values_of_another_kind_are_refused(values, kind):
    with pytest.raises(DataError, match=rf"Column 'when' must hold numbers, booleans, text or dates; got {kind}"):
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


@pytest.mark.parametrize("unit", [1e-140, 1e-20, 1.0, 1e20, 1e100])
def test_encoding_does_not_depend_on_the_unit(unit):
    table = pd.DataFrame({"a": rng("unit").normal(size=30)})
    here, there = TableEncoder.learn(table), TableEncoder.learn(table * unit)
    np.testing.assert_allclose(here(table), there(table * unit), rtol=1e-9)


def test_small_spread_on_a_large_offset_is_seen():
    table = pd.DataFrame({"a": 1e9 + 1e-3 * np.arange(30.0)})
    assert np.std(TableEncoder.learn(table)(table)) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("offset", [1e16, 1.7e18])
def test_whole_numbers_on_an_offset_beyond_double_precision_still_differ(offset):
    values = encoded(pd.DataFrame({"t": offset + 256.0 * np.arange(3)}))["t"]
    np.testing.assert_allclose(values, [-(1.5**0.5), 0.0, 1.5**0.5], rtol=1e-6)


def test_numbers_whose_square_underflows_are_refused():
    with pytest.raises(DataError, match=r"Column 'a' must spread by more than 1e-150; got .*Use a smaller unit"):
        TableEncoder.learn(pd.DataFrame({"a": [1e-310, 2e-310]}))


def test_numbers_whose_square_overflows_are_refused():
    with pytest.raises(DataError, match=r"Column 'a' must stay below 1e\+150"):
        TableEncoder.learn(pd.DataFrame({"a": [1e200, 2e200]}))


def test_value_beyond_single_precision_is_refused_by_row():
    encoder = TableEncoder.learn(pd.DataFrame({"a": [1.0, 2.0, 3.0]}))
    with pytest.raises(DataError, match="Column 'a' in row 1 is 1e\\+38"):
        encoder(pd.DataFrame({"a": [1.0, 1e38]}))


@pytest.mark.parametrize("value", [1e6, -1e6])
def test_extrapolation_ends_and_is_flagged(value):
    table = pd.DataFrame({"a": rng("far").normal(size=500)})
    encoder = TableEncoder.learn(table)
    with pytest.warns(ExtrapolationWarning, match=r"'a' is taken to end at -\d.* and \d.*; 1 of 2 rows lie outside"):
        far = encoder(pd.DataFrame({"a": [value, 0.0]}))[0, 0]
    assert 5 < abs(far) < 12
    assert encoder(table * 1.5).std() == pytest.approx(1.5, rel=0.01)


def test_many_columns_beyond_training_are_told_in_few_warnings():
    pixels = pd.DataFrame(rng("pixels").normal(size=(50, 40)))
    encoder = TableEncoder.learn(pixels)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        encoder(pixels + 100)
    assert [str(warning.message)[:10] for warning in told] == [f"Column '{j}'" for j in range(5)] + ["In 35 more"]


def test_outlier_in_training_leaves_the_scale_to_the_others():
    values = rng("outlier").normal(size=1000)
    clean, dirty = (TableEncoder.learn(pd.DataFrame({"a": v})).columns[0] for v in (values, np.append(values, 1e6)))
    assert dirty.scale == pytest.approx(clean.scale, rel=0.1)


def test_masked_entries_are_missing():
    masked = np.ma.masked_array([[1.0], [2.0], [50.0]], mask=[[0], [0], [1]])
    assert as_table(masked)["x0"].isna().tolist() == [False, False, True]


# Tables of other libraries.


def test_arrow_tables_keep_their_names():
    arrow = pyarrow.table({"b": [1.0, 2.0], "a": pyarrow.array(["u", None]).dictionary_encode()})
    pd.testing.assert_frame_equal(
        as_table(arrow), pd.DataFrame({"b": [1.0, 2.0], "a": ["u", None]}), check_dtype=False, check_categorical=False
    )


def test_polars_tables_keep_their_names_and_plans_say_collect():
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"b": [1.0, 2.0], "a": ["u", None]})
    assert list(as_table(table)) == ["b", "a"]
    with pytest.raises(DataError, match=r"LazyFrame is a plan of a table.*Pass \.collect\(\)"):
        as_table(table.lazy())


@pytest.mark.parametrize("path", ["folder/*.parquet", Path("rows.csv")])
def test_names_of_files_are_no_rows(path):
    with pytest.raises(DataError, match=r"names a file, and rows are needed here.*pd\.read_parquet"):
        as_table(path)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_sparse_matrices_and_columns_are_read(kind):
    dense = np.diag([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(as_table(kind(dense)), dense)
    table = pd.DataFrame.sparse.from_spmatrix(scipy.sparse.csr_matrix(dense), columns=list("abc"))
    np.testing.assert_array_equal(encoded(table), encoded(pd.DataFrame(dense, columns=list("abc"))))


# Categories by value.


@pytest.mark.parametrize("back", [np.int64, np.float64, np.float32, object, str], ids=lambda kind: kind.__name__)
def test_numbers_compare_as_numbers_whatever_type_they_come_back_as(back):
    zone = pd.Series([2, 10, 2, 30])
    table = pd.DataFrame({"zone": zone.astype("category")})
    again = pd.DataFrame({"zone": zone.astype(back)})
    np.testing.assert_array_equal(encoded(table, again), encoded(table))


def test_text_stays_text_and_a_number_finds_the_one_code_it_reads_as():
    table = pd.DataFrame({"code": ["007", "012", "007", "1.50"]})
    assert list(encoded(table)) == ["code[007]", "code[012]", "code[1.50]"]
    numbers = pd.DataFrame({"code": [7, 12.0, 7, 1.5]})
    np.testing.assert_array_equal(encoded(table, numbers), encoded(table))
    with pytest.warns(UnseenCategoryWarning, match="'7'"):
        encoded(table, pd.DataFrame({"code": ["7"]}))


def test_booleans_are_no_numbers_as_levels():
    with pytest.warns(UnseenCategoryWarning, match="'True'"):
        encoded(pd.DataFrame({"c": ["0", "b"]}), pd.DataFrame({"c": ["b", True]}, dtype=object))


def test_ordered_categories_are_steps_in_their_order():
    order = pd.CategoricalDtype(["S", "M", "L", "XL"], ordered=True)
    table = pd.DataFrame({"size": pd.Series(["S", "XL", "L", "S"], dtype=order)})
    columns = encoded(table, pd.DataFrame({"size": pd.Series(["S", "M", "L", "XL"], dtype=order)}))
    assert list(columns) == ["size[>=L]", "size[>=XL]"]
    np.testing.assert_array_equal(columns, [[0, 0], [0, 0], [1, 0], [1, 1]])


def test_ordered_categories_with_gaps_say_so():
    order = pd.CategoricalDtype(["S", "M"], ordered=True)
    table = pd.DataFrame({"size": pd.Series(["S", None, "M"], dtype=order)})
    np.testing.assert_array_equal(encoded(table), [[0, 0], [0, 1], [1, 0]])


def test_bins_of_cut_keep_their_order():
    bins = pd.cut(pd.Series([1.0, 5.0, 9.0]), [0, 3, 6, 10])
    assert list(encoded(pd.DataFrame({"b": bins}))) == ["b[>=(3, 6]]", "b[>=(6, 10]]"]


def test_rare_levels_share_a_column_and_new_ones_join_them():
    city = np.repeat([f"c{i:03}" for i in range(60)], [*[3] * 50, *[1] * 10])
    with pytest.warns(ManyLevelsWarning, match=r"'city' has 60 categories; .* 6% of the rows, share city\[other\]"):
        encoder = TableEncoder.learn(pd.DataFrame({"city": city}))
    assert [c.name for c in encoder.columns][-2:] == ["city[c049]", "city[other]"]
    values = encoder(pd.DataFrame({"city": ["c000", "c055", "new"]}))[:, [0, -1]]
    np.testing.assert_array_equal(values, [[1, 0], [0, 1], [0, 1]])


def test_thousands_of_levels_take_no_more_columns_than_a_few():
    city = rng("cities").integers(5000, size=20_000).astype(str)
    with pytest.warns((ManyLevelsWarning, TextColumnWarning)):
        encoder = TableEncoder.learn(pd.DataFrame({"city": "c" + pd.Series(city)}))
    assert len(encoder.columns) == 51


OTHER_KINDS = {
    "dates": (pd.to_datetime(["2020-01-01", "2020-01-03"]), "when[days]", [18262.0, 18264.0]),
    "zones": (pd.to_datetime(["2020-01-01", "2020-01-03"]).tz_localize("UTC"), "when[days]", [18262.0, 18264.0]),
    "python": ([date(2020, 1, 1), date(2020, 1, 3)], "when[days]", [18262.0, 18264.0]),
    "periods": (pd.period_range("2020-01", periods=2, freq="M"), "when[days]", [18262.0, 18293.0]),
    "durations": (pd.to_timedelta(["1h", "2h"]), "when[days]", [1 / 24, 2 / 24]),
    "decimals": ([Decimal("1.50"), Decimal("2.5")], "when", [1.5, 2.5]),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_dates_durations_and_decimals_are_numbers(kind):
    values, name, numbers = OTHER_KINDS[kind]
    table = pd.DataFrame({"when": values})
    (column,) = TableEncoder.learn(table).columns
    assert column.name == name
    np.testing.assert_allclose(column.center + column.scale * TableEncoder.learn(table)(table)[:, 0], numbers)
    (variable,) = TableEncoder.learn(table).variables
    np.testing.assert_allclose(variable.source.read(table["when"]), numbers)


def test_bytes_are_text():
    assert list(encoded(pd.DataFrame({"b": [b"u", b"v"]}))) == ["b[u]", "b[v]"]


@pytest.mark.parametrize(
    "table", [mixed(), pd.DataFrame({"size": pd.Categorical(["S", None, "L"], ["S", "M", "L"], True)})]
)
def test_sources_read_what_the_encoder_encodes(table):
    encoder = TableEncoder.learn(table)
    for variable, column in zip(encoder.variables, encoder(table).T, strict=True):
        read = (variable.source.read(table[variable.source.column]) - variable.center) / variable.scale
        np.testing.assert_allclose(read, column, atol=1e-12)


# Dirty text.

DIRT = {
    "one question mark": ([*map(str, range(30)), "?"], r"97% of its values look like numbers; not plain: '\?'"),
    "currency": ([f"${i},234" for i in range(30)], "look like numbers; not plain: '\\$0,234'"),
    "decimal commas": ([f"{i},5" for i in range(30)], "look like numbers"),
    "blank": (["1", "2", "3", " "] * 8 + ["1"] * 20, "look like numbers; not plain: ''"),
    "dates": ([f"2020-01-{i:02}" for i in range(1, 31)], "look like dates"),
    "names of rows": ([f"Mr. {chr(65 + i)}" for i in range(26)], "26 of its 26 values are different, such as 'Mr. A'"),
}


@pytest.mark.parametrize("kind", DIRT)
def test_text_that_hides_something_else_is_warned_of(kind):
    values, message = DIRT[kind]
    with pytest.warns(TextColumnWarning, match=f"Column 'a' is text and is learned as categories, but .*{message}"):
        TableEncoder.learn(pd.DataFrame({"a": values}))


@pytest.mark.parametrize("values", [["02139", "10001", "94110"] * 5, ["a", "b"] * 30, ["1", "2", "3"] * 9])
def test_clean_categories_bring_no_warning(values):
    TableEncoder.learn(pd.DataFrame({"a": values}))


def test_plain_numbers_are_encoded_at_once_as_they_are_column_by_column():
    table = pd.DataFrame(rng("plain").normal(size=(30, 3)) * [1.0, 50.0, 1e-3], columns=list("abc"))
    encoder = TableEncoder.learn(table.assign(b=table["b"].round().astype(int)))
    rows = table.head(4)
    np.testing.assert_array_equal(encoder.plain(rows, np.float32), encoder(rows, np.float32))
    np.testing.assert_array_equal(encoder.plain(rows.to_numpy()), encoder(rows))
    np.testing.assert_array_equal(encoder.plain(rows.astype(int)), encoder(rows.astype(int)))


@pytest.mark.parametrize(
    "other",
    [
        lambda rows: rows[["c", "b", "a"]],
        lambda rows: rows.assign(a=np.nan),
        lambda rows: rows.assign(b=1e6),
        lambda rows: rows.assign(b="high"),
        lambda rows: rows.drop(columns="c"),
        lambda rows: rows.to_numpy().astype(object),
        lambda rows: rows.head(0),
        lambda rows: rows.to_numpy().tolist(),
    ],
    ids=["order", "gap", "far", "text", "narrow", "objects", "empty", "lists"],
)
def test_rows_that_need_a_closer_look_are_not_encoded_at_once(other):
    table = pd.DataFrame(rng("plain").normal(size=(30, 3)), columns=list("abc"))
    assert TableEncoder.learn(table).plain(other(table)) is None


@pytest.mark.parametrize("column", [{"d": 1.0}, {"d": ["x", "y"] * 15}, {"a": [np.nan, *range(29)]}], ids=str)
def test_tables_with_other_columns_than_numbers_that_varied_are_not_encoded_at_once(column):
    table = pd.DataFrame(rng("plain").normal(size=(30, 3)), columns=list("abc")).assign(**column)
    assert TableEncoder.learn(table).plain(table) is None
