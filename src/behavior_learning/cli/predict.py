"""`bl predict`."""

from typing import Annotated

import typer

from behavior_learning.cli.common import DataFile, ModelFile, OutputFile, Read, inputs, loaded, put, reading
from behavior_learning.errors import DataError
from behavior_learning.files import check_writable

__all__ = ["predict"]


@reading
def predict(
    model: ModelFile,
    data: DataFile,
    read: Read,
    output: OutputFile = None,
    coverage: Annotated[float, typer.Option(help="Probability that an interval holds the response.")] = 0.9,
) -> None:
    """Predict every row of a table: mean and interval of a number, or class and probabilities."""
    if output is not None:
        check_writable(output)
    estimator = loaded(model)
    if not estimator.model_.encoder.columns:
        raise DataError("This model has no inputs to predict from; draw from it with: bl sample model.bl")
    put(estimator.distribution(inputs(estimator, data, read)).summary(coverage), output, "predictions")
