"""The language of terms."""

import pytest

from behavior_learning.errors import OptionError
from behavior_learning.formulas import Term, parse_product, parse_sum, write_product


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("rooms", (Term((("rooms", 1),)),)),
        ("a + b:c", (Term((("a", 1),)), Term((("b", 1), ("c", 1))))),
        ("a*b", (Term((("a", 1), ("b", 1))),)),
        ("price - 0.3*income", (Term((("price", 1),)), Term((("income", 1),), -0.3))),
        ("-2*a^3", (Term((("a", 3),), -2.0),)),
        ("- a", (Term((("a", 1),), negative=True),)),
        ("1 + `odd name`", (Term((), 1.0), Term((("odd name", 1),)))),
        ("2*3*a", (Term((("a", 1),), 6.0),)),
        ("1e-3*a", (Term((("a", 1),), 0.001),)),
        ("job[teacher]:y", (Term((("job[teacher]", 1), ("y", 1))),)),
    ],
)
def test_sum_is_read_term_by_term(text, terms):
    assert parse_sum(text) == terms


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no terms"),
        ("a +", "missing after an operator"),
        ("a b", "expected \\+ or -"),
        ("a ** b", "missing after an operator"),
        ("a^0", "whole number"),
        ("a^x", "whole number"),
        ("a & b", "cannot be read at"),
        ("a:", "missing after an operator"),
    ],
)
def test_unreadable_sum_is_refused(text, complaint):
    with pytest.raises(OptionError, match=complaint):
        parse_sum(text)


@pytest.mark.parametrize(
    "factors",
    [
        (("a", 1),),
        (("rent b", 2), ("job[a]", 1)),
        (("x*y", 1), ("3rd", 1)),
        (("price:now", 3),),
        (("a`b", 1), ("`", 2)),
    ],
)
def test_written_product_reads_back(factors):
    assert parse_product(write_product(factors)) == factors


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a + " * 30_000 + "a", "at most 100000 characters"),
        ("`" * 99_999, "cannot be read at"),
        ("a" + ":a" * 40_000, "a degree of at most 20"),
        ("a^21", "a whole number from 1 to 20"),
        ("a^" + "9" * 5000, "a whole number from 1 to 20"),
        ("a+" * 3000 + "a", "at most 2000 terms; got 3001"),
        ("1" * 90_000, "is too large"),
        ("(" * 50_000, "cannot be read at"),
    ],
    ids=["long", "quotes", "degree", "power", "long power", "terms", "digits", "brackets"],
)
def test_text_is_bounded_and_never_quoted_whole(text, rule):
    with pytest.raises(OptionError, match=rule) as caught:
        parse_sum(text)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["a + b", "2*a", "-a"])
def test_product_must_be_one_bare_term(text):
    with pytest.raises(OptionError, match="must be one product of columns"):
        parse_product(text)
