"""A layer of parallel UMP blocks (Eq. 4, 12): B(z) = λ₀ᵀφ(U(z)) − λ₁ᵀρ(C(z)) − λ₂ᵀψ(T(z))."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from behavior_learning.core.arrays import as_known, side_by_side, to_device
from behavior_learning.core.bases import TermCoefs, Terms
from behavior_learning.core.heads import ROLES, Head, softplus
from behavior_learning.core.sums import LAST, for_each_row, product

__all__ = [
    "FREE",
    "NONNEGATIVE",
    "ZERO",
    "BlockInput",
    "HeadSlice",
    "Layer",
    "Rows",
    "Rule",
    "Weight",
    "under_rule",
]


@dataclass(frozen=True, init=False, eq=False)
class Rule:
    """What the entries of an array may be; two arrays that broadcast against it, compared by value.

    Attributes
    ----------
    signs : 1 for non-negative entries, −1 for non-positive ones, 0 for free ones.
    numbers : a number where an entry is not learned, NaN where it is.
    """

    signs: Int[np.ndarray, "..."]
    numbers: Float[np.ndarray, "..."]

    def __init__(self, sign: Any = 0, fixed: Any = None):
        """Arrays or nested tuples; in `fixed`, None stands for NaN."""
        object.__setattr__(self, "signs", _compact(np.array(sign, int)))
        object.__setattr__(self, "numbers", _compact(np.array(fixed, float) + 0.0))
        key = tuple((array.shape, array.tobytes()) for array in (self.signs, self.numbers))
        object.__setattr__(self, "_key", key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and self._key == other._key  # pyright: ignore[reportAttributeAccessIssue]

    def __hash__(self) -> int:
        return hash(self._key)  # pyright: ignore[reportAttributeAccessIssue]

    def __reduce__(self):
        return Rule, (self.signs, self.numbers)

    def to_json(self) -> list[Any]:
        """Signs and numbers as lists, None where an entry is learned."""
        numbers = self.numbers.astype(object)
        numbers[np.isnan(self.numbers)] = None
        return [self.signs.tolist(), numbers.tolist()]

    @property
    def trivial(self) -> bool:
        """Whether every entry is free and learned."""
        return not self.signs.any() and bool(np.isnan(self.numbers).all())

    def moved(self, move: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> "Rule":
        """The rule of an array of a shape after a move of its entries."""
        return self if self.uniform else Rule(*map(move, self.wide(shape)))

    @property
    def uniform(self) -> bool:
        """Whether the rule is the same for every entry."""
        return self.signs.ndim == self.numbers.ndim == 0

    def wide(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Signs and numbers of an array of a shape, entry by entry."""
        return np.broadcast_to(self.signs, shape), np.broadcast_to(self.numbers, shape)


def _compact(values: np.ndarray) -> np.ndarray:
    """One value where all are the same, that of no rule where there are none; not to be written to."""
    values = values if values.size else np.full(1, np.nan if values.dtype.kind == "f" else 0, values.dtype)
    same = ((values == values.flat[0]) | (np.isnan(values) & np.isnan(values.flat[0]))).all()
    values = np.where(np.isnan(values), np.nan, values).astype(values.dtype)
    values = np.array(values.flat[0]) if same else values
    values.flags.writeable = False
    return values


FREE, NONNEGATIVE, ZERO = Rule(), Rule(sign=1), Rule(fixed=0.0)


def under_rule(
    raw: Float[Array, "*shape"], signs: Int[np.ndarray, "..."], numbers: Float[np.ndarray, "..."]
) -> Float[Array, "*shape"]:
    """sign·softplus(raw) where the sign is given, the number where one is fixed, raw elsewhere."""
    value = jnp.where(signs == 0, raw, signs * softplus(raw)) if signs.any() else raw
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
        return np.broadcast_to(np.isnan(self.rule.numbers), np.shape(self.raw))

    @property
    def n_learned(self) -> int:
        return int(self.learned.sum())

    def moved(self, move: Callable[[Any], Any]) -> "Weight":
        """The weight after a move of its entries: a slice, a transposition, another shape."""
        gate = None if self.gate is None else move(as_known(self.gate))
        return Weight(move(as_known(self.raw)), self.rule.moved(move, np.shape(self.raw)), gate)

    @classmethod
    def joined(cls, weights: "list[Weight]", axis: int) -> "Weight":
        """Several weights side by side."""
        rules = {weight.rule for weight in weights}
        shapes = [np.shape(weight.raw) for weight in weights]
        wide = [rule.wide(shape) for rule, shape in zip((w.rule for w in weights), shapes, strict=True)]
        signs, numbers = (np.concatenate(arrays, axis) for arrays in zip(*wide, strict=True))
        rule = rules.pop() if len(rules) == 1 and weights[0].rule.uniform else Rule(signs, numbers)
        gates = [np.ones(shape, bool) if w.gate is None else w.gate for w, shape in zip(weights, shapes, strict=True)]
        gate = None if all(weight.gate is None for weight in weights) else side_by_side(gates, axis)
        return cls(side_by_side([weight.raw for weight in weights], axis), rule, gate)


class BlockInput(eqx.Module):
    """z, the input of a layer (A.2): basis terms of (x, y), outputs of earlier layers, or both.

    Attributes
    ----------
    terms : m(x, y), absent in layers that see earlier layers only.
    blocks : outputs of earlier layers along `axis`; the other axes have length 1 where they do not vary.
    axis : along which rows of M are to lie, `LAST` or `FIRST`.
    """

    terms: Terms | None
    blocks: Float[Array, "..."] | None
    axis: int = eqx.field(static=True, default=LAST)

    def products(self, coef: Float[Array, "inputs rows"]) -> list[Array]:
        """What adds up to M m(z): the parts of x alone, of y alone, of both and of the blocks below."""
        if self.terms is None:
            return [product(cast(Array, self.blocks), coef, self.axis)]
        split = len(self.terms.pairing)
        parts = self.terms.products(TermCoefs.of(coef[:split], self.terms.pairing), self.axis)
        return parts if self.blocks is None else [*parts, product(self.blocks, coef[split:], self.axis)]


class Rows(eqx.Module):
    """One head of every block of a layer, as it is read: λᵀ f(M m(z) + b).

    Attributes
    ----------
    coef : M, shape (blocks, rows, inputs).
    intercept : b, shape (blocks, rows).
    multiplier : λ, shape (blocks, rows).
    head : f, absent where the head is dropped; it then has no rows.
    """

    coef: Weight
    intercept: Weight
    multiplier: Weight
    head: Head | None = eqx.field(static=True)

    def preactivation(self, z: BlockInput) -> Float[Array, "#n #k blocks rows"]:
        """M m(z) + b: the polynomial inside the head, for z with rows of M last."""
        blocks, rows, inputs = np.shape(self.coef.raw)
        p = reduce(add, z.products(self.coef.value.reshape(blocks * rows, inputs).T))
        return p.reshape(*p.shape[:-1], blocks, rows) + self.intercept.value

    @property
    def weights(self) -> tuple[Weight, Weight, Weight]:
        return self.coef, self.intercept, self.multiplier


class HeadSlice(NamedTuple):
    """A head of a layer and how many rows of it each block has; those of one block lie together."""

    role: str
    head: Head
    rows: int


class Layer(eqx.Module):
    """𝔹: parallel blocks that share their input (A.2), the rows of all heads of all blocks side by side.

    The parts of M m(z) + b that depend on x alone, on y alone and on both are cut into heads before they are added, so
    that nothing but what a head needs is ever as large as rows times candidates.

    Attributes
    ----------
    coef : M, a column per row of a head, shape (inputs, rows).
    intercept, multiplier : b and λ, shape (rows,).
    parts : the heads, in the order of their rows.
    n_blocks : how many blocks.
    """

    coef: Weight
    intercept: Weight
    multiplier: Weight
    parts: tuple[HeadSlice, ...] = eqx.field(static=True)
    n_blocks: int = eqx.field(static=True)

    @classmethod
    def of(cls, heads: Mapping[str, Rows]) -> "Layer":
        """The layer of its heads by role."""
        rows = {role: heads[role] for role in ROLES if heads[role].head is not None}
        n_blocks, _, inputs = np.shape(next(iter(rows.values())).coef.raw)
        return cls(
            Weight.joined([own.coef.moved(lambda values: values.reshape(-1, inputs).T) for own in rows.values()], 1),
            Weight.joined([own.intercept.moved(lambda values: values.reshape(-1)) for own in rows.values()], 0),
            Weight.joined([own.multiplier.moved(lambda values: values.reshape(-1)) for own in rows.values()], 0),
            tuple(HeadSlice(role, cast(Head, own.head), np.shape(own.intercept.raw)[1]) for role, own in rows.items()),
            n_blocks,
        )

    def __call__(self, z: BlockInput, weights: Float[Array, "outputs blocks"] | None = None) -> Array:
        """Σ_h ±λ_hᵀ f_h(M_h m(z) + b_h) of every block, or W times that, along the axis of z."""
        first, *others = z.products(self.coef.value)
        products = [first + for_each_row(self.intercept.value, first, z.axis), *others]
        by_head = zip(*(self._cut(part, z.axis) for part in products), strict=True)
        multipliers = self._cut(self.multiplier.value, LAST)
        return reduce(
            add,
            (
                self._head(part, reduce(add, own), ROLES[part.role] * multiplier, z.axis, weights)
                for part, own, multiplier in zip(self.parts, by_head, multipliers, strict=True)
            ),
        )

    def _head(self, part: HeadSlice, p: Array, signed: Float[Array, " rows"], axis: int, weights: Array | None):
        """±λᵀ f(p) of every block for one head, or by a single matrix product W times that."""
        values = part.head(p)
        if weights is not None:
            return product(values, signed[:, None] * jnp.repeat(weights.T, part.rows, axis=0), axis)
        scaled = for_each_row(signed, values, axis) * values
        if part.rows == 1:
            return scaled
        shape = list(scaled.shape)
        shape[axis : axis + 1 or None] = self.n_blocks, part.rows
        return scaled.reshape(shape).sum(axis=LAST if axis == LAST else 1)

    def _cut(self, values: Array, axis: int) -> list[Array]:
        """The parts of each head."""
        return jnp.split(values, self._ends[:-1], axis=axis)

    @property
    def _ends(self) -> np.ndarray:
        return np.cumsum([part.rows * self.n_blocks for part in self.parts])

    @property
    def weights(self) -> tuple[Weight, Weight, Weight]:
        return self.coef, self.intercept, self.multiplier

    @property
    def block_of_row(self) -> Int[np.ndarray, " rows"]:
        """The block that each row belongs to."""
        return np.concatenate([np.repeat(np.arange(self.n_blocks), part.rows) for part in self.parts])

    def head(self, role: str) -> Head | None:
        """The head of a role, None where it is dropped."""
        return next((part.head for part in self.parts if part.role == role), None)

    @property
    def heads(self) -> dict[str, Rows]:
        """Every head as it is read; one that is dropped has no rows."""
        parts = zip(self.parts, self._ends, strict=True)
        given = {part.role: self._view(part.rows, int(end), part.head) for part, end in parts}
        return {role: given[role] if role in given else self._view(0, 0, None) for role in ROLES}

    def _view(self, rows: int, end: int, head: Head | None) -> Rows:
        own, shape, inputs = slice(end - rows * self.n_blocks, end), (self.n_blocks, rows), np.shape(self.coef.raw)[0]
        return Rows(
            self.coef.moved(lambda values: values[:, own].T.reshape(*shape, inputs)),
            self.intercept.moved(lambda values: values[own].reshape(shape)),
            self.multiplier.moved(lambda values: values[own].reshape(shape)),
            head,
        )
