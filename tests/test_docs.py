"""Claims about the pages: every public name is listed, every example and every block of code runs."""

import re
from pathlib import Path
from textwrap import dedent

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning import datasets, inference, interchange, metrics, plots
from tests.fitted import ESTIMATORS, QUICK

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.md"))
PAGES = [
    page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if "```python" in page.read_text()
]
GIVEN = {
    "choice": """
        cases, modes = 120, ["train", "sm", "car", "bus"]
        table = pd.DataFrame({"case": np.repeat(np.arange(cases), 4), "mode": np.tile(modes, cases)})
        table = table.assign(who=table["case"], ID=table["case"], game=table["mode"])
        table[["cost", "time", "income", "age"]] = generator.uniform(1, 3, (4 * cases, 4))
        table[["income", "age"]] = table.groupby("case")[["income", "age"]].transform("first")
        table["place"] = generator.permuted(np.tile([1, 2, 3, 4], (cases, 1)), axis=1).ravel()
        table["taken"] = generator.permuted(np.tile([1, 0, 0, 0], (cases, 1)), axis=1).ravel()
        wide = ["SM_CO", "SM_TT", "TRAIN_CO", "TRAIN_TT", "CAR_CO", "CAR_TT", "INCOME", "PURPOSE"]
        table[wide] = generator.uniform(1, 3, (4 * cases, 8))
        table[["TRAIN_AV", "CAR_AV"]], table["CHOICE"] = 1, generator.integers(1, 4, 4 * cases)
        """,
    "decisions": """
        goods = pd.DataFrame(generator.uniform(1, 2, (200, 2)), columns=["price", "income"])
        goods["region"] = np.where(goods["income"] > 1.5, "north", "south")
        quantity = pd.Series(2 - 0.5 * goods["price"] + generator.normal(0, 0.2, 200), name="quantity")
        stated = bl.UMP(utility="poly(quantity, 2)", inequalities="price:quantity <= income")
        heads = ("identity", "softplus", None)
        demand = bl.BLRegressor(structure=stated, heads=heads, random_state=0).fit(goods, quantity)
        """,
    "explanation": """
        X, y = bl.datasets.load_boston()
        reg = bl.BLRegressor(layers=(2, 1), random_state=0).fit(X, y)
        X_test, y_test, scenario = X.head(20), y.head(20), reg.counterfactual(X, change={"RM": 7.0}, draws=None)
        """,
    "inference": "X, y = bl.datasets.load_boston()",
    "responses": """
        X = pd.DataFrame(generator.normal(size=(80, 2)), columns=["a", "b"])
        visits, rating = generator.poisson(2, 80), generator.choice(["low", "mid", "high"], 80)
        y = X["a"] + generator.normal(0, 0.3, 80)
        kinds = np.where(X["b"] + generator.normal(0, 1, 80) > 0, "good", "bad")
        Y = pd.DataFrame({"heating": y, "cooling": X["b"] - y, "class": kinds, "amount": y})
        reg, clf = bl.BLRegressor().fit(X, y), bl.BLClassifier().fit(X, kinds)
        hybrid = bl.BLHybrid().fit(X, Y[["class", "amount"]])
        table = Y[["class", "amount"]]
        density = bl.BLDensity().fit(table)
        """,
    "scale": """
        Path("folder").mkdir()
        y = generator.normal(size=400)
        rows = pd.DataFrame({"price": y, "size": y + generator.normal(size=400), "w": 1.0})
        rows["buyer"], rows["bought"] = np.arange(400) // 4, np.where(rows["size"] > 0, "yes", "no")
        rows.to_parquet("folder/part.parquet")
        X, y = rows[["size"]], rows["price"]
        X_later, y_later = X.head(300), y.head(300)
        parts = [(X, np.where(y > 0, "bus", "car"))]
        """,
    "shape": """
        from sklearn.model_selection import GridSearchCV
        X, y = bl.datasets.load_boston()
        X, y = X[["RM", "LSTAT"]].head(100), y.head(100)
        w, labels = np.ones(100), np.where(y > 20, "dear", "cheap")
        reg = bl.BLRegressor(random_state=0)
        """,
}
"""What the blocks of a page take as given; `generator` is a random one."""


def test_every_public_name_is_in_the_reference():
    listed = set(re.findall(r"^   (\w+)$", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), re.MULTILINE))
    public = {name for module in (bl, datasets, inference, interchange, metrics, plots) for name in module.__all__}
    assert listed == public - {"datasets", "inference", "interchange", "metrics", "plots"}


def test_every_example_has_its_page():
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert re.findall(r"^examples/(\w+)$", page, re.MULTILINE) == [path.stem for path in EXAMPLES]


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, monkeypatch):
    mpl.use("Agg")
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(path.parent)
    names: dict[str, object] = {}
    for cell in cells:
        exec(cell, names)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::behavior_learning.errors.OutsideDataWarning")
@pytest.mark.filterwarnings("ignore::behavior_learning.errors.AtomWarning")  # Miles per gallon are rounded.
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_blocks_of_a_page_run(path, monkeypatch, tmp_path):
    """One after the other in an empty folder, each name as a reader of the page would have it; fits are short."""
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    for estimator in ESTIMATORS:
        for option in QUICK.keys() - {"layers"}:
            monkeypatch.setitem(estimator.__init__.__kwdefaults__, option, QUICK[option])
    names = {"bl": bl, "np": np, "pd": pd, "Path": Path, "generator": np.random.default_rng(0)}
    exec(dedent(GIVEN.get(path.stem, "")), names)
    for block in re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        if "client=client" in block or "import ray" in block:  # A cluster: tests/estimators/test_dask.py, test_ray.py.
            continue
        if "marginaleffects" in block:
            names["marginaleffects"] = pytest.importorskip("marginaleffects")
        exec(block, names)
