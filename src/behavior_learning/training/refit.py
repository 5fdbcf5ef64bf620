"""Lower a mean loss to its optimum on all rows, with the numbers out of use held at zero, by BFGS.

One compiled program serves every support, start and sample of a shape: gates and rows are its arguments. Derivatives of
the loss of every row, in every number, say what to take out and what to let in.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from behavior_learning.core.arrays import to_device
from behavior_learning.core.block import Weight
from behavior_learning.core.network import BehaviorNetwork, with_arrays
from behavior_learning.devices import suited
from behavior_learning.objectives import Objective, Weighted
from behavior_learning.training.active_set import Support
from behavior_learning.training.descent import FALL, FLAT, PATIENCE, bfgs
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing
from behavior_learning.training.scores import inverse_curvature, row_scores

__all__ = ["FLOOR", "Data", "Family", "Refit", "RowPlaces", "Scores"]

Data = tuple[Array, ...]

FLOOR = -12.0
"""Lowest loss of a row: no candidate sees a density beyond exp(12) in standard deviations."""


class Refit(NamedTuple):
    """Where a descent ended.

    Attributes
    ----------
    vector : the packed numbers; those out of use are zero.
    support : what is in use.
    loss : mean loss of the rows, without the ridge.
    """

    vector: Float[np.ndarray, " numbers"]
    support: Support
    loss: float

    @property
    def size(self) -> int:
        return self.support.size


class RowPlaces(NamedTuple):
    """Where the numbers of the rows of a head stand in the packed vector."""

    coef: Int[np.ndarray, "blocks rows inputs"]
    intercept: Int[np.ndarray, "blocks rows"]
    multiplier: Int[np.ndarray, "blocks rows"]


@dataclass(frozen=True, eq=False)
class Family:
    """All networks of one shape, whichever of their coefficients are in use, and what they minimise.

    Attributes
    ----------
    template : a network of that shape.
    objective : a loss per row.
    l2 : ridge of all rows together.
    """

    template: BehaviorNetwork
    objective: Objective
    l2: float

    @cached_property
    def packing(self) -> Packing:
        return Packing.of(self.template)

    @cached_property
    def places(self) -> list[Weight]:
        """Where the numbers of each weight stand in the packed vector, in the order of `network.weights`."""
        packing = self.packing
        sizes = [int(np.prod(shape)) for shape in packing.shapes]
        order = packing.free + packing.ruled
        starts = dict(zip(order, np.cumsum([0, *(sizes[i] for i in order)]), strict=False))
        at = [Weight(starts[i] + np.arange(n).reshape(packing.shapes[i])) for i, n in enumerate(sizes)]
        return with_arrays(packing.blank, at).weights

    @cached_property
    def rows(self) -> list[dict[str, RowPlaces]]:
        """Where coefficients, intercepts and multipliers stand in the packed vector, by layer and head."""
        left = iter(np.asarray(weight.raw, int) for weight in self.places)
        return [{role: RowPlaces(*islice(left, 3)) for role in layer.heads} for layer in self.template.layers]

    @cached_property
    def coefs(self) -> list[dict[str, Int[np.ndarray, "blocks rows inputs"]]]:
        """Where each coefficient stands in the packed vector, by layer and head."""
        return [{role: places.coef for role, places in layer.items()} for layer in self.rows]

    @cached_property
    def multipliers(self) -> Int[np.ndarray, " rows"]:
        """Where the multipliers stand in the packed vector."""
        return np.concatenate([places.multiplier.ravel() for layer in self.rows for places in layer.values()])

    def gates(self, support: Support) -> Float[np.ndarray, " numbers"]:
        """0 for coefficients out of use and intercepts of rows without any: such a row adds a constant at most."""
        gates = np.ones(sum(int(np.prod(shape)) for shape in self.packing.shapes), np.float32)
        for places, used in zip(self.rows, support.coefs, strict=True):
            for role, coef in used.items():
                gates[places[role].coef] = coef
                gates[places[role].intercept] = coef.any(axis=-1)
        return gates

    def drawn(self, network: BehaviorNetwork) -> Float[np.ndarray, " numbers"]:
        """The packed numbers of a network of this shape."""
        return np.asarray(self.packing.packed(network, np)[0])

    def network(self, refit: Refit) -> BehaviorNetwork:
        """The network of a refit, whole."""
        return jax.tree.map(to_device, self.packing.network((to_device(refit.vector),)))

    def refit(
        self,
        data: Data,
        vector: Float[np.ndarray, " numbers"],
        support: Support,
        steps: int,
        scores: "Scores | None" = None,
    ) -> Refit:
        """Lower the mean loss of rows (x, y, weight) from a vector, in so many evaluations at most.

        Parameters
        ----------
        scores : at the vector or near it, whose information is the first guess of the curvature.
        """
        at = self.gates(support)
        gates = to_device(at)
        rows = float(np.sum(np.asarray(data[2]) > 0))
        loss = PenalizedLoss(
            Weighted.where(self.objective, data), self.packing, to_device(np.float32(self.l2 / (2 * rows)))
        )
        guess = to_device(np.eye(len(at), dtype=np.float32) if scores is None else scores.guess(at > 0))
        with suited(0):  # Brief, and many of them.
            found, value = _descended(
                loss, to_device(np.float32(vector)), gates, guess, data, to_device(np.int32(steps))
            )
        return Refit(np.asarray(found), support, float(value))

    def losses(self, refit: Refit, data: Data) -> Float[np.ndarray, " rows"]:
        """The loss of every row."""
        return np.asarray(_losses(self.objective, self.packing, to_device(refit.vector), data[:2]), float)

    def scores(self, refit: Refit, data: Data) -> "Scores":
        """What the loss of every row that counts says of every number."""
        vector = to_device(refit.vector)
        table = np.asarray(row_scores(self.objective, self.packing, vector, data[:2]), float)
        counted = np.asarray(data[2]) > 0
        in_use = self.gates(refit.support) > 0
        in_use[self.multipliers] = False
        return Scores(table[counted], refit.vector, in_use, self.l2 / counted.sum())


@dataclass(frozen=True, eq=False)
class Scores:
    """Derivatives of the loss of every row in every packed number.

    Attributes
    ----------
    table : ∂loss/∂number.
    values : of the numbers.
    in_use : which numbers are. Multipliers are held: with them the scale of a row would be free, and no coefficient of
        it would matter.
    ridge : per row, which makes the information invertible.
    """

    table: Float[np.ndarray, "rows numbers"]
    values: Float[np.ndarray, " numbers"]
    in_use: Bool[np.ndarray, " numbers"]
    ridge: float

    @cached_property
    def inverse(self) -> Float[np.ndarray, "used used"]:
        """I⁻¹, with I the mean outer product of the scores of the numbers in use, and the ridge."""
        own = self.table[:, self.in_use]
        return np.linalg.inv(own.T @ own / len(own) + self.ridge * np.eye(own.shape[1]))

    def guess(self, in_use: Bool[np.ndarray, " numbers"]) -> Float[np.ndarray, "numbers numbers"]:
        """(I + damping)⁻¹ of some numbers, and ones for the others."""
        guess = np.eye(len(in_use))
        guess[np.ix_(in_use, in_use)] = inverse_curvature(self.table[:, in_use], self.ridge)
        return guess.astype(np.float32)

    def rises(self) -> Float[np.ndarray, " numbers"]:
        """θ²/(2·I⁻¹): by how much the mean loss rises without each number once the others are learned again (Wald)."""
        rises = np.full(len(self.values), np.inf)
        rises[self.in_use] = 0.5 * self.values[self.in_use] ** 2 / np.diag(self.inverse)
        return rises

    def falls(self) -> Float[np.ndarray, " numbers"]:
        """s²/(2V): by how much the mean loss falls with each number (Rao); V is net of the numbers in use."""
        own, new = self.table[:, self.in_use], self.table[:, ~self.in_use]
        net = new - own @ (self.inverse @ (own.T @ new / len(own)))
        falls = np.zeros(len(self.values))
        falls[~self.in_use] = 0.5 * new.mean(axis=0) ** 2 / np.maximum((net**2).mean(axis=0), 1e-12)
        return falls


class _Descent(NamedTuple):
    """A point, the step that is tried from it, and the inverse Hessian as its gradients show it."""

    vector: Float[Array, " p"]
    value: Float[Array, ""]
    slope: Float[Array, " p"]
    inverse: Float[Array, "p p"]
    length: Float[Array, ""]
    flat: Int[Array, ""]
    evaluations: Int[Array, ""]


@eqx.filter_jit
def _descended(
    loss: PenalizedLoss,
    start: Float[Array, " p"],
    gates: Float[Array, " p"],
    guess: Float[Array, "p p"],
    data: Data,
    steps: Int[Array, ""],
) -> tuple[Float[Array, " p"], Float[Array, ""]]:
    def step(state: _Descent) -> _Descent:
        move = -(state.inverse @ state.slope)
        downhill = move @ state.slope < 0
        inverse = jnp.where(downhill, state.inverse, guess)
        move = jnp.where(downhill, move, -(guess @ state.slope))
        longest = 1 + jnp.linalg.norm(state.vector)
        move = move * state.length * jnp.minimum(1.0, longest / jnp.maximum(jnp.linalg.norm(move), 1e-20))
        value, slope = loss.with_slope(data, state.vector + move)
        slope = slope * gates
        sound = jnp.isfinite(value) & jnp.all(jnp.isfinite(slope))
        taken = sound & (value <= state.value + FALL * (move @ state.slope))
        updated = bfgs(inverse, move, jnp.where(sound, slope, state.slope) - state.slope)
        flat = jnp.where(taken & (state.value - value > FLAT * (1 + jnp.abs(value))), 0, state.flat + 1)
        return _Descent(
            jnp.where(taken, state.vector + move, state.vector),
            jnp.where(taken, value, state.value),
            jnp.where(taken, slope, state.slope),
            jnp.where(taken, updated, inverse),
            jnp.where(taken, 1.0, 0.3 * state.length),
            jnp.where(taken | (state.length < 1e-3), flat, state.flat),
            state.evaluations + 1,
        )

    start = start * gates
    value, slope = loss.with_slope(data, start)
    slope = slope * gates
    scale = jnp.minimum(1.0, 1 / jnp.maximum(jnp.linalg.norm(guess @ slope), 1e-20))
    first = _Descent(start, value, slope, scale * guess, jnp.ones(()), jnp.int32(0), jnp.int32(1))
    end = jax.lax.while_loop(lambda s: (s.evaluations < steps) & (s.flat < PATIENCE), step, first)
    return end.vector, end.value - loss.ridge * loss.packing.squared((end.vector,))


@eqx.filter_jit
def _losses(objective: Objective, packing: Packing, vector: Array, data: Data) -> Float[Array, " rows"]:
    return objective(packing.evaluated((vector,)), *data)
