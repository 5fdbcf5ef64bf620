"""Which directions of the parameters the data speak of: rank and spectrum of the information.

Source: Theorem B.9 needs a nondegenerate curvature "in a locally identifiable chart". Deviation: that is checked here
at θ̂ rather than assumed; deviations 5–7 of the design say why it can fail.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

__all__ = ["UNIDENTIFIED", "Information", "NotIdentified"]

UNIDENTIFIED = 1e-9
"""Eigenvalue of the information, scaled to a unit diagonal, below which a direction counts as unidentified."""

WEAK = 1e-5
"""Eigenvalue below which a direction is called weak."""

INVOLVED = 1e-6
"""Share of a parameter's unit vector in unidentified directions above which its standard error is not given."""

RIDGE_SHARE = 0.1
"""Variance of a parameter, relative to that of the ridge alone, above which its standard error is not given."""

AT_BOUND = 1e-6
"""Size of a number with a sign below which it is on the boundary."""


class NotIdentified(Enum):
    """Why a parameter has no standard error; the value says what to do next."""

    UNCONVERGED = "no optimum was found, and errors belong to one. See .convergence for the next step."
    INDEFINITE = "the point is no minimum: the loss falls along this direction. Search again with n_restarts=20."
    UNIDENTIFIED = (
        "the data do not determine it: other values give the same distribution. See .identification for the direction; "
        "fix one of its parameters (structure=bl.UMP(...)), drop a row or a term, or add data that separates them."
    )
    RIDGE = (
        "the ridge has a say in it: it is more than a tenth of what is known of it, or moves it by more than half a "
        "standard error. Use a smaller l2, add data or drop terms."
    )
    UNMIXED = (
        "the chains do not agree on it (R-hat above 1.05, or fewer than 100 effective draws). Use draws=2000 or more, "
        "or profile_interval."
    )
    BOUNDARY = (
        "it is at zero, the end of its range, where the estimate is not normal. Test it with .constraint_test(...), "
        "and drop the row if it is not there."
    )


@dataclass(frozen=True)
class Information:
    """The information matrix J at the optimum, in the directions in which the canonical form can move.

    Attributes
    ----------
    labels : the parameters.
    hessian : J, the Hessian of the mean loss.
    tangent_space : columns span the directions that are free: constraints hold, numbers at a bound stay.
    bounded : which parameters are at a bound.
    ridge : l2/Σw, the part of the diagonal of J that is not from the data.
    """

    labels: tuple[str, ...]
    hessian: Float[np.ndarray, "p p"]
    tangent_space: Float[np.ndarray, "p q"]
    bounded: Bool[np.ndarray, " p"]
    ridge: float = 0.0

    @property
    def _scaled(self) -> tuple[np.ndarray, np.ndarray]:
        """TᵀJT with a unit diagonal, and the units."""
        inner = self.tangent_space.T @ self.hessian @ self.tangent_space
        size = np.abs(np.diag(inner))
        units = 1 / np.sqrt(np.maximum(size, 1e-14 * size.max(initial=1e-300)))
        return units[:, None] * inner * units, units

    @property
    def spectrum(self) -> Float[np.ndarray, " q"]:
        """Eigenvalues of the scaled information, largest first; 1 each where parameters are orthogonal."""
        return np.linalg.eigvalsh(self._scaled[0])[::-1]

    @property
    def rank(self) -> int:
        return int(np.sum(self.spectrum > UNIDENTIFIED))

    @property
    def condition_number(self) -> float:
        """Ratio of the extreme eigenvalues; infinite where a direction is unidentified."""
        spectrum = self.spectrum
        return float(spectrum[0] / spectrum[-1]) if len(spectrum) and spectrum[-1] > UNIDENTIFIED else np.inf

    def directions(self) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, "p q"]]:
        """Eigenvalues, smallest first, and the unit directions of the parameters they belong to."""
        scaled, units = self._scaled
        values, vectors = np.linalg.eigh(scaled)
        moves = self.tangent_space @ (units[:, None] * vectors)
        return values, moves / np.maximum(np.linalg.norm(moves, axis=0), 1e-300)

    def inverse(self) -> Float[np.ndarray, "p p"]:
        """T(TᵀJT)⁻¹Tᵀ over the identified directions."""
        scaled, units = self._scaled
        values, vectors = np.linalg.eigh(scaled)
        kept = values > UNIDENTIFIED
        moves = self.tangent_space @ (units[:, None] * vectors[:, kept])
        return (moves / values[kept]) @ moves.T

    def not_identified(self) -> list[NotIdentified | None]:
        """For each parameter why it has no standard error, or None."""
        scaled, units = self._scaled
        values, vectors = np.linalg.eigh(scaled)
        falling = self._share(units, vectors[:, values < -UNIDENTIFIED])
        flat = self._share(units, vectors[:, np.abs(values) <= UNIDENTIFIED])
        everywhere = bool((values < -UNIDENTIFIED).any())
        prior = self.ridge * np.diag(self.inverse())

        def why(i: int) -> NotIdentified | None:
            if self.bounded[i]:
                return NotIdentified.BOUNDARY
            if flat[i] > INVOLVED:
                return NotIdentified.UNIDENTIFIED
            if everywhere or falling[i] > INVOLVED:
                return NotIdentified.INDEFINITE
            return NotIdentified.RIDGE if prior[i] > RIDGE_SHARE else None

        return [why(i) for i in range(len(self.labels))]

    def _share(self, units: np.ndarray, vectors: np.ndarray) -> Float[np.ndarray, " p"]:
        """How much of each parameter moves along some scaled directions, relative to its own unit."""
        moves = self.tangent_space @ (units[:, None] * vectors)
        size = np.sqrt(np.sum((self.tangent_space * units) ** 2, axis=1))
        return np.sum(moves**2, axis=1) / np.maximum(size**2, 1e-300)

    def weakest(self, n: int = 3, parameters: int = 4) -> pd.DataFrame:
        """The directions the data say least about, in the units of the parameters.

        Returns
        -------
        One line per direction: its `eigenvalue`, a `verdict`, and the `direction` as a sum of parameters.
        """
        values, moves = self.directions()
        names = np.array(["no minimum", "unidentified", "weak", "identified"])
        verdicts = names[np.searchsorted([-UNIDENTIFIED, UNIDENTIFIED, WEAK], values)]
        lines = []
        for place in range(min(n, len(values))):
            move = moves[:, place]
            strongest = np.argsort(-np.abs(move))[:parameters]
            text = " ".join(f"{move[i]:+.2f}*{self.labels[i]}" for i in strongest if abs(move[i]) > 0.05)
            lines.append({"eigenvalue": values[place], "verdict": verdicts[place], "direction": text})
        return pd.DataFrame(lines, columns=["eigenvalue", "verdict", "direction"])
