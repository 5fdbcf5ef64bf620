"""What can be asked of a fitted estimator: its problem, its parts, their errors, and a report."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Space
from behavior_learning.encoding import DiscreteResponse, TableEncoder, aligned, as_table
from behavior_learning.encoding.columns import columns_of
from behavior_learning.errors import DataError, OptionError
from behavior_learning.explanation.effects import Effects
from behavior_learning.explanation.simplified import View
from behavior_learning.explanation.stability import Stability
from behavior_learning.explanation.statements import Reading
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.effects import effects_of
from behavior_learning.learned.explain import read, view
from behavior_learning.learned.inference import infer_problem
from behavior_learning.learned.predict import by_rows, in_single
from behavior_learning.learned.records import Spreads, spreads
from behavior_learning.learned.score_tests import candidate_products, product_name, score_tests
from behavior_learning.learned.stability import stability
from behavior_learning.objectives import Objective
from behavior_learning.options import check_count, check_number
from behavior_learning.symbolic.problem import Hierarchy, LearnedUMP, check_renaming
from behavior_learning.symbolic.read import read_problem

if TYPE_CHECKING:
    from behavior_learning.report import Report

__all__ = ["FittedEstimator", "candidates_of", "columns_of"]

SUGGESTION_ROWS = 2000
"""Rows on which terms are tested."""

PREDICTION_REFINEMENT = 4
"""Prediction spends so many times the candidates of training: quantiles interpolate between them."""


class FittedEstimator(BaseEstimator):
    """The methods that need no more than what `fit` leaves behind."""

    network_: BehaviorNetwork
    space_: Space
    encoder_: TableEncoder
    response_: Any
    temperature_: float
    sigma_: float | None
    block_names_: Mapping[str, str]
    structure: Any
    alpha: float

    @abstractmethod
    def _objective(self, space: Space, sigma: float | None, temperature: float) -> Objective: ...

    @property
    def problem_(self) -> LearnedUMP | Hierarchy:
        """The learned problem in the user's names and units."""
        check_is_fitted(self)
        problem = read_problem(
            self.network_,
            inputs=self.encoder_.variables,
            response=self.response_.variables,
            curve_spreads=self._spreads.of_functions,
            block_spreads=self._spreads.of_blocks,
        )
        return problem.renamed(self.block_names_)

    @cached_property
    def _spreads(self) -> Spreads:
        """What printing goes by, over the training rows; a fit does not wait for it."""
        x, y = in_single(self._training_rows)
        return spreads(self.network_, self.space_, x[~self._held_out], y[~self._held_out])

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
        check_renaming(names)
        original = {new: old for old, new in self.block_names_.items()}
        kept = {old: new for old, new in self.block_names_.items() if old not in names and new not in names}
        self.block_names_, before = (
            kept | {original.get(old, old): new for old, new in names.items()},
            self.block_names_,
        )
        try:
            _ = self.problem_
        except OptionError:
            self.block_names_ = before
            raise
        return self

    def reading(self, X: Any = None, y: Any = None, *, stability: Stability | None = None) -> Reading:
        """Read the learned problem bottom-up: what each block wants, is limited by and believes, with the numbers.

        Parameters
        ----------
        X, y : the rows that strengths and shares are taken over; by default those given to `fit`. A model that was
            loaded from a file does not have them.
        stability : what `stability` returned, to see beside each statement how often it recurs.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=20, random_state=0).fit(X[["RM", "LSTAT"]], y)
        >>> [statement.block for statement in reg.reading().statements if statement.head == "equality"]
        ['block1.1', 'block1.2', 'block2.1']
        """
        return read(self, X, y, stability)

    def view(
        self,
        X: Any = None,
        y: Any = None,
        *,
        terms: int = 3,
        digits: int = 2,
        factor: bool = True,
        refit: bool = True,
    ) -> View:
        """Simplify the learned problem, and say how faithful the simplification is (Section 3.2).

        Parameters
        ----------
        X, y : the rows on which terms are ranked and fidelity is measured; as in `reading`.
        terms : monomials kept in each row; the others are collected in a named residual.
        digits : significant digits of every number.
        factor : whether to write quadratics as products where they are.
        refit : whether the kept coefficients are fitted to the whole row by least squares over the rows, so that they
            stand for correlated terms too; otherwise they are the model's.
        """
        return view(self, X, y, terms=terms, digits=digits, factor=factor, refit=refit)

    def stability(
        self, X: Any = None, y: Any = None, *, n: int = 20, kind: str = "bootstrap", seed: int = 0
    ) -> Stability:
        """Fit the model again n times and count how often each statement of its reading recurs.

        Parameters
        ----------
        X, y : the rows that refits use; as in `reading`.
        kind : ``"bootstrap"`` draws rows with replacement, ``"seeds"`` changes the split and the random starts alone.
        seed : of both.
        """
        return stability(self, X, y, n=n, kind=kind, seed=seed)

    def proposed_block_names(self, X: Any = None, y: Any = None) -> dict[str, str]:
        """Names for blocks from the columns that move them most, for `rename_blocks`; X and y as in `reading`."""
        return dict(self.reading(X, y).names)

    def utility(self, X: Any, y: Any) -> np.ndarray:
        """BL(x, y) of each row's response, in nats times τ; defined up to a function of x."""
        x = self._encoded(X)
        encoded_y = self.response_.encode(self.response_.values(y, len(x)))
        return by_rows(_utility, self._distribution(), (x, candidates_of(self.space_, encoded_y)))[:, 0]

    def suggest_terms(self, X: Any, y: Any, n: int = 10) -> pd.DataFrame:
        """Rank products of two columns by a score test of adding them to the fitted first layer (A.3.2).

        Add what convinces you with ``extra_terms=[...]`` and fit again; large tables are tested on 2,000 rows.

        Returns
        -------
        The n strongest candidates: term, statistic, df (its coefficients), pvalue (not adjusted for their number).
        """
        x = self._encoded(X)
        if self.structure is not None:
            raise OptionError("suggest_terms adds to a basis, and structure states its own terms. Add them there.")
        encoded_y = self.response_.encode(self.response_.values(y, len(x)))
        rows = np.linspace(0, len(x) - 1, min(len(x), SUGGESTION_ROWS)).astype(int)
        columns, basis = columns_of(self.encoder_, self.response_), self.network_.basis
        two_valued = [len(np.unique(values)) <= 2 for values in x.T]
        products = candidate_products(basis, columns, two_valued, self._output == "scalar")
        names = [product_name(pair, columns) for pair in products]
        objective = self._objective(self.space_, self.sigma_, self.temperature_)
        tests = score_tests(self.network_, objective, x[rows], encoded_y[rows], products, names, ridge=self.alpha)
        return tests.head(check_count("n", n))

    def inference(
        self,
        X: Any = None,
        y: Any = None,
        *,
        cov_type: str = "robust",
        clusters: Any = None,
        weights: Any = None,
        weight_kind: Literal["frequency", "sampling"] = "frequency",
        n_restarts: int | None = None,
        l2: float = 0.0,
        draws: int = 500,
        seed: int = 0,
    ) -> InferenceResults:
        """Standard errors, tests and intervals for the parameters (Theorems B.9 and B.10).

        Training stops early, holds rows out and carries a ridge. Inference goes on from the fitted network to the
        optimum of the objective of all rows, in double precision, in the canonical form, and without a ridge unless
        `l2` says so. Score objectives are covered too; what they estimate is stated in the summary.

        Parameters
        ----------
        X, y : the rows; by default those given to `fit`, its validation rows included. A model that was loaded from a
            file does not have them.
        cov_type : ``"robust"`` (sandwich), ``"hessian"``, ``"opg"``, ``"clustered"``, ``"bootstrap"``,
            ``"cluster_bootstrap"``, ``"multiplier"`` or ``"jackknife"``.
        clusters : a label per row, or two columns of labels for two-way clustering.
        weights : a weight per row. With ``weight_kind="frequency"`` a row stands for so many equal rows, with
            ``"sampling"`` for its share of the population.
        n_restarts : random starts beside the fitted network; by default 4, fewer for large problems. Where that is
            affordable the search goes on from the best optimum with its rows negated, one by one.
        l2 : a ridge l2/(2n)·|θ|² on canonical parameters of standardised columns, as a normal prior of standard
            deviation 1/√l2. It keeps parameters finite that would run off to infinity, as those of a nearly linear tanh
            do, and vanishes beside many rows. Parameters that it moves by more than half a standard error, or of which
            it says more than a tenth, have no standard error.
        draws : bootstrap samples.
        seed : of restarts and bootstrap.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> ibl = bl.BLRegressor(layers=(1,), identifiable=True, max_epochs=20, random_state=0).fit(X[["RM"]], y)
        >>> ibl.inference(n_restarts=0).convergence.name
        'OPTIMUM'
        """
        return infer_problem(
            self.network_,
            self.space_,
            self.temperature_,
            lambda space: self._objective(space, self.sigma_, self.temperature_),
            self._rows_or_training("inference", X, y),
            inputs=self.encoder_.variables,
            response=self.response_.variables,
            one_hot=isinstance(self.response_, DiscreteResponse),
            n_restarts=n_restarts if n_restarts is None else check_count("n_restarts", n_restarts, minimum=0),
            log_scale=self.response_.log_unit,
            cov_type=cov_type,
            clusters=clusters,
            weights=weights,
            weight_kind=weight_kind,
            l2=check_number("l2", l2, inclusive=True),
            draws=check_count("draws", draws, minimum=2),
            seed=check_count("seed", seed, minimum=0),
        )

    def effects(self, X: Any = None, y: Any = None, *, tolerance: float = 0.1) -> Effects:
        """Marginal utilities, how constraints bind, what blocks and heads contribute; curves and surfaces.

        Parameters
        ----------
        X, y : the rows; by default those given to `fit`. A model that was loaded from a file does not have them.
        tolerance : an equality binds where |T| exceeds this share of its standard deviation over the rows.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=20, random_state=0).fit(X[["RM", "LSTAT"]], y)
        >>> effects = reg.effects()
        >>> effects.marginal.index.tolist()
        ['RM', 'LSTAT', 'MEDV']
        >>> effects.curve("RM", points=5).shape
        (5, 1)
        """
        rows = self._rows_or_training("effects", X, y)
        return effects_of(self.network_, self.space_, self.encoder_, self.response_, rows, tolerance)

    def _rows_or_training(self, method: str, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """The given rows, or those of `fit`, encoded in double precision."""
        check_is_fitted(self)
        if X is None and y is None:
            if not hasattr(self, "_training_rows"):
                raise DataError(f"This model was loaded from a file, which holds no rows. Pass X and y to {method}().")
            return self._training_rows
        if X is None or y is None:
            raise DataError(f"{method}() needs both X and y, or neither; got {'X' if y is None else 'y'} alone.")
        x = self.encoder_(self._like_training(X, self.encoder_.names))
        return x, self.response_.encode(self.response_.values(y, len(x)), float)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted estimator to one file, without pickle; `behavior_learning.load` reads it."""
        from behavior_learning.persistence import save

        save(self, path)

    def report(
        self,
        path: str | PathLike[str] | None = None,
        X: Any = None,
        y: Any = None,
        *,
        title: str | None = None,
        inference: InferenceResults | None = None,
        stability: Stability | None = None,
    ) -> "Report":
        """Report what was learned and how well, as one HTML page that needs no network.

        Parameters
        ----------
        path : where to write the page; None writes nothing.
        X, y : rows to report on, best such that the fit has not seen; by default those of the fit.
        title : of the page.
        inference, stability : what `inference` and `stability` returned, to include.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(1,), max_epochs=20, random_state=0).fit(X[["RM", "LSTAT"]], y)
        >>> reg.report(title="Boston").html.startswith("<!doctype html>")
        True
        """
        from behavior_learning.report import report

        return report(self, path, X, y, title=title, inference=inference, stability=stability)

    def _distribution(self, temperature: float | None = None) -> Gibbs:
        """The fitted distribution, at another τ where one is given."""
        tau = self.temperature_ if temperature is None else check_number("temperature", temperature)
        return Gibbs(self.network_, self.space_.refined(PREDICTION_REFINEMENT), np.float32(tau))

    def _encoded(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.encoder_(self._like_training(X, self.encoder_.names), np.float32)

    def _like_training(self, X: Any, names: Sequence[str]) -> pd.DataFrame:
        """X with the columns of the training table in their order; an array takes their names."""
        table = as_table(X)
        if isinstance(X, pd.DataFrame):
            return aligned(table, names)
        if table.shape[1] != len(names):
            raise DataError(
                f"X has {table.shape[1]} features, but {type(self).__name__} "
                f"is expecting {len(names)} features as input."
            )
        return table.set_axis(list(names), axis=1)


def _utility(distribution: Gibbs, x: jax.Array, candidates: jax.Array) -> jax.Array:
    return distribution.utility(x, candidates)


def candidates_of(space: Space, encoded_y: np.ndarray) -> np.ndarray:
    """Encoded responses as one candidate per row."""
    return np.asarray(space.candidates(jnp.asarray(encoded_y)))[:, None]
