"""Choice sets: who chose which of the alternatives that were there, with the attributes of each.

Only alternatives that were available are held, one line each and the lines of a case together, so that sets of any
size take no more room than they need and what is unavailable can make no derivative infinite.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from behavior_learning.choice.tables import LongTable, WideTable, as_frame, listed, need_columns, numbers
from behavior_learning.errors import DataError
from behavior_learning.inference.clusters import Clusters
from behavior_learning.options import check_count, is_number
from behavior_learning.responses.columns import shown

__all__ = ["ChoiceData"]


@dataclass(frozen=True)
class ChoiceData:
    """Cases, the alternatives of each, and which was chosen.

    Attributes
    ----------
    alternatives : names of all alternatives; constants are relative to the first.
    case : for each line the number of its case, from 0, in increasing order.
    alternative : for each line the number of its alternative.
    attributes : columns with a number per line.
    chosen : for each line whether it was chosen; None where choices are not known.
    chooser : columns with a value per case.
    labels : of the cases.
    ids : for each case who chose; None where every case is another chooser's.

    Examples
    --------
    >>> import pandas as pd
    >>> trips = pd.DataFrame({
    ...     "trip": [1, 1, 2, 2, 2], "mode": ["bus", "car", "bus", "car", "train"],
    ...     "cost": [2.0, 5.0, 3.0, 4.0, 6.0], "taken": [1, 0, 0, 0, 1],
    ... })
    >>> ChoiceData.from_long(trips, case="trip", alternative="mode", chosen="taken")
    ChoiceData(2 cases, 3 alternatives: bus, car, train; 2 to 3 available; attributes: cost)
    """

    alternatives: tuple[str, ...]
    case: Int[np.ndarray, " lines"]
    alternative: Int[np.ndarray, " lines"]
    attributes: Mapping[str, Float[np.ndarray, " lines"]]
    chosen: Bool[np.ndarray, " lines"] | None
    chooser: pd.DataFrame
    labels: np.ndarray
    ids: np.ndarray | None = None

    @classmethod
    def from_wide(
        cls,
        table: Any,
        alternatives: Mapping[str, Mapping[str, Any]],
        chosen: str | None,
        codes: Mapping[Any, str] | None = None,
        chooser: Sequence[str] = (),
        id: str | None = None,
    ) -> "ChoiceData":
        """Read a table with one row per case.

        Parameters
        ----------
        table : a DataFrame of pandas or Polars, or the path of a .csv or .parquet file.
        alternatives : for each alternative the column of each attribute, or a number where there is no column;
            ``"available"`` is 0 where the alternative was not there.
        chosen : the column that says which alternative was chosen; None where choices are not known.
        codes : what the values of that column stand for; by default they are names of alternatives.
        chooser : columns of the chooser or of the case.
        id : the column that says who chose.

        Raises
        ------
        DataError
            If an alternative was chosen that was not available, an attribute of an available one is missing, or the
            table lacks a column.

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"bus_cost": [2.0, 3.0], "car_cost": [5.0, 4.0], "mode": [1, 2]})
        >>> costs = {"bus": {"cost": "bus_cost"}, "car": {"cost": "car_cost"}}
        >>> ChoiceData.from_wide(table, costs, chosen="mode", codes={1: "bus", 2: "car"}).shares.to_dict()
        {'bus': 0.5, 'car': 0.5}
        """
        return cls(**WideTable(table, alternatives, chosen, codes, listed("chooser", chooser), id).read())

    @classmethod
    def from_long(
        cls,
        table: Any,
        case: str,
        alternative: str,
        chosen: str | None,
        chooser: Sequence[str] = (),
        available: str | None = None,
        id: str | None = None,
        alternatives: Sequence[str] | None = None,
    ) -> "ChoiceData":
        """Read a table with one row per case and alternative; sets may differ from case to case.

        Parameters
        ----------
        table : a DataFrame of pandas or Polars, or the path of a .csv or .parquet file.
        case, alternative : columns that say which choice a row belongs to, and which alternative it describes.
        chosen : a column that is 1 in the row that was chosen and 0 elsewhere; None where choices are not known.
        chooser : columns that do not vary within a case. Other columns of numbers are attributes.
        available : a column that is 0 where the alternative was not there.
        id : the column that says who chose; cases with the same value are a panel.
        alternatives : their order; by default that of a categorical column, or of first appearance.

        Raises
        ------
        DataError
            If a case has none or two chosen, the same alternative twice, or a missing attribute.
        """
        names = None if alternatives is None else tuple(alternatives)
        columns = listed("chooser", chooser)
        return cls(**LongTable(table, case, alternative, chosen, columns, available, id, names).read())

    @classmethod
    def from_rankings(
        cls,
        table: Any,
        case: str,
        alternative: str,
        rank: str,
        chooser: Sequence[str] = (),
        available: str | None = None,
        id: str | None = None,
        alternatives: Sequence[str] | None = None,
        places: int | None = None,
    ) -> "ChoiceData":
        """Read rankings as the choices that they imply: the best of all, the best of the rest, and so on.

        A logit of these cases is the exploded (rank-ordered) logit. Who ranks is the chooser of all of them, so that
        errors are clustered.

        Parameters
        ----------
        table, case, alternative, chooser, available, id, alternatives : as in `from_long`; without `id` every ranking
            is another chooser's.
        rank : a column that is 1 for the best, 2 for the next, …, and missing for what was not ranked, which is worse
            than all that was.
        places : how many places are used; lower ones are often filled with less care.

        Raises
        ------
        DataError
            If ranks of a case are not 1, 2, … without ties, or none is given.

        Source: Beggs, Cardell and Hausman (1981).

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"who": [1, 1, 1], "game": ["a", "b", "c"], "price": [1.0, 2, 3], "place": [2, 1, 3]})
        >>> ChoiceData.from_rankings(table, case="who", alternative="game", rank="place").sizes.tolist()
        [3, 2]
        """
        frame = as_frame(table)
        need_columns(frame, [rank])
        ranks = numbers(frame, rank)
        if (ranks < 1).any():
            raise DataError(
                f"Ranks are 1 for the best, 2, …; column {rank!r} holds {ranks[ranks < 1][0]:g}. Add to it."
            )
        ranked = frame.assign(**{rank: np.nan_to_num(ranks)})
        data = cls.from_long(ranked, case, alternative, None, chooser, available, id, alternatives)
        stages = data._stages(rank, len(data.alternatives) if places is None else check_count("places", places))
        numbered = np.repeat(np.arange(len(data)), stages)
        stage = np.arange(len(numbered)) - np.repeat(np.cumsum(stages) - stages, stages) + 1
        repeated = data.reordered(numbered)
        ranks = repeated.attributes[rank]
        kept = (ranks == 0) | (ranks >= stage[repeated.case])
        names = np.array(
            [f"{label}, place {place}" for label, place in zip(repeated.labels, stage, strict=True)], object
        )
        exploded = replace(repeated, chosen=ranks == stage[repeated.case], labels=names)
        exploded = exploded._with_lines(kept, slice(None))
        attributes = {name: values for name, values in exploded.attributes.items() if name != rank}
        ids = data.labels[numbered] if id is None else exploded.ids
        return replace(exploded, attributes=attributes, ids=ids)

    def _stages(self, rank: str, places: int) -> Int[np.ndarray, " cases"]:
        """Choices that each ranking implies."""
        ranks, counts = self.attributes[rank], np.zeros(len(self), int)
        np.add.at(counts, self.case, ranks > 0)
        order = np.lexsort((ranks, self.case))
        order = order[ranks[order] > 0]
        wanted = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        wrong = np.unique(np.concatenate([np.flatnonzero(counts == 0), self.case[order][ranks[order] != wanted]]))
        if len(wrong):
            given = [f"{value:g}" for value in ranks[self.case == wrong[0]] if value != 0]
            raise DataError(
                f"Ranks must be 1, 2, … without ties, and missing where nothing was ranked; those of case "
                f"{shown(self.labels[wrong[0]])} are {', '.join(given) or 'all missing'} ({len(wrong)} such cases)."
            )
        return np.minimum(np.minimum(counts, self.sizes - 1), places)

    # Sizes and positions.

    def __len__(self) -> int:
        """Cases."""
        return len(self.labels)

    @property
    def lines(self) -> int:
        """Available alternatives of all cases together."""
        return len(self.case)

    @cached_property
    def starts(self) -> Int[np.ndarray, " cases"]:
        """The first line of each case."""
        return np.searchsorted(self.case, np.arange(len(self)))

    @property
    def sizes(self) -> Int[np.ndarray, " cases"]:
        """Alternatives of each case."""
        return np.diff(self.starts, append=self.lines)

    @cached_property
    def membership(self) -> csr_array:
        """Cases × lines, 1 where a line is of a case: a product with it is faster than `np.add.reduceat`."""
        ends = np.append(self.starts, self.lines)
        return csr_array((np.ones(self.lines), np.arange(self.lines), ends), shape=(len(self), self.lines))

    def highest(self, values: Float[np.ndarray, " lines *rest"]) -> Float[np.ndarray, " cases *rest"]:
        """The largest value of each case."""
        found, sizes = values[self.starts], self.sizes
        for place in range(1, int(sizes.max())):
            longer = np.flatnonzero(sizes > place)
            found[longer] = np.maximum(found[longer], values[self.starts[longer] + place])
        return found

    @cached_property
    def chosen_lines(self) -> Int[np.ndarray, " cases"]:
        """The line of each case that was chosen.

        Raises
        ------
        DataError
            If choices are not known.
        """
        if self.chosen is None:
            raise DataError(
                "Choices are not known here. Read the table with chosen=, the column that says what was chosen."
            )
        return np.flatnonzero(self.chosen)

    @cached_property
    def panel(self) -> Int[np.ndarray, " cases"]:
        """For each case the number of its chooser, in order of first appearance."""
        return np.arange(len(self)) if self.ids is None else pd.factorize(self.ids)[0]

    @property
    def repeats(self) -> bool:
        """Whether some chooser chose more than once."""
        return int(self.panel.max()) + 1 < len(self)

    @property
    def clusters(self) -> Clusters:
        """Which cases are of the same chooser."""
        return Clusters.of(self.panel, len(self))

    @property
    def shares(self) -> pd.Series:
        """Share of the cases in which each alternative was chosen."""
        counts = np.bincount(self.alternative[self.chosen_lines], minlength=len(self.alternatives))
        return pd.Series(counts / len(self), self.alternatives, name="share")

    # Values.

    def column(self, name: str) -> np.ndarray:
        """A value per line of an attribute or of a column of the chooser.

        Raises
        ------
        DataError
            If there is no such column.
        """
        if name in self.attributes:
            return self.attributes[name]
        if name in self.chooser:
            return self.chooser[name].to_numpy()[self.case]
        known = ", ".join([*self.attributes, *self.chooser.columns])
        raise DataError(
            f"There is no column {name!r}. Attributes and columns of the chooser: {known}. Attributes are numbers; a "
            "column of the chooser is named in chooser=."
        )

    def named(self, line: int) -> str:
        """Case and alternative of a line, for messages."""
        return (
            f"alternative {self.alternatives[self.alternative[line]]!r} of case {shown(self.labels[self.case[line]])}"
        )

    def wide(self, values: Float[np.ndarray, " lines"], missing: float = 0.0) -> pd.DataFrame:
        """A value per line as one column per alternative."""
        table = np.full((len(self), len(self.alternatives)), missing)
        table[self.case, self.alternative] = values
        return pd.DataFrame(table, pd.Index(self.labels, name="case"), list(self.alternatives))

    # Other data.

    def select(self, cases: Any) -> "ChoiceData":
        """The data of some cases, by their numbers or by a mask, in their present order."""
        kept = np.zeros(len(self), bool)
        kept[np.asarray(cases)] = True
        return self.reordered(np.flatnonzero(kept))

    def reordered(self, cases: Int[np.ndarray, " kept"]) -> "ChoiceData":
        """The data of cases by their numbers, in that order, as often as they are named."""
        sizes = self.sizes[cases]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        lines = np.repeat(self.starts[cases], sizes) + within
        return replace(self._with_lines(lines, cases), case=np.repeat(np.arange(len(cases)), sizes))

    def between(self, first: int, last: int) -> "ChoiceData":
        """The cases from one number up to another, without copying their lines."""
        ends = np.append(self.starts, self.lines)[[first, last]]
        part = self._with_lines(slice(*ends), slice(first, last))
        return replace(part, case=part.case - first)

    def without(self, alternative: str) -> "ChoiceData":
        """The data without an alternative; what was chosen is no longer known."""
        self.check_alternatives([alternative])
        kept = self.alternative != self.alternatives.index(alternative)
        cases = np.bincount(self.case[kept], minlength=len(self)) > 0
        kept_cases = replace(self, chosen=None)._with_lines(kept, cases)
        return replace(kept_cases, case=(np.cumsum(cases) - 1)[self.case[kept]])

    def with_alternative(self, name: str, like: str, change: Mapping[str, Any] | None = None) -> "ChoiceData":
        """The data with one more alternative, where that which it resembles was there; choices are no longer known.

        Parameters
        ----------
        like : the alternative whose attributes it takes.
        change : attributes that differ, a factor or a function each.

        Raises
        ------
        DataError
            If the name is taken, or there is no such alternative or attribute.
        """
        self.check_alternatives([like])
        if name in self.alternatives:
            raise DataError(f"There is an alternative {name!r} already. Give the new one another name.")
        own = np.flatnonzero(self.alternative == self.alternatives.index(like))
        order = np.argsort(np.concatenate([self.case, self.case[own]]), kind="stable")
        lines = np.concatenate([np.arange(self.lines), own])[order]
        wider = replace(self, alternatives=(*self.alternatives, name), chosen=None)._with_lines(lines, slice(None))
        new = np.where(order >= self.lines, len(self.alternatives), wider.alternative)
        unknown = [column for column in change or {} if column not in self.attributes]
        if unknown:
            known = ", ".join(self.attributes)
            raise DataError(f"{unknown[0]!r} is no attribute that a new alternative could have. Attributes: {known}.")
        moved = {column: {name: how} for column, how in (change or {}).items()}
        return replace(wider, alternative=new).changed(moved)

    def changed(self, change: Mapping[str, Any]) -> "ChoiceData":
        """The data with other values of attributes or columns of the chooser.

        Parameters
        ----------
        change : by name of the column a factor, a function of the present values, or for attributes a mapping from
            alternatives to those, such as ``{"cost": {"train": 0.9}}``.

        Raises
        ------
        DataError
            If there is no such column or alternative, or a number becomes none.
        """
        attributes, chooser = dict(self.attributes), self.chooser.copy()
        for name, how in change.items():
            if name in attributes:
                attributes[name] = self._changed(name, how)
            else:
                self.column(name)
                chooser[name] = _moved(name, chooser[name], how)
        return replace(self, attributes=attributes, chooser=chooser)

    def _changed(self, attribute: str, how: Any) -> Float[np.ndarray, " lines"]:
        by_alternative = how if isinstance(how, Mapping) else dict.fromkeys(self.alternatives, how)
        self.check_alternatives(cast(Any, by_alternative))
        new = self.attributes[attribute].copy()
        for name, move in by_alternative.items():
            own = self.alternative == self.alternatives.index(name)
            new[own] = _moved(attribute, new[own], move)
        return new

    def check_alternatives(self, names: Sequence[str]) -> None:
        """Refuse names that no alternative has."""
        unknown = [name for name in names if name not in self.alternatives]
        if unknown:
            raise DataError(f"There is no alternative {unknown[0]!r}. Alternatives: {', '.join(self.alternatives)}.")

    def _with_lines(self, lines: Any, cases: Any) -> "ChoiceData":
        """Some lines and some cases, by masks, numbers or slices; `case` is still that of before."""
        return replace(
            self,
            case=self.case[lines],
            alternative=self.alternative[lines],
            attributes={name: values[lines] for name, values in self.attributes.items()},
            chosen=None if self.chosen is None else self.chosen[lines],
            chooser=self.chooser.iloc[cases].reset_index(drop=True),
            labels=self.labels[cases],
            ids=None if self.ids is None else self.ids[cases],
        )

    def __repr__(self) -> str:
        sizes = self.sizes
        smallest, largest = sizes.min(), sizes.max()
        parts = [
            f"{len(self)} cases" + (f" of {int(self.panel.max()) + 1} choosers" if self.repeats else ""),
            f"{len(self.alternatives)} alternatives: {', '.join(self.alternatives[:8])}",
        ]
        available = f"{smallest} to {largest} available" if smallest < largest else f"{largest} available"
        return f"ChoiceData({', '.join(parts)}; {available}; attributes: {', '.join(self.attributes)})"


def _moved(name: str, values: Any, how: Any) -> np.ndarray:
    """Values times a number, or what a function makes of them; numbers must stay numbers."""
    numeric = values.dtype.kind in "biuf"
    if not callable(how) and not (numeric and is_number(how)):
        raise DataError(f"A change of {name!r} is a factor, where it holds numbers, or a function of it; got {how!r}.")
    new = np.asarray(how(values) if callable(how) else values * how)
    finite = not numeric or (new.dtype.kind in "biuf" and np.isfinite(new).all())
    if new.shape != values.shape or not finite:
        raise DataError(
            f"The change of {name!r} gives {'other' if finite else 'no finite'} values of shape {new.shape} for "
            f"{len(values)} rows. Give a value for each, and a finite number where it holds numbers."
        )
    return new
