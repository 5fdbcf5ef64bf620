"""What commands share: their arguments, where they print, and errors in one line."""

import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape

import behavior_learning as bl
from behavior_learning.cli.tables import Layout, existing, read_table, write_table
from behavior_learning.errors import BLError, BLWarning, DataError, OptionError
from behavior_learning.estimators.base import BehaviorEstimator

__all__ = [
    "DataFile",
    "ModelFile",
    "OutputFile",
    "Read",
    "Seed",
    "check_columns",
    "err",
    "inputs",
    "loaded",
    "named_values",
    "out",
    "put",
    "reading",
    "responses",
    "split_responses",
    "without_traceback",
]

out = Console(soft_wrap=True, highlight=False, markup=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

DataFile = Annotated[Path, typer.Argument(help="A .csv, .tsv, .csv.gz or .parquet table.")]
ModelFile = Annotated[Path, typer.Argument(help="A model written by `bl fit`.")]
OutputFile = Annotated[Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file; else print CSV.")]
Seed = Annotated[int, typer.Option(help="Seed of all that is drawn.", min=0)]

Read = Callable[..., pd.DataFrame]
"""Reads the table at a path; ``text=`` names columns that are to stay text."""

LAYOUT = {
    "sep": (str | None, "Between cells; found out by default."),
    "decimal": (str | None, "Decimal mark, '.' or ','; found out by default."),
    "encoding": (str | None, "Of the text, UTF-8 by default."),
    "missing": (list[str] | None, "A cell that means no value, beside empty ones; may be given several times."),
}
"""Options of every command that reads tables."""


def without_traceback(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with what the library says on purpose as one line each."""

    @wraps(command)
    def run(**given: Any) -> None:
        with _plain():
            command(**given)

    return run


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of tables; it is given `read`."""

    def run(sep: Any, decimal: Any, encoding: Any, missing: Any, **given: Any) -> None:
        with _plain():
            layout = Layout(sep, decimal, encoding, tuple(missing or ()), lambda note: err.print(escape(note)))
            command(**given, read=partial(read_table, layout=layout))

    own = [part for part in signature(command).parameters.values() if part.name != "read"]
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, typer.Option(help=text)])
        for name, (kind, text) in LAYOUT.items()
    ]
    parts = [part.replace(kind=Parameter.KEYWORD_ONLY) for part in own] + more
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = signature(command).replace(parameters=parts)  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {part.name: part.annotation for part in parts}
    return run


@contextmanager
def _plain() -> Generator[None, None, None]:
    """Show what the library raises or warns of on purpose as one line, without a traceback."""

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        err.print(f"[bold yellow]warning:[/] {escape(str(message))}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", BLWarning)
        warnings.showwarning = show
        try:
            yield
        except BLError as error:
            err.print(f"[bold red]error:[/] {escape(str(error))}")
            raise typer.Exit(2) from None


def loaded(path: Path) -> BehaviorEstimator:
    """The estimator that a file holds."""
    return bl.load(existing(path))


def responses(estimator: BehaviorEstimator) -> list[str]:
    """Names of the responses of a fitted estimator."""
    return [part.name for part in estimator.model_.response.components]


def inputs(estimator: BehaviorEstimator, data: Path, read: Read) -> pd.DataFrame:
    """The table of a file without the responses, where it has them."""
    return _read(estimator, data, read).drop(columns=responses(estimator), errors="ignore")


def split_responses(estimator: BehaviorEstimator, data: Path, read: Read) -> tuple[pd.DataFrame, Any]:
    """The inputs and the responses that the table of a file holds."""
    table, names = _read(estimator, data, read), responses(estimator)
    check_columns(names, table, data)
    return table.drop(columns=names), table[names[0]] if len(names) == 1 else table[names]


def _read(estimator: BehaviorEstimator, data: Path, read: Read) -> pd.DataFrame:
    return read(data, text=estimator.model_.encoder.text_columns)


def check_columns(names: list[str], table: pd.DataFrame, data: Path) -> None:
    """Refuse a table without one of these columns."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(f"{data} has no column {missing[0]!r}; its columns are {', '.join(map(repr, table.columns))}.")


def named_values(option: str, given: Sequence[str] | None) -> list[tuple[str, str]]:
    """NAME=VALUE, split at the last equals sign."""
    for text in given or ():
        if not text.rpartition("=")[0]:
            raise OptionError(f"{option} takes NAME=VALUE; got {text!r}.")
    parts = [text.rpartition("=") for text in given or ()]
    return [(name, value) for name, _, value in parts]


def put(table: pd.DataFrame, output: Path | None, what: str) -> None:
    """Write a table to a file, or print it as CSV."""
    if output is None:
        print(table.to_csv(index=False), end="")
    else:
        write_table(table, output)
        out.print(f"wrote {len(table)} {what} to {output}")
