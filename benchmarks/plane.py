"""Error of log Z of two numbers by the rule of the plane, over densities, and what it costs.

    python benchmarks/plane.py [--sizes 16 23 32] [--focusing 12x16 16x16]

Against a grid of 1,601 points along each number. A row's evaluations are those of its focusing passes and three times
the candidates, for the loss and its gradient.
"""

import argparse
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import logsumexp

from behavior_learning.core import products
from behavior_learning.core.products import Product
from behavior_learning.core.spaces import Interval
from behavior_learning.gibbs.distribution import Gibbs
from timing import heading, table

Density = Callable[[Array, Array], Array]

END, GRID, PASSES = 4.0, 1601, 3


def normal(r: float, a_scale: float, b_scale: float, a_mean: float = 0.4, b_mean: float = -0.7) -> Density:
    def log_density(a: Array, b: Array) -> Array:
        a, b = (a - a_mean) / a_scale, (b - b_mean) / b_scale
        return -0.5 * (a**2 - 2 * r * a * b + b**2) / (1 - r**2)

    return log_density


def mixture(*parts: Density) -> Density:
    return lambda a, b: logsumexp(jnp.stack([part(a, b) for part in parts]), axis=0)


def curved(width: float) -> Density:
    return lambda a, b: -0.5 * (a / 1.2) ** 2 - 0.5 * ((b - 0.5 * a**2 + 1) / width) ** 2


DENSITIES: dict[str, Density] = {
    "normal": normal(0.0, 1.0, 1.0),
    "normal, correlation 0.7": normal(0.7, 1.0, 0.6),
    "normal, correlation 0.95": normal(0.95, 0.6, 0.6),
    "normal, correlation 0.995": normal(0.995, 0.6, 0.6),
    "narrow, correlation 0.9": normal(0.9, 0.1, 0.1),
    "narrow in one": normal(0.0, 0.08, 0.5),
    "straight ridge": normal(0.995, 1.0, 1.0),
    "curved ridge": curved(0.2),
    "thin curved ridge": curved(0.06),
    "kinked": lambda a, b: -3 * abs(a - b + 0.3) - 2 * abs(a + 0.5 * b),
    "thin kinked ridge": lambda a, b: -12 * abs(a - b + 0.3) - 3 * abs(a + 0.5 * b),
    "relu": lambda a, b: (
        -2 * jnp.maximum(a - b, 0) - 1.5 * jnp.maximum(b - 0.3 * a, 0) - 0.7 * abs(a) + jnp.tanh(a + b)
    ),
    "tanh": lambda a, b: 3 * jnp.tanh(2 * a - b) - 2 * abs(a - 0.5) - 1.5 * abs(b + 0.2 * a),
    "two modes": mixture(normal(0.0, 0.3, 0.3, -1.5, 1.0), normal(0.8, 0.4, 0.4, 1.2, -1.0)),
    "a cross": mixture(normal(0.98, 1.0, 1.0, 0.0, 0.0), normal(-0.98, 1.0, 1.0, 0.0, 0.0)),
    "two narrow modes": mixture(normal(0.0, 0.1, 0.1, -1.0, 1.0), normal(0.0, 0.1, 0.1, 1.0, -1.0)),
}


def counts(text: str) -> tuple[int, int]:
    """Candidates of the first and of the second number in each pass of focusing, such as ``12x16``."""
    first, second = text.split("x")
    return int(first), int(second)


def by_grid(density: Density) -> float:
    points = np.linspace(-END, END, GRID)
    a, b = map(jnp.asarray, np.meshgrid(points, points, indexing="ij"))
    return float(logsumexp(density(a, b))) + 2 * np.log(points[1] - points[0])


def by_rule(density: Density, size: int) -> float:
    space = Product([Interval(-END, END, size, 2)] * 2)
    plane = Gibbs(lambda x, y: density(y[..., 0], y[..., 1]), space)
    return float(jax.jit(lambda: plane.log_normalizer(jnp.zeros((1, 0)))[0])())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", type=int, default=[16, 23, 32])
    parser.add_argument("--focusing", nargs="*", type=counts, default=[products.FOCUSING])
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    heading("The rule of the plane")
    plans = [(size, fewest) for size in arguments.sizes for fewest in arguments.focusing]
    used = [tuple(max(count, -(-size // 2)) for count in fewest) for size, fewest in plans]
    exact = {name: by_grid(density) for name, density in DENSITIES.items()}
    errors = np.zeros((len(DENSITIES), len(plans)))
    for j, (size, own) in enumerate(plans):
        products.FOCUSING = own
        errors[:, j] = [by_rule(density, size) - exact[name] for name, density in DENSITIES.items()]
    lines = [(name, *(f"{e:.4f}" for e in own)) for name, own in zip(DENSITIES, errors, strict=True)]
    lines.append(("mean size, one nat at most", *(f"{e:.4f}" for e in np.minimum(abs(errors), 1).mean(axis=0))))
    work = [PASSES * first * second + 3 * size**2 for (size, _), (first, second) in zip(plans, used, strict=True)]
    lines.append(("evaluations a row", *(f"{count:,}" for count in work)))
    columns = [f"{size}², focused by {first}x{second}" for (size, _), (first, second) in zip(plans, used, strict=True)]
    table(("error of log Z, nats", *columns), lines)


if __name__ == "__main__":
    main()
