"""Default fits beside a Gaussian linear model on tables of scikit-learn, statsmodels and a folder of Parquet files.

    python benchmarks/tables.py --data DIR --splits 1 [--first 5] [--only longley ccard ...]

Each split trains on three quarters of the rows and scores the rest: negative log-likelihood in nats on the standardised
response. `above` is by how much the default fit loses more than least squares with a normal error, whose variance has
the degrees of freedom taken off; ± is its standard error over the test rows. Large tables are cut to 2,000 rows.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn import datasets
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels import datasets as econometrics

import behavior_learning as bl

MOST_ROWS = 2000
OF_STATSMODELS = {
    "longley": "TOTEMP", "stackloss": "STACKLOSS", "scotland": "YES", "copper": "WORLDCONSUMPTION", "ccard": "AVGEXP",
    "engel": "foodexp", "grunfeld": "invest", "macrodata": "realcons", "statecrime": "murder", "strikes": "duration",
    "cancer": "cancer", "heart": "survival", "fair": "rate_marriage", "sunspots": "SUNACTIVITY",
}  # fmt: skip
OF_THE_FOLDER = {
    "boston_housing": "MEDV", "auto_mpg": "mpg", "wine_quality_red": "quality", "california_housing": "",
    "concrete_strength": "", "energy_efficiency": "",
}  # fmt: skip
"""The response by table; the last column where none is named."""


def tables(folder: Path) -> Iterator[tuple[str, Callable[[], tuple[pd.DataFrame, pd.Series]]]]:
    """Every table by name, with a function that reads it."""
    yield "diabetes", lambda: datasets.load_diabetes(return_X_y=True, as_frame=True)
    yield "linnerud", lambda: with_response(datasets.load_linnerud(as_frame=True).frame, "Pulse")
    for name, target in OF_STATSMODELS.items():
        yield (
            name,
            lambda name=name, target=target: with_response(getattr(econometrics, name).load_pandas().data, target),
        )
    for name, target in OF_THE_FOLDER.items():
        yield name, lambda name=name, target=target: with_response(pd.read_parquet(folder / f"{name}.parquet"), target)


def with_response(table: pd.DataFrame, target: str) -> tuple[pd.DataFrame, pd.Series]:
    """Numeric columns, and the named one or the last apart from them."""
    numbers = table.select_dtypes("number").astype(float)
    chosen = target or numbers.columns[-1]
    if len(numbers.columns) == 1:
        numbers = numbers.assign(before=numbers[chosen].shift(1)).iloc[1:]
    known = numbers[chosen].notna()
    return numbers.loc[known].drop(columns=chosen), numbers.loc[known, chosen]


def losses(X: pd.DataFrame, y: pd.Series, seed: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Negative log-likelihood of each test row under the default fit and the linear model."""
    order = np.random.default_rng(seed).permutation(len(X))[:MOST_ROWS]
    train, test = np.split(order, [round(0.75 * len(order))])
    X_train, y_train, X_test, y_test = X.iloc[train], y.iloc[train], X.iloc[test], y.iloc[test]
    linear = make_pipeline(SimpleImputer(), StandardScaler(), LinearRegression()).fit(X_train, y_train)
    degrees = max(len(y_train) - X.shape[1] - 1, 1)
    sigma = np.sqrt(np.sum((y_train - linear.predict(X_train)) ** 2) / degrees)
    scale = np.log(y_train.std())
    reg = bl.BLRegressor(random_state=seed, **options).fit(X_train, y_train)
    return -reg.log_density(X_test, y_test) - scale, -norm.logpdf(y_test, linear.predict(X_test), sigma) - scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--layers", type=int, nargs="*", default=None)
    parser.add_argument("--l2", type=float, default=None)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first split")
    given = parser.parse_args()
    options: dict[str, Any] = {} if given.layers is None else {"layers": given.layers}
    options |= {} if given.l2 is None else {"penalty": bl.Penalty(l2=given.l2)}
    warnings.simplefilter("ignore")
    print("| table | rows | BL | linear | above |\n|---|---|---|---|---|")
    for name, read in tables(given.data):
        if given.only and name not in given.only:
            continue
        X, y = read()
        ours, theirs = map(
            np.concatenate,
            zip(
                *(losses(X, y, seed, **options) for seed in range(given.first, given.first + given.splits)), strict=True
            ),
        )
        above = ours - theirs
        error = above.std(ddof=1) / np.sqrt(len(above)) if np.isfinite(above).all() else np.nan
        print(
            f"| {name} | {len(X)} | {ours.mean():.3f} | {theirs.mean():.3f} | {above.mean():.3f} ± {error:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
