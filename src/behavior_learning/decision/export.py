"""A learned problem at one row of x, as expressions of another library: one walk through its blocks for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.core.features import Transform
from behavior_learning.core.heads import ROLES, Head
from behavior_learning.decision.domain import Domain
from behavior_learning.decision.rows import ProblemRows, Sum
from behavior_learning.errors import OptionError

__all__ = ["Expressions", "SolverModel", "check_exportable", "expressions", "solver_library", "sum_of_products"]

Values = Mapping[str, Any]


def solver_library(module: str, name: str) -> Any:
    """A library of the extra ``[solve]``, which ``to_<its name>()`` needs.

    Raises
    ------
    OptionError
        If it is absent.
    """
    try:
        return import_module(module)
    except ImportError as error:
        needed = f"to_{name.lower()}() needs {name}"
        raise OptionError(f"{needed}: pip install 'behavior-learning[solve]'.") from error


@dataclass(frozen=True)
class Expressions:
    """The problem in the variables of another library.

    Attributes
    ----------
    utility : what is maximised.
    constraints : C and T by label.
    """

    utility: Any
    constraints: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class SolverModel:
    """A learned problem inside a solver's model, for use by itself or as part of a larger one.

    Attributes
    ----------
    model : the solver's own object; None of it is hidden.
    variables : the responses by name.
    utility : its expression, to maximise or to add to another objective.
    constraints : the solver's constraints by label; none in the soft problem.
    value : the number that an expression or a variable of the solver has now.
    rows, kind : the problem that it stands for, and which of the two.
    run : solve the model.
    """

    model: Any
    variables: Mapping[str, Any]
    utility: Any
    constraints: Mapping[str, Any]
    value: Callable[[Any], float]
    rows: ProblemRows
    kind: str
    run: Callable[..., Any]

    def solve(self, **options: Any) -> float:
        """Solve with the library's own options; returns `gap`."""
        self.run(self.model, **options)
        return self.gap

    @property
    def y(self) -> dict[str, float]:
        """The responses that the solver has found."""
        return {name: self.value(variable) for name, variable in self.variables.items()}

    @property
    def gap(self) -> float:
        """Largest difference between the solver's numbers and the learned problem's at the solver's responses.

        Raises
        ------
        OptionError
            If nothing has been solved yet.
        """
        found = self.y
        if not np.isfinite(list(found.values())).all():
            raise OptionError(
                "The solver has no solution to compare with. Solve the model first, and check its status."
            )
        y = np.array([found[name] for name in self.rows.names])[None, None]
        with jax.enable_x64(True):
            unmoved = jnp.zeros((1, len(self.rows.labels)))
            at = self.rows.hard(jnp.asarray(y)) if self.kind == "hard" else self.rows(jnp.asarray(y), unmoved)
            return abs(float(at.utility[0, 0]) - self.value(self.utility))


def check_exportable(rows: ProblemRows, domain: Domain) -> None:
    """Refuse what an algebraic model of one decision cannot hold.

    Raises
    ------
    OptionError
        If there are several rows, or a response is no number.
    """
    if len(rows) != 1:
        raise OptionError(f"A solver's model is of one row of x; got {len(rows)}. Pass X.iloc[[0]], say.")
    if domain.indicators:
        raise OptionError(
            f"Solvers' models are written for responses that are numbers; {domain.indicators[0]!r} is none. "
            "problem.solve() enumerates classes and counts."
        )


def expressions(
    rows: ProblemRows,
    variables: Values,
    polynomial: Callable[[Sum, Values], Any],
    head: Callable[[Head, Any], Any],
    functions: Mapping[str, Callable[[Any], Any]],
    *,
    hard: bool,
) -> Expressions:
    """The first row of a problem in other variables.

    Parameters
    ----------
    polynomial : writes a polynomial in variables and blocks.
    head : writes a head of an argument.
    functions : of a response, by the names in `TRANSFORMS`.
    hard : whether heads of constraints are left out.
    """
    values, constraints = dict(variables), {}
    for name, curve, column in rows.curves:
        if not isinstance(curve, Transform):
            raise OptionError(f"{name!r} is no function of the response that solvers take. Use to_scipy().")
        values[name] = functions[curve.function](values[column])
    for block in rows.blocks:
        total = polynomial(block.shortcut, values)
        for row in block.rows:
            argument = polynomial(row.argument, values)
            if row.label:
                constraints[row.label] = argument
            if not (hard and row.label):
                factor = ROLES[row.head.role] * float(row.multiplier[0])
                total = total + factor * head(row.head, float(row.scale[0]) * argument)
        values[block.name] = total
    return Expressions(polynomial(rows.output, values), constraints)


def sum_of_products(polynomial: Sum, values: Values) -> Any:
    """Σ c·Π variable^power in any algebra."""
    total: Any = 0.0
    for coefficient, monomial in zip(np.asarray(polynomial.coef)[0], polynomial.monomials, strict=True):
        product: Any = float(coefficient)
        for name, power in monomial:
            product = product * values[name] ** power
        total = total + product
    return total
