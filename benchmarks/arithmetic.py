"""What a step of training costs, as a formula with constants measured here, and what breaks first on 1,000 devices.

python benchmarks/arithmetic.py                 # measures, a minute on a quiet machine
python benchmarks/arithmetic.py --simulate      # draws what cannot be run here, from stated assumptions

A step of b rows takes  fixed + b·blocks·(per_input·inputs + per_candidate·candidates)  seconds, where classes are the
candidates of a class and the nodes of the quadrature those of a number. Several processes add an all-reduce.
"""

import argparse
import time
from pathlib import Path
from tempfile import mkdtemp

import jax
import numpy as np
import pandas as pd
from scipy.optimize import nnls

import behavior_learning as bl
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.streams.sources import as_source
from behavior_learning.training.fit import PenalizedLoss
from behavior_learning.training.packing import Packing

REPEATS = 30


def step_seconds(rows: int, inputs: int, layers: tuple[int, ...], classes: int | None) -> tuple[float, int]:
    """The median time of a loss and its gradient, and the candidates of a row."""
    rng = np.random.default_rng(0)
    space = Categories(classes) if classes else Interval(-4.0, 4.0)
    network = BehaviorNetwork.random(rng, bl.Architecture(layers), features=inputs, response=space.dimension)
    packing, objective = Packing.of(network), bl.Likelihood().on(space)
    x = rng.normal(size=(rows, inputs)).astype(np.float32)
    y = rng.integers(classes, size=rows).astype(np.int32) if classes else rng.normal(size=rows).astype(np.float32)
    loss, params = PenalizedLoss(objective, packing, jax.numpy.float32(0.0)), packing.packed(network)
    step = jax.jit(jax.value_and_grad(lambda p, x, y: loss(p, (x, y))))
    jax.block_until_ready(step(params, x, y))
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        jax.block_until_ready(step(params, x, y))
        times.append(time.perf_counter() - began)
    return float(np.median(times)), objective.evaluations


def measured() -> None:
    """Print the constants, and how far the formula is from each measurement."""
    shapes = [
        (b, d, layers, c) for b in (64, 1024) for d in (5, 40) for layers in ((1,), (4, 1)) for c in (None, 2, 20)
    ]
    times, design = [], []
    for rows, inputs, layers, classes in shapes:
        seconds, candidates = step_seconds(rows, inputs, layers, classes)
        blocks = sum(layers)
        times.append(seconds)
        design.append([1.0, rows * blocks * inputs, rows * blocks * candidates])
    # Relative errors count, not those of the longest steps.
    weights = 1 / np.array(times)
    constants, _ = nnls(np.array(design) * weights[:, None], np.ones(len(times)))
    off = np.abs(np.array(design) @ constants * weights - 1)
    fixed, per_input, per_candidate = constants
    print(f"fixed {fixed * 1e6:.0f} us, per_input {per_input * 1e9:.2f} ns, per_candidate {per_candidate * 1e9:.2f} ns")
    print(f"off by {np.median(off):.0%} in the median of {len(off)} shapes, {off.max():.0%} at most")
    print(f"decoding Parquet: {decode_seconds() * 1e9:.1f} ns per number")


def decode_seconds(rows: int = 2**19, columns: int = 20) -> float:
    """Seconds to read a number of a Parquet file by one thread more or less."""
    path = Path(mkdtemp()) / "rows.parquet"
    pd.DataFrame(np.random.default_rng(0).normal(size=(rows, columns))).rename(columns=str).to_parquet(path)
    source = as_source(path)
    began = time.perf_counter()
    read = sum(len(part.table) for part in source.parts())
    return (time.perf_counter() - began) / (read * columns)


# What cannot be run here.

ASSUMED = {
    "row": 7e-6,  # Seconds of one core per row of BL[2,1] with 20 inputs: 140,000 rows/s, benchmarks/streams.py.
    "fixed": 2e-4,  # Seconds of a step of no rows.
    "latency": 3e-5,  # Seconds of a message on a cluster's network; 5e-4 on the loopback of a busy machine.
    "bandwidth": 1e9,  # Bytes a second of a link.
    "parameters": 1_000,
    "jitter": 0.05,  # Standard deviation of the logarithm of a device's time.
    "slow": 1e-5,  # Share of steps in which a device stands still for `pause` seconds.
    "pause": 0.1,
    "decode": 20 * 4.5e-8,  # Seconds of one core to decode a row of 20 columns, measured here.
    "open": 0.01,  # Seconds to read the footer of a file on a remote store.
    "fails": 5 * 365 * 86_400.0,  # Seconds between two failures of a device.
}


def simulated(rows: float, each: int, steps: int = 2_000) -> None:
    """Print what a step and a pass take on more and more devices, and the shares of what is not computing."""
    a, rng = ASSUMED, np.random.default_rng(0)
    print(f"{rows:.0e} rows, {each} rows of a batch on each device")
    print("devices  step ms  computing  waiting  summing  rows/s    pass     files read by all  failure every")
    for devices in (1, 10, 100, 1_000, 10_000):
        own = (a["fixed"] + a["row"] * each) * np.exp(a["jitter"] * rng.normal(size=(steps, devices)))
        own += a["pause"] * (rng.random((steps, devices)) < a["slow"])
        slowest = own.max(axis=1).mean()
        summing = 0.0 if devices == 1 else 2 * np.ceil(np.log2(devices)) * a["latency"]
        summing += 0.0 if devices == 1 else 2 * 4 * a["parameters"] / a["bandwidth"]
        step, rate = slowest + summing, devices * each / (slowest + summing)
        alone = a["fixed"] + a["row"] * each
        files, failure = rows / 1e7 * a["open"], a["fails"] / devices
        print(
            f"{devices:>7}  {1e3 * step:>7.2f}  {alone / step:>9.0%}  {(slowest - alone) / step:>7.0%}  "
            f"{summing / step:>7.0%}  {rate:.1e}  {rows / rate / 3600:>6.1f} h  "
            f"{files:>15.0f} s  {failure / 3600:>10.1f} h"
        )
    print(f"decoding takes {a['decode'] / a['row']:.0%} of what computing takes")


def main() -> None:
    """Measure, or simulate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--rows", type=float, default=1e11)
    parser.add_argument("--each", default="64,1024")
    given = parser.parse_args()
    if not given.simulate:
        measured()
        return
    for each in map(int, given.each.split(",")):
        simulated(given.rows, each)


if __name__ == "__main__":
    main()
