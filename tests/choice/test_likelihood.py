"""Likelihoods against loops over cases and nodes, and their derivatives against differences."""

import numpy as np
import pytest

from behavior_learning.choice.classes import LatentClasses
from behavior_learning.choice.estimation import maximize
from behavior_learning.choice.likelihood import Likelihood, of_cases
from behavior_learning.choice.logit import Logit
from behavior_learning.choice.mixing import Mixing, Nodes, grid, single_node, sobol
from behavior_learning.choice.nests import Nests
from behavior_learning.choice.utility import Utility
from tests.choice.test_formula import simulated

DATA = simulated(60)
WEIGHTS = np.random.default_rng(1).uniform(0.5, 2, 60)
NESTS = {
    "two levels": {"road": ["bus", "car"]},
    "three levels": {"all": {"road": ["bus", "car"], "rail": ["train"]}},
    "shared": {"road": ["bus", "car"], "public": ["bus", "train"]},
}
RANDOM = {
    "normal": ({"time": "normal"}, False),
    "lognormal": ({"cost": "lognormal"}, False),
    "bounded": ({"time": "triangular", "cost": "uniform"}, False),
    "correlated": ({"time": "normal", "cost": "lognormal"}, True),
}


def mixed(random: str, nodes: Nodes | None = None, kernel: Logit | Nests | None = None) -> Likelihood:
    utility = Utility.read("cost + time + C(alternative)", DATA)
    mixing = Mixing.of(RANDOM[random][0], utility.coefficients, RANDOM[random][1])
    units = int(DATA.panel.max()) + 1
    nodes = sobol(units, 16, len(mixing.random), 0) if nodes is None else nodes
    return Likelihood(utility.on(DATA), kernel or Logit(), mixing, nodes, WEIGHTS, DATA.panel)


def paid(random: str) -> Likelihood:
    """Coefficients in units of the first term."""
    utility = Utility.read("cost + time + C(alternative)", DATA).paid_in("cost")
    named = {label.replace("time", "wtp(time)"): kind for label, kind in RANDOM[random][0].items()}
    mixing = Mixing.of(named, utility.coefficients, RANDOM[random][1])
    nodes = sobol(int(DATA.panel.max()) + 1, 16, len(mixing.random), 0)
    return Likelihood(utility.on(DATA), Logit(), mixing, nodes, WEIGHTS, DATA.panel)


def classes() -> LatentClasses:
    utility = Utility.read("cost + time", DATA)
    terms = Utility.read("income:C(alternative)[car]", DATA).terms
    return LatentClasses(utility.on(DATA), 2, terms, WEIGHTS, DATA.panel)


TARGETS = {
    "boxcox": lambda: of_cases(
        Utility.read("boxcox(cost) + income:boxcox(cost) + time", DATA).on(DATA), Logit(), WEIGHTS
    ),
    **{
        name: lambda nests=nests: of_cases(
            Utility.read("cost + time", DATA).on(DATA), Nests.read(nests, DATA.alternatives), WEIGHTS
        )
        for name, nests in NESTS.items()
    },
    **{name: lambda name=name: mixed(name) for name in RANDOM},
    "paid": lambda: paid("normal"),
    "paid, random money": lambda: paid("correlated"),
    "mixed nests": lambda: mixed("normal", kernel=Nests.read(NESTS["shared"], DATA.alternatives)),
    "classes": classes,
}


@pytest.mark.parametrize("name", TARGETS)
def test_scores_are_differences(name: str):
    target = TARGETS[name]()
    theta = np.random.default_rng(2).uniform(0.3, 0.7, len(target.labels))
    differences = [
        (target(theta + 1e-5 * e).log_likelihood - target(theta - 1e-5 * e).log_likelihood) / 2e-5
        for e in np.eye(len(theta))
    ]
    assert np.allclose(target(theta).scores, np.transpose(differences), atol=1e-7)
    assert np.allclose(target(theta).log_likelihood, target.log_likelihoods(theta))


@pytest.mark.parametrize("name", TARGETS)
def test_probabilities_sum_to_one(name: str):
    target = TARGETS[name]()
    theta = np.random.default_rng(3).uniform(0.3, 0.7, len(target.labels))
    p = target.probabilities(theta)
    assert (p > 0).all()
    assert np.allclose(np.bincount(DATA.case, p), 1)


def test_hessian_of_a_logit_is_a_difference_of_scores():
    target = of_cases(Utility.read("cost + time + C(alternative)", DATA).on(DATA), Logit(), WEIGHTS)
    theta = np.random.default_rng(4).normal(size=4)
    differences = [
        (target(theta + 1e-5 * e).scores.sum(axis=0) - target(theta - 1e-5 * e).scores.sum(axis=0)) / 2e-5
        for e in np.eye(4)
    ]
    assert np.allclose(target.hessian(theta), differences, atol=1e-6)


def test_panel_is_a_product_inside_the_mean():
    target = mixed("normal")
    theta = np.array([-1.0, -0.5, 0.2, 0.3, 0.8])
    cost, time = DATA.attributes["cost"], DATA.attributes["time"]
    constants = np.array([0, 0.2, 0.3])[DATA.alternative]
    for unit in range(3):
        total = 0.0
        for z in target.nodes.z[unit, :, 0]:
            product = 1.0
            for case in np.flatnonzero(DATA.panel == unit):
                lines = DATA.case == case
                u = np.exp(-cost[lines] + (-0.5 + 0.8 * z) * time[lines] + constants[lines])
                product *= (u[DATA.chosen[lines]][0] / u.sum()) ** WEIGHTS[case]
            total += product / len(target.nodes.z[unit])
        assert target(theta).log_likelihood[unit] == pytest.approx(np.log(total))


def test_nests_against_the_textbook():
    target = of_cases(Utility.read("cost", DATA).on(DATA), Nests.read(NESTS["two levels"], DATA.alternatives), WEIGHTS)
    v, mu = -DATA.attributes["cost"][:3], 1.7
    inclusive = np.log(np.exp(mu * v[:2]).sum()) / mu
    inside = np.exp(mu * v[:2]) / np.exp(mu * v[:2]).sum()
    upper = np.exp([inclusive, v[2]]) / np.exp([inclusive, v[2]]).sum()
    expected = [*(upper[0] * inside), upper[1]]
    assert np.allclose(target.probabilities(np.array([-1.0, mu]))[:3], expected)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch):
    theta, whole = np.array([-1.0, -0.5, 0.2, 0.3, 0.8]), mixed("normal")
    monkeypatch.setattr("behavior_learning.choice.likelihood.NUMBERS_AT_ONCE", 500)
    parts = mixed("normal")
    assert len(parts._chunks) > 3
    assert np.allclose(parts(theta).scores, whole(theta).scores)
    assert np.allclose(parts.probabilities(theta), whole.probabilities(theta))


def test_the_maximum_is_the_same_from_a_hessian_of_fewer_draws():
    """The search with many draws goes on from the few, by their Hessian, and ends where a search from afar does."""
    target, few = mixed("normal", sobol(15, 256, 1, 0)), mixed("normal", sobol(15, 32, 1, 1))
    start = np.array([-1.0, -0.5, 0.2, 0.3, 0.8])
    coarse, far = maximize(few, start), maximize(target, start)
    near = maximize(target, coarse.theta, hessian=coarse.hessian)
    assert near.converged
    assert near.log_likelihood == pytest.approx(far.log_likelihood, abs=1e-6)
    assert np.allclose(near.hessian, far.hessian, rtol=1e-2, atol=1e-2)


def test_a_grid_integrates_a_normal_density():
    nodes = grid(np.array([[0.3, -0.2]]), np.array([[1.0, 0.8]]), 21)
    weights = np.exp(nodes.log_weights)
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert (weights[..., None] * nodes.z**2).sum(axis=(0, 1)) == pytest.approx(1, abs=1e-6)
    assert np.exp(single_node().log_weights).sum() == 1


def test_draws_of_every_unit_are_those_of_a_normal_distribution():
    z = sobol(752, 256, 2, 0).z
    assert np.abs(z.mean(axis=1)).max() < 0.05
    assert np.abs((z**2).mean(axis=1) - 1).max() < 0.1
    assert np.abs((z[..., 0] * z[..., 1]).mean(axis=1)).max() < 0.1
