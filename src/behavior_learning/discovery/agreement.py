"""What all good problems agree on: statements that most of them make, and effects that all of them share."""

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from behavior_learning.core.arrays import to_device
from behavior_learning.core.spaces import Space
from behavior_learning.discovery.shapes import Shape
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.training.packing import Packing
from behavior_learning.training.refit import Refit

__all__ = ["Agreement", "Good", "agreement_of"]

STEP = 0.1
"""Half of the step, in standard deviations of a column, over which an effect is the slope."""

EFFECT_ROWS = 200
"""Rows over which effects are averaged."""

Good = tuple[Shape, Refit]
"""A problem of the set, and the shape it is of."""


@dataclass(frozen=True, eq=False, repr=False)
class Agreement:
    """The set of good problems, and what they have in common.

    Attributes
    ----------
    statements : `head`, `column`, `direction` and the `share` of the problems with a row of the head that names the
        column and rises (1) or falls (−1) in it; 0 where neither.
    effects : by encoded column, the lowest, median and highest average slope of the mean response, or of the
        probability of each class, over the problems, in the user's units, and whether all have one sign.
    n : problems in the set.
    within : nats by which the held-out loss of their size may exceed the best.
    """

    statements: pd.DataFrame
    effects: pd.DataFrame
    n: int
    within: float

    def text(self) -> str:
        """What holds in all of them."""
        lines = [f"{self.n} problems within {self.within:.3f} nats of the best."]
        for line in self.statements[self.statements["share"] == 1.0].itertuples(index=False):
            lines.append(f"  all: {line.head} names {line.column} ({WORDS[line.direction]})")
        for name, line in self.effects[self.effects["agreed"]].iterrows():
            lines.append(f"  all: slope in {name} between {line['lowest']:.3g} and {line['highest']:.3g}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"Agreement({self.n} problems)"


WORDS = {1: "rising", -1: "falling", 0: "either way"}


def agreement_of(good: Sequence[Good], within: float, x: Float[np.ndarray, "n d"]) -> Agreement:
    """Compare good problems on encoded rows."""
    said: dict[tuple[str, str, int], int] = {}
    for shape, refit in good:
        explained = shape.explained(refit)
        responses = {variable.name for variable in shape.model.response.variables} | {shape.model.response.name}
        lines = {
            (s.head, name, 0 if s.head == "equality" else s.directions.get(name, 0))
            for s in explained.said
            if s.head != "output" and not s.faint
            for name in s.variables
            if name not in responses
        }
        for line in lines:
            said[line] = said.get(line, 0) + 1
    table = pd.DataFrame(
        [(*key, count / len(good)) for key, count in said.items()], columns=["head", "column", "direction", "share"]
    ).sort_values("share", ascending=False, ignore_index=True)
    return Agreement(table, _effects(good, x[:: max(1, len(x) // EFFECT_ROWS)]), len(good), within)


def _effects(good: Sequence[Good], x: Float[np.ndarray, "n d"]) -> pd.DataFrame:
    model = good[0][0].model
    slopes = np.array(
        [
            _slopes(shape.family.packing, to_device(refit.vector), shape.finer.objective.space, to_device(x))
            for shape, refit in good
        ]
    )
    columns, response = model.columns, model.response.variables
    slopes = slopes / np.array([scale for _, scale in columns.x_units])[None, :, None]
    slopes = slopes * np.array([1.0 if model.response.levels else v.scale for v in response])
    names = [f"{a} -> {b.name}" if len(response) > 1 else a for a in columns.x for b in response]
    flat = slopes.reshape(len(good), -1)
    low, high = flat.min(axis=0), flat.max(axis=0)
    middle, agreed = np.median(flat, axis=0), (low > 0) | (high < 0)
    return pd.DataFrame(
        {"lowest": low, "median": middle, "highest": high, "agreed": agreed},
        index=names,
    )


@eqx.filter_jit
def _slopes(packing: Packing, vector: Array, space: Space, x: Float[Array, "n d"]) -> Float[Array, "d m"]:
    """Average change of the mean candidate per step of each column."""
    distribution = Gibbs(packing.evaluated((vector,)), space, jnp.float32(1.0))

    def mean(x: Array) -> Array:
        rule = space.quadrature(distribution.scaled, x)
        probability = jax.nn.softmax(distribution.scaled(x, rule.candidates) + rule.log_weights, axis=1)
        return jnp.mean(jnp.sum(probability[..., None] * rule.candidates, axis=1), axis=0)

    def slope(column: Array) -> Array:
        return (mean(x + STEP * column) - mean(x - STEP * column)) / (2 * STEP)

    return jax.lax.map(slope, jnp.eye(x.shape[1], dtype=x.dtype))
