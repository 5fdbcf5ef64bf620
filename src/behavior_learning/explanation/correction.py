"""Average effects put right in one step by what y leaves over, so that the model need not be.

An average L(m) of effects is linear in m(x) = E[y|x]. With a representer α, L(g) = mean α·g for every error g of m,

    L(m) + mean α(x)·(y − m(x))

has an error of the second order: that of m times that of α. Here α = b(x)'(G + ridge)⁻¹L(b), with G = mean b·b' over
standardised terms b of x, its columns, their squares and products; so the correction is L of the regression of what y
leaves over on b. Without a ridge a model that errs by a sum of terms is put right exactly, and a linear one becomes
least squares where terms are linear. Errors, rows of x held fixed, are those of mean α·(y − m) by the residuals (White
1980) beside those of the part of the model that the regression does not see, L(m) − mean α·m, taken as unrelated.

Source: Chernozhukov, Newey and Singh (2022). Deviation: a ridge in place of the lasso, no cross-fitting, and the part
that is not seen counts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from behavior_learning.explanation.axes import Axis

__all__ = ["RIDGE", "Correction", "Terms"]

RIDGE = 0.02
"""Share of the variance of a standardised term that is added to it: terms of few rows would make noise of averages."""

MOST_TERMS = 500
"""Terms beyond which squares and products are left out, and beyond which there is no correction."""


@dataclass(frozen=True, eq=False)
class Terms:
    """Columns of encoded rows, and products of two.

    Attributes
    ----------
    first, second : positions of the factors; a column alone has one beyond the last, which is 1.
    """

    first: Int[np.ndarray, " terms"]
    second: Int[np.ndarray, " terms"]

    @classmethod
    def of(cls, axes: Sequence[Axis], columns: int, most: int = MOST_TERMS) -> "Terms | None":
        """The columns, and squares and products of unlike ones unless there are too many; None of too many columns."""
        linear = [(column, columns) for column in range(columns)]
        squares = [(axis.columns[0],) * 2 for axis in axes if axis.sloped]
        own = [(*axis.columns, *(() if axis.missing is None else (axis.missing,))) for axis in axes]
        products = [(i, j) for one, other in combinations(own, 2) for i in one for j in other]
        few = [terms for terms in ([*linear, *squares, *products], linear) if 0 < len(terms) <= most]
        return cls(*np.array(few[0]).T) if few else None

    def __len__(self) -> int:
        return len(self.first)

    def __call__(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n terms"]:
        wide = np.c_[x, np.ones(len(x))]
        return wide[:, self.first] * wide[:, self.second]

    def slope(self, x: Float[np.ndarray, "n d"], direction: Float[np.ndarray, " d"]) -> Float[np.ndarray, "n terms"]:
        """Their derivatives along a direction of x."""
        wide, move = np.c_[x, np.ones(len(x))], np.append(direction, 0.0)
        return move[self.first] * wide[:, self.second] + wide[:, self.first] * move[self.second]


@dataclass(frozen=True, eq=False)
class Correction:
    """The regression, on terms of x, of what y leaves over.

    Attributes
    ----------
    terms : of x.
    x, residuals, weight : rows, what y leaves over in them of every outcome, and how much they count.
    loadings : of the model's mean in these rows on errors of unit size.
    ridge : on standardised terms.
    """

    terms: Terms
    x: Float[np.ndarray, "n d"]
    residuals: Float[np.ndarray, "n k"]
    weight: Float[np.ndarray, " n"]
    loadings: Callable[[], Float[np.ndarray, "n k r"]]
    ridge: float = RIDGE

    def __call__(
        self, changes: Iterable[Float[np.ndarray, "n terms"]], weights: Float[np.ndarray, "lines n q"]
    ) -> Float[np.ndarray, "lines q/k k terms"]:
        """L(b) of weighted sums of changes of the terms, each asked of all outcomes.

        Parameters
        ----------
        weights : of every change and outcome, outcomes side by side; of values they add up to zero.
        """
        k = self.residuals.shape[1]
        each = [
            np.einsum("gnk,nt->gkt", weights[:, :, at * k : (at + 1) * k], change) for at, change in enumerate(changes)
        ]
        return np.stack(each, axis=1)

    def shift(self, sums: Float[np.ndarray, "lines m k terms"]) -> Float[np.ndarray, " lines*m*k"]:
        """What it adds to them."""
        return np.einsum("gmkt,tk->gmk", sums, self._regressed(self.residuals)).ravel()

    def errors(
        self, sums: Float[np.ndarray, "lines m k terms"], own: Float[np.ndarray, "lines*m*k r"]
    ) -> Float[np.ndarray, "lines*m*k s"]:
        """Loadings of corrected sums: of the model's less what the regression sees of them, and of the regression."""
        seen = np.einsum("gmkt,tkr->gmkr", sums, self._regressed(self.loadings())).reshape(own.shape)
        return np.hstack([own - seen, np.einsum("gmkt,ktr->gmkr", sums, self._root).reshape(len(own), -1)])

    @cached_property
    def _standardised(self) -> tuple[Float[np.ndarray, "n terms"], Float[np.ndarray, " terms"], np.ndarray]:
        """Terms with a mean of zero and a variance of one, their scales, and (G + ridge)⁻¹."""
        b, share = self.terms(self.x), self.weight / self.weight.sum()
        b = b - share @ b
        scale = np.sqrt(share @ b**2)
        scale = np.where(scale > 1e-9 * max(scale.max(), 1e-300), scale, np.inf)
        b = b / scale
        gram = (b * share[:, None]).T @ b
        return b, scale, np.linalg.pinv(gram + self.ridge * np.eye(len(gram)), rcond=1e-10, hermitian=True)

    def _regressed(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of the regression of some values."""
        b, scale, inverse = self._standardised
        return np.tensordot(inverse @ (b * (self.weight / self.weight.sum())[:, None]).T / scale[:, None], values, 1)

    @cached_property
    def _root(self) -> Float[np.ndarray, "k terms terms"]:
        """Square roots of the covariance of coefficients of the residuals, by the residuals themselves."""
        b, scale, inverse = self._standardised
        share = (self.weight / self.weight.sum())[:, None]
        used = 1 + float(np.sum(inverse * ((b * share).T @ b)))
        left = (self.residuals - share[:, 0] @ self.residuals) * np.sqrt(len(b) / (len(b) - used))
        roots = [np.asarray(np.linalg.qr(b * share * own[:, None], mode="r")) for own in left.T]
        return np.stack([inverse @ root.T / scale[:, None] for root in roots])
