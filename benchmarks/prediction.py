"""Held-out likelihood, accuracy and coverage at default settings, beside standard models.

Five random 60/20/20 splits (seeds 0-4): train on 60 %, stop and choose the restart on 20 %, score on the last 20 %.
Scalers see the training part only; NLL of regressions is in nats on the standardised response.

    python benchmarks/prediction.py --data DIR [--tables boston concrete ...]

DIR holds the Parquet tables; Boston ships with the package.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import behavior_learning as bl

SEEDS = range(5)


def regression_tables(folder: Path) -> dict[str, tuple[pd.DataFrame, pd.Series]]:
    read = lambda name: pd.read_parquet(folder / f"{name}.parquet")
    concrete, mpg, energy = read("concrete_strength"), read("auto_mpg"), read("energy_efficiency")
    heating, cooling = (next(c for c in energy.columns if c.startswith(start)) for start in ("Y1", "Y2"))
    strength = concrete.columns[-1]
    return {
        "Boston": bl.datasets.load_boston(),
        "concrete strength": (concrete.drop(columns=strength), concrete[strength]),
        "auto MPG": (mpg.drop(columns="mpg"), mpg["mpg"]),
        "energy efficiency (heating)": (energy.drop(columns=[heating, cooling]), energy[heating]),
    }


def splits(rows: int, seed: int) -> list[np.ndarray]:
    order = np.random.default_rng(seed).permutation(rows)
    return np.split(order, [int(0.6 * rows), int(0.8 * rows)])


def gaussian_scores(y: np.ndarray, mean: np.ndarray, sigma: float, scale: float) -> tuple[float, float, float]:
    residual = y - mean
    loss = -norm.logpdf(residual, scale=sigma).mean() - np.log(scale)
    return loss, r2(y, mean), np.mean(np.abs(residual) <= norm.ppf(0.95) * sigma)


def r2(y: np.ndarray, mean: np.ndarray) -> float:
    return 1 - np.sum((y - mean) ** 2) / np.sum((y - y.mean()) ** 2)


def score_regressions(X: pd.DataFrame, y: pd.Series, seed: int, layers: list) -> dict[str, tuple[float, float, float]]:
    train, held_out, test = splits(len(X), seed)
    part = lambda rows: (X.iloc[rows], y.iloc[rows].to_numpy(float))
    (X_train, y_train), (X_held, y_held), (X_test, y_test) = map(part, (train, held_out, test))
    scale, scores = y_train.std(), {}
    for shape in layers:
        options = {} if shape is None else {"layers": shape}
        reg = bl.BLRegressor(random_state=seed, **options).fit(X_train, y_train, validation_data=(X_held, y_held))
        interval = reg.predict_interval(X_test)
        inside = np.mean((y_test >= interval[:, 0]) & (y_test <= interval[:, 1]))
        loss = -reg.log_density(X_test, y_test).mean() - np.log(scale)
        name = "BL default" if shape is None else f"BL[{','.join(map(str, shape))}]"
        scores[name] = (loss, r2(y_test, reg.predict(X_test)), inside)
    linear = make_pipeline(SimpleImputer(), StandardScaler(), LinearRegression()).fit(X_train, y_train)
    sigma = np.sqrt(np.sum((y_train - linear.predict(X_train)) ** 2) / (len(y_train) - X.shape[1] - 1))
    scores["linear regression"] = gaussian_scores(y_test, linear.predict(X_test), sigma, scale)
    boosted = HistGradientBoostingRegressor(random_state=seed).fit(X_train, y_train)
    sigma = np.sqrt(np.mean((y_held - boosted.predict(X_held)) ** 2))
    scores["gradient boosting"] = gaussian_scores(y_test, boosted.predict(X_test), sigma, scale)
    return scores


def score_classifiers(X: pd.DataFrame, y: pd.Series, seed: int) -> dict[str, tuple[float, float]]:
    train, held_out, test = splits(len(X), seed)
    clf = bl.BLClassifier(random_state=seed)
    clf.fit(X.iloc[train], y.iloc[train], validation_data=(X.iloc[held_out], y.iloc[held_out]))
    logistic = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000))
    boosted = HistGradientBoostingClassifier(random_state=seed)
    models = {"BL default": clf, "logistic regression": logistic, "gradient boosting": boosted}
    return {name: classification_scores(model, X, y, train, test) for name, model in models.items()}


def classification_scores(model, X, y, train: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    if not isinstance(model, bl.BLClassifier):
        model.fit(X.iloc[train], y.iloc[train])
    probabilities = model.predict_proba(X.iloc[test])
    truth = np.searchsorted(model.classes_, y.iloc[test])
    loss = -np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1)).mean()
    return loss, np.mean(probabilities.argmax(axis=1) == truth)


def show(title: str, columns: tuple[str, ...], runs: list[dict[str, tuple[float, ...]]]) -> None:
    print(f"\n{title}\n| model | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        cells = (f"{m:.3f} ± {s:.3f}" for m, s in zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="*", default=["Boston", "concrete", "auto", "energy", "Wisconsin"])
    arguments = parser.parse_args()
    wanted = lambda name: any(name.startswith(start) for start in arguments.tables)
    for name, (X, y) in regression_tables(arguments.data).items():
        if wanted(name):
            begun = time.perf_counter()
            runs = [score_regressions(X, y, seed, [None, (2, 1)]) for seed in SEEDS]
            show(f"{name}, {len(X)} rows", ("test NLL", "R² of the mean", "90 % coverage"), runs)
            print(f"({time.perf_counter() - begun:.0f} s)")
    if wanted("Wisconsin"):
        wisconsin = pd.read_parquet(arguments.data / "breast_cancer_wisconsin.parquet")
        X, y = wisconsin.drop(columns="Class"), wisconsin["Class"].astype(str)
        runs = [score_classifiers(X, y, seed) for seed in SEEDS]
        show(f"Breast Cancer Wisconsin, {len(X)} rows", ("test NLL", "accuracy"), runs)


if __name__ == "__main__":
    main()
