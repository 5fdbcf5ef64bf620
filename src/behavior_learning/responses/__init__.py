"""Responses: numbers, classes and mixtures of them. Each kind is one class in one file, known by registration."""

from behavior_learning.responses.base import RESPONSES, Response, as_response, register_response, response_from_json
from behavior_learning.responses.censored import Censored
from behavior_learning.responses.classes import Classes
from behavior_learning.responses.counts import Counts
from behavior_learning.responses.joint import Joint
from behavior_learning.responses.numbers import Numbers
from behavior_learning.responses.ordered import Ordered

__all__ = [
    "RESPONSES",
    "Censored",
    "Classes",
    "Counts",
    "Joint",
    "Numbers",
    "Ordered",
    "Response",
    "as_response",
    "register_response",
    "response_from_json",
]
