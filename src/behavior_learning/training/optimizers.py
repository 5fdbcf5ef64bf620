"""Optimisers as one compiled pass over the data: mini-batch Adam and AdamW, full-batch L-BFGS."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

__all__ = ["LBFGS", "Minibatch", "Optimizer", "adam", "adamw"]

Params = PyTree
Data = PyTree
Loss = Callable[[Params, Data], Float[Array, ""]]


class Optimizer(Protocol):
    """A way to lower a loss; an epoch is one pass over the rows."""

    def init(self, params: Params) -> PyTree: ...

    def epoch(
        self, loss: Loss, params: Params, state: PyTree, data: Data, key: PRNGKeyArray
    ) -> tuple[Params, PyTree, Float[Array, ""]]:
        """Return the new parameters, the new state and the mean training loss of the pass."""
        ...


@dataclass(frozen=True)
class Minibatch:
    """A gradient transformation applied to shuffled batches of one fixed size.

    The rows that do not fill a last batch are left out of an epoch; they differ from epoch to epoch and are fewer
    than the number of batches.
    """

    transform: optax.GradientTransformation
    batch_size: int

    def init(self, params: Params) -> PyTree:
        return self.transform.init(params)

    def epoch(
        self, loss: Loss, params: Params, state: PyTree, data: Data, key: PRNGKeyArray
    ) -> tuple[Params, PyTree, Float[Array, ""]]:
        n = jax.tree.leaves(data)[0].shape[0]
        steps = -(-n // self.batch_size)
        batches = jax.random.permutation(key, n)[: steps * (n // steps)].reshape(steps, n // steps)

        def step(carry, rows):
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params, jax.tree.map(lambda column: column[rows], data))
            updates, state = self.transform.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), value

        (params, state), values = jax.lax.scan(step, (params, state), batches)
        return params, state, jnp.mean(values)


def adam(learning_rate: optax.ScalarOrSchedule, batch_size: int, clip: float) -> Minibatch:
    """Adam on batches, with gradients clipped to a global norm."""
    return Minibatch(optax.chain(optax.clip_by_global_norm(clip), optax.adam(learning_rate)), batch_size)


def adamw(learning_rate: optax.ScalarOrSchedule, batch_size: int, clip: float, weight_decay: float) -> Minibatch:
    """Adam with decoupled weight decay."""
    transform = optax.chain(
        optax.clip_by_global_norm(clip), optax.adamw(learning_rate, weight_decay=weight_decay)
    )
    return Minibatch(transform, batch_size)


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS on all rows at once with a strong-Wolfe line search; an epoch is one iteration."""

    memory: int = 20

    @property
    def _transform(self) -> optax.GradientTransformationExtraArgs:
        return optax.lbfgs(memory_size=self.memory)

    def init(self, params: Params) -> PyTree:
        return self._transform.init(params)

    def epoch(
        self, loss: Loss, params: Params, state: PyTree, data: Data, key: PRNGKeyArray
    ) -> tuple[Params, PyTree, Float[Array, ""]]:
        objective = lambda p: loss(p, data)
        value, gradient = optax.value_and_grad_from_state(objective)(params, state=state)
        updates, state = self._transform.update(
            gradient, state, params, value=value, grad=gradient, value_fn=objective
        )
        return optax.apply_updates(params, updates), state, value
