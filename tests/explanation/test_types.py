"""Claims about types of blocks: named for themes, and for what they do to the blocks below by signs over p(y|x)."""

import numpy as np
import pytest

from behavior_learning.core.heads import get_head
from behavior_learning.errors import OptionError
from behavior_learning.explanation.legend import Legend
from behavior_learning.explanation.words import explain_problem
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from tests.conftest import rng

LEGEND = Legend({"RAD": "access to highways"}, {"location": ("CHAS", "RAD"), "economy": ("LSTAT", "TAX")})


def linear(**coefficients):
    return Polynomial({((name, 1),): value for name, value in coefficients.items()})


def term(role, name, **coefficients):
    return HeadTerm(get_head(role, name), 1.0, linear(**coefficients))


def agent(name, **coefficients):
    return Block(name, (term("equality", "square", y=1.0, **coefficients),), ("y",), {})


AGENTS = (agent("near", CHAS=-1.0, RAD=-2.0, AGE=0.1), agent("poor", LSTAT=-2.0, AGE=-1.9))


@pytest.fixture(scope="module")
def values():
    """Rows first, draws of y last, as movements over p(y|x) need them."""
    generator = rng("types")
    columns = {name: generator.normal(size=(200, 1)) for name in ("CHAS", "RAD", "LSTAT", "TAX", "AGE")}
    wide = {name: np.broadcast_to(column, (200, 6)) for name, column in columns.items()}
    return wide | {"y": generator.normal(size=(200, 6))}


def types(values, *rows):
    top = Block("top", rows, ("y",), {})
    problem = LearnedProblem((AGENTS, (top,)), {"utility": linear(top=1.0)}, ("y",))
    return explain_problem(problem, values, original=problem.blocks, legend=LEGEND)


@pytest.mark.parametrize(
    ("rows", "verb", "noun"),
    [
        ([term("utility", "identity", near=1.0, poor=0.8)], "aggregates", "aggregate"),
        ([term("utility", "identity", near=1.0, poor=-0.8)], "trades off near", "trade-off"),
        ([term("inequality", "softplus", near=1.0, poor=0.8)], "opposes", "opposition"),
        ([term("equality", "square", near=1.0, poor=-0.8)], "balances", "balance"),
    ],
)
def test_blocks_are_said_to_do_what_their_signs_are(values, rows, verb, noun):
    kind = types(values, *rows).types.loc["top"]
    assert kind["represents"].startswith(verb)
    assert kind["type"].endswith(f"-sensitive {noun}")


def test_a_trade_off_says_what_stands_against_what_with_shares_and_signs(values):
    text = types(values, term("utility", "identity", near=1.0, poor=-0.8)).types.loc["top", "represents"]
    first, second = text.split(" against ")
    assert first.startswith("trades off near (")
    assert first.endswith("rises with it in 100%)")
    assert second.startswith("poor (")
    assert second.endswith("rises with it in 0%)")


def test_blocks_are_named_for_themes_and_for_columns_that_have_none(values):
    found = types(values, term("utility", "identity", near=1.0, poor=0.8))
    assert found.types.loc["near", "type"] == "location-sensitive"
    assert set(found.types.loc["poor", "type"].removesuffix("-sensitive").split("- and ")) == {"economy", "AGE"}
    assert found.types["layer"].tolist() == [1, 1, 2]
    np.testing.assert_allclose(found.types.groupby("layer")["share"].sum(), 1.0)


def test_descriptions_travel_into_explanations(values):
    found = types(values, term("utility", "identity", near=1.0, poor=0.8))
    assert "location (" in found.types.loc["near", "represents"]
    assert "RAD (access to highways)" in found.types.loc["near", "represents"]
    assert "RAD: access to highways" in found.text()
    assert found.types.loc["near", "represents"] in found.text()


def test_a_theme_counts_the_response_where_it_holds_it(values):
    legend = Legend({}, {"affordability": ("y",)})
    one = LearnedProblem.of_block(agent("near", CHAS=0.3))
    assert explain_problem(one, values, legend=legend).names == {"near": "affordability-sensitive"}
    assert explain_problem(one, values).names == {"near": "CHAS-sensitive"}


@pytest.mark.parametrize(
    ("descriptions", "themes", "message"),
    [
        ({"ROOMS": "rooms"}, {}, "no column 'ROOMS'"),
        ({"RM": 3}, {}, "lines of text"),
        ({}, {"size": ["RM"], "place": ["RM"]}, "one theme; 'RM'"),
        ({}, ["RM"], "lists of columns by name"),
    ],
)
def test_wrong_legends_say_what_is_wrong(descriptions, themes, message):
    with pytest.raises(OptionError, match=message):
        Legend.of(descriptions, themes, ["RM", "RAD"])
