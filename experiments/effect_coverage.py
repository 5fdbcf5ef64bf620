"""Do 95 % intervals of average effects dE[y|x]/dx hold them: on a BL law, and on a hard maximiser plus noise.

    python experiments/effect_coverage.py --replications 200 --check 2

Each law is learned once by the library; replications draw rows from the law and go to the optimum from the parameters
of that fit (so that the global optimum is not in question here; see local_optima.py), all in one compiled program. The
interval is the delta method on the sandwich, as `effects(inference=...)` has it; `--check` compares some replications
with the library's own fit, inference and effects of the same rows.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

import behavior_learning as bl
from behavior_learning.core.spaces import Space
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.inference.estimation import Search, search_from
from behavior_learning.inference.problem import Problem, scores
from designs import with_rows

RESULTS = Path(__file__).parent / "results" / "effects"
NAMES = ["a", "b"]
MODEL = {"layers": (1,), "identifiable": True, "n_restarts": 4, "random_state": 0}
Z, NOISE, REFERENCE = 1.959963984540054, 0.5, 4000


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

    def one(data: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        own = with_rows(problem, data)
        optimum = search_from(own, start, signs, Search(aim=1e-9, max_steps=60))
        bread = tangent @ jnp.linalg.solve(tangent.T @ optimum.hessian @ tangent, tangent.T)
        s = scores(own, optimum.theta)
        covariance = bread @ (s.T @ s) @ bread / problem.n**2

        def effects(theta: Array) -> Array:
            return average_effects(problem, space, theta, data[0])

        slopes = jax.jacfwd(effects)(optimum.theta)
        errors = jnp.sqrt(jnp.diag(slopes @ covariance @ slopes.T))
        return effects(optimum.theta), errors, optimum.gradient_norm

    return jax.lax.map(one, rows)


@eqx.filter_jit
def known_effects(problem: Problem, space: Space, theta: Array, x: Array) -> Array:
    return jax.lax.map(lambda x: average_effects(problem, space, theta, x), x)


def run(law: str, arguments: argparse.Namespace) -> pd.DataFrame:
    """A line per replication and column."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(REFERENCE, 2))
    y = maximiser(x) if law == "a hard maximiser" else x[:, 0] - 0.5 * x[:, 1]
    y = y + NOISE * rng.normal(size=REFERENCE)
    model = bl.BLRegressor(**MODEL).fit(table(x), pd.Series(y, name="y"))
    results = model.inference(n_restarts=0, l2=arguments.l2)
    print(f"{law}: learned from {REFERENCE} rows, {len(results.params)} parameters", flush=True)
    fitted, encoder, response = results.fitted, model.model_.encoder, model.model_.response
    space, local = model.model_.space.refined(2), fitted.local
    draw = np.random.default_rng([1, law == "a BL", arguments.rows]).normal
    x = draw(size=(arguments.replications, arguments.rows, 2))
    encoded = np.stack([encoder(table(own)) for own in x])
    scales = response.unit / np.array([column.scale for column in encoder.columns])
    with jax.enable_x64(True):
        start = jnp.asarray(local.theta)
        data = (np.zeros((arguments.rows, 2)), np.zeros(arguments.rows))
        problem = Problem.of(
            model.model_.objective.on(space, model.temperature_), local.parametrization, data,
            candidates=space.size, l2=arguments.l2,
        )  # fmt: skip
        if law == "a BL":
            levels = jnp.asarray(np.random.default_rng(2).uniform(size=(arguments.replications * arguments.rows, 1)))
            gibbs = Gibbs(problem.network(start), model.model_.space.refined(8), model.temperature_)
            z = np.asarray(eqx.filter_jit(Gibbs.inverse_cdf)(gibbs, jnp.asarray(encoded.reshape(-1, 2)), levels))
            z = z[:, 0].reshape(len(x), -1)
            truth = np.asarray(known_effects(problem, space, start, jnp.asarray(encoded))) * scales
        else:
            noise = NOISE * np.random.default_rng(3).normal(size=x.shape[:2])
            drawn = np.stack([maximiser(own) for own in x]) + noise
            z = np.stack([response.encode(response.values(pd.Series(own, name="y"), len(own)), float) for own in drawn])
            truth = np.stack([effects_of_maximiser(own) for own in x])
        rows = jnp.asarray(encoded), jnp.asarray(z)
        found = replicate(problem, space, start, jnp.asarray(local.signs), jnp.asarray(local.tangent_space), rows)
    estimate, error, gradient = (np.asarray(part) for part in found)
    print(f"largest gradient at an optimum {gradient.max():.1e}", flush=True)
    lines = pd.DataFrame(
        {
            "law": law,
            "number": np.repeat(np.arange(len(x)), 2),
            "variable": NAMES * len(x),
            "truth": truth.ravel(),
            "estimate": (estimate * scales).ravel(),
            "std_error": (error * scales).ravel(),
        }
    )
    for number in range(arguments.check):
        own = pd.Series(response.restore(z[number]), name="y")
        again = bl.BLRegressor(**MODEL).fit(table(x[number]), own)
        theirs = again.effects(inference=again.inference(n_restarts=0, l2=arguments.l2)).table()
        ours = lines[lines["number"] == number].set_index("variable")
        print(f"replication {number}: here, and by the library\n{ours.join(theirs, rsuffix=' library')}", flush=True)
    return lines.assign(inside=np.abs(lines["estimate"] - lines["truth"]) <= Z * lines["std_error"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--l2", type=float, default=0.1)
    parser.add_argument("--check", type=int, default=0)
    parser.add_argument("--laws", nargs="+", default=["a BL", "a hard maximiser"])
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for law in arguments.laws:
        lines = run(law, arguments)
        lines.to_csv(RESULTS / f"coverage-{law.replace(' ', '-')}-{arguments.rows}.csv", index=False)
        for variable, own in [("both", lines), *lines.groupby("variable")]:
            share, off = own["inside"].mean(), (own["estimate"] - own["truth"]) / own["std_error"].mean()
            print(
                f"{law}, {variable}: {share:.1%} of {len(own)} intervals, {arguments.replications} replications of "
                f"{arguments.rows} rows; errors have spread {off.std():.2f} and mean {off.mean():+.2f} standard errors",
                flush=True,
            )


if __name__ == "__main__":
    main()
