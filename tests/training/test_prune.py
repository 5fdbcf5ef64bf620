"""Strengths of parts against the loss without them, and stages that share one compiled program."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import polynomial_basis
from behavior_learning.core.block import Weight
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_weights
from behavior_learning.core.spaces import Categories
from behavior_learning.learned.prune import _line
from behavior_learning.objectives import Likelihood
from behavior_learning.training import minimize
from behavior_learning.training.active_set import Support, count, gated
from behavior_learning.training.fit import fit
from behavior_learning.training.optimizers import Adam
from behavior_learning.training.prune import MISSES, Pruner, _Part, _walked, _weakest, path, smallest, with_terms
from behavior_learning.training.settings import Penalty, Settings
from tests.conftest import rng

SETTINGS = Settings(Adam(learning_rate=0.02, batch_size=60), Penalty(l2=0.1), max_epochs=25, patience=25)


def network(readout="free"):
    made = Architecture((2, 2), rows=(1, 1, 1), output="vector", readout=readout, readout_bias=True)
    basis = polynomial_basis(4, 0, degree=1)
    return BehaviorNetwork.random(rng("prune"), made, features=4, response=3, basis=basis)


@pytest.fixture(scope="module")
def pruner():
    generator = rng("prune rows")
    x = generator.normal(size=(180, 4)).astype(np.float32)
    y = (np.digitize(x[:, 0] + 0.3 * generator.normal(size=180), [-0.5, 0.5])).astype(np.int32)
    rows = lambda chosen: (jnp.asarray(x[chosen]), jnp.asarray(y[chosen]))
    objective = Likelihood().on(Categories(3))
    return Pruner(objective, rows(slice(0, 120)), rows(slice(120, 180)), SETTINGS, 0)


@pytest.fixture(scope="module")
def stages(pruner):
    return path(pruner, network(), share=0.25)


def scaled(drawn, at, index, factor):
    """A network with one number times a factor."""
    weights = drawn.weights
    gate = np.ones(weights[at].raw.shape, np.float32)
    gate[index] = factor
    weights[at] = Weight(weights[at].raw, weights[at].rule, jnp.asarray(gate))
    return with_weights(drawn, weights)


def test_weights_of_the_readout_can_be_taken_out_where_there_are_several_that_are_learned(pruner, monkeypatch):
    parts = lambda drawn: [part for part in pruner._parts(pruner.begin(drawn)) if part.layer is None]
    readout = network().readout.weight.raw
    assert sorted(part.at for part in parts(network())) == sorted(np.ndindex(readout.shape))
    alone = Architecture((2, 1), rows=(1, 1, 1), readout="identity")
    basis = polynomial_basis(4, 1, degree=1)
    scalar = BehaviorNetwork.random(rng("alone"), alone, features=4, response=1, basis=basis)
    support = Support.of(scalar)
    assert support.readout is None
    free = Architecture((2, 2), rows=(1, 1, 1), readout="free")
    drawn = BehaviorNetwork.random(rng("free"), free, features=4, response=1, basis=basis)
    monkeypatch.setattr(Pruner, "_mean_squares", lambda self, stage: (stage.network, [np.ones(2), np.ones(2)]))
    whole = list(pruner._parts(SimpleNamespace(network=drawn, support=Support.of(drawn))))
    assert all(part.layer is not None for part in whole)  # To take its weight out is to take the block out.
    assert len([part for part in whole if part.role is None]) == 4
    for part in whole:  # What a part is worth is shared by its numbers.
        own = drawn.layers[part.layer].heads[part.role] if part.role else None
        held = np.ones(1) if own is None else own.multiplier.raw if len(part.at) == 2 else own.coef.raw
        worth = 1.0 if own is None else np.asarray(held)[part.at]
        assert part.strength * part.numbers == pytest.approx(float(worth))


def test_strength_is_the_mean_square_of_slopes_of_rows(pruner):
    """Finite differences of the losses of rows, one gate at a time; a row's gate is that of its multiplier."""
    stage = pruner.begin(network())
    losses = jax.jit(lambda drawn: pruner.objective(drawn, *(column[:64] for column in pruner.data)))
    few = replace(pruner, data=tuple(column[:64] for column in pruner.data))
    squares, blocks = few._mean_squares(stage)
    step = 1e-2
    slope = lambda at, index: (
        np.asarray(losses(scaled(stage.network, at, index, 1 + step)), float)
        - np.asarray(losses(scaled(stage.network, at, index, 1 - step)), float)
    ) / (2 * step)  # fmt: skip
    utility = squares.layers[0].heads["utility"]
    assert float(utility.coef.raw[1, 0, 2]) == pytest.approx(
        0.5 * (slope(0, (1, 0, 2)) ** 2).mean(), rel=0.02, abs=1e-6
    )
    assert float(utility.multiplier.raw[1, 0]) == pytest.approx(
        0.5 * (slope(2, (1, 0)) ** 2).mean(), rel=0.02, abs=1e-6
    )
    whole = sum(slope(at, (1, 0)) for at in (2, 5, 8))
    assert float(blocks[0][1]) == pytest.approx(0.5 * (whole**2).mean(), rel=0.02, abs=1e-6)


def test_every_row_counts_once_in_a_strength(pruner):
    mixed = replace(pruner, data=tuple(column[::-1] for column in pruner.data))
    stage = pruner.begin(network())
    for own, other in zip(
        *map(jax.tree.leaves, (pruner._mean_squares(stage), mixed._mean_squares(stage))), strict=True
    ):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-8)


@dataclass(frozen=True)
class Walk:
    """A pruner and its stage in one, of which only the size counts; `far` has the sizes beyond the tolerance."""

    size: int
    far: frozenset[int] = frozenset()

    @property
    def smaller(self):
        return self

    @property
    def loss(self):
        return float(self.size in self.far)

    def rise(self, start):
        return self.loss, 0.0

    def begin(self, network):
        return self

    def without(self, stage, numbers):
        return replace(self, size=stage.size - numbers) if numbers < stage.size else None


def test_a_walk_goes_past_a_few_bad_stages_and_turns_back_at_more():
    few, many = frozenset(range(12, 12 + MISSES - 1)), frozenset(range(3, 3 + MISSES))
    walk = Walk(20, few | many)
    assert _walked(walk, walk, walk, 0.0, tolerance=0.5).size == 3 + MISSES
    assert _walked(Walk(20, few), walk, walk, 0.0, tolerance=0.5).size == 1
    assert _walked(Walk(20, few | many | {20}), walk, walk, 0.0, tolerance=1.0).size == 1


def test_stages_of_a_path_lose_their_share_and_one_number_at_least():
    assert [stage.size for stage in path(Walk(16), None, share=0.5)] == [16, 8, 4, 2, 1]
    assert [stage.size for stage in path(Walk(4), None, share=0.1)] == [4, 3, 2, 1]


def test_a_walk_to_a_number_of_terms_ends_as_soon_as_they_are_few_enough():
    """Two numbers to a term: the last steps are of one number each."""
    count = lambda stage: -(-stage.size // 2)
    assert [with_terms(Walk(40), None, terms, count).size for terms in (5, 1, 30)] == [10, 2, 40]


def test_the_weakest_parts_do_not_count_what_lies_inside_another():
    coefficient = lambda at: _Part(0.0, 1, 0, "utility", at)
    row, block = _Part(0.0, 3, 0, "utility", (1, 0)), _Part(0.0, 9, 0, None, (1,))
    other, readout = _Part(0.0, 1, 0, "inequality", (1, 0, 2)), _Part(0.0, 1, None, None, (1,))
    chosen = lambda parts, numbers: _weakest(parts, numbers)
    assert chosen([row, coefficient((1, 0, 2)), coefficient((0, 0, 2))], 4) == [row, coefficient((0, 0, 2))]
    assert chosen([block, row, other, readout], 10) == [block, readout]
    assert chosen([row, other], 4) == [row, other]
    assert chosen([coefficient((0, 0, 2)), row, block], 1) == [coefficient((0, 0, 2))]


def test_every_stage_is_smaller_and_its_network_holds_what_it_counts(stages):
    sizes = [stage.size for stage in stages]
    assert sizes == sorted(set(sizes), reverse=True)
    assert sizes[0] == network().n_parameters
    for stage in stages:
        assert stage.smaller.n_parameters == stage.size == count(stage.smaller, Support.of(stage.smaller))
    assert stages[-1].support.size <= 5


def test_column_that_matters_is_the_last_to_go(stages):
    last = stages[-1].support.coefs[0]
    assert {int(i) for coef in last.values() for i in np.argwhere(coef)[:, 2]} == {0}


def test_stages_share_one_program(pruner, stages, monkeypatch):
    monkeypatch.setattr(minimize, "_epoch", None)  # Called while a program is traced.
    assert len(path(pruner, stages[0].network, share=0.5)) > 2


def test_a_line_of_the_path_counts_what_is_in_use(stages):
    lines = [_line(stage, stages[0]) for stage in stages]
    for line, stage in zip(lines, stages, strict=True):
        coefs = [weight_value(rows.coef) != 0 for layer in stage.smaller.layers for rows in layer.heads.values()]
        assert line["rows"] == sum(np.any(own, axis=-1).sum() for own in coefs)
        assert line["coefficients"] == sum(own.sum() for own in coefs)
        assert (line["n_parameters"], line["loss"]) == (stage.size, stage.loss)


def test_rise_is_the_paired_difference(stages):
    start, later = stages[0], stages[3]
    rise, error = later.rise(start)
    assert rise == pytest.approx(later.loss - start.loss)
    assert error == pytest.approx(np.std(later.losses - start.losses, ddof=1) / 60**0.5)


@pytest.mark.parametrize("tolerance", [0.0, 0.12])
def test_smallest_keeps_its_promise_and_nothing_more_can_go(pruner, tolerance):
    """From a network trained longer than the pruner trains after each removal."""
    longer = replace(SETTINGS, max_epochs=150, patience=150)
    whole = [gated(network(), Support.of(network()))]
    rows = {"data": pruner.data, "validation": pruner.held_out}
    trained = fit(whole, [pruner.objective], **rows, settings=longer, seed=pruner.seed).network
    start, found = pruner.begin(trained), smallest(pruner, trained, tolerance)
    assert found.rise(start)[0] <= tolerance
    assert found.size < start.size
    further = pruner.without(found, 1)
    assert further is None or further.rise(start)[0] > tolerance
