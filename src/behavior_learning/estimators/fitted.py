"""What can be asked of a fitted estimator: each question is forwarded to the learned model that it holds."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from inspect import signature
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar, Literal, Self

import jax
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from behavior_learning import report as pages
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.decision.counterfactual import counterfactual_of
from behavior_learning.decision.parameters import DRAWS
from behavior_learning.decision.problem import DecisionProblem, problem_of
from behavior_learning.decision.scenario import Scenario
from behavior_learning.decision.summary import scenario_tables
from behavior_learning.decision.tables import Change
from behavior_learning.errors import OptionError
from behavior_learning.explanation.effects import Effects
from behavior_learning.explanation.simplified import SimplifiedProblem
from behavior_learning.explanation.stability import Stability
from behavior_learning.explanation.statements import Explanation
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.effects import Errors, effects_of
from behavior_learning.learned.evaluate import by_rows
from behavior_learning.learned.explain import contributions_of, explain_model, simplify_model
from behavior_learning.learned.inference import infer_problem
from behavior_learning.learned.model import LearnedModel, Rows
from behavior_learning.learned.predictive import Given, Predictive, predictive
from behavior_learning.learned.prune import pruned, pruning_path
from behavior_learning.learned.records import counting_bar, status_line
from behavior_learning.learned.score_tests import suggest_terms
from behavior_learning.learned.stability import measure_stability
from behavior_learning.learned.streaming import infer_rows, predict_to
from behavior_learning.learned.violations import violations_of
from behavior_learning.options import check_count, check_number
from behavior_learning.persistence import Saved, save

__all__ = ["FittedEstimator"]


class FittedEstimator(BaseEstimator):
    """The methods that need no more than what `fit` leaves behind.

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
        """With ``average=True`` each of the models whose mean this one is, best held-out loss first; else this one.

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
    def problem_(self) -> DecisionProblem:
        """The learned problem in the user's names and units, which can be printed, evaluated and solved again."""
        return problem_of(self._fitted)

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
        >>> reg.distribution(X.head(3)).interval(0.9).shape
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
        return predict_to(self._fitted, rows, path, coverage=check_number("coverage", coverage, below=1.0), keep=keep)

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

    def explain(self, X: Any = None, y: Any = None, *, stability: Stability | None = None) -> Explanation:
        """Explain the learned problem bottom-up: what each block wants, is limited by and believes, with the numbers.

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
        >>> reg.explain().statements.query("head == 'equality'")["block"].tolist()
        ['block1.1', 'block1.2', 'block2.1']
        """
        return explain_model(self._fitted, self._rows("explain", X, y), stability)

    def simplified(
        self,
        X: Any = None,
        y: Any = None,
        *,
        terms: int = 3,
        digits: int = 2,
        factor: bool = True,
        refit: bool = True,
    ) -> SimplifiedProblem:
        """Simplify the learned problem, and say how faithful the simplification is (Section 3.2).

        Parameters
        ----------
        X, y : the rows on which terms are ranked and fidelity is measured; as in `explain`.
        terms : monomials kept in each row; the others are collected in a named residual.
        digits : significant digits of every number.
        factor : whether to write quadratics as products where they are.
        refit : whether the kept coefficients are fitted to the whole row by least squares over the rows, so that they
            stand for correlated terms too; otherwise they are the model's.
        """
        rows = self._rows("simplified", X, y)
        return simplify_model(self._fitted, rows, terms=terms, digits=digits, factor=factor, refit=refit)

    def stability(
        self,
        X: Any = None,
        y: Any = None,
        *,
        n: int = 20,
        kind: str = "halves",
        seed: int = 0,
        verbose: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Stability:
        """Make the model again n times, as it was made, and count how often each statement of its explanation recurs.

        What chose terms is repeated on every sample: l1, `prune`, the search of `discover`. Beside it stands how often
        what linear regression says of the same samples recurs, by the same rule.

        Parameters
        ----------
        X, y : the rows that refits use; as in `explain`. Those of `fit` keep their weights.
        n : refits; even for halves.
        kind : ``"halves"`` takes both halves of random splits, ``"bootstrap"`` draws rows with replacement, ``"seeds"``
            changes the split and the random starts alone.
        seed : of all of them.
        verbose : whether to show how far it is.
        progress : called with the refits done and their number.
        """
        rows = self._given_or_none("stability", X, y)
        with counting_bar("refits", n, verbose and progress is None) as bar:
            return measure_stability(self._fitted, rows, n=n, kind=kind, seed=seed, progress=progress or bar)

    def proposed_block_names(self, X: Any = None, y: Any = None) -> dict[str, str]:
        """Names for blocks from the columns that move them most, for `rename_blocks`; X and y as in `explain`."""
        return dict(self.explain(X, y).names)

    def utility(self, X: Any, y: Any) -> np.ndarray:
        """BL(x, y) of each row's response, in nats times τ; defined up to a function of x."""
        model = self._fitted
        x, encoded_y = model.given_rows("utility", X, y)
        candidates = model.candidates(encoded_y)[:, None].astype(np.float32)
        return by_rows(_utility, model.gibbs(), (x.astype(np.float32), candidates))[:, 0]

    def suggest_terms(self, X: Any, y: Any, n: int = 10) -> pd.DataFrame:
        """Rank products of two columns by a score test of adding them to the fitted first layer (A.3.2).

        Add what convinces you with ``extra_terms=[...]`` and fit again; large tables are tested on 2,000 rows.

        Returns
        -------
        The n strongest candidates: term, statistic, df (its coefficients), pvalue (not adjusted for their number).
        """
        if self.structure is not None:
            raise OptionError("suggest_terms adds to a basis, and structure states its own terms. Add them there.")
        return suggest_terms(self._fitted, self._rows("suggest_terms", X, y)).head(check_count("n", n))

    def prune(
        self,
        tolerance: float = 0.01,
        X: Any = None,
        y: Any = None,
        *,
        terms: int | None = None,
        max_epochs: int = 100,
        random_state: int = 0,
    ) -> Self:
        """Return an estimator with the smallest model whose held-out loss is at most `tolerance` above this one's.

        The weakest coefficients, rows and blocks are taken out and the rest is trained on, over and over, in large
        steps first and part by part at last; about fifty trainings. What leads beyond the tolerance is taken back.
        Numbers that are left out are zero and no longer learned, so that `n_parameters_`, `problem_` and `inference`
        shrink. This estimator stays as it is.

        The held-out rows decide how much is taken out, so their loss flatters the result a little: judge it on others.

        Parameters
        ----------
        tolerance : in nats per row, or in the units of the objective where that is no likelihood.
        X, y : rows to train and hold out in place of those of `fit`, a share `validation_fraction` of them held out;
            needed for a model that was loaded from a file. By default the held-out rows are those of `fit`, and all
            rows keep their weights.
        terms : the best model found of at most so many printed terms instead, whatever it loses: a problem brief enough
            to print whole. `distribution(X).log_prob(y)` of both says what it costs.
        max_epochs : of training after each step, at most.
        random_state : seed of batches, noise and, for given rows, of the split.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=50, random_state=0).fit(X, y)
        >>> reg.prune(tolerance=0.05).n_parameters_ < reg.n_parameters_
        True
        """
        small = copy(self)
        rows = self._given_or_none("prune", X, y)
        small.model_ = pruned(
            self._fitted, rows, tolerance=tolerance, max_epochs=max_epochs, random_state=random_state, terms=terms
        )
        return small

    def pruning_path(
        self, X: Any = None, y: Any = None, *, share: float = 0.2, max_epochs: int = 100, random_state: int = 0
    ) -> pd.DataFrame:
        """Model size against held-out loss, from the whole model to its last coefficient.

        Parameters
        ----------
        share : of the numbers that each stage takes out, between 0 and 1.
        X, y, max_epochs, random_state : as in `prune`.

        Returns
        -------
        A line per stage: n_parameters, layers, rows and coefficients that are left, held-out `loss`, its `rise` over
        that of the whole model, and the standard error of the rise over the held-out rows.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=50, random_state=0).fit(X, y)
        >>> table = reg.pruning_path(share=0.5, max_epochs=25)
        >>> bool(table["n_parameters"].iloc[0] == reg.n_parameters_)
        True
        """
        rows = self._given_or_none("pruning_path", X, y)
        return pruning_path(self._fitted, rows, share=share, max_epochs=max_epochs, random_state=random_state)

    def inference(
        self,
        X: Any = None,
        y: Any = None,
        *,
        method: Literal["optimum", "posterior"] = "optimum",
        cov_type: str = "robust",
        clusters: Any = None,
        weights: Any = None,
        weight_kind: Literal["frequency", "sampling"] = "frequency",
        target: str | Sequence[str] | None = None,
        n_restarts: int | None = None,
        l2: float | None = None,
        draws: int = 500,
        seed: int = 0,
        verbose: bool = False,
    ) -> InferenceResults:
        """Standard errors, tests and intervals for the parameters (Theorems B.9 and B.10).

        Training stops early, holds rows out and carries a ridge. Inference goes on from the fitted network to the
        optimum of the objective of all rows, in double precision and in the canonical form. Score objectives are
        covered too; what they estimate is stated in the summary.

        Parameters
        ----------
        X, y : the rows; by default those given to `fit`, its validation rows included. A model that was loaded from a
            file does not have them.
        method : ``"posterior"`` draws from the posterior by the No-U-Turn Sampler, under the weak prior or that of
            `l2`; its quantiles are the intervals (needs blackjax).
        cov_type : ``"robust"`` (sandwich), ``"hessian"``, ``"opg"``, ``"clustered"``, ``"bootstrap"``,
            ``"cluster_bootstrap"``, ``"multiplier"`` or ``"jackknife"``.
        clusters : a label per row, or two columns of labels for two-way clustering.
        weights : a weight per row. With ``weight_kind="frequency"`` a row stands for so many equal rows, with
            ``"sampling"`` for its share of the population.
        target : the column of the response where X is a stream, as in `fit`; `weights` and `clusters` are columns then
            too. The search runs on a sample of the rows and goes on to the optimum of all of them; robust, clustered
            and other errors are of sums over all rows, equal to those in memory. What needs rows one by one, such as
            likelihood-ratio tests and bootstraps, is refused.
        n_restarts : random starts beside the fitted network; by default 4, fewer for large problems. Where that is
            affordable the search goes on from the best optimum with its rows negated, one by one.
        l2 : by default none where the likelihood has a finite maximum. Where it has none, as along a tanh that is
            nearly linear, a submodel that has one and the lower BIC is estimated instead, and if there is none the
            model under a weak prior (l2 of 0.01); the notes say which. A number is a ridge l2/(2n)·|θ|² on canonical
            parameters of standardised columns, a normal prior of standard deviation 1/√l2; parameters that it moves by
            more than half a standard error, or of which it says more than a tenth, have no standard error then.
        draws : bootstrap samples, or draws of each of four chains.
        seed : of restarts, bootstrap and chains.
        verbose : show on standard error what is being done.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> ibl = bl.BLRegressor(layers=(1,), identifiable=True, max_epochs=20, random_state=0).fit(X[["RM"]], y)
        >>> ibl.inference(n_restarts=0).convergence.name
        'OPTIMUM'
        """
        if method not in ("optimum", "posterior"):
            raise OptionError(f"method must be 'optimum' or 'posterior'; got {method!r}.")
        if self._fitted.members > 1:
            raise OptionError(
                f"Inference is of one problem; this model is the mean of {self._fitted.members}. "
                "Use members_[0].inference()."
            )
        with status_line(verbose) as progress:
            options: dict[str, Any] = {
                "n_restarts": n_restarts if n_restarts is None else check_count("n_restarts", n_restarts, minimum=0),
                "cov_type": cov_type,
                "clusters": clusters,
                "weights": weights,
                "weight_kind": weight_kind,
                "l2": None if l2 is None else check_number("l2", l2, inclusive=True),
                "draws": check_count("draws", draws, minimum=2),
                "seed": check_count("seed", seed, minimum=0),
                "progress": progress,
            }
            if target is not None:
                return infer_rows(self._fitted, X, target, **options)
            results = infer_problem(self._fitted, self._rows("inference", X, y), **options)
            return results.posterior() if method == "posterior" else results

    def counterfactual(
        self,
        X: Any = None,
        *,
        change: Change = None,
        relax: Mapping[str, float] | None = None,
        drop: Sequence[str] | str = (),
        add: Mapping[str, float] | None = None,
        coefficients: Mapping[str, Any] | None = None,
        draws: Any = "auto",
        inference: InferenceResults | None = None,
        n_draws: int = DRAWS,
        n_refits: int = 20,
        level: float = 0.95,
        seed: int = 0,
    ) -> Scenario:
        """What would be chosen if x, or the problem itself, were different; with standard errors.

        Parameters
        ----------
        X : the rows of the baseline; by default those given to `fit`.
        change : columns by name, each a value, a function of the column (``{"price": lambda v: 1.1 * v}``) or a value
            per row; or a function of the table, or a table.
        relax : by row of the problem, how far a constraint is moved, C ≤ amount, in the units of the printed row;
            labels are those of ``scenario.problem``, such as ``"block1.1.inequality"``.
        drop : rows that are gone, or classes that cannot be chosen.
        add : constraints such as ``"price <= 30"`` with the utility that each unit of breaking them costs.
        coefficients : parameters of `inference` by label, each a new value or a function of the estimate, such as
            ``{"inequality.multiplier": lambda price: 2 * price}``; in each draw of the draw's.
        draws : ``"delta"``, ``"normal"`` (Krinsky and Robb), ``"bootstrap"`` (of the inference), ``"refits"`` (the
            whole fit repeated on rows drawn with replacement), a table of draws of the parameters by label, None for no
            errors, or ``"auto"``: delta where heads are smooth or there is an inference, refits where they have kinks.
        inference : what `inference` returned; by default it is done here, from the fitted network alone. The scenario's
            model is the one at its optimum.
        n_draws, n_refits, seed : of ``"normal"`` and of ``"refits"``.
        level : of intervals.

        Raises
        ------
        OptionError
            If a column, a row or a class is unknown, or heads have kinks and errors are asked for.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> ibl = bl.BLRegressor(layers=(1,), identifiable=True, max_epochs=20, random_state=0).fit(X[["RM"]], y)
        >>> larger = ibl.counterfactual(change={"RM": lambda rooms: rooms.clip(5, 6)})
        >>> list(larger.effect().columns)
        ['estimate', 'std_error', 'lower', 'upper']
        """
        return counterfactual_of(
            self._fitted,
            X,
            change=change,
            relax=relax,
            drop=drop,
            add=add,
            coefficients=coefficients,
            draws=draws,
            inference=inference,
            n_draws=n_draws,
            n_refits=n_refits,
            level=level,
            seed=seed,
        )

    def effects(
        self,
        X: Any = None,
        y: Any = None,
        of: str = "mean",
        *,
        q: float = 0.5,
        std_errors: Literal["auto", "delta", "bootstrap", "none"] = "auto",
        inference: InferenceResults | None = None,
        n_refits: int = 20,
        seed: int = 0,
    ) -> Effects:
        """How what p(y|x) says changes with each variable: averages, groups, rows, curves and contrasts with intervals.

        Parameters
        ----------
        X, y : the rows; by default those given to `fit`. y is needed at given X where `of` is asked at the observed y.
        of : ``"mean"`` (dE[y|x]/dx; of labels their probabilities), ``"quantile"``, ``"probability"``,
            ``"log_density"`` (of the observed y), ``"marginal_utility"`` (of y itself) or ``"cross"`` (d²BL/dx dy, on
            average over p(y|x): how x moves the marginal utility of y).
        q : level of the quantile.
        std_errors : ``"delta"`` by inference from the rows of `fit`, ``"bootstrap"`` by refits, ``"none"``, or
            ``"auto"``: delta where heads are smooth, there are 200 parameters at most and inference finds an optimum,
            and bootstrap otherwise. They are computed when they are first looked at.
        inference : what `inference` returned; effects and errors are then those of its optimum.
        n_refits, seed : of the bootstrap.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=20, random_state=0).fit(X[["RM", "LSTAT"]], y)
        >>> effects = reg.effects(std_errors="none")
        >>> effects.table().index.tolist()
        ['RM', 'LSTAT']
        >>> effects.curve("RM", points=5).shape
        (5, 6)
        """
        errors = Errors(std_errors, inference, n_refits, seed).checked()
        asked_of_y = of not in ("mean", "quantile", "probability")
        rows = self._rows("effects", X, y) if X is None or y is not None or asked_of_y else self._inputs_alone(X)
        trained = self._fitted.rows
        to = (lambda: self._rows("effects", X, y)) if trained is None else (lambda: (trained.x, trained.y))
        return effects_of(self._fitted, rows, of=of, q=q, errors=errors, fitted_to=to)

    def contributions(self, X: Any = None, y: Any = None) -> pd.DataFrame:
        """What each head of each block of the last layer adds to a row's BL(x, y) − E[BL(x, Y)|x], in nats times τ.

        A line per row, columns (block, head). What depends on x alone is taken off: it cancels in p(y|x).

        Parameters
        ----------
        X, y : the rows; by default those given to `fit`.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=20, random_state=0).fit(X[["RM", "LSTAT"]], y)
        >>> reg.contributions().columns.tolist()
        [('block2.1', 'utility'), ('block2.1', 'inequality'), ('block2.1', 'equality')]
        """
        return contributions_of(self._fitted, self._rows("contributions", X, y))

    def violations(
        self,
        X: Any = None,
        y: Any = None,
        *,
        temperatures: Sequence[float] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
        multipliers: Sequence[float] = (0.1, 0.3, 1.0, 3.0, 10.0),
    ) -> pd.DataFrame:
        """How far responses drawn at other τ and λ violate the constraints that the model has learned (Figure 6).

        Parameters
        ----------
        X, y : the rows; by default those given to `fit`.
        temperatures : in multiples of the fitted τ.
        multipliers : in multiples of the fitted λ of the first layer's constraints, all of them at once.

        Returns
        -------
        A line per sweep, value and row: mean and 95th percentile of |T| or of max(0, C), in the units of the printed
        row. `plots.violations` draws it. They describe the learned law as it is, without errors; `inference()` says
        which of its rows are determined.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(1,), max_epochs=20, random_state=0).fit(X[["RM", "LSTAT"]], y)
        >>> reg.violations(temperatures=[1.0], multipliers=[2.0])["row"].tolist()
        ['block1.1.C', 'block1.1.T', 'block1.1.C', 'block1.1.T']
        """
        rows = self._rows("violations", X, y)
        return violations_of(self._fitted, rows, temperatures=temperatures, multipliers=multipliers)

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

    def report(
        self,
        path: str | PathLike[str] | None = None,
        X: Any = None,
        y: Any = None,
        *,
        title: str | None = None,
        purpose: str | None = None,
        source: str | None = None,
        subgroups: Sequence[str] = (),
        tables: Mapping[str, pd.DataFrame] | None = None,
        scenarios: Mapping[str, Scenario] | None = None,
        inference: InferenceResults | None = None,
        stability: Stability | None = None,
    ) -> "pages.Report":
        """Report what was learned and how well, as one HTML page that needs no network.

        Parameters
        ----------
        path : where to write the page; None writes nothing.
        X, y : rows to report on, best such that the fit has not seen; by default those of the fit.
        title : of the page.
        purpose : what the model is for, and who answers for it.
        source : where the rows come from, and when.
        subgroups : columns by whose values the fit is judged as well; a number by its quarters.
        tables : further results by their captions.
        scenarios : what `counterfactual` returned, by name: a section of optima, effects, what carries them and prices.
        inference, stability : what `inference` and `stability` returned, to include.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(1,), max_epochs=20, random_state=0).fit(X[["RM", "LSTAT"]], y)
        >>> reg.report(title="Boston").html.startswith("<!doctype html>")
        True
        """
        defaults = {name: parameter.default for name, parameter in signature(type(self)).parameters.items()}
        return pages.write_report(
            self._fitted,
            path,
            self._given_or_none("report", X, y),
            title=title or f"What {type(self).__name__} learned about {self._fitted.response.name}",
            settings={name: (value, defaults[name]) for name, value in self.get_params(deep=False).items()},
            purpose=purpose,
            source=source,
            subgroups=subgroups,
            tables=tables,
            scenarios=scenario_tables(scenarios or {}),
            inference=inference,
            stability=stability,
        )


def _utility(distribution: Gibbs, x: jax.Array, candidates: jax.Array) -> jax.Array:
    return distribution.utility(x, candidates)
