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
    purpose: Annotated[str | None, typer.Option(help="What the model is for, and who answers for it.")] = None,
    source: Annotated[str | None, typer.Option(help="Where the rows come from, and when.")] = None,
    subgroup: Annotated[
        list[str] | None, typer.Option(help="A column by whose values the fit is judged as well; may be repeated.")
    ] = None,
) -> None:
    """Write one HTML page about a model: how well it does on a table, and what it learned."""
    check_writable(output)
    estimator = loaded(model)
    X, y = (None, None) if data is None else split_responses(estimator, data, read)
    estimator.report(output, X, y, title=title, purpose=purpose, source=source, subgroups=subgroup or ())
    out.print(f"wrote {output}")
