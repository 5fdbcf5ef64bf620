"""Claims about ONNX graphs: from the table's own columns they predict what the model predicts."""

import json

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import OptionError
from tests.conftest import rng
from tests.fitted import ROWS, mixed, numbers, quick

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.slow,
]
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")


def asked(path, X):
    """The session and what it makes of a table: text of categories, numbers of numbers."""
    session = onnxruntime.InferenceSession(path)
    columns = {}
    for node in session.get_inputs():
        column = X[node.name]
        text = "string" in node.type
        columns[node.name] = (
            column.astype(object).where(column.notna(), "").to_numpy() if text else column.to_numpy(float)
        )
    return session, session.run(None, columns)[0]


def table():
    """Numbers with gaps, a boolean, text with gaps, an order, far values and unseen levels in the rows predicted."""
    X = mixed().assign(size=pd.Categorical(rng("size").choice(["s", "m", "l"], ROWS), ["s", "m", "l"], ordered=True))
    X.loc[3, "job"] = None
    new = X.head(12).copy()
    new.loc[0, "income"], new.loc[1, "job"], new.loc[2, "job"] = 1e7, None, "pilot"
    return X, new


@pytest.mark.parametrize("output", ["vector", "scalar"])
def test_probabilities_of_a_table_are_those_of_the_model(output, tmp_path):
    X, new = table()
    y = np.array(["no", "perhaps", "yes"])[np.arange(ROWS) % 3]
    clf = quick(bl.BLClassifier, output=output).fit(X, y)
    bl.interchange.to_onnx(clf, tmp_path / "clf.onnx")
    session, mine = asked(tmp_path / "clf.onnx", new)
    np.testing.assert_allclose(mine, clf.predict_proba(new), rtol=1e-4, atol=1e-5)
    assert json.loads(session.get_modelmeta().custom_metadata_map["levels"]) == clf.classes_.tolist()


@pytest.mark.parametrize("response", ["numbers", "counts"])
def test_mean_of_a_table_is_that_of_the_model(response, tmp_path):
    X = numbers()
    y = 30 + 5 * X["a"] / X["a"].std() + rng("noise").normal(size=ROWS)
    y = np.round(np.abs(y)).astype(int) if response == "counts" else y
    reg = quick(bl.BLRegressor, response=response).fit(X, y)
    bl.interchange.to_onnx(reg, tmp_path / "reg.onnx")
    _, mine = asked(tmp_path / "reg.onnx", X)
    np.testing.assert_allclose(mine, reg.predict(X), rtol=1e-4)


def test_what_has_neither_labels_nor_a_mean_is_refused_in_words(tmp_path):
    X = numbers()
    reg = quick(bl.BLRegressor).fit(X[list("abcde")], X[["f", "g"]])
    with pytest.raises(OptionError, match="several responses"):
        bl.interchange.to_onnx(reg, tmp_path / "reg.onnx")
