"""`bl discover`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

import behavior_learning as bl
from behavior_learning.cli.common import DataFile, Read, Seed, check_columns, named_values, out, reading
from behavior_learning.files import check_writable

__all__ = ["discover"]


@reading
def discover(
    data: DataFile,
    target: Annotated[str, typer.Option("--target", "-y", help="The column to learn.")],
    read: Read,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write the model.")] = None,
    degree: Annotated[int, typer.Option(help="1 for columns alone, 2 with their products and squares.")] = 1,
    products: Annotated[bool, typer.Option(help="With degree 2, products of two columns beside squares.")] = True,
    bends: Annotated[int, typer.Option(help="Hinges of each column.")] = 0,
    limits: Annotated[str, typer.Option(help="What limits hold: all terms, or those of the response alone.")] = "all",
    pairs: Annotated[
        int | None, typer.Option(help="Random splits into halves on which statements are to recur.")
    ] = None,
    hierarchy: Annotated[bool, typer.Option("--hierarchy", help="Search agents below a block, too.")] = False,
    honest: Annotated[
        bool, typer.Option("--honest", help="Choose on one half, estimate on the other, and effects of all rows.")
    ] = False,
    known: Annotated[list[str] | None, typer.Option(help="A column that every problem holds; repeat for more.")] = None,
    forbidden: Annotated[list[str] | None, typer.Option(help="A column that no problem holds.")] = None,
    rising: Annotated[list[str] | None, typer.Option(help="A column in which the target never falls.")] = None,
    falling: Annotated[list[str] | None, typer.Option(help="A column in which the target never rises.")] = None,
    units: Annotated[
        list[str] | None, typer.Option(help="A column's unit, as in price=EUR/kg; limits then sum like quantities.")
    ] = None,
    seed: Seed = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Find the smallest problem that predicts as well as larger ones, and how often its statements recur."""
    table = read(data)
    check_columns([target], table, data)
    if output is not None:
        check_writable(output)
    with Progress(console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("searching", total=None)
        found = bl.discover(
            table.drop(columns=[target]),
            table[target],
            degree=degree,
            products=products,
            bends=bends,
            limits=limits,
            pairs=pairs,
            hierarchy=hierarchy,
            honest=honest,
            known=known or (),
            forbidden=forbidden or (),
            rising=rising or (),
            falling=falling or (),
            units=dict(named_values("--units", units)),
            random_state=seed,
            progress=lambda number, total: bar.update(task, completed=number, total=total),
        )
    out.print(str(found))
    if output is not None:
        found.model.save(output)
        out.print(f"wrote {output}; read it with: bl explain {output}")
