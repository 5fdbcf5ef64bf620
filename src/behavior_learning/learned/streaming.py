"""What is asked of a learned model at rows that are not held in memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields
from itertools import islice
from os import PathLike
from typing import Any

import jax
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from behavior_learning.errors import DataError, OptionError
from behavior_learning.explanation.streamed import StreamedEffects
from behavior_learning.files import whole_file
from behavior_learning.inference.passes import Block
from behavior_learning.inference.results import InferenceResults
from behavior_learning.inference.streamed import SUMMED, infer_stream
from behavior_learning.learned.effects import Errors, effects_of
from behavior_learning.learned.inference import infer_problem
from behavior_learning.learned.model import LearnedModel
from behavior_learning.learned.predictive import predictive
from behavior_learning.mesh import count, everyone, from_first, index
from behavior_learning.streams import Opened, Stream, as_source

__all__ = ["effects_over", "infer_rows", "predict_to"]

CLUSTERED = ("clustered", "cluster_bootstrap")
"""Covariances that need the clusters of the rows."""

BLOCK, EFFECTS_BLOCK = 2**15, 2**13
"""Rows that inference and effects hold at once."""


def predict_to(
    model: LearnedModel, rows: Any, path: str | PathLike[str], *, coverage: float, keep: Sequence[str] = ()
) -> int:
    """Write the summary of p(y|x) at every row of a stream to a Parquet file, and return how many rows there were.

    Of several processes each predicts its parts, and the first one writes them in their order.

    Parameters
    ----------
    rows : as in `Stream`; columns that the model does not know are passed over.
    keep : columns of the stream to write beside the predictions.
    """
    names = [part.name for part in model.response.components]
    parts = as_source(rows.rows if isinstance(rows, Stream) else rows).parts()
    written, writer = 0, None

    def predicted() -> pd.DataFrame | None:
        """What the next part of this process says; of as many parts as there are processes, each has one."""
        read = [part.table for part in islice(parts, count())]
        if index() >= len(read):
            return None
        table = read[index()]
        missing = [name for name in keep if name not in table.columns]
        if missing:
            raise DataError(f"The stream has no column {missing[0]!r} to keep; it has {list(table.columns)}.")
        known = [name for name in table.columns if name in model.encoder.names]
        distribution = predictive(model, table[known])
        summary = distribution.summary(coverage)
        taken = [name for name in keep if name in summary.columns]
        if taken:
            raise DataError(f"keep names {taken[0]!r}, which predictions have for themselves. Rename it in the rows.")
        found = pd.concat([table[list(keep)], summary], axis=1)
        if all(name in table.columns for name in names):
            found["log_density"] = distribution.log_prob(table[names[0]] if len(names) == 1 else table[names])
        return found

    with ExitStack() as opened:
        file = opened.enter_context(whole_file(path)) if index() == 0 else None
        while tables := [table for table in everyone(predicted) if table is not None]:
            written += sum(map(len, tables))
            if file is None:
                continue
            for batch in (pa.Table.from_pandas(table, preserve_index=False) for table in tables):
                writer = writer or opened.enter_context(parquet.ParquetWriter(file, batch.schema))
                writer.write_table(batch)
        if not written:
            raise DataError("The stream has no rows to predict.")
    return from_first(lambda: written)  # No process goes on before the file is there.


def infer_rows(
    model: LearnedModel,
    rows: Any,
    target: str | Sequence[str],
    *,
    method: str,
    weights: str | None,
    clusters: str | Sequence[str] | None,
    cov_type: str,
    **options: Any,
) -> InferenceResults:
    """Inference on all rows of a stream: the search on a sample of them, then on to the optimum of all.

    Parameters
    ----------
    rows : as in `Stream`.
    target, weights, clusters : columns of the response, of weights and of the cluster of each row; two columns of
        clusters are two ways of clustering.
    options : of `infer_problem`.

    Raises
    ------
    OptionError
        If the objective draws noise, which a second pass would have to draw again, or `cov_type` needs more than sums.
    """
    if method != "optimum":
        raise OptionError(f"method={method!r} needs the rows in memory; a stream has 'optimum'.")
    if cov_type not in SUMMED:
        raise OptionError(f"cov_type={cov_type!r} needs the rows in memory; a stream has {', '.join(SUMMED)}.")
    if (cov_type in CLUSTERED) != (clusters is not None):
        said = " or ".join(map(repr, CLUSTERED))
        raise OptionError(f"cov_type={said} and clusters=, the column of the clusters, need each other.")
    if not model.objective.likelihood:
        raise OptionError("Inference on a stream is for likelihoods. Fit with objective='likelihood', or pass a table.")
    labels = () if clusters is None else (clusters,) if isinstance(clusters, str) else tuple(clusters)
    most = 1 if cov_type == "cluster_bootstrap" else 2
    if len(labels) > most:
        raise OptionError(f"clusters needs {'one or two columns' if most > 1 else 'one column'}; got {list(labels)}.")
    names = model.encoder.names
    opened = Opened.read(rows, target, weights, labelled=False, fraction=0.0, needed=labels, features=names)
    X, y, weight = opened.split(opened.survey.train)
    sample = infer_problem(model, model.given_rows("inference", X, y), weights=weight, cov_type="robust", **options)

    def encoded(table: pd.DataFrame, hashes: np.ndarray) -> tuple[np.ndarray, ...]:
        X, y, weight = opened.split(table)
        own = np.ones(len(table)) if weight is None else weight
        for name in labels:
            if table[name].isna().any():
                raise DataError(f"The clusters in {name!r} have missing labels. Give every row a cluster, or drop it.")
        return *model.given_rows("inference", X, y), own, hashes, *(table[name].to_numpy(object) for name in labels)

    def blocks() -> Iterator[Block]:
        size = min(BLOCK, opened.survey.rows)
        for x, values, own, hashes, *rest in opened.blocks(encoded, size):
            yield Block((x, values), own, hashes, tuple(rest))

    counted = opened.survey.rows
    with jax.enable_x64(True):
        return infer_stream(
            sample, blocks, cov_type=cov_type, ways=len(labels), rows=counted, weight=counted * opened.survey.weight
        )


def effects_over(
    model: LearnedModel,
    rows: Any,
    target: str | Sequence[str],
    *,
    weights: str | None,
    of: str,
    q: float,
    errors: Errors,
) -> StreamedEffects:
    """Effects averaged over all rows of a stream.

    Parameters
    ----------
    rows : as in `Stream`.
    target, weights : columns of the response and of weights.
    """
    names = model.encoder.names
    opened = Opened.read(rows, target, weights, labelled=False, fraction=0.0, features=names)
    X, y, weight = opened.split(opened.survey.train)
    sample, trained = model.given_rows("effects", X, y), model.rows
    found = effects_of(
        model, sample, of=of, q=q, errors=errors, fitted_to=lambda: (trained.x, trained.y) if trained else sample
    )

    def blocks(column: str | None) -> Iterator[tuple[np.ndarray, ...]]:
        def encoded(table: pd.DataFrame, hashes: np.ndarray) -> tuple[np.ndarray, ...]:
            X, y, weight = opened.split(table)
            own = np.ones(len(table)) if weight is None else weight
            return *model.given_rows("effects", X, y), own, *(() if column is None else (table[column].to_numpy(),))

        return opened.blocks(encoded, min(EFFECTS_BLOCK, opened.survey.rows))

    known: dict[str, Any] = {part.name: getattr(found, part.name) for part in fields(found)}
    known["weight"] = found.weight if weight is None else weight[found.chosen]
    known["given"] = opened.survey.rows
    return StreamedEffects(**known, blocks=blocks, sample=opened.survey.train)
