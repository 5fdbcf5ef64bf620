"""Problems above problems: which columns belong to which agent, and which heads.

Groupings are local optima of the likelihood, and no step of a descent leads from one to the next, so that they are read
from the columns that interact (`interactions`) and compared by what noisy descents (`wander`) of each reach (`race`).
Agents of the best descend from random starts, with every head and with few, for each order of the rows above, of which
each agent has one, and those of the very best once more. Of what comes near the best one agent after the other is drawn
anew with few heads, and the best goes on without weak terms and by moves between structures (`moves`), each kept where
Schwarz's criterion falls. It all shares one compiled program: a structure is a set of gates.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from jaxtyping import Bool

from behavior_learning.discovery.moves import (
    Start,
    Units,
    between_agents,
    few_heads,
    joined,
    kept,
    simpler,
    with_heads,
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
from behavior_learning.discovery.race import best_groupings, drawn, placed_in_turn
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import Data, Family, Refit
from behavior_learning.training.wander import wandered

__all__ = ["improved", "learned_again", "learned_groupings", "opened", "whole"]

STARTS, SCREENED, SCREENING = 8, 10, 100
"""Random starts of each order of the rows above with every head, as many with few, and the best of all that are learned
in so many evaluations."""

SIMPLE, LEARNED, SIMPLER, HOPEFUL, WIDE = 48, 6, 2.0, 40.0, 8
"""Random starts of an agent with few heads, the best of them that are learned, nats by which the criterion falls where
one is kept, nats above the best from which other problems go on, and problems at first, of which half go on later."""

ANEW, BEST = 48, 12
"""Random starts in the structures that did best, and how many of them are learned."""

TRIED, NEAR, ROUNDS = 8, 10.0, 12
"""Moves that are learned before a problem counts as one that none improves, nats above it from which they are learned
to the optimum, and moves at most."""

WEAKEST = 6
"""Terms that are tried one by one where the weakest together do not pay."""

BRIEF = 12
"""Evaluations after which a problem with fewer terms goes on only where it is near enough."""

AGAIN, PAYS = 4, 0.5
"""Times that agents are drawn anew and moves follow, and nats by which the criterion falls where one pays."""


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
    most = family.template.architecture.layers[0]
    several = len(units) > 2
    plans = best_groupings(family, data, menu, units, most, rng) if several else [whole(menu, units, 2, rng)]
    begun = [(some, plan) for plan in plans if (some := _begun(family, data, menu, plan, rng))]
    if not begun:
        return by_size(family, data, menu, [], rng)
    ends = [lowest_criterion(some, data) for some, _ in begun]
    end, (_, ahead) = min(zip(ends, begun, strict=True), key=lambda pair: criterion(pair[0], data))
    going = found = [*chain.from_iterable(some for some, _ in begun), *_begun(family, data, menu, ahead, rng)]
    for _ in range(AGAIN):
        simple = _simplified(family, data, menu, going, rng)
        found = [*found, simple, *slimmed(family, data, menu, simple)]
        thin = learned(family, data, menu, found[-1].vector, found[-1].support, LAST_STEPS)
        end = improved(family, data, menu, thin, units, rng)
        if end is thin:
            break
        going = [end]
    path = by_size(family, data, menu, [*found, end, *downward(family, data, menu, end)], rng)
    refits = {size: refit for size, refit in path.refits.items() if size < end.size or refit.loss < end.loss}
    if end.size <= menu.most:
        refits[end.size] = end  # Another of its size and more rows may have a lower loss, and a higher criterion.
    groupings = tuple(opened(menu, other.support) for other in (end, *ends))
    return path._replace(refits=dict(sorted(refits.items())), groupings=groupings)


def learned_again(
    family: Family, data: Data, menu: Menu, groupings: Sequence[Support], rng: np.random.Generator
) -> Path:
    """The best problem of each size on other rows, of groupings that a search on all rows found good."""
    starts = [drawn(family, support, rng) for support in groupings for _ in range(ANEW // len(groupings))]
    ends = _best(family, data, menu, starts, BEST, rng)
    found = [*ends, *slimmed(family, data, menu, ends[0])]
    best = lowest_criterion(found, data)
    return by_size(family, data, menu, [*found, *downward(family, data, menu, best)], rng)


def _begun(family: Family, data: Data, menu: Menu, sees: Support, rng: np.random.Generator) -> list[Refit]:
    """The best of each structure from random starts: agents with every head, and with few, each in a row above."""
    orders = placed_in_turn(sees)
    starts = [drawn(family, order, rng) for order in orders * STARTS]
    few, agents = few_heads(menu), int(sees.blocks(0).sum())
    for order in orders * STARTS:
        heads = [few[choice] for choice in rng.integers(len(few), size=agents)]
        starts += kept(menu, [drawn(family, with_heads(order, heads), rng)])
    ends = _best(family, data, menu, starts, SCREENED, rng)
    return list({id(end.support): end for end in reversed(ends) if np.isfinite(end.loss)}.values())


def _best(
    family: Family,
    data: Data,
    menu: Menu,
    starts: Sequence[Start],
    count: int,
    rng: np.random.Generator,
    steps: int = SCREENING,
) -> list[Refit]:
    """The best of noisy descents, learned in some evaluations, by Schwarz's criterion."""
    trials = wandered(family, data, starts, rng)
    trials.sort(key=lambda trial: criterion(trial, data))
    ends = [learned(family, data, menu, trial.vector, trial.support, steps) for trial in trials[:count]]
    return sorted(ends, key=lambda end: criterion(end, data))


def _simplified(family: Family, data: Data, menu: Menu, refits: Sequence[Refit], rng: np.random.Generator) -> Refit:
    """The best after their agents are drawn anew with few heads until none gets better, without those far behind."""
    ends, wide = list[Refit](), WIDE
    while refits:
        near = criterion(lowest_criterion([*refits, *ends], data), data) + HOPEFUL
        best = sorted((refit for refit in refits if criterion(refit, data) < near), key=lambda r: criterion(r, data))
        turns = [(refit, _in_turn(family, data, menu, refit, rng)) for refit in best[:wide]]
        ends += [refit for refit, better in turns if better is refit]
        refits, wide = [better for refit, better in turns if better is not refit], WIDE // 2
    return lowest_criterion(ends, data)


def _in_turn(family: Family, data: Data, menu: Menu, refit: Refit, rng: np.random.Generator) -> Refit:
    """With each agent drawn anew with few heads beside the others, one after the other, where that makes it better."""
    for agent in np.flatnonzero(refit.support.blocks(0)).tolist():
        if draws := list(kept(menu, simpler(family, menu, refit, agent, SIMPLE, rng))):
            best = _best(family, data, menu, draws, LEARNED, rng, STEPS)[0]
            refit = best if criterion(best, data) < criterion(refit, data) - SIMPLER else refit
    return refit


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
        outer = _tried(family, data, menu, between_agents(family, menu, refit, units), limit, rng)
        pooled = _near(family, data, menu, kept(menu, joined(family, refit)), limit)
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
    trials = wandered(family, data, starts, rng)
    trials.sort(key=lambda trial: criterion(trial, data))
    yield from _near(family, data, menu, [(trial.vector, trial.support) for trial in trials[:TRIED]], limit)


def _near(family: Family, data: Data, menu: Menu, starts: Iterable[Start], limit: float) -> Iterator[Refit]:
    """The optima of those that come near a criterion in few steps."""
    for vector, support in starts:
        begun = learned(family, data, menu, vector, support, STEPS)
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
