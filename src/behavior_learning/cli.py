"""The command `bl`: fit, predict, sample, explain, report, and a demonstration."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy.stats import norm
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

import behavior_learning as bl
from behavior_learning.errors import BLError, DataError, OptionError
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.learned.predictive import predictive
from behavior_learning.options import check_writable
from behavior_learning.plots import prediction_intervals
from behavior_learning.responses.columns import class_codes, holds_numbers, response_values

__all__ = ["app"]

app = typer.Typer(help="Learn the optimisation problem behind behaviour.", no_args_is_help=True, add_completion=False)
out = Console(soft_wrap=True, highlight=False, markup=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

FEW_VALUES = 20
"""A column of whole numbers with no more distinct values than this is read as classes."""

DataFile = Annotated[Path, typer.Argument(help="A .csv or .parquet table.")]
ModelFile = Annotated[Path, typer.Argument(help="A model written by `bl fit`.")]


@app.command()
def fit(
    data: DataFile,
    target: Annotated[str, typer.Option("--target", "-y", help="The column to learn, or several with commas between.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the model.")] = Path("model.bl"),
    task: Annotated[str, typer.Option(help="regression, classification or auto.")] = "auto",
    layers: Annotated[str, typer.Option(help="Blocks per layer, such as 2,1.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of splits and starts.", min=0)] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Learn a model from a table; a fifth of the rows is held out to report how well it does."""
    with _plain_errors():
        table = read_table(data)
        targets = [target] if target in table.columns else [name.strip() for name in target.split(",")]
        _check_columns(targets, table, data)
        X, y = table.drop(columns=targets), table[targets] if len(targets) > 1 else table[targets[0]]
        check_writable(output)
        if len(targets) > 1:
            numbers = [holds_numbers(table[name]) for name in targets]
            if not any(numbers) or task == "classification":
                raise OptionError("Several responses need at least one number among them; learn classes one by one.")
            task = "regression" if all(numbers) else "hybrid"
        else:
            task = _task(task, y)
            (response_values if task == "regression" else class_codes)(y, len(X))
        estimator = _estimator(task, layers, seed, quiet)
        held_out = _held_out_rows(y, task, seed)
        estimator.fit(X[~held_out], y[~held_out])
        estimator.save(output)
        if held_out.any():
            X, y = X[held_out], y[held_out]
            loss, name = -estimator.log_density(X, y).mean(), estimator.score_name
            score = f"{name} {estimator.score(X, y):.3f}, negative" if name else "joint negative"
            out.print(f"held out ({len(X)} rows): {score} log-likelihood {loss:.3f} nats")
        else:
            out.print("too few rows of each class to hold any out for a score")
        out.print(f"wrote {output} ({estimator.n_parameters_} parameters); read it with: bl explain {output}")


@app.command()
def predict(
    model: ModelFile,
    data: DataFile,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file; else print CSV.")
    ] = None,
    coverage: Annotated[float, typer.Option(help="Probability that an interval holds the response.")] = 0.9,
) -> None:
    """Predict every row of a table: mean and interval of a number, or class and probabilities."""
    with _plain_errors():
        if output is not None:
            check_writable(output)
        estimator = bl.load(_existing(model))
        if not estimator.model_.encoder.columns:
            raise DataError("This model has no inputs to predict from; draw from it with: bl sample model.bl")
        X = _inputs(estimator, read_table(data))
        _put(estimator.distribution(X).summary(coverage), output, "predictions")


@app.command()
def sample(
    model: ModelFile,
    data: Annotated[Path | None, typer.Argument(help="A .csv or .parquet table of inputs; none for a density.")] = None,
    number: Annotated[int, typer.Option("--number", "-n", help="Draws for every row.", min=1)] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file; else print CSV.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.", min=0)] = 0,
) -> None:
    """Draw responses from the learned distribution: a line per draw, with the row of the table it belongs to."""
    with _plain_errors():
        if output is not None:
            check_writable(output)
        estimator = bl.load(_existing(model))
        if data is None and estimator.model_.encoder.columns:
            raise DataError("This model has inputs: name a table of them, such as: bl sample model.bl houses.csv")
        X = pd.DataFrame(index=[0]) if data is None else _inputs(estimator, read_table(data))
        drawn = predictive(estimator.model_, X).sample_table(number, seed)
        if data is not None:
            drawn.insert(0, "row", np.repeat(np.arange(len(X)), number))
        _put(drawn, output, "draws")


@app.command()
def explain(
    model: ModelFile,
    terms: Annotated[int, typer.Option(help="Terms to show in each row; 0 for all.")] = 5,
    latex: Annotated[bool, typer.Option("--latex", help="Write LaTeX instead of text.")] = False,
) -> None:
    """Print the learned optimisation problem in the table's own names and units."""
    with _plain_errors():
        if terms < 0:
            raise OptionError(f"--terms must be at least 0 (0 shows all); got {terms}.")
        problem, limit = bl.load(_existing(model)).problem_, terms or None
        print(problem.to_latex(limit) if latex else problem.text(limit))


@app.command()
def report(
    model: ModelFile,
    data: Annotated[
        Path | None, typer.Option("--data", help="A .csv or .parquet table, responses included, best not trained on.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the page.")] = Path("report.html"),
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
) -> None:
    """Write one HTML page about a model: how well it does on a table, and what it learned."""
    with _plain_errors():
        check_writable(output)
        estimator = bl.load(_existing(model))
        X, y = None, None
        if data is not None:
            table, names = read_table(data), _responses(estimator)
            _check_columns(names, table, data)
            X, y = _inputs(estimator, table), table[names[0]] if len(names) == 1 else table[names]
        estimator.report(output, X, y, title=title)
        out.print(f"wrote {output}")


@app.command()
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


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Raises
    ------
    DataError
        If the file does not exist, has another ending, or cannot be read.
    """
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if path.suffix not in readers:
        raise DataError(f"A table must be a .csv or .parquet file; got {path}.")
    _existing(path)
    try:
        return readers[path.suffix](path).reset_index(drop=True)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} could not be read as {path.suffix[1:]}: {error}") from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    return path


def _put(table: pd.DataFrame, output: Path | None, what: str) -> None:
    """Write a table to a file, or print it as CSV."""
    writers = {".csv": table.to_csv, ".parquet": table.to_parquet}
    if output is None:
        print(table.to_csv(index=False), end="")
    elif output.suffix not in writers:
        raise DataError(f"Predictions go to a .csv or .parquet file; got {output}.")
    else:
        writers[output.suffix](output, index=False)
        out.print(f"wrote {len(table)} {what} to {output}")


def _responses(estimator: BehaviorEstimator) -> list[str]:
    return [part.name for part in estimator.model_.response.components]


def _inputs(estimator: BehaviorEstimator, table: pd.DataFrame) -> pd.DataFrame:
    """The table without the responses, where it has them."""
    return table.drop(columns=_responses(estimator), errors="ignore")


def _check_columns(names: list[str], table: pd.DataFrame, data: Path) -> None:
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(f"{data} has no column {missing[0]!r}; its columns are {', '.join(map(repr, table.columns))}.")


def _task(task: str, y: pd.Series) -> str:
    if task not in ("auto", "regression", "classification"):
        raise OptionError(f"--task must be auto, regression or classification; got {task!r}.")
    if task != "auto":
        return task
    many = y.nunique() > FEW_VALUES or bool((y.dropna() % 1 != 0).any()) if holds_numbers(y) else False
    chosen = "regression" if many else "classification"
    err.print(escape(f"{y.name} has {y.nunique()} distinct values: learning it by {chosen} (--task says otherwise)."))
    return chosen


def _held_out_rows(y: pd.Series | pd.DataFrame, task: str, seed: int) -> np.ndarray:
    """A fifth of the rows; of every class, so that a rare one still trains."""
    if len(y) < 5:
        raise DataError(f"Learning and checking a model needs at least 5 rows; the table has {len(y)}.")
    groups = y.astype(str) if task == "classification" else pd.Series("", index=y.index)
    order = y.index.to_series().sample(frac=1, random_state=seed).index
    place, size = groups[order].groupby(groups[order]).cumcount(), groups.groupby(groups).transform("size")
    return (place.reindex(y.index) < (size // 5)).to_numpy()


def _estimator(task: str, layers: str, seed: int, quiet: bool) -> Any:
    options: dict[str, Any] = {"random_state": seed, "verbose": not quiet}
    if layers:
        try:
            options["layers"] = tuple(int(width) for width in layers.split(","))
        except ValueError as error:
            raise OptionError(f"--layers needs whole numbers such as 2,1; got {layers!r}.") from error
    return {"regression": bl.BLRegressor, "classification": bl.BLClassifier, "hybrid": bl.BLHybrid}[task](**options)


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


@contextmanager
def _plain_errors() -> Generator[None, None, None]:
    """Show what the library raises on purpose as one line, without a traceback."""
    try:
        yield
    except BLError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(2) from None
