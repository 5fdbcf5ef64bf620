"""The road from a table to a problem one would publish: path, samples, choice, and what supports it."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from behavior_learning.discovery.agreement import Agreement, agreement_of
from behavior_learning.discovery.chosen import Chosen, chosen_on, encoded, learned_from, what_is_left
from behavior_learning.discovery.cross_fitting import Half
from behavior_learning.discovery.knowledge import Knowledge, factors
from behavior_learning.discovery.quantities import quantity_of_product, spelled
from behavior_learning.discovery.reference import linear_recurrence
from behavior_learning.discovery.result import Discovery
from behavior_learning.discovery.selection import Found, Relearning, Rows
from behavior_learning.discovery.shapes import HEADS, LAYERED, Shape, by_columns, shape_of
from behavior_learning.encoding import as_table
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.explanation.stability import Stability
from behavior_learning.explanation.statements import Statement
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.model import in_single
from behavior_learning.learned.records import counting_bar
from behavior_learning.options import check_choice, check_count, check_number
from behavior_learning.responses.columns import has_columns, one_column, response_columns

__all__ = ["discover"]

FEWEST_ROWS = 40
"""Rows that the path, its folds and its halves need."""

SEARCH_ROWS = 4_000
"""Rows that are searched on; the chosen problem is learned again from all."""

POOL_AND_LAYERS: tuple[dict[str, Any], ...] = ({"n_terms": (2, 2, 2)}, {"layers": (3, 1)})
"""Shapes that a search for a hierarchy compares: a block of two rows per head, and up to three agents below a block."""

USUAL = {False: (5, 10), True: (2, 4)}
"""Folds and pairs of halves without a hierarchy and with one, whose searches take ten times as long."""

LIMITS = ("all", "response")
"""What an inequality may hold."""

Progress = Callable[[int, int], None]
"""Called with the searches done and their number."""


def discover(
    X: Any,
    y: Any,
    *,
    hierarchy: bool = False,
    remainder: bool = False,
    honest: bool = False,
    heads: Sequence[str | None] | None = None,
    degree: int = 1,
    products: bool = True,
    bends: int = 0,
    limits: str = "all",
    max_terms: int = 30,
    folds: int | None = None,
    pairs: int | None = None,
    threshold: float = 0.6,
    choose: str | int = "one_se",
    known: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    rising: Sequence[str] = (),
    falling: Sequence[str] = (),
    themes: Sequence[Sequence[str]] = (),
    units: Mapping[str, str] | None = None,
    response: Any = None,
    random_state: Any = None,
    progress: Progress | None = None,
    verbose: bool = False,
) -> Discovery:
    """Find the smallest problem that predicts as well as larger ones, and say how much of it recurs.

    A search starts from random dense problems and takes terms out, one by one at last, lets in those that pay by score
    tests, and takes out again; each problem is learned to its optimum. It is run on all rows, without each fold, which
    is then predicted, and on both halves of random splits, on which statements are to recur. The smallest problem whose
    statements do and whose held-out loss is within one standard error of the best is learned again from all rows. Of
    each size it is the one that recurs most of those as good as the best, among what all rows and halves have found.

    Parameters
    ----------
    X, y : a table and a number or a class per row, or two bounds where `response` is ``bl.Censored()``.
    hierarchy : also search two or three agents below a block, which may share columns. It is kept where Schwarz's
        criterion prefers it to one block, in which agents whose utilities only add up are a pool.
    remainder : also learn the default mean of networks beside the chosen problem, and say what share of their gain the
        problem carries.
    honest : choose on one half of the rows and estimate on the other, by maximum likelihood where the heads are
        smooth: `errors` are the standard errors of the very numbers that are printed, of rows that chose nothing. The
        halves then change places, by folds alone, and `found.effects()` are average effects on all rows, each half's
        by the problem that the other chose.
    heads : of every row, such as ``("identity", "relu", None)``. None is a limit (softplus) beside a belief (square),
        whose rows do not stand in for each other; with products, unless limits are of the response, it compares them,
        in every search, with a limit beside a utility that is a sum, of products of the columns as they are (not less
        their means); in a hierarchy it is the paper's heads. With products, heads that are given are compared with both
        kinds of products.
    degree : 1 for the columns alone, 2 with their products and squares.
    products : False leaves the squares alone, of x and of the response: a curve of each column. So many fewer terms
        recur more often than those of all products.
    bends : hinges of each column, at so many of its quantiles, beside the other terms: rows may bend there.
    limits : ``"response"`` lets an inequality hold terms of the response alone, and leaves the columns of X to the
        other rows. Where a limit and a belief both hold columns, either can nearly say what the other says, and halves
        divide the columns between them now this way, now that; a belief alone recurs more often.
    max_terms : of the largest problem.
    folds : parts that are held out in turn: 5, and 2 with `hierarchy`.
    pairs : random splits into halves: 10, and 4 with `hierarchy`. Half of them choose the size and the others judge
        what it says; 0 measures no recurrence, and one does both.
    threshold : share of half-samples from which the false statements are bounded.
    choose : ``"one_se"``, ``"recurring"``, ``"best"`` or a number of terms; see `docs/discovery.md`.
    known : columns that every problem but the empty one holds, and with ``degree=2`` products, also of the response,
        such as ``"price*amount"`` or ``"price^2"``.
    forbidden : columns and products that no row may hold.
    rising, falling : columns in which the response never falls, or never rises, whatever the others; for one number and
        ``degree=1``. They stay out of bounded utilities, which have no such direction.
    themes : groups of columns that go to one agent together, with `hierarchy`.
    units : of columns and of the response, such as ``{"price": "EUR/kg", "amount": "kg", "income": "EUR"}``. An
        inequality or an equality then sums like quantities alone: price times amount and income. Columns that are not
        named go with any, and a utility values every term at a rate of its own. There is a search for each choice of
        what the rows are in; rows of a hierarchy hold the response, and are in its unit.
    response : what y is, such as ``bl.Numbers(support=(0, 60))``.
    random_state : seed of splits and starts.
    progress : called with the searches done and their number.
    verbose : show on standard error how many searches are done, of how many.

    Raises
    ------
    DataError
        If there are fewer than 40 rows, y holds several responses, or so many rows share one that a density ends on it
        alone.
    OptionError
        If an option is none of the valid ones, or what is known contradicts itself.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> found = bl.discover(X[["RM", "LSTAT"]], y, pairs=1, folds=2, random_state=0)  # doctest: +SKIP
    >>> found.statements.columns.tolist()  # doctest: +SKIP
    ['block', 'head', 'columns', 'text', 'recurrence', 'share']
    """
    knowledge = Knowledge(known, forbidden, rising, falling, themes, units or {})
    if hierarchy and (bends or limits != "all"):
        raise OptionError("hierarchy=True searches the columns in every head: leave bends at 0 and limits at 'all'.")
    _check(hierarchy, degree, check_choice("products", products, (True, False)), choose, threshold, knowledge)
    folds, pairs = (usual if own is None else own for own, usual in zip((folds, pairs), USUAL[hierarchy], strict=True))
    folds, pairs = check_count("folds", folds, minimum=2), check_count("pairs", pairs, minimum=0)
    max_terms = check_count("max_terms", max_terms, minimum=2)
    table, random = as_table(X), check_random_state(random_state)
    needed = FEWEST_ROWS * (2 if honest else 1)
    if len(table) < needed:
        raise DataError(f"A search on folds and halves needs at least {needed} rows; got {len(table)}.")
    y = _read(y, len(table))
    knowledge.check(list(table.columns), "" if y.ndim > 1 else str(y.name))
    order = random.permutation(len(table))
    choosing, learning = (order[: len(order) // 2], order[len(order) // 2 :]) if honest else (order, order)
    rng = np.random.default_rng(random.randint(2**31))
    first = choosing[:SEARCH_ROWS]
    seed = int(rng.integers(2**31))  # One of all shapes, which read the same rows: their units are of a random part.
    how: dict[str, Any] = {"degree": degree, "products": products, "most": max_terms}
    how |= {"bends": check_count("bends", bends, minimum=0), "limits": check_choice("limits", limits, LIMITS)}
    how |= {"knowledge": knowledge, "response": response, "seed": seed}
    compared = plans(hierarchy, degree > 1 and products and limits == "all", heads, knowledge)
    shapes = _shapes(table.iloc[first], y.iloc[first], compared, how)
    _check_room(shapes, knowledge, hierarchy, how)
    rows = Rows(*in_single(shapes[0].model.given_rows("discover")))
    others = encoded(shapes[0].model, table, y, learning[:SEARCH_ROWS]) if honest else None
    other_rng = np.random.default_rng(random.randint(2**31)) if honest else rng
    total = (1 + folds) * (2 if honest else 1) + 2 * pairs
    with counting_bar("searches", total, verbose and progress is None) as bar:
        done = partial(_told, progress or bar, count(1), total)
        choose_on = partial(chosen_on, shapes=shapes, hierarchy=hierarchy, folds=folds, choose=choose, done=done)
        chosen, judging = choose_on(rows, pairs=pairs, rng=rng)
        other = None if others is None else choose_on(others, pairs=0, rng=other_rng)[0]
    estimator, errors = learned_from(chosen, shapes, table, y, learning, honest)
    left = None
    if remainder:
        every, model = encoded(shapes[0].model, table, y, order), estimator.model_
        left = what_is_left(chosen, model, rows, others, every, int(rng.integers(2**31)))
    crossed = None
    if other is not None:
        swapped = learned_from(other, shapes, table, y, choosing, honest)
        crossed = (_half(chosen, estimator, errors), _half(other, *swapped))
    notes = _notes(len(first), len(table), hierarchy, honest, errors, folds, pairs, limits, chosen.whole)
    said, stability = _said(chosen, estimator), chosen.whole.recurring(chosen.refit, [own.found for own in judging])
    return Discovery(
        model=estimator,
        path=chosen.path,
        statements=_statements(said, stability),
        stability=stability,
        threshold=threshold,
        false_statements=np.nan if stability is None else stability.false_columns(threshold),
        notes=(*notes, *_in_units(said, knowledge, list(table.columns), chosen.whole.shape.model.response.name)),
        agreed=_agreed(chosen, rows),
        reference=_reference(chosen, rows, [own.part for own in judging]),
        remainder=left,
        errors=errors,
        halves=crossed,
    )


def _shapes(
    X: pd.DataFrame, y: pd.Series | pd.DataFrame, compared: Sequence[tuple[Any, dict[str, Any]]], how: dict[str, Any]
) -> list[Shape]:
    """The shapes that every search compares, of one response; each repeats the same warnings, which are given once."""
    with warnings.catch_warnings(record=True) as told_of:
        warnings.simplefilter("always")
        shapes = [shape_of(each, X, y, **plan, **how) for each, plan in compared]
    for warning in {str(each.message): each.message for each in told_of}.values():
        warnings.warn(warning, stacklevel=3)
    names = [part.name for part in shapes[0].model.response.components]
    if len(names) > 1:
        raise DataError(
            f"A search is for problems of one response; y has {len(names)}: {', '.join(names)}. Pass one of them (one "
            "that is decided before it may be a column of X), or learn them together by BLRegressor."
        )
    return shapes


def _check_room(shapes: Sequence[Shape], knowledge: Knowledge, hierarchy: bool, how: Mapping[str, Any]) -> None:
    """Refuse what leaves no row that may hold a column, or what is known."""
    columns, response = shapes[0].model.columns, shapes[0].model.response.name
    if hierarchy and knowledge.units and response not in knowledge.units:
        raise OptionError(
            f"In a hierarchy every row holds the response, and is in its unit: give the unit of {response!r} too ('1' "
            "for classes), or leave units out."
        )
    menus = [menu for shape in shapes for menu in shape.menu.of_like_quantities]
    rooms = [(menu, menu.settled(menu.allowed)) for menu in menus]
    ways = ["name fewer units"] * bool(knowledge.units) + ["forbid less"] * bool(knowledge.forbidden)
    ways += ["pass limits='all'"] * (how["limits"] == "response")
    ways += ["pass degree=2"] * (how["degree"] == 1 and not hierarchy and not knowledge.monotone)
    way = " or ".join(ways or ["name other heads"])
    if not any(menu.explains(support) for menu, support in rooms):
        raise OptionError(f"No row may hold a column of X beside the response: {way}.")
    held = {
        columns.x_sources[i]
        for menu, support in rooms
        for (x, _), used in zip(menu.template.basis.terms, menu.used(support), strict=True)
        for i in (x.columns if used else ())
    }
    if gone := sorted(knowledge.monotone - held):
        raise OptionError(f"{gone[0]!r} is to rise or to fall, and no row may hold it: {way}, or leave that open.")
    if not any(menu.holds_known(support) for menu, support in rooms):
        alone = [
            any((menu.used(support) & menu.known[i]).any() for menu, support in rooms)
            for i in range(len(knowledge.known))
        ]
        gone = [name for name, fits in zip(knowledge.known, alone, strict=True) if not fits] or list(knowledge.known)
        named = ", ".join(map(repr, gone))
        raise OptionError(f"known names {named}, and no problem may hold that: {way}, or leave that open.")


def _told(progress: Progress | None, numbers: Iterator[int], total: int) -> None:
    """Tell progress that one more search is done."""
    number = next(numbers)
    if progress is not None:
        progress(number, total)


def _half(chosen: Chosen, estimator: BehaviorEstimator, errors: InferenceResults | None) -> Half:
    return Half(estimator, errors, Relearning(chosen.whole.shape, chosen.refit))


def _said(chosen: Chosen, estimator: BehaviorEstimator) -> list[Statement]:
    """What the problem says, and not faintly."""
    explained = by_columns(estimator.explain(), chosen.whole.shape.model.response)
    return [each for each in explained.said if each.head != "output" and not each.faint]


def _agreed(chosen: Chosen, rows: Rows) -> Agreement:
    """What the problems within a standard error of the best say, and those of the chosen size without each fold."""
    path = chosen.path
    best = path.loc[path["loss"].idxmin()]
    near = path["loss"] <= best["loss"] + best["loss_se"]
    good = [(chosen.whole.shape, refit) for refit, fine in zip(chosen.refits, near, strict=True) if fine]
    good += [(each.shape, each.path.of(chosen.refit.size)) for each in chosen.without]
    return agreement_of(good, float(best["loss_se"]), rows.x)


def _read(y: Any, rows: int) -> pd.Series | pd.DataFrame:
    if has_columns(y):
        return response_columns(y, rows)
    name, values = one_column(y, rows)
    return pd.Series(values.to_numpy(), name=name)


def _check(
    hierarchy: bool, degree: int, products: bool, choose: str | int, threshold: float, knowledge: Knowledge
) -> None:
    if hierarchy and degree > 1:
        raise OptionError("hierarchy=True searches the columns alone: leave degree at 1.")
    if knowledge.themes and not hierarchy:
        raise OptionError("themes group the columns of agents: pass hierarchy=True with them.")
    if knowledge.monotone and degree > 1:
        raise OptionError("rising and falling are kept by problems without products: leave degree at 1.")
    if degree not in (1, 2):
        raise OptionError(f"degree must be 1, or 2 for products and squares too; got {degree!r}.")
    if degree == 1 and not products:
        raise OptionError("products=False leaves the squares of degree 2, and degree is 1: pass degree=2 with it.")
    if isinstance(choose, str):
        check_choice("choose", choose, ("one_se", "recurring", "best"))
    else:
        check_count("choose", choose)
    check_number("threshold", threshold, below=1.0)
    if threshold <= 0.5:
        raise OptionError(f"The bound on false statements needs a threshold above 0.5; got {threshold}.")


def plans(
    hierarchy: bool, products: bool, heads: Sequence[str | None] | None, knowledge: Knowledge
) -> list[tuple[Any, dict[str, Any]]]:
    """Heads and shapes that every search compares; with products also columns as they are, not less their means, and
    these alone where quantities are known: of (p - 2)·q a part is in the units of q."""
    if hierarchy:
        return [(LAYERED if heads is None else tuple(heads), plan) for plan in POOL_AND_LAYERS]
    count = 2 if products else 1
    sets = HEADS[:count] if heads is None else (tuple(heads),) * count
    if knowledge.units:
        return [(each, {"centered": False}) for each in dict.fromkeys(sets)]
    return [(each, {"centered": number == 0}) for number, each in enumerate(sets)]


def _statements(said: Sequence[Statement], stability: Stability | None) -> pd.DataFrame:
    frequencies = {} if stability is None else stability.frequencies
    lines = [(s.block, s.head, s.variables, s.text, frequencies.get(s.key, np.nan), s.share) for s in said]
    return pd.DataFrame(lines, columns=["block", "head", "columns", "text", "recurrence", "share"])


def _notes(
    searched_on: int,
    rows: int,
    hierarchy: bool,
    honest: bool,
    errors: InferenceResults | None,
    folds: int,
    pairs: int,
    limits: str,
    whole: Found,
) -> tuple[str, ...]:
    notes = [
        f"Searched on {searched_on:,} of {rows:,} rows; losses are of rows held out of the whole search, {folds} folds."
    ]
    if honest:
        how = "by inference()" if errors is not None else "under the ridge of the search, without standard errors"
        notes += [
            f"Chosen on one half of the rows and learned from the other {rows - rows // 2:,}, {how}.",
            "Effects: the halves changed places once more, the other one choosing by folds alone, so that each row's "
            "effect is of a problem that it did not choose.",
        ]
    if pairs:
        notes.append(
            f"Recurrence: the search repeated on {2 * pairs} complementary halves, in the largest problem of each; "
            "columns are named from 0.3 of the strongest and kept from 0.15. "
            + ("Half of them chose the size, the others judge it." if pairs > 1 else "They also chose the size.")
        )
    if hierarchy:
        notes.append("Folds and halves search again among the groupings, or in the pool, that did best on all rows.")
    if limits == "response":
        notes.append("Limits hold the response alone.")
    heads = ", ".join(str(head) for head in whole.shape.estimator.heads)
    return (*notes, f"Heads {heads}, by Schwarz's criterion in every search.")


def _in_units(said: Sequence[Statement], knowledge: Knowledge, columns: Sequence[str], response: str) -> list[str]:
    """What each limit and belief is in, where that is known."""
    known, found = knowledge.quantities, []
    for statement in said if known else ():
        terms = [factors(term.name, columns, response) or (term.name,) for term in statement.terms]
        units = {spelled(own) for term in terms if (own := quantity_of_product(map(known.get, term))) is not None}
        if statement.head != "utility" and units:
            found.append(f"{statement.head} {statement.row} of {statement.block}: {' and '.join(sorted(units))}")
    return [f"In units: {', '.join(found)}."] if found else []


def _reference(chosen: Chosen, rows: Rows, parts: Sequence[np.ndarray]) -> pd.DataFrame | None:
    """What regressions on as many columns say again on the same half-samples; None for classes."""
    shape = chosen.whole.shape
    y = shape.model.candidates(rows.y)
    if not parts or y.shape[1] > 1:
        return None
    named = {name for said in shape.explained(chosen.refit).said for name in said.variables}
    size = len(named - {shape.model.response.name})
    return linear_recurrence(rows.x.astype(float), y[:, 0], shape.model.columns.x_sources, parts, size)
