"""Names, units and origins of the encoded columns of x and y."""

from dataclasses import dataclass

import numpy as np

from behavior_learning.encoding import TableEncoder
from behavior_learning.responses import Response

__all__ = ["Columns", "columns_of"]


@dataclass(frozen=True)
class Columns:
    """Names of the encoded columns of x and y; a category has one per level.

    Attributes
    ----------
    x, y : names as printed, such as ``"job[teacher]"``.
    x_sources, y_sources : the user's column behind each.
    x_units, y_units : center and scale of each encoded column.
    choices : for each column of y the choice it is an indicator of, None for numbers.
    y_least : the smallest value of each column of y, in the user's units; of an indicator −∞.
    """

    x: tuple[str, ...]
    y: tuple[str, ...]
    x_sources: tuple[str, ...]
    y_sources: tuple[str, ...]
    x_units: tuple[tuple[float, float], ...]
    y_units: tuple[tuple[float, float], ...]
    choices: tuple[int | None, ...]
    y_least: tuple[float, ...]


def columns_of(encoder: TableEncoder, response: Response) -> Columns:
    """Names and units of the encoded columns of x and y."""
    owners = [(i, part) for i, part in enumerate(response.components) for _ in part.variables]
    variables = response.variables
    return Columns(
        x=tuple(column.name for column in encoder.columns),
        y=tuple(variable.name for variable in variables),
        x_sources=tuple(column.source for column in encoder.columns),
        y_sources=tuple(part.name for _, part in owners),
        x_units=tuple((column.center, column.scale) for column in encoder.columns),
        y_units=tuple((variable.center, variable.scale) for variable in variables),
        choices=tuple(i if part.indicators else None for i, part in owners),
        y_least=tuple(-np.inf if part.labelled else part.ends()[0] for _, part in owners),
    )
