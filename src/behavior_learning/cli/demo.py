"""`bl demo`."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.table import Table
from scipy.stats import norm
from sklearn.base import RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import behavior_learning as bl
from behavior_learning.cli.common import out, without_traceback
from behavior_learning.plots import prediction_intervals

__all__ = ["demo"]


@without_traceback
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the model and the figure.")] = Path(
        "bl-demo"
    ),
) -> None:
    """Discover the problem behind the fuel economy of cars and print what supports it."""
    X, y = bl.datasets.load_auto_mpg()
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    out.print(f"Auto MPG: {len(X)} cars of 1970 to 1982, {X.shape[1]} columns; mpg is miles per gallon in the city.\n")
    found = bl.discover(X_train, y_train, honest=True, remainder=True, random_state=0, verbose=True)
    print(found)
    laws = {"the problem above": found.model.distribution(X_test)}
    if found.remainder is not None:
        laws["with a flexible remainder"] = found.remainder.distribution(X_test)
    table = Table(title=f"\n{len(X_test)} held-out cars", title_justify="left")
    for column in ("model", "R²", "held-out loss (nats)", "in 90 % interval"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name, law in laws.items():
        low, high = law.interval(0.9).T
        table.add_row(name, *_scores(y_test, law.mean(), law.log_prob(y_test), (low <= y_test) & (y_test <= high)))
    plain = make_column_transformer((OneHotEncoder(), ["origin"]), remainder=SimpleImputer())
    table.add_row(
        "linear regression", *_gaussian(make_pipeline(plain, LinearRegression()), X_train, y_train, X_test, y_test)
    )
    boosting = HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=0)
    typed = {"origin": "category"}
    table.add_row(
        "gradient boosting", *_gaussian(boosting, X_train.astype(typed), y_train, X_test.astype(typed), y_test)
    )
    out.print(table)
    output.mkdir(parents=True, exist_ok=True)
    found.model.save(output / "auto_mpg.bl")
    law = laws["the problem above"]
    figure = prediction_intervals(y_test.to_numpy(), law.mean(), law.interval(0.9), coverage=0.9, name="mpg")
    figure.savefig(output / "intervals.png", dpi=150)
    out.print(f"\nwrote {output}/auto_mpg.bl and {output}/intervals.png; read it with: bl explain {output}/auto_mpg.bl")


def _gaussian(
    model: RegressorMixin, X_train: pd.DataFrame, y_train: pd.Series, X_test: pd.DataFrame, y_test: pd.Series
) -> tuple[str, str, str]:
    """Scores of predictions with Gaussian errors whose variance is that of residuals held out of training."""
    sigma = np.sqrt(np.mean((y_train - cross_val_predict(model, X_train, y_train)) ** 2))
    mean = model.fit(X_train, y_train).predict(X_test)
    inside = abs(y_test - mean) <= norm.ppf(0.95) * sigma
    return _scores(y_test, mean, norm.logpdf(y_test, mean, sigma), inside)


def _scores(y: pd.Series, mean: np.ndarray, log_prob: np.ndarray, inside: pd.Series) -> tuple[str, str, str]:
    return f"{r2_score(y, mean):.3f}", f"{-log_prob.mean():.3f}", f"{inside.mean():.0%}"
