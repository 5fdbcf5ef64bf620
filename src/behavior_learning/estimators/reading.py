"""What a fitted estimator says of the problem that it learned, and how to make it say less."""

from collections.abc import Callable, Sequence
from copy import copy
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from behavior_learning.errors import OptionError
from behavior_learning.estimators import asked
from behavior_learning.estimators.holder import ModelHolder
from behavior_learning.learned.records import counting_bar
from behavior_learning.options import check_count

if TYPE_CHECKING:
    from behavior_learning.explanation.simplified import SimplifiedProblem
    from behavior_learning.explanation.stability import Stability
    from behavior_learning.explanation.statements import Explanation

__all__ = ["ReadableEstimator"]


class ReadableEstimator(ModelHolder):
    """Explanations, stability and pruning: each question is forwarded to the learned model."""

    def explain(self, X: Any = None, y: Any = None, *, stability: "Stability | None" = None) -> "Explanation":
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
        return asked.explain_model(self._fitted, self._rows("explain", X, y), stability)

    def simplified(
        self,
        X: Any = None,
        y: Any = None,
        *,
        terms: int = 3,
        digits: int = 2,
        factor: bool = True,
        refit: bool = True,
    ) -> "SimplifiedProblem":
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
        return asked.simplify_model(self._fitted, rows, terms=terms, digits=digits, factor=factor, refit=refit)

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
        checkpoint: str | PathLike[str] | None = None,
    ) -> "Stability":
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
        checkpoint : a folder that keeps every refit: called again after an interruption, or with a larger n, it makes
            only those that are missing. Refits of other rows, models or seeds are others.
        """
        rows, keep = self._given_or_none("stability", X, y), asked.kept_refits(checkpoint)
        with counting_bar("refits", n, verbose and progress is None) as bar:
            told = progress or bar
            return asked.measure_stability(self._fitted, rows, n=n, kind=kind, seed=seed, progress=told, keep=keep)

    def proposed_block_names(self, X: Any = None, y: Any = None) -> dict[str, str]:
        """Names for blocks from the columns that move them most, for `rename_blocks`; X and y as in `explain`."""
        return dict(self.explain(X, y).names)

    def suggest_terms(self, X: Any, y: Any, n: int = 10) -> pd.DataFrame:
        """Rank products of two columns by a score test of adding them to the fitted first layer (A.3.2).

        Add what convinces you with ``extra_terms=[...]`` and fit again; large tables are tested on 2,000 rows, and of
        an average the first member.

        Returns
        -------
        The n strongest candidates: term, statistic, df (its coefficients), pvalue (not adjusted for their number).
        """
        if self.structure is not None:
            raise OptionError("suggest_terms adds to a basis, and structure states its own terms. Add them there.")
        return asked.suggest_terms(self._fitted, self._rows("suggest_terms", X, y)).head(check_count("n", n))

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
        small.model_ = asked.pruned(
            self._fitted, rows, tolerance=tolerance, max_epochs=max_epochs, random_state=random_state, terms=terms
        )
        return small

    def polish(self, *, l2: float | None = None, evaluations: int = 1_000) -> Self:
        """Return an estimator at the optimum, near this one, of the mean loss of the rows that trained it.

        Fits end near such an optimum, after evaluations that take no longer than half of their training; this goes on
        until the loss falls no more. With a smaller ridge the training loss goes below what the fit chose to stop at,
        and the loss of other rows may rise. This estimator stays as it is.

        Parameters
        ----------
        l2 : ridge of all rows together, in units of the summed loss; by default `l2_`, that of the fit.
        evaluations : of the loss and its gradient on all rows, at most.

        Raises
        ------
        OptionError
            If the loss has noise, the model is an average or of a stream, or there are more than 2,000 parameters.
        DataError
            If the model comes from a file, which holds no rows.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> X, y = bl.datasets.load_boston()
        >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=50, random_state=0).fit(X, y)
        >>> closer = reg.polish(l2=2.0, evaluations=100)
        >>> train = ~reg.model_.rows.held_out
        >>> bool(closer.log_density(X[train], y[train]).mean() > reg.log_density(X[train], y[train]).mean())
        True
        """
        closer = copy(self)
        closer.model_ = asked.polished(self._fitted, l2=l2, evaluations=evaluations)
        return closer

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
        return asked.pruning_path(self._fitted, rows, share=share, max_epochs=max_epochs, random_state=random_state)

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
        return asked.contributions_of(self._fitted, self._rows("contributions", X, y))

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
        return asked.violations_of(self._fitted, rows, temperatures=temperatures, multipliers=multipliers)
