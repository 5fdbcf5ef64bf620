"""Coverage of 95 % intervals, and the rate at which errors shrink.

`continuous` and `classes`: IBL(Single). Each replication draws n rows from the model, estimates from the true
parameters on (so that the global optimum is not in question here; see local_optima.py), and asks whether each interval
holds the truth. Bootstrap: 199 samples of rows, each refitted to its optimum, as `cov_type="bootstrap"` does; or with
`--one-step` 399 samples and one Newton step each with the Hessian of its own rows (Andrews, 2002).

`default-classes`, `demand` and `weak` start from what a user starts from, see first_tries.py; `classes-from-truth` has
the tables of the first and starts from the truth. What they found stands in `results/hits-*.csv`, a line per
replication; a further call adds the replications that are missing.

    python experiments/coverage.py continuous --n 2000 --replications 500
    python experiments/coverage.py default-classes --n 1000 --replications 100
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
from behavior_learning.inference.resampling import refit
from designs import Design, classes, continuous, fisher_information, population, with_rows
from first_tries import PARTS
from first_tries import run as first_tries

RESULTS = Path(__file__).parent / "results"
REFITS, ONE_STEPS = 199, 399
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


def estimate(problem: Problem, start: Array, signs: Array, key: Array, bootstrap: str | None = "refit") -> Replication:
    """Optimum and errors of one data set; those of the bootstrap are NaN where it is left out.

    Parameters
    ----------
    bootstrap : ``"refit"``, ``"one step"`` or None.
    """
    optimum = search_from(problem, start, signs, Search(aim=1e-9, max_steps=60))
    theta, n = optimum.theta, problem.n
    s = scores(problem, theta)
    bread = jnp.linalg.inv(optimum.hessian)
    robust = bread @ (s.T @ s) @ bread / n**2
    if bootstrap == "refit":
        draws = refit(problem, theta, signs, row_counts(key, n, REFITS))[0]
    elif bootstrap == "one step":
        draws = one_step_bootstrap(theta, s, row_hessians(problem, theta), key)
    else:
        draws = jnp.full((2, len(theta)), jnp.nan)
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


def row_counts(key: Array, n: int, draws: int) -> Array:
    """How often each of n rows is drawn in each bootstrap sample."""
    count = lambda key: jnp.bincount(jax.random.randint(key, (n,), 0, n), length=n).astype(float)
    return jax.vmap(count)(jax.random.split(key, draws))


def one_step_bootstrap(theta: Array, s: Array, h: Array, key: Array) -> Array:
    """θ̂ − (Σ w_i H_i)⁻¹ Σ w_i s_i for samples of rows w."""
    n, p = s.shape
    joined = jnp.concatenate([s, h.reshape(n, p * p)], axis=1)

    def one(counts):
        total = counts @ joined
        return theta - jnp.linalg.solve(total[p:].reshape(p, p), total[:p])

    return jax.lax.map(one, row_counts(key, n, ONE_STEPS))


@eqx.filter_jit
def replicate(
    design: Design, problem: Problem, truth: Array, signs: Array, keys: Array, bootstrap: str | None
) -> Replication:
    """Replications one after the other in one compiled program."""

    def one(key):
        data_key, boot_key = jax.random.split(key)
        return estimate(with_rows(problem, design.draw(data_key, problem.n, truth)), truth, signs, boot_key, bootstrap)

    return jax.lax.map(one, keys)


def run(
    design: Design, n: int, replications: int, *, bootstrap: str | None, seed: int = 0, chunk: int = 25
) -> Iterator[Replication]:
    """Replications so far, after every `chunk` of them, each a call of one compiled program."""
    with jax.enable_x64(True):
        problem, truth, signs = design.problem(n), jnp.asarray(design.truth), jnp.asarray(design.local.signs)
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


def information_bound(design: Design) -> np.ndarray:
    """Standard error that no regular estimator undercuts, of one row: √diag I⁻¹ (Theorem B.10)."""
    with jax.enable_x64(True):
        information = fisher_information(*population(design), jnp.asarray(design.truth))
        return np.sqrt(np.diag(np.linalg.inv(np.asarray(information))))


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
            "parameter": design.local.labels,
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("continuous", "classes", *PARTS))
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=np.inf, help="after which no first try begins")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--no-bootstrap", dest="bootstrap", action="store_const", const=None, default="refit")
    kind.add_argument("--one-step", dest="bootstrap", action="store_const", const="one step")
    arguments = parser.parse_args()
    if arguments.part in PARTS:
        records = RESULTS / f"hits-{arguments.part}-{arguments.n}.csv"
        for so_far in first_tries(arguments.part, arguments.n, arguments.replications, records, arguments.seconds):
            print(so_far.round(3).to_string(), flush=True)
    else:
        from_the_truth(arguments)


def from_the_truth(arguments: argparse.Namespace) -> None:
    with jax.enable_x64(True):
        design = {"continuous": continuous, "classes": classes}[arguments.part]()
    bound = information_bound(design)
    kind = "-one-step" if arguments.bootstrap == "one step" else ""
    for so_far in run(design, arguments.n, arguments.replications, bootstrap=arguments.bootstrap):
        result = table(design, arguments.n, so_far).assign(**{"information bound": bound / np.sqrt(arguments.n)})
        result.to_csv(RESULTS / f"coverage-{arguments.part}-{arguments.n}{kind}.csv", index=False, float_format="%.5g")
    print(result.drop(columns=["design", "parameter"]).to_string())


if __name__ == "__main__":
    main()
