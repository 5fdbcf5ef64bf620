"""Moves between structures of agents below a block: what one step of a search for groupings may change.

Each gives the numbers to start from and what is in use. The likelihood says which of them pay.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from jaxtyping import Bool, Float

from behavior_learning.core.block import NONNEGATIVE, Weight
from behavior_learning.core.network import drawn_like
from behavior_learning.discovery.path import Menu
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import Family, Refit

__all__ = [
    "Start",
    "exchanged",
    "joined",
    "kept",
    "linked",
    "reassigned",
    "redrawn",
    "split_off",
    "structures",
    "without_rows",
]

Start = tuple[Float[np.ndarray, " numbers"], Support]
"""Numbers to learn from, and what is in use."""

Row = tuple[str, tuple[int, int]]
"""Its head, and its block and number."""

Units = list[Bool[np.ndarray, " terms"]]
"""The terms of each column, or of each group of columns that stays together."""


def structures(family: Family, menu: Menu, refit: Refit, units: Units, rng: np.random.Generator) -> Iterator[Start]:
    """All that one move makes of a problem."""
    moves = (
        without_rows(refit),
        exchanged(family, refit),
        reassigned(menu, refit, units),
        linked(refit),
        split_off(family, refit),
        joined(family, refit),
        redrawn(family, menu, refit, rng),
    )
    return kept(menu, chain.from_iterable(moves))


def kept(menu: Menu, starts: Iterable[Start]) -> Iterator[Start]:
    """Those that keep what is known and are not empty."""
    for vector, support in starts:
        settled = menu.settled(support)
        if not settled.empty and menu.explains(settled) and menu.holds_known(settled):
            yield vector, settled


def _rows(refit: Refit, layer: int) -> Iterator[Row]:
    """Every row in use."""
    for role, coef in refit.support.coefs[layer].items():
        yield from ((role, (int(block), int(row))) for block, row in np.argwhere(coef.any(axis=-1)))


def without_rows(refit: Refit) -> Iterator[Start]:
    """Without each row: |t| = 2·relu(t) − t, so that two can say what one says alone, and neither is weak."""
    for layer in (0, 1):
        for role, at in _rows(refit, layer):
            support = refit.support.copy()
            support.coefs[layer][role][at] = False
            yield refit.vector, support


def exchanged(family: Family, refit: Refit) -> Iterator[Start]:
    """With another head around what a row holds, where its block has no row of that head."""
    for layer in (0, 1):
        for role, at in _rows(refit, layer):
            for other, coef in refit.support.coefs[layer].items():
                if coef.size and not coef[at].any():
                    yield _moved(family, refit, layer, (role, at), (other, at))


def _moved(family: Family, refit: Refit, layer: int, one: Row, other: Row) -> Start:
    """With the numbers of one row in the place of another that is out of use."""
    (role, at), (new, place) = one, other
    vector, support, where = refit.vector.copy(), refit.support.copy(), family.rows[layer]
    for own, others in zip(where[role], where[new], strict=True):
        vector[others[place]] = refit.vector[own[at]]
    support.coefs[layer][new][place] = support.coefs[layer][role][at]
    support.coefs[layer][role][at] = False
    return vector, support


def reassigned(menu: Menu, refit: Refit, units: Units) -> Iterator[Start]:
    """With each column handed to another agent, shared with it, or given up by one that shares it."""
    agents = np.flatnonzero(refit.support.blocks(0)).tolist()
    for unit in units:
        terms = unit & menu.moves
        owners = [a for a in agents if any(coef[a][:, terms].any() for coef in refit.support.coefs[0].values())]
        for agent in agents:
            if agent not in owners:
                shared = refit.support.copy()
                for role, coef in shared.coefs[0].items():
                    used = coef[agent].any(axis=-1, keepdims=True)
                    coef[agent] |= used & terms & menu.allowed.coefs[0][role][agent]
                yield refit.vector, shared
                yield refit.vector, _without_unit(shared, owners, terms)
            elif len(owners) > 1:
                yield refit.vector, _without_unit(refit.support, [agent], terms)


def _without_unit(support: Support, agents: list[int], terms: Bool[np.ndarray, " terms"]) -> Support:
    support = support.copy()
    for coef in support.coefs[0].values():
        for agent in agents:
            coef[agent][:, terms] = False
    return support


def linked(refit: Refit) -> Iterator[Start]:
    """With each agent in one more row of the block above."""
    agents = refit.support.blocks(0)
    for role, coef in refit.support.coefs[1].items():
        for index in np.argwhere(~coef & coef.any(axis=-1, keepdims=True) & agents):
            support = refit.support.copy()
            support.coefs[1][role][tuple(index)] = True
            yield refit.vector, support


def split_off(family: Family, refit: Refit) -> Iterator[Start]:
    """With each row of an agent of several as an agent of its own, where there is room for one."""
    room = np.flatnonzero(~refit.support.blocks(0))
    rows = list(_rows(refit, 0))
    for role, (agent, row) in rows if len(room) else ():
        if sum(block == agent for _, (block, _) in rows) > 1:
            new = int(room[0])
            vector, support = _moved(family, refit, 0, (role, (agent, row)), (role, (new, row)))
            for above, coef in support.coefs[1].items():
                coef[..., new] = coef[..., agent]
                places = family.coefs[1][above]
                vector[places[..., new]] = refit.vector[places[..., agent]]
            yield vector, support


def joined(family: Family, refit: Refit) -> Iterator[Start]:
    """With two agents in one, whose rows see their own columns or those of both; of two rows of one head one stays."""
    agents = [int(agent) for agent in np.flatnonzero(refit.support.blocks(0))]
    for one, other in ((a, b) for a in agents for b in agents if a != b):
        joint, louder = refit, _relative_weight(family, refit, one, other)
        for role, at in _rows(refit, 0):
            place = (one, at[1])
            if at[0] == other and not refit.support.coefs[0][role][place].any():
                vector, support = _moved(family, joint, 0, (role, at), (role, place))
                weight = family.rows[0][role].multiplier[place]
                vector[weight] = Weight.from_value(louder * np.logaddexp(0, vector[weight]), NONNEGATIVE).raw
                joint = Refit(vector, support, refit.loss)
        seen = np.any([coef[[one, other]].any(axis=(0, 1)) for coef in refit.support.coefs[0].values()], axis=0)
        support = joint.support.copy()
        for coef in support.coefs[0].values():
            coef[other] = False
        yield joint.vector, support
        wider = support.copy()
        for coef in wider.coefs[0].values():
            coef[one] |= seen & coef[one].any(axis=-1, keepdims=True)
        yield joint.vector, wider


def _relative_weight(family: Family, refit: Refit, one: int, other: int) -> float:
    """How much more the rows above make of another agent than of one: b of w_other ≈ b·w_one; 1 where they disagree."""
    rows = [refit.vector[family.coefs[1][role][coef.any(axis=-1)]] for role, coef in refit.support.coefs[1].items()]
    above = np.concatenate(rows)
    share = float(above[:, other] @ above[:, one] / max(above[:, one] @ above[:, one], 1e-12))
    return share if share > 0 else 1.0


def redrawn(family: Family, menu: Menu, refit: Refit, rng: np.random.Generator) -> Iterator[Start]:
    """With each agent drawn anew, with a row of every head that sees its columns."""
    for agent in np.flatnonzero(refit.support.blocks(0)):
        drawn = family.drawn(drawn_like(family.template, rng))
        vector, support = refit.vector.copy(), refit.support.copy()
        seen = np.any([coef[agent].any(axis=0) for coef in support.coefs[0].values()], axis=0)
        for role, coef in support.coefs[0].items():
            coef[agent] = (seen | ~menu.moves) & menu.allowed.coefs[0][role][agent]
            for places in family.rows[0][role]:
                vector[places[agent]] = drawn[places[agent]]
        yield vector, support
