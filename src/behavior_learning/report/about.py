"""What the one who signs a report answers for: what the model is for, its rows, how it was made, and its limits."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape

import numpy as np
import pandas as pd

from behavior_learning.explanation.stability import Stability
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.model import LearnedModel
from behavior_learning.report.markup import pairs_table, paragraphs
from behavior_learning.report.predictive import ClassLaw, NumberLaw, Rows, standard_error

__all__ = ["about", "fingerprint", "limits"]

AHEAD = 2.0
"""Standard errors by which a simple prediction must be ahead of the model to be named."""

FEW_ROWS = 10
"""Rows per learned number below which a report says that they are few."""


def about(
    model: LearnedModel, inference: InferenceResults | None, rows: Rows | None, purpose: str | None, source: str | None
) -> str:
    """Purpose, rows and method of a model as it was fitted."""
    facts = {"purpose": purpose or "not stated", "source of the rows": source or "not stated"}
    fitted = model.rows
    if fitted is not None:
        facts["rows of the fit"] = f"{len(fitted.x):,}, {int(fitted.held_out.sum()):,} of them held out"
        facts["fingerprint of the rows of the fit"] = fingerprint(fitted.x, fitted.y)
    if rows is not None and not rows.seen:
        facts["rows of this report"] = f"{len(rows):,}"
        facts["fingerprint of the rows of this report"] = fingerprint(rows.x, rows.y)
    return pairs_table(facts, "What this report is of") + paragraphs(" ".join(_method(model, inference is not None)))


def fingerprint(*arrays: np.ndarray) -> str:
    """The first 16 digits of SHA-256 of encoded rows in their order: other rows have another."""
    digest = sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, float).tobytes())
    return digest.hexdigest()[:16]


def _method(model: LearnedModel, estimated: bool) -> Iterator[str]:
    """What was fitted, how, and where that ended: a sentence each."""
    layers, name = model.network.architecture.layers, model.response.name
    blocks, levels = sum(layers), len(layers)
    layered = f"{blocks} problems in {levels} layer{'s' if levels > 1 else ''}, each of them"
    of = "one problem" if blocks == 1 else layered
    yield (
        f"{name} is taken to follow p(y|x) ∝ exp(BL(x, y)/τ), where BL is the utility of {of} with something to "
        f"maximise, limits that cost when exceeded and balances that cost when left; {model.network.n_parameters:,} "
        "numbers were learned."
    )
    if not len(model.history):
        yield "The problem was discovered by a search over smaller and larger ones, judged on held-out rows."
        return
    starts, members = model.recipe.initialization.n, model.members
    kept = "the mean of all is the model" if members > 1 else "of which the best on the held-out rows was kept"
    yield (
        f"They minimise the loss {model.objective.to_json()['kind']!r} with a ridge, from {starts} random "
        f"start{'s, ' + kept if starts > 1 else ''}."
    )
    if estimated:
        yield "This page is of the optimum that inference found on all rows of the fit."
    elif model.l2 is None:
        yield "Training was stopped early by the held-out rows, so that the numbers are those of no optimum."
    else:
        yield f"Training ended at the optimum of that loss with an l2 of {model.l2:g}."


def limits(
    model: LearnedModel,
    rows: Rows | None,
    losses: Mapping[str, pd.DataFrame],
    laws: Sequence[NumberLaw | ClassLaw],
    inference: InferenceResults | None,
    stability: Stability | None,
) -> str:
    """What should keep a reader from leaning on the report, as a list.

    Parameters
    ----------
    losses : −log p of each response, a line per row and a column per prediction, the model first.
    """
    said = [*_of_the_fit(model, inference is not None), *_of_the_rows(model, rows, laws)]
    for name, table in losses.items():
        best = table.drop(columns="this model").mean().idxmin()
        ahead = (table["this model"] - table[best]).to_numpy()
        error = standard_error(ahead)
        if ahead.mean() > AHEAD * error:
            said.append(
                f"Of {name}, {best} predicts these rows better than the model, by {ahead.mean():.2f} ± {error:.2f} "
                "nats per row: the equations say less than can be known."
            )
    if inference is None:
        said.append("No standard errors were asked for (inference=): a coefficient may as well be another.")
    if stability is None:
        said.append("Whether the same would be said of other rows was not computed (stability=).")
    said.append(
        "Equations are one way among several to write the same p(y|x), known up to functions of the inputs alone; and "
        "what is learned from behaviour that was only observed predicts interventions where nothing unseen moves both."
    )
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in said) + "</ul>"


def _of_the_fit(model: LearnedModel, estimated: bool) -> Iterator[str]:
    if model.rows is None:
        yield "The model came from a file, without its rows: nothing could be compared with them."
        return
    trained, numbers = int((~model.rows.held_out).sum()), model.network.n_parameters
    if trained < FEW_ROWS * numbers:
        yield f"{numbers:,} numbers were learned from {trained:,} rows: single ones are held by the ridge."
    if len(model.history) and model.l2 is None and not estimated:
        yield "Training stopped early: other starts and other held-out rows give other numbers (inference= goes on)."


def _of_the_rows(model: LearnedModel, rows: Rows | None, laws: Sequence[NumberLaw | ClassLaw]) -> Iterator[str]:
    if rows is None:
        yield "No rows were given: how well the model does is not known here."
        return
    if rows.seen:
        yield "All scores are of rows that the model was fitted to."
    elif model.rows is not None and rows.x.shape[1]:
        low, high = model.rows.x.min(axis=0), model.rows.x.max(axis=0)
        outside = int(((rows.x < low) | (rows.x > high)).any(axis=1).sum())
        if outside:
            yield f"{outside:,} of {len(rows):,} rows have a column outside the range of the fit: it extrapolates."
    for law in laws:
        impossible = int(np.isneginf(law.log_likelihood).sum())
        if impossible:
            yield f"{impossible:,} rows have a {law.part.name} that the model holds to be impossible."
