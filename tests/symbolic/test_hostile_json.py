"""Claims about JSON from anywhere: nothing of it becomes code but names in quotes and finite numbers."""

import json

import pytest

from behavior_learning.core.features import Wave
from behavior_learning.core.heads import Tanh
from behavior_learning.errors import DataError
from behavior_learning.symbolic import LearnedProblem, from_json
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.sources import Source

CODE = "__import__('os').abort()"


def state(column="x"):
    """A problem with a wave of a column and a level of another, as JSON."""
    polynomial = Polynomial({(("wave", 1),): 1.0, (("job[a]", 1),): 2.0, (("y", 1),): 1.0})
    sources = {"job[a]": Source("job", "level", level="a"), column: Source(column, fill=0.0, low=-1.0, high=1.0)}
    curves = {"wave": (Wave(0, "sin", 1, 0.0, 1.0), column)}
    terms = (HeadTerm(Tanh(), 1.0, polynomial),)
    block = Block("block1.1", terms, ("y",), {}, curves=curves, sources=sources)
    return json.loads(LearnedProblem.of_block(block).to_json())


HOSTILE = [
    (("curves", "wave", "function"), f"sin(0) + {CODE} + np.sin"),
    (("curves", "wave", "kind"), "exec"),
    (("curves", "wave", "frequency"), CODE),
    (("curves", "wave", "frequency"), 1.5),
    (("curves", "wave", "low"), CODE),
    (("curves", "wave", "of"), [CODE]),
    (("sources", "job[a]", "kind"), CODE),
    (("sources", "job[a]", "level"), [CODE]),
    (("sources", "job[a]", "fill"), CODE),
    (("sources", "x", "low"), CODE),
    (("layers", 0, 0, "head_terms", 0, "head"), f"tanh({CODE})"),
    (("layers", 0, 0, "head_terms", 0, "scale"), CODE),
    (("layers", 0, 0, "head_terms", 0, "rest"), [CODE]),
    (("layers", 0, 0, "name"), [CODE]),
]


@pytest.mark.parametrize(("place", "value"), HOSTILE, ids=lambda part: part[-1] if isinstance(part, tuple) else "")
def test_code_in_a_problem_is_refused(place, value):
    whole = part = state()
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(DataError, match="damaged"):
        from_json(json.dumps(whole))


def test_names_become_text_in_quotes():
    name = f"x'] + {CODE} + columns['\n{CODE}\r{CODE}\u2028{CODE}"
    names = {}
    exec(from_json(json.dumps(state(name))).to_python(), names)
    assert names["utility"](**{name: [0.5], "job": ["a"], "y": [0.0]}).shape == (1,)


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, "1" * 100_000])
def test_depth_and_length_are_no_way_in(text):
    with pytest.raises(DataError, match=r"no JSON|has the format") as caught:
        from_json(text)
    assert len(str(caught.value)) < 500
