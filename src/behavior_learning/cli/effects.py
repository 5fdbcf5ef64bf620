"""`bl effects`."""

from typing import Annotated, Any

import typer

from behavior_learning.cli.common import DataFile, ModelFile, Read, loaded, reading, split_responses

__all__ = ["effects"]


@reading
def effects(
    model: ModelFile,
    data: DataFile,
    read: Read,
    of: Annotated[
        str | None,
        typer.Option(help="mean, quantile, probability, log_density, marginal_utility (of the response) or cross."),
    ] = None,
    refits: Annotated[int, typer.Option(help="Bootstrap refits behind standard errors; 0 for none.", min=0)] = 20,
) -> None:
    """Print how the response changes with each column, on average over the rows of a table, with intervals."""
    estimator = loaded(model)
    asked: dict[str, Any] = {} if of is None else {"of": of}
    errors: dict[str, Any] = {"n_refits": refits} if refits else {"std_errors": "none"}
    print(estimator.effects(*split_responses(estimator, data, read), **asked, **errors))
