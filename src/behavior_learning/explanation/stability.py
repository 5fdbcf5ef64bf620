"""How often each statement recurs when the model is fitted again: what appears by chance is seen as such."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment

from behavior_learning.errors import OptionError
from behavior_learning.explanation.names import NAMED
from behavior_learning.explanation.statements import KEPT, MOST_NAMED, Explanation, Statement
from behavior_learning.printing import Printed

__all__ = ["Linear", "Stability", "compare_refits", "effect_recurrence", "expected_false", "match_blocks"]

Key = tuple[str, str, int]

SAMPLES = {"bootstrap": "bootstrap samples", "seeds": "random seeds", "halves": "complementary halves"}
"""What refits of each kind are on."""

NOTHING = 1e-12
"""What a column that does not move an output may move it by."""

RULE = f"Columns are named from {NAMED:g} of the strongest and kept from {KEPT:g}."


@dataclass(frozen=True)
class Linear:
    """What linear regression says, by the rule of statements: the same figure for what everyone knows.

    Attributes
    ----------
    loads : coefficient times standard deviation of each column, for every output; of a category the length of those of
        its levels.
    """

    loads: Float[np.ndarray, "columns outputs"]

    @classmethod
    def of(
        cls, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n m"], weight: Float[np.ndarray, " n"] | None = None
    ) -> "Linear":
        """Least squares of y on x and a constant."""
        root = np.ones((len(x), 1)) if weight is None else np.sqrt(weight)[:, None]
        found = np.linalg.lstsq(root * np.column_stack([np.ones(len(x)), x]), root * y, rcond=None)[0]
        return cls(found[1:] * x.std(axis=0)[:, None])

    @property
    def named(self) -> Bool[np.ndarray, "columns outputs"]:
        """The columns that move an output nearly as far as the strongest, five at most."""
        size = np.abs(self.loads)
        rank = np.argsort(np.argsort(-size, axis=0, kind="stable"), axis=0)
        return (size >= np.maximum(NAMED * size.max(axis=0, initial=0.0), NOTHING)) & (rank < MOST_NAMED)

    def recurrence(self, other: "Linear") -> float:
        """The share of outputs of which the other one says the same."""
        least = np.maximum(KEPT * np.abs(other.loads).max(axis=0, initial=0.0), NOTHING)
        kept = other.loads * np.sign(self.loads) >= least
        return float(np.mean(np.all(kept | ~self.named, axis=0)))


@dataclass(frozen=True, repr=False)
class Stability(Printed):
    """Selection frequencies of the statements of an explanation over refits.

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
    kind : ``"bootstrap"``, ``"seeds"`` or ``"halves"``.
    explanation : with the frequencies beside its statements.
    named : pairs of a head and a column that a refit names on average.
    reference : the share of samples in which what linear regression says recurs, named and kept by the same shares.
    effects : by variable, its average effect per standard deviation and the share of refits in which that has the same
        sign.
    candidates : pairs of a head and a column.
    """

    frequencies: Mapping[Key, float]
    columns: pd.DataFrame
    n: int
    failed: int
    kind: str
    explanation: Explanation
    named: float = np.nan
    reference: float = np.nan
    effects: pd.DataFrame = field(default_factory=pd.DataFrame)
    candidates: int = 0

    @property
    def statements(self) -> pd.DataFrame:
        """The statements of the explanation, with `recurrence` and, beside it, `reference`."""
        often = [self.frequencies[s.key] for s in self.explanation.said]
        return self.explanation.statements.assign(recurrence=often, reference=self.reference)

    def false_columns(self, threshold: float = 0.6) -> float:
        """How many columns of a head recur by chance in a share of the halves above a threshold, at most (Shah and
        Samworth 2013).

        Raises
        ------
        OptionError
            If refits were not on halves, or the threshold is not between one half and one.
        """
        if self.kind != "halves" or not self.candidates or not 0.5 < threshold <= 1:
            raise OptionError(
                f"The bound is for kind='halves' and a threshold above 0.5; got {self.kind!r} and {threshold}."
            )
        return expected_false(threshold, self.named, self.candidates, (self.n + self.failed) // 2)

    @property
    def by_column(self) -> dict[Key, dict[str, float]]:
        """By block, head and row, the frequencies of the columns that the statement names."""
        places: dict[Key, dict[str, float]] = {}
        named = self.columns[self.columns["named"]]
        for line in named.itertuples(index=False):
            places.setdefault((line.block, line.head, line.row), {})[line.column] = line.frequency
        return places

    def to_frame(self) -> pd.DataFrame:
        """One line per statement with its frequency."""
        return self.explanation.to_frame()

    def text(self) -> str:
        """The explanation with its frequencies."""
        failed = f" ({self.failed} more found no parameters)" if self.failed else ""
        lines = [f"Frequencies over {self.n} refits on {SAMPLES[self.kind]}{failed}, selection included. {RULE}"]
        if np.isfinite(self.reference):
            lines.append(f"What linear regression says of the same samples recurs in {self.reference:.0%}.")
        if self.kind == "halves" and self.candidates:
            lines.append(
                f"Columns of a head that recur in 60% of the halves by chance: {self.false_columns():.2g} at most."
            )
        if len(self.effects):
            signs = (f"{name} {share:.0%}" for name, share in self.effects["same_sign"].items())
            lines.append(f"Effects on the mean have the same sign in: {', '.join(signs)}.")
        return "\n".join([*lines, self.explanation.text()])

    def __str__(self) -> str:
        return self.text()


def compare_refits(
    reference: Explanation, refits: Sequence[Explanation], kind: str, *, candidates: int = 0, failed: int = 0
) -> Stability:
    """Compare an explanation with those of refits, all on the same rows; see `Stability`."""
    matched = [_match_statements(reference, refit) for refit in refits]
    frequencies, lines = {}, []
    for s in reference.said:
        found = [statements[s.key] for statements in matched if s.key in statements]
        frequencies[s.key] = sum(map(s.recurs_in, found)) / len(matched)
        # A line for each column that the statement, or the matching row of any refit, names.
        counts = Counter(name for other in found if not other.faint for name in other.variables)
        columns = dict.fromkeys([*s.variables, *counts])
        lines += [(s.layer, *s.key, name, name in s.variables, counts[name] / len(matched)) for name in columns]
    frame = pd.DataFrame(lines, columns=["layer", "block", "head", "row", "column", "named", "frequency"])
    named = [len({(s.head, name) for s in refit.said if not s.faint for name in s.variables}) for refit in refits]
    stability = Stability(
        frequencies, frame, len(refits), failed, kind, reference, float(np.mean(named)), candidates=candidates
    )
    return replace(stability, explanation=reference.with_frequencies(frequencies, stability.by_column))


def effect_recurrence(reference: pd.Series, refits: Sequence[pd.Series]) -> pd.DataFrame:
    """By variable: its effect, and the share of refits in which that has the same sign."""
    same = [np.sign(refit.reindex(reference.index)) == np.sign(reference) for refit in refits]
    return pd.DataFrame({"estimate": reference, "same_sign": np.mean(same, axis=0)})


def expected_false(threshold: float, named: float, candidates: int, pairs: int) -> float:
    """C(τ, B)·q²/p: the expected number of candidates that recur in a share τ of half-samples by chance, at most.

    By chance means: of those that a half-sample names no more often than one in p/q. It holds where the distribution of
    how often a pair of halves names such a candidate is unimodal.

    Source: Shah and Samworth (2013), Theorem 2 and Equation 8, with θ = q/p.

    Parameters
    ----------
    threshold : τ, above one half.
    named : q, candidates that a half-sample names on average.
    candidates : p.
    pairs : B, complementary pairs of half-samples.
    """
    theta = named / candidates
    if threshold <= 0.75:
        low = min(0.5 + theta**2, 0.5 + 1 / (2 * pairs) + 0.75 * theta**2)
        steep = 1 / max(2 * (2 * threshold - 1 - 1 / (2 * pairs)), 1e-12) if threshold > low else np.inf
    else:
        steep = 4 * (1 - threshold + 1 / (2 * pairs)) / (1 + 1 / pairs)
    return float(min(steep, 1 / (2 * threshold - 1)) * theta * named)


def match_blocks(reference: Explanation, refit: Explanation) -> dict[str, str]:
    """The block of the reference that each block of a refit is most like, by assignment within each layer."""
    names: dict[str, str] = {}
    for layer in dict.fromkeys(s.layer for s in reference.said if s.head != "output"):
        ours, theirs = _heads(reference, layer, {}), _heads(refit, layer, names)
        names |= {b: a for a, b in _assign(ours, theirs, _likeness)}
    return names


Loads = Mapping[Any, float]


def _heads(explanation: Explanation, layer: int, names: Mapping[str, str]) -> dict[str, list[tuple[str, Loads]]]:
    """By block of a layer, the head of every row and how far the row moves the block through each column."""
    blocks: dict[str, list[tuple[str, Loads]]] = {}
    for statement in explanation.said:
        if statement.layer == layer and statement.head != "output":
            loads = statement.renamed(names).signed_strengths
            blocks.setdefault(statement.block, []).append((statement.head, loads))
    return blocks


def _assign(ours: Mapping[Any, Any], theirs: Mapping[Any, Any], likeness: Any) -> list[tuple[Any, Any]]:
    """Pairs of keys, one of ours and one of theirs, that make the sum of likenesses largest."""
    table = np.array([[likeness(a, b) for b in theirs.values()] for a in ours.values()])
    rows, columns = linear_sum_assignment(-table.reshape(len(ours), len(theirs)))
    return [(list(ours)[a], list(theirs)[b]) for a, b in zip(rows, columns, strict=True)]


def _likeness(ours: Sequence[tuple[str, Loads]], theirs: Sequence[tuple[str, Loads]]) -> float:
    """Cosines of the columns that move a block: by head and direction, by head, and over all heads."""
    total = 0.0
    for by_head, signed in ((True, True), (True, False), (False, False)):
        profiles: tuple[defaultdict[Any, float], ...] = (defaultdict(float), defaultdict(float))
        for profile, rows in zip(profiles, (ours, theirs), strict=True):
            for head, loads in rows:
                for column, value in loads.items():
                    profile[head if by_head else "", column] += value if signed else abs(value)
        total += _cosine(profiles[0], profiles[1])
    return total


def _cosine(a: Loads, b: Loads) -> float:
    sizes = [sum(value**2 for value in profile.values()) ** 0.5 for profile in (a, b)]
    return sum(value * b.get(key, 0.0) for key, value in a.items()) / (sizes[0] * sizes[1] or 1.0)


def _match_statements(reference: Explanation, refit: Explanation) -> dict[Key, Statement]:
    """For every statement of the reference, the row of the refit that matches it, in the reference's names."""
    names = match_blocks(reference, refit)
    places = names | {s.block: s.block for s in refit.said if s.head == "output"}
    matched: dict[Key, Statement] = {}
    for block, head in dict.fromkeys((s.block, s.head) for s in reference.said):
        ours = {s.key: s for s in reference.said if (s.block, s.head) == (block, head)}
        found = [s for s in refit.said if (places.get(s.block, ""), s.head) == (block, head)]
        theirs = {s.key: s.renamed(names) for s in found}
        pairs = _assign(ours, theirs, lambda a, b: _cosine(a.signed_strengths, b.signed_strengths))
        matched |= {a: theirs[b] for a, b in pairs}
    return matched
