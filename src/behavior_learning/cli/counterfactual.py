"""`bl counterfactual`."""

from typing import Annotated, Any

import pandas as pd
import typer

from behavior_learning.cli.common import DataFile, ModelFile, Read, err, loaded, named_values, reading, split_responses
from behavior_learning.errors import OptionError

__all__ = ["counterfactual"]


@reading
def counterfactual(
    model: ModelFile,
    data: DataFile,
    read: Read,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A column's value in the scenario: price=2.")] = None,
    scale: Annotated[list[str] | None, typer.Option(help="A factor on a column: price=1.1.")] = None,
    relax: Annotated[list[str] | None, typer.Option(help="How far a constraint is moved: LABEL=0.5.")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A constraint or a class that is gone.")] = None,
    errors: Annotated[bool, typer.Option(help="Standard errors, where heads are smooth.")] = True,
) -> None:
    """Print what a scenario changes of the mean response, with intervals."""
    estimator = loaded(model)
    X, y = split_responses(estimator, data, read)
    change = {name: _value(value, X[name]) for name, value in named_values("--set", set_) if name in X} | {
        name: X[name] * _number("--scale", name, factor) for name, factor in named_values("--scale", scale) if name in X
    }
    unknown = [n for n, _ in [*named_values("--set", set_), *named_values("--scale", scale)] if n not in X]
    if unknown:
        raise OptionError(f"There is no column {unknown[0]!r} to change. Columns: {', '.join(map(str, X.columns))}.")
    moved = {label: _number("--relax", label, amount) for label, amount in named_values("--relax", relax)}
    smooth = estimator.network_.architecture.smooth
    if errors and not smooth:
        err.print("No standard errors: the heads have kinks. Fit with --set identifiable=True to have them.")
    known = errors and smooth
    how: dict[str, Any] = {"inference": estimator.inference(X, y, n_restarts=0)} if known else {"draws": None}
    print(estimator.counterfactual(X, change=change, relax=moved, drop=drop or (), **how).levels().to_string())


def _number(option: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise OptionError(f"{option} {name}=… takes a number; got {text!r}.") from error


def _value(text: str, column: pd.Series) -> float | str:
    return _number("--set", str(column.name), text) if pd.api.types.is_numeric_dtype(column) else text
