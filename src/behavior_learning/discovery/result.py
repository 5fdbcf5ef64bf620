"""What `discover` returns: the problem, the path it was chosen from, and how far each statement can be trusted."""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from behavior_learning.discovery.agreement import Agreement
from behavior_learning.discovery.cross_fitting import CrossFitted, Half
from behavior_learning.discovery.remainder import Remainder
from behavior_learning.errors import OptionError
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.explanation.stability import Stability
from behavior_learning.inference.results import InferenceResults
from behavior_learning.inference.tables import text_table
from behavior_learning.plots.discovery import discovery_path
from behavior_learning.report.page import Report
from behavior_learning.symbolic.facade import LearnedProblem

__all__ = ["Discovery"]

AGAIN = 0.8
"""Median recurrence from which the smallest problem is taken."""


@dataclass(frozen=True, eq=False, repr=False)
class Discovery:
    """The smallest problem whose held-out loss is within one standard error of the best, and what supports it.

    Attributes
    ----------
    model : a fitted estimator that holds the problem, learned again to its optimum on its rows.
    path : by size: `terms`, the coefficients of the problem; `loss`, that of rows held out of the whole search, and
        its standard error `loss_se`, in nats; `recurrence`, the median over its statements that name a column of X of
        the share of half-samples that say them again; `share` of the best problem's gain over the empty one; and which
        is `chosen`.
    statements : `block`, `head`, `columns`, `text`, `recurrence` and `share`, a line per statement of the problem;
        `share` is that of the movement of its block.
    stability : the comparison behind the recurrences.
    false_statements : how many columns of rows are expected by chance among those that recur in at least
        `threshold` of the half-samples: Shah and Samworth's bound.
    notes : which rows did what, in sentences.
    reference : what least squares and a lasso of as many columns say of a number, and how often they say it again on
        the same half-samples; None for classes.
    remainder : a flexible model beside the problem, where one was asked for.
    errors : inference on the rows that chose nothing, at the numbers that are printed; None without ``honest=True``,
        for the empty problem, for heads with kinks, and where there is no optimum of the likelihood.
    halves : with ``honest=True`` the problem that the first half chose, learned from the second, which is `model`; and
        the one that the second half chose, learned from the first.
    """

    model: BehaviorEstimator
    path: pd.DataFrame
    statements: pd.DataFrame
    stability: Stability | None
    threshold: float
    false_statements: float
    notes: tuple[str, ...]
    agreed: Agreement
    reference: pd.DataFrame | None = None
    remainder: Remainder | None = None
    errors: InferenceResults | None = None
    halves: tuple[Half, Half] | None = None

    @property
    def problem_(self) -> LearnedProblem:
        """The problem in the user's names and units."""
        return self.model.problem_

    @property
    def share(self) -> float:
        """Share of the likelihood gain over the empty problem that the problem carries: of the gain with the remainder
        where there is one, and of the path's best gain otherwise; by rows that were held out."""
        if self.remainder is not None:
            return self.remainder.share
        return float(self.path.loc[self.path["chosen"], "share"].iloc[0])

    @property
    def empty(self) -> bool:
        """Whether nothing was found: the problem does not depend on X."""
        return bool(self.path["chosen"].iloc[0])

    def agreement(self) -> Agreement:
        """What the good problems of the path and of the samples agree on."""
        return self.agreed

    def effects(self, of: str = "mean", q: float = 0.5) -> CrossFitted:
        """Average effects on all rows, each half's by the problem that the other chose, with ``honest=True``.

        Parameters
        ----------
        of, q : what the effects are on, as in `BLRegressor.effects`.

        Raises
        ------
        OptionError
            If the search was not honest.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> found = bl.discover(X[["RM", "LSTAT"]], y, honest=True, random_state=0)  # doctest: +SKIP
        >>> found.effects().table().columns.tolist()  # doctest: +SKIP
        ['estimate', 'std_error', 'z', 'pvalue', 'lower', 'upper', 'chosen_by']
        """
        if self.halves is None:
            raise OptionError(
                "Effects of rows that chose nothing need discover(honest=True); it was False. Search again with it, or "
                "use found.model.effects(), whose errors do not count the choice."
            )
        first, second = self.halves
        return CrossFitted(first.effects(of, q), second.effects(of, q), (first.columns, second.columns))

    def plot(self) -> Figure:
        """Held-out loss and recurrence by size."""
        return discovery_path(self.path)

    def report(self, path: str | PathLike[str] | None = None, X: Any = None, y: Any = None) -> Report:
        """The report of the model, with the recurrence of every statement; see `BLRegressor.report`."""
        title = f"The problem behind {self._response}"
        tables = {} if self.halves is None else {self._effects.title: self._effects.table()}
        return self.model.report(
            path, X, y, title=title, stability=self.stability, inference=self.errors, tables=tables
        )

    @cached_property
    def _effects(self) -> CrossFitted:
        """Those on the mean."""
        return self.effects()

    @property
    def _response(self) -> str:
        return self.model.model_.response.name

    def text(self) -> str:
        """The problem, a line per statement, and how it was found."""
        line = self.path[self.path["chosen"]].iloc[0]
        unit = "" if self.model.model_.response.one_hot else f" of {self._response} in standard deviations"
        loss = f"held-out loss {line['loss']:.3f} ± {line['loss_se']:.3f} nats{unit}"
        if self.empty:
            crossed = [] if self.halves is None else ["", str(self._effects), ""]
            return "\n".join([f"Nothing found: no column pays for itself ({loss}).", *crossed, *self.notes])
        lines = [f"{int(line['terms'])} terms, {loss}, {self.share:.0%} of the gain over the empty problem", ""]
        lines += [str(self.problem_), ""]
        for statement in self.statements.itertuples(index=False):
            again = f"recurs in {statement.recurrence:.0%}"
            known = again if np.isfinite(statement.recurrence) else "recurrence not measured"
            lines.append(f"{statement.text}  [{known}; {statement.share:.0%} of the block]")
        if self.errors is not None:
            known = self.errors.original
            lines += ["", f"Estimated from {self.errors.n:,} rows that chose nothing (tests and cautions: errors):"]
            lines += [text_table(known.table().loc[~known.given, ["estimate", "std. error", "lower", "upper"]])]
        if self.halves is not None:
            lines += ["", str(self._effects)]
        if self.reference is not None:
            lines += [
                "",
                *(
                    f"{name}: {', '.join(line['columns'])}  [recurs in {line['recurrence']:.0%}]"
                    for name, line in self.reference.iterrows()
                ),
            ]
        lines += ["", *self.notes]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        terms = int(self.path.loc[self.path["chosen"], "terms"].iloc[0])
        return f"Discovery({terms} terms behind {self._response!r}, {self.share:.0%} of the gain)"


def path_table(
    sizes: list[int], losses: np.ndarray, recurrence: list[float], criteria: list[float], choose: str | int
) -> pd.DataFrame:
    """A line per size from the empty problem up.

    Parameters
    ----------
    sizes : terms of the empty problem, whose terms of the response alone count as none, and of the others.
    losses : (rows, sizes).
    recurrence : median over the statements of each.
    criteria : Schwarz's criterion of each on all rows.
    choose : ``"one_se"``, ``"recurring"``, ``"best"`` or a number of terms. ``"one_se"`` is the smallest problem whose
        statements recur in 0.8 of the samples and whose loss is within one standard error of the best: by the
        differences of the same rows, or if none of those recurs, by the losses of the best. If none of these does
        either, it is the one of them that recurs most. A smaller one takes its place that recurs, is within one
        standard error by the losses of the best, and has a lower criterion: folds find a few terms more or less of
        what all rows find.
        ``"recurring"`` is that of the lowest loss of those whose statements recur in 0.8, or as often as any do.
    """
    mean, error = losses.mean(axis=0), losses.std(axis=0, ddof=1) / len(losses) ** 0.5
    best = int(np.argmin(mean))
    again = np.nan_to_num(np.asarray(recurrence, float), nan=1.0)
    again[0] = 1.0  # The empty problem says nothing of x that would have to recur.
    match choose:
        case "one_se":
            beyond = losses - losses[:, [best]]
            as_good = mean - mean[best] <= beyond.std(axis=0, ddof=1) / len(losses) ** 0.5
            near = mean <= mean[best] + error[best]
            recurring = [np.flatnonzero(fine & (again >= AGAIN)) for fine in (as_good, near)]
            found = next((sizes for sizes in recurring if len(sizes)), [np.argmax(np.where(near, again, -1.0))])
            chosen = int(found[0])
            smaller = np.arange(len(sizes)) < chosen
            preferred = smaller & near & (again >= AGAIN) & (np.asarray(criteria) < criteria[chosen])
            chosen = int(np.argmax(preferred)) if preferred.any() else chosen
        case "recurring":
            enough = min(AGAIN, max(again[1:], default=AGAIN))
            chosen = int(np.argmin(np.where(again >= enough, mean, np.inf)))
        case "best":
            chosen = best
        case terms:
            chosen = max(i for i, size in enumerate(sizes) if i == 0 or size <= int(terms))
    gain = mean[0] - mean[best]
    return pd.DataFrame(
        {
            "terms": sizes,
            "loss": mean,
            "loss_se": error,
            "recurrence": recurrence,
            "share": (mean[0] - mean) / gain if gain > 0 else np.zeros(len(mean)),
            "chosen": np.arange(len(sizes)) == chosen,
        }
    )
