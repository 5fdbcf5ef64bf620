"""`bl demo`."""

import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.table import Table
from scipy.stats import norm
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

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
    """Learn the Boston Housing problem with BL[2,1] and print it."""
    X, y = bl.datasets.load_boston()
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    out.print(f"Boston Housing: {len(X)} tracts, {X.shape[1]} columns; MEDV is the median home value in $1000s.")
    out.print("(Column B encodes race and MEDV is capped at 50: see bl.datasets.load_boston.)\n")
    reg = bl.BLRegressor(layers=(2, 1), random_state=0, verbose=True).fit(X_train, y_train)
    out.print(_comparison(reg, X_train, X_test, y_train, y_test))
    out.print(f"\nWhat was learned, strongest terms first ({reg.n_parameters_} parameters):\n")
    print(reg.problem_)
    output.mkdir(parents=True, exist_ok=True)
    reg.save(output / "boston.bl")
    figure = prediction_intervals(
        y_test.to_numpy(), reg.predict(X_test), reg.predict_interval(X_test), coverage=0.9, name="MEDV ($1000s)"
    )
    figure.savefig(output / "intervals.png", dpi=150)
    out.print(
        f"\nwrote {output}/boston.bl and {output}/intervals.png; all terms: bl explain {output}/boston.bl --terms 0"
    )


def _comparison(reg: Any, X_train: pd.DataFrame, X_test: pd.DataFrame, y_train: pd.Series, y_test: pd.Series) -> Table:
    table = Table(title=f"{len(X_test)} held-out tracts", title_justify="left")
    for column in ("model", "R²", "negative log-likelihood (nats)", "90 % interval coverage"):
        table.add_column(column, justify="left" if column == "model" else "right")
    interval = reg.predict_interval(X_test)
    inside = np.mean((y_test >= interval[:, 0]) & (y_test <= interval[:, 1]))
    table.add_row("BL[2,1]", *_scores(reg.score(X_test, y_test), -reg.log_density(X_test, y_test).mean(), inside))
    linear = LinearRegression().fit(X_train, y_train)
    degrees = len(X_train) - X_train.shape[1] - 1
    table.add_row(
        "linear regression", *_gaussian(linear.predict(X_train), linear.predict(X_test), y_train, y_test, degrees)
    )
    mean = np.full(len(X_train), y_train.mean())
    table.add_row("mean-only Gaussian", *_gaussian(mean, mean[: len(X_test)], y_train, y_test, len(X_train) - 1))
    return table


def _gaussian(
    fitted: np.ndarray, predicted: np.ndarray, y_train: pd.Series, y_test: pd.Series, degrees: int
) -> tuple[str, str, str]:
    """Scores of predictions with Gaussian errors whose variance is the training residuals'."""
    sigma = math.sqrt(((y_train - fitted) ** 2).sum() / degrees)
    residual = y_test - predicted
    r2 = 1 - (residual**2).sum() / ((y_test - y_test.mean()) ** 2).sum()
    return _scores(r2, -norm.logpdf(residual, scale=sigma).mean(), np.mean(abs(residual) <= norm.ppf(0.95) * sigma))


def _scores(r2: float, loss: float, coverage: float) -> tuple[str, str, str]:
    return f"{r2:.3f}", f"{loss:.3f}", f"{coverage:.0%}"
