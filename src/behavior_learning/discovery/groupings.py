"""Problems above problems: which columns belong to which agent, and which heads.

Groupings are local optima of the likelihood, and no step of a descent leads from one to the next. So they are tried:
for every partition of the columns between two agents random problems descend with much noise (`wander`); the best
partitions are refined and have more starts; the best ends are learned to the optimum and thinned; the best of all goes
on by moves between structures (`moves`), each kept where Schwarz's criterion falls. All of it shares one compiled
program: a structure is a set of gates.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from jaxtyping import Bool, Int

from behavior_learning.discovery.moves import Units, joined, kept, structures
from behavior_learning.discovery.path import (
    LAST_STEPS,
    Menu,
    Path,
    by_size,
    criterion,
    downward,
    learned,
    lowest_criterion,
)
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import Data, Family, Refit
from behavior_learning.training.wander import wandered

__all__ = ["grouped", "halved", "improved", "learned_again", "learned_groupings", "opened", "refined"]

FEW, STARTS, SCREENED, SCREENED_ROWS = 4, 24, 50, 400
"""Random starts of any partition and further ones of a good one; evaluations and rows by which moves are screened."""

EVERY, RANDOM = 6, 30
"""Units up to which every partition in two is tried, and how many random ones of more."""

GOOD, BEST, FINISHED = 3, 2, 3
"""Partitions that are refined, those that have more starts, and ends that are learned to the optimum and thinned."""

TRIED, ROUNDS = 3, 15
"""Moves that are learned on all rows before a problem counts as one that none improves, and moves at most."""

Partition = Int[np.ndarray, " units"]
"""The agent of each unit."""


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
    found: list[tuple[Refit, Partition]] = []

    def tried(some: Iterable[Partition], count: int) -> list[Partition]:
        """Random starts of each; the partitions of the best so far."""
        each = [partition for partition in some for _ in range(count)]
        supports = [grouped(menu, units, partition) for partition in each]
        found.extend(zip(wandered(family, data, supports, rng), each, strict=True))
        found.sort(key=lambda end: criterion(end[0], data))
        return [np.array(one) for one in dict.fromkeys(tuple(partition) for _, partition in found)][:GOOD]

    good = tried(tried(halved(len(units), rng), FEW)[:BEST], STARTS)
    if family.template.architecture.layers[0] > 2:
        good = tried([finer for partition in good for finer in refined(partition)], FEW)
        good = tried(good[:BEST], STARTS)
    thinned = _thinned(family, data, menu, [refit for refit, _ in found])
    some = tuple(part[:SCREENED_ROWS] for part in data)
    end = improved(family, data, some, menu, lowest_criterion(thinned, data), units, rng)
    path = by_size(family, data, menu, [*thinned, end, *downward(family, data, menu, end)], rng)
    groupings = [opened(menu, end.support), *(grouped(menu, units, partition) for partition in good)]
    return path._replace(groupings=tuple(groupings))


def learned_again(
    family: Family, data: Data, menu: Menu, groupings: Sequence[Support], rng: np.random.Generator
) -> Path:
    """The best problem of each size on other rows, of groupings that a search on all rows found good."""
    begun = wandered(family, data, [support for support in groupings for _ in range(STARTS // len(groupings))], rng)
    begun.sort(key=lambda refit: criterion(refit, data))
    return by_size(family, data, menu, _thinned(family, data, menu, begun), rng)


def _thinned(family: Family, data: Data, menu: Menu, begun: Sequence[Refit]) -> list[Refit]:
    """The best of the first few at their optima, without more and more of its terms."""
    ends = [learned(family, data, menu, start.vector, start.support, LAST_STEPS) for start in begun[:FINISHED]]
    best = lowest_criterion(ends, data)
    return [*ends, *downward(family, data, menu, best)]


def improved(
    family: Family, data: Data, some: Data, menu: Menu, refit: Refit, units: Units, rng: np.random.Generator
) -> Refit:
    """The problem after moves between structures, as long as one makes Schwarz's criterion fall on all rows.

    Moves are screened on some rows, but for agents that become one: where they add up, what is gained is a number less.
    """
    for _ in range(ROUNDS):
        starts = structures(family, menu, refit, units, rng)
        trials = [learned(family, some, menu, vector, support, SCREENED) for vector, support in starts]
        trials.sort(key=lambda trial: criterion(trial, data))
        ends = (learned(family, data, menu, trial.vector, trial.support, SCREENED) for trial in trials[:TRIED])
        pooled = (learned(family, data, menu, *start, LAST_STEPS) for start in kept(menu, joined(family, refit)))
        better = next((end for end in chain(ends, pooled) if criterion(end, data) < criterion(refit, data)), None)
        if better is None:
            return refit
        refit = better
    return refit


def halved(units: int, rng: np.random.Generator) -> Iterator[Partition]:
    """Every partition of a few units in two, or random ones of many."""
    if units <= EVERY:
        for number in range(1, 2 ** (units - 1)):
            yield number >> np.arange(units) & 1
    else:
        yield from (rng.integers(2, size=units) for _ in range(RANDOM))


def refined(partition: Partition) -> Iterator[Partition]:
    """With the units of one agent in every way between it and a new one."""
    for agent in range(max(partition) + 1):
        own = np.flatnonzero(partition == agent)
        for number in range(1, 2 ** max(len(own) - 1, 0)):
            finer = partition.copy()
            finer[own[(number >> np.arange(len(own)) & 1) == 1]] = max(partition) + 1
            yield finer


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


def grouped(menu: Menu, units: Units, partition: Partition) -> Support:
    """All terms of the response, and for each agent those of its units; agents without units are out of use."""
    support = menu.allowed.copy()
    for agent in range(len(next(iter(support.coefs[0].values())))):
        own = [unit for unit, owner in zip(units, partition, strict=True) if owner == agent]
        owned = np.any(own, axis=0) if own else np.zeros_like(menu.moves)
        for coef in support.coefs[0].values():
            coef[agent, :, menu.moves & ~owned] = False
            coef[agent] &= bool(own)
    return menu.settled(support)
