"""Claims about some responses of several: every part, given any others, against sums and quadrature by hand."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array
from scipy import special

from behavior_learning.core.products import Product
from behavior_learning.core.spaces import Categories, Interval
from behavior_learning.gibbs.components import Conditioned, Marginalized, marginal_distribution, subspace
from behavior_learning.gibbs.distribution import Gibbs
from tests.conftest import rng

pytestmark = pytest.mark.usefixtures("float64")

N, D = 4, 2
SPACES = {
    "class, class, number": Product([Categories(2), Categories(3), Interval(-1.5, 2.0, 40)]),
    "class, number, number": Product([Categories(2), Interval(-1.5, 2.0, 24), Interval(0.5, 1.5, 24)]),
}
NODES = 60
ROLES = ("of", "given", "hidden")
QUESTIONS = [
    (name, roles)
    for name in SPACES
    for roles in itertools.product(ROLES, repeat=3)
    if "of" in roles and (name != "class, class, number" or roles[0] >= roles[1])
]
"""Each part is asked of, given or hidden; two classes are alike, so that one order of their roles is enough."""
SPLITS = [(name, roles) for name, roles in QUESTIONS if "hidden" not in roles and "given" in roles]
spelled = lambda value: value if isinstance(value, str) else "-".join(value)

every_space = pytest.mark.parametrize("name", SPACES)
every_question = pytest.mark.parametrize(("name", "roles"), QUESTIONS, ids=spelled)
every_split = pytest.mark.parametrize(("name", "roles"), SPLITS, ids=spelled)


class Curved(eqx.Module):
    """tanh(x W yᵀ) + y Q yᵀ + sin(3 y q): every column of y interacts with every other and with x."""

    along: Array
    pairs: Array
    wave: Array

    @classmethod
    def random(cls, m, generator):
        draw = lambda *shape: jnp.asarray(generator.normal(size=shape))
        return cls(draw(D, m), 0.5 * draw(m, m), draw(m))

    @property
    def width(self):
        return 1

    def __call__(self, x, y):
        linear = jnp.sum((x @ self.along)[:, None] * y, axis=-1)
        return jnp.tanh(linear) + jnp.sum((y @ self.pairs) * y, axis=-1) + jnp.sin(3 * y @ self.wave)


def problem(name):
    """A distribution whose parts all depend on one another, with observed rows."""
    space, generator = SPACES[name], rng("parts", name)
    utility = Curved.random(space.dimension, generator)
    draw = lambda part: (
        generator.integers(part.size, size=N)
        if isinstance(part, Categories)
        else generator.uniform(part.lower, part.upper, N)
    )
    return (
        utility,
        space,
        generator.normal(size=(N, D)),
        np.stack([draw(part) for part in space.components], 1).astype(float),
    )


def log_sum_by_hand(utility, space, x, y, fixed, temperature):
    """log Σ∫ exp{BL/τ} of one row over all parts but the fixed ones, on a full grid."""
    axes = [values_and_log_weights(part, y[i] if i in fixed else None) for i, part in enumerate(space.components)]
    candidates = [np.concatenate(columns) for columns in itertools.product(*(values for values, _ in axes))]
    log_weights = np.array([sum(weights) for weights in itertools.product(*(weights for _, weights in axes))])
    values = np.asarray(utility(x[None], np.stack(candidates)[None]))[0]
    return special.logsumexp(values / temperature + log_weights)


def values_and_log_weights(part, observed):
    if isinstance(part, Categories):
        codes = range(part.size) if observed is None else [int(observed)]
        return [np.eye(part.size)[code] for code in codes], [0.0] * len(codes)
    if observed is not None:
        return [np.array([observed])], [0.0]
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    lower, width = float(part.lower), float(part.upper - part.lower)
    return [np.array([lower + width * (t + 1) / 2]) for t in nodes], np.log(weights * width / 2).tolist()


def chosen(roles, role):
    return [i for i, chosen in enumerate(roles) if chosen == role]


def wide(space, x, y, given):
    """x with the candidates of the given parts behind it."""
    columns = [space.components[i].candidates(jnp.asarray(y[:, i])) for i in given]
    return jnp.concatenate([jnp.asarray(x), *columns], axis=1)


def observed(space, y, parts):
    """Responses as the space of these parts takes them: a single class as integers."""
    if len(parts) > 1:
        return jnp.asarray(y[:, parts])
    return jnp.asarray(y[:, parts[0]], int if isinstance(space.components[parts[0]], Categories) else float)


@eqx.filter_jit
def log_prob(gibbs, x, y, of, given, temperature):
    """log p(y_of | x, y_given) by the library."""
    joint = Gibbs(gibbs.utility, gibbs.space, temperature)
    part = marginal_distribution(joint, of, given=given)
    return part.log_prob(wide(gibbs.space, x, y, given), observed(gibbs.space, y, of))


@pytest.mark.parametrize("temperature", [1.0, 0.4])
@every_question
def test_every_part_given_any_others_is_a_ratio_of_sums(name, roles, temperature):
    utility, space, x, y = problem(name)
    of, given = chosen(roles, "of"), chosen(roles, "given")
    by_hand = lambda i, fixed: log_sum_by_hand(utility, space, x[i], y[i], fixed, temperature)
    expected = [by_hand(i, (*of, *given)) - by_hand(i, given) for i in range(N)]
    found = log_prob(Gibbs(utility, space), x, y, tuple(of), tuple(given), jnp.asarray(temperature))
    np.testing.assert_allclose(found, expected, atol=2e-5)


@every_split
def test_joint_is_the_marginal_times_the_conditional(name, roles):
    utility, space, x, y = problem(name)
    of, given = tuple(chosen(roles, "of")), tuple(chosen(roles, "given"))
    ask = lambda of, given: log_prob(Gibbs(utility, space), x, y, of, given, jnp.asarray(1.0))
    np.testing.assert_allclose(ask(given, ()) + ask(of, given), ask((0, 1, 2), ()), atol=2e-5)


@every_space
def test_all_parts_with_nothing_given_are_the_distribution_itself(name):
    utility, space, x, y = problem(name)
    itself = eqx.filter_jit(Gibbs.log_prob)(Gibbs(utility, space, 0.7), jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(
        log_prob(Gibbs(utility, space), x, y, (0, 1, 2), (), jnp.asarray(0.7)), itself, rtol=1e-12
    )


@pytest.mark.parametrize(
    ("of", "given"),
    [
        ((2, 0), ()),
        ((1, 0), ()),
        ((2, 1, 0), ()),
        ((2, 1), (0,)),
        ((0,), (2, 1)),
    ],
    ids=str,
)
@every_space
def test_parts_may_come_in_any_order(name, of, given):
    utility, space, x, y = problem(name)
    ask = lambda of, given: log_prob(Gibbs(utility, space), x, y, of, given, jnp.asarray(1.0))
    np.testing.assert_allclose(ask(of, given), ask(tuple(sorted(of)), tuple(sorted(given))), atol=1e-5)


@every_space
def test_marginal_mean_is_the_mean_of_the_joint(name):
    utility, space, x, _ = problem(name)
    joint = Gibbs(utility, space, 1.6)
    expected = eqx.filter_jit(Gibbs.mean)(joint, jnp.asarray(x))
    marginal = eqx.filter_jit(Gibbs.mean)(marginal_distribution(joint, [2]), jnp.asarray(x))
    np.testing.assert_allclose(marginal, expected[:, -1:], atol=1e-6)


def test_marginal_utility_is_defined_up_to_the_temperature_it_was_taken_at():
    """τ·log Σ exp{BL/τ}, divided by τ again, is the logarithm of the marginal mass."""
    utility, space, x, y = problem("class, class, number")
    temperature = 0.3
    marginal = marginal_distribution(Gibbs(utility, space, temperature), [2])
    assert isinstance(marginal.utility, Marginalized)
    values = marginal.utility(jnp.asarray(x), jnp.asarray(y[:, 2])[:, None, None])[:, 0]
    expected = [log_sum_by_hand(utility, space, x[i], y[i], (2,), temperature) for i in range(N)]
    np.testing.assert_allclose(values / temperature, expected, rtol=1e-10)


def test_conditioned_utility_reads_the_given_columns_behind_x():
    utility, space, x, y = problem("class, number, number")
    conditional = marginal_distribution(Gibbs(utility, space), [0, 2], given=[1])
    assert isinstance(conditional.utility, Conditioned)
    free = jnp.concatenate([space.components[0].candidates(jnp.asarray(y[:, 0])), jnp.asarray(y[:, 2:])], axis=1)
    values = conditional.utility(wide(space, x, y, [1]), free[:, None])
    np.testing.assert_allclose(values, utility(jnp.asarray(x), space.candidates(jnp.asarray(y))[:, None]), rtol=1e-12)


@every_space
def test_space_of_some_parts_is_one_of_them_or_their_product(name):
    space = SPACES[name]
    assert subspace(space, [1]) is space.components[1]
    assert subspace(space, [2, 0]).components == (space.components[2], space.components[0])


@pytest.mark.slow
def test_draws_given_a_part_differ_from_those_of_the_marginal_as_their_distributions_do():
    """Shares of a class, given a number and not, within four standard errors of the two distributions."""
    utility, space, x, y = problem("class, number, number")
    joint, draws = Gibbs(utility, space), 4000
    given = marginal_distribution(joint, [0], given=[1])
    for part, at in ((marginal_distribution(joint, [0]), jnp.asarray(x)), (given, wide(space, x, y, [1]))):
        share = eqx.filter_jit(Gibbs.mean)(part, at)[:, 1]
        drawn = np.asarray(eqx.filter_jit(Gibbs.sample)(part, jax.random.key(0), at, draws)).mean(axis=1)
        assert np.all(np.abs(drawn - share) < 4 * np.sqrt(share * (1 - share) / draws))
