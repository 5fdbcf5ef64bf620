"""The learned problem as values and equations."""

from behavior_learning.symbolic.to_json import from_json

__all__ = ["from_json"]
