"""A layer of parallel UMP blocks (Eq. 4, 12): B(z) = λ₀ᵀφ(U(z)) − λ₁ᵀρ(C(z)) − λ₂ᵀψ(T(z))."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from behavior_learning.core.arrays import to_device
from behavior_learning.core.bases import Terms
from behavior_learning.core.heads import Head

__all__ = ["FREE", "NONNEGATIVE", "ZERO", "BlockInput", "Layer", "Rows", "Rule", "Weight", "under_rule"]


@dataclass(frozen=True)
class Rule:
    """What the entries of an array may be; nested tuples that broadcast against it.

    Attributes
    ----------
    sign : 1 for non-negative entries, −1 for non-positive ones, 0 for free ones.
    fixed : a number where an entry is not learned, None where it is.
    """

    sign: Any = 0
    fixed: Any = None

    @property
    def signs(self) -> np.ndarray:
        return np.array(self.sign, dtype=int)

    @property
    def numbers(self) -> np.ndarray:
        """The fixed numbers, NaN where an entry is learned."""
        return np.array(self.fixed, dtype=float)


FREE, NONNEGATIVE, ZERO = Rule(), Rule(sign=1), Rule(fixed=0.0)


def under_rule(
    raw: Float[Array, "*shape"], signs: Int[np.ndarray, "..."], numbers: Float[np.ndarray, "..."]
) -> Float[Array, "*shape"]:
    """sign·softplus(raw) where the sign is given, the number where one is fixed, raw elsewhere."""
    value = jnp.where(signs == 0, raw, signs * jax.nn.softplus(raw)) if signs.any() else raw
    fixed = ~np.isnan(numbers)
    return jnp.where(fixed, np.nan_to_num(numbers), value) if fixed.any() else value


class Weight(eqx.Module):
    """Learned numbers under a rule: sign·softplus(raw) where the sign is given, raw where it is free.

    Source: A.3.1 (λ ≥ 0 after Eq. 14). Deviation: the paper does not say how; softplus keeps λ positive and smooth.

    Attributes
    ----------
    gate : multiplies the numbers: 0 or False holds one at zero while a network is pruned; absent otherwise.
    """

    raw: Float[Array, "..."]
    rule: Rule = eqx.field(static=True, default=FREE)
    gate: Bool[Array, "..."] | Float[Array, "..."] | None = None

    @classmethod
    def from_value(cls, value: np.ndarray, rule: Rule = FREE) -> "Weight":
        """Hold `value`; entries of a given sign keep their size and take that sign."""
        size = np.maximum(np.abs(value), 1e-6)
        raw = np.where(rule.signs == 0, value, size + np.log(-np.expm1(-size)))
        return cls(to_device(raw.astype(np.float32)), rule)

    @property
    def value(self) -> Float[Array, "..."]:
        value = under_rule(self.raw, self.rule.signs, self.rule.numbers)
        return value if self.gate is None else value * self.gate

    @property
    def learned(self) -> np.ndarray:
        """Which entries the rule leaves to learning."""
        return np.broadcast_to(np.isnan(self.rule.numbers), self.raw.shape)

    @property
    def n_learned(self) -> int:
        return int(self.learned.sum())


class BlockInput(eqx.Module):
    """z, the input of a layer (A.2): basis terms of (x, y), outputs of earlier layers, or both.

    Attributes
    ----------
    terms : m(x, y), absent in layers that see earlier layers only.
    blocks : outputs of earlier layers; axes along which they do not vary have length 1.
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
    coef : M, shape (blocks, rows, inputs).
    intercept : b, shape (blocks, rows).
    multiplier : λ, shape (blocks, rows).
    head : f, absent where the head is dropped.
    """

    coef: Weight
    intercept: Weight
    multiplier: Weight
    head: Head | None = eqx.field(static=True)

    def __call__(self, z: BlockInput) -> Float[Array, "#n #k blocks"]:
        if self.head is None:
            return jnp.zeros((1, 1, len(self.coef.raw)), self.coef.raw.dtype)
        return jnp.sum(self.multiplier.value * self.head.function(self.preactivation(z)), axis=-1)

    def preactivation(self, z: BlockInput) -> Float[Array, "#n #k blocks rows"]:
        """M m(z) + b: the polynomial inside the head."""
        blocks, rows, inputs = self.coef.raw.shape
        p = z.dot(self.coef.value.reshape(blocks * rows, inputs))
        return p.reshape(*p.shape[:-1], blocks, rows) + self.intercept.value

    @property
    def weights(self) -> tuple[Weight, Weight, Weight]:
        return self.coef, self.intercept, self.multiplier

    @property
    def penalized_weights(self) -> tuple[Weight, Weight]:
        return self.coef, self.multiplier


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
