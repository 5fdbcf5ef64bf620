"""A fitted model at the estimates of inference, as the package marginaleffects reads it; needs marginaleffects."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
from marginaleffects.classes import ModelAbstract, ModelVault  # pyright: ignore[reportMissingImports]

from behavior_learning.errors import OptionError
from behavior_learning.explanation.questions import Level
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.effects import Errors, answers, effects_of
from behavior_learning.learned.model import LearnedModel

__all__ = ["BehaviorModel"]


class BehaviorModel(ModelAbstract):
    """What ``predictions``, ``comparisons``, ``slopes`` and ``hypotheses`` ask of a model.

    Coefficients are the local parameters of the canonical form at the optimum and their covariance is that of the
    results, so that standard errors are those of `effects(inference=results)`, by the same delta method.
    """

    def __init__(
        self, model: LearnedModel, results: InferenceResults, X: pd.DataFrame, y: Any, of: str, q: float
    ) -> None:
        rows = model.given_rows("to_marginaleffects", X, y)
        effects = effects_of(model, rows, of=of, q=q, errors=Errors("delta", results), fitted_to=lambda: rows)
        self._model, self._results = model, results
        self._level, self._outcomes = Level(effects.quantity, effects.gibbs), effects.quantity.outcomes
        data = model.table(X).assign(**{model.response.name: np.asarray(y)}).reset_index(drop=True)
        with jax.enable_x64(True):
            covariance = np.asarray(results.covariance(results.fitted).matrix, float)
        vault = ModelVault(
            coef=np.asarray(results.fitted.local.theta, float),
            coefnames=np.array(results.fitted.local.labels),
            formula=f"`{model.response.name}` ~ {' + '.join(f'`{name}`' for name in model.encoder.names)}",
            modeldata=pl.from_pandas(data),
            package="behavior_learning",
            vcov=covariance,
            variable_names=[model.response.name, *model.encoder.names],
        )
        super().__init__(model, vault)

    def get_vcov(self, vcov: Any = True) -> Any:
        """The covariance of the results; another one comes from `results.with_covariance(...)`."""
        if isinstance(vcov, str):
            raise OptionError(f"vcov={vcov!r} is chosen by results.with_covariance({vcov!r}). Pass those results.")
        return self.vault.vcov if vcov else None

    def get_exog(self, newdata: pl.DataFrame) -> np.ndarray:
        """Encoded columns; rows that only pad the levels of categories, which are cut off later, are zero."""
        own = newdata["rowid"].to_numpy() >= 0 if "rowid" in newdata.columns else np.ones(len(newdata), bool)
        columns = newdata.select(self._model.encoder.names)
        encoded = np.zeros((len(newdata), len(self._model.encoder.columns)))
        encoded[own] = self._model.encoder(self._model.table(columns.filter(own).to_pandas()))
        return encoded

    def get_predict(self, params: Any, newdata: np.ndarray) -> pl.DataFrame:
        """The quantity in every row, at given parameters; by outcome where there are several."""
        x, y = np.asarray(newdata, float), np.zeros(len(newdata))
        with jax.enable_x64(True):
            network = self._results.fitted.local.parametrization.network(jnp.asarray(params, float))
        values = answers(self._level, network, x, y)
        if len(self._outcomes) < 2:
            return pl.DataFrame({"rowid": np.arange(len(x), dtype=np.int32), "estimate": values[:, 0]})
        rows = np.tile(np.arange(len(x), dtype=np.int32), len(self._outcomes))
        groups = np.repeat(self._outcomes, len(x))
        return pl.DataFrame({"rowid": rows, "group": groups, "estimate": values.T.ravel()})
