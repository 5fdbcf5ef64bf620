"""`bl predict`."""

from pathlib import Path
from typing import Annotated

import typer

from behavior_learning.cli.common import ModelFile, OutputFile, Read, inputs, loaded, out, put, reading
from behavior_learning.errors import DataError
from behavior_learning.files import check_writable

__all__ = ["predict"]


@reading
def predict(
    model: ModelFile,
    data: Annotated[list[Path], typer.Argument(help="A .csv, .tsv, .csv.gz or .parquet table, or several of Parquet.")],
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
    if len(data) == 1:
        put(estimator.distribution(inputs(estimator, data[0], read)).summary(coverage), output, "predictions")
        return
    if output is None or {path.suffix for path in [*data, output]} != {".parquet"}:
        raise DataError("Several tables are read a part at a time, from .parquet files to one: -o predictions.parquet")
    count = estimator.predict_to([str(path) for path in data], output, coverage=coverage)
    out.print(f"wrote {count} predictions to {output}")
