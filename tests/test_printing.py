"""What a console or a notebook shows of an object."""

import pytest

from behavior_learning.choice.results import ChoiceResults
from behavior_learning.decision.problem import DecisionProblem
from behavior_learning.decision.shape import ProblemClass
from behavior_learning.explanation.effects import Effects
from behavior_learning.explanation.simplified import SimplifiedProblem
from behavior_learning.explanation.stability import Stability
from behavior_learning.explanation.statements import Explanation
from behavior_learning.inference.hypotheses import TestResult
from behavior_learning.inference.report import IdentificationReport
from behavior_learning.printing import Printed
from behavior_learning.symbolic.facade import LearnedProblem

SHOWN = (ChoiceResults, Effects, Explanation, IdentificationReport, ProblemClass, SimplifiedProblem, Stability)


@pytest.mark.parametrize("cls", SHOWN)
def test_a_console_shows_what_is_printed_and_not_the_fields(cls):
    assert cls.__repr__ is Printed.__repr__


def test_a_problem_and_a_test_show_what_is_printed():
    assert DecisionProblem.__repr__ is LearnedProblem.__repr__
    result = TestResult(3.84, 1, 0.05, "chi-square", "Wald test.")
    assert repr(result) == str(result) == "statistic 3.84, df 1, p-value 0.05 (chi-square). Wald test."


def test_a_notebook_shows_text_with_its_signs_escaped():
    class Sentence(Printed):
        def __str__(self) -> str:
            return "a < b"

    assert Sentence()._repr_html_() == "<pre>a &lt; b</pre>"
