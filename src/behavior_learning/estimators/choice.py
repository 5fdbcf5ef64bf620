"""BLChoice: choices between alternatives that are described by attributes."""

import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError

from behavior_learning.caching import keep_programs
from behavior_learning.choice.answers import Counterfactual, fieller_ratio
from behavior_learning.choice.block_errors import FittedBlocks
from behavior_learning.choice.blocks import start_network, train_blocks
from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.fitting import FittedChoice, Specification, fit_choice, statistics_of
from behavior_learning.choice.results import ChoiceResults
from behavior_learning.choice.saving import LoadedChoice, restored, state_of
from behavior_learning.choice.sets import SetEncoder
from behavior_learning.choice.validation import ChoiceValidation, Folds, folds_of, validated
from behavior_learning.core.architecture import Architecture
from behavior_learning.errors import ConvergenceWarning, DataError, OptionError
from behavior_learning.files import check_writable, write_whole
from behavior_learning.inference.tables import html_table
from behavior_learning.options import check_count, check_number, check_option, check_sequence, from_plain, to_plain
from behavior_learning.persistence import write_contents
from behavior_learning.training.optimizers import OPTIMIZERS
from behavior_learning.training.weights import check_weights

__all__ = ["BLChoice", "cross_val_choice"]

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>BLChoice</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; margin: 1rem 0 }} td, th {{ padding: .2rem .8rem; text-align: right }}
th:first-child {{ text-align: left }} tr {{ border-bottom: 1px solid #ddd }}
</style></head><body>{}</body></html>"""


PERFECT = 1e-4
"""Nats per case below which a utility predicts every choice."""


class BLChoice(BaseEstimator):
    """p(alternative | chooser, alternatives) ∝ exp BL(x, a): a choice among alternatives with attributes.

    A utility that is linear in its parameters is fitted by Newton's method in double precision and compiles nothing.

    Parameters
    ----------
    utility : a formula, see `behavior_learning.choice.formula`: terms with ``+`` between them and factors with ``:``.
    nests : lists of alternatives by name, or mappings of nests inside nests; an alternative in two is shared.
    random : by label of a coefficient its distribution over choosers: ``"normal"``, ``"lognormal"`` (of the size, with
        the sign that a constant coefficient has), ``"triangular"`` or ``"uniform"``.
    correlated : whether random coefficients are correlated.
    classes : how many latent classes of choosers there are.
    membership : columns of the chooser, with ``+`` between them, that say how likely each class is.
    monotone : by attribute ``"decreasing"`` or ``"increasing"``: the signs of all coefficients of terms in it, and of
        blocks.
    fixed : by label the value of a parameter that is not estimated.
    bounds : by label the lowest and highest value of a parameter, None where there is none.
    panel : whether random coefficients and classes belong to choosers, else to cases.
    draws : scrambled Sobol draws per chooser; by default a grid for one or two random coefficients, 1000 for more.
    money : a term, such as ``"cost"``, in whose units all other coefficients are: ``wtp(time)`` (willingness-to-pay
        space), random ones too, so that their distribution is that of willingness to pay.
    layers : blocks per layer of a learned part beside the formula, over all columns of the chooser and all attributes.
    tastes : whether blocks read the chooser alone and give a coefficient of every attribute and constant (TasteNet);
        with `monotone` they need one sign, ``heads=(None, "softplus", None)``.
    heads, rows : of the blocks, as in `BLRegressor`.
    optimizer : of the blocks, ``"lbfgs"`` or another of `behavior_learning.training`.
    l2 : ridge of the blocks' weights, times the cases per chooser: a chooser who repeats says less than as many others.
    max_epochs : passes over the cases, or iterations.
    random_state : seed of draws and starts.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> trips = pd.DataFrame({"bus": rng.uniform(1, 5, 500), "car": rng.uniform(1, 5, 500)})
    >>> trips["mode"] = np.where(trips.car - trips.bus + rng.logistic(size=500) > 1, "bus", "car")
    >>> data = bl.ChoiceData.from_wide(trips, {"bus": {"cost": "bus"}, "car": {"cost": "car"}}, chosen="mode")
    >>> model = bl.BLChoice("cost + C(alternative)").fit(data)
    >>> model.params.index.tolist()
    ['cost', 'C(alternative)[car]']
    """

    def __init__(
        self,
        utility: str = "cost + time + C(alternative)",
        *,
        nests: Mapping[str, Any] | None = None,
        random: Mapping[str, str] | None = None,
        correlated: bool = False,
        classes: int | None = None,
        membership: str | None = None,
        monotone: Mapping[str, str] | None = None,
        fixed: Mapping[str, float] | None = None,
        bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
        panel: bool = True,
        draws: int | None = None,
        money: str | None = None,
        layers: Sequence[int] | None = None,
        tastes: bool = False,
        heads: Sequence[Any] = ("tanh", "softplus", "square"),
        rows: Sequence[int] = (1, 1, 1),
        optimizer: Any = "lbfgs",
        l2: float = 10.0,
        max_epochs: int = 150,
        random_state: int = 0,
    ):
        self.utility = utility
        self.nests = nests
        self.random = random
        self.correlated = correlated
        self.classes = classes
        self.membership = membership
        self.monotone = monotone
        self.fixed = fixed
        self.bounds = bounds
        self.panel = panel
        self.draws = draws
        self.money = money
        self.layers = layers
        self.tastes = tastes
        self.heads = heads
        self.rows = rows
        self.optimizer = optimizer
        self.l2 = l2
        self.max_epochs = max_epochs
        self.random_state = random_state

    def fit(self, data: ChoiceData, sample_weight: Any = None) -> Self:
        """Estimate the parameters by maximum likelihood.

        Parameters
        ----------
        sample_weight : how often each case counts.

        Raises
        ------
        OptionError
            If the formula or another option cannot be read, or names what is not there.
        DataError
            If a term is the same for all alternatives of every case, or terms are collinear.
        """
        _check_data(data)
        keep_programs()
        weights = None if sample_weight is None else check_weights(sample_weight, len(data))
        if self.layers is not None:
            self.fitted_ = self._fit_blocks(data, np.ones(len(data)) if weights is None else weights)
            return self
        if self.tastes:
            raise OptionError("tastes=True says nothing without layers=. Give both or drop it.")
        self.fitted_ = fit_choice(self._specification(), data, weights)
        if self.loglik > -PERFECT * len(data):
            warnings.warn(
                "The utility predicts every choice, so that the likelihood has no maximum: coefficients would grow "
                "without end, and their errors mean nothing. Drop terms, or look for a column that tells the choice.",
                ConvergenceWarning,
                stacklevel=2,
            )
        if not self.fitted_.optimum.converged:
            warnings.warn(
                "The search for the maximum likelihood did not converge. Rescale columns to similar sizes, look at "
                ".inference().identification, and drop terms that the data cannot tell apart.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _fit_blocks(self, data: ChoiceData, weights: np.ndarray) -> FittedBlocks:
        """Blocks beside the readable utility, from where that ends alone."""
        if self.nests or self.random or self.classes or self.fixed or self.bounds or self.money:
            raise OptionError(
                "layers= goes with utility= and monotone=, not with nests, random, classes, fixed, bounds or money."
            )
        readable = fit_choice(Specification(self.utility, monotone=self.monotone or {}), data, weights)
        if readable.model.utility.powers:
            raise OptionError("layers= goes with terms that are linear in their coefficients; drop boxcox.")
        encoder = SetEncoder.learn(data)
        output: dict[str, Any] = {"output": "vector", "readout": "free"} if self.tastes else {}
        architecture = Architecture(
            check_sequence("layers", self.layers, "(6,)"), tuple(self.rows), tuple(self.heads), **output
        )
        features = 0 if encoder.chooser is None else len(encoder.chooser.columns)
        if self.tastes and not features:
            raise OptionError("tastes=True needs columns of the chooser: read the data with chooser=[...].")
        network = start_network(encoder, features, architecture, self.monotone or {}, self.random_state)
        model = train_blocks(
            readable.model.utility,
            readable.model.theta,
            data,
            weights,
            readable.signs,
            network,
            encoder,
            check_option("optimizer", self.optimizer, OPTIMIZERS),
            l2=check_number("l2", self.l2) * len(data) / (int(data.panel.max()) + 1),
            epochs=check_count("max_epochs", self.max_epochs),
            seed=self.random_state,
        )
        return FittedBlocks(model, data, weights, statistics_of(model.probabilities(data), data, weights))

    def _specification(self) -> Specification:
        return Specification(
            self.utility,
            nests=self.nests,
            random=self.random,
            correlated=self.correlated,
            classes=self.classes,
            membership=self.membership,
            fixed=self.fixed or {},
            bounds=self.bounds or {},
            monotone=self.monotone or {},
            panel=self.panel,
            draws=self.draws,
            seed=self.random_state,
            money=self.money,
        )

    @property
    def _fitted(self) -> FittedChoice | FittedBlocks | LoadedChoice:
        if not hasattr(self, "fitted_"):
            raise NotFittedError("This BLChoice is not fitted yet. Call fit(data) first.")
        return self.fitted_

    @property
    def params(self) -> pd.Series:
        """The estimates by label."""
        model = self._fitted.model
        return pd.Series(model.theta[: len(model.labels)], pd.Index(model.labels, name="parameter"), name="estimate")

    @property
    def loglik(self) -> float:
        """Log-likelihood of the training data, in nats."""
        return self._fitted.optimum.log_likelihood

    def inference(self, cov_type: str = "auto", clusters: Any = None) -> ChoiceResults:
        """Estimates with standard errors, tests and measures of fit.

        Parameters
        ----------
        cov_type : ``"hessian"``, ``"robust"``, ``"clustered"`` or ``"auto"``, which is clustered by chooser where
            choosers repeat and says so, else robust.
        clusters : a label per case, instead of the choosers.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> rng = np.random.default_rng(0)
        >>> trips = pd.DataFrame({"bus": rng.uniform(1, 5, 500), "car": rng.uniform(1, 5, 500)})
        >>> trips["mode"] = np.where(trips.car - trips.bus + rng.logistic(size=500) > 1, "bus", "car")
        >>> data = bl.ChoiceData.from_wide(trips, {"bus": {"cost": "bus"}, "car": {"cost": "car"}}, chosen="mode")
        >>> bl.BLChoice("cost + C(alternative)").fit(data).inference().cov_type
        'robust'
        """
        return self._fitted.results(cov_type, clusters)

    def predict_proba(self, data: ChoiceData) -> pd.DataFrame:
        """The probability of every alternative in every case, 0 where it was not available."""
        _check_data(data)
        return data.wide(self._fitted.model.probabilities(data))

    def predict(self, data: ChoiceData) -> pd.Series:
        """The likeliest alternative of every case."""
        return self.predict_proba(data).idxmax(axis=1).rename("alternative")

    def log_density(self, data: ChoiceData) -> np.ndarray:
        """log P of what was chosen in every case, before anything else is known of the chooser."""
        _check_data(data)
        p = self._fitted.model.probabilities(data)[data.chosen_lines]
        return np.log(np.maximum(p, np.finfo(float).tiny))

    def score(self, data: ChoiceData) -> float:
        """The mean of `log_density`."""
        return float(self.log_density(data).mean())

    # Files.

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model and its errors to one file, without the data; `bl.load` reads it."""
        header, arrays = state_of(self._fitted)
        contents = {"estimator": "BLChoice", "parameters": to_plain(self.get_params(deep=False)), "choice": header}
        write_contents(contents, arrays, path)

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The estimator of what `save` wrote."""
        parameters = from_plain(header["parameters"])
        estimator = cls(**parameters)
        estimator.fitted_ = restored(header["choice"], arrays, parameters)
        return estimator

    def report(self, path: str | PathLike[str], data: ChoiceData | None = None) -> None:
        """Write one HTML page: estimates with errors, measures of fit, and predicted and observed shares on data.

        Parameters
        ----------
        data : the training data by default.
        """
        check_writable(path)
        data = self._fitted.data if data is None else data
        parts = [self.inference().summary().as_html()]
        if data is not None:
            predicted = self.shares(data)
            shares = predicted if data.chosen is None else predicted.assign(observed=data.shares)
            parts.append(f"<h3>Shares of {len(data)} cases</h3>{html_table(shares)}")
        write_whole(path, PAGE.format("".join(parts)).encode())

    # What it says of the chooser, each with an interval.

    def willingness_to_pay(
        self,
        attribute: str,
        cost: str,
        data: ChoiceData | None = None,
        *,
        method: str = "delta",
        level: float = 0.95,
        cov_type: str = "auto",
    ) -> pd.DataFrame:
        """(∂V/∂attribute)/(∂V/∂cost), in units of cost per unit of the attribute; the value of time where it is time.

        One line where it is the same everywhere; the mean over all available alternatives and by alternative where it
        is not; its distribution over choosers where coefficients vary over them.

        Parameters
        ----------
        data : the training data by default.
        method : ``"delta"``, ``"simulation"`` (Krinsky and Robb) or ``"fieller"`` (a ratio of two coefficients).
        """
        data = self._fitted.data if data is None else data
        if data is None:
            raise OptionError("This model was read from a file, which holds no data: pass data=.")
        _check_data(data)
        answers = self._fitted.answers("delta" if method == "fieller" else method, level, cov_type)
        if method != "fieller":
            return answers.willingness_to_pay(data, attribute, cost)
        labels = self._fitted.model.labels
        if attribute not in labels or cost not in labels or self.random or self.classes or self.layers:
            raise OptionError(
                f"method='fieller' needs {attribute!r} and {cost!r} to be coefficients that do not vary. "
                "Use 'delta' or 'simulation'."
            )
        return fieller_ratio(answers, labels.index(attribute), labels.index(cost))

    def shares(
        self, data: ChoiceData, *, method: str = "delta", level: float = 0.95, cov_type: str = "auto"
    ) -> pd.DataFrame:
        """The mean probability of each alternative."""
        _check_data(data)
        return self._fitted.answers(method, level, cov_type).shares(data)

    def elasticities(
        self, data: ChoiceData, attribute: str, *, method: str = "delta", level: float = 0.95, cov_type: str = "auto"
    ) -> pd.DataFrame:
        """Per cent by which the share of each alternative changes per per cent of an attribute, own and cross."""
        _check_data(data)
        return self._fitted.answers(method, level, cov_type).elasticities(data, attribute)

    def counterfactual(
        self,
        data: ChoiceData,
        *,
        change: Mapping[str, Any] | None = None,
        remove: str | None = None,
        add: Mapping[str, Mapping[str, Any]] | None = None,
        scenario: ChoiceData | None = None,
        method: str = "delta",
        level: float = 0.95,
        cov_type: str = "auto",
    ) -> Counterfactual:
        """What would be chosen if alternatives were others: shares, effect, diversion and welfare, with intervals.

        Parameters
        ----------
        change : by attribute or column of the chooser a factor or a function, or by alternative, such as
            ``{"cost": {"train": 0.9}}``.
        remove : an alternative that is no longer there.
        add : new alternatives, each with the one that it is ``"like"`` and the attributes that differ, factors or
            functions: ``{"night bus": {"like": "bus", "cost": 0.8}}``. Constants that name other alternatives are 0.
        scenario : the same cases with other or new alternatives, read as `data` was.

        Raises
        ------
        OptionError
            If nothing changes.
        """
        if (change is None) + (remove is None) + (add is None) + (scenario is None) == 4:
            raise OptionError("counterfactual needs change=, remove=, add= or scenario=.")
        after = data if scenario is None else scenario
        for given in (data, after):
            _check_data(given)
        after = after if change is None else after.changed(change)
        after = after if remove is None else after.without(remove)
        for name, own in (add or {}).items():
            if "like" not in own:
                raise OptionError(f"add[{name!r}] must say which alternative it is 'like', as in {{'like': 'bus'}}.")
            differing = {column: how for column, how in own.items() if column != "like"}
            after = after.with_alternative(name, own["like"], differing)
        return Counterfactual(self._fitted.answers(method, level, cov_type), data, after)


def _check_data(data: Any) -> None:
    if not isinstance(data, ChoiceData):
        raise DataError(
            f"Choices are read from bl.ChoiceData; got {type(data).__name__}. Make one with bl.ChoiceData.from_wide "
            "or bl.ChoiceData.from_long."
        )


def cross_val_choice(model: BLChoice, data: ChoiceData, folds: Folds = 5, *, random_state: int = 0) -> ChoiceValidation:
    """The log-likelihood of held-out choices, all cases of a chooser held out together.

    Parameters
    ----------
    folds : their number, or a label per case that keeps choosers whole.
    random_state : seed of the folds: `default_rng(random_state).permutation(choosers) % folds` over sorted ids.

    Raises
    ------
    DataError
        If folds cut the cases of a chooser apart.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> rng = np.random.default_rng(0)
    >>> trips = pd.DataFrame({"bus": rng.uniform(1, 5, 500), "car": rng.uniform(1, 5, 500)})
    >>> trips["mode"] = np.where(trips.car - trips.bus + rng.logistic(size=500) > 1, "bus", "car")
    >>> data = bl.ChoiceData.from_wide(trips, {"bus": {"cost": "bus"}, "car": {"cost": "car"}}, chosen="mode")
    >>> bl.cross_val_choice(bl.BLChoice("cost + C(alternative)"), data, folds=5).folds.shape
    (5, 2)
    """
    _check_data(data)
    return validated(clone(model), data, folds_of(data, folds, random_state))
