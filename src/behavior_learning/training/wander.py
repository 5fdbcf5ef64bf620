"""Descents by Adam on few random rows at a time, many at once: their noise carries them over optima near the start.

Of problems of layers BFGS from a random start ends in the next local optimum; a large rate and small batches pass many
of these by, and BFGS then goes from where they end to the optimum.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.arrays import make_key, to_device
from behavior_learning.training.active_set import Support
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.refit import FLOOR, Data, Family, Refit

__all__ = ["wandered"]

STEPS, BATCH, RATE, TOGETHER = 500, 32, 0.1, 8
"""Steps, rows of each, the first rate, which falls as half a cosine, and the descents of one call of the program."""

ADAM = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))
"""Of all descents at once: it treats every number by itself."""


def wandered(
    family: Family,
    data: Data,
    starts: Sequence[tuple[Float[np.ndarray, " numbers"], Support]],
    rng: np.random.Generator,
) -> list[Refit]:
    """Where a descent from each start ends, near an optimum of its support, and its loss on all rows."""
    rows = float(np.sum(np.asarray(data[2]) > 0))
    loss = PenalizedLoss(family.objective, family.packing, to_device(np.float32(family.l2 / (2 * rows))))
    found = []
    for first in range(0, len(starts), TOGETHER):
        some = [starts[(first + i) % len(starts)] for i in range(TOGETHER)]  # The last call is filled up.
        begun = np.array([vector for vector, _ in some], np.float32)
        gates = np.array([family.gates(support) for _, support in some], np.float32)
        key = make_key(int(rng.integers(2**31)))
        ends = _descended(loss, to_device(begun), to_device(gates), data, key)
        vectors, losses = map(np.asarray, ends)
        found += [Refit(end, own, float(value)) for end, (_, own), value in zip(vectors, some, losses, strict=True)]
    return found[: len(starts)]


@eqx.filter_jit
def _descended(
    loss: PenalizedLoss, starts: Float[Array, "k p"], gates: Float[Array, "k p"], data: Data, key: PRNGKeyArray
) -> tuple[Float[Array, "k p"], Float[Array, " k"]]:
    x, y, weight = data

    def losses(vector: Array, rows: Array | slice) -> Array:
        return loss.objective(loss.packing.evaluated((vector,)), x[rows], y[rows]) * weight[rows]

    def penalized(vector: Array, rows: Array) -> Array:
        return jnp.mean(losses(vector, rows)) + loss.ridge * loss.packing.squared((vector,))

    def step(number: Array, at: tuple[Array, optax.OptState]) -> tuple[Array, optax.OptState]:
        vectors, state = at
        rows = jax.random.randint(jax.random.fold_in(key, number), (len(starts), BATCH), 0, len(x))
        slopes = jax.vmap(jax.grad(penalized))(vectors, rows) * gates
        moves, state = ADAM.update(jnp.where(jnp.isfinite(slopes), slopes, 0.0), state)
        return vectors + jnp.asarray(moves), state

    begun = starts * gates
    ends = jax.lax.fori_loop(0, STEPS, step, (begun, ADAM.init(begun)))[0]
    each = jax.lax.map(lambda vector: losses(vector, slice(None)), ends)
    return ends, jnp.where(jnp.min(each, axis=1) < FLOOR, jnp.inf, jnp.mean(each, axis=1))
