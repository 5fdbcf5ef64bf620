"""Learned problems in other libraries: networks of blnetwork read, PyTorch modules and marginal effects written."""

from typing import TYPE_CHECKING, Any

from behavior_learning.errors import OptionError
from behavior_learning.inference.results import InferenceResults
from behavior_learning.interchange.blnetwork import read_blnetwork
from behavior_learning.learned.model import LearnedModel
from behavior_learning.options import check_choice, check_returned

if TYPE_CHECKING:
    from behavior_learning.interchange.marginaleffects_model import BehaviorModel
    from behavior_learning.interchange.torch_module import BehaviorModule

__all__ = ["read_blnetwork", "to_marginaleffects", "to_torch"]


def to_torch(fitted: Any) -> "BehaviorModule":
    """A fitted model as a PyTorch module with the same outputs, which can be trained on and be a part of others.

    Its parameters are the numbers of the model under their rules: multipliers stay non-negative, fixed coefficients
    stay fixed. ``module(x)`` are the logits of all classes, ``module(x, y)`` those of candidates y, up to a function of
    x: BL(x, y)/τ. ``module.encode(X)`` makes x of a table.

    Needs ``pip install 'behavior-learning[torch]'``.

    Parameters
    ----------
    fitted : an estimator, or its `model_`.

    Raises
    ------
    OptionError
        If PyTorch is not installed, or `fitted` has no learned model.

    Source: Section 5 (integration with other networks).

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_german_credit()
    >>> clf = bl.BLClassifier(layers=(1,), max_epochs=5, n_restarts=1, random_state=0).fit(X[["age", "duration"]], y)
    >>> module = bl.interchange.to_torch(clf)  # doctest: +SKIP
    >>> module(module.encode(X.head(2))).softmax(-1)  # clf.predict_proba(X.head(2))  # doctest: +SKIP
    """
    model = _model_of(fitted, "to_torch")
    try:
        from behavior_learning.interchange.torch_module import BehaviorModule
    except ImportError as error:
        raise OptionError("to_torch needs PyTorch: pip install 'behavior-learning[torch]'.") from error
    return BehaviorModule(model)


def to_marginaleffects(
    fitted: Any, results: InferenceResults | None, X: Any, y: Any, *, of: str = "mean", q: float = 0.5
) -> "BehaviorModel":
    """A fitted model as the package marginaleffects takes it: predictions, comparisons, slopes and hypotheses.

    Standard errors are by the delta method at the estimates, as those of ``effects(inference=results)``; columns of
    categories should be pandas' categories.

    Needs ``pip install 'behavior-learning[marginaleffects]'``.

    Parameters
    ----------
    fitted : an estimator, or its `model_`.
    results : what its `inference` returned.
    X, y : rows to average over.
    of : what is predicted: ``"mean"`` (of labels their probabilities), ``"quantile"`` at `q`, or ``"probability"``.

    Raises
    ------
    OptionError
        If marginaleffects is not installed, or an argument is of another kind.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> ibl = bl.BLRegressor(layers=(1,), identifiable=True, max_epochs=20, random_state=0).fit(X[["RM"]], y)
    >>> results = ibl.inference(n_restarts=0)  # doctest: +SKIP
    >>> model = bl.interchange.to_marginaleffects(ibl, results, X[["RM"]], y)  # doctest: +SKIP
    >>> marginaleffects.avg_slopes(model)  # doctest: +SKIP
    """
    model = _model_of(fitted, "to_marginaleffects")
    check_choice("of", of, ("mean", "quantile", "probability"))
    check_returned("inference", results, InferenceResults)
    if results is None:
        raise OptionError("to_marginaleffects needs the results of inference(), whose covariance it hands on.")
    try:
        from behavior_learning.interchange.marginaleffects_model import BehaviorModel
    except ImportError as error:
        message = "to_marginaleffects needs marginaleffects: pip install 'behavior-learning[marginaleffects]'."
        raise OptionError(message) from error
    return BehaviorModel(model, results, X, y, of, q)


def _model_of(fitted: Any, asked: str) -> LearnedModel:
    model = getattr(fitted, "model_", fitted)
    if not isinstance(model, LearnedModel):
        raise OptionError(f"{asked} takes a fitted estimator or its model_; got {type(fitted).__name__}. Fit it first.")
    return model
