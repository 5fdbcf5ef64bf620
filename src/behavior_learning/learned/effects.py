"""Between a learned model and its effects: the user's variables as axes of the encoded rows."""

import jax.numpy as jnp
import numpy as np

from behavior_learning.encoding import EncodedColumn, TableEncoder
from behavior_learning.explanation.axes import Axis
from behavior_learning.explanation.effects import Effects, compute_effects
from behavior_learning.learned.model import LearnedModel, Rows
from behavior_learning.options import check_number
from behavior_learning.responses import Response

__all__ = ["axes_of", "effects_of"]


def effects_of(model: LearnedModel, rows: Rows, tolerance: float) -> Effects:
    """Effects of a model at encoded rows, in the user's names and units."""
    tolerance = check_number("tolerance", tolerance, inclusive=True)
    outputs = [variable.name for variable in model.response.variables] if model.vector else ("utility",)
    axes = axes_of(model.encoder, None if model.vector else model.response)
    y = model.candidates(rows[1])
    return compute_effects(model.network, axes, rows[0], y, outputs=outputs, tolerance=tolerance)


def axes_of(encoder: TableEncoder, response: Response | None) -> list[Axis]:
    """The variables of z = [x, y], or of x alone where `response` is None."""
    sources = dict.fromkeys(column.source for column in encoder.columns)
    axes = [_input_axis(source, list(enumerate(encoder.columns))) for source in sources]
    if response is None:
        return axes
    start = len(encoder.columns)
    for part in response.components:
        columns = tuple(range(start, start + len(part.variables)))
        if part.labelled:
            levels = part.levels or ()
            table = np.asarray(part.space().candidates(jnp.arange(len(levels))), float)
            axes.append(Axis(part.name, columns, tuple(f"{part.name}[{v}]" for v in levels), levels, table=table))
        else:
            names, first = tuple(variable.name for variable in part.variables), part.variables[0]
            axes.append(Axis(part.name, columns, names, center=first.center, scale=first.scale))
        start += len(columns)
    return axes


def _input_axis(source: str, columns: list[tuple[int, EncodedColumn]]) -> Axis:
    """A number with its gaps, or a category, whose absence is one more level."""
    own = [(j, column) for j, column in columns if column.source == source]
    positions, names = tuple(j for j, _ in own), tuple(column.name for _, column in own)
    first = own[0][1]
    if first.is_number:
        gap = positions[1] if len(own) > 1 else None
        return Axis(source, positions[:1], names[:1], center=first.center, scale=first.scale, missing=gap)
    if first.kind == "step":
        return _step_axis(source, positions, [column for _, column in own])
    levels = tuple(column.level or column.kind for _, column in own)
    return Axis(source, positions, names, levels)


def _step_axis(source: str, positions: tuple[int, ...], own: list[EncodedColumn]) -> Axis:
    """A category with an order: the lowest level is at no step, the highest at all."""
    steps = [column.level for column in own if column.kind == "step"]
    below = own[0].levels[own[0].levels.index(steps[0]) - 1]
    levels = (below, *steps, *(["missing"] * (len(own) - len(steps))))
    table = np.zeros((len(levels), len(own)))
    table[: len(steps) + 1, : len(steps)] = np.tri(len(steps) + 1, len(steps), -1)
    table[len(steps) + 1 :, len(steps) :] = 1.0
    return Axis(source, positions, tuple(f"{source}[{level}]" for level in levels), levels, table=table)
