"""Fit a behaviour network: starts side by side, a quadrature fine enough to trust, the best by validation loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Space
from behavior_learning.errors import ConvergenceError
from behavior_learning.objectives import NegativeLogLikelihood
from behavior_learning.training.minimise import Losses, Progress, Trace, minimise
from behavior_learning.training.optimizers import LBFGS, Adam, Data, Optimizer, Params

__all__ = ["FitResult", "Settings", "fit"]

QUADRATURE_TOLERANCE = 0.01
"""Nats by which doubling the candidates may change the mean validation loss of parameters that are kept."""

MAX_CANDIDATES = 256
"""Candidates beyond which a box is not refined during training."""

EVALUATIONS = 2**20
"""Utility evaluations held in memory at once when a loss is evaluated over all rows."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes
    ----------
    optimizer : ``"adam"``, ``"adamw"`` or ``"lbfgs"``.
    learning_rate, batch_size : of Adam; L-BFGS ignores both.
    max_epochs, patience : an epoch is a pass over the rows, or one L-BFGS iteration.
    alpha : ridge; the loss per row carries alpha/(2n)·‖M, λ, W‖², the logarithm of a Gaussian prior of variance
        1/alpha on every weight (intercepts are free). With AdamW it is the decoupled decay alpha/n instead.
    clip : largest global norm of a gradient.
    averaging : decay per step of the running mean of parameters that is evaluated and kept; 0 keeps the last ones.
    """

    optimizer: Literal["adam", "adamw", "lbfgs"]
    learning_rate: float
    batch_size: int
    max_epochs: int
    patience: int
    alpha: float
    clip: float = 1.0
    averaging: float = 0.98


@dataclass(frozen=True)
class FitResult:
    """A fitted network and how it came about.

    Attributes
    ----------
    network : the best start at its best epoch.
    space : the response space, with the candidates that training ended with.
    trace : losses of every start.
    best_start : index of `network` among the starts.
    """

    network: BehaviorNetwork
    space: Space
    trace: Trace
    best_start: int


class PenalisedLoss(eqx.Module):
    """Mean loss plus ridge·‖M, λ, W‖², as a function of the trainable parameters."""

    objective: Callable
    static: BehaviorNetwork
    ridge: Float[Array, ""]

    def __call__(self, params: Params, data: Data) -> Float[Array, ""]:
        network = eqx.combine(params, self.static)
        return jnp.mean(self.objective(network, *data)) + self.ridge * squared_weights(network)


class VerifiedLoss(eqx.Module):
    """Mean loss by the finer of two rules, and infinite where the two disagree.

    A density narrower than the spacing of its candidates can make its normaliser look arbitrarily small; parameters
    that do are never kept.
    """

    coarse: Callable
    fine: Callable
    static: BehaviorNetwork
    rows: int = eqx.field(static=True)

    def __call__(self, params: Params, data: Data) -> Float[Array, ""]:
        network = eqx.combine(params, self.static)
        fine = lambda *rows: self.fine(network, *rows)
        gap = lambda *rows: jnp.abs(fine(*rows) - self.coarse(network, *rows))
        mean, disagreement = mean_in_batches(lambda *rows: (fine(*rows), gap(*rows)), data, self.rows)
        return jnp.where(disagreement <= QUADRATURE_TOLERANCE, mean, jnp.inf)


def squared_weights(network: BehaviorNetwork) -> Float[Array, ""]:
    """‖M‖² + ‖λ‖² + ‖Π‖² + ‖W‖²: what the ridge penalises. Intercepts and biases are free."""
    heads = [rows for layer in network.layers for rows in layer.heads.values()]
    weights = [weight for rows in heads for weight in (rows.coef, rows.multiplier)]
    weights += [weight for weight in (*network.projections, network.readout.weight) if weight is not None]
    return sum((jnp.sum(weight.value**2) for weight in weights), start=jnp.zeros(()))


def half_squared_weights(network: BehaviorNetwork) -> Float[Array, ""]:
    return 0.5 * squared_weights(network)


def mean_in_batches(values: Callable[..., PyTree], data: Data, size: int) -> PyTree:
    """Mean of values per row over all rows, `size` rows at a time."""
    n = jax.tree.leaves(data)[0].shape[0]
    if n <= size:
        return jax.tree.map(jnp.mean, values(*data))
    batches = (jnp.arange(-(-n // size) * size) % n).reshape(-1, size)
    batched = jax.lax.map(lambda rows: values(*jax.tree.map(lambda column: column[rows], data)), batches)
    return jax.tree.map(lambda column: jnp.mean(column.ravel()[:n]), batched)


def fit(
    starts: BehaviorNetwork,
    space: Space,
    *,
    data: tuple[Array, ...],
    validation: tuple[Array, ...],
    settings: Settings,
    key: PRNGKeyArray,
    temperature: float = 1.0,
    progress: Progress | None = None,
) -> FitResult:
    """Train every start on −log p and return the one with the lowest validation loss.

    Parameters
    ----------
    starts : networks stacked along a leading axis.
    space : the response space; a box is refined during training until its quadrature can be trusted.
    data, validation : encoded (x, y).

    Raises
    ------
    ConvergenceError
        If no start reached parameters with a finite, verified validation loss.
    """
    params, static = eqx.partition(starts, eqx.is_inexact_array)
    ridge = jnp.asarray(settings.alpha / (2 * len(data[0])) if settings.optimizer != "adamw" else 0.0)
    spaces = [space]

    def losses(space: Space) -> Losses:
        exact, finer = (NegativeLogLikelihood(s, temperature) for s in (space, space.refined(2)))
        rows = max(1, EVALUATIONS // (2 * space.size))
        return Losses(PenalisedLoss(exact, static, ridge), VerifiedLoss(exact, finer, static, rows))

    def refine(current: Losses, latest: Float[np.ndarray, " starts"]) -> Losses | None:
        finer = spaces[-1].refined(2)
        trusted = np.mean(np.isfinite(latest)) > 0.5
        if trusted or finer.size > MAX_CANDIDATES:
            return None
        spaces.append(finer)
        return losses(finer)

    best, trace, _ = minimise(
        params,
        losses(space),
        make_optimizer(settings, rows=len(data[0])),
        data=data,
        validation=validation,
        key=key,
        max_epochs=settings.max_epochs,
        patience=settings.patience,
        refine=refine,
        progress=progress,
    )
    winner = int(np.argmin(trace.best_loss))
    if not np.isfinite(trace.best_loss[winner]):
        raise ConvergenceError(
            f"None of {len(trace.best_loss)} starts reached parameters with a finite, verified validation loss in "
            f"{trace.train_loss.shape[1]} epochs. Lower learning_rate, raise alpha or temperature, look for extreme "
            "values in the columns, or state a narrower support."
        )
    network = eqx.combine(jax.tree.map(lambda leaf: leaf[winner], best), static)
    return FitResult(network, spaces[-1], trace, winner)


def make_optimizer(settings: Settings, *, rows: int) -> Optimizer:
    """The optimiser that `settings` describes."""
    if settings.optimizer == "lbfgs":
        return LBFGS()
    return Adam(
        learning_rate=settings.learning_rate,
        clip=settings.clip,
        averaging=settings.averaging,
        batch_size=settings.batch_size,
        decay=settings.alpha / rows,
        decayed=half_squared_weights if settings.optimizer == "adamw" else None,
    )
