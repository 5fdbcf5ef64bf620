"""Time until blnetwork's final validation loss: same layers, objective, rows and fixed validation noise.

blnetwork trains with its own loop, loader and early stopping; its best parameters are then judged by our validation
loss. Ours is timed until its own best is as low, compilation apart: the first of two runs compiles.

    python benchmarks/quality.py --data DIR [--seeds 5]
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
import torch

import behavior_learning as bl
from behavior_learning.core.arrays import make_key
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.interchange import read_blnetwork
from behavior_learning.objectives import DenoisingScoreMatching, Likelihood, Objective
from behavior_learning.training.fit import ValidationLoss, WithNoise, fit
from behavior_learning.training.optimizers import Adam
from behavior_learning.training.packing import Packing
from behavior_learning.training.settings import Penalty, Settings
from peers import built, trainer_of
from timing import heading, table

SIGMA, BATCH, PATIENCE = 1.2, 64, 40


Rows = tuple[np.ndarray, np.ndarray]


class Task(NamedTuple):
    """What both learn."""

    layers: tuple[int, ...]
    objective: Objective
    train: Rows
    held_out: Rows
    epochs: int
    rate: float
    classes: int | None


TASKS = {
    "Boston, denoising score matching, BL[2,1]": ((2, 1), 500, 0.01, None),
    "Wisconsin, cross-entropy, BL[2,1]": ((2, 1), 500, 0.01, 2),
    "MNIST, cross-entropy, BL[88]": ((88,), 5, 1e-3, 10),
}
"""Layers, most epochs, learning rate and classes."""


def make_task(name: str, folder: Path, seed: int) -> Task:
    layers, epochs, rate, classes = TASKS[name]
    if classes is None:
        X, y = bl.datasets.load_boston()
        rows = _split(X.to_numpy(float), y.to_numpy(float), seed)
    elif classes == 2:
        table = pd.read_parquet(folder / "breast_cancer_wisconsin.parquet").dropna()
        rows = _split(table.drop(columns="Class").to_numpy(float), (table["Class"] == "malignant").to_numpy(int), seed)
    else:
        digits = np.load(folder / "mnist.npz")
        pixels = digits["x_train"].reshape(-1, 784).astype(float) / 255
        rows = _split(pixels, digits["y_train"].astype(int), seed, scaled=False)
    denoising = DenoisingScoreMatching(SIGMA, draws=2, gauss_hermite=False).on(Interval(-6.0, 6.0))
    objective = Likelihood().on(Categories(classes)) if classes else denoising
    return Task(layers, objective, *rows, epochs, rate, classes)


def theirs(task: Task, seed: int) -> tuple[float, float]:
    """Seconds of their training, and our validation loss of what it keeps."""
    model = built(task.layers, task.train[0][:8], task.train[1][:8], task.classes)
    options = {} if task.classes else {"sigma": SIGMA}
    options |= {"max_epochs": task.epochs, "patience": PATIENCE, "batch_size": BATCH, "seed": seed}
    trainer = trainer_of(model, learning_rate=task.rate, **options)
    tensor = lambda x, y: (torch.from_numpy(x), torch.from_numpy(y.astype(np.int64) if task.classes else y[:, None]))
    begun = time.perf_counter()
    trainer.fit(*tensor(*task.train), *tensor(*task.held_out))
    seconds = time.perf_counter() - begun
    network = read_blnetwork(model.state_dict(), response=task.objective.space.dimension)
    packing, key = Packing.of(network), make_key(seed)
    rows = WithNoise(task.objective)(key, tuple(map(jnp.asarray, task.held_out)))
    return seconds, float(ValidationLoss.of(task.objective, packing)(packing.packed(network), rows))


def ours(task: Task, target: float, seed: int) -> tuple[float, float]:
    """Seconds until a validation loss is as low as the target, and the best loss; NaN where it never is.

    Four starts (one for MNIST) and the ridge for classes are the estimators' defaults; denoising score matching, whose
    loss is far smaller than a likelihood, has no ridge, as theirs has none.
    """
    rng, architecture = np.random.default_rng(seed), bl.Architecture(task.layers, readout="free")
    sizes = {"features": task.train[0].shape[1], "response": task.objective.space.dimension}
    starts = [bl.BehaviorNetwork.random(rng, architecture, **sizes) for _ in range(1 if task.classes == 10 else 4)]
    penalty = Penalty(l2=10.0 if task.classes else 0.0)
    settings = Settings(Adam(learning_rate=task.rate, batch_size=BATCH), penalty, task.epochs, PATIENCE)
    data, held_out = (tuple(map(jnp.asarray, rows)) for rows in (task.train, task.held_out))
    begun, reached = time.perf_counter(), [float("nan")]

    def watch(_: int, best: float) -> None:
        if np.isnan(reached[0]) and best <= target:
            reached[0] = time.perf_counter() - begun

    options = {"data": data, "validation": held_out, "settings": settings, "seed": seed}
    result = fit(starts, [task.objective], progress=watch, chunk=min(10, max(1, task.epochs // 5)), **options)
    return reached[0], float(result.trace.best_loss.min())


def _split(
    x: np.ndarray, y: np.ndarray, seed: int, *, scaled: bool = True
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """A random fifth is held out; scales are those of the other rows."""
    order = np.random.default_rng(seed).permutation(len(x))
    held_out, train = np.split(order, [len(x) // 5])
    standard = lambda values: (values - values[train].mean(axis=0)) / values[train].std(axis=0)
    x = (standard(x) if scaled else x).astype(np.float32)
    y = standard(y).astype(np.float32) if y.dtype.kind == "f" else y.astype(np.int32)
    return (x[train], y[train]), (x[held_out], y[held_out])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    heading("Time to blnetwork's final validation loss")
    lines = []
    for name in TASKS:
        runs = []
        for seed in range(arguments.seeds if "MNIST" not in name else 1):
            task = make_task(name, arguments.data, seed)
            seconds, target = theirs(task, seed)
            ours(task, target, seed)
            runs.append((target, seconds, *ours(task, target, seed)))
        target, seconds, reached, best = np.array(runs).T
        found = np.isfinite(reached)
        times = f"{np.median(seconds[found] / reached[found]):.0f}" if found.any() else "-"
        middle = [f"{np.median(values):.3f}" for values in (target, best, seconds, reached[found])]
        lines.append((name, *middle, f"{found.sum()} of {len(runs)}", times))
    columns = (
        "task (medians)",
        "its loss",
        "our best",
        "its training, s",
        "ours to its loss, s",
        "reached",
        "times faster (aim 10)",
    )
    table(columns, lines)


if __name__ == "__main__":
    main()
