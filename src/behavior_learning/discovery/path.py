"""Problems of every size: from a dense one downward, term by term, and from a small one upward where terms pay.

A term is a coefficient of a row. After each move all numbers in use are learned again to the optimum. What goes and
what comes is read from the scores of all rows at once: the Wald statistic of each coefficient in use, Rao's of each
that could be.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from behavior_learning.core.network import BehaviorNetwork, drawn_like
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import Data, Family, Refit, Scores

__all__ = ["Menu", "Path", "learned_path"]

STARTS, SCREENED, FINISHED = 8, 60, 2
"""Random starts, the evaluations each is screened by, and how many are learned to the optimum."""

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
    """

    empty: Refit
    refits: dict[int, Refit]

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
    """

    template: BehaviorNetwork
    dense: Support
    allowed: Support
    responds: Bool[np.ndarray, " terms"]
    moves: Bool[np.ndarray, " terms"]
    most: int

    def settled(self, support: Support) -> Support:
        """Without rows of the first layer that do not see the response, which cancel in the density."""
        support = support.copy()
        for coef in support.coefs[0].values():
            terms = coef[..., : len(self.responds)]
            coef[~(terms & self.responds).any(axis=-1)] = False
        return support.settled(self.template)

    def empty(self) -> Support:
        """The terms of the response alone."""
        support = self.dense.copy()
        for coef in support.coefs[0].values():
            coef[..., : len(self.moves)] &= ~self.moves
        return support

    def explains(self, support: Support) -> bool:
        """Whether any term sees x."""
        return any(bool(coef[..., : len(self.moves)][..., self.moves].any()) for coef in support.coefs[0].values())


def learned_path(family: Family, data: Data, menu: Menu, rng: np.random.Generator) -> Path:
    """The best problem of each size for some rows, from the terms of the response alone up to the dense start."""
    dense = from_starts(family, data, menu.dense, rng)
    found = [dense, *downward(family, data, menu, dense)]
    if menu.allowed.size > menu.dense.size:
        rows = float(np.sum(np.asarray(data[2]) > 0))
        top = min(found, key=lambda refit: rows * refit.loss + 0.5 * np.log(rows) * refit.size)  # Schwarz's criterion.
        up = list(upward(family, data, menu, top))
        found += up + (list(downward(family, data, menu, up[-1])) if up else [])
    alone = [refit for refit in found if not menu.explains(refit.support)]
    empty = min([from_starts(family, data, menu.empty(), rng), *alone], key=lambda refit: refit.loss)
    best, lowest = {}, empty.loss
    for refit in sorted(found, key=lambda refit: (refit.size, refit.loss)):
        if refit.loss < lowest and menu.explains(refit.support):
            best[refit.size], lowest = refit, refit.loss
    return Path(empty, {size: refit for size, refit in best.items() if size <= menu.most})


def from_starts(family: Family, data: Data, support: Support, rng: np.random.Generator) -> Refit:
    """The optimum of the lowest loss among those of the best of some random starts."""
    starts = [family.drawn(drawn_like(family.template, rng)) for _ in range(STARTS)]
    begun = sorted((family.refit(data, start, support, SCREENED) for start in starts), key=lambda refit: refit.loss)
    ends = [family.refit(data, refit.vector, support, LAST_STEPS) for refit in begun[:FINISHED]]
    return min(ends, key=lambda refit: refit.loss)


def downward(family: Family, data: Data, menu: Menu, refit: Refit) -> Iterator[Refit]:
    """Without the weakest terms, more and more of them, until none is left that sees x."""
    while menu.explains(refit.support):
        size = refit.size
        gone = 1 if size <= SINGLY else max(1, min(int(SHARE * size), size - SINGLY))
        scores = family.scores(refit, data)
        support = _without_weakest(family, menu, refit, scores, gone)
        if support is None:
            return
        refit = family.refit(data, refit.vector, support, STEPS, scores)
        yield refit


def upward(family: Family, data: Data, menu: Menu, refit: Refit) -> Iterator[Refit]:
    """With the terms that pay most, one after the other."""
    while refit.size < menu.most:
        scores = family.scores(refit, data)
        support = _with_strongest(family, menu, refit, scores)
        if support is None:
            return
        refit = family.refit(data, refit.vector, support, STEPS, scores)
        yield refit


Place = tuple[int, str, tuple[int, ...]]


def _coefficients(support: Support) -> Iterator[Place]:
    """Layer, head and index of every coefficient in use."""
    for number, layer in enumerate(support.coefs):
        for role, coef in layer.items():
            yield from ((number, role, tuple(index)) for index in np.argwhere(coef))


def _without_weakest(family: Family, menu: Menu, refit: Refit, scores: Scores, gone: int) -> Support | None:
    """The support without its weakest terms; None where nothing would be left."""
    rises, support = scores.rises(), refit.support
    places = list(_coefficients(support))
    places.sort(key=lambda place: rises[family.coefs[place[0]][place[1]][place[2]]])
    for number, role, index in places:
        if gone <= 0:
            break
        trial = support.copy()
        trial.coefs[number][role][index] = False
        trial = menu.settled(trial)
        lost = support.size - trial.size
        if lost <= max(gone, TOGETHER) and not trial.empty:
            support, gone = trial, gone - lost
    return None if support.size == refit.size else support


def _with_strongest(family: Family, menu: Menu, refit: Refit, scores: Scores) -> Support | None:
    """The support with the term that pays most; None where there is no other."""
    falls, support = scores.falls(), refit.support.copy()
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
    places = list(_coefficients(closed))
    if not places:
        return None
    number, role, index = max(places, key=lambda place: falls[family.coefs[place[0]][place[1]][place[2]]])
    support.coefs[number][role][index] = True
    return support
