"""Claims about φ, ρ and ψ, made of every registered head."""

import math
import pickle
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import behavior_learning as bl
from behavior_learning.core.heads import ROLES, Head, get_head, register_head, registered_heads
from behavior_learning.errors import OptionError
from tests import oracle
from tests.conftest import SPELLED, rng

pytestmark = pytest.mark.usefixtures("float64")

EVERY = [get_head(role, name) for role, names in SPELLED.items() for name in names]
every_head = pytest.mark.parametrize("head", EVERY, ids=lambda head: head.name)


def of_role(role):
    return pytest.mark.parametrize("head", [head for head in EVERY if head.role == role], ids=lambda head: head.name)


def points(*seed):
    """Random points, the kink at zero, and both sides of it."""
    return np.concatenate([rng(*seed).normal(scale=2, size=40), [0.0, 1e-9, -1e-9, 0.7, -0.7, 30.0, -30.0]])


def same(values, others):
    return bool(np.allclose(values, others, rtol=1e-12, atol=1e-12))


@every_head
def test_head_equals_its_definition(head):
    t = points(head.name)
    expected = [oracle.head(head.name, float(v)) for v in t]
    np.testing.assert_allclose(head(jnp.asarray(t)), expected, rtol=1e-12, atol=1e-15)


@every_head
def test_name_selects_the_head_it_belongs_to(head):
    again = get_head(head.role, head.name)
    assert again == head
    assert hash(again) == hash(head)
    assert get_head(head.role, head) == head


@every_head
def test_heads_survive_pickling(head):
    assert pickle.loads(pickle.dumps(head)) == head


@given(st.floats(min_value=1e-3, max_value=1e3))
def test_name_keeps_every_digit_of_a_parameter(width):
    head = get_head("equality", f"huber({width!r})")
    assert get_head("equality", head.name).width == head.width == width


def test_parameters_are_arguments():
    assert bl.Softplus(5) == bl.Softplus(beta=5.0) == get_head("inequality", "softplus(5)")
    assert bl.Softplus(5).name == "softplus(5)"
    assert bl.Softplus() == bl.Softplus(1) == get_head("inequality", "softplus(1)")
    assert bl.Softplus().name == "softplus"
    assert bl.Softplus(2) != bl.Softplus(3) != bl.SmoothAbs(3)


def test_architecture_keeps_the_spelling_of_heads():
    given = bl.Architecture(heads=(bl.Tanh(), bl.Softplus(5), None))
    assert given == bl.Architecture(heads=("tanh", "softplus(5.0)", None))
    assert given.heads == ("tanh", "softplus(5)", None)


# What a head says of itself.


@every_head
def test_parity_is_what_the_function_does(head):
    t = points(head.name)
    at, mirrored = head(jnp.asarray(t)), head(jnp.asarray(-t))
    assert head.parity == ("even" if same(mirrored, at) else "odd" if same(mirrored, -at) else None)


@every_head
def test_degree_is_what_the_function_does(head):
    """f(s·t) = s^degree·f(t) for s > 0, and 0 where no degree does that."""
    t = jnp.asarray(points(head.name))
    degrees = [d for d in range(1, 5) if all(same(head(s * t), s**d * head(t)) for s in (0.3, 2.0, 7.0))]
    assert degrees == ([head.degree] if head.degree else [])


@every_head
def test_flippable_is_what_the_function_does(head):
    t = jnp.asarray(points(head.name))
    assert head.flippable == same(head(t), t + head(-t))


@every_head
def test_smoothness_is_how_often_the_derivative_is_continuous(head):
    """Jumps of the first, second and third derivative at and around the kinks that heads have."""
    centers = jnp.array([0.0, head.width, -head.width, 1 / 3])
    derivative, continuous = head, 0
    for _ in range(3):
        derivative = jax.grad(derivative)
        slope = jax.vmap(derivative)
        jump = jnp.max(jnp.abs(slope(centers + 1e-7) - slope(centers - 1e-7)))
        if jump > 1e-4:
            break
        continuous += 1
    assert min(head.smoothness, 3) == continuous
    assert head.smooth == (continuous > 0)


@pytest.mark.parametrize("times", [1, 2])
@every_head
def test_smoothed_head_is_smooth_and_close(head, times):
    """Within log 2/5 of the head it stands for, of the same role and parity, and itself where it is smooth."""
    smooth = head.smoothed(times)
    t = jnp.asarray(points(head.name))
    assert smooth.smoothness >= times
    assert (smooth == head) == (head.smoothness >= times)
    assert (smooth.role, smooth.parity, smooth.flippable) == (head.role, head.parity, head.flippable)
    scale = max(1.0, head.width) if head.smooth and smooth != head else 1.0
    if head.smoothness == 0:
        assert float(jnp.max(jnp.abs(smooth(t) - head(t)))) <= 0.2 * scale
    elif smooth != head:
        slope = jax.grad(head)(30.0) / jax.grad(smooth)(30.0)
        np.testing.assert_allclose(smooth(t) * slope, head(t), atol=head.width**2)


def test_what_stands_for_a_kinked_head():
    assert bl.Relu().smoothed() == bl.Softplus(5)
    assert bl.Abs().smoothed() == bl.SmoothAbs(0.2)
    assert bl.Huber(0.7).smoothed() == bl.Huber(0.7)
    assert bl.Huber(0.7).smoothed(2) == bl.SmoothAbs(0.7)


@of_role("utility")
def test_utility_head_increases(head):
    t = jnp.linspace(-6, 6, 61)
    assert jnp.all(jnp.diff(head(t)) > 0)


@of_role("inequality")
def test_inequality_head_penalizes_one_side_only(head):
    t = jnp.linspace(-80, 80, 161)
    assert jnp.all(head(t) >= 0)
    assert jnp.all(jnp.diff(head(t)) >= 0)
    np.testing.assert_allclose(head(jnp.array([-80.0, 80.0])), [0, 80], atol=1e-12)


@of_role("equality")
def test_equality_head_is_symmetric_and_zero_only_at_zero(head):
    t = jnp.asarray(np.abs(rng(head.name).normal(size=30)) + 0.01)
    np.testing.assert_array_equal(head(t), head(-t))
    assert head(jnp.zeros(())) == 0
    assert jnp.all(head(t) > 0)
    assert jnp.all(jnp.diff(head(jnp.sort(t))) > 0)


@pytest.mark.parametrize("beta", [2.0, 40.0])
def test_softplus_stays_within_log_two_over_beta_of_relu(beta):
    t = jnp.linspace(-3, 3, 101)
    gap = bl.Softplus(beta)(t) - jax.nn.relu(t)
    assert jnp.all(gap >= -1e-14)  # Versions of XLA round otherwise.
    assert jnp.max(gap) == pytest.approx(math.log(2) / beta)
    ours, theirs = (jax.make_jaxpr(jax.grad(f))(1.0) for f in (bl.Softplus(beta), jax.nn.softplus))
    assert str(ours).count("exp") < str(theirs).count("exp")


@pytest.mark.parametrize("delta", [0.5, 0.01])
def test_smooth_abs_stays_within_delta_of_abs(delta):
    t = jnp.linspace(-3, 3, 101)
    gap = jnp.abs(t) - bl.SmoothAbs(delta)(t)
    assert jnp.all(gap >= -1e-14)  # Versions of XLA round otherwise.
    assert jnp.max(gap) <= delta


@every_head
def test_gradient_is_finite_in_single_precision_far_from_zero(head):
    with jax.enable_x64(False):
        slope = jax.vmap(jax.grad(head))(jnp.array([-1e4, -50.0, 0.0, 50.0, 1e4]))
    assert slope.dtype == jnp.float32
    assert bool(jnp.all(jnp.isfinite(slope)))


# The registry.


@pytest.mark.parametrize("role", ROLES)
def test_registered_heads_belong_to_their_role(role):
    assert all(issubclass(head, Head) and head.role == role for head in registered_heads(role))
    assert {head.family for head in registered_heads(role)} >= {name.split("(")[0] for name in SPELLED[role]}


def test_a_family_is_registered_once():
    @dataclass(frozen=True)
    class Twice(Head):
        family, role, form = "tanh", "utility", "tanh(2*t)"

    with pytest.raises(OptionError, match=r"'tanh' is already that of .*heads\.Tanh\. Give Twice another family"):
        register_head(Twice)
    assert get_head("utility", "tanh") == bl.Tanh()


@pytest.mark.parametrize(("family", "role"), [("two words", "utility"), ("wish", "desire")])
def test_a_head_needs_a_name_and_a_role(family, role):
    head = dataclass(frozen=True)(type("Nameless", (Head,), {"family": family, "role": role, "form": "t"}))
    with pytest.raises(OptionError, match="A head needs a family that is a name and a role among utility"):
        register_head(head)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("utility", "relu"),
        ("inequality", "abs"),
        ("equality", "Square"),
        ("equality", ""),
        ("inequality", "softplus()"),
        ("inequality", "softplus(1, 2)"),
        ("inequality", "softplus(wide)"),
        ("equality", "huber"),
        ("utility", "tanh(2)"),
        ("utility", bl.Relu()),
        ("utility", 3),
    ],
)
def test_unknown_head_is_refused_with_the_valid_ones(role, name):
    first = registered_heads(role)[0].family
    with pytest.raises(OptionError, match=rf"The {role} head must be one of {first}.*or None; got"):
        get_head(role, name)


@pytest.mark.parametrize("beta", [0, -1, math.nan, math.inf, True, "5", None])
def test_a_parameter_that_is_no_positive_number_is_refused(beta):
    with pytest.raises(OptionError, match=r"beta of the head softplus must be a number above 0; got"):
        bl.Softplus(beta)
    if isinstance(beta, (int, float)) and not isinstance(beta, bool):
        with pytest.raises(OptionError, match="beta of the head softplus must be a number above 0"):
            get_head("inequality", f"softplus({beta})")
