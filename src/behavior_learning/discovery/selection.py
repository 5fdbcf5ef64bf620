"""The search on samples of the rows: held-out losses by size, and what recurs on complementary halves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Array, Float, Int

from behavior_learning.core.arrays import to_device
from behavior_learning.discovery.path import STEPS, Path, learned, lowest_criterion
from behavior_learning.discovery.shapes import Shape
from behavior_learning.errors import DataError
from behavior_learning.explanation.stability import Stability, compare_refits
from behavior_learning.explanation.statements import Explanation
from behavior_learning.learned.model import LearnedModel, TrainingRows, in_single
from behavior_learning.learned.stability import columns_of_heads
from behavior_learning.training.active_set import reduced
from behavior_learning.training.refit import Data, Refit

__all__ = [
    "Found",
    "Relearning",
    "Rows",
    "Search",
    "Searching",
    "halves",
    "held_out_losses",
    "recurrence_of",
    "recurring_most",
    "searched",
]


@dataclass(frozen=True, eq=False)
class Rows:
    """Encoded rows of the search."""

    x: Float[np.ndarray, "n d"]
    y: np.ndarray

    def data(self, weight: Float[np.ndarray, " n"] | None = None) -> Data:
        """All of them, with a weight of mean one."""
        counts = np.ones(len(self.x)) if weight is None else weight
        return *self.pair, to_device((counts / counts.mean()).astype(np.float32))

    @property
    def pair(self) -> tuple[Array, Array]:
        """Both on the device."""
        return to_device(self.x), to_device(self.y)

    def at(self, rows: Int[np.ndarray, " some"]) -> "Rows":
        return Rows(self.x[rows], self.y[rows])


@dataclass(frozen=True, eq=False)
class Found:
    """What a search on some rows found: a path, and the shape it is of.

    Attributes
    ----------
    shape, path : those of the lowest Schwarz criterion.
    """

    shape: Shape
    path: Path

    @cached_property
    def said(self) -> Explanation:
        """What the largest problem of the path says."""
        return self.shape.explained(self.path.largest)

    def again(self, data: Data, rng: np.random.Generator) -> "Found":
        """The search on other rows, of the same shape and among the groupings that did best here."""
        return Found(self.shape, self.shape.path_again(data, self.path, rng))

    def recurring(self, refit: Refit, samples: Sequence["Found"]) -> Stability | None:
        """How often what a problem says recurs on samples, in the largest problem of each.

        Smaller ones of a half-sample leave out one of two columns that go together, now this one, now that.
        """
        if not samples:
            return None
        said = [other.said for other in samples]
        candidates = columns_of_heads(self.shape.model)
        return compare_refits(self.shape.explained(refit), said, "halves", candidates=candidates)


def recurrence_of(stability: Stability | None) -> float:
    """The median over statements that name more than the response of the share of samples in which each recurs."""
    if stability is None:
        return np.nan
    explained = stability.explanation
    said = [s for s in explained.said if s.head != "output" and not set(s.variables) <= set(explained.response)]
    return float(np.median([stability.frequencies[s.key] for s in said])) if said else np.nan


def recurring_most(whole: Found, samples: Sequence[Found], rows: Rows) -> Found:
    """The path with the problem of each size that recurs most on samples, of those as good as the best of the size.

    A search ends in one of many optima, and what another one found on a sample may be as good on all rows: its loss is
    within one standard error of the lowest, by the differences of the same rows. What a sample found is to recur on the
    others.
    """
    family, menu, data = whole.shape.family, whole.shape.menu, rows.data()
    tried: list[tuple[Refit, Sequence[Found]]] = [(refit, samples) for refit in whole.path.refits.values()]
    for sample in samples:
        others = [other for other in samples if other is not sample]
        refits = sample.path.refits.values() if sample.shape is whole.shape else ()
        for r in refits:
            scores = family.scores(r, data)  # Half of the rows have led near the optimum of all.
            tried.append((learned(family, data, menu, r.vector, r.support, STEPS, scores), others))

    def as_good(refit: Refit, best: Refit) -> bool:
        beyond = family.losses(refit, data) - family.losses(best, data)
        return bool(beyond.mean() <= beyond.std(ddof=1) / len(beyond) ** 0.5)

    tried = [(refit, others) for refit, others in tried if menu.admits(refit.support)]
    chosen, lowest = {}, whole.path.empty.loss
    for size in sorted({refit.size for refit, _ in tried}):
        here = sorted((pair for pair in tried if pair[0].size == size), key=lambda pair: pair[0].loss)
        best = here[0][0]
        if best.loss < lowest:
            good = [pair for pair in here if as_good(pair[0], best)]
            chosen[size] = max(good, key=lambda pair: recurrence_of(whole.recurring(*pair)))[0]
            lowest = best.loss
    return Found(whole.shape, whole.path._replace(refits=chosen))


def searched(shapes: Sequence[Shape], data: Data, rng: np.random.Generator) -> Found:
    """The path of the shape whose best problem has the lowest Schwarz criterion; the first shape says what matters."""
    found, seen = [], None
    for shape in shapes:
        path = shape.path(data, seen, rng)
        best = lowest_criterion([path.empty, *path.refits.values()], data)
        seen = shape.menu.used(best.support) if seen is None else seen
        found.append((Found(shape, path), best))
    chosen = lowest_criterion([best for _, best in found], data)
    if np.isinf(chosen.loss):
        raise DataError(
            "Densities end on single values of the response, which many rows share, so that losses mean nothing. Where "
            "these are limits of what can be observed, use response=bl.Censored(...); otherwise leave those rows out."
        )
    return next(each for each, best in found if best is chosen)


Search = Callable[[Data, np.random.Generator], Found]
"""The search on some rows."""


@dataclass(frozen=True, eq=False)
class Searching:
    """The search, and the largest problem of at most so many terms.

    Attributes
    ----------
    shapes : that are compared.
    size : terms of the chosen problem.
    """

    shapes: tuple[Shape, ...]
    size: int

    def __call__(self, model: LearnedModel, rows: TrainingRows, rng: np.random.Generator) -> LearnedModel:
        data = Rows(*in_single((rows.x, rows.y))).data(rows.weight)
        found = searched(self.shapes, data, rng)
        return replace(found.shape.learned(found.path.of(self.size)), rows=rows, procedure=self)


@dataclass(frozen=True, eq=False)
class Relearning:
    """The problem that other rows chose, learned again: a bootstrap of it chooses nothing.

    Attributes
    ----------
    shape : that it is of.
    refit : its numbers and what is in use.
    """

    shape: Shape
    refit: Refit

    def __call__(self, model: LearnedModel, rows: TrainingRows, rng: np.random.Generator) -> LearnedModel:
        data = Rows(*in_single((rows.x, rows.y))).data(rows.weight)
        again = learned(self.shape.family, data, self.shape.menu, self.refit.vector, self.refit.support, STEPS)
        return replace(model, network=reduced(self.shape.family.network(again), again.support), rows=rows)


def held_out_losses(
    search: Search,
    rows: Rows,
    sizes: Sequence[int],
    *,
    folds: int,
    rng: np.random.Generator,
    done: Callable[[], None],
) -> tuple[Float[np.ndarray, "n sizes"], list[Found]]:
    """The loss of every row by problems that the search finds without the row's fold, for the empty problem and sizes.

    A size stands for the largest problem of at most so many terms.
    """
    n = len(rows.x)
    losses, found = np.empty((n, 1 + len(sizes))), []
    for fold in np.array_split(rng.permutation(n), folds):
        weight = np.ones(n)
        weight[fold] = 0.0
        here = search(rows.data(weight), rng)
        known: dict[int, np.ndarray] = {}
        for column, refit in enumerate([here.path.empty, *map(here.path.of, sizes)]):
            if id(refit) not in known:
                known[id(refit)] = here.shape.finer.losses(refit, rows.data())[fold]
            losses[fold, column] = known[id(refit)]
        found.append(here)
        done()
    return losses, found


def halves(n: int, pairs: int, rng: np.random.Generator) -> list[Int[np.ndarray, " half"]]:
    """Both halves of so many random splits of rows.

    Source: complementary pairs (Shah and Samworth 2013).
    """
    half = n // 2
    orders = [rng.permutation(n) for _ in range(pairs)]
    return [part for order in orders for part in (order[:half], order[half : 2 * half])]
