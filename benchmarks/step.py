"""A training step, beside the paper's package at the same mathematics and a plain network of as many parameters.

All train on batches of one size with Adam and clipped gradients, on all cores. Ours is a step of the compiled loop; it
also adds a ridge and keeps a running mean of the parameters. Theirs take batches that are cut beforehand.

    python benchmarks/step.py [--rounds 9] [--only limits ...]
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import behavior_learning as bl
from behavior_learning.core.arrays import numbers_to_device
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.estimators.structure import DEFAULT_LAYERS
from behavior_learning.objectives import DenoisingScoreMatching, Likelihood, Objective
from behavior_learning.training.fit import PenalizedLoss, WithNoise
from behavior_learning.training.optimizers import Adam
from behavior_learning.training.packing import Packing
from peers import blnetwork_epoch, mlp_epoch, mlp_width
from timing import alternately, heading, table

SIGMA = 1.2


class Case(NamedTuple):
    """Rows to train on: `classes` of them, or numbers where there are none."""

    layers: tuple[int, ...]
    inputs: int
    classes: int | None = None
    batch: int = 64
    steps: int = 100

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        rng, n = np.random.default_rng(0), self.steps * self.batch
        x = rng.standard_normal((n, self.inputs)).astype(np.float32)
        y = rng.integers(self.classes, size=n).astype(np.int32) if self.classes else rng.standard_normal(n)
        return x, y.astype(np.int32 if self.classes else np.float32)


def objective_of(case: Case, likelihood: bool = False) -> Objective:
    if case.classes:
        return Likelihood().on(Categories(case.classes))
    box = Interval(-4.0, 6.0)
    return Likelihood().on(box) if likelihood else DenoisingScoreMatching(SIGMA, draws=1, gauss_hermite=False).on(box)


def our_epoch(case: Case, objective: Objective, output: str = "scalar") -> Callable[[], object]:
    """A pass of the compiled loop over the rows."""
    free = output == "vector" or case.layers[-1] > 1
    architecture = bl.Architecture(case.layers, readout="free" if free else "identity", output=output)
    network = bl.BehaviorNetwork.random(
        np.random.default_rng(0), architecture, features=case.inputs, response=objective.space.dimension
    )
    packing = Packing.of(network)
    loss, noise = PenalizedLoss(objective, packing, jnp.asarray(1e-3)), WithNoise(objective)
    optimizer = numbers_to_device(Adam(batch_size=case.batch))
    data, params = tuple(map(jnp.asarray, case.rows())), packing.packed(network)
    run = eqx.filter_jit(
        lambda params, state, order, data: optimizer.epoch(
            loss, params, state, noise(jax.random.key(0), data), order, (0.0, 1.0)
        )
    )
    state = jax.tree.map(lambda leaf: leaf[0], optimizer.init(jax.tree.map(lambda leaf: leaf[None], params)))
    rng = np.random.default_rng(0)
    return lambda: run(params, state, rng.permutation(len(data[0])).astype(np.int32), data)[2]


BESIDE_BLNETWORK = {
    "denoising score matching, BL[2,1], 13 inputs (Boston)": (Case((2, 1), 13), 40),
    "denoising score matching, BL[32,16], 13 inputs": (Case((32, 16), 13), 15),
    "cross-entropy, BL[88], 64 inputs, 10 classes (digits)": (Case((88,), 64, 10), 10),
    "cross-entropy, BL[88], 784 inputs, 10 classes (MNIST)": (Case((88,), 784, 10), 25),
    "cross-entropy, BL[88], 784 inputs, 100 classes, batch 256": (Case((88,), 784, 100, 256, steps=16), 20),
}

TABLE_13 = {
    "MNIST": (784, 10, ((88,), (88, 42), (88, 42, 20))),
    "AG News": (128, 4, ((380,), (512, 128), (256, 128, 64))),
    "Yelp": (128, 2, ((380,), (512, 128), (256, 128, 64))),
}

ALONE = {
    "cross-entropy, BL[2,1], 30 inputs, 2 classes": (Case((2, 1), 30, 2, steps=200), False),
    "exact likelihood, BL[2,1], 13 inputs (Boston)": (Case((2, 1), 13), True),
    "exact likelihood, default layers, 13 inputs": (Case(DEFAULT_LAYERS, 13), True),
}


def beside_blnetwork(rounds: int) -> None:
    lines = []
    for name, (case, aim) in BESIDE_BLNETWORK.items():
        x, y = case.rows()
        options = {"classes": case.classes} if case.classes else {"sigma": SIGMA}
        runs = {
            "ours": our_epoch(case, objective_of(case)),
            "theirs": blnetwork_epoch(case.layers, x, y, case.batch, **options),
        }
        ours, theirs = (seconds / case.steps * 1e3 for seconds in alternately(runs, rounds).values())
        lines.append((name, f"{ours:.3f}", f"{theirs:.2f}", f"{theirs / ours:.1f}", aim))
    table(
        ("step beside blnetwork (scalar output, batch 64)", "ours, ms", "blnetwork, ms", "times faster", "aim"), lines
    )


def beside_mlp(rounds: int) -> None:
    lines = []
    for name, (inputs, classes, shapes) in TABLE_13.items():
        for layers in shapes:
            case = Case(layers, inputs, classes)
            architecture = bl.Architecture(layers, readout="free", output="vector")
            network = bl.BehaviorNetwork.random(
                np.random.default_rng(0), architecture, features=inputs, response=classes
            )
            width = mlp_width(network.n_parameters, inputs, classes, len(layers))
            runs = {
                "ours": our_epoch(case, objective_of(case), "vector"),
                "theirs": mlp_epoch(width, len(layers), *case.rows(), classes, case.batch),
            }
            ours, theirs = (seconds / case.steps * 1e3 for seconds in alternately(runs, rounds).values())
            shape = f"{name}, BL{list(layers)}, {network.n_parameters:,} parameters"
            lines.append((shape, f"{ours:.3f}", f"{theirs:.3f} (width {width})", f"{theirs / ours:.2f}"))
    table(("step beside a PyTorch MLP (Table 13, batch 64)", "ours, ms", "MLP, ms", "times faster"), lines)


def roofline(rounds: int) -> None:
    """A whole step beside the matrix products in it: rows by weights, and rows by gradients."""
    case = Case((88,), 784, 10, 256, 40)
    x = jnp.asarray(case.rows()[0]).reshape(case.steps, case.batch, case.inputs)
    weights = jnp.ones((case.inputs, 3 * case.layers[0]))

    @jax.jit
    def products(weights: jax.Array) -> jax.Array:
        step = lambda weights, rows: (weights + 1e-6 * (rows.T @ (rows @ weights)), None)
        return jax.lax.scan(step, weights, x)[0]

    objective = objective_of(case)
    runs = {
        "a step, scalar output": our_epoch(case, objective),
        "a step, vector output": our_epoch(case, objective, "vector"),
        "products": lambda: products(weights),
    }
    seconds = alternately(runs, rounds)
    flops = 4 * case.batch * weights.size
    rate = lambda name: flops * case.steps / seconds[name] / 1e9
    share = lambda name: seconds["products"] / seconds[name]
    lines = [(n, f"{seconds[n] / case.steps * 1e3:.2f}", f"{rate(n):.0f}", f"{share(n):.0%}") for n in runs]
    table(("MNIST, BL[88], batch 256", "ms", "Gflop/s of the products", "of their rate (aim 50 %)"), lines)


PASSES = 9
"""Of a step over all parameters: gradient, both moments, parameters, their mean read, all but the first written."""


def limits(rounds: int) -> None:
    """What a step beside blnetwork must take: its products, heads and passes over the parameters, each alone and at the
    best rate of this machine for arrays of its sizes, nothing else, and so how much faster it can be at most."""
    lines = []
    for name, (case, _) in BESIDE_BLNETWORK.items():
        if case.classes is None:
            continue
        x, y = case.rows()
        width, seen = 3 * case.layers[0], case.batch * case.classes
        weights, heads = jnp.ones((case.inputs, width)), jnp.ones((seen, case.layers[0]))
        rows, passed = jnp.asarray(x).reshape(case.steps, case.batch, case.inputs), jnp.ones((PASSES - 4, weights.size))
        repeated = lambda step, start, case=case: jax.jit(lambda: jax.lax.fori_loop(0, case.steps, step, start))
        runs = {
            # Rows by weights, and rows by gradients.
            "products": jax.jit(
                lambda rows=rows, weights=weights: jax.lax.scan(
                    lambda w, rows: (w + 1e-6 * (rows.T @ (rows @ w)), None), weights, rows
                )[0]
            ),
            # tanh of every block, class and row, and as much again for relu, abs and all three slopes.
            "heads": repeated(lambda _, at: 1.1 * jnp.tanh(at), heads),
            "passes": repeated(lambda _, at: at * 1.0001 + 1e-6, passed),
            "ours": our_epoch(case, objective_of(case)),
            "theirs": blnetwork_epoch(case.layers, x, y, case.batch, classes=case.classes),
        }
        ms = {part: seconds / case.steps * 1e3 for part, seconds in alternately(runs, rounds).items()}
        least = ms["products"] + ms["heads"] + ms["passes"]
        parts = [f"{ms[part]:.3f}" for part in ("products", "heads", "passes")]
        faster = [f"{ms['theirs'] / value:.1f}" for value in (ms["ours"], least)]
        lines.append((name, *parts, f"{least:.3f}", f"{ms['ours']:.3f}", f"{ms['theirs']:.2f}", *faster))
    columns = "products", "heads", "passes", "least", "ours", "blnetwork", "times faster", "at most"
    table(("step, ms", *columns), lines)


def alone(rounds: int) -> None:
    runs = {name: our_epoch(case, objective_of(case, likelihood)) for name, (case, likelihood) in ALONE.items()}
    seconds = alternately(runs, rounds)
    lines = [(name, f"{seconds[name] / case.steps * 1e3:.3f}") for name, (case, _) in ALONE.items()]
    table(("step", "ms"), lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parts = {part.__name__: part for part in (beside_blnetwork, beside_mlp, roofline, limits, alone)}
    parser.add_argument("--only", nargs="*", choices=parts, default=list(parts))
    options = parser.parse_args()
    heading("Training steps")
    for name in options.only:
        parts[name](options.rounds)


if __name__ == "__main__":
    main()
