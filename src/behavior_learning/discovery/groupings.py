"""Problems above problems: which columns belong to which agent, and which heads.

Groupings are local optima of the likelihood, and no step leads from one to the next. So they are tried: for every split
of the columns between two agents random problems are learned on some of the rows; for the best splits, every choice of
heads of both agents; the best of these are learned on all rows and thinned. All of it shares one compiled program: a
grouping is a set of gates.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations, product

import numpy as np
from jaxtyping import Bool

from behavior_learning.core.network import drawn_like
from behavior_learning.discovery.path import LAST_STEPS, Menu, Path, by_size, criterion, downward, learned
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import Data, Family, Refit

__all__ = ["grouped", "headed", "learned_groupings", "splits", "without_rows"]

STARTS, SCREENED, SCREENED_ROWS = 2, 50, 400
"""Random starts of a split or a choice of heads, the evaluations each is screened by, and the rows."""

EVERY = 6
"""Units up to which every split is tried, and of more as many random ones."""

SPLITS, LEARNED, FINISHED, THINNED = 2, 6, 3, 2
"""Splits that are kept; starts that are learned on all rows, those that reach the optimum, and the optima thinned."""

Split = Bool[np.ndarray, " units"]
"""Which units the first agent has; the second has the others."""


def learned_groupings(
    family: Family, data: Data, menu: Menu, seen: Bool[np.ndarray, " terms"], rng: np.random.Generator
) -> Path:
    """The best problem of each size of two agents below a block.

    Parameters
    ----------
    seen : terms that matter; columns without any stay out.
    """
    units = [unit for unit in menu.units if (unit & seen).any()]
    if len(units) < 2:
        return by_size(family, data, menu, [], rng)
    some = tuple(part[:SCREENED_ROWS] for part in data)

    def begun(supports: Iterable[Support]) -> list[Refit]:
        """The best start of each, the most promising first."""
        found = [
            min(
                (
                    family.refit(some, family.drawn(drawn_like(family.template, rng)), support, SCREENED)
                    for _ in range(STARTS)
                ),
                key=lambda refit: refit.loss,
            )
            for support in supports
        ]
        return sorted(found, key=lambda refit: criterion(refit, data))

    groups = begun(grouped(menu, units, split) for split in splits(len(units), rng))
    found = begun(support for group in groups[:SPLITS] for support in headed(menu, group.support))
    for count, steps in ((LEARNED, SCREENED), (FINISHED, LAST_STEPS)):
        found = [learned(family, data, menu, start.vector, start.support, steps) for start in found[:count]]
        found.sort(key=lambda refit: criterion(refit, data))
    found += [thinner for end in found[:THINNED] for thinner in downward(family, data, menu, end)]
    found += without_rows(family, data, menu, min(found, key=lambda refit: criterion(refit, data)))
    return by_size(family, data, menu, found, rng)


def without_rows(family: Family, data: Data, menu: Menu, refit: Refit) -> Iterator[Refit]:
    """Without one row of an agent after the other, as long as Schwarz's criterion falls.

    Two rows of one agent can say together what one of them says alone: |t| = 2·relu(t) − t. Neither is then weak.
    """
    while True:
        trials = []
        for role, coef in refit.support.coefs[0].items():
            for agent, row in np.argwhere(coef.any(axis=-1)):
                support = refit.support.copy()
                support.coefs[0][role][agent, row] = False
                support = menu.settled(support)
                if menu.explains(support) and menu.holds_known(support):
                    trials.append(learned(family, data, menu, refit.vector, support, SCREENED))
        best = min(trials, key=lambda trial: criterion(trial, data), default=refit)
        if criterion(best, data) >= criterion(refit, data):
            return
        refit = best
        yield refit


def splits(units: int, rng: np.random.Generator) -> Iterator[Split]:
    """Every split of a few units in two parts, or random ones of many."""
    others = range(1, units)
    if units <= EVERY:
        for count in range(units - 1):
            for own in combinations(others, count):
                yield np.isin(np.arange(units), [0, *own])
    else:
        for _ in range(2 ** (EVERY - 1)):
            yield rng.random(units) < 0.5


def grouped(menu: Menu, units: list[Bool[np.ndarray, " terms"]], split: Split) -> Support:
    """All terms of the response, and for each agent those of its units."""
    support = menu.allowed.copy()
    for agent, own in enumerate((split, ~split)):
        owned = np.any([unit for unit, has in zip(units, own, strict=True) if has], axis=0)
        for coef in support.coefs[0].values():
            coef[agent, :, menu.moves & ~owned] = False
    return support


def headed(menu: Menu, support: Support) -> Iterator[Support]:
    """Every choice of heads of both agents."""
    roles = [role for role, coef in support.coefs[0].items() if coef.size]
    choices = [own for count in range(1, len(roles) + 1) for own in combinations(roles, count)]
    for own in product(choices, choices):
        chosen = support.copy()
        for agent, heads in enumerate(own):
            for role in set(roles) - set(heads):
                chosen.coefs[0][role][agent] = False
        yield menu.settled(chosen)
