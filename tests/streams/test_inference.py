"""Claims about inference on streams: the estimates and errors in memory, whatever the cuts."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from behavior_learning.inference.passes import Block
from behavior_learning.inference.poisson import Resampling, counts
from behavior_learning.inference.resampling import refit
from behavior_learning.inference.streamed import ByCluster
from behavior_learning.learned import streaming
from behavior_learning.streams.sources import Part
from behavior_learning.streams.survey import mixed, place_hashes
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


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "clusters"), [("frequency", None), ("sampling", None), ("sampling", "who")])
def test_bootstrap_of_a_stream_is_refits_in_memory_to_rows_that_count_alike(rows, model, kind, clusters, monkeypatch):
    """How often a row counts in a sample depends on its place, or its cluster, alone."""
    monkeypatch.setattr(streaming, "BLOCK", 64)
    common, draws = {"weight_kind": kind, "n_restarts": 0, "l2": 2.0}, 3
    cov_type = "bootstrap" if clusters is None else "cluster_bootstrap"
    tables, own = [rows[:100], rows[100:]], {"cov_type": cov_type, "clusters": clusters, "draws": draws, "seed": 5}
    streamed = model.inference(bl.Stream(tables, sample=150), target="y", weights="w", **common, **own)
    fitted = model.inference(rows[["x"]], rows["y"], weights=rows["w"], **common).fitted
    hashes = np.concatenate([place_hashes(Part(number, 0, table)) for number, table in enumerate(tables)])
    if clusters is not None:
        hashes = Block((), hashes, hashes, (rows[clusters].to_numpy(object),)).label_hashes
    keys = Resampling(draws, 5, clustered=clusters is not None, repeated=True).keys
    weights = fitted.weights
    with jax.enable_x64(True):
        rates = weights if kind == "frequency" else np.ones(ROWS)
        counted = np.stack([counts(*map(jnp.asarray, (hashes, rates, key))) for key in keys])
        replicates = counted if kind == "frequency" else counted * weights
        refits = refit(fitted.problem, *map(jnp.asarray, (fitted.theta, fitted.local.signs, replicates)))
    np.testing.assert_allclose(streamed.estimates.draws, refits[0], rtol=1e-6)
    assert streamed.cov_type == cov_type


@pytest.mark.parametrize("rate", [0.0, 1.0, 7.0, 40.0])
def test_rows_count_as_often_as_quantiles_of_a_poisson_variable(rate):
    """And a row's counts in two samples are independent."""
    hashes, keys = (
        rng("hashes").integers(2**63, size=2_000, dtype=np.uint64),
        Resampling(2, 0, clustered=False, repeated=True).keys,
    )
    with jax.enable_x64(True):
        one, other = (np.asarray(counts(jnp.asarray(hashes), jnp.full(2_000, rate), jnp.asarray(key))) for key in keys)
    uniform = ((mixed(hashes ^ keys[0]) >> np.uint64(11)) + 0.5) / 2**53
    np.testing.assert_array_equal(one, poisson(rate).ppf(uniform))
    assert abs(uniform.mean() - 0.5) < 4 / np.sqrt(12 * 2_000)
    assert rate == 0 or abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(2_000)


@pytest.mark.slow
def test_bootstrap_of_a_stream_agrees_with_the_sandwich(rows, model):
    """One Newton step of most refits, where few rows are not too few for it."""
    many = pd.concat([rows.assign(y=rows["y"] + 0.001 * number) for number in range(200)])
    stream, common = [many[:9_000], many[9_000:]], {"target": "y", "n_restarts": 0, "l2": 0.0, "draws": 100}
    robust, drawn = (model.inference(stream, cov_type=kind, **common) for kind in ("robust", "bootstrap"))
    np.testing.assert_allclose(drawn.bse, robust.bse, rtol=4 / np.sqrt(2 * 100))
    assert "92 of 100 bootstrap refits are one Newton step each" in str(drawn)
    with pytest.raises(OptionError, match="needs the rows in memory, and these are of a stream"):
        drawn.with_covariance("jackknife")


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
        ({"cov_type": "jackknife"}, OptionError, "'jackknife' needs the rows in memory"),
        ({"cov_type": "cluster_bootstrap", "clusters": ("x", "y")}, OptionError, "needs one column"),
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
