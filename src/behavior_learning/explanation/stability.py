"""How often each statement recurs when the model is fitted again: what appears by chance is seen as such."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from behavior_learning.explanation.statements import NAMED, Reading, Statement

__all__ = ["Stability", "match_blocks", "stability_of"]

Key = tuple[str, str, int]

FAINT = 0.05
"""A row that moves its block by less than this share says nothing."""


@dataclass(frozen=True)
class Stability:
    """Selection frequencies of the statements of a reading over refits.

    A statement recurs in a refit where the row that matches it moves its block, names at least the same columns, and
    rises and falls in them as before (an equality, which has no sign, up to a common one). Blocks are matched within
    their layer by the columns that move their heads.

    Attributes
    ----------
    frequencies : by block, head and row, the share of refits in which the statement recurs.
    columns : one line per statement and column: the share of refits in which the matching row names the column, and
        whether the statement does.
    n : refits that were compared.
    failed : refits that found no parameters and were left out.
    kind : ``"bootstrap"`` or ``"seeds"``.
    reading : the reading with the frequencies beside its statements.
    """

    frequencies: Mapping[Key, float]
    columns: pd.DataFrame
    n: int
    failed: int
    kind: str
    reading: Reading

    @property
    def by_column(self) -> dict[Key, dict[str, float]]:
        """By block, head and row, the frequencies of the columns that the statement names."""
        places: dict[Key, dict[str, float]] = {}
        named = self.columns[self.columns["named"]]
        for block, head, row, column, share in named[["block", "head", "row", "column", "frequency"]].itertuples(
            index=False
        ):
            places.setdefault((block, head, row), {})[column] = share
        return places

    def to_frame(self) -> pd.DataFrame:
        """One line per statement with its frequency."""
        return self.reading.to_frame()

    def text(self) -> str:
        """The reading with its frequencies."""
        how = "bootstrap samples" if self.kind == "bootstrap" else "random seeds"
        failed = f" ({self.failed} more found no parameters)" if self.failed else ""
        return f"Frequencies over {self.n} refits on {how}{failed}.\n{self.reading.text()}"

    def __str__(self) -> str:
        return self.text()


def stability_of(reference: Reading, refits: Sequence[Reading], kind: str, failed: int = 0) -> Stability:
    """Compare a reading with those of refits, all on the same rows."""
    matched = [_matched_statements(reference, refit) for refit in refits]
    frequencies = {
        s.key: sum(s.key in found and _recurs(s, found[s.key]) for found in matched) / len(matched)
        for s in reference.statements
    }
    lines = [line for s in reference.statements for line in _column_lines(s, [f.get(s.key) for f in matched])]
    columns = ["layer", "block", "head", "row", "column", "named", "frequency"]
    frame = pd.DataFrame(lines, columns=columns)
    stability = Stability(frequencies, frame, len(refits), failed, kind, reference)
    return replace(stability, reading=reference.with_frequencies(frequencies, stability.by_column))


def match_blocks(reference: Reading, refit: Reading) -> dict[str, str]:
    """The block of the reference that each block of a refit is most like, by assignment within each layer."""
    names: dict[str, str] = {}
    for layer in dict.fromkeys(s.layer for s in reference.statements if s.head != "output"):
        ours, theirs = (_blocks(reading, layer) for reading in (reference, refit))
        likeness = np.array([[_likeness(ours[a], _renamed(theirs[b], names)) for b in theirs] for a in ours])
        rows, columns = linear_sum_assignment(-likeness.reshape(len(ours), len(theirs)))
        names |= {list(theirs)[b]: list(ours)[a] for a, b in zip(rows, columns, strict=True)}
    return names


def _blocks(reading: Reading, layer: int) -> dict[str, list[Statement]]:
    blocks: dict[str, list[Statement]] = {}
    for statement in reading.statements:
        if statement.layer == layer and statement.head != "output":
            blocks.setdefault(statement.block, []).append(statement)
    return blocks


def _renamed(statements: Sequence[Statement], names: Mapping[str, str]) -> list[tuple[Statement, dict[str, float]]]:
    return [(s, {names.get(column, column): value for column, value in _signed(s).items()}) for s in statements]


def _signed(statement: Statement) -> dict[str, float]:
    """How far a row moves its block through each column, with the direction as sign; an equality has none."""
    size = sum(statement.strengths.values()) or 1.0
    sign = lambda column: 1 if statement.head == "equality" else statement.directions.get(column) or 1
    return {c: sign(c) * statement.moves * strength / size for c, strength in statement.strengths.items()}


def _likeness(ours: Sequence[Statement], theirs: Sequence[tuple[Statement, dict[str, float]]]) -> float:
    """Cosines of the columns that move a block: by head and direction, by head, and over all heads."""
    a, b = [(s, _signed(s)) for s in ours], theirs
    by_head = lambda rows: _summed(((s.head, column), value) for s, loads in rows for column, value in loads.items())
    sizes = lambda rows: _summed(((s.head, column), abs(v)) for s, loads in rows for column, v in loads.items())
    total = lambda rows: _summed((column, abs(value)) for _, loads in rows for column, value in loads.items())
    return sum(_cosine(profile(a), profile(b)) for profile in (by_head, sizes, total))


def _summed(parts: Iterable[tuple[Any, float]]) -> dict[Any, float]:
    total: dict[Any, float] = {}
    for key, value in parts:
        total[key] = total.get(key, 0.0) + value
    return total


def _cosine(a: Mapping[Any, float], b: Mapping[Any, float]) -> float:
    size = lambda profile: sum(value**2 for value in profile.values()) ** 0.5
    return sum(value * b.get(key, 0.0) for key, value in a.items()) / (size(a) * size(b) or 1.0)


def _matched_statements(reference: Reading, refit: Reading) -> dict[Key, Statement]:
    """For every statement of the reference, the row of the refit that matches it, in the reference's names."""
    names = match_blocks(reference, refit)
    outputs = {s.block: s.block for s in refit.statements if s.head == "output"}
    groups: dict[tuple[str, str], list[Statement]] = {}
    for s in refit.statements:
        groups.setdefault(((names | outputs).get(s.block, ""), s.head), []).append(_in_names(s, names))
    matched: dict[Key, Statement] = {}
    for place in dict.fromkeys((s.block, s.head) for s in reference.statements):
        ours, theirs = [s for s in reference.statements if (s.block, s.head) == place], groups.get(place, [])
        likeness = np.array([[_cosine(_signed(a), _signed(b)) for b in theirs] for a in ours])
        for a, b in zip(*linear_sum_assignment(-likeness.reshape(len(ours), len(theirs))), strict=True):
            matched[ours[a].key] = theirs[b]
    return matched


def _in_names(statement: Statement, names: Mapping[str, str]) -> Statement:
    move = lambda values: {names.get(column, column): value for column, value in values.items()}
    variables = tuple(names.get(name, name) for name in statement.variables)
    strengths, directions = move(statement.strengths), move(statement.directions)
    return replace(statement, variables=variables, strengths=strengths, directions=directions)


def _recurs(statement: Statement, found: Statement) -> bool:
    if not statement.variables or found.share < FAINT:
        return False
    if not all(_is_named(found, name) for name in statement.variables):
        return False
    signs = [statement.directions[name] * found.directions[name] for name in statement.variables]
    if statement.head == "equality":
        signs = [sign * (signs[0] or 1) for sign in signs]
    return all(sign >= 0 for sign in signs)


def _is_named(statement: Statement, column: str) -> bool:
    strongest = max(statement.strengths.values(), default=0.0)
    return statement.strengths.get(column, 0.0) >= NAMED * strongest > 0


def _column_lines(statement: Statement, found: Sequence[Statement | None]) -> list[tuple]:
    """A line for each column that the statement, or the matching row of any refit, names."""
    counts = dict.fromkeys(statement.variables, 0)
    for other in found:
        for name in () if other is None or other.share < FAINT else other.variables:
            counts[name] = counts.get(name, 0) + 1
    place = (statement.layer, *statement.key)
    named = statement.variables
    return [(*place, name, name in named, count / len(found)) for name, count in counts.items()]
