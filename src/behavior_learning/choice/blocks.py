"""Blocks over choosers and attributes beside a readable utility: V(a; β) + BL(x, a), with attributes monotone by signs.

A block falls in a cost if the cost has no positive coefficient in its utility, no negative one in its inequality and
none in its equality; a layer above keeps that if it rises in the blocks below it in the same sense.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.logit import log_softmax, log_sum
from behavior_learning.choice.sets import SetEncoder, Sets
from behavior_learning.choice.utility import Design, Utility
from behavior_learning.core.architecture import SENSES, Architecture
from behavior_learning.core.arrays import to_device
from behavior_learning.core.bases import affine_basis
from behavior_learning.core.batches import by_batches
from behavior_learning.core.block import FREE, NONNEGATIVE, Rule, Weight
from behavior_learning.core.network import BehaviorNetwork, RowRules, weight_value, with_head
from behavior_learning.errors import OptionError
from behavior_learning.training.minimize import Losses, minimize
from behavior_learning.training.optimizers import Optimizer
from behavior_learning.training.packing import Packing

__all__ = ["BlockModel", "BlocksOnData", "SetLoss", "start_network", "train_blocks"]

ABSENT = -1e9
"""Utility of a place without an alternative: finite, so that no gradient is lost."""

CASES_AT_ONCE = 2**15
"""Cases whose loss and its gradient are computed at once; it bounds the memory."""

DIRECTIONS = {"decreasing": -1, "increasing": 1}


def start_network(
    encoder: SetEncoder, features: int, architecture: Architecture, monotone: Mapping[str, str], seed: int
) -> BehaviorNetwork:
    """Blocks at their starting point, under the signs that make them monotone.

    Raises
    ------
    OptionError
        If a monotone name is no attribute, or the direction is none.
    """
    for name, direction in monotone.items():
        if name not in encoder.attributes or direction not in DIRECTIONS:
            raise OptionError(
                f"monotone needs attributes ({', '.join(encoder.attributes)}) that are 'decreasing' or 'increasing'; "
                f"got {name!r}: {direction!r}."
            )
    m, vector = len(encoder.names), architecture.output == "vector"
    basis = affine_basis(features, 0 if vector else m)
    signs = [DIRECTIONS[monotone[n]] if n in monotone else 0 for n in encoder.names]
    if vector:
        return _tastes(architecture, features, np.array(signs), seed)
    sign = np.array([0] * features + signs)
    rules = {role: RowRules(_monotone(sense, sign[None, None]), FREE, NONNEGATIVE) for role, sense in SENSES.items()}
    rng = np.random.default_rng(seed)
    network = BehaviorNetwork.random(
        rng, architecture, features=features, response=m, basis=basis, rules=rules, coef_scale=0.1
    )
    if monotone:
        for layer in range(1, len(architecture.layers)):
            network = _rising(network, layer)
    return network


def _tastes(architecture: Architecture, features: int, signs: Int[np.ndarray, " m"], seed: int) -> BehaviorNetwork:
    """Blocks that read the chooser alone and give the coefficient of every column of y (TasteNet).

    A coefficient keeps its sign where all blocks have one: a readout of that sign on inequalities alone, −λ·softplus.

    Source: Han, Pereira, Ben-Akiva and Zegras (2022).
    """
    heads = [role for role, head in zip(SENSES, architecture.heads, strict=True) if head is not None]
    if signs.any() and heads != ["inequality"]:
        raise OptionError(
            "tastes=True with monotone= needs blocks of one sign: heads=(None, 'softplus', None). "
            f"Got heads={architecture.heads!r}."
        )
    rng = np.random.default_rng(seed)
    network = BehaviorNetwork.random(
        rng, architecture, features=features, response=len(signs), basis=affine_basis(features, 0), coef_scale=0.1
    )
    weight = cast(Weight, network.readout.weight)
    rule = Rule(sign=np.repeat(-signs[:, None], architecture.layers[-1], axis=1))
    small = np.where(signs[:, None] == 0, weight_value(weight), -0.1 * signs[:, None])
    return eqx.tree_at(lambda n: n.readout.weight, network, Weight.from_value(small, rule))


def _monotone(sense: int, sign: Int[np.ndarray, "..."]) -> Rule:
    """What coefficients may be where BL is to rise (1) or fall (−1) in what they multiply."""
    if sense == 0:
        return Rule(fixed=np.where(sign == 0, np.nan, 0.0))
    return Rule(sign=sense * sign)


def _rising(network: BehaviorNetwork, layer: int) -> BehaviorNetwork:
    """The network with a layer that rises in the blocks below it."""
    for role, rows in network.layers[layer].heads.items():
        if rows.head is not None:
            rule = _monotone(SENSES[role], np.ones((1, 1, 1), int))
            network = with_head(network, layer, role, coef=Weight.from_value(weight_value(rows.coef), rule))
    return network


class SetLoss(eqx.Module):
    """−log P of what was chosen, mean over cases, and the ridge of the blocks.

    Attributes
    ----------
    parts : one after the other, with nothing kept for the gradient but what goes in; their number divides the cases.
    """

    packing: Packing
    ridge: Float[Array, ""]
    signs: Rule = eqx.field(static=True)
    parts: int = eqx.field(static=True, default=1)

    def __call__(self, params: Any, data: tuple[Array, ...]) -> Float[Array, ""]:
        raw, *packed = params
        beta, network = Weight(raw, self.signs).value, self.packing.evaluated(tuple(packed))

        def total(part: tuple[Array, ...]) -> Float[Array, ""]:
            x, y, there, design, chosen, weight = part
            v = jnp.where(there, design @ beta + network(x, y), ABSENT)
            log_p = jnp.take_along_axis(jax.nn.log_softmax(v), chosen[:, None], axis=1)[:, 0]
            return jnp.sum(weight * log_p)

        cut = jax.tree.map(
            lambda column: column.reshape(self.parts, len(column) // self.parts, *column.shape[1:]), data
        )
        whole = total(data) if self.parts == 1 else jnp.sum(jax.lax.map(jax.checkpoint(total), cut))
        return -whole / len(data[0]) + self.ridge * self.packing.squared(tuple(packed))


def _arrays(
    utility: Utility, encoder: SetEncoder, data: ChoiceData, weights: Float[np.ndarray, " cases"], parts: int
) -> tuple[tuple[Array, ...], Float[np.ndarray, " p"]]:
    """What the loss reads, in single precision, and the scale of the readable columns in it.

    Copies of the last case, of no weight, make parts of one size.
    """
    x, sets, single = utility.on(data).x, encoder(data, np.float32), np.float32
    scale = np.maximum(x.std(axis=0), 1e-12)
    wide = np.zeros((*sets.there.shape, x.shape[1]), single)
    for j, column in enumerate(x.T):
        wide[data.case, sets.place, j] = column / scale[j]
    more = -len(data) % parts
    weight = np.pad(weights * ((len(data) + more) / weights.sum()), (0, more)).astype(single)
    columns = (sets.x.astype(single), sets.y, sets.there, wide, sets.place[data.chosen_lines])
    padded = (np.pad(own, [(0, more)] + [(0, 0)] * (own.ndim - 1), "edge") if more else own for own in columns)
    return (*map(to_device, padded), to_device(weight)), scale


def train_blocks(
    utility: Utility,
    beta: Float[np.ndarray, " p"],
    data: ChoiceData,
    weights: Float[np.ndarray, " cases"],
    signs: Int[np.ndarray, " p"],
    network: BehaviorNetwork,
    encoder: SetEncoder,
    optimizer: Optimizer,
    l2: float,
    epochs: int,
    seed: int,
) -> "BlockModel":
    """Train blocks and the readable coefficients together, from those of the readable utility alone.

    Parameters
    ----------
    signs : that readable coefficients keep, 0 where they are free.
    l2 : ridge of the blocks' weights, in units of log-likelihood.
    """
    packing, parts = Packing.of(network), -(-len(data) // CASES_AT_ONCE)
    arrays, scale = _arrays(utility, encoder, data, weights, parts)
    readable = Weight.from_value(beta * scale, Rule(sign=signs))
    start = (readable.raw, *packing.packed(network, np))
    whole = SetLoss(packing, to_device(np.float32(l2 / (2 * weights.sum()))), readable.rule, parts)
    best, _, _ = minimize(
        tuple(to_device(np.asarray(a)[None]) for a in start),
        Losses(replace(whole, parts=1) if optimizer.stochastic else whole, whole),
        optimizer.on(decay=0.0, half_squared=_nothing, proximal=None),
        data=arrays,
        validation=arrays,
        seed=seed,
        max_epochs=epochs,
        patience=epochs,
    )
    found, *packed = (np.asarray(a, float)[0] for a in best)
    found = weight_value(Weight(found, readable.rule))
    theta = np.concatenate([found / scale, *(a.ravel() for a in packed)])
    return BlockModel(utility, encoder, packing, tuple(a.shape for a in packed), theta, l2)


def _nothing(params: Any) -> Float[Array, ""]:
    return jnp.zeros(())


@dataclass(frozen=True)
class BlockModel:
    """A readable utility and blocks beside it.

    Attributes
    ----------
    shapes : of the packed arrays of the blocks.
    theta : readable coefficients, and then the numbers of the blocks.
    l2 : the ridge they were trained with.
    """

    utility: Utility
    encoder: SetEncoder
    packing: Packing
    shapes: tuple[tuple[int, ...], ...]
    theta: Float[np.ndarray, " p"]
    l2: float

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the readable coefficients."""
        return self.utility.labels

    def on(self, data: ChoiceData) -> "BlocksOnData":
        """The model on data."""
        return BlocksOnData(self, self.utility.on(data), self.encoder(data))

    def probabilities(self, data: ChoiceData) -> Float[np.ndarray, " lines"]:
        """P of every line."""
        return self.on(data).probabilities(self.theta)

    def packed(self, theta: Float[np.ndarray, " p"]) -> tuple[np.ndarray, ...]:
        """The numbers of the blocks as training holds them."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        parts = np.split(theta[len(self.labels) :], np.cumsum(sizes)[:-1])
        return tuple(part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True))

    @property
    def network(self) -> BehaviorNetwork:
        """The blocks."""
        return self.packing.network(tuple(jnp.asarray(a, jnp.float32) for a in self.packed(self.theta)))


@dataclass(frozen=True)
class BlocksOnData:
    """Blocks and a readable utility on data."""

    model: BlockModel
    design: Design
    sets: Sets

    @property
    def data(self) -> ChoiceData:
        return self.design.data

    def utilities(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "lines 1"]:
        """V + BL of every line, in double precision."""
        with jax.enable_x64(True):
            packed = tuple(to_device(a) for a in self.model.packed(theta))
            learned = by_batches(partial(_utilities, self.model.packing, packed), self.sets[:2], self._values)
        readable = self.design(theta[: len(self.model.labels)])
        return (readable + learned[self.data.case, self.sets.place])[:, None]

    def probabilities(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " lines"]:
        """P of every line."""
        return np.exp(log_softmax(self.utilities(theta)[:, 0], self.data))

    def log_sums(self, theta: Float[np.ndarray, " p"]) -> tuple[np.ndarray, np.ndarray]:
        """Expected utility of the best alternative of every case."""
        sums = log_sum(self.utilities(theta), self.data)
        return sums, np.zeros_like(sums)

    @cached_property
    def _values(self) -> int:
        return self.sets.there.shape[1] * 3 * sum(np.shape(w.raw)[0] for w in self.model.network.arrays[1:2])

    def slopes(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "lines p"]:
        """∂(V + BL)/∂θ of every line."""
        with jax.enable_x64(True):
            packed = tuple(to_device(a) for a in self.model.packed(theta))
            values = self._values * sum(a.size for a in packed) // 10
            parts = by_batches(partial(_slopes, self.model.packing, packed), self.sets[:2], values)
        own = [part[self.data.case, self.sets.place].reshape(self.data.lines, -1) for part in parts]
        return np.concatenate([self.design.x, *own], axis=1)


@eqx.filter_jit
def _utilities(packing: Packing, packed: tuple[Array, ...], x: Array, y: Array) -> Float[Array, "n k"]:
    return packing.evaluated(packed)(x, y)


@eqx.filter_jit
def _slopes(packing: Packing, packed: tuple[Array, ...], x: Array, y: Array) -> tuple[Array, ...]:
    def one(packed: tuple[Array, ...], own_x: Array, own_y: Array) -> Float[Array, " k"]:
        return packing.evaluated(packed)(own_x[None], own_y[None])[0]

    return jax.vmap(jax.jacrev(one), in_axes=(None, 0, 0))(packed, x, y)
