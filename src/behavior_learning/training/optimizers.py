"""Optimisers as one compiled pass over the data: mini-batch Adam and AdamW, full-batch L-BFGS.

A new optimiser is one class in one file: subclass `Optimizer`, with parameters as fields, and decorate it with
`register_optimizer`.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from behavior_learning.core.arrays import numbers_to_device, to_device
from behavior_learning.options import Option, check_choice, check_count, check_number, learned, parameter, register

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "Adam",
    "AdamW",
    "Data",
    "Loss",
    "Optimizer",
    "Params",
    "Proximal",
    "register_optimizer",
]

WARM_UP = 0.1
"""Share of the epochs over which the learning rate rises."""

ADAM_MEMORY = 0.999
"""Decay of Adam's running mean of squared gradients."""

Params = PyTree
Data = PyTree
Loss = Callable[[Params, Data], Float[Array, ""]]
Elapsed = tuple[Float[Array, ""], Float[Array, ""]]


OPTIMIZERS: dict[str, type["Optimizer"]] = {}
"""Every registered optimiser by its short name."""

Kind = TypeVar("Kind", bound="type[Optimizer]")


def register_optimizer(kind: Kind) -> Kind:
    """Make an optimiser known by its `short_name`: to estimators, files and the tests over all optimisers.

    Raises
    ------
    OptionError
        If the name is taken.
    """
    register(OPTIMIZERS, kind)
    return kind


class Proximal(Protocol):
    """A penalty by its proximal point."""

    def __call__(self, params: Params, steps: Params) -> Params:
        """The parameters after a step, given the step size of each."""
        ...

    def thresholded(self, params: Params, steps: Params) -> Params:
        """The parameters with the zeros of their proximal point."""
        ...


class Optimizer(Option, eqx.Module):
    """A way to lower a loss; an epoch is one pass over the rows."""

    short_name: ClassVar[str]
    """How strings call it."""

    stochastic: ClassVar[bool] = False
    """Whether its steps expect noise in the loss and rows in an order of chance."""

    decoupled: ClassVar[bool] = False
    """Whether it decays weights by itself, so that the loss carries no ridge."""

    makes_zeros: ClassVar[bool] = False
    """Whether it takes proximal steps."""

    needs_smooth: ClassVar[bool] = False
    """Whether a kink in the loss can stop it."""

    @property
    def budgeted(self) -> bool:
        """Whether it plans with all epochs, so that none is saved where validation losses no longer fall."""
        return False

    def on(self, *, decay: float, half_squared: Callable[[Params], Array], proximal: Proximal | None) -> Self:
        """The optimiser of a penalised loss, with its numbers on the device.

        Parameters
        ----------
        decay, half_squared : decoupled weight decay: each step also moves by −learning_rate·decay·∇half_squared.
        proximal : makes exact zeros by a proximal step after each step; what is kept has those zeros too.
        """
        return numbers_to_device(self)

    def steps(self, rows: int) -> int:
        """How many steps an epoch takes."""
        return 1

    @abstractmethod
    def init(self, starts: Params) -> PyTree:
        """The state of every start; parameters have a leading axis of starts."""

    @abstractmethod
    def epoch(
        self, loss: Loss, params: Params, state: PyTree, data: Data, order: Int[Array, " rows"], elapsed: Elapsed
    ) -> tuple[Params, PyTree, Float[Array, ""]]:
        """Return the new parameters, the new state and the mean training loss of a pass over the rows in this order.

        Where rows come in shards, one behind the other, the order is that of the rows of each.
        `elapsed` is the share of the epochs that are behind before this one and after it.
        """

    def kept(self, params: Params, state: PyTree) -> Params:
        """The parameters to evaluate and keep: the last ones, or a running mean of them."""
        return params


def _cosine(elapsed: Float[Array, " steps"]) -> Float[Array, " steps"]:
    """A linear rise over the first `WARM_UP` of training, and (1 + cos πt)/2 from there to its end."""
    fall = 0.5 * (1 + jnp.cos(np.pi * jnp.clip((elapsed - WARM_UP) / (1 - WARM_UP), 0.0, 1.0)))
    return jnp.minimum(jnp.maximum(elapsed / WARM_UP, 1e-3), fall)


SCHEDULES = {"constant": jnp.ones_like, "cosine": _cosine}
"""The learning rate as a share of the largest, by the share of the epochs that are behind."""


class _AdamState(NamedTuple):
    moments: PyTree
    mean: Params


@register_optimizer
class Adam(Optimizer):
    """Adam on shuffled batches of one fixed size, with clipped gradients and a running mean of the parameters.

    All starts share the rows of a batch. Those that do not fill a last batch are left out of that epoch; they differ
    from epoch to epoch and are fewer than the number of batches.

    Parameters
    ----------
    learning_rate : step size.
    batch_size : most rows per step; all steps of an epoch take the same number.
    clip : largest global norm of a gradient.
    averaging : decay per step of the running mean of parameters that is evaluated and kept; 0 keeps the last ones.
    schedule : ``"constant"``, or ``"cosine"``: the step size rises over the first tenth of `max_epochs` and falls from
        there to zero, 1 + cos. Patience is then a fifth of `max_epochs` at least.

    Source: Loshchilov and Hutter (2017) for the cosine.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.BLRegressor(optimizer="adam").set_params(optimizer__batch_size=32).optimizer.batch_size
    32
    """

    learning_rate: float = parameter(0.01, check_number)
    batch_size: int = parameter(64, check_count, static=True)
    clip: float = parameter(1.0, check_number)
    averaging: float = parameter(0.98, check_number, inclusive=True, below=1.0)
    schedule: str = parameter("constant", check_choice, static=True, valid=("constant", "cosine"))
    proximal: Proximal | None = learned(None)

    short_name: ClassVar[str] = "adam"
    stochastic: ClassVar[bool] = True
    makes_zeros: ClassVar[bool] = True

    def on(self, *, decay: float, half_squared: Callable[[Params], Array], proximal: Proximal | None) -> Self:
        return replace(numbers_to_device(self), proximal=proximal)

    @property
    def budgeted(self) -> bool:
        return self.schedule != "constant"

    def steps(self, rows: int) -> int:
        return -(-rows // self.batch_size)

    @property
    def transform(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.clip), optax.scale_by_adam(b2=ADAM_MEMORY))

    def init(self, starts: Params) -> PyTree:
        """Moments of zero, made without compiling, and the running mean at the start."""
        moments = jax.eval_shape(jax.vmap(lambda params: self.transform.init(params)), starts)
        return _AdamState(jax.tree.map(lambda like: to_device(np.zeros(like.shape, like.dtype)), moments), starts)

    def epoch(
        self, loss: Loss, params: Params, state: PyTree, data: Data, order: Int[Array, " rows"], elapsed: Elapsed
    ) -> tuple[Params, PyTree, Float[Array, ""]]:
        rows, n = len(jax.tree.leaves(data)[0]), len(order)
        shards, steps = rows // n, min(self.steps(rows), n)
        batches = order[: steps * (n // steps)].reshape(steps, n // steps)

        def rows_at(places: Int[Array, " batch"], column: Array) -> Array:
            """The same rows of every shard, which need not leave their device."""
            chosen = column.reshape(shards, n, *column.shape[1:])[:, places]
            return chosen.reshape(shards * len(places), *column.shape[1:])

        def step(carry: tuple[Params, _AdamState], own: tuple[Array, Array]):
            (params, state), (places, rate) = carry, own
            # Without the barrier XLA reads the rows again wherever they are needed.
            batch = jax.lax.optimization_barrier(jax.tree.map(partial(rows_at, places), data))
            value, gradient = jax.value_and_grad(loss)(params, batch)
            directions, moments = self.transform.update(gradient, state.moments, params)
            params = self._moved(params, directions, rate)
            if self.proximal is not None:
                params = self.proximal(params, self._sizes(moments, rate))
            return (
                params,
                _AdamState(moments, optax.incremental_update(params, state.mean, 1 - self.averaging)),
            ), value

        begun, ended = elapsed
        rates = self.learning_rate * SCHEDULES[self.schedule](begun + (ended - begun) * jnp.arange(steps) / steps)
        (params, state), values = jax.lax.scan(step, (params, state), (batches, rates))
        return params, state, jnp.mean(values)

    def _moved(self, params: Params, directions: Params, rate: Array) -> Params:
        return jax.tree.map(lambda p, direction: p - rate * direction, params, directions)

    def _sizes(self, moments: PyTree, rate: Array | float) -> Params:
        """The step size of each parameter: rate/√v̂."""
        seen, squares = (optax.tree_utils.tree_get(moments, name) for name in ("count", "nu"))
        return jax.tree.map(lambda v: rate / (jnp.sqrt(v / (1 - ADAM_MEMORY**seen)) + 1e-8), squares)

    def kept(self, params: Params, state: PyTree) -> Params:
        if self.proximal is None:
            return state.mean
        return self.proximal.thresholded(state.mean, self._sizes(state.moments, self.learning_rate))


@register_optimizer
class AdamW(Adam):
    """Adam with decoupled weight decay, whose strength is the ridge of the penalty; parameters as those of Adam.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.BLRegressor(optimizer=bl.AdamW(learning_rate=0.02)).get_params()["optimizer__learning_rate"]
    0.02
    """

    decay: float = learned(0.0)
    half_squared: Callable[[Params], Array] = learned(None)

    short_name: ClassVar[str] = "adamw"
    decoupled: ClassVar[bool] = True

    def on(self, *, decay: float, half_squared: Callable[[Params], Array], proximal: Proximal | None) -> Self:
        bound = cast(Any, super().on(decay=decay, half_squared=half_squared, proximal=proximal))
        return replace(bound, decay=to_device(decay), half_squared=half_squared)

    def _moved(self, params: Params, directions: Params, rate: Array) -> Params:
        shrink = rate * self.decay
        moved = super()._moved(params, directions, rate)
        return jax.tree.map(lambda p, g: p - shrink * g, moved, jax.grad(self.half_squared)(params))


@register_optimizer
class LBFGS(Optimizer):
    """Limited-memory BFGS on all rows at once with a strong-Wolfe line search; an epoch is one iteration.

    Parameters
    ----------
    memory : gradients that it remembers.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> heads = ("tanh", "softplus", "square")
    >>> bl.BLRegressor(optimizer=bl.LBFGS(memory=10), heads=heads).optimizer.memory
    10
    """

    memory: int = parameter(20, check_count, static=True)

    short_name: ClassVar[str] = "lbfgs"
    needs_smooth: ClassVar[bool] = True

    @property
    def transform(self) -> optax.GradientTransformationExtraArgs:
        return optax.lbfgs(memory_size=self.memory)

    def init(self, starts: Params) -> PyTree:
        return _begun(self, starts)

    def epoch(
        self, loss: Loss, params: Params, state: PyTree, data: Data, order: Int[Array, " rows"], elapsed: Elapsed
    ) -> tuple[Params, PyTree, Float[Array, ""]]:
        def objective(params: Params) -> Float[Array, ""]:
            return loss(params, data)

        value, gradient = optax.value_and_grad_from_state(objective)(params, state=state)
        updates, state = self.transform.update(gradient, state, params, value=value, grad=gradient, value_fn=objective)
        return optax.apply_updates(params, updates), state, jnp.asarray(value)


@eqx.filter_jit
def _begun(optimizer: LBFGS, starts: Params) -> PyTree:
    """The state of every start, strongly typed: weak types would make the second call of a loop another program."""
    state = jax.vmap(optimizer.transform.init)(starts)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), state)
