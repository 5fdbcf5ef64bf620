"""Whole fits with default settings beside what a user would pick: seconds, and how well they predict.

Two thirds of the rows train. Each model gets one fit to warm up where it compiles; cold starts are in compilation.py.

    python benchmarks/fits.py --data DIR
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import behavior_learning as bl
from timing import heading, table

TABLES = {
    "Wisconsin": ("breast_cancer_wisconsin", "Class"),
    "MAGIC telescope, 3,000 of its rows": ("magic_telescope", "class"),
}


MOST_ROWS = 3_000


def models() -> dict[str, object]:
    return {
        "BLClassifier": bl.BLClassifier(random_state=0),
        "MLPClassifier, early stopping": make_pipeline(
            StandardScaler(), MLPClassifier(early_stopping=True, random_state=0)
        ),
        "EBM": ExplainableBoostingClassifier(random_state=0, n_jobs=1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data
    heading("Whole fits")
    lines = []
    for name, (file, response) in TABLES.items():
        rows = pd.read_parquet(folder / f"{file}.parquet").dropna()
        rows = rows.sample(min(len(rows), MOST_ROWS), random_state=0)
        X, y = rows.drop(columns=response), rows[response].astype(str)
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=1 / 3, random_state=0)
        bl.BLClassifier(random_state=0).fit(X_train, y_train).predict_proba(X_test)  # Compiles.
        for model_name, model in models().items():
            begun = time.perf_counter()
            model.fit(X_train, y_train)
            fitted = time.perf_counter()
            probabilities = model.predict_proba(X_test)
            predicted = time.perf_counter()
            labels = np.asarray(model.classes_)
            scores = (
                log_loss(y_test, probabilities, labels=labels),
                accuracy_score(y_test, labels[probabilities.argmax(1)]),
            )
            seconds = fitted - begun, predicted - fitted
            cells = [f"{seconds[0]:.2f}", f"{seconds[1]:.3f}", *(f"{score:.3f}" for score in scores)]
            lines.append((f"{name}, {len(X_train)} rows", model_name, *cells))
    table(("table", "model", "fit, s", "predict, s", "test NLL", "accuracy"), lines)


if __name__ == "__main__":
    main()
