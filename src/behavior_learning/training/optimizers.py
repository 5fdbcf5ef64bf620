"""Optimisers as one compiled pass over the data: mini-batch Adam and AdamW, full-batch L-BFGS.

Hyperparameters are arrays, so that another learning rate or batch of starts reuses the compiled program.
"""

from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from behavior_learning.core.arrays import to_device

__all__ = ["LBFGS", "Adam", "Data", "Loss", "Optimizer", "Params", "Proximal"]

ADAM_MEMORY = 0.999
"""Decay of Adam's running mean of squared gradients."""

Params = PyTree
Data = PyTree
Loss = Callable[[Params, Data], Float[Array, ""]]


class Optimizer(Protocol):
    """A way to lower a loss; an epoch is one pass over the rows.

    `stochastic` says whether its steps expect noise in the loss and rows in an order of chance.
    """

    stochastic: ClassVar[bool]

    def init(self, starts: Params) -> PyTree:
        """The state of every start; parameters have a leading axis of starts."""
        ...

    def epoch(
        self, loss: Loss, params: Params, state: PyTree, data: Data, order: Int[Array, " rows"]
    ) -> tuple[Params, PyTree, Float[Array, ""]]:
        """Return the new parameters, the new state and the mean training loss of a pass over the rows in this order."""
        ...

    def kept(self, params: Params, state: PyTree) -> Params:
        """The parameters to evaluate and keep: the last ones, or a running mean of them."""
        ...


class Proximal(Protocol):
    """A penalty by its proximal point."""

    def __call__(self, params: Params, steps: Params) -> Params:
        """The parameters after a step, given the step size of each."""
        ...

    def thresholded(self, params: Params, steps: Params) -> Params:
        """The parameters with the zeros of their proximal point."""
        ...


class _AdamState(NamedTuple):
    moments: PyTree
    mean: Params


class Adam(eqx.Module):
    """Adam on shuffled batches of one fixed size, with clipped gradients and a running mean of the parameters.

    Rows are arranged once per epoch, in a copy that all starts share. Those that do not fill a last batch are left out
    of that epoch; they differ from epoch to epoch and are fewer than the number of batches.

    Attributes
    ----------
    learning_rate : step size.
    clip : largest global norm of a gradient.
    averaging : decay per step of the running mean of parameters; 0 keeps the last ones.
    decay, decayed : decoupled weight decay (AdamW): each step also moves by −learning_rate·decay·∇decayed(params).
    batch_size : most rows per step; all steps of an epoch take the same number.
    penalty : makes exact zeros by a proximal step after each step; what is kept has those zeros too.
    """

    learning_rate: Float[Array, ""] = eqx.field(converter=to_device)
    clip: Float[Array, ""] = eqx.field(converter=to_device)
    averaging: Float[Array, ""] = eqx.field(converter=to_device)
    batch_size: int = eqx.field(static=True)
    decay: Float[Array, ""] = eqx.field(converter=to_device, default=0.0)
    decayed: Callable[[Params], Float[Array, ""]] | None = None
    penalty: Proximal | None = None

    stochastic: ClassVar[bool] = True

    @property
    def transform(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.clip), optax.adam(self.learning_rate, b2=ADAM_MEMORY))

    def init(self, starts: Params) -> PyTree:
        """Moments of zero, made without compiling, and the running mean at the start."""
        moments = jax.eval_shape(jax.vmap(lambda params: self.transform.init(params)), starts)
        return _AdamState(jax.tree.map(lambda like: to_device(np.zeros(like.shape, like.dtype)), moments), starts)

    def epoch(
        self, loss: Loss, params: Params, state: PyTree, data: Data, order: Int[Array, " rows"]
    ) -> tuple[Params, PyTree, Float[Array, ""]]:
        n = len(order)
        steps = -(-n // self.batch_size)
        used = order[: steps * (n // steps)]
        batches = jax.tree.map(lambda column: column[used].reshape(steps, n // steps, *column.shape[1:]), data)

        def step(carry: tuple[Params, _AdamState], batch: Data):
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params, batch)
            updates, moments = self.transform.update(gradient, state.moments, params)
            params = self._decay(optax.apply_updates(params, updates), params)
            if self.penalty is not None:
                params = self.penalty(params, self._steps(moments))
            return (
                params,
                _AdamState(moments, optax.incremental_update(params, state.mean, 1 - self.averaging)),
            ), value

        (params, state), values = jax.lax.scan(step, (params, state), batches)
        return params, state, jnp.mean(values)

    def _decay(self, moved: Params, params: Params) -> Params:
        if self.decayed is None:
            return moved
        shrink = self.learning_rate * self.decay
        return jax.tree.map(lambda p, g: p - shrink * g, moved, jax.grad(self.decayed)(params))

    def _steps(self, moments: PyTree) -> Params:
        """The step size of each parameter: learning_rate/√v̂."""
        seen, squares = (optax.tree_utils.tree_get(moments, name) for name in ("count", "nu"))
        return jax.tree.map(lambda v: self.learning_rate / (jnp.sqrt(v / (1 - ADAM_MEMORY**seen)) + 1e-8), squares)

    def kept(self, params: Params, state: PyTree) -> Params:
        return state.mean if self.penalty is None else self.penalty.thresholded(state.mean, self._steps(state.moments))


class LBFGS(eqx.Module):
    """Limited-memory BFGS on all rows at once with a strong-Wolfe line search; an epoch is one iteration."""

    memory: int = eqx.field(static=True, default=20)

    stochastic: ClassVar[bool] = False

    @property
    def transform(self) -> optax.GradientTransformationExtraArgs:
        return optax.lbfgs(memory_size=self.memory)

    def init(self, starts: Params) -> PyTree:
        return _begun(self, starts)

    def epoch(
        self, loss: Loss, params: Params, state: PyTree, data: Data, order: Int[Array, " rows"]
    ) -> tuple[Params, PyTree, Float[Array, ""]]:
        def objective(p: Params) -> Float[Array, ""]:
            return loss(p, data)

        value, gradient = optax.value_and_grad_from_state(objective)(params, state=state)
        updates, state = self.transform.update(gradient, state, params, value=value, grad=gradient, value_fn=objective)
        return optax.apply_updates(params, updates), state, jnp.asarray(value)

    def kept(self, params: Params, state: PyTree) -> Params:
        return params


@eqx.filter_jit
def _begun(optimizer: LBFGS, starts: Params) -> PyTree:
    """The state of every start, strongly typed: weak types would make the second call of a loop another program."""
    state = jax.vmap(optimizer.transform.init)(starts)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), state)
