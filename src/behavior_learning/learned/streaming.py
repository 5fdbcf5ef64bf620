"""What is asked of a learned model at rows that are not held in memory."""

from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from behavior_learning.errors import DataError
from behavior_learning.files import whole_file
from behavior_learning.learned.model import LearnedModel
from behavior_learning.learned.predictive import predictive
from behavior_learning.streams import Stream, as_source

__all__ = ["predict_to"]


def predict_to(
    model: LearnedModel, rows: Any, path: str | PathLike[str], *, coverage: float, keep: Sequence[str] = ()
) -> int:
    """Write the summary of p(y|x) at every row of a stream to a Parquet file, and return how many rows there were.

    Parameters
    ----------
    rows : as in `Stream`; columns that the model does not know are passed over.
    keep : columns of the stream to write beside the predictions.
    """
    names = [part.name for part in model.response.components]
    source, written, writer = as_source(rows.rows if isinstance(rows, Stream) else rows), 0, None
    with whole_file(path) as file, ExitStack() as opened:
        for part in source.parts():
            table = part.table
            missing = [name for name in keep if name not in table.columns]
            if missing:
                raise DataError(f"The stream has no column {missing[0]!r} to keep; it has {list(table.columns)}.")
            known = [name for name in table.columns if name in model.encoder.names]
            distribution = predictive(model, table[known])
            found = pd.concat([table[list(keep)], distribution.summary(coverage)], axis=1)
            if all(name in table.columns for name in names):
                found["log_density"] = distribution.log_prob(table[names[0]] if len(names) == 1 else table[names])
            batch = pa.Table.from_pandas(found, preserve_index=False)
            writer = writer or opened.enter_context(parquet.ParquetWriter(file, batch.schema))
            writer.write_table(batch)
            written += len(found)
        if not written:
            raise DataError("The stream has no rows to predict.")
    return written
