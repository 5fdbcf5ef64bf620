"""What solving a problem returns: responses, prices, slacks, and a sentence about each row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float

__all__ = ["KINDS", "Solution"]

KINDS = {
    "soft": "every constraint a penalty as learned: the mode of the Gibbs distribution",
    "hard": "maximise the utility subject to every constraint exactly",
}
"""The two problems that a learned problem stands for."""


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """Optimal responses of some rows.

    Attributes
    ----------
    kind : ``"soft"`` or ``"hard"``, see `KINDS`.
    y : the optimal responses as the user writes them, one per row; a column each where there are several.
    utility : BL(x, y) of the soft problem; of the hard one the utility without penalties.
    prices : ∂(optimal utility)/∂(how far a constraint is moved), in utility per unit of the row as it is printed: for
        the soft problem λ·ρ'(C) at the mode, for the hard one the multiplier. NaN where there is none.
    slacks : how far each constraint is from binding, −C and −T; negative where C ≤ 0 is broken.
    status : a sentence per row.
    feasible : whether every constraint holds.
    """

    kind: str
    y: np.ndarray
    utility: Float[np.ndarray, " n"]
    prices: pd.DataFrame
    slacks: pd.DataFrame
    status: np.ndarray
    feasible: np.ndarray
    soft_loss: Callable[[], Float[np.ndarray, " n"]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.utility)

    @cached_property
    def gap(self) -> Float[np.ndarray, " n"]:
        """BL at the soft optimum less BL at the hard one: what obeying every constraint costs by the learned utility.

        Zero where the penalties are exact (Theorem 2.1), NaN where the hard problem is infeasible.
        """
        return self.soft_loss()

    def __repr__(self) -> str:
        shown = min(len(self), 5)
        rows = [f"  {self.y[i]}: {self.status[i]}" for i in range(shown)]
        more = [f"  … and {len(self) - shown} rows more"] if len(self) > shown else []
        return "\n".join([f"{self.kind} optimum of {len(self)} rows ({KINDS[self.kind]})", *rows, *more])
