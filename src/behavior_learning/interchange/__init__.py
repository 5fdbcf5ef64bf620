"""Learned problems elsewhere: networks of blnetwork read; PyTorch modules, ONNX graphs and marginal effects written."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from behavior_learning.errors import OptionError
from behavior_learning.files import write_whole
from behavior_learning.inference.results import InferenceResults
from behavior_learning.interchange.blnetwork import read_blnetwork
from behavior_learning.learned.model import LearnedModel
from behavior_learning.options import check_choice, check_returned

if TYPE_CHECKING:
    from behavior_learning.interchange.marginaleffects_model import BehaviorModel
    from behavior_learning.interchange.torch_module import BehaviorModule

__all__ = ["read_blnetwork", "to_marginaleffects", "to_onnx", "to_torch"]


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


def to_onnx(fitted: Any, path: str | Path) -> None:
    """Write predictions as an ONNX graph, which runs without Python: the table's columns in, what is predicted out.

    An input per column of the table, by its name and of shape (rows,): double precision for numbers (NaN where there is
    none; days since 1970 for dates), text for categories (empty where there is none). The output is
    ``probabilities``, shape (rows, levels), of labels, whose order the graph's metadata have as ``levels``; or
    ``mean``, shape (rows,), of a number in its units. Single precision inside, as in `predict`; nothing warns of values
    outside the training rows.

    Needs ``pip install 'behavior-learning[onnx]'``.

    Parameters
    ----------
    fitted : an estimator, or its `model_`.
    path : the file, replaced where it is there.

    Raises
    ------
    OptionError
        If PyTorch, onnx or onnxscript is not installed, or the model has several responses, a response whose tails
        count by their logarithm, or digests in place of levels.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_german_credit()
    >>> clf = bl.BLClassifier(layers=(1,), max_epochs=5, n_restarts=1, random_state=0).fit(X[["age", "housing"]], y)
    >>> bl.interchange.to_onnx(clf, "credit.onnx")  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession("credit.onnx")  # doctest: +SKIP
    >>> columns = {"age": np.array([30.0]), "housing": np.array(["own"])}  # doctest: +SKIP
    >>> session.run(["probabilities"], columns)  # doctest: +SKIP
    """
    model = _model_of(fitted, "to_onnx")
    try:
        from behavior_learning.interchange.onnx_model import onnx_model
    except ImportError as error:
        raise OptionError("to_onnx needs PyTorch and onnx: pip install 'behavior-learning[onnx]'.") from error
    write_whole(path, onnx_model(model).SerializeToString())


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
