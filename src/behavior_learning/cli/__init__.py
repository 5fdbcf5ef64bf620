"""The command `bl`. Each command is a module of this folder, which is imported when it is called."""

import atexit
import gc
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from behavior_learning.first_use import load_module

__all__ = ["COMMANDS", "app"]

COMMANDS = {
    "fit": "Learn a model from a table; a fifth of the rows is held out to report how well it does.",
    "discover": "Find the smallest problem that predicts as well as larger ones, and how often its statements recur.",
    "predict": "Predict every row of a table: mean and interval of a number, or class and probabilities.",
    "sample": "Draw responses from the learned distribution: a line per draw, with the row it belongs to.",
    "explain": "Print the learned optimisation problem in the table's own names and units.",
    "effects": "Print how the response changes with each column, on average over the rows, with intervals.",
    "inference": "Print estimates of the parameters with standard errors and tests, from the rows of a table.",
    "choice": "Fit choices among alternatives with attributes: a table with a row per case and alternative.",
    "solve": "Solve the learned problem again at every row: the best response, prices, and a status.",
    "counterfactual": "Print what a scenario changes of the mean response, with intervals.",
    "report": "Write one HTML page about a model: how well it does on a table, and what it learned.",
    "launch": "Run a command in several processes that fit together, on this machine or as tasks of SLURM.",
    "demo": "Discover the problem behind the fuel economy of cars and print what supports it.",
}
"""Each command, which is the function of that name in the module of that name, and the first line of its help."""


SETTINGS: dict[str, dict[str, Any]] = {"launch": {"allow_interspersed_args": False}}
"""How click reads the arguments of a command: what follows the command that is launched is its own."""


class Commands(TyperGroup):
    """Commands that are listed without being imported."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        if not listed:
            return name, None, rest
        atexit.register(gc.freeze)  # The process ends with its command: what it holds need not be looked through.
        alone = typer.Typer(add_completion=False)
        alone.command(name, context_settings=SETTINGS.get(str(name)))(
            getattr(load_module(f"{__name__}.{name}"), str(name))
        )
        return name, get_command(alone), rest


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"behavior-learning {version('behavior-learning')}")
        raise typer.Exit


app = typer.Typer(cls=Commands, no_args_is_help=True)


@app.callback()
def bl(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Learn the optimisation problem behind behaviour."""


def _listed() -> None:
    """Stands for a command in the list."""


for _name, _help in COMMANDS.items():
    app.command(_name, help=_help)(_listed)
