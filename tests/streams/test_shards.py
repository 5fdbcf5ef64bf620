"""Claims about shards: dealt evenly, filled up with rows that do not count, and surveyed as one stream."""

from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from behavior_learning.streams import stream as module
from behavior_learning.streams.sources import EVERYTHING, Share, as_source, evenly
from behavior_learning.streams.stream import Opened
from behavior_learning.streams.survey import Counted, Reading
from tests.conftest import rng
from tests.fitted import QUICK


def tables(*sizes: int) -> list[pd.DataFrame]:
    """Numbered rows with a level, a gap and an end that the last table alone has."""
    rows = pd.DataFrame({"n": np.arange(sum(sizes)), "x": rng("shards").normal(size=sum(sizes))})
    rows = rows.assign(level="a", y=rows["x"] + 0.1 * rng("noise").normal(size=len(rows)))
    rows.loc[len(rows) - 3 :, ["level", "x"]] = [["rare", 9.0], ["a", np.nan], ["a", 0.0]]
    return [rows[end - size : end].reset_index(drop=True) for size, end in zip(sizes, np.cumsum(sizes), strict=True)]


def read(given, share: Share = EVERYTHING) -> Reading:
    reading = Reading(Counted(None, 0.2), levels=(), sample=50, looked=20)
    for part in as_source(given).parts(share=share):
        reading.add(part)
    return reading


def test_shares_have_every_piece_once_and_about_as_many_rows(tmp_path):
    sizes = [7, 100, 30, 30, 60, 90]
    for number, table in enumerate(tables(*sizes)):
        table.to_parquet(tmp_path / f"{number}.parquet")
    source = as_source(tmp_path)
    found = [np.concatenate([part.table["n"] for part in source.parts(share=Share(i, 3))]) for i in range(3)]
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(sum(sizes)))
    assert max(map(len, found)) <= 4 / 3 * sum(sizes) / 3
    assert evenly([5], 3).count(0) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_are_surveyed_as_one_stream(count):
    given = tables(200, 30, 1, 150, 80)
    whole = read(given).survey()
    shares = [read(given, Share(number, count)) for number in range(count)]
    rows = sum(share.rows for share in shares)
    found = shares[0].joined([share.sent(rows) for share in shares]).survey()
    pd.testing.assert_frame_equal(found.train, whole.train)
    pd.testing.assert_frame_equal(found.held_out, whole.held_out)
    assert (found.rows, found.weight, found.by_piece) == (whole.rows, whole.weight, whole.by_piece)
    for own, other in ((found.center, whole.center), (found.deviation, whole.deviation)):
        assert own == other  # Pieces are summed in their order, whoever read them.
    assert "rare" in set(found.train["level"])
    assert found.train["x"].isna().any()
    assert found.train["x"].max() == 9.0


def test_shares_with_columns_of_other_kinds_are_refused():
    given = tables(20, 20)
    given[1] = given[1].assign(x="none")
    shares = [read(given, Share(number, 2)) for number in range(2)]
    with pytest.raises(DataError, match="Column 'x' is numbers in table 0 and text in table 1"):
        shares[0].joined(shares)


def windows_of(opened: Opened):
    encode = lambda X, y: (X[["n"]].to_numpy(np.float32), y.to_numpy(np.float32)[:, None])
    windows = opened.windows(encode, seed=0)
    made = list(islice(windows, 4))
    windows.close()
    return made


@pytest.mark.parametrize("sizes", [(100, 100, 100, 100), (400, 40, 40, 10), (300, 100)])
@pytest.mark.parametrize("weights", [None, "w"])
def test_shards_of_a_window_have_one_length_and_weigh_as_much_as_their_rows(sizes, weights):
    given = [table.assign(w=1.0 + table["n"] % 2) for table in tables(*sizes)]
    stream = bl.Stream(given, window=200, shards=4)
    opened = Opened.read(stream, "y", weights, labelled=False, fraction=0.2)
    rows = sum(opened.survey.by_piece.values())
    per_pass = -(-rows // 200)
    for x, y, *weight in windows_of(opened):
        assert len(x) % 4 == 0
        assert len(y) == len(x)
        weight = weight[0] if weight else np.ones(len(x))
        kept = x[weight > 0]
        assert len(np.unique(kept)) == len(kept)
        assert len(kept) == sum(rows // per_pass for rows in opened.survey.by_piece.values())
        assert weight.mean() == pytest.approx(1.0, abs=1e-5 if weights is None else 0.05)


def test_mean_over_filled_up_shards_is_that_of_their_rows():
    opened = Opened.read(bl.Stream(tables(300, 100), shards=4), "y", None, labelled=False, fraction=0.2)
    ((_, y, weight),) = windows_of(opened)[:1]
    kept = weight > 0
    np.testing.assert_allclose(np.mean(weight * y[:, 0]), y[kept, 0].mean(), rtol=1e-5)


def test_pieces_of_other_shares_are_not_made():
    made: list[int] = []

    def make(number: int):
        made.append(number)
        return tables(10, 10, 10)[number]

    list(as_source([lambda number=number: make(number) for number in range(3)]).parts(share=Share(1, 2)))
    assert made == [1]


@pytest.mark.parametrize("shards", [2, 3])
def test_a_batch_has_as_many_rows_of_every_shard(shards):
    rows, order = rng("batches").normal(size=(shards * 7, 2)).astype(np.float32), np.array([3, 0, 6, 2, 5, 1, 4])
    squared = lambda params, data: jnp.mean((data[0] @ params - 1.0) ** 2)
    of_shard = rows.reshape(shards, 7, 2)
    batches = [of_shard[:, order[start : start + 2]].reshape(-1, 2) for start in (0, 2, 4)]

    def trained(data, order, of_each):
        start = jnp.ones(2)
        adam = bl.Adam(batch_size=of_each * shards).on(decay=0.0, half_squared=jnp.sum, proximal=None)
        with jax.disable_jit():
            return adam.epoch(squared, start, adam.init(start), (data,), order, (jnp.zeros(()), jnp.ones(())))[0]

    together = trained(np.concatenate(batches), jnp.arange(6 * shards), 2)
    np.testing.assert_allclose(trained(rows, jnp.asarray(order), 3), together, rtol=1e-6)


@pytest.mark.slow
def test_fit_of_shards_learns_from_all_of_them():
    reg = bl.BLRegressor(**{**QUICK, "n_restarts": 1}, random_state=0)
    reg.fit(bl.Stream(tables(90, 30), window=64, shards=2, features=["x", "level"]), target="y")
    assert reg.history_["validation_loss"].iloc[-1] < reg.history_["validation_loss"].iloc[0]


@pytest.mark.parametrize(
    ("devices", "shards", "match"), [(2, 3, "dealt evenly to 2 devices. Say shards=4"), (1, 0, "shards")]
)
def test_shards_must_suit_the_devices(monkeypatch, devices, shards, match):
    monkeypatch.setattr(module, "device_count", lambda: devices)
    with pytest.raises(OptionError, match=match):
        Opened.read(bl.Stream(tables(50), shards=shards), "y", None, labelled=False, fraction=0.2)
