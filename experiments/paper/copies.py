"""Tables some of whose rows stand in them twice: scores of all test rows, and of those that no training row equals.

Splits and models are those of standard prediction. Who learns rows by heart is right about their copies. The ranks of
what was run on all tables are told with the new rows alone, too.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from experiments.paper.baselines import MODELS
from experiments.paper.prediction import GROUPS, Rows, judged, parts_of, said, train
from experiments.paper.prediction import SECTION as PREDICTION
from experiments.paper.ranks import ranks_of
from experiments.paper.records import Case, markdown, table_of, write

SECTION = "copies"
TABLES = ("wine_quality_red",)
COMPARED = (
    "BL default", "BL average", "logistic", "ElasticNet", "tree", "random forest", "pyGAM", "FIGS", "LightGBM",
    "XGBoost", "CatBoost",
)  # fmt: skip
SEEDS = range(5)
SCORES = ("AUC", "macro F1", "NLL")


def cases(data: Sequence[str] | None, models: Sequence[str] | None, seeds: Sequence[int] | None) -> Iterator[Case]:
    for table in data or TABLES:
        for seed in seeds or SEEDS:
            for name in models or COMPARED:
                yield Case(SECTION, table, name, seed, {"split": "7:1:2"}, MODELS[name].packages)


def measure(case: Case) -> dict[str, Any]:
    rows, held_out, test = parts_of(case.data, case.seed)
    fitted = train(MODELS[case.model], rows, held_out, case.seed)
    known = pd.MultiIndex.from_frame(pd.concat([rows.X, held_out.X]))
    copied = pd.MultiIndex.from_frame(test.X).isin(known)
    new = judged(fitted, Rows(test.X[~copied], test.y[~copied]))
    return (
        judged(fitted, test) | {f"{score}, new rows": new[score] for score in SCORES} | {"copied": float(copied.mean())}
    )


def render() -> None:
    records = table_of(SECTION)
    parts = [HEADING]
    for table, own in records.groupby("data", sort=False):
        columns = [name for score in SCORES for name in (score, f"{score}, new rows")]
        means = own.groupby("model")[columns].mean().reindex([name for name in COMPARED if name in set(own["model"])])
        share, seeds = own["copied"].mean(), own["seed"].nunique()
        parts += [
            f"## {table}",
            f"{share:.0%} of the test rows of {seeds} splits stand among the rows that train.",
            markdown(["model", *means], ([name, *line] for name, line in means.iterrows())),
            *(
                among_all(table, means["NLL, new rows"], kind)
                for kind in ("all tables", "all tables beside the average")
            ),
        ]
    if len(records):
        write(SECTION, "\n\n".join(filter(None, parts)))


def among_all(table: str, new: pd.Series, kind: str) -> str:
    """Mean ranks in NLL of a group of standard prediction, of this table by its new rows; nothing before that ran."""
    records = table_of(PREDICTION)
    if records.empty:
        return ""
    wide = records.pivot_table(index="data", columns="model", values="NLL").reindex(columns=GROUPS[kind])
    wide.loc[table] = new
    wide = wide.dropna(axis=1, how="all").dropna()
    if wide.shape[1] < 3 or len(wide) < 2:
        return ""
    ranks = ranks_of(wide, larger_is_better=False)
    title = f"**NLL, {kind}, of {table} the new rows**, {said(ranks)}:"
    return f"{title}\n\n" + markdown(["", *ranks.mean.index], [["mean rank", *ranks.mean]])


HEADING = """# Rows that stand twice

Default settings, random 7:1:2 splits of standard prediction. Rendered from the JSON files beside this page: scores of
all test rows, and of those whose columns no training row has."""
