"""What can be asked of a fitted estimator: each question is forwarded to the learned model that it holds."""

from collections.abc import Mapping, Sequence
from inspect import signature
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from behavior_learning.errors import OptionError
from behavior_learning.estimators import asked
from behavior_learning.estimators.reading import ReadableEstimator
from behavior_learning.learned.records import status_line
from behavior_learning.options import check_count, check_number

if TYPE_CHECKING:
    from behavior_learning.decision.scenario import Scenario
    from behavior_learning.decision.tables import Change
    from behavior_learning.explanation.effects import Effects
    from behavior_learning.explanation.stability import Stability
    from behavior_learning.inference.results import InferenceResults
    from behavior_learning.report import Report

__all__ = ["FittedEstimator"]

DRAWS = 500
"""Draws behind an interval."""


class FittedEstimator(ReadableEstimator):
    """Standard errors, effects, other conditions and the report, beside what can be read."""

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
    ) -> "InferenceResults":
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
        clusters : a label per row, or two columns of labels for two-way clustering; of a stream, their names.
        weights : a weight per row. With ``weight_kind="frequency"`` a row stands for so many equal rows, with
            ``"sampling"`` for its share of the population.
        target : the column of the response where X is a stream, as in `fit`; `weights` and `clusters` are columns then
            too. The search runs on a sample of the rows and goes on to the optimum of all of them; robust, clustered
            and other errors are of sums over all rows, equal to those in memory; bootstraps draw how often a row counts
            from a Poisson distribution. What needs rows one by one, such as likelihood-ratio tests, is refused.
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
                return asked.infer_rows(self._fitted, X, target, method=method, **options)
            results = asked.infer_problem(self._fitted, self._rows("inference", X, y), **options)
            return results.posterior() if method == "posterior" else results

    def counterfactual(
        self,
        X: Any = None,
        *,
        change: "Change" = None,
        relax: Mapping[str, float] | None = None,
        drop: Sequence[str] | str = (),
        add: Mapping[str, Any] | None = None,
        coefficients: Mapping[str, Any] | None = None,
        draws: Any = "auto",
        inference: "InferenceResults | None" = None,
        n_draws: int = DRAWS,
        n_refits: int = 20,
        level: float = 0.95,
        seed: int = 0,
    ) -> "Scenario":
        """What would be chosen if x, or the problem itself, were different; with standard errors.

        Parameters
        ----------
        X : the rows of the baseline; by default those given to `fit`.
        change : columns by name, each a value, a function of the column (``{"price": lambda v: 1.1 * v}``) or a value
            per row; or a function of the table, or a table.
        relax : by row of the problem, how far a constraint is moved, C ≤ amount, in the units of the printed row;
            labels are those of ``scenario.problem``, such as ``"block1.1.inequality"``.
        drop : rows that are gone, or classes that cannot be chosen.
        add : constraints such as ``"price <= 30"`` with the utility that each unit of breaking them costs; and classes
            that are new, ``{"night bus": {"like": "bus"}}``, each with the utility of one that is there, so that it
            takes from all in proportion to their shares.
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
        return asked.counterfactual_of(
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
        inference: "InferenceResults | None" = None,
        n_refits: int = 20,
        seed: int = 0,
        correct: bool | None = None,
        target: str | Sequence[str] | None = None,
        weights: str | None = None,
        checkpoint: str | PathLike[str] | None = None,
    ) -> "Effects":
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
        n_refits, seed : of the bootstrap; a refit of a mean of networks is one of two, whose errors are at most larger.
        correct : whether averages of effects on means and probabilities are put right, in one step, by what y leaves
            over in the rows of `fit`, so that the model need not be right; by default where there are ten rows for
            every column and no inference is given. Single rows and curves are always the model's.
        target, weights : columns of the response and of weights where X is a stream, as in `fit`. Averages (tables,
            groups, contrasts) are sums over all its rows, each a pass; single rows and curves are of a sample. Errors
            are those of the rows of `fit` that the model keeps, or of the `inference` of a stream.
        checkpoint : a folder that keeps every refit, as in `stability`.

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
        keep = asked.kept_refits(checkpoint)
        errors = asked.Errors(std_errors, inference, n_refits, seed, correct, keep).checked()
        if target is not None:
            return asked.effects_over(self._fitted, X, target, weights=weights, of=of, q=q, errors=errors)
        if weights is not None:
            raise OptionError("weights of effects is a column of a stream, whose response target= names.")
        asked_of_y = of not in ("mean", "quantile", "probability")
        rows = self._rows("effects", X, y) if X is None or y is not None or asked_of_y else self._inputs_alone(X)
        trained = self._fitted.rows
        to = (lambda: self._rows("effects", X, y)) if trained is None else (lambda: (trained.x, trained.y))
        known = trained is not None or y is not None
        return asked.effects_of(self._fitted, rows, of=of, q=q, errors=errors, fitted_to=to, with_responses=known)

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
        scenarios: "Mapping[str, Scenario] | None" = None,
        inference: "InferenceResults | None" = None,
        stability: "Stability | None" = None,
    ) -> "Report":
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
        return asked.write_report(
            self._fitted,
            path,
            self._given_or_none("report", X, y),
            title=title or f"What {type(self).__name__} learned about {self._fitted.response.name}",
            settings={name: (value, defaults[name]) for name, value in self.get_params(deep=False).items()},
            purpose=purpose,
            source=source,
            subgroups=subgroups,
            tables=tables,
            scenarios=asked.scenario_tables(scenarios or {}),
            inference=inference,
            stability=stability,
        )
