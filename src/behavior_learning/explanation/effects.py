"""Effects: how what p(y|x) says changes with each variable, as tables with intervals.

Every answer is linear in numbers per row, which come with loadings on independent errors of unit size; so averages,
groups, contrasts and curves have their standard errors by one rule, however the errors were had.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from behavior_learning.errors import OptionError
from behavior_learning.explanation.averages import Sums, with_intervals
from behavior_learning.explanation.axes import Axis, find
from behavior_learning.explanation.correction import Correction
from behavior_learning.explanation.quantities import Quantity
from behavior_learning.explanation.questions import Answer, Estimator, Level, Moves, Question
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.options import check_choice
from behavior_learning.printing import Printed

__all__ = ["Effects", "quarters"]

CURVE_POINTS, SURFACE_POINTS = 21, 15
"""Values along a curve, and along each side of a surface."""

CURVE_ROWS, SURFACE_ROWS = 200, 50
"""Rows that a curve and a surface are averaged over, evenly spaced."""

GROUPS = 10
"""Different numbers from which a column is grouped by its quarters."""


class Change(NamedTuple):
    """A line of the table: its name, what a unit of the column is, and which rows have the variable."""

    name: str
    unit: float
    present: Bool[np.ndarray, " n"]


@dataclass(frozen=True, repr=False)
class Effects(Printed):
    """How a quantity changes with each variable of x, from each row to averages.

    A number's effect is a derivative per unit of it, that of a column of two values or of a category a difference
    between values.

    Attributes
    ----------
    quantity : what the effects are on.
    axes : the variables of x.
    x, y : encoded rows.
    weight : how much each row counts in averages.
    chosen, given : which rows these are of those asked about, and how many those were.
    gibbs : the fitted distribution.
    estimator : where numbers and standard errors come from.
    correction : of averages over rows and groups and of contrasts; rows and curves are the model's.
    """

    quantity: Quantity
    axes: tuple[Axis, ...]
    x: Float[np.ndarray, "n d"]
    y: np.ndarray
    weight: Float[np.ndarray, " n"]
    chosen: Int[np.ndarray, " n"]
    given: int
    gibbs: Gibbs
    estimator: Estimator
    correction: Correction | None = None

    def table(self, level: float = 0.95, *, standardized: bool = False) -> pd.DataFrame:
        """Average effects, a line per variable with columns estimate, std_error, z, pvalue, lower and upper.

        Where there are several outcomes, such as classes, lines are (variable, outcome).

        Parameters
        ----------
        level : of the intervals.
        standardized : effects of numbers per standard deviation of the column, by which unlike columns compare.
        """
        return self._table(self._overall, self._index, level, self._deviations if standardized else 1.0)

    def by(self, column: Any, level: float = 0.95) -> pd.DataFrame:
        """Average effects by group, lines (group, variable).

        Parameters
        ----------
        column : a variable, or a label per row; a number of more than ten different values is cut at its quartiles.
        """
        if isinstance(column, str):
            labels, name = find(self.axes, column).values(self.x), column
        else:
            labels, name = np.asarray(column), getattr(column, "name", None) or "group"
            if labels.shape != (self.given,):
                raise OptionError(
                    f"by() needs a variable or a label for each of {self.given} rows; got an array of {labels.shape}."
                )
            labels = labels[self.chosen]
        groups = pd.Series(labels)
        ends = quarters(groups)
        groups = groups if ends is None else pd.cut(groups, ends, include_lowest=True)
        return self._by(name, {group: self._sums(groups == group) for group in groups.dropna().unique()}, level)

    def rows(self, level: float = 0.95) -> pd.DataFrame:
        """Effects in every row, lines (row, variable); none where a row lacks the number.

        Of more than 2,000 rows they are in so many, evenly spaced, whose places the lines say.
        """
        loads = self._answer.loadings.reshape(self._answer.values.size, self._answer.loadings.shape[2])
        index = _crossed(pd.Index(self.chosen, name="row"), self._index)
        return with_intervals(self._answer.values.ravel(), loads, index, level)[self._present.ravel()]

    def contrast(self, variable: str, first: Any, second: Any, level: float = 0.95) -> pd.DataFrame:
        """The average change as a variable goes from one value to another in every row, all else as it is.

        Parameters
        ----------
        first, second : numbers in the units of the table, or levels.
        """
        axis = find(self.axes, variable)
        start, end = axis.given([first, second])
        first, second = (value if axis.levels else f"{value:g}" for value in (start, end))
        names = pd.Index([f"{variable}[{second}] - {variable}[{first}]"], name="variable")
        return self._table(self._contrasted(axis, start, end), self._with_outcomes(names), level)

    def curve(
        self,
        variable: str,
        *,
        grid: Sequence[Any] | None = None,
        points: int = CURVE_POINTS,
        kind: str = "partial_dependence",
        level: float = 0.95,
    ) -> pd.DataFrame:
        """The quantity along one variable with a band, indexed by the variable's values.

        Parameters
        ----------
        grid : values; by default all levels, both values of a column of two, or `points` numbers over the variable's
            range (quantiles for ALE).
        kind : ``"partial_dependence"`` gives every row each value in turn and averages; ``"ale"`` adds up local
            effects in the rows that are near (Apley and Zhu 2020), so that no unlikely rows are made up, around a mean
            of zero.

        Raises
        ------
        OptionError
            If the values are none of the variable's, or ALE is asked of a category or of fewer than two values.
        """
        axis, kind = find(self.axes, variable), check_choice("kind", kind, ("partial_dependence", "ale"))
        values = axis.grid(self.x, points) if grid is None else axis.given(grid)
        if kind == "ale":
            return self._accumulated(axis, points if grid is None else values, level)
        some = _spaced(len(self.x), CURVE_ROWS)
        x = np.concatenate([axis.at(self.x[some], [value] * len(some)) for value in values])
        share = self.weight[some] / self.weight[some].sum()
        return self._combined(x, np.kron(np.eye(len(values)), share), pd.Index(values, name=variable), level, some=some)

    def surface(
        self, first: str, second: str, *, points: int = SURFACE_POINTS
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values of two variables, and the first outcome of the quantity by both, averaged over rows."""
        down, across = find(self.axes, first), find(self.axes, second)
        rows, columns = down.grid(self.x, points), across.grid(self.x, points)
        some = _spaced(len(self.x), SURFACE_ROWS)
        pairs = [(a, b) for a in rows for b in columns]
        x = [across.at(down.at(self.x[some], [a] * len(some)), [b] * len(some)) for a, b in pairs]
        question = Level(self.quantity, self.gibbs)
        values = self.estimator.values(question, np.concatenate(x), np.concatenate([self.y[some]] * len(pairs)))
        return rows, columns, values[:, 0].reshape(len(rows), len(columns), len(some)).mean(axis=2)

    @property
    def _extent(self) -> str:
        """Which rows averages are over."""
        return f"{len(self.x):,}{f' of {self.given:,}' if self.given > len(self.x) else ''} rows"

    @property
    def _about(self) -> tuple[str, ...]:
        about = "Average effects on" if self.quantity.effects else "Average of"
        rows = f"{about} {self.quantity.description}, {self._extent}"
        errors = f"Standard errors: {self.estimator.description}"
        own = self._overall.averages()
        if self.correction is None or own.terms is None:
            return rows, errors
        before, shift, count = own.values[0], self.correction.shift(own.terms), len(self.correction.terms)
        most = int(np.argmax(np.abs(np.nan_to_num(shift * self._deviations))))
        moved = f"{self._index[most]} moved most, from {before[most]:.3g} to {before[most] + shift[most]:.3g}"
        return rows, f"Put right by what y leaves over, regressed on {count} terms of x: {moved}", errors

    def __str__(self) -> str:
        return "\n".join((*self._about, self.table().to_string(float_format="%.4g")))

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(line)}</p>" for line in self._about)
        return said + self.table().to_html(float_format="%.4g")

    # How it is computed.

    def _accumulated(self, axis: Axis, grid: Any, level: float) -> pd.DataFrame:
        """Mean changes within stretches of the variable, added up from one to the next, less their mean."""
        if axis.levels:
            raise OptionError(f"ALE needs an order; {axis.name!r} is a category. Use kind='partial_dependence'.")
        known = np.flatnonzero(~axis.absent(self.x))
        x, own, share = self.x[known], axis.values(self.x)[known], self.weight[known]
        ends = np.unique(np.quantile(own, np.linspace(0, 1, grid)) if isinstance(grid, int) and len(own) else grid)
        if len(ends) < 2:
            raise OptionError(
                f"ALE adds up changes between values; of {axis.name!r} there are {len(ends)}. "
                "Give more rows or a longer grid, or use kind='partial_dependence'."
            )
        inside = np.clip(np.searchsorted(ends, own, side="left") - 1, 0, len(ends) - 2)
        stretch = np.eye(len(ends) - 1)[inside].T * share
        steps = stretch / np.maximum(stretch.sum(axis=1, keepdims=True), 1e-300)
        up_to = np.vstack([np.zeros(len(known)), np.cumsum(steps, axis=0)])
        middle = stretch.sum(axis=1) @ (0.5 * (up_to[1:] + up_to[:-1])) / share.sum()
        weights = up_to - middle
        both = np.concatenate([axis.at(x, ends[inside]), axis.at(x, ends[inside + 1])])
        return self._combined(both, np.hstack([-weights, weights]), pd.Index(ends, name=axis.name), level, some=known)

    def _combined(
        self,
        x: Float[np.ndarray, "copies*n d"],
        weights: Float[np.ndarray, "lines copies*n"],
        names: pd.Index,
        level: float,
        some: Any = slice(None),
    ) -> pd.DataFrame:
        """Weighted sums of the quantity over changed copies of some rows, which no correction puts right."""
        return self._table(self._copies(x, weights, self.y[some]), self._with_outcomes(names), level, by=None)

    def _copies(self, x: np.ndarray, weights: np.ndarray, y: np.ndarray, of: float = 1.0, by: Any = None) -> Sums:
        """Weighted sums of the quantity over changed copies of rows."""
        question, y = Level(self.quantity, self.gibbs), np.concatenate([y] * (len(x) // len(y)))
        wide = np.repeat(weights[..., None], len(self.quantity.outcomes), axis=2)
        return self._asked(question, x, y).sums(wide, np.full(wide[:, 0].shape, of), by)

    def _contrasted(self, axis: Axis, start: Any, end: Any) -> Sums:
        rows = [axis.at(self.x, [value] * len(self.x)) for value in (start, end)]
        weights = np.concatenate([-self.weight, self.weight])[None]
        return self._copies(np.concatenate(rows), weights, self.y, self.weight.sum(), self.correction)

    @cached_property
    def _overall(self) -> Sums:
        """Of all rows."""
        return self._sums(np.ones(len(self.x)))

    def _sums(self, members: Any) -> Sums:
        """Of the rows of a group that have the variable."""
        weights = (np.asarray(members, float) * self.weight)[None, :, None] * self._present
        return self._answer.sums(weights, weights.sum(axis=1), self.correction)

    def _by(self, name: str, groups: Mapping[Any, Sums], level: float) -> pd.DataFrame:
        """The averages of every group, in the order of the groups."""
        if not groups:
            raise OptionError(f"by() needs a group for some of the rows; all of {name!r} are missing.")
        found = sorted(groups, key=str if pd.Index(list(groups)).dtype == object else None)
        index = _crossed(pd.Index(found, name=name), self._index)
        return self._table(Sums.stacked([groups[group] for group in found]), index, level)

    def _table(self, sums: Sums, index: pd.Index, level: float, units: Any = 1.0, **how: Any) -> pd.DataFrame:
        how = {"by": self.correction, "unknown": self.estimator.unknown, "units": units, **how}
        return sums.table(index, level, **how)

    @cached_property
    def _answer(self) -> Answer:
        """The effects of every row, in the units of the table."""
        if not self.quantity.effects:
            return self._asked(Level(self.quantity, self.gibbs), self.x, self.y)
        units = np.repeat([change.unit for change in self._changes], self._repeats)
        return Answer(self.estimator, self._question, self.x, self.y, units)

    def _asked(self, question: Question, x: np.ndarray, y: np.ndarray) -> Answer:
        return Answer(self.estimator, question, x, y, np.ones(len(self.quantity.outcomes)))

    @cached_property
    def _changes(self) -> list[Change]:
        """The lines of the table: derivatives first, then differences."""
        everywhere = np.ones(len(self.x), bool)
        if not self.quantity.effects:
            return [Change(name, 1.0, everywhere) for name in self.quantity.outcomes]
        lines = [Change(axis.name, axis.scale, ~axis.absent(self.x)) for axis in self._slopes]
        return lines + [Change(step.name, 1.0, everywhere) for axis in self.axes for step in axis.steps]

    @property
    def _slopes(self) -> list[Axis]:
        return [axis for axis in self.axes if axis.sloped]

    @cached_property
    def _spreads(self) -> list[float]:
        """Standard deviations of the numbers that have slopes."""
        known = (axis.values(self.x) for axis in self._slopes)
        return [float(np.nanstd(values)) if np.isfinite(values).any() else np.nan for values in known]

    @property
    def _deviations(self) -> Float[np.ndarray, " q"]:
        """Of every line; 1 of a difference."""
        spreads = self._spreads if self.quantity.effects else []
        return np.repeat([*spreads, *[1.0] * (len(self._changes) - len(spreads))], self._repeats)

    @property
    def _repeats(self) -> int:
        """Outcomes of every line."""
        return len(self.quantity.outcomes) if self.quantity.effects else 1

    @cached_property
    def _present(self) -> Bool[np.ndarray, "n q"]:
        return np.repeat(np.stack([change.present for change in self._changes], axis=1), self._repeats, axis=1)

    @cached_property
    def _index(self) -> pd.Index:
        names = pd.Index([change.name for change in self._changes], name="variable")
        return self._with_outcomes(names) if self.quantity.effects else names

    def _with_outcomes(self, names: pd.Index) -> pd.Index:
        outcomes = pd.Index(self.quantity.outcomes, name="outcome")
        return names if len(outcomes) == 1 else _crossed(names, outcomes)

    @cached_property
    def _question(self) -> Moves:
        d, steps = self.x.shape[1], [step for axis in self.axes for step in axis.steps]
        directions = np.eye(d)[[axis.columns[0] for axis in self.axes if axis.sloped]]
        touched, after, before = np.zeros((len(steps), d), bool), *np.zeros((2, len(steps), d))
        for i, step in enumerate(steps):
            touched[i, step.columns], after[i, step.columns], before[i, step.columns] = True, step.after, step.before
        with jax.enable_x64(True):
            return Moves(self.quantity, self.gibbs, *map(jnp.asarray, (directions, touched, after, before)))


def quarters(values: pd.Series) -> np.ndarray | None:
    """Ends of the quarters of a number of more than ten different values; None of what is grouped as it is."""
    if not pd.api.types.is_numeric_dtype(values) or values.nunique() <= GROUPS:
        return None
    return np.asarray(pd.qcut(values, 4, duplicates="drop", retbins=True)[1])


def _crossed(outer: pd.Index, inner: pd.Index) -> pd.MultiIndex:
    """Every label of the one with every label of the other."""
    outer_keys, inner_keys = (index.to_frame().itertuples(index=False, name=None) for index in (outer, inner))
    names = [*outer.names, *inner.names]
    return pd.MultiIndex.from_tuples([(*a, *b) for a, b in product(outer_keys, inner_keys)], names=names)


def _spaced(count: int, most: int) -> np.ndarray:
    """At most so many positions, evenly spaced."""
    return np.arange(min(count, most)) * count // min(count, most)
