"""A continuous response: the full conditional density, its mean, quantiles and intervals, in the user's units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin

from behavior_learning.errors import OptionError
from behavior_learning.estimators.parts import PartsEstimator
from behavior_learning.learned.amortize import AmortizedPredictor, follow
from behavior_learning.options import check_count, check_seed
from behavior_learning.responses import Joint, Numbers, Response, as_response
from behavior_learning.responses.columns import UNNAMED, has_columns
from behavior_learning.responses.joint import by_name

__all__ = ["BLRegressor"]


@dataclass(kw_only=True, eq=False, repr=False)
class BLRegressor(RegressorMixin, PartsEstimator):
    """Learn the optimisation problem behind a continuous response, or several at once.

    The response is drawn from p(y|x) ∝ exp{BL(x, y)/τ} on a bounded support, and BL is fitted by exact likelihood.
    With several columns y is a vector: up to two have an exact likelihood, any number can be learned from scores.

    Parameters
    ----------
    layers : blocks per layer; ``(1,)`` is a single problem, ``(2, 1)`` two problems below one; None is ``(16, 4)``, or
        as many blocks as `structure` states. Where neither this, `heads` nor `degrees` is stated, one number is
        learned by linear regression if there are fewer than 50 training rows, or if what is learned is not ahead of a
        linear model with a normal error on rows that were held out, a single network by a standard error (a
        `TrainingWarning` says so):
        ``layers=(1,)``, ``heads=(None, None, "square")`` and, by default, ``Penalty(l2=0.01)``, of all rows.
        Where nothing is asked of the problem, nor of the optimizer, blocks see a curve of every column, and the mean of
        several such networks is learned (`average`); name layers, such as ``(2, 1)``, for a problem to read.
    structure : a `UMP`, or a list of them, that states the blocks of the first layer in words.
    n_terms : rows of the utility, inequality and equality head of every block.
    heads : ``"tanh"`` or ``"identity"``; ``"relu"`` or ``"softplus(5)"``; ``"abs"``, ``"square"``, ``"huber(0.5)"`` or
        ``"smooth_abs(0.1)"``; None drops a head. ``"auto"`` is the paper's: tanh, relu, abs (Eq. 7).
    basis : ``bl.Affine()``, with `common_scale` for columns of one kind, ``bl.Polynomial(degree=2)`` over (x, y),
        ``bl.Spline(knots=8, degree=1)`` or ``bl.Fourier(frequencies=3)`` of each numeric column, or a short name such
        as ``"spline"``; ``"auto"`` is affine, polynomial where `degrees` or `identifiable` ask for it, and curves where
        all is left open (`layers`): of 8 knots (labels 16) below 2,000 training rows. From there on three pilots,
        single networks of 16 and 4 knots with a dropout of a tenth and of 16 (labels 64) without, are compared on
        held-out rows: the networks of a mean are made, by turns, like all that are not behind the best by two standard
        errors, a single one like the first. A single network of a number has no dropout, and
        its third pilot 8 knots.
    degrees : a total degree for every row of each head, which also sets the number of rows:
        ``((2,), (2, 2, 2), (2, 2))`` is the paper's BL(Single); or by head, ``{"utility": (2,)}``.
    extra_terms : products to add to the basis, such as ``["RM:MEDV", "LSTAT^2"]``.
    skip : None, ``"dense"``, ``"residual"`` (projected where widths differ) or ``"input"`` (A.2, A.3.3).
    multipliers : ``"nonnegative"`` keeps λ ≥ 0; ``"free"`` does not.
    aggregation : ``"nonnegative"`` makes every layer non-decreasing in the blocks below, so that what a block wants is
        wanted by the whole (Table 10 and Figure 2 presume it); ``"free"`` is the paper's model.
    readout : weights on the last layer's blocks: ``"nonnegative"``, ``"free"``, or ``"auto"``, which needs none where
        the last layer is one block.
    identifiable : IBL: tanh, softplus, square, and only terms that involve y (Eq. 10, 11); ``"pure_x"`` keeps the terms
        of x alone and intercepts all the same.
    response : what y is: ``bl.Numbers(support=(0, 60))``, by default on the range of y widened by half of itself on
        both sides; any other response that is a number; for several a dictionary by name.
    temperature : τ, in the units of BL.
    objective : ``"likelihood"``; ``"dsm"`` or ``bl.DenoisingScoreMatching(sigma=0.3)`` (Eq. 6), and
        ``"score_matching"``, which need no normaliser and so take any number of responses. Both need smooth heads: with
        ``heads="auto"`` they use ``("tanh", "softplus(5)", "smooth_abs(0.2)")``.
    optimizer : ``bl.Adam(learning_rate=0.01, batch_size=64)``, ``bl.AdamW()`` or ``bl.LBFGS()`` (full batch, for smooth
        heads), or a short name such as ``"lbfgs"``; ``"auto"`` is Adam, and with curves or for labels of
        20,000 training rows ``bl.Adam(learning_rate=0.02, batch_size=256, schedule="cosine")`` in 5,000 steps (8,000
        below 20,000 rows, in smaller batches, and 50 epochs of labels of 500 to 8,000 rows), or fewer where
        `max_epochs` says so.
    penalty : ``"ridge"``, which is ``bl.Penalty(l2=10.0)``, or ``bl.Penalty(l2, l1, group_l2, groups, dropout)`` with
        other strengths, on standardised columns.
    max_epochs, patience : epochs at most, and epochs without a better validation loss.
    validation_fraction : share of the rows that decides when to stop, which restart wins and how fine curves are.
    n_restarts : random starts, trained side by side; the best by validation loss is kept, or the mean of all.
        ``"auto"`` is 4, 8 for an average of labels from 500 training rows on and of 250 to 8,000 numbers, and 1 from
        20,000 rows on for the default problem. With ``bl.Initialization(n, coef_scale, multiplier_scale)`` it also says
        where they are drawn. Up to three blocks in one layer, which have many local optima, are trained from the best
        of eight brief fits of so many starts.
    average : predict with the mean of the utilities of all restarts, which is one larger network, instead of the best
        of them: more accurate, and no single problem to read; `members_` has each of them. ``"auto"`` does so where
        nothing is asked of the problem, nor of the optimizer, of a table in memory of up to 200 columns and 500
        training rows or more, of one number 250 to 20,000; then a linear problem is learned all the same (see `layers`)
        where the members, each on the rows that it has not seen, are not ahead of it. Without `validation_data` the
        held-out rows take turns, so that every row trains, and each is held out once at most. With True what is left
        open is chosen to predict: for one number and 250 training rows or more
        ``basis=bl.Spline(knots=8, straight=True)`` up to 200 columns, from 2,000 rows on of the kinds that pilots say
        (`basis`), Adam with a cosine schedule in up to 8,000 steps or 200 epochs, and
        ``bl.Penalty(l2=10_000 / rows)`` between 3 and 1; for labels in vector output and 500 rows or more 16 knots,
        ``layers=(32, 8)``, such a ridge between 20 and 1 and, where layers are left open too, ``dropout=0.1``.
    warm_start : whether a further `fit` begins at the present network, of an average at each of them, and not at random
        ones. Scales, levels and the support stay those of the first fit: other columns, responses outside the support
        and changed parameters of the model, such as `layers`, are refused, and levels that it has not seen are treated
        as `predict` treats them. How to train may change: `optimizer`, `penalty`, `max_epochs`. An estimator from a
        file goes on too.
    verbose : show a progress bar on standard error.

    Attributes
    ----------
    network_ : BehaviorNetwork, on standardised columns.
    problem_ : the learned problem in the user's names and units.
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

    response: Any = None

    score_name: ClassVar[str] = "R²"

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None):
        """Learn from some of the rows, one pass over them; the next call goes on from there.

        The first call fixes columns, scales, levels and the support by its rows, and draws `n_restarts` networks; state
        ``response=bl.Numbers(support=...)`` where later responses may lie far from the first. Later rows with other
        columns or responses outside the support are refused and change nothing; levels that the first rows lack are
        treated as `predict` treats them. What predicts is the start whose losses on rows before they trained are
        lowest, the latest counting most; the optimiser's state stays from call to call, but is not saved to files.
        After `fit`, or from a file, the fitted network goes on. No rows are held out, nothing is stopped early, and
        the optimum is not sought; `max_epochs` and `patience` have no effect. `model_.rows` has at most 10,000 rows.

        Parameters
        ----------
        X, y : as in `fit`.
        sample_weight : how often each row counts, up to a common factor of the call.

        Raises
        ------
        DataError
            If the rows are not such as the first.
        OptionError
            If `optimizer`, `penalty` or `average` needs all rows.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), response=bl.Numbers(support=(0, 60)), random_state=0)
        >>> X = X[["RM", "LSTAT"]].sample(frac=1, random_state=0)
        >>> for start in range(0, 500, 100):
        ...     part = X[start : start + 100]
        ...     _ = reg.partial_fit(part, y[part.index])
        >>> reg.history_.groupby("start").size().tolist()
        [5, 5, 5, 5]
        """
        return self._learn_part(X, y, sample_weight)

    def predict(
        self, X: Any, statistic: str = "mean", temperature: float | None = None, *, return_std: bool = False
    ) -> Any:
        """Predict y in the user's units: shape (n,), or (n, responses) for several.

        Parameters
        ----------
        statistic : ``"mean"``, ``"median"`` (of each response) or ``"mode"`` (argmax of BL: the deterministic best
            response).
        temperature : τ in place of the fitted one; 0 gives the best response.
        return_std : whether to return a pair, the prediction and the standard deviation of y given x.
        """
        distribution = self.distribution(X, temperature=temperature)
        predicted = distribution.statistic(statistic)
        return (predicted, distribution.std()) if return_std else predicted

    def predict_quantile(self, X: Any, q: Any, temperature: float | None = None) -> np.ndarray:
        """Predict quantiles of each response: shape (n,) for a number q, (n, len(q)) for several.

        Several responses add an axis in the middle, (n, responses) or (n, responses, len(q)); each quantile is that of
        one response, the others integrated out.

        Parameters
        ----------
        q : strictly between 0 and 1.
        temperature : τ in place of the fitted one; 0 gives the best response.
        """
        return self.distribution(X, temperature=temperature).quantile(q)

    def predict_interval(self, X: Any, coverage: float = 0.9, temperature: float | None = None) -> np.ndarray:
        """Predict central intervals, last axis lower and upper, that hold each response with probability `coverage`."""
        return self.distribution(X, temperature=temperature).interval(coverage)

    def log_density(self, X: Any, y: Any, temperature: float | None = None) -> np.ndarray:
        """log p(y|x) per row, in nats, of the density per unit of y; −inf outside the support.

        Raises
        ------
        NoQuadratureError
            If there are more than two responses.
        """
        return self.distribution(X, temperature=temperature).log_prob(y)

    def crps(self, X: Any, y: Any) -> np.ndarray:
        """Continuous ranked probability score of each row, in the units of y: the smaller the better.

        For several responses the energy score E‖Y − y‖ − ½E‖Y − Y′‖ from 200 draws, each response in units of its
        standard deviation in the training rows.

        Source: Gneiting and Raftery (2007).
        """
        return self.distribution(X).crps(y)

    def sample(self, X: Any, n: int = 1, random_state: Any = None, temperature: float | None = None) -> np.ndarray:
        """Draw n responses for every row, shape (rows, n) or (rows, n, responses).

        Up to two responses are drawn independently by inverting distribution functions, more by Markov chains, which
        warn where they have not mixed.

        Parameters
        ----------
        temperature : τ in place of the fitted one; 0 repeats the best response.
        """
        return self.distribution(X, temperature=temperature).sample(n, random_state)

    def amortize(
        self, X: Any, statistic: str = "mean", *, width: int = 64, max_epochs: int = 300, random_state: int = 0
    ) -> AmortizedPredictor:
        """Train a small network to follow `predict` on rows like X, for predictions in constant time.

        Parameters
        ----------
        statistic : ``"mean"``, ``"median"`` or ``"mode"``.
        width, max_epochs : of the network, which has two hidden layers, and of its training.

        Returns
        -------
        A predictor whose `gap` says how far it is from the exact answer on a fifth of the rows, held out.
        """
        model = self._fitted
        exact = self.predict(X, statistic)
        width, max_epochs = check_count("width", width), check_count("max_epochs", max_epochs)
        seed = check_seed("random_state", random_state)
        return follow(model, model.inputs(X), exact, statistic=statistic, width=width, max_epochs=max_epochs, seed=seed)

    def _stated_response(self, y: Any) -> Response:
        single = self.response is not None and not isinstance(self.response, Mapping)
        if has_columns(y) and not (single and as_response(self.response).columns > 1):
            names = getattr(y, "columns", [f"{UNNAMED}{j + 1}" for j in range(np.shape(y)[1])])
            stated = dict.fromkeys(map(str, names), Numbers()) | dict(by_name(self.response))
            return Joint(stated={name: _of_numbers(response) for name, response in stated.items()})
        return _of_numbers(Numbers() if self.response is None else self.response)


def _of_numbers(response: Any) -> Response:
    response = as_response(response)
    if response.labelled:
        raise OptionError(f"BLRegressor holds numbers; bl.{type(response).__name__}() has labels. Use BLClassifier.")
    return response
