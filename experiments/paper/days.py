"""Tables whose neighbouring rows resemble each other: splits by whole groups of them, beside random ones.

Half hours of one day lie on both sides of a random split, and who remembers the hour before needs no other rule. Here
whole days train or test. `BL by groups` is told of the days, ``fit(groups=)``, and holds out whole ones to stop by.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from experiments.paper.baselines import MODELS, bl_classifier
from experiments.paper.prediction import SECTION as PREDICTION
from experiments.paper.prediction import Rows, judged, train
from experiments.paper.records import Case, markdown, table_of, write

import behavior_learning as bl

SECTION = "days"
GROUPS = {"electricity": "date"}
"""The column whose values are the groups of a table's rows."""
OURS = "BL by groups"
COMPARED = ("BL default", "logistic", "tree", "random forest", "pyGAM", "FIGS", "LightGBM", "XGBoost", "CatBoost")
SEEDS = range(3)
SCORES = ("NLL", "AUC")


def cases(data: Sequence[str] | None, models: Sequence[str] | None, seeds: Sequence[int] | None) -> Iterator[Case]:
    for table in data or GROUPS:
        for seed in seeds or SEEDS:
            for name in models or (OURS, *COMPARED):
                packages = MODELS[name].packages if name in MODELS else ()
                yield Case(SECTION, table, name, seed, {"split": "7:1:2", "groups": GROUPS[table]}, packages)


def measure(case: Case) -> dict[str, Any]:
    X, y = bl.datasets.fetch_table(case.data)
    group = X[GROUPS[case.data]]
    order = np.random.default_rng(case.seed).permutation(group.unique())
    parts = [group.isin(own) for own in np.split(order, [int(0.7 * len(order)), int(0.8 * len(order))])]
    rows, held_out, test = (Rows(X[own], y[own].astype(str)) for own in parts)
    if case.model == OURS:
        known = parts[0] | parts[1]
        fitted = bl_classifier(case.seed).fit(X[known], y[known].astype(str), groups=group[known])
    else:
        fitted = train(MODELS[case.model], rows, held_out, case.seed)
    return judged(fitted, test) | {"groups": len(order)}


def render() -> None:
    records = table_of(SECTION)
    if records.empty:
        return
    parts, random = [HEADING], table_of(PREDICTION)
    for table, own in records.groupby("data", sort=False):
        means = own.groupby("model")[list(SCORES)].mean().sort_values("NLL")
        counts, count = own.groupby("model")["seed"].nunique(), own["groups"].max()
        beside = (
            random[random["data"] == table].groupby("model")["NLL"].mean() if len(random) else pd.Series(dtype=float)
        )
        parts += [
            f"## {table}, {count} values of `{GROUPS[str(table)]}`",
            "Splits: " + ", ".join(f"{counts[name]} for {name}" for name in means.index) + ".",
            markdown(
                ["model", *SCORES, "NLL, random splits"],
                ([name, *line, float(beside.get(name, np.nan))] for name, line in means.iterrows()),
            ),
        ]
    write(SECTION, "\n\n".join(parts))


HEADING = """# Splits by whole days

Default settings; all rows of a value of the named column train, or all test, 7:1:2 of the values. Rendered from the
JSON files beside this page. Beside them the likelihood on random splits of rows, of the page on standard prediction:
what lies between is what a model remembers of the rows beside."""
