"""What an accelerator gains, and from which size on: training steps, whole fits and inference beside the processor's.

    python benchmarks/devices.py [--rounds 5] [--fits]

Programs are compiled side by side before anything is timed. Work and traffic of a step are XLA's own counts for the
loss and its gradient; their rates stand beside those of a plain matrix product and of a copy on the same device.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import behavior_learning as bl
from behavior_learning.core.arrays import numbers_to_device
from behavior_learning.core.basis_families import BasisFamily
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.objectives import Likelihood
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.optimizers import Adam, Data, Params
from behavior_learning.training.packing import Packing
from timing import alternately, heading, table

ROWS = 2**17
"""Rows of a pass, or four batches where those are more."""


class Case(NamedTuple):
    """A problem: `classes` of them, or numbers where there are none."""

    layers: tuple[int, ...]
    inputs: int
    classes: int | None = None
    basis: BasisFamily | None = None


CASES = {
    "BL[2,1], numbers, 13 inputs": Case((2, 1), 13),
    "curves [16,4], numbers, 13 inputs": Case((16, 4), 13, basis=bl.Spline(8, straight=True)),
    "BL[88], 10 classes, 784 inputs": Case((88,), 784, 10),
}
BATCHES = (64, 1024, 8192, 65_536)
FITTED = (500, 10_000, 300_000)
PRECISIONS = {"float32": "highest", "tf32": "default", "bfloat16": "default"}


class InBfloat16(eqx.Module):
    """A loss whose numbers are rounded to eight bits on their way in; sums of it and parameters stay whole."""

    loss: PenalizedLoss

    def __call__(self, params: Params, data: Data) -> jax.Array:
        rounded = lambda leaf: leaf.astype(jnp.bfloat16) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
        return self.loss(*jax.tree.map(rounded, (params, data))).astype(jnp.float32)


class Pass(NamedTuple):
    """A compiled pass over the rows, and what a step of it does."""

    run: Callable[[], Any]
    steps: int
    operations: float
    traffic: float


def compiled(case: Case, batch: int, precision: str, device: Any) -> Pass:
    rows, rng = max(4 * batch, min(ROWS, 64 * batch)), np.random.default_rng(0)
    space = Categories(case.classes) if case.classes else Interval(-4.0, 4.0)
    architecture = bl.Architecture(case.layers, readout="free" if case.layers[-1] > 1 else "identity")
    with jax.default_device(device), jax.default_matmul_precision(PRECISIONS[precision]):
        basis = case.basis and case.basis(rng.normal(size=(1000, case.inputs)), [None] * space.dimension)
        network = bl.BehaviorNetwork.random(
            rng, architecture, features=case.inputs, response=space.dimension, basis=basis
        )
        packing = Packing.of(network)
        loss: Any = PenalizedLoss(Likelihood().on(space), packing, jnp.float32(1e-3))
        loss = InBfloat16(loss) if precision == "bfloat16" else loss
        x = jax.random.normal(jax.random.key(0), (rows, case.inputs))
        number = jnp.clip(x[:, 0] + 0.5 * x[:, 1] ** 2, -3.9, 3.9)
        y = jnp.asarray(rng.integers(case.classes, size=rows).astype(np.int32)) if case.classes else number
        data, params, optimizer = (x, y), packing.packed(network), numbers_to_device(Adam(batch_size=batch))
        state = jax.tree.map(lambda leaf: leaf[0], optimizer.init(jax.tree.map(lambda leaf: leaf[None], params)))
        one = jax.jit(jax.value_and_grad(loss))
        first = params, tuple(column[:batch] for column in data)
        fused = device.platform != "cpu" and batch == max(BATCHES) and one.lower(*first).compile().cost_analysis()
        order = jnp.asarray(rng.permutation(rows).astype(np.int32))
        epoch = lambda params, state, order, data: optimizer.epoch(loss, params, state, data, order, (0.0, 1.0))
        run = jax.jit(epoch).lower(params, state, order, data).compile()
    with jax.default_device(jax.devices("cpu")[0]):  # Which counts before it compiles, as others do not.
        counted = one.lower(*jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), first))
    return Pass(
        lambda: run(params, state, order, data)[2],
        rows // batch,
        float((counted.cost_analysis() or {}).get("flops", np.nan)),
        float((fused or {}).get("bytes accessed", np.nan)),
    )


def reached(device: Any, size: int) -> dict[str, float]:
    """Operations a second of a product of square matrices, by precision, and bytes a second of a copy."""
    rates = {}
    with jax.default_device(device):
        for precision, how in PRECISIONS.items():
            kind = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
            a = jax.random.normal(jax.random.key(0), (size, size)).astype(kind)
            with jax.default_matmul_precision(how):
                product = jax.jit(lambda a: a @ a).lower(a).compile()
            rates[precision] = 2 * size**3 / best(lambda product=product, a=a: product(a))
        a = jnp.zeros(size * size * 8)
        copy = jax.jit(lambda a: a + 1)
        rates["copy"] = 8 * a.size / best(lambda: copy(a))
    return rates


def best(run: Callable[[], Any], times: int = 5) -> float:
    jax.block_until_ready(run())
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def steps(devices: dict[str, Any], rounds: int) -> None:
    own_rates = {name: reached(device, 8192 if name != "cpu" else 2048) for name, device in devices.items()}
    lines = [(name, *(f"{rate / 1e12:.3g}" for rate in rates.values())) for name, rates in own_rates.items()]
    table(("device", "float32, Tflop/s", "tf32", "bfloat16", "copy, TB/s"), lines)
    largest = max(BATCHES)
    wanted = [
        (case, batch, precision, device)
        for case in CASES
        for device in devices
        for batch in BATCHES
        for precision in PRECISIONS
        if (precision == "float32" and (device != "cpu" or batch <= 1024)) or (device != "cpu" and batch == largest)
    ]
    begun = time.perf_counter()
    with ThreadPoolExecutor(16) as pool:
        make = lambda own: compiled(CASES[own[0]], *own[1:3], devices[own[3]])
        passes = dict(zip(wanted, pool.map(make, wanted), strict=True))
    print(f"{len(passes)} programs compiled in {time.perf_counter() - begun:.0f} s\n", flush=True)
    for case in CASES:
        mine = {own: made for own, made in passes.items() if own[0] == case}
        seconds = alternately({own: made.run for own, made in mine.items()}, rounds)
        lines = []
        for (_, batch, precision, device), made in mine.items():
            step = seconds[case, batch, precision, device] / made.steps
            rate = f"{made.operations / step / own_rates[device][precision]:.1%}"
            traffic = f"{made.traffic / step / own_rates[device]['copy']:.0%}" if made.traffic > 0 else ""
            lines.append(
                (
                    device,
                    batch,
                    precision,
                    f"{step * 1e3:.3f}",
                    f"{batch / step / 1e6:.3g}",
                    rate,
                    traffic,
                    f"{float(made.run()):.4f}",
                )
            )
        columns = ("batch", "numbers", "ms", "million rows a second", "of a product's rate", "of a copy's", "mean loss")
        table((case, *columns), lines)


def drawn(rows: int, inputs: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    X = rng.normal(size=(rows, inputs))
    return X, X[:, 0] + np.sin(2 * X[:, 1]) + X[:, 2] * X[:, 3] + 0.3 * rng.normal(size=rows)


def fits(devices: dict[str, Any]) -> None:
    """Whole fits, first and second, by default and on each device, judged on rows of their own."""
    for rows in FITTED:
        X, y = drawn(rows)
        for name, device in {"by default": None, **devices}.items():
            times = []
            with jax.default_device(device):
                for _ in range(2):
                    begun = time.perf_counter()
                    reg = bl.BLRegressor(random_state=0).fit(X, y)
                    times.append(f"{time.perf_counter() - begun:.1f}")
                log_p = reg.log_density(*drawn(20_001))
            table((f"{rows:,} rows", *times), [(name, f"{-log_p[np.isfinite(log_p)].mean():.4f}", "")])


def inference(devices: dict[str, Any]) -> None:
    """Estimates and standard errors in double precision."""
    X, y = drawn(100_000, 6)
    lines, first = [], None
    for name, device in devices.items():
        with jax.default_device(device):
            reg = bl.BLRegressor(layers=(1,), identifiable=True, random_state=0).fit(X, y)
            begun = time.perf_counter()
            result = reg.inference(X, y)
            seconds = time.perf_counter() - begun
        found = np.array([result.params, np.sqrt(np.diag(result.cov))])
        first = found if first is None else first
        off = np.abs(found - first) / first[1]
        lines.append(
            (name, f"{seconds:.1f}", f"{result.loglikelihood:.6f}", *(f"{own:.1e}" for own in off.max(axis=1)))
        )
    differ = ("estimates differ, in standard errors", "standard errors differ")
    table(("inference(), 100,000 rows, 6 columns", "s", "log-likelihood", *differ), lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fits", action="store_true", help="whole fits and inference in place of steps")
    arguments = parser.parse_args()
    heading("Devices")
    devices = {device.platform: device for device in (jax.devices("cpu")[0], jax.devices()[0])}
    print(", ".join(f"{name}: {device.device_kind}" for name, device in devices.items()) + "\n", flush=True)
    if arguments.fits:
        fits(devices)
        inference(devices)
    else:
        steps(devices, arguments.rounds)


if __name__ == "__main__":
    main()
