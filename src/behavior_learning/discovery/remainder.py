"""What the readable problem leaves: a flexible network added to it, and the share of the gain that each carries."""

from dataclasses import dataclass, replace
from typing import Any, cast

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.arrays import make_key
from behavior_learning.core.bases import affine_basis
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Utility
from behavior_learning.learned.model import LearnedModel
from behavior_learning.learned.predictive import Predictive, of_inputs
from behavior_learning.objectives import Objective
from behavior_learning.training.fit import fit, row_losses
from behavior_learning.training.optimizers import Adam
from behavior_learning.training.settings import Penalty, Settings

__all__ = ["Remainder", "learned_remainder"]

WIDTHS = (8, 1)
"""Blocks per layer of the flexible network."""

STARTS, EPOCHS, PATIENCE = 2, 300, 30
"""Its random starts, and how long each is trained."""

RIDGE = 3.0
"""Of the network alone. Less learns noise from a few hundred rows, more misses what is there (`benchmarks/LOG.md`)."""


class Sum(eqx.Module):
    """Two networks' utilities added."""

    first: Utility
    second: Utility

    @property
    def width(self) -> int:
        return sum(cast(BehaviorNetwork, part).width for part in (self.first, self.second))

    def __call__(self, x: Array, y: Array) -> Array:
        return self.first(x, y) + self.second(x, y)


class Beside(Objective):
    """The losses of another objective, of a utility added to a known one."""

    objective: Objective = cast(Any, None)
    readable: BehaviorNetwork = cast(Any, None)

    @property
    def evaluations(self) -> int:
        return self.objective.evaluations

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        return self.objective(Sum(self.readable, utility), x, y, *noise)

    def with_finer(
        self, finer: Objective, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        return self.objective.with_finer(cast(Beside, finer).objective, Sum(self.readable, utility), x, y, *noise)

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        return self.objective.noise(key, y)

    def refined(self, factor: float) -> Objective:
        finer = self.objective.refined(factor)
        return self if finer is self.objective else replace(self, objective=finer, space=finer.space)


@dataclass(frozen=True, eq=False, repr=False)
class Remainder:
    """A flexible network beside the readable problem.

    Attributes
    ----------
    model : the readable problem.
    network : what is added to its utility.
    rows : by row that neither was learned from, the log density of the empty problem, of the readable one and of both.
    """

    model: LearnedModel
    network: BehaviorNetwork
    rows: pd.DataFrame

    @property
    def share(self) -> float:
        """Share of the gain of both over the empty problem that the readable one carries alone."""
        gain = self.rows.mean() - self.rows["empty"].mean()
        return float(min(1.0, gain["readable"] / gain["both"])) if gain["both"] > 0 else 1.0

    def distribution(self, X: Any) -> Predictive:
        """The predictive distribution of both together: mean, quantile, interval, log_prob, sample, …."""
        return of_inputs(self.model, self.model.inputs(X), Sum(self.model.network, self.network))

    def log_density(self, X: Any, y: Any) -> np.ndarray:
        """log p(y|x) of both together per row, in nats, for y in the user's units."""
        return self.distribution(X).log_prob(y)

    def __repr__(self) -> str:
        return f"Remainder(the readable problem carries {self.share:.0%} of the gain)"


def learned_remainder(
    model: LearnedModel,
    train: tuple[Array, Array],
    stopping: tuple[Array, Array],
    held_out: tuple[Array, Array],
    *,
    empty: Float[np.ndarray, " rows"],
    seed: int,
) -> Remainder:
    """Train a flexible network on top of a readable problem that was learned from the same rows.

    Parameters
    ----------
    train, stopping, held_out : rows to learn from, to stop by, and to judge by.
    empty : losses of the empty problem on the latter.
    """
    rng = np.random.default_rng(seed)
    objective = Beside(objective=model.objective, readable=model.network).on(model.space, 1.0)
    d, m = train[0].shape[1], model.space.dimension
    starts = [
        BehaviorNetwork.random(rng, Architecture(WIDTHS), features=d, response=m, basis=affine_basis(d, m))
        for _ in range(STARTS)
    ]
    settings = Settings(Adam(), Penalty(l2=RIDGE), EPOCHS, PATIENCE)
    result = fit(starts, [objective], data=train, validation=stopping, settings=settings, seed=seed)
    final, key = cast(Beside, result.objective), make_key(0)
    both = -row_losses(final, result.network, held_out, key)
    readable = -row_losses(final.objective, model.network, held_out, key)
    rows = pd.DataFrame({"empty": -empty, "readable": readable, "both": both})
    return Remainder(replace(model, objective=final.objective), result.network, rows)
