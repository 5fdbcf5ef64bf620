"""What a learned problem says, bottom-up and one statement at a time, with the numbers behind each (Section 4)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from behavior_learning.core.heads import ROLES
from behavior_learning.explanation.legend import Legend
from behavior_learning.explanation.measure import (
    MeasuredBlock,
    MeasuredTerm,
    measure_blocks,
    monomial_strengths,
    movement,
)
from behavior_learning.explanation.names import DEFINITE, NAMED, propose_names
from behavior_learning.explanation.types import BlockType, block_types
from behavior_learning.printing import Printed
from behavior_learning.symbolic.evaluate import head_values
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Problem
from behavior_learning.symbolic.text import format_monomial, format_number, format_polynomial

__all__ = ["Explanation", "Statement", "Term", "explain_problem", "named_columns"]

KEPT = 0.15
"""A statement recurs where its columns move the matching row at least this share of what the strongest does."""

MOST_NAMED = 5
"""Columns that it names at most."""

FAINT = 0.05
"""A row that moves its block by less than this share says nothing."""

POOL = ".pool"
"""Ending of the name of blocks that only add up."""

FAR = 10.0
"""Standard deviations of a row between its zero and the data from which the data do not say where that is: what it adds
is then a line, less a twentieth at most."""

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

INDEFINITE = {"utility": "rises with", "inequality": "falls where", "equality": "falls as"}
"""The same for blocks that do not raise the whole in almost every row: what moves their utility, and no wish."""

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
    strengths : for every column the movement of what the row adds that is lost when the column is held at its mean.
    directions : for every column 1 where multiplier · row rises in it, −1 where it falls and 0 where neither.
    terms : every term, strongest first.
    multiplier, scale : λ, and what multiplies the polynomial inside the head.
    moves : movement of what it adds to its block's utility: the standard deviation over p(y|x), row by row, after its
        mean given x is taken off.
    share : of the movement of all rows of its block; for a shortcut, its movement beside that of the block.
    active : share of rows in which the polynomial is positive; for an inequality, in which it is exceeded.
    penalty : mean of what it takes from the block's utility; negative where it adds.
    raises : mean of ∂BL/∂s, of the whole by the utility of its block.
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
        return (
            f"raises the whole in {self.sign_share:.0%} of the cases, by {format_number(self.raises, DIGITS)} per unit"
        )

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


def explain_problem(
    problem: Problem,
    values: Mapping[str, np.ndarray],
    *,
    original: Collection[str] = (),
    legend: Legend | None = None,
) -> Explanation:
    """Say what a problem says, on rows of data.

    Parameters
    ----------
    values : every variable that blocks read, curves included, one number per row of data.
    original : names of blocks that the user has not changed; these get the proposed name as a title.
    legend : what the columns mean; blocks are named for themes where columns have one.
    """
    problem, legend = pooled(problem), legend or Legend()
    blocks, known = measure_blocks(problem, values)
    response = tuple(dict.fromkeys(blocks[0].block.column_of(name) for name in problem.response))
    names = propose_names(blocks, response, legend.theme_of)
    own = {*original, *(name for name in problem.blocks if name.endswith(POOL))}
    titles = {name: title if name in own else name for name, title in names.items()}
    words = _Words(known, response, titles)
    statements = [statement for block in blocks for statement in words.statements(block)]
    for name, output in problem.readouts.items():
        top, likely = blocks[-1], f"the most likely {', '.join(response)} maximises"
        whole = words.weighted_sum(output, top, "output", likely if problem.chooses else "gains from")
        statements.append(replace(whole, layer=top.layer + 1, block=name, title=name))
    kinds = block_types(blocks, response, titles, legend)
    rows = len(next(iter(known.values())))
    return Explanation(tuple(statements), names, response, rows, kinds=kinds, legend=legend)


def pooled(problem: Problem) -> Problem:
    """The same problem with blocks of the last layer that only add up as one block.

    How a sum is split into agents is not determined: only the pool of their rows is.
    """
    top, number = problem.layers[-1], len(problem.layers)
    if len(top) == 1 or not problem.chooses or len(problem.outputs) != 1:
        return problem
    ((output, polynomial),) = problem.outputs.items()
    weight = {block.name: polynomial.coefficients.get(((block.name, 1),), 0.0) for block in top}
    terms = [replace(t, multiplier=weight[b.name] * t.multiplier) for b in top for t in b.head_terms if weight[b.name]]
    order = sorted(terms, key=lambda term: list(ROLES).index(term.head.role))
    shortcuts = [block.shortcut.scaled(weight[block.name]) for block in top]
    gathered = {
        part: {name: value for block in top for name, value in getattr(block, part).items()}
        for part in ("standard_deviations", "curves", "sources")
    }
    shortcut = sum(shortcuts[1:], start=shortcuts[0])
    pool = replace(top[0], name=f"block{number}{POOL}", head_terms=tuple(order), shortcut=shortcut, **gathered)
    return replace(problem, layers=(*problem.layers[:-1], (pool,)), outputs={output: pool.itself})


@dataclass(frozen=True)
class _Words:
    """Puts measured blocks into words.

    Attributes
    ----------
    values : every variable and block, one number per row of data.
    titles : what blocks are called.
    """

    values: Mapping[str, np.ndarray]
    response: tuple[str, ...]
    titles: Mapping[str, str]

    def statements(self, block: MeasuredBlock) -> list[Statement]:
        """What each row of a block says, and what it passes on."""
        statements = [self.row(block, term) for term in block.terms]
        if block.block.shortcut.monomials:
            statements.append(self.weighted_sum(block.block.shortcut, block, "shortcut", "passes on"))
        return statements

    def row(self, block: MeasuredBlock, measured: MeasuredTerm) -> Statement:
        strengths = dict(sorted(measured.columns.items(), key=lambda item: -item[1]))
        return Statement(
            layer=block.layer,
            block=block.block.name,
            title=self.titles[block.block.name],
            head=measured.term.head.role,
            row=measured.number,
            text=self.sentence(block, measured, named_columns(strengths)),
            variables=named_columns(strengths),
            strengths=strengths,
            directions=measured.directions,
            terms=_terms(measured.term.polynomial, measured.monomials),
            multiplier=measured.term.multiplier,
            scale=measured.term.scale,
            moves=measured.moves,
            share=block.share(measured),
            active=measured.active,
            penalty=measured.penalty,
            raises=block.raises,
            sign_share=block.sign_share,
        )

    def weighted_sum(self, polynomial: Polynomial, block: MeasuredBlock, head: str, word: str) -> Statement:
        """A weighted sum of blocks: a readout, or what a residual skip adds."""
        terms = monomial_strengths(polynomial, self.values, movement)
        strengths = {monomial[0][0]: strength for monomial, strength in terms.items()}
        moves = movement(np.asarray(polynomial.evaluate(self.values)))
        return Statement(
            layer=block.layer,
            block=block.block.name,
            title=self.titles[block.block.name],
            head=head,
            row=1,
            text=f"{word} {format_polynomial(polynomial, list(terms), DIGITS)}",
            variables=named_columns(strengths),
            strengths=strengths,
            directions={m[0][0]: int(np.sign(v)) for m, v in polynomial.monomials.items()},
            terms=_terms(polynomial, terms),
            multiplier=1.0,
            scale=1.0,
            moves=moves,
            share=1.0 if head == "output" else moves / (block.moves or 1.0),
            active=1.0,
            penalty=0.0,
        )

    def sentence(self, block: MeasuredBlock, measured: MeasuredTerm, named: Sequence[str]) -> str:
        head, sees_response = measured.term.head.role, any(name in measured.columns for name in self.response)
        above = block.layer > 1 and all(name in self.titles for name in measured.columns)
        word = ABOVE[head] if above else WORDS[head, sees_response or bool(block.block.response)]
        word = INDEFINITE[head] if block.sign_share < DEFINITE and not above else word
        if not named:
            return "says nothing that varies"
        if self.of_labels(block, measured):
            return self.base_rate(measured)
        if head == "utility" and above:  # Blocks that raise a utility, less those that lower it.
            raising, lowering = ([n for n in named if (measured.directions[n] >= 0) == up] for up in (True, False))
            if not raising:
                return f"opposes {_listed(lowering)}"
            return f"{word} {_listed(raising)}" + (f" less {_listed(lowering)}" if lowering else "")
        if head == "utility":
            directed = {1: "higher {}", -1: "lower {}", 0: "{} (either way)"}
            return f"{word} {_listed([directed[measured.directions[name]].format(name) for name in named])}"
        if head == "equality" and measured.distance > FAR:
            return self.far(measured)
        if word == INDEFINITE[head]:
            return f"{word} {self.shortened(measured)} {'exceeds 0' if head == 'inequality' else 'leaves 0'}"
        if word == "penalises" or measured.term.multiplier < 0:
            beyond = "above 0" if head == "inequality" else "away from 0"
            verb = "penalises" if measured.term.multiplier >= 0 else "rewards"
            return f"{verb} {self.shortened(measured)} {beyond}"
        return f"{word} {self.relation(measured)}"

    def of_labels(self, block: MeasuredBlock, measured: MeasuredTerm) -> bool:
        """Whether a row holds nothing but levels of the response."""
        own = block.block
        levels = {
            name for name, source in own.sources.items() if source.kind == "level" and source.column in self.response
        }
        return set(measured.term.polynomial.variables) <= levels

    def base_rate(self, measured: MeasuredTerm) -> str:
        """Which labels a row favours whatever the inputs, beside the label that has no indicator."""
        term, names = measured.term, measured.term.polynomial.variables

        def added(name: str | None) -> float:
            at = {other: np.asarray(float(other == name)) for other in names}
            return float(head_values(term, np.asarray(term.polynomial.evaluate(at))))

        favoured = [f"{name} {'more' if added(name) > added(None) else 'less'} likely" for name in names]
        return f"makes {_listed(favoured)} (a base rate, whatever the inputs)"

    def far(self, measured: MeasuredTerm) -> str:
        """A square, or its like, whose zero lies far from all data: a line there, and an exponential law."""
        polynomial = measured.term.polynomial.without(Polynomial({(): measured.term.polynomial.constant}))
        above = np.mean(measured.term.polynomial.evaluate(self.values)) > 0
        brief = format_polynomial(polynomial, list(measured.monomials)[:TERMS], DIGITS)
        more = f" (and {len(measured.monomials) - TERMS} smaller terms)" if len(measured.monomials) > TERMS else ""
        falls = measured.term.multiplier >= 0
        return (
            f"{'falls' if falls else 'rises'} steadily as {brief}{more} {'rises' if above else 'falls'} "
            "(its level lies far beyond the data, which do not say where)"
        )

    def relation(self, measured: MeasuredTerm) -> str:
        """y ≤ … or y = … where the row is solved for a response, and … ≤ 0 or … = 0 otherwise."""
        polynomial, equal = measured.term.polynomial, measured.term.head.role == "equality"
        for name in self.response:
            y = ((name, 1),)
            with_y = [m for m in polynomial.monomials if any(part == name for part, _ in m)]
            if with_y == [y] and abs(polynomial.coefficients[y]) == 1.0:
                sign = polynomial.coefficients[y]
                relation = "=" if equal else "<=" if sign > 0 else ">="
                return f"{name} {relation} {self.shortened(measured, {y: sign}, -sign)}"
        return f"{self.shortened(measured)} {'=' if equal else '<='} 0"

    def shortened(
        self, measured: MeasuredTerm, solved: Mapping[Monomial, float] | None = None, factor: float = 1.0
    ) -> str:
        """The strongest terms apart from those solved for; smaller ones enter the constant at their means."""
        polynomial = measured.term.polynomial.without(Polynomial(solved or {})).scaled(factor)
        order = sorted(polynomial.monomials, key=lambda monomial: -measured.monomials[monomial])
        kept, omitted = order[:TERMS], order[TERMS:]
        mean = float(np.mean(Polynomial({m: polynomial.coefficients[m] for m in omitted}).evaluate(self.values)))
        brief = Polynomial({m: polynomial.coefficients[m] for m in kept} | {(): polynomial.constant + mean})
        more = f" (and {len(omitted)} smaller terms)" if omitted else ""
        return format_polynomial(brief, kept, DIGITS) + more


def named_columns(strengths: Mapping[str, float]) -> tuple[str, ...]:
    """The columns that a statement names, by how far each moves it, strongest first."""
    strongest = max(strengths.values(), default=0.0)
    return tuple(name for name, strength in strengths.items() if strength >= NAMED * strongest > 0)[:MOST_NAMED]


def _terms(polynomial: Polynomial, strengths: Mapping[Monomial, float]) -> tuple[Term, ...]:
    total = sum(strengths.values()) or 1.0
    return tuple(Term(format_monomial(m), polynomial.coefficients[m], s, s / total) for m, s in strengths.items())


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
