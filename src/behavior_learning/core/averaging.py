"""The mean of networks as one network: Σ_k BL_k/K is a BL of all their blocks side by side.

No block sees those of another network, so each can be taken out again.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from behavior_learning.core.architecture import LayerInputs
from behavior_learning.core.arrays import to_device
from behavior_learning.core.bases import united
from behavior_learning.core.block import NONNEGATIVE, Layer, Rows, Rule, Weight
from behavior_learning.core.heads import ROLES
from behavior_learning.core.network import BehaviorNetwork, Readout, weight_value

__all__ = ["biases_of", "mean_of", "member_of"]


def mean_of(networks: Sequence[BehaviorNetwork]) -> BehaviorNetwork:
    """The network whose utility is the mean of those of networks of one shape, their blocks in this order.

    Their bases may differ in the curves of x: the mean has all of them, and coefficients that are zero where a network
    does without.

    Examples
    --------
    >>> from behavior_learning.core.architecture import Architecture
    >>> rng = np.random.default_rng(0)
    >>> members = [BehaviorNetwork.random(rng, Architecture((2, 1)), features=3, response=1) for _ in range(4)]
    >>> mean_of(members).architecture.layers
    (8, 4)
    """
    first, count = networks[0], len(networks)
    shape = first.architecture
    readout = "nonnegative" if shape.readout == "identity" else shape.readout
    wide = replace(shape, layers=tuple(count * width for width in shape.layers), readout=readout)
    basis, places = united([network.basis for network in networks])

    def heads(network: BehaviorNetwork, member: int, number: int) -> dict[str, Rows]:
        at = _columns(wide.inputs(number), basis.size, member, count)
        terms = wide.inputs(number).n_terms(basis.size)
        at = np.concatenate([places[member][:terms], at[terms:]])
        size = terms + len(wide.inputs(number).blocks)
        rows = network.layers[number].heads.items()
        return {r: Rows(_within(own.coef, at, size), own.intercept, own.multiplier, own.head) for r, own in rows}

    def layer(number: int) -> Layer:
        members = [heads(network, member, number) for member, network in enumerate(networks)]
        joined = {role: zip(*(own[role].weights for own in members), strict=True) for role in ROLES}
        stacked = {role: [Weight.joined(list(own), 0) for own in weights] for role, weights in joined.items()}
        return Layer.of({role: Rows(*stacked[role], head=members[0][role].head) for role in ROLES})

    def projection(number: int) -> Weight | None:
        own = [network.projections[number] for network in networks]
        below = shape.layers[number]
        wide = [_within(w, np.arange(m * below, (m + 1) * below), count * below) for m, w in enumerate(own) if w]
        return Weight.joined(wide, 0) if wide else None

    weights, biases = ([getattr(net.readout, name) for net in networks] for name in ("weight", "bias"))
    values = [np.ones((1, 1)) if weight is None else weight_value(weight) for weight in weights]
    rule = NONNEGATIVE if weights[0] is None else weights[0].rule
    weight = Weight.from_value(np.concatenate(values, axis=1) / count, rule)
    bias = None if biases[0] is None else Weight.from_value(np.mean([weight_value(own) for own in biases], axis=0))
    return BehaviorNetwork(
        basis,
        tuple(map(layer, range(len(shape.layers)))),
        tuple(map(projection, range(len(first.projections)))),
        Readout(weight, bias),
        wide,
    )


def biases_of(networks: Sequence[BehaviorNetwork]) -> tuple[tuple[float, ...], ...]:
    """The biases of the readout of every network, in double precision."""
    biases = [network.readout.bias for network in networks]
    return tuple(() if bias is None else tuple(weight_value(bias).tolist()) for bias in biases)


def member_of(network: BehaviorNetwork, member: int, biases: Sequence[Sequence[float]]) -> BehaviorNetwork:
    """One of the networks, counted from 0, whose mean a network is.

    Its readout is a weighted sum, also where it had been none.

    Parameters
    ----------
    biases : of the readout of every member, which their mean does not tell apart; nothing where there was none.
    """
    count = len(biases)
    wide = network.architecture
    shape = replace(wide, layers=tuple(width // count for width in wide.layers))

    def own(layer: int) -> slice:
        return slice(member * shape.layers[layer], (member + 1) * shape.layers[layer])

    def layer(number: int) -> Layer:
        at = _columns(wide.inputs(number), network.basis.size, member, count)
        rows = network.layers[number].heads.items()
        return Layer.of(
            {
                role: Rows(
                    rows.coef.moved(lambda values: values[own(number)][..., at]),
                    rows.intercept.moved(lambda values: values[own(number)]),
                    rows.multiplier.moved(lambda values: values[own(number)]),
                    rows.head,
                )
                for role, rows in rows
            }
        )

    def projection(number: int) -> Weight | None:
        weight = network.projections[number]
        return None if weight is None else weight.moved(lambda values: values[own(number + 1), own(number)])

    weight = network.readout.weight
    kept = None if weight is None else Weight.from_value(count * weight_value(weight)[:, own(-1)], weight.rule)
    return BehaviorNetwork(
        network.basis,
        tuple(map(layer, range(len(shape.layers)))),
        tuple(map(projection, range(len(network.projections)))),
        Readout(kept, Weight.from_value(np.array(biases[member])) if len(biases[member]) else None),
        shape,
    )


def _columns(seen: LayerInputs, terms: int, member: int, count: int) -> np.ndarray:
    """The columns of a layer of all networks that belong to one of them: all terms, and its own blocks."""
    parts = [np.arange(seen.n_terms(terms))]
    for layer in seen.layers:
        columns, width = seen.columns(layer, terms), seen.widths[layer] // count
        parts.append(columns.start + member * width + np.arange(width))
    return np.concatenate(parts)


def _within(weight: Weight, at: np.ndarray, size: int) -> Weight:
    """A weight at some of so many last columns, and zeros that are not learned in the others."""
    own = np.shape(weight.raw)
    if np.array_equal(at, np.arange(size)):
        return weight
    raw, signs, numbers = (np.zeros((*own[:-1], size), kind) for kind in (np.float32, int, float))
    signs[..., at], numbers[..., at] = weight.rule.wide(own)
    raw[..., at] = weight.raw
    return Weight(to_device(raw), Rule(signs, numbers))
