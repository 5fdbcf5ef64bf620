"""Formulas: labels, references, what cancels, and derivatives."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.choice.formula import read_formula
from behavior_learning.errors import ConvergenceWarning, DataError, OptionError


def simulated(n: int = 200, seed: int = 0) -> bl.ChoiceData:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "case": np.repeat(np.arange(n), 3),
            "mode": ["bus", "car", "train"] * n,
            "cost": rng.uniform(1, 5, 3 * n),
            "time": rng.uniform(1, 5, 3 * n),
            "income": np.repeat(rng.uniform(1, 3, n), 3),
            "purpose": np.repeat(rng.choice(["work", "fun", "visit"], n), 3),
            "who": np.repeat(np.arange(n) // 4, 3),
        }
    )
    v = -table.cost - 0.5 * table.time + rng.gumbel(size=3 * n)
    table["taken"] = (v == v.groupby(table.case).transform("max")).astype(int)
    return bl.ChoiceData.from_long(table, "case", "mode", "taken", chooser=["income", "purpose"], id="who")


LABELS = {
    "cost + time": ["cost", "time"],
    "C(alternative)": ["C(alternative)[car]", "C(alternative)[train]"],
    "income:C(alternative)": ["income:C(alternative)[car]", "income:C(alternative)[train]"],
    "time:C(alternative)": [f"time:C(alternative)[{name}]" for name in ("bus", "car", "train")],
    "time:C(alternative)[car]": ["time:C(alternative)[car]"],
    "cost:income + log(time)": ["cost:income", "log(time)"],
    "time:C(purpose)": ["time:C(purpose)[visit]", "time:C(purpose)[work]"],
    "time:C(purpose)[fun]": ["time:C(purpose)[fun]"],
    "piecewise(time, 2, 3)": ["piecewise(time)[-inf,2]", "piecewise(time)[2,3]", "piecewise(time)[3,inf]"],
    "cost^2 + inverse(time)": ["cost^2", "inverse(time)"],
}


@pytest.mark.parametrize("formula", LABELS)
def test_labels_of_terms(formula: str):
    assert [term.label for term in read_formula(formula, simulated())] == LABELS[formula]


def test_pieces_add_up_to_the_column():
    data = simulated()
    pieces = read_formula("piecewise(time, 2, 3)", data)
    assert np.allclose(sum(piece(data) for piece in pieces), data.attributes["time"])


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("income", DataError, "'income' is the same for all alternatives of every case"),
        ("cost + C(alternative)[bus] + C(alternative)", OptionError, "one too many"),
        ("cost + time + cost:C(alternative)", DataError, "collinear within cases"),
        ("cost + cost", OptionError, "stands twice"),
        ("price", DataError, "no column 'price'"),
        ("cost + ", OptionError, "cannot be read"),
        ("sin(cost)", OptionError, "no function"),
        ("purpose:cost", DataError, r"Write C\(purpose\)"),
        ("piecewise(time, 3, 2)", OptionError, "increasing order"),
        ("time:C(alternative)[plane]", DataError, "no alternative 'plane'"),
        ("time:C(purpose)[war]", DataError, "no value 'war'"),
        ("log(cost, 2)", OptionError, "takes one column"),
        (5, OptionError, "is a formula"),
    ],
)
def test_bad_formulas(formula: str, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        bl.BLChoice(formula).fit(simulated())


def test_values_that_training_did_not_have_are_named():
    table = simulated()
    model = bl.BLChoice("cost:C(purpose)").fit(table)
    with pytest.raises(DataError, match="'purpose' is 'war' for alternative 'bus' of case"):
        model.predict_proba(table.changed({"purpose": lambda purpose: purpose.replace("fun", "war")}))


def test_a_constant_of_what_nobody_chose_is_named():
    data = simulated()
    others = data.select(data.alternative[data.chosen_lines] != 1)
    with pytest.raises(DataError, match=r"Nobody chose 'car', so that C\(alternative\)\[car\] has no finite"):
        bl.BLChoice("cost + C(alternative)").fit(others)


def test_choices_that_are_predicted_perfectly_are_said_to_be():
    data = simulated(30)
    cost = data.attributes["cost"]
    cheapest = cost == np.minimum.reduceat(cost, data.starts)[data.case]
    with pytest.warns(ConvergenceWarning, match="predicts every choice"):
        bl.BLChoice("cost").fit(replace(data, chosen=cheapest))


OPTIONS = [
    ({"nests": ["bus"]}, "nests= is a mapping"),
    ({"nests": {"a": ["bus"]}}, "holds one member"),
    ({"nests": {"a": ["bus", "car", "train"]}}, "holds everything"),
    ({"random": ["time"]}, "random= is a mapping"),
    ({"random": {"time": "normal"}, "draws": 0}, "draws must be"),
    ({"draws": 10}, "draws= says nothing without random="),
    ({"correlated": True}, "correlated= says nothing"),
    ({"membership": "income"}, "membership= says nothing"),
    ({"classes": 2.5}, "classes must be"),
    ({"tastes": True}, "says nothing without layers="),
    ({"layers": 3}, "layers must be a list"),
    ({"fixed": {"cost": "x"}}, "take numbers"),
    ({"bounds": {"cost": (1, 2, 3)}}, "a lowest and a highest value"),
    ({"bounds": {"cost": 1}}, r"bounds\['cost'\] must be"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_options_that_cannot_be(options: dict[str, object], message: str):
    with pytest.raises(OptionError, match=message):
        bl.BLChoice("cost + time", **options).fit(simulated(30))


@pytest.mark.parametrize(
    ("name", "message"), [("monotone", "no column 'speed'"), ("membership", "varies within a case")]
)
def test_columns_that_cannot_be(name: str, message: str):
    given = {"monotone": {"monotone": {"speed": "decreasing"}}, "membership": {"classes": 2, "membership": "cost"}}
    with pytest.raises(DataError, match=message):
        bl.BLChoice("cost + time", **given[name]).fit(simulated(30))


def test_logarithms_need_positive_numbers():
    data = simulated().changed({"cost": lambda t: t - 2})
    with pytest.raises(DataError, match="above 0"):
        bl.BLChoice("log(cost)").fit(data)
