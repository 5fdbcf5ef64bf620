"""Evaluate a learned problem on rows, in double precision."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.core.features import BSpline, BSplines, Curve, Ramp, Ramps, Wave, Waves
from behavior_learning.core.heads import ROLES
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Goal, Hierarchy, LearnedUMP
from behavior_learning.symbolic.sources import read_variables

__all__ = ["block_values", "curve_values", "goal_values", "hierarchy_values", "table_values"]

Values = Mapping[str, np.ndarray]

_MAPS = {Ramp: Ramps, BSpline: BSplines, Wave: Waves}


def table_values(umps: Iterable[LearnedUMP], table: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The numbers of every variable that blocks read from a table, curves included; blocks they read are left out.

    Raises
    ------
    DataError
        If the table lacks a column.
    """
    umps = list(umps)
    blocks, sources, curves = {ump.name for ump in umps}, {}, {}
    for ump in umps:
        sources |= ump.sources
        curves |= ump.curves
    read = [name for name in dict.fromkeys(name for ump in umps for name in ump.variables) if name not in blocks]
    columns = dict.fromkeys(curves[name][1] if name in curves else name for name in read)
    values = read_variables(columns, sources, table)
    return values | {name: curve_values(curves[name][0], values[curves[name][1]]) for name in read if name in curves}


def curve_values(curve: Curve, column: np.ndarray) -> np.ndarray:
    """A ramp, B-spline or wave at the values of its column."""
    feature_map = _MAPS[type(curve)]((replace(curve, column=0),))
    with jax.enable_x64(True):
        return np.asarray(feature_map(jnp.asarray(column, float)[..., None]))[..., 0]


def goal_values(goal: Goal, values: Values) -> np.ndarray:
    """± multiplier · head(scale · polynomial): what a row adds to its block's utility."""
    argument = np.asarray(goal.scale * goal.polynomial.evaluate(values), float)
    with jax.enable_x64(True):
        head = np.asarray(goal.head.function(jnp.asarray(argument)))
    return ROLES[goal.head.role] * goal.multiplier * head


def block_values(ump: LearnedUMP, values: Values) -> np.ndarray:
    """B = λ₀ᵀφ(U) − λ₁ᵀρ(C) − λ₂ᵀψ(T) (Eq. 4)."""
    rows = [goal_values(goal, values) for goal in ump.goals]
    return sum(rows, start=np.asarray(ump.shortcut.evaluate(values), float))


def hierarchy_values(hierarchy: Hierarchy, values: Values) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The utility of every block by its name, and every output by its name."""
    known = dict(values)
    for layer in hierarchy.layers:
        known |= {ump.name: block_values(ump, known) for ump in layer}
    blocks = {name: known[name] for name in hierarchy.blocks}
    return blocks, {name: _evaluated(output, known) for name, output in hierarchy.outputs.items()}


def _evaluated(polynomial: Polynomial, values: Values) -> np.ndarray:
    return np.asarray(polynomial.evaluate(values), float)
