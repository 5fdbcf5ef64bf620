"""`bl sample`."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from behavior_learning.cli.common import ModelFile, OutputFile, Read, Seed, inputs, loaded, put, reading
from behavior_learning.errors import DataError
from behavior_learning.files import check_writable
from behavior_learning.learned.predictive import predictive

__all__ = ["sample"]


@reading
def sample(
    model: ModelFile,
    read: Read,
    data: Annotated[Path | None, typer.Argument(help="A table of inputs; none for a density.")] = None,
    number: Annotated[int, typer.Option("--number", "-n", help="Draws for every row.", min=1)] = 1,
    output: OutputFile = None,
    seed: Seed = 0,
) -> None:
    """Draw responses from the learned distribution: a line per draw, with the row it belongs to."""
    if output is not None:
        check_writable(output)
    estimator = loaded(model)
    if data is None and estimator.model_.encoder.columns:
        raise DataError("This model has inputs: name a table of them, such as: bl sample model.bl houses.csv")
    X = pd.DataFrame(index=[0]) if data is None else inputs(estimator, data, read)
    drawn = predictive(estimator.model_, X).sample_table(number, seed)
    if data is not None:
        drawn.insert(0, "row", np.repeat(np.arange(len(X)), number))
    put(drawn, output, "draws")
