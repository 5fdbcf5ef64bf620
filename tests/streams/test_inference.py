"""Claims about inference on streams: the estimates and errors in memory, whatever the cuts."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from behavior_learning.inference.streamed import ByCluster
from behavior_learning.learned import streaming
from tests.conftest import rng

ROWS = 230


@pytest.fixture(scope="module")
def rows():
    """A linear law whose noise spreads with x; clusters of rows that stand far apart."""
    generator = rng("streamed inference")
    x, effect = generator.normal(size=ROWS), generator.normal(size=12)
    who = np.arange(ROWS) % 12
    y = 0.5 * x + 0.3 * effect[who] + (0.5 + 0.3 * np.abs(x)) * generator.normal(size=ROWS)
    labels = {"who": [f"c{code}" for code in who], "day": np.arange(ROWS) * 7 % 23}
    return pd.DataFrame({"x": x, "y": y, **labels, "w": 1.0 + np.arange(ROWS) % 3})


@pytest.fixture(scope="module")
def model(rows):
    line = {"layers": (1,), "heads": (None, None, "square"), "max_epochs": 5, "n_restarts": 1, "random_state": 0}
    return bl.BLRegressor(**line).fit(rows[["x"]], rows["y"])


@pytest.mark.parametrize(
    ("clusters", "weighted", "kind"),
    [
        (["who", "day"], True, "frequency"),
        pytest.param("who", True, "sampling", marks=pytest.mark.slow),
        pytest.param(None, False, "frequency", marks=pytest.mark.slow),
        pytest.param(None, True, "sampling", marks=pytest.mark.slow),
    ],
)
def test_errors_of_a_stream_are_those_in_memory(rows, model, clusters, weighted, kind, monkeypatch):
    monkeypatch.setattr(streaming, "BLOCK", 64)
    cov_type = "robust" if clusters is None else "clustered"
    clusters = {} if clusters is None else {"clusters": clusters}
    weights = {"weights": "w"} if weighted else {}
    stream = bl.Stream([rows[:100], rows[100:]], sample=150)  # Columns that the model does not know are passed over.
    common = {"cov_type": cov_type, "weight_kind": kind, "n_restarts": 0, "l2": 0.0}
    streamed = model.inference(stream, target="y", **common, **clusters, **weights)
    whole = model.inference(
        rows[["x"]], rows["y"], **common, **{name: rows[column] for name, column in {**clusters, **weights}.items()}
    )
    assert streamed.convergence is whole.convergence
    np.testing.assert_allclose(streamed.params, whole.params, rtol=1e-7)
    np.testing.assert_allclose(streamed.bse, whole.bse, rtol=1e-6)
    np.testing.assert_allclose(
        [streamed.n, streamed.loglikelihood, streamed.tic], [whole.n, whole.loglikelihood, whole.tic], rtol=1e-9
    )
    if not weighted:
        assert "Rows" in str(streamed)
        np.testing.assert_allclose(streamed.with_covariance("opg").bse, whole.with_covariance("opg").bse, rtol=1e-6)
        with pytest.raises(OptionError, match="needs the rows in memory, and these are of a stream"):
            streamed.lr_test(f"{streamed.params.index[0]} = 0")


def test_scores_of_a_cluster_add_up_wherever_its_rows_stand():
    sums, by_cluster = rng("clusters").normal(size=(6, 2)), ByCluster(2)
    by_cluster.add(np.array(["a", "b"], object), sums[:2])
    by_cluster.add(np.array(["c", "a"], object), sums[2:4])
    by_cluster.add(np.array(["b", "d", "d"], object), np.vstack([sums[4:], sums[:1]]))
    found = dict(zip(by_cluster.known, by_cluster.sums, strict=True))
    np.testing.assert_allclose(found["a"], sums[0] + sums[3])
    np.testing.assert_allclose(found["b"], sums[1] + sums[4])
    np.testing.assert_allclose([found["c"], found["d"]], [sums[2], sums[5] + sums[0]])


@pytest.mark.parametrize(
    ("how", "error", "match"),
    [
        ({"cov_type": "bootstrap"}, OptionError, "'bootstrap' needs the rows in memory"),
        ({"cov_type": "clustered"}, OptionError, "need each other"),
        ({"method": "posterior"}, OptionError, "'posterior' needs the rows in memory"),
        ({"cov_type": "clustered", "clusters": ("x", "y", "z")}, OptionError, "one or two columns"),
        ({"cov_type": "clustered", "clusters": "site"}, DataError, "The stream has no column 'site'"),
        ({"cov_type": "clustered", "clusters": "gap"}, DataError, "'gap' have missing labels"),
    ],
)
def test_what_sums_cannot_say_is_refused(rows, model, how, error, match):
    with pytest.raises(error, match=match):
        model.inference([rows[["x", "y"]].assign(gap=[None, *"ab" * 114, "c"])], target="y", n_restarts=0, **how)
