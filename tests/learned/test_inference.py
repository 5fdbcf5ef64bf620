"""`estimator.inference()`: the user's names and units, all rows, and what a loaded model needs."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from behavior_learning.inference import Convergence
from behavior_learning.learned import inference as inference_of
from behavior_learning.learned.inference import model_at
from tests.conftest import rng
from tests.fitted import fitted

OPTIONS = {"layers": (1,), "identifiable": True, "basis": "affine", "max_epochs": 25, "n_restarts": 2}


@cache
def rows(n: int = 300):
    generator = rng("inference rows")
    dose = generator.normal(20, 4, size=n)
    effect = 100 + 3 * (dose - 20) + (4 + 2 * np.abs(generator.normal(size=n))) * generator.normal(size=n)
    return pd.DataFrame({"dose": dose}), pd.Series(effect, name="effect")


@cache
def regression():
    X, y = rows()
    reg = bl.BLRegressor(**OPTIONS, heads=("identity", None, "square"), extra_terms=["dose:effect"], random_state=0)
    return reg.fit(X, y)


@cache
def inference():
    return regression().inference()


@cache
def choice():
    generator = rng("choice")
    X = pd.DataFrame({"price": generator.normal(5, 2, size=300)})
    odds = 1 / (1 + np.exp(0.8 * (X["price"] - 5)))
    y = pd.Series(np.where(generator.uniform(size=300) < odds, "buy", "wait"), name="act")
    heads = ("identity", None, None)
    clf = bl.BLClassifier(**OPTIONS, heads=heads, extra_terms=["price:act"], random_state=0)
    return clf.fit(X, y), X, y


def test_all_rows_count_and_the_ridge_does_not():
    res = inference()
    assert res.n == 300
    assert res.convergence is Convergence.OPTIMUM
    X, y = rows()
    again = regression().inference(X, y)
    np.testing.assert_allclose(again.params, res.params, rtol=1e-9)
    assert res.loglikelihood > regression().log_density(X, y).sum()


@pytest.mark.parametrize(("budget", "starts", "flips"), [(0.9, 0, 0), (6.5, 3, 3), (1e6, 4, 8)])
def test_searches_are_as_many_as_their_budget_affords(monkeypatch, budget, starts, flips):
    """Of a budget half goes to searches from random networks, and what is left to negated rows."""
    seen = {}

    def infer(network, losses, *arguments, **options):
        seen.update(options, cost=300 * losses.space.size * network.n_parameters * 40)
        raise InterruptedError

    monkeypatch.setattr(inference_of, "infer", infer)
    with pytest.raises(InterruptedError):
        regression().inference()
    monkeypatch.setattr(inference_of, "EXPLORATION", budget * seen["cost"])
    with pytest.raises(InterruptedError):
        regression().inference()
    assert len(seen["starts"]) == starts
    assert seen["sign_flips"] == flips


def test_labels_are_in_the_users_names():
    assert "utility[dose*effect]" in inference().params.index
    assert "utility[dose]" in inference().original.params.index


def test_users_units_give_the_same_density():
    """BL written out in the user's units differs from the encoded one by a function of x."""
    res, (X, _) = inference(), rows()
    at = res.original.params
    term = lambda role, dose, effect: sum(
        at.get(f"{role}{name}", 0.0) * value
        for name, value in {
            "[dose]": dose,
            "[effect]": effect,
            "[dose*effect]": dose * effect,
            ".intercept": 1.0,
        }.items()
    )
    utility = lambda dose, effect: term("utility", dose, effect) - term("equality", dose, effect) ** 2
    dose, low, high = X["dose"].to_numpy()[:5], 95.0, 110.0
    found = res.function(lambda network: _gap(network, dose, low, high), of="network")["estimate"]
    np.testing.assert_allclose(found, utility(dose, high) - utility(dose, low), rtol=1e-8)


def _gap(network, dose, low, high):
    reg = regression()
    x = (dose - reg.model_.encoder.columns[0].center) / reg.model_.encoder.columns[0].scale
    y = reg.model_.response.encode(np.array([low, high]), float)
    values = network(x[:, None], np.broadcast_to(y[None, :, None], (len(x), 2, 1)))
    return values[:, 1] - values[:, 0]


def test_likelihood_is_per_unit_of_the_response():
    res, (X, y) = inference(), rows()
    grams = regression_in(1000.0).inference(n_restarts=0)
    np.testing.assert_allclose(grams.loglikelihood, res.loglikelihood - 300 * np.log(1000), rtol=1e-6)
    assert len(X) == len(y)


def regression_in(factor: float):
    X, y = rows()
    reg = bl.BLRegressor(**OPTIONS, heads=("identity", None, "square"), extra_terms=["dose:effect"], random_state=0)
    return reg.fit(X, factor * y)


def test_classes_have_errors_in_both_units():
    clf, X, y = choice()
    res = clf.inference(cov_type="hessian")
    slope = "utility[price*act=wait]"
    label = next(label for label in res.original.params.index if label.startswith(slope[:-1].split("=")[0]))
    assert res.original.params[label] > 0
    np.testing.assert_allclose(res.original.params[label], 0.8, atol=4 * res.original.bse[label])
    assert res.loglikelihood == pytest.approx(clf.inference(X, y).loglikelihood)


def test_loaded_models_need_their_rows(tmp_path):
    regression().save(tmp_path / "reg.bl")
    loaded = bl.load(tmp_path / "reg.bl")
    with pytest.raises(DataError, match=r"Pass X and y to inference\(\)"):
        loaded.inference()
    np.testing.assert_allclose(loaded.inference(*rows()).params, inference().params, atol=1e-6)


def test_kinked_heads_are_refused():
    with pytest.raises(OptionError, match="smooth heads"):
        fitted(bl.BLRegressor, "numbers").inference()


def test_all_that_is_said_after_inference_is_of_one_parameter():
    res = inference()
    said = model_at(regression().model_, res).problem.blocks["block1.1"].head_terms
    for ours, printed in zip(said, res.problem_.blocks["block1.1"].head_terms, strict=True):
        np.testing.assert_allclose(ours.multiplier, printed.multiplier, rtol=1e-5)
        assert ours.polynomial.coefficients.keys() == printed.polynomial.coefficients.keys()
    assert {name for name, _ in res.errors_by_term} == {"block1.1"}
    assert np.isfinite(list(res.errors_by_term["block1.1", 1].values())).all()


def test_summary_prints_both_units():
    text = str(inference().summary())
    assert "On standardised columns" in text
    assert "In the units of the table, as in the equations of problem_" in text


@pytest.mark.parametrize("options", [{"n_restarts": -1}, {"draws": 0}, {"cov_type": "magic"}])
def test_bad_options_are_refused(options):
    with pytest.raises(OptionError):
        regression().inference(**options)
