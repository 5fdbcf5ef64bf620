"""A network in canonical form, and what happened to its rows on the way."""

from enum import Enum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from behavior_learning.core.network import BehaviorNetwork

__all__ = ["Canonical", "Change", "Note"]


class Change(Enum):
    """What the canonical form did to a row; the value is the sentence shown to the user."""

    VANISHED = "does not contribute: its multiplier or its coefficients are zero. Drop it (fewer rows)."
    DUPLICATE = "repeats another row of its head; the two were added up. Drop one (fewer rows)."
    CANCELS = "depends on x alone and cancels in the normaliser. Leave it out (identifiable=True does)."
    DIRECTION = (
        "has no direction of its own beside an identity utility over the same terms: penalising c and penalising −c "
        "differ by a term the utility takes up. Use heads=('tanh', ...) or fix a coefficient."
    )
    MERGED = "is added to the first identity row: only their sum enters. Use one row."


class Note(NamedTuple):
    """What happened to one row.

    Attributes
    ----------
    place : (layer, block, role, row), counted from 0.
    """

    place: tuple[int, int, str, int]
    change: Change


class Canonical(NamedTuple):
    """A network in canonical form.

    Attributes
    ----------
    network : in double precision; weights hold their values, and what is pinned is fixed by rule.
    signs : sign that each number must keep, 0 for none; one entry per number in the order of `network.weights`.
    constraints : gradients of the conditions that hold between learned numbers, such as orthogonality of rows.
    notes : what was dropped or merged.
    """

    network: BehaviorNetwork
    signs: Int[np.ndarray, " numbers"]
    constraints: Float[np.ndarray, "conditions numbers"]
    notes: tuple[Note, ...]
