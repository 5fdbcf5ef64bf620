"""What every estimator shares: flat hyperparameters, and the way from a table to a fitted network."""

import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
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
from behavior_learning.core.spaces import Space
from behavior_learning.encoding import TableEncoder, aligned, as_table, with_the_same_categories
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
from behavior_learning.learned.columns import columns_of
from behavior_learning.learned.evaluate import by_rows
from behavior_learning.learned.model import LearnedModel, Recipe, TrainingRows, some_rows
from behavior_learning.learned.predictive import of_inputs
from behavior_learning.learned.records import history, progress_bar, restarts
from behavior_learning.options import check_count, check_number
from behavior_learning.responses import Response
from behavior_learning.responses.columns import check_distinct
from behavior_learning.specification import UMP
from behavior_learning.training.fit import Settings
from behavior_learning.training.minimize import Progress
from behavior_learning.training.multistart import fit_from

__all__ = ["BehaviorEstimator"]

EXAMINED_ROWS = 1_000
"""Training rows at which a response looks at the fitted distribution."""

MANY_ROWS = 5_000
"""Training rows from which the quadrature of a single number begins coarse, to be refined where it must."""


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
        fraction = check_number("validation_fraction", self.validation_fraction, below=1.0)
        random = check_random_state(self.random_state)
        table = self._features(X)
        response, values = self._stated_response(y).read(y, len(table))
        self._check_read(response)
        if validation_data is None:
            train, held_out = response.split(values, fraction, random)
        else:
            table, values, train, held_out = _stacked(table, values, validation_data, response, self._features)
        encoder, response = TableEncoder.learn(table.iloc[train]), response.learn(values, train)
        columns = columns_of(encoder, response)
        check_distinct([part.name for part in response.components], columns.y, (*encoder.names, *columns.x))
        x, encoded_y = encoder(table, np.float32), response.encode(values)
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
                [make_objective(self, space, temperature=self._temperature(), sigma=s) for s in levels or (None,)],
                data=_rows((x, encoded_y), train),
                validation=_rows((x, encoded_y), held_out),
                settings=settings,
                seed=int(rng.integers(2**31)),
                progress=progress or bar,
            )
        self._adopt(
            LearnedModel(
                network=result.network,
                encoder=encoder,
                response=response,
                objective=result.objective,
                temperature=self._temperature(),
                recipe=Recipe(settings, n_restarts, fraction, self._temperature(), self._scales()),
                rows=TrainingRows(encoder(table), response.encode(values, float), np.isin(np.arange(len(x)), held_out)),
                history=history(result),
                restarts=restarts(result),
            ),
            named=isinstance(X, pd.DataFrame) and all(isinstance(name, str) for name in X.columns),
        )
        response.examine(of_inputs(self.model_, some_rows((x[train], encoded_y[train]), EXAMINED_ROWS)[0]))
        return self

    # What differs between estimators.

    def _features(self, X: Any) -> pd.DataFrame:
        return as_table(X)

    @abstractmethod
    def _stated_response(self, y: Any) -> Response:
        """What y is to be read as.

        Raises
        ------
        OptionError
            If the estimator cannot hold the response that is asked for.
        """

    def _check_read(self, response: Response) -> None:
        """Refuse responses that belong to another estimator, once their values are known."""

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

    def calibrate(self, X: Any, y: Any):
        """Set τ to the value that makes the given rows most likely, all else as fitted (temperature scaling).

        Use rows that the fit has not seen: for classes it mends probabilities that are too sure or not sure enough.

        Source: Guo et al. (2017).

        Raises
        ------
        DataError
            If a response is impossible at every temperature, outside the support.
        """
        model = self._fitted
        x = model.inputs(X)
        rows = x, model.responses(y, len(x))
        impossible = ~np.isfinite(by_rows(Gibbs.log_prob, model.gibbs(), rows))
        if impossible.any():
            raise DataError(
                f"Calibration needs responses inside the support; {impossible.sum()} of {len(x)} rows are outside, the "
                f"first of them row {int(np.argmax(impossible))}. Drop them."
            )

        def loss(scale: float) -> float:
            return -float(by_rows(Gibbs.log_prob, model.gibbs(np.exp(scale)), rows).mean())

        at = np.log(model.temperature)
        best = minimize_scalar(loss, bracket=(at - 0.5, at + 0.5), tol=1e-4).x
        self.model_ = replace(model, temperature=float(np.exp(best)))
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags


def _stacked(
    table: pd.DataFrame,
    values: np.ndarray,
    validation_data: Any,
    response: Response,
    features: Callable[[Any], pd.DataFrame],
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Training and validation rows one below the other, and which are which."""
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
        raise DataError(f"validation_data must be a pair (X, y); got {type(validation_data).__name__}.")
    names, below = [str(name) for name in table.columns], features(validation_data[0])
    if isinstance(validation_data[0], pd.DataFrame):
        below = aligned(below, names)
    elif below.shape[1] != len(names):
        raise DataError(
            f"In validation_data X has {below.shape[1]} features, but fit is expecting {len(names)} features."
        )
    table, below = with_the_same_categories(table.set_axis(names, axis=1), below.set_axis(names, axis=1))
    both = pd.concat([table, below])
    values = np.concatenate([values, response.values(validation_data[1], len(below))])
    return both, values, np.arange(len(table)), np.arange(len(table), len(both))


def _starting_space(space: Space, *, rows: int) -> Space:
    """The candidates to begin with: more where an epoch costs less than compiling for more of them would."""
    single = len(space.components) == len(space.continuous) == 1
    return space.refined(2) if single and rows < MANY_ROWS else space


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
