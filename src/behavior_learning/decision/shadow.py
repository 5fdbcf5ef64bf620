"""Prices of constraints at the mode, λ·ρ'(C) times the slopes above, as functions of the parameters.

The mode follows ∂BL/∂y = 0 as parameters move, so that a price has the derivative of the implicit function.
"""

from dataclasses import replace
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.decision.edits import Edited, Edits, Place
from behavior_learning.decision.outcomes import At, Number

__all__ = ["Prices"]

STEPS = 8
"""Newton steps from the best candidate to the mode."""


class Prices(Number):
    """∂BL/∂r at the mode for every constraint C ≤ r, in utility per unit of the printed row.

    Attributes
    ----------
    rows : the constraints.
    """

    rows: tuple[Place, ...]

    def __call__(self, at: At) -> Float[Array, "n constraints"]:
        utility, y = cast(Edited, at.gibbs.utility), _mode(at)[:, None]

        def relaxed(amounts: Float[Array, " constraints"]) -> Float[Array, " n"]:
            moved = Edits(self.rows, tuple(amounts))(utility.network)
            return replace(utility, network=moved.network)(at.x, y)[:, 0]

        return jax.jacfwd(relaxed)(jnp.zeros(len(self.rows), at.x.dtype))


def _mode(at: At) -> Float[Array, "n m"]:
    """The response of the largest utility; its derivatives are those of the condition ∂BL/∂y = 0 inside the support."""
    space, best = at.gibbs.space, at.gibbs.mode(at.x)
    y = jax.lax.stop_gradient(space.candidates(best).astype(at.x.dtype))
    free = np.array([j in space.continuous for j in range(space.dimension)])

    def newton(x: Float[Array, " d"], y: Float[Array, " m"]) -> Float[Array, " m"]:
        """y − H⁻¹g over the numbers of a response; none where the utility is not concave or its end is the best."""

        def at_response(y: Array) -> Array:
            return at.gibbs.utility(x[None], y[None, None])[0, 0]

        slope, curvature = jax.grad(at_response)(y), jax.hessian(at_response)(y)
        both = free[:, None] & free
        curvature = jax.lax.stop_gradient(jnp.where(both, curvature, -jnp.eye(len(y))))
        step = -jnp.linalg.solve(curvature, jnp.where(free, slope, 0.0))
        inside = (y > space.ends[0]) & (y < space.ends[1]) & (jnp.linalg.eigvalsh(curvature)[-1] < 0)
        return jnp.clip(y + jnp.where(inside, step, 0.0), *space.ends)

    each = jax.vmap(newton)
    frozen = jax.lax.stop_gradient(jax.lax.fori_loop(0, STEPS, lambda _, y: each(at.x, y), y))
    return each(at.x, frozen)
