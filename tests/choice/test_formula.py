"""Formulas: labels, references, what cancels, and derivatives."""

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.choice.formula import read_formula
from behavior_learning.errors import DataError, OptionError


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
    ],
)
def test_bad_formulas(formula: str, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        bl.BLChoice(formula).fit(simulated())


def test_logarithms_need_positive_numbers():
    data = simulated().changed({"cost": lambda t: t - 2})
    with pytest.raises(DataError, match="above 0"):
        bl.BLChoice("log(cost)").fit(data)
