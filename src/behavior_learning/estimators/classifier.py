"""A discrete response: probabilities of classes of any labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast, get_args

import numpy as np
from scipy.special import entr
from sklearn.base import ClassifierMixin

from behavior_learning.core.architecture import Output
from behavior_learning.errors import OptionError
from behavior_learning.estimators.parts import PartsEstimator
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.evaluate import by_rows
from behavior_learning.options import check_choice, check_number, parameter
from behavior_learning.responses import Classes, Response, as_response

__all__ = ["BLClassifier"]


@dataclass(kw_only=True, eq=False, repr=False)
class BLClassifier(ClassifierMixin, PartsEstimator):
    """Learn the optimisation problem behind a choice among classes.

    The class is drawn with probability p(y|x) ∝ exp{BL(x, y)/τ}, and BL is fitted by cross-entropy.

    Parameters
    ----------
    response : what y is, by default ``bl.Classes()``; ``bl.Ordered(["low", "mid", "high"])`` has an order.
    output : ``"vector"`` lets blocks see x only and reads one utility per class out of them; ``"scalar"`` gives every
        block the candidate class as an input, so that its utility and constraints speak of the class chosen (A.1);
        ``"auto"`` is scalar where `structure`, `degrees`, `identifiable` or the order of the classes say so, and vector
        otherwise.
    class_weight : how often a row of each class counts: a dictionary by label, 1 where a label is not named;
        ``"balanced"`` gives all classes the same total; None counts every row once.
    layers, structure, n_terms, heads, basis, degrees, extra_terms, skip, multipliers, aggregation, readout,
    identifiable, temperature, optimizer, penalty, max_epochs, patience, validation_fraction, n_restarts,
    average, random_state, warm_start, verbose
        As in BLRegressor. In vector output the readout is free unless stated otherwise, and has a bias (the prior odds
        of the classes) unless `identifiable`. Where nothing is asked of the problem (layers, structure, heads, degrees,
        basis, extra terms), nor of the optimizer, 500 training rows or more of up to 200 columns are learned by the
        mean of eight wide networks with a curve of every column (`average`). Name layers, such as ``layers=(2, 1)``,
        for a problem to read. Labels are learned by logistic regression if there are fewer than 50
        training rows, or if what is learned is not ahead of it on rows that were held out (of a single network by a
        standard error, or two if these are fewer than 100): ``heads=("identity", None, None)`` and a block fewer than
        classes, of all rows. Two labels of 500 to 8,000 training rows then have the curves: log odds are a sum of a
        curve of each column.

    Attributes
    ----------
    classes_ : the labels in sorted order; columns of `predict_proba`.
    network_, problem_, history_, restarts_, n_parameters_, n_features_in_, feature_names_in_ : as in BLRegressor.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, ["stay", "stay", "go", "go"] * 10
    >>> clf = bl.BLClassifier(layers=(1,), max_epochs=50, random_state=0).fit(X, y)
    >>> clf.predict_proba([[3.0]]).shape
    (1, 2)
    """

    response: Any = None
    output: str = parameter("auto", check_choice, valid=("auto", *get_args(Output)))
    class_weight: Any = None

    score_name: ClassVar[str] = "accuracy"

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None):
        """Learn from some of the rows, one pass over them; the next call goes on from there, as in BLRegressor.

        Parameters
        ----------
        X, y : as in `fit`.
        classes : all labels that y may have in any call; needed in the first.
        sample_weight : how often each row counts, up to a common factor of the call.

        Raises
        ------
        DataError
            If the rows are not such as the first, or classes are missing in the first call or other ones in a later.
        OptionError
            If `optimizer`, `penalty`, `average` or `class_weight` needs all rows.

        Examples
        --------
        >>> import behavior_learning as bl
        >>> clf = bl.BLClassifier(layers=(2,), random_state=0)
        >>> clf = clf.partial_fit([[0.0], [1.0]], ["stay", "go"], classes=["stay", "go", "wait"])
        >>> clf.partial_fit([[0.2], [0.9]], ["go", "wait"]).predict_proba([[0.5]]).shape
        (1, 3)
        """
        self._check_classes(classes)
        return self._learn_part(X, y, sample_weight, classes)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the most likely class, which maximises BL at every temperature."""
        return self.distribution(X).mode()

    def predict_proba(self, X: Any, temperature: float | None = None) -> np.ndarray:
        """Predict the probability of every class, columns in the order of `classes_`.

        Parameters
        ----------
        temperature : τ in place of the fitted one; 0 gives all probability to the best class.
        """
        return self.distribution(X, temperature=temperature).probabilities()

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of `predict_proba`, without underflow."""
        return self.distribution(X).log_probabilities()

    def decision_function(self, X: Any) -> np.ndarray:
        """log p of every class, columns in the order of `classes_`; of two classes the log odds of the second, (n,)."""
        log_proba = self.predict_log_proba(X)
        return log_proba[:, 1] - log_proba[:, 0] if log_proba.shape[1] == 2 else log_proba

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

    def ood_score(self, X: Any, method: str = "max_probability") -> np.ndarray:
        """How strange every row is to the model, larger for stranger ones; see `bl.metrics.out_of_distribution`.

        Parameters
        ----------
        method : ``"max_probability"``, one less the probability of the most likely class, or ``"entropy"``,
            −Σ_k p_k log p_k, which tells strange images a little better: both follow from p(y|x). ``"energy"``,
            −τ log Σ_k exp(BL(x, k)/τ) (Liu et al. 2020), does not: the likelihood leaves it open up to a function of x,
            so that fits of other seeds may rank rows otherwise.

        Source: Hendrycks and Gimpel (2017) for the probability.
        """
        if check_choice("method", method, ("max_probability", "entropy", "energy")) == "max_probability":
            return 1 - self.predict_proba(X).max(axis=1)
        if method == "entropy":
            return entr(self.predict_proba(X)).sum(axis=1)
        model = self._fitted
        return -model.temperature * by_rows(Gibbs.log_normalizer, model.gibbs(), (model.inputs(X),))

    def log_density(self, X: Any, y: Any) -> np.ndarray:
        """log p(y|x) per row, in nats."""
        return self.distribution(X).log_prob(y)

    def sample(self, X: Any, n: int = 1, random_state: Any = None, temperature: float | None = None) -> np.ndarray:
        """Draw n classes for every row, shape (rows, n); `temperature` as in `predict_proba`."""
        return self.distribution(X, temperature=temperature).sample(n, random_state)

    @property
    def classes_(self) -> np.ndarray:
        """The labels in the order of their codes: sorted, unless the response states an order."""
        return self._fitted.response.restore(np.arange(len(self._fitted.response.levels or ())))

    @property
    def _output(self) -> Output:
        if self.output != "auto":
            return cast(Output, self.output)
        stated = self.structure is not None or self.degrees is not None
        return "scalar" if self.identifiable or stated or not self._response.one_hot else "vector"

    @property
    def _response(self) -> Response:
        return as_response(Classes() if self.response is None else self.response)

    def _check_streamed(self, **given: Any) -> None:
        super()._check_streamed(**given)
        if self.class_weight is not None:
            raise OptionError("class_weight needs the rows in memory. Write a column of weights and name it, weights=.")

    def _row_weights(
        self, weight: np.ndarray | None, response: Response, values: np.ndarray, train: np.ndarray
    ) -> np.ndarray | None:
        if self.class_weight is None:
            return weight
        own = np.ones(len(values)) if weight is None else weight
        by_class = _class_weights(
            self.class_weight, response, np.bincount(values[train], own[train], len(response.levels or ()))
        )
        return own * by_class[values]

    def _stated_response(self, y: Any) -> Response:
        response = self._response
        if not response.labelled:
            name = type(response).__name__
            raise OptionError(f"BLClassifier holds labels, and bl.{name}() is of numbers. Use BLRegressor.")
        if self.output == "vector" and not response.one_hot:
            name = type(response).__name__
            raise OptionError(f"output='vector' has a utility for each class and no order; bl.{name}() needs 'scalar'.")
        return response


def _class_weights(class_weight: Any, response: Response, totals: np.ndarray) -> np.ndarray:
    """The weight of every class, given the total weight of the training rows of each.

    Raises
    ------
    OptionError
        If it is neither None, "balanced" nor positive numbers by label.
    """
    labels = list(response.levels or ())
    match class_weight:
        case "balanced":
            return totals.sum() / (len(labels) * np.where(totals > 0, totals, np.inf))
        case Mapping():
            unknown = [label for label in class_weight if label not in labels]
            if unknown:
                raise OptionError(f"class_weight names {unknown[0]!r}, which is no class. Classes: {labels}.")
            weights = {label: class_weight.get(label, 1.0) for label in labels}
            return np.array([check_number(f"class_weight[{label!r}]", weight) for label, weight in weights.items()])
        case _:
            raise OptionError(f"class_weight must be None, 'balanced' or a dictionary by label; got {class_weight!r}.")
