"""Cost of one Adam step inside the compiled loop, one start.

python benchmarks/step.py
"""

import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import behavior_learning as bl
from behavior_learning.core.spaces import Box, Categories, Space
from behavior_learning.estimators.structure import DEFAULT_LAYERS
from behavior_learning.objectives import NegativeLogLikelihood
from behavior_learning.training.fit import PenalisedLoss
from behavior_learning.training.optimizers import Adam

REPEATS = 15


def milliseconds_per_step(
    layers: tuple[int, ...], features: int, space: Space, responses: Callable, *, batch: int = 64, steps: int = 200
) -> float:
    rng = np.random.default_rng(0)
    readout = "identity" if layers[-1] == 1 else "nonnegative"
    architecture = bl.Architecture(layers, readout=readout)
    network = bl.BehaviorNetwork.random(rng, architecture, features=features, response=space.dimension)
    rows = steps * batch
    data = (jnp.asarray(rng.standard_normal((rows, features)), jnp.float32), jnp.asarray(responses(rng, rows)))
    params, static = eqx.partition(network, eqx.is_inexact_array)
    loss = PenalisedLoss(NegativeLogLikelihood(space), static, jnp.asarray(1e-3))
    optimizer = Adam(learning_rate=0.01, clip=1.0, averaging=0.98, batch_size=batch)
    epoch = eqx.filter_jit(lambda params, state, key: optimizer.epoch(loss, params, state, data, key))
    state, key = optimizer.init(params), jax.random.key(0)
    jax.block_until_ready(epoch(params, state, key)[2])
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        jax.block_until_ready(epoch(params, state, key)[2])
        times.append((time.perf_counter() - begun) / steps * 1e3)
    return float(np.median(times))


def main() -> None:
    labels = lambda classes: lambda rng, rows: rng.integers(classes, size=rows).astype(np.int32)
    numbers = lambda rng, rows: rng.uniform(-2, 2, rows).astype(np.float32)
    print("| step (batch 64 unless stated) | ms |\n|---|---|")
    for name, arguments in {
        "cross-entropy, BL[2,1], 30 inputs, 2 classes": ((2, 1), 30, Categories(2), labels(2)),
        "exact likelihood, BL[2,1], 13 inputs (Boston)": ((2, 1), 13, Box(-4.0, 6.0), numbers),
        "exact likelihood, default layers, 13 inputs": (DEFAULT_LAYERS, 13, Box(-4.0, 6.0), numbers),
    }.items():
        print(f"| {name} | {milliseconds_per_step(*arguments):.3f} |", flush=True)
    few, many = (
        milliseconds_per_step((88,), 784, Categories(classes), labels(classes), batch=256, steps=4)
        for classes in (2, 100)
    )
    print(f"| cross-entropy, BL[88], 784 inputs, batch 256, 2 classes | {few:.2f} |")
    print(f"| the same with 100 classes, {many / few:.1f} times as much | {many:.2f} |")


if __name__ == "__main__":
    main()
