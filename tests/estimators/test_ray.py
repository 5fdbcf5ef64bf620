"""The recipe for actors of Ray that the page prints: they train the network of one process."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from tests.conftest import rng

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
OPTIONS = 'layers=(2, 1), heads=("tanh", "softplus", "square"), n_restarts=1, max_epochs=8, random_state=0'


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_two_actors_train_the_network_of_one_process(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    x = rng("ray").normal(size=(1_500, 3))
    table = pd.DataFrame(x, columns=list("abc")).assign(price=np.tanh(x[:, 0]) - x[:, 1])
    (tmp_path / "folder").mkdir()
    for part in range(3):
        table[part::3].to_parquet(tmp_path / "folder" / f"{part}.parquet")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    recipe = next(block for block in blocks if "import ray" in block)
    given = {
        "random_state=0": OPTIONS,
        "fit(rows,": "fit(bl.Stream(rows, window=500),",
    }  # At a kink a last digit decides.
    for printed, here in given.items():
        assert printed in recipe
        recipe = recipe.replace(printed, here)
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        names: dict[str, object] = {}
        exec(recipe, names)
    finally:
        ray.shutdown()
    alone = eval(f"bl.BLRegressor({OPTIONS})").fit(bl.Stream("folder/*.parquet", window=500, shards=2), target="price")
    X, y = table.drop(columns="price"), table["price"]
    np.testing.assert_allclose(names["reg"].log_density(X, y), alone.log_density(X, y), rtol=1e-4, atol=1e-4)
