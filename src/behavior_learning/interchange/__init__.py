"""Learned problems in other libraries: networks of blnetwork read, PyTorch modules written."""

from typing import TYPE_CHECKING, Any

from behavior_learning.errors import OptionError
from behavior_learning.interchange.blnetwork import read_blnetwork
from behavior_learning.learned.model import LearnedModel

if TYPE_CHECKING:
    from behavior_learning.interchange.torch_module import BehaviorModule

__all__ = ["read_blnetwork", "to_torch"]


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
    model = getattr(fitted, "model_", fitted)
    if not isinstance(model, LearnedModel):
        raise OptionError(
            f"to_torch takes a fitted estimator or its model_; got {type(fitted).__name__}. Fit it first."
        )
    try:
        from behavior_learning.interchange.torch_module import BehaviorModule
    except ImportError as error:
        raise OptionError("to_torch needs PyTorch: pip install 'behavior-learning[torch]'.") from error
    return BehaviorModule(model)
