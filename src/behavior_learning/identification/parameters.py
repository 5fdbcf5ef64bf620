"""Local parameters of a canonical network: one number per parameter that can be learned, with its label."""

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from behavior_learning.core.block import Weight
from behavior_learning.core.network import BehaviorNetwork, with_weights
from behavior_learning.identification.canonical_form import Canonical

__all__ = ["LocalParameters", "Parametrization", "learned_numbers", "null_space", "parameter_labels"]


class Parametrization(eqx.Module):
    """θ ↦ network near a canonical form.

    Attributes
    ----------
    template : the network whose learned numbers θ replaces.
    values : all its numbers, in the order of `network.weights`.
    learned : positions of the learned ones among them.
    """

    template: BehaviorNetwork
    values: Float[Array, " numbers"]
    learned: Int[Array, " parameters"]

    def network(self, theta: Float[Array, " parameters"]) -> BehaviorNetwork:
        """The network with parameters θ."""
        values, weights, start = self.values.at[self.learned].set(theta), [], 0
        for weight in self.template.weights:
            raw = values[start : start + weight.raw.size].reshape(weight.raw.shape)
            weights.append(Weight(raw, weight.rule))
            start += weight.raw.size
        return with_weights(self.template, weights)

    def canonical(self, theta: Float[Array, " parameters"]) -> Float[Array, " parameters"]:
        """θ itself: the parameters are those of the canonical form."""
        return theta


@dataclass(frozen=True)
class LocalParameters:
    """A parametrization together with what is known of its parameters at the canonical form.

    Attributes
    ----------
    theta : the parameters of the canonical form.
    labels : one per parameter.
    signs : sign that each parameter must keep, 0 for none.
    tangent_space : columns span the directions in which the canonical form can move; the identity without constraints.
    """

    parametrization: Parametrization
    theta: Float[np.ndarray, " parameters"]
    labels: tuple[str, ...]
    signs: Int[np.ndarray, " parameters"]
    tangent_space: Float[np.ndarray, "parameters dimensions"]

    @classmethod
    def of(cls, canonical: Canonical, labels: Sequence[str]) -> "LocalParameters":
        """Local parameters around a canonical form; `labels` name all its numbers."""
        learned = np.flatnonzero(learned_numbers(canonical.network))
        values = np.concatenate([np.asarray(w.raw, float).ravel() for w in canonical.network.weights])
        tangent_space = null_space(canonical.constraints[:, learned])
        parametrization = Parametrization(canonical.network, jnp.asarray(values), jnp.asarray(learned))
        return cls(
            parametrization, values[learned], tuple(np.array(labels)[learned]), canonical.signs[learned], tangent_space
        )


def learned_numbers(network: BehaviorNetwork) -> Bool[np.ndarray, " numbers"]:
    masks = [np.isnan(np.broadcast_to(w.rule.numbers, np.shape(w.raw))).ravel() for w in network.weights]
    return np.concatenate(masks)


def null_space(conditions: Float[np.ndarray, "conditions parameters"]) -> Float[np.ndarray, "parameters dimensions"]:
    """An orthonormal basis of what the conditions leave free."""
    if not conditions.any():
        return np.eye(conditions.shape[1])
    _, sizes, directions = np.linalg.svd(conditions)
    rank = int(np.sum(sizes > 1e-10 * sizes[0]))
    return directions[rank:].T


def parameter_labels(
    network: BehaviorNetwork, x_names: Sequence[str], y_names: Sequence[str], outputs: Sequence[str] = ()
) -> list[str]:
    """Name every number of a network, such as ``layer1.block2.inequality.coef[RM*MEDV]``.

    Rows are numbered where a head has several: ``layer1.block1.inequality.row2.intercept``.

    Parameters
    ----------
    outputs : names of the utilities in vector output.
    """
    architecture = network.architecture
    labels: list[str] = []
    seen_response = () if architecture.output == "vector" else y_names
    terms = network.basis.names(x_names, seen_response)
    for number, layer in enumerate(network.layers):
        seen = architecture.inputs(number)
        inputs = [*(terms if seen.terms else ()), *(f"block{below + 1}.{b + 1}" for below, b in seen.blocks)]
        for role, rows in layer.heads.items():
            width, count = np.shape(rows.intercept.raw)
            names = [f"{role}.row{r + 1}" if count > 1 else role for r in range(count)]
            at = [f"layer{number + 1}.block{b + 1}.{name}" for b in range(width) for name in names]
            labels += [f"{row}.coef[{name}]" for row in at for name in inputs]
            labels += [f"{row}.intercept" for row in at] + [f"{row}.multiplier" for row in at]
    for number, projection in enumerate(network.projections):
        if projection is not None:
            lines, columns = np.shape(projection.raw)
            labels += [
                f"layer{number + 2}.block{i + 1}.projection[block{number + 1}.{j + 1}]"
                for i in range(lines)
                for j in range(columns)
            ]
    weight, bias = network.readout.weight, network.readout.bias
    count = next((np.shape(numbers.raw)[0] for numbers in (weight, bias) if numbers is not None), 0)
    place = [f"readout[{name}]" for name in outputs] if len(outputs) == count > 1 else ["readout"] * count
    if weight is not None:
        top = len(network.layers)
        labels += [f"{at}.weight[block{top}.{j + 1}]" for at in place for j in range(np.shape(weight.raw)[1])]
    return labels + ([f"{at}.bias" for at in place] if bias is not None else [])
