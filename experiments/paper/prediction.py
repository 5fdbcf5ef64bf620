"""Standard prediction (Section 3.1, C.2): ten tables, random 7:1:2 splits, scores of probabilities, and mean ranks.

All train on the first two parts; BL single on the first, and is judged by the second while it trains. Of each model
with a space, its defaults and draws of settings (`TRIALS` in all) train on the first part. The tuned one is the best of
them by the NLL of the second, trained again on both; the averaged one is a weighted mean of their probabilities, by the
same NLL. Choices of defaults were made on seeds of 100 and more.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

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
STEPS = 30
"""Of the search for weights of a mean."""
SEARCHED = {
    way: tuple(f"{way} {name}" for name, model in MODELS.items() if model.space) for way in ("tuned", "averaged")
}
"""Names of models after a search."""
TOGETHER = {"": tuple(MODELS)} | {f"{way.capitalize()}, {TRIALS} draws": names for way, names in SEARCHED.items()}
"""Which models have a table together, under which words."""
EVERY = tuple(name for names in TOGETHER.values() for name in names)
READABLE = ("logistic", "tree", "EBM", "pyGAM", "FIGS")
QUICK = ("logistic", "ElasticNet", "tree", "random forest", "FIGS", "LightGBM", "XGBoost", "CatBoost")
"""Baselines that were run on all tables."""
GROUPS = {
    "readable": ("BL default", *READABLE),
    "readable beside the average": ("BL average", *READABLE),
    "boosted": ("BL average", "logistic", "tree", "LightGBM", "XGBoost"),
    "boosted beside the default": ("BL default", "logistic", "tree", "LightGBM", "XGBoost"),
    "all": tuple(name for name in MODELS if name != "BL single"),
    "boosted with CatBoost": ("BL default", "LightGBM", "XGBoost", "CatBoost"),
    "all tables": ("BL default", *QUICK),
    "all tables beside the average": ("BL average", *QUICK),
    **SEARCHED,
}
"""Who is ranked together, on the splits that all of them have."""
TIME = "processor seconds"
SCORES = {"AUC": True, "macro F1": True, "NLL": False, "ECE": False, TIME: False}
"""Whether larger is better."""


def cases(data: Sequence[str] | None, models: Sequence[str] | None, seeds: Sequence[int] | None) -> Iterator[Case]:
    """The averaged one of a model comes right after the tuned one, whose fits it shares."""
    searched = [name for pair in zip(*SEARCHED.values(), strict=True) for name in pair]
    for table in data or TABLES:
        for seed in seeds or SEEDS:
            for name in models or (*MODELS, *searched):
                way, model = way_of(name)
                settings = {"split": "7:1:2"} | ({"trials": TRIALS} if way else {})
                yield Case(SECTION, table, name, seed, settings, MODELS[model].packages)


def way_of(name: str) -> tuple[str, str]:
    """Of what is searched, and of which model."""
    way, _, model = name.partition(" ")
    return (way, model) if way in SEARCHED else ("", name)


class Rows(NamedTuple):
    """A part of a table."""

    X: pd.DataFrame
    y: pd.Series


def measure(case: Case) -> dict[str, Any]:
    rows, held_out, test = parts_of(case.data, case.seed)
    way, name = way_of(case.model)
    if not way:
        return judged(train(MODELS[name], rows, held_out, case.seed), test)
    draws = draws_of(case.data, name, case.seed, case.settings["trials"])
    if way == "averaged":
        return judged(Mean([fitted for _, fitted in draws], held_out), test)
    chosen, _ = min(draws, key=lambda draw: judged(draw[1], held_out)["NLL"])
    return judged(train(MODELS[name], rows, held_out, case.seed, **chosen), test) | {"chosen": plain(chosen)}


def parts_of(table: str, seed: int) -> list[Rows]:
    X, y = bl.datasets.fetch_table(table)
    order = np.random.default_rng(seed).permutation(len(X))
    parts = np.split(order, [int(0.7 * len(X)), int(0.8 * len(X))])
    return [Rows(X.iloc[own], y.iloc[own].astype(str)) for own in parts]


def train(model: Model, rows: Rows, held_out: Rows, seed: int, **settings: Any) -> Any:
    """Fitted to both parts, or to the first while it watches the second."""
    made = model.make(seed, **settings)
    if model.watched:
        return made.fit(*rows, validation_data=held_out)
    return made.fit(*(pd.concat(both) for both in zip(rows, held_out, strict=True)))


@lru_cache(maxsize=1)
def draws_of(table: str, name: str, seed: int, trials: int) -> list[tuple[dict[str, Any], Any]]:
    """Settings, of which the first are the defaults, and what is fitted by them to the first part."""
    model, (rows, _, _) = MODELS[name], parts_of(table, seed)
    drawn = [{}, *ParameterSampler(dict(model.space), trials - 1, random_state=seed)]
    return [(settings, model.make(seed, **settings).fit(*rows)) for settings in drawn]


class Mean:
    """Fits by the weights of greedy selection with replacement on held-out rows (Caruana et al. 2004)."""

    def __init__(self, fits: list[Any], held_out: Rows):
        self.fits, self.classes_ = fits, fits[0].classes_
        own = np.array([own_probability(fit.predict_proba(held_out.X), places(fit, held_out)) for fit in fits])
        counts = np.zeros(len(fits))
        for step in range(STEPS):
            losses = -np.log(np.clip((counts @ own + own) / (step + 1), 1e-12, 1)).mean(axis=1)
            counts[np.argmin(losses)] += 1
        self.weights = counts / STEPS

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return np.tensordot(self.weights, [fit.predict_proba(X) for fit in self.fits], 1)


def places(model: Any, rows: Rows) -> np.ndarray:
    """Of each row's class among those of the model; −1 for one that it has not seen."""
    return pd.Index(model.classes_).get_indexer(rows.y)


def own_probability(p: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of each row's own class; zero for one that the model has not seen."""
    return np.where(truth >= 0, p[np.arange(len(p)), truth], 0.0)


def judged(model: Any, rows: Rows) -> dict[str, float]:
    """AUC is the mean of each class against the others, where it has rows; of two classes that of one."""
    p, classes = model.predict_proba(rows.X), np.asarray(model.classes_)
    truth = places(model, rows)
    columns = [k for k in range(len(classes)) if 0 < (truth == k).sum() < len(truth)]
    return {
        "AUC": float(np.mean([roc_auc_score(truth == k, p[:, k]) for k in columns])),
        "macro F1": float(f1_score(truth, p.argmax(axis=1), average="macro")),
        "NLL": float(-np.log(np.clip(own_probability(p, truth), 1e-12, 1)).mean()),
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
        wide = wide_of(records, score)
        parts += [f"## {score}"]
        if score == TIME:  # Fits of a search are shared.
            wide = wide[[name for name in MODELS if name in wide]]
        for said, names in TOGETHER.items():
            means = wide[[name for name in names if name in wide]].dropna(how="all").groupby("data", sort=False).mean()
            lines = ([name, *line] for name, line in means.iterrows())
            parts += [f"{said}:" * (said != ""), markdown(["set", *means], lines)] if len(means) else []
        parts += [compared(wide, score, kind) for kind in GROUPS]
        parts += [distances(wide, larger)] if score in ("AUC", "NLL", "macro F1") else []
    write(SECTION, "\n\n".join(part for part in parts if part))


def wide_of(records: pd.DataFrame, score: str) -> pd.DataFrame:
    """A score by split and model."""
    wide = records.pivot_table(score, ["data", "seed"], "model").reindex(columns=EVERY)
    return wide.dropna(axis=1, how="all").reindex(TABLES, level="data")


def ranks_in(wide: pd.DataFrame, score: str, kind: str) -> Ranks | None:
    """Mean ranks of a group on the splits that all of it have; None of fewer than three models or two sets."""
    common = wide[[name for name in GROUPS[kind] if name in wide]].dropna()
    if common.shape[1] < 3 or common.index.get_level_values("data").nunique() < 2:
        return None
    return ranks_of(common.groupby("data", sort=False).mean(), larger_is_better=SCORES[score])


HEADING = """# Standard prediction (Section 3.1, Tables 4 to 8, Figure 3)

Means over the seeds that were run, all rows, random 7:1:2 splits. Rendered from the JSON files beside this page, which
have settings, versions and the tree of the sources. Ranks are of means over the seeds that all models of a comparison
have, on the sets where they have one. BL default is what is learned where nothing is asked: the mean of eight networks,
or a plainer problem where that is as good; BL average is a mean always. TabNet, RealMLP and TabM come from their
packages, NAM and SVGP from `networks.py`. A quarter of the test rows of wine stand among those that train: see "Rows
that stand twice"."""


def run_by_table(records: pd.DataFrame) -> str:
    """How much of the five seeds was run."""
    counts = records.groupby(["model", "data"])["seed"].nunique().unstack("data").fillna(0).astype(int)
    order = [table for table in TABLES if table in counts]
    rows = ([name, *counts.loc[name, order]] for name in EVERY if name in counts.index)
    return f"Seeds run, of {len(SEEDS)}:\n\n" + markdown(["model", *order], rows)


def compared(wide: pd.DataFrame, score: str, kind: str) -> str:
    """Mean ranks and tests of a group."""
    ranks = ranks_in(wide, score, kind)
    if ranks is None:
        return ""
    picture, best = f"{SECTION}-{score}-{kind}.svg".replace(" ", "-"), ranks.mean.index[0]
    lines = [["mean rank", *ranks.mean], [f"Wilcoxon p, beside {best}", *ranks.against.loc[best]]]
    parts = [f"**{kind[0].upper()}{kind[1:]}**, {said(ranks)}:", markdown(["", *ranks.mean.index], lines)]
    if score in ("AUC", "NLL"):
        draw(ranks, f"{score}, {kind}", RESULTS / picture)
        parts.append(
            f"![Mean ranks in {score}, {kind}; bars join models that do not differ by Nemenyi's test]({picture})"
        )
    return "\n\n".join(parts)


def distances(wide: pd.DataFrame, larger: bool) -> str:
    """How far BL at defaults is behind the best of the others on each set, on the splits that both have."""
    own = [name for name in ("BL default", "BL average") if name in wide]
    others = [name for name in wide if name in MODELS and not name.startswith("BL ")]
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
