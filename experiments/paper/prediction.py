"""Standard prediction (Section 3.1, C.2): ten tables, random 7:1:2 splits, scores of probabilities, and mean ranks.

All train on the first two parts; BL single on the first, and is judged by the second while it trains. A tuned model is
the best of so many draws of settings (`TRIALS`) by the NLL of the second part, trained again on both where it does not
watch it. Choices of defaults were made on seeds of 100 and more.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from experiments.paper.baselines import MODELS, Model
from experiments.paper.ranks import Ranks, draw, ranks_of
from experiments.paper.records import RESULTS, Case, markdown, table_of, write
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import ParameterSampler

import behavior_learning as bl

SECTION = "prediction"
TABLES = (
    "planning_relax",
    "german_credit",
    "wine_quality_red",
    "steel_plates_faults",
    "compas_two_years",
    "eeg_eye_state",
    "magic_telescope",
    "bank_marketing",
    "electricity",
    "adult",
)
SEEDS = range(5)
TRIALS = 20
TUNED = tuple(f"tuned {name}" for name, model in MODELS.items() if model.space)
READABLE = ("logistic", "tree", "EBM", "pyGAM", "FIGS")
GROUPS = {
    "readable": ("BL default", *READABLE),
    "readable beside the average": ("BL average", *READABLE),
    "boosted": ("BL average", "logistic", "tree", "LightGBM", "XGBoost"),
    "boosted beside the default": ("BL default", "logistic", "tree", "LightGBM", "XGBoost"),
    "all": tuple(name for name in MODELS if name != "BL single"),
    "tuned": TUNED,
}
"""Who is ranked together, on the splits that all of them have."""
SCORES = {"AUC": True, "macro F1": True, "NLL": False, "ECE": False, "processor seconds": False}
"""Whether larger is better."""


def cases(data: Sequence[str] | None, models: Sequence[str] | None, seeds: Sequence[int] | None) -> Iterator[Case]:
    for table in data or TABLES:
        for seed in seeds or SEEDS:
            for name in models or (*MODELS, *TUNED):
                tuned = {"trials": TRIALS} if name.startswith("tuned ") else {}
                packages = MODELS[name.removeprefix("tuned ")].packages
                yield Case(SECTION, table, name, seed, {"split": "7:1:2", **tuned}, packages)


def measure(case: Case) -> dict[str, Any]:
    X, y = bl.datasets.fetch_table(case.data)
    y = y.astype(str)
    order = np.random.default_rng(case.seed).permutation(len(X))
    parts = [(X.iloc[own], y.iloc[own]) for own in np.split(order, [int(0.7 * len(X)), int(0.8 * len(X))])]
    model, chosen = MODELS[case.model.removeprefix("tuned ")], {}
    if "trials" in case.settings:
        chosen = best_of(model, parts[0], parts[1], case.settings["trials"], case.seed)
    fitted = train(model, *parts[:2], case.seed, **chosen)
    return judged(fitted, *parts[2]) | ({"chosen": plain(chosen)} if chosen else {})


Rows = tuple[pd.DataFrame, pd.Series]


def train(model: Model, rows: Rows, held_out: Rows, seed: int, **settings: Any) -> Any:
    """Fitted to both parts, or to the first while it watches the second."""
    made = model.make(seed, **settings)
    if model.watched:
        return made.fit(*rows, validation_data=held_out)
    return made.fit(*(pd.concat(both) for both in zip(rows, held_out, strict=True)))


def best_of(model: Model, rows: Rows, held_out: Rows, trials: int, seed: int) -> dict[str, Any]:
    """The settings of the draw whose NLL on held-out rows is lowest."""
    draws = list(ParameterSampler(dict(model.space), trials, random_state=seed))
    watched = {"validation_data": held_out} if model.watched else {}
    fits = (model.make(seed, **settings).fit(*rows, **watched) for settings in draws)
    return draws[int(np.argmin([judged(fit, *held_out)["NLL"] for fit in fits]))]


def judged(model: Any, X: pd.DataFrame, y: pd.Series) -> dict[str, float]:
    """AUC is the mean of each class against the others, where it has rows; of two classes that of one."""
    p, classes = model.predict_proba(X), np.asarray(model.classes_)
    truth = pd.Index(classes).get_indexer(y)
    columns = [k for k in range(len(classes)) if 0 < (truth == k).sum() < len(truth)]
    own = np.where(truth >= 0, p[np.arange(len(p)), truth], 0.0)
    return {
        "AUC": float(np.mean([roc_auc_score(truth == k, p[:, k]) for k in columns])),
        "macro F1": float(f1_score(truth, p.argmax(axis=1), average="macro")),
        "NLL": float(-np.log(np.clip(own, 1e-12, 1)).mean()),
        "ECE": bl.metrics.calibration_error(classes[truth], p, classes),
    }


def plain(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}


def render() -> None:
    records = table_of(SECTION)
    if records.empty:
        return
    parts = [HEADING, run_by_table(records)]
    for score, larger in SCORES.items():
        wide = records.pivot_table(score, ["data", "seed"], "model").reindex(columns=[*MODELS, *TUNED])
        wide = wide.dropna(axis=1, how="all").reindex(TABLES, level="data")
        means = wide.groupby("data", sort=False).mean()
        parts += [f"## {score}", markdown(["set", *means], ([name, *line] for name, line in means.iterrows()))]
        parts += [compared(wide, score, larger, kind) for kind in GROUPS]
        parts += [distances(wide, larger)] if score in ("AUC", "NLL", "macro F1") else []
    write(SECTION, "\n\n".join(part for part in parts if part))


HEADING = """# Standard prediction (Section 3.1, Tables 4 to 8, Figure 3)

Means over the seeds that were run, all rows, random 7:1:2 splits. Rendered from the JSON files beside this page, which
have settings, versions and the tree of the sources. Ranks are of means over the seeds that all models of a comparison
have, on the sets where they have one. BL default is what is learned where nothing is asked: below 8,000 training rows
the mean of eight networks, below 20,000 of four, else one, or a plainer problem where that is as good; BL average is a
mean always. Not run: NAM, TabNet, SVGP, CatBoost, RealMLP, TabM."""


def run_by_table(records: pd.DataFrame) -> str:
    """How much of the five seeds was run."""
    counts = records.groupby(["model", "data"])["seed"].nunique().unstack("data").fillna(0).astype(int)
    order = [table for table in TABLES if table in counts]
    rows = ([name, *counts.loc[name, order]] for name in (*MODELS, *TUNED) if name in counts.index)
    return f"Seeds run, of {len(SEEDS)}:\n\n" + markdown(["model", *order], rows)


def compared(wide: pd.DataFrame, score: str, larger: bool, kind: str) -> str:
    """Mean ranks and tests of a group."""
    common = wide[[name for name in GROUPS[kind] if name in wide]].dropna()
    if common.shape[1] < 3 or common.index.get_level_values("data").nunique() < 2:
        return ""
    ranks = ranks_of(common.groupby("data", sort=False).mean(), larger_is_better=larger)
    picture, best = f"{SECTION}-{score}-{kind}.svg".replace(" ", "-"), ranks.mean.index[0]
    lines = [["mean rank", *ranks.mean], [f"Wilcoxon p, beside {best}", *ranks.against.loc[best]]]
    parts = [f"**{kind.capitalize()}**, {said(ranks)}:", markdown(["", *ranks.mean.index], lines)]
    if score in ("AUC", "NLL"):
        draw(ranks, f"{score}, {kind}", RESULTS / picture)
        parts.append(
            f"![Mean ranks in {score}, {kind}; bars join models that do not differ by Nemenyi's test]({picture})"
        )
    return "\n\n".join(parts)


def distances(wide: pd.DataFrame, larger: bool) -> str:
    """How far BL at defaults is behind the best of the others on each set, on the splits that both have."""
    own = [name for name in ("BL default", "BL average") if name in wide]
    others = [name for name in wide if name not in TUNED and not name.startswith("BL ")]
    sign, lines = (1 if larger else -1), []
    for table, scores in wide.groupby("data", sort=False):
        cells = []
        for name in own:
            both = scores[[name, *others]].dropna(axis=1, how="all").dropna()
            if name in both and len(both) and both.shape[1] > 1:
                means = sign * both.mean()
                best = means.drop(name).idxmax()
                cells.append(f"{means[name] - means[best]:+.3f} to {best} ({len(both)})")
            else:
                cells.append("-")
        lines.append([table, *cells])
    said = "**Ahead of the best other at defaults** (behind it where negative; splits that all have):"
    return f"{said}\n\n" + markdown(["set", *own], lines)


def said(ranks: Ranks) -> str:
    return (
        f"{ranks.data_sets} sets, Friedman p {ranks.p_value:.2g}, critical difference {ranks.critical_difference:.2f} "
        "(Nemenyi, 5 %)"
    )
