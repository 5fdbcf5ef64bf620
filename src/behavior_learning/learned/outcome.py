"""What a fit should say of itself: that it ended too early, learned nothing of x, or had too few rows."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
from scipy.stats import norm

from behavior_learning.core.arrays import to_device
from behavior_learning.errors import TrainingWarning
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.evaluate import by_rows
from behavior_learning.learned.model import LearnedModel, TrainingRows, in_single
from behavior_learning.training.weights import standard_error

__all__ = ["examine_fit", "linear_loss", "loss_of_plainer", "loss_without_x", "say_plainer"]

LOG = logging.getLogger("behavior_learning")

FALLING = 0.01
"""Nats per row by which the held-out loss may still have fallen in the last fifth of the epochs."""

CROWDED = 10
"""Parameters per training row from which on a fit is said to have too few rows."""

WORSE = 0.02
"""Nats per row by which a linear model may do better on the held-out rows."""

PLAIN = 3.0
"""Standard errors of the losses of a linear model by which a fit is ahead beyond doubt."""

AHEAD = {False: 1.0, True: 2.0}
"""Standard errors by which a fit has to be ahead of a linear model on held-out rows, which chose where it stopped as
well, by whether these are few labels, which say little each. A mean of networks, all of whose rows are held out once,
and which is ahead of each of them, has to be ahead at all."""

FEW_LABELS = 100
"""Held-out labels below which they are few."""

LEAST_ERROR = 0.01
"""Standard deviation of a linear model's error, in units of y's, below which it is not made out."""

MOST_ROWS = 20_000
"""Training rows that a linear model is fitted to."""

MOST_CELLS = 20_000_000
"""Numbers in them."""

MOST_NEWTON = 1_000
"""Columns up to which logistic regression of two labels takes Newton steps, few and quick for curves."""

LEAST_RIDGE = 1e-6
"""Of logistic regression where none is asked for."""


def examine_fit(model: LearnedModel, loss: float, *, bears: bool = False, ahead: bool = False) -> None:
    """Warn of what went wrong in a fit, each time with what to do next; its figures go to the log.

    Parameters
    ----------
    loss : mean loss of the held-out rows under the model, which `restarts` tells of where training stopped.
    bears : whether it bears more parameters than rows: it was compared with a linear problem, is a mean of networks, or
        goes on from a model that was examined.
    ahead : whether it was seen to be ahead of a linear problem already, on other rows than `loss` is of.
    """
    LOG.info(
        "%s given %d columns: %d parameters from %d rows, held-out loss %.4g after %d epochs",
        model.response.name,
        len(model.encoder.names),
        model.network.n_parameters,
        int((~model.training_rows("fit").held_out).sum()),
        loss,
        model.history["epoch"].max(),
    )
    for what in (_unfinished(model), "" if ahead else _no_better(model, loss), "" if bears else _crowded(model)):
        if what:
            warnings.warn(what, TrainingWarning, stacklevel=3)


def _unfinished(model: LearnedModel) -> str:
    """Training stopped at its last epoch, and its held-out loss was still falling."""
    kept = model.restarts[model.restarts["kept"]].iloc[0]
    own = model.history[model.history["start"] == kept.name]
    before = own["validation_loss"].to_numpy()[: max(1, round(0.8 * len(own)))].min()
    fallen = before - kept["validation_loss"]
    budgeted = model.recipe.settings.optimizer.budgeted
    if kept["stopped_early"] or budgeted or len(own) < model.recipe.settings.max_epochs or fallen < FALLING:
        return ""
    return (
        f"Training ended at max_epochs={model.recipe.settings.max_epochs} while the held-out loss still fell, by "
        f"{fallen:.2g} in the last fifth. Raise max_epochs, or the optimizer's learning_rate."
    )


def _no_better(model: LearnedModel, loss: float) -> str:
    """The held-out rows are as likely under one distribution for all of them, or more so under a linear model."""
    alone = loss_without_x(model)
    if alone is not None and loss >= alone:
        return (
            f"The fit is no better than one distribution for all rows: held-out losses are {loss:.4g} and {alone:.4g} "
            "nats. Either X says nothing of y, or training failed: try other layers, a smaller learning_rate or l2."
        )
    linear = linear_loss(model)
    if linear is not None and loss > linear + WORSE:
        return (
            f"A linear model with a normal error does better on the held-out rows: {linear:.4g} nats, and "
            f"the fit {loss:.4g}. Use fewer layers, such as layers=(1,), or a smaller penalty=bl.Penalty(l2=...); a "
            "linear model is layers=(1,), heads=(None, None, 'square')."
        )
    return ""


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
    if not _of_one_value(model):
        return None
    train, held_out, weight = ~rows.held_out, rows.held_out, _weights(rows)
    if response.levels is None:
        return _mean(_normal_losses(rows.x[:, :0], rows), rows)
    codes = rows.y.astype(int)
    shares = np.bincount(codes[train], weight[train], len(response.levels)) + 1
    return _mean(-np.log(shares / shares.sum())[codes[held_out]], rows)


def linear_loss(model: LearnedModel) -> float | None:
    """Mean loss of the held-out rows under least squares with a normal error; None for labels and scores."""
    if model.response.levels is not None:
        return None
    rows = model.training_rows("fit")
    losses = _linear_losses(model, rows)
    return None if losses is None else _mean(losses, rows)


def loss_of_plainer(
    model: LearnedModel,
    loss: float,
    held_out: Sequence[np.ndarray],
    *,
    additive: bool = False,
    group: np.ndarray | None = None,
) -> float | None:
    """The mean loss of the held-out rows up to which a plainer problem is taken instead of a fit with this loss.

    None where the fit is clearly ahead of least squares, or of logistic regression, or there is none to compare. A mean
    of networks is compared by each of them on the rows that it has not seen, which it is itself ahead of.

    Parameters
    ----------
    held_out : positions of the rows that each network of the mean has not seen, or that the one has not.
    additive : whether logistic regression is on the functions of columns that the fit sees, and not on the columns.
    group : the number of each row's group, where rows of a group resemble each other.
    """
    rows, mean = model.training_rows("fit"), model.members > 1
    losses, labels = _linear_losses(model, rows, additive=additive), model.response.levels is not None
    if losses is None:
        return None
    linear, own_group = _mean(losses, rows), None if group is None else group[rows.held_out]
    error = partial(standard_error, group=own_group)
    if not labels and linear - loss > PLAIN * error(losses):  # Without a look at each row.
        return None
    if mean:
        ahead, weight = map(np.concatenate, zip(*_members_ahead(model, rows, held_out, additive=additive), strict=True))
    else:
        ahead, weight = _ahead(model, rows, losses)
    doubt = 0.0 if mean else AHEAD[labels and len(ahead) < FEW_LABELS] * error(ahead, weight)
    return None if np.average(ahead, weights=weight) > doubt else max(loss, linear) + (WORSE if labels else 0.0)


def _ahead(model: LearnedModel, rows: TrainingRows, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nats by which a network is ahead of a linear model with these losses in held-out rows, and the rows' weights."""
    held_out = in_single((rows.x[rows.held_out], rows.y[rows.held_out]))
    return losses + by_rows(Gibbs.log_prob, model.gibbs(), held_out), _weights(rows)[rows.held_out]


def _members_ahead(
    model: LearnedModel, rows: TrainingRows, held_out: Sequence[np.ndarray], *, additive: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same of each network of a mean, on the rows that it has not seen."""
    for member, out in enumerate(held_out):
        own = replace(rows, held_out=np.isin(np.arange(len(rows.x)), out))
        yield _ahead(model.member(member), own, cast(np.ndarray, _linear_losses(model, own, additive=additive)))


def say_plainer(loss: float, its_loss: float, *, additive: bool) -> None:
    """Warn that a linear or an additive problem was learned, and of what the default problem came to."""
    kind = "An additive problem, one curve for each column," if additive else "A linear problem"
    warnings.warn(
        f"{kind} was learned: its loss on the held-out rows is {its_loss:.4g} nats, and that of the default "
        f"problem, {loss:.4g}, is not better beyond doubt. Name a problem, such as layers=(2, 1), to learn that one "
        "whatever the rows say.",
        TrainingWarning,
        stacklevel=4,
    )


def _weights(rows: TrainingRows) -> np.ndarray:
    return np.ones(len(rows.y)) if rows.weight is None else rows.weight


def _mean(losses: np.ndarray, rows: TrainingRows) -> float:
    return float(np.average(losses, weights=_weights(rows)[rows.held_out]))


def _linear_losses(model: LearnedModel, rows: TrainingRows, *, additive: bool = False) -> np.ndarray | None:
    """Of each held-out row under least squares with a normal error, or logistic regression; None for scores."""
    if not _of_one_value(model):
        return None
    if model.response.levels is None:
        return _normal_losses(rows.x, rows)
    maps = model.network.basis.x_maps
    x = np.concatenate([of(to_device(rows.x)) for of in maps], axis=1) if additive else rows.x
    return _logistic_losses(x, rows, model.recipe.settings.penalty.l2)


def _of_one_value(model: LearnedModel) -> bool:
    """Whether it is of the likelihood of one value given columns."""
    return model.objective.likelihood and model.training_rows("fit").y.ndim == 1 and model.encoder.names != ()


def _normal_losses(x: np.ndarray, rows: TrainingRows) -> np.ndarray:
    """Of each held-out row under least squares on x and a constant."""
    train, held_out, weight = _some_train(rows), np.flatnonzero(rows.held_out), _weights(rows)
    design, root = np.column_stack([np.ones(len(train)), x[train]]), np.sqrt(weight[train])
    coef = np.linalg.lstsq(design * root[:, None], rows.y[train] * root, rcond=None)[0]
    degrees = max(len(train) - len(coef), 1)
    variance = np.average((rows.y[train] - design @ coef) ** 2, weights=weight[train]) * len(train) / degrees
    scale = max(np.sqrt(variance), LEAST_ERROR)
    error = rows.y[held_out] - np.column_stack([np.ones(len(held_out)), x[held_out]]) @ coef
    return -norm.logpdf(error, scale=scale)


def _logistic_losses(x: np.ndarray, rows: TrainingRows, l2: float) -> np.ndarray:
    """Of each held-out row under logistic regression on x with that ridge of all rows together."""
    train, held_out, codes = _some_train(rows), np.flatnonzero(rows.held_out), rows.y.astype(int)
    own = l2 * len(train) / np.count_nonzero(~rows.held_out)
    weight = _weights(rows)[train] / _weights(rows)[train].mean()
    newton = codes.max() == 1 and x.shape[1] <= MOST_NEWTON and own > LEAST_RIDGE
    x, solver = (x.astype(float), "newton-cholesky") if newton else (x, "lbfgs")
    from sklearn.linear_model import LogisticRegression  # As long in loading as all of the estimators.

    model = LogisticRegression(C=1 / max(own, LEAST_RIDGE), max_iter=1_000, solver=solver)
    model.fit(x[train], codes[train], weight)
    p = np.zeros((len(held_out), codes.max() + 1))
    p[:, model.classes_] = model.predict_proba(x[held_out])
    return -np.log(np.maximum(p[np.arange(len(p)), codes[held_out]], np.finfo(float).tiny))


def _some_train(rows: TrainingRows) -> np.ndarray:
    """Positions of training rows, thinned where there are many."""
    train = np.flatnonzero(~rows.held_out)
    most = max(min(MOST_ROWS, MOST_CELLS // max(rows.x.shape[1], 1)), 1)
    return train[:: -(-len(train) // most)]
