"""What the data can and cannot tell about the parameters, before any standard error."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from behavior_learning.core.network import weight_value
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import number_places
from behavior_learning.inference.estimation import polish
from behavior_learning.inference.fitted import Fitted
from behavior_learning.inference.information import NotIdentified
from behavior_learning.printing import Printed

__all__ = ["IdentificationReport", "opposite_directions"]

WEAK_RATIO = 3.84
"""Likelihood ratio below which the opposite direction of an inequality fits about as well (95 % of chi-square 1)."""


@dataclass(frozen=True, repr=False)
class IdentificationReport(Printed):
    """Rank, spectrum and weak directions of the information in the canonical parametrization.

    Attributes
    ----------
    rank, dimensions : identified directions, and directions in which the canonical form can move.
    spectrum : eigenvalues of the information scaled to a unit diagonal, largest first.
    weakest : the directions with the smallest eigenvalues, named by parameters.
    unidentified, bounded : labels of parameters that are not determined, or at the end of their range.
    changes : what the canonical form omitted, merged or pinned, and what to do about it.
    """

    rank: int
    dimensions: int
    spectrum: Float[np.ndarray, " dimensions"]
    weakest: pd.DataFrame
    unidentified: tuple[str, ...]
    bounded: tuple[str, ...]
    changes: tuple[str, ...]

    @classmethod
    def of(cls, fitted: Fitted) -> "IdentificationReport":
        information = fitted.information
        reasons = list(zip(information.labels, information.not_identified(), strict=True))
        pruned = canonicalize(fitted.network, one_hot=fitted.one_hot)
        return cls(
            information.rank,
            information.tangent_space.shape[1],
            information.spectrum,
            information.weakest(),
            tuple(label for label, why in reasons if why is NotIdentified.UNIDENTIFIED),
            tuple(label for label, why in reasons if why is NotIdentified.BOUNDARY),
            tuple(
                f"{fitted.row_names[note.place]} {note.change.value}"
                for note in dict.fromkeys((*fitted.canonical.notes, *pruned.notes))
            ),
        )

    @property
    def identified(self) -> bool:
        return self.rank == self.dimensions and not self.bounded

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the user should know, most important first."""
        found = list(self.changes)
        if self.rank < self.dimensions:
            found.append(f"{self.dimensions - self.rank} of {self.dimensions} directions are unidentified.")
        weak = self.weakest[self.weakest["verdict"] != "identified"]
        found += [f"{line.verdict}: {line.direction} (eigenvalue {line.eigenvalue:.1e})." for line in weak.itertuples()]
        return tuple(found)

    def __str__(self) -> str:
        head = (
            f"Information of rank {self.rank} in {self.dimensions} directions; eigenvalues (scaled to a unit diagonal)"
        )
        spectrum = ", ".join(f"{value:.2g}" for value in self.spectrum[:: max(1, len(self.spectrum) // 12)])
        return "\n".join(
            [f"{head}: {spectrum}", "Weakest directions:", self.weakest.to_string(index=False), *self.sentences]
        )


def opposite_directions(fitted: Fitted) -> pd.DataFrame:
    """How much worse each inequality of the first layer fits when it points the other way.

    λ·f(c) = λ·c + λ·f(−c): where the utility can take up λ·c, both directions fit alike and "at most" cannot be told
    from "at least". The model is searched again from the negated inequality, with the utility's slope adjusted.

    Returns
    -------
    One line per inequality: its `row`, the likelihood `ratio` 2n(Q₋ − Q) of negating it, and a `verdict`.
    """
    lines = []
    with jax.enable_x64(True):
        for role_row, theta in _negated(fitted):
            problem, signs = fitted.problem, jnp.asarray(fitted.local.signs)
            other = polish(problem, jnp.asarray(theta), signs, fitted.search())
            back = np.abs(np.asarray(other.theta) - fitted.theta).max() < 1e-3 * (1 + np.abs(fitted.theta).max())
            ratio = 2 * fitted.total * (float(other.loss) - float(fitted.optimum.loss))
            verdict = "weak" if ratio < WEAK_RATIO and not back else "identified"
            lines.append({"row": role_row, "ratio": np.nan if back else ratio, "verdict": verdict})
    return pd.DataFrame(lines, columns=["row", "ratio", "verdict"])


def _negated(fitted: Fitted):
    """For each inequality the parameters with c negated and the utility's slope changed by λ·c."""
    heads, places = fitted.network.layers[0].heads, number_places(fitted.network)
    inequality, utility = heads["inequality"], heads["utility"]
    if not (inequality.head and inequality.head.flippable) or utility.head is None:
        return
    at = {places[number]: i for i, number in enumerate(np.asarray(fitted.local.parametrization.learned))}
    lam, lam0 = weight_value(inequality.multiplier), weight_value(utility.multiplier)
    for block, row in np.argwhere(lam != 0):
        own = (0, int(block), "inequality", int(row))
        moved = {place: i for place, i in at.items() if place.of_row == own and place.part in ("coef", "intercept")}
        theta = fitted.theta.copy()
        for place, i in moved.items():
            theta[i] = -theta[i]
            home = at.get(place._replace(role="utility", row=0))
            if home is not None:
                theta[home] += lam[block, row] / max(lam0[block, 0], 0.1) * theta[i]
        if moved:
            yield fitted.row_names[own], theta
