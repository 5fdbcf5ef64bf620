"""Several responses at once: candidates of a first response, and for each of them candidates of the rest."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from operator import add
from typing import NamedTuple, TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from behavior_learning.core.numerics import zoomed
from behavior_learning.core.spaces import MOST_DIMENSIONS, Interval, Quadrature, Space, Utility, Values, moments
from behavior_learning.errors import NoQuadratureError

__all__ = ["Product", "outer_product"]

Made = TypeVar("Made")


FOCUSING = (12, 16)
"""Fewest candidates of the first of two numbers and of the second, given each of these, from which they are focused:
mean and spread of the second change slowly along the first. Finer rules have half of their own."""

EVEN = 8.0
"""Widths of a box that a spread has of which candidates are even."""


class _Focus(NamedTuple):
    """Where the next candidates of two numbers are to be, rows of data last.

    Attributes
    ----------
    middle, width : mean and spread of the first number.
    means, spreads : of the second, given each next candidate of the first.
    gap, gaps : the least spreads that these candidates can tell.
    points, seen, seen_spreads : earlier candidates of the first number; mean and spread of the second given each.
    """

    middle: Float[Array, "*batch"]
    width: Float[Array, "*batch"]
    means: Float[Array, " k *batch"]
    spreads: Float[Array, " k *batch"]
    gap: Float[Array, "*batch"]
    gaps: Float[Array, " k *batch"]
    points: Float[Array, " k *batch"]
    seen: Float[Array, " k *batch"]
    seen_spreads: Float[Array, " k *batch"]


class Product(Space):
    """Several responses at once, in any mixture of classes and numbers.

    The rule of the first component is that of its marginal, log ∫ exp{BL} over the others, and every candidate of the
    first component gets a rule of its own for the rest. Focused candidates thus follow curved, correlated and split
    densities. The candidates of two numbers are focused together.

    Attributes
    ----------
    factors : finite spaces and intervals; a response has one column per factor, classes as codes.
    """

    factors: tuple[Space, ...]
    size: int = eqx.field(static=True)

    def __init__(self, factors: Sequence[Space]):
        self.factors = tuple(factors)
        self.size = int(np.prod([component.size for component in self.factors]))

    @property
    def components(self) -> tuple[Space, ...]:
        return self.factors

    @property
    def dimension(self) -> int:
        return sum(component.dimension for component in self.components)

    @property
    def ends(self) -> Float[Array, "2 m"]:
        return jnp.concatenate([component.ends for component in self.components], axis=1)

    @property
    def rest(self) -> Space:
        """The product of all components but the first."""
        return self.components[1] if len(self.components) == 2 else Product(self.components[1:])

    def rule(self, values: Values, batch: tuple[int, ...], dtype: np.dtype) -> Quadrature:
        return self.rules((), values, batch, dtype)[0]

    def rules(
        self, finer: Sequence[Space], values: Values, batch: tuple[int, ...], dtype: np.dtype
    ) -> list[Quadrature]:
        """The rules of this product and of finer ones, two numbers focused once for all of them."""
        self._check_quadrature()
        products = (self, *cast("Sequence[Product]", finer))
        if len(self.components) == 1:
            return self.components[0].rules([product.components[0] for product in finer], values, batch, dtype)
        if len(self.components) == len(self.continuous) == 2:
            return self._planes(products, values, batch, dtype)
        return [product._conditional(values, batch, dtype) for product in products]

    def _conditional(self, values: Values, batch: tuple[int, ...], dtype: np.dtype) -> Quadrature:
        """The rule of the marginal of the first component, and for each of its candidates one of the rest."""
        outer = self.components[0].rule(self._marginal(values, batch, dtype), batch, dtype)
        inner = self.rest.rule(_given(values, outer.candidates), (*batch, self.components[0].size), dtype)
        return _nested(outer, inner)

    def _planes(
        self, products: "Sequence[Product]", values: Values, batch: tuple[int, ...], dtype: np.dtype
    ) -> list[Quadrature]:
        """Rules of two numbers: from one evaluation both are focused, the second given each candidate of the first.

        The second begins, since where it is not resolved the marginal of the first is noise. When the first moves, mean
        and spread of the second are read off between its earlier candidates.
        """
        boxes = cast("tuple[Interval, Interval]", self.components)
        first, second = (
            replace(box, size=max(fewest, -(-box.size // 2))) for box, fewest in zip(boxes, FOCUSING, strict=True)
        )

        def refocused(number: Array, at: _Focus) -> _Focus:
            outer, inner = (box.around(*own, dtype, axis=0) for box, own in ((first, at[:2]), (second, at[2:4])))
            found = jax.lax.stop_gradient(_rows_last(values, outer[0], inner[0]))
            log_mass, seen, spreads = moments(*inner, found, axis=0)
            seen_spreads = jnp.maximum(spreads, at.gaps)
            _, middle, width = moments(*outer, log_mass, axis=0)
            width = jnp.maximum(width, at.gap)
            middle, width, gap = (
                jnp.where(number > 0, new, old)
                for new, old in ((middle, at.middle), (width, at.width), (4 * width / first.size, at.gap))
            )
            moved = first.around(middle, width, dtype, axis=0)[0]
            means, spreads = (_interpolated(outer[0], own, moved) for own in (seen, seen_spreads))
            return _Focus(middle, width, means, spreads, gap, 4 * spreads / second.size, outer[0], seen, seen_spreads)

        passes = 1 + max(box.refinements for box in boxes)
        focus = jax.lax.fori_loop(0, passes, refocused, _even(first, second, batch, dtype))

        def rules() -> list[tuple[Array, Array]]:
            return [_around(focus, cast("tuple[Interval, Interval]", own.components), dtype) for own in products]

        found = _kept(rules, jnp.all(first.lower < first.upper))
        return [Quadrature(_rows_first(both), jnp.moveaxis(measure, 0, -1)) for both, measure in found]

    def _marginal(self, values: Values, batch: tuple[int, ...], dtype: np.dtype) -> Values:
        """log ∫ exp{values} over all components but the first."""

        def marginal(y: Float[Array, "#*batch k m"]) -> Float[Array, "*batch k"]:
            inner = _given(values, y)
            rule = self.rest.rule(inner, (*batch, y.shape[-2]), dtype)
            return rule.log_integral(inner(rule.candidates))

        return marginal

    def _check_quadrature(self) -> None:
        boxes = len(self.continuous)
        if boxes > MOST_DIMENSIONS:
            raise NoQuadratureError(
                f"The normaliser of {boxes} continuous responses needs an integral in {boxes} dimensions; quadrature "
                f"does at most {MOST_DIMENSIONS}. Learn with objective='dsm' or 'score_matching', which need no "
                "normaliser, and predict by sample()."
            )

    def refined(self, factor: float) -> "Product":
        if not self.continuous:
            return self
        each = factor ** (1 / len(self.continuous))
        return Product(tuple(component.refined(each) for component in self.components))

    def candidates(self, y: Array) -> Float[Array, "*batch m"]:
        return jnp.concatenate(
            [component.candidates(y[..., i]) for i, component in enumerate(self.components)], axis=-1
        )

    def contains(self, y: Array) -> Array:
        return jnp.stack([component.contains(y[..., i]) for i, component in enumerate(self.components)]).all(axis=0)

    def draw(
        self, values: Values, batch: tuple[int, ...], levels: Float[Array, "*batch j components"]
    ) -> Float[Array, "*batch j components"]:
        """Draw the first component from its marginal and the rest given it."""
        self._check_quadrature()
        if len(self.components) == 1:
            return self.components[0].draw(values, batch, levels)[..., None]
        first = self.components[0].draw(self._marginal(values, batch, levels.dtype), batch, levels[..., :1])
        given = _given(values, self.components[0].candidates(first))
        rest = self.rest.draw(given, first.shape, levels[..., None, 1:])
        return jnp.concatenate([first[..., None], rest.reshape(*first.shape, -1)], axis=-1)

    def maximizer(
        self, utility: Utility, x: Float[Array, "n d"], rule: Quadrature, at_candidates: Float[Array, "n k"]
    ) -> Float[Array, "n components"]:
        best = jnp.argmax(at_candidates, axis=1)[:, None, None]
        start = jnp.take_along_axis(
            jnp.broadcast_to(rule.candidates, (len(x), *rule.candidates.shape[1:])), best, axis=1
        )[:, 0]
        columns = np.array(self.continuous, dtype=int)
        if len(columns):
            lower, upper = self.ends[:, columns]
            spacing = (upper - lower) / self.nodes

            def along(y: Array, start: Array = start) -> Array:
                return utility(x, jnp.repeat(start[:, None], y.shape[1], axis=1).at[..., columns].set(y))

            half_width = jnp.broadcast_to(2 * spacing, (len(x), len(columns)))
            start = start.at[:, columns].set(zoomed(along, start[:, columns], half_width, lower, upper))
        return self.responses(start)

    def responses(self, candidates: Float[Array, "*batch m"]) -> Float[Array, "*batch components"]:
        starts = np.cumsum([0] + [component.dimension for component in self.components])
        columns = [candidates[..., a:b] for a, b in pairwise(starts)]
        pairs = zip(self.components, columns, strict=True)
        return jnp.stack([component.responses(z) for component, z in pairs], axis=-1)


def _even(first: Interval, second: Interval, batch: tuple[int, ...], dtype: np.dtype) -> _Focus:
    """Candidates that are nearly even."""
    one = jnp.ones((first.size, *batch), dtype)
    (middle, width), (means, spreads) = (
        ((box.lower + box.upper) / 2 * own, EVEN * (box.upper - box.lower) * own)
        for box, own in ((first, one[0]), (second, one))
    )
    gap, gaps = (spread / (EVEN * box.size) for spread, box in ((width, first), (spreads, second)))
    return _Focus(middle, width, means, spreads, gap, gaps, one, one, one)


def _around(
    focus: _Focus, boxes: tuple[Interval, Interval], dtype: np.dtype
) -> tuple[Float[Array, "2 k *batch"], Float[Array, " k *batch"]]:
    """Candidates of two numbers and their weights, with so many as the boxes have."""
    first, second = boxes
    outer, weights = first.around(focus.middle, focus.width, dtype, axis=0)
    means, spreads = (_interpolated(focus.points, own, outer) for own in (focus.seen, focus.seen_spreads))
    inner, given = second.around(means, spreads, dtype, axis=0)
    measure = weights * given
    return _pairs(outer, inner), measure.reshape(-1, *measure.shape[2:])


def _pairs(outer: Float[Array, " k *batch"], inner: Float[Array, "j k *batch"]) -> Float[Array, "2 j*k *batch"]:
    """Candidates of two numbers, rows of data last."""
    return jnp.stack([jnp.broadcast_to(outer, inner.shape), inner]).reshape(2, -1, *outer.shape[1:])


def _rows_first(both: Float[Array, "2 k *batch"]) -> Float[Array, "*batch k 2"]:
    return jnp.moveaxis(jnp.moveaxis(both, 0, -1), 0, -2)


def _rows_last(
    values: Values, outer: Float[Array, " k *batch"], inner: Float[Array, "j k *batch"]
) -> Float[Array, "j k *batch"]:
    return jnp.moveaxis(values(_rows_first(_pairs(outer, inner))), -1, 0).reshape(inner.shape)


def _kept(make: Callable[[], Made], sure: Bool[Array, ""]) -> Made:
    """What a function makes, kept in memory: all loops that XLA fuses with it would otherwise make it again.

    `sure` is true, which XLA cannot know.
    """
    blank = jax.eval_shape(make)
    return jax.lax.cond(sure, make, lambda: jax.tree.map(lambda own: jnp.zeros(own.shape, own.dtype), blank))


def _nested(outer: Quadrature, inner: Quadrature) -> Quadrature:
    """The rule of all pairs of a first candidate and one of its own second ones."""
    weights = outer.weights[..., None] * inner.weights
    return Quadrature(outer_product(outer.candidates, inner.candidates), weights.reshape(*weights.shape[:-2], -1))


def _interpolated(
    points: Float[Array, " k *batch"], values: Float[Array, " k *batch"], at: Float[Array, " j *batch"]
) -> Float[Array, " j *batch"]:
    """Linear between points that rise, level beyond them."""
    steps = jnp.diff(points, axis=0)
    slopes = jnp.diff(values, axis=0) / steps
    passed = (jnp.clip(at - points[k], 0, steps[k]) * slopes[k] for k in range(len(steps)))
    return reduce(add, passed, values[0])


def outer_product(
    first: Float[Array, "#*batch k a"], rest: Float[Array, "#*batch #k j b"], order: np.ndarray | None = None
) -> Float[Array, "*batch k*j a+b"]:
    """Every first candidate beside each of its own second ones; `order` rearranges the columns."""
    shape = jnp.broadcast_shapes(first.shape[:-1], rest.shape[:-2])
    wide = jnp.broadcast_to(first[..., None, :], (*shape, rest.shape[-2], first.shape[-1]))
    parts = wide, jnp.broadcast_to(rest, (*shape, *rest.shape[-2:]))
    both = jnp.concatenate([jnp.moveaxis(part, -1, 0) for part in parts])  # In memory a column lies in one piece.
    both = jnp.moveaxis(both.reshape(len(both), *shape[:-1], -1), 0, -1)
    return both if order is None else both[..., order]


def _given(values: Values, first: Float[Array, "#*batch k a"], order: np.ndarray | None = None) -> Values:
    """The utility of the other coordinates where the first ones are given, a batch axis more."""

    def conditional(rest: Float[Array, "#*batch #k j b"]) -> Float[Array, "*batch k j"]:
        at = values(outer_product(first, rest, order))
        return at.reshape(*at.shape[:-1], first.shape[-2], rest.shape[-2])

    return conditional
