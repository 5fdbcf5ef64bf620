"""The coefficients of every layer as a table: a column per row of a block, a line per term (Tables 14 to 16)."""

from collections.abc import Mapping
from math import prod

import pandas as pd

from behavior_learning.symbolic.polynomials import Monomial
from behavior_learning.symbolic.problem import Block, HeadTerm, Problem
from behavior_learning.symbolic.text import format_monomial

__all__ = ["coefficient_tables", "row_name"]

LETTERS = {"utility": "U", "inequality": "C", "equality": "T"}
"""Of the rows of each head."""

MULTIPLIER, SCALE, CONSTANT = "λ", "scale", "constant"
"""Lines of a table that are no terms."""


def row_name(block: Block, term: HeadTerm) -> str:
    """The letter of a row's head, numbered where the head has several: U, C2, T1."""
    rows, letter = block.terms_of(term.head.role), LETTERS[term.head.role]
    return letter if len(rows) == 1 else f"{letter}{rows.index(term) + 1}"


def coefficient_tables(
    problem: Problem, *, standardized: bool = False, descriptions: Mapping[str, str] | None = None
) -> list[pd.DataFrame]:
    """A table per layer with columns (block, row), as rows are printed: multiplier · head(scale · polynomial).

    Parameters
    ----------
    standardized : coefficients times the standard deviations of their variables, by which unlike columns compare;
        otherwise those of the printed problem.
    descriptions : of columns, written before the name, ``"average rooms per dwelling (RM)"``.

    Source: Tables 14 to 16. Deviation: the scale by which a row that is solved for a response was divided has a line of
    its own.
    """
    return [_of_layer(layer, standardized, descriptions or {}) for layer in problem.layers]


def _of_layer(blocks: tuple[Block, ...], standardized: bool, descriptions: Mapping[str, str]) -> pd.DataFrame:
    columns: dict[tuple[str, str], dict[str, float]] = {}
    terms = [(block, term) for block in blocks for term in block.head_terms]
    scaled = any(term.scale != 1 for _, term in terms)

    def label(monomial: Monomial, block: Block) -> str:
        name = format_monomial(monomial)
        alone = len(monomial) == 1 and descriptions.get(block.column_of(monomial[0][0]))
        return f"{alone} ({name})" if alone else name

    for block, term in terms:
        deviations = block.standard_deviations if standardized else {}
        units = {m: prod(deviations.get(name, 1.0) ** power for name, power in m) for m in term.polynomial.monomials}
        head = {MULTIPLIER: term.multiplier} | ({SCALE: term.scale} if scaled else {})
        own = {label(m, block): value * units[m] for m, value in term.polynomial.monomials.items()}
        columns[block.name, row_name(block, term)] = head | own | {CONSTANT: term.polynomial.constant}
    table = pd.DataFrame(columns).rename_axis(index="term", columns=["block", "row"])
    last = table.index == CONSTANT
    return pd.concat([table[~last], table[last]])
