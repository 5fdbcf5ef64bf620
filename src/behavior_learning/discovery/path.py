"""Problems of every size: from a dense one downward, term by term, and from a small one upward where terms pay.

A term is a coefficient of a row. After each move all numbers in use are learned again to the optimum. What goes and
what comes is read from the scores of all rows at once: the Wald statistic of each coefficient in use, Rao's of each
that could be.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from behavior_learning.core.network import BehaviorNetwork, drawn_like
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import FLOOR, Data, Family, Refit, Scores

__all__ = [
    "LAST_STEPS",
    "STEPS",
    "Menu",
    "Path",
    "best_of",
    "by_size",
    "criterion",
    "downward",
    "from_starts",
    "learned",
    "lowest_criterion",
    "strongest",
    "upward",
    "weakest",
    "without_weakest",
]

STARTS, FEW, SCREENED, FINISHED = 8, 2, 60, 2
"""Random starts, and those of the empty problem; the evaluations each is screened by, and how many are learned to the
optimum."""

STEPS, LAST_STEPS = 40, 250
"""Evaluations of a refit after a move, and of one from a random start."""

SHARE, SINGLY = 0.2, 12
"""Share of the terms that goes at once, and the terms from which they go one by one."""

TOGETHER = 3
"""Terms that may go with one where it leaves their row without the response."""


class Path(NamedTuple):
    """Problems of every size for some rows.

    Attributes
    ----------
    empty : with terms of the response alone.
    refits : by number of terms, the problem of the lowest loss; larger ones have lower losses.
    groupings : of columns among agents that did best, in a search for a hierarchy.
    """

    empty: Refit
    refits: dict[int, Refit]
    groupings: tuple[Support, ...] = ()

    @property
    def largest(self) -> Refit:
        return self.refits[max(self.refits)] if self.refits else self.empty

    def of(self, size: int) -> Refit:
        """The largest problem of at most so many terms."""
        return self.refits.get(max((s for s in self.refits if s <= size), default=-1), self.empty)


@dataclass(frozen=True, eq=False)
class Menu:
    """Which terms a problem may have.

    Attributes
    ----------
    template : a network of the right shape with every term in every row.
    dense : the terms that random starts have.
    allowed : the terms that may come in.
    responds : which terms see the response.
    moves : which terms see x.
    most : terms of the largest problem on the way up.
    known : terms of each column that every problem but the empty one holds.
    directions : of terms of columns in which the response is known to rise (1) or to fall (−1), 0 of others.
    units : terms of each theme, and of each column of none.
    themes : terms of each theme, which belongs to one agent.
    like : where units are known, `allowed` for every choice of a quantity for each row of a limit or a belief.
    alone : terms of the response alone, which compare nothing, where rows are of a quantity that it is not.
    """

    template: BehaviorNetwork
    dense: Support
    allowed: Support
    responds: Bool[np.ndarray, " terms"]
    moves: Bool[np.ndarray, " terms"]
    most: int
    known: tuple[Bool[np.ndarray, " terms"], ...]
    directions: Int[np.ndarray, " terms"]
    units: tuple[Bool[np.ndarray, " terms"], ...]
    themes: tuple[Bool[np.ndarray, " terms"], ...]
    like: tuple[Support, ...] = ()
    alone: Support | None = None

    @property
    def of_like_quantities(self) -> "list[Menu]":
        """One whose rows sum like quantities for each choice of these; itself where no units are known."""
        return [
            replace(self, dense=self.settled(self.dense.within(each)), allowed=each, like=(), alone=self.empty())
            for each in self.like
        ] or [self]

    def settled(self, support: Support) -> Support:
        """Without rows of the first layer that do not see the response, which cancel in the density."""
        support = support.copy()
        for coef in support.coefs[0].values():
            terms = coef[..., : len(self.responds)]
            coef[~(terms & self.responds).any(axis=-1)] = False
        return support.settled(self.template)

    def empty(self) -> Support:
        """The terms of the response alone."""
        if self.alone is not None:
            return self.alone
        support = self.dense.copy()
        for coef in support.coefs[0].values():
            coef[..., : len(self.moves)] &= ~self.moves
        return support

    def explains(self, support: Support) -> bool:
        """Whether any term sees x."""
        return bool((self.used(support) & self.moves).any())

    def holds_known(self, support: Support) -> bool:
        """Whether every known column is seen."""
        used = self.used(support)
        return all((used & terms).any() for terms in self.known)

    def admits(self, support: Support) -> bool:
        """Whether a problem on the way may have it."""
        return self.explains(support) and self.holds_known(support)

    def keeps_themes(self, support: Support) -> bool:
        """Whether no theme is seen by two agents."""
        rows = [coef[..., : len(self.moves)].any(axis=1) for coef in support.coefs[0].values()]
        seen = np.any(rows, axis=0)
        return all((seen & theme & self.moves).any(axis=1).sum() <= 1 for theme in self.themes)

    def used(self, support: Support) -> Bool[np.ndarray, " terms"]:
        """Terms that any row of the first layer holds."""
        rows = [coef[..., : len(self.moves)].any(axis=(0, 1)) for coef in support.coefs[0].values()]
        return np.any(rows, axis=0)

    def admitted(self, family: Family, refit: Refit) -> Support:
        """The support without terms that turn the response against what is known of their column.

        −λ·ρ(c·y + d·x) and −λ·ψ(c·y + d·x) with convex ρ and ψ have increasing differences in x and y where c·d < 0.
        """
        support = refit.support.copy()
        for role in ("inequality", "equality"):
            coef = refit.vector[family.coefs[0][role]]
            own = (coef * self.responds).sum(axis=-1, keepdims=True)
            support.coefs[0][role][coef * own * self.directions > 0] = False
        return self.settled(support)


def learned(
    family: Family,
    data: Data,
    menu: Menu,
    vector: Float[np.ndarray, " numbers"],
    support: Support,
    steps: int,
    scores: Scores | None = None,
) -> Refit:
    """The optimum from a vector, without terms that turn against what is known; see `Family.refit`.

    The loss of one that no quadrature sees is infinite.
    """
    refit = family.refit(data, vector, support, steps, scores)
    while menu.directions.any() and (admitted := menu.admitted(family, refit)).size < refit.size:
        refit = family.refit(data, refit.vector, admitted, steps)
    counted = family.losses(refit, data)[np.asarray(data[2]) > 0]
    return refit._replace(loss=np.inf) if counted.min() < FLOOR else refit


def by_size(family: Family, data: Data, menu: Menu, found: list[Refit], rng: np.random.Generator) -> Path:
    """The best of many problems of each size, as far as larger ones pay."""
    alone = [refit for refit in found if not menu.explains(refit.support)]
    plain = from_starts(family, data, menu, menu.empty(), rng, count=FEW)
    empty = min([plain, *alone], key=lambda refit: refit.loss)
    best = _paying(empty, (refit for refit in found if menu.admits(refit.support)))
    return Path(empty, {size: refit for size, refit in best.items() if size <= menu.most})


def best_of(paths: Sequence[Path]) -> Path:
    """The best problem of each size of several paths for the same rows, as far as larger ones pay."""
    empty = min((path.empty for path in paths), key=lambda refit: refit.loss)
    return Path(empty, _paying(empty, chain.from_iterable(path.refits.values() for path in paths)))


def _paying(empty: Refit, found: Iterable[Refit]) -> dict[int, Refit]:
    """By size the best of those that are better than all smaller ones."""
    best, lowest = dict[int, Refit](), empty.loss
    for refit in sorted(found, key=lambda refit: (refit.size, refit.loss)):
        if refit.loss < lowest:
            best[refit.size], lowest = refit, refit.loss
    return best


def criterion(refit: Refit, data: Data) -> float:
    """Schwarz's criterion on the rows that count, in nats, with the intercept of every row in use among the numbers."""
    rows = float(np.sum(np.asarray(data[2]) > 0))
    return rows * refit.loss + 0.5 * np.log(rows) * (refit.size + refit.support.n_rows)


def lowest_criterion(refits: Iterable[Refit], data: Data) -> Refit:
    """The problem of the lowest Schwarz criterion."""
    return min(refits, key=lambda refit: criterion(refit, data))


def from_starts(
    family: Family, data: Data, menu: Menu, support: Support, rng: np.random.Generator, count: int = STARTS
) -> Refit:
    """The optimum of the lowest loss among those of the best of some random starts."""
    starts = [family.drawn(drawn_like(family.template, rng)) for _ in range(count)]
    begun = sorted((family.refit(data, start, support, SCREENED) for start in starts), key=lambda refit: refit.loss)
    ends = [learned(family, data, menu, refit.vector, support, LAST_STEPS) for refit in begun[:FINISHED]]
    return min(ends, key=lambda refit: refit.loss)


def downward(family: Family, data: Data, menu: Menu, refit: Refit) -> Iterator[Refit]:
    """Without the weakest terms, more and more of them, until none is left that sees x."""
    while menu.explains(refit.support):
        scores = family.scores(refit, data)
        support = without_weakest(family, menu, refit, scores)
        if support is None:
            return
        refit = learned(family, data, menu, refit.vector, support, STEPS, scores)
        yield refit


def upward(family: Family, data: Data, menu: Menu, refit: Refit) -> Iterator[Refit]:
    """With the terms that pay most, one after the other."""
    while refit.size < menu.most:
        scores, support = family.scores(refit, data), refit.support.copy()
        places = strongest(family, menu, refit, scores)
        if not places:
            return
        layer, role, at = places[0]
        support.coefs[layer][role][at] = True
        refit = learned(family, data, menu, refit.vector, support, STEPS, scores)
        yield refit


Place = tuple[int, str, tuple[int, ...]]


def _coefficients(support: Support) -> Iterator[Place]:
    """Layer, head and index of every coefficient in use."""
    for number, layer in enumerate(support.coefs):
        for role, coef in layer.items():
            yield from ((number, role, tuple(index)) for index in np.argwhere(coef))


def weakest(family: Family, refit: Refit, scores: Scores) -> list[Place]:
    """Every coefficient in use, that first without which the loss rises least."""
    rises = scores.rises()
    return sorted(_coefficients(refit.support), key=lambda place: rises[_number(family, place)])


def strongest(family: Family, menu: Menu, refit: Refit, scores: Scores) -> list[Place]:
    """Every coefficient that could be let into a row in use, that first with which the loss falls most."""
    falls, support = scores.falls(), refit.support
    closed = Support(
        tuple(
            {
                role: ~coef & coef.any(axis=-1, keepdims=True) & menu.allowed.coefs[n][role]
                for role, coef in heads.items()
            }
            for n, heads in enumerate(support.coefs)
        ),
        support.readout,
    )
    return sorted(_coefficients(closed), key=lambda place: -falls[_number(family, place)])


def _number(family: Family, place: Place) -> int:
    """Where a coefficient stands in the packed vector."""
    layer, role, at = place
    return int(family.coefs[layer][role][at])


def without_weakest(family: Family, menu: Menu, refit: Refit, scores: Scores) -> Support | None:
    """The support without its weakest terms, one of few and several of many; None where nothing would be left."""
    support, size = refit.support, refit.size
    gone = 1 if size <= SINGLY else max(1, min(int(SHARE * size), size - SINGLY))
    for number, role, index in weakest(family, refit, scores):
        if gone <= 0:
            break
        trial = support.copy()
        trial.coefs[number][role][index] = False
        trial = menu.settled(trial)
        lost = support.size - trial.size
        if lost <= max(gone, TOGETHER) and not trial.empty and menu.holds_known(trial):
            support, gone = trial, gone - lost
    return None if support.size == refit.size else support
