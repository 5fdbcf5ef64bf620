"""A scenario: what would be chosen if x, or the problem itself, were different; errors flow through every answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import norm

from behavior_learning.core.arrays import to_device
from behavior_learning.core.batches import padded, power_of_two
from behavior_learning.core.spaces import Categories
from behavior_learning.decision.attribution import Decomposed
from behavior_learning.decision.edits import Edits, places_of
from behavior_learning.decision.outcomes import (
    Change,
    Column,
    Elasticity,
    Exceedance,
    LogSum,
    Mean,
    Money,
    Number,
    Outcome,
    Quantiles,
    Slopes,
    Surplus,
    Variation,
)
from behavior_learning.decision.parameters import ENOUGH, Parameters, Uncertain, in_precision
from behavior_learning.decision.problem import DecisionProblem, problem_of
from behavior_learning.decision.shadow import Prices
from behavior_learning.decision.world import World, at_draws, at_estimate
from behavior_learning.errors import OptionError
from behavior_learning.explanation.contributions import head_names
from behavior_learning.learned.model import LearnedModel
from behavior_learning.options import check_choice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Scenario"]

BATCH = 2048
"""Rows that are evaluated together."""

FINER, COARSER = 2.0, 0.5
"""Candidates as a multiple of those of training: of the estimate and its slope, and of differences between draws."""

FLAT = 1e-6
"""Marginal utility of money, as a share of its largest, below which no payment makes up for anything."""

STATES = ("effect", "baseline", "scenario")


@dataclass(frozen=True, eq=False, repr=False)
class Scenario:
    """A baseline, a scenario, and what is uncertain.

    Every answer is a table of `estimate`, `std_error`, `lower` and `upper`.

    Attributes
    ----------
    model : what was learned; where there are errors, at the optimum of its objective.
    before, after : the rows, in the user's units.
    edits : what is different of the problem.
    parameters : θ̂ and its draws or covariance.
    distance : by column, how far the rows leave the data (see `tables.distances`).
    level : of intervals.
    """

    model: LearnedModel
    before: pd.DataFrame
    after: pd.DataFrame
    edits: Edits
    parameters: Parameters
    distance: pd.DataFrame
    level: float

    def __repr__(self) -> str:
        return f"Scenario for {len(self.before)} rows ({self.parameters.how})\n{self.effect()}"

    @property
    def problem(self) -> DecisionProblem:
        """The estimated problem, before anything is relaxed or dropped; its rows have the labels."""
        return problem_of(self.model)

    # Questions.

    def effect(self) -> pd.DataFrame:
        """What the scenario changes of the mean of y over the rows; of classes, of their shares."""
        return self._averaged(Change(self._mean), self._outcomes).loc["effect"]

    def levels(self) -> pd.DataFrame:
        """The mean over the rows without and with the scenario, and the effect; lines by state and outcome."""
        return self._averaged(Change(self._mean), self._outcomes)

    def by(self, column: str | Sequence[Any]) -> pd.DataFrame:
        """The effect within each group of rows.

        Parameters
        ----------
        column : of the baseline's table, or a label per row.
        """
        labels = self.before[column] if isinstance(column, str) and column in self.before else pd.Series(column)
        if len(labels) != len(self.before):
            raise OptionError(
                f"by takes a column or a label for each of {len(self.before)} rows; got {column!r}. Columns: "
                f"{', '.join(map(str, self.before.columns))}."
            )
        codes, groups = pd.factorize(labels, sort=True)
        weights = (codes[None] == np.arange(len(groups))[:, None]).astype(float)
        weights /= weights.sum(axis=1, keepdims=True)
        found = self._aggregated(Change(self._mean), weights)
        names = [(group, state, name) for group in groups for state in STATES for name in self._outcomes]
        return self._table(found, names, ["group", "state", "outcome"]).xs("effect", level="state")

    def rows(self) -> pd.DataFrame:
        """The effect on every row."""
        found, states = (
            self._each_row(Change(self._mean)),
            [(state, name) for state in STATES for name in self._outcomes],
        )
        lines = [(row, *state) for row in self.before.index for state in states]
        found.index = pd.MultiIndex.from_tuples(lines, names=["row", "state", "outcome"])
        return found.xs("effect", level="state")

    def shares(self, above: float | None = None) -> pd.DataFrame:
        """Shares of the classes, or the share of responses above a number, in each state and their change.

        Raises
        ------
        OptionError
            If the response is a number and no threshold is given.
        """
        if self.model.response.one_hot:
            return self.levels()
        if above is None:
            raise OptionError(f"{self.model.response.name!r} is a number: ask for shares(above=…).")
        encoded = float(np.asarray(self.model.response.locate(np.array([above]), float)).reshape(-1)[0])
        return self._averaged(Change(Exceedance(np.float64(encoded))), [f"P({self.model.response.name} > {above:g})"])

    def quantiles(self, q: Sequence[float] = (0.1, 0.5, 0.9)) -> pd.DataFrame:
        """Each row's quantiles, averaged over the rows, in each state and their change."""
        center, scale = self._number("quantiles")
        names = [f"{level:g}" for level in q]
        return self._averaged(Change(Quantiles(np.array(q, float), np.float64(center), np.float64(scale))), names)

    def elasticity(self, column: str) -> pd.DataFrame:
        """Per cent by which E[y|x] moves if a column moves by one per cent, averaged over the rows of the scenario."""
        asked = Elasticity(self._column(column), self._mean)
        return self._averaged(asked, self._outcomes, ("elasticity",)).loc["elasticity"]

    def prices(self) -> pd.DataFrame:
        """What a unit of each constraint is worth at the mode, λ·ρ'(C), averaged over the rows, in both states.

        In utility per unit of the printed row, as `Solution.prices` of the soft problem; lines by state and constraint.

        Raises
        ------
        OptionError
            If heads have kinks, at which a price is no function of the parameters, no constraint meets the response, or
            alternatives are new.
        """
        if not self.model.network.architecture.smooth:
            raise OptionError(
                "prices() needs smooth heads such as softplus and square; these have kinks, at which a price may be "
                "anything up to the multiplier. scenario.problem.solve(X).prices has them without errors."
            )
        if self.edits.twins:
            raise OptionError("Prices are of alternatives that were learned. Ask a scenario without new ones.")
        places = places_of(self.model)
        if not places:
            raise OptionError("There is no constraint that the response can move, and so no price.")
        return self._averaged(Change(Prices(tuple(places.values()))), list(places))

    def decomposition(self) -> pd.DataFrame:
        """The effect split over blocks and their heads, and what constraints that are new add; they sum to the effect.

        Raises
        ------
        OptionError
            If alternatives are gone or new, so that no path leads to the scenario.
        """
        if not self.edits.same_alternatives:
            raise OptionError("An effect cannot be split where alternatives are gone or new. Change x or constraints.")
        names = [tuple(reversed(name)) for name in head_names(self.model.network)]
        parts = [(self.model.block_names.get(block, block), head) for block, head in names] + [("added", "inequality")]
        found = self._aggregated(Decomposed(self._mean.scale), self._average)
        labels = [(*part, outcome) for part in parts for outcome in self._outcomes]
        table = self._table(found, labels, ["block", "head", "outcome"])
        return table if self.edits.added else table.drop(index="added", level="block")

    def surplus(self, money: str | None = None, reference: Any = None) -> pd.DataFrame:
        """What the scenario is worth to those who choose, averaged over the rows.

        The first line is the change of expected maximum utility (log-sum) beside that of a reference response whose
        utility the scenario leaves alone, such as buying nothing. Where a money column is named, compensating and
        equivalent variation follow, in its units.

        Parameters
        ----------
        money : an income, of which more is better, or a cost.
        reference : a response; for numbers 0 by default, where the support has it.

        Raises
        ------
        OptionError
            If the marginal utility of money changes sign over the rows, or no payment makes up for anything.
        """
        welfare, variations = LogSum(self._reference(reference)), ()
        if money is not None:
            unit = self._money(money, welfare)
            variations = tuple(Variation(unit, welfare, equivalent) for equivalent in (False, True))
        names = ["log-sum", "compensating variation", "equivalent variation"][: 1 + len(variations)]
        return self._averaged(Surplus(welfare, variations), names, ("surplus",)).loc["surplus"]

    def willingness_to_pay(
        self, column: str, money: str, *, reference: Any = None, method: str = "delta"
    ) -> pd.DataFrame:
        """Units of money that make up for one unit of a column: the ratio of average marginal utilities.

        Parameters
        ----------
        money, reference : as in `surplus`.
        method : ``"delta"``, ``"draws"`` (Krinsky and Robb, where the scenario has draws) or ``"fieller"``, whose
            interval is right also where money matters little; it may then be infinite.
        """
        check_choice("method", method, ("delta", "draws", "fieller"))
        if (method == "draws") != (self.parameters.draws is not None):
            needed = "normal" if method == "draws" else "delta"
            raise OptionError(f"method={method!r} needs a scenario with draws={needed!r}.")
        welfare = LogSum(self._reference(reference))
        asked = Slopes(welfare, (self._column(column), self._column(money)))
        both = self._aggregated(asked, self._average)
        ratio = both.mapped(lambda v: v[:1] / v[1:])
        table = self._table(ratio, [column], ["column"])
        if method == "fieller":
            table[["lower", "upper"]] = [both.ratio_interval(self.level)]
        return table

    def plot(self) -> "Figure":
        """The scenario against the baseline, with intervals; matplotlib loads when a figure is drawn."""
        return import_module("behavior_learning.plots").scenario(self.levels(), level=self.level)

    # How they are answered.

    @property
    def _outcomes(self) -> list[str]:
        response = self.model.response
        if response.one_hot:
            return [f"P({level})" for level in (*(response.levels or ()), *(name for name, _ in self.edits.twins))]
        return [variable.name for variable in response.variables]

    @property
    def _mean(self) -> Mean:
        new = [(0.0, 1.0)] * len(self.edits.twins)
        units = np.array([*((v.center, v.scale) for v in self.model.response.variables), *new])
        return Mean(units[:, 0], units[:, 1])

    def _number(self, asked: str) -> tuple[float, float]:
        variables = self.model.response.variables
        if len(variables) != 1 or not self.model.space.continuous:
            raise OptionError(f"{asked} is of a single number; this response is {self.model.response.name!r}.")
        return variables[0].center, variables[0].scale

    def _column(self, name: str) -> Column:
        """A column of numbers."""
        for j, column in enumerate(self.model.encoder.columns):
            if column.name == name and column.kind == "numeric":
                return Column(j, np.float64(column.center), np.float64(column.scale))
        numbers = [column.name for column in self.model.encoder.columns if column.kind == "numeric"]
        raise OptionError(f"There is no column of numbers {name!r}. There are: {', '.join(numbers)}.")

    def _reference(self, reference: Any) -> Float[np.ndarray, " m"]:
        """A candidate of the reference response."""
        response = self.model.response
        if reference is None and not self.model.space.continuous:
            raise OptionError(
                f"surplus needs reference=, a value of {response.name!r} whose utility the scenario leaves alone: "
                f"{', '.join(map(str, response.levels or ()))}."
            )
        value: Any = 0.0 if reference is None else reference
        single = [value] * len(response.components) if np.ndim(value) == 0 else list(value)
        frame = pd.DataFrame({part.name: [v] for part, v in zip(response.components, single, strict=True)})
        encoded = self.model.responses(frame if len(single) > 1 else frame.iloc[:, 0], 1, float)
        if not np.asarray(self.model.space.contains(jnp.asarray(encoded))).all():
            raise OptionError(
                f"The reference response {value!r} lies outside the support of {response.name!r}. Name another one, or "
                "fit with a wider support."
            )
        return np.append(self.model.candidates(encoded)[0], np.zeros(len(self.edits.twins)))

    def _money(self, name: str, welfare: Number) -> Money:
        """The money column, if its marginal utility has one sign at every row of both states."""
        column = self._column(name)
        known = replace(self, parameters=replace(self.parameters, cov=None, draws=None))
        parts = known._at_estimate(Slopes(welfare, (column,), both=True))
        slopes = np.concatenate([value for value, _ in parts])[: len(self.before)]
        size, rising = np.abs(slopes).max(), float(np.mean(slopes > 0))
        if 0 < rising < 1 and min(slopes.max(), -slopes.min()) > FLAT * size:
            raise OptionError(
                f"Welfare cannot be measured in {name!r}: its marginal utility changes sign, being positive in "
                f"{rising:.0%} of the rows. State it: signs={{{name!r}: '>= 0'}} or monotone in bl.UMP."
            )
        if np.abs(slopes).min() <= FLAT * size:
            raise OptionError(
                f"Welfare cannot be measured in {name!r}: in {np.mean(np.abs(slopes) <= FLAT * size):.0%} of the rows "
                "it makes no difference, so that no payment makes up for anything. Leave those rows out of X."
            )
        return Money(column, np.float64(1.0 if rising > 0.5 else -1.0))

    @property
    def _average(self) -> Float[np.ndarray, "1 n"]:
        return np.full((1, len(self.before)), 1 / len(self.before))

    def _averaged(self, outcome: Outcome, names: Sequence[str], states: Sequence[str] = STATES) -> pd.DataFrame:
        found = self._aggregated(outcome, self._average)
        return self._table(found, [(state, name) for state in states for name in names], ["state", "outcome"])

    def _table(self, found: Uncertain, names: list[Any], levels: list[str]) -> pd.DataFrame:
        many = len(levels) > 1
        index = pd.MultiIndex.from_tuples(names, names=levels) if many else pd.Index(names, name=levels[0])
        return found.table(self.level).set_index(index)

    def _aggregated(self, outcome: Outcome, weights: Float[np.ndarray, "groups n"]) -> Uncertain:
        """Σ weight·number over rows, with its slope or its draws."""
        value, slope = (sum(parts) for parts in zip(*self._at_estimate(outcome, weights.T), strict=True))
        draws = None if self.parameters.draws is None else np.sum(self._at_draws(outcome, weights.T), axis=0) + value
        return Uncertain(np.asarray(value), np.asarray(slope).T, draws, self.parameters)

    def _each_row(self, outcome: Outcome) -> pd.DataFrame:
        """A line per row and number."""
        n, tails, cov = len(self.before), [(1 - self.level) / 2, (1 + self.level) / 2], self.parameters.cov
        parts = list(zip(*self._at_estimate(outcome), strict=True))
        values, slopes = np.concatenate(parts[0])[:n], np.concatenate(parts[1], axis=1)[:, :n]
        if self.parameters.draws is not None:
            drawn = np.concatenate(self._at_draws(outcome), axis=1)[:, :n] + values
            error = drawn.std(axis=0, ddof=1)
        else:
            drawn = np.zeros((0, 0))
            variance = (
                np.full(values.shape, np.nan) if cov is None else np.einsum("inq,ij,jnq->nq", slopes, cov, slopes)
            )
            error = np.sqrt(np.maximum(variance, 0.0))
        enough = len(drawn) >= ENOUGH
        lower, upper = np.quantile(drawn, tails, axis=0) if enough else (values + norm.ppf(q) * error for q in tails)
        columns = {"estimate": values, "std_error": error, "lower": lower, "upper": upper}
        return pd.DataFrame({name: column.reshape(-1) for name, column in columns.items()})

    def _at_estimate(self, outcome: Outcome, weights: np.ndarray | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
        """By batch of rows, numbers at θ̂, and their derivatives (p, ...) where they are needed."""
        sloped = self.parameters.cov is not None and self.parameters.draws is None
        with jax.enable_x64(True):
            world, asked = in_precision((self._world(FINER), outcome), float)
            theta = to_device(self.parameters.theta)
            found = [at_estimate(world, asked, sloped, theta, *part) for part in self._batches(weights)]
            return [(np.asarray(value), np.asarray(slope)) for value, slope in found]

    def _at_draws(self, outcome: Outcome, weights: np.ndarray | None = None) -> list[np.ndarray]:
        """By batch of rows, by how much every draw differs from θ̂; few candidates in single precision do."""
        assert self.parameters.draws is not None
        thetas = np.vstack([self.parameters.theta, self.parameters.draws]).astype(np.float32)
        world, asked = in_precision((self._world(COARSER), outcome), np.float32)
        batches = self._batches(weights, np.float32)
        found = [np.asarray(at_draws(world, asked, to_device(thetas), *part), float) for part in batches]
        return [at[1:] - at[0] for at in found]

    def _world(self, finer: float) -> World:
        """What compiled programs take."""
        known = self.parameters.parametrization
        source = self.model.network if known is None else known
        space, twins = self.model.space.refined(finer), self.edits.twins
        wider = Categories(space.size + len(twins)) if twins else space
        return World(source, self.edits, wider, np.asarray(self.model.temperature))

    @cached_property
    def _encoded(self) -> tuple[np.ndarray, np.ndarray]:
        encoder = self.model.encoder
        return encoder(self.before), encoder(self.after)

    def _batches(self, weights: np.ndarray | None = None, dtype: type = float) -> list[tuple[Any, ...]]:
        """Equal batches of rows; weights are zero beyond the last row."""
        n = len(self.before)
        size = min(BATCH, power_of_two(n))
        rows = tuple(x.astype(dtype) for x in self._encoded)
        batches: list[tuple[Any, ...]] = []
        for start in range(0, n, size):
            part = padded(rows, start, size)
            if weights is not None:
                own = weights[start : start + size].astype(dtype)
                part = (*part, to_device(np.pad(own, ((0, size - len(own)), (0, 0)))))
            batches.append(part)
        return batches
