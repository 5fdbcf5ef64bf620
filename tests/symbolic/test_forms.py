"""Claims about the forms of heads, made of every registered head: each notation says what the function does."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

import behavior_learning as bl
from behavior_learning.core.heads import get_head
from behavior_learning.errors import OptionError
from behavior_learning.symbolic.forms import NumPy, Text, by_name
from behavior_learning.symbolic.sympy_latex import head_expression
from tests import oracle
from tests.conftest import SPELLED, rng

EVERY = [get_head(role, name) for role, names in SPELLED.items() for name in names]
every_head = pytest.mark.parametrize("head", EVERY, ids=lambda head: head.name)

FUNCTIONS = {"tanh": math.tanh, "log": math.log, "exp": math.exp, "sqrt": math.sqrt, "max": max, "abs": abs}
FUNCTIONS["huber"] = lambda t, delta: oracle.head(f"huber({delta})", t)


def values(head, t):
    with jax.enable_x64(True):
        return np.asarray(head(jnp.asarray(t)))


@every_head
def test_text_evaluates_to_the_function(head):
    for t in rng(head.name).normal(scale=2, size=20):
        text = Text()(head, f"({float(t)!r})").replace("^", "**")
        text = f"abs({text[1:-1]})" if text.startswith("|") else text
        assert eval(text, FUNCTIONS) == pytest.approx(float(values(head, t)), rel=1e-9)


@every_head
def test_sympy_form_is_the_function(head):
    t = sympy.Symbol("t", real=True)
    expression = head_expression(head, t)
    for at in [*rng(head.name).normal(scale=2, size=20), 0.0]:
        assert float(expression.subs(t, at)) == pytest.approx(float(values(head, at)), rel=1e-9, abs=1e-12)


@every_head
def test_numpy_source_is_the_function_however_large_its_argument(head):
    space = {"np": np, "t": np.concatenate([rng(head.name).normal(scale=2, size=20), [0.0, -2000.0, 2000.0]])}
    if by_name(head):
        exec(NumPy().helper(type(head)), space)
    np.testing.assert_allclose(eval(NumPy()(head, "t"), space), values(head, space["t"]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("head", "written"),
    [
        (bl.Tanh(), "tanh(v)"),
        (bl.Identity(), "v"),
        (bl.Relu(), "max(0, v)"),
        (bl.Softplus(), "log(1 + exp(v))"),
        (bl.Softplus(5), "log(1 + exp(5*v))/5"),
        (bl.Abs(), "|v|"),
        (bl.Square(), "v^2"),
        (bl.Huber(0.5), "huber(v, 0.5)"),
        (bl.SmoothAbs(0.5), "(sqrt(v^2 + 0.25) - 0.5)"),
    ],
)
def test_text_is_brief(head, written):
    assert Text()(head, "v") == written


def test_brackets_stand_where_they_are_needed():
    assert Text()(bl.Square(), "a + b") == "(a + b)^2"
    assert Text()(bl.Softplus(2), "a + b") == "log(1 + exp(2*(a + b)))/2"
    assert Text()(bl.Relu(), "a + b") == "max(0, a + b)"


def test_a_form_that_no_notation_can_write_is_refused():
    class Odd(bl.Head):
        family, role, form = "odd", "utility", "[t][0]"

    with pytest.raises(OptionError, match="The form of a head may have numbers, t, parameters"):
        Text()(Odd(), "v")
