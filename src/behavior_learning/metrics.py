"""Scores of probabilities that scikit-learn lacks: calibration errors, and how well strange rows are told apart.

Arguments are in scikit-learn's order, the truth first.
"""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from behavior_learning.errors import DataError, OptionError

__all__ = ["brier_score", "calibration_error", "out_of_distribution"]


def calibration_error(y: Any, probabilities: Any, classes: Any = None, *, bins: int = 15) -> float:
    """Expected calibration error of the most likely class: Σ_b n_b/n · |accuracy − mean probability| over bins.

    Bins have one width in the probability of that class. It is biased upwards where bins have few rows, and 0 for the
    training shares: say it beside a score of the probabilities themselves.

    Parameters
    ----------
    y : labels, shape (n,).
    probabilities : shape (n, classes), such as ``clf.predict_proba(X)``.
    classes : labels of the columns, such as ``clf.classes_``; by default those of y in order.

    Raises
    ------
    DataError
        If the shapes do not agree, or a label is no class.

    Source: Guo et al. (2017).

    Examples
    --------
    >>> calibration_error(["no", "yes"], [[0.8, 0.2], [0.3, 0.7]])
    0.25
    """
    codes, p = _checked(y, probabilities, classes)
    if bins < 1:
        raise OptionError(f"bins must be a positive whole number; got {bins!r}.")
    sure, right = p.max(axis=1), p.argmax(axis=1) == codes
    place = np.minimum((sure * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(place, sure - right, minlength=bins)).sum() / len(codes))


def brier_score(y: Any, probabilities: Any, classes: Any = None) -> float:
    """Mean over rows of Σ_k (p_k − 1{y = k})², between 0 and 2; of two classes twice the score of one of them.

    Parameters and errors as of `calibration_error`.

    Source: Brier (1950).

    Examples
    --------
    >>> round(brier_score(["no", "yes"], [[0.8, 0.2], [0.3, 0.7]]), 3)
    0.13
    """
    codes, p = _checked(y, probabilities, classes)
    return float(((p - np.eye(p.shape[1])[codes]) ** 2).sum(axis=1).mean())


def out_of_distribution(inside: Any, outside: Any) -> pd.Series:
    """How well a score tells rows of another kind from those of the fit's kind; it should be larger outside.

    Parameters
    ----------
    inside, outside : scores of rows of both kinds, such as ``clf.ood_score(X)``.

    Returns
    -------
    Series with the area under the ROC curve; the areas under the precision-recall curve where the rows outside, and
    those inside, are the ones to be found; and the share of rows inside that are taken for strange where 95 % of the
    rows outside are found.

    Raises
    ------
    DataError
        If there are no scores of one kind, or one is not a number.

    Source: Hendrycks and Gimpel (2017).

    Examples
    --------
    >>> out_of_distribution([0.1, 0.2, 0.3], [0.25, 0.4]).round(2).to_dict()
    {'AUROC': 0.83, 'AUPR outside': 0.83, 'AUPR inside': 0.92, 'FPR at 95 % TPR': 0.33}
    """
    both = [np.asarray(own, float).ravel() for own in (inside, outside)]
    for name, own in zip(("inside", "outside"), both, strict=True):
        if not len(own) or not np.isfinite(own).all():
            raise DataError(f"{name} must be one finite score per row; got {own[:5]} ({len(own)} in all).")
    scores, strange = np.concatenate(both), np.repeat([0, 1], [len(own) for own in both])
    wrong, found, _ = roc_curve(strange, scores, drop_intermediate=False)
    return pd.Series(
        {
            "AUROC": roc_auc_score(strange, scores),
            "AUPR outside": average_precision_score(strange, scores),
            "AUPR inside": average_precision_score(1 - strange, -scores),
            "FPR at 95 % TPR": wrong[np.argmax(found >= 0.95)],
        }
    )


def _checked(y: Any, probabilities: Any, classes: Any) -> tuple[np.ndarray, Float[np.ndarray, "n classes"]]:
    """Codes of labels, and their probabilities."""
    labels, p = np.asarray(y).ravel(), np.asarray(probabilities, float)
    known = np.unique(labels) if classes is None else np.asarray(classes)
    if p.shape != (len(labels), len(known)):
        raise DataError(
            f"probabilities must have a row for each of {len(labels)} labels and a column for each of {len(known)} "
            f"classes; got the shape {p.shape}. Pass classes=clf.classes_ where y lacks one."
        )
    codes = pd.Index(known).get_indexer(pd.Index(labels))
    unknown = labels[codes < 0].tolist()
    if unknown:
        raise DataError(f"y has the label {unknown[0]!r}, which is no class. Classes: {known.tolist()}.")
    if not (np.isfinite(p).all() and np.allclose(p.sum(axis=1), 1, atol=1e-3) and (p >= 0).all()):
        raise DataError("probabilities must be non-negative and sum to one in every row.")
    return codes, p
