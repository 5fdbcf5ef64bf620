"""Willingness to pay, elasticities, scenarios and held-out folds, against closed forms and the textbook."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from tests.choice import real
from tests.choice.test_formula import simulated

DATA = simulated(300)

MODELS = {
    "logit": {},
    "nested": {"nests": {"road": ["bus", "car"]}},
    "mixed": {"random": {"time": "normal"}, "draws": 64},
    "classes": {"classes": 2, "utility": "cost + time"},
}


@cache
def fitted(name: str) -> bl.BLChoice:
    return bl.BLChoice(**{"utility": "cost + time + C(alternative)", **MODELS[name]}).fit(DATA)


def test_willingness_to_pay_is_a_ratio_with_its_delta_error():
    results, pay = fitted("logit").inference(), fitted("logit").willingness_to_pay("time", "cost").loc["all"]
    a, b = results.params["time"], results.params["cost"]
    slope = np.array([1 / b, -a / b**2])
    cov = results.cov.loc[["time", "cost"], ["time", "cost"]].to_numpy()
    assert pay["estimate"] == pytest.approx(a / b)
    assert pay["std. error"] == pytest.approx(np.sqrt(slope @ cov @ slope), rel=1e-4)


def test_value_of_time_of_swissmetro():
    model = bl.BLChoice().fit(real.swissmetro())
    assert 60 * model.willingness_to_pay("time", "cost").loc["all", "estimate"] == pytest.approx(70.74, abs=0.01)


@pytest.mark.parametrize("method", ["simulation", "fieller"])
def test_other_intervals_of_a_ratio_are_close(method: str):
    pay = [fitted("logit").willingness_to_pay("time", "cost", method=m).loc["all"] for m in ("delta", method)]
    assert np.allclose(pay[0][["lower", "upper"]], pay[1][["lower", "upper"]], atol=0.3 * pay[0]["std. error"])


def test_fieller_contains_the_ratios_that_are_not_rejected():
    results = fitted("logit").inference()
    pay = fitted("logit").willingness_to_pay("time", "cost", method="fieller").loc["all"]
    for end in (pay["lower"], pay["upper"]):
        assert results.wald_test(f"time - {end}*cost = 0").pvalue == pytest.approx(0.05, abs=1e-6)


def test_elasticities_of_a_logit_in_closed_form():
    model, data = fitted("logit"), DATA
    p, cost = model.predict_proba(data).to_numpy(), data.wide(data.attributes["cost"]).to_numpy()
    own = (p[:, 1] * (1 - p[:, 1]) * cost[:, 1]).sum() / p[:, 1].sum() * model.params["cost"]
    cross = -(p[:, 0] * p[:, 1] * cost[:, 1]).sum() / p[:, 0].sum() * model.params["cost"]
    table = model.elasticities(data, "cost")["estimate"]
    assert table["car", "car"] == pytest.approx(own, rel=1e-5)
    assert table["bus", "car"] == pytest.approx(cross, rel=1e-5)


def test_rebate_on_heat_pumps():
    data = real.heating()
    scenario = bl.BLChoice("ic + oc + C(alternative)").fit(data).counterfactual(data, change={"ic": {"hp": 0.9}})
    assert scenario.shares().loc["hp", "estimate"] == pytest.approx(0.0645, abs=5e-5)
    assert scenario.effect().loc["hp", "estimate"] == pytest.approx(0.0645 - 0.0555, abs=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_changes_of_shares_sum_to_zero_and_diversions_to_one(name: str):
    scenario = fitted(name).counterfactual(DATA, remove="car")
    assert scenario.effect()["estimate"].sum() == pytest.approx(0, abs=1e-9)
    assert scenario.diversion("car")["estimate"].sum() == pytest.approx(1)
    assert (scenario.effect()["std. error"] > 0).all()


@pytest.mark.parametrize("name", ["logit", "nested", "classes"])
def test_a_dearer_world_costs_what_it_costs(name: str):
    # Everything one unit dearer: choices do not change, and everybody loses one unit.
    scenario = fitted(name).counterfactual(DATA, change={"cost": lambda t: t + 1})
    assert np.allclose(scenario.effect()["estimate"], 0, atol=1e-9)
    assert scenario.welfare("cost")["estimate"].iloc[0] == pytest.approx(-1, rel=1e-6)


def test_a_new_alternative_takes_from_others():
    data = real.heating()
    names = {name: {"ic": f"ic.{name}", "oc": f"oc.{name}"} for name in ("hp", "ec", "er", "gc", "gr")}
    wider = bl.ChoiceData.from_wide(
        real.read("heating_choice"), {**names, "new": names["gc"]}, None, chooser=["income", "rooms"]
    )
    scenario = bl.BLChoice("ic + oc").fit(data).counterfactual(data, scenario=wider)
    shares = scenario.shares()["estimate"]
    assert shares["new"] == pytest.approx(shares["gc"])
    assert scenario.welfare("ic")["estimate"].iloc[0] > 0


def test_random_coefficients_give_a_distribution_of_willingness_to_pay():
    pay = fitted("mixed").willingness_to_pay("time", "cost")["estimate"]
    params = fitted("mixed").params
    assert pay["mean"] == pytest.approx(params["time"] / params["cost"], rel=0.02)
    assert pay["std. dev."] == pytest.approx(abs(params["sd(time)"] / params["cost"]), rel=0.05)


def test_folds_keep_choosers_whole():
    held_out = bl.cross_val_choice(bl.BLChoice("cost + time"), DATA, folds=3)
    assert held_out.folds["cases"].sum() == len(DATA)
    assert all(len(np.unique(held_out.fold[DATA.panel == who])) == 1 for who in range(5))
    with pytest.raises(DataError, match="cut the cases of"):
        bl.cross_val_choice(bl.BLChoice("cost + time"), DATA, folds=np.arange(len(DATA)) % 3)


def test_published_held_out_log_likelihood():
    held_out = bl.cross_val_choice(bl.BLChoice(), real.swissmetro(), folds=5)
    assert held_out.folds["log-likelihood"].mean() == pytest.approx(-0.7896, abs=1e-4)  # of folds, not of cases


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda m: m.willingness_to_pay("speed", "cost"), DataError, "no attribute 'speed'"),
        (lambda m: m.elasticities(DATA, "income"), DataError, "no attribute 'income'"),
        (lambda m: m.counterfactual(DATA), OptionError, "change=, remove=, add= or scenario="),
        (lambda m: m.counterfactual(DATA, remove="plane"), DataError, "no alternative 'plane'"),
        (lambda m: m.shares(DATA, method="guess"), OptionError, "'delta' or 'simulation'"),
        (lambda m: m.inference("white"), OptionError, "cov_type must be"),
        (lambda m: bl.BLChoice("cost", nests={"a": ["plane"]}).fit(DATA), OptionError, "no alternative"),
        (lambda m: bl.BLChoice("cost", random={"time": "normal"}).fit(DATA), OptionError, "no coefficient"),
        (lambda m: bl.BLChoice("cost", random={"cost": "cauchy"}).fit(DATA), OptionError, "'cauchy'"),
        (lambda m: bl.BLChoice("cost", monotone={"cost": "down"}).fit(DATA), OptionError, "'down'"),
        (lambda m: bl.BLChoice("cost", fixed={"time": 1}).fit(DATA), OptionError, "no parameter"),
        (lambda m: bl.BLChoice("cost").fit([1, 2]), DataError, "bl.ChoiceData; got list"),
        (lambda m: m.predict_proba(pd.DataFrame()), DataError, "bl.ChoiceData; got DataFrame"),
        (lambda m: m.counterfactual(DATA, scenario=pd.DataFrame()), DataError, "got DataFrame"),
        (lambda m: m.counterfactual(DATA, change={"cost": "2"}), DataError, "change of 'cost' is a factor"),
        (lambda m: m.counterfactual(DATA, change={"purpose": 2}), DataError, "change of 'purpose' is a factor"),
        (lambda m: m.counterfactual(DATA, change={"cost": lambda c: c * np.nan}), DataError, "no finite values"),
        (lambda m: m.counterfactual(DATA, change={"cost": lambda c: c[:3]}), DataError, r"shape \(3,\) for"),
        (lambda m: bl.BLChoice("time").fit(DATA).willingness_to_pay("time", "cost"), DataError, "not depend on 'cost'"),
        (lambda m: m.counterfactual(DATA, change={"k": 2}).welfare("cost"), DataError, "no column 'k'"),
        (lambda m: bl.cross_val_choice(m, DATA, folds=2.5), OptionError, "folds must be"),
        (lambda m: bl.cross_val_choice(m, DATA, folds=np.zeros(len(DATA))), DataError, "These folds are one"),
        (lambda m: bl.cross_val_choice(m, DATA, folds=np.full(len(DATA), np.nan)), DataError, "got 0 of"),
    ],
)
def test_what_cannot_be_answered(ask, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        ask(fitted("logit"))


def test_signs_and_fixed_numbers_hold():
    model = bl.BLChoice("cost + time", monotone={"time": "increasing"}, fixed={"cost": -1.5}).fit(DATA)
    assert model.params.tolist() == [-1.5, 0.0]
    assert model.inference().bse.isna().all()
    assert model.inference().degrees_of_freedom == 0


def test_willingness_to_pay_space_is_the_same_logit():
    """Ratios are parameters, with the errors that the delta method gives the logit's."""
    paid = bl.BLChoice("cost + time + C(alternative)", money="cost").fit(DATA)
    results, pay = paid.inference(), fitted("logit").willingness_to_pay("time", "cost").loc["all"]
    assert paid.loglik == pytest.approx(fitted("logit").loglik)
    assert results.params["wtp(time)"] == pytest.approx(pay["estimate"])
    assert results.bse["wtp(time)"] == pytest.approx(pay["std. error"], rel=1e-3)


def test_an_alternative_like_another_takes_from_all_in_proportion():
    """A copy of the first alternative, whose constant is 0, has its probability in the larger set."""
    after = fitted("logit").counterfactual(DATA, add={"coach": {"like": "bus"}}).shares()["estimate"]
    assert after["coach"] == pytest.approx(after["bus"])
    dearer = fitted("logit").counterfactual(DATA, add={"coach": {"like": "bus", "cost": 2.0}}).shares()["estimate"]
    assert dearer["coach"] < after["coach"]


@pytest.mark.parametrize(
    ("add", "message"),
    [
        ({"coach": {"cost": 2.0}}, "which alternative it is 'like'"),
        ({"car": {"like": "bus"}}, "already"),
        ({"coach": {"like": "tram"}}, "no alternative 'tram'"),
        ({"coach": {"like": "bus", "colour": 2.0}}, "'colour' is no attribute"),
    ],
)
def test_new_alternatives_that_cannot_be_are_refused(add, message: str):
    with pytest.raises((DataError, OptionError), match=message):
        fitted("logit").counterfactual(DATA, add=add)
