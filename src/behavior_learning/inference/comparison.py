"""Several results side by side, and a test of which model is closer to the truth."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import norm

from behavior_learning.errors import DataError, OptionError
from behavior_learning.inference.hypotheses import TestResult
from behavior_learning.inference.results import InferenceResults
from behavior_learning.inference.tables import Summary

__all__ = ["compare", "vuong_test"]


LEVELS = {0.001: "***", 0.01: "**", 0.05: "*"}
"""Stars by the p-value below which a number gets them."""


def compare(results: Mapping[str, InferenceResults], *, stars: bool = True) -> Summary:
    """Several results side by side: estimates with standard errors in brackets, and fit statistics.

    Parameters
    ----------
    stars : mark estimates by their p-values; a note says how.

    Returns
    -------
    A table that prints and writes itself as text, HTML, LaTeX, Markdown or CSV; the frame is in `tables`.

    Examples
    --------
    >>> print(compare({}))
    Models side by side
    """
    columns = {name: _column(result, stars) for name, result in results.items()}
    index = list(dict.fromkeys(label for column in columns.values() for label in column))
    order = [label for label in index if label not in _FACTS] + [label for label in index if label in _FACTS]
    table = {name: [column.get(label, "") for label in order] for name, column in columns.items()}
    legend = ", ".join(f"{mark} p < {level:g}" for level, mark in reversed(LEVELS.items()))
    notes = (f"Standard errors in brackets; {legend}.",) if stars and results else ()
    tables = {"Estimates": pd.DataFrame(table, index=order)} if results else {}
    return Summary("Models side by side", {}, tables, notes)


_FACTS = ("log-likelihood", "AIC", "BIC", "TIC", "rank", "rows", "standard errors")


def _column(results: InferenceResults, stars: bool) -> dict[str, str]:
    marks = [next((mark for p, mark in LEVELS.items() if stars and pvalue < p), "") for pvalue in results.pvalues]
    numbers = zip(map(str, results.params.index), results.params, marks, results.bse, strict=True)
    lines = {label: f"{value:.4g}{mark} ({error:.3g})" for label, value, mark, error in numbers}
    criteria = (results.loglikelihood, results.aic, results.bic, results.tic) if results.likelihood else [np.nan] * 4
    facts = [f"{value:.2f}" for value in criteria]
    return {**lines} | dict(
        zip(_FACTS, [*facts, str(results.degrees_of_freedom), str(results.n), results.cov_type], strict=True)
    )


def vuong_test(a: InferenceResults, b: InferenceResults, *, penalty: str = "bic") -> TestResult:
    """Which of two models is closer to the truth, such as one block or two? Positive statistics speak for the first.

    Models that overlap or contain each other, as numbers of blocks do, make Vuong's (1989) statistic degenerate where
    both fit equally well. Rows are therefore weighted 1 and 1 + ε in turn, which keeps it normal.

    Parameters
    ----------
    penalty : ``"bic"``, ``"aic"`` or ``"none"``, taken off the difference of log-likelihoods.

    Raises
    ------
    DataError
        If the models are of different numbers of rows, or rows have weights.
    OptionError
        If a loss is no likelihood, or the penalty is unknown.

    Source: Vuong (1989); Schennach and Wilhelm (2017), with ε = n^(−1/6).
    """
    for results in (a, b):
        results.need_likelihood("vuong_test", "compare")
    if a.n != b.n:
        raise DataError(f"Vuong's test needs both models on the same rows; they have {a.n} and {b.n}.")
    if any((results.fitted.weights != 1).any() for results in (a, b)):
        raise DataError("Vuong's test counts every row once, and these rows have weights. Use compare.")
    per_parameter = {"bic": 0.5 * np.log(a.n), "aic": 1.0, "none": 0.0}
    if penalty not in per_parameter:
        raise OptionError(f"penalty must be one of {', '.join(map(repr, per_parameter))}; got {penalty!r}.")
    n, epsilon = a.n, a.n ** (-1 / 6)
    log_a, log_b = a.row_loglikelihoods(), b.row_loglikelihoods()
    center = 0.5 * (log_a.mean() + log_b.mean())
    log_a, log_b = log_a - center, log_b - center
    heavy = 1 + epsilon * (np.arange(n) % 2)
    correction = per_parameter[penalty] * (a.degrees_of_freedom - b.degrees_of_freedom) / n
    gap = np.mean(heavy * log_a - np.roll(heavy, 1) * log_b) - correction
    variance = (1 + epsilon) * np.var(log_a - log_b) + 0.5 * epsilon**2 * (np.var(log_a) + np.var(log_b))
    statistic = float(np.sqrt(n) * gap / np.sqrt(variance))
    note = f"Vuong test, {penalty} penalty; positive favours the first model."
    return TestResult(statistic, None, float(2 * norm.sf(abs(statistic))), "normal", note)
