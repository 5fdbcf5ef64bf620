"""What is asked of a fitted choice model: willingness to pay, shares, elasticities, scenarios, welfare; with intervals.

Each is a function of the parameters on given data, aggregated before its error is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from jaxtyping import Float

from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.functions import fieller, with_interval
from behavior_learning.errors import DataError, OptionError

__all__ = ["Answers", "Counterfactual"]

STEP = 1e-4
"""Relative change of an attribute that stands for a small one."""


class Asked(Protocol):
    """A model on data; nodes are the tastes that it takes a mean over, one where it has one taste."""

    def probabilities(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " lines"]:
        """P of every line."""
        ...

    def log_sums(self, theta: Float[np.ndarray, " p"]) -> tuple[np.ndarray, np.ndarray]:
        """Expected utility of the best alternative of every case and node, and the log-weights of the nodes."""
        ...

    def utilities(self, theta: Float[np.ndarray, " p"]) -> np.ndarray:
        """Utility of every line and node."""
        ...


@dataclass(frozen=True)
class Answers:
    """A model with the covariance of its parameters.

    Attributes
    ----------
    on : the model on data.
    method : how intervals are made: ``"delta"`` or ``"simulation"``.
    root : A with A Aᵀ the covariance, where blocks make parameters many.
    """

    on: Callable[[ChoiceData], Asked]
    theta: Float[np.ndarray, " p"]
    cov: Float[np.ndarray, "p p"]
    method: str = "delta"
    draws: int = 1000
    level: float = 0.95
    root: Float[np.ndarray, "p r"] | None = None

    def interval(self, f: Callable[[np.ndarray], np.ndarray], index: Any) -> pd.DataFrame:
        """f with an interval, lines named."""
        table = with_interval(
            f, self.theta, self.cov, level=self.level, method=self.method, draws=self.draws, root=self.root
        )
        return table.set_axis(index, axis=0)

    # Shares and elasticities.

    def shares(self, data: ChoiceData) -> pd.DataFrame:
        """Mean probability of each alternative over all cases."""
        asked = self.on(data)
        return self.interval(lambda theta: _shares(asked, data, theta), _names(data))

    def elasticities(self, data: ChoiceData, attribute: str) -> pd.DataFrame:
        """Per cent by which the share of one alternative changes per per cent of an attribute of another or its own.

        Σ_n ∂P_ni/∂log a_nj / Σ_n P_ni: aggregates over all cases, own and cross.
        """
        _need_attribute(data, attribute)
        moved = [
            [self.on(data.changed({attribute: {name: 1 + sign * STEP}})) for sign in (1, -1)]
            for name in data.alternatives
        ]
        middle = self.on(data)

        def of_theta(theta: np.ndarray) -> np.ndarray:
            base = _shares(middle, data, theta)
            ends = [[_shares(asked, data, theta) for asked in pair] for pair in moved]
            return np.concatenate([(up - down) / (2 * STEP) / np.maximum(base, 1e-12) for up, down in ends])

        pairs = [(share, name) for name in data.alternatives for share in data.alternatives]
        index = pd.MultiIndex.from_tuples(pairs, names=["share of", f"{attribute} of"])
        return self.interval(of_theta, index)

    # Willingness to pay.

    def willingness_to_pay(self, data: ChoiceData, attribute: str, cost: str) -> pd.DataFrame:
        """(∂V/∂attribute)/(∂V/∂cost) in units of cost per unit of the attribute, mean over the lines of the data.

        One line where it is the same everywhere; else one per alternative too. Coefficients that vary over choosers
        give its distribution: mean, standard deviation and quantiles over choosers.
        """
        slopes = [self._slope(data, name) for name in (attribute, cost)]
        if not np.abs(slopes[1](self.theta)).max() > 0:
            raise _worthless(cost)
        weights = np.exp(self.on(data).log_sums(self.theta)[1])[data.case]
        if weights.shape[1] == 1:
            return self._fixed_ratio(data, slopes)

        def of_theta(theta: np.ndarray) -> np.ndarray:
            above, below = (slope(theta) for slope in slopes)
            return _described(above / below, weights)

        return self.interval(of_theta, ["mean", "std. dev.", "5 %", "25 %", "median", "75 %", "95 %"])

    def _fixed_ratio(self, data: ChoiceData, slopes: Sequence[Callable[[np.ndarray], np.ndarray]]) -> pd.DataFrame:
        def ratio(theta: np.ndarray) -> np.ndarray:
            above, below = (slope(theta)[:, 0] for slope in slopes)
            return above / below

        values = ratio(self.theta)
        if self.root is not None:
            return self._learned_ratio(slopes)
        if np.ptp(values) < 1e-6 * np.abs(values).max():
            return self.interval(lambda theta: np.atleast_1d(ratio(theta)[0]), ["all"])
        counts = np.bincount(data.alternative, minlength=len(data.alternatives))

        def of_theta(theta: np.ndarray) -> np.ndarray:
            own = ratio(theta)
            by_alternative = np.bincount(data.alternative, own, len(data.alternatives)) / np.maximum(counts, 1)
            return np.append(own.mean(), by_alternative)

        return self.interval(of_theta, ["all", *data.alternatives])

    def _learned_ratio(self, slopes: Sequence[Callable[[np.ndarray], np.ndarray]]) -> pd.DataFrame:
        """The ratio of the mean slopes, and quantiles over lines; their mean has no bound."""

        def of_theta(theta: np.ndarray) -> np.ndarray:
            above, below = (slope(theta)[:, 0] for slope in slopes)
            return np.append(above.mean() / below.mean(), np.quantile(above / below, [0.25, 0.5, 0.75]))

        return self.interval(of_theta, ["of the means", "25 %", "median", "75 %"])

    def _slope(self, data: ChoiceData, attribute: str) -> Callable[[np.ndarray], np.ndarray]:
        """∂V/∂attribute of every line and node, by a central difference."""
        _need_attribute(data, attribute)
        width = STEP * max(float(np.abs(data.attributes[attribute]).mean()), 1e-12)
        up, down = (self.on(data.changed({attribute: _Shift(sign * width)})) for sign in (1, -1))
        return lambda theta: (up.utilities(theta) - down.utilities(theta)) / (2 * width)


def _described(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and quantiles of weighted numbers."""
    values, weights = values.ravel(), weights.ravel() / weights.sum()
    mean = (weights * values).sum()
    order = np.argsort(values)
    at = np.interp([0.05, 0.25, 0.5, 0.75, 0.95], np.cumsum(weights[order]) - weights[order] / 2, values[order])
    return np.concatenate([[mean, np.sqrt((weights * (values - mean) ** 2).sum())], at])


@dataclass(frozen=True)
class _Shift:
    """Adds a number to a column."""

    by: float

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return values + self.by


@dataclass(frozen=True)
class Counterfactual:
    """What a change of the alternatives does, compared case by case; every answer has an interval.

    Attributes
    ----------
    before, after : the data as they are, and as they would be.
    """

    answers: Answers
    before: ChoiceData
    after: ChoiceData

    def _pair(self) -> tuple[Asked, Asked]:
        return self.answers.on(self.before), self.answers.on(self.after)

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Of both."""
        return tuple(dict.fromkeys((*self.before.alternatives, *self.after.alternatives)))

    def _both(self, pair: tuple[Asked, Asked], theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shares of all alternatives before and after."""
        named = zip(pair, (self.before, self.after), strict=True)
        both = [pd.Series(_shares(asked, data, theta), _names(data)) for asked, data in named]
        first, second = (shares.reindex(self.alternatives, fill_value=0.0).to_numpy() for shares in both)
        return first, second

    def shares(self) -> pd.DataFrame:
        """Shares after the change."""
        pair = self._pair()
        return self.answers.interval(lambda theta: self._both(pair, theta)[1], pd.Index(self.alternatives))

    def effect(self) -> pd.DataFrame:
        """Shares after less shares before."""
        pair = self._pair()

        def of_theta(theta: np.ndarray) -> np.ndarray:
            before, after = self._both(pair, theta)
            return after - before

        return self.answers.interval(of_theta, pd.Index(self.alternatives))

    def diversion(self, alternative: str) -> pd.DataFrame:
        """Of the share that an alternative loses (or gains), the part that each other one gains (or loses).

        Raises
        ------
        DataError
            If there is no such alternative, or its share does not change.
        """
        if alternative not in self.alternatives:
            raise DataError(f"There is no alternative {alternative!r}. Alternatives: {', '.join(self.alternatives)}.")
        pair, at = self._pair(), self.alternatives.index(alternative)
        others = [i for i in range(len(self.alternatives)) if i != at]
        before, after = self._both(pair, self.answers.theta)
        if abs(after[at] - before[at]) < 1e-12:
            raise DataError(f"The share of {alternative!r} does not change, so that nothing is diverted.")

        def of_theta(theta: np.ndarray) -> np.ndarray:
            before, after = self._both(pair, theta)
            return -(after - before)[others] / (after - before)[at]

        return self.answers.interval(of_theta, pd.Index([self.alternatives[i] for i in others]))

    def welfare(self, cost: str) -> pd.DataFrame:
        """Compensating variation, mean over cases in units of cost: positive where choosers gain.

        (log-sum after − log-sum before) / (− d log-sum / d cost), each at the same taste (Small and Rosen 1981).

        Raises
        ------
        OptionError
            If the change leaves out cases, so that there is nothing to compare.
        """
        if len(self.before) != len(self.after):
            raise OptionError(
                "welfare compares the same cases; the change left out some that had one alternative only."
            )
        _need_attribute(self.before, cost)
        width = STEP * max(float(np.abs(self.before.attributes[cost]).mean()), 1e-12)
        before, after = self._pair()
        up, down = (self.answers.on(self.before.changed({cost: _Shift(sign * width)})) for sign in (1, -1))
        if not np.abs(up.utilities(self.answers.theta) - down.utilities(self.answers.theta)).max() > 0:
            raise _worthless(cost)

        def of_theta(theta: np.ndarray) -> np.ndarray:
            (base, logs), (changed, _) = before.log_sums(theta), after.log_sums(theta)
            price = (down.log_sums(theta)[0] - up.log_sums(theta)[0]) / (2 * width)
            return np.atleast_1d(((changed - base) / price * np.exp(logs)).sum(axis=1).mean())

        return self.answers.interval(of_theta, ["compensating variation"])


def _worthless(cost: str) -> DataError:
    return DataError(f"Utility does not depend on {cost!r}, so that nothing has a worth in it. Add it to utility=.")


def _names(data: ChoiceData) -> pd.Index:
    return pd.Index(data.alternatives, name="alternative")


def _shares(asked: Asked, data: ChoiceData, theta: np.ndarray) -> Float[np.ndarray, " alternatives"]:
    return np.bincount(data.alternative, asked.probabilities(theta), len(data.alternatives)) / len(data)


def _need_attribute(data: ChoiceData, name: str) -> None:
    if name not in data.attributes:
        raise DataError(f"There is no attribute {name!r}. Attributes: {', '.join(data.attributes)}.")


def fieller_ratio(answers: Answers, above: int, below: int) -> pd.DataFrame:
    """The ratio of two parameters with Fieller's interval."""
    at = [above, below]
    a, b = answers.theta[at]
    lower, upper = fieller(a, b, answers.cov[np.ix_(at, at)], answers.level)
    delta = replace(answers, method="delta").interval(lambda theta: theta[[above]] / theta[[below]], ["all"])
    return delta.assign(lower=lower, upper=upper)
