"""The path of one block: downward from random dense problems, upward, and on by moves from the best of these.

Taking out one term after the other is greedy. A limit at p·m and m·q may stand for one at m, and near a kink the scores
of the rows say little of what would pay. So the best problem is turned, has terms exchanged, let in and taken out
again, and rows drawn anew, as long as Schwarz's criterion falls.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from behavior_learning.core.heads import Identity
from behavior_learning.core.network import drawn_like
from behavior_learning.discovery.path import (
    LAST_STEPS,
    STEPS,
    Menu,
    Path,
    by_size,
    criterion,
    downward,
    from_starts,
    learned,
    lowest_criterion,
    strongest,
    upward,
    weakest,
)
from behavior_learning.training.refit import Data, Family, Refit

__all__ = ["learned_path"]

ROUNDS, PAYS = 8, 0.05
"""Moves that are taken at most, and the nats by which the criterion falls with one that is."""

WEAKEST, BEST = 10, 2
"""Terms that are exchanged, the weakest first, and those that are tried for each."""

BRIEF, NEAR = 12, 10.0
"""Evaluations after which the scores say what pays in place of a term, and after which an exchange is given up that is
so many nats above the problem."""

ADDED = 3
"""Terms that are let in, one at a time, before others go out."""

DRAWN, SCREENED, THINNED = 4, 60, 1
"""Random starts of a row, the evaluations each is screened by, and how many of the best lose their terms."""

BEYOND = 15.0
"""Nats above the best of a way downward at which it ends."""


def learned_path(family: Family, data: Data, menu: Menu, rng: np.random.Generator) -> Path:
    """The best problem of each size for some rows, from the terms of the response alone up to the dense start."""
    dense = from_starts(family, data, menu, menu.dense, rng)
    found = [dense, *downward(family, data, menu, dense)]
    if menu.allowed.size > menu.dense.size:
        up = list(upward(family, data, menu, lowest_criterion(found, data)))
        found += up + (list(downward(family, data, menu, up[-1])) if up else [])
    found += _exchanged(family, data, menu, lowest_criterion(found, data), rng)
    return by_size(family, data, menu, found, rng)


def _exchanged(family: Family, data: Data, menu: Menu, refit: Refit, rng: np.random.Generator) -> list[Refit]:
    """All problems met on the way from one to the next of a lower criterion, until no move leads on."""
    met = []
    for _ in range(ROUNDS):
        for move in (_turned, _swapped, _widened, _redrawn):
            ends = [end for end in move(family, data, menu, refit, rng) if menu.admits(end.support)]
            met += ends
            best = lowest_criterion([refit, *ends], data)
            if criterion(best, data) < criterion(refit, data) - PAYS:
                refit = learned(family, data, menu, best.vector, best.support, LAST_STEPS)
                met.append(refit)
                break
        else:
            break
    return met


def _thinned(family: Family, data: Data, menu: Menu, start: Refit, size: int) -> Iterator[Refit]:
    """A problem without more and more of its terms, as long as that is not hopeless."""
    lowest = criterion(start, data)
    yield start
    for refit in downward(family, data, menu, start):
        yield refit
        lowest = min(lowest, criterion(refit, data))
        if refit.size < size and criterion(refit, data) > lowest + BEYOND:
            return


def _turned(family: Family, data: Data, menu: Menu, refit: Refit, rng: np.random.Generator) -> Iterator[Refit]:
    """With each limit the other way round, f(t) = t + f(−t), where a sum takes up what is linear."""
    heads, (places, *_) = family.template.layers[0].heads, family.rows
    if heads["utility"].head != Identity() or not (limit := heads["inequality"].head) or not limit.flippable:
        return
    limits, sums = places["inequality"], places["utility"]
    for at in map(tuple, np.argwhere(refit.support.rows(0, "inequality"))):
        vector, support, first = refit.vector.copy(), refit.support.copy(), (at[0], 0)
        own, utility = support.coefs[0]["inequality"][at], support.coefs[0]["utility"][first]
        taken = own & menu.allowed.coefs[0]["utility"][first]
        louder = np.logaddexp(0, vector[limits.multiplier[at]]) / np.logaddexp(0, vector[sums.multiplier[first]])
        vector[sums.coef[first]] = vector[sums.coef[first]] * utility - louder * vector[limits.coef[at]] * taken
        support.coefs[0]["utility"][first] |= taken
        vector[limits.coef[at]] *= -1
        vector[limits.intercept[at]] *= -1
        start = learned(family, data, menu, vector, support, STEPS)
        yield from _thinned(family, data, menu, start, refit.size)


def _swapped(family: Family, data: Data, menu: Menu, refit: Refit, rng: np.random.Generator) -> Iterator[Refit]:
    """With another term in a row in place of each."""
    limit = criterion(refit, data)
    for layer, role, at in islice(weakest(family, refit, family.scores(refit, data)), WEAKEST):
        support, row = refit.support.copy(), at[:-1]
        support.coefs[layer][role][at] = False
        support = menu.settled(support)
        if not support.coefs[layer][role][row].any():
            continue
        without = family.refit(data, refit.vector, support, BRIEF)
        others = strongest(family, menu, without, family.scores(without, data))
        own = (place for place in others if place[:2] == (layer, role) and place[2][:-1] == row and place[2] != at)
        for *_, place in islice(own, BEST):
            other = support.copy()
            other.coefs[layer][role][place] = True
            begun = learned(family, data, menu, without.vector, other, BRIEF)
            if criterion(begun, data) < limit + NEAR:
                yield learned(family, data, menu, begun.vector, other, STEPS)


def _widened(family: Family, data: Data, menu: Menu, refit: Refit, rng: np.random.Generator) -> Iterator[Refit]:
    """With each of the terms that pay most, and without others."""
    for layer, role, at in islice(strongest(family, menu, refit, family.scores(refit, data)), ADDED):
        support = refit.support.copy()
        support.coefs[layer][role][at] = True
        start = learned(family, data, menu, refit.vector, support, STEPS)
        yield from _thinned(family, data, menu, start, refit.size)


def _redrawn(family: Family, data: Data, menu: Menu, refit: Refit, rng: np.random.Generator) -> Iterator[Refit]:
    """With a row of each head but a sum drawn anew, which sees all terms at first."""
    begun = []
    for role, rows in family.template.layers[0].heads.items():
        if rows.head == Identity() or not rows.head:
            continue
        for at in np.ndindex(np.shape(rows.intercept.raw)):
            for _ in range(DRAWN):
                drawn = family.drawn(drawn_like(family.template, rng))
                vector, support = refit.vector.copy(), refit.support.copy()
                for places in family.rows[0][role]:
                    vector[places[at]] = drawn[places[at]]
                support.coefs[0][role][at] = menu.dense.coefs[0][role][at] | support.coefs[0][role][at]
                begun.append(learned(family, data, menu, vector, support, SCREENED))
    begun.sort(key=lambda start: start.loss)
    for start in begun[:THINNED]:
        yield from _thinned(family, data, menu, start, refit.size)
