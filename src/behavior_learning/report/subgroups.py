"""How well a model does on parts of the rows: levels of a category, or quarters of a number."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from behavior_learning.encoding import TableEncoder
from behavior_learning.errors import OptionError
from behavior_learning.report.explorer import decoded
from behavior_learning.report.markup import paragraphs, sortable_table, written
from behavior_learning.report.predictive import ClassLaw, NumberLaw, Rows

__all__ = ["by_group", "check_subgroups"]

LEVELS = 20
"""Values of a column up to which each is a group; numbers with more are cut at their quartiles."""

FEW = 30
"""Rows of a group below which its figures are mostly chance."""


def check_subgroups(columns: Sequence[str], encoder: TableEncoder) -> tuple[str, ...]:
    """The names of columns.

    Raises
    ------
    OptionError
        If one is no column of the model.
    """
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    unknown = [name for name in names if name not in encoder.names]
    if unknown:
        raise OptionError(f"subgroups names {unknown[0]!r}, which is no column. Columns: {', '.join(encoder.names)}.")
    return names


def by_group(columns: Sequence[str], encoder: TableEncoder, rows: Rows, laws: Sequence[NumberLaw | ClassLaw]) -> str:
    """A table for each column and response: rows, predictions and scores of each group."""
    table = decoded(encoder, rows.x)
    parts = [
        sortable_table(_scores(_groups(table[name]), law).round(4), f"{law.part.name} by {name}")
        for name in columns
        for law in laws
    ]
    note = (
        "Where predictions are off in one group, or intervals hold less often than they claim, the model is not to be "
        f"used on it as on the others. Groups of fewer than {FEW} rows say little."
    )
    return paragraphs(note) + "".join(parts)


def _groups(values: pd.Series) -> pd.Categorical:
    """The group of each row, in the order of the values."""
    if not pd.api.types.is_numeric_dtype(values):
        return pd.Categorical(values.fillna("missing"))
    many = values.nunique() > LEVELS
    groups = pd.Categorical(pd.qcut(values, 4, duplicates="drop") if many else values)
    ends = [(group.left, group.right) if many else (group,) for group in groups.categories]
    groups = groups.rename_categories([" to ".join(map(written, own)) for own in ends])
    return groups.add_categories(["missing"]).fillna("missing")


def _scores(groups: pd.Categorical, law: NumberLaw | ClassLaw) -> pd.DataFrame:
    lines = {name: law.of_group(np.flatnonzero(groups == name)) for name in groups.categories if (groups == name).any()}
    return pd.DataFrame(lines).T.rename_axis("group")
