"""Moves between structures of agents below a block: what one step of a search for groupings may change.

Each gives the numbers to start from and what is in use. The likelihood says which of them pay.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, combinations, permutations, product

import numpy as np
from jaxtyping import Bool, Float

from behavior_learning.core.block import NONNEGATIVE, Weight
from behavior_learning.core.network import drawn_like
from behavior_learning.discovery.path import Menu
from behavior_learning.training.active_set import Support
from behavior_learning.training.refit import Family, Refit, RowPlaces

__all__ = [
    "Start",
    "between_agents",
    "exchanged",
    "few_heads",
    "joined",
    "kept",
    "linked",
    "merged",
    "placed",
    "reassigned",
    "renewed",
    "simpler",
    "split_off",
    "swapped",
    "traded",
    "transferred",
    "with_heads",
    "within_agents",
    "without_rows",
    "without_terms",
]

Start = tuple[Float[np.ndarray, " numbers"], Support]
"""Numbers to learn from, and what is in use."""

Row = tuple[str, tuple[int, int]]
"""Its head, and its block and number."""

Units = list[Bool[np.ndarray, " terms"]]
"""The terms of each column, or of each group of columns that stays together."""


def within_agents(family: Family, menu: Menu, refit: Refit) -> Iterator[Start]:
    """All that one move makes of a problem whose agents keep their columns."""
    moves = (
        without_rows(refit),
        without_terms(refit),
        exchanged(family, refit),
        swapped(family, refit),
        merged(family, refit),
    )
    return kept(menu, chain.from_iterable(moves))


def between_agents(family: Family, menu: Menu, refit: Refit, units: Units) -> Iterator[Start]:
    """All that one move makes of a problem in which columns, rows and agents change places."""
    moves = (
        reassigned(menu, refit, units),
        transferred(family, refit),
        traded(family, refit),
        linked(refit),
        split_off(family, refit),
        joined(family, refit),
    )
    return kept(menu, chain.from_iterable(moves))


def kept(menu: Menu, starts: Iterable[Start]) -> Iterator[Start]:
    """Those that keep what is known and are not empty, without terms that their new rows may not hold."""
    for vector, support in starts:
        settled = menu.settled(support.within(menu.allowed))
        informed = menu.explains(settled) and menu.holds_known(settled) and menu.keeps_themes(settled)
        if informed and not settled.empty:
            yield vector, settled


def _rows(support: Support, layer: int) -> Iterator[Row]:
    """Every row in use."""
    for role, coef in support.coefs[layer].items():
        yield from ((role, (int(block), int(row))) for block, row in np.argwhere(coef.any(axis=-1)))


def without_rows(refit: Refit) -> Iterator[Start]:
    """Without each row: |t| = 2·relu(t) − t, so that two can say what one says alone, and neither is weak."""
    for layer in (0, 1):
        for role, at in _rows(refit.support, layer):
            support = refit.support.copy()
            support.coefs[layer][role][at] = False
            yield refit.vector, support


def without_terms(refit: Refit) -> Iterator[Start]:
    """Without each coefficient."""
    for layer, coefs in enumerate(refit.support.coefs):
        for role, coef in coefs.items():
            for at in map(tuple, np.argwhere(coef)):
                support = refit.support.copy()
                support.coefs[layer][role][at] = False
                yield refit.vector, support


def swapped(family: Family, refit: Refit) -> Iterator[Start]:
    """With what two rows of a block hold exchanged, as it is or negative."""
    for layer in (0, 1):
        for one, other in combinations(_rows(refit.support, layer), 2):
            if one[1][0] == other[1][0]:
                (role, at), (new, place) = one, other
                vector, support = refit.vector.copy(), refit.support.copy()
                first, second = family.rows[layer][role], family.rows[layer][new]
                for mine, theirs in zip(first, second, strict=True):
                    vector[mine[at]], vector[theirs[place]] = refit.vector[theirs[place]], refit.vector[mine[at]]
                coefs = support.coefs[layer]
                coefs[role][at] = refit.support.coefs[layer][new][place]
                coefs[new][place] = refit.support.coefs[layer][role][at]
                yield vector, support
                yield _turned(_turned(vector, first, at), second, place), support


def exchanged(family: Family, refit: Refit) -> Iterator[Start]:
    """With another head around what a row holds, or around its negative, where its block has no row of that head."""
    for layer in (0, 1):
        for row in _rows(refit.support, layer):
            yield from _exchanged(family, refit, layer, row)


def _exchanged(family: Family, refit: Refit, layer: int, row: Row) -> Iterator[Start]:
    at = row[1]
    for other, coef in refit.support.coefs[layer].items():
        if coef.size and not coef[at].any():
            vector, support = _moved(family, refit, layer, row, (other, at))
            yield vector, support
            if other != "equality":  # |t| = |−t|
                yield _turned(vector, family.rows[layer][other], at), support


def _turned(vector: Float[np.ndarray, " numbers"], places: RowPlaces, at: tuple[int, int]) -> np.ndarray:
    """With a row of −t in place of t."""
    vector = vector.copy()
    vector[places.coef[at]] *= -1
    vector[places.intercept[at]] *= -1
    return vector


def merged(family: Family, refit: Refit) -> Iterator[Start]:
    """With one row of any head in place of two of a block, which sees what both see: |t| = 2·relu(t) − t."""
    for layer in (0, 1):
        for (role, at), (gone, place) in permutations(_rows(refit.support, layer), 2):
            if at[0] == place[0]:
                support = refit.support.copy()
                support.coefs[layer][role][at] |= support.coefs[layer][gone][place]
                support.coefs[layer][gone][place] = False
                yield refit.vector, support
                yield from _exchanged(family, Refit(refit.vector, support, refit.loss), layer, (role, at))


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


def transferred(family: Family, refit: Refit) -> Iterator[Start]:
    """With each row of an agent in another one, with its head, where that has none there, or with another."""
    agents = np.flatnonzero(refit.support.blocks(0)).tolist()
    for role, at in _rows(refit.support, 0):
        for other in agents:
            place = (other, at[1])
            if other != at[0] and not refit.support.coefs[0][role][place].any():
                facing = _facing(family, refit, other, at[0])
                moved = Refit(*_moved(family, facing, 0, (role, at), (role, place)), refit.loss)
                yield moved.vector, moved.support
                yield from _exchanged(family, moved, 0, (role, place))


def traded(family: Family, refit: Refit) -> Iterator[Start]:
    """With a row of one agent and a row of another in each other's agent, with their heads."""
    for (role, at), (new, place) in combinations(_rows(refit.support, 0), 2):
        there, here = (place[0], at[1]), (at[0], place[1])
        coefs = refit.support.coefs[0]
        free = role == new or not (coefs[role][there].any() or coefs[new][here].any())
        if at[0] != place[0] and free:
            vector, support = refit.vector.copy(), refit.support.copy()
            for moved, old, now in ((role, at, there), (new, place, here)):
                if role != new:
                    support.coefs[0][moved][old] = False
                support.coefs[0][moved][now] = coefs[moved][old]
                for places in family.rows[0][moved]:
                    vector[places[now]] = refit.vector[places[old]]
            yield vector, support


def _facing(family: Family, refit: Refit, one: int, other: int) -> Refit:
    """With an agent of nothing but tanh, which is odd, turned where the rows above use it against another."""
    odd = not any(coef[one].any() for role, coef in refit.support.coefs[0].items() if role != "utility")
    if not odd or _used_alike(family, refit, one, other) >= 0:
        return refit
    vector, places = refit.vector.copy(), family.rows[0]["utility"]
    for row in range(refit.support.coefs[0]["utility"].shape[1]):
        vector = _turned(vector, places, (one, row))
    for above in family.coefs[1].values():
        vector[above[..., one]] *= -1
    return refit._replace(vector=vector)


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
    rows = list(_rows(refit.support, 0))
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
        joint = _facing(family, refit, one, other)
        share = _used_alike(family, joint, one, other)
        louder = share if share > 0 else 1.0
        for role, at in _rows(refit.support, 0):
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


def _used_alike(family: Family, refit: Refit, one: int, other: int) -> float:
    """How much more the rows above make of another agent than of one: b of w_other ≈ b·w_one."""
    rows = [refit.vector[family.coefs[1][role][coef.any(axis=-1)]] for role, coef in refit.support.coefs[1].items()]
    above = np.concatenate(rows)
    return float(above[:, other] @ above[:, one] / max(above[:, one] @ above[:, one], 1e-12))


def renewed(family: Family, refit: Refit, open_to: Support, stay: Sequence[int], rng: np.random.Generator) -> Start:
    """With some agents as they are, and all others drawn anew in a structure.

    The rows of the block above that are in use keep their numbers but for what they make of the new agents.
    """
    vector, support = family.drawn(drawn_like(family.template, rng)), open_to.copy()
    for role, coef in support.coefs[0].items():
        for agent in stay:
            coef[agent] = refit.support.coefs[0][role][agent]
            for places in family.rows[0][role]:
                vector[places[agent]] = refit.vector[places[agent]]
    for role, coef in refit.support.coefs[1].items():
        used, places = coef.any(axis=-1), family.rows[1][role]
        for kept in (places.intercept[used], places.multiplier[used], places.coef[used][:, list(stay)]):
            vector[kept] = refit.vector[kept]
    return vector, support


def placed(support: Support, above: Sequence[str]) -> Support:
    """With each agent in use in the row above of a head and in no other."""
    support = support.copy()
    agents = np.flatnonzero(support.blocks(0)).tolist()
    for role, coef in support.coefs[1].items():
        coef[..., agents] = [own == role for own in above]
    return support


def few_heads(menu: Menu) -> list[set[str]]:
    """One or two heads that rows of agents may have."""
    roles = [role for role, coef in menu.allowed.coefs[0].items() if coef.size]
    return [set(heads) for size in (1, 2) for heads in combinations(roles, size)]


def with_heads(support: Support, heads: Sequence[Collection[str]]) -> Support:
    """With each agent in use without rows of other heads."""
    support = support.copy()
    for agent, own in zip(np.flatnonzero(support.blocks(0)).tolist(), heads, strict=True):
        for role, coef in support.coefs[0].items():
            coef[agent] &= role in own
    return support


def simpler(
    family: Family, menu: Menu, refit: Refit, agent: int, count: int, rng: np.random.Generator
) -> Iterator[Start]:
    """With an agent drawn anew: one or two heads on what it sees, in one of its rows above.

    Each choice of heads has as many of the starts as any other, or one more. Rows begin along rows that the agent has
    had, or against them: other heads may say the same in the same direction.
    """
    stay = [other for other in np.flatnonzero(refit.support.blocks(0)).tolist() if other != agent]
    above = [role for role, coef in refit.support.coefs[1].items() if coef[..., agent].any()]
    choices = list(product(above, few_heads(menu)))
    order = rng.permutation(len(choices))
    for number in range(count):
        own, heads = choices[order[number % len(order)]]
        vector, support = renewed(family, *_simple(menu, refit, agent, own, heads), stay, rng)
        yield _along(family, refit, vector, support, agent, rng), support


def _along(
    family: Family,
    refit: Refit,
    vector: Float[np.ndarray, " numbers"],
    support: Support,
    agent: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, " numbers"]:
    """With each row of an agent along one of its rows in a problem, or against it, as long as it was."""
    vector = vector.copy()
    had = [family.coefs[0][role][at] for role, at in _rows(refit.support, 0) if at[0] == agent]
    for role, at in _rows(support, 0):
        if at[0] == agent:
            row, along = family.coefs[0][role][at], refit.vector[had[rng.integers(len(had))]]
            length = np.linalg.norm(along) or 1.0  # A row may have shrunk to nothing.
            vector[row] = rng.choice([-1, 1]) * np.linalg.norm(vector[row]) * along / length
    return vector


def _simple(menu: Menu, refit: Refit, agent: int, own: str, heads: Collection[str]) -> tuple[Refit, Support]:
    """What stays without an agent, and with it in one row above and with the heads chosen."""
    without, open_to = refit.support.copy(), refit.support.copy()
    seen = np.any([coef[agent].any(axis=0) for coef in refit.support.coefs[0].values()], axis=0)
    for role, coef in open_to.coefs[0].items():
        coef[agent] = (seen | ~menu.moves) & menu.allowed.coefs[0][role][agent] & (role in heads)
    for role, coef in open_to.coefs[1].items():
        coef[..., agent] = role == own
        without.coefs[1][role][..., agent] = False
    return refit._replace(support=without), open_to
