"""`bl choice`."""

from pathlib import Path
from typing import Annotated

import typer

import behavior_learning as bl
from behavior_learning.cli.common import DataFile, Read, out, reading
from behavior_learning.files import check_writable

__all__ = ["choice"]


@reading
def choice(
    data: DataFile,
    read: Read,
    case: Annotated[str, typer.Option(help="The column that says which choice a row belongs to.")],
    alternative: Annotated[str, typer.Option(help="The column that names the alternative.")],
    chosen: Annotated[str, typer.Option(help="A column that is 1 in the row that was chosen, else 0.")],
    utility: Annotated[str, typer.Option("--utility", "-u", help="Such as 'cost + time + C(alternative)'.")],
    chooser: Annotated[str, typer.Option(help="Columns of the chooser, with commas between.")] = "",
    id: Annotated[str, typer.Option(help="The column that says who chose.")] = "",
    layers: Annotated[str, typer.Option(help="Blocks per layer beside the formula, such as 4.")] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write the model.")] = None,
) -> None:
    """Fit choices among alternatives with attributes: a table with a row per case and alternative."""
    if output is not None:
        check_writable(output)
    names = [name.strip() for name in chooser.split(",") if name.strip()]
    sets = bl.ChoiceData.from_long(read(data), case, alternative, chosen, chooser=names, id=id or None)
    blocks = tuple(int(width) for width in layers.split(",")) if layers else None
    model = bl.BLChoice(utility, layers=blocks).fit(sets)
    out.print(str(model.inference()))
    if output is not None:
        model.save(output)
        out.print(f"wrote {output}; bl.load reads it")
