"""Learn the optimisation problem behind behaviour.

Names load on first use, so that importing the package stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from behavior_learning import datasets, inference, plots
    from behavior_learning.caching import cache_programs
    from behavior_learning.core.network import Architecture, BehaviorNetwork
    from behavior_learning.estimators.bases import Affine, Fourier, Polynomial, Spline
    from behavior_learning.estimators.classifier import BLClassifier
    from behavior_learning.estimators.density import BLDensity
    from behavior_learning.estimators.hybrid import BLHybrid
    from behavior_learning.estimators.loading import load
    from behavior_learning.estimators.regressor import BLRegressor
    from behavior_learning.estimators.search import search
    from behavior_learning.objectives import (
        CrossEntropy,
        DenoisingScoreMatching,
        Hybrid,
        Likelihood,
        Objective,
        ScoreMatching,
        register_objective,
    )
    from behavior_learning.responses import Classes, Numbers, Response
    from behavior_learning.specification import UMP
    from behavior_learning.training.optimizers import LBFGS, Adam, AdamW
    from behavior_learning.training.settings import Initialization, Penalty

__all__ = [
    "LBFGS",
    "UMP",
    "Adam",
    "AdamW",
    "Affine",
    "Architecture",
    "BLClassifier",
    "BLDensity",
    "BLHybrid",
    "BLRegressor",
    "BehaviorNetwork",
    "Classes",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "Fourier",
    "Hybrid",
    "Initialization",
    "Likelihood",
    "Numbers",
    "Objective",
    "Penalty",
    "Polynomial",
    "Response",
    "ScoreMatching",
    "Spline",
    "cache_programs",
    "datasets",
    "inference",
    "load",
    "plots",
    "register_objective",
    "search",
]

_HOME = {
    "Adam": "training.optimizers",
    "AdamW": "training.optimizers",
    "Affine": "estimators.bases",
    "Architecture": "core.network",
    "BLClassifier": "estimators.classifier",
    "BLDensity": "estimators.density",
    "BLHybrid": "estimators.hybrid",
    "BLRegressor": "estimators.regressor",
    "BehaviorNetwork": "core.network",
    "Classes": "responses",
    "CrossEntropy": "objectives",
    "DenoisingScoreMatching": "objectives",
    "Fourier": "estimators.bases",
    "Hybrid": "objectives",
    "Initialization": "training.settings",
    "LBFGS": "training.optimizers",
    "Likelihood": "objectives",
    "Numbers": "responses",
    "Objective": "objectives",
    "Penalty": "training.settings",
    "Polynomial": "estimators.bases",
    "Response": "responses",
    "ScoreMatching": "objectives",
    "Spline": "estimators.bases",
    "UMP": "specification",
    "cache_programs": "caching",
    "load": "estimators.loading",
    "register_objective": "objectives",
    "search": "estimators.search",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
