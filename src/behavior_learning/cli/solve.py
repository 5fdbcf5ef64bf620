"""`bl solve`."""

from typing import Annotated, Literal, cast

import pandas as pd
import typer

from behavior_learning.cli.common import DataFile, ModelFile, OutputFile, Read, inputs, loaded, put, reading, responses

__all__ = ["solve"]


@reading
def solve(
    model: ModelFile,
    data: DataFile,
    read: Read,
    kind: Annotated[str, typer.Option(help="soft: penalties as learned; hard: every constraint exactly.")] = "soft",
    output: OutputFile = None,
) -> None:
    """Solve the learned problem again at every row: the best response, prices, and a status."""
    estimator = loaded(model)
    found = estimator.problem_.solve(inputs(estimator, data, read), kind=cast(Literal["soft", "hard"], kind))
    chosen = pd.DataFrame(found.y.reshape(len(found), -1), columns=responses(estimator)).infer_objects()
    prices = found.prices.add_prefix("price of ")
    put(pd.concat([chosen, prices], axis=1).assign(utility=found.utility, status=found.status), output, "optima")
