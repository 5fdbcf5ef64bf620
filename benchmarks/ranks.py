"""Classifiers at default settings on ten tables: AUC, macro F1, NLL, calibration error, seconds, and mean ranks.

Random 7:1:2 splits (seeds 0, 1, …): BL trains on the first part and is judged by the second in training, the others
train on both. One JSON record per table, model and seed is kept in a folder; what is there is not run again. Choices of
defaults were made on seeds of 100 and more.

    python benchmarks/ranks.py --data DIR --records DIR [--tables wine ...] [--models "BL default" ...] [--seeds 0 1]

LightGBM, XGBoost and interpret (EBM) take part where they are installed.
"""

import argparse
import json
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import behavior_learning as bl

TABLES = {
    "german": ("german_credit", "class"),
    "adult": ("adult", "class"),
    "compas": ("compas_two_years", "twoyearrecid"),
    "bank": ("bank_marketing", "y"),
    "planning": ("planning_relax", "Class"),
    "eeg": ("eeg_eye_state", "eyeDetection"),
    "magic": ("magic_telescope", "class"),
    "electricity": ("electricity", "class"),
    "wine": ("wine_quality_red", "quality"),
    "steel": ("steel_plates_faults", "fault"),
}
OURS = {"BL default": {}, "BL average": {"average": True}}
OTHERS = {"LightGBM": "lightgbm", "XGBoost": "xgboost", "EBM": "interpret"}


class Coded(ClassifierMixin, BaseEstimator):
    """A classifier that takes codes for labels."""

    def __init__(self, classifier: Any):
        self.classifier = classifier

    def fit(self, X: Any, y: Any) -> "Coded":
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.classifier.fit(X, codes)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.classifier.predict_proba(X)


def encoded(classifier: Any) -> Any:
    """A classifier behind one-hot categories and standardised numbers, as it needs them."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (levels, make_column_selector(dtype_exclude="number")),
        ),
        classifier,
    )


def make(name: str, seed: int) -> Any:
    match name:
        case "logistic":
            return encoded(LogisticRegression(max_iter=1000))
        case "tree":
            return encoded(DecisionTreeClassifier(random_state=seed))
        case "random forest":
            return encoded(RandomForestClassifier(random_state=seed))
        case "boosting (scikit-learn)":
            return encoded(HistGradientBoostingClassifier(random_state=seed))
        case "LightGBM":
            from lightgbm import LGBMClassifier

            return encoded(LGBMClassifier(random_state=seed, verbose=-1))
        case "XGBoost":
            from xgboost import XGBClassifier

            return Coded(encoded(XGBClassifier(random_state=seed)))
        case "EBM":
            from interpret.glassbox import ExplainableBoostingClassifier

            return ExplainableBoostingClassifier(random_state=seed)
        case _:
            return bl.BLClassifier(random_state=seed, **OURS[name])


MODELS = [*OURS, "logistic", "tree", "random forest", "boosting (scikit-learn)"]
MODELS += [name for name, needs in OTHERS.items() if find_spec(needs)]


def record(folder: Path, table: str, name: str, seed: int) -> dict[str, Any]:
    """Fit and judge one model on one split."""
    file, target = TABLES[table]
    X = pd.read_parquet(folder / f"{file}.parquet")
    y, X = X[target].astype(str), X.drop(columns=target)
    order = np.random.default_rng(seed).permutation(len(X))
    train, held_out, test = np.split(order, [int(0.7 * len(X)), int(0.8 * len(X))])
    model, begun = make(name, seed), time.perf_counter()
    if name == "BL default":
        model.fit(X.iloc[train], y.iloc[train], validation_data=(X.iloc[held_out], y.iloc[held_out]))
    else:
        # The average takes its held-out rows in turn from all of them.
        share = {"validation_fraction": 0.125} if name in OURS else {}
        both = np.concatenate([train, held_out])
        model.set_params(**share).fit(X.iloc[both], y.iloc[both])
    seconds, p = time.perf_counter() - begun, model.predict_proba(X.iloc[test])
    truth = np.searchsorted(model.classes_, y.iloc[test])
    several = {"multi_class": "ovr", "labels": np.arange(p.shape[1])} if p.shape[1] > 2 else {}
    return {
        "AUC": float(roc_auc_score(truth, p if several else p[:, 1], **several)),
        "macro F1": float(f1_score(truth, p.argmax(axis=1), average="macro")),
        "NLL": float(-np.log(np.clip(p[np.arange(len(truth)), truth], 1e-12, 1)).mean()),
        "ECE": bl.metrics.calibration_error(truth, p, np.arange(p.shape[1])),
        "seconds": seconds,
        "settings": {"table": table, "model": name, "seed": seed, "version": repr(model)},
    }


def show(records: pd.DataFrame) -> None:
    """Means over seeds, by table, and mean ranks over tables that every model has."""
    means = records.groupby(["table", "model"]).mean(numeric_only=True)
    for column, falling in {"AUC": True, "macro F1": True, "NLL": False, "ECE": False, "seconds": False}.items():
        wide = means[column].unstack("model")
        wide = wide[[name for name in MODELS if name in wide]]
        ranks = wide.dropna().rank(axis=1, ascending=not falling).mean()
        print(f"\n{column}\n| table | {' | '.join(wide)} |\n|---|{'---|' * len(wide.columns)}")
        for table, line in wide.iterrows():
            print(f"| {table} | {' | '.join('-' if np.isnan(v) else f'{v:.3f}' for v in line)} |")
        print(f"| mean rank of {len(wide.dropna())} | {' | '.join(f'{v:.2f}' for v in ranks)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--tables", nargs="*", default=list(TABLES))
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    arguments = parser.parse_args()
    arguments.records.mkdir(parents=True, exist_ok=True)
    lines = []
    for table in arguments.tables:
        for name in arguments.models:
            for seed in arguments.seeds:
                path = arguments.records / f"{table}-{name.replace(' ', '-')}-{seed}.json"
                if not path.exists():
                    path.write_text(json.dumps(record(arguments.data, table, name, seed)))
                found = json.loads(path.read_text())
                lines.append(found["settings"] | {key: value for key, value in found.items() if key != "settings"})
                print(table, name, seed, {key: round(found[key], 3) for key in ("AUC", "NLL", "seconds")}, flush=True)
    show(pd.DataFrame(lines).drop(columns="seed"))


if __name__ == "__main__":
    main()
