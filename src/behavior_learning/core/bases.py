"""m(z): the terms a row of a block is linear in, each a function of x times a function of y.

Source: A.2 (fixed bases m_u, m_c, m_t) and A.3.2 (monomials up to a total degree; affine maps in stacks).
The split p(x, y) = Σ_β c_β(x)·b_β(y) keeps everything that depends on x alone at one evaluation per row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, combinations_with_replacement
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.features import (
    BSpline,
    BSplines,
    Clip,
    Clips,
    Curves,
    FeatureMap,
    Function,
    Monomials,
    Pair,
    Product,
    Ramp,
    Ramps,
    Wave,
    Waves,
    feature_map_from_json,
)
from behavior_learning.core.sums import LAST, product_of_few

__all__ = [
    "ONE",
    "Basis",
    "Pairing",
    "TermCoefs",
    "Terms",
    "affine_basis",
    "fourier_basis",
    "informative",
    "polynomial_basis",
    "position",
    "spline_basis",
    "united",
    "with_bends",
    "with_terms",
    "without_pure_x",
]

ONE = -1
"""Index of the constant function 1 in a pairing."""

TAIL = 0.0005
"""Share of the training rows, on each side, beyond which a column that stands beside its curves is level."""

ROWS_PER_KNOT = 100
"""Rows per distinct value of a column from which a spline has a knot at each (Adult: .2934 to .2800 nats)."""


@dataclass(frozen=True)
class Pairing:
    """Which function of x meets which function of y in each term; `ONE` stands for the constant 1.

    Terms are ordered x-only, y-only, joint, so that each part is one slice of the coefficients.
    """

    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def ordered(cls, pairs: Sequence[tuple[int, int]]) -> "Pairing":
        return cls(tuple(sorted(pairs, key=_part)))

    def __post_init__(self):
        if list(self.pairs) != sorted(self.pairs, key=_part):
            raise ValueError("Terms must be ordered x-only, y-only, joint.")

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        """How many terms are x-only, y-only and joint."""
        parts = [_part(pair) for pair in self.pairs]
        return parts.count(0), parts.count(1), parts.count(2)

    @cached_property
    def x_only(self) -> tuple[int, ...]:
        return tuple(i for i, j in self.pairs if j == ONE)

    @cached_property
    def y_only(self) -> tuple[int, ...]:
        return tuple(j for i, j in self.pairs if i == ONE)

    @cached_property
    def joint(self) -> tuple[tuple[int, int], ...]:
        return self.pairs[self.sizes[0] + self.sizes[1] :]

    @cached_property
    def joint_by_y(self) -> dict[int, np.ndarray]:
        """For each function of y in a joint term, the positions of its terms among the joint ones."""
        return {
            y: np.array([t for t, pair in enumerate(self.joint) if pair[1] == y])
            for y in dict.fromkeys(j for _, j in self.joint)
        }


def _part(pair: tuple[int, int]) -> int:
    return 0 if pair[1] == ONE else 1 if pair[0] == ONE else 2


class TermCoefs(NamedTuple):
    """M by what its columns multiply: functions of x alone, of y alone, and of both; a column per row."""

    x: Float[Array, "x_only rows"]
    y: Float[Array, "y_only rows"]
    joint: Float[Array, "joint rows"]

    @classmethod
    def of(cls, coef: Float[Array, "terms rows"], pairing: Pairing) -> "TermCoefs":
        return cls(*jnp.split(coef, np.cumsum(pairing.sizes[:2])))


class Terms(eqx.Module):
    """m(z) for n rows and k candidates, held as values of its x-functions and y-functions.

    Attributes
    ----------
    x : values of the functions of x, once per row.
    y : values of the functions of y; the row axis has length 1 where all rows share their candidates.
    turned : whether products with rows of M first have rows of data last, (rows, k, n).
    """

    x: Float[Array, "n x_functions"]
    y: Float[Array, "#n k y_functions"]
    pairing: Pairing = eqx.field(static=True)
    turned: bool = eqx.field(static=True, default=False)

    def dot(self, coef: Float[Array, "rows terms"]) -> Float[Array, "#n #k rows"]:
        """Σ_β c_β(x)·b_β(y) with c_β(x) = M_β m_β(x): the linear map M m(z) without repeating x per candidate."""
        parts = self.products(TermCoefs.of(coef.T, self.pairing))
        return sum(parts[1:], start=parts[0])

    def products(self, coefs: "TermCoefs", axis: int = LAST) -> list[Array]:
        """What adds up to M m(z), rows of M along an axis: the parts of x alone, of y alone and of both."""
        parts: list[Array] = []
        if self.pairing.x_only:
            x = _take(self.x, self.pairing.x_only)
            parts.append((coefs.x.T @ x.T)[:, None] if self.turned else self._moved((x @ coefs.x)[:, None, :], axis))
        if self.pairing.y_only:
            parts.append(product_of_few(self._moved(_take(self.y, self.pairing.y_only), axis), coefs.y, axis))
        if self.pairing.joint:
            parts.append(self._moved(self._joint(coefs.joint), axis))
        return parts

    def _moved(self, values: Float[Array, "#n #k rows"], axis: int) -> Array:
        return values.T if self.turned else jnp.moveaxis(values, LAST, axis)

    def _joint(self, coef: Float[Array, "joint rows"]) -> Float[Array, "n k rows"]:
        x = np.array([i for i, _ in self.pairing.joint])
        by_y = self.pairing.joint_by_y
        # JAX keeps index arrays it has seen in the precision of that time; copies keep float64 calls apart.
        c = jnp.stack([self.x[:, x[terms]] @ coef[terms.copy()] for terms in by_y.values()], axis=1)
        return jnp.matmul(self.y[..., np.array(list(by_y))], c)


def _take(values: Float[Array, "*batch functions"], index: tuple[int, ...]) -> Float[Array, "*batch taken"]:
    return values if index == tuple(range(values.shape[-1])) else values[..., np.array(index, dtype=int)]


def _values(maps: Sequence[FeatureMap], z: Float[Array, "*batch columns"]) -> Float[Array, "*batch functions"]:
    values = [feature_map(z) for feature_map in maps]
    return values[0] if len(values) == 1 else jnp.concatenate(values, axis=-1)


class Basis(eqx.Module):
    """The terms of a block's rows: functions of x, functions of y, and how they pair.

    Attributes
    ----------
    x_maps, y_maps : turn x and y into values of their functions, one after the other.
    pairing : one pair of functions per term.
    """

    x_maps: tuple[FeatureMap, ...]
    y_maps: tuple[FeatureMap, ...]
    pairing: Pairing = eqx.field(static=True)

    def __call__(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"], turned: bool = False) -> Terms:
        return Terms(_values(self.x_maps, x), _values(self.y_maps, y), self.pairing, turned)

    @property
    def size(self) -> int:
        return len(self.pairing)

    @property
    def terms(self) -> tuple[Pair, ...]:
        """What each term multiplies; the empty product stands for 1."""
        x, y = self.x_functions, self.y_functions
        one = Product(())
        return tuple((x[i] if i != ONE else one, y[j] if j != ONE else one) for i, j in self.pairing.pairs)

    @property
    def x_functions(self) -> tuple[Function, ...]:
        return tuple(function for feature_map in self.x_maps for function in feature_map.functions)

    @property
    def y_functions(self) -> tuple[Function, ...]:
        return tuple(function for feature_map in self.y_maps for function in feature_map.functions)

    @property
    def degrees(self) -> tuple[int, ...]:
        """Total degree of each term over (x, y); a curve counts as one."""
        return tuple(x.degree + y.degree for x, y in self.terms)

    def to_json(self) -> dict[str, Any]:
        maps = {"x_maps": self.x_maps, "y_maps": self.y_maps}
        written = {name: [feature_map.to_json() for feature_map in own] for name, own in maps.items()}
        return written | {"pairs": self.pairing.pairs}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "Basis":
        """The basis that `to_json` wrote.

        Raises
        ------
        OptionError
            If it has a feature map that is not registered.
        """
        x_maps, y_maps = (tuple(map(feature_map_from_json, state[name])) for name in ("x_maps", "y_maps"))
        return cls(x_maps, y_maps, Pairing(tuple(map(tuple, state["pairs"]))))

    def names(self, x_names: Sequence[str], y_names: Sequence[str]) -> list[str]:
        """Name each term from the columns it multiplies, such as ``RM*MEDV``."""
        return ["*".join(filter(None, (x.name(x_names), y.name(y_names)))) for x, y in self.terms]


def affine_basis(d: int, m: int) -> Basis:
    """[x; y]: the affine maps of BL(Shallow) and BL(Deep) (A.3.2); the intercept is kept beside the basis."""
    return polynomial_basis(d, m, degree=1)


def polynomial_basis(
    d: int,
    m: int,
    *,
    degree: int,
    one_hot: bool | Sequence[int | None] = False,
    x: Float[np.ndarray, "n d"] | None = None,
    products: bool = True,
) -> Basis:
    """All monomials of (x, y) with total degree between 1 and `degree` (A.3.2).

    Deviation: where columns of y are the indicators of a choice, y_j² = y_j and y_j·y_k = 0 hold at every candidate,
    so those monomials add nothing to the function and are left out; and likewise those of x that are not `informative`
    on the training rows.

    Parameters
    ----------
    x : the training rows; without them no monomial of x is left out.
    one_hot : whether all columns of y are indicators of one choice, or for each of them which choice, None for numbers.
    products : whether a monomial may hold more than one column.
    """
    choices = ((0,) * m if one_hot else (None,) * m) if isinstance(one_hot, bool) else tuple(one_hot)
    y_monomials = []
    for monomial in _monomials(m, degree, products):
        named = [choices[j] for j in monomial if choices[j] is not None]
        if len(named) == len(set(named)):
            y_monomials.append(monomial)
    x_monomials = _monomials(d, degree, products)
    if x is not None and degree > 1:
        says = informative(x)
        x_monomials = tuple(monomial for monomial in x_monomials if says(monomial))
    return _paired((Monomials(x_monomials),), Monomials(tuple(y_monomials)), degree if products else 1)


def informative(x: Float[np.ndarray, "n d"]) -> Callable[[Sequence[int]], bool]:
    """Whether a product of columns is more than a sum of its factors and a constant on the training rows.

    It is not where it has the square of a column of two values, nor where it has two columns whose product is zero in
    every row, such as two levels of a category, or that take three of the four combinations of two values.
    """
    two = np.array([len(np.unique(column)) == 2 for column in x.T], bool)
    high = ((x == x.max(axis=0)) & two).astype(float)
    seen = [a.T @ b > 0 for a in (high, two - high) for b in (high, two - high)]
    few, nonzero = np.sum(seen, axis=0) < 4, (x != 0).astype(float)
    void = few & two & two[:, None] | (nonzero.T @ nonzero == 0) & (two | two[:, None])

    def says(columns: Sequence[int]) -> bool:
        squares = any(two[j] and list(columns).count(j) > 1 for j in columns)
        return not squares and not any(void[i, j] for i, j in combinations(sorted(set(columns)), 2))

    return says


def spline_basis(x: np.ndarray, m: int, *, knots: int, degree: int = 1, straight: bool = False) -> Basis:
    """Curves of each column of x on its quantiles, and the linear terms of y.

    Columns with two values, such as indicators, stay linear: every function of them is.

    Parameters
    ----------
    x : the encoded training rows.
    knots : per column, the ends included; repeated ones are merged. Columns with `ROWS_PER_KNOT` rows per value have
        one at each value.
    degree : 1 for piecewise-linear ramps, 3 for cubic B-splines.
    straight : whether a column stands beside its curves too, level beyond the bulk of the training rows: what is far
        outside says no more than its edge.
    """
    curve_type, feature_map = {1: (Ramp, Ramps), 3: (BSpline, BSplines)}[degree]
    curved = _curved(x)
    curves = [curve for j in curved for curve in curve_type.between(j, _knots(x[:, j], knots))]
    kept = Monomials(tuple((j,) for j in range(x.shape[1]) if j not in curved))
    beside = [Clips(tuple(Clip(j, *_bulk(x[:, j])) for j in curved))] if straight and curved else []
    return _paired((kept, *beside, feature_map(tuple(curves))), Monomials(_monomials(m, 1)), 1)


def _bulk(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """The range of all but `TAIL` of the rows on each side, or of all where that is a single value."""
    low, high = np.quantile(values, (TAIL, 1 - TAIL))
    return (float(low), float(high)) if low < high else (float(values.min()), float(values.max()))


def _knots(values: Float[np.ndarray, " n"], count: int) -> np.ndarray:
    """Every value where each has many rows; else quantiles where rows and distinct values count half each.

    So neither columns of spikes, such as amounts that are 0 in most rows, nor those of a few whole numbers lose detail.
    """
    distinct, rows = np.unique(values, return_counts=True)
    if len(values) >= ROWS_PER_KNOT * len(distinct):
        return distinct
    below = np.cumsum(rows / len(values) + 1 / len(distinct)) / 2
    at = np.searchsorted(below, np.linspace(0, 1, count) - 1e-9)
    return np.unique(distinct[np.minimum(at, len(distinct) - 1)])


def fourier_basis(x: np.ndarray, m: int, *, frequencies: int) -> Basis:
    """[x; y] and sines and cosines of each column over its training range, up to so many half periods."""
    waves = tuple(
        Wave(j, function, k, float(x[:, j].min()), float(x[:, j].max()))
        for j in _curved(x)
        for k in range(1, frequencies + 1)
        for function in ("sin", "cos")
    )
    return _paired((Monomials(_monomials(x.shape[1], 1)), Waves(waves)), Monomials(_monomials(m, 1)), 1)


def with_terms(basis: Basis, products: Sequence[tuple[Product, Product]]) -> Basis:
    """Append products of columns of x and of y that the basis lacks (A.3.2, higher-order terms on demand)."""
    missing = [pair for pair in products if pair not in basis.terms]
    new_x = [x for x in dict.fromkeys(x for x, _ in missing) if x.columns and x not in basis.x_functions]
    new_y = [y for y in dict.fromkeys(y for _, y in missing) if y.columns and y not in basis.y_functions]
    x_functions, y_functions = [*basis.x_functions, *new_x], [*basis.y_functions, *new_y]
    pairs = [(position(x, x_functions), position(y, y_functions)) for x, y in missing]
    x_map, y_map = (Monomials(tuple(product.columns for product in new)) for new in (new_x, new_y))
    y_maps = (*basis.y_maps, y_map) if new_y else basis.y_maps
    return Basis((*basis.x_maps, x_map), y_maps, Pairing.ordered((*basis.pairing.pairs, *pairs)))


def with_bends(basis: Basis, x: Float[np.ndarray, "n d"], count: int) -> Basis:
    """Append what each column of x exceeds each of so many of its quantiles by, level beyond its largest value.

    Columns with two values have none.
    """
    bends = []
    for j in _curved(x):
        inner = np.unique(np.quantile(x[:, j], np.linspace(0, 1, count + 2)[1:-1]))
        low, high = x[:, j].min(), x[:, j].max()
        bends += [Ramp(j, float(knot), float(high)) for knot in inner if low < knot < high]
    places = len(basis.x_functions) + np.arange(len(bends))
    pairs = (*basis.pairing.pairs, *((int(i), ONE) for i in places))
    return Basis((*basis.x_maps, Ramps(tuple(bends))), basis.y_maps, Pairing.ordered(pairs)) if bends else basis


def united(bases: Sequence[Basis]) -> tuple[Basis, list[np.ndarray]]:
    """A basis with the terms of all of these, which differ in curves of x alone, and where each has its own among them.

    Examples
    --------
    >>> x = np.arange(9.0)[:, None]
    >>> both, places = united([spline_basis(x, 1, knots=knots) for knots in (2, 3)])
    >>> both.names(["x"], ["y"]), [own.tolist() for own in places]
    (['ramp(x, 0, 8)', 'ramp(x, 0, 4)', 'ramp(x, 4, 8)', 'y'], [[0, 3], [1, 2, 3]])
    """
    first = bases[0]
    maps, places = [*first.x_maps], {function: place for place, function in enumerate(first.x_functions)}
    for own in (curves for basis in bases[1:] for curves in basis.x_maps if isinstance(curves, Curves)):
        new = tuple(curve for curve in own.functions if curve not in places)
        maps += [type(own)(new)] if new else []
        places |= {curve: len(places) + number for number, curve in enumerate(new)}
    pairs = [
        [(places[x] if x.degree else ONE, j) for (x, _), (_, j) in zip(basis.terms, basis.pairing.pairs, strict=True)]
        for basis in bases
    ]
    pairing = Pairing.ordered(list(dict.fromkeys(pair for own in pairs for pair in own)))
    at = {pair: place for place, pair in enumerate(pairing.pairs)}
    return Basis(tuple(maps), first.y_maps, pairing), [np.array([at[pair] for pair in own]) for own in pairs]


def position(function: Function, functions: Sequence[Function]) -> int:
    """Where a function stands among others, or ONE."""
    return functions.index(function) if function.degree else ONE


def without_pure_x(basis: Basis) -> Basis:
    """Drop the terms that do not involve y (Section B.3.1)."""
    return Basis(basis.x_maps, basis.y_maps, Pairing(tuple(pair for pair in basis.pairing.pairs if pair[1] != ONE)))


def _paired(x_maps: tuple[FeatureMap, ...], y_map: Monomials, degree: int) -> Basis:
    """Every function of x alone, of y alone, and every product of both up to a total degree."""
    x = [function for feature_map in x_maps for function in feature_map.functions]
    y = y_map.functions
    x_only, y_only = [(i, ONE) for i in range(len(x))], [(ONE, j) for j in range(len(y))]
    joint = [(i, j) for j, b in enumerate(y) for i, c in enumerate(x) if b.degree + c.degree <= degree]
    return Basis(x_maps, (y_map,), Pairing(tuple(x_only + y_only + joint)))


def _monomials(columns: int, degree: int, products: bool = True) -> tuple[tuple[int, ...], ...]:
    monomials = (m for power in range(1, degree + 1) for m in combinations_with_replacement(range(columns), power))
    return tuple(m for m in monomials if products or len(set(m)) == 1)


def _curved(x: np.ndarray) -> list[int]:
    """Columns with more than two values."""
    return [j for j in range(x.shape[1]) if len(np.unique(x[:, j])) > 2]
