"""Which groupings of columns do best: short noisy descents of those that score tests propose, and of all near the best.

Score tests mislead where curves fit badly. What a grouping of agents with every head reaches says more: a column in the
wrong agent costs tens of nats.
"""

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np

from behavior_learning.core.network import drawn_like
from behavior_learning.discovery.interactions import Grouping, Terms, groups_of_columns
from behavior_learning.discovery.moves import Start, placed
from behavior_learning.discovery.path import Menu, criterion
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import Data, Family
from behavior_learning.training.wander import wandered

__all__ = ["best_groupings", "drawn", "of_own_columns", "placed_in_turn"]

MORE, HOPEFUL = 3, 6
"""Further starts of each order of the rows above, and groupings that have them: the best of those tried together."""

CHOSEN, ROUNDS = 4, 4
"""Groupings that go on, and times at most that what is near the best is tried."""


def best_groupings(
    family: Family, data: Data, menu: Menu, units: Sequence[Terms], most: int, rng: np.random.Generator
) -> list[Support]:
    """The best of those that score tests propose, and of what one step makes of the best until none gets better."""
    reached = dict[Grouping, float]()

    def run(groupings: Sequence[Grouping], count: int) -> None:
        structures = [(each, own) for each in groupings for own in placed_in_turn(seeing(each)) * count]
        trials = wandered(family, data, [drawn(family, own, rng) for _, own in structures], rng)
        for (each, _), trial in zip(structures, trials, strict=True):
            reached[each] = min(reached.get(each, np.inf), criterion(trial, data))

    def seeing(grouping: Grouping) -> Support:
        return of_own_columns(menu, [np.any([units[unit] for unit in agent], axis=0) for agent in _in_order(grouping)])

    new = list(groups_of_columns(family, data, menu, units, most))
    for _ in range(ROUNDS):
        run(new, 1)
        run(sorted(new, key=reached.__getitem__)[:HOPEFUL], MORE)
        best = min(reached, key=reached.__getitem__)
        new = [each for each in near(best, most) if each not in reached]
        if not new:
            break
    return [seeing(each) for each in sorted(reached, key=reached.__getitem__)[:CHOSEN]]


def near(grouping: Grouping, most: int) -> list[Grouping]:
    """With one unit in another agent, in one of its own or shared no more, two exchanged, and two agents as one."""
    found = set[Grouping]()
    for one, other in permutations(grouping, 2):
        rest = grouping - {one, other}
        found.add(rest | {one | other})
        for unit in one - other:
            found.add(rest | {one - {unit}, other | {unit}})
            found |= {rest | {one - {unit} | {back}, other - {back} | {unit}} for back in other - one}
        found |= {rest | {one - {unit}, other} for unit in one & other}
    if len(grouping) < most:
        found |= {grouping - {own} | {own - {unit}, frozenset({unit})} for own in grouping for unit in own}
    return sorted((each for each in found - {grouping} if len(each) > 1 and all(each)), key=_in_order)


def _in_order(grouping: Grouping) -> list[list[int]]:
    return sorted(map(sorted, grouping))


def of_own_columns(menu: Menu, groups: Sequence[Terms]) -> Support:
    """An agent with every head for each group of terms, which sees these."""
    support = menu.allowed.copy()
    for coef in support.coefs[0].values():
        coef[len(groups) :] = False
        for agent, group in enumerate(groups):
            coef[agent][..., menu.moves & ~group] = False
    return menu.settled(support)


def placed_in_turn(sees: Support) -> list[Support]:
    """With each agent in a row of its own above, for every order of these rows."""
    roles = [role for role, coef in sees.coefs[1].items() if coef.size]
    agents = int(sees.blocks(0).sum())
    orders = permutations(roles, agents) if agents <= len(roles) else product(roles, repeat=agents)
    return [placed(sees, order) for order in orders]


def drawn(family: Family, support: Support, rng: np.random.Generator) -> Start:
    return family.drawn(drawn_like(family.template, rng)), support
