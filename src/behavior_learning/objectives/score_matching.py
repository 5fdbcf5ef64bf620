"""Score matching without noise."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.spaces import Utility
from behavior_learning.gibbs.score import score_and_curvature
from behavior_learning.objectives.base import Objective, register_objective

__all__ = ["ScoreMatching"]

EDGE = 0.25
"""Share of a box, from either end, over which score matching fades its weight to zero."""


@register_objective
class ScoreMatching(Objective):
    """Σ_j g_j·(½s_j² + ∂_j s_j) + g_j′·s_j with s = ∇_y BL(x, y)/τ: the limit of denoising score matching as σ → 0.

    The weight g_j is one inside the box and falls linearly to zero at its ends, so that the integration by parts
    behind it has no boundary term, whatever mass the density has there.

    Source: Hyvärinen (2005); the weight is that of Hyvärinen (2007) and Yu, Drton and Shojaie (2019).
    Deviation: beyond the paper, which trains by denoising score matching alone.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> reg = bl.BLRegressor(objective=bl.ScoreMatching(), layers=(1,), max_epochs=5, n_restarts=1).fit(X[["RM"]], y)
    >>> reg.predict(X[["RM"]].head(2)).shape
    (2,)
    """

    short_name: ClassVar[str] = "score_matching"
    derivatives: ClassVar[int] = 2

    @property
    def evaluations(self) -> int:
        return 1

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        columns = self.space.continuous
        at = self.space.candidates(y)
        lower, upper = self.space.ends[:, np.array(columns)]
        slope, curvature = score_and_curvature(utility, x, at[:, None], columns)
        s, s_prime = slope[:, 0] / self.temperature, curvature[:, 0] / self.temperature
        g, g_prime = _fading(at[:, np.array(columns)], lower, upper)
        return jnp.sum(g * (0.5 * s**2 + s_prime) + g_prime * s, axis=-1)


def _fading(y: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """g(y) = min(1, distance to the nearer end over EDGE of the box), and its derivative."""
    width = EDGE * (upper - lower)
    rise, fall = (y - lower) / width, (upper - y) / width
    slope = jnp.where(rise < fall, 1.0, -1.0) / width
    nearest = jnp.minimum(rise, fall)
    return jnp.clip(nearest, 0.0, 1.0), jnp.where((nearest > 0) & (nearest < 1), slope, 0.0)
