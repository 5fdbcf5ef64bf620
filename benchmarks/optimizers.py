"""Which optimiser reaches the best held-out exact likelihood first: Adam, L-BFGS or Levenberg-Marquardt.

Every optimiser starts from the same networks. Levenberg-Marquardt takes damped steps (G + μI)⁻¹g, where G is the mean
over rows of the covariance under p(y|x) of ∂BL/∂θ: the Fisher information, and the Gauss-Newton matrix of the
likelihood. It is read from at most 300 rows.

    python benchmarks/optimizers.py --data DIR [--seconds 10]
"""

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

import behavior_learning as bl
from behavior_learning.core.arrays import numbers_to_device
from behavior_learning.core.spaces import Interval
from behavior_learning.objectives import Likelihood
from behavior_learning.training.fit import PenalizedLoss, ValidationLoss
from behavior_learning.training.minimize import Losses, minimize
from behavior_learning.training.optimizers import LBFGS, Adam, Data, Optimizer, Params
from behavior_learning.training.packing import Packing
from timing import heading, table

CURVATURE_ROWS = 300
KINKED, SMOOTH = ("tanh", "relu", "abs"), ("tanh", "softplus(5)", "smooth_abs(0.1)")


class _Damped(NamedTuple):
    damping: Float[Array, ""]


class LevenbergMarquardt(eqx.Module):
    """Damped Gauss-Newton steps on all rows; a step that does not lower the loss is taken back."""

    objective: Likelihood
    packing: Packing
    ridge: Float[Array, ""]

    stochastic: ClassVar[bool] = False
    budgeted: ClassVar[bool] = False

    def steps(self, rows: int) -> int:
        return 1

    def init(self, starts: Params) -> _Damped:
        return _Damped(jnp.full(jax.tree.leaves(starts)[0].shape[0], 1e-2))

    def epoch(self, loss: PenalizedLoss, params: Params, state: _Damped, data: Data, order: Array, elapsed):
        flat, unflat = ravel_pytree(params)
        value, gradient = jax.value_and_grad(lambda v: loss(unflat(v), data))(flat)
        curvature = self._fisher(flat, unflat, data) + 2 * self.ridge * jnp.eye(len(flat))
        step = jax.scipy.linalg.solve(curvature + state.damping * jnp.eye(len(flat)), gradient, assume_a="pos")
        moved = flat - step
        better = loss(unflat(moved), data) < value
        damping = jnp.clip(jnp.where(better, state.damping / 3, state.damping * 4), 1e-7, 1e3)
        return unflat(jnp.where(better, moved, flat)), _Damped(damping), value

    def kept(self, params: Params, state: _Damped) -> Params:
        return params

    def _fisher(self, flat: Array, unflat, data: Data) -> Float[Array, "p p"]:
        x = data[0][:: max(1, len(data[0]) // CURVATURE_ROWS)]
        space = self.objective.space

        def of_row(row: Array) -> Array:
            network = self.packing.evaluated(unflat(flat))
            rule = space.quadrature(network, row[None])
            mass = jax.nn.softmax(network(row[None], rule.candidates)[0] + rule.log_weights[0])
            values = lambda v: self.packing.evaluated(unflat(v))(row[None], rule.candidates)[0]
            slopes = jax.jacrev(values)(flat)
            centered = jnp.sqrt(mass)[:, None] * (slopes - mass @ slopes)
            return centered.T @ centered

        zero = jnp.zeros((len(flat), len(flat)))
        total, _ = jax.lax.scan(lambda sum_, row: (sum_ + of_row(row), None), zero, x)
        return total / len(x)


class Track:
    """The best validation loss by seconds; it ends a training that takes too long."""

    def __init__(self, seconds: float):
        self.begun, self.seconds = time.perf_counter(), seconds
        self.points: list[tuple[float, float]] = []

    def __call__(self, _: int, best: float) -> None:
        self.points.append((time.perf_counter() - self.begun, best))
        if self.points[-1][0] > self.seconds:
            raise TimeoutError


def tables(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    X, y = bl.datasets.load_boston()
    yield "Boston", X.to_numpy(float), y.to_numpy(float)
    concrete = pd.read_parquet(folder / "concrete_strength.parquet").to_numpy(float)
    yield "concrete", concrete[:, :-1], concrete[:, -1]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50_000, 10))
    spread = 0.2 + 0.3 * (x[:, 3] > 0)
    yield (
        "50,000 simulated rows",
        x,
        np.sin(x[:, 0]) + np.maximum(x[:, 1], x[:, 2]) + spread * rng.standard_normal(len(x)),
    )


def optimizers(objective: Likelihood, packing: Packing, ridge: Array, rows: int) -> dict[str, Optimizer]:
    made = {"Adam (the default)": Adam(), "Adam, batches of 256": Adam(batch_size=256)}
    made = {name: numbers_to_device(adam) for name, adam in made.items()}
    made |= {"L-BFGS": LBFGS(), "Levenberg-Marquardt": LevenbergMarquardt(objective, packing, ridge)}
    return made


def race(x: np.ndarray, y: np.ndarray, layers: tuple[int, ...], heads: tuple[str, ...], seconds: float):
    """For each optimiser the seconds, compilation apart, at which its best validation loss was what."""
    order = np.random.default_rng(0).permutation(len(x))
    held_out, train = np.split(order, [len(x) // 5])
    scaled = lambda v: ((v - v[train].mean(axis=0)) / v[train].std(axis=0)).astype(np.float32)
    x, y = scaled(x), scaled(y)
    data, validation = (tuple(map(jnp.asarray, (x[rows], y[rows]))) for rows in (train, held_out))
    objective = Likelihood().on(Interval(float(y.min()) - 1, float(y.max()) + 1, 64 if len(x) < 5000 else 32))
    architecture = bl.Architecture(layers, heads=heads, readout="identity" if layers[-1] == 1 else "nonnegative")
    network = bl.BehaviorNetwork.random(np.random.default_rng(1), architecture, features=x.shape[1], response=1)
    packing, ridge = Packing.of(network), jnp.asarray(10.0 / (2 * len(train)))
    losses = Losses(PenalizedLoss(objective, packing, ridge), ValidationLoss.of(objective, packing))
    starts = jax.tree.map(lambda leaf: leaf[None], packing.packed(network))
    for name, optimizer in optimizers(objective, packing, ridge, len(train)).items():
        chunk = (25 if len(x) < 5_000 else 1) if isinstance(optimizer, Adam) else 2
        options = {"data": data, "validation": validation, "seed": 0, "patience": 10**6, "chunk": chunk}
        minimize(starts, losses, optimizer, max_epochs=chunk, **options)
        track = Track(seconds)
        with contextlib.suppress(TimeoutError):
            minimize(starts, losses, optimizer, max_epochs=100_000, progress=track, **options)
        yield name, track.points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    heading("Optimisers by time to the best held-out likelihood")
    for name, x, y in tables(arguments.data):
        for layers, heads in (((2, 1), SMOOTH), ((16, 4), KINKED)):
            tracks = dict(race(x, y, layers, heads, arguments.seconds * (2 if len(x) > 5_000 else 1)))
            best = min(loss for track in tracks.values() for _, loss in track)
            near = lambda track, best=best: next((f"{s:.1f}" for s, loss in track if loss <= best + 0.02), "never")
            lines = [(optimizer, f"{track[-1][1]:.3f}", near(track)) for optimizer, track in tracks.items()]
            title = f"{name}, BL{list(layers)}, {'kinked' if heads == KINKED else 'smooth'} heads"
            table((title, "best held-out NLL", "s until 0.02 nats from the best of all"), lines)


if __name__ == "__main__":
    main()
