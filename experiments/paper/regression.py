"""Numbers at default settings: likelihood, R² and coverage beside linear regression and boosting.

Random 7:1:2 splits, of which all have the first two to train on. Boosted means have one normal error, whose spread five
folds of those rows tell; NGBoost has its own; boosted quantiles have a density that is constant between them, at least
.005 standard deviations apart, and falls exponentially beyond the last. Likelihoods are in nats on the response over
its standard deviation in the rows that train.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from experiments.paper.records import Case, markdown, table_of, write
from scipy.stats import norm
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

import behavior_learning as bl

SECTION = "regression"
TABLES = ("auto_mpg", "boston_housing", "concrete_strength", "energy_efficiency", "california_housing")
ROWS = 4_000
"""Rows of a table at most, drawn with the split."""
SEEDS = range(5)
LEVELS = np.array([0.01, *np.arange(0.05, 0.951, 0.05), 0.99])


class Judged(NamedTuple):
    """Predictions of test rows: log-densities, means, and ends of intervals that hold nine in ten."""

    log_density: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


Rows = tuple[pd.DataFrame, np.ndarray]


def bl_regressor(rows: Rows, held_out: Rows, test: Rows, seed: int, **options: Any) -> Judged:
    model = bl.BLRegressor(random_state=seed, **options).fit(*both(rows, held_out))
    X, y = test
    ends = model.predict_interval(X)
    return Judged(model.log_density(X, y), model.predict(X), ends[:, 0], ends[:, 1])


def both(rows: Rows, held_out: Rows) -> Rows:
    return pd.concat([rows[0], held_out[0]]), np.concatenate([rows[1], held_out[1]])


def normal_errors(make: Callable[[int], Any]) -> Callable[..., Judged]:
    """A model of the mean with one normal error."""

    def judge(rows: Rows, held_out: Rows, test: Rows, seed: int) -> Judged:
        known = both(rows, held_out)
        spread = np.sqrt(np.mean((known[1] - cross_val_predict(make(seed), *known, cv=5)) ** 2))
        return gaussian(make(seed).fit(*known).predict(test[0]), spread, test[1])

    return judge


def gaussian(mean: np.ndarray, spread: Any, y: np.ndarray) -> Judged:
    reach = norm.ppf(0.95) * spread
    return Judged(norm.logpdf(y, mean, spread), mean, mean - reach, mean + reach)


def ngboost(rows: Rows, held_out: Rows, test: Rows, seed: int) -> Judged:
    from ngboost import NGBRegressor

    known, filled = both(rows, held_out), SimpleImputer()
    model = NGBRegressor(random_state=seed, verbose=False).fit(filled.fit_transform(known[0]), known[1])
    found = model.pred_dist(filled.transform(test[0])).params
    return gaussian(found["loc"], found["scale"], test[1])


def quantiles(rows: Rows, held_out: Rows, test: Rows, seed: int) -> Judged:
    known = both(rows, held_out)
    own = [lightgbm(seed, objective="quantile", alpha=level).fit(*known).predict(test[0]) for level in LEVELS]
    ends = np.sort(np.column_stack(own), axis=1)
    ends += np.arange(len(LEVELS)) * 5e-3 * known[1].std()  # Equal quantiles would have an infinite density.
    middles = (ends[:, 1:] + ends[:, :-1]) / 2
    mean = ends[:, 0] * LEVELS[0] + middles @ np.diff(LEVELS) + ends[:, -1] * (1 - LEVELS[-1])
    return Judged(log_density_between(ends, test[1]), mean, ends[:, 1], ends[:, -2])


def log_density_between(ends: np.ndarray, y: np.ndarray) -> np.ndarray:
    """log of a density, constant between quantiles, that beyond falls by 1/e over a quarter of their middle 90 %."""
    density = np.diff(LEVELS) / np.diff(ends, axis=1)
    place = np.array([np.searchsorted(own, value) for own, value in zip(ends, y, strict=True)])
    inside = np.take_along_axis(density, np.clip(place - 1, 0, density.shape[1] - 1)[:, None], axis=1)[:, 0]
    reach = (ends[:, -2] - ends[:, 1]) / 4
    beyond = np.maximum(ends[:, 0] - y, y - ends[:, -1])
    return np.where(beyond > 0, np.log(LEVELS[0] / reach) - beyond / reach, np.log(inside))


def lightgbm(seed: int, **options: Any) -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(random_state=seed, n_jobs=1, verbose=-1, **options)


def linear(seed: int) -> Any:
    return make_pipeline(SimpleImputer(), LinearRegression())


MODELS: dict[str, tuple[Callable[..., Judged], tuple[str, ...]]] = {
    "BL default": (bl_regressor, ()),
    "linear": (normal_errors(linear), ()),
    "LightGBM": (normal_errors(lightgbm), ("lightgbm",)),
    "LightGBM quantiles": (quantiles, ("lightgbm",)),
    "NGBoost": (ngboost, ("ngboost",)),
}
SCORES = ("NLL", "R²", "coverage", "processor seconds")


def cases(data: Sequence[str] | None, models: Sequence[str] | None, seeds: Sequence[int] | None) -> Iterator[Case]:
    for table in data or TABLES:
        for seed in seeds or SEEDS:
            for name in models or MODELS:
                yield Case(SECTION, table, name, seed, {"split": "7:1:2", "most rows": ROWS}, MODELS[name][1])


def measure(case: Case) -> dict[str, Any]:
    X, y = bl.datasets.fetch_table(case.data)
    X, y = X.apply(pd.to_numeric), y.to_numpy(float)
    order = np.random.default_rng(case.seed).permutation(len(X))[:ROWS]
    ends = [int(0.7 * len(order)), int(0.8 * len(order))]
    parts = [(X.iloc[own], y[own]) for own in np.split(order, ends)]
    found, truth = MODELS[case.model][0](*parts, case.seed), parts[2][1]
    return {
        "NLL": float(-found.log_density.mean() - np.log(both(*parts[:2])[1].std())),
        "R²": float(r2_score(truth, found.mean)),
        "coverage": float(np.mean((truth >= found.low) & (truth <= found.high))),
        "rows": len(order),
    }


def render() -> None:
    records = table_of(SECTION)
    if records.empty:
        return
    spread = lambda values: f"{values.mean():.3f}" + (f" ± {values.std():.3f}" if len(values) > 1 else "")
    parts = [HEADING]
    for table in [name for name in TABLES if name in set(records["data"])]:
        own = records[records["data"] == table]
        rows = [name for name in MODELS if name in set(own["model"])]
        lines = [[name, *(spread(own.loc[own["model"] == name, score]) for score in SCORES)] for name in rows]
        counts = own.groupby("model")["seed"].nunique()
        run = ", ".join(f"{counts[name]} for {name}" for name in rows)
        parts += [f"## {table}, {own['rows'].max():,} rows", f"Splits: {run}.", markdown(["model", *SCORES], lines)]
    write(SECTION, "\n\n".join(parts))


HEADING = """# Regression at default settings

Means and standard deviations over random 7:1:2 splits; NLL in nats on the standardised response, R² of the mean, share
of test rows in central intervals of 90 %. Rendered from the JSON files beside this page."""
