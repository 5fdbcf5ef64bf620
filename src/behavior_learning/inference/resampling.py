"""Bootstrap and jackknife: refits to reweighted rows, many at once in one compiled program."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from behavior_learning.inference.clusters import Clusters
from behavior_learning.inference.estimation import TOLERANCE, Search, search_from
from behavior_learning.inference.problem import Problem, hessian, row_hessians, scores

__all__ = ["AIM", "Refits", "one_step_jackknife", "refit", "resampling_weights", "score_draws"]

REFIT_STEPS = 200

AIM = 1e-9
"""Norm of the gradient at which a refit stops."""

ROW_HESSIANS = 2**25
"""Numbers that the Hessians of all rows may take; beyond it every refit starts with the Hessian of all rows."""


class Refits(NamedTuple):
    """θ̂ of reweighted rows, and which of them reached a gradient norm below 1e-8."""

    theta: Float[np.ndarray, "draws p"]
    converged: Bool[np.ndarray, " draws"]


def resampling_weights(
    rng: np.random.Generator,
    weights: Float[np.ndarray, " n"],
    draws: int,
    *,
    sampling: bool = False,
    clusters: Clusters | None = None,
) -> Float[np.ndarray, "draws n"]:
    """How often each row counts in each bootstrap sample.

    Rows (or whole clusters) are drawn with replacement. With frequency weights as many rows are drawn as the weights
    sum to; with sampling weights a drawn row brings its weight.
    """
    if clusters is not None:
        codes, count = clusters.codes[0], clusters.counts[0]
        return rng.multinomial(count, np.full(count, 1 / count), size=draws)[:, codes] * weights
    n = len(weights)
    if sampling or np.all(weights == 1):
        return rng.multinomial(n, np.full(n, 1 / n), size=draws) * weights
    return rng.multinomial(round(weights.sum()), weights / weights.sum(), size=draws).astype(float)


@eqx.filter_jit
def refit(
    problem: Problem, theta: Float[Array, " p"], signs: Int[Array, " p"], weights: Float[Array, "draws n"]
) -> tuple[Float[Array, "draws p"], Float[Array, " draws"]]:
    """θ̂ for every line of weights, and the norms of the gradients there, by a search from θ̂ of all rows.

    A refit starts with the Hessian of its own rows, Σ w_i H_i, so that its first step is the one-step bootstrap, and
    updates it from gradients, so that the next steps mostly cost one of these. Refits follow each other inside one
    compiled program: side by side, every refit would wait for the slowest.
    """
    few = problem.n * len(theta) ** 2 <= ROW_HESSIANS
    rows = row_hessians(problem, theta) if few else hessian(problem, theta)

    def one(replicate: Float[Array, " n"]):
        own = problem.reweighted(replicate)
        guess = jnp.einsum("n,npq->pq", replicate, rows) / own.total if few else rows
        end = search_from(own, theta, signs, Search(aim=AIM, max_steps=REFIT_STEPS), guess)
        return end.theta, end.gradient_norm

    return jax.lax.map(one, weights)


def refits_of(theta: Float[Array, "draws p"], norms: Float[Array, " draws"]) -> Refits:
    return Refits(np.asarray(theta), np.asarray(norms) < TOLERANCE)


def score_draws(
    rng: np.random.Generator,
    row_scores: Float[np.ndarray, "n p"],
    bread: Float[np.ndarray, "p p"],
    theta: Float[np.ndarray, " p"],
    weights: Float[np.ndarray, " n"],
    draws: int,
    clusters: Clusters | None = None,
) -> Float[np.ndarray, "draws p"]:
    """θ̂ − J⁻¹·Σ e_i w_i ∇ℓ_i/Σw with e = ±1: the multiplier bootstrap of scores, which needs no refit.

    Source: Kline and Santos (2012). Rows of a cluster share their sign.
    """
    n = len(row_scores)
    codes, count = (clusters.codes[0], clusters.counts[0]) if clusters is not None else (np.arange(n), n)
    signs = rng.choice([-1.0, 1.0], size=(draws, count))[:, codes]
    return theta - (signs @ (weights[:, None] * row_scores)) @ bread / weights.sum()


def one_step_jackknife(
    problem: Problem,
    theta: Float[np.ndarray, " p"],
    bread: Float[np.ndarray, "p p"],
    weights: Float[np.ndarray, " n"],
    *,
    sampling: bool = False,
) -> Float[np.ndarray, "p p"]:
    """(n − 1)/n·Σ (θ̂₋ᵢ − θ̄)(θ̂₋ᵢ − θ̄)ᵀ with θ̂₋ᵢ one Newton step from θ̂ without row i.

    With frequency weights one of the equal rows that a row stands for is left out, as often as there are such; with
    sampling weights the row goes with its weight.

    Source: the HC3 idea. The step uses the Hessian without the row: by Woodbury's identity where that is its outer
    product, here by a direct solve.
    """
    s, h = np.asarray(_scores(problem, jnp.asarray(theta))), np.asarray(_row_hessians(problem, jnp.asarray(theta)))
    total = np.einsum("n,npq->pq", weights, h) + float(problem.l2) * np.eye(len(theta))
    values, vectors = np.linalg.eigh(bread)
    basis = vectors[:, values > 1e-12 * values[-1]]
    gone, times = (weights, np.ones(len(s))) if sampling else (np.ones(len(s)), weights)
    without = np.array(
        [
            np.linalg.solve(basis.T @ (total - w * hi) @ basis, basis.T @ (w * si))
            for w, hi, si in zip(gone, h, s, strict=True)
        ]
    )
    moves, n = (without - np.average(without, axis=0, weights=times)) @ basis.T, times.sum()
    return (n - 1) / n * (times[:, None] * moves).T @ moves


_scores = eqx.filter_jit(scores)
_row_hessians = eqx.filter_jit(row_hessians)
