"""Problems above problems: which columns belong to which agent, and which heads.

Groupings are local optima of the likelihood, and no step of a descent leads from one to the next. Many random problems
in which every agent sees every column, and may share it, descend with much noise (`wander`): one or two in a hundred
end near the best grouping, and three where the grouping is told. The best of two and of three agents are thinned. What
is best goes on by moves between structures (`moves`), each kept where Schwarz's criterion falls; then some agents stay,
and the others are drawn anew beside them. All of it shares one compiled program: a structure is a set of gates.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations

import numpy as np
from jaxtyping import Bool

from behavior_learning.discovery.moves import (
    Start,
    Units,
    between_agents,
    joined,
    kept,
    renewed,
    within_agents,
    without_rows,
)
from behavior_learning.discovery.path import (
    LAST_STEPS,
    STEPS,
    Menu,
    Path,
    by_size,
    criterion,
    downward,
    learned,
    lowest_criterion,
    weakest,
    without_weakest,
)
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import Data, Family, Refit
from behavior_learning.training.wander import wandered

__all__ = ["divided", "improved", "learned_again", "learned_groupings", "opened", "whole"]

STARTS, SCREENED, SCREENING, FINISHED = 192, 12, 100, 2
"""Random starts of two agents and of three, the best of them that are learned in so many evaluations, and the best of
those that are thinned."""

ANEW, LAST = 48, 1
"""Random starts in a structure that did best, and how many of them are thinned."""

TRIED, NEAR, ROUNDS = 8, 10.0, 12
"""Moves that are learned before a problem counts as one that none improves, nats above it from which they are learned
to the optimum, and moves at most."""

WEAKEST = 6
"""Terms that are tried one by one where the weakest together do not pay."""

BRIEF = 12
"""Evaluations after which a problem with fewer terms goes on only where it is near enough."""

AGAIN, PAYS = 4, 0.5
"""Times that agents are drawn anew beside others and moves follow, as long as the criterion falls by so many nats."""

RENEWED, LIKELY = 32, 2
"""Random starts for each agent that is drawn anew beside a set that stays, and how many of the best are learned and
thinned."""


def learned_groupings(
    family: Family, data: Data, menu: Menu, seen: Bool[np.ndarray, " terms"], rng: np.random.Generator
) -> Path:
    """The best problem of each size of agents below a block.

    Parameters
    ----------
    seen : terms that matter; columns without any stay out.
    """
    units = [unit for unit in menu.units if (unit & seen).any()]
    if len(units) < 2:
        return by_size(family, data, menu, [], rng)
    found, ends = [], []
    for agents in range(2, family.template.architecture.layers[0] + 1):
        some = _thinned(family, data, menu, [whole(menu, units, agents, rng) for _ in range(STARTS)], FINISHED, rng)
        ends.append(lowest_criterion(some, data))
        found += some
    end = improved(family, data, menu, lowest_criterion(ends, data), units, rng)
    for _ in range(AGAIN):
        found += (anew := _renewed(family, data, menu, end, units, rng))
        best = lowest_criterion([end, *anew], data)
        if criterion(best, data) > criterion(end, data) - PAYS:
            break
        end = improved(family, data, menu, best, units, rng)
    path = by_size(family, data, menu, [*found, *ends, end, *downward(family, data, menu, end)], rng)
    refits = {size: refit for size, refit in path.refits.items() if size < end.size or refit.loss < end.loss}
    if end.size <= menu.most:
        refits[end.size] = end  # Another of its size and more rows may have a lower loss, and a higher criterion.
    groupings = tuple(opened(menu, other.support) for other in (end, *ends))
    return path._replace(refits=dict(sorted(refits.items())), groupings=groupings)


def learned_again(
    family: Family, data: Data, menu: Menu, groupings: Sequence[Support], rng: np.random.Generator
) -> Path:
    """The best problem of each size on other rows, of groupings that a search on all rows found good."""
    supports = [support for support in groupings for _ in range(ANEW // len(groupings))]
    found = _thinned(family, data, menu, supports, LAST, rng)
    best = lowest_criterion(found, data)
    return by_size(family, data, menu, [*found, *downward(family, data, menu, best)], rng)


def _thinned(
    family: Family, data: Data, menu: Menu, supports: Sequence[Support], count: int, rng: np.random.Generator
) -> list[Refit]:
    """The best of random starts of some structures, and the best of these without more and more of their terms."""
    begun = sorted(wandered(family, data, supports, rng), key=lambda refit: criterion(refit, data))
    ends = [learned(family, data, menu, start.vector, start.support, SCREENING) for start in begun[:SCREENED]]
    ends.sort(key=lambda refit: criterion(refit, data))
    return [*ends, *chain.from_iterable(slimmed(family, data, menu, best) for best in ends[:count])]


def _renewed(
    family: Family, data: Data, menu: Menu, refit: Refit, units: Units, rng: np.random.Generator
) -> list[Refit]:
    """Some agents of a problem beside others from random starts.

    These have the columns of the agents that go divided among them, or see all columns, or all of theirs, until it
    pays. Beside agents that are right, the others are found as often as if they were all.
    """
    agents, found = np.flatnonzero(refit.support.blocks(0)).tolist(), []
    for seeing in ("divided", "all", "theirs"):
        room, begun = family.template.architecture.layers[0] if seeing == "all" else len(agents), []
        for stay in chain.from_iterable(combinations(agents, count) for count in range(1, room)):
            gone = [agent for agent in agents if agent not in stay]
            if seeing == "divided" and len(gone) < 2:
                continue  # One of them has all columns.
            groups = _seen_together(menu, refit.support, gone, units)
            theirs = [unit for unit in units if (unit & np.any(groups, axis=0)).any()]
            own = units if seeing == "all" else theirs
            opened = [whole(menu, own, room, rng) for _ in range(RENEWED * (room - len(stay)))]
            if seeing == "divided":
                opened = [divided(menu, support, gone, groups, rng) for support in opened]
            starts = list(kept(menu, (renewed(family, refit, open_to, stay, rng) for open_to in opened)))
            tried = wandered(family, data, [support for _, support in starts], rng, [vector for vector, _ in starts])
            tried.sort(key=lambda trial: trial.loss)
            begun += [learned(family, data, menu, trial.vector, trial.support, SCREENING) for trial in tried[:LIKELY]]
        begun.sort(key=lambda start: start.loss)
        found += chain.from_iterable(slimmed(family, data, menu, start) for start in begun[:LIKELY])
        if any(criterion(other, data) < criterion(refit, data) - PAYS for other in found):
            break
    return found


def _seen_together(menu: Menu, support: Support, agents: Sequence[int], units: Units) -> Units:
    """The terms of x that some agents see, in groups of those that rows of theirs see together."""
    groups = [unit & menu.moves for unit in units]
    rows = [
        row & menu.moves
        for coef in support.coefs[0].values()
        for row in coef[list(agents)].reshape(-1, len(menu.moves))
    ]
    for row in rows:
        linked = [group for group in groups if (group & row).any()]
        if linked:
            apart = [group for group in groups if not (group & row).any()]
            groups = [*apart, np.any(linked, axis=0)]
    held = np.any(rows, axis=0)
    return [group for group in groups if (group & held).any()]


def divided(menu: Menu, support: Support, agents: Sequence[int], groups: Units, rng: np.random.Generator) -> Support:
    """With each group of terms seen by one of some agents alone, by chance; each agent has one while there are any."""
    support = support.copy()
    owners = np.concatenate([rng.permutation(agents), rng.choice(agents, len(groups))])[: len(groups)]
    for owner, group in zip(owners, rng.permutation(len(groups)), strict=True):
        for coef in support.coefs[0].values():
            for agent in agents:
                coef[agent] &= (agent == owner) | ~groups[group]
    return menu.settled(support)


def slimmed(family: Family, data: Data, menu: Menu, refit: Refit) -> Iterator[Refit]:
    """Without the weakest terms, as long as Schwarz's criterion falls.

    Rows of layers stand in for each other, so that what looks weak by itself may not be: where the criterion rises the
    next weakest are tried, and then each row.
    """
    better: Refit | None = refit
    while better is not None:
        refit, limit = better, criterion(better, data)
        lighter = _lighter(family, data, menu, refit, limit + NEAR)
        better = next((less for less in lighter if criterion(less, data) < limit), None)
        if better is not None:
            yield better


def _lighter(family: Family, data: Data, menu: Menu, refit: Refit, near: float) -> Iterator[Refit]:
    """Without several of the weakest terms, without each of some, and without each row, where that comes near."""
    scores = family.scores(refit, data)
    several = without_weakest(family, menu, refit, scores)
    starts = [] if several is None else [(refit.vector, several)]
    for layer, role, at in weakest(family, refit, scores)[:WEAKEST]:
        support = refit.support.copy()
        support.coefs[layer][role][at] = False
        starts.append((refit.vector, support))
    for vector, support in kept(menu, chain(starts, without_rows(refit))):
        less = learned(family, data, menu, vector, support, BRIEF, scores)
        if criterion(less, data) < near:
            yield learned(family, data, menu, less.vector, less.support, STEPS, scores)


def improved(family: Family, data: Data, menu: Menu, refit: Refit, units: Units, rng: np.random.Generator) -> Refit:
    """The problem after moves between structures, as long as one makes Schwarz's criterion fall.

    From each move a noisy descent (`wander`) leads past the optima near it. Agents that become one are also learned as
    they are: where they add up, what is gained is a number less.
    """
    limit = criterion(refit, data)
    for _ in range(ROUNDS):
        inner = _tried(family, data, menu, within_agents(family, menu, refit), limit, rng)
        outer = _tried(family, data, menu, between_agents(family, menu, refit, units, rng), limit, rng)
        pooled = (learned(family, data, menu, *start, LAST_STEPS) for start in kept(menu, joined(family, refit)))
        better = next((end for end in chain(inner, outer, pooled) if criterion(end, data) < limit - PAYS), None)
        if better is None:
            return refit
        refit, limit = better, criterion(better, data)
    return refit


def _tried(
    family: Family, data: Data, menu: Menu, starts: Iterable[Start], limit: float, rng: np.random.Generator
) -> Iterator[Refit]:
    """The optima of the best, of those that come near a criterion in few steps."""
    starts = list(starts)
    trials = wandered(family, data, [support for _, support in starts], rng, [vector for vector, _ in starts])
    trials.sort(key=lambda trial: criterion(trial, data))
    for trial in trials[:TRIED]:
        begun = learned(family, data, menu, trial.vector, trial.support, STEPS)
        if criterion(begun, data) < limit + NEAR:
            yield learned(family, data, menu, begun.vector, begun.support, LAST_STEPS)


def opened(menu: Menu, support: Support) -> Support:
    """Every head of every agent in use, on the columns that it sees."""
    support = support.copy()
    for agent in np.flatnonzero(support.blocks(0)):
        seen = np.any([coef[agent].any(axis=0) for coef in support.coefs[0].values()], axis=0)
        for role, coef in support.coefs[0].items():
            coef[agent] = (seen | ~menu.moves) & menu.allowed.coefs[0][role][agent]
    for coef in support.coefs[1].values():
        coef[...] = support.blocks(0)
    return menu.settled(support)


def whole(menu: Menu, units: Units, agents: int, rng: np.random.Generator) -> Support:
    """So many agents with every head that see all units; each theme belongs to one of them, by chance."""
    support = menu.allowed.copy()
    seen = np.any(units, axis=0)
    owners = rng.integers(agents, size=len(menu.themes))
    for coef in support.coefs[0].values():
        coef[..., menu.moves & ~seen] = False
        coef[agents:] = False
        for theme, owner in zip(menu.themes, owners, strict=True):
            coef[np.ix_(np.arange(len(coef)) != owner, np.ones(coef.shape[1], bool), theme & menu.moves)] = False
    return menu.settled(support)
