"""Problems in SymPy and LaTeX.

SymPy takes long to load: the writers load on first use, so that fits and predictions do without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from behavior_learning.symbolic.sympy_latex.writers import (
        block_expression,
        head_expression,
        output_expressions,
        polynomial_expression,
        problem_latex,
    )

__all__ = ["block_expression", "head_expression", "output_expressions", "polynomial_expression", "problem_latex"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.writers"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
