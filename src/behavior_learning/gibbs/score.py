"""∇_y BL(x, y), which is τ·∇_y log p(y|x), and the second derivatives that its divergence sums."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.spaces import Utility

__all__ = ["score", "score_and_curvature"]

MOST_TANGENTS = 1
"""Columns of y beyond which one reverse pass is faster than a tangent for each."""


def score(
    utility: Utility, x: Float[Array, "n d"], y: Float[Array, "n k m"], columns: Sequence[int]
) -> Float[Array, "n k columns"]:
    """∂BL/∂y_j at the candidates, for the given columns of y."""
    if len(columns) > MOST_TANGENTS:
        return jax.grad(lambda y: jnp.sum(utility(x, y)))(y)[..., np.array(columns)]
    return jnp.stack([jax.jvp(lambda y: utility(x, y), (y,), (_along(y, j),))[1] for j in columns], axis=-1)


def score_and_curvature(
    utility: Utility, x: Float[Array, "n d"], y: Float[Array, "n k m"], columns: Sequence[int]
) -> tuple[Float[Array, "n k columns"], Float[Array, "n k columns"]]:
    """∂BL/∂y_j and ∂²BL/∂y_j² at the candidates, for the given columns of y."""

    def slope(y: Float[Array, "n k m"], j: int) -> Float[Array, "n k"]:
        return jax.jvp(lambda y: utility(x, y), (y,), (_along(y, j),))[1]

    pairs = [jax.jvp(lambda y, j=j: slope(y, j), (y,), (_along(y, j),)) for j in columns]
    first, second = zip(*pairs, strict=True)
    return jnp.stack(first, axis=-1), jnp.stack(second, axis=-1)


def _along(y: Float[Array, "n k m"], column: int) -> Float[Array, "n k m"]:
    return jnp.zeros_like(y).at[..., column].set(1.0)
