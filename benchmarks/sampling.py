"""Time of Markov chains after compilation.

python benchmarks/sampling.py [--repeats N]
"""

import argparse
import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import behavior_learning as bl
from behavior_learning.gibbs.enforcement import Penalized
from behavior_learning.gibbs.kernels import METHODS
from behavior_learning.gibbs.sampling import simulate


def seconds(run: Callable[[int], object], repeats: int) -> tuple[float, float]:
    """Quietest and median of the wall time, after one run that compiles."""
    jax.block_until_ready(run(0))
    times = []
    for seed in range(1, repeats + 1):
        begun = time.perf_counter()
        jax.block_until_ready(run(seed))
        times.append(time.perf_counter() - begun)
    return min(times), float(np.median(times))


def chains(method: str, rows: int, repeats: int, *, draws: int = 1000, warmup: int = 500) -> tuple[float, float]:
    """512 chains in 64 dimensions for 1500 steps on the energy constraint of Section 3.4."""
    residual = jax.tree_util.Partial(lambda y: jnp.sum(y**2, axis=-1) - 64.0)
    target = Penalized(residual, jnp.array([25.0]), jnp.array([1.0]))
    starts = jax.random.normal(jax.random.key(0), (rows, 512 // rows, 64))
    step_size = 2e-5 if method == "langevin" else None
    run = lambda seed: (
        simulate(
            target,
            starts,
            jax.random.key(seed),
            draws=draws,
            warmup=warmup,
            method=METHODS[method],
            step_size=step_size,
        ).draws
    )
    return seconds(run, repeats)


def network(method: str, m: int, repeats: int) -> tuple[float, float]:
    """BL[5,3,1] on a box: 256 rows of 13 features, 4 chains each, 250 warm-up steps and 250 draws."""
    architecture = bl.Architecture((5, 3, 1), readout="identity")
    utility = bl.BehaviorNetwork.random(np.random.default_rng(0), architecture, features=13, response=m)
    log_density = eqx.Partial(utility, jax.random.normal(jax.random.key(0), (256, 13)))
    starts = jax.random.uniform(jax.random.key(1), (256, 4, m), minval=-1.0)
    options = {"draws": 250, "warmup": 250, "method": METHODS[method], "lower": -3.0, "upper": 3.0}
    return seconds(lambda seed: simulate(log_density, starts, jax.random.key(seed), **options).draws, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    print("| 1500 steps x 512 chains x 64 dimensions | quietest, s | median, s |\n|---|---|---|")
    for method in ("langevin", "mala"):
        for rows in (1, 512):
            quietest, median = chains(method, rows, repeats)
            print(f"| {method}, {rows} rows of {512 // rows} chains | {quietest:.2f} | {median:.2f} |", flush=True)
    print("\n| BL[5,3,1], 256 rows x 4 chains, 500 steps | quietest, s | median, s |\n|---|---|---|")
    for method in METHODS:
        for m in (2, 5):
            quietest, median = network(method, m, repeats)
            print(f"| {method}, {m} responses | {quietest:.2f} | {median:.2f} |", flush=True)


if __name__ == "__main__":
    main()
