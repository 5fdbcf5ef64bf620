"""What the readable problem leaves: what a flexible model knows beyond it, and the share of the gain that each carries.

Networks that are trained on top of a fixed problem stay near it, and predict worse than those that are trained alone
(`benchmarks/LOG.md`). So the flexible model is the default one, and a part of what its utility has beyond that of the
problem is added to the latter, as large as rows want it that taught neither.
"""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int

from behavior_learning.core.arrays import make_key
from behavior_learning.core.averaging import member_of
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Utility
from behavior_learning.discovery.path import LAST_STEPS
from behavior_learning.discovery.selection import Rows
from behavior_learning.discovery.shapes import Shape
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.estimators.structure import by_curves, make_architecture, make_basis
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

    How much of it is added is chosen by rows that neither a network nor the problem beside it has seen: the most of
    what is within one standard error of the best.

    Parameters
    ----------
    refit, empty : the readable problem, and the empty one.
    train, held_out : rows to learn from, and to judge by.
    final : the readable problem learned from all rows, in the same encoding.
    rows : all of them.
    """
    family, key = shape.family, make_key(0)

    def readable(some: Rows) -> LearnedModel:
        return shape.learned(family.refit(some.data(), refit.vector, refit.support, LAST_STEPS))

    def losses(model: LearnedModel, network: BehaviorNetwork, part: float, rows: Rows) -> Float[np.ndarray, " rows"]:
        utility = cast(BehaviorNetwork, Sum(model.network, network, part))
        return row_losses(found.objective, utility, rows.pair, key)

    found, turns = flexible(final, train, seed)
    beside = [(readable(train.at(turns[n][0])), train.at(turns[n][1])) for n in found.parts]
    members = [member_of(found.network, n, found.biases) for n in range(len(beside))]
    own = np.stack(
        [
            np.concatenate(
                [losses(model, member, part, out) for member, (model, out) in zip(members, beside, strict=True)]
            )
            for part in PARTS
        ]
    )
    beyond = own - own[own.mean(axis=1).argmin()]
    near = beyond.mean(axis=1) <= beyond.std(axis=1) / beyond.shape[1] ** 0.5
    part, model = float(max(np.extract(near, PARTS))), readable(train)  # The mean is better than members, which judge.
    nothing = family.refit(train.data(), empty.vector, empty.support, LAST_STEPS)
    judged = {
        "empty": -family.losses(nothing, held_out.data()),
        "readable": -losses(model, found.network, 0.0, held_out),
        "both": -losses(model, found.network, part, held_out),
    }
    again = flexible(final, rows, seed)[0] if part else found
    return Remainder(replace(final, objective=again.objective), again.network, part, pd.DataFrame(judged))


Turn = tuple[Int[np.ndarray, " train"], Int[np.ndarray, " out"]]


def flexible(model: LearnedModel, rows: Rows, seed: int) -> tuple[FitResult, list[Turn]]:
    """The default mean of networks for so many rows, in the encoding of a model, and which rows each learned from."""
    labels, (n, d), m = model.response.labelled, rows.x.shape, model.space.dimension
    asked = BLClassifier(output="scalar", average=True) if labels else BLRegressor(average=True)
    chosen = by_curves(SimpleNamespace(**checked_parameters(asked)), asked, n, d, labels=labels)
    architecture, rng = make_architecture(chosen, "scalar", asked), np.random.default_rng(seed)
    basis, _ = make_basis(chosen, architecture, rows.x.astype(float), model.columns)
    starts = [
        BehaviorNetwork.random(rng, architecture, features=d, response=m, basis=basis)
        for _ in range(chosen.n_restarts.n)
    ]
    order, count = rng.permutation(n), int(n * chosen.validation_fraction)
    turns = list(in_turn(order[count:], order[:count], order[:0], rng, len(starts)))
    found = average_from(
        starts,
        chosen.objective.stages(model.space, 1.0, rows.x, rows.y),
        parts=((rows.at(own).pair, rows.at(out).pair) for own, out in turns),
        rows=len(turns[0][0]),
        settings=Settings(chosen.optimizer, chosen.penalty, chosen.max_epochs, chosen.patience),
        seed=seed,
    )
    return found, turns
