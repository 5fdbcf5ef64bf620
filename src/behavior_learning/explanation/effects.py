"""What each variable, constraint, block and head does to the utility, row by row.

Everything is computed in double precision by one compiled program. Utilities are in nats times τ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Bool, Float

from behavior_learning.core.batches import by_batches
from behavior_learning.core.block import Layer
from behavior_learning.core.heads import ROLES
from behavior_learning.core.network import BehaviorNetwork, Traced, in_double, weight_value
from behavior_learning.explanation.axes import Axis
from behavior_learning.explanation.curves import Landscape, Surface, candidates_at
from behavior_learning.symbolic.read import block_name

__all__ = ["Effects", "compute_effects"]

TOLERANCE = 0.1
"""An equality row binds where |T| exceeds this share of its standard deviation over the rows."""

SHORTCUT = "shortcut"
"""What a residual skip adds to a block, listed beside its heads."""


class _Steps(NamedTuple):
    """Changes of level: columns that are set, to what, and what that is compared with."""

    columns: Bool[Array, "steps columns"]
    after: Float[Array, "steps columns"]
    before: Float[Array, "steps columns"]


class _Head(NamedTuple):
    """One head of every block of a layer: M z + b, and ±λ f of it, which enters the block's utility."""

    argument: Float[Array, "n blocks rows"]
    utility: Float[Array, "n blocks rows"]


class _At(NamedTuple):
    utility: Float[Array, "n outputs"]
    gradient: Float[Array, "n outputs columns"]
    steps: Float[Array, "n outputs steps"]
    heads: tuple[dict[str, _Head], ...]
    shortcuts: tuple[Float[Array, "n blocks"] | None, ...]

    def binding(self, tolerance: float) -> pd.DataFrame:
        """How often, and at what price, each constraint binds."""
        lines = []
        for number, layer in enumerate(self.heads, start=1):
            for role in [role for role in ROLES if role in layer and role != "utility"]:
                argument, utility, one_sided = *layer[role], role == "inequality"
                limit = np.zeros(argument.shape[1:]) if one_sided else tolerance * argument.std(axis=0)
                share = ((argument if one_sided else np.abs(argument)) > limit).mean(axis=0)
                penalty = 0.0 - utility.mean(axis=0)
                for at in np.ndindex(limit.shape):
                    place = (block_name(number, at[0] + 1), role, at[1] + 1)
                    lines.append((*place, float(share[at]), float(penalty[at]), float(limit[at])))
        columns = ["block", "head", "row", "share", "penalty", "tolerance"]
        return pd.DataFrame(lines, columns=columns).set_index(columns[:3])

    @property
    def block_contributions(self) -> pd.DataFrame:
        """What each head adds to its block's utility."""
        columns: dict[tuple[str, str], Any] = {}
        for number, (layer, shortcut) in enumerate(zip(self.heads, self.shortcuts, strict=True), start=1):
            for block in range(next(iter(layer.values())).utility.shape[1]):
                name, added = block_name(number, block + 1), {r: head.utility[:, block] for r, head in layer.items()}
                columns |= {(name, role): added[role].sum(axis=-1) for role in ROLES if role in added}
                if shortcut is not None:
                    columns[name, SHORTCUT] = shortcut[:, block]
        return pd.DataFrame(columns).rename_axis(columns=["block", "head"])


@dataclass(frozen=True)
class Effects:
    """Effects of variables, constraints, blocks and heads at some rows.

    Where the response is an input of the utility, all is taken at the observed response, and what depends on x alone
    is the model's own: it cancels in p(y|x), so the data do not determine it.

    Attributes
    ----------
    utility : BL(x, y) of every row, or one column per class.
    marginal_rows : marginal utility of every variable in every row, per unit of the variable; a level of a category has
        the utility it adds to that of the first level. NaN where a number is missing. With one utility per class,
        columns are (class, variable).
    changes : what a marginal utility refers to, by variable.
    standard_deviations : of every variable over the rows.
    binding : a line per row of a constraint: the `share` of the table's rows in which it binds (C > 0, or |T| above
        `tolerance`) and the average `penalty` λρ(C) or λψ(T).
    block_contributions : what each head adds to its block's utility, columns (block, head).
    landscape : the utility as a function, for curves and surfaces.
    """

    utility: pd.DataFrame
    marginal_rows: pd.DataFrame
    changes: pd.Series
    standard_deviations: pd.Series
    binding: pd.DataFrame
    block_contributions: pd.DataFrame
    landscape: Landscape = field(repr=False)

    @cached_property
    def marginal(self) -> pd.DataFrame:
        """A line per variable: mean, sd, mean_size (of |·|) and share_positive of its marginal utility over the rows.

        `strength` is mean_size times the variable's standard deviation, by which variables of unlike units compare.
        """
        rows, present = self.marginal_rows, self.marginal_rows.notna()
        table = pd.DataFrame({"mean": rows.mean(), "sd": rows.std(ddof=0), "mean_size": rows.abs().mean()})
        variables = table.index.get_level_values("variable")
        table["share_positive"] = (rows > 0).sum() / present.sum()
        table["strength"] = table["mean_size"] * self.standard_deviations[variables].to_numpy()
        table["change"] = self.changes[variables].to_numpy()
        return table

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """What each head of each block of the top layer adds to the utility; rows sum to `utility`.

        Columns are (block, head), with one utility per class (class, block, head); ``("readout", "bias")`` is the
        readout's constant.
        """
        network, outputs = self.landscape.network, list(self.utility.columns)
        top = f"block{len(network.layers)}."
        own = self.block_contributions.loc[:, [name.startswith(top) for name, _ in self.block_contributions.columns]]
        weight, bias = network.readout.weight, network.readout.bias
        width = network.architecture.layers[-1]
        weights = np.ones((1, width)) if weight is None else weight_value(weight)
        blocks = [int(name.removeprefix(top)) - 1 for name, _ in own.columns]
        parts = [own * weights[output, blocks] for output in range(len(outputs))]
        if bias is not None:
            for part, constant in zip(parts, weight_value(bias), strict=True):
                part["readout", "bias"] = constant
        vector = network.architecture.output == "vector"
        return pd.concat(parts, axis=1, keys=outputs, names=["output", "block", "head"]) if vector else parts[0]

    def curve(self, variable: str, **options: Any) -> pd.DataFrame:
        """The utility along one variable, all others held; see `Landscape.curve`."""
        return self.landscape.curve(variable, **options)

    def terms(self, variable: str, **options: Any) -> pd.DataFrame:
        """What the terms of one variable add inside each row of the first layer; see `Landscape.terms`."""
        return self.landscape.terms(variable, **options)

    def surface(self, first: str, second: str, **options: Any) -> Surface:
        """The utility over two variables, and their interaction; see `Landscape.surface`."""
        return self.landscape.surface(first, second, **options)


def compute_effects(
    network: BehaviorNetwork,
    axes: Sequence[Axis],
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n m"],
    *,
    outputs: Sequence[str] = ("utility",),
    tolerance: float = TOLERANCE,
) -> Effects:
    """Effects at encoded rows.

    Parameters
    ----------
    axes : the variables of z = [x, y], or of x alone in vector output.
    y : responses as candidates.
    outputs : names of the utilities.
    tolerance : an equality binds where |T| exceeds this share of its standard deviation over the rows.
    """
    vector = network.architecture.output == "vector"
    with jax.enable_x64(True):
        wide = in_double(network)
        z = np.asarray(x, float) if vector else np.concatenate([x, y], axis=1).astype(float)
        landscape = Landscape(wide, tuple(axes), z, x.shape[1], tuple(outputs))
        steps, stepped = _steps(axes, z.shape[1])
        at = by_batches(
            lambda z: _evaluated(wide, steps, z, x.shape[1]), (z,), 8 * (network.width + z.shape[1]) * len(outputs)
        )
    rows, changes, deviations = _marginal(axes, stepped, at, z, outputs, vector)
    return Effects(
        utility=pd.DataFrame(at.utility, columns=list(outputs)),
        marginal_rows=rows,
        changes=changes,
        standard_deviations=deviations,
        binding=at.binding(tolerance),
        block_contributions=at.block_contributions,
        landscape=landscape,
    )


@eqx.filter_jit
def _evaluated(network: BehaviorNetwork, steps: _Steps, z: Float[Array, "n columns"], features: int) -> _At:
    def outputs(z: Float[Array, "n columns"]) -> Float[Array, "n outputs"]:
        return network(*candidates_at(network, z, features))

    def rise(step: _Steps) -> Float[Array, "n outputs"]:
        return outputs(jnp.where(step.columns, step.after, z)) - outputs(jnp.where(step.columns, step.before, z))

    one = jnp.eye(jax.eval_shape(outputs, z).shape[1])
    gradient = jax.vmap(lambda output: jax.grad(lambda z: jnp.sum(outputs(z) @ output))(z), out_axes=1)(one)
    trace = network.trace(*candidates_at(network, z, features))
    heads = tuple(_heads(layer, at, len(z)) for layer, at in zip(network.layers, trace, strict=True))
    shortcuts = tuple(None if at.shortcut is None else _per_row(at.shortcut, len(z)) for at in trace)
    return _At(outputs(z), gradient, jnp.moveaxis(jax.lax.map(rise, steps), 0, -1), heads, shortcuts)


def _heads(layer: Layer, at: Traced, rows: int) -> dict[str, _Head]:
    heads = {}
    for role, head in layer.heads.items():
        if head.head is not None:
            argument = head.preactivation(at.input)
            utility = ROLES[role] * head.multiplier.value * head.head(argument)
            heads[role] = _Head(_per_row(argument, rows), _per_row(utility, rows))
    return heads


def _per_row(values: Float[Array, "..."], rows: int) -> Float[Array, "..."]:
    """Values at the one candidate of each row."""
    return jnp.broadcast_to(values[:, 0], (rows, *values.shape[2:]))


class _Stepped(NamedTuple):
    """Name of a level or of a gap, what it is instead of, the columns that change, their values."""

    name: str
    instead: str
    columns: tuple[int, ...]
    after: np.ndarray
    before: np.ndarray

    @classmethod
    def of(cls, axis: Axis) -> "list[_Stepped]":
        """From the first level of a category to each other one, and from the mean of a number to its absence."""
        if axis.levels:
            instead, first = f"instead of {axis.labels[0]}", axis.encoding[0]
            steps = zip(axis.labels[1:], axis.encoding[1:], strict=True)
            return [cls(label, instead, axis.columns, after, first) for label, after in steps]
        if axis.missing is None:
            return []
        columns, name = (axis.columns[0], axis.missing), f"{axis.name}[missing]"
        return [cls(name, f"instead of {axis.name} at its mean", columns, np.array([0.0, 1.0]), np.zeros(2))]


def _steps(axes: Sequence[Axis], columns: int) -> tuple[_Steps, list[_Stepped]]:
    steps = [step for axis in axes for step in _Stepped.of(axis)]
    touched, after, before = np.zeros((len(steps), columns), bool), *np.zeros((2, len(steps), columns))
    for i, step in enumerate(steps):
        touched[i, step.columns], after[i, step.columns], before[i, step.columns] = True, step.after, step.before
    return _Steps(*map(jnp.asarray, (touched, after, before))), steps


def _marginal(
    axes: Sequence[Axis], stepped: Sequence[_Stepped], at: _At, z: np.ndarray, outputs: Sequence[str], vector: bool
) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Marginal utilities by row, what they refer to, and standard deviations, in the order numbers, levels."""
    numbers = [axis for axis in axes if not axis.levels]
    names = [*(axis.name for axis in numbers), *(step.name for step in stepped)]
    slopes = [at.gradient[..., axis.columns[0]] / axis.scale for axis in numbers]
    slopes = [np.where(axis.absent(z)[:, None], np.nan, slope) for axis, slope in zip(numbers, slopes, strict=True)]
    values = np.concatenate([np.stack(slopes, axis=-1) if slopes else at.steps[..., :0], at.steps], axis=-1)
    frames = [pd.DataFrame(values[:, i], columns=pd.Index(names, name="variable")) for i in range(len(outputs))]
    rows = pd.concat(frames, axis=1, keys=outputs, names=["output", "variable"]) if vector else frames[0]
    changes = [*(f"per unit of {axis.name}" for axis in numbers), *(step.instead for step in stepped)]
    deviations = [np.nan if axis.absent(z).all() else np.nanstd(axis.values(z)) for axis in numbers]
    deviations += [(z[:, step.columns] == step.after).all(axis=1).std() for step in stepped]
    return rows, pd.Series(changes, names), pd.Series(deviations, names, dtype=float)
