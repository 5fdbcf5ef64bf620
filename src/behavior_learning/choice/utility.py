"""V(θ), the readable utility of every line, and its derivatives: linear in coefficients, but for estimated powers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.factors import BoxCox
from behavior_learning.choice.formula import Term, read_formula
from behavior_learning.errors import DataError, OptionError

__all__ = ["Design", "Utility"]

COLLINEAR = 1e-10
"""Eigenvalue of the products of terms centred within cases and scaled to one, below which they are collinear."""


@dataclass(frozen=True)
class Utility:
    """A sum of terms with a coefficient each, as read from a formula on the training data.

    Attributes
    ----------
    alternatives : of the training data, whose names terms may carry.
    money : the place of the term in whose units the other coefficients are (willingness-to-pay space), V =
        β_money·(money + Σ w_k·x_k); None where coefficients are utilities.
    """

    terms: tuple[Term, ...]
    alternatives: tuple[str, ...]
    money: int | None = None

    @classmethod
    def read(cls, formula: str, data: ChoiceData) -> "Utility":
        """The terms of a formula.

        Raises
        ------
        DataError
            If terms are collinear within cases.
        """
        utility = cls(read_formula(formula, data), data.alternatives)
        if not utility.powers:
            utility.on(data).check_rank(data, utility.coefficients)
        return utility

    def paid_in(self, money: str) -> "Utility":
        """The same utility with coefficients in units of a term: ``wtp(time)`` is β_time/β_money.

        Raises
        ------
        OptionError
            If there is no such term, or powers are estimated.
        """
        if money not in self.coefficients or self.powers:
            raise OptionError(
                f"money must be a term of the utility, beside none with boxcox; got {money!r}. Terms: "
                f"{', '.join(self.coefficients)}."
            )
        return replace(self, money=self.coefficients.index(money))

    def as_paid(self, coefficients: Float[np.ndarray, " terms"]) -> Float[np.ndarray, " terms"]:
        """Coefficients of utility as willingness to pay, but that of money."""
        paid = coefficients / coefficients[self.money]
        paid[self.money] = coefficients[self.money]
        return paid

    @property
    def coefficients(self) -> tuple[str, ...]:
        paid = self.money is not None
        return tuple(f"wtp({t.label})" if paid and j != self.money else t.label for j, t in enumerate(self.terms))

    @property
    def powers(self) -> tuple[BoxCox, ...]:
        """The estimated powers, each once however many terms share it."""
        return tuple(dict.fromkeys(term.boxcox for term in self.terms if term.boxcox is not None))

    @property
    def labels(self) -> tuple[str, ...]:
        """Of all parameters: coefficients, and then powers."""
        return (*self.coefficients, *(power.parameter for power in self.powers))

    @property
    def start(self) -> Float[np.ndarray, " p"]:
        return np.concatenate([np.zeros(len(self.terms)), np.full(len(self.powers), BoxCox.START)])

    def on(self, data: ChoiceData) -> "Design":
        """The columns of the terms on data."""
        x = np.empty((data.lines, len(self.terms)))
        for j, term in enumerate(self.terms):
            x[:, j] = term(data)
        return Design(self, data, x)


@dataclass(frozen=True)
class Design:
    """A utility on data.

    Attributes
    ----------
    x : what the coefficients multiply, before estimated powers.
    """

    utility: Utility
    data: ChoiceData
    x: Float[np.ndarray, "lines terms"]

    def columns(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "lines terms"]:
        """What the coefficients multiply."""
        return self._powered(theta)[0] if self.utility.powers else self.x

    def __call__(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " lines"]:
        """V(θ)."""
        return self.columns(theta) @ theta[: self.x.shape[1]]

    def jacobian(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "lines p"]:
        """∂V/∂θ."""
        if not self.utility.powers:
            return self.x
        columns, slopes = self._powered(theta)
        return np.concatenate([columns, slopes], axis=1)

    def _powered(self, theta: Float[np.ndarray, " p"]) -> tuple[np.ndarray, np.ndarray]:
        """Columns, and the derivative of V by every power."""
        utility, columns = self.utility, self.x.copy()
        slopes = np.zeros((len(columns), len(utility.powers)))
        for k, power in enumerate(utility.powers):
            values, slope = power(self.data, theta[len(utility.terms) + k])
            for j in (j for j, term in enumerate(utility.terms) if term.boxcox == power):
                slopes[:, k] += theta[j] * columns[:, j] * slope
                columns[:, j] *= values
        return columns, slopes

    def check_rank(self, data: ChoiceData, labels: Sequence[str]) -> None:
        """Refuse terms of which one is a sum of others, up to what is the same for a whole case."""
        mean = np.add.reduceat(self.x, data.starts) / data.sizes[:, None]
        gram = self.x.T @ self.x - (mean * data.sizes[:, None]).T @ mean
        scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
        values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
        if len(values) and values[0] < COLLINEAR:
            involved = [label for label, part in zip(labels, vectors[:, 0], strict=True) if abs(part) > 1e-4]
            raise DataError(
                f"The terms {', '.join(involved)} are collinear within cases: the data cannot tell their coefficients "
                "apart. Drop one of them."
            )
