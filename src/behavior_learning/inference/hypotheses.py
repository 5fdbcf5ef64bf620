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
    statistic, pvalue : NaN where the test is refused.
    df : degrees of freedom; None where the law is simulated or normal.
    law : the law of the statistic if the hypothesis holds.
    note : what was tested, or why it was refused.
    """

    __test__ = False

    statistic: float
    df: int | None
    pvalue: float
    law: str
    note: str

    def __str__(self) -> str:
        freedom = "" if self.df is None else f", df {self.df}"
        return f"statistic {self.statistic:.4g}{freedom}, p-value {self.pvalue:.4g} ({self.law}). {self.note}"


def parse_hypotheses(hypotheses: str | Sequence[str] | np.ndarray, labels: Sequence[str]) -> Hypothesis:
    """Read ``"a = b"``, ``"2*a + b = 1, c = 0"``, a list of such, or a matrix R for R θ = 0.

    Raises
    ------
    OptionError
        If a hypothesis names no parameter, or is not linear in them.
    """
    if isinstance(hypotheses, np.ndarray):
        return _matrix(hypotheses, labels)
    texts = _split(hypotheses) if isinstance(hypotheses, str) else [t for text in hypotheses for t in _split(text)]
    rows = [_equation(text, labels) for text in texts]
    if not rows:
        raise OptionError("A hypothesis is needed, such as 'a = b' with a and b from .params.index.")
    matrix, value = zip(*rows, strict=True)
    return Hypothesis(np.array(matrix), np.array(value))


def _matrix(matrix: np.ndarray, labels: Sequence[str]) -> Hypothesis:
    matrix = np.atleast_2d(np.asarray(matrix, float))
    if matrix.shape[1] != len(labels):
        raise OptionError(f"A hypothesis matrix needs a column per parameter, {len(labels)}; got {matrix.shape[1]}.")
    return Hypothesis(matrix, np.zeros(len(matrix)))


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


def _equation(text: str, labels: Sequence[str]) -> tuple[np.ndarray, float]:
    sides = text.split("=")
    if len(sides) > 2:
        raise OptionError(f"The hypothesis {text!r} has more than one '='.")
    forms = [_linear(side, labels, text) for side in sides]
    row = forms[0] - forms[1] if len(forms) == 2 else forms[0]
    if not row[1:].any():
        raise OptionError(f"The hypothesis {text!r} names no parameter. Parameters: {_shown(labels)}.")
    return row[1:], -float(row[0])


def _linear(text: str, labels: Sequence[str], whole: str) -> np.ndarray:
    """Constant and coefficients of a sum of parameters."""
    names = {}
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


def _evaluate(node: ast.AST, names: dict[str, np.ndarray], p: int) -> np.ndarray:
    constant = np.eye(1, p + 1)[0]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value * constant
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        sign = -1 if isinstance(node.op, ast.USub) else 1
        return sign * _evaluate(node.operand, names, p)
    if isinstance(node, ast.BinOp):
        left, right = _evaluate(node.left, names, p), _evaluate(node.right, names, p)
        if isinstance(node.op, (ast.Add, ast.Sub)):
            return left + (right if isinstance(node.op, ast.Add) else -right)
        if isinstance(node.op, ast.Mult) and not (left[1:].any() and right[1:].any()):
            return left * right[0] if not right[1:].any() else right * left[0]
        if isinstance(node.op, ast.Div) and not right[1:].any() and right[0] != 0:
            return left / right[0]
    raise ValueError("not linear")


def _shown(labels: Sequence[str]) -> str:
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")


def chi_square_test(
    gap: Float[np.ndarray, " equations"], covariance: Float[np.ndarray, "equations equations"], note: str
) -> TestResult:
    """gapᵀ V⁻¹ gap against χ² with the rank of V as degrees of freedom."""
    if not (np.isfinite(gap).all() and np.isfinite(covariance).all()):
        return TestResult(np.nan, None, np.nan, "refused", note)
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > 1e-10
    statistic = float(np.sum((vectors[:, kept].T @ (gap / scale)) ** 2 / values[kept]))
    df = int(kept.sum())
    return TestResult(statistic, df, float(chi2.sf(statistic, df)), "chi-square", note)


def adjusted_pvalues(pvalues: Sequence[float] | np.ndarray, method: str = "holm") -> Float[np.ndarray, " tests"]:
    """P-values that hold for many tests at once; refused ones (NaN) are not counted.

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
