"""Several responses at once: candidates of a first response, and for each of them candidates of the rest."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.numerics import zoomed
from behavior_learning.core.spaces import MOST_DIMENSIONS, Interval, Quadrature, Space, Utility, Values
from behavior_learning.errors import NoQuadratureError

__all__ = ["Product", "outer_product"]


FOCUSING = ((8, 16), (16, 8), (8, 16))
"""Candidates of the first of two numbers and of the second, given each of these, from which they are focused, pass by
pass: mean and spread of the second change slowly along the first, and once they are known few candidates do."""


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
        passes = 1 + max(box.refinements for box in boxes)
        few = [_sized(boxes, FOCUSING[min(number, len(FOCUSING) - 1)]) for number in range(passes)]
        first, second = few[0]
        outer, inner = first.even(batch, dtype), second.even((*batch, first.size), dtype)
        gap, gaps = ((box.upper - box.lower) / box.size for box in few[0])
        rules: list[Quadrature] = []
        for number in range(passes):
            at = jax.lax.stop_gradient(_given(values, outer.candidates)(inner.candidates))
            log_mass, mean, spread = inner.moments(at)
            spread, points = jnp.maximum(spread, gaps), outer.candidates[..., 0]
            _, middle, width = outer.moments(log_mass)
            width = jnp.maximum(width, gap)
            after = few[number + 1 : number + 2] or [cast(Any, product.components) for product in products]
            for first, second in after:
                if number:
                    outer, gap = first.focused(middle, width, dtype), 4 * width / first.size
                else:
                    outer, gap = first.even(batch, dtype), (first.upper - first.lower) / first.size
                means, spreads = (_interpolated(points, own, outer.candidates[..., 0]) for own in (mean, spread))
                inner, gaps = second.focused(means, spreads, dtype), 4 * spreads / second.size
                rules.append(_nested(outer, inner))
        return rules[-len(products) :]

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


def _sized(boxes: tuple[Interval, Interval], sizes: tuple[int, int]) -> tuple[Interval, Interval]:
    """The same boxes with so many candidates."""
    first, second = (replace(box, size=size) for box, size in zip(boxes, sizes, strict=True))
    return first, second


def _nested(outer: Quadrature, inner: Quadrature) -> Quadrature:
    """The rule of all pairs of a first candidate and one of its own second ones."""
    weights = outer.weights[..., None] * inner.weights
    return Quadrature(outer_product(outer.candidates, inner.candidates), weights.reshape(*weights.shape[:-2], -1))


def _interpolated(
    points: Float[Array, "#*batch k"], values: Float[Array, "*batch k"], at: Float[Array, "*batch j"]
) -> Float[Array, "*batch j"]:
    """Linear between points that rise, level beyond them."""
    steps = jnp.diff(points)
    passed = jnp.clip(at[..., None] - points[..., None, :-1], 0, steps[..., None, :])
    return values[..., :1] + jnp.sum(passed * (jnp.diff(values) / steps)[..., None, :], axis=-1)


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
