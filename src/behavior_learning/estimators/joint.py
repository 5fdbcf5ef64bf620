"""Several responses in any mixture of classes and numbers: each part, given any others, from one joint utility."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from behavior_learning.encoding import (
    ContinuousResponse,
    DiscreteResponse,
    JointResponse,
    class_codes,
    response_columns,
    response_values,
    warn_of_few_values,
)
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.base import BehaviorEstimator, Parsed, checked_split
from behavior_learning.estimators.options import checked_supports
from behavior_learning.gibbs.components import marginal_distribution
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.predict import (
    SUMMARY_DRAWS,
    by_rows,
    draws,
    means,
    modes,
    needs_chains,
    quantiles,
)
from behavior_learning.options import check_choice, check_count, check_number, check_sequence

__all__ = ["Given", "JointEstimator"]

Given = Mapping[str, Any] | pd.DataFrame | None
"""Values of some responses by name: one for all rows, or one per row."""


@dataclass(kw_only=True, eq=False, repr=False)
class JointEstimator(BehaviorEstimator):
    """What BLHybrid and BLDensity share: parsing several responses, and asking for some of them given others."""

    support: Any = None
    discrete: Sequence[str] = ()
    discrete_weight: float = 1.0
    continuous_weight: float = 1.0

    def _parse_response(self, y: Any, rows: int) -> Parsed:
        table = response_columns(y, rows)
        stated = check_sequence("discrete", self.discrete, '["class"]')
        unknown = [name for name in stated if name not in table.columns]
        if unknown:
            raise OptionError(f"discrete names {unknown[0]!r}, which is no response: {', '.join(table.columns)}.")
        values, classes = zip(*(_read(table[name], rows, name in stated) for name in table.columns), strict=True)
        return Parsed(tuple(table.columns), np.stack(values, axis=1), classes)

    def _parse_validation(self, parsed: Parsed, y: Any, rows: int) -> np.ndarray:
        table = response_columns(y, rows, parsed.names)
        read = lambda name, classes: (
            response_values(table[name], rows)[1]
            if classes is None
            else DiscreteResponse(name, classes, ()).codes(table[name], rows)
        )
        return np.stack(
            [read(name, classes) for name, classes in zip(parsed.names, parsed.classes, strict=True)], axis=1
        )

    def _learn_response(self, parsed: Parsed, train: np.ndarray) -> JointResponse:
        numbers = [name for name, classes in zip(parsed.names, parsed.classes, strict=True) if classes is None]
        supports = checked_supports(self.support, numbers)
        learn = lambda name, values, classes: (
            ContinuousResponse.learn(name, values, train=train, support=supports[name])
            if classes is None
            else DiscreteResponse.learn(name, values, classes, train=train)
        )
        columns = zip(parsed.names, parsed.values.T, parsed.classes, strict=True)
        return JointResponse(tuple(learn(*column) for column in columns))

    def _split(self, parsed: Parsed, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Validation takes a random share, but leaves every class of every response a row that trains."""
        fraction = check_number("validation_fraction", self.validation_fraction, below=1.0)
        order = random.permutation(len(parsed.values))
        discrete = [j for j, classes in enumerate(parsed.classes) if classes is not None]
        firsts = [np.unique(parsed.values[order, j], return_index=True)[1] for j in discrete]
        first = np.isin(np.arange(len(order)), np.concatenate([np.array([], int), *firsts]))
        order = np.concatenate([order[~first], order[first]])
        held_out = order[: min(max(1, round(fraction * len(order))), len(order) - int(first.sum()))]
        return checked_split(np.setdiff1d(order, held_out), held_out)

    # Parts of the response, given others.

    @property
    def _responses(self) -> JointResponse:
        check_is_fitted(self)
        return cast(JointResponse, self.response_)

    def _part(self, name: str) -> int:
        if name not in self._responses.names:
            raise OptionError(f"There is no response {name!r}. Responses: {', '.join(self._responses.names)}.")
        return self._responses.names.index(name)

    def _parts(self, option: str, names: Sequence[str]) -> list[int]:
        return [self._part(name) for name in check_sequence(option, names, f"[{self._responses.names[0]!r}]")]

    def _only(self, kind: type, name: str | None, word: str) -> int:
        """The named response, or the only one of its kind."""
        parts = [i for i, part in enumerate(self._responses.parts) if isinstance(part, kind)]
        if name is None and len(parts) != 1:
            raise OptionError(f"response must name one of {len(parts)} {word} responses.")
        chosen = parts[0] if name is None else self._part(name)
        if chosen not in parts:
            raise OptionError(f"The response {name!r} is not {word}.")
        return chosen

    def _free(self, given: Given) -> list[int]:
        """The responses that are not given.

        Raises
        ------
        OptionError
            If there are none.
        """
        taken = [] if given is None else [self._part(str(name)) for name in given]
        free = [i for i in range(len(self._responses.parts)) if i not in taken]
        if not free:
            raise OptionError("Every response is given: there is nothing left to ask. Leave one out of given=.")
        return free

    def _beside(self, x: np.ndarray, given: Given) -> tuple[np.ndarray, list[int]]:
        """x with the given responses, as candidates, behind it; and which responses they are."""
        if given is None:
            return x, []
        parts = [self._part(str(name)) for name in given]
        columns = [x, *(self._given(i, given[name], len(x)) for name, i in zip(given, parts, strict=True))]
        return np.concatenate(columns, axis=1).astype(np.float32), parts

    def _given(self, i: int, values: Any, rows: int) -> np.ndarray:
        """Given values of one response as candidates, one row each."""
        part = self._responses.parts[i]
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

    def _conditional(
        self, x: np.ndarray, of: Sequence[int], given: Given, temperature: float | None = None
    ) -> tuple[Gibbs, np.ndarray]:
        """p(of | x, given) and the x it takes."""
        free = self._free(given)
        taken = [self._responses.names[i] for i in of if i not in free]
        if taken or not of:
            known = repr(taken[0]) if taken else "of=[]"
            raise OptionError(f"Given {known}, there is nothing left to ask of it. Name responses that are not given.")
        wide, parts = self._beside(x, given)
        return marginal_distribution(self._distribution(temperature), of, given=parts), wide

    def _predict(self, x: np.ndarray, given: Given, statistic: str, temperature: float | None) -> pd.DataFrame:
        check_choice("statistic", statistic, ("mean", "median", "mode"))
        free = self._free(given)
        if statistic == "mode" or temperature == 0:
            distribution, wide = self._conditional(x, free, given)
            return self._table(modes(distribution, wide).reshape(len(x), -1), free)
        typical = lambda i: self._one(x, i, given, temperature).typical(statistic)
        return self._table(np.stack([typical(i) for i in free], axis=1), free)

    def _one(self, x: np.ndarray, part: int, given: Given, temperature: float | None) -> "_One":
        """The law of one response, all others that are not given integrated out."""
        free = self._free(given)
        discrete = isinstance(self._responses.parts[part], DiscreteResponse)
        if temperature == 0:
            best, wide = self._conditional(x, free, given)
            return _One(discrete, drawn=modes(best, wide).reshape(len(x), 1, -1)[..., free.index(part)])
        joint, wide = self._conditional(x, free, given, temperature)
        if needs_chains(joint) and part in free:
            drawn = draws(joint, wide, SUMMARY_DRAWS, np.random.RandomState(0))
            return _One(discrete, drawn=drawn.reshape(*drawn.shape[:2], -1)[..., free.index(part)])
        return _One(discrete, *self._conditional(x, [part], given, temperature))

    def _predict_proba(
        self, x: np.ndarray, given: Given, response: str | None, temperature: float | None
    ) -> pd.DataFrame:
        part = self._only(DiscreteResponse, response, "discrete")
        classes = cast(DiscreteResponse, self._responses.parts[part]).classes
        probabilities = self._one(x, part, given, temperature).probabilities(len(classes))
        return pd.DataFrame(probabilities / probabilities.sum(axis=1, keepdims=True), columns=classes)

    def _predict_interval(
        self, x: np.ndarray, coverage: float, given: Given, response: str | None, temperature: float | None
    ) -> np.ndarray:
        coverage = check_number("coverage", coverage, below=1.0)
        part = self._only(ContinuousResponse, response, "continuous")
        levels = np.array([0.5 - coverage / 2, 0.5 + coverage / 2], np.float32)
        return self._responses.parts[part].restore(self._one(x, part, given, temperature).quantiles(levels))

    def _log_density(self, x: np.ndarray, y: Any, of: Sequence[str] | None, given: Sequence[str]) -> np.ndarray:
        fixed, names = self._parts("given", given), self._responses.names
        parts = self._free(dict.fromkeys(names[i] for i in fixed)) if of is None else self._parts("of", of)
        needed = [names[i] for i in (*fixed, *parts)]
        table = response_columns(y, len(x), needed if isinstance(y, pd.DataFrame) else names)
        given_values = {names[i]: table[names[i]] for i in fixed} if fixed else None
        distribution, wide = self._conditional(x, parts, given_values)
        chosen = [self._responses.parts[i] for i in parts]
        response = chosen[0] if len(chosen) == 1 else JointResponse(tuple(chosen))
        observed = table[response.name] if len(chosen) == 1 else table
        encoded = response.encode(response.values(observed, len(x)))
        return by_rows(Gibbs.log_prob, distribution, (wide, encoded)) - response.log_unit

    def _sample(
        self, x: np.ndarray, n: int, given: Given, random_state: Any, temperature: float | None
    ) -> pd.DataFrame:
        n, free = check_count("n", n), self._free(given)
        if temperature == 0:
            best = self._predict(x, given, "mode", None)
            return best.loc[best.index.repeat(n)].reset_index(drop=True)
        distribution, wide = self._conditional(x, free, given, temperature)
        drawn = draws(distribution, wide, n, check_random_state(random_state))
        return self._table(drawn.reshape(len(x) * n, -1), free)

    def _table(self, encoded: np.ndarray, parts: Sequence[int]) -> pd.DataFrame:
        """Encoded responses as the user's columns."""
        chosen = [self._responses.parts[i] for i in parts]
        return pd.DataFrame({part.name: part.restore(encoded[:, j]) for j, part in enumerate(chosen)})


@dataclass(frozen=True)
class _One:
    """The law of a single response: exact, or where it has no quadrature by draws (rows, draws); encoded."""

    discrete: bool
    distribution: Gibbs | None = None
    x: np.ndarray | None = None
    drawn: np.ndarray | None = None

    @property
    def _exact(self) -> tuple[Gibbs, np.ndarray]:
        return cast(tuple[Gibbs, np.ndarray], (self.distribution, self.x))

    def typical(self, statistic: str) -> np.ndarray:
        """The most likely class, or the mean or median of a number."""
        if self.drawn is not None and self.discrete:
            return np.argmax(self.probabilities(int(self.drawn.max()) + 1), axis=1)
        if self.discrete:
            return modes(*self._exact)
        if statistic == "median":
            return self.quantiles(np.array([0.5], np.float32))[:, 0]
        return means(*self._exact) if self.drawn is None else self.drawn.mean(axis=1)

    def probabilities(self, classes: int) -> np.ndarray:
        """Probability of every class."""
        if self.drawn is not None:
            return np.mean(self.drawn[..., None] == np.arange(classes), axis=1)
        distribution, x = self._exact
        return by_rows(Gibbs.mean, distribution, (x,))

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Quantiles of a number, one column per level."""
        if self.drawn is not None:
            return np.quantile(self.drawn, levels, axis=1).T
        return quantiles(*self._exact, levels)[:, 0]


def _read(column: pd.Series, rows: int, stated_discrete: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Values or codes of a response, and its classes where it is discrete: text, booleans and what is stated so."""
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric and not stated_discrete:
        name, values = response_values(column, rows)
        warn_of_few_values(name, values)
        return values, None
    name, classes, codes = class_codes(column, rows)
    if len(classes) < 2:
        raise DataError(f"The response {name!r} must have at least two classes; got 1 class, {classes.tolist()[0]!r}.")
    return codes.astype(float), classes
