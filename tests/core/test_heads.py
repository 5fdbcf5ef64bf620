"""Claims about φ, ρ and ψ, made of every registered head."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavior_learning.core.heads import HEADS, ROLES, Head, get_head
from behavior_learning.errors import OptionError
from tests import oracle
from tests.conftest import SPELLED, rng

pytestmark = pytest.mark.usefixtures("float64")

EVERY = [(role, name) for role, names in SPELLED.items() for name in names]
ONE_SIDED = [name for role, name in EVERY if role == "inequality"]
SYMMETRIC = [name for role, name in EVERY if role == "equality"]
every_head = pytest.mark.parametrize(("role", "name"), EVERY)

FORMULA = {"tanh": math.tanh, "log": math.log, "exp": math.exp, "sqrt": math.sqrt, "max": max, "abs": abs}
FORMULA["huber"] = lambda t, delta: oracle.head(f"huber({delta})", t)


def points(*seed):
    """Random points, the kink at zero, and both sides of it."""
    return np.concatenate([rng(*seed).normal(scale=2, size=40), [0.0, 1e-9, -1e-9, 0.7, -0.7, 30.0, -30.0]])


@every_head
def test_head_equals_its_definition(role, name):
    t = points(name)
    expected = [oracle.head(name, float(v)) for v in t]
    np.testing.assert_allclose(get_head(role, name).function(jnp.asarray(t)), expected, rtol=1e-12, atol=1e-15)


@every_head
def test_formula_evaluates_to_the_function(role, name):
    head = get_head(role, name)
    for t in rng(name).normal(scale=2, size=20):
        text = head.formula.format(f"({t!r})").replace("np.float64", "").replace("^", "**")
        text = f"abs({text[1:-1]})" if text.startswith("|") else text
        assert eval(text, FORMULA) == pytest.approx(float(head.function(jnp.asarray(t))), rel=1e-9)


@every_head
def test_name_selects_the_head_it_belongs_to(role, name):
    head = get_head(role, name)
    assert head.name == name
    assert head.role == role
    assert get_head(role, head.name) == head
    assert hash(get_head(role, head.name)) == hash(head)


@given(st.floats(min_value=1e-3, max_value=1e3))
def test_name_keeps_every_digit_of_the_width(width):
    head = get_head("equality", f"huber({width!r})")
    assert get_head("equality", head.name).width == head.width


@pytest.mark.parametrize("name", SPELLED["utility"])
def test_utility_head_increases(name):
    t = jnp.linspace(-6, 6, 61)
    assert jnp.all(jnp.diff(get_head("utility", name).function(t)) > 0)


@pytest.mark.parametrize("name", ONE_SIDED)
def test_inequality_head_penalizes_one_side_only(name):
    rho = get_head("inequality", name).function
    t = jnp.linspace(-80, 80, 161)
    assert jnp.all(rho(t) >= 0)
    assert jnp.all(jnp.diff(rho(t)) >= 0)
    np.testing.assert_allclose(rho(jnp.array([-80.0, 80.0])), [0, 80], atol=1e-12)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_equality_head_is_symmetric_and_zero_only_at_zero(name):
    psi = get_head("equality", name).function
    t = jnp.asarray(np.abs(rng(name).normal(size=30)) + 0.01)
    np.testing.assert_array_equal(psi(t), psi(-t))
    assert psi(jnp.zeros(())) == 0
    assert jnp.all(psi(t) > 0)
    assert jnp.all(jnp.diff(psi(jnp.sort(t))) > 0)


@every_head
def test_smooth_means_a_continuous_derivative(role, name):
    head = get_head(role, name)
    centers = jnp.array([0.0, head.width, -head.width, 1 / 3])
    slope = jax.vmap(jax.grad(head.function))
    jump = jnp.max(jnp.abs(slope(centers + 1e-7) - slope(centers - 1e-7)))
    assert bool(jump < 1e-5) == head.smooth


@pytest.mark.parametrize("beta", [2.0, 40.0])
def test_softplus_stays_within_log_two_over_beta_of_relu(beta):
    t = jnp.linspace(-3, 3, 101)
    gap = get_head("inequality", f"softplus({beta})").function(t) - jax.nn.relu(t)
    assert jnp.all(gap >= 0)
    assert jnp.max(gap) == pytest.approx(math.log(2) / beta)


@pytest.mark.parametrize("delta", [0.5, 0.01])
def test_smooth_abs_stays_within_delta_of_abs(delta):
    t = jnp.linspace(-3, 3, 101)
    gap = jnp.abs(t) - get_head("equality", f"smooth_abs({delta})").function(t)
    assert jnp.all(gap >= 0)
    assert jnp.max(gap) <= delta


@every_head
def test_gradient_is_finite_in_single_precision_far_from_zero(role, name):
    with jax.enable_x64(False):
        slope = jax.vmap(jax.grad(get_head(role, name).function))(jnp.array([-1e4, -50.0, 0.0, 50.0, 1e4]))
    assert slope.dtype == jnp.float32
    assert bool(jnp.all(jnp.isfinite(slope)))


@pytest.mark.parametrize("role", ROLES)
def test_every_head_of_a_role_is_listed(role):
    assert all(isinstance(get_head(role, name), Head) for name in SPELLED[role])
    assert len(HEADS[role]) == len(SPELLED[role])


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("utility", "relu"),
        ("inequality", "abs"),
        ("equality", "Square"),
        ("equality", ""),
        ("inequality", "softplus()"),
        ("inequality", "softplus(0)"),
        ("inequality", "softplus(-1)"),
        ("inequality", "softplus(nan)"),
        ("equality", "huber(inf)"),
        ("equality", "huber"),
        ("utility", "tanh(2)"),
    ],
)
def test_unknown_head_is_refused_with_the_valid_ones(role, name):
    with pytest.raises(
        OptionError,
        match=f"The {role} head must be one of {HEADS[role][0]}.*got {name!r}".replace("(", r"\(").replace(")", r"\)"),
    ):
        get_head(role, name)
