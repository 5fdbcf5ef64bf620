"""A layer of parallel UMP blocks (Eq. 4, 12): B(z) = λ₀ᵀφ(U(z)) − λ₁ᵀρ(C(z)) − λ₂ᵀψ(T(z))."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.bases import Terms
from behavior_learning.core.heads import Head

__all__ = ["BlockInput", "Layer", "Multiplier", "Rows"]


class Multiplier(eqx.Module):
    """A weight that is non-negative by construction, w = softplus(raw), or free, w = raw.

    Source: Eq. 14 (λ ≥ 0); A.2 (readout).
    """

    raw: Float[Array, "..."]
    nonnegative: bool = eqx.field(static=True)

    @classmethod
    def from_value(cls, value: np.ndarray | Float[Array, "..."], *, nonnegative: bool) -> "Multiplier":
        """Hold `value`, which must be positive where `nonnegative`."""
        return cls(jnp.asarray(value + np.log(-np.expm1(-value)) if nonnegative else value), nonnegative)

    @property
    def value(self) -> Float[Array, "..."]:
        return jax.nn.softplus(self.raw) if self.nonnegative else self.raw


class BlockInput(eqx.Module):
    """z, the input of a layer (A.2): basis terms of (x, y), outputs of earlier layers, or both.

    Attributes
    ----------
    terms : m(x, y), absent in layers that see earlier layers only.
    blocks : outputs of earlier layers; the candidate axis has length 1 where they do not depend on y.
    """

    terms: Terms | None
    blocks: Float[Array, "#n #k blocks"] | None

    def dot(self, coef: Float[Array, "rows inputs"]) -> Float[Array, "#n #k rows"]:
        split = 0 if self.terms is None else len(self.terms.pairing)
        parts = []
        if self.terms is not None:
            parts.append(self.terms.dot(coef[:, :split]))
        if self.blocks is not None:
            parts.append(self.blocks @ coef[:, split:].T)
        return sum(parts[1:], start=parts[0])


class Rows(eqx.Module):
    """One head of every block of a layer: λᵀ f(M m(z) + b), and zero where the head has no rows.

    Attributes
    ----------
    coef, intercept : M and b of each block and row.
    multiplier : λ.
    head : f.
    mask : which inputs a row may use, where rows differ in degree.
    """

    coef: Float[Array, "blocks rows inputs"]
    intercept: Float[Array, "blocks rows"]
    multiplier: Multiplier
    head: Head | None = eqx.field(static=True)
    mask: tuple[tuple[bool, ...], ...] | None = eqx.field(static=True, default=None)

    def __call__(self, z: BlockInput) -> Float[Array, "#n #k blocks"]:
        if self.head is None:
            return jnp.zeros((1, 1, self.coef.shape[0]), self.coef.dtype)
        return jnp.sum(self.multiplier.value * self.head.function(self.preactivation(z)), axis=-1)

    def preactivation(self, z: BlockInput) -> Float[Array, "#n #k blocks rows"]:
        """M m(z) + b: the polynomial inside the head."""
        blocks, rows, inputs = self.coef.shape
        p = z.dot(self.masked_coef.reshape(blocks * rows, inputs))
        return p.reshape(*p.shape[:-1], blocks, rows) + self.intercept

    @property
    def masked_coef(self) -> Float[Array, "blocks rows inputs"]:
        return self.coef if self.mask is None else jnp.where(jnp.array(self.mask), self.coef, 0.0)

    @property
    def n_parameters(self) -> int:
        blocks, rows, inputs = self.coef.shape
        coefficients = blocks * rows * inputs if self.mask is None else blocks * sum(map(sum, self.mask))
        return coefficients + 2 * blocks * rows


class Layer(eqx.Module):
    """𝔹: parallel blocks that share their input (A.2)."""

    utility: Rows
    inequality: Rows
    equality: Rows

    def __call__(self, z: BlockInput) -> Float[Array, "#n #k blocks"]:
        return self.utility(z) - self.inequality(z) - self.equality(z)

    @property
    def heads(self) -> dict[str, Rows]:
        return {"utility": self.utility, "inequality": self.inequality, "equality": self.equality}
