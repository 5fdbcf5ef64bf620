"""Learn the optimisation problem behind behaviour.

Names load on first use, so that importing the package stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from behavior_learning.first_use import load_module, on_first_use

if TYPE_CHECKING:
    from behavior_learning import datasets, inference, interchange, metrics, plots
    from behavior_learning.caching import cache_programs
    from behavior_learning.choice.data import ChoiceData
    from behavior_learning.core.architecture import Architecture
    from behavior_learning.core.basis_families import Affine, BasisFamily, Fourier, Polynomial, Spline, register_basis
    from behavior_learning.core.heads import (
        Abs,
        Head,
        Huber,
        Identity,
        Relu,
        SmoothAbs,
        Softplus,
        Square,
        Tanh,
        register_head,
    )
    from behavior_learning.core.network import BehaviorNetwork
    from behavior_learning.devices import on_device
    from behavior_learning.discovery.discover import discover
    from behavior_learning.estimators.choice import BLChoice, cross_val_choice
    from behavior_learning.estimators.classifier import BLClassifier
    from behavior_learning.estimators.decisions import TunedDecision
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
    from behavior_learning.responses import Censored, Classes, Counts, Numbers, Ordered, Response, register_response
    from behavior_learning.specification import UMP
    from behavior_learning.streams.stream import Stream
    from behavior_learning.training.checkpoint import Checkpoint
    from behavior_learning.training.optimizers import LBFGS, Adam, AdamW
    from behavior_learning.training.settings import Initialization, Penalty

__all__ = [
    "LBFGS",
    "UMP",
    "Abs",
    "Adam",
    "AdamW",
    "Affine",
    "Architecture",
    "BLChoice",
    "BLClassifier",
    "BLDensity",
    "BLHybrid",
    "BLRegressor",
    "BasisFamily",
    "BehaviorNetwork",
    "Censored",
    "Checkpoint",
    "ChoiceData",
    "Classes",
    "Counts",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "Fourier",
    "Head",
    "Huber",
    "Hybrid",
    "Identity",
    "Initialization",
    "Likelihood",
    "Numbers",
    "Objective",
    "Ordered",
    "Penalty",
    "Polynomial",
    "Relu",
    "Response",
    "ScoreMatching",
    "SmoothAbs",
    "Softplus",
    "Spline",
    "Square",
    "Stream",
    "Tanh",
    "TunedDecision",
    "cache_programs",
    "cross_val_choice",
    "datasets",
    "discover",
    "inference",
    "interchange",
    "load",
    "metrics",
    "on_device",
    "plots",
    "register_basis",
    "register_head",
    "register_objective",
    "register_response",
    "search",
]

_NAMES = {
    "caching": ("cache_programs",),
    "choice.data": ("ChoiceData",),
    "core.basis_families": ("Affine", "BasisFamily", "Fourier", "Polynomial", "Spline", "register_basis"),
    "core.heads": (
        *("Abs", "Head", "Huber", "Identity", "Relu", "SmoothAbs", "Softplus", "Square", "Tanh", "register_head"),
    ),
    "core.architecture": ("Architecture",),
    "core.network": ("BehaviorNetwork",),
    "devices": ("on_device",),
    "discovery.discover": ("discover",),
    "estimators.choice": ("BLChoice", "cross_val_choice"),
    "estimators.classifier": ("BLClassifier",),
    "estimators.decisions": ("TunedDecision",),
    "estimators.density": ("BLDensity",),
    "estimators.hybrid": ("BLHybrid",),
    "estimators.loading": ("load",),
    "estimators.regressor": ("BLRegressor",),
    "estimators.search": ("search",),
    "objectives": (
        *("CrossEntropy", "DenoisingScoreMatching", "Hybrid", "Likelihood", "Objective", "ScoreMatching"),
        "register_objective",
    ),
    "responses": ("Censored", "Classes", "Counts", "Numbers", "Ordered", "Response", "register_response"),
    "specification": ("UMP",),
    "streams.stream": ("Stream",),
    "training.checkpoint": ("Checkpoint",),
    "training.optimizers": ("LBFGS", "Adam", "AdamW"),
    "training.settings": ("Initialization", "Penalty"),
}
_MODULES = set(__all__).difference(*_NAMES.values())
_find = on_first_use(__name__, _NAMES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return load_module(f"{__name__}.{name}")
    if name == "__version__":
        return import_module("importlib.metadata").version("behavior-learning")
    return _find(name)


def __dir__() -> list[str]:
    return __all__
