"""Learn the optimisation problem behind behaviour.

Names load on first use, so that importing the package stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from behavior_learning import datasets, inference, plots
    from behavior_learning.caching import cache_programs
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
    "Abs",
    "Affine",
    "Architecture",
    "BLClassifier",
    "BLDensity",
    "BLHybrid",
    "BLRegressor",
    "BasisFamily",
    "BehaviorNetwork",
    "Censored",
    "Classes",
    "Counts",
    "Fourier",
    "Head",
    "Huber",
    "Identity",
    "Numbers",
    "Ordered",
    "Polynomial",
    "Relu",
    "Response",
    "SmoothAbs",
    "Softplus",
    "Spline",
    "Square",
    "Tanh",
    "cache_programs",
    "datasets",
    "inference",
    "load",
    "plots",
    "register_basis",
    "register_head",
    "register_response",
    "search",
]

_HOME = {
    "UMP": "specification",
    "Abs": "core.heads",
    "Affine": "core.basis_families",
    "Architecture": "core.network",
    "BLClassifier": "estimators.classifier",
    "BLDensity": "estimators.density",
    "BLHybrid": "estimators.hybrid",
    "BLRegressor": "estimators.regressor",
    "BasisFamily": "core.basis_families",
    "BehaviorNetwork": "core.network",
    "Censored": "responses",
    "Classes": "responses",
    "Counts": "responses",
    "Fourier": "core.basis_families",
    "Head": "core.heads",
    "Huber": "core.heads",
    "Identity": "core.heads",
    "Numbers": "responses",
    "Ordered": "responses",
    "Polynomial": "core.basis_families",
    "Relu": "core.heads",
    "Response": "responses",
    "SmoothAbs": "core.heads",
    "Softplus": "core.heads",
    "Spline": "core.basis_families",
    "Square": "core.heads",
    "Tanh": "core.heads",
    "cache_programs": "caching",
    "load": "estimators.loading",
    "register_basis": "core.basis_families",
    "register_head": "core.heads",
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
