"""The learned problem as values and equations."""

from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.read_json import from_json

__all__ = ["LearnedProblem", "from_json"]
