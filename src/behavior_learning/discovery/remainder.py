"""What the readable problem leaves: what a flexible model knows beyond it, and the share of the gain that each carries.

Networks that are trained on top of a fixed problem stay near it, and predict worse than those that are trained alone
(`benchmarks/LOG.md`). So the flexible model is the default one, and a part of what its utility has beyond that of the
problem is added to the latter, as large as is not worse beyond doubt on rows that taught neither.
"""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from behavior_learning.core.arrays import make_key
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Utility
from behavior_learning.discovery.path import LAST_STEPS
from behavior_learning.discovery.selection import Rows
from behavior_learning.discovery.shapes import Shape
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.learning import drawing, stages_of
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.estimators.rows import EncodedRows
from behavior_learning.estimators.structure import by_curves, make_architecture
from behavior_learning.learned.distribution import Predictive
from behavior_learning.learned.model import LearnedModel
from behavior_learning.learned.predictive import of_inputs
from behavior_learning.options import checked_parameters
from behavior_learning.training.fit import FitResult, row_losses
from behavior_learning.training.multistart import average_from, in_turn
from behavior_learning.training.refit import Refit
from behavior_learning.training.settings import Settings

__all__ = ["Remainder", "learned_remainder"]

PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How much of what the flexible model has beyond the problem may be added."""

DOUBT = 2.0
"""Standard errors by which a part may be worse than the best, and still be added."""


class Sum(eqx.Module):
    """The readable utility, and a part of what the flexible one has beyond it."""

    readable: Utility
    flexible: Utility
    part: float

    @property
    def width(self) -> int:
        return sum(cast(BehaviorNetwork, own).width for own in (self.readable, self.flexible))

    def __call__(self, x: Array, y: Array) -> Array:
        return (1 - self.part) * self.readable(x, y) + self.part * self.flexible(x, y)


@dataclass(frozen=True, eq=False, repr=False)
class Remainder:
    """A flexible model beside the readable problem.

    Attributes
    ----------
    model : the readable problem.
    network : the flexible one.
    part : how much of what its utility has beyond that of the problem is added.
    rows : by row that taught neither, the log density of the empty problem, of the readable one and of both.
    """

    model: LearnedModel
    network: BehaviorNetwork
    part: float
    rows: pd.DataFrame

    @property
    def share(self) -> float:
        """Share of the gain of both over the empty problem that the readable one carries alone."""
        gain = self.rows.mean() - self.rows["empty"].mean()
        return float(min(1.0, gain["readable"] / gain["both"])) if gain["both"] > 0 else 1.0

    def distribution(self, X: Any) -> Predictive:
        """The predictive distribution of both together: mean, quantile, interval, log_prob, sample, …."""
        return of_inputs(self.model, self.model.inputs(X), Sum(self.model.network, self.network, self.part))

    def log_density(self, X: Any, y: Any) -> np.ndarray:
        """log p(y|x) of both together per row, in nats, for y in the user's units."""
        return self.distribution(X).log_prob(y)

    def __repr__(self) -> str:
        return f"Remainder(the readable problem carries {self.share:.0%} of the gain)"


def learned_remainder(
    shape: Shape, refit: Refit, empty: Refit, train: Rows, held_out: Rows, *, final: LearnedModel, rows: Rows, seed: int
) -> Remainder:
    """A flexible model beside a readable one that was learned from the same rows, and once more from all of them.

    How much of it is added is chosen by the rows that neither of them has seen: the most of what is not worse than the
    best beyond doubt, since of all rows the flexible one learns more than of some.

    Parameters
    ----------
    refit, empty : the readable problem, and the empty one.
    train, held_out : rows to learn from, and to judge by.
    final : the readable problem learned from all rows, in the same encoding.
    rows : all of them.
    """
    family, found = shape.family, flexible(final, train, seed)
    model, nothing = (family.refit(train.data(), own.vector, own.support, LAST_STEPS) for own in (refit, empty))
    readable = shape.learned(model).network

    def losses(part: float) -> Float[np.ndarray, " rows"]:
        utility = cast(BehaviorNetwork, Sum(readable, found.network, part))
        return row_losses(found.objective, utility, held_out.pair, make_key(0))

    own = np.stack([losses(part) for part in PARTS])
    beyond = own - own[own.mean(axis=1).argmin()]
    near = beyond.mean(axis=1) <= DOUBT * beyond.std(axis=1) / beyond.shape[1] ** 0.5
    part = float(max(np.extract(near, PARTS)))
    judged = {
        "empty": -family.losses(nothing, held_out.data()),
        "readable": -own[0],
        "both": -own[PARTS.index(part)],
    }
    again = flexible(final, rows, seed) if part else found
    return Remainder(replace(final, objective=again.objective), again.network, part, pd.DataFrame(judged))


def flexible(model: LearnedModel, rows: Rows, seed: int) -> FitResult:
    """The default mean of networks for so many rows, in the encoding of a model."""
    labels, n, rng = model.response.labelled, len(rows.x), np.random.default_rng(seed)
    asked = BLClassifier(output="scalar", average=True) if labels else BLRegressor(average=True)
    chosen = by_curves(SimpleNamespace(**checked_parameters(asked)), asked, *rows.x.shape, labels=labels)
    encoded = EncodedRows(model.encoder, model.response, model.columns, rows.x, rows.y, None)
    draw = drawing(chosen, make_architecture(chosen, "scalar", asked), encoded, np.arange(n))
    starts = [draw(rng) for _ in range(chosen.n_restarts.n)]
    turns = list(in_turn(rows.y, np.array([], int), rng, count=len(starts), most=int(n * chosen.validation_fraction)))
    return average_from(
        starts,
        stages_of(chosen, encoded, np.arange(n)),
        parts=((encoded.at(own), encoded.at(out)) for own, out in turns),
        rows=len(turns[0][0]),
        settings=[Settings(chosen.optimizer, chosen.penalty.ridge, chosen.max_epochs, chosen.patience)],
        seed=seed,
    )
