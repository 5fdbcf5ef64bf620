"""The predictive distribution p_τ(y|x) of some rows, in the user's units: each answer about y is one of its methods."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from behavior_learning.errors import OptionError
from behavior_learning.learned.evaluate import energy_score
from behavior_learning.options import as_seed, check_choice, check_count, check_number
from behavior_learning.responses import Response

__all__ = ["Predictive"]

ENERGY_DRAWS = 200
"""Draws behind an energy score."""


@dataclass(frozen=True, eq=False, repr=False)
class Predictive(ABC):
    """p_τ(y|x) of some rows; results have the rows first and the responses, where there are several, last.

    Attributes
    ----------
    response : what y is.
    x : encoded inputs, given responses behind them.
    """

    response: Response
    x: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"{type(self).__name__} distribution of {self.response.name} at {len(self)} rows"

    # What implementations say, encoded.

    @abstractmethod
    def _mean(self) -> np.ndarray:
        """Mean of the candidates (n, m)."""

    @abstractmethod
    def _std(self) -> np.ndarray:
        """Standard deviation of the candidates (n, m)."""

    @abstractmethod
    def _mode(self) -> np.ndarray: ...

    @abstractmethod
    def _quantile(self, levels: np.ndarray) -> np.ndarray:
        """Of a single response, (n, levels)."""

    @abstractmethod
    def _cdf(self, y: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _draws(self, n: int, random: np.random.RandomState) -> np.ndarray: ...

    @abstractmethod
    def _log_mass(self) -> np.ndarray:
        """Of a response with finitely many values, (n, values)."""

    @abstractmethod
    def _some(self, response: Response, at: Sequence[int]) -> "Predictive":
        """Some of several responses, the others integrated out."""

    @abstractmethod
    def log_prob(self, y: Any) -> np.ndarray:
        """log p(y|x) per row in nats: of the density per unit of y, or of the probability.

        Raises
        ------
        NoQuadratureError
            If there are more than two continuous responses.
        """

    @abstractmethod
    def entropy(self) -> np.ndarray:
        """−E[log p(y|x)] per row in nats; differential for a density."""

    # What everyone may ask, in the user's units.

    def mean(self) -> np.ndarray:
        """E[y|x]; of labels the most likely one."""
        return self.response.mean(self._mean())

    def std(self) -> np.ndarray:
        """Standard deviation of each number given x, in its units; where tails count by their logarithm, so here too.

        Raises
        ------
        OptionError
            If a response has labels.
        """
        labelled = [part.name for part in self.response.components if part.labelled]
        if labelled:
            raise OptionError(f"{labelled[0]!r} has labels, which have no standard deviation. Ask probabilities().")
        spread = self._std() * [part.unit for part in self.response.components]
        return spread[:, 0] if len(self.response.components) == 1 else spread

    def mode(self) -> np.ndarray:
        """argmax of BL: the deterministic best response, jointly for several responses."""
        return self.response.restore(self._mode())

    def median(self) -> np.ndarray:
        """The value with half the mass below it, of each response."""
        return self.quantile(0.5)

    def quantile(self, q: Any) -> np.ndarray:
        """Values below which shares q of the mass lie: (n,) for a number q, (n, len(q)) for several.

        Several responses add an axis in the middle, each with the others integrated out. Labels without an order have
        no quantile; their most likely value stands in.

        Raises
        ------
        OptionError
            If a level is not strictly between 0 and 1.
        """
        levels = _checked_levels(q)
        if len(self.response.components) > 1:
            each = [self.component(part.name).quantile(levels) for part in self.response.components]
            kind = object if any(part.labelled for part in self.response.components) else float
            values = np.stack([own.astype(kind) for own in each], axis=1)
        elif self.response.labelled and not self.response.ordered:
            values = np.repeat(self.mean()[:, None], len(levels), axis=1)
        else:
            values = self.response.restore(self._quantile(levels.astype(np.float32)))
        return values[..., 0] if np.ndim(q) == 0 else values

    def interval(self, coverage: float = 0.9) -> np.ndarray:
        """Central intervals, last axis lower and upper end, that hold each response with probability `coverage`."""
        coverage = check_number("coverage", coverage, below=1.0)
        return self.quantile([0.5 - coverage / 2, 0.5 + coverage / 2])

    def cdf(self, y: Any) -> np.ndarray:
        """P(Y ≤ y | x) of each row's own y; of labels in the order of the levels."""
        self._check_single("cdf")
        return np.clip(self._cdf(self.response.at(y, len(self))), 0.0, 1.0)

    def sample(self, n: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw n responses for every row, (n_rows, n), with a last axis of responses where there are several."""
        return self.response.restore(self._draws(check_count("n", n), check_random_state(as_seed(random_state))))

    def probabilities(self) -> np.ndarray:
        """Probability of every value, in the order of the response's levels.

        Raises
        ------
        OptionError
            If the response is a density.
        """
        probabilities = np.exp(self.log_probabilities())
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def log_probabilities(self) -> np.ndarray:
        """Logarithm of `probabilities`, without underflow."""
        self._check_single("probabilities")
        if self.response.levels is None:
            raise OptionError(f"{self.response.name!r} has a density, no probabilities; ask cdf, quantile or log_prob.")
        return self._log_mass()

    def crps(self, y: Any) -> np.ndarray:
        """Continuous ranked probability score of each row, in the units of y: the smaller the better.

        Of ordered labels the ranked probability score, in levels. For several responses the energy score
        E‖Y − y‖ − ½E‖Y − Y′‖ from 200 draws, each response in units of its standard deviation in the training rows.
        NaN where only bounds of y are known.

        Source: Gneiting and Raftery (2007).

        Raises
        ------
        OptionError
            If a response has labels without an order, or labels beside others.
        """
        labelled = [part.name for part in self.response.components if part.labelled]
        if labelled and (len(self.response.components) > 1 or not self.response.ordered):
            raise OptionError(f"crps is of numbers, and {labelled[0]!r} has labels. Use log_prob, or component(name).")
        if labelled:
            reached = np.arange(len(self.response.levels or ())) >= self._encode(y)[:, None]
            return np.sum((np.cumsum(self.probabilities(), axis=1) - reached) ** 2, axis=1)
        sampled = self._draws(ENERGY_DRAWS, np.random.RandomState(0))
        if len(self.response.components) > 1:
            return energy_score(sampled, self._encode(y))
        encoded, space = self._encode(y), self.response.space()
        observed = self.response.restore(np.asarray(space.points(jnp.asarray(encoded))))
        score = energy_score(self.response.restore(sampled)[..., None], observed[:, None])
        return np.where(self.response.exact(encoded), score, np.nan)

    def component(self, name: str) -> "Predictive":
        """The distribution of one response by its name, the others integrated out.

        Raises
        ------
        OptionError
            If there is no such response.
        """
        names = [part.name for part in self.response.components]
        if name not in names:
            raise OptionError(f"There is no response {name!r}. Responses: {', '.join(names)}.")
        at = names.index(name)
        return self if len(names) == 1 else self._some(self.response.components[at], [at])

    def table(self, statistic: str = "mean") -> pd.DataFrame:
        """Every response by name: its mean, median or mode; of labels the most likely one."""
        values = self.statistic(statistic)
        names = [part.name for part in self.response.components]
        return pd.DataFrame(dict(zip(names, values.reshape(len(self), -1).T, strict=True))).infer_objects()

    def summary(self, coverage: float = 0.9) -> pd.DataFrame:
        """Every response by name: a number with its mean and interval, a label with the probability of each."""
        parts = [self.component(part.name)._summary(coverage) for part in self.response.components]
        if len(parts) == 1:
            return parts[0]
        named = zip(self.response.components, parts, strict=True)
        return pd.concat(
            [part.rename(columns={end: f"{own.name}_{end}" for end in ("lower", "upper")}) for own, part in named],
            axis=1,
        )

    def _summary(self, coverage: float) -> pd.DataFrame:
        name = self.response.name
        if self.response.labelled:
            names = [f"P({label})" for label in self.response.levels or ()]
            probabilities = pd.DataFrame(self.probabilities(), columns=names)
            return pd.concat([pd.Series(self.mean(), name=name), probabilities], axis=1)
        ends = self.interval(coverage)
        mean = f"{name}_mean" if name in ("lower", "upper") else name
        return pd.DataFrame({mean: self.mean(), "lower": ends[:, 0], "upper": ends[:, 1]})

    def sample_table(self, n: int = 1, random_state: Any = None) -> pd.DataFrame:
        """Draw n responses for every row as a table of rows·n lines: the draws of the first row first."""
        drawn = self.sample(n, random_state).reshape(len(self) * n, -1)
        names = [part.name for part in self.response.components]
        return pd.DataFrame(dict(zip(names, drawn.T, strict=True))).infer_objects()

    def statistic(self, statistic: str) -> np.ndarray:
        """The mean, median or mode by its name."""
        return getattr(self, check_choice("statistic", statistic, ("mean", "median", "mode")))()

    def _encode(self, y: Any) -> np.ndarray:
        return self.response.encode(self.response.values(y, len(self)))

    def _check_single(self, asked: str) -> None:
        if len(self.response.components) > 1:
            names = ", ".join(part.name for part in self.response.components)
            raise OptionError(f"{asked} is of one response; choose with component(name) among {names}.")


def _checked_levels(q: Any) -> np.ndarray:
    try:
        levels = np.atleast_1d(np.asarray(q, dtype=float))
    except (TypeError, ValueError):
        levels = np.array([np.nan])
    if levels.ndim != 1 or not np.all((levels > 0) & (levels < 1)):
        raise OptionError(f"q must hold numbers strictly between 0 and 1; got {q!r}.")
    return levels
