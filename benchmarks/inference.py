"""Time and memory of inference: `python benchmarks/inference.py`; each part in a process of its own, cache off."""

import os
import resource
import subprocess
import sys
import time

import numpy as np


def errors() -> None:
    """What `inference()` does to 10,000 rows and 50 parameters after training, compilation included.

    The columns are used as they are, so that the law that made them is in the model; the search starts ten per cent
    away from it, about where training ends.
    """
    import equinox as eqx
    import jax

    network, X, y = drawn_from_a_problem(10_000, 15)
    rng = np.random.default_rng(1)
    away = lambda leaf: leaf * (1 + 0.1 * rng.normal(size=leaf.shape)).astype(np.float32)
    start_network = jax.tree.map(lambda leaf: away(leaf) if eqx.is_inexact_array(leaf) else leaf, network)
    start, cpu = time.perf_counter(), time.process_time()
    results = inferred(start_network, X, y)
    results.bse.sum()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    facts = f"{len(results.params)} parameters, {results.convergence.name}, gradient {results.gradient_norm:.0e}, "
    facts += f"{int(results.fitted.optimum.steps)} steps, {results.fitted.problem.candidates} candidates"
    print(f"inference() on 10,000 rows: {seconds:.1f} s, {cpu:.1f} s of CPU time ({facts})")


def inferred(network, x: np.ndarray, y: np.ndarray):
    """Inference on columns as they are, with default starts."""
    import jax.numpy as jnp

    from behavior_learning.core.spaces import Interval
    from behavior_learning.learned.inference import infer_network
    from behavior_learning.objectives import Likelihood
    from behavior_learning.symbolic.polynomials import Variable

    return infer_network(
        network,
        Likelihood(),
        Interval(jnp.asarray(-4.0), jnp.asarray(4.0)),
        1.0,
        (x.astype(float), y.astype(float)),
        inputs=[Variable(f"x{j}") for j in range(x.shape[1])],
        response=[Variable("y")],
        one_hot=False,
        n_restarts=None,
        seed=0,
        log_unit=0.0,
    )


def drawn_from_a_problem(n: int, d: int):
    """An IBL(Single) with all products of x and y, whose parameters the data can tell, and rows from it."""
    import jax.numpy as jnp

    from behavior_learning.core.architecture import Architecture
    from behavior_learning.core.bases import polynomial_basis, without_pure_x
    from behavior_learning.core.block import Weight
    from behavior_learning.core.network import BehaviorNetwork, with_head
    from behavior_learning.core.spaces import Interval
    from behavior_learning.gibbs.distribution import Gibbs

    rng = np.random.default_rng(0)
    architecture = Architecture((1,), heads=("tanh", "softplus", "square"), readout="identity", intercepts=False)
    basis = without_pure_x(polynomial_basis(d, 1, degree=2))
    network = BehaviorNetwork.random(rng, architecture, features=d, response=1, basis=basis)
    scales = {"utility": (1.5, 0.0, 0.4), "inequality": (-1.5, 0.0, 0.4), "equality": (1.2, 0.0, 0.2)}
    for role, (y, square, products) in scales.items():
        names = basis.names([f"x{j}" for j in range(d)], ["y"])
        row = [y if n == "y" else square if n == "y^2" else products * rng.normal() for n in names]
        rule = network.layers[0].heads[role].coef.rule
        network = with_head(network, 0, role, coef=Weight(jnp.asarray(np.array(row)[None, None], jnp.float32), rule))
    x, levels = rng.normal(size=(n, d)).astype(np.float32), rng.uniform(size=(n, 1)).astype(np.float32)
    y = np.asarray(Gibbs(network, Interval(-4.0, 4.0, 128)).inverse_cdf(jnp.asarray(x), jnp.asarray(levels)))[:, 0]
    return network, x, y


def refits() -> None:
    """500 bootstrap refits of 1,000 rows and 10 parameters, compilation included.

    IBL(Single) with U and C in y, x0·y and x1·y and T in y and x0·y; of 600 random laws with one decimal the one whose
    largest relative standard error, from the exact Fisher information, is smallest (0.13), as in
    `experiments/designs.py`.
    """
    import jax
    import jax.numpy as jnp

    from behavior_learning.core.architecture import Architecture
    from behavior_learning.core.bases import polynomial_basis, with_terms, without_pure_x
    from behavior_learning.core.block import Rule
    from behavior_learning.core.features import Product
    from behavior_learning.core.network import BehaviorNetwork, RowRules
    from behavior_learning.core.spaces import Interval
    from behavior_learning.gibbs.distribution import Gibbs
    from behavior_learning.identification.canonical_form import canonicalize
    from behavior_learning.identification.parameters import LocalParameters, parameter_labels

    rng = np.random.default_rng(0)
    basis = without_pure_x(polynomial_basis(2, 1, degree=1))
    basis = with_terms(basis, [(Product((j,)), Product((0,))) for j in (0, 1)])
    rules = {"equality": RowRules(Rule(fixed=((None, None, 0.0),)), Rule(fixed=0.0), Rule(1))}
    architecture = Architecture((1,), heads=("tanh", "softplus", "square"), readout="identity", intercepts=False)
    network = BehaviorNetwork.random(rng, architecture, features=2, response=1, basis=basis, rules=rules)
    with jax.enable_x64(True):
        parametrization = LocalParameters.of(
            canonicalize(network), parameter_labels(network, ["x0", "x1"], ["y"])
        ).parametrization
        network = parametrization.network(jnp.array([0.9, 2.8, -0.9, 2.4, 1.3, -1.4, -1.9, 2.8, 0.5, -0.9]))
        x, levels = rng.uniform(-2, 2, size=(1000, 2)), rng.uniform(size=(1000, 1))
        y = np.asarray(Gibbs(network, Interval(-4.0, 4.0, 128)).inverse_cdf(jnp.asarray(x), jnp.asarray(levels)))
    results = inferred(network, x, y[:, 0])
    start, cpu = time.perf_counter(), time.process_time()
    boot = results.with_covariance("bootstrap", draws=500)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    converged = f"{len(boot.estimates.draws)} converged"
    facts = f"{seconds:.1f} s, {cpu:.1f} s of CPU time, {converged}, {results.convergence.name}"
    print(f"500 refits of 1,000 rows, {len(results.params)} parameters: {facts}")


def memory() -> None:
    """Hessian and sandwich of 1,000,000 rows and about 200 parameters."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from behavior_learning.core.architecture import Architecture
    from behavior_learning.core.bases import affine_basis
    from behavior_learning.core.network import BehaviorNetwork
    from behavior_learning.core.spaces import Categories
    from behavior_learning.identification.canonical_form import canonicalize
    from behavior_learning.identification.parameters import LocalParameters, parameter_labels
    from behavior_learning.inference.problem import Problem, hessian, outer
    from behavior_learning.objectives import Likelihood

    n, d = 1_000_000, 64
    rng = np.random.default_rng(0)
    architecture = Architecture((1,), heads=("tanh", "softplus", "square"), output="vector", readout="free")
    network = BehaviorNetwork.random(rng, architecture, features=d, response=2, basis=affine_basis(d, 0))
    names = parameter_labels(network, [f"x{j}" for j in range(d)], ["a", "b"], ["a", "b"])
    with jax.enable_x64(True):
        local = LocalParameters.of(canonicalize(network), names)
        x, y = rng.normal(size=(n, d)), rng.integers(0, 2, n).astype(np.int32)
        problem = Problem.of(Likelihood().on(Categories(2)), local.parametrization, (x, y), candidates=2)
        del x
        start, theta = time.perf_counter(), jnp.asarray(local.theta)
        for quantity in (hessian, outer):
            jax.block_until_ready(eqx.filter_jit(quantity)(problem, theta))
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    what = f"Hessian and sandwich of {n:,} rows, {len(theta)} parameters"
    print(f"{what}: {seconds:.0f} s, peak {peak:.2f} GiB, data included")


def main() -> None:
    parts = {"errors": errors, "refits": refits, "memory": memory}
    if len(sys.argv) > 1:
        parts[sys.argv[1]]()
        return
    for part in parts:
        environment = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
        subprocess.run([sys.executable, __file__, part], check=True, env=environment)


if __name__ == "__main__":
    main()
