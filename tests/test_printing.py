"""What a console or a notebook shows of an object."""

import behavior_learning as bl  # noqa: F401  # Defines all that is printed.
from behavior_learning.decision.problem import DecisionProblem
from behavior_learning.inference.hypotheses import TestResult
from behavior_learning.printing import Printed
from behavior_learning.symbolic.facade import LearnedProblem


def test_what_is_printed_is_what_a_console_shows():
    shown = Printed.__subclasses__()
    assert {"Effects", "Explanation", "SimplifiedProblem", "Stability"} <= {cls.__name__ for cls in shown}
    assert {cls.__repr__ for cls in shown} == {Printed.__repr__}
    assert DecisionProblem.__repr__ is LearnedProblem.__repr__
    result = TestResult(3.84, 1, 0.05, "chi-square", "Wald test.")
    assert repr(result) == str(result) == "statistic 3.84, df 1, p-value 0.05 (chi-square). Wald test."


def test_a_notebook_shows_text_with_its_signs_escaped():
    class Sentence(Printed):
        def __str__(self) -> str:
            return "a < b"

    assert Sentence()._repr_html_() == "<pre>a &lt; b</pre>"
