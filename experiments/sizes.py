"""Are p-values uniform where the hypothesis holds? `suggest_terms` and `constraint_test`, by simulation.

y is normal around a line in d columns. `terms` fits −(a·y + b·x + c)², or tanh, softplus and square of y and x·y to
rows from such a law, and tests every product that the basis lacks. `constraints` fits a softplus beside the square,
which is not there, and tests for it; the first two tests are timed. The search for the whole model is cut to a few
steps there: the test asks of the model without the row alone, a line, whose optimum is one. Printed are the
Kolmogorov-Smirnov p-value of the p-values being uniform, and the share below .05. P-values stand in
`results/sizes-*.csv`, a line per replication; a further call adds those that are missing.

    python experiments/sizes.py terms --replications 400
    python experiments/sizes.py constraints --d 2 --n 300 --replications 400
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.stats import kstest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork, in_double
from behavior_learning.core.spaces import Interval
from behavior_learning.identification.parameters import LocalParameters, parameter_labels
from behavior_learning.inference.boundary import constraint_test
from behavior_learning.inference.estimation import Optimum, Search, polish
from behavior_learning.inference.fitted import Fitted, at_optimum
from behavior_learning.inference.problem import WEAK_PRIOR, Problem
from behavior_learning.learned.score_tests import efficient_tests
from behavior_learning.objectives import Likelihood
from designs import continuous

LINE = Architecture((1,), (0, 0, 1), (None, None, "square"), readout="identity")
BENT = Architecture((1,), (0, 1, 1), (None, "softplus", "square"), readout="identity")
SPACE = Interval(-7.0, 7.0, 64, refinements=0)
RESULTS = Path(__file__).parent / "results"
FEW_STEPS = 5
COLUMNS = [f"x{i}" for i in range(20)]


def line_rows(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(n, d))
    return x, 0.3 + x.sum(axis=1) / d**0.5 + 0.7 * rng.normal(size=n)


def begun(problem: Problem, start: LocalParameters) -> tuple[Problem, Optimum]:
    search = Search(sample=1, max_steps=FEW_STEPS)
    return problem, polish(problem, jnp.asarray(start.theta), jnp.asarray(start.signs), search)


def estimated(
    network: BehaviorNetwork, space: Interval, rows: tuple[np.ndarray, np.ndarray], names: list[str], **options
) -> Fitted:
    return at_optimum(
        Likelihood().on(space),
        rows,
        network,
        names,
        candidates=space.size,
        weights=np.ones(len(rows[0])),
        weight_kind="frequency",
        one_hot=False,
        l2=WEAK_PRIOR,
        **options,
    )


def network_of(architecture: Architecture, d: int, seed: int = 0) -> tuple[BehaviorNetwork, list[str]]:
    network = in_double(
        BehaviorNetwork.random(
            np.random.default_rng(seed), architecture, features=d, response=1, basis=affine_basis(d, 1)
        )
    )
    return network, parameter_labels(network, COLUMNS[:d], ["y"])


def terms(n: int, d: int, seeds: Iterable[int]) -> Iterator[dict[str, float]]:
    """P-values of the products that a line in two columns, and the model of `designs.continuous`, lack."""
    network, names = network_of(LINE, 2)
    x, one, y = [Product((0,)), Product((1,))], Product(()), Product((0,))
    products = {"x0^2": (Product((0, 0)), one), "x0*x1": (Product((0, 1)), one), "x0*y": (x[0], y), "x1*y": (x[1], y)}
    design = continuous()
    single = design.local.parametrization.network(jnp.asarray(design.truth))
    numbers = parameter_labels(single, ["x"], ["y"])
    others = {"x": (Product((0,)), one), "x^2": (Product((0, 0)), one), "y^2": (one, Product((0, 0)))}
    for seed in seeds:
        fitted = estimated(network, SPACE, line_rows(np.random.default_rng(seed), n, 2), names)
        found = efficient_tests(fitted, list(products.values()), list(products)).set_index("term")["pvalue"]
        rows = tuple(map(np.asarray, design.draw(jax.random.key(seed), n, jnp.asarray(design.truth))))
        fitted = estimated(single, design.space, rows, numbers)
        more = efficient_tests(fitted, list(others.values()), list(others)).set_index("term")["pvalue"]
        yield {f"line {k}": v for k, v in found.items()} | {f"single {k}": v for k, v in more.items()}


def constraints(n: int, d: int, seeds: Iterable[int]) -> Iterator[dict[str, float]]:
    """P-values for a softplus that is not there."""
    network, names = network_of(BENT, d)
    for number, seed in enumerate(seeds):
        fitted = estimated(network, SPACE, line_rows(np.random.default_rng(seed), n, d), names, choose=begun)
        start = time.process_time()
        test = constraint_test(fitted, "inequality", directions=64, draws=2000, seed=seed)
        if number < 2:
            print(f"test {number + 1}: {time.process_time() - start:.1f} CPU s", flush=True)
        yield {"inequality": test.pvalue}


PARTS = {"terms": terms, "constraints": constraints}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--d", type=int, default=2)
    parser.add_argument("--replications", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=np.inf, help="after which no replication begins")
    arguments = parser.parse_args()
    records = RESULTS / f"sizes-{arguments.part}-{arguments.d}-{arguments.n}.csv"
    known = pd.read_csv(records, index_col="seed") if records.exists() else pd.DataFrame()
    missing, start = [seed for seed in range(arguments.replications) if seed not in known.index], time.perf_counter()
    with jax.enable_x64(True):
        for seed, line in zip(missing, PARTS[arguments.part](arguments.n, arguments.d, missing), strict=False):
            known = pd.concat([known, pd.DataFrame([line], [seed])]).rename_axis("seed")
            known.to_csv(records, float_format="%.6g")
            if time.perf_counter() - start > arguments.seconds:
                break
    print(f"{arguments.part}, n = {arguments.n}, d = {arguments.d}: {len(known)} replications")
    print(summary(known).round(3).to_string(), flush=True)


def summary(pvalues: pd.DataFrame) -> pd.DataFrame:
    """Uniform or not, by column; missing p-values are counted and left aside."""
    known = {name: column.dropna() for name, column in pvalues.items()}
    return pd.DataFrame(
        {
            "KS p": {name: kstest(column, "uniform").pvalue for name, column in known.items()},
            "below .05": {name: (column < 0.05).mean() for name, column in known.items()},
            "below .2": {name: (column < 0.2).mean() for name, column in known.items()},
            "mean": {name: column.mean() for name, column in known.items()},
            "tests": {name: len(column) for name, column in known.items()},
        }
    )


if __name__ == "__main__":
    main()
