"""Predictive distributions of a model: exact where sums and quadrature reach, drawn by Markov chains where they do not,
and the best response at τ = 0.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import pandas as pd

from behavior_learning.core.spaces import Utility
from behavior_learning.errors import DataError, OptionError, OutsideSupportWarning
from behavior_learning.gibbs.components import marginal_distribution
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.distribution import Predictive
from behavior_learning.learned.evaluate import SUMMARY_DRAWS, by_rows, climbed_modes, draws, needs_chains
from behavior_learning.learned.model import LearnedModel
from behavior_learning.options import check_number, check_sequence
from behavior_learning.responses import Response

__all__ = ["BestResponse", "Drawn", "Exact", "Given", "of_inputs", "predictive"]

Given = Mapping[str, Any] | pd.DataFrame | None
"""Values of some responses by name: one for all rows, or one per row."""


@dataclass(frozen=True, eq=False, repr=False)
class Exact(Predictive):
    """By sums and quadrature.

    Attributes
    ----------
    gibbs : the distribution on encoded columns.
    """

    gibbs: Gibbs

    def _mean(self) -> np.ndarray:
        return by_rows(Gibbs.mean, self.gibbs, (self.x,))

    def _std(self) -> np.ndarray:
        return by_rows(Gibbs.standard_deviation, self.gibbs, (self.x,))

    def _mode(self) -> np.ndarray:
        return by_rows(Gibbs.mode, self.gibbs, (self.x,))

    def _quantile(self, levels: np.ndarray) -> np.ndarray:
        return by_rows(Gibbs.quantile, self.gibbs, (self.x,), levels)

    def _cdf(self, y: np.ndarray) -> np.ndarray:
        return by_rows(Gibbs.cdf, self.gibbs, (self.x, y))

    def _draws(self, n: int, random: np.random.RandomState) -> np.ndarray:
        return draws(self.gibbs, self.x, n, random)

    def _log_mass(self) -> np.ndarray:
        return by_rows(Gibbs.log_mass, self.gibbs, (self.x,))

    def _some(self, response: Response, at: Sequence[int]) -> Predictive:
        return Exact(response, self.x, marginal_distribution(self.gibbs, at))

    def log_prob(self, y: Any) -> np.ndarray:
        encoded = self._encode(y)
        log_prob = by_rows(Gibbs.log_prob, self.gibbs, (self.x, encoded)) - self.response.log_units(encoded)
        _warn_of_rows_outside(self.response, log_prob)
        return log_prob

    def entropy(self) -> np.ndarray:
        return by_rows(Gibbs.entropy, self.gibbs, (self.x,)) + self.response.log_unit

    def crps(self, y: Any) -> np.ndarray:
        if len(self.response.components) > 1 or self.response.labelled or not self.response.affine:
            return super().crps(y)
        encoded = self._encode(y)
        score = self.response.unit * by_rows(Gibbs.crps, self.gibbs, (self.x, encoded))
        return np.where(self.response.exact(encoded), score, np.nan)


@dataclass(frozen=True, eq=False, repr=False)
class Drawn(Predictive):
    """By draws of Markov chains, where there are more numbers than quadrature can do.

    Attributes
    ----------
    gibbs : the distribution of all responses on encoded columns.
    at : which of them are meant; None for all.
    """

    gibbs: Gibbs
    at: tuple[int, ...] | None = None

    @cached_property
    def _sampled(self) -> np.ndarray:
        return self._draws(SUMMARY_DRAWS, np.random.RandomState(0))

    def _mean(self) -> np.ndarray:
        return np.asarray(self.response.space().candidates(jnp.asarray(self._sampled))).mean(axis=1)

    def _std(self) -> np.ndarray:
        return np.asarray(self.response.space().candidates(jnp.asarray(self._sampled))).std(axis=1)

    def _mode(self) -> np.ndarray:
        best = climbed_modes(self.gibbs, self.x, draws(self.gibbs, self.x, SUMMARY_DRAWS, np.random.RandomState(0)))
        return best if self.at is None else _columns(best, self.at)

    def _quantile(self, levels: np.ndarray) -> np.ndarray:
        return np.quantile(self._sampled, levels, axis=1).T

    def _cdf(self, y: np.ndarray) -> np.ndarray:
        return np.mean(self._sampled <= y[:, None], axis=1)

    def _draws(self, n: int, random: np.random.RandomState) -> np.ndarray:
        sampled = draws(self.gibbs, self.x, n, random)
        return sampled if self.at is None else _columns(sampled, self.at)

    def _log_mass(self) -> np.ndarray:
        count = len(cast(Sequence[Any], self.response.levels))
        shares = np.mean(self._sampled[..., None] == np.arange(count), axis=1)
        return np.log(np.maximum(shares, 0.5 / SUMMARY_DRAWS))

    def _some(self, response: Response, at: Sequence[int]) -> Predictive:
        return Drawn(response, self.x, self.gibbs, tuple(at))

    def log_prob(self, y: Any) -> np.ndarray:
        return self._exact.log_prob(y)

    def entropy(self) -> np.ndarray:
        return self._exact.entropy()

    @property
    def _exact(self) -> Exact:
        """The same by quadrature, which refuses more dimensions than it can do."""
        return Exact(
            self.response, self.x, self.gibbs if self.at is None else marginal_distribution(self.gibbs, self.at)
        )


@dataclass(frozen=True, eq=False, repr=False)
class BestResponse(Predictive):
    """All mass on argmax BL: the limit τ → 0.

    Attributes
    ----------
    best : encoded.
    """

    best: np.ndarray

    def _mean(self) -> np.ndarray:
        return np.asarray(self.response.space().candidates(jnp.asarray(self.best)))

    def _std(self) -> np.ndarray:
        return np.zeros_like(self._mean())

    def _mode(self) -> np.ndarray:
        return self.best

    def _quantile(self, levels: np.ndarray) -> np.ndarray:
        return np.repeat(self.best[:, None], len(levels), axis=1)

    def _cdf(self, y: np.ndarray) -> np.ndarray:
        return (self.best <= y).astype(float)

    def _draws(self, n: int, random: np.random.RandomState) -> np.ndarray:
        return np.repeat(self.best[:, None], n, axis=1)

    def _log_mass(self) -> np.ndarray:
        count = len(cast(Sequence[Any], self.response.levels))
        return np.where(self.best[:, None] == np.arange(count), 0.0, -np.inf)

    def _some(self, response: Response, at: Sequence[int]) -> Predictive:
        return BestResponse(response, self.x, _columns(self.best, at))

    def log_prob(self, y: Any) -> np.ndarray:
        """Refused: a point has no density."""
        raise OptionError("At temperature=0 all mass is on one response, which has no density. Use a temperature > 0.")

    def entropy(self) -> np.ndarray:
        """Zero for labels and counts; a point has no differential entropy."""
        discrete = all(part.levels is not None for part in self.response.components)
        return np.full(len(self), 0.0 if discrete else -np.inf)


def predictive(
    model: LearnedModel,
    X: Any,
    *,
    of: Sequence[str] | None = None,
    given: Given = None,
    temperature: float | None = None,
) -> Predictive:
    """The predictive distribution of a model at the rows of a table.

    Parameters
    ----------
    X : the table; for a model without x anything with as many rows.
    of : names of the responses that are meant, the others integrated out; by default all that are not given.
    given : values of some responses by name: one for all rows, or one per row.
    temperature : τ in place of the fitted one; 0 gives the best response.

    Raises
    ------
    OptionError
        If a name is no response, nothing is left to ask, or the temperature is no number of at least 0.
    DataError
        If the table does not suit the model, or a given value lies outside the support.
    """
    if temperature is not None:
        check_number("temperature", temperature, inclusive=True)
    if not isinstance(given, (Mapping, pd.DataFrame, type(None))):
        raise OptionError(f"given must be values by name, such as {{'amount': 3.0}}, or a table; got {given!r}.")
    x, names = model.inputs(X), [part.name for part in model.response.components]
    taken = _positions(names, [] if given is None else [str(name) for name in given])
    free = [i for i in range(len(names)) if i not in taken]
    asked = free if of is None else _positions(names, of)
    known = [names[i] for i in asked if i not in free]
    if known or not asked:
        what = repr(known[0]) if known else "of=[]" if free else "every response"
        raise OptionError(f"Given {what}, there is nothing left to ask. Name responses that are not given.")
    if given is not None:
        values = [given[name] for name in given]
        pairs = zip(taken, values, strict=True)
        columns = [_given_candidates(model.response.components[i], value, len(x)) for i, value in pairs]
        x = np.concatenate([x, *columns], axis=1).astype(np.float32)
    every = model.gibbs(temperature or None)
    alone = model.response.several and len(free) == 1  # Of which a space of its own knows the quantiles.
    every = marginal_distribution(every, free, given=taken) if taken or alone else every
    whole = _whole(model.response.some(free), x, every)
    at, response = tuple(free.index(i) for i in asked), model.response.some(asked)
    if temperature == 0:
        best = whole._mode()  # pyright: ignore[reportPrivateUsage]
        return BestResponse(response, x, best if asked == free else _columns(best, at))
    return whole if asked == free else whole._some(response, at)  # pyright: ignore[reportPrivateUsage]


def _warn_of_rows_outside(response: Response, log_prob: np.ndarray) -> None:
    outside = int(np.isneginf(log_prob).sum())
    if outside:
        rest = (
            f"; the others have {log_prob[np.isfinite(log_prob)].mean():.4g} on average"
            if outside < len(log_prob)
            else ""
        )
        low, high = response.ends()
        where = "" if np.isinf([low, high]).all() else f" [{low:g}, {high:g}]"
        warnings.warn(
            f"{outside} of {len(log_prob)} rows lie outside the support{where} of {response.name!r}, where log p is "
            f"-inf{rest}. State support= to widen it.",
            OutsideSupportWarning,
            stacklevel=3,
        )


def of_inputs(model: LearnedModel, x: np.ndarray, utility: Utility | None = None) -> Predictive:
    """The predictive distribution at encoded inputs, by another utility on the same columns where one is given."""
    gibbs = model.gibbs()
    return _whole(model.response, x, gibbs if utility is None else replace(gibbs, utility=utility))


def _whole(response: Response, x: np.ndarray, gibbs: Gibbs) -> Predictive:
    return (Drawn if needs_chains(gibbs) else Exact)(response, x, gibbs)


def _positions(names: Sequence[str], chosen: Sequence[str]) -> list[int]:
    """Where the chosen responses stand."""
    for name in check_sequence("of", chosen, f"[{names[0]!r}]"):
        if name not in names:
            raise OptionError(f"There is no response {name!r}. Responses: {', '.join(names)}.")
    return [names.index(name) for name in chosen]


def _given_candidates(part: Response, values: Any, rows: int) -> np.ndarray:
    """Given values of one response as candidates, one row each."""
    values = [values] * rows if np.ndim(values) == 0 else values
    column = values if isinstance(values, pd.Series) else pd.Series(list(values))
    encoded = jnp.asarray(part.encode(part.values(column.rename(part.name), rows)))
    outside = ~np.asarray(part.space().contains(encoded))
    if outside.any():
        raise DataError(
            f"given must stay inside the support of {part.name!r}; row {int(np.argmax(outside))} is "
            f"{column.iloc[int(np.argmax(outside))]}. Fit with a wider support= to ask about it."
        )
    return np.asarray(part.space().candidates(encoded))


def _columns(values: np.ndarray, at: Sequence[int]) -> np.ndarray:
    """Some responses along the last axis, which goes where there is one."""
    return values[..., at[0]] if len(at) == 1 else values[..., list(at)]
