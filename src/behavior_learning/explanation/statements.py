"""What a learned problem says, bottom-up and one statement at a time, with the numbers behind each (Section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from behavior_learning.core.heads import ROLES
from behavior_learning.explanation.legend import Legend
from behavior_learning.explanation.names import NAMED
from behavior_learning.explanation.types import BlockType
from behavior_learning.printing import Printed
from behavior_learning.symbolic.text import format_number

__all__ = ["DIGITS", "KEPT", "MOST_NAMED", "Explanation", "Statement", "Term", "named_columns"]

KEPT = 0.15
"""A statement recurs where its columns move the matching row at least this share of what the strongest does."""

MOST_NAMED = 5
"""Columns that a statement names at most."""

FAINT = 0.05
"""A row that moves its block by less than this share says nothing."""

DIGITS = 2
"""Significant digits of the numbers in a statement."""


@dataclass(frozen=True)
class Term:
    """One term of a row: coefficient · monomial.

    Attributes
    ----------
    name : the monomial.
    coefficient : in the user's units.
    strength : standard deviation of the term over the rows.
    share : of the strengths of all terms of its row.
    """

    name: str
    coefficient: float
    strength: float
    share: float


@dataclass(frozen=True)
class Statement:
    """What one row of a block says, and the numbers behind it.

    Attributes
    ----------
    layer : counted from 1; outputs come one layer above the last block.
    block : name of the block, or of the output.
    title : the name proposed for the block, or the one the user gave it.
    head : ``"utility"``, ``"inequality"``, ``"equality"``, ``"shortcut"`` (a residual skip) or ``"output"``.
    row : counted from 1 within its head.
    text : the statement.
    variables : the columns, or blocks below, that it names, strongest first.
    strengths : for every column the movement of what the row adds that is lost when the column is held at its mean.
    directions : for every column 1 where multiplier · row rises in it, −1 where it falls and 0 where neither.
    terms : every term, strongest first.
    multiplier, scale : λ, and what multiplies the polynomial inside the head.
    moves : movement of what it adds to its block's utility: the standard deviation over p(y|x), row by row, after its
        mean given x is taken off.
    share : of the movement of all rows of its block; for a shortcut, its movement beside that of the block.
    active : share of rows in which the polynomial is positive; for an inequality, in which it is exceeded.
    penalty : mean of what it takes from the block's utility; negative where it adds.
    raises : mean of ∂BL/∂s, of the whole by the utility of its block; 0 of classes, each beside the mean of all.
    sign_share : share of rows in which that is positive.
    frequency : share of refits that say the same, where stability was computed.
    column_frequencies : the same for each column that the statement names.
    """

    layer: int
    block: str
    title: str
    head: str
    row: int
    text: str
    variables: tuple[str, ...]
    strengths: Mapping[str, float]
    directions: Mapping[str, int]
    terms: tuple[Term, ...]
    multiplier: float
    scale: float
    moves: float
    share: float
    active: float
    penalty: float
    raises: float = 1.0
    sign_share: float = 1.0
    frequency: float | None = None
    column_frequencies: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """Block, head and row."""
        return self.block, self.head, self.row

    @property
    def signed_strengths(self) -> dict[str, float]:
        """How far the row moves its block through each column, with the direction as sign; an equality has none."""
        size, loads = sum(self.strengths.values()) or 1.0, {}
        for column, strength in self.strengths.items():
            sign = 1 if self.head == "equality" else self.directions.get(column) or 1
            loads[column] = sign * self.moves * strength / size
        return loads

    def renamed(self, names: Mapping[str, str]) -> "Statement":
        """The same statement with other names for columns and blocks."""
        variables = tuple(names.get(name, name) for name in self.variables)
        strengths = {names.get(name, name): value for name, value in self.strengths.items()}
        directions = {names.get(name, name): value for name, value in self.directions.items()}
        return replace(self, variables=variables, strengths=strengths, directions=directions)

    def recurs_in(self, found: "Statement") -> bool:
        """Whether a statement says the same: the same columns move it, not much less, and rise and fall as here."""
        strongest = max(found.strengths.values(), default=0.0)
        named = [found.strengths.get(name, 0.0) >= KEPT * strongest > 0 for name in self.variables]
        if not self.variables or found.faint or not all(named):
            return False
        signs = [self.directions[name] * found.directions[name] for name in self.variables]
        if self.head == "equality":
            signs = [sign * (signs[0] or 1) for sign in signs]
        return all(sign >= 0 for sign in signs)

    @property
    def entering(self) -> str:
        """How the block enters the whole."""
        if not self.variables:
            return "no column moves it"
        slope = f", by {format_number(self.raises, DIGITS)} per unit" if self.raises else ", and lowers it as much"
        return f"raises the whole in {self.sign_share:.0%} of the cases{slope}"

    @property
    def faint(self) -> bool:
        """Whether the row moves its block too little to say anything."""
        return self.share < FAINT

    @property
    def numbers(self) -> str:
        """The numbers behind the statement, in one line."""
        often = {name: f" ({share:.0%})" for name, share in self.column_frequencies.items()}
        strongest = list(self.strengths.items())[: len(self.variables)]
        strengths = ", ".join(
            f"{name} {format_number(value, DIGITS)}{often.get(name, '')}" for name, value in strongest
        )
        parts = [f"λ = {format_number(self.multiplier, DIGITS)}"] if self.head in ROLES else []
        parts.append(f"moves {format_number(self.moves, DIGITS)} ({self.share:.0%} of the block)")
        parts += [f"by column {strengths}"] if strengths else []
        if self.head == "inequality":
            parts.insert(1, f"exceeded in {self.active:.0%} of the rows")
        if self.head in ("inequality", "equality"):
            parts.insert(1, f"mean penalty {format_number(self.penalty, DIGITS)}")
        if self.frequency is not None:
            parts.append(f"as a whole in {self.frequency:.0%} of the refits, by column in brackets")
        return "; ".join(parts)


@dataclass(frozen=True, repr=False)
class Explanation(Printed):
    """A learned problem read bottom-up: inputs → blocks → blocks of blocks → the whole.

    Attributes
    ----------
    said : statements from the first layer to the outputs.
    names : by block, the name proposed for it.
    response : the columns of y.
    rows : rows of data behind the numbers.
    of : how many rows trained, where those are a sample of a stream.
    members : of how many problems the one that is read is the mean.
    kinds : what every block stands for, as in Tables 10 and 11.
    legend : what the columns mean.

    Source: Section 4, Figure 4.
    """

    said: tuple[Statement, ...]
    names: Mapping[str, str]
    response: tuple[str, ...]
    rows: int
    of: int | None = None
    members: int = 1
    kinds: tuple[BlockType, ...] = ()
    legend: Legend = field(default_factory=Legend)

    def text(self) -> str:
        """The statements, each with its numbers below it."""
        stream = "" if self.of is None else f" sampled from a stream of {self.of:,}"
        lines = [
            f"Read bottom-up; every number is over {self.rows:,} rows{stream}. Movements are standard deviations "
            "over p(y|x), what depends on the inputs alone taken off."
        ]
        if self.members > 1:
            lines.append(
                f"This is members_[0], to read; the model is the mean of {self.members} problems, to predict with."
            )
        layer, block, represents = 0, "", {kind.block: kind.represents for kind in self.kinds}
        for statement in self.said:
            if statement.layer != layer:
                layer, outputs = statement.layer, statement.head == "output"
                lines += ["", "The whole" if outputs else f"Layer {layer}"]
            if statement.block != block:
                block = statement.block
                title = "" if statement.title == block else f", {statement.title}"
                enters = "" if statement.head == "output" else f" ({statement.entering})"
                lines.append(f"  {block}{title}{enters}")
                lines += [f"    {represents[block]}"] if block in represents else []
            lines += [f"    {statement.text}", f"        {statement.numbers}"]
        lines += ["", "Columns"] * bool(self.legend.descriptions)
        lines += [f"  {column}: {text}" for column, text in self.legend.descriptions.items()]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    @property
    def statements(self) -> pd.DataFrame:
        """One line per statement: block, head, columns, text, moves, share and sign_share."""
        lines = [(s.block, s.head, s.variables, s.text, s.moves, s.share, s.sign_share) for s in self.said]
        return pd.DataFrame(lines, columns=["block", "head", "columns", "text", "moves", "share", "sign_share"])

    @property
    def types(self) -> pd.DataFrame:
        """What every block stands for, a line each: layer, type, represents, share and sign_share.

        Source: Tables 10 and 11. Deviation: by the rule of `behavior_learning.explanation.types`, from movements over
        p(y|x) and from signs, which data determine; names of mechanisms in a literature are the reader's to add.
        """
        lines = [kind._asdict() for kind in self.kinds]
        return pd.DataFrame(lines, columns=BlockType._fields).rename(columns={"title": "type"}).set_index("block")

    def to_frame(self) -> pd.DataFrame:
        """Everything known of each statement, a line each."""
        plain = [name for name in Statement.__dataclass_fields__ if name not in ("terms", "strengths", "directions")]
        lines = [
            {name: getattr(s, name) for name in plain}
            | {"strengths": dict(s.strengths), "directions": dict(s.directions)}
            for s in self.said
        ]
        return pd.DataFrame(lines).rename(columns={"text": "statement", "title": "name"})

    def to_terms(self) -> pd.DataFrame:
        """One line per term of every statement."""
        return pd.DataFrame(
            [
                {"layer": s.layer, "block": s.block, "head": s.head, "row": s.row, "term": t.name}
                | {"coefficient": t.coefficient, "strength": t.strength, "share": t.share}
                for s in self.said
                for t in s.terms
            ],
            columns=["layer", "block", "head", "row", "term", "coefficient", "strength", "share"],
        )

    def with_frequencies(
        self,
        frequencies: Mapping[tuple[str, str, int], float],
        columns: Mapping[tuple[str, str, int], Mapping[str, float]],
    ) -> "Explanation":
        """The same with the share of refits that say the same beside each statement and each of its columns."""
        statements = (
            replace(s, frequency=frequencies.get(s.key), column_frequencies=columns.get(s.key, {})) for s in self.said
        )
        return replace(self, said=tuple(statements))


def named_columns(strengths: Mapping[str, float]) -> tuple[str, ...]:
    """The columns that a statement names, by how far each moves it, strongest first."""
    strongest = max(strengths.values(), default=0.0)
    return tuple(name for name, strength in strengths.items() if strength >= NAMED * strongest > 0)[:MOST_NAMED]
