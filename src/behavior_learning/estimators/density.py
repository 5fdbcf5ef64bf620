"""No x at all: the law of a table, p(y) ∝ exp{BL(y)/τ}, and of any of its columns given any others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from behavior_learning.encoding import in_pandas
from behavior_learning.errors import DataError
from behavior_learning.estimators.joint import JointEstimator
from behavior_learning.learned.distribution import Predictive
from behavior_learning.learned.model import LearnedModel, Rows
from behavior_learning.learned.predictive import Given, predictive
from behavior_learning.responses.columns import UNNAMED, response_columns
from behavior_learning.training.minimize import Progress

if TYPE_CHECKING:
    from behavior_learning.explanation.effects import Effects

__all__ = ["BLDensity"]


@dataclass(kw_only=True, eq=False, repr=False)
class BLDensity(DensityMixin, JointEstimator):
    """Learn the optimisation problem behind a table of outcomes, and generate from it.

    p(y) ∝ exp{BL(y)/τ} over all columns, numbers and classes. Put inputs and responses side by side to learn their
    joint law, and condition on any subset afterwards: `distribution` answers. Source: A.1 (unsupervised and generative
    uses).

    Parameters
    ----------
    response : by name what a column is, as in BLHybrid.
    objective : ``"likelihood"``, exact, for at most two numbers; ``"dsm"`` or ``"score_matching"`` for any number.
    layers, structure, n_terms, heads, basis, degrees, extra_terms, skip, multipliers, aggregation, readout,
    temperature, optimizer, penalty, max_epochs, patience, validation_fraction, n_restarts,
    random_state, warm_start, verbose
        As in BLHybrid.

    Examples
    --------
    >>> import behavior_learning as bl, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> works = rng.choice(["yes", "no"], size=200)
    >>> Y = pd.DataFrame({"works": works, "hours": rng.normal(np.where(works == "yes", 38, 5), 3)})
    >>> density = bl.BLDensity(layers=(2, 1), max_epochs=50, random_state=0).fit(Y)
    >>> density.sample(3, random_state=0).shape
    (3, 2)
    >>> density.sample(3, given={"works": "yes"}, random_state=0).columns.tolist()
    ['hours']
    >>> density.distribution({"works": "yes"}).table().columns.tolist()
    ['hours']
    """

    def fit(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        Y: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        validation_data: Any = None,
        progress: Progress | None = None,
        on_interrupt: str = "raise",
    ):
        """Learn the law of the rows of a table.

        Parameters
        ----------
        Y : DataFrame, array (n, columns) or one column; numbers, booleans and text.
        y : ignored, for scikit-learn's pipelines.
        sample_weight, groups : how often each row counts, and a label per row, as in BLRegressor.
        validation_data : a table that decides when to stop; by default a random share of the rows.
        progress, on_interrupt : as in BLRegressor.
        """
        table = _table_of(Y)
        held_out = None if validation_data is None else _table_of(validation_data)
        pair = None if held_out is None else (_nothing(len(held_out)), held_out)
        nothing = _nothing(len(table))
        how: dict[str, Any] = {"sample_weight": sample_weight, "progress": progress, "on_interrupt": on_interrupt}
        return super().fit(nothing, table, groups=groups, validation_data=pair, **how)

    def log_density(self, Y: Any, *, of: Sequence[str] | None = None, given: Sequence[str] = ()) -> np.ndarray:
        """log p(y) per row, in nats, of the density per unit of the numbers; `of` and `given` as in BLHybrid."""
        check_is_fitted(self)
        table = _table_of(Y)
        if not isinstance(in_pandas(Y), pd.DataFrame) and table.shape[1] != self.n_features_in_:
            raise DataError(
                f"X has {table.shape[1]} features, but BLDensity is expecting {self.n_features_in_} features as input."
            )
        return self._log_density(_nothing(len(table)), table, of, given)

    def score(self, Y: Any, y: Any = None) -> float:
        """Mean of `log_density`, in nats."""
        return float(self.log_density(Y).mean())

    def utility(self, Y: Any) -> np.ndarray:  # pyright: ignore[reportIncompatibleMethodOverride]
        """BL(y) of each row, in nats times τ; defined up to a constant."""
        table = _table_of(Y)
        return super().utility(_nothing(len(table)), table)

    def calibrate(self, Y: Any, *, sample_weight: Any = None):  # pyright: ignore[reportIncompatibleMethodOverride]
        """Set τ to the value that makes the given rows most likely, all else as fitted."""
        table = _table_of(Y)
        return super().calibrate(_nothing(len(table)), table, sample_weight=sample_weight)

    def suggest_terms(self, Y: Any, n: int = 10) -> pd.DataFrame:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Rank products of two columns by a score test of adding them to the fitted first layer (A.3.2)."""
        table = _table_of(Y)
        return super().suggest_terms(_nothing(len(table)), table, n)

    def effects(self, Y: Any = None, of: str = "marginal_utility", **options: Any) -> "Effects":  # pyright: ignore[reportIncompatibleMethodOverride]
        """The marginal utility of every column at the rows, each with the others integrated out; as BLRegressor."""
        return super().effects(Y, of=of, **options)

    def contributions(self, Y: Any = None) -> pd.DataFrame:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What each head of the last layer adds to BL(y) − E[BL(Y)]; as BLRegressor."""
        return super().contributions(Y)

    def distribution(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, given: Given = None, *, temperature: float | None = None
    ) -> Predictive:
        """The distribution of every column that is not given: one row, or one for each row of `given`."""
        check_is_fitted(self)
        sizes = [] if given is None else [1 if np.ndim(given[name]) == 0 else len(given[name]) for name in given]
        return predictive(self._fitted, _nothing(max(sizes, default=1)), given=given, temperature=temperature)

    def _rows(self, asked: str, X: Any, y: Any) -> Rows:
        table = X if y is None else y
        return super()._rows(asked, *((None, None) if table is None else (_nothing(len(table)), _table_of(table))))

    def sample(
        self, n: int = 1, given: Given = None, random_state: Any = None, temperature: float | None = None
    ) -> pd.DataFrame:
        """Draw n rows, or n for each row of `given`."""
        return self.distribution(given, temperature=temperature).sample_table(n, random_state)

    def _features(self, X: pd.DataFrame) -> pd.DataFrame:
        return X

    def _adopt(self, model: LearnedModel, *, named: bool) -> None:
        super()._adopt(model, named=named)
        self.feature_names_in_ = np.array([part.name for part in model.response.components], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.input_tags.allow_nan = False
        return tags


def _nothing(rows: int) -> pd.DataFrame:
    return pd.DataFrame(index=range(rows))


def _table_of(Y: Any) -> pd.DataFrame:
    """The outcomes as a table; an array's columns are called y1, y2, …, a single one y."""
    table = in_pandas(Y)
    if isinstance(table, pd.Series):
        return table.to_frame(UNNAMED if table.name in (None, "") else str(table.name))
    try:
        shape = np.shape(table)
    except ValueError as error:
        raise DataError("Y must be a table: every row needs the same number of entries.") from error
    if len(shape) == 0:
        raise DataError(f"Y must be a table or a column; got {type(Y).__name__}.")
    if 0 in shape:
        rows, columns = (*shape, 1)[:2]
        raise DataError(
            f"Found array with {rows} sample(s) and {columns} feature(s) (shape={shape}) while a minimum of 1 is "
            "required."
        )
    if len(shape) == 1 and not isinstance(table, pd.DataFrame):
        return pd.DataFrame({UNNAMED: table})
    return response_columns(table, len(table))
