"""What a fit should say of itself: that it ended too early, learned nothing of x, or had too few rows."""

import warnings

import numpy as np
from scipy.stats import norm

from behavior_learning.errors import TrainingWarning
from behavior_learning.learned.model import LearnedModel

__all__ = ["examine_fit", "loss_without_x"]

FALLING = 0.01
"""Nats per row by which the held-out loss may still have fallen in the last fifth of the epochs."""

CROWDED = 10
"""Parameters per training row from which on a fit is said to have too few rows."""


def examine_fit(model: LearnedModel) -> None:
    """Warn of what went wrong in a fit, each time with what to do next."""
    for what in (_unfinished(model), _no_better(model), _crowded(model)):
        if what:
            warnings.warn(what, TrainingWarning, stacklevel=3)


def _unfinished(model: LearnedModel) -> str:
    """Training stopped at its last epoch, and its held-out loss was still falling."""
    kept = model.restarts[model.restarts["kept"]].iloc[0]
    own = model.history[model.history["start"] == kept.name]
    before = own["validation_loss"].to_numpy()[: max(1, round(0.8 * len(own)))].min()
    fallen = before - kept["validation_loss"]
    if kept["stopped_early"] or len(own) < model.recipe.settings.max_epochs or fallen < FALLING:
        return ""
    return (
        f"Training ended at max_epochs={model.recipe.settings.max_epochs} while the held-out loss still fell, by "
        f"{fallen:.2g} in the last fifth. Raise max_epochs, or the optimizer's learning_rate."
    )


def _no_better(model: LearnedModel) -> str:
    """The held-out rows are as likely under one distribution for all of them."""
    alone, loss = loss_without_x(model), model.restarts["validation_loss"].min()
    if alone is None or loss < alone:
        return ""
    return (
        f"The fit is no better than one distribution for all rows: held-out losses are {loss:.4g} and {alone:.4g} "
        "nats. Either X says nothing of y, or training failed: try other layers, a smaller learning_rate or l2."
    )


def _crowded(model: LearnedModel) -> str:
    """There are many more parameters than rows that they were learned from."""
    rows, parameters = int((~model.training_rows("fit").held_out).sum()), model.network.n_parameters
    if parameters < CROWDED * rows:
        return ""
    return (
        f"{parameters} parameters were learned from {rows} rows. Use fewer layers, such as layers=(1,), or a larger "
        "penalty=bl.Penalty(l2=...), and judge the fit by rows that it has not seen."
    )


def loss_without_x(model: LearnedModel) -> float | None:
    """Mean loss of the held-out rows under one distribution for all: shares of values, or a normal law.

    None where the objective is no likelihood, or the response neither one number nor one of finitely many values.
    """
    rows, response = model.training_rows("fit"), model.response
    if not model.objective.likelihood or rows.y.ndim != 1 or model.encoder.names == ():
        return None
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    train, held_out = ~rows.held_out, rows.held_out
    if response.levels is not None:
        codes = rows.y.astype(int)
        shares = np.bincount(codes[train], weight[train], len(response.levels)) + 1
        losses = -np.log(shares / shares.sum())[codes[held_out]]
    else:
        center = np.average(rows.y[train], weights=weight[train])
        spread = np.sqrt(np.average((rows.y[train] - center) ** 2, weights=weight[train]))
        losses = -norm.logpdf(rows.y[held_out], center, spread)
    return float(np.average(losses, weights=weight[held_out]))
