"""Costs from noisy decisions with known feasible sets: who decides sees c + ε with ε ~ N(0, s²I).

A vertex is chosen where c + ε lies in its normal cone {u: E u ≥ 0}, E the edges that leave it. With γ = c/s,

    P(vertex | γ) = P(E(γ + z) ≥ 0),  z ~ N(0, I),

whose logarithm is concave in γ (Prékopa 1973): the score is E[z | cone] and the Hessian Cov[z | cone] − I, both by the
simulator of Geweke, Hajivassiliou and Keane on Sobol points. Only γ is determined: a direction, and how much noise.

Source: McFadden (1974) for random utility; Hajivassiliou and McFadden (1998) for the scores; the noise is that of the
generator of Zattoni Scroccaro, Atasoy and Mohajerin Esfahani (2024).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import log_ndtr, ndtri_exp
from scipy.stats import norm, qmc

from behavior_learning.decision.inverse import Decision, consistent_costs, edges_of
from behavior_learning.errors import ConvergenceError, DataError

__all__ = ["NoisyCosts", "learn_noisy_costs"]

POINTS = 256
"""Sobol points behind every probability."""

STEPS = 30
"""Newton steps at most."""

PARTS = 50
"""Parts of the decisions that are left out in turn to measure the bias."""

SIMULATED = 0.01
"""Fall of the log-likelihood that a step may bring: its scores are simulated by themselves and no exact slope of it."""


@dataclass(frozen=True)
class NoisyCosts:
    """Costs in units of their noise, with errors.

    Attributes
    ----------
    scaled : γ = c/s, the likeliest less its bias of second order.
    cov : of γ, by the sandwich of scores and Hessian.
    log_likelihood : of all decisions at the likeliest γ, in nats.
    """

    scaled: Float[np.ndarray, " n"]
    cov: Float[np.ndarray, "n n"]
    log_likelihood: float

    @property
    def direction(self) -> Float[np.ndarray, " n"]:
        """c/|c|."""
        return self.scaled / np.linalg.norm(self.scaled)

    @property
    def noise(self) -> float:
        """s/|c|: the standard deviation of every cost as a share of the length of all."""
        return 1 / float(np.linalg.norm(self.scaled))

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """The direction, and the noise, with standard errors and intervals by the delta method; of log noise."""
        size, d = np.linalg.norm(self.scaled), self.direction
        slopes = np.vstack([(np.eye(len(d)) - np.outer(d, d)) / size, -d / size**2])
        errors = np.sqrt(np.einsum("ij,jk,ik->i", slopes, self.cov, slopes))
        value, half = np.append(d, 1 / size), norm.ppf((1 + level) / 2) * errors
        names = pd.Index([f"cost{i + 1}" for i in range(len(d))] + ["noise"])
        lower, upper = value - half, value + half
        lower[-1], upper[-1] = value[-1] * np.exp(np.array([-1, 1]) * half[-1] / value[-1])
        return pd.DataFrame({"estimate": value, "std_error": errors, "lower": lower, "upper": upper}, index=names)


def learn_noisy_costs(decisions: Sequence[Decision], *, seed: int = 0) -> NoisyCosts:
    """The costs for which decisions are likeliest, where each was made with costs of its own around them.

    Parameters
    ----------
    decisions : vertices of their feasible sets, in each of which as many constraints bind as there are variables.
    seed : of the Sobol points.

    Raises
    ------
    DataError
        If a decision is no vertex, more constraints bind than there are variables, or no decision contradicts another,
        so that no noise is to be seen.
    ConvergenceError
        If no maximum is found.

    Examples
    --------
    >>> import numpy as np
    >>> box = np.vstack([np.eye(2), -np.eye(2)]), np.array([1.0, 1, 0, 0])
    >>> corners = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [60, 40, 5], axis=0)
    >>> learn_noisy_costs([Decision(*box, corner) for corner in corners]).scaled.round(1).tolist()
    [1.6, 0.3]
    """
    cones = [edges_of(decision, number) for number, decision in enumerate(decisions)]
    if not cones:
        raise DataError("Costs are learned from one decision at least; got none.")
    n = cones[0].shape[1]
    many = [number for number, cone in enumerate(cones) if len(cone) != n]
    if many:
        raise DataError(
            f"More constraints bind at decision {many[0]} than it has variables ({n}), so that its probability is no "
            "orthant's. Drop constraints that repeat others there."
        )
    if consistent_costs(np.concatenate(cones)) is not None:
        raise DataError(
            "No decision contradicts another, so that no noise is to be seen and the likelihood rises without end. Use "
            "learn_costs, which takes them at their word."
        )
    stacked = np.stack(cones)
    uniforms = qmc.Sobol(n, seed=seed).random(POINTS).clip(1e-10, 1 - 1e-10)
    start = np.concatenate(cones).mean(axis=0)
    gamma, at = start, _moments(stacked, start, uniforms)
    for _ in range(STEPS):
        hessian = (at.cov - np.eye(n)).sum(axis=0)
        step = np.linalg.solve(hessian, at.score.sum(axis=0))
        least = at.log_p.sum() - SIMULATED
        shorter = (gamma - share * step for share in 0.5 ** np.arange(12))
        ends = ((end, _moments(stacked, end, uniforms)) for end in shorter)
        gamma, at = next((end for end in ends if end[1].log_p.sum() > least), (gamma, at))
        if np.abs(step).max() < 1e-4:
            bread = np.linalg.inv(hessian)
            cov = bread @ (at.score.T @ at.score) @ bread
            return NoisyCosts(_without_bias(gamma, at, stacked, uniforms), cov, float(at.log_p.sum()))
    raise ConvergenceError(f"No costs were found in {STEPS} steps: decisions say too little of them. Add some.")


def _without_bias(
    gamma: Float[np.ndarray, " n"],
    at: "Moments",
    edges: Float[np.ndarray, "decisions n n"],
    uniforms: Float[np.ndarray, "points n"],
) -> Float[np.ndarray, " n"]:
    """γ + (parts − 1)(γ − mean of γ without each part), at most half as far as γ is long: the jackknife.

    Without it few decisions seem less noisy than they are. Left-out parts take two Newton steps from γ.

    Source: Quenouille (1956).
    """
    n, parts = len(gamma), min(PARTS, len(edges))
    part, left = np.arange(len(edges)) % parts, []
    for number in range(parts):
        kept = part != number
        own, moments = gamma, Moments(*(values[kept] for values in at))
        for step in range(2):
            own = own - np.linalg.solve((moments.cov - np.eye(n)).sum(axis=0), moments.score.sum(axis=0))
            moments = _moments(edges[kept], own, uniforms) if step == 0 else moments
        left.append(own)
    away = (parts - 1) * (gamma - np.mean(left, axis=0))
    return gamma + away * min(1.0, 0.5 * np.linalg.norm(gamma) / max(np.linalg.norm(away), 1e-12))


class Moments(NamedTuple):
    """log P, the score E[z | cone] and Cov[z | cone] of every decision."""

    log_p: Float[np.ndarray, " decisions"]
    score: Float[np.ndarray, "decisions n"]
    cov: Float[np.ndarray, "decisions n n"]


def _moments(
    edges: Float[np.ndarray, "decisions n n"], gamma: Float[np.ndarray, " n"], uniforms: Float[np.ndarray, "points n"]
) -> Moments:
    """E z = L e with triangular L: e₁, e₂ … are drawn in turn from normals cut where E(γ + z) ≥ 0 begins."""
    root = np.linalg.cholesky(edges @ edges.transpose(0, 2, 1))
    least, n = -edges @ gamma, len(gamma)
    drawn = np.zeros((len(edges), len(uniforms), n))
    log_weight = np.zeros((len(edges), len(uniforms)))
    for j in range(n):
        below = np.einsum("drk,dk->dr", drawn[..., :j], root[:, j, :j])
        cut = (least[:, j, None] - below) / root[:, j, j, None]
        log_mass = log_ndtr(-cut)
        drawn[..., j] = -ndtri_exp(log_mass + np.log(uniforms[:, j]))
        log_weight += log_mass
    highest = log_weight.max(axis=1, keepdims=True)
    weight = np.exp(log_weight - highest)
    log_p = highest[:, 0] + np.log(weight.mean(axis=1))
    weight /= weight.sum(axis=1, keepdims=True)
    z = np.linalg.solve(edges, np.einsum("djk,drk->djr", root, drawn)).transpose(0, 2, 1)
    score = np.einsum("dr,drk->dk", weight, z)
    centred = z - score[:, None]
    return Moments(log_p, score, np.einsum("dr,drj,drk->djk", weight, centred, centred))
