"""Learning objectives: a loss per row each. Each is one class in one file; what users may ask for is registered."""

from behavior_learning.objectives.base import OBJECTIVES, Objective, objective_from_json, register_objective
from behavior_learning.objectives.cross_entropy import CrossEntropy
from behavior_learning.objectives.denoising import DenoisingScoreMatching
from behavior_learning.objectives.hybrid import Hybrid
from behavior_learning.objectives.likelihood import Likelihood
from behavior_learning.objectives.score_matching import ScoreMatching
from behavior_learning.objectives.weighted import Weighted

__all__ = [
    "OBJECTIVES",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "Hybrid",
    "Likelihood",
    "Objective",
    "ScoreMatching",
    "Weighted",
    "objective_from_json",
    "register_objective",
]
