"""Local parameters of a canonical network: one number per parameter that can be learned, with its label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from behavior_learning.core.block import Weight
from behavior_learning.core.network import BehaviorNetwork, with_weights
from behavior_learning.identification.canonical_form import Canonical

__all__ = [
    "LocalParameters",
    "Parametrization",
    "Place",
    "learned_numbers",
    "null_space",
    "number_places",
    "parameter_labels",
    "row_label",
]


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


class Place(NamedTuple):
    """Where a number of a network stands; layers, blocks and rows counted from 0.

    Attributes
    ----------
    role : the head whose row it belongs to; empty in projections and the readout.
    row : within its head and block; the output in the readout.
    part : ``"coef"``, ``"intercept"``, ``"multiplier"``, ``"projection"``, ``"weight"`` or ``"bias"``.
    column : of what a coefficient multiplies.
    """

    layer: int
    block: int
    role: str
    row: int
    part: str
    column: int = 0

    @property
    def of_row(self) -> tuple[int, int, str, int]:
        """(layer, block, role, row), for numbers of a head."""
        return self[:4]


def number_places(network: BehaviorNetwork) -> list[Place]:
    """Where every number of a network stands, in the order of `network.weights`."""
    places: list[Place] = []
    for number, layer in enumerate(network.layers):
        for role, head in layer.heads.items():
            blocks, count, inputs = np.shape(head.coef.raw)
            rows = [(number, block, role, row) for block in range(blocks) for row in range(count)]
            places += [Place(*row, "coef", column) for row in rows for column in range(inputs)]
            places += [Place(*row, part) for part in ("intercept", "multiplier") for row in rows]
    for number, projection in enumerate(network.projections):
        if projection is not None:
            lines, columns = np.shape(projection.raw)
            places += [Place(number + 1, i, "", 0, "projection", j) for i in range(lines) for j in range(columns)]
    top, (weight, bias) = len(network.layers), (network.readout.weight, network.readout.bias)
    if weight is not None:
        outputs, blocks = np.shape(weight.raw)
        places += [Place(top, 0, "", k, "weight", j) for k in range(outputs) for j in range(blocks)]
    return places + ([] if bias is None else [Place(top, 0, "", k, "bias") for k in range(np.size(bias.raw))])


def row_label(
    network: BehaviorNetwork, place: tuple[int, int, str, int], blocks: Mapping[str, str] | None = None
) -> str:
    """Name a row: ``inequality``, ``inequality2`` where its head has several, ``block1.2.inequality`` among blocks.

    The only row of a block among others, or of one with a name, is called like the block.

    Parameters
    ----------
    place : (layer, block, role, row).
    blocks : the user's names of blocks by their own, such as ``{"block1.1": "budget"}``.
    """
    layer, block, role, row = place
    counts = {name: np.shape(head.intercept.raw)[1] for name, head in network.layers[layer].heads.items()}
    own = f"block{layer + 1}.{block + 1}"
    title = (blocks or {}).get(own, own if sum(network.architecture.layers) > 1 else "")
    if title and sum(counts.values()) == 1:
        return title
    name = f"{role}{row + 1}" if counts[role] > 1 else role
    return f"{title}.{name}" if title else name


def parameter_labels(
    network: BehaviorNetwork,
    x_names: Sequence[str],
    y_names: Sequence[str],
    outputs: Sequence[str] = (),
    blocks: Mapping[str, str] | None = None,
) -> list[str]:
    """Name every number of a network, such as ``inequality[RM*MEDV]`` or ``block1.2.inequality.multiplier``.

    Parameters
    ----------
    outputs : names of the utilities in vector output.
    blocks : the user's names of blocks, see `row_label`.
    """
    terms = network.basis.names(x_names, () if network.architecture.output == "vector" else y_names)
    return [_label(network, place, terms, outputs, blocks or {}) for place in number_places(network)]


def _label(
    network: BehaviorNetwork, place: Place, terms: Sequence[str], outputs: Sequence[str], blocks: Mapping[str, str]
) -> str:
    def block(layer: int, number: int) -> str:
        name = f"block{layer + 1}.{number + 1}"
        return blocks.get(name, name)

    if place.part == "projection":
        return f"{block(place.layer, place.block)}.projection[{block(place.layer - 1, place.column)}]"
    if place.part in ("weight", "bias"):
        several = len(outputs) > 1 and network.architecture.output == "vector"
        at = f"readout.{outputs[place.row]}" if several else "readout"
        return f"{at}[{block(place.layer - 1, place.column)}]" if place.part == "weight" else f"{at}.bias"
    row = row_label(network, place.of_row, blocks)
    if place.part != "coef":
        return f"{row}.{place.part}"
    seen = network.architecture.inputs(place.layer)
    inputs = [*(terms if seen.terms else ()), *(block(*below) for below in seen.blocks)]
    return f"{row}[{inputs[place.column]}]"
