"""How a mean over random coefficients is taken, and how wrong it may be.

Up to two coefficients: a grid around what each chooser's choices say, refined until the log-likelihood settles. More:
scrambled Sobol draws, whose error is measured by scrambling anew.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from behavior_learning.choice.estimation import Limits, Optimum, maximize
from behavior_learning.choice.likelihood import Likelihood
from behavior_learning.choice.mixing import Nodes, grid, single_node, sobol

__all__ = ["Grid", "Integration", "Sobol", "integration_of"]

SETTLED = 1e-3
"""Change of the log-likelihood on a finer grid that is let pass."""

FINEST = 4
"""How often a grid may be refined."""

SCRAMBLES = 8

COARSE = 64
"""Draws with which a search begins."""


@dataclass(frozen=True)
class Integration:
    """A way to choose nodes; none for models without random coefficients."""

    def nodes(self, units: int, k: int) -> Nodes:
        """Nodes before anything is known of a unit."""
        return single_node()

    def maximize(
        self, likelihood: Likelihood, start: Float[np.ndarray, " p"], limits: Limits
    ) -> tuple[Likelihood, Optimum]:
        """The maximum, and the likelihood on the nodes that it was found with."""
        return likelihood, maximize(likelihood, start, limits)

    def error(self, likelihood: Likelihood, theta: Float[np.ndarray, " p"]) -> float | None:
        """Of the log-likelihood; None where nothing is integrated."""
        return None

    def __str__(self) -> str:
        return ""


@dataclass(frozen=True)
class Grid(Integration):
    """Equidistant nodes around each unit's own posterior mean, in its posterior standard deviations.

    Attributes
    ----------
    count : nodes along each axis.
    """

    count: int = 41
    reach: float = 7.0

    def nodes(self, units: int, k: int) -> Nodes:
        return grid(np.zeros((1, k)), np.ones((1, k)), self.count, self.reach)

    def maximize(
        self, likelihood: Likelihood, start: Float[np.ndarray, " p"], limits: Limits
    ) -> tuple[Likelihood, Optimum]:
        optimum = maximize(likelihood, start, limits)
        theta, rule = optimum.theta, self
        for _ in range(FINEST):
            for _ in range(2):
                likelihood = rule.adapted(likelihood, theta)
            optimum = maximize(likelihood, theta, limits)
            theta = optimum.theta
            likelihood = rule.adapted(likelihood, theta)
            again = likelihood.log_likelihoods(theta).sum()
            if abs(again - optimum.log_likelihood) < SETTLED and rule.error(likelihood, theta) < SETTLED:
                break
            rule = replace(rule, count=int(rule.count * 1.6) | 1)
        return likelihood, optimum

    def adapted(self, likelihood: Likelihood, theta: Float[np.ndarray, " p"]) -> Likelihood:
        """The likelihood on a grid around the posterior mean of every unit."""
        z, posterior = likelihood.nodes.z, likelihood.posterior(theta)
        mean = (posterior[..., None] * z).sum(axis=1)
        variance = (posterior[..., None] * (z - mean[:, None]) ** 2).sum(axis=1)
        spacing = z[:, -1] - z[:, 0]
        least = spacing / round(z.shape[1] ** (1 / z.shape[2])) / 2
        return replace(likelihood, nodes=grid(mean, np.maximum(np.sqrt(variance), least), self.count, self.reach))

    def error(self, likelihood: Likelihood, theta: Float[np.ndarray, " p"]) -> float:
        """What closer nodes that reach further change."""
        finer = replace(self, count=int(self.count * 2) | 1, reach=1.5 * self.reach).adapted(likelihood, theta)
        return abs(float(finer.log_likelihoods(theta).sum() - likelihood.log_likelihoods(theta).sum()))

    def __str__(self) -> str:
        return "adaptive grid, change on a finer and wider one"


@dataclass(frozen=True)
class Sobol(Integration):
    """Scrambled Sobol draws, each unit its own.

    Attributes
    ----------
    draws : per unit.
    """

    draws: int = 1000
    seed: int = 0

    def nodes(self, units: int, k: int) -> Nodes:
        return sobol(units, self.draws, k, self.seed)

    def maximize(
        self, likelihood: Likelihood, start: Float[np.ndarray, " p"], limits: Limits
    ) -> tuple[Likelihood, Optimum]:
        """With many draws from where the search with few ends, by its Hessian first."""
        if self.draws <= 2 * COARSE:
            return super().maximize(likelihood, start, limits)
        few = sobol(likelihood.units, COARSE, likelihood.nodes.z.shape[2], self.seed)
        coarse = maximize(replace(likelihood, nodes=few), start, limits)
        return likelihood, maximize(likelihood, coarse.theta, limits, coarse.hessian)

    def error(self, likelihood: Likelihood, theta: Float[np.ndarray, " p"]) -> float:
        """Standard deviation of the log-likelihood over other scramblings, at these parameters."""
        units, k = likelihood.units, likelihood.nodes.z.shape[2]
        others = (sobol(units, self.draws, k, self.seed + 1 + i) for i in range(SCRAMBLES))
        totals = [replace(likelihood, nodes=nodes).log_likelihoods(theta).sum() for nodes in others]
        return float(np.std(totals, ddof=1))

    def __str__(self) -> str:
        return f"{self.draws} Sobol draws, standard deviation over {SCRAMBLES} scramblings"


def integration_of(k: int, draws: int | None, seed: int) -> Integration:
    """A grid for one or two random coefficients if no number of draws is given, else draws."""
    if k == 0:
        return Integration()
    if draws is None and k <= 2:
        return Grid(41 if k == 1 else 17)
    return Sobol(1000 if draws is None else draws, seed)
