"""Claims about scenarios: they are differences of predictive distributions, with errors that two methods agree on."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.decision.summary import scenario_tables
from behavior_learning.decision.tables import changed, decoded, distances
from behavior_learning.encoding import TableEncoder
from behavior_learning.errors import DataError, OptionError, OutsideDataWarning
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from tests.decision.problems import households
from tests.fitted import fitted, mixed

STATED = bl.UMP(utility="q + q^2", inequalities="price:q - income")


@pytest.fixture(scope="module")
def consumer():
    """Demand of 400 households whose problem is known but for its numbers, and inference on it."""
    rng, X = np.random.default_rng(0), households(400)
    demand = np.minimum(3, X["income"] / X["price"])
    y = pd.Series(np.clip(demand - 0.2 + 0.3 * rng.normal(size=400), 0, 6), name="q")
    options = {"heads": ("identity", "softplus", None), "response": bl.Numbers(support=(0, 6)), "n_restarts": 1}
    reg = bl.BLRegressor(structure=STATED, max_epochs=40, random_state=0, **options).fit(X, y)
    return reg, X, reg.inference(n_restarts=0)


@pytest.fixture(scope="module")
def dearer(consumer):
    reg, X, res = consumer
    return reg.counterfactual(X, change={"price": lambda price: np.minimum(1.1 * price, 3)}, inference=res)


def test_effect_is_the_difference_of_means_and_groups_average_to_it(consumer, dearer):
    reg, X, _ = consumer
    means = dearer.levels()["estimate"]
    assert dearer.effect()["estimate"].item() == pytest.approx(means["scenario", "q"] - means["baseline", "q"])
    observed = reg.model_.response.restore(reg.model_.rows.y).mean()
    assert means["baseline", "q"] == pytest.approx(observed, abs=1e-3)  # The likelihood's own condition on q.
    groups = dearer.by((X["income"] > 6).to_numpy())
    assert groups["estimate"].to_numpy() @ [(X["income"] <= 6).mean(), (X["income"] > 6).mean()] == pytest.approx(
        dearer.effect()["estimate"].item()
    )
    assert dearer.rows()["estimate"].mean() == pytest.approx(dearer.effect()["estimate"].item())


def test_draws_and_the_delta_method_agree(consumer, dearer):
    reg, X, res = consumer
    drawn = reg.counterfactual(X, change={"price": dearer.after["price"]}, inference=res, draws="normal", n_draws=400)
    assert drawn.effect()["std_error"].item() == pytest.approx(dearer.effect()["std_error"].item(), rel=0.15)
    np.testing.assert_allclose(drawn.effect()[["lower", "upper"]], dearer.effect()[["lower", "upper"]], atol=0.01)


def test_relaxing_the_budget_is_income(consumer):
    reg, X, res = consumer
    relaxed = reg.counterfactual(X, relax={"block1.1.inequality": 0.3}, inference=res)
    row = relaxed.problem.layers[0][0].terms_of("inequality")[0].polynomial.coefficients
    with pytest.warns(OutsideDataWarning, match="'income' beyond what was observed"):
        richer = reg.counterfactual(X, change={"income": X["income"] - 0.3 / row[(("income", 1),)]}, inference=res)
    np.testing.assert_allclose(relaxed.effect(), richer.effect(), rtol=1e-5)
    assert richer.distance.loc["income", "farthest"] > 0
    assert not richer.distance.loc["price", "outside"]


def test_income_lost_is_its_own_variation(consumer):
    """Compensating and equivalent variation of losing half a unit of income are minus a half, whatever the problem."""
    reg, X, res = consumer
    poor = X[X["income"] < 3 * X["price"]]
    change = {"income": np.maximum(poor["income"] - 0.5, X["income"].min())}
    lost = (change["income"] - poor["income"]).mean()
    worth = reg.counterfactual(poor, change=change, inference=res).surplus(money="income")["estimate"]
    assert worth["compensating variation"] == pytest.approx(lost, abs=1e-3)
    assert worth["equivalent variation"] == pytest.approx(lost, abs=1e-3)


def test_a_dropped_budget_raises_demand_and_a_new_limit_lowers_it(consumer):
    reg, X, res = consumer
    assert reg.counterfactual(X, drop="block1.1.inequality", inference=res).effect()["lower"].item() > 0
    assert reg.counterfactual(X, add={"q <= 1": 30.0}, inference=res).effect()["upper"].item() < 0


def test_prices_are_those_of_the_soft_optimum(consumer, dearer):
    reg, X, res = consumer
    prices = dearer.prices()
    label = dearer.problem.solve(X).prices.columns[0]
    for state, rows in (("baseline", X), ("scenario", dearer.after)):
        solved = dearer.problem.solve(rows).prices[label].mean()
        assert prices.loc[(state, label), "estimate"] == pytest.approx(solved, rel=1e-5)
    drawn = reg.counterfactual(X, change={"price": dearer.after["price"]}, inference=res, draws="normal", n_draws=200)
    np.testing.assert_allclose(drawn.prices()["std_error"], prices["std_error"], rtol=0.3)


def test_parts_of_an_effect_sum_to_it(consumer, dearer):
    reg, X, res = consumer
    assert dearer.decomposition()["estimate"].sum() == pytest.approx(dearer.effect()["estimate"].item(), rel=1e-4)
    rationed = reg.counterfactual(X, change={"income": X["income"].clip(3)}, add={"q <= 2": 3.0}, inference=res)
    parts = rationed.decomposition()
    assert parts["estimate"].sum() == pytest.approx(rationed.effect()["estimate"].item(), rel=1e-3)
    assert parts.loc[("added", "inequality", "q"), "upper"] < 0


def test_a_report_shows_optima_effects_parts_and_prices(dearer):
    tables = scenario_tables({"Prices up by a tenth": dearer})
    assert [len(table) for table in tables.values()] == [5, 3, 2, 3, 2]
    assert all("Prices up" in caption for caption in list(tables)[1:])
    with pytest.raises(OptionError, match="what counterfactual returned"):
        scenario_tables({"effect": dearer.effect()})


def test_a_multiplier_set_to_zero_is_a_dropped_row(consumer):
    reg, X, res = consumer
    label = next(name for name in res.params.index if name.endswith("multiplier"))
    gone = reg.counterfactual(X, coefficients={label: 0.0}, inference=res).effect()["estimate"]
    assert gone.item() == pytest.approx(
        reg.counterfactual(X, drop="block1.1.inequality", inference=res).effect()["estimate"].item()
    )
    same = reg.counterfactual(X, coefficients={label: lambda price: 1 * price}, inference=res).effect()
    assert same["std_error"].item() == pytest.approx(0, abs=1e-9)
    with pytest.raises(OptionError, match="names 'budget', which is no parameter"):
        reg.counterfactual(X, coefficients={"budget": 1.0}, inference=res)


def test_kinked_heads_have_errors_by_refits():
    """Refits that are the model itself leave no error; by default heads with kinks ask for refits."""
    model = fitted(BLClassifier).model_
    model.refitted["bootstrap", 3, 0] = (model.network,) * 3
    shares = fitted(BLClassifier).counterfactual(drop="bus", n_refits=3).shares()
    del model.refitted["bootstrap", 3, 0]
    np.testing.assert_allclose(shares["std_error"], 0, atol=1e-6)
    np.testing.assert_allclose(shares["lower"], shares["estimate"], atol=1e-5)


def test_figure_shows_both_states(dearer):
    assert len(dearer.plot().axes[0].containers) == 2


def test_a_class_that_is_gone_is_not_chosen():
    shares = fitted(BLClassifier).counterfactual(mixed(), drop="bus", draws=None).shares()["estimate"]
    assert shares["scenario", "P(bus)"] == pytest.approx(0, abs=1e-6)
    assert shares.loc["scenario"].sum() == pytest.approx(1)


def test_a_class_like_another_takes_from_all_in_proportion():
    """A red bus beside a blue one: every odds of classes that were there stay."""
    clf = fitted(BLClassifier)
    scenario = clf.counterfactual(mixed(), add={"red bus": {"like": "bus"}}, draws=None)
    before = pd.DataFrame(clf.predict_proba(mixed()), columns=[f"P({label})" for label in clf.classes_])
    after = before.assign(**{"P(red bus)": before["P(bus)"]}).div(1 + before["P(bus)"], axis=0).mean()
    levels = scenario.levels()["estimate"]
    np.testing.assert_allclose(levels["scenario"][after.index], after, atol=1e-5)
    np.testing.assert_allclose(levels["baseline"][before.columns], before.mean(), atol=1e-5)
    assert levels["baseline", "P(red bus)"] == pytest.approx(0, abs=1e-6)
    with pytest.raises(OptionError, match="cannot be split"):
        scenario.decomposition()


@pytest.mark.parametrize(
    "add", [{"bus": {"like": "bus"}}, {"tram": {"like": "boat"}}, {"tram": {"like": "bus", "fare": 2}}]
)
def test_a_new_class_is_like_one_that_is_there(add):
    with pytest.raises(OptionError, match="new classes by a name of their own"):
        fitted(BLClassifier).counterfactual(mixed(), add=add, draws=None)


def test_tables_come_back_from_their_encoding():
    table = mixed()
    encoder = TableEncoder.learn(table)
    again = decoded(encoder, encoder(table))
    pd.testing.assert_frame_equal(again[["age", "income", "job"]], table[["age", "income", "job"]], check_dtype=False)


def test_distance_names_the_column_that_leaves_the_data():
    table = households(50)
    encoder = TableEncoder.learn(table)
    far = distances(encoder, encoder(table), table.assign(price=table["price"] + 10))
    assert far.loc["price", "outside"] == 1
    assert far.loc["income", "outside"] == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"prise": 2.0}, OptionError, "There is no column 'prise' to change. Columns: price, income"),
        ({"price": [1.0, 2.0]}, DataError, "needs 5 values; got 2"),
        ("price", OptionError, "change must be a dictionary by column"),
        (lambda table: table.head(1), DataError, "must return a table of its 5 rows"),
    ],
)
def test_changes_that_cannot_be_made_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        changed(households(5), change)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relax": {"budget": 1.0}}, "There is no constraint 'budget' that the response can move"),
        ({"drop": ["tram"]}, "There is no constraint 'tram'"),
        ({"add": {"spend < 3": 1.0}}, "constraints with one '<=' or '>='"),
        ({"add": {"spent <= 3": 1.0}}, "names no column 'spent'"),
    ],
)
def test_problems_that_cannot_be_changed_so_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        fitted(BLRegressor).counterfactual(mixed(), draws=None, **options)


def test_money_that_is_wanted_here_and_not_there_is_refused():
    scenario = fitted(BLRegressor).counterfactual(mixed(), draws=None)
    with pytest.raises(OptionError, match="Welfare cannot be measured in 'age': its marginal utility changes sign"):
        scenario.surplus(money="age", reference=250.0)


def test_unknown_draws_are_refused(consumer):
    reg, X, res = consumer
    with pytest.raises(OptionError, match="draws must be 'auto', 'delta', 'normal', 'refits', 'bootstrap'"):
        reg.counterfactual(X, inference=res, draws="jackknife")
