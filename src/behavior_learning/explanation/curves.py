"""The utility along one variable and over two, in the user's units."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from behavior_learning.core.batches import by_batches
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import OptionError
from behavior_learning.explanation.axes import Axis, find, typical
from behavior_learning.options import is_number
from behavior_learning.symbolic.read import block_name

__all__ = ["Landscape", "Surface", "candidates_at"]

POINTS, SURFACE_POINTS = 101, 41
"""Points of a curve, and along each side of a surface."""


class Surface(NamedTuple):
    """The utility over two variables.

    Attributes
    ----------
    first, second : values of the variables: numbers in the user's units, or levels.
    utility : by first and second; a last axis of classes where there is one utility per class.
    interaction : what is left of the utility after subtracting what each variable does alone from the reference on;
        zero where the utility is a sum of a function of each.
    """

    first: np.ndarray
    second: np.ndarray
    utility: Float[np.ndarray, "first second *outputs"]
    interaction: Float[np.ndarray, "first second *outputs"]


@dataclass(frozen=True)
class Landscape:
    """A utility as a function of the user's variables around some rows.

    Attributes
    ----------
    network : in double precision.
    axes : its variables.
    z : encoded rows [x, y], or x alone in vector output.
    features : columns of x.
    outputs : names of the utilities.
    """

    network: BehaviorNetwork = field(repr=False)
    axes: tuple[Axis, ...]
    z: Float[np.ndarray, "n columns"] = field(repr=False)
    features: int
    outputs: tuple[str, ...]

    def curve(
        self,
        variable: str,
        *,
        reference: int | None = None,
        grid: Sequence[Any] | None = None,
        points: int = POINTS,
    ) -> pd.DataFrame:
        """The utility along one variable, a column per output, indexed by the variable's values.

        Parameters
        ----------
        reference : position of the row that holds the other variables; None is a typical row: medians and most common
            levels.
        grid : values of the variable; by default all levels, or `points` numbers over its range.
        """
        axis = find(self.axes, variable)
        values = self._grid(axis, grid, points)
        z = axis.at(np.repeat(self.reference(reference), len(values), axis=0), values)
        return pd.DataFrame(self.utility(z), columns=list(self.outputs), index=pd.Index(values, name=variable))

    def terms(
        self,
        variable: str,
        *,
        reference: int | None = None,
        grid: Sequence[Any] | None = None,
        points: int = POINTS,
    ) -> pd.DataFrame:
        """What the terms of one variable add inside each row of the first layer, from the reference on.

        The curve of a spline, or of whatever terms the variable has; products with other variables take those from the
        reference row. Columns are (block, head, row).
        """
        axis, base = find(self.axes, variable), self.reference(reference)
        values = self._grid(axis, grid, points)
        arguments = self._arguments(axis.at(np.repeat(base, len(values), axis=0), values))
        difference = arguments - self._arguments(base)
        columns = pd.MultiIndex.from_tuples(self._first_rows(), names=["block", "head", "row"])
        return pd.DataFrame(difference, columns=columns, index=pd.Index(values, name=variable))

    def surface(
        self,
        first: str,
        second: str,
        *,
        reference: int | None = None,
        points: int = SURFACE_POINTS,
    ) -> Surface:
        """The utility over two variables, the others held at a row, and their interaction.

        Raises
        ------
        OptionError
            If both are the same variable.
        """
        if first == second:
            raise OptionError(f"A surface needs two variables; got {first!r} twice. Use curve({first!r}).")
        down, across = find(self.axes, first), find(self.axes, second)
        base, rows, columns = self.reference(reference), down.grid(self.z, points), across.grid(self.z, points)
        a, b = np.repeat(rows, len(columns)), np.tile(columns, len(rows))
        start = np.repeat(base, len(a), axis=0)
        along_a, along_b = down.at(start, a), across.at(start, b)
        both, alone_a, alone_b = (self.utility(z) for z in (across.at(along_a, b), along_a, along_b))
        shape = (len(rows), len(columns), *([len(self.outputs)] if len(self.outputs) > 1 else []))
        interaction = both - alone_a - alone_b + self.utility(base)
        return Surface(rows, columns, both.reshape(shape), interaction.reshape(shape))

    def reference(self, row: int | None = None) -> Float[np.ndarray, "1 columns"]:
        """A row of z: the given one, or a typical one.

        Raises
        ------
        OptionError
            If there is no such row.
        """
        if row is None:
            return typical(self.axes, self.z)
        if not is_number(row, Integral) or not 0 <= row < len(self.z):
            raise OptionError(f"reference must be the position of one of {len(self.z)} rows; got {row!r}.")
        return self.z[[row]]

    def utility(self, z: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n outputs"]:
        """BL of encoded rows."""
        with jax.enable_x64(True):
            return by_batches(lambda z: _utility(self.network, z, self.features), (z,), self.network.width)

    def _arguments(self, z: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n rows"]:
        with jax.enable_x64(True):
            return by_batches(lambda z: _arguments(self.network, z, self.features), (z,), self.network.width)

    def _first_rows(self) -> list[tuple[str, str, int]]:
        heads = self.network.layers[0].heads.items()
        shapes = [(role, rows.intercept.raw.shape) for role, rows in heads if rows.head is not None]
        return [(block_name(1, b + 1), role, r + 1) for role, shape in shapes for b, r in np.ndindex(shape)]

    def _grid(self, axis: Axis, grid: Sequence[Any] | None, points: int) -> np.ndarray:
        return axis.grid(self.z, points) if grid is None else axis.given(grid)


def candidates_at(network: BehaviorNetwork, z: Float[Array, "n columns"], features: int) -> tuple[Array, Array]:
    """x and the candidates at which a network is asked: the response in z, or all classes in vector output."""
    if network.architecture.output == "vector":
        return z, jnp.eye(len(network.readout.weight.raw))[None]  # pyright: ignore[reportOptionalMemberAccess]
    return z[:, :features], z[:, None, features:]


@eqx.filter_jit
def _utility(network: BehaviorNetwork, z: Float[Array, "n columns"], features: int) -> Float[Array, "n outputs"]:
    return network(*candidates_at(network, z, features))


@eqx.filter_jit
def _arguments(network: BehaviorNetwork, z: Float[Array, "n columns"], features: int) -> Float[Array, "n rows"]:
    seen = network.trace(*candidates_at(network, z, features))[0].input
    rows = [rows.preactivation(seen)[:, 0] for rows in network.layers[0].heads.values() if rows.head is not None]
    return jnp.concatenate([jnp.broadcast_to(p.reshape(len(p), -1), (len(z), p[0].size)) for p in rows], axis=1)
