"""Functions of a vector of columns: monomials, ramps between quantiles, B-splines and waves.

A feature map turns columns into function values and describes each function, so that it can be printed in the user's
names and units.

Source: A.3.2 (monomials). Deviation: ramps, B-splines and waves are beyond the paper; with them every row of a block
stays a sum of one-variable curves that can be drawn.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.errors import OptionError
from behavior_learning.options import built, from_plain

__all__ = [
    "BSpline",
    "BSplines",
    "Clip",
    "Clips",
    "Curve",
    "Curves",
    "FeatureMap",
    "Function",
    "Monomials",
    "Pair",
    "Product",
    "Ramp",
    "Ramps",
    "Transform",
    "Transforms",
    "Wave",
    "Waves",
    "feature_map_from_json",
    "register_feature_map",
]


@dataclass(frozen=True)
class Product:
    """The product of columns, each index repeated as often as its power; the empty product is 1.

    Attributes
    ----------
    uncentred : whether the columns are scaled only, value/scale, rather than standardised.
    """

    columns: tuple[int, ...]
    uncentered: bool = False

    @property
    def degree(self) -> int:
        return len(self.columns)

    def name(self, columns: Sequence[str]) -> str:
        powers = {j: self.columns.count(j) for j in self.columns}
        return "*".join(columns[j] if power == 1 else f"{columns[j]}^{power}" for j, power in powers.items())


class _OfOneColumn:
    """A function of one column that is no monomial."""

    column: int
    degree = 1

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns that it sees, as those of a product."""
        return (self.column,)


@dataclass(frozen=True)
class Ramp(_OfOneColumn):
    """0 below `low`, 1 above `high`, and linear between."""

    column: int
    low: float
    high: float

    @classmethod
    def between(cls, column: int, knots: np.ndarray) -> list["Ramp"]:
        """One for each bin between neighboring knots."""
        return [Ramp(column, float(low), float(high)) for low, high in pairwise(knots)]

    def name(self, columns: Sequence[str], digits: int = 4) -> str:
        return f"ramp({columns[self.column]}, {self.low:.{digits}g}, {self.high:.{digits}g})"

    def rescaled(self, center: float, scale: float) -> "Ramp":
        """The same function of center + scale·z instead of z."""
        return Ramp(self.column, center + scale * self.low, center + scale * self.high)


@dataclass(frozen=True)
class Clip(_OfOneColumn):
    """(z − zero)/unit for z between `low` and `high`, and level beyond."""

    column: int
    low: float
    high: float
    zero: float = 0.0
    unit: float = 1.0

    def name(self, columns: Sequence[str], digits: int = 4) -> str:
        low, high = ((end - self.zero) / self.unit for end in (self.low, self.high))
        inside = columns[self.column]
        if (self.zero, self.unit) != (0.0, 1.0):
            inside = f"({inside} - {self.zero:.{digits}g})/{self.unit:.{digits}g}"
        return f"clip({inside}, {low:.{digits}g}, {high:.{digits}g})"

    def rescaled(self, center: float, scale: float) -> "Clip":
        low, high, zero = (center + scale * z for z in (self.low, self.high, self.zero))
        return Clip(self.column, low, high, zero, scale * self.unit)


@dataclass(frozen=True)
class BSpline(_OfOneColumn):
    """The cubic B-spline on five consecutive knots, constant beyond the end knots of its column."""

    column: int
    knots: tuple[float, ...]
    low: float
    high: float

    @classmethod
    def between(cls, column: int, knots: np.ndarray) -> list["BSpline"]:
        """A clamped basis without its first function, which the intercept replaces: together they sum to one."""
        low, high = float(knots[0]), float(knots[-1])
        clamped = np.concatenate([[low] * 3, knots, [high] * 3])
        windows = np.lib.stride_tricks.sliding_window_view(clamped, 5)[1:]
        return [BSpline(column, tuple(map(float, window)), low, high) for window in windows]

    def name(self, columns: Sequence[str], digits: int = 4) -> str:
        return f"bspline({columns[self.column]}, {', '.join(f'{knot:.{digits}g}' for knot in self.knots)})"

    def rescaled(self, center: float, scale: float) -> "BSpline":
        low, *knots, high = (center + scale * z for z in (self.low, *self.knots, self.high))
        return BSpline(self.column, tuple(knots), low, high)


@dataclass(frozen=True)
class Wave(_OfOneColumn):
    """sin or cos of π·frequency·(z − low)/(high − low)."""

    column: int
    function: Literal["sin", "cos"]
    frequency: int
    low: float
    high: float

    def name(self, columns: Sequence[str], digits: int = 4) -> str:
        span = f"{self.high - self.low:.{digits}g}"
        angle = f"{self.frequency}*pi*({columns[self.column]} - {self.low:.{digits}g})/{span}"
        return f"{self.function}({angle})"

    def rescaled(self, center: float, scale: float) -> "Wave":
        return Wave(self.column, self.function, self.frequency, center + scale * self.low, center + scale * self.high)


TRANSFORMS: dict[str, Callable[[Any], Any]] = {"log": jnp.log, "sqrt": jnp.sqrt, "inverse": jnp.reciprocal}
"""Functions of a positive column by name."""

RISING = {"log": 1, "sqrt": 1, "inverse": -1}
"""Whether each rises with its column or falls."""


@dataclass(frozen=True)
class Transform(_OfOneColumn):
    """A function of a positive column in the user's units, (z − zero)/unit; level below `low`, where z ends."""

    column: int
    function: str
    zero: float
    unit: float
    low: float

    def name(self, columns: Sequence[str], digits: int = 4) -> str:
        return f"{self.function}({columns[self.column]})"

    def rescaled(self, center: float, scale: float) -> "Transform":
        zero, low = center + scale * self.zero, center + scale * self.low
        return Transform(self.column, self.function, zero, scale * self.unit, low)


Curve = Ramp | Clip | BSpline | Wave | Transform
"""A function of one column that is no monomial."""

Function = Product | Curve

Pair = tuple[Function, Function]
"""What a term multiplies: a function of x and one of y."""


class FeatureMap(eqx.Module):
    """Turns columns into the values of several functions."""

    @property
    @abstractmethod
    def functions(self) -> tuple[Any, ...]:
        """What each value is."""

    @abstractmethod
    def __call__(self, z: Float[Array, "*batch columns"]) -> Float[Array, "*batch functions"]:
        """The values of the functions."""

    def uncentered(self, shift: tuple[float, ...]) -> "FeatureMap":
        """Of products, those of columns with their center/scale added; other functions are as they were."""
        return self

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs, under the name by which the class is registered."""
        return {"kind": type(self).__name__, "functions": [asdict(function) for function in self.functions]}

    @classmethod
    @abstractmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """The map that `to_json` wrote."""


Registered = TypeVar("Registered", bound=type[FeatureMap])

_MAPS: dict[str, type[FeatureMap]] = {}


def register_feature_map(feature_map: Registered) -> Registered:
    """Make a class of feature maps known by its name, as a decorator, so that models with it can be loaded.

    Raises
    ------
    OptionError
        If another class has the name.
    """
    name = feature_map.__name__
    if name in _MAPS:
        raise OptionError(
            f"Every feature map has a name of its own; {name!r} is already {_MAPS[name].__module__}.{name}. "
            "Give the class another name."
        )
    _MAPS[name] = feature_map
    return feature_map


def feature_map_from_json(state: dict[str, Any]) -> FeatureMap:
    """The map that its `to_json` wrote.

    Raises
    ------
    OptionError
        If its class is not registered.
    """
    if state["kind"] not in _MAPS:
        raise OptionError(
            f"The feature map {state['kind']!r} is not registered; import the module that defines it before loading."
        )
    return _MAPS[state["kind"]].from_json(state)


@register_feature_map
class Monomials(FeatureMap):
    """Products of columns: ``((0,), (2, 2))`` gives z₀ and z₂².

    Attributes
    ----------
    shift : added to every column first, center/scale where products are to be of uncentred columns.
    """

    columns: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    shift: tuple[float, ...] | None = eqx.field(static=True, default=None)

    @property
    def functions(self) -> tuple[Product, ...]:
        return tuple(Product(columns, self.shift is not None) for columns in self.columns)

    def uncentered(self, shift: tuple[float, ...]) -> "Monomials":
        return Monomials(self.columns, shift)

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"shift": self.shift}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "Monomials":
        shift = state["shift"]
        columns = tuple(built(Product, from_plain(function)).columns for function in state["functions"])
        return cls(columns, None if shift is None else tuple(shift))

    def __call__(self, z: Float[Array, "*batch columns"]) -> Float[Array, "*batch functions"]:
        if self.shift is not None:
            z = z + np.asarray(self.shift, z.dtype)
        if self.columns == tuple((j,) for j in range(z.shape[-1])):
            return z
        degree = max(map(len, self.columns), default=0)
        values = jnp.ones((*z.shape[:-1], len(self.columns)), z.dtype)
        for position in range(degree):
            present = np.array([position < len(m) for m in self.columns], dtype=bool)
            column = np.array([m[position] if position < len(m) else 0 for m in self.columns], dtype=int)
            values = values * jnp.where(present, z[..., column], 1.0)
        return values


class Curves(FeatureMap):
    """Functions of one column each that are no monomials."""

    kind: ClassVar[type]
    """The class of its functions."""

    curves: tuple[Any, ...] = eqx.field(static=True)

    @property
    def functions(self) -> tuple[Any, ...]:
        return self.curves

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        return cls(tuple(built(cls.kind, from_plain(function)) for function in state["functions"]))


@register_feature_map
class Ramps(Curves):
    """Piecewise-linear encoding: one ramp per bin between neighbouring knots, so that a weight is a rise over a bin.

    A column with j knots takes j − 1 values, at most one of which is neither 0 nor 1.
    """

    kind = Ramp

    def __call__(self, z: Float[Array, "*batch columns"]) -> Float[Array, "*batch functions"]:
        column = np.array([ramp.column for ramp in self.functions], dtype=int)
        low, high = np.array([(ramp.low, ramp.high) for ramp in self.functions]).reshape(-1, 2).T.astype(z.dtype)
        return jnp.clip((z[..., column] - low) * (1 / (high - low)), 0.0, 1.0)


@register_feature_map
class Clips(Curves):
    """Columns that end where the bulk of the training rows does: what is far outside says no more than its edge."""

    kind = Clip

    def __call__(self, z: Float[Array, "*batch columns"]) -> Float[Array, "*batch functions"]:
        column = np.array([clip.column for clip in self.functions], dtype=int)
        numbers = [(clip.low, clip.high, clip.zero, clip.unit) for clip in self.functions]
        low, high, zero, unit = np.array(numbers).reshape(-1, 4).T.astype(z.dtype)
        return (jnp.clip(z[..., column], low, high) - zero) / unit


@register_feature_map
class BSplines(Curves):
    """Cubic B-splines, constant beyond the end knots."""

    kind = BSpline

    def __call__(self, z: Float[Array, "*batch columns"]) -> Float[Array, "*batch functions"]:
        column = np.array([spline.column for spline in self.functions], dtype=int)
        knots = np.array([spline.knots for spline in self.functions]).reshape(-1, 5).T.astype(z.dtype)
        low, high = np.array([(s.low, s.high) for s in self.functions]).reshape(-1, 2).T.astype(z.dtype)
        inside = np.nextafter(high, low)
        return _cox_de_boor(jnp.clip(z[..., column], low, inside), knots)


def _cox_de_boor(z: Float[Array, "*batch functions"], knots: np.ndarray) -> Float[Array, "*batch functions"]:
    """B_{i,p}(z) = (z − t_i)/(t_{i+p} − t_i)·B_{i,p−1} + (t_{i+p+1} − z)/(t_{i+p+1} − t_{i+1})·B_{i+1,p−1}, p = 3."""
    spline = [jnp.where((z >= knots[i]) & (z < knots[i + 1]), 1.0, 0.0).astype(z.dtype) for i in range(4)]
    for p in range(1, 4):
        rise = [_ratio(z - knots[i], knots[i + p] - knots[i]) for i in range(5 - p)]
        fall = [_ratio(knots[i + p] - z, knots[i + p] - knots[i]) for i in range(5 - p)]
        spline = [rise[i] * spline[i] + fall[i + 1] * spline[i + 1] for i in range(4 - p)]
    return spline[0]


def _ratio(numerator: Float[Array, "*batch functions"], width: np.ndarray) -> Float[Array, "*batch functions"]:
    """numerator/width, and zero where knots coincide."""
    return jnp.where(width > 0, numerator / np.where(width > 0, width, 1.0), 0.0)


@register_feature_map
class Transforms(Curves):
    """Logarithms, square roots and inverses of columns."""

    kind = Transform

    def __call__(self, z: Float[Array, "*batch columns"]) -> Float[Array, "*batch functions"]:
        values = [
            TRANSFORMS[t.function]((jnp.maximum(z[..., t.column], t.low) - t.zero) / t.unit) for t in self.functions
        ]
        return jnp.stack(values, axis=-1)


@register_feature_map
class Waves(Curves):
    """Sines and cosines over the training range of a column."""

    kind = Wave

    def __call__(self, z: Float[Array, "*batch columns"]) -> Float[Array, "*batch functions"]:
        column = np.array([wave.column for wave in self.functions], dtype=int)
        low, high = np.array([(w.low, w.high) for w in self.functions]).reshape(-1, 2).T.astype(z.dtype)
        frequency = np.array([wave.frequency for wave in self.functions], dtype=z.dtype)
        shift = np.array([0.0 if wave.function == "sin" else 0.5 for wave in self.functions], dtype=z.dtype)
        return jnp.sin(np.pi * (frequency * ((z[..., column] - low) / (high - low)) + shift))
