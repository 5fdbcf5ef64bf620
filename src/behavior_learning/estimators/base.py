"""What every estimator shares: flat hyperparameters, the way from a table to a fitted network, and reading it back."""

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from behavior_learning.core.network import Architecture, BehaviorNetwork, Output
from behavior_learning.core.spaces import Space
from behavior_learning.encoding import DiscreteResponse, Response, TableEncoder, aligned, as_table, check_distinct
from behavior_learning.errors import ConvergenceWarning, DataError, OptionError
from behavior_learning.estimators.effects import effects_of
from behavior_learning.estimators.evaluate import by_rows
from behavior_learning.estimators.infer import infer_problem
from behavior_learning.estimators.learning import (
    check_objective,
    make_objective,
    make_settings,
    noise_levels,
    numbers_of,
)
from behavior_learning.estimators.options import check_count, check_number
from behavior_learning.estimators.reading import read, view
from behavior_learning.estimators.records import block_spreads, curve_spreads, history, progress_bar, restarts
from behavior_learning.estimators.refits import stability
from behavior_learning.estimators.structure import Columns, make_architecture, make_basis
from behavior_learning.estimators.suggest import candidate_products, product_name, score_tests
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.inference.results import InferenceResults
from behavior_learning.objectives import Objective
from behavior_learning.reading.effects import Effects
from behavior_learning.reading.stability import Stability
from behavior_learning.reading.statements import Reading
from behavior_learning.reading.view import View
from behavior_learning.specification import UMP
from behavior_learning.symbolic.read import read_problem
from behavior_learning.symbolic.ump import Hierarchy, LearnedUMP
from behavior_learning.training.fit import FitResult, Settings
from behavior_learning.training.heats import fit_from
from behavior_learning.training.minimise import Progress

if TYPE_CHECKING:
    from behavior_learning.report import Report

__all__ = ["BehaviorEstimator", "Parsed", "checked_split"]

SUGGESTION_ROWS = 2000
"""Rows on which terms are tested."""

PREDICTION_REFINEMENT = 4
"""Prediction spends so many times the candidates of training: quantiles interpolate between them."""


@dataclass(frozen=True)
class Parsed:
    """A response as read from the user, before anything is learned from it.

    Attributes
    ----------
    names : the user's names, one per response.
    values : numbers, or integer codes of the classes; one column per response where there are several.
    classes : for each response the sorted labels, None for numbers.
    """

    names: tuple[str, ...]
    values: np.ndarray
    classes: tuple[np.ndarray | None, ...]


@dataclass(kw_only=True, eq=False, repr=False)
class BehaviorEstimator(BaseEstimator):
    """Hyperparameters and behaviour common to all estimators; see BLRegressor and BLClassifier."""

    layers: Sequence[int] | None = None
    structure: UMP | Sequence[UMP] | None = None
    rows: Sequence[int] = (1, 1, 1)
    heads: Sequence[str | None] | str = "auto"
    basis: str = "auto"
    degree: int | None = None
    utility_degrees: Sequence[int] | None = None
    inequality_degrees: Sequence[int] | None = None
    equality_degrees: Sequence[int] | None = None
    knots: int = 8
    frequencies: int = 3
    extra_terms: Sequence[str] = ()
    skip: str | None = None
    projection: bool = True
    multipliers: str = "nonnegative"
    readout: str = "auto"
    readout_bias: bool | None = None
    identifiable: bool = False
    pure_x_terms: bool = False
    temperature: float = 1.0
    objective: str = "likelihood"
    sigma: float | Sequence[float] | None = None
    noise_draws: int = 8
    optimizer: str = "auto"
    learning_rate: float = 0.01
    batch_size: int = 64
    max_epochs: int = 500
    patience: int = 40
    validation_fraction: float = 0.2
    alpha: float = 10.0
    l1: float = 0.0
    group: float = 0.0
    grouping: str = "row"
    coef_scale: float | None = None
    multiplier_scale: float | None = None
    n_restarts: int = 4
    random_state: int | np.random.RandomState | None = None
    verbose: bool = False

    @property
    def _output(self) -> Output:
        return "scalar"

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        validation_data: tuple[Any, Any] | None = None,
        progress: Progress | None = None,
    ):
        """Learn the optimisation problem behind y given X.

        Parameters
        ----------
        X : DataFrame, array or list of rows; numbers, booleans and text; NaN or None where missing.
        y : one response per row.
        validation_data : (X, y) that decides when to stop and which restart wins. By default a random share
            `validation_fraction` of the rows; the remaining rows train.
        progress : called with the epochs done and the best validation loss so far.

        Raises
        ------
        OptionError
            If a hyperparameter has an invalid value.
        DataError
            If the table or the response cannot be learned from.
        """
        architecture, settings = self._architecture(), self._settings()
        n_restarts = check_count("n_restarts", self.n_restarts)
        random = check_random_state(self.random_state)
        table = self._features(X)
        parsed = self._parse_response(y, len(table))
        if validation_data is None:
            train, held_out = self._split(parsed, random)
        else:
            table, parsed, train, held_out = self._joined(table, parsed, validation_data)
        encoder = TableEncoder.learn(table.iloc[train])
        response = self._learn_response(parsed, train)
        columns = _columns(encoder, response)
        check_distinct([part.name for part in response.parts], columns.y, (*encoder.names, *columns.x))
        x, encoded_y = encoder(table).astype(np.float32), response.encode(parsed.values)
        space = response.space()
        check_objective(self, space)
        _warn_of_kinks(architecture, settings)
        levels = noise_levels(self, x[train], numbers_of(space, encoded_y[train]))
        rng = np.random.default_rng(random.randint(2**31))
        basis, rules = make_basis(self, architecture, x[train], columns)
        draw = partial(
            BehaviorNetwork.random,
            features=x.shape[1],
            response=space.dimension,
            basis=basis,
            rules=rules,
            **self._scales(),
        )
        with progress_bar(settings.max_epochs, self.verbose and progress is None) as bar:
            result = fit_from(
                lambda: draw(rng, architecture),
                n_restarts,
                [self._objective(space, sigma, self._temperature()) for sigma in levels or (None,)],
                data=_rows((x, encoded_y), train),
                validation=_rows((x, encoded_y), held_out),
                settings=settings,
                key=jax.random.key(rng.integers(2**31)),
                progress=progress or bar,
            )
        self.sigma_ = levels[-1] if levels else None
        self._store(X, encoder, response, result, x[train], encoded_y[train])
        self._training_rows = encoder(table), response.encode(parsed.values, float)
        self._held_out = np.isin(np.arange(len(x)), held_out)
        return self

    # What differs between estimators.

    def _features(self, X: Any) -> pd.DataFrame:
        return as_table(X)

    @abstractmethod
    def _parse_response(self, y: Any, rows: int) -> Parsed: ...

    @abstractmethod
    def _learn_response(self, parsed: Parsed, train: np.ndarray) -> Response: ...

    # Hyperparameters.

    def _architecture(self) -> Architecture:
        return make_architecture(self, self._output)

    def _scales(self) -> dict[str, float | None]:
        names = ("coef_scale", "multiplier_scale")
        given = {name: getattr(self, name) for name in names}
        return {name: None if value is None else check_number(name, value) for name, value in given.items()}

    def _settings(self) -> Settings:
        return make_settings(self)

    def _temperature(self) -> float:
        return check_number("temperature", self.temperature)

    def _objective(self, space: Space, sigma: float | None, temperature: float) -> Objective:
        return make_objective(self, space, temperature=temperature, sigma=sigma)

    # From a table to a fitted network.

    def _split(self, parsed: Parsed, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Rows that train and rows that validate, drawn at random."""
        fraction = check_number("validation_fraction", self.validation_fraction, below=1.0)
        order = random.permutation(len(parsed.values))
        held_out = order[: max(1, round(fraction * len(order)))]
        return checked_split(np.setdiff1d(order, held_out), held_out)

    def _joined(self, table: pd.DataFrame, parsed: Parsed, validation_data: tuple[Any, Any]):
        """Training and validation tables one below the other, and which rows are which."""
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            raise DataError(f"validation_data must be a pair (X, y); got {type(validation_data).__name__}.")
        names = [str(name) for name in table.columns]
        table, held_out_table = table.set_axis(names, axis=1), self._like_training(validation_data[0], names)
        held_out = self._parse_validation(parsed, validation_data[1], len(held_out_table))
        both = pd.concat([table, held_out_table])
        values = np.concatenate([parsed.values, held_out])
        rows = np.split(np.arange(len(both)), [len(table)])
        return both, replace(parsed, values=values), rows[0], rows[1]

    def _parse_validation(self, parsed: Parsed, y: Any, rows: int) -> np.ndarray:
        return self._parse_response(y, rows).values

    def _store(
        self, X: Any, encoder: TableEncoder, response: Response, result: FitResult, x: np.ndarray, encoded_y: np.ndarray
    ) -> None:
        self.encoder_, self.response_ = encoder, response
        self.network_, self.space_, self.temperature_ = result.network, result.objective.space, self._temperature()
        self.history_, self.restarts_ = history(result), restarts(result)
        self.n_parameters_ = result.network.n_parameters
        self.n_features_in_ = len(encoder.names)
        self.block_spreads_ = block_spreads(result.network, x, _candidates(self.space_, encoded_y))
        self.curve_spreads_ = curve_spreads(result.network.basis, x)
        self.block_names_ = {}
        if isinstance(X, pd.DataFrame) and all(isinstance(name, str) for name in X.columns):
            self.feature_names_in_ = np.array(encoder.names, dtype=object)
        else:
            self.__dict__.pop("feature_names_in_", None)

    # Reading and evaluating.

    @property
    def ump_(self) -> LearnedUMP | Hierarchy:
        """The learned problem in the user's names and units."""
        check_is_fitted(self)
        problem = read_problem(
            self.network_,
            inputs=self.encoder_.variables,
            response=self.response_.variables,
            curve_spreads=self.curve_spreads_,
            block_spreads=self.block_spreads_,
        )
        return problem.renamed(self.block_names_)

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
        original = {new: old for old, new in self.block_names_.items()}
        kept = {old: new for old, new in self.block_names_.items() if old not in names and new not in names}
        self.block_names_, before = (
            kept | {original.get(old, old): new for old, new in names.items()},
            self.block_names_,
        )
        try:
            _ = self.ump_
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
        return by_rows(_utility, self._distribution(), (x, _candidates(self.space_, encoded_y)))[:, 0]

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
        columns, basis = _columns(self.encoder_, self.response_), self.network_.basis
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
        covariance: str = "robust",
        clusters: Any = None,
        weights: Any = None,
        weight_kind: Literal["frequency", "sampling"] = "frequency",
        restarts: int | None = None,
        alpha: float = 0.0,
        draws: int = 500,
        seed: int = 0,
    ) -> InferenceResults:
        """Standard errors, tests and intervals for the parameters (Theorems B.9 and B.10).

        Training stops early, holds rows out and carries a ridge. Inference goes on from the fitted network to the
        optimum of the objective of all rows, in double precision, in the canonical form, and without a ridge unless
        `alpha` says so. Score objectives are covered too; what they estimate is stated in the summary.

        Parameters
        ----------
        X, y : the rows; by default those given to `fit`, its validation rows included. A model that was loaded from a
            file does not have them.
        covariance : ``"robust"`` (sandwich), ``"hessian"``, ``"opg"``, ``"clustered"``, ``"bootstrap"``,
            ``"cluster_bootstrap"``, ``"multiplier"`` or ``"jackknife"``.
        clusters : a label per row, or two columns of labels for two-way clustering.
        weights : a weight per row. With ``weight_kind="frequency"`` a row stands for so many equal rows, with
            ``"sampling"`` for its share of the population.
        restarts : random starts beside the fitted network; by default 4, fewer for large problems.
        alpha : a ridge α/(2n)·|θ|² on canonical parameters of standardised columns, as a normal prior of standard
            deviation 1/√α. It keeps parameters finite that would run off to infinity, as those of a nearly linear tanh
            do, and vanishes beside many rows. Parameters in which it has a say have no standard error.
        draws : bootstrap samples.
        seed : of restarts and bootstrap.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> ibl = bl.BLRegressor(layers=(1,), identifiable=True, max_epochs=20, random_state=0).fit(X[["RM"]], y)
        >>> ibl.inference(restarts=0).convergence.name
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
            restarts=restarts if restarts is None else check_count("restarts", restarts, minimum=0),
            log_scale=self.response_.log_unit,
            covariance=covariance,
            clusters=clusters,
            weights=weights,
            weight_kind=weight_kind,
            alpha=alpha,
            draws=check_count("draws", draws, minimum=2),
            seed=seed,
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

    def calibrate(self, X: Any, y: Any):
        """Set τ to the value that makes the given rows most likely, all else as fitted (temperature scaling).

        Use rows that the fit has not seen: for classes it mends probabilities that are too sure or not sure enough.

        Source: Guo et al. (2017).

        Raises
        ------
        DataError
            If a response is impossible at every temperature, outside the support.
        """
        x = self._encoded(X)
        encoded_y = self.response_.encode(self.response_.values(y, len(x)))
        impossible = ~np.isfinite(by_rows(Gibbs.log_prob, self._distribution(), (x, encoded_y)))
        if impossible.any():
            raise DataError(
                f"Calibration needs responses inside the support; {impossible.sum()} of {len(x)} rows are outside, the "
                f"first of them row {int(np.argmax(impossible))}. Drop them."
            )
        loss = lambda scale: -by_rows(Gibbs.log_prob, self._distribution(np.exp(scale)), (x, encoded_y)).mean()
        at = np.log(self.temperature_)
        self.temperature_ = float(np.exp(minimize_scalar(loss, bracket=(at - 0.5, at + 0.5), tol=1e-4).x))
        return self

    def _distribution(self, temperature: float | None = None) -> Gibbs:
        """The fitted distribution, at another τ where one is given."""
        tau = self.temperature_ if temperature is None else check_number("temperature", temperature)
        return Gibbs(self.network_, self.space_.refined(PREDICTION_REFINEMENT), np.float32(tau))

    def _encoded(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.encoder_(self._like_training(X, self.encoder_.names)).astype(np.float32)

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags


def _utility(distribution: Gibbs, x: jax.Array, candidates: jax.Array) -> jax.Array:
    return distribution.utility(x, candidates)


def _candidates(space: Space, encoded_y: np.ndarray) -> np.ndarray:
    """Encoded responses as one candidate per row."""
    return np.asarray(space.candidates(jnp.asarray(encoded_y)))[:, None]


def _columns(encoder: TableEncoder, response: Response) -> Columns:
    """Names and units of the encoded columns of x and y."""
    owners = [(i, part) for i, part in enumerate(response.parts) for _ in part.variables]
    variables = response.variables
    return Columns(
        x=tuple(column.name for column in encoder.columns),
        y=tuple(variable.name for variable in variables),
        x_sources=tuple(column.source for column in encoder.columns),
        y_sources=tuple(part.name for _, part in owners),
        x_units=tuple((column.center, column.scale) for column in encoder.columns),
        y_units=tuple((variable.center, variable.scale) for variable in variables),
        choices=tuple(i if isinstance(part, DiscreteResponse) else None for i, part in owners),
    )


def checked_split(train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(train) < 2 or len(held_out) < 1:
        rows = len(train) + len(held_out)
        raise DataError(
            f"Training needs at least 2 rows and validation at least 1; a split of n_samples={rows} rows leaves "
            f"{len(train)} and {len(held_out)}. Add rows, change validation_fraction or pass validation_data."
        )
    return train, held_out


def _warn_of_kinks(architecture: Architecture, settings: Settings) -> None:
    if settings.optimizer == "lbfgs" and not architecture.smooth:
        warnings.warn(
            f"optimizer='lbfgs' is for smooth heads; with heads={architecture.heads!r} its line search can stall at a "
            "kink. Use heads=('tanh', 'softplus', 'square') or optimizer='adam'.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _rows(columns: tuple[np.ndarray, ...], rows: np.ndarray) -> tuple[jax.Array, ...]:
    return tuple(jnp.asarray(column[rows]) for column in columns)
