"""A continuous response: the full conditional density, its mean, quantiles and intervals, in the user's units."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_random_state

from behavior_learning.core.spaces import Box, Space
from behavior_learning.encoding import ContinuousResponse, response_values
from behavior_learning.errors import OptionError
from behavior_learning.estimators.base import BehaviorEstimator, Parsed
from behavior_learning.estimators.evaluate import by_rows
from behavior_learning.estimators.options import check_choice, check_count, check_number
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.symbolic.polynomials import Variable

__all__ = ["BLRegressor"]

_STATISTICS = {"mean": Gibbs.mean, "median": Gibbs.median, "mode": Gibbs.mode}


@dataclass(kw_only=True, eq=False, repr=False)
class BLRegressor(RegressorMixin, BehaviorEstimator):
    """Learn the optimisation problem behind a continuous response.

    The response is drawn from p(y|x) ∝ exp{BL(x, y)/τ} on a bounded support, and BL is fitted by exact likelihood.

    Parameters
    ----------
    layers : blocks per layer; ``(1,)`` is a single problem, ``(2, 1)`` two problems below one; None is ``(16, 4)``, or
        as many blocks as `structure` states.
    structure : a `UMP`, or a list of them, that states the blocks of the first layer in words.
    rows : rows of the utility, inequality and equality head of every block.
    heads : ``"tanh"`` or ``"identity"``; ``"relu"`` or ``"softplus(5)"``; ``"abs"``, ``"square"``, ``"huber(0.5)"`` or
        ``"smooth_abs(0.1)"``; None drops a head. ``"auto"`` is the paper's: tanh, relu, abs (Eq. 7).
    basis : ``"affine"``, ``"polynomial"`` of total `degree` over (x, y), ``"spline"`` (curves of each numeric column on
        `knots` training quantiles; `degree` 1 or 3) or ``"fourier"`` (up to `frequencies` half periods); ``"auto"`` is
        affine, or polynomial where degrees ask for it.
    degree, knots, frequencies : of the basis.
    utility_degrees, inequality_degrees, equality_degrees : a total degree for every row of a head, which also sets the
        number of rows; ``(2,)``, ``(2, 2, 2)`` and ``(2, 2)`` are the paper's BL(Single).
    extra_terms : products to add to the basis, such as ``["RM:MEDV", "LSTAT^2"]``.
    skip : None, ``"dense"``, ``"residual"`` or ``"input"`` (A.2, A.3.3).
    projection : whether a residual skip between layers of unequal width is projected.
    multipliers : ``"nonnegative"`` keeps λ ≥ 0; ``"free"`` does not.
    readout : weights on the last layer's blocks: ``"nonnegative"``, ``"free"``, or ``"auto"``, which needs none where
        the last layer is one block.
    readout_bias : whether the readout has a bias, which cancels in the density; None means no.
    identifiable : IBL: tanh, softplus, square, no readout bias, and only terms that involve y (Eq. 10, 11).
    pure_x_terms : give an identifiable model the terms of x alone and intercepts all the same.
    support : (lower, upper) in the units of y; by default the range of y widened by half of itself on both sides.
    temperature : τ, in the units of BL.
    optimizer : ``"auto"`` (Adam), ``"adam"``, ``"adamw"`` or ``"lbfgs"`` (full batch, for smooth heads).
    learning_rate, batch_size : of Adam.
    max_epochs, patience : epochs at most, and epochs without a better validation loss.
    validation_fraction : share of the rows that decides when to stop and which restart wins.
    alpha : ridge on all weights but intercepts, on standardised columns; a Gaussian prior of variance 1/alpha.
    coef_scale, multiplier_scale : standard deviations σ_params and σ_λ of the starting point (C.2); None scales
        coefficients by the number of inputs and draws λ from [0.5, 1.5].
    n_restarts : random starts, trained side by side; the best by validation loss is kept.
    random_state : seed of the split, the starts and the batches.
    verbose : show a progress bar on standard error.

    Attributes
    ----------
    network_ : BehaviorNetwork, on standardised columns.
    ump_ : the learned problem in the user's names and units.
    history_, restarts_ : losses by epoch, and the outcome of every start.
    n_parameters_, n_features_in_, feature_names_in_ : counts, and the names where X had them.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=50, random_state=0).fit(X, y)
    >>> reg.predict_interval(X.head(2), coverage=0.9).shape
    (2, 2)
    """

    support: tuple[float, float] | None = None

    def predict(self, X: Any, statistic: str = "mean") -> np.ndarray:
        """Predict y in the user's units.

        Parameters
        ----------
        statistic : ``"mean"``, ``"median"`` or ``"mode"`` (argmax of BL: the deterministic best response).
        """
        function = _STATISTICS[check_choice("statistic", statistic, tuple(_STATISTICS))]
        x = self._encoded(X)
        values = by_rows(function, self._distribution(), (x,))
        return self.response_.restore(values.reshape(len(values)).astype(float))

    def predict_quantile(self, X: Any, q: Any) -> np.ndarray:
        """Predict quantiles: shape (n,) for a number q, (n, len(q)) for several; each strictly between 0 and 1."""
        try:
            levels = np.atleast_1d(np.asarray(q, dtype=float))
        except (TypeError, ValueError):
            levels = np.array([np.nan])
        if levels.ndim != 1 or not np.all((levels > 0) & (levels < 1)):
            raise OptionError(f"q must hold numbers strictly between 0 and 1; got {q!r}.")
        x = self._encoded(X)
        values = by_rows(Gibbs.quantile, self._distribution(), (x,), jnp.asarray(levels, jnp.float32))
        restored = self.response_.restore(values.astype(float))
        return restored[:, 0] if np.ndim(q) == 0 else restored

    def predict_interval(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Predict central intervals, columns lower and upper, that hold y with probability `coverage`."""
        coverage = check_number("coverage", coverage, below=1.0)
        return self.predict_quantile(X, [0.5 - coverage / 2, 0.5 + coverage / 2])

    def log_density(self, X: Any, y: Any) -> np.ndarray:
        """log p(y|x) per row, in nats, of the density per unit of y; −inf outside the support."""
        x = self._encoded(X)
        _, values = response_values(y, len(x))
        encoded = self._encode_response(self.response_, values)
        return by_rows(Gibbs.log_prob, self._distribution(), (x, encoded)).astype(float) - np.log(self.response_.scale)

    def sample(self, X: Any, n: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw n independent responses for every row, shape (rows, n), by inverting the distribution function."""
        x = self._encoded(X)
        levels = check_random_state(random_state).uniform(size=(len(x), check_count("n", n)))
        draws = by_rows(Gibbs.inverse_cdf, self._distribution(), (x, levels.astype(np.float32)))
        return self.response_.restore(draws.astype(float))

    def _parse_response(self, y: Any, rows: int) -> Parsed:
        return Parsed(*response_values(y, rows))

    def _learn_response(self, parsed: Parsed, train: np.ndarray) -> ContinuousResponse:
        return ContinuousResponse.learn(parsed.name, parsed.values, train=train, support=self._checked_support())

    def _checked_support(self) -> tuple[float, float] | None:
        if self.support is None:
            return None
        try:
            lower, upper = map(float, self.support)
        except (TypeError, ValueError):
            lower, upper = np.nan, np.nan
        if not -np.inf < lower < upper < np.inf:
            raise OptionError(f"support must be two finite numbers (lower, upper) in order; got {self.support!r}.")
        return lower, upper

    def _encode_response(self, response: ContinuousResponse, values: np.ndarray) -> np.ndarray:
        return response.standardise(values).astype(np.float32)

    def _candidates(self, encoded_y: np.ndarray) -> np.ndarray:
        return encoded_y[:, None, None]

    def _space(self, response: ContinuousResponse) -> Space:
        lower, upper = np.asarray(response.support, np.float32)
        return Box(lower, upper)

    def _response_variables(self, response: ContinuousResponse) -> list[Variable]:
        return [Variable(response.name, response.center, response.scale, response.scale)]

    @property
    def _one_hot(self) -> bool:
        return False
