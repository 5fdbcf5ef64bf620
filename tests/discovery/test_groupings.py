"""Claims about what a search for agents tries."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.core.arrays import make_key
from behavior_learning.core.coarsened import Coarsened
from behavior_learning.core.network import drawn_like
from behavior_learning.discovery import moves
from behavior_learning.discovery.groupings import slimmed, whole
from behavior_learning.discovery.interactions import groups_of_columns
from behavior_learning.discovery.knowledge import Knowledge
from behavior_learning.discovery.race import best_groupings, near, of_own_columns
from behavior_learning.discovery.shapes import LAYERED, shape_of
from behavior_learning.training import wander
from behavior_learning.training.refit import Family, Refit
from tests.conftest import rng


@cache
def shape(themes=()):
    """Room for three agents of one number, and four columns."""
    X = rng("groupings").normal(size=(60, 4))
    told = {"knowledge": Knowledge(themes=themes), "response": bl.Numbers(support=(-4.0, 4.0))}
    return shape_of(LAYERED, X, np.tanh(X[:, 0]), degree=1, most=9, seed=0, layers=(3, 1), **told)


@cache
def problem():
    """Two agents of two columns each, at random numbers."""
    family, menu = shape().family, shape().menu
    vector = family.drawn(drawn_like(family.template, rng("agents")))
    support = whole(menu, list(menu.units), 2, rng("themes"))
    for coef in support.coefs[0].values():
        for agent, others in ((0, menu.units[2:]), (1, menu.units[:2])):
            coef[agent, :, np.any(others, axis=0)] = False
    return Refit(vector * family.gates(support), support, 0.0)


def network(vector, support):
    family = shape().family
    return family.network(Refit(np.float32(vector * family.gates(support)), support, 0.0))


def utility(vector, support):
    x, y = (np.float32(rng(name).normal(size=size)) for name, size in (("x", (5, 4)), ("y", (5, 3, 1))))
    return np.asarray(network(vector, support)(x, y))


def owners(support):
    """The agents that see each column."""
    menu = shape().menu
    return [
        {a for a in range(3) if any(coef[a][:, unit].any() for coef in support.coefs[0].values())}
        for unit in menu.units
    ]


@pytest.mark.parametrize(("layers", "held"), [((1,), False), ((3, 1), True)])
def test_a_sum_holds_columns_by_themselves_below_a_block_alone(layers, held):
    """Above it there is nothing that they could change: they cancel in the density."""
    X = rng("sums").normal(size=(60, 2))
    told = {"knowledge": Knowledge(), "response": bl.Numbers(support=(-4.0, 4.0)), "degree": 1, "most": 9, "seed": 0}
    menu = shape_of(("identity", "relu", None), X, np.tanh(X[:, 0]), layers=layers, **told).menu
    assert menu.allowed.coefs[0]["utility"][..., menu.moves].any() == held


def test_moves_put_no_column_into_a_row_that_may_not_hold_it():
    """Heads are exchanged, rows change places: what a belief must not sum does not come in with them."""
    menu, allowed = shape().menu, shape().menu.allowed.copy()
    for role in ("inequality", "equality"):
        allowed.coefs[0][role][..., menu.units[0] & menu.moves] = False
    family, units, told = shape().family, list(menu.units), replace(menu, allowed=allowed)
    start = problem()._replace(support=problem().support.within(allowed))
    steps = (
        [*moves.within_agents(family, each, start), *moves.between_agents(family, each, start, units)]
        for each in (told, menu)
    )
    inside = [[s.within(allowed).size == s.size for _, s in found] for found in steps]
    assert all(inside[0])
    assert not all(inside[1])


@pytest.mark.parametrize("agents", [2, 3])
def test_every_agent_sees_every_column_at_first_but_those_of_a_theme(agents):
    names = tuple(shape().model.columns.x_sources)
    menu = shape((names[1:3],)).menu
    free, theme, last = menu.units[1], menu.units[0], menu.units[2]
    support = whole(menu, list(menu.units[:2]), agents, rng("owners"))
    for coef in (coef.any(axis=1) for coef in support.coefs[0].values()):
        assert coef[:, free & menu.moves].sum() == agents
        assert coef[:, theme & menu.moves].all(axis=1).sum() == 1 == coef[:, theme & menu.moves].any(axis=1).sum()
        assert not coef[:, last & menu.moves].any()


def test_moves_leave_a_theme_with_one_agent():
    """The last agent of two may get it, and no column of it goes alone."""
    names = tuple(shape().model.columns.x_sources)
    menu = shape((names[2:],)).menu
    tried = moves.between_agents(shape().family, menu, problem(), list(menu.units))
    seen = [owners(support)[2:] for _, support in tried]
    assert all(len(first | second) <= 1 for first, second in seen)
    assert [{0}, {0}] in seen


def test_a_column_is_handed_over_shared_or_given_up():
    menu = shape().menu
    found = [owners(menu.settled(s)) for _, s in moves.reassigned(menu, problem(), list(menu.units))]
    before = owners(problem().support)
    assert before == [{0}, {0}, {1}, {1}]
    for column, (own,) in enumerate(before):
        for new in ({0, 1}, {1 - own}):
            assert [*before[:column], new, *before[column + 1 :]] in found
    shared = problem()._replace(support=next(moves.reassigned(menu, problem(), list(menu.units)))[1])
    assert before in [owners(s) for _, s in moves.reassigned(menu, shared, list(menu.units))]


def test_sharing_a_column_changes_no_utility_before_it_is_learned():
    menu = shape().menu
    vector, support = next(moves.reassigned(menu, problem(), list(menu.units)))
    np.testing.assert_allclose(utility(vector, support), utility(problem().vector, problem().support), rtol=1e-5)


def without(role, agent):
    support = problem().support.copy()
    support.coefs[0][role][agent] = False
    return problem()._replace(support=support)


def test_another_head_takes_the_numbers_of_a_row():
    family, before = shape().family, without("equality", 1)
    found = [s for _, s in moves.exchanged(family, before)]
    assert len(found) == 2  # tanh or relu of the second agent to abs, which has no sign; others have no free place.
    for vector, support in moves.exchanged(family, before):
        lost = next(role for role in ("utility", "inequality") if not support.coefs[0][role][1].any())
        coef = family.coefs[0]
        np.testing.assert_array_equal(vector[coef["equality"][1]], before.vector[coef[lost][1]])
        assert support.size == before.size


def test_an_agent_that_is_split_off_and_joined_again_has_its_rows_and_columns():
    family, menu = shape().family, shape().menu
    vector, support = next(moves.split_off(family, problem()))
    assert support.blocks(0).all()
    apart = Refit(vector, menu.settled(support), 0.0)
    assert owners(problem().support) in [owners(menu.settled(s)) for _, s in moves.joined(family, apart)]
    rows = [menu.settled(s).n_rows for _, s in moves.joined(family, apart)]
    assert problem().support.n_rows in rows


def test_agents_that_add_up_in_every_row_above_are_joined_without_a_change_of_the_utility():
    family = shape().family
    vector, support = next(moves.split_off(family, problem()))
    (new,) = np.flatnonzero(support.blocks(0) & ~problem().support.blocks(0))
    for role, places in family.coefs[1].items():
        vector[places[..., new]] *= 2 * support.coefs[1][role][..., new]
    before = utility(vector, support)
    joined = moves.joined(family, Refit(vector, support, 0.0))
    assert any(s.blocks(0).sum() == 2 and np.allclose(utility(v, s), before, rtol=1e-4) for v, s in joined)


def test_a_row_is_also_exchanged_for_its_negative():
    family, before = shape().family, without("inequality", 0)
    places = family.rows[0]["inequality"]
    coef, intercept = places.coef[0], places.intercept[0]
    found = [v for v, s in moves.exchanged(family, before) if s.coefs[0]["inequality"][0].any()]
    for as_is, turned in zip(found[::2], found[1::2], strict=True):
        np.testing.assert_array_equal(turned[coef], -as_is[coef])
        np.testing.assert_array_equal(turned[intercept], -as_is[intercept])
    assert len(found) == 4  # tanh or abs of the first agent to relu, both ways.


def apart():
    """The first agent with a tanh of its first column and a relu of its second one."""
    menu, support = shape().menu, without("equality", 0).support
    support.coefs[0]["utility"][0][..., menu.units[1]] = False
    support.coefs[0]["inequality"][0][..., menu.units[0]] = False
    return problem()._replace(support=support)


def test_rows_that_are_swapped_see_each_others_columns_and_twice_are_as_before():
    family, before = shape().family, apart()
    tanh, relu = (before.support.coefs[0][role][0] for role in ("utility", "inequality"))
    found = list(moves.swapped(family, before))
    assert any(
        np.array_equal(s.coefs[0]["utility"][0], relu) and np.array_equal(s.coefs[0]["inequality"][0], tanh)
        for _, s in found
    )
    for vector, support in found:
        again = moves.swapped(family, Refit(vector, support, 0.0))
        assert any(np.array_equal(v, before.vector) and s.size == before.size for v, s in again)


def test_one_row_sees_what_two_saw():
    merged = [shape().menu.settled(s) for _, s in moves.merged(shape().family, apart())]
    assert {s.n_rows for s in merged} == {apart().support.n_rows - 1}
    assert all(owners(s) == owners(apart().support) for s in merged if s.blocks(0).sum() == 2)


def test_rows_of_two_agents_that_are_traded_keep_heads_and_numbers_and_twice_are_as_before():
    """A tanh of the first agent for a relu of the second one: each has none of that head then."""
    family, before = shape().family, without("utility", 1)
    support = before.support.copy()
    for agent in (0, 1):
        support.coefs[0]["equality"][agent] = False
    support.coefs[0]["inequality"][0] = False
    before = before._replace(support=support)
    ((vector, traded),) = moves.traded(family, before)
    for role, old, new in (("utility", 0, 1), ("inequality", 1, 0)):
        np.testing.assert_array_equal(traded.coefs[0][role][new], support.coefs[0][role][old])
        assert not traded.coefs[0][role][old].any()
        for places in family.rows[0][role]:
            np.testing.assert_array_equal(vector[places[new]], before.vector[places[old]])
    ((again, _),) = moves.traded(family, Refit(vector, traded, 0.0))
    np.testing.assert_allclose(utility(again, support), utility(before.vector, support), rtol=1e-6)


def test_rows_of_the_same_head_are_traded_too():
    family, before = shape().family, problem()
    coefs = before.support.coefs[0]
    found = [s for _, s in moves.traded(family, before)]
    assert len(found) == 3  # Other heads have no free place.
    assert any(np.array_equal(s.coefs[0]["equality"][0], coefs["equality"][1]) for s in found)


def grouped(*agents):
    return frozenset(frozenset(map(int, agent)) for agent in agents)


def test_columns_that_interact_are_found_and_each_group_of_them_has_an_agent():
    """Of two agents, of columns 1 and 2 and of 0 and 3, and then of 2 and 3, and with no other pair that interacts."""
    menu, x = shape().menu, rng("interacting").normal(size=(400, 4))
    plans = []
    for limit in (x[:, 0] - x[:, 3], x[:, 2] - x[:, 3]):
        mean = np.abs(x[:, 1] + x[:, 2]) - 1 + np.maximum(limit, 0)
        y = np.clip(mean + 0.5 * rng("responses").normal(size=400), -3.9, 3.9)
        data = (np.float32(x), np.float32(y), np.ones(400, np.float32))
        plans.append(list(groups_of_columns(shape().family, data, menu, menu.units, 3)))
    apart, shared = plans
    pairs = grouped("03", "12")
    assert apart in ([pairs, grouped("03", "0123")], [pairs, grouped("12", "0123")])  # The last may share.
    assert grouped("12", "023") in shared or grouped("23", "012") in shared
    censored = replace(shape().family, objective=shape().family.objective.on(Coarsened(-4, 4), 1.0))
    bounds = (data[0], np.stack([data[1]] * 2, axis=1), data[2])
    assert list(groups_of_columns(censored, bounds, menu, menu.units, 3)) == shared
    theme = replace(menu, themes=(menu.units[2],))
    found = list(groups_of_columns(shape().family, data, theme, menu.units, 3))
    assert all(sum(2 in agent for agent in each) == 1 for each in found), "a theme belongs to one agent"
    assert owners(of_own_columns(menu, menu.units[:3]))[:3] == [{0}, {1}, {2}]


def test_a_grouping_that_score_tests_get_wrong_is_put_right_step_by_step(monkeypatch):
    """Two columns are in the wrong agents of three, and what is reached falls with every column that is put right."""
    family, menu, true = shape().family, shape().menu, [{0}, {1}, {1}, {0}]
    data = (np.zeros((9, 4), np.float32), np.zeros(9, np.float32), np.ones(9, np.float32))

    def reached(family, data, starts, rng):
        def wrong(support):
            together = [{j for j, own in enumerate(owners(support)) if a in own} for a in range(3)]
            pairs = {frozenset({i, j}) for some in together for i in some for j in some if i != j}
            return len(pairs ^ {frozenset({0, 3}), frozenset({1, 2})})

        return [Refit(vector, support, 1000.0 * wrong(support)) for vector, support in starts]

    monkeypatch.setattr("behavior_learning.discovery.race.wandered", reached)
    monkeypatch.setattr("behavior_learning.discovery.race.groups_of_columns", lambda *given: [grouped("01", "2", "3")])
    best = best_groupings(family, data, menu, menu.units, 3, rng("race"))[0]
    assert owners(best) in (true, [{1 - agent for agent in own} for own in true])


def test_one_step_from_a_grouping_moves_exchanges_splits_and_merges():
    found = near(grouped("01", "2"), 3)
    assert len(set(found)) == len(found)
    assert {*found} == {
        grouped("0", "12"),
        grouped("1", "02"),
        grouped("0", "1", "2"),
    }
    assert {*near(grouped("0", "1", "2"), 3)} == {grouped("01", "2"), grouped("02", "1"), grouped("12", "0")}
    assert grouped("02", "13") in near(grouped("01", "23"), 2)
    assert {*near(grouped("01", "12"), 2)} >= {grouped("0", "12"), grouped("01", "2")}, "what is shared is given up"
    assert all(len(each) == 2 for each in near(grouped("01", "23"), 2))


@pytest.mark.parametrize("agent", [0, 1])
def test_an_agent_drawn_anew_has_few_heads_along_its_rows_and_a_row_above_and_the_other_stays(agent):
    family, before, other = shape().family, problem(), 1 - agent
    had = [before.vector[family.coefs[0][role][agent, 0]] for role in before.support.coefs[0]]
    cosines = []
    for vector, support in moves.simpler(family, shape().menu, before, agent, 18, rng("simple")):
        above = {own: [r for r, coef in support.coefs[1].items() if coef[..., own].any()] for own in (0, 1)}
        heads = {own: [r for r, coef in support.coefs[0].items() if coef[own].any()] for own in (0, 1)}
        assert (len(above[agent]), len(above[other]), len(heads[other])) == (1, 3, 3)
        assert len(heads[agent]) in (1, 2)
        assert [own & {0, 1} for own in owners(support)] == owners(before.support)
        for role in heads[agent]:
            row = vector[family.coefs[0][role][agent, 0]]
            cosines.append(max((row @ old / np.linalg.norm(row) / np.linalg.norm(old) for old in had), key=abs))
    np.testing.assert_allclose(np.abs(cosines), 1, rtol=1e-5)
    assert {*np.sign(cosines).tolist()} == {-1, 1}


@pytest.mark.parametrize("above", [("utility", "equality"), ("equality", "equality")])
def test_agents_are_placed_in_the_rows_above_that_are_named(above):
    support = moves.placed(problem().support, above)
    for role, coef in support.coefs[1].items():
        assert tuple(coef[0, 0, :2]) == tuple(own == role for own in above)


def test_an_odd_agent_that_the_rows_above_use_the_other_way_is_turned_before_it_gets_a_row():
    family, before = shape().family, problem()
    vector, support = before.vector.copy(), before.support.copy()
    for role in ("inequality", "equality"):
        support.coefs[0][role][0] = False
    for places in family.coefs[1].values():
        vector[places[..., 0]] = -2 * vector[places[..., 1]]
    opposed = Refit(vector, support, 0.0)
    gone = [s for _, s in moves.transferred(family, opposed) if s.coefs[0]["inequality"][0].any()]
    assert {s.n_rows for s in gone} == {support.n_rows}
    for turned, moved in moves.transferred(family, opposed):
        moved = moved.copy()
        for role in ("inequality", "equality"):
            moved.coefs[0][role][0] = False
        if moved.coefs[0]["utility"][1].any():
            others = support.copy()
            for role, coef in others.coefs[0].items():
                coef[1] &= moved.coefs[0][role][1]
            np.testing.assert_allclose(utility(turned, moved), utility(vector, others), rtol=1e-4)


def test_every_descent_begins_where_it_is_told(monkeypatch):
    family, support = shape().family, problem().support
    monkeypatch.setattr(wander, "_descended", lambda loss, starts, gates, data, key: (starts * gates, gates[:, 0]))
    starts = [number * problem().vector for number in range(wander.TOGETHER + 3)]
    found = wander.wandered(family, (np.ones(1),) * 3, [(start, support) for start in starts], rng("starts"))
    for end, start in zip(found, starts, strict=True):
        np.testing.assert_allclose(end.vector, start * family.gates(support), rtol=1e-6)


def test_where_a_density_lies_between_candidates_a_descent_counts_for_nothing():
    """The loss of one row of four is the number of the descent, and 1 of the others."""

    class Stated(eqx.Module):
        ridge: float = 0.0

        @property
        def packing(self):
            return SimpleNamespace(evaluated=lambda vectors: vectors[0], squared=lambda vectors: 0.0)

        def objective(self, vector, x, y):
            return jnp.where(y == 0, jax.lax.stop_gradient(vector[0]), 1.0)

    starts, data = np.array([[-11.0], [-13.0]]), (np.zeros((4, 1)), np.arange(4), np.ones(4))
    ends, losses = wander._descended(Stated(), starts, np.ones((2, 1)), data, make_key(0))
    np.testing.assert_allclose(ends[:, 0], [-11, -13])
    np.testing.assert_allclose(losses, [-2, np.inf])


@pytest.mark.parametrize("kind", ["within", "between"])
def test_every_structure_that_is_tried_explains_the_response(kind):
    family, menu = shape().family, shape().menu
    within = moves.within_agents(family, menu, problem())
    between = moves.between_agents(family, menu, problem(), list(menu.units))
    starts = list(within if kind == "within" else between)
    assert all(menu.explains(support) for _, support in starts)
    assert all(np.isfinite(utility(*start)).all() for start in starts[::10])


@pytest.mark.parametrize("stay", [(), (0,), (1,), (0, 1)])
def test_agents_that_stay_keep_their_numbers_and_what_is_made_of_them_and_others_are_drawn_anew(stay):
    family, before, new = shape().family, problem(), np.random.default_rng(1)
    open_to = whole(shape().menu, list(shape().menu.units), 3, new)
    vector, support = moves.renewed(family, before, open_to, stay, new)
    for role, places in family.rows[0].items():
        kept = [
            agent for agent in range(3) if np.array_equal(vector[places.coef[agent]], before.vector[places.coef[agent]])
        ]
        assert tuple(kept) == stay
        for agent in range(3):
            own = before.support if agent in stay else open_to
            np.testing.assert_array_equal(support.coefs[0][role][agent], own.coefs[0][role][agent])
    for role, places in family.rows[1].items():
        same = vector[places.coef[0, 0]] == before.vector[places.coef[0, 0]]
        assert tuple(np.flatnonzero(same)) == stay
        np.testing.assert_array_equal(vector[places.intercept], before.vector[places.intercept])
        assert support.coefs[1][role].all()


def test_what_the_weakest_terms_take_with_them_is_kept_where_others_can_go(monkeypatch):
    """The terms of one row look weakest, and all of these but one are dear; every other term is noise."""
    family, menu, start = shape().family, shape().menu, problem()
    dear = start.support.coefs[0]["utility"][0].copy()
    dear[0, np.flatnonzero(dear[0] & menu.moves)[-1]] = False
    first = family.coefs[0]["utility"][0]

    class Scored:
        def rises(self):
            rises = np.ones(len(start.vector))
            rises[first] = 0.0
            return rises

    def priced(family, data, menu, vector, support, steps, scores):
        lost = (dear & ~support.coefs[0]["utility"][0]).sum()
        return Refit(vector, support, 1000.0 * lost)

    monkeypatch.setattr(Family, "scores", lambda self, refit, data: Scored())
    monkeypatch.setattr("behavior_learning.discovery.groupings.learned", priced)
    end = list(slimmed(family, (np.ones(100),) * 3, menu, start))[-1]
    np.testing.assert_array_equal(end.support.coefs[0]["utility"][0], dear)
    assert end.support.n_rows == 2  # It and a row above.


def test_a_row_that_only_goes_as_a_whole_goes(monkeypatch):
    family, menu, start = shape().family, shape().menu, problem()
    role, (agent, row) = next(
        (role, at[:2]) for role, coef in start.support.coefs[0].items() for at in np.argwhere(coef)
    )
    idle = start.support.coefs[0][role][agent, row].sum()
    every = sum(int(coef.sum()) for coef in start.support.coefs[0].values())

    class Scored:
        def rises(self):
            rises = np.ones(len(start.vector))
            rises[family.coefs[0][role][agent, row]] = 2.0  # Every other term looks weaker.
            return rises

    def priced(family, data, menu, vector, support, steps, scores):
        left = support.coefs[0][role][agent, row].sum()
        others = sum(int(coef.sum()) for coef in support.coefs[0].values()) - left
        lost = every - idle - others + (0 < left < idle) + (support.n_rows < start.support.n_rows - 1)
        return Refit(vector, support, 1000.0 * lost)

    monkeypatch.setattr(Family, "scores", lambda self, refit, data: Scored())
    monkeypatch.setattr("behavior_learning.discovery.groupings.learned", priced)
    end = list(slimmed(family, (np.ones(100),) * 3, menu, start))[-1]
    assert idle > 1
    assert not end.support.coefs[0][role][agent, row].any()
    assert end.support.n_rows == start.support.n_rows - 1
