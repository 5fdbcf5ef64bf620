"""Evaluate a learned problem on rows, in double precision."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from behavior_learning.core.features import (
    BSpline,
    BSplines,
    Clip,
    Clips,
    Curve,
    Ramp,
    Ramps,
    Transform,
    Transforms,
    Wave,
    Waves,
)
from behavior_learning.core.heads import ROLES
from behavior_learning.symbolic.problem import Block, HeadTerm, Problem
from behavior_learning.symbolic.sources import read_variables

__all__ = [
    "block_utilities",
    "block_values",
    "curve_at",
    "head_values",
    "output_values",
    "table_values",
]

Values = Mapping[str, np.ndarray]

_MAPS = {Ramp: Ramps, Clip: Clips, BSpline: BSplines, Wave: Waves, Transform: Transforms}


def table_values(blocks: Iterable[Block], table: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The numbers of every variable that blocks read from a table, curves included; blocks they read are left out.

    Raises
    ------
    DataError
        If the table lacks a column.
    """
    by_name, sources, curves = {block.name: block for block in blocks}, {}, {}
    for block in by_name.values():
        sources |= block.sources
        curves |= block.curves
    read = dict.fromkeys(name for block in by_name.values() for name in block.variables if name not in by_name)
    columns = dict.fromkeys(curves[name][1] if name in curves else name for name in read)
    values = read_variables(columns, sources, table)
    drawn = {name: curves[name] for name in read if name in curves}
    with jax.enable_x64(True):
        at = {name: curve_at(curve, jnp.asarray(values[column], float)) for name, (curve, column) in drawn.items()}
    return values | {name: np.asarray(column) for name, column in at.items()}


def curve_at(curve: Curve, column: Array) -> Array:
    """A ramp, clip, B-spline, wave or transform at the values of its column, in their precision."""
    return _MAPS[type(curve)]((replace(curve, column=0),))(column[..., None])[..., 0]


def head_values(term: HeadTerm, polynomial: np.ndarray) -> np.ndarray:
    """± multiplier · head(scale · polynomial): what a term adds to its block's utility, at values of its polynomial."""
    with jax.enable_x64(True):
        head = np.asarray(term.head(jnp.asarray(term.scale * polynomial)))
    return ROLES[term.head.role] * term.multiplier * head


def block_values(block: Block, values: Values) -> np.ndarray:
    """B = λ₀ᵀφ(U) − λ₁ᵀρ(C) − λ₂ᵀψ(T) (Eq. 4)."""
    added = [head_values(term, np.asarray(term.polynomial.evaluate(values), float)) for term in block.head_terms]
    return sum(added, start=np.asarray(block.shortcut.evaluate(values), float))


def block_utilities(problem: Problem, values: Values) -> dict[str, np.ndarray]:
    """The utility of every block by its name, from the first layer up."""
    known = dict(values)
    for name, block in problem.blocks.items():
        known[name] = block_values(block, known)
    return {name: known[name] for name in problem.blocks}


def output_values(problem: Problem, values: Values) -> dict[str, np.ndarray]:
    """Every output by its name."""
    utilities = block_utilities(problem, values)
    return {name: np.asarray(output.evaluate(utilities), float) for name, output in problem.outputs.items()}
