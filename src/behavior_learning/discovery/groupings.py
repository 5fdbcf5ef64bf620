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

from behavior_learning.discovery.moves import Start, Units, between_agents, joined, kept, within_agents
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
)
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import Data, Family, Refit
from behavior_learning.training.wander import wandered

__all__ = ["grouped", "halved", "improved", "learned_again", "learned_groupings", "opened", "refined"]

FEW, STARTS = 4, 24
"""Random starts of any partition and further ones of a good one."""

EVERY, RANDOM = 6, 30
"""Units up to which every partition in two is tried, and how many random ones of more."""

GOOD, BEST, FINISHED = 3, 2, 3
"""Partitions that are refined, those that have more starts, and ends that are learned to the optimum and thinned."""

TRIED, NEAR, ROUNDS = 8, 10.0, 12
"""Moves that are learned before a problem counts as one that none improves, nats above it from which they are learned
to the optimum, and moves at most."""

AGAIN = 3
"""Times that all starts anew in the best grouping, as long as it pays."""

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
    end = lowest_criterion(thinned, data)
    for number in range(AGAIN):
        begun = wandered(family, data, [opened(menu, end.support)] * STARTS, rng)
        thinned += _thinned(family, data, menu, sorted(begun, key=lambda refit: criterion(refit, data)))
        best = lowest_criterion([end, *thinned], data)
        if number and best is end:
            break
        end = improved(family, data, menu, best, units, rng)
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
        better = next((end for end in chain(inner, outer, pooled) if criterion(end, data) < limit), None)
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
