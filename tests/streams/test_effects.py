"""Claims about effects over streams: averages are those of the same rows in memory, whatever the cuts."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import OptionError
from behavior_learning.learned import streaming
from tests.conftest import rng

ROWS = 120


@pytest.fixture(scope="module")
def rows():
    """Numbers, one with gaps, two values, a category and a column that the model does not know; weights."""
    generator = rng("streamed effects")
    x, job = generator.normal(size=(ROWS, 2)), np.array(["clerk", "guard", "teacher"])[np.arange(ROWS) % 3]
    table = pd.DataFrame({"a": x[:, 0], "b": np.where(np.arange(ROWS) % 11 == 4, np.nan, x[:, 1]), "job": job})
    table["owner"] = np.arange(ROWS) % 2.0
    table["y"] = x[:, 0] + 0.5 * x[:, 1] * table["owner"] + (job == "guard") + 0.4 * generator.normal(size=ROWS)
    return table.assign(w=1.0 + np.arange(ROWS) % 4, site=np.where(np.arange(ROWS) < 50, "north", "south"))


@pytest.fixture(scope="module")
def model(rows):
    line = {"layers": (1,), "heads": (None, None, "square"), "max_epochs": 5, "n_restarts": 1, "random_state": 0}
    return bl.BLRegressor(**line).fit(rows[["a", "b", "job", "owner"]], rows["y"], sample_weight=rows["w"])


@pytest.fixture(scope="module")
def results(rows, model):
    return model.inference(n_restarts=0, l2=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"correct": True}, {"correct": False}, {"of": "cross"}])
def test_averages_over_a_stream_are_those_in_memory(rows, model, results, options, monkeypatch):
    """The correction too, which adds up to a sum over rows, and errors by the delta method."""
    monkeypatch.setattr(streaming, "EFFECTS_BLOCK", 32)
    whole = model.effects(inference=results, **options)
    streamed = model.effects([rows[:47], rows[47:]], target="y", weights="w", inference=results, **options)
    for ask in (
        lambda effects: effects.table(),
        lambda effects: effects.table(standardized=True),
        lambda effects: effects.by("job"),
        lambda effects: effects.by("a"),
        lambda effects: effects.contrast("job", "clerk", "guard"),
        lambda effects: effects.contrast("b", 0.0, 1.0),
        lambda effects: effects.curve("a", points=3),
    ):
        pd.testing.assert_frame_equal(ask(streamed), ask(whole), rtol=1e-8, atol=1e-12)
    assert (streamed.table()["std_error"] > 0).all()
    by_site = model.effects(inference=results, **options).by(rows["site"])
    pd.testing.assert_frame_equal(streamed.by("site"), by_site, rtol=1e-8, atol=1e-12)
    assert f"all {ROWS} rows of a stream" in str(streamed)


@pytest.mark.slow
def test_averages_of_a_stream_need_names(rows, model):
    effects = model.effects([rows], target="y", std_errors="none")
    with pytest.raises(OptionError, match="needs one of its columns, 'a', 'b'"):
        effects.by(rows["site"])
    with pytest.raises(OptionError, match="whose response target= names"):
        model.effects(weights="w")
