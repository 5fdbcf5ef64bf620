"""A problem stated in the user's words: which terms each row may hold, which coefficients are known, which signs."""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import prod
from typing import Any, NamedTuple

from behavior_learning.core.bases import Basis, Pairing, position
from behavior_learning.core.block import NONNEGATIVE, ZERO, Rule
from behavior_learning.core.features import (
    RISING,
    BSpline,
    BSplines,
    FeatureMap,
    Function,
    Monomials,
    Pair,
    Product,
    Transform,
    Transforms,
)
from behavior_learning.core.heads import ROLES
from behavior_learning.core.network import RowRules
from behavior_learning.errors import OptionError
from behavior_learning.formulas import Factors, Term, called, parse_product, parse_sum, short
from behavior_learning.options import Option

__all__ = ["UMP", "StatedLayer", "state_layer", "state_upper_layer"]

_RELATION = re.compile(r"`[^`]*`|(<=|>=|~|=)")
_SIGNS = {">=0": 1, "<=0": -1}
ONE = Product(())
_DIRECTIONS = {"increasing": 1, "decreasing": -1}


@dataclass(frozen=True)
class UMP(Option):
    """State a utility-maximisation problem, known in part, as a block.

    Terms are products of columns (``rooms``, ``rooms:price``, ``price^2``) and of functions of columns:
    ``log(income)``, ``sqrt``, ``inverse`` and ``poly(income, 2)``, of the response too, ``taste:log(quantity)``; and
    cubic splines ``bs(income, 5)`` of columns of x with so many knots. ``1`` is an intercept, and rows hold exactly the
    terms written. Blocks above the first layer, whose structure is ``[[first, second], [upper]]``, have blocks of
    the layer below as their terms: ``block1.1 + block1.2``.

    In `utility` and `minimize`, and on the right of a relation, a bare term has a coefficient to be learned, and a
    number fixes it (``0.3*income``). On the left of a relation, and in a constraint without one, everything is taken at
    face value. Numbers are in the table's units.

    Parameters
    ----------
    utility : rows of the utility head, such as ``"rooms + price + rooms:price"``.
    inequalities : inequality rows, such as ``"price - 0.3*income"`` (≤ 0) or ``"price <= 1 + income"``.
    equalities : equality rows, such as ``"price ~ 1 + crime"``.
    at_least : inequality rows the other way round, such as ``"price - 0.1*income"`` (≥ 0) or ``"price >= 1 + rooms"``.
    minimize : costs, rows of the utility head with the sign turned.
    signs : sign of learned coefficients by term, ``{"crime": "<= 0"}``, as written in the row.
    monotone : ``{"rooms": "increasing"}``: the block's utility may only rise (or fall) with the column.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> problem = bl.UMP(utility="RM + MEDV", inequalities="MEDV <= 1 + RM", equalities="MEDV ~ 1 + LSTAT")
    >>> X, y = bl.datasets.load_boston()
    >>> reg = bl.BLRegressor(structure=problem, max_epochs=20, n_restarts=1, random_state=0).fit(X, y)
    >>> reg.n_parameters_
    9
    """

    utility: str | Sequence[str] = ()
    inequalities: str | Sequence[str] = ()
    equalities: str | Sequence[str] = ()
    at_least: str | Sequence[str] = ()
    minimize: str | Sequence[str] = ()
    signs: Mapping[str, str] = field(default_factory=dict)
    monotone: Mapping[str, str] = field(default_factory=dict)

    def rows(self, role: str) -> "tuple[tuple[Spelling, str], ...]":
        """The texts of one head's rows, with how each is to be read."""
        return tuple((how, text) for how in SPELLINGS if how.role == role for text in self._texts(how.name))

    def _texts(self, name: str) -> Sequence[str]:
        given = getattr(self, name)
        texts = (given,) if isinstance(given, str) else given
        if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
            raise OptionError(f"{name} of bl.UMP must be text or a list of texts; got {given!r}.")
        return texts


class Spelling(NamedTuple):
    """How the rows of one parameter of a `UMP` are read.

    Attributes
    ----------
    name, role : of the parameter, and of the head that its rows are of.
    relations : that may stand in a row.
    sign : with which left minus right enters the head.
    """

    name: str
    role: str
    relations: tuple[str, ...]
    sign: int


SPELLINGS = (
    Spelling("utility", "utility", (), 1),
    Spelling("minimize", "utility", (), -1),
    Spelling("inequalities", "inequality", ("<=",), 1),
    Spelling("at_least", "inequality", (">=",), -1),
    Spelling("equalities", "equality", ("~", "="), 1),
)
"""Rows of one head in the order of their parameters here."""


@dataclass(frozen=True)
class _Entry:
    """One summand of a row: a fixed number or a learned coefficient with a sign (0 where free)."""

    term: Term
    number: float | None
    sign: int = 0


@dataclass(frozen=True)
class StatedLayer:
    """A first layer as stated: its terms, its rows per head, and what each weight may be."""

    basis: Basis
    rows: tuple[int, ...]
    rules: dict[str, RowRules]


def state_layer(
    problems: Sequence[UMP],
    *,
    products: Callable[[str], Sequence[Pair]],
    x_units: Sequence[tuple[float, float]],
    y_units: Sequence[tuple[float, float]],
    counts: Sequence[int] | None = None,
) -> StatedLayer:
    """Turn stated problems into a basis and rules for the weights on it.

    Parameters
    ----------
    products : the products of encoded columns, uncentred, and curves that a term stands for.
    x_units, y_units : center and scale of every encoded column.
    counts : rows of each head, those of the largest block by default; what a block does not state has λ = 0.

    Raises
    ------
    OptionError
        If a row cannot be read, names no column, or carries contradictory signs.
    """
    for problem in problems:
        _check_conditions(problem)
    parsed = {role: [[_read_row(p, *row) for row in p.rows(role)] for p in problems] for role in ROLES}
    entries = [entry for blocks in parsed.values() for rows in blocks for row in rows for entry in row]
    found = {entry.term.text: products(entry.term.text) for entry in entries if entry.term.factors}
    found = _centered(found, [row for blocks in parsed.values() for rows in blocks for row in rows])
    pairs = list(dict.fromkeys(pair for hits in found.values() for pair in hits))
    if not any(y.degree for _, y in pairs):
        raise OptionError("No row of the stated problems involves the response, so nothing could be predicted. Add it.")
    basis = _basis(pairs, x_units, y_units)
    sizes = {(a, b): _unit(a, x_units) * _unit(b, y_units) for a, b in basis.terms}
    rows = tuple(max(map(len, blocks), default=0) for blocks in parsed.values()) if counts is None else tuple(counts)
    rules = {
        role: _rules(blocks, count, sizes, found, role != "utility")
        for (role, blocks), count in zip(parsed.items(), rows, strict=True)
    }
    return StatedLayer(basis, rows, rules)


def state_upper_layer(problems: Sequence[UMP], below: Sequence[str], counts: Sequence[int]) -> dict[str, RowRules]:
    """Rules for the weights of a layer whose rows are stated in blocks of the layer below.

    Parameters
    ----------
    below : names of those blocks, in the order of the layer's inputs.
    counts : rows of each head, which all layers share; those that a block does not state have λ = 0.

    Raises
    ------
    OptionError
        If a term is no block below.
    """
    for problem in problems:
        _check_conditions(problem)
    parsed = {role: [[_read_row(p, *row) for row in p.rows(role)] for p in problems] for role in ROLES}
    entries = [entry for blocks in parsed.values() for rows in blocks for row in rows for entry in row]
    named = {entry.term.text: entry.term.factors for entry in entries if entry.term.factors}
    for text, factors in named.items():
        if len(factors) != 1 or factors[0][1] != 1 or factors[0][0] not in below:
            raise OptionError(
                f"Rows of an upper layer are sums of blocks of the layer below, {', '.join(below)}; got {short(text)}."
            )
    found = {text: (factors[0][0],) for text, factors in named.items()}
    sizes = dict.fromkeys(below, 1.0)
    stated = zip(parsed.items(), counts, strict=True)
    return {role: _rules(blocks, count, sizes, found, role != "utility") for (role, blocks), count in stated}


def _read_row(problem: UMP, how: Spelling, text: str) -> list[_Entry]:
    """left − right of a row, every summand with its number or its sign; turned round where it is spelled so."""
    relations = [match for match in _RELATION.finditer(text) if match[1]]
    if len(relations) > 1 or (relations and not how.relations):
        raise OptionError(f"{short(text)} has a relation too many: {how.name} takes {_allowed(how)}.")
    if relations and relations[0][1] not in how.relations:
        raise OptionError(
            f"{short(text)}: {how.name} takes {_allowed(how)}; got {relations[0][1]!r}. inequalities take '<=', "
            "at_least '>=' and equalities '~' or '='. Write the row under the other name, or the other way round."
        )
    left, *right = (text[: relations[0].start()], text[relations[0].end() :]) if relations else (text,)
    signs = {_canonical(parse_product(name)): _SIGNS[sign.replace(" ", "")] for name, sign in problem.signs.items()}
    if how.role == "utility":
        return [_learned(problem, signs, how.role, term, text, how.sign) for term in parse_sum(left)]
    stated = []
    for term in parse_sum(left):
        number = how.sign * ((-1.0 if term.negative else 1.0) if term.number is None else term.number)
        _check_monotone(problem, how.role, term, text, number)
        stated.append(_Entry(term, number))
    other = parse_sum(right[0]) if right else ()
    return stated + [_learned(problem, signs, how.role, term, text, -how.sign) for term in other]


def _allowed(how: Spelling) -> str:
    return f"at most one relation, {' or '.join(map(repr, how.relations))}" if how.relations else "a sum"


def _learned(problem: UMP, signs: Mapping[Factors, int], role: str, term: Term, text: str, side: int) -> _Entry:
    """A summand on a side whose bare terms are learned; `side` is the sign with which it enters the row."""
    if term.negative:
        raise OptionError(
            f"{short(text)}: the coefficient of {term.text!r} is learned and may have either sign; write it with +, "
            f"fix it as -1*{term.text}, or state signs={{{term.text!r}: '<= 0'}}."
        )
    if not term.factors and term.number in (0.0, 1.0):
        return _Entry(term, 0.0 if term.number == 0.0 else None)
    if term.number is not None:
        _check_monotone(problem, role, term, text, side * term.number)
        return _Entry(term, side * term.number)
    stated = signs.get(_canonical(term.factors))
    wanted = ([] if stated is None else [side * stated]) + _monotone_sign(problem, role, term, text)
    if len(set(wanted)) > 1:
        raise OptionError(
            f"{short(text)}: signs and monotone contradict each other on {term.text!r}. Drop one of the two."
        )
    return _Entry(term, None, wanted[0] if wanted else 0)


def _canonical(factors: Factors) -> Factors:
    """The same product whatever the order in which it was written."""
    powers: dict[str, int] = {}
    for name, power in factors:
        powers[name] = powers.get(name, 0) + power
    return tuple(sorted(powers.items()))


def _check_conditions(problem: UMP) -> None:
    """Refuse signs and directions that cannot be read, or say nothing about any row."""
    for what, given in (("signs", problem.signs), ("monotone", problem.monotone)):
        if not isinstance(given, Mapping):
            raise OptionError(f"{what} of bl.UMP must be a dictionary by term or column; got {given!r}.")
    for name, sign in problem.signs.items():
        if str(sign).replace(" ", "") not in _SIGNS:
            raise OptionError(f"signs[{name!r}] must be '>= 0' or '<= 0'; got {sign!r}.")
    for name, direction in problem.monotone.items():
        if direction not in _DIRECTIONS:
            raise OptionError(f"monotone[{name!r}] must be 'increasing' or 'decreasing'; got {direction!r}.")
    entries = [entry for role in ROLES for row in problem.rows(role) for entry in _read_row(problem, *row)]
    learned = {_canonical(entry.term.factors) for entry in entries if entry.number is None}
    names = [name for entry in entries for name, _ in entry.term.factors]
    columns = {call.column if (call := called(name)) else name for name in names}
    for name in problem.signs:
        if _canonical(parse_product(name)) not in learned:
            raise OptionError(f"signs[{name!r}] names no term whose coefficient is learned. Correct or drop it.")
    for name in problem.monotone:
        if name not in columns:
            raise OptionError(f"monotone[{name!r}] names no column of the problem. Correct or drop it.")


def _monotone_sign(problem: UMP, role: str, term: Term, text: str) -> list[int]:
    """The sign a learned coefficient needs for the block's utility to be monotone."""
    wanted = []
    for name, _ in term.factors:
        call = called(name)
        column = call.column if call else name
        direction = problem.monotone.get(column)
        if direction is None:
            continue
        rising = RISING.get(call.function, 0) if call else 1
        if role == "equality" or term.factors != ((name, 1),) or not rising:
            raise OptionError(
                f"{short(text)}: a utility monotone in {column!r} cannot hold {term.text!r} in this row, which both "
                f"raises and lowers it. Take {column!r} out of the row or drop monotone[{column!r}]."
            )
        wanted.append(rising * (_DIRECTIONS[direction] if role == "utility" else -_DIRECTIONS[direction]))
    return wanted


def _check_monotone(problem: UMP, role: str, term: Term, text: str, number: float) -> None:
    wanted = _monotone_sign(problem, role, term, text)
    if wanted and number * wanted[0] < 0:
        raise OptionError(
            f"{short(text)}: the fixed coefficient of {term.text!r} contradicts monotone. Change the number or drop it."
        )


def _centered(found: Mapping[str, Sequence[Pair]], rows: Sequence[Sequence[_Entry]]) -> dict[str, list[Pair]]:
    """The pairs that terms stand for, of centred columns where that says the same.

    That is where all rows with a product learn what it leaves as well: (x − c)·y = x·y − c·y. Far from zero a column is
    nearly constant, which training does not get over.
    """
    held: list[tuple[set[Pair], set[Pair]]] = []
    for row in rows:
        named = [(entry, pair) for entry in row if entry.term.factors for pair in found[entry.term.text]]
        free = {pair for entry, pair in named if entry.number is None and entry.sign == 0}
        constant = {(ONE, ONE)} if any(entry.number is None and not entry.term.factors for entry in row) else set()
        held.append(({pair for _, pair in named}, free | constant))
    kept = []
    for side in (0, 1):
        used = {f for pairs, _ in held for pair in pairs if isinstance(f := pair[side], Product)} - {ONE}
        raw = {f for f in used if not all(_closed(f, side, pairs, free) for pairs, free in held)}
        while spread := {f for f in used - raw if any(set(f.columns) & set(other.columns) for other in raw)}:
            raw |= spread
        kept.append({f: replace(f, uncentered=False) for f in used - raw})
    return {text: [(kept[0].get(a, a), kept[1].get(b, b)) for a, b in pairs] for text, pairs in found.items()}


def _closed(product: Product, side: int, pairs: Set[Pair], free: Set[Pair]) -> bool:
    """Whether a row learns all that a product leaves where its columns are centred."""
    powers = range(product.degree)
    lower = {columns for size in powers for columns in combinations(product.columns, size)}
    left = [Product(columns, uncentered=bool(columns)) for columns in lower]
    others = [pair[1 - side] for pair in pairs if pair[side] == product]
    return all(((f, other) if side == 0 else (other, f)) in free for f in left for other in others)


def _basis(
    pairs: Sequence[Pair],
    x_units: Sequence[tuple[float, float]],
    y_units: Sequence[tuple[float, float]],
) -> Basis:
    """Products of columns and curves, so that a row holds exactly the terms written."""
    x_maps, y_maps = _maps([a for a, _ in pairs], x_units), _maps([b for _, b in pairs], y_units)
    x, y = ([f for each in maps for f in each.functions] for maps in (x_maps, y_maps))
    return Basis(x_maps, y_maps, Pairing.ordered([(position(a, x), position(b, y)) for a, b in pairs]))


def _maps(given: Sequence[Function], units: Sequence[tuple[float, float]]) -> tuple[FeatureMap, ...]:
    """What evaluates the functions of one side: products of uncentred columns, of centred ones, then curves by kind."""
    functions = list(dict.fromkeys(given))
    products = tuple(f.columns for f in functions if isinstance(f, Product) and f.uncentered)
    centered = tuple(f.columns for f in functions if isinstance(f, Product) and f.columns and not f.uncentered)
    curves = [(evaluated, tuple(f for f in functions if isinstance(f, kind))) for kind, evaluated in CURVES.items()]
    straight = Monomials(products, tuple(center / scale for center, scale in units))
    products_of_centered = (Monomials(centered),) if centered else ()
    return (straight, *products_of_centered, *(evaluated(own) for evaluated, own in curves if own))


CURVES: dict[type, Callable[..., FeatureMap]] = {BSpline: BSplines, Transform: Transforms}
"""Kinds of functions that may be stated, and what evaluates them."""


def _unit(function: Function, units: Sequence[tuple[float, float]]) -> float:
    """What one unit of a product of scaled columns is in the table's units; functions have their own."""
    return prod(units[column][1] for column in function.columns) if isinstance(function, Product) else 1.0


def _rules(
    blocks: Sequence[Sequence[Sequence[_Entry]]],
    count: int,
    sizes: Mapping[Any, float],
    found: Mapping[str, Sequence[Any]],
    constraint: bool,
) -> RowRules:
    """Rules of one head over blocks and rows; a block with fewer rows than the others has λ = 0 in the rest."""
    if count == 0:
        return RowRules(ZERO, ZERO, NONNEGATIVE)
    padded = [[*rows, *[()] * (count - len(rows))] for rows in blocks]
    read = [[_read_rule(row, sizes, found, constraint) for row in rows] for rows in padded]
    signs, fixed, intercepts = (tuple(tuple(row[part] for row in rows) for rows in read) for part in range(3))
    absent = tuple(tuple(None if i < len(rows) else 0.0 for i in range(count)) for rows in blocks)
    return RowRules(Rule(signs, fixed), Rule(fixed=intercepts), Rule(1, absent))


def _read_rule(
    row: Sequence[_Entry], sizes: Mapping[Any, float], found: Mapping[str, Sequence[Any]], constraint: bool
) -> tuple[tuple[int, ...], tuple[float | None, ...], float | None]:
    """Signs and fixed numbers of a row's coefficients on every term, 0 where it lacks one, and its intercept.

    A constraint is divided by its largest fixed coefficient on scaled columns, so that neither λ nor the learned
    coefficients depend on the units of the table; rows of the utility head are kept as written.
    """
    stated: dict[Any, tuple[float | None, int]] = {}
    for entry in row:
        for pair in found.get(entry.term.text, ()) if entry.term.factors else ():
            if pair in stated:
                raise OptionError(f"The term {entry.term.text!r} stands twice in one row. Write it once.")
            stated[pair] = (None if entry.number is None else entry.number * sizes[pair], entry.sign)
    coefs = [stated.get(pair, (0.0, 0)) for pair in sizes]
    constants = [entry.number for entry in row if not entry.term.factors]
    constant = None if None in constants else float(sum(number for number in constants if number is not None))
    scale = max((abs(number) for number, _ in coefs if number), default=1.0) if constraint else 1.0
    *fixed, intercept = (None if n is None else n / scale for n in (*(number for number, _ in coefs), constant))
    return tuple(sign for _, sign in coefs), tuple(fixed), intercept
