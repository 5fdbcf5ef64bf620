"""Where the model is wrong, robust intervals cover its pseudo-true parameters and plain ones do not.

BL(Single) with one equality row, −(a·x + b·y + c)², is a Gaussian linear law with one variance. It is fitted to
y = 0.2 + 0.5 x + s(x)·z with z normal and s(x) = 0.2 + 0.6 x², x uniform on [−2, 2]. Its pseudo-true parameters are
known in closed form: b = 1/√(2 E s²), a = −0.5 b, c = −0.2 b.

    python experiments/misspecification.py --n 2000 --replications 500
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Interval
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import LocalParameters, parameter_labels
from coverage import RESULTS, Replication, estimate, table
from designs import Design, with_rows


def spread(x: Array) -> Array:
    return 0.2 + 0.6 * x**2


def mean_square_spread() -> float:
    """E s(x)² for x uniform on [−2, 2]: 0.04 + 0.24·E x² + 0.36·E x⁴."""
    return 0.04 + 0.24 * 4 / 3 + 0.36 * 16 / 5


def equality_only() -> Design:
    """−(a·x + b·y + c)² with its pseudo-true parameters."""
    architecture = Architecture((1,), (0, 0, 1), (None, None, "square"), readout="identity")
    rng = np.random.default_rng(0)
    network = BehaviorNetwork.random(rng, architecture, features=1, response=1, basis=affine_basis(1, 1))
    local = LocalParameters.of(canonicalize(network), parameter_labels(network, ["x"], ["y"]))
    b = 1 / np.sqrt(2 * mean_square_spread())
    truth = {"equality[x]": -0.5 * b, "equality[y]": b, "equality.intercept": -0.2 * b}
    ordered = tuple(truth[label] for label in local.labels)
    return Design("equality only", local, Interval(-15.0, 15.0, 128, refinements=0), 1, 2.0, ordered)


def draw(design: Design, key: Array, n: int) -> tuple[Array, Array]:
    x_key, z_key = jax.random.split(key)
    x = design.x_bound * jax.random.uniform(x_key, (n, 1), minval=-1.0)
    return x, 0.2 + 0.5 * x[:, 0] + spread(x[:, 0]) * jax.random.normal(z_key, (n,))


def run(n: int, replications: int, *, bootstrap: str | None, seed: int = 1) -> tuple[Design, Replication]:
    """Estimates of data sets of n rows, and the design whose `truth` is the pseudo-truth."""
    with jax.enable_x64(True):
        design = equality_only()
        problem, target = design.problem(n), jnp.asarray(design.truth)
        signs = jnp.asarray(design.local.signs)

        @jax.jit
        def replicate(keys: Array) -> Replication:
            rows = lambda key: with_rows(problem, draw(design, key, n))
            one = lambda key: estimate(rows(key), target, signs, jax.random.fold_in(key, 1), bootstrap)
            return jax.lax.map(one, keys)

        return design, jax.tree.map(np.asarray, replicate(jax.random.split(jax.random.key(seed), replications)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--replications", type=int, default=500)
    arguments = parser.parse_args()
    design, estimates = run(arguments.n, arguments.replications, bootstrap="one step")
    result = table(design, arguments.n, estimates)
    result.to_csv(RESULTS / f"misspecification-{arguments.n}.csv", index=False, float_format="%.5g")
    print(result.drop(columns=["design", "parameter"]).to_string())


if __name__ == "__main__":
    main()
