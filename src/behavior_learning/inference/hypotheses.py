"""Linear hypotheses in the labels of parameters, and what a test returns."""

import ast
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import chi2

from behavior_learning.errors import OptionError

__all__ = ["Hypothesis", "TestResult", "adjusted_pvalues", "chi_square_test", "parse_hypotheses"]


class Hypothesis(NamedTuple):
    """R θ = r."""

    matrix: Float[np.ndarray, "equations p"]
    value: Float[np.ndarray, " equations"]


class TestResult(NamedTuple):
    """Outcome of a test.

    Attributes
    ----------
    statistic, pvalue : NaN where there is no test.
    df : degrees of freedom; None where the distribution is simulated or normal.
    distribution : of the statistic if the hypothesis holds.
    note : what was tested, or why it could not be.
    """

    __test__ = False

    statistic: float
    df: int | None
    pvalue: float
    distribution: str
    note: str

    @classmethod
    def unavailable(cls, why: str) -> "TestResult":
        """No test, and why."""
        return cls(np.nan, None, np.nan, "not identified", why)

    def __str__(self) -> str:
        freedom = "" if self.df is None else f", df {self.df}"
        return f"statistic {self.statistic:.4g}{freedom}, p-value {self.pvalue:.4g} ({self.distribution}). {self.note}"


def parse_hypotheses(hypotheses: str | Sequence[str] | np.ndarray, labels: Sequence[str]) -> Hypothesis:
    """Read ``"a = b"``, ``"2*a + b = 1, c = 0"``, a list of such, or a matrix R for R θ = 0.

    Raises
    ------
    OptionError
        If a hypothesis names no parameter, or is not linear in them.
    """
    match hypotheses:
        case np.ndarray():
            matrix, p = np.atleast_2d(np.asarray(hypotheses, float)), len(labels)
            if matrix.shape[1] != p:
                raise OptionError(f"A hypothesis matrix needs a column per parameter, {p}; got {matrix.shape[1]}.")
            return Hypothesis(matrix, np.zeros(len(matrix)))
        case str():
            texts = _split(hypotheses)
        case _:
            texts = [text for several in hypotheses for text in _split(several)]
    rows = [_equation(text, labels) for text in texts]
    if not rows:
        raise OptionError("A hypothesis is needed, such as 'a = b' with a and b from .params.index.")
    return Hypothesis(np.array([row[1:] for row in rows]), np.array([-row[0] for row in rows]))


def _split(text: str) -> list[str]:
    """Commas between hypotheses, not those inside a label such as ``ramp(x, 0, 1)``."""
    depth, parts = 0, [""]
    for character in text:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _equation(text: str, labels: Sequence[str]) -> Float[np.ndarray, " p+1"]:
    """Constant and coefficients of left minus right side."""
    left, *others = text.split("=")
    if len(others) > 1:
        raise OptionError(f"The hypothesis {text!r} has more than one '='.")
    row = _linear(left, labels, text) - (_linear(others[0], labels, text) if others else 0.0)
    if not row[1:].any():
        raise OptionError(f"The hypothesis {text!r} names no parameter. Parameters: {_shown(labels)}.")
    return row


def _linear(text: str, labels: Sequence[str], whole: str) -> Float[np.ndarray, " p+1"]:
    """Constant and coefficients of a sum of parameters."""
    names: dict[str, np.ndarray] = {}
    for i, label in sorted(enumerate(labels), key=lambda pair: -len(pair[1])):
        if label in text:
            names[f"_p{i}_"] = np.eye(1, len(labels) + 1, i + 1)[0]
            text = text.replace(label, f"_p{i}_")
    try:
        return _evaluate(ast.parse(text.strip() or "?", mode="eval").body, names, len(labels))
    except (SyntaxError, KeyError, ValueError) as error:
        unknown = re.sub(r"_p\d+_", "", text).strip()
        raise OptionError(
            f"The hypothesis {whole!r} cannot be read at {unknown!r}: write sums of parameters, such as 'a = 2*b + 1'. "
            f"Parameters: {_shown(labels)}."
        ) from error


def _evaluate(node: ast.AST, names: dict[str, np.ndarray], p: int) -> Float[np.ndarray, " p+1"]:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value * np.eye(1, p + 1)[0]
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, names, p)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _evaluate(operand, names, p)
        case ast.BinOp(op=operation):
            left, right = _evaluate(node.left, names, p), _evaluate(node.right, names, p)
        case _:
            raise ValueError("not linear")
    match operation:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult() if not right[1:].any():
            return left * right[0]
        case ast.Mult() if not left[1:].any():
            return right * left[0]
        case ast.Div() if not right[1:].any() and right[0] != 0:
            return left / right[0]
        case _:
            raise ValueError("not linear")


def _shown(labels: Sequence[str]) -> str:
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")


def chi_square_test(
    gap: Float[np.ndarray, " equations"], covariance: Float[np.ndarray, "equations equations"], note: str
) -> TestResult:
    """gapᵀ V⁻¹ gap against χ² with the rank of V as degrees of freedom."""
    if not (np.isfinite(gap).all() and np.isfinite(covariance).all()):
        return TestResult.unavailable(note)
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > 1e-10
    statistic = float(np.sum((vectors[:, kept].T @ (gap / scale)) ** 2 / values[kept]))
    df = int(kept.sum())
    return TestResult(statistic, df, float(chi2.sf(statistic, df)), "chi-square", note)


def adjusted_pvalues(pvalues: Sequence[float] | np.ndarray, method: str = "holm") -> Float[np.ndarray, " tests"]:
    """P-values that hold for many tests at once; those that are NaN are not counted.

    Parameters
    ----------
    method : ``"bonferroni"`` or ``"holm"`` bound the chance of any false rejection, ``"bh"`` (Benjamini and Hochberg)
        the expected share of false ones among the rejections.

    Examples
    --------
    >>> adjusted_pvalues([0.01, 0.04, 0.03], "holm").round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(pvalues, float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    m, rank = len(order), np.arange(1, len(order) + 1)
    adjusted = np.full(len(p), np.nan)
    if method == "bonferroni":
        adjusted[order] = np.minimum(1, m * p[order])
    elif method == "holm":
        adjusted[order] = np.minimum(1, np.maximum.accumulate((m - rank + 1) * p[order]))
    elif method == "bh":
        adjusted[order] = np.minimum(1, np.minimum.accumulate((m / rank * p[order])[::-1])[::-1])
    else:
        raise OptionError(f"method must be 'bonferroni', 'holm' or 'bh'; got {method!r}.")
    return adjusted
