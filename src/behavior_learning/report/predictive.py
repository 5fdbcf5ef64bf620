"""What a fitted model says of rows: predictions, quantiles, probabilities and curves of each response.

Each response has a law of its own, the others integrated out; one compiled program for each kind of question.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.stats import norm

from behavior_learning.gibbs.components import marginal_distribution
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.evaluate import SUMMARY_DRAWS, by_rows, draws, needs_chains
from behavior_learning.learned.model import LearnedModel
from behavior_learning.responses import Response

__all__ = [
    "CHAIN_ROWS",
    "LEVELS",
    "ClassLaw",
    "GaussianGuess",
    "NumberLaw",
    "Rows",
    "class_law",
    "column",
    "curves",
    "joint_log_density",
    "number_law",
    "response_laws",
    "standard_error",
]

LEVELS = np.linspace(0.025, 0.975, 39, dtype=np.float32)
"""Quantiles that intervals and probability integral transforms are read from; 0.05 and 0.95 are among them."""

CHAIN_ROWS = 100
"""Rows that are evaluated where a law is known by Markov chains only."""


@dataclass(frozen=True)
class Rows:
    """Encoded rows in double precision, whether the model was fitted to them, and where in the table they stand."""

    x: np.ndarray
    y: np.ndarray
    seen: bool
    positions: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    @property
    def inputs(self) -> np.ndarray:
        """x as the fitted network takes it."""
        return self.x.astype(np.float32)

    def at(self, index: np.ndarray) -> "Rows":
        """Some of the rows."""
        return Rows(self.x[index], self.y[index], self.seen, self.positions[index])

    def spread(self, most: int) -> "Rows":
        """At most so many rows, evenly spaced."""
        return self.at(spaced(len(self), most))


@dataclass(frozen=True)
class NumberLaw:
    """A response that is a number, of some rows, in the user's units.

    Attributes
    ----------
    known : in which rows the response was observed, and not only bounds on it; scores are of these.
    observed, mean, log_density, crps : one per row; the density per unit.
    pit : F(y|x) of the observed response; of one with probabilities a random number between F below it and F at it.
    quantiles : shape (rows, LEVELS).
    """

    part: Response
    known: np.ndarray
    observed: np.ndarray
    mean: np.ndarray
    log_density: np.ndarray
    crps: np.ndarray
    pit: np.ndarray
    quantiles: np.ndarray

    def at(self, index: np.ndarray) -> "NumberLaw":
        """The same of some of the rows."""
        columns = (self.known, self.observed, self.mean, self.log_density, self.crps, self.pit, self.quantiles)
        return NumberLaw(self.part, *(column[index] for column in columns))

    def interval(self, coverage: float) -> np.ndarray:
        """Central interval of a coverage whose ends are among `LEVELS`."""
        ends = [int(np.argmin(np.abs(LEVELS - level))) for level in (0.5 - coverage / 2, 0.5 + coverage / 2)]
        return self.quantiles[:, ends]

    def quality(self, others: Mapping[str, "GaussianGuess"]) -> pd.DataFrame:
        """Scores of the rows whose response was observed, beside those of other predictions of all rows."""
        known = self.at(self.known)
        law = known._scores(known.mean, known.log_density, known.crps, known.interval(0.9))
        scores = {"this model": law} | {
            name: known._scores(*guess.at(self.known).judged(known.observed)) for name, guess in others.items()
        }
        return pd.DataFrame(scores).T.rename_axis("model")

    @property
    def log_likelihood(self) -> np.ndarray:
        """Of every row."""
        return self.log_density

    def losses(self, others: Mapping[str, "GaussianGuess"]) -> pd.DataFrame:
        """−log p of the rows whose response was observed, a column for each prediction."""
        known = self.at(self.known)
        guessed = {name: -guess.at(self.known).judged(known.observed)[1] for name, guess in others.items()}
        return pd.DataFrame({"this model": -known.log_density, **guessed})

    def of_group(self, index: np.ndarray) -> dict[str, float]:
        """How predictions and what was observed compare over some rows."""
        own = self.at(index[self.known[index]])
        low, high = own.interval(0.9).T
        return {
            "rows": len(index),
            "observed mean": _mean(own.observed),
            "predicted mean": _mean(own.mean),
            "negative log-likelihood (nats)": -_mean(own.log_density),
            "its standard error": standard_error(own.log_density),
            "coverage of 90 % intervals": _mean((own.observed >= low) & (own.observed <= high)),
        }

    def _scores(self, mean: np.ndarray, log_density: np.ndarray, crps: np.ndarray, interval: np.ndarray):
        squares, (low, high) = (self.observed - mean) ** 2, interval.T
        total = np.sum((self.observed - self.observed.mean()) ** 2)
        return {
            "R²": 1 - float(np.sum(squares) / total) if total > 0 else float("nan"),
            "root mean square error": float(np.sqrt(squares.mean())),
            "CRPS": float(crps.mean()),
            "negative log-likelihood (nats)": float(-log_density.mean()),
            "its standard error": standard_error(log_density),
            "coverage of 90 % intervals": float(np.mean((self.observed >= low) & (self.observed <= high))),
        }


class GaussianGuess(NamedTuple):
    """A Gaussian for each row: its means, and the standard deviation that all have."""

    mean: np.ndarray
    scale: float

    def at(self, index: np.ndarray) -> "GaussianGuess":
        """The same of some of the rows."""
        return GaussianGuess(self.mean[index], self.scale)

    def judged(self, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Means, log densities of what was observed, continuous ranked probability scores and 90 % intervals."""
        z, half = (observed - self.mean) / self.scale, norm.ppf(0.95) * self.scale
        crps = self.scale * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
        interval = np.column_stack([self.mean - half, self.mean + half])
        return self.mean, norm.logpdf(observed, self.mean, self.scale), crps, interval


@dataclass(frozen=True)
class ClassLaw:
    """A discrete response of some rows: its codes and the logarithm of every class's probability."""

    part: Response
    observed: np.ndarray
    log_probabilities: np.ndarray

    def at(self, index: np.ndarray) -> "ClassLaw":
        """The same of some of the rows."""
        return ClassLaw(self.part, self.observed[index], self.log_probabilities[index])

    @property
    def probabilities(self) -> np.ndarray:
        return np.exp(self.log_probabilities)

    def quality(self, others: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Scores beside those of other probabilities, of shape (rows, classes)."""
        scores = {name: self._scores(p) for name, p in {"this model": self.probabilities, **others}.items()}
        return pd.DataFrame(scores).T.rename_axis("model")

    @property
    def log_likelihood(self) -> np.ndarray:
        """Of every row."""
        return self.log_probabilities[np.arange(len(self.observed)), self.observed]

    def of_group(self, index: np.ndarray) -> dict[str, float]:
        """How predictions and what was observed compare over some rows; shares are of each class."""
        own = self.at(index)
        levels = [str(level) for level in self.part.levels or ()]
        observed = np.bincount(own.observed, minlength=len(levels)) / len(index)
        shares = {"observed": observed, "predicted": own.probabilities.mean(axis=0)}
        return {
            "rows": len(index),
            **{f"{word} {level}": shares[word][k] for k, level in enumerate(levels) for word in shares},
            "accuracy": _mean(own.log_probabilities.argmax(axis=1) == own.observed),
            "negative log-likelihood (nats)": -_mean(own.log_likelihood),
            "its standard error": standard_error(own.log_likelihood),
        }

    def _scores(self, probabilities: np.ndarray) -> dict[str, float]:
        hot, losses = np.eye(probabilities.shape[1])[self.observed], self._losses(probabilities)
        return {
            "accuracy": float(np.mean(probabilities.argmax(axis=1) == self.observed)),
            "negative log-likelihood (nats)": float(losses.mean()),
            "its standard error": standard_error(losses),
            "Brier score": float(((probabilities - hot) ** 2).sum(axis=1).mean()),
        }

    def _losses(self, probabilities: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return -np.log(probabilities[np.arange(len(self.observed)), self.observed])

    def losses(self, others: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """−log p of the rows, a column for each prediction."""
        return pd.DataFrame({"this model": -self.log_likelihood} | {n: self._losses(p) for n, p in others.items()})

    def confusion(self) -> pd.DataFrame:
        """Observed classes down, predicted ones across, as counts of rows."""
        k = len(self.part.levels or ())
        counts = np.bincount(self.observed * k + self.log_probabilities.argmax(axis=1), minlength=k * k).reshape(k, k)
        names = [str(name) for name in self.part.levels or ()]
        return pd.DataFrame(counts, pd.Index(names, name="observed"), [f"predicted {name}" for name in names])


def standard_error(values: np.ndarray) -> float:
    """Of their mean; NaN where one is infinite."""
    with np.errstate(invalid="ignore"):
        return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def _mean(values: np.ndarray) -> float:
    """The mean, and NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")


def response_laws(model: LearnedModel, rows: Rows) -> "list[NumberLaw | ClassLaw]":
    """The law of every response at the rows; at a few of them where only Markov chains know it."""
    distribution, drawn = model.gibbs(), None
    if needs_chains(distribution):
        rows = rows.spread(CHAIN_ROWS)
        drawn = draws(distribution, rows.inputs, SUMMARY_DRAWS, np.random.RandomState(0))
    laws = [class_law if part.labelled else number_law for part in model.response.components]
    return [law(model, j, rows, drawn) for j, law in enumerate(laws)]


def number_law(model: LearnedModel, j: int, rows: Rows, drawn: np.ndarray | None = None) -> NumberLaw:
    """The law of the j-th response, a number; from draws (rows, draws, responses) where they are given."""
    part, y = model.response.components[j], column(model, rows.y, j)
    space = part.space()
    if drawn is None:
        law = marginal_distribution(model.gibbs(), [j])
        values = by_rows(_number_summary, law, (rows.inputs, y.astype(np.float32)), LEVELS)
    else:
        own = drawn[..., j].astype(float)
        at, at_y = (np.asarray(space.candidates(jnp.asarray(z)), float)[..., 0] for z in (own, y))
        crps = np.abs(at - at_y[:, None]).mean(axis=1) - 0.5 * np.abs(at - np.roll(at, 1, axis=1)).mean(axis=1)
        below, reached = (own < y[:, None]).mean(axis=1), (own <= y[:, None]).mean(axis=1)
        quantiles = np.quantile(own, LEVELS, axis=1).T
        values = np.c_[at.mean(axis=1), np.full(len(y), np.nan), crps, below, reached, quantiles]
    below, reached = values[:, 3], values[:, 4]
    return NumberLaw(
        part,
        part.exact(y),
        part.restore(np.asarray(space.points(jnp.asarray(y)))),
        part.mean(values[:, :1]),
        values[:, 1] - part.log_units(y),
        values[:, 2] * part.unit,
        below + (reached - below) * np.random.RandomState(0).uniform(size=len(y)),
        part.restore(values[:, 5:]),
    )


def class_law(model: LearnedModel, j: int, rows: Rows, drawn: np.ndarray | None = None) -> ClassLaw:
    """The law of the j-th response, a class; from draws (rows, draws, responses) where they are given."""
    part, codes = model.response.components[j], column(model, rows.y, j).astype(int)
    if drawn is None:
        law = marginal_distribution(model.gibbs(), [j])
        return ClassLaw(part, codes, by_rows(Gibbs.log_mass, law, (rows.inputs,)))
    shares = np.mean(drawn[..., j, None] == np.arange(len(part.levels or ())), axis=1)
    return ClassLaw(part, codes, np.log(np.maximum(shares, 0.5 / SUMMARY_DRAWS)))


def curves(model: LearnedModel, j: int, rows: Rows, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Utility and log density of the j-th response at candidates (rows, k), in encoded units.

    Where there are other responses the utility is τ·log of the integral over them.
    """
    law = marginal_distribution(model.gibbs(), [j])
    candidates = np.asarray(law.space.candidates(jnp.asarray(points)))
    values = by_rows(_curve, law, (rows.inputs, candidates))
    return values[:, 1:], values[:, 1:] / model.temperature - values[:, :1]


def joint_log_density(model: LearnedModel, rows: Rows) -> float:
    """Mean of log p of all responses together, per unit of the numbers."""
    log_prob = by_rows(Gibbs.log_prob, model.gibbs(), (rows.inputs, rows.y.astype(np.float32)))
    return float(log_prob.astype(float).mean() - model.response.log_unit)


def spaced(n: int, most: int) -> np.ndarray:
    """Positions of at most so many of n rows, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def column(model: LearnedModel, y: np.ndarray, j: int) -> np.ndarray:
    """The j-th of encoded responses."""
    return y if len(model.response.components) == 1 else y[:, j]


def _number_summary(law: Gibbs, x: Any, y: Any, levels: Any) -> Any:
    log_prob, reached = law.log_prob(x, y), law.cdf(x, law.space.points(y))
    below = reached if law.space.continuous else reached - jnp.exp(log_prob)
    columns = [law.mean(x), jnp.stack([log_prob, law.crps(x, y), below, reached], axis=1), law.quantile(x, levels)]
    return jnp.concatenate(columns, axis=1)


def _curve(law: Gibbs, x: Any, candidates: Any) -> Any:
    return jnp.concatenate([law.log_normalizer(x)[:, None], law.utility(x, candidates)], axis=1)
