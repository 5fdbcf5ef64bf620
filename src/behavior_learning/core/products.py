"""Several responses at once: candidates of a first response, and for each of them candidates of the rest."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from behavior_learning.core.numerics import zoomed
from behavior_learning.core.spaces import MOST_DIMENSIONS, Interval, Quadrature, Space, Utility, Values
from behavior_learning.errors import NoQuadratureError

__all__ = ["Product", "outer_product"]


FOCUSING, FEWEST = 0.5, 16
"""Candidates by which two numbers are focused, along each of them: a share of those of the rule, and where so many are
more, so many."""


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
        self._check_quadrature()
        if len(self.components) == 1:
            return self.components[0].rule(values, batch, dtype)
        if len(self.components) == len(self.continuous) == 2:
            return self._plane(values, batch, dtype)
        outer = self.components[0].rule(self._marginal(values, batch, dtype), batch, dtype)
        inner = self.rest.rule(_given(values, outer.candidates), (*batch, self.components[0].size), dtype)
        return _nested(outer, inner)

    def _plane(self, values: Values, batch: tuple[int, ...], dtype: np.dtype) -> Quadrature:
        """The rule of two numbers: from one evaluation both are focused, the second given each candidate of the first.

        The second begins, since where it is not resolved the marginal of the first is noise. When the first moves, mean
        and spread of the second are read off between its earlier candidates.
        """
        boxes = cast("tuple[Interval, Interval]", self.components)
        turns = 1 + max(box.refinements for box in boxes)
        shares = (min(max(FOCUSING, FEWEST / box.size), 1.0) if turns > 1 else 1.0 for box in boxes)
        first, second = few = tuple(box.refined(share) for box, share in zip(boxes, shares, strict=True))
        outer, inner = first.even(batch, dtype), second.even((*batch, first.size), dtype)
        gap, gaps = ((box.upper - box.lower) / box.size for box in few)
        for turn in range(turns):
            first, second = boxes if turn == turns - 1 else few
            at = jax.lax.stop_gradient(_given(values, outer.candidates)(inner.candidates))
            log_mass, mean, spread = inner.moments(at)
            spread = jnp.maximum(spread, gaps)
            if turn > 0:
                _, middle, width = outer.moments(log_mass)
                width = jnp.maximum(width, gap)
                before, outer = outer.candidates[..., 0], first.focused(middle, width, dtype)
                mean, spread = (_interpolated(before, own, outer.candidates[..., 0]) for own in (mean, spread))
                gap = 4 * width / first.size
            inner, gaps = second.focused(mean, spread, dtype), 4 * spread / second.size
        return _nested(outer, inner)

    def _marginal(self, values: Values, batch: tuple[int, ...], dtype: np.dtype) -> Values:
        """log ∫ exp{values} over all components but the first."""

        def marginal(y: Float[Array, "#*batch k m"]) -> Float[Array, "*batch k"]:
            inner = _given(values, y)
            rule = self.rest.rule(inner, (*batch, y.shape[-2]), dtype)
            return logsumexp(inner(rule.candidates) + rule.log_weights, axis=-1)

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


def _nested(outer: Quadrature, inner: Quadrature) -> Quadrature:
    """The rule of all pairs of a first candidate and one of its own second ones."""
    log_weights = outer.log_weights[..., None] + inner.log_weights
    return Quadrature(
        outer_product(outer.candidates, inner.candidates), log_weights.reshape(*log_weights.shape[:-2], -1)
    )


def _interpolated(
    points: Float[Array, "#*batch k"], values: Float[Array, "*batch k"], at: Float[Array, "*batch j"]
) -> Float[Array, "*batch j"]:
    """Linear between points that rise, level beyond them."""
    passed = (at[..., None] - points[..., None, :-1]) / jnp.diff(points)[..., None, :]
    return values[..., :1] + jnp.sum(jnp.clip(passed, 0, 1) * jnp.diff(values)[..., None, :], axis=-1)


def outer_product(
    first: Float[Array, "#*batch k a"], rest: Float[Array, "#*batch #k j b"], order: np.ndarray | None = None
) -> Float[Array, "*batch k*j a+b"]:
    """Every first candidate beside each of its own second ones; `order` rearranges the columns."""
    shape = jnp.broadcast_shapes(first.shape[:-1], rest.shape[:-2])
    wide = jnp.broadcast_to(first[..., None, :], (*shape, rest.shape[-2], first.shape[-1]))
    both = jnp.concatenate([wide, jnp.broadcast_to(rest, (*shape, *rest.shape[-2:]))], axis=-1)
    both = both.reshape(*shape[:-1], -1, both.shape[-1])
    return both if order is None else both[..., order]


def _given(values: Values, first: Float[Array, "#*batch k a"], order: np.ndarray | None = None) -> Values:
    """The utility of the other coordinates where the first ones are given, a batch axis more."""

    def conditional(rest: Float[Array, "#*batch #k j b"]) -> Float[Array, "*batch k j"]:
        at = values(outer_product(first, rest, order))
        return at.reshape(*at.shape[:-1], first.shape[-2], rest.shape[-2])

    return conditional
