"""Time until blnetwork's final validation loss: same network, objective, rows and fixed validation noise.

blnetwork trains with its own loop, loader and early stopping; its best parameters are then judged by our validation
loss. Ours is timed until its own best is as low, compilation apart: the first of two runs compiles.

    python benchmarks/quality.py --data DIR
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import torch

import behavior_learning as bl
from behavior_learning.core.arrays import key_of
from behavior_learning.core.packing import Packing
from behavior_learning.core.spaces import Box, Categories
from behavior_learning.objectives import DenoisingScoreMatching, NegativeLogLikelihood, Objective
from behavior_learning.training.fit import Settings, ValidationLoss, WithNoise, fit
from behavior_learning.training.minimise import NEVER
from peers import as_ours, built, trainer_of
from timing import heading, table

SIGMA = 1.2


class Task(NamedTuple):
    """What both learn."""

    layers: tuple[int, ...]
    objective: Objective
    train: tuple[np.ndarray, np.ndarray]
    held_out: tuple[np.ndarray, np.ndarray]
    batch: int
    epochs: int
    classes: int | None = None


def tasks(folder: Path) -> dict[str, Task]:
    X, y = bl.datasets.load_boston()
    boston = _split(X.to_numpy(float), y.to_numpy(float))
    wisconsin = pd.read_parquet(folder / "breast_cancer_wisconsin.parquet").dropna()
    cancer = _split(wisconsin.drop(columns="Class").to_numpy(float), (wisconsin["Class"] == "malignant").to_numpy(int))
    mnist = np.load(folder / "mnist.npz")
    digits = _split(mnist["x_train"].reshape(-1, 784).astype(float) / 255, mnist["y_train"].astype(int), scaled=False)
    denoising = DenoisingScoreMatching(Box(-6.0, 6.0), SIGMA, draws=2)
    likelihood = lambda classes: NegativeLogLikelihood(Categories(classes))
    return {
        "Boston, denoising score matching, BL[2,1]": Task((2, 1), denoising, *boston, 64, 500),
        "Wisconsin, cross-entropy, BL[2,1]": Task((2, 1), likelihood(2), *cancer, 64, 500, 2),
        "MNIST, cross-entropy, BL[88]": Task((88,), likelihood(10), *digits, 64, 5, 10),
    }


def theirs(task: Task) -> tuple[float, float]:
    """Seconds of their training, and our validation loss of what it keeps."""
    model = built(task.layers, task.train[0][:8], task.train[1][:8], task.classes)
    options = {} if task.classes else {"sigma": SIGMA}
    patience = {"max_epochs": task.epochs, "patience": 40, "batch_size": task.batch}
    trainer = trainer_of(model, learning_rate=1e-3 if task.classes == 10 else 0.01, **options, **patience)
    tensor = lambda x, y: (torch.from_numpy(x), torch.from_numpy(y.astype(np.int64) if task.classes else y[:, None]))
    begun = time.perf_counter()
    trainer.fit(*tensor(*task.train), *tensor(*task.held_out))
    seconds = time.perf_counter() - begun
    network = as_ours(model, task.objective.space.dimension)
    packing, key = Packing.of(network), key_of(0)
    rows = WithNoise(task.objective)(jax.random.fold_in(key, NEVER), tuple(map(jnp.asarray, task.held_out)))
    return seconds, float(ValidationLoss.of(task.objective, packing)(packing.packed(network), rows))


def ours(task: Task, target: float) -> tuple[float, float]:
    """Seconds until a validation loss is as low as the target, and the best loss; NaN where it never is."""
    architecture = bl.Architecture(task.layers, readout="free")
    network = bl.BehaviorNetwork.random(
        np.random.default_rng(0),
        architecture,
        features=task.train[0].shape[1],
        response=task.objective.space.dimension,
    )
    rate = 1e-3 if task.classes == 10 else 0.01
    settings = Settings("adam", rate, task.batch, task.epochs, 40, alpha=0.0)
    data, held_out = (tuple(map(jnp.asarray, rows)) for rows in (task.train, task.held_out))
    begun, reached = time.perf_counter(), [float("nan")]

    def watch(_: int, best: float) -> None:
        if np.isnan(reached[0]) and best <= target:
            reached[0] = time.perf_counter() - begun

    options = {"data": data, "validation": held_out, "settings": settings, "key": key_of(0)}
    result = fit([network], [task.objective], progress=watch, chunk=min(25, max(1, task.epochs // 5)), **options)
    return reached[0], float(result.trace.best_loss.min())


def _split(x: np.ndarray, y: np.ndarray, *, scaled: bool = True) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """A random fifth is held out; scales are those of the other rows."""
    order = np.random.default_rng(0).permutation(len(x))
    held_out, train = np.split(order, [len(x) // 5])
    standard = lambda values: (values - values[train].mean(axis=0)) / values[train].std(axis=0)
    x = (standard(x) if scaled else x).astype(np.float32)
    y = standard(y).astype(np.float32) if y.dtype.kind == "f" else y.astype(np.int32)
    return (x[train], y[train]), (x[held_out], y[held_out])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    heading("Time to blnetwork's final validation loss")
    lines = []
    for name, task in tasks(parser.parse_args().data).items():
        seconds, target = theirs(task)
        ours(task, target)
        reached, best = ours(task, target)
        lines.append(
            (name, f"{target:.4f}", f"{seconds:.2f}", f"{reached:.3f}", f"{seconds / reached:.0f}", f"{best:.4f}")
        )
    columns = ("task", "blnetwork's validation loss", "its training, s", "ours, s", "times faster (aim 10)", "our best")
    table(columns, lines)


if __name__ == "__main__":
    main()
