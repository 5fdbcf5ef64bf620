"""Smaller models at a stated loss: `simplify` and `path`."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from behavior_learning.core.arrays import to_device
from behavior_learning.errors import OptionError
from behavior_learning.estimators.base import BehaviorEstimator, checked_split
from behavior_learning.estimators.learning import make_settings
from behavior_learning.learned.predict import in_single
from behavior_learning.learned.records import history, restarts, spreads
from behavior_learning.options import check_count, check_number, check_seed
from behavior_learning.training.active_set import kept_blocks
from behavior_learning.training.prune import Pruner, Stage, smallest
from behavior_learning.training.prune import path as prune_path

__all__ = ["path", "simplify"]

Fitted = TypeVar("Fitted", bound=BehaviorEstimator)


def simplify(
    model: Fitted,
    tolerance: float = 0.01,
    X: Any = None,
    y: Any = None,
    *,
    max_epochs: int = 100,
    random_state: int = 0,
) -> Fitted:
    """Return the smallest model whose held-out loss is at most `tolerance` above that of the given one.

    The weakest coefficients, rows and blocks are taken out and the rest is trained on, over and over, in large steps
    first and part by part at last; about fifty trainings. What leads beyond the tolerance is taken back. Numbers that
    are left out are zero and no longer learned, so that `n_parameters_`, `problem_` and `inference` shrink. The given
    model stays as it is.

    The held-out rows decide how much is taken out, so their loss flatters the result a little: judge it on other rows.

    Parameters
    ----------
    model : a fitted estimator.
    tolerance : in nats per row, or in the units of the objective where that is no likelihood.
    X, y : rows to train and hold out in place of those of `fit`, a share `validation_fraction` of them held out; needed
        for a model that was loaded from a file. By default the held-out rows are those of `fit`.
    max_epochs : of training after each step, at most.
    random_state : seed of batches, noise and, for given rows, of the split.

    Raises
    ------
    OptionError
        If an option is invalid.
    DataError
        If the model was loaded from a file and no rows are given.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=50, random_state=0).fit(X, y)
    >>> small = bl.simplify(reg, tolerance=0.05)
    >>> small.n_parameters_ < reg.n_parameters_
    True
    """
    tolerance = check_number("tolerance", tolerance, inclusive=True)
    pruner = _pruner("simplify", model, X, y, max_epochs, random_state)
    return _at_stage(model, smallest(pruner, model.network_, tolerance), pruner)


def path(
    model: BehaviorEstimator,
    X: Any = None,
    y: Any = None,
    *,
    share: float = 0.2,
    max_epochs: int = 100,
    random_state: int = 0,
) -> pd.DataFrame:
    """Model size against held-out loss, from the whole model to its last coefficient.

    Parameters
    ----------
    share : of the numbers that each stage takes out, between 0 and 1.
    model, X, y, max_epochs, random_state : as in `simplify`.

    Returns
    -------
    A line per stage: n_parameters, layers, rows and coefficients that are left, held-out `loss`, its `rise` over that
    of the whole model, and the standard error of the rise over the held-out rows.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=50, random_state=0).fit(X, y)
    >>> table = bl.path(reg, share=0.5, max_epochs=25)
    >>> bool(table["n_parameters"].iloc[0] == reg.n_parameters_)
    True
    """
    share = check_number("share", share, below=1.0)
    stages = prune_path(_pruner("path", model, X, y, max_epochs, random_state), model.network_, share)
    return pd.DataFrame([_line(stage, stages[0]) for stage in stages]).rename_axis("stage")


def _line(stage: Stage, start: Stage) -> dict[str, Any]:
    rise, error = stage.rise(start)
    heads = [coef for layer in stage.support.coefs for coef in layer.values()]
    return {
        "n_parameters": stage.size,
        "layers": stage.smaller.architecture.layers,
        "rows": sum(int(coef.any(axis=-1).sum()) for coef in heads),
        "coefficients": sum(int(coef.sum()) for coef in heads),
        "loss": stage.loss,
        "rise": rise,
        "std_error": error,
    }


def _pruner(method: str, model: Any, X: Any, y: Any, max_epochs: int, random_state: int) -> Pruner:
    if not isinstance(model, BehaviorEstimator):
        raise OptionError(f"{method} takes a fitted estimator of this library; got {type(model).__name__}.")
    check_is_fitted(model)
    random = np.random.RandomState(check_seed("random_state", random_state))
    data = in_single(model._rows_or_training(method, X, y))
    if X is None and y is None:
        held_out = np.flatnonzero(model._held_out)
        train = np.flatnonzero(~model._held_out)
    else:
        order = random.permutation(len(data[0]))
        size = max(1, round(check_number("validation_fraction", model.validation_fraction, below=1.0) * len(order)))
        train, held_out = checked_split(order[size:], order[:size])
    rows = lambda chosen: tuple(to_device(column[chosen]) for column in data)
    settings = make_settings(model)
    return Pruner(
        model._objective(model.space_, model.sigma_, model.temperature_),
        rows(train),
        rows(held_out),
        replace(settings, max_epochs=check_count("max_epochs", max_epochs), l1=0.0, group_l2=0.0),
        int(random.randint(2**31)),
    )


def _at_stage(model: Fitted, stage: Stage, pruner: Pruner) -> Fitted:
    """The estimator with another network."""
    small = copy(model)
    if stage.result is None:
        return small
    small.network_ = stage.smaller
    small.n_parameters_ = stage.smaller.n_parameters
    small.space_ = stage.result.objective.space
    small.history_, small.restarts_ = history(stage.result), restarts(stage.result)
    small._spreads = spreads(stage.smaller, small.space_, *map(np.asarray, pruner.data))
    small.block_names_ = _names_of_kept(model, small, kept_blocks(stage.network, stage.support))
    return small


def _names_of_kept(model: Any, small: Any, kept: Sequence[np.ndarray]) -> dict[str, str]:
    """The names that the user gave to blocks, by where these now stand."""
    starts = np.cumsum([0, *model.network_.architecture.layers[:-1]])
    before = list(model.problem_.blocks)
    names = [before[start + block] for start, blocks in zip(starts, kept, strict=True) for block in blocks]
    small.block_names_, given = {}, set(model.block_names_.values())
    return {now: name for now, name in zip(small.problem_.blocks, names, strict=True) if name in given}
