"""Claims about streams: every row once a pass, nothing missed, the fit in memory where one window holds all rows."""

import threading
from errno import ENOSPC
from itertools import islice, pairwise

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.encoding import TableEncoder
from behavior_learning.errors import DataError, OptionError
from behavior_learning.streams.sources import Part, as_source
from behavior_learning.streams.stream import Opened
from behavior_learning.streams.survey import Counted, Sample, place_hashes, survey
from behavior_learning.streams.windows import ahead, blocks, windows
from tests.conftest import rng
from tests.fitted import QUICK, mixed

COUNTS = {"columns": (), "levels": (), "sample": 10_000, "looked": 10_000}


def table(rows: int = 500) -> pd.DataFrame:
    """Numbers, text and gaps; one level and the largest number stand in one row each."""
    generator = rng("stream", rows)
    job = np.array(["clerk", "nurse"], dtype=object)[generator.integers(2, size=rows)]
    job[rows - 3] = "pilot"
    age = generator.normal(40, 10, rows)
    age[7], age[rows // 2] = np.nan, 99.0
    return pd.DataFrame({"age": age, "job": job, "pay": age + generator.normal(size=rows)}).fillna({"pay": 40.0})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The table in three files of several row groups each."""
    folder = tmp_path_factory.mktemp("stream")
    for number in range(3):
        table()[200 * number : 200 * (number + 1)].to_parquet(folder / f"{number}.parquet", row_group_size=60)
    return folder


def numbers_read(parts) -> list[int]:
    return [value for part in parts for value in part.table["n"].tolist()]


def source_of(rows: int, tables: int):
    cuts = np.linspace(0, rows, tables + 1).astype(int)
    counted = pd.DataFrame({"n": np.arange(rows)})
    return as_source([counted[low:high] for low, high in pairwise(cuts)])


@pytest.mark.parametrize("of", ["*.parquet", "", "list"])
def test_files_are_read_as_the_table_they_hold(folder, of):
    paths = sorted(folder.glob("*.parquet")) if of == "list" else folder / of
    read = pd.concat([part.table for part in as_source(paths).parts()], ignore_index=True)
    pd.testing.assert_frame_equal(read, table(), check_dtype=False)


def test_shuffled_pieces_hold_every_row_once(folder):
    plain = pd.concat([part.table for part in as_source(folder).parts()])
    mixed_up = pd.concat([part.table for part in as_source(folder).parts(rng("order"))])
    assert not np.array_equal(plain["pay"], mixed_up["pay"])
    np.testing.assert_array_equal(np.sort(plain["pay"]), np.sort(mixed_up["pay"]))


def test_rows_validate_by_their_place_alone():
    whole = place_hashes(Part(3, 0, pd.DataFrame(index=range(10_000))))
    np.testing.assert_array_equal(whole[400:500], place_hashes(Part(3, 400, pd.DataFrame(index=range(100)))))
    assert len(np.unique(whole)) == 10_000
    assert abs(np.mean(Counted(None, 0.2).held_out(whole)) - 0.2) < 4 * (0.2 * 0.8 / 10_000) ** 0.5


def test_sample_is_of_the_smallest_hashes():
    sample, hashes = Sample(50), rng("hashes").integers(2**63, size=1_000, dtype=np.uint64)
    for start in range(0, 1_000, 64):
        own = hashes[start : start + 64]
        sample.add(own, pd.DataFrame(index=range(start, start + len(own))))
    assert sample.rows().index.tolist() == sorted(np.argsort(hashes)[:50].tolist())


def test_survey_misses_no_level_gap_or_end(folder):
    rule = Counted(None, 0.1)
    found = survey(as_source(folder).parts(), rule, **{**COUNTS, "sample": 20})
    train = pd.concat([rule.training(part) for part in as_source(folder).parts()])
    assert found.rows == len(train)
    assert set(found.train["job"]) == set(train["job"])
    assert found.train["age"].isna().any() == train["age"].isna().any()
    assert found.train["age"].agg(["min", "max"]).tolist() == train["age"].agg(["min", "max"]).tolist()
    assert len(found.train) <= 20 + 2 * 3 + 3
    np.testing.assert_allclose(found.center["age"], train["age"].mean(), rtol=1e-12)
    np.testing.assert_allclose(found.deviation["age"], train["age"].std(ddof=0), rtol=1e-12)


def test_scales_are_those_of_all_rows():
    rows = table(400).drop(columns="job").clip(30, 50)
    found = survey(as_source([rows]).parts(), Counted(None, 0.1), **{**COUNTS, "sample": 50})
    train = Counted(None, 0.1).training(next(as_source([rows]).parts()))
    exact = found.exact(TableEncoder.learn(found.train))
    for own, whole in zip(exact.columns, TableEncoder.learn(train).columns, strict=True):
        np.testing.assert_allclose([own.center, own.scale], [whole.center, whole.scale], rtol=1e-12)


def test_classes_written_as_numbers_are_all_in_the_sample():
    codes = pd.DataFrame({"y": np.repeat([0, 1, 2], [900, 3, 900])})
    found = survey(as_source([codes]).parts(), Counted(None, 0.1), **{**COUNTS, "sample": 5, "levels": ("y",)})
    assert set(found.train["y"]) == {0, 1, 2}


@pytest.mark.parametrize(("rows", "most"), [(100, 100), (100, 30), (101, 50)])
def test_every_pass_has_every_row_once_but_for_a_last_window(rows, most):
    count = -(-rows // most)
    made = windows(
        source_of(rows, 4), Counted(None, 0.0), lambda t: (t["n"].to_numpy(),), rows=rows, per_pass=count, seed=0
    )
    for own in (list(islice(made, count)) for _ in range(3)):
        assert {len(window) for (window,) in own} == {rows // count}
        assert len(np.unique(np.concatenate([window for (window,) in own]))) == count * (rows // count)


@pytest.mark.parametrize("first", [1, 3, 5])
def test_windows_go_on_where_others_stopped(folder, first):
    how = {"rows": 500, "per_pass": 3, "seed": 4}
    made = [
        windows(as_source(folder), Counted(None, 0.0), lambda t: (t["pay"].to_numpy(),), first=at, **how)
        for at in (0, first)
    ]
    np.testing.assert_array_equal(list(islice(made[0], first, first + 3)), list(islice(made[1], 3)))


def test_rows_of_weight_zero_are_left_out():
    rows = pd.DataFrame({"n": np.arange(50), "w": np.arange(50) % 2})
    assert numbers_read([Part(0, 0, Counted("w", 0.0).training(Part(0, 0, rows)))]) == list(range(1, 50, 2))


def test_blocks_are_of_one_size_whatever_the_parts():
    parts = [(np.arange(low, high),) for low, high in ((0, 3), (3, 4), (4, 25), (25, 29))]
    cut = [block.tolist() for (block,) in blocks(parts, 7)]
    assert cut == [list(range(7 * i, 7 * i + 7)) for i in range(4)]


def test_reading_ahead_ends_its_thread_and_passes_errors_on():
    def broken():
        yield 1
        raise DataError("gone")

    before = threading.active_count()
    items = ahead(iter(range(10**9)))
    assert list(islice(items, 3)) == [0, 1, 2]
    items.close()
    with pytest.raises(DataError, match="gone"):
        list(ahead(broken()))
    assert threading.active_count() == before


@pytest.fixture(scope="module")
def rows():
    return mixed().assign(pay=rng("pay").normal(size=80), w=1.0 + np.arange(80) % 3)


@pytest.fixture(scope="module")
def streamed(rows):
    return bl.BLRegressor(**QUICK, random_state=0).fit([rows[:30], rows[30:]], target="pay", weights="w")


def test_stream_of_one_window_is_the_fit_in_memory(rows, streamed):
    hashes = np.concatenate([place_hashes(Part(i, 0, part)) for i, part in enumerate((rows[:30], rows[30:]))])
    out = Counted(None, 0.2).held_out(hashes)
    train, held_out = ((part.drop(columns=["pay", "w"]), part["pay"], part["w"]) for part in (rows[~out], rows[out]))
    reg = bl.BLRegressor(**QUICK, random_state=0)
    reg.fit(train[0], train[1], sample_weight=train[2], validation_data=held_out)
    np.testing.assert_allclose(streamed.predict(held_out[0]), reg.predict(held_out[0]), rtol=1e-3, atol=1e-4)
    assert streamed.history_["validation_loss"].tolist() == pytest.approx(reg.history_["validation_loss"], abs=1e-4)


def test_windows_of_a_stream_train_a_model_that_learns(rows):
    reg = bl.BLRegressor(**{**QUICK, "n_restarts": 1}, random_state=0)
    reg.fit(bl.Stream([rows.assign(pay=rows["income"])] * 2, window=64), target="pay")
    assert reg.model_.rows.of > 64
    assert reg.history_["validation_loss"].iloc[-1] < reg.history_["validation_loss"].iloc[0]


def test_explanation_says_that_its_rows_are_a_sample(streamed):
    assert f"sampled from a stream of {streamed.model_.rows.of}" in str(streamed.explain())


@pytest.mark.parametrize(
    ("given", "how", "match"),
    [
        (lambda: (t for t in [table()]), {}, "only once. Pass the function"),
        (lambda: 3, {}, "A stream is a path such as"),
        (lambda: "nowhere/*.parquet", {}, "There is no file nowhere"),
        (lambda: [table()], {"target": "wage"}, "The stream has no column 'wage'; its columns are 'age'"),
        (lambda: [table(), table().rename(columns={"age": "years"})], {}, "Table 1 has other columns .* missing 'age'"),
        (lambda: [table()], {"y": [1.0]}, "got y="),
        (lambda: [table().assign(w=-1.0)], {"weights": "w"}, "weights 'w' must be finite .* row 0 of piece 0 has -1"),
        (lambda: "a.parquet", {"target": None}, "'a.parquet' is a stream of rows. Name the column"),
        (lambda: [table().assign(pay=np.inf)], {}, "The response 'pay' must be finite"),
        (lambda: [table()[:1]], {}, "Training needs at least 2 rows"),
    ],
)  # fmt: skip
def test_bad_streams_are_refused_in_words(given, how, match):
    with pytest.raises(DataError, match=match):
        bl.BLRegressor(**QUICK).fit(given(), **{"target": "pay", **how})


@pytest.mark.parametrize(
    ("second", "match"),
    [
        (lambda t: t[:0], "1.parquet has no rows"),
        (lambda t: t.drop(columns="job"), "1.parquet has other columns .* missing 'job'"),
        (lambda t: t.assign(age=t["age"].astype(str)), r"Column 'age' is (large_)?string in .*1.parquet and double in"),
        (lambda t: t.assign(age=[[1]] * len(t)), "Column 'age' of .*1.parquet holds list"),
    ],
)
def test_files_that_differ_are_named(tmp_path, second, match):
    table(40).to_parquet(tmp_path / "0.parquet")
    second(table(40)).to_parquet(tmp_path / "1.parquet")
    with pytest.raises(DataError, match=match):
        as_source(tmp_path)


@pytest.mark.parametrize("left", [0, 100])
def test_files_that_are_cut_off_are_named(left, tmp_path):
    table(40).to_parquet(tmp_path / "0.parquet")
    (tmp_path / "1.parquet").write_bytes((tmp_path / "0.parquet").read_bytes()[:left])
    with pytest.raises(DataError, match=r"1\.parquet could not be read"):
        as_source(tmp_path)


def test_shards_may_lack_values_that_others_have(tmp_path):
    rows = pd.DataFrame({"whole": [1, 2], "text": ["a", None]})
    rows.to_parquet(tmp_path / "0.parquet")
    rows.assign(whole=[1.5, None], text=None).to_parquet(tmp_path / "1.parquet")
    read = pd.concat([part.table for part in as_source(tmp_path).parts()])
    assert read["whole"].isna().tolist() == [False, False, False, True]
    assert read["text"].isna().tolist() == [False, True, True, True]


def test_stream_that_shrinks_is_refused():
    made = windows(source_of(10, 2), Counted(None, 0.0), lambda t: (t["n"].to_numpy(),), rows=20, per_pass=1, seed=0)
    with pytest.raises(DataError, match="had 20 rows to train when it was first read, and fewer in pass 1"):
        next(made)


def test_class_weights_need_rows_in_memory():
    with pytest.raises(OptionError, match="class_weight needs the rows in memory"):
        bl.BLClassifier(class_weight="balanced").fit([table()], target="job")


def test_predictions_of_a_stream_are_those_in_memory(rows, streamed, tmp_path):
    X, y = rows.drop(columns=["pay", "w"]), rows["pay"]
    assert streamed.predict_to([rows[:30], rows[30:]], tmp_path / "p.parquet", coverage=0.5, keep=["w"]) == len(rows)
    found = pd.read_parquet(tmp_path / "p.parquet")
    np.testing.assert_allclose(found["pay"], streamed.predict(X), atol=1e-5)
    np.testing.assert_allclose(found[["lower", "upper"]], streamed.predict_interval(X, 0.5), atol=1e-5)
    np.testing.assert_allclose(found["log_density"], streamed.log_density(X, y), rtol=1e-4, atol=1e-5)
    assert found["w"].tolist() == rows["w"].tolist()


def test_predictions_of_a_broken_stream_leave_nothing(rows, streamed, tmp_path):
    with pytest.raises(DataError, match="Table 1 has other columns"):
        streamed.predict_to([rows, rows.drop(columns="age")], tmp_path / "p.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("keep", "match"), [("age ", "no column 'age ' to keep"), ("pay", "keep names 'pay', which")])
def test_columns_that_cannot_be_kept_are_named(rows, streamed, tmp_path, keep, match):
    with pytest.raises(DataError, match=match):
        streamed.predict_to([rows], tmp_path / "p.parquet", keep=[keep])


def test_predictions_on_a_full_disk_leave_nothing(rows, streamed, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match=r"p.parquet cannot be written: .*No space left on device. .* make room"):
        streamed.predict_to([rows], tmp_path / "p.parquet")
    assert list(tmp_path.iterdir()) == []


def test_columns_of_x_are_those_that_were_stated():
    rows = pd.DataFrame({"id": range(40), "x": np.linspace(0, 1, 40), "y": np.linspace(1, 0, 40), "w": 1.0})
    read = lambda features: Opened.read(bl.Stream([rows], features=features), "y", "w", labelled=False, fraction=0.2)
    assert list(read(None).train[0]) == ["id", "x"]
    assert list(read(["x"]).train[0]) == ["x"]
    with pytest.raises(DataError, match="no column 'z'"):
        read(["x", "z"])
