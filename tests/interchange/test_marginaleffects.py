"""Claims about marginaleffects on a fitted model: its numbers and errors are those of the library's own effects."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import OptionError
from tests.conftest import rng

marginaleffects = pytest.importorskip("marginaleffects")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Its own, of polars.

NAMES = ["a", "b"]


@cache
def estimated():
    """A smooth model of one number and one category, and the results of its inference."""
    generator = rng("marginaleffects")
    X = pd.DataFrame({"a": generator.normal(size=200), "b": pd.Categorical(generator.choice(["u", "v"], 200))})
    y = pd.Series(X["a"] + 0.5 * (X["b"] == "v") + 0.5 * generator.normal(size=200), name="y")
    model = bl.BLRegressor(layers=(1,), identifiable=True, max_epochs=30, n_restarts=1, random_state=0).fit(X, y)
    return model, model.inference(n_restarts=0, l2=0.1), X, y


def adapted(**options):
    model, results, X, y = estimated()
    return bl.interchange.to_marginaleffects(model, results, X, y, **options)


def table(answer):
    return getattr(answer, "data", answer)


@pytest.mark.parametrize("variable", NAMES)
def test_slopes_and_comparisons_are_the_effects_of_the_library(variable):
    model, results, _, _ = estimated()
    own = model.effects(inference=results).table()
    line = own.loc["a" if variable == "a" else "b[v] - b[u]"]
    verb = marginaleffects.avg_slopes if variable == "a" else marginaleffects.avg_comparisons
    found = table(verb(adapted(), variables=variable))
    assert found["estimate"][0] == pytest.approx(line["estimate"], rel=1e-3)
    assert found["std_error"][0] == pytest.approx(line["std_error"], rel=2e-2)


def test_predictions_are_the_means_of_the_model():
    model, results, X, _ = estimated()
    found = table(marginaleffects.predictions(adapted()))["estimate"].to_numpy()
    assert len(found) == len(X)
    own = [model.effects(X.iloc[[i]], inference=results).curve("a", grid=[X["a"].iloc[i]]) for i in range(2)]
    np.testing.assert_allclose(found[:2], [curve["estimate"].iloc[0] for curve in own], rtol=1e-6)


def test_hypotheses_compare_effects():
    found = table(marginaleffects.avg_comparisons(adapted(), hypothesis="b0 - b1 = 0"))
    each = table(marginaleffects.avg_comparisons(adapted()))["estimate"]
    assert found["estimate"][0] == pytest.approx(each[0] - each[1])
    assert found["std_error"][0] > 0


def test_another_covariance_is_asked_of_the_results():
    with pytest.raises(OptionError, match=r"results.with_covariance\('HC3'\)"):
        marginaleffects.avg_predictions(adapted(), vcov="HC3")


def test_results_are_needed():
    model, _, X, y = estimated()
    with pytest.raises(OptionError, match="needs the results of inference"):
        bl.interchange.to_marginaleffects(model, None, X, y)
