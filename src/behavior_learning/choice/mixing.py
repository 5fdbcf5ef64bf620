"""Coefficients that vary over choosers: their distributions, and the nodes at which a mean over them is taken.

β_k = T_k(μ_k + Σ_l L_kl g_l(z_l)) with independent standard normal z: T is the identity or ±exp, g the identity or the
quantile function of a triangular or uniform distribution on [−1, 1].
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import norm, qmc

from behavior_learning.errors import OptionError

__all__ = ["DISTRIBUTIONS", "Coefficients", "Distribution", "Mixing", "Nodes", "grid", "single_node", "sobol"]


def _same(t: np.ndarray) -> np.ndarray:
    return t


def _triangular(z: np.ndarray) -> np.ndarray:
    u = norm.cdf(z)
    return np.where(u < 0.5, np.sqrt(2 * u) - 1, 1 - np.sqrt(2 * (1 - u)))


def _uniform(z: np.ndarray) -> np.ndarray:
    return 2 * norm.cdf(z) - 1


@dataclass(frozen=True)
class Distribution:
    """How a coefficient is distributed.

    Attributes
    ----------
    shape : g, from a standard normal number to one of spread 1 around 0.
    log : whether it is the logarithm of the size of the coefficient that is μ + L g(z).
    """

    name: str
    shape: Callable[[np.ndarray], np.ndarray] = _same
    log: bool = False


DISTRIBUTIONS = {
    own.name: own
    for own in (
        Distribution("normal"),
        Distribution("lognormal", log=True),
        Distribution("triangular", _triangular),
        Distribution("uniform", _uniform),
    )
}
"""Distributions of coefficients by name."""


@dataclass(frozen=True)
class Nodes:
    """Where a mean over z is taken.

    Attributes
    ----------
    z : standard normal numbers, the same for all units or for each its own.
    log_weights : their logarithms sum, as weights, to one.
    """

    z: Float[np.ndarray, "#units nodes k"]
    log_weights: Float[np.ndarray, "#units nodes"]

    @property
    def count(self) -> int:
        return self.z.shape[1]

    def of_units(self, units: slice) -> "Nodes":
        """The nodes of some units."""
        own = (values if len(values) == 1 else values[units] for values in (self.z, self.log_weights))
        return Nodes(*own)


def single_node() -> Nodes:
    """One node of weight one, for models without random coefficients."""
    return Nodes(np.zeros((1, 1, 0)), np.zeros((1, 1)))


def grid(
    centre: Float[np.ndarray, "units k"], spread: Float[np.ndarray, "units k"], count: int, reach: float = 7.0
) -> Nodes:
    """The trapezoidal rule around each unit's own centre, `count` nodes along each axis.

    Deviation: Gauss-Hermite nodes around each unit's mode (Liu and Pierce 1994) end too early for probabilities that
    are nearly steps in z; equidistant ones converge as fast for what is smooth (Trefethen and Weideman 2014), and
    faster there.

    Parameters
    ----------
    reach : of the nodes on each side, in spreads.
    """
    t = np.linspace(-reach, reach, count)
    steps = np.array(list(product(t, repeat=centre.shape[1])))
    z = centre[:, None, :] + spread[:, None, :] * steps
    log_weights = norm.logpdf(z).sum(axis=2) + np.log((t[1] - t[0]) * spread).sum(axis=1)[:, None]
    return Nodes(z, log_weights)


def sobol(units: int, draws: int, k: int, seed: int) -> Nodes:
    """Draws from one scrambled Sobol sequence, for every unit consecutive ones, which fill the cube evenly.

    Source: Owen (1998); Train (2009), section 9.3.
    """
    points = qmc.Sobol(k, seed=seed).random_base2(int(np.ceil(np.log2(units * draws))))[: units * draws]
    points = np.clip(points, 1e-12, 1 - 1e-12)
    return Nodes(norm.ppf(points).reshape(units, draws, k), np.full((1, draws), -np.log(draws)))


class Coefficients(NamedTuple):
    """Random coefficients at nodes, and their derivatives.

    Attributes
    ----------
    by_mean : by the own μ.
    by_spread : for each coefficient, by the spreads that it depends on, by their number.
    """

    values: Float[np.ndarray, " k #units nodes"]
    by_mean: Float[np.ndarray, " k #units nodes"]
    by_spread: Sequence[Mapping[int, Float[np.ndarray, "#units nodes"]]]


@dataclass(frozen=True)
class Mixing:
    """Which coefficients vary, how, and whether together.

    Attributes
    ----------
    names : labels of the random coefficients.
    random : their places among the terms.
    distributions : one each.
    signs : ±1, of lognormal coefficients.
    correlated : whether L is a lower triangle, else it is diagonal.
    """

    names: tuple[str, ...]
    random: tuple[int, ...]
    distributions: tuple[Distribution, ...]
    signs: tuple[int, ...]
    correlated: bool = False

    @classmethod
    def none(cls) -> "Mixing":
        """No coefficient varies."""
        return cls((), (), (), ())

    @classmethod
    def of(cls, random: Mapping[str, str], labels: Sequence[str], correlated: bool) -> "Mixing":
        """Random coefficients by label.

        Raises
        ------
        OptionError
            If a label or a distribution is unknown, or what is to be correlated is bounded.
        """
        for name, kind in random.items():
            if name not in labels:
                raise OptionError(
                    f"random= names {name!r}, which is no coefficient. Coefficients: {', '.join(labels)}."
                )
            if kind not in DISTRIBUTIONS:
                raise OptionError(f"A coefficient is {', '.join(map(repr, DISTRIBUTIONS))}; got {kind!r} for {name!r}.")
        kinds = tuple(DISTRIBUTIONS[kind] for kind in random.values())
        if correlated and any(kind.shape is not _same for kind in kinds):
            raise OptionError("Only normal and lognormal coefficients can be correlated. Use correlated=False.")
        return cls(tuple(random), tuple(labels.index(n) for n in random), kinds, (1,) * len(kinds), correlated)

    @property
    def entries(self) -> list[tuple[int, int]]:
        """Row and column of L of each spread."""
        k = len(self.random)
        return [(i, j) for i in range(k) for j in range(i + 1) if self.correlated or i == j]

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the spreads: ``sd(time)``, or entries of the Cholesky factor ``chol(time, cost)``."""
        if not self.correlated:
            return tuple(f"sd({name})" for name in self.names)
        return tuple(f"chol({self.names[i]}, {self.names[j]})" for i, j in self.entries)

    def with_signs(self, coefficients: Float[np.ndarray, " terms"]) -> "Mixing":
        """Lognormal coefficients with the signs that constant ones have."""
        return replace(self, signs=tuple(-1 if coefficients[i] < 0 else 1 for i in self.random))

    def starts(self, coefficients: Float[np.ndarray, " terms"]) -> tuple[np.ndarray, np.ndarray]:
        """Where the search for means and spreads starts, given constant coefficients."""
        means = coefficients.copy()
        spreads = np.zeros(len(self.entries))
        for place, column in enumerate(self.random):
            size = max(abs(coefficients[column]), 0.1)
            log = self.distributions[place].log
            means[column] = np.log(size) if log else coefficients[column]
            spreads[self.entries.index((place, place))] = 0.5 if log else size
        return means, spreads

    def coefficients(self, own: np.ndarray, spreads: np.ndarray, nodes: Nodes) -> Coefficients:
        """β at every node, and its derivatives."""
        shapes = [kind.shape(nodes.z[..., i]) for i, kind in enumerate(self.distributions)]
        latent = [own[column] + np.zeros(nodes.z.shape[:2]) for column in self.random]
        for (i, j), spread in zip(self.entries, spreads, strict=True):
            latent[i] = latent[i] + spread * shapes[j]
        values, by_mean = [], []
        for eta, kind, sign in zip(latent, self.distributions, self.signs, strict=True):
            beta = sign * np.exp(np.minimum(eta, 50.0)) if kind.log else eta
            values.append(beta)
            by_mean.append(beta if kind.log else np.ones_like(beta))
        by_spread: list[dict[int, np.ndarray]] = [{} for _ in self.random]
        for entry, (i, j) in enumerate(self.entries):
            by_spread[i][entry] = by_mean[i] * shapes[j]
        empty = np.zeros((0, *nodes.z.shape[:2]))
        return Coefficients(np.array(values or empty), np.array(by_mean or empty), by_spread)
