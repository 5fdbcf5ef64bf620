"""Standard errors, tests and identification of learned optimisation problems (Section 2.3, Appendix B.3)."""

from behavior_learning.inference.comparison import compare, vuong_test
from behavior_learning.inference.estimation import Convergence
from behavior_learning.inference.hypotheses import TestResult, adjusted_pvalues
from behavior_learning.inference.infer import infer
from behavior_learning.inference.information import NotIdentified
from behavior_learning.inference.profile import ProfileInterval
from behavior_learning.inference.report import IdentificationReport, opposite_directions
from behavior_learning.inference.results import InferenceResults
from behavior_learning.inference.tables import Estimates, Summary
from behavior_learning.inference.units import Units

__all__ = [
    "Convergence",
    "Estimates",
    "IdentificationReport",
    "InferenceResults",
    "NotIdentified",
    "ProfileInterval",
    "Summary",
    "TestResult",
    "Units",
    "adjusted_pvalues",
    "compare",
    "infer",
    "opposite_directions",
    "vuong_test",
]
