"""A small network trained to follow a fitted model's predictions, so that each takes constant time."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from behavior_learning.core.arrays import numbers_to_device
from behavior_learning.errors import DataError
from behavior_learning.learned.model import LearnedModel
from behavior_learning.training.minimize import Losses, minimize
from behavior_learning.training.optimizers import Adam, Data, Params

__all__ = ["AmortizedPredictor", "follow"]

LEAST_ROWS = 20
"""Rows below which there is nothing to follow and to check."""


@dataclass(frozen=True, repr=False)
class AmortizedPredictor:
    """Predicts what `predict` of a model would, from one pass through a small network.

    Attributes
    ----------
    statistic : ``"mean"``, ``"median"`` or ``"mode"``.
    gap : how far it is from the exact answer on rows it was not trained on, per response: the mean and the largest
        absolute difference, in the user's units, and the share of the exact answer's variance it misses.
    center, scale : of the exact answers, which the network predicts standardised.
    """

    statistic: str
    gap: pd.DataFrame
    model: LearnedModel
    network: eqx.nn.MLP
    center: np.ndarray
    scale: np.ndarray

    def predict(self, X: Any) -> np.ndarray:
        """Predict y in the user's units, shaped as by the model's `predict`."""
        values = np.asarray(_evaluate(self.network, jnp.asarray(self.model.inputs(X))), float)
        values = self.center + self.scale * values
        return values if len(self.model.response.components) > 1 else values[:, 0]

    def __repr__(self) -> str:
        return f"AmortisedPredictor of the {self.statistic}; gap to the exact answer:\n{self.gap.to_string()}"


def follow(
    model: LearnedModel, x: np.ndarray, exact: np.ndarray, *, statistic: str, width: int, max_epochs: int, seed: int
) -> AmortizedPredictor:
    """Train a network on the exact predictions at encoded rows; a fifth of the rows measures the gap.

    Parameters
    ----------
    exact : predictions (n,) or (n, responses).

    Raises
    ------
    DataError
        If there are fewer than 20 rows.
    """
    if len(x) < LEAST_ROWS:
        raise DataError(f"An amortised predictor needs at least {LEAST_ROWS} rows of X to follow; got {len(x)}.")
    exact = exact.reshape(len(x), -1).astype(float)
    center, scale = exact.mean(axis=0), np.maximum(exact.std(axis=0), np.finfo(np.float32).tiny)
    target = ((exact - center) / scale).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(x))
    held_out, train = np.split(order, [len(x) // 5])
    network = eqx.nn.MLP(x.shape[1], exact.shape[1], width, 2, jax.nn.tanh, key=jax.random.key(seed))
    params, static = eqx.partition(network, eqx.is_inexact_array)
    loss = _SquaredGap(static)
    best, _, _ = minimize(
        jax.tree.map(lambda leaf: leaf[None], params),
        Losses(loss, loss),
        numbers_to_device(Adam(learning_rate=0.003, averaging=0.99)),
        data=(jnp.asarray(x[train]), jnp.asarray(target[train])),
        validation=(jnp.asarray(x[held_out]), jnp.asarray(target[held_out])),
        seed=seed,
        max_epochs=max_epochs,
        patience=max(20, max_epochs // 5),
    )
    network = eqx.combine(jax.tree.map(lambda leaf: leaf[0], best), static)
    followed = center + scale * np.asarray(_evaluate(network, jnp.asarray(x[held_out])), float)
    off = np.abs(followed - exact[held_out])
    missed = np.mean(off**2, axis=0) / np.maximum(exact[held_out].var(axis=0), np.finfo(float).tiny)
    names = [part.name for part in model.response.components]
    gap = {"mean": off.mean(axis=0), "largest": off.max(axis=0), "share missed": missed}
    return AmortizedPredictor(statistic, pd.DataFrame(gap, index=names), model, network, center, scale)


class _SquaredGap(eqx.Module):
    """Mean squared distance of the network from the exact answers."""

    static: eqx.nn.MLP

    def __call__(self, params: Params, data: Data) -> jax.Array:
        x, exact = data
        return jnp.mean((jax.vmap(eqx.combine(params, self.static))(x) - exact) ** 2)


@eqx.filter_jit
def _evaluate(network: eqx.nn.MLP, x: jax.Array) -> jax.Array:
    return jax.vmap(network)(x)
