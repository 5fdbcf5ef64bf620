"""Claims about fits by the workers of a Dask cluster."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError
from tests.conftest import rng

SMOOTH = ("tanh", "softplus", "square")  # At a kink a last digit decides.
OPTIONS = {"layers": (2, 1), "heads": SMOOTH, "n_restarts": 1, "max_epochs": 8, "random_state": 0}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_two_workers_train_the_network_of_one_process():
    distributed, frames = pytest.importorskip("distributed"), pytest.importorskip("dask.dataframe")
    x = rng("dask").normal(size=(1_500, 3))
    rows = pd.DataFrame(x, columns=list("abc")).assign(y=np.tanh(x[:, 0]) - x[:, 1])
    given = frames.from_pandas(rows, npartitions=5)
    parts = [part.compute() for part in given.partitions]
    alone = bl.BLRegressor(**OPTIONS).fit(bl.Stream(parts, window=500, shards=2), target="y")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        reg = bl.BLRegressor(**OPTIONS).fit(bl.Stream(given, window=500), target="y", client=client)
        again = bl.BLRegressor(**OPTIONS).fit(bl.Stream(given, window=500), target="y", client=client)
        with pytest.raises(DataError, match="has no column 'z'"):
            bl.BLRegressor(**OPTIONS).fit(given, target="z", client=client)
    X, y = rows.drop(columns="y"), rows["y"]
    np.testing.assert_allclose(reg.log_density(X, y), alone.log_density(X, y), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(reg.log_density(X, y), again.log_density(X, y))


def test_rows_beside_a_client_are_those_of_the_stream():
    with pytest.raises(DataError, match="got y="):
        bl.BLRegressor().fit([[1.0]], [1.0], target="y", client=object())
