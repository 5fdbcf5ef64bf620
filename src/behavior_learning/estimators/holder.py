"""A fitted estimator as the holder of a learned model: its parts, what it predicts, what it is called, its file."""

from collections.abc import Mapping, Sequence
from copy import copy
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

import jax
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.estimators import asked
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.distribution import Predictive
from behavior_learning.learned.evaluate import by_rows
from behavior_learning.learned.model import LearnedModel, Rows
from behavior_learning.learned.predictive import Given, predictive
from behavior_learning.options import check_number
from behavior_learning.persistence import Saved, save

if TYPE_CHECKING:
    from behavior_learning.decision.problem import DecisionProblem

__all__ = ["ModelHolder"]


class ModelHolder(BaseEstimator):
    """What `fit` leaves behind: a learned model, its parts by scikit-learn's names, what it predicts, and its file.

    Attributes
    ----------
    model_ : the learned model as a value.
    """

    model_: LearnedModel
    structure: Any

    score_name: ClassVar[str] = ""
    """What `score` returns, where that is not the mean log density."""

    @property
    def _fitted(self) -> LearnedModel:
        check_is_fitted(self)
        return self.model_

    def _adopt(self, model: LearnedModel, *, named: bool) -> None:
        """Hold a model, with scikit-learn's attributes; `named` says whether its table had names."""
        self.model_, self.n_features_in_ = model, len(model.encoder.names)
        self.__dict__.pop("feature_names_in_", None)
        if named:
            self.feature_names_in_ = np.array(model.encoder.names, dtype=object)

    @property
    def network_(self) -> BehaviorNetwork:
        """BL, on standardised columns."""
        return self._fitted.network

    @property
    def n_parameters_(self) -> int:
        """How many numbers were learned."""
        return self._fitted.network.n_parameters

    @property
    def l2_(self) -> float | None:
        """The ridge at whose optimum the network is: that of `penalty` or twice of it, by the held-out rows.

        None where training stopped early and no optimum predicts as well: with fewer than two rows per number, after
        brief training, and for losses with noise.
        """
        return self._fitted.l2

    @property
    def temperature_(self) -> float:
        """τ, as fitted or calibrated."""
        return self._fitted.temperature

    @property
    def history_(self) -> pd.DataFrame:
        """Losses by start and epoch."""
        return self._fitted.history

    @property
    def restarts_(self) -> pd.DataFrame:
        """The outcome of every start."""
        return self._fitted.restarts

    @property
    def members_(self) -> tuple[Self, ...]:
        """Of an `average`, as default fits are, each of the models whose mean this is, best held-out loss first.

        Else this one alone.

        The mean is to predict with, one of them to read: `members_[0].problem_` has the blocks of one problem.
        """
        model, count = self._fitted, self._fitted.members
        if count == 1:
            return (self,)
        found = tuple(copy(self) for _ in range(count))
        for member, own in enumerate(found):
            own.model_ = model.member(member)
        return found

    @property
    def problem_(self) -> "DecisionProblem":
        """The learned problem in the user's names and units, which can be printed, evaluated and solved again."""
        return asked.problem_of(self._fitted)

    def distribution(self, X: Any, *, given: Given = None, temperature: float | None = None) -> Predictive:
        """The predictive distribution p_τ(y|x) at the rows of X: mean, mode, quantile, interval, cdf, sample, ….

        Parameters
        ----------
        given : values of some of several responses by name: one for all rows, or one per row.
        temperature : τ in place of the fitted one; 0 puts all mass on the best response.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=20, random_state=0).fit(X[["RM", "LSTAT"]], y)
        >>> reg.distribution(X[["RM", "LSTAT"]].head(3)).interval(0.9).shape
        (3, 2)
        """
        return predictive(self._fitted, X, given=given, temperature=temperature)

    def predict_to(
        self, rows: Any, path: str | PathLike[str], *, coverage: float = 0.9, keep: Sequence[str] = ()
    ) -> int:
        """Predict rows that need not fit in memory to a Parquet file, and return how many there were.

        The file has `distribution(X).summary(coverage)`, and log p(y|x) as ``log_density`` where the rows have y. It is
        there whole or not at all.

        Parameters
        ----------
        rows : a path such as ``"folder/*.parquet"``, or whatever ``bl.Stream`` takes.
        keep : columns of the rows to write beside the predictions.

        Examples
        --------
        >>> import behavior_learning as bl, tempfile
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=5, random_state=0).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     count = reg.predict_to([X[:300], X[300:]], f"{folder}/predicted.parquet")
        >>> count
        506
        """
        return asked.predict_to(
            self._fitted, rows, path, coverage=check_number("coverage", coverage, below=1.0), keep=keep
        )

    def rename_blocks(self, names: Mapping[str, str]):
        """Give blocks names of your own, which every output then uses and `save` keeps.

        Parameters
        ----------
        names : the new name of each block by its present or its original one, ``{"block1.1": "the budget"}``.

        Raises
        ------
        OptionError
            If a name is no block's, or a new name is that of another block or column.
        """
        self.model_ = self._fitted.renamed(names)
        return self

    def describe_columns(
        self, descriptions: Mapping[str, str] | None = None, *, themes: Mapping[str, Sequence[str]] | None = None
    ) -> Self:
        """Say what columns mean; explanations, tables of coefficients and reports then say so, and `save` keeps it.

        Parameters
        ----------
        descriptions : a line of text by column, ``{"RM": "average rooms per dwelling"}``.
        themes : columns by what they have in common, ``{"location": ["CHAS", "RAD"]}``; blocks are named for themes,
            "location-sensitive", where columns have one. A theme may hold the response.

        Raises
        ------
        OptionError
            If a column is not there, has two themes, or a description is no text.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=20, random_state=0).fit(X[["RM", "LSTAT"]], y)
        >>> _ = reg.describe_columns({"RM": "average rooms per dwelling"}, themes={"size": ["RM"]})
        >>> reg.explain().types.columns.tolist()
        ['layer', 'type', 'represents', 'share', 'sign_share']
        """
        self.model_ = self._fitted.described(descriptions or {}, themes or {})
        return self

    def utility(self, X: Any, y: Any) -> np.ndarray:
        """BL(x, y) of each row's response, in nats times τ; defined up to a function of x."""
        model = self._fitted
        x, encoded_y = model.given_rows("utility", X, y)
        candidates = model.candidates(encoded_y)[:, None].astype(np.float32)
        return by_rows(_utility, model.gibbs(), (x.astype(np.float32), candidates))[:, 0]

    def _inputs_alone(self, X: Any) -> Rows:
        """Encoded rows whose response is not asked for."""
        model = self._fitted
        x = model.encoder(model.table(X)) if model.encoder.columns else np.zeros((len(X), 0))
        return x, np.zeros(len(x))

    def _rows(self, asked: str, X: Any, y: Any) -> Rows:
        """The given rows, or those of `fit`, encoded in double precision."""
        return self._fitted.given_rows(asked, X, y)

    def _given_or_none(self, asked: str, X: Any, y: Any) -> Rows | None:
        return None if X is None and y is None else self._rows(asked, X, y)

    def save(self, path: str | PathLike[str], *, hash_levels: bool = False) -> None:
        """Write the fitted estimator to one file, without pickle; `behavior_learning.load` reads it.

        The file holds no rows, but the names of columns and the levels of categories as they are.

        Parameters
        ----------
        hash_levels : write digests of the levels of the columns of X instead, so that they are not to be read; they
            still find the levels of a table. Labels of y stay as they are.

        Raises
        ------
        DataError
            If the path cannot be written to.
        """
        parameters = self.get_params(deep=False)
        if not isinstance(parameters["random_state"], Integral):
            parameters["random_state"] = None  # A generator in place of a seed does not go to a file.
        save(
            Saved(self._fitted, type(self).__name__, parameters, hasattr(self, "feature_names_in_")), path, hash_levels
        )


def _utility(distribution: Gibbs, x: jax.Array, candidates: jax.Array) -> jax.Array:
    return distribution.utility(x, candidates)
