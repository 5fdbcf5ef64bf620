"""Rows that belong together, such as those of a day, a household or a patient: all of them train, or all validate.

Neighbours resemble each other. Where some rows of a group train and others validate, a fit is stopped, and its curves
are chosen, by how well it knows the group, and not by how well it tells another one (Roberts et al. 2017).
"""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from behavior_learning.encoding import in_pandas
from behavior_learning.errors import DataError
from behavior_learning.responses.base import checked_split

__all__ = ["check_groups", "filled", "split_by_groups"]


def check_groups(groups: Any, rows: int, counted: np.ndarray | slice = slice(None)) -> Int[np.ndarray, " counted"]:
    """The number of the group of each row that counts, from a label per row.

    Raises
    ------
    DataError
        If there is not one label for each row, or all rows have the same.
    """
    labels = groups if isinstance(groups, str) else in_pandas(groups)
    if np.shape(labels) != (rows,):
        found = repr(labels[:80]) if isinstance(labels, str) else f"shape {np.shape(labels)}"
        raise DataError(f"groups must be one label for each of {rows} rows, such as X['day']; got {found}.")
    missing = pd.isna(np.asarray(labels))
    if missing.any():
        raise DataError(
            f"groups has no label in row {int(np.argmax(missing))} ({missing.sum()} such rows). Give each row one."
        )
    codes, known = pd.factorize(np.asarray(labels)[counted])
    if len(known) < 2:
        raise DataError(f"groups must have two labels at least; all rows have {known[0]}. Leave groups out.")
    return codes


def split_by_groups(
    group: Int[np.ndarray, " rows"], needed: np.ndarray, fraction: float, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that train and rows that validate: groups drawn at random that come nearest to a share of the rows.

    Parameters
    ----------
    needed : rows that must train, and with them their groups.

    Raises
    ------
    DataError
        If no group is left to validate.
    """
    sizes, target = np.bincount(group), fraction * len(group)
    free = np.setdiff1d(group, group[needed])
    if not len(free):
        raise DataError(
            f"Each of the {len(sizes)} groups has a class that no other one has, or the first row of one: none is left "
            "to validate. Pass validation_data=, or leave groups out."
        )
    taken, chosen = 0, []
    for own in random.permutation(free):
        if abs(taken + sizes[own] - target) < abs(taken - target):
            taken, chosen = taken + sizes[own], [*chosen, own]
    out = np.isin(group, chosen or free[np.argmin(sizes[free])])
    return checked_split(np.flatnonzero(~out), np.flatnonzero(out))


def filled(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many rows, some of them twice where there are fewer: parts of one size share a compiled program."""
    return np.concatenate([rows, rng.choice(rows, count - len(rows))])
