"""Response spaces: where y lives, which candidates carry its normaliser, and how mass turns into quantiles and draws.

One `logsumexp` over a space's candidates is the normaliser of Eq. 3: a sum for categories, quadrature for an interval,
and both, nested, for several responses (`products`).
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from behavior_learning.core.arrays import to_device
from behavior_learning.core.numerics import PANEL, integrated, inverted, unit_rule, zoomed

__all__ = [
    "MOST_DIMENSIONS",
    "Categories",
    "Finite",
    "Interval",
    "Quadrature",
    "Space",
    "Utility",
    "evaluate_jointly",
    "moments",
]

MOST_DIMENSIONS = 2
"""Continuous dimensions that quadrature can do."""

Utility = Callable[[Float[Array, "n d"], Float[Array, "#n k m"]], Float[Array, "n k"]]
"""BL(x, y) on candidates: the one primitive of the library."""

Values = Callable[[Float[Array, "#*batch k m"]], Float[Array, "*batch k"]]
"""A utility with x held fixed, for one set of candidates per entry of a batch."""


class Quadrature(NamedTuple):
    """A sum over candidates that stands for the sum or integral over a space.

    Attributes
    ----------
    candidates : values of y; batch axes have length 1 where all entries share them.
    weights : the measure each candidate stands for.
    """

    candidates: Float[Array, "#*batch k m"]
    weights: Float[Array, "#*batch k"]

    @property
    def log_weights(self) -> Float[Array, "#*batch k"]:
        return jnp.log(self.weights)

    def log_integral(self, at_candidates: Float[Array, "*batch k"]) -> Float[Array, "*batch"]:
        """log Σ weight·exp{value}, without overflow; it takes no logarithm per candidate."""
        if self.candidates.shape[-1] == 1:
            return log_integral(self.weights, at_candidates, axis=-1)
        # Networks evaluate candidates of several columns with rows of data last.
        return log_integral(jnp.moveaxis(self.weights, -1, 0), jnp.moveaxis(at_candidates, -1, 0), axis=0)

    def moments(self, at_candidates: Float[Array, "*batch k"]) -> tuple[Float[Array, "*batch"], ...]:
        """Logarithm of the mass, mean and standard deviation of one number whose log density is given."""
        return moments(self.candidates[..., 0], self.weights, at_candidates, axis=-1)


def log_integral(weights: Array, at: Array, *, axis: int) -> Array:
    """log Σ weight·exp{value} along an axis."""
    top, mass = _mass(weights, at, axis)
    return top.squeeze(axis) + jnp.log(jnp.sum(mass, axis=axis))


def moments(y: Array, weights: Array, at: Array, *, axis: int) -> tuple[Array, Array, Array]:
    """Logarithm of the mass, mean and standard deviation of one number along an axis."""
    top, mass = _mass(weights, at, axis)
    whole = jnp.sum(mass, axis=axis, keepdims=True)
    mean = jnp.sum(mass * y, axis=axis, keepdims=True) / whole
    variance = jnp.sum(mass * (y - mean) ** 2, axis=axis, keepdims=True) / whole
    return (top + jnp.log(whole)).squeeze(axis), mean.squeeze(axis), jnp.sqrt(variance).squeeze(axis)


def _mass(weights: Array, at: Array, axis: int) -> tuple[Array, Array]:
    """The largest value, and what each candidate carries of exp{value − largest value}."""
    top = jax.lax.stop_gradient(jnp.max(at, axis=axis, keepdims=True))
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    return top, weights * jnp.exp(at - top)


class Space(eqx.Module):
    """What the Gibbs distribution needs to know of where y lives.

    Responses have shape (n,) where the space has one component and (n, components) where it is a product; candidates
    are their coordinates (n, m), classes as indicators.
    """

    size: eqx.AbstractVar[int]
    """k, the number of candidates per row."""

    pointwise: ClassVar[bool] = True
    """Whether every observation is a response and not a set of them."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """m, the length of a candidate y."""

    @property
    @abstractmethod
    def ends(self) -> Float[Array, "2 m"]:
        """Lower and upper end of each column of a candidate: infinite where the column is an indicator."""

    @property
    def components(self) -> "tuple[Space, ...]":
        """The spaces this one is the product of."""
        return (self,)

    @property
    def continuous(self) -> tuple[int, ...]:
        """Columns of a candidate that are continuous."""
        starts = np.cumsum([0] + [component.dimension for component in self.components])
        pairs = zip(starts, self.components, strict=False)
        return tuple(int(start) + i for start, component in pairs for i in component.continuous)

    @property
    def nodes(self) -> int:
        """Candidates along each continuous dimension; none where there is no such dimension."""
        return max(component.nodes for component in self.components)

    @abstractmethod
    def rule(self, values: Values, batch: tuple[int, ...], dtype: np.dtype) -> Quadrature:
        """The candidates whose weighted sum of exp{values} is the normaliser of each entry of a batch."""

    def rules(
        self, finer: "Sequence[Space]", values: Values, batch: tuple[int, ...], dtype: np.dtype
    ) -> list[Quadrature]:
        """The rule of this space and those of finer versions of it."""
        return [space.rule(values, batch, dtype) for space in (self, *finer)]

    @abstractmethod
    def refined(self, factor: float) -> "Space":
        """The same space with at least `factor` times the candidates, or itself where the sum is exact."""

    @abstractmethod
    def candidates(self, y: Array) -> Float[Array, "*batch m"]:
        """Responses as candidates."""

    @abstractmethod
    def responses(self, candidates: Float[Array, "*batch m"]) -> Array:
        """Candidates as responses, codes of classes as numbers: the inverse of `candidates`."""

    def points(self, y: Array) -> Array:
        """The response that stands for each observation, itself where that is one."""
        return y

    @abstractmethod
    def contains(self, y: Array) -> Array:
        """Whether each observation lies in the space."""

    def inverse_cdf(
        self, rule: Quadrature, log_density: Float[Array, "*batch k"], q: Float[Array, "#*batch j"]
    ) -> Array:
        """The responses below which a share q of the mass lies."""
        raise NotImplementedError("Several responses have no single distribution function; take that of one component.")

    def cdf(
        self, rule: Quadrature, log_density: Float[Array, "*batch k"], y: Float[Array, "*batch"]
    ) -> Float[Array, "*batch"]:
        """The share of the mass at or below y, the inverse of `inverse_cdf`."""
        raise NotImplementedError("Several responses have no single distribution function; take that of one component.")

    def draw(self, values: Values, batch: tuple[int, ...], levels: Float[Array, "*batch j components"]) -> Array:
        """Responses at which the distribution function of each component, given those before it, has the levels."""
        rule = self.rule(values, batch, levels.dtype)
        at = values(rule.candidates)
        log_density = at - rule.log_integral(at)[..., None]
        return self.inverse_cdf(rule, log_density, levels[..., 0])

    @abstractmethod
    def maximizer(
        self, utility: Utility, x: Float[Array, "n d"], rule: Quadrature, at_candidates: Float[Array, "n k"]
    ) -> Array:
        """argmax of the utility over the space, refined between candidates where it is continuous."""

    def quadrature(self, utility: Utility, x: Float[Array, "n d"]) -> Quadrature:
        """The rule for every row of x."""
        return self.rule(lambda y: utility(x, y), x.shape[:1], x.dtype)

    def observed(
        self, utility: Utility, x: Float[Array, "n d"], y: Array, at_candidates: Float[Array, "#n k"]
    ) -> Float[Array, " n"]:
        """The utility of the observed responses; −inf outside the space."""
        return jnp.where(self.contains(y), utility(x, self.candidates(y)[:, None])[:, 0], -jnp.inf)


class Finite(Space):
    """Finitely many candidates, the rows of a table; responses are their positions 0 … size − 1.

    Attributes
    ----------
    table : (size, m) coordinates.
    """

    table: Float[Array, "size m"] | None
    size: int = eqx.field(static=True)

    def __init__(self, table: ArrayLike):
        self.table, self.size = to_device(table), np.shape(table)[0]

    @property
    def dimension(self) -> int:
        return jax.eval_shape(lambda: self._table(np.dtype(np.float32))).shape[1]

    @property
    def ends(self) -> Float[Array, "2 m"]:
        return jnp.tile(jnp.array([[-jnp.inf], [jnp.inf]]), self.dimension)

    def rule(self, values: Values, batch: tuple[int, ...], dtype: np.dtype) -> Quadrature:
        one = (1,) * len(batch)
        return Quadrature(self._table(dtype)[(None,) * len(batch)], jnp.ones((*one, self.size), dtype))

    @property
    def continuous(self) -> tuple[int, ...]:
        return ()

    @property
    def nodes(self) -> int:
        return 0

    def _table(self, dtype: np.dtype) -> Float[Array, "size m"]:
        return jnp.asarray(self.table, dtype)

    def refined(self, factor: float) -> "Finite":
        return self

    def candidates(self, y: Array) -> Float[Array, "*batch m"]:
        return jnp.asarray(self.table)[jnp.clip(jnp.asarray(y).astype(int), 0, self.size - 1)]

    def responses(self, candidates: Float[Array, "*batch m"]) -> Float[Array, "*batch"]:
        """The position of the nearest row of the table."""
        table = self._table(candidates.dtype)
        return jnp.argmax(candidates @ table.T - 0.5 * jnp.sum(table**2, axis=1), axis=-1).astype(candidates.dtype)

    def contains(self, y: Array) -> Array:
        return (y >= 0) & (y < self.size)

    def observed(
        self, utility: Utility, x: Float[Array, "n d"], y: Int[Array, " n"], at_candidates: Float[Array, "#n k"]
    ) -> Float[Array, " n"]:
        wide = jnp.broadcast_to(at_candidates, (len(y), self.size))
        own = jnp.take_along_axis(wide, jnp.clip(y.astype(int), 0, self.size - 1)[:, None], axis=1)[:, 0]
        return jnp.where(self.contains(y), own, -jnp.inf)

    def inverse_cdf(
        self, rule: Quadrature, log_density: Float[Array, "*batch k"], q: Float[Array, "#*batch j"]
    ) -> Int[Array, "*batch j"]:
        """The lowest position whose cumulative probability reaches q."""
        cumulative = jnp.cumsum(jnp.exp(log_density), axis=-1)
        code = jnp.sum(cumulative[..., None, :] < q[..., None], axis=-1)
        return jnp.minimum(code, self.size - 1)

    def cdf(
        self, rule: Quadrature, log_density: Float[Array, "*batch k"], y: Float[Array, "*batch"]
    ) -> Float[Array, "*batch"]:
        """In the order of the table."""
        return jnp.sum(jnp.where(jnp.arange(self.size) <= y[..., None], jnp.exp(log_density), 0.0), axis=-1)

    def maximizer(
        self, utility: Utility, x: Float[Array, "n d"], rule: Quadrature, at_candidates: Float[Array, "n k"]
    ) -> Int[Array, " n"]:
        return jnp.argmax(at_candidates, axis=1)


class Categories(Finite):
    """One of `size` classes: candidates are one-hot."""

    def __init__(self, size: int):
        self.table, self.size = None, size

    def _table(self, dtype: np.dtype) -> Float[Array, "size m"]:
        return jnp.eye(self.size, dtype=dtype)

    def candidates(self, y: Array) -> Float[Array, "*batch m"]:
        return jax.nn.one_hot(jnp.asarray(y).astype(int), self.size)


class Interval(Space):
    """A bounded interval [lower, upper] of the real line.

    The integral over y is Gauss–Legendre in u after y = μ + s·sinh(u), with μ and s the mean and the standard deviation
    of each row's own density, found over equally weighted candidates and, where asked for, again over focused
    ones. Candidates then crowd where the mass is, however narrow, and thin out logarithmically
    towards the ends.

    Attributes
    ----------
    lower, upper : the ends, in the units of y; or ends of its own for every entry of a batch.
    size : candidates per row and refinement, rounded up so that they fill equal panels of at most 64.
    refinements : how often μ and s are found. Two of few candidates find narrower densities than one of many.
    """

    lower: Float[Array, ""]
    upper: Float[Array, ""]
    size: int = eqx.field(static=True)
    refinements: int = eqx.field(static=True)

    def __init__(self, lower: ArrayLike, upper: ArrayLike, size: int = 32, refinements: int = 1):
        self.lower, self.upper = to_device(lower), to_device(upper)
        panels = -(-size // PANEL)
        self.size, self.refinements = panels * -(-size // panels), refinements

    @property
    def dimension(self) -> int:
        return 1

    @property
    def ends(self) -> Float[Array, "2 m"]:
        return jnp.stack([self.lower, self.upper])[:, None]

    def rule(self, values: Values, batch: tuple[int, ...], dtype: np.dtype) -> Quadrature:
        return self.rules((), values, batch, dtype)[0]

    def rules(
        self, finer: Sequence[Space], values: Values, batch: tuple[int, ...], dtype: np.dtype
    ) -> list[Quadrature]:
        """The rules of this box and of finer ones; in each refinement the candidates of all are evaluated together."""
        boxes = (self, *cast("Sequence[Interval]", finer))
        rules = [box.even(batch, dtype) for box in boxes]
        spacings = [(box.upper - box.lower) / box.size for box in boxes]
        for _ in range(self.refinements):
            at = jax.lax.stop_gradient(evaluate_jointly(values, [rule.candidates for rule in rules]))
            moments = [rule.moments(own) for own, rule in zip(at, rules, strict=True)]
            spreads = [jnp.maximum(spread, gap) for (*_, spread), gap in zip(moments, spacings, strict=True)]
            found = list(zip(boxes, (mean for _, mean, _ in moments), spreads, strict=True))
            rules = [box.focused(mean, spread, dtype) for box, mean, spread in found]
            spacings = [4 * spread / box.size for box, _, spread in found]
        return rules

    def even(self, batch: tuple[int, ...], dtype: np.dtype) -> Quadrature:
        """Gauss–Legendre in y, the same for all rows."""
        nodes, weights = unit_rule(self.size, dtype)
        width, one = (self.upper - self.lower)[..., None], (1,) * (len(batch) - self.lower.ndim)
        y, measure = self.lower[..., None] + width * nodes, width * weights
        return Quadrature(y.reshape(*one, *y.shape, 1), measure.reshape(*one, *y.shape))

    def focused(self, mean: Float[Array, "*batch"], spread: Float[Array, "*batch"], dtype: np.dtype) -> Quadrature:
        """Gauss–Legendre in u, y = mean + spread·sinh(u)."""
        y, measure = self.around(mean, spread, dtype, axis=-1)
        return Quadrature(y[..., None], measure)

    def around(
        self, mean: Float[Array, "*batch"], spread: Float[Array, "*batch"], dtype: np.dtype, *, axis: int
    ) -> tuple[Array, Array]:
        """Focused candidates and their weights along an axis, the first or the last."""
        start, end = -_arcsinh((mean - self.lower) / spread), _arcsinh((self.upper - mean) / spread)
        nodes, weights = unit_rule(self.size, dtype)
        if axis == 0:
            nodes, weights = (own.reshape(-1, *(1,) * mean.ndim) for own in (nodes, weights))
        mean, spread, start, end = (jnp.expand_dims(own, axis) for own in (mean, spread, start, end))
        growth = jnp.exp(start + (end - start) * nodes)
        sinh, cosh = 0.5 * (growth - 1 / growth), 0.5 * (growth + 1 / growth)
        return mean + spread * sinh, (end - start) * spread * weights * cosh

    @property
    def continuous(self) -> tuple[int, ...]:
        return (0,)

    @property
    def nodes(self) -> int:
        return self.size

    def refined(self, factor: float) -> "Interval":
        return replace(self, size=int(np.ceil(round(self.size * factor, 6))))

    def candidates(self, y: Array) -> Float[Array, "*batch m"]:
        return y[..., None]

    def responses(self, candidates: Float[Array, "*batch m"]) -> Float[Array, "*batch"]:
        return candidates[..., 0]

    def contains(self, y: Array) -> Array:
        return (y >= self.lower) & (y <= self.upper)

    def inverse_cdf(
        self, rule: Quadrature, log_density: Float[Array, "*batch k"], q: Float[Array, "#*batch j"]
    ) -> Float[Array, "*batch j"]:
        """Invert the distribution function of the density interpolated linearly between candidates."""
        density = _between_ends(log_density)
        return inverted(self._edges(rule), density, jnp.broadcast_to(q, (*density.shape[:-1], q.shape[-1])))

    def cdf(
        self, rule: Quadrature, log_density: Float[Array, "*batch k"], y: Float[Array, "*batch"]
    ) -> Float[Array, "*batch"]:
        """Integrate the density interpolated linearly between candidates."""
        return integrated(self._edges(rule), _between_ends(log_density), y)

    def maximizer(
        self, utility: Utility, x: Float[Array, "n d"], rule: Quadrature, at_candidates: Float[Array, "n k"]
    ) -> Float[Array, " n"]:
        edges, best = self._edges(rule), jnp.argmax(at_candidates, axis=1)[:, None]
        low, center, high = (jnp.take_along_axis(edges, best + step, axis=1) for step in range(3))
        half_width = jnp.maximum(center - low, high - center)
        return zoomed(lambda y: utility(x, y), center, half_width, self.lower, self.upper)[:, 0]

    def _edges(self, rule: Quadrature) -> Float[Array, "*batch k+2"]:
        """The candidates between the two ends."""
        y = rule.candidates[..., 0]
        low, high = (jnp.broadcast_to(end, (*y.shape[:-1], 1)).astype(y.dtype) for end in (self.lower, self.upper))
        return jnp.concatenate([low, y, high], axis=-1)


def _between_ends(log_density: Float[Array, "*batch k"]) -> Float[Array, "*batch k+2"]:
    """The density at the candidates and, level beyond them, at the two ends, up to a factor."""
    density = jnp.exp(log_density - jnp.max(log_density, axis=-1, keepdims=True))
    return jnp.concatenate([density[..., :1], density, density[..., -1:]], axis=-1)


def _arcsinh(t: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """arcsinh of a number that is not negative, in fewer operations than the one for all numbers."""
    return jnp.log(t + jnp.sqrt(t**2 + 1))


def evaluate_jointly(
    values: Values, candidates: Sequence[Float[Array, "#*batch k m"]]
) -> list[Float[Array, "*batch k"]]:
    """The values at several sets of candidates, from one evaluation."""
    if len(candidates) == 1:
        return [values(candidates[0])]
    at = values(jnp.concatenate(candidates, axis=-2))
    return jnp.split(at, np.cumsum([own.shape[-2] for own in candidates])[:-1], axis=-1)
