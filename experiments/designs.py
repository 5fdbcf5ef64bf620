"""The models of the Monte-Carlo experiments: IBL(Single) with continuous y and with classes, and how they were chosen.

The true parameters were chosen once, before any simulation: `python experiments/designs.py` draws 3000 random parameter
vectors and prints the one whose largest relative standard error, from the exact Fisher information, is smallest. They
were drawn with one decimal.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import Basis, polynomial_basis, with_terms, without_pure_x
from behavior_learning.core.block import Rule
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork, RowRules
from behavior_learning.core.spaces import Categories, Interval, Space
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import LocalParameters, parameter_labels
from behavior_learning.inference.problem import Problem, outer
from behavior_learning.objectives import Likelihood

SINGLE = Architecture((1,), heads=("tanh", "softplus", "square"), readout="identity", intercepts=False)
NODES = 96


@dataclass(frozen=True, eq=False)
class Design:
    """A family of laws p(y|x), the law of x (uniform on a cube), and the true parameters in canonical form."""

    name: str
    local: LocalParameters
    space: Space
    x_columns: int
    x_bound: float
    truth: tuple[float, ...]

    @property
    def objective(self) -> Likelihood:
        return Likelihood().on(self.space)

    @property
    def one_hot(self) -> bool:
        return isinstance(self.space, Categories)

    def problem(self, n: int) -> Problem:
        """A problem of n rows without data, to be filled by `with_rows`."""
        y = np.zeros(n, np.int32) if self.one_hot else np.zeros(n)
        data = (np.zeros((n, self.x_columns)), y)
        return Problem.of(self.objective, self.local.parametrization, data, candidates=self.space.size)

    def draw(self, key: jax.Array, n: int, truth: jax.Array) -> tuple[jax.Array, jax.Array]:
        """n independent rows."""
        x_key, y_key = jax.random.split(key)
        x = self.x_bound * jax.random.uniform(x_key, (n, self.x_columns), minval=-1.0)
        space = self.space if self.one_hot else Interval(self.space.lower, self.space.upper, 256)
        law = Gibbs(self.local.parametrization.network(truth), space)
        return x, law.inverse_cdf(x, jax.random.uniform(y_key, (n, 1)))[:, 0]


def with_rows(problem: Problem, columns: tuple[jax.Array, ...]) -> Problem:
    return eqx.tree_at(lambda p: p.data, problem, tuple(map(problem.cut, columns)))


def single_basis() -> Basis:
    """y and x·y."""
    return with_terms(without_pure_x(polynomial_basis(1, 1, degree=1)), [(Product((0,)), Product((0,)))])


def continuous(
    space: Space | None = None, truth: tuple[float, ...] = (1.7, 2.7, 1.9, -2.0, 1.5, 2.5, 0.9, 0.7)
) -> Design:
    """U = a·y + b·xy, C = c·y + d·xy and T = e·y + f·xy: nine raw parameters, eight in canonical form."""
    network = BehaviorNetwork.random(np.random.default_rng(0), SINGLE, features=1, response=1, basis=single_basis())
    local = LocalParameters.of(canonicalize(network), parameter_labels(network, ["x"], ["y"]))
    return Design("continuous y", local, space or Interval(-4.0, 4.0, NODES, refinements=0), 1, 2.0, truth)


def classes(truth: tuple[float, ...] = (1.1, -1.7, 2.7, -2.2, -2.5, 2.8, 2.4, -1.7)) -> Design:
    """Three classes: U speaks of the first, C of the second, T of the third, each with an intercept and a slope."""
    basis = without_pure_x(polynomial_basis(2, 3, degree=2, one_hot=True))
    names = basis.names(["u", "v"], ["A", "B", "C"])
    allowed = {"utility": ("A", "u*A"), "inequality": ("B", "v*B"), "equality": ("C", "u*C")}
    rules = {
        role: RowRules(Rule(fixed=(tuple(None if n in terms else 0.0 for n in names),)), Rule(fixed=0.0), Rule(1))
        for role, terms in allowed.items()
    }
    rng = np.random.default_rng(0)
    network = BehaviorNetwork.random(rng, SINGLE, features=2, response=3, basis=basis, rules=rules)
    labels = parameter_labels(network, ["u", "v"], ["A", "B", "C"])
    local = LocalParameters.of(canonicalize(network, one_hot=True), labels)
    return Design("classes", local, Categories(3), 2, 2.0, truth)


def population(design: Design, points: int = 21) -> tuple[Problem, jax.Array]:
    """A problem whose rows are a grid of (x, y), and the law's weights of each at a parameter, as a function of it."""
    t, w = np.polynomial.legendre.leggauss(points)
    grid = np.stack(np.meshgrid(*[design.x_bound * t] * design.x_columns, indexing="ij"), -1).reshape(
        -1, design.x_columns
    )
    mass = np.prod(np.stack(np.meshgrid(*[w / 2] * design.x_columns, indexing="ij"), -1), -1).ravel()
    if design.one_hot:
        y, width = np.arange(design.space.size, dtype=np.int32), np.ones(design.space.size)
    else:
        u, v = np.polynomial.legendre.leggauss(128)
        half = float(design.space.upper - design.space.lower) / 2
        y, width = float(design.space.lower) + half * (u + 1), half * v
    rows = np.repeat(np.arange(len(grid)), len(y))
    data = (grid[rows], np.tile(y, len(grid)))
    problem = Problem.of(design.objective, design.local.parametrization, data, candidates=design.space.size)
    base = np.repeat(mass, len(y)) * np.tile(width, len(grid))
    return problem, jnp.asarray(base)


@eqx.filter_jit
def fisher_information(problem: Problem, base: jax.Array, theta: jax.Array) -> jax.Array:
    """E[∇ℓ ∇ℓᵀ] under the law with parameters θ, exact up to quadrature."""
    losses = problem.joined(jax.lax.map(lambda data: problem.objective(problem.network(theta), *data), problem.data))
    return outer(problem.reweighted(base * jnp.exp(-losses)), theta)


def relative_errors(design: Design, theta: np.ndarray, parts: tuple[Problem, jax.Array]) -> np.ndarray:
    """Asymptotic standard error at one row over the size of each parameter."""
    information = np.asarray(fisher_information(*parts, jnp.asarray(theta)))
    values = np.linalg.eigvalsh(information)
    if values[0] < 1e-10:
        return np.full(len(theta), np.inf)
    return np.sqrt(np.diag(np.linalg.inv(information))) / np.abs(theta)


def main(draws: int = 3000) -> None:
    """Print the best of random parameters for each design."""
    with jax.enable_x64(True):
        for design in (continuous(), classes()):
            parts, rng = population(design), np.random.default_rng(1)
            signs = design.local.signs
            best, truth = np.inf, None
            for _ in range(draws):
                size = rng.uniform(0.5, 3.0, len(signs))
                theta = np.where(signs == 0, size * rng.choice([-1, 1], len(signs)), size).round(1)
                theta[-2] = abs(theta[-2])
                worst = relative_errors(design, theta, parts).max()
                if worst < best:
                    best, truth = worst, theta
            print(design.name, "largest relative error at n = 2000:", round(best / np.sqrt(2000), 3), truth.tolist())
            print(relative_errors(design, truth, parts) / np.sqrt(2000))


if __name__ == "__main__":
    main()
