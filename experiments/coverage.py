"""Coverage of 95 % intervals, and the rate at which errors shrink, for IBL(Single) with continuous y and with classes.

Each replication draws n rows from the model, estimates from the true parameters on (so that the global optimum is not
in question here; see basins.py), and asks whether each interval holds the truth. Bootstrap: 399 samples of rows, one
Newton step each with the Hessian of its own rows (the one-step bootstrap of Andrews, 2002); a full refit of every
bootstrap sample of every replication would take days.

    python experiments/coverage.py --n 2000 --replications 500 --design continuous
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

from behavior_learning.inference.estimation import Search, search_from
from behavior_learning.inference.problem import Problem, row_hessians, scores
from designs import Design, classes, continuous, with_rows

RESULTS = Path(__file__).parent / "results"
BOOTSTRAP = 399
Z = 1.959963984540054


class Replication(NamedTuple):
    """One data set: estimates, standard errors by kind, and percentile bounds of the bootstrap."""

    theta: Array
    gradient_norm: Array
    hessian: Array
    robust: Array
    bootstrap: Array
    quartile: Array
    lower: Array
    upper: Array


def estimate(problem: Problem, start: Array, signs: Array, key: Array, bootstrap: bool = True) -> Replication:
    """Optimum and errors of one data set; those of the bootstrap are NaN where it is left out."""
    optimum = search_from(problem, start, signs, Search(aim=1e-9, max_steps=60))
    theta, n = optimum.theta, problem.n
    s = scores(problem, theta)
    bread = jnp.linalg.inv(optimum.hessian)
    robust = bread @ (s.T @ s) @ bread / n**2
    draws = (
        one_step_bootstrap(theta, s, row_hessians(problem, theta), key)
        if bootstrap
        else jnp.full((2, len(theta)), jnp.nan)
    )
    lower, first, third, upper = jnp.quantile(draws, jnp.array([0.025, 0.25, 0.75, 0.975]), axis=0)
    spread = lambda covariance: jnp.sqrt(jnp.diag(covariance))
    return Replication(
        theta,
        optimum.gradient_norm,
        spread(bread / n),
        spread(robust),
        draws.std(axis=0, ddof=1),
        (third - first) / 1.349,
        lower,
        upper,
    )


def one_step_bootstrap(theta: Array, s: Array, h: Array, key: Array) -> Array:
    """θ̂ − (Σ w_i H_i)⁻¹ Σ w_i s_i for samples of rows w."""
    n, p = s.shape
    joined = jnp.concatenate([s, h.reshape(n, p * p)], axis=1)

    def one(key):
        total = jnp.bincount(jax.random.randint(key, (n,), 0, n), length=n).astype(s.dtype) @ joined
        return theta - jnp.linalg.solve(total[p:].reshape(p, p), total[:p])

    return jax.lax.map(one, jax.random.split(key, BOOTSTRAP))


@eqx.filter_jit
def replicate(
    design: Design, problem: Problem, truth: Array, signs: Array, keys: Array, bootstrap: bool
) -> Replication:
    """Replications one after the other in one compiled program."""

    def one(key):
        data_key, boot_key = jax.random.split(key)
        return estimate(with_rows(problem, design.draw(data_key, problem.n, truth)), truth, signs, boot_key, bootstrap)

    return jax.lax.map(one, keys)


def run(
    design: Design, n: int, replications: int, *, bootstrap: bool, seed: int = 0, chunk: int = 25
) -> Iterator[Replication]:
    """Replications so far, after every `chunk` of them, each a call of one compiled program."""
    with jax.enable_x64(True):
        problem, truth, signs = design.problem(n), jnp.asarray(design.truth), jnp.asarray(design.coordinates.signs)
        keys = jax.random.split(jax.random.key(seed), replications)
        parts = []
        for start in range(0, replications, chunk):
            parts.append(
                jax.tree.map(
                    np.asarray, replicate(design, problem, truth, signs, keys[start : start + chunk], bootstrap)
                )
            )
            print(f"{design.name}, n = {n}: {start + chunk} of {replications}", flush=True)
            yield jax.tree.map(lambda *columns: np.concatenate(columns), *parts)


def table(design: Design, n: int, result: Replication) -> pd.DataFrame:
    """Coverage by parameter and kind of error; replications that did not converge count as misses."""
    truth, converged = np.asarray(design.truth), result.gradient_norm < 1e-8
    within = lambda half: converged[:, None] & (np.abs(result.theta - truth) <= Z * half)
    kinds = {
        "hessian": within(result.hessian),
        "robust": within(result.robust),
        "bootstrap sd": within(result.bootstrap),
        "bootstrap quartiles": within(result.quartile),
        "bootstrap percentile": converged[:, None] & (result.lower <= truth) & (truth <= result.upper),
    }
    used = {kind: "bootstrap" not in kind or np.isfinite(result.bootstrap).all() for kind in kinds}
    errors = result.theta[converged] - truth
    return pd.DataFrame(
        {
            "design": design.name,
            "n": n,
            "parameter": design.coordinates.labels,
            "truth": truth,
            "bias": errors.mean(axis=0),
            "rmse": np.sqrt((errors**2).mean(axis=0)),
            "median error": np.median(np.abs(errors), axis=0),
            "mean robust se": result.robust[converged].mean(axis=0),
            **{kind: hits.mean(axis=0) for kind, hits in kinds.items() if used[kind]},
            "replications": len(converged),
            "converged": int(converged.sum()),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--design", choices=("continuous", "classes"), required=True)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--no-bootstrap", action="store_true")
    arguments = parser.parse_args()
    with jax.enable_x64(True):
        design = {"continuous": continuous, "classes": classes}[arguments.design]()
    for so_far in run(design, arguments.n, arguments.replications, bootstrap=not arguments.no_bootstrap):
        result = table(design, arguments.n, so_far)
        result.to_csv(RESULTS / f"coverage-{arguments.design}-{arguments.n}.csv", index=False, float_format="%.5g")
    print(result.drop(columns=["design", "parameter"]).to_string())


if __name__ == "__main__":
    main()
