"""A convex learned problem for CVXPY, by disciplined convex programming."""

from collections.abc import Callable
from typing import Any

import numpy as np

from behavior_learning.core.heads import Head
from behavior_learning.decision.domain import Domain
from behavior_learning.decision.export import SolverModel, Values, check_exportable, expressions, solver_library
from behavior_learning.decision.rows import ProblemRows, Sum
from behavior_learning.errors import OptionError

__all__ = ["cvxpy_model"]


def cvxpy_model(rows: ProblemRows, domain: Domain, kind: str) -> SolverModel:
    """The problem at one row as a CVXPY problem.

    Raises
    ------
    OptionError
        If CVXPY is absent, or disciplined convex programming does not reach the problem.
    """
    cp = solver_library("cvxpy", "CVXPY")
    check_exportable(rows, domain)
    variables = {name: cp.Variable(name=name) for name in domain.numbers}
    hard = kind == "hard"
    functions = {"log": cp.log, "sqrt": cp.sqrt, "inverse": cp.inv_pos}
    found = expressions(rows, variables, _polynomial(cp), _head(cp), functions, hard=hard)
    pairs = zip(rows.labels, rows.equalities, strict=True) if hard else ()
    constraints = {
        label: found.constraints[label] == 0 if equality else found.constraints[label] <= 0 for label, equality in pairs
    }
    ends = zip(variables.values(), domain.lower, domain.upper, strict=True)
    box = [bound for variable, low, high in ends for bound in (variable >= low, variable <= high)]
    curved = [label for label, constraint in constraints.items() if not constraint.is_dcp()]
    if curved or not cp.Maximize(found.utility).is_dcp():
        raise OptionError(
            f"The {kind} problem is not convex by CVXPY's rules: {', '.join([*curved] or ['the utility'])}. Use "
            "to_pyomo() with a nonlinear solver, to_scipy(), or problem.solve()."
        )
    model = cp.Problem(cp.Maximize(found.utility), [*constraints.values(), *box])
    return SolverModel(model, variables, found.utility, constraints, _value, rows, kind, _run)


def _value(expression: Any) -> float:
    return np.nan if expression.value is None else float(np.asarray(expression.value).reshape(()))


def _run(model: Any, **options: Any) -> None:
    model.solve(**options)


def _polynomial(cp: Any) -> Callable[[Sum, Values], Any]:
    def polynomial(own: Sum, values: Values) -> Any:
        names = list(dict.fromkeys(name for monomial in own.monomials for name, _ in monomial))
        square, total = np.zeros((len(names), len(names))), cp.Constant(0.0)
        for coefficient, monomial in zip(np.asarray(own.coef)[0], own.monomials, strict=True):
            factors = [names.index(name) for name, power in monomial for _ in range(power)]
            if len(factors) > 2:
                raise OptionError(f"CVXPY holds no term of degree {len(factors)}. Use to_pyomo() or to_scipy().")
            if len(factors) == 2:
                square[factors[0], factors[1]] += coefficient / 2
                square[factors[1], factors[0]] += coefficient / 2
            else:
                total = total + float(coefficient) * (values[names[factors[0]]] if factors else 1.0)
        used = np.flatnonzero(square.any(axis=0))
        if not len(used):
            return total
        vector = cp.hstack([values[names[i]] for i in used])
        return total + cp.quad_form(vector, square[np.ix_(used, used)])

    return polynomial


def _head(cp: Any) -> Callable[[Head, Any], Any]:
    atoms: dict[str, Callable[..., Any]] = {
        "identity": lambda t: t,
        "relu": cp.pos,
        "softplus": lambda t, beta: cp.logistic(beta * t) / beta,
        "abs": cp.abs,
        "square": cp.square,
        "huber": lambda t, delta: cp.huber(t, delta) / 2,
        "smooth_abs": lambda t, delta: cp.norm(cp.hstack([t, delta])) - delta,
    }

    def head(own: Head, argument: Any) -> Any:
        if own.family not in atoms:
            raise OptionError(f"CVXPY has no atom for the head {own.name!r}. Use to_pyomo() or to_scipy().")
        return atoms[own.family](argument, *own.parameters.values())

    return head
