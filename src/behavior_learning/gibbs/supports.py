"""Bounded supports for samplers: coordinates without bounds and their Jacobian, and reflection at the ends."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

__all__ = ["Support"]


class Support(eqx.Module):
    """A product of intervals [lower, upper], each end finite or infinite.

    Attributes
    ----------
    bounded : whether any end is finite; where none is, every map below is the identity.
    """

    lower: Float[Array, " m"]
    upper: Float[Array, " m"]
    bounded: bool = eqx.field(static=True)

    def __init__(self, lower: ArrayLike | None, upper: ArrayLike | None, like: Float[Array, "*batch m"]):
        m, dtype = like.shape[-1], like.dtype
        lower, upper = -np.inf if lower is None else lower, np.inf if upper is None else upper
        self.lower = jnp.broadcast_to(jnp.asarray(lower, dtype), (m,))
        self.upper = jnp.broadcast_to(jnp.asarray(upper, dtype), (m,))
        self.bounded = bool(np.isfinite(lower).any() or np.isfinite(upper).any())

    @property
    def _finite(self) -> tuple[Array, Array, Array]:
        """Coordinates with two finite ends, with a lower end only, with an upper end only."""
        below, above = jnp.isfinite(self.lower), jnp.isfinite(self.upper)
        return below & above, below & ~above, above & ~below

    @property
    def _ends(self) -> tuple[Float[Array, " m"], Float[Array, " m"], Float[Array, " m"]]:
        """Lower end, upper end and width, with harmless numbers in place of infinities."""
        lower = jnp.where(jnp.isfinite(self.lower), self.lower, 0.0)
        upper = jnp.where(jnp.isfinite(self.upper), self.upper, 0.0)
        return lower, upper, jnp.where(self._finite[0], upper - lower, 1.0)

    def constrain(self, z: Float[Array, "*batch m"]) -> Float[Array, "*batch m"]:
        """y = lower + width·sigmoid(z) in an interval, lower + exp(z) above an end, upper − exp(−z) below one."""
        if not self.bounded:
            return z
        interval, above, below = self._finite
        lower, upper, width = self._ends
        inside = jnp.clip(lower + width * jax.nn.sigmoid(z), self.lower, self.upper)
        ray = jnp.exp(jnp.where(above, z, jnp.where(below, -z, 0.0)))
        return jnp.where(interval, inside, jnp.where(above, lower + ray, jnp.where(below, upper - ray, z)))

    def unconstrain(self, y: Float[Array, "*batch m"]) -> Float[Array, "*batch m"]:
        """z of a y; one on an end is first moved inside by a rounding error."""
        if not self.bounded:
            return y
        interval, above, below = self._finite
        lower, upper, width = self._ends
        precision = jnp.finfo(y.dtype)
        share = jnp.clip((y - lower) / width, precision.eps, 1 - precision.eps)
        log_distance = jnp.log(jnp.maximum(jnp.where(above, y - lower, upper - y), precision.eps))
        ray = jnp.where(above, log_distance, jnp.where(below, -log_distance, y))
        return jnp.where(interval, jnp.log(share) - jnp.log1p(-share), ray)

    def log_jacobian(self, z: Float[Array, "*batch m"]) -> Float[Array, "*batch"]:
        """log |∂y/∂z|, summed over coordinates."""
        if not self.bounded:
            return jnp.zeros(z.shape[:-1], z.dtype)
        interval, above, below = self._finite
        logistic = jnp.log(self._ends[2]) + jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z)
        ray = jnp.where(above, z, jnp.where(below, -z, 0.0))
        return jnp.sum(jnp.where(interval, logistic, ray), axis=-1)

    def reflect(self, y: Float[Array, "*batch m"]) -> tuple[Float[Array, "*batch m"], Float[Array, "*batch m"]]:
        """y folded at the ends until it lies inside, and the direction (±1) in which it then moves as y grows."""
        if not self.bounded:
            return y, jnp.ones_like(y)
        interval, above, below = self._finite
        lower, upper, width = self._ends
        phase = jnp.mod(y - lower, 2 * width)
        folded = lower + jnp.minimum(phase, 2 * width - phase)
        mirrored = jnp.where(above, lower + jnp.abs(y - lower), jnp.where(below, upper - jnp.abs(upper - y), y))
        backwards = jnp.where(interval, phase > width, jnp.where(above, y < lower, below & (y > upper)))
        return jnp.where(interval, folded, mirrored), jnp.where(backwards, -1.0, 1.0).astype(y.dtype)
