"""Classes and numbers chosen together: one utility of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.encoding import in_pandas
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.joint import JointEstimator
from behavior_learning.learned.distribution import Predictive
from behavior_learning.learned.predictive import Given
from behavior_learning.responses import Response
from behavior_learning.responses.columns import UNNAMED, response_columns

__all__ = ["BLHybrid"]


@dataclass(kw_only=True, eq=False, repr=False)
class BLHybrid(JointEstimator):
    """Learn the optimisation problem behind classes and numbers that are chosen together.

    p(y_disc, y_cont | x) ∝ exp{BL(x, y_disc, y_cont)/τ}. Any part can be predicted with the others integrated out, or
    given. Source: Section 2.2 (hybrid responses), Eq. 6.

    Parameters
    ----------
    response : by name what a response is, ``{"hours": bl.Numbers(support=(0, 80)), "code": "classes"}``; of any other,
        text, booleans and categories are classes and numbers are numbers.
    objective : ``"likelihood"``, the exact joint one, for at most two numbers; ``"dsm"`` or ``"score_matching"`` learn
        the numbers from scores and the classes by cross-entropy given the numbers (Eq. 6), weighted by γ_d and γ_c in
        ``bl.Hybrid(continuous="dsm", discrete_weight=1.0, continuous_weight=1.0)``.
    layers, structure, n_terms, heads, basis, degrees, extra_terms, skip, multipliers, aggregation, readout,
    identifiable, temperature, optimizer, penalty, max_epochs, patience, validation_fraction, n_restarts,
    random_state, warm_start, verbose
        As in BLRegressor.

    Examples
    --------
    >>> import behavior_learning as bl, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.uniform(20, 60, 200)})
    >>> works = np.where(rng.uniform(20, 60, 200) < X["age"], "yes", "no")
    >>> Y = pd.DataFrame({"works": works, "hours": rng.normal(np.where(works == "yes", 38, 5), 3)})
    >>> hybrid = bl.BLHybrid(layers=(2, 1), max_epochs=50, random_state=0).fit(X, Y)
    >>> hybrid.predict(X.head(2), given={"works": "yes"}).columns.tolist()
    ['hours']
    """

    def fit(
        self,
        X: Any,
        y: Any = None,
        y_cont: Any = None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        validation_data: tuple[Any, ...] | None = None,
        target: str | Sequence[str] | None = None,
        weights: str | None = None,
        progress: Any = None,
        on_interrupt: str = "raise",
        checkpoint: Any = None,
        client: Any = None,
    ):
        """Learn the problem behind the responses.

        Parameters
        ----------
        y : a table of all responses, or the discrete ones with the continuous ones in `y_cont`.
        sample_weight, groups, validation_data, target, weights, progress, on_interrupt, checkpoint, client : as in
            BLRegressor; y there is a table of all responses.
        """
        together = beside(y, y_cont)
        how: dict[str, Any] = {"sample_weight": sample_weight, "progress": progress, "on_interrupt": on_interrupt}
        how |= {
            "groups": groups,
            "validation_data": validation_data,
            "target": target,
            "weights": weights,
            "checkpoint": checkpoint,
            "client": client,
        }
        return super().fit(X, together, **how)

    def predict(
        self, X: Any, given: Given = None, statistic: str = "mean", temperature: float | None = None
    ) -> pd.DataFrame:
        """Predict every response that is not given, as a table.

        Parameters
        ----------
        given : values of some responses by name: one for all rows, or one per row.
        statistic : ``"mean"`` or ``"median"`` of each number and the most likely class, each with the other responses
            integrated out; ``"mode"`` is the best response, the joint argmax of BL.
        temperature : τ in place of the fitted one; 0 gives the best response.
        """
        return self.distribution(X, given=given, temperature=temperature).table(statistic)

    def predict_proba(
        self, X: Any, given: Given = None, response: str | None = None, temperature: float | None = None
    ) -> pd.DataFrame:
        """Predict the probability of every class of a discrete response, columns named by class."""
        one = self._one(self.distribution(X, given=given, temperature=temperature), response, labelled=True)
        return pd.DataFrame(one.probabilities(), columns=list(one.response.levels or ()))

    def predict_interval(
        self,
        X: Any,
        coverage: float = 0.9,
        given: Given = None,
        response: str | None = None,
        temperature: float | None = None,
    ) -> np.ndarray:
        """Predict central intervals of a continuous response, columns lower and upper."""
        distribution = self.distribution(X, given=given, temperature=temperature)
        return self._one(distribution, response, labelled=False).interval(coverage)

    def log_density(self, X: Any, y: Any, *, of: Sequence[str] | None = None, given: Sequence[str] = ()) -> np.ndarray:
        """log p of the responses in the table y per row, in nats, of the density per unit of the numbers.

        Parameters
        ----------
        of : names of the responses whose law is meant, the others integrated out; None for all that are not given.
        given : names of the responses to condition on.
        """
        return self._log_density(X, y, of, given)

    def score(self, X: Any, y: Any) -> float:
        """Mean of the joint `log_density`, in nats."""
        return float(self.log_density(X, y).mean())

    def sample(
        self, X: Any, n: int = 1, given: Given = None, random_state: Any = None, temperature: float | None = None
    ) -> pd.DataFrame:
        """Draw n responses for every row, a table of rows·n lines: the draws of the first row first."""
        return self.distribution(X, given=given, temperature=temperature).sample_table(n, random_state)

    def _one(self, distribution: Predictive, name: str | None, labelled: bool) -> Predictive:
        """The distribution of the named response, or of the only one that has labels or has none."""
        word = "discrete" if labelled else "continuous"
        parts, free = self._fitted.response.components, [part.name for part in distribution.response.components]
        fitting = [part.name for part in parts if part.labelled == labelled]
        if name is None and len(fitting) != 1:
            raise OptionError(f"response must name one of {len(fitting)} {word} responses.")
        chosen = fitting[0] if name is None else name
        if chosen not in free and chosen in [part.name for part in parts]:
            raise OptionError(f"Given {chosen!r}, there is nothing left to ask of it. Name another response.")
        one = distribution.component(chosen)
        if one.response.labelled != labelled:
            raise OptionError(f"The response {name!r} is not {word}.")
        return one

    def _check_read(self, response: Response) -> None:
        labelled = [part.labelled for part in response.components]
        if all(labelled) or not any(labelled):
            other, kind = ("BLClassifier or BLDensity", "classes") if all(labelled) else ("BLRegressor", "numbers")
            raise DataError(
                f"A hybrid response has classes and numbers; {response.name} are all {kind}. Use {other}, or say which "
                "numbers are classes with response={name: 'classes'}."
            )


def beside(y: Any, y_cont: Any) -> Any:
    """Discrete and continuous responses as one table; y alone where there is no second part."""
    if y_cont is None:
        return y
    parts = [_named(y, f"{UNNAMED}_disc").astype("category"), _named(y_cont, f"{UNNAMED}_cont")]
    if len(parts[0]) != len(parts[1]):
        raise DataError(f"y and y_cont must have the same number of rows; got {len(parts[0])} and {len(parts[1])}.")
    return response_columns(pd.concat(parts, axis=1), len(parts[0]))


def _named(values: Any, name: str) -> pd.DataFrame:
    """A table whose columns are called `name`, numbered where there are several, unless they have names."""
    values = in_pandas(values)
    if isinstance(values, pd.DataFrame):
        return values.reset_index(drop=True)
    if isinstance(values, pd.Series):
        return values.to_frame(name if values.name is None else values.name).reset_index(drop=True)
    frame = pd.DataFrame(np.asarray(values)).infer_objects()
    many = frame.shape[1] > 1
    return frame.set_axis([f"{name}{j + 1 if many else ''}" for j in range(frame.shape[1])], axis=1)
