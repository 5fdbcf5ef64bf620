"""Learn the optimisation problem behind behaviour.

Names load on first use, so that importing the package stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from behavior_learning import datasets, inference, plots
    from behavior_learning.caching import cache_programs
    from behavior_learning.core.network import Architecture, BehaviorNetwork
    from behavior_learning.estimators.classifier import BLClassifier
    from behavior_learning.estimators.density import BLDensity
    from behavior_learning.estimators.hybrid import BLHybrid
    from behavior_learning.estimators.loading import load
    from behavior_learning.estimators.regressor import BLRegressor
    from behavior_learning.estimators.search import search
    from behavior_learning.responses import Censored, Classes, Counts, Numbers, Ordered, Response, register_response
    from behavior_learning.specification import UMP

__all__ = [
    "UMP",
    "Architecture",
    "BLClassifier",
    "BLDensity",
    "BLHybrid",
    "BLRegressor",
    "BehaviorNetwork",
    "Censored",
    "Classes",
    "Counts",
    "Numbers",
    "Ordered",
    "Response",
    "cache_programs",
    "datasets",
    "inference",
    "load",
    "plots",
    "register_response",
    "search",
]

_HOME = {
    "Architecture": "core.network",
    "BLClassifier": "estimators.classifier",
    "BLDensity": "estimators.density",
    "BLHybrid": "estimators.hybrid",
    "BLRegressor": "estimators.regressor",
    "BehaviorNetwork": "core.network",
    "Censored": "responses",
    "Classes": "responses",
    "Counts": "responses",
    "Numbers": "responses",
    "Ordered": "responses",
    "Response": "responses",
    "UMP": "specification",
    "cache_programs": "caching",
    "load": "estimators.loading",
    "register_response": "responses",
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
