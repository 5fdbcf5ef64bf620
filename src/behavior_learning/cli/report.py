"""`bl report`."""

from pathlib import Path
from typing import Annotated

import typer

from behavior_learning.cli.common import ModelFile, Read, loaded, out, reading, split_responses
from behavior_learning.files import check_writable

__all__ = ["report"]


@reading
def report(
    model: ModelFile,
    read: Read,
    data: Annotated[
        Path | None, typer.Option("--data", help="A table, responses included, best not trained on.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the page.")] = Path("report.html"),
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
) -> None:
    """Write one HTML page about a model: how well it does on a table, and what it learned."""
    check_writable(output)
    estimator = loaded(model)
    X, y = (None, None) if data is None else split_responses(estimator, data, read)
    estimator.report(output, X, y, title=title)
    out.print(f"wrote {output}")
