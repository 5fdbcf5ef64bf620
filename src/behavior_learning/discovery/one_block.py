"""The path of one block: downward from random dense problems, upward, and of a sum on by moves from the best of these.

Taking out one term after the other is greedy. A limit at p·m and m·q may stand for one at m, and near a kink the scores
of the rows say little of what would pay. So the best problem of a sum beside a limit is turned, has terms exchanged,
let in and taken out again, and rows drawn anew, as long as Schwarz's criterion falls. Of more candidates than a dense
start has, and of a limit beside a belief, so thorough a search was measured to fit noise.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from behavior_learning.core.bases import ONE
from behavior_learning.core.heads import Identity
from behavior_learning.core.network import drawn_like
from behavior_learning.discovery.moves import Start
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

__all__ = ["learned_path", "swapped", "turned"]

ROUNDS, PAYS = 8, 0.05
"""Moves that are taken at most, and the nats by which the criterion falls with one that is."""

WEAKEST, BEST = 10, 2
"""Terms that are exchanged, the weakest first, and those that are tried for each."""

BRIEF, NEAR = 15, 10.0
"""Evaluations after which an exchange is given up that is so many nats above the problem."""

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
    if menu.allowed.size == menu.dense.size and family.template.layers[0].heads["utility"].head == Identity():
        found += _exchanged(family, data, menu, lowest_criterion(found, data), rng)
    return by_size(family, data, menu, found, rng)


def _exchanged(family: Family, data: Data, menu: Menu, refit: Refit, rng: np.random.Generator) -> list[Refit]:
    """All problems met on the way from one to the next of a lower criterion, until no move leads on."""
    met = []
    for _ in range(ROUNDS):
        for move in (_turned, swapped, _widened, _redrawn):
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
    """With each limit the other way round, which may need fewer terms."""
    for vector, support in turned(family, menu, refit):
        start = learned(family, data, menu, vector, support, STEPS)
        yield from _thinned(family, data, menu, start, refit.size)


def turned(family: Family, menu: Menu, refit: Refit) -> Iterator[Start]:
    """The same distribution with each limit turned, f(t) = t + f(−t), where a sum takes up the rest."""
    limit, (places, *_) = family.template.layers[0].heads["inequality"].head, family.rows
    if limit is None or not limit.flippable:
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
        yield vector, support


def swapped(family: Family, data: Data, menu: Menu, refit: Refit, rng: np.random.Generator) -> Iterator[Refit]:
    """With a term that goes with it in place of each, from where the row is nearly what it was."""
    limit, values = criterion(refit, data), _values(family, data)
    scores = family.scores(refit, data)
    for layer, role, at in weakest(family, refit, scores)[:WEAKEST]:
        used, row, allowed = refit.support.coefs[layer][role], at[:-1], menu.allowed.coefs[layer][role]
        kept = used[row] & (np.arange(len(used[row])) != at[-1])
        for other in _stand_ins(values, at[-1], kept, allowed[row] & ~used[row])[:BEST]:
            vector, support = _stood_in(family, refit, values, (role, at), kept, other)
            support = menu.settled(support)
            if support.size < refit.size:
                continue
            begun = learned(family, data, menu, vector, support, BRIEF, scores)
            if criterion(begun, data) < limit + NEAR:
                yield learned(family, data, menu, begun.vector, support, STEPS)


def _values(family: Family, data: Data) -> Float[np.ndarray, "rows terms"]:
    """Every term at every row that counts."""
    x, y, weight = data
    space, basis = family.objective.space, family.template.basis
    terms = basis(x, space.candidates(space.points(y))[:, None])
    of_x, of_y = np.asarray(terms.x, float), np.asarray(terms.y, float)[:, 0]
    one = np.ones(len(of_x))
    pairs = [(one if i == ONE else of_x[:, i], one if j == ONE else of_y[:, j]) for i, j in basis.pairing.pairs]
    return np.stack([a * b for a, b in pairs], axis=1)[np.asarray(weight) > 0]


def _stand_ins(
    values: Float[np.ndarray, "rows terms"],
    term: int,
    kept: Bool[np.ndarray, " terms"],
    candidates: Bool[np.ndarray, " terms"],
) -> Int[np.ndarray, " some"]:
    """Candidates by their correlation with a term, net of the terms kept, the largest first."""
    net = _residual(values, values[:, kept])
    sizes = np.linalg.norm(net, axis=0)
    alike = np.abs(net.T @ net[:, term]) / np.maximum(sizes * sizes[term], 1e-9)
    return np.flatnonzero(candidates)[np.argsort(-alike[candidates])]


def _residual(
    values: Float[np.ndarray, "rows some"], others: Float[np.ndarray, "rows few"]
) -> Float[np.ndarray, "rows some"]:
    design = np.column_stack([np.ones(len(values)), others])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def _stood_in(
    family: Family,
    refit: Refit,
    values: Float[np.ndarray, "rows terms"],
    place: tuple[str, tuple[int, ...]],
    kept: Bool[np.ndarray, " terms"],
    other: int,
) -> Start:
    """With the least-squares prediction of a term by those kept and another one in its place."""
    (role, at), support, vector = place, refit.support.copy(), refit.vector.copy()
    seen, row, places = np.append(np.flatnonzero(kept), other), at[:-1], family.rows[0][role]
    design = np.column_stack([np.ones(len(values)), values[:, seen]])
    constant, *shares = np.linalg.lstsq(design, values[:, at[-1]], rcond=None)[0]
    gone = vector[places.coef[at]]
    support.coefs[0][role][at] = False
    support.coefs[0][role][(*row, other)] = True
    vector[places.coef[row][other]] = 0.0
    vector[places.coef[row][seen]] += gone * np.asarray(shares, np.float32)
    vector[places.intercept[row]] += gone * constant
    return vector, support


def _widened(family: Family, data: Data, menu: Menu, refit: Refit, rng: np.random.Generator) -> Iterator[Refit]:
    """With each of the terms that pay most, and without others."""
    scores = family.scores(refit, data)
    for layer, role, at in strongest(family, menu, refit, scores)[:ADDED]:
        support = refit.support.copy()
        support.coefs[layer][role][at] = True
        start = learned(family, data, menu, refit.vector, support, STEPS, scores)
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
