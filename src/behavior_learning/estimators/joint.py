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
from behavior_learning.estimators.base import BehaviorEstimator, Parsed
from behavior_learning.estimators.evaluate import by_rows, draws, means, modes, quantiles
from behavior_learning.estimators.options import (
    check_choice,
    check_count,
    check_number,
    check_sequence,
    checked_supports,
)
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.gibbs.parts import part_of

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

    # Parts of the response, given others.

    @property
    def _responses(self) -> JointResponse:
        check_is_fitted(self)
        return cast(JointResponse, self.response_)

    def _part(self, name: str) -> int:
        if name not in self._responses.names:
            raise OptionError(f"There is no response {name!r}. Responses: {', '.join(self._responses.names)}.")
        return self._responses.names.index(name)

    def _only(self, kind: type, name: str | None, word: str) -> int:
        """The named response, or the only one of its kind."""
        parts = [i for i, part in enumerate(self._responses.parts) if isinstance(part, kind)]
        if name is None and len(parts) != 1:
            raise OptionError(f"response must name one of {len(parts)} {word} responses.")
        chosen = parts[0] if name is None else self._part(name)
        if chosen not in parts:
            raise OptionError(f"The response {name!r} is not {word}.")
        return chosen

    def _beside(self, x: np.ndarray, given: Given) -> tuple[np.ndarray, list[int]]:
        """x with the given responses, as candidates, behind it; and which responses they are."""
        if given is None:
            return x, []
        parts = [self._part(str(name)) for name in given]
        columns = [x]
        for name, i in zip(given, parts, strict=True):
            part, values = self._responses.parts[i], given[name]
            values = np.repeat(np.asarray([values]), len(x)) if np.ndim(values) == 0 else values
            encoded = jnp.asarray(part.encode(part.values(values, len(x))))
            columns.append(np.asarray(part.space().candidates(encoded)))
        return np.concatenate(columns, axis=1).astype(np.float32), parts

    def _conditional(
        self, x: np.ndarray, of: Sequence[int], given: Given, temperature: float | None = None
    ) -> tuple[Gibbs, np.ndarray]:
        """p(of | x, given) and the x it takes."""
        wide, parts = self._beside(x, given)
        fixed = [i for i in of if i in parts]
        if fixed or not of:
            known = ", ".join(self._responses.names[i] for i in fixed or parts)
            raise OptionError(f"Given {known}, there is nothing left to ask of it. Leave it out of given=.")
        return part_of(self._distribution(temperature), of, given=parts, features=x.shape[1]), wide

    def _free(self, given: Given) -> list[int]:
        taken = [] if given is None else [self._part(str(name)) for name in given]
        return [i for i in range(len(self._responses.parts)) if i not in taken]

    def _predict(self, x: np.ndarray, given: Given, statistic: str, temperature: float | None) -> pd.DataFrame:
        check_choice("statistic", statistic, ("mean", "median", "mode"))
        free = self._free(given)
        if statistic == "mode" or temperature == 0:
            distribution, wide = self._conditional(x, free, given)
            best = modes(distribution, wide).reshape(len(x), -1)
            return self._table(best, free)
        return self._table(np.stack([self._typical(x, i, given, statistic, temperature) for i in free], axis=1), free)

    def _typical(self, x: np.ndarray, part: int, given: Given, statistic: str, temperature: float | None) -> np.ndarray:
        """The most likely class, or the mean or median of a number, all other responses integrated out."""
        distribution, wide = self._conditional(x, [part], given, temperature)
        if isinstance(self._responses.parts[part], DiscreteResponse):
            return modes(distribution, wide)
        if statistic == "median":
            return quantiles(distribution, wide, np.array([0.5], np.float32))[:, 0, 0]
        return means(distribution, wide)

    def _predict_proba(
        self, x: np.ndarray, given: Given, response: str | None, temperature: float | None
    ) -> pd.DataFrame:
        part = self._only(DiscreteResponse, response, "discrete")
        distribution, wide = self._conditional(x, [part], given, temperature)
        probabilities = by_rows(Gibbs.mean, distribution, (wide,)).astype(float)
        classes = cast(DiscreteResponse, self._responses.parts[part]).classes
        return pd.DataFrame(probabilities / probabilities.sum(axis=1, keepdims=True), columns=classes)

    def _predict_interval(
        self, x: np.ndarray, coverage: float, given: Given, response: str | None, temperature: float | None
    ) -> np.ndarray:
        coverage = check_number("coverage", coverage, below=1.0)
        part = self._only(ContinuousResponse, response, "continuous")
        distribution, wide = self._conditional(x, [part], given, temperature)
        levels = np.array([0.5 - coverage / 2, 0.5 + coverage / 2], np.float32)
        return self._responses.parts[part].restore(quantiles(distribution, wide, levels)[:, 0])

    def _log_density(self, x: np.ndarray, y: Any, of: Sequence[str] | None, given: Sequence[str]) -> np.ndarray:
        table = response_columns(y, len(x), None if isinstance(y, pd.DataFrame) else self._responses.names)
        given_values = {name: table[name] for name in given} if given else None
        parts = self._free(given_values) if of is None else [self._part(name) for name in of]
        distribution, wide = self._conditional(x, parts, given_values)
        chosen = JointResponse(tuple(self._responses.parts[i] for i in parts))
        encoded = chosen.encode(chosen.values(table, len(x)))
        if len(parts) == 1:
            encoded = chosen.parts[0].encode(chosen.parts[0].values(table[chosen.names[0]], len(x)))
        return by_rows(Gibbs.log_prob, distribution, (wide, encoded)).astype(float) - chosen.log_unit

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
