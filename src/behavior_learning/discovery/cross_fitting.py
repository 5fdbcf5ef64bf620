"""Average effects on all rows: of each half by the problem that the other half chose, learned from its own rows.

No row that an effect is estimated from has chosen what is estimated. Averages of means and of probabilities are put
right by what y leaves over in the half, so that a column which its problem does not hold has an effect all the same:
that of the regression of what is left over. The estimate is the mean over the rows of both halves; its variance adds
up those of two samples that have no row in common, at the rows of x that were given.

Source: cross-fitting, Chernozhukov et al. (2018). Deviation: one split, not many; a problem is chosen on one half and
learned on the other, in place of being learned where it was chosen.
"""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.explanation.averages import with_intervals
from behavior_learning.explanation.effects import Effects
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.model import Procedure
from behavior_learning.printing import Printed

__all__ = ["CrossFitted", "Half"]

CHOSEN = {(True, True): "both", (True, False): "first", (False, True): "second", (False, False): "neither"}
"""Which halves chose a column."""


@dataclass(frozen=True, eq=False)
class Half:
    """The problem that one half of the rows chose, learned from the other half.

    Attributes
    ----------
    estimator : holds it, and the rows that it was learned from.
    errors : inference there; None where there is no optimum of the likelihood with smooth heads.
    relearning : makes it again from samples of these rows.
    """

    estimator: BehaviorEstimator
    errors: InferenceResults | None
    relearning: Procedure

    @property
    def columns(self) -> frozenset[str]:
        """Columns of X that it holds."""
        model = self.estimator.model_
        held = {column for x, _ in model.network.basis.terms for column in x.columns}
        return frozenset(model.columns.x_sources[column] for column in held)

    def effects(self, of: str, q: float) -> Effects:
        """At its rows, by the delta method or, where there is no inference, by a bootstrap that chooses nothing."""
        estimator = copy(self.estimator)
        estimator.model_ = replace(estimator.model_, procedure=self.relearning)
        if self.errors is None:
            return estimator.effects(of=of, q=q, std_errors="bootstrap")
        right = estimator.effects(of=of, q=q, std_errors="none").correction is not None
        return estimator.effects(of=of, q=q, inference=self.errors, correct=right)


@dataclass(frozen=True, repr=False)
class CrossFitted(Printed):
    """Average effects on all rows, none of which has chosen the problem that it is estimated by.

    Attributes
    ----------
    first, second : effects at the rows of the second half, by the problem that the first half chose, and the other way
        round.
    columns : of X that each half chose.
    """

    first: Effects
    second: Effects
    columns: tuple[frozenset[str], frozenset[str]]

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Average effects with std_error, z, pvalue, lower and upper, and which halves chose the column.

        Lines are (variable, outcome) where there are several outcomes. `chosen_by` is ``"both"``, ``"first"``,
        ``"second"`` or ``"neither"``.

        Parameters
        ----------
        level : of the intervals.
        """
        own = [self.first.table(), self.second.table()]
        rows = np.array([self.first.given, self.second.given], float)
        shares = rows / rows.sum()
        estimates, errors = (np.stack([half[name] for half in own], axis=1) for name in ("estimate", "std_error"))
        found = with_intervals(estimates @ shares, errors * shares, own[0].index, level)
        lines = {line: axis.name for axis in self.first.axes for line in (axis.name, *(s.name for s in axis.steps))}
        names = [lines[line] for line in found.index.get_level_values("variable")]
        return found.assign(chosen_by=[CHOSEN[name in self.columns[0], name in self.columns[1]] for name in names])

    @property
    def title(self) -> str:
        """What they are of."""
        rows = self.first.given + self.second.given
        return f"Average effects on {self.first.quantity.description}, cross-fitted on {rows:,} rows"

    @property
    def _about(self) -> str:
        """Which half did what."""
        halves = (
            f"The first {self.second.given:,} rows chose a problem for the other {self.first.given:,}, and those one "
            "for the first; "
        )
        if self.first.correction is not None and self.second.correction is not None:
            return (
                halves + "put right by what y leaves over, which is all there is of a column that a half did not choose"
            )
        return halves + "a column that a half did not choose has no effect there, and no error"

    def __str__(self) -> str:
        return f"{self.title}\n{self._about}\n{self.table().to_string(float_format='%.4g')}"
