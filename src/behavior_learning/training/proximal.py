"""Penalties that make exact zeros: l1·‖M‖₁ + group_l2·Σ √size·‖group of M‖₂, by a proximal step after each of Adam.

Source: sparse group lasso (Simon et al. 2013). The step is exact in the metric of Adam: each number has its own step
size a, and the proximal point of z minimises Σ (u − z)²/(2a) + l1·|u| + group_l2·√size·‖u‖₂.
"""

from typing import Literal, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.arrays import to_device
from behavior_learning.core.block import Layer
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.training.optimizers import Params

__all__ = ["Groups", "Sparse", "group_shrunk", "soft_threshold"]

Groups = Literal["row", "block"]

NEWTON_STEPS = 6
"""Steps towards the norm of a group; the equation is nearly linear."""


class Sparse(eqx.Module):
    """Both penalties per row of the data, on the coefficients of every row of every head.

    Coefficients of a given sign, and fixed ones, are left alone: they are not zero by construction. A row that has lost
    all coefficients is a constant; its multiplier goes to zero with them, so that it stays away.

    Attributes
    ----------
    l1, group_l2 : strengths.
    groups : whether a group is a row of a head or all rows of a block.
    """

    l1: Float[Array, ""] = eqx.field(converter=to_device)
    group_l2: Float[Array, ""] = eqx.field(converter=to_device)
    groups: Groups = eqx.field(static=True)

    def __call__(self, params: Params, steps: Params) -> Params:
        """The proximal point of a network's parameters, given the step size of each."""
        network, sizes = cast(BehaviorNetwork, params), cast(BehaviorNetwork, steps)
        shrunk = tuple(self._layer(layer, step) for layer, step in zip(network.layers, sizes.layers, strict=True))
        return eqx.tree_at(lambda network: network.layers, network, tuple(map(_without_constants, shrunk)))

    def thresholded(self, params: Params, steps: Params) -> Params:
        """Zero where the proximal point is, and as it was elsewhere."""
        network, points = cast(BehaviorNetwork, params), cast(BehaviorNetwork, self(params, steps))
        layers = tuple(
            _with_coef(layer, jnp.where(point.coef.raw == 0, 0.0, layer.coef.raw))
            for layer, point in zip(network.layers, points.layers, strict=True)
        )
        return eqx.tree_at(lambda network: network.layers, network, tuple(map(_without_constants, layers)))

    def _layer(self, layer: Layer, steps: Layer) -> Layer:
        raw, rule, sizes = layer.coef.raw, layer.coef.rule, steps.coef.raw
        free = jnp.broadcast_to((rule.signs == 0) & np.isnan(rule.numbers), raw.shape)
        order = np.argsort(layer.block_of_row, kind="stable")
        groups = len(order) if self.groups == "row" else layer.n_blocks
        by_group = lambda values: values.T[order].reshape(groups, -1)
        soft = soft_threshold(raw, sizes * self.l1)
        shrunk = group_shrunk(by_group(soft), by_group(sizes), by_group(free), strength=self.group_l2)
        back = shrunk.reshape(raw.T.shape)[np.argsort(order)].T
        return _with_coef(layer, jnp.where(free, back, raw))


def soft_threshold(z: Float[Array, "..."], threshold: Float[Array, "..."]) -> Float[Array, "..."]:
    """sign(z)·max(|z| − threshold, 0)."""
    return jnp.sign(z) * jnp.maximum(jnp.abs(z) - threshold, 0.0)


def group_shrunk(
    z: Float[Array, "*groups size"], a: Float[Array, "*groups size"], free: Array, *, strength: Float[Array, ""]
) -> Float[Array, "*groups size"]:
    """u = z/(1 + a·s/‖u‖) with s = strength·√size, and zero where ‖z/(a·s)‖ ≤ 1.

    ‖u‖ = θ solves ‖z/(θ + a·s)‖ = 1, by Newton's method on the reciprocal, which is nearly linear in θ.
    """
    z = jnp.where(free, z, 0.0)
    pull = a * strength * jnp.sqrt(jnp.sum(free, axis=-1, keepdims=True))
    size = jnp.sqrt(jnp.sum(z**2, axis=-1, keepdims=True))

    def norm(theta: Array) -> Array:
        return jnp.sqrt(jnp.sum(_ratio(z, theta + pull) ** 2, axis=-1, keepdims=True))

    def newton(_, theta: Array) -> Array:
        at, slope = norm(theta), jnp.sum(_ratio(z**2, (theta + pull) ** 3), axis=-1, keepdims=True)
        return theta + _ratio((at - 1) * at**2, slope)

    start = jnp.maximum(size - jnp.max(pull, axis=-1, keepdims=True), 0.0)
    theta = jax.lax.fori_loop(0, NEWTON_STEPS, newton, start)
    return jnp.where(norm(jnp.zeros_like(theta)) > 1, _ratio(z * theta, theta + pull), 0.0)


def _ratio(numerator: Array, denominator: Array) -> Array:
    """A ratio that is zero where its numerator is."""
    return jnp.where(numerator == 0, 0.0, numerator / jnp.where(numerator == 0, 1.0, denominator))


def _with_coef(layer: Layer, raw: Array) -> Layer:
    return eqx.tree_at(lambda layer: layer.coef.raw, layer, raw)


def _without_constants(layer: Layer) -> Layer:
    """λ = 0 for rows without coefficients, which add a constant."""
    zero = jnp.where(layer.multiplier.rule.signs == 0, 0.0, -jnp.inf)
    raw = jnp.where(jnp.all(layer.coef.value == 0, axis=0), zero, layer.multiplier.raw)
    return eqx.tree_at(lambda layer: layer.multiplier.raw, layer, raw)
