"""What a learned problem says, bottom-up and one statement at a time, with the numbers behind each (Section 4)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from behavior_learning.explanation.measure import MeasuredBlock, MeasuredRow, column_of, measure_blocks, spread
from behavior_learning.explanation.names import proposed_names
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Hierarchy, LearnedUMP
from behavior_learning.symbolic.text import format_monomial, format_number, format_polynomial

__all__ = ["Reading", "Statement", "Term", "read_statements"]

NAMED = 0.3
"""A statement names the columns that move it at least this share of what the strongest does."""

MOST_NAMED = 5
"""Columns that it names at most."""

TERMS = 3
"""Terms that a statement writes out."""

DIGITS = 2

WORDS = {
    ("utility", True): "wants",
    ("inequality", True): "is limited by",
    ("equality", True): "believes",
    ("utility", False): "rewards",
    ("inequality", False): "penalises",
    ("equality", False): "penalises",
}
"""What a row of a block says, by its head and whether the block sees the response."""

ABOVE = {"utility": "aggregates", "inequality": "trades off", "equality": "balances"}
"""The same for blocks that see blocks alone."""


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
    strengths : for every column the standard deviation of what changes inside the head when it is held at its mean.
    directions : for every column 1 where multiplier · row rises in it, −1 where it falls and 0 where neither.
    terms : every term, strongest first.
    multiplier, scale : λ, and what multiplies the polynomial inside the head.
    moves : standard deviation over the rows of what it adds to its block's utility.
    share : of the movement of all rows of its block; for a shortcut, its movement beside that of the block.
    active : share of rows in which the polynomial is positive; for an inequality, in which it is exceeded.
    penalty : mean of what it takes from the block's utility; negative where it adds.
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
    frequency: float | None = None
    column_frequencies: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """Block, head and row."""
        return self.block, self.head, self.row

    @property
    def numbers(self) -> str:
        """The numbers behind the statement, in one line."""
        often = {name: f" ({share:.0%})" for name, share in self.column_frequencies.items()}
        strongest = list(self.strengths.items())[: len(self.variables)]
        strengths = ", ".join(
            f"{name} {format_number(value, DIGITS)}{often.get(name, '')}" for name, value in strongest
        )
        parts = [f"λ = {format_number(self.multiplier, DIGITS)}"] if self.head in WORDS_OF_HEADS else []
        parts += [
            f"moves {format_number(self.moves, DIGITS)} ({self.share:.0%} of the block)",
            f"by column {strengths}",
        ]
        if self.head == "inequality":
            parts.insert(1, f"exceeded in {self.active:.0%} of the rows")
        if self.head in ("inequality", "equality"):
            parts.insert(1, f"mean penalty {format_number(self.penalty, DIGITS)}")
        if self.frequency is not None:
            parts.append(f"as a whole in {self.frequency:.0%} of the refits, by column in brackets")
        return "; ".join(parts)


WORDS_OF_HEADS = tuple(ABOVE)


@dataclass(frozen=True)
class Reading:
    """A learned problem read bottom-up: inputs → blocks → blocks of blocks → the whole.

    Attributes
    ----------
    statements : from the first layer to the outputs.
    names : by block, the name proposed for it.
    response : the columns of y.
    rows : rows of data behind the numbers.

    Source: Section 4, Figure 4.
    """

    statements: tuple[Statement, ...]
    names: Mapping[str, str]
    response: tuple[str, ...]
    rows: int

    def text(self) -> str:
        """The statements, each with its numbers below it."""
        lines = [f"Read bottom-up; every number is over {self.rows:,} rows, strengths are standard deviations."]
        layer, block = 0, ""
        for statement in self.statements:
            if statement.layer != layer:
                layer, outputs = statement.layer, statement.head == "output"
                lines += ["", "The whole" if outputs else f"Layer {layer}"]
            if statement.block != block:
                block = statement.block
                title = "" if statement.title == block else f", {statement.title}"
                lines.append(f"  {block}{title}")
            lines += [f"    {statement.text}", f"        {statement.numbers}"]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def to_frame(self) -> pd.DataFrame:
        """One line per statement."""
        plain = [name for name in Statement.__dataclass_fields__ if name not in ("terms", "strengths", "directions")]
        lines = [
            {name: getattr(s, name) for name in plain}
            | {"strengths": dict(s.strengths), "directions": dict(s.directions)}
            for s in self.statements
        ]
        return pd.DataFrame(lines).rename(columns={"text": "statement", "title": "name"})

    def to_terms(self) -> pd.DataFrame:
        """One line per term of every statement."""
        return pd.DataFrame(
            [
                {"layer": s.layer, "block": s.block, "head": s.head, "row": s.row, "term": t.name}
                | {"coefficient": t.coefficient, "strength": t.strength, "share": t.share}
                for s in self.statements
                for t in s.terms
            ],
            columns=["layer", "block", "head", "row", "term", "coefficient", "strength", "share"],
        )

    def with_frequencies(
        self,
        frequencies: Mapping[tuple[str, str, int], float],
        columns: Mapping[tuple[str, str, int], Mapping[str, float]],
    ) -> "Reading":
        """The same reading with the share of refits that say the same beside each statement and each of its columns."""
        statements = (
            replace(s, frequency=frequencies.get(s.key), column_frequencies=columns.get(s.key, {}))
            for s in self.statements
        )
        return replace(self, statements=tuple(statements))


def read_statements(
    problem: LearnedUMP | Hierarchy, values: Mapping[str, np.ndarray], *, original: Collection[str] = ()
) -> Reading:
    """Read a problem on rows of data.

    Parameters
    ----------
    values : every variable that blocks read, curves included, one number per row of data.
    original : names of blocks that the user has not changed; these get the proposed name as a title.
    """
    blocks, known = measure_blocks(problem, values)
    first = blocks[0].ump
    response = tuple(dict.fromkeys(column_of(name, first) for name in problem.response))
    names = proposed_names(blocks, response)
    context = _Context(known, response, {n: t if n in original else n for n, t in names.items()})
    statements = [s for block in blocks for s in _block_statements(block, context)]
    if isinstance(problem, Hierarchy):
        statements += _output_statements(problem, blocks, context)
    return Reading(tuple(statements), names, response, len(next(iter(known.values()))))


@dataclass(frozen=True)
class _Context:
    values: Mapping[str, np.ndarray]
    response: tuple[str, ...]
    titles: Mapping[str, str] = field(default_factory=dict)


def _block_statements(block: MeasuredBlock, context: _Context) -> list[Statement]:
    statements = [_row_statement(block, row, context) for row in block.rows]
    if block.ump.shortcut.monomials:
        statements.append(_sum_statement(block.ump.shortcut, block, "shortcut", "passes on", block.layer, context))
    return statements


def _row_statement(block: MeasuredBlock, row: MeasuredRow, context: _Context) -> Statement:
    strengths = dict(sorted(row.columns.items(), key=lambda item: -item[1]))
    return Statement(
        block.layer,
        block.ump.name,
        context.titles[block.ump.name],
        row.goal.head.role,
        row.number,
        _sentence(block, row, _named(strengths), context),
        _named(strengths),
        strengths,
        row.directions,
        _terms(row.goal.polynomial, row.terms),
        row.goal.multiplier,
        row.goal.scale,
        row.moves,
        block.share(row),
        row.active,
        row.penalty,
    )


def _named(strengths: Mapping[str, float]) -> tuple[str, ...]:
    strongest = max(strengths.values(), default=0.0)
    return tuple(name for name, strength in strengths.items() if strength >= NAMED * strongest > 0)[:MOST_NAMED]


def _terms(polynomial: Polynomial, strengths: Mapping[Monomial, float]) -> tuple[Term, ...]:
    total = sum(strengths.values()) or 1.0
    order = sorted(strengths, key=lambda monomial: -strengths[monomial])
    return tuple(
        Term(format_monomial(m), polynomial.coefficients[m], strengths[m], strengths[m] / total) for m in order
    )


def _sentence(block: MeasuredBlock, row: MeasuredRow, named: Sequence[str], context: _Context) -> str:
    head, sees_response = row.goal.head.role, any(name in row.columns for name in context.response)
    above = block.layer > 1 and all(name in context.titles for name in row.columns)
    word = ABOVE[head] if above else WORDS[head, sees_response or bool(block.ump.response)]
    if not named:
        return f"{word} nothing that varies"
    if head == "utility" and above:
        return f"{word} {_weighed(named, row.directions)}"
    if head == "utility":
        return f"{word} {_listed([_directed(name, row.directions[name], context) for name in named])}"
    if word == "penalises" or row.goal.multiplier < 0:
        beyond = "above 0" if head == "inequality" else "away from 0"
        verb = "penalises" if row.goal.multiplier >= 0 else "rewards"
        return f"{verb} {_shortened(row, {}, context.values)} {beyond}"
    return f"{word} {_relation(row, context)}"


def _weighed(names: Sequence[str], directions: Mapping[str, int]) -> str:
    """Blocks that raise a utility, less those that lower it."""
    raising, lowering = ([n for n in names if (directions[n] >= 0) == up] for up in (True, False))
    less = f" less {_listed(lowering)}" if lowering else ""
    return (_listed(raising) if raising else "nothing") + less


def _directed(name: str, direction: int, context: _Context) -> str:
    words = {1: f"higher {name}", -1: f"lower {name}", 0: f"{name} (either way)"}
    return words[direction]


def _relation(row: MeasuredRow, context: _Context) -> str:
    """y ≤ … or y = … where the row is solved for a response, and … ≤ 0 or … = 0 otherwise."""
    equal = row.goal.head.role == "equality"
    for name in context.response:
        y = ((name, 1),)
        with_y = [m for m in row.goal.polynomial.monomials if any(part == name for part, _ in m)]
        if with_y == [y] and abs(row.goal.polynomial.coefficients[y]) == 1.0:
            sign = row.goal.polynomial.coefficients[y]
            other = _shortened(row, {y: sign}, context.values, -sign)
            return f"{name} {'=' if equal else '<=' if sign > 0 else '>='} {other}"
    return f"{_shortened(row, {}, context.values)} {'=' if equal else '<='} 0"


def _shortened(
    row: MeasuredRow, solved: Mapping[Monomial, float], values: Mapping[str, np.ndarray], factor: float = 1.0
) -> str:
    """The strongest terms apart from those solved for; smaller ones enter the constant at their means."""
    polynomial = row.goal.polynomial.without(Polynomial(solved)).scaled(factor)
    order = sorted(polynomial.monomials, key=lambda monomial: -row.terms[monomial])
    kept, omitted = order[:TERMS], order[TERMS:]
    mean = float(np.mean(Polynomial({m: polynomial.coefficients[m] for m in omitted}).evaluate(values)))
    brief = Polynomial({m: polynomial.coefficients[m] for m in kept} | {(): polynomial.constant + mean})
    more = f" (and {len(omitted)} smaller terms)" if omitted else ""
    return format_polynomial(brief, kept, DIGITS) + more


def _output_statements(problem: Hierarchy, blocks: Sequence[MeasuredBlock], context: _Context) -> list[Statement]:
    top = blocks[-1]
    layer = top.layer + 1
    what = f"the most likely {', '.join(context.response)} maximises" if top.ump.response else "gains from"
    return [
        replace(_sum_statement(output, top, "output", what, layer, context), block=name, title=name)
        for name, output in problem.outputs.items()
    ]


def _sum_statement(
    polynomial: Polynomial, block: MeasuredBlock, head: str, word: str, layer: int, context: _Context
) -> Statement:
    """A weighted sum of blocks: a readout, or what a residual skip adds."""
    terms = {m: spread(Polynomial({m: v}).evaluate(context.values)) for m, v in polynomial.monomials.items()}
    order = sorted(terms, key=lambda monomial: -terms[monomial])
    strengths = {monomial[0][0]: terms[monomial] for monomial in order}
    moves = spread(np.asarray(polynomial.evaluate(context.values)))
    share = 1.0 if head == "output" else moves / (block.moves or 1.0)
    text = f"{word} {format_polynomial(polynomial, order, DIGITS)}"
    signs = {m[0][0]: int(np.sign(v)) for m, v in polynomial.monomials.items()}
    name, title = block.ump.name, context.titles[block.ump.name]
    numbers = (1.0, 1.0, moves, share, 1.0, 0.0)
    return Statement(
        layer, name, title, head, 1, text, _named(strengths), strengths, signs, _terms(polynomial, terms), *numbers
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
