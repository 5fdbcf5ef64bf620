"""From flat hyperparameters to objectives."""

from itertools import pairwise
from typing import Any, get_args

import jax.numpy as jnp
import numpy as np

from behavior_learning.core.spaces import Space
from behavior_learning.errors import OptionError
from behavior_learning.objectives import (
    CrossEntropy,
    DenoisingScoreMatching,
    Hybrid,
    NegativeLogLikelihood,
    Objective,
    ScoreMatching,
)
from behavior_learning.options import check_choice, check_count, check_number
from behavior_learning.training.fit import Settings
from behavior_learning.training.proximal import Groups

__all__ = ["SCORE_OBJECTIVES", "check_objective", "make_objective", "make_settings", "noise_levels", "numbers_of"]

SCORE_OBJECTIVES = ("dsm", "score_matching")
"""Objectives that take derivatives in y."""

DEFAULT_NOISE = 0.2
"""Share of the spread that a linear regression leaves, which the noise of denoising score matching has by default."""


def check_objective(estimator: Any, space: Space) -> None:
    """Refuse an objective that the response does not have.

    Raises
    ------
    OptionError
        If the objective is unknown, or takes derivatives in classes.
    """
    name = check_choice("objective", estimator.objective, ("likelihood", "cross_entropy", *SCORE_OBJECTIVES))
    if name in SCORE_OBJECTIVES and not space.continuous:
        raise OptionError(
            f"objective={name!r} takes derivatives in y, and classes have none. Use objective='cross_entropy'."
        )
    if name in SCORE_OBJECTIVES and not space.pointwise:
        raise OptionError(
            f"objective={name!r} needs y itself, and some rows give bounds on it only. Use objective='likelihood'."
        )
    if name == "cross_entropy" and space.continuous:
        raise OptionError(
            "objective='cross_entropy' is for classes; numbers need 'likelihood', 'dsm' or 'score_matching'."
        )


def noise_levels(estimator: Any, x: np.ndarray, numbers: np.ndarray) -> tuple[float, ...]:
    """The σ of denoising score matching, from first to last, in standard deviations of the response.

    Parameters
    ----------
    x, numbers : encoded training rows, from which the default level is read.

    Raises
    ------
    OptionError
        If `sigma` is no positive number, nor a sequence of falling ones.
    """
    sigma = estimator.sigma
    if estimator.objective != "dsm":
        return ()
    if sigma is None:
        return (DEFAULT_NOISE * _residual_spread(x, numbers),)
    levels = tuple(sigma) if isinstance(sigma, (list, tuple)) else (sigma,)
    checked = tuple(check_number("sigma", level) for level in levels)
    if not checked or any(later >= earlier for earlier, later in pairwise(checked)):
        raise OptionError(f"sigma must be a positive number or a falling sequence of them; got {sigma!r}.")
    if len(checked) > (epochs := check_count("max_epochs", estimator.max_epochs)):
        raise OptionError(f"{len(checked)} levels of sigma need as many epochs at least; got max_epochs={epochs}.")
    return checked


def _residual_spread(x: np.ndarray, numbers: np.ndarray) -> float:
    """Geometric mean over responses of the standard deviation that a linear regression on x leaves."""
    design = np.column_stack([np.ones(len(x)), x]).astype(float)
    residual = numbers - design @ np.linalg.lstsq(design, numbers.astype(float), rcond=None)[0]
    return float(np.exp(np.mean(np.log(np.maximum(residual.std(axis=0), 1e-3)))))


def make_objective(estimator: Any, space: Space, *, temperature: float, sigma: float | None) -> Objective:
    """The objective that the hyperparameters describe."""
    if estimator.objective not in SCORE_OBJECTIVES:
        return NegativeLogLikelihood(space, temperature)
    if estimator.objective == "dsm":
        draws = check_count("noise_draws", estimator.noise_draws, minimum=2)
        one = len(space.continuous) == 1
        continuous = DenoisingScoreMatching(space, sigma, temperature, draws, gauss_hermite=one)
    else:
        continuous = ScoreMatching(space, temperature)
    if len(space.continuous) == len(space.components):
        return continuous
    weights = (_weight(estimator, name) for name in ("discrete_weight", "continuous_weight"))
    return Hybrid(space, CrossEntropy(space, temperature), continuous, *weights)


def make_settings(estimator: Any) -> Settings:
    """How the hyperparameters say to train.

    Raises
    ------
    OptionError
        If one is invalid, or exact zeros are asked of an optimiser that cannot make them.
    """
    optimizer = check_choice("optimizer", estimator.optimizer, ("auto", "adam", "adamw", "lbfgs"))
    settings = Settings(
        optimizer="adam" if optimizer == "auto" else optimizer,
        learning_rate=check_number("learning_rate", estimator.learning_rate),
        batch_size=check_count("batch_size", estimator.batch_size),
        max_epochs=check_count("max_epochs", estimator.max_epochs),
        patience=check_count("patience", estimator.patience),
        l2=check_number("alpha", estimator.alpha, inclusive=True),
        l1=check_number("l1", estimator.l1, inclusive=True),
        group_l2=check_number("group", estimator.group, inclusive=True),
        groups=check_choice("grouping", estimator.grouping, get_args(Groups)),
    )
    if settings.sparse and optimizer == "lbfgs":
        raise OptionError("l1 and group make zeros by proximal steps, which optimizer='lbfgs' lacks. Use 'adam'.")
    return settings


def _weight(estimator: Any, name: str) -> float:
    return check_number(name, getattr(estimator, name))


def numbers_of(space: Space, encoded_y: np.ndarray) -> np.ndarray:
    """The continuous columns of encoded responses as candidates."""
    return np.asarray(space.candidates(space.points(jnp.asarray(encoded_y))))[:, np.array(space.continuous, int)]
