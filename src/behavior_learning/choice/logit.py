"""The logit of every case, log P = V_chosen − log Σ exp V, and its maximum by Newton's method, compiling nothing.

Source: McFadden (1974), "Conditional logit analysis of qualitative choice behavior".
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from behavior_learning.choice.data import ChoiceData

__all__ = ["Logit", "Values", "information", "log_softmax", "log_sum"]

CASES_AT_ONCE = 100_000
"""Cases whose Hessian is computed at once; it bounds the memory."""


def log_softmax(v: Float[np.ndarray, " lines *draws"], data: ChoiceData) -> Float[np.ndarray, " lines *draws"]:
    """V − log Σ exp V over the alternatives of each case."""
    return v - log_sum(v, data)[data.case]


def log_sum(v: Float[np.ndarray, " lines *draws"], data: ChoiceData) -> Float[np.ndarray, " cases *draws"]:
    """log Σ exp V over the alternatives of each case."""
    highest, total, _ = _exponentials(v, data)
    return highest + np.log(total)


def _exponentials(v: Float[np.ndarray, " lines *draws"], data: ChoiceData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The highest V of each case, Σ exp(V − highest) over its alternatives, and the exponentials of every line."""
    highest = data.highest(v)
    own = highest.take(data.case, axis=0)
    np.exp(np.subtract(v, own, out=own), out=own)
    return highest, data.membership @ own, own


class Values(NamedTuple):
    """log P of what was chosen, and its derivatives.

    Attributes
    ----------
    by_utility : by the utility of every line.
    by_structure : by every parameter of the nests.
    """

    log_chosen: Float[np.ndarray, " cases *draws"]
    by_utility: Float[np.ndarray, " lines *draws"]
    by_structure: Float[np.ndarray, "q cases *draws"]


class Logit:
    """P ∝ exp V: no nests and no further parameter."""

    labels: tuple[str, ...] = ()
    start = np.zeros(0)

    def log_probabilities(
        self, v: Float[np.ndarray, " lines *draws"], structure: Float[np.ndarray, " q"], data: ChoiceData
    ) -> Float[np.ndarray, " lines *draws"]:
        """log P of every line."""
        return log_softmax(v, data)

    def log_sums(
        self, v: Float[np.ndarray, " lines *draws"], structure: Float[np.ndarray, " q"], data: ChoiceData
    ) -> Float[np.ndarray, " cases *draws"]:
        """Expected utility of the best alternative of each case, up to a constant."""
        return log_sum(v, data)

    def __call__(
        self, v: Float[np.ndarray, " lines *draws"], structure: Float[np.ndarray, " q"], data: ChoiceData
    ) -> Values:
        """log P of what was chosen: ∂/∂V = chosen − P."""
        highest, total, slope = _exponentials(v, data)
        slope /= -total.take(data.case, axis=0)
        slope[data.chosen_lines] += 1
        log_chosen = v[data.chosen_lines] - highest - np.log(total)
        return Values(log_chosen, slope, np.zeros((0, len(data), *v.shape[1:])))


def information(
    p: Float[np.ndarray, " lines"],
    x: Float[np.ndarray, "lines k"],
    weights: Float[np.ndarray, " cases"],
    data: ChoiceData,
) -> Float[np.ndarray, "k k"]:
    """Σ w·(Σ P x xᵀ − x̄ x̄ᵀ) with x̄ = Σ P x over the alternatives of each case: minus the Hessian of the logit."""
    total = np.zeros((x.shape[1],) * 2)
    for first in range(0, len(data), CASES_AT_ONCE):
        starts = data.starts[first : first + CASES_AT_ONCE]
        last = data.lines if first + CASES_AT_ONCE >= len(data) else data.starts[first + CASES_AT_ONCE]
        own, w = slice(starts[0], last), weights[first : first + CASES_AT_ONCE]
        weighted = p[own, None] * x[own]
        mean = np.add.reduceat(weighted, starts - starts[0])
        total += (weighted * weights[data.case[own], None]).T @ x[own] - (mean * w[:, None]).T @ mean
    return total
