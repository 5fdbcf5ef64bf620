"""Linear hypotheses in the labels of parameters, and what a test returns."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
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

    def __repr__(self) -> str:
        return str(self)


LONGEST = 20_000
"""Characters of hypotheses that are read."""

MOST_FACTORS = 4
"""Factors of a product whose orders are all read as its short name."""


def parse_hypotheses(hypotheses: str | Sequence[str] | np.ndarray, labels: Sequence[str]) -> Hypothesis:
    """Read ``"a = b"``, ``"2*a + b = 1, c = 0"``, a list of such, or a matrix R for R θ = 0.

    A parameter is named by its label, or by any part of it that no other has: ``LSTAT`` or ``budget[LSTAT]`` for
    ``budget.inequality[LSTAT]``, ``RM:MEDV`` or ``MEDV*RM`` for ``equality[RM*MEDV]``.

    Raises
    ------
    OptionError
        If a hypothesis names no parameter or several by one name, is not linear in them, or is too long.
    """
    if isinstance(hypotheses, np.ndarray):
        matrix, p = np.atleast_2d(np.asarray(hypotheses, float)), len(labels)
        if matrix.shape[1] != p:
            raise OptionError(f"A hypothesis matrix needs a column per parameter, {p}; got {matrix.shape[1]}.")
        if not (np.isfinite(matrix).all() and matrix.any(axis=1).all()):
            raise OptionError("A hypothesis matrix needs finite numbers, and one that is not zero in every row.")
        return Hypothesis(matrix, np.zeros(len(matrix)))
    texts = [hypotheses] if isinstance(hypotheses, str) or not isinstance(hypotheses, Sequence) else list(hypotheses)
    if not all(isinstance(text, str) for text in texts):
        raise OptionError(
            f"A hypothesis is a text such as 'a = b', a list of such, or a matrix; got {hypotheses!r:.80}."
        )
    length = sum(map(len, texts))
    if length > LONGEST:
        raise OptionError(f"Hypotheses of at most {LONGEST:,} characters are read; got {length:,}. Pass a matrix R.")
    reader = _Reader(tuple(map(str, labels)))
    rows = [row for text in texts for row in reader.equations(text)]
    if not rows:
        raise OptionError("A hypothesis is needed, such as 'a = b' with a and b from .params.index.")
    if not np.isfinite(rows).all():
        raise OptionError("The hypothesis holds numbers that are too large to compute with. Rescale it.")
    return Hypothesis(np.array([row[1:] for row in rows]), np.array([-row[0] for row in rows]))


Row = Float[np.ndarray, " p+1"]
"""A constant and the coefficient of every parameter."""

_RANKS = {"=": 0, "+": 1, "-": 1, "*": 2, "/": 2, "negative": 3}
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


class _Reader:
    """Reads sums of parameters in one pass, without recursion."""

    def __init__(self, labels: tuple[str, ...]):
        self.labels = labels
        self.position = {label: i for i, label in enumerate(labels)}
        self.names = [_parts(label) for label in labels]
        columns = {spelled for _, of in self.names if of for spelled in _spellings(of)}
        self.token = re.compile(
            rf"\s*(?:(?P<label>{_any_of(map(re.escape, labels))})(?![\w.\[])|(?P<column>{_any_of(columns)})(?![\w.^])"
            rf"|(?P<number>{_NUMBER})|(?P<name>[^\W\d]\w*(?:\.\w+)*)|(?P<sign>[-+*/()=,]))"
        )

    def equations(self, text: str) -> list[Row]:
        """The equations between commas, left minus right."""
        found: list[list[Row | str]] = [[]]
        depth = 0
        for token in self._tokens(text):
            sign = token if isinstance(token, str) else ""
            depth += (sign == "(") - (sign == ")")
            if sign == "," and depth == 0:
                found.append([])
            else:
                found[-1].append(token)
        return [self._difference(tokens, text) for tokens in found if tokens]

    def _tokens(self, text: str) -> Iterator[Row | str]:
        place, p, text = 0, len(self.labels), text.rstrip()
        while place < len(text):
            match = self.token.match(text, place)
            if match is None:
                raise self._unread(text, text[place : place + 20].strip())
            place = match.end()
            if match["label"] is not None:
                yield np.eye(1, p + 1, self.position[match["label"]] + 1)[0]
            elif match["column"] is not None:
                yield np.eye(1, p + 1, self._place("", f"[{match['column']}]") + 1)[0]
            elif match["number"] is not None:
                yield np.append(float(match["number"]), np.zeros(p))
            elif match["name"] is not None:
                end = _bracket_end(text, place)
                yield np.eye(1, p + 1, self._place(match["name"], text[place:end]) + 1)[0]
                place = end
            else:
                yield match["sign"]

    def _place(self, name: str, bracket: str) -> int:
        """Which parameter a part of a label names."""
        tokens, column = set(name.split(".")) - {""}, _factors(bracket[1:-1]) if bracket else None
        found = [
            i
            for i, (own, of) in enumerate(self.names)
            if (tokens <= own and of == column) or (column is None and of == (name,))
        ]
        if len(found) != 1:
            shown = ", ".join(self.labels[i] for i in found) if found else _shown(self.labels)
            says = "may be any of" if found else "is no parameter. Parameters:"
            written = name + bracket if name else bracket[1:-1]
            raise OptionError(f"The hypothesis names {written!r}, which {says} {shown}.")
        return found[0]

    def _difference(self, tokens: list[Row | str], text: str) -> Row:
        """The value of an equation as left minus right, by precedence with two stacks."""
        values: list[Row] = []
        signs: list[str] = []
        operand = False

        def settle(rank: int) -> None:
            while signs and signs[-1] != "(" and _RANKS[signs[-1]] >= rank:
                self._apply(signs.pop(), values, text)

        for token in tokens:
            if not isinstance(token, str):
                if operand:
                    raise self._unread(text, "two names side by side")
                values.append(token)
                operand = True
            elif token == "(" and not operand:
                signs.append(token)
            elif token == ")" and operand:
                settle(0)
                if not signs:
                    raise self._unread(text, ")")
                signs.pop()
            elif token in "+-" and not operand:
                signs += ["negative"] if token == "-" else []
            elif token in _RANKS and operand:
                if token == "=" and ("=" in signs or "(" in signs):
                    raise OptionError(f"The hypothesis {text!r} has more than one '=' or one in brackets.")
                settle(_RANKS[token])
                signs.append(token)
                operand = False
            else:
                raise self._unread(text, token)
        if not operand:
            raise self._unread(text, "its end")
        settle(0)
        if signs or not values[0][1:].any():
            raise self._unread(text, "(" if signs else "a hypothesis without a parameter")
        return values[0]

    def _apply(self, sign: str, values: list[Row], text: str) -> None:
        right = values.pop()
        if sign == "negative":
            values.append(-right)
            return
        left = values.pop()
        if sign in "+-=":
            values.append(left + right if sign == "+" else left - right)
        elif sign == "*" and not (right[1:].any() and left[1:].any()):
            with np.errstate(over="ignore", invalid="ignore"):
                values.append(right[0] * left if not right[1:].any() else left[0] * right)
        elif sign == "/" and not right[1:].any() and right[0] != 0:
            values.append(left / right[0])
        else:
            raise self._unread(text, f"a {sign} that is not linear")

    def _unread(self, text: str, at: str) -> OptionError:
        return OptionError(
            f"The hypothesis {text[:200]!r} cannot be read at {at!r}: write sums of parameters, such as 'a = 2*b + 1'. "
            f"Parameters: {_shown(self.labels)}."
        )


def _bracket_end(text: str, place: int) -> int:
    """Where a bracket that opens at a place is closed; the place itself where none opens."""
    depth = 0
    for at in range(place, len(text)):
        depth += (text[at] == "[") - (text[at] == "]")
        if depth == 0:
            return at + 1 if text[at] == "]" else place
    return place


def _parts(label: str) -> tuple[set[str], tuple[str, ...] | None]:
    """The words of a label before its bracket, and the factors within."""
    row, bracket, column = label.partition("[")
    return set(row.split(".")), _factors(column.removesuffix("]")) if bracket else None


def _factors(product: str) -> tuple[str, ...]:
    return tuple(sorted(part.strip() for part in re.split("[*:]", product)))


def _spellings(factors: tuple[str, ...]) -> Iterator[str]:
    """Patterns of a product that plain names and numbers do not read: in any order, with ``*`` or ``:`` between."""
    odd = len(factors) != 1 or not re.fullmatch(r"\w+", "".join(factors))
    if odd and len(factors) <= MOST_FACTORS and not any(re.match(r"[\d.]*$", factor) for factor in factors):
        yield from (r"\s*[*:]\s*".join(map(re.escape, order)) for order in permutations(factors))


def _any_of(patterns: Iterable[str]) -> str:
    """A pattern of any of these, the longest first."""
    return "|".join(sorted(patterns, key=len, reverse=True)) or r"(?!)"


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
