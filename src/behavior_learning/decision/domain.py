"""Where the response of a problem may be sought: intervals of numbers, and lists of what is not continuous."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from behavior_learning.errors import OptionError
from behavior_learning.responses import Response

__all__ = ["Domain"]


@dataclass(frozen=True, eq=False)
class Domain:
    """The values that a response may take.

    Attributes
    ----------
    numbers : names of the continuous responses.
    lower, upper : their ends, in the user's units.
    indicators : names of the columns that stand for classes and counts.
    choices : (choices, indicators), the values of those columns; one choice of no columns where all is continuous.
    restore : values of `numbers` (n, numbers) and codes of choices (n,) as the user's responses.
    """

    numbers: tuple[str, ...]
    lower: Float[np.ndarray, " numbers"]
    upper: Float[np.ndarray, " numbers"]
    indicators: tuple[str, ...]
    choices: Float[np.ndarray, "choices indicators"]
    restore: Callable[[np.ndarray, np.ndarray], np.ndarray]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of a candidate: numbers first."""
        return (*self.numbers, *self.indicators)

    @classmethod
    def of_bounds(cls, bounds: Mapping[str, Any]) -> "Domain":
        """Continuous responses between bounds.

        Raises
        ------
        OptionError
            If bounds are no two finite numbers in order.
        """
        ends = {name: np.asarray(ends, float).reshape(-1) for name, ends in bounds.items()}
        for name, pair in ends.items():
            if len(pair) != 2 or not np.isfinite(pair).all() or pair[0] >= pair[1]:
                raise OptionError(f"bounds[{name!r}] must be two finite numbers in order; got {bounds[name]!r}.")
        lower, upper = (np.array([pair[side] for pair in ends.values()], float) for side in (0, 1))
        return cls(tuple(ends), lower, upper, (), np.zeros((1, 0)), _numbers_alone)

    @classmethod
    def of_response(cls, response: Response) -> "Domain":
        """The support of a learned response."""
        parts = list(response.components)
        numbers = [part for part in parts if part.space().continuous]
        listed = [part for part in parts if not part.space().continuous]
        tables = [_table(part) for part in listed]
        every = list(product(*(range(len(table)) for table in tables)))
        codes = np.array(every, int).reshape(len(every), len(listed))
        choices = [table[codes[:, i]] for i, table in enumerate(tables)]
        ends = np.array([part.ends() for part in numbers], float).reshape(-1, 2)
        places = {id(part): i for i, part in enumerate(listed)}

        def restore(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
            columns, own = [], iter(values.T)
            for part in parts:
                code = None if id(part) not in places else codes[chosen, places[id(part)]]
                columns.append(next(own) if code is None else part.restore(code))
            return columns[0] if len(columns) == 1 else np.stack([c.astype(object) for c in columns], axis=1)

        return cls(
            tuple(part.variables[0].name for part in numbers),
            ends[:, 0],
            ends[:, 1],
            tuple(variable.name for part in listed for variable in part.variables),
            np.concatenate(choices, axis=1) if choices else np.zeros((1, 0)),
            restore,
        )


def _numbers_alone(values: np.ndarray, _: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.shape[1] == 1 else values


def _table(part: Response) -> Float[np.ndarray, "values columns"]:
    """The candidates of a response with finitely many values, in the user's units."""
    space = part.space()
    with jax.enable_x64(True):
        encoded = np.asarray(space.candidates(jnp.arange(space.size)), float)
    units = np.array([(variable.center, variable.scale) for variable in part.variables])
    return units[:, 0] + units[:, 1] * encoded
