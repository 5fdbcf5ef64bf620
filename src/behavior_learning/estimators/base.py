"""What every estimator shares: flat hyperparameters, and the way from a table to a fitted network."""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from sklearn.utils import check_random_state

from behavior_learning.core.arrays import to_device
from behavior_learning.core.network import Architecture, BehaviorNetwork, Output
from behavior_learning.core.spaces import Interval, Space
from behavior_learning.encoding import Response, TableEncoder, as_table, check_distinct, with_the_same_categories
from behavior_learning.encoding.columns import columns_of
from behavior_learning.errors import ConvergenceWarning, DataError
from behavior_learning.estimators.fitted import FittedEstimator
from behavior_learning.estimators.learning import (
    check_objective,
    make_objective,
    make_settings,
    noise_levels,
    numbers_of,
)
from behavior_learning.estimators.structure import make_architecture, make_basis
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.predict import by_rows
from behavior_learning.learned.records import history, progress_bar, restarts
from behavior_learning.objectives import Objective
from behavior_learning.options import check_count, check_number
from behavior_learning.specification import UMP
from behavior_learning.training.fit import FitResult, Settings
from behavior_learning.training.minimize import Progress
from behavior_learning.training.multistart import fit_from

__all__ = ["BehaviorEstimator", "Parsed", "checked_split"]

MANY_ROWS = 5_000
"""Training rows from which the quadrature of a single number begins coarse, to be refined where it must."""


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
class BehaviorEstimator(FittedEstimator):
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
        columns = columns_of(encoder, response)
        check_distinct([part.name for part in response.parts], columns.y, (*encoder.names, *columns.x))
        x, encoded_y = encoder(table, np.float32), response.encode(parsed.values)
        space = _starting_space(response.space(), rows=len(train))
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
        starts = [draw(rng, architecture) for _ in range(n_restarts)]
        with progress_bar(settings.max_epochs, self.verbose and progress is None) as bar:
            result = fit_from(
                starts,
                lambda: draw(rng, architecture),
                [self._objective(space, sigma, self._temperature()) for sigma in levels or (None,)],
                data=_rows((x, encoded_y), train),
                validation=_rows((x, encoded_y), held_out),
                settings=settings,
                seed=int(rng.integers(2**31)),
                progress=progress or bar,
            )
        self.sigma_ = levels[-1] if levels else None
        self._store(X, encoder, response, result)
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
        table, held_out_table = with_the_same_categories(table, held_out_table)
        both = pd.concat([table, held_out_table])
        values = np.concatenate([parsed.values, held_out])
        rows = np.split(np.arange(len(both)), [len(table)])
        return both, replace(parsed, values=values), rows[0], rows[1]

    def _parse_validation(self, parsed: Parsed, y: Any, rows: int) -> np.ndarray:
        return self._parse_response(y, rows).values

    def _store(self, X: Any, encoder: TableEncoder, response: Response, result: FitResult) -> None:
        self.encoder_, self.response_ = encoder, response
        self.network_, self.space_, self.temperature_ = result.network, result.objective.space, self._temperature()
        self.history_, self.restarts_ = history(result), restarts(result)
        self.n_parameters_ = result.network.n_parameters
        self.n_features_in_ = len(encoder.names)
        self.__dict__.pop("_spreads", None)  # Those of an earlier fit.
        self.block_names_ = {}
        if isinstance(X, pd.DataFrame) and all(isinstance(name, str) for name in X.columns):
            self.feature_names_in_ = np.array(encoder.names, dtype=object)
        else:
            self.__dict__.pop("feature_names_in_", None)

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags


def checked_split(train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(train) < 2 or len(held_out) < 1:
        rows = len(train) + len(held_out)
        raise DataError(
            f"Training needs at least 2 rows and validation at least 1; a split of n_samples={rows} rows leaves "
            f"{len(train)} and {len(held_out)}. Add rows, change validation_fraction or pass validation_data."
        )
    return train, held_out


def _starting_space(space: Space, *, rows: int) -> Space:
    """The candidates to begin with: more where an epoch costs less than compiling for more of them would."""
    return space.refined(2) if isinstance(space, Interval) and rows < MANY_ROWS else space


def _warn_of_kinks(architecture: Architecture, settings: Settings) -> None:
    if settings.optimizer == "lbfgs" and not architecture.smooth:
        warnings.warn(
            f"optimizer='lbfgs' is for smooth heads; with heads={architecture.heads!r} its line search can stall at a "
            "kink. Use heads=('tanh', 'softplus', 'square') or optimizer='adam'.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _rows(columns: tuple[np.ndarray, ...], rows: np.ndarray) -> tuple[jax.Array, ...]:
    return tuple(to_device(column[rows]) for column in columns)
