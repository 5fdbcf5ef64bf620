"""The covariance of estimates by every kind that a user can name."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from behavior_learning.errors import OptionError
from behavior_learning.inference.covariance import ANALYTIC, RESAMPLED, Clusters, analytic_covariance
from behavior_learning.inference.fitted import Fitted
from behavior_learning.inference.resampling import one_step_jackknife, refit, refits_of, resampling_weights, score_draws

__all__ = ["covariance_of"]


def covariance_of(
    fitted: Fitted, kind: str, *, clusters: Clusters | None, draws: int, seed: int
) -> tuple[Float[np.ndarray, "p p"], Float[np.ndarray, "draws p"] | None, tuple[str, ...]]:
    """The covariance, the draws behind it where there are some, and what the user should know of them.

    Raises
    ------
    OptionError
        If clusters are resampled and there are none.
    """
    problem, theta, information, weights = fitted.problem, fitted.theta, fitted.information, fitted.weights
    if kind in ANALYTIC:
        args = (problem, theta, information, kind)
        return analytic_covariance(*args, weight_kind=fitted.weight_kind, clusters=clusters), None, ()
    assert kind in RESAMPLED
    rng, bread, sampling = np.random.default_rng(seed), information.inverse(), fitted.weight_kind == "sampling"
    if kind == "jackknife":
        return one_step_jackknife(problem, theta, bread, weights, sampling=sampling), None, ()
    if kind == "multiplier":
        drawn = score_draws(rng, fitted.scores(), bread, theta, weights, draws, clusters)
        return np.cov(drawn.T).reshape(len(theta), -1), drawn, ()
    if kind == "cluster_bootstrap" and clusters is None:
        raise OptionError("covariance='cluster_bootstrap' needs clusters=, a label for every row.")
    groups = clusters if kind == "cluster_bootstrap" else None
    lanes = resampling_weights(rng, weights, draws, sampling=sampling, clusters=groups)
    refits = refits_of(*refit(problem, jnp.asarray(theta), jnp.asarray(fitted.local.signs), jnp.asarray(lanes)))
    kept = refits.theta[refits.converged]
    left_out = len(lanes) - len(kept)
    note = f"{left_out} of {len(lanes)} bootstrap refits did not converge and are left out." if left_out else ""
    if len(kept) < 2:
        return np.full((len(theta), len(theta)), np.nan), None, (note,)
    return np.cov(kept.T).reshape(len(theta), -1), kept, (note,) if note else ()
