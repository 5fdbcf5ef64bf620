"""`bl explain`."""

from typing import Annotated

import typer

from behavior_learning.cli.common import ModelFile, loaded, without_traceback
from behavior_learning.errors import OptionError

__all__ = ["explain"]


@without_traceback
def explain(
    model: ModelFile,
    terms: Annotated[
        int,
        typer.Option(help="Terms to show in each row; 0 for all, of every block, and of a mean of all its problems."),
    ] = 5,
    latex: Annotated[bool, typer.Option("--latex", help="Write LaTeX instead of text.")] = False,
) -> None:
    """Print the learned optimisation problem in the table's own names and units."""
    if terms < 0:
        raise OptionError(f"--terms must be at least 0 (0 shows all); got {terms}.")
    problem, limit = loaded(model).problem_, terms or None
    print(problem.to_latex(limit) if latex else problem.text(limit))
