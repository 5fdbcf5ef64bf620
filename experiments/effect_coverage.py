"""Do 95 % intervals of average effects dE[y|x]/dx hold them: on a BL law, and on a hard maximiser plus noise.

    python experiments/effect_coverage.py --replications 200

The BL law is that of designs.py. For the hard maximiser an identifiable BL is learned once from other rows by the
library. Replications go to the optimum from the true parameters, or from those of that fit (so that the global optimum
is not in question here; see local_optima.py), all in one compiled program. Intervals are those of
`effects(std_errors="delta")`, put right by what y leaves over, and with `correct=False`; both on the sandwich.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

import behavior_learning as bl
from behavior_learning.core.spaces import Space
from behavior_learning.explanation.axes import Axis
from behavior_learning.explanation.correction import Correction, Terms
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.identification.parameters import LocalParameters
from behavior_learning.inference.estimation import Search, search_from
from behavior_learning.inference.problem import Problem, scores
from designs import continuous, with_rows

RESULTS = Path(__file__).parent / "results" / "effects"
NAMES = ["a", "b"]
MODEL = {"layers": (1,), "identifiable": True, "n_restarts": 2, "random_state": 0}
Z, NOISE, REFERENCE, CHUNK = 1.959963984540054, 0.5, 1000, 10


def maximiser(x: np.ndarray) -> np.ndarray:
    """argmax over y of min(2 + x₁, 3) y − y²/2 subject to y ≤ 3 + x₂."""
    return np.minimum(np.minimum(2 + x[:, 0], 3.0), 3 + x[:, 1])


def effects_of_maximiser(x: np.ndarray) -> np.ndarray:
    """The mean over rows of the derivative of the maximiser by each column."""
    return np.mean([maximiser(x + 1e-5 * h) - maximiser(x - 1e-5 * h) for h in np.eye(2)], axis=1) / 2e-5


def table(x: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(x, columns=NAMES)


def average_effects(problem: Problem, space: Space, theta: Array, x: Array) -> Array:
    """d E[y|x]/dx of encoded columns, averaged over rows."""

    def mean(x: Array) -> Array:
        return Gibbs(problem.network(theta), space).mean(x)[:, 0]

    slopes = [jax.jvp(mean, (x,), (jnp.broadcast_to(h, x.shape),))[1].mean() for h in jnp.eye(x.shape[1])]
    return jnp.stack(slopes)


@eqx.filter_jit
def replicate(problem: Problem, space: Space, start: Array, signs: Array, tangent: Array, rows: tuple[Array, Array]):
    """Estimates of average effects and their standard errors, of many sets of rows one after the other."""

    def one(data: tuple[Array, Array]) -> tuple[Array, ...]:
        own = with_rows(problem, data)
        optimum = search_from(own, start, signs, Search(aim=1e-9, max_steps=60))
        bread = tangent @ jnp.linalg.solve(tangent.T @ optimum.hessian @ tangent, tangent.T)
        s = scores(own, optimum.theta)
        covariance = bread @ (s.T @ s) @ bread / problem.n**2

        def effects(theta: Array) -> Array:
            return average_effects(problem, space, theta, data[0])

        def mean(theta: Array) -> Array:
            return Gibbs(problem.network(theta), space).mean(data[0])[:, 0]

        values, vectors = jnp.linalg.eigh(covariance)
        root, at = vectors * jnp.sqrt(jnp.maximum(values, 0.0)), optimum.theta
        own = effects(at), jax.jacfwd(effects)(at) @ root
        return *own, data[1] - mean(at), jax.jacfwd(mean)(at) @ root, optimum.gradient_norm

    return jax.lax.map(one, rows)


def corrected(x: np.ndarray, own: np.ndarray, residuals: np.ndarray, loadings: np.ndarray) -> tuple:
    """What the library's correction adds to average effects by column, and the errors with it."""
    axes = [Axis(str(at), (at,), (str(at),)) for at in range(x.shape[1])]
    terms = Terms.of(axes, x.shape[1])
    found = Correction(terms, x, residuals[:, None], np.ones(len(x)), lambda: loadings[:, None])
    changes = [terms.slope(x, direction) for direction in np.eye(x.shape[1])]
    sums = found(changes, np.full((1, len(x), x.shape[1]), 1 / len(x)))
    return found.shift(sums), np.linalg.norm(found.errors(sums, own), axis=1)


@eqx.filter_jit
def known_effects(problem: Problem, space: Space, theta: Array, x: Array) -> Array:
    return jax.lax.map(lambda x: average_effects(problem, space, theta, x), x)


class Law(NamedTuple):
    """A law with what its replications need.

    Attributes
    ----------
    problem : the model's, without rows.
    local : where the search starts, signs and constraints.
    x, y : encoded rows of every replication.
    truth : average effects in each, in the units of the columns.
    scales : units of an effect of an encoded column.
    """

    problem: Problem
    space: Space
    local: LocalParameters
    x: np.ndarray
    y: np.ndarray
    truth: np.ndarray
    scales: np.ndarray


def of_bl(arguments: argparse.Namespace) -> Law:
    """The IBL(Single) of designs.py: U, C and T in y and x·y, x uniform on [−2, 2]; its own model is estimated."""
    design, keys = continuous(), jax.random.split(jax.random.key(arguments.seed), arguments.replications)
    start = jnp.asarray(design.truth)
    x, y = jax.jit(lambda keys: jax.lax.map(lambda key: design.draw(key, arguments.rows, start), keys))(keys)
    problem = eqx.tree_at(lambda own: own.l2, design.problem(arguments.rows), jnp.asarray(arguments.l2))
    known = np.asarray(known_effects(problem, design.space, start, x))
    local = replace(design.local, theta=np.asarray(start))
    return Law(problem, design.space, local, np.asarray(x), np.asarray(y), known, np.ones(1))


def of_maximiser(arguments: argparse.Namespace) -> Law:
    """A hard maximiser plus noise; an identifiable BL is learned from other rows, and estimated in all replications."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(REFERENCE, 2))
    y = pd.Series(maximiser(x) + NOISE * rng.normal(size=REFERENCE), name="y")
    with jax.enable_x64(False):
        model = bl.BLRegressor(**MODEL).fit(table(x), y)
        fitted = model.inference(n_restarts=0, l2=arguments.l2).fitted
    encoder, response, space = model.model_.encoder, model.model_.response, model.model_.space.refined(2)
    print(f"learned from {REFERENCE} rows, {len(fitted.theta)} parameters", flush=True)
    own = np.random.default_rng([1, arguments.seed])
    x = own.normal(size=(arguments.replications, arguments.rows, 2))
    y = np.stack([maximiser(rows) for rows in x]) + NOISE * own.normal(size=x.shape[:2])
    encoded = np.stack([encoder(table(rows)) for rows in x])
    z = np.stack([response.encode(response.values(pd.Series(rows, name="y"), len(rows)), float) for rows in y])
    objective, blank = model.model_.objective.on(space, model.temperature_), np.zeros((arguments.rows, 2))
    problem = Problem.of(
        objective, fitted.local.parametrization, (blank, blank[:, 0]), candidates=space.size, l2=arguments.l2
    )
    truth = np.stack([effects_of_maximiser(rows) for rows in x])
    scales = response.unit / np.array([column.scale for column in encoder.columns])
    return Law(problem, space, fitted.local, encoded, z, truth, scales)


LAWS = {"a BL": of_bl, "a hard maximiser": of_maximiser}


def run(name: str, arguments: argparse.Namespace) -> pd.DataFrame:
    """A line per replication and column."""
    with jax.enable_x64(True):
        law = LAWS[name](arguments)
        local = [jnp.asarray(part) for part in (law.local.theta, law.local.signs, law.local.tangent_space)]
        lines: list[pd.DataFrame] = []
        for first in range(0, len(law.x), CHUNK):
            at = slice(first, first + CHUNK)
            rows = jnp.asarray(law.x[at]), jnp.asarray(law.y[at])
            found = map(np.asarray, replicate(law.problem, law.space, *local, rows))
            estimate, own, residuals, loadings, gradient = found
            shift, error = map(np.array, zip(*map(corrected, law.x[at], own, residuals, loadings), strict=True))
            columns = {
                "number": np.repeat(np.arange(first, first + len(estimate)), estimate.shape[1]),
                "column": np.tile(np.arange(estimate.shape[1]), len(estimate)),
                "truth": law.truth[at].ravel(),
                "model": (estimate * law.scales).ravel(),
                "model_error": (np.linalg.norm(own, axis=2) * law.scales).ravel(),
                "estimate": ((estimate + shift) * law.scales).ravel(),
                "std_error": (error * law.scales).ravel(),
                "gradient": np.repeat(gradient, estimate.shape[1]),
            }
            lines.append(pd.DataFrame(columns))
            print(f"{name}: {first + len(estimate)} of {len(law.x)}", flush=True)
            found = pd.concat(lines)
            found = found.assign(inside=(found["estimate"] - found["truth"]).abs() <= Z * found["std_error"])
            found.to_csv(RESULTS / f"coverage-{name.replace(' ', '-')}-{arguments.rows}.csv", index=False)
            if len(found) % 50 == 0 or first + CHUNK >= len(law.x):
                summarize(name, found, arguments.rows)
    return found


def summarize(name: str, lines: pd.DataFrame, rows: int) -> None:
    """Coverage, and errors in standard errors."""
    count, steep = lines["number"].nunique(), lines["gradient"].max()
    print(f"{name}, {count} replications of {rows} rows; largest gradient {steep:.0e}")
    for label, (estimate, error) in {"put right": ("estimate", "std_error"), "model": ("model", "model_error")}.items():
        off = (lines[estimate] - lines["truth"]) / lines[error]
        print(
            f"  {label}: {(off.abs() <= Z).mean():.1%} of {len(lines)} intervals; errors have spread {off.std():.2f} "
            f"and mean {off.mean():+.2f} standard errors, which are {lines[error].mean():.4f} on average",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--l2", type=float, default=0.1)
    parser.add_argument("--laws", nargs="+", choices=list(LAWS), default=list(LAWS))
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in arguments.laws:
        run(name, arguments)


if __name__ == "__main__":
    main()
