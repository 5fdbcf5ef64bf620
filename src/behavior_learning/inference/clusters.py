"""Which rows may depend on each other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from behavior_learning.errors import DataError

__all__ = ["Clusters"]


@dataclass(frozen=True)
class Clusters:
    """Which cluster each row belongs to.

    Attributes
    ----------
    codes : one array of codes 0 … count − 1 per way of clustering; one or two.
    """

    codes: tuple[Int[np.ndarray, " n"], ...]

    @classmethod
    def of(cls, labels: Any, rows: int) -> "Clusters":
        """Read cluster labels: one column, or two for two-way clustering.

        Raises
        ------
        DataError
            If there are not as many labels as rows, some are missing, or there are fewer than two clusters.
        """
        table = pd.DataFrame(labels)
        if len(table) != rows or table.shape[1] not in (1, 2):
            raise DataError(
                f"clusters needs one or two columns with a label for each of {rows} rows; got shape {table.shape}."
            )
        if table.isna().to_numpy().any():
            raise DataError("clusters has missing labels. Give every row a cluster, or drop the row.")
        codes = tuple(pd.factorize(table.iloc[:, j])[0].astype(np.int32) for j in range(table.shape[1]))
        if min(int(c.max()) + 1 for c in codes) < 2:
            raise DataError("clusters has one cluster only; clustered errors need several, and many to be reliable.")
        return cls(codes)

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(int(codes.max()) + 1 for codes in self.codes)

    @property
    def intersection(self) -> Int[np.ndarray, " n"]:
        """Codes of the rows that share both of their clusters."""
        first, second = self.codes
        pairs = first.astype(np.int64) * (int(second.max()) + 1) + second
        return pd.factorize(pairs)[0].astype(np.int32)
