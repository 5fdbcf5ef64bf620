"""Puts a measured problem into words, statement by statement (Section 4)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from behavior_learning.core.heads import ROLES
from behavior_learning.explanation.legend import Legend
from behavior_learning.explanation.measure import (
    MeasuredBlock,
    MeasuredTerm,
    measure_blocks,
    monomial_strengths,
    movement,
)
from behavior_learning.explanation.names import DEFINITE, propose_names
from behavior_learning.explanation.statements import DIGITS, Explanation, Statement, Term, named_columns
from behavior_learning.explanation.types import block_types
from behavior_learning.symbolic.evaluate import head_values
from behavior_learning.symbolic.polynomials import Monomial, Polynomial
from behavior_learning.symbolic.problem import Problem
from behavior_learning.symbolic.text import format_monomial, format_polynomial

__all__ = ["explain_problem"]

POOL = ".pool"
"""Ending of the name of blocks that only add up."""

FAR = 10.0
"""Standard deviations of a row between its zero and the data from which the data do not say where that is: what it adds
is then a line, less a twentieth at most."""

TERMS = 3
"""Terms that a statement writes out."""

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


def _terms(polynomial: Polynomial, strengths: Mapping[Monomial, float]) -> tuple[Term, ...]:
    total = sum(strengths.values()) or 1.0
    return tuple(Term(format_monomial(m), polynomial.coefficients[m], s, s / total) for m, s in strengths.items())


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
