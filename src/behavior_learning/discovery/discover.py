"""The road from a table to a problem one would publish: path, samples, choice, and what supports it."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from behavior_learning.core.arrays import to_device
from behavior_learning.discovery.agreement import agreement_of
from behavior_learning.discovery.path import LAST_STEPS
from behavior_learning.discovery.remainder import Remainder, learned_remainder
from behavior_learning.discovery.result import Discovery, path_table
from behavior_learning.discovery.selection import Found, Rows, halves, held_out_losses, searched
from behavior_learning.discovery.shapes import HEADS, Shape, shape_of
from behavior_learning.encoding import as_table
from behavior_learning.errors import DataError, OptionError
from behavior_learning.explanation.stability import Stability, expected_false
from behavior_learning.learned.model import LearnedModel, TrainingRows, in_single
from behavior_learning.learned.records import standard_deviations
from behavior_learning.options import check_choice, check_count, check_number
from behavior_learning.training.active_set import reduced
from behavior_learning.training.refit import Refit

__all__ = ["discover"]

FEWEST_ROWS = 40
"""Rows that the path, its folds and its halves need."""

SEARCH_ROWS = 4_000
"""Rows that are searched on; the chosen problem is learned again from all."""

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
    max_terms: int = 30,
    folds: int = 5,
    pairs: int = 10,
    threshold: float = 0.6,
    choose: str | int = "one_se",
    forbidden: Sequence[str] = (),
    response: Any = None,
    random_state: Any = None,
    progress: Progress | None = None,
) -> Discovery:
    """Find the smallest problem that predicts as well as larger ones, and say how much of it recurs.

    A search starts from random dense problems and takes terms out, one by one at last, lets in those that pay by score
    tests, and takes out again; each problem is learned to its optimum. It is run on all rows, without each fold, which
    is then predicted, and on both halves of random splits, on which statements are to recur. The smallest problem whose
    held-out loss is within one standard error of the best is learned again from all rows.

    Parameters
    ----------
    X, y : a table and a number or a class per row.
    hierarchy : problems above problems, which are not searched yet.
    remainder : also train a flexible network on top of the chosen problem, and say what share of the gain it leaves.
    honest : choose on one half of the rows and learn the chosen problem from the other, so that `model.inference()`
        has the rows to itself.
    heads : of every row, such as ``("identity", "relu", None)``. None is the paper's; with products it compares them,
        in every search, with those whose utility is a sum.
    degree : 1 for the columns alone, 2 with their products and squares.
    max_terms : of the largest problem.
    folds : parts that are held out in turn.
    pairs : random splits into halves; 0 measures no recurrence.
    threshold : share of half-samples from which the false statements are bounded.
    choose : ``"one_se"``, ``"best"`` or a number of terms.
    forbidden : columns that no row may hold.
    response : what y is, such as ``bl.Numbers(support=(0, 60))``.
    random_state : seed of splits and starts.
    progress : called with the searches done and their number.

    Raises
    ------
    DataError
        If there are fewer than 40 rows.
    OptionError
        If an option is none of the valid ones.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> found = bl.discover(X[["RM", "LSTAT"]], y, pairs=1, folds=2, random_state=0)  # doctest: +SKIP
    >>> found.statements.columns.tolist()  # doctest: +SKIP
    ['block', 'head', 'columns', 'text', 'recurrence', 'share']
    """
    _check(hierarchy, degree, choose, threshold)
    folds, pairs = check_count("folds", folds, minimum=2), check_count("pairs", pairs, minimum=0)
    max_terms = check_count("max_terms", max_terms, minimum=2)
    table, random = as_table(X), check_random_state(random_state)
    unknown = [name for name in forbidden if name not in table.columns]
    if unknown:
        raise OptionError(f"forbidden names {unknown[0]!r}, which is no column. Columns: {', '.join(table.columns)}.")
    needed = FEWEST_ROWS * (2 if honest else 1)
    if len(table) < needed:
        raise DataError(f"A search on folds and halves needs at least {needed} rows; got {len(table)}.")
    y = pd.Series(np.asarray(y).ravel(), name=getattr(y, "name", None))
    order = random.permutation(len(table))
    chosen_on, learned_on = (order[: len(order) // 2], order[len(order) // 2 :]) if honest else (order, order)
    rng = np.random.default_rng(random.randint(2**31))
    first = chosen_on[:SEARCH_ROWS]
    sets = HEADS[:degree] if heads is None else (tuple(heads),)
    how: dict[str, Any] = {"degree": degree, "most": max_terms, "forbidden": forbidden, "response": response}
    shapes = [shape_of(each, table.iloc[first], y.iloc[first], seed=int(rng.integers(2**31)), **how) for each in sets]
    count, total = iter(range(1, 10**9)), 1 + folds + 2 * pairs

    def done() -> None:
        number = next(count)
        if progress is not None:
            progress(number, total)

    rows = Rows(*in_single(shapes[0].model.given_rows("discover")))
    whole = searched(shapes, rows.data(), rng)
    done()
    sizes = list(whole.path.refits)
    losses, without = held_out_losses(shapes, rows, sizes, folds=folds, rng=rng, done=done)
    samples = halves(shapes, rows, pairs=pairs, rng=rng, done=done)
    refits = [whole.path.empty, *whole.path.refits.values()]
    compared = [whole.recurring(refit, samples) for refit in refits]
    recurrence = [float(np.mean(list(s.frequencies.values()))) if s and s.frequencies else np.nan for s in compared]
    path = path_table([refit.size for refit in refits], losses, recurrence, choose)
    at = int(np.argmax(path["chosen"]))
    stability = compared[at]
    estimator = copy(whole.shape.estimator)
    estimator.model_ = _final(whole.shape, refits[at], table, y, learned_on)
    best = path["loss"].idxmin()
    within = float(path["loss_se"][best])
    near = path["loss"] <= path["loss"][best] + within
    good = [(whole.shape, refit) for refit, fine in zip(refits, near, strict=True) if fine]
    good += [(other.shape, other.path.of(refits[at].size)) for other in without]
    return Discovery(
        model=estimator,
        path=path,
        statements=_statements(estimator, stability),
        stability=stability,
        threshold=threshold,
        false_statements=_false(whole.shape, samples, refits[at].size, threshold),
        notes=_notes(len(first), len(table), honest, folds, pairs, whole),
        agreed=agreement_of(good, within, rows.x),
        remainder=_remainder(whole, refits[at], rows, int(rng.integers(2**31))) if remainder else None,
    )


def _check(hierarchy: bool, degree: int, choose: str | int, threshold: float) -> None:
    if hierarchy:
        raise OptionError(
            "hierarchy=True is not searched yet. "
            "Fit bl.BLRegressor(layers=(2, 1), penalty=bl.Penalty(l1=10)) and prune it."
        )
    if degree not in (1, 2):
        raise OptionError(f"degree must be 1, or 2 for products and squares too; got {degree!r}.")
    if isinstance(choose, str):
        check_choice("choose", choose, ("one_se", "best"))
    else:
        check_count("choose", choose)
    check_number("threshold", threshold, below=1.0)
    if threshold <= 0.5:
        raise OptionError(f"The bound on false statements needs a threshold above 0.5; got {threshold}.")


def _final(shape: Shape, refit: Refit, table: pd.DataFrame, y: pd.Series, rows: np.ndarray) -> LearnedModel:
    """The problem learned again from rows, as a model of them."""
    model = shape.model
    x = model.encoder(model.table(table.iloc[rows]))
    encoded = model.responses(y.iloc[rows], len(rows), float)
    data = Rows(*in_single((x, encoded))).data()
    again = shape.family.refit(data, refit.vector, refit.support, LAST_STEPS)
    network = reduced(shape.family.network(again), again.support)
    return replace(
        model,
        network=network,
        objective=shape.family.objective,
        rows=TrainingRows(x, encoded, np.zeros(len(x), bool)),
        history=pd.DataFrame(),
        restarts=pd.DataFrame(),
        known_deviations=standard_deviations(network, model.space, *map(np.asarray, data[:2])),
    )


def _statements(estimator: Any, stability: Stability | None) -> pd.DataFrame:
    frequencies = {} if stability is None else stability.frequencies
    lines = [
        (s.block, s.head, s.variables, s.text, frequencies.get(s.key, np.nan), s.share)
        for s in estimator.explain().said
        if s.head != "output" and not s.faint
    ]
    return pd.DataFrame(lines, columns=["block", "head", "columns", "text", "recurrence", "share"])


def _false(shape: Shape, samples: Sequence[Found], size: int, threshold: float) -> float:
    """The bound on false columns of rows, of which a half-sample's problem names so many on average."""
    if not samples:
        return np.nan
    named = [len({(s.head, name) for s in other.explained(size).said for name in s.variables}) for other in samples]
    candidates = len(shape.model.encoder.names) * sum(head is not None for head in shape.estimator.heads)
    return expected_false(threshold, float(np.mean(named)), candidates, len(samples) // 2)


def _notes(searched_on: int, rows: int, honest: bool, folds: int, pairs: int, whole: Found) -> tuple[str, ...]:
    notes = [
        f"Searched on {searched_on:,} of {rows:,} rows; losses are of rows held out of the whole search, {folds} folds."
    ]
    if honest:
        notes.append("Chosen on one half of the rows and learned from the other: model.inference() is of that half.")
    if pairs:
        notes.append(
            f"Recurrence: the search repeated on {2 * pairs} complementary halves; columns are named from 0.3 of the "
            "strongest and kept from 0.15."
        )
    heads = ", ".join(str(head) for head in whole.shape.estimator.heads)
    return (*notes, f"Heads {heads}, by Schwarz's criterion in every search.")


def _remainder(whole: Found, refit: Refit, rows: Rows, seed: int) -> Remainder:
    """A flexible network on top of the chosen problem, both learned from three fifths of the rows."""
    order = np.random.default_rng(seed).permutation(len(rows.x))
    held_out, stopping, train = np.split(order, [len(order) // 5, 2 * (len(order) // 5)])
    weight = np.zeros(len(order))
    weight[train] = 1.0
    family, data = whole.shape.family, rows.data(weight)
    readable = family.refit(data, refit.vector, refit.support, LAST_STEPS)
    empty = family.refit(data, whole.path.empty.vector, whole.path.empty.support, LAST_STEPS)
    parts = [(to_device(rows.x[part]), to_device(rows.y[part])) for part in (train, stopping, held_out)]
    losses = family.losses(empty, rows.data())[held_out]
    return learned_remainder(whole.shape.learned(readable), parts[0], parts[1], parts[2], losses, seed)
