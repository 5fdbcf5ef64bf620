"""`bl fit`."""

import ast
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.markup import escape

import behavior_learning as bl
from behavior_learning.cli.common import DataFile, Read, Seed, check_columns, err, out, reading
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.groups import check_groups, split_by_groups
from behavior_learning.files import check_writable
from behavior_learning.responses.columns import class_codes, holds_numbers, response_values

__all__ = ["fit"]

FEW_VALUES = 20
"""A column of whole numbers with no more distinct values than this is read as classes."""


@reading
def fit(
    data: DataFile,
    target: Annotated[str, typer.Option("--target", "-y", help="The column to learn, or several with commas between.")],
    read: Read,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the model.")] = Path("model.bl"),
    task: Annotated[str, typer.Option(help="regression, classification or auto.")] = "auto",
    layers: Annotated[str, typer.Option(help="Blocks per layer, such as 2,1.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of the estimator, name=value; basis__knots=5 inside.")
    ] = None,
    groups: Annotated[
        str, typer.Option(help="A column, such as a day or a household, whose rows train or judge together.")
    ] = "",
    seed: Seed = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Learn a model from a table; a fifth of the rows is held out to report how well it does."""
    table = read(data)
    targets = [target] if target in table.columns else [name.strip() for name in target.split(",")]
    check_columns([*targets, *([groups] if groups else [])], table, data)
    if groups in targets:
        raise OptionError(f"--groups names {groups!r}, which is learned. Name a column beside the targets.")
    group = check_groups(table.pop(groups), len(table)) if groups else None
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
    estimator = _estimator(task, layers, settings or [], seed, quiet)
    held_out = _held_out_rows(y, task, seed, group)
    estimator.fit(X[~held_out], y[~held_out], groups=None if group is None else group[~held_out])
    estimator.save(output)
    if held_out.any():
        X, y = X[held_out], y[held_out]
        log_density, name = estimator.log_density(X, y), estimator.score_name
        loss = -log_density[np.isfinite(log_density)].mean()  # How many rows are impossible, a warning says.
        score = f"{name} {estimator.score(X, y):.3f}, negative" if name else "joint negative"
        out.print(f"held out ({len(X)} rows): {score} log-likelihood {loss:.3f} nats")
    else:
        out.print("too few rows of each class to hold any out for a score")
    out.print(f"wrote {output} ({estimator.n_parameters_} parameters); read it with: bl explain {output}")


def _task(task: str, y: pd.Series) -> str:
    if task not in ("auto", "regression", "classification"):
        raise OptionError(f"--task must be auto, regression or classification; got {task!r}.")
    if task != "auto":
        return task
    many = y.nunique() > FEW_VALUES or bool((y.dropna() % 1 != 0).any()) if holds_numbers(y) else False
    chosen = "regression" if many else "classification"
    err.print(escape(f"{y.name} has {y.nunique()} distinct values: learning it by {chosen} (--task says otherwise)."))
    return chosen


def _held_out_rows(y: pd.Series | pd.DataFrame, task: str, seed: int, group: np.ndarray | None) -> np.ndarray:
    """A fifth of the rows; of every class, so that a rare one still trains, or of whole groups."""
    if len(y) < 5:
        raise DataError(f"Learning and checking a model needs at least 5 rows; the table has {len(y)}.")
    if group is not None:
        needed = np.flatnonzero(~y.duplicated()) if task == "classification" else np.array([], int)
        return np.isin(np.arange(len(y)), split_by_groups(group, needed, 0.2, np.random.RandomState(seed))[1])
    groups = y.astype(str) if task == "classification" else pd.Series("", index=y.index)
    order = y.index.to_series().sample(frac=1, random_state=seed).index
    place, size = groups[order].groupby(groups[order]).cumcount(), groups.groupby(groups).transform("size")
    return (place.reindex(y.index) < (size // 5)).to_numpy()


def _estimator(task: str, layers: str, settings: list[str], seed: int, quiet: bool) -> Any:
    options: dict[str, Any] = {"random_state": seed, "verbose": not quiet}
    if layers:
        try:
            options["layers"] = tuple(int(width) for width in layers.split(","))
        except ValueError as error:
            raise OptionError(f"--layers needs whole numbers such as 2,1; got {layers!r}.") from error
    kind = {"regression": bl.BLRegressor, "classification": bl.BLClassifier, "hybrid": bl.BLHybrid}[task]
    try:
        return kind(**options).set_params(**dict(map(_setting, settings)))
    except ValueError as error:
        raise OptionError(f"--set: {error}") from error


def _setting(text: str) -> tuple[str, Any]:
    """A name and a value, which is a number, a tuple … as Python writes it, or else text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise OptionError(f"--set needs name=value, such as max_epochs=200; got {text!r}.")
    try:
        return name.strip(), ast.literal_eval(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return name.strip(), value
