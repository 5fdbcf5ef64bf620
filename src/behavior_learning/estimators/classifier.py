"""A discrete response: probabilities of classes of any labels."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from behavior_learning.core.network import Output
from behavior_learning.encoding import DiscreteResponse, class_codes
from behavior_learning.errors import DataError
from behavior_learning.estimators.base import BehaviorEstimator, Parsed, checked_split
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.predict import by_rows
from behavior_learning.options import check_choice, check_count, check_number

__all__ = ["BLClassifier"]


@dataclass(kw_only=True, eq=False, repr=False)
class BLClassifier(ClassifierMixin, BehaviorEstimator):
    """Learn the optimisation problem behind a choice among classes.

    The class is drawn with probability p(y|x) ∝ exp{BL(x, y)/τ}, and BL is fitted by cross-entropy.

    Parameters
    ----------
    output : ``"vector"`` lets blocks see x only and reads one utility per class out of them; ``"scalar"`` gives every
        block the candidate class as an input, so that its utility and constraints speak of the class chosen (A.1);
        ``"auto"`` is scalar where `structure`, row degrees or `identifiable` say so, and vector otherwise.
    layers, structure, rows, heads, basis, degree, knots, frequencies, utility_degrees, inequality_degrees,
    equality_degrees, extra_terms, skip, projection, multipliers, readout, readout_bias, identifiable, pure_x_terms,
    temperature, optimizer, alpha, l1, group, grouping, learning_rate, batch_size, max_epochs, patience,
    validation_fraction, coef_scale, multiplier_scale, n_restarts, random_state, verbose
        As in BLRegressor. In vector output the readout is free and has a bias unless stated otherwise.

    Attributes
    ----------
    classes_ : the labels in sorted order; columns of `predict_proba`.
    network_, ump_, history_, restarts_, n_parameters_, n_features_in_, feature_names_in_ : as in BLRegressor.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, ["stay", "stay", "go", "go"] * 10
    >>> clf = bl.BLClassifier(layers=(1,), max_epochs=50, random_state=0).fit(X, y)
    >>> clf.predict_proba([[3.0]]).shape
    (1, 2)
    """

    output: str = "auto"

    def predict(self, X: Any) -> np.ndarray:
        """Predict the most likely class, which maximises BL at every temperature."""
        x = self._encoded(X)
        return self.classes_[by_rows(Gibbs.mode, self._distribution(), (x,))]

    def predict_proba(self, X: Any, temperature: float | None = None) -> np.ndarray:
        """Predict the probability of every class, columns in the order of `classes_`.

        Parameters
        ----------
        temperature : τ in place of the fitted one; 0 gives all probability to the best class.
        """
        x = self._encoded(X)
        if temperature == 0:
            return np.eye(len(self.classes_))[by_rows(Gibbs.mode, self._distribution(), (x,))]
        probabilities = by_rows(Gibbs.mean, self._distribution(temperature), (x,))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of `predict_proba`, without underflow."""
        x = self._encoded(X)
        return by_rows(Gibbs.log_mass, self._distribution(), (x,))

    def predict_set(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Predict the smallest set of classes that holds y with at least probability `coverage`.

        Returns a boolean array (rows, classes).
        """
        coverage = check_number("coverage", coverage, below=1.0)
        probabilities = self.predict_proba(X)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        ranked = np.take_along_axis(probabilities, order, axis=1)
        needed = np.cumsum(ranked, axis=1) - ranked < coverage
        return np.take_along_axis(needed, np.argsort(order, axis=1), axis=1)

    def log_density(self, X: Any, y: Any) -> np.ndarray:
        """log p(y|x) per row, in nats."""
        x = self._encoded(X)
        codes = self.response_.encode(self.response_.values(y, len(x)))
        return by_rows(Gibbs.log_prob, self._distribution(), (x, codes))

    def sample(self, X: Any, n: int = 1, random_state: Any = None, temperature: float | None = None) -> np.ndarray:
        """Draw n classes for every row, shape (rows, n); `temperature` as in `predict_proba`."""
        x, n = self._encoded(X), check_count("n", n)
        if temperature == 0:
            return np.repeat(self.predict(X)[:, None], n, axis=1)
        levels = check_random_state(random_state).uniform(size=(len(x), n))
        draws = by_rows(Gibbs.inverse_cdf, self._distribution(temperature), (x, levels.astype(np.float32)))
        return self.classes_[draws]

    @property
    def classes_(self) -> np.ndarray:
        """The labels in sorted order."""
        check_is_fitted(self)
        return self.response_.classes

    @property
    def _output(self) -> Output:
        chosen = check_choice("output", self.output, ("auto", "scalar", "vector"))
        if chosen != "auto":
            return chosen
        stated = (self.structure, self.utility_degrees, self.inequality_degrees, self.equality_degrees)
        return "scalar" if self.identifiable or any(part is not None for part in stated) else "vector"

    def _parse_response(self, y: Any, rows: int) -> Parsed:
        name, classes, codes = class_codes(y, rows)
        if len(classes) < 2:
            raise DataError(
                f"The response {name!r} must have at least two classes; got 1 class, {classes[:1].tolist()[0]!r}. "
                "There is nothing to learn from a constant."
            )
        return Parsed((name,), codes, (classes,))

    def _parse_validation(self, parsed: Parsed, y: Any, rows: int) -> np.ndarray:
        return DiscreteResponse(parsed.names[0], _labels(parsed), ()).codes(y, rows)

    def _split(self, parsed: Parsed, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Validation takes its share of every class, and leaves every class a row that trains."""
        fraction = check_number("validation_fraction", self.validation_fraction, below=1.0)
        order = random.permutation(len(parsed.values))
        members = [order[parsed.values[order] == code] for code in range(len(_labels(parsed)))]
        held_out = np.concatenate([rows[: min(round(fraction * len(rows)), len(rows) - 1)] for rows in members])
        return checked_split(np.setdiff1d(order, held_out), held_out)

    def _learn_response(self, parsed: Parsed, train: np.ndarray) -> DiscreteResponse:
        return DiscreteResponse.learn(parsed.names[0], parsed.values, _labels(parsed), train=train)


def _labels(parsed: Parsed) -> np.ndarray:
    return cast(np.ndarray, parsed.classes[0])
