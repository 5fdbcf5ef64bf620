"""Between a fitted estimator and its effects: the user's variables as axes of the encoded rows."""

import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Space
from behavior_learning.encoding import DiscreteResponse, EncodedColumn, Response, TableEncoder
from behavior_learning.explanation.axes import Axis
from behavior_learning.explanation.effects import Effects, effects
from behavior_learning.options import check_number

__all__ = ["axes_of", "effects_of"]


def effects_of(
    network: BehaviorNetwork,
    space: Space,
    encoder: TableEncoder,
    response: Response,
    rows: tuple[np.ndarray, np.ndarray],
    tolerance: float,
) -> Effects:
    """Effects of a fitted network at encoded rows, in the user's names and units."""
    tolerance = check_number("tolerance", tolerance, inclusive=True)
    vector = network.architecture.output == "vector"
    with jax.enable_x64(True):
        y = np.asarray(space.candidates(jnp.asarray(rows[1])))
    outputs = [variable.name for variable in response.variables] if vector else ("utility",)
    axes = axes_of(encoder, None if vector else response)
    return effects(network, axes, rows[0], y, outputs=outputs, tolerance=tolerance)


def axes_of(encoder: TableEncoder, response: Response | None) -> list[Axis]:
    """The variables of z = [x, y], or of x alone where `response` is None."""
    sources = dict.fromkeys(column.source for column in encoder.columns)
    axes = [_input_axis(source, list(enumerate(encoder.columns))) for source in sources]
    if response is None:
        return axes
    start = len(encoder.columns)
    for part in response.parts:
        columns = tuple(range(start, start + len(part.variables)))
        names = tuple(variable.name for variable in part.variables)
        if isinstance(part, DiscreteResponse):
            axes.append(Axis(part.name, columns, names, tuple(np.asarray(part.classes).tolist())))
        else:
            axes.append(Axis(part.name, columns, names, center=part.center, scale=part.scale))
        start += len(columns)
    return axes


def _input_axis(source: str, columns: list[tuple[int, EncodedColumn]]) -> Axis:
    """A number with its gaps, or a category, whose absence is one more level."""
    own = [(j, column) for j, column in columns if column.source == source]
    positions, names = tuple(j for j, _ in own), tuple(column.name for _, column in own)
    first = own[0][1]
    if first.kind == "numeric":
        gap = positions[1] if len(own) > 1 else None
        return Axis(source, positions[:1], names[:1], center=first.center, scale=first.scale, missing=gap)
    levels = tuple("missing" if column.kind == "missing" else column.level for _, column in own)
    return Axis(source, positions, names, levels)
