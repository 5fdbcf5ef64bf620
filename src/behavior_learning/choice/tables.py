"""From tables to choice sets: one row per case, or one row per case and alternative."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from behavior_learning.errors import DataError, OptionError
from behavior_learning.options import check_sequence
from behavior_learning.responses.columns import shown

__all__ = ["LongTable", "WideTable", "as_frame", "listed", "need_columns", "numbers"]

AVAILABLE = "available"

READERS = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


def as_frame(table: Any) -> pd.DataFrame:
    """A DataFrame of pandas from one of pandas or Polars, or from the path of a file.

    Raises
    ------
    DataError
        If it is none of them.
    """
    match table:
        case pd.DataFrame():
            frame = table.reset_index(drop=True)
        case str() | Path():
            path = Path(table)
            if path.suffix not in READERS or not path.is_file():
                raise DataError(f"A table must be an existing .csv or .parquet file or a DataFrame; got {str(path)!r}.")
            frame = READERS[path.suffix](path)
        case _ if callable(getattr(table, "to_pandas", None)):
            frame = table.to_pandas()
        case _:
            given = type(table).__name__
            raise DataError(f"A table must be a DataFrame of pandas or Polars, or the path of one; got {given}.")
    if not len(frame):
        raise DataError("The table has no rows, and so no choices. Look at how it was read or filtered.")
    again = frame.columns[frame.columns.duplicated()]
    if len(again):
        raise DataError(f"The table has two columns named {again[0]!r}. Rename or drop one of them.")
    return frame


def need_columns(table: pd.DataFrame, names: Sequence[Any]) -> None:
    """Refuse names that the table has no column of."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(f"The table has no column {missing[0]!r}. Its columns: {', '.join(map(str, table.columns))}.")


def numbers(table: pd.DataFrame, name: Any) -> Float[np.ndarray, " rows"]:
    """A column as numbers, NaN where it is missing."""
    try:
        return table[name].astype(float).to_numpy(copy=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"Attributes are numbers; column {name!r} is not: {error}. Or is it of chooser=?") from error


def flags(table: pd.DataFrame, name: str, rule: str) -> Bool[np.ndarray, " rows"]:
    """A column of 0 and 1 as truth values."""
    values = table[name]
    if values.isna().any():
        raise DataError(
            f"{rule}; column {name!r} is missing in {int(values.isna().sum())} rows. Drop them or fill it in."
        )
    if not values.isin([0, 1]).all():
        other = values[~values.isin([0, 1])].iloc[0]
        raise DataError(
            f"{rule}; column {name!r} holds {shown(other)}. "
            f"Make one such as (table[{name!r}] == {shown(other)}).astype(int)."
        )
    return values.astype(bool).to_numpy()


def check_ids(table: pd.DataFrame, id: str | None) -> np.ndarray | None:
    """Who chose, for every row."""
    if id is not None and table[id].isna().any():
        raise DataError(
            f"Column {id!r} says who chose and is missing in {int(table[id].isna().sum())} rows. Drop them."
        )
    return None if id is None else table[id].to_numpy()


def check_attributes(
    attributes: Mapping[str, np.ndarray], case: np.ndarray, alternative: np.ndarray, alternatives: Sequence[str]
) -> None:
    """Refuse attributes that are missing or infinite where the alternative was available."""
    for name, values in attributes.items():
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            line = int(wrong[0])
            raise DataError(
                f"Attribute {name!r} is {values[line]} for alternative {alternatives[int(alternative[line])]!r} "
                f"of case {shown(case[line])}, which was available ({len(wrong)} such entries). "
                "Fill it in, drop the case, or say that the alternative was not available."
            )


def check_chooser(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The columns of the chooser, of which no value may be missing."""
    for name in names:
        missing = table[name].isna()
        if missing.any():
            raise DataError(
                f"Column {name!r} of the chooser is missing in {int(missing.sum())} rows. Drop them or fill it in."
            )
    return table[list(names)]


def listed(what: str, names: Any) -> tuple[str, ...]:
    """Several names; one text would be read letter by letter."""
    return check_sequence(what, names, "['income', 'age']")


@dataclass(frozen=True)
class WideTable:
    """A table with one row per case, and how to read it; see `ChoiceData.from_wide`."""

    table: Any
    alternatives: Mapping[str, Mapping[str, Any]]
    chosen: str | None
    codes: Mapping[Any, str] | None
    chooser: tuple[str, ...]
    id: str | None

    def read(self) -> dict[str, Any]:
        """The fields of `ChoiceData`."""
        table = as_frame(self.table)
        self._check(table)
        names, n = tuple(self.alternatives), len(table)
        there = np.stack([self._available(table, name) for name in names], axis=1)
        case, alternative = np.nonzero(there)
        self._check_not_empty(there)
        columns = {name: self._attribute(table, name)[there] for name in self._attributes}
        check_attributes(columns, case, alternative, names)
        return {
            "alternatives": names,
            "case": case,
            "alternative": alternative,
            "attributes": columns,
            "chosen": None if self.chosen is None else self._chosen(table, names, there)[there],
            "chooser": check_chooser(table, self.chooser),
            "labels": np.arange(n),
            "ids": check_ids(table, self.id),
        }

    @property
    def _attributes(self) -> list[str]:
        return list(dict.fromkeys(name for own in self.alternatives.values() for name in own if name != AVAILABLE))

    def _check(self, table: pd.DataFrame) -> None:
        if len(self.alternatives) < 2:
            raise OptionError(f"A choice needs at least two alternatives; got {list(self.alternatives)}.")
        for name, own in self.alternatives.items():
            need_columns(table, [column for column in own.values() if isinstance(column, str)])
            lacking = [attribute for attribute in self._attributes if attribute not in own]
            if lacking:
                raise OptionError(
                    f"Alternative {name!r} lacks attribute {lacking[0]!r}, which others have. Name its column, or give "
                    f"the number that it has for all, such as {{{lacking[0]!r}: 0}}."
                )
        need_columns(table, [name for name in (*self.chooser, self.chosen, self.id) if name is not None])
        both = [name for name in self.chooser if name in self._attributes]
        if both:
            raise OptionError(
                f"{both[0]!r} is an attribute and a column of the chooser. Give one of them another name."
            )

    def _check_not_empty(self, there: Bool[np.ndarray, "cases alternatives"]) -> None:
        empty = np.flatnonzero(~there.any(axis=1))
        if len(empty):
            raise DataError(f"Row {empty[0]} has no available alternative ({len(empty)} such rows). Drop them.")

    def _values(self, table: pd.DataFrame, source: Any) -> Float[np.ndarray, " cases"]:
        return numbers(table, source) if isinstance(source, str) else np.full(len(table), float(source))

    def _available(self, table: pd.DataFrame, name: str) -> Bool[np.ndarray, " cases"]:
        values = self._values(table, self.alternatives[name].get(AVAILABLE, 1))
        if not np.isin(values, (0, 1)).all():
            other = values[~np.isin(values, (0, 1))][0]
            raise DataError(f"Availability of {name!r} must be 0 or 1; got {other:g}.")
        return values == 1

    def _attribute(self, table: pd.DataFrame, name: str) -> Float[np.ndarray, "cases alternatives"]:
        return np.stack([self._values(table, own[name]) for own in self.alternatives.values()], axis=1)

    def _chosen(
        self, table: pd.DataFrame, names: tuple[str, ...], there: Bool[np.ndarray, "cases alternatives"]
    ) -> Bool[np.ndarray, "cases alternatives"]:
        codes = dict(zip(names, names, strict=True)) if self.codes is None else self.codes
        unknown = [name for name in codes.values() if name not in names]
        if unknown:
            raise OptionError(f"codes names the alternative {unknown[0]!r}, which is none of {', '.join(names)}.")
        column = table[cast(str, self.chosen)]
        picked = column.astype(object).map({code: names.index(name) for code, name in codes.items()})
        if picked.isna().any():
            row = int(np.argmax(picked.isna()))
            raise DataError(
                f"Row {row} chose none of the alternatives: {self.chosen!r} is {shown(column.iloc[row])}, and codes "
                f"are {', '.join(map(repr, codes))} ({int(picked.isna().sum())} such rows). Drop them or add the code."
            )
        choice = picked.to_numpy(int)
        absent = np.flatnonzero(~there[np.arange(len(table)), choice])
        if len(absent):
            row = absent[0]
            raise DataError(
                f"Row {row} chose {names[choice[row]]!r}, which was not available there ({len(absent)} such rows). "
                "Correct the choice or the column of availability."
            )
        return np.arange(len(names)) == choice[:, None]


@dataclass(frozen=True)
class LongTable:
    """A table with one row per case and alternative, and how to read it; see `ChoiceData.from_long`."""

    table: Any
    case: str
    alternative: str
    chosen: str | None
    chooser: tuple[str, ...]
    available: str | None
    id: str | None
    alternatives: tuple[str, ...] | None

    def read(self) -> dict[str, Any]:
        """The fields of `ChoiceData`."""
        table = as_frame(self.table)
        special = [name for name in (self.case, self.alternative, self.chosen, self.available, self.id) if name]
        need_columns(table, [*special, *self.chooser])
        if table[[self.case, self.alternative]].isna().to_numpy().any():
            raise DataError(f"Columns {self.case!r} and {self.alternative!r} must not be missing. Drop such rows.")
        table = table.iloc[np.argsort(pd.factorize(table[self.case])[0], kind="stable")].reset_index(drop=True)
        self._check_duplicates(table)
        chooser = check_chooser(table, self.chooser)
        chosen = None if self.chosen is None else self._chosen(table)
        table, chosen = self._available(table, chosen)
        case, labels = pd.factorize(table[self.case])
        names, alternative = self._alternatives(table)
        types, others = pd.api.types, [name for name in table if name not in {*special, *self.chooser}]
        others = [n for n in others if types.is_numeric_dtype(table[n]) or types.is_bool_dtype(table[n])]
        attributes = {str(name): numbers(table, name) for name in others}
        check_attributes(attributes, table[self.case].to_numpy(), alternative, names)
        first = np.flatnonzero(np.diff(case, prepend=-1))
        self._check_constant(table, case, first)
        ids = check_ids(table, self.id)
        return {
            "alternatives": names,
            "case": case,
            "alternative": alternative,
            "attributes": attributes,
            "chosen": chosen,
            "chooser": chooser.iloc[first].reset_index(drop=True),
            "labels": np.asarray(labels),
            "ids": None if ids is None else ids[first],
        }

    def _check_duplicates(self, table: pd.DataFrame) -> None:
        again = table.assign(**{self.alternative: table[self.alternative].astype(str)}).duplicated(
            [self.case, self.alternative]
        )
        if again.any():
            row = table[again].iloc[0]
            raise DataError(
                f"Case {shown(row[self.case])} has alternative {shown(row[self.alternative])} twice "
                f"({int(again.sum())} such rows). Drop the duplicates, or name the cases apart."
            )

    def _chosen(self, table: pd.DataFrame) -> Bool[np.ndarray, " lines"]:
        chosen = flags(
            table, cast(str, self.chosen), "chosen must be a column of 0 and 1, 1 in the row that was chosen"
        )
        counts = pd.Series(chosen).groupby(table[self.case], sort=False).sum()
        wrong = counts[counts != 1]
        if len(wrong):
            raise DataError(
                f"Every case needs one chosen alternative; case {shown(wrong.index[0])} has {int(wrong.iloc[0])} "
                f"({len(wrong)} such cases). Drop them or correct column {self.chosen!r}."
            )
        return chosen

    def _available(self, table: pd.DataFrame, chosen: np.ndarray | None) -> tuple[pd.DataFrame, np.ndarray | None]:
        """The rows of alternatives that were there."""
        if self.available is None:
            return table, chosen
        there = flags(table, self.available, "available must be a column of 0 and 1")
        if chosen is not None and (chosen & ~there).any():
            row = table[chosen & ~there].iloc[0]
            raise DataError(
                f"Case {shown(row[self.case])} chose {shown(row[self.alternative])}, which was not available there. "
                f"Correct column {self.chosen!r} or {self.available!r}."
            )
        return table[there].reset_index(drop=True), None if chosen is None else chosen[there]

    def _alternatives(self, table: pd.DataFrame) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the alternatives and the number of that of each row."""
        column = table[self.alternative]
        in_order = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.unique()
        present = set(map(str, column.unique()))
        names = self.alternatives or tuple(dict.fromkeys(str(name) for name in in_order if str(name) in present))
        if len(names) < 2:
            alone = ", ".join(names)
            raise OptionError(f"A choice needs two alternatives at least; {self.alternative!r} has {alone!r} alone.")
        missing = [name for name in present if name not in names]
        if missing:
            raise OptionError(f"alternatives= leaves out {missing[0]!r}, which the table has.")
        position = {name: i for i, name in enumerate(names)}
        return names, column.astype(str).map(position).to_numpy(int)

    def _check_constant(self, table: pd.DataFrame, case: np.ndarray, first: np.ndarray) -> None:
        """Refuse columns of the chooser that vary within a case."""
        for name in (*self.chooser, *([self.id] if self.id else [])):
            values = table[name].astype(object).to_numpy()
            differs = values != values[first][case]
            if differs.any():
                label = table[self.case].iloc[int(np.argmax(differs))]
                raise DataError(
                    f"Column {name!r} of the chooser varies within case {shown(label)}. If it describes alternatives, "
                    "leave it out of chooser=."
                )
