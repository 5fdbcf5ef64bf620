"""A learned problem for Pyomo, and through it for IPOPT, Gurobi and others."""

from importlib import import_module
from typing import Any

from behavior_learning.core.heads import Head
from behavior_learning.decision.domain import Domain
from behavior_learning.decision.export import (
    SolverModel,
    check_exportable,
    expressions,
    solver_library,
    sum_of_products,
)
from behavior_learning.decision.rows import ProblemRows
from behavior_learning.errors import OptionError

__all__ = ["pyomo_model"]


def pyomo_model(rows: ProblemRows, domain: Domain, kind: str) -> SolverModel:
    """The problem at one row as a Pyomo model; kinks are written with auxiliary variables, so that it is smooth.

    Raises
    ------
    OptionError
        If Pyomo is absent.
    """
    pyo = solver_library("pyomo.environ", "Pyomo")
    check_exportable(rows, domain)
    model, hard = pyo.ConcreteModel(), kind == "hard"
    middle = (domain.lower + domain.upper) / 2
    model.y = pyo.Var(list(domain.numbers))
    for name, low, high, start in zip(domain.numbers, domain.lower, domain.upper, middle, strict=True):
        model.y[name].setlb(float(low))
        model.y[name].setub(float(high))
        model.y[name].set_value(float(start))
    variables = {name: model.y[name] for name in domain.numbers}
    model.kinks, model.above = pyo.VarList(), pyo.ConstraintList()

    def head(own: Head, argument: Any) -> Any:
        return _kinked(model, own, argument) if not own.smooth else _smooth(pyo, own, argument)

    functions = {"log": pyo.log, "sqrt": pyo.sqrt, "inverse": lambda t: 1 / t}
    found = expressions(rows, variables, sum_of_products, head, functions, hard=hard)
    labels = list(rows.labels) if hard else []
    equal = dict(zip(rows.labels, rows.equalities, strict=True))

    def rule(_: Any, label: str) -> Any:
        return found.constraints[label] == 0 if equal[label] else found.constraints[label] <= 0

    model.constraints = pyo.Constraint(labels, rule=rule)
    model.utility = pyo.Expression(expr=found.utility)
    model.objective = pyo.Objective(expr=model.utility, sense=pyo.maximize)
    constraints = {label: model.constraints[label] for label in labels if label in model.constraints}

    def run(model: Any, solver: str = "ipopt", **options: Any) -> None:
        pyo.SolverFactory(solver).solve(model, **options)

    return SolverModel(model, variables, model.utility, constraints, pyo.value, rows, kind, run)


def _kinked(model: Any, head: Head, argument: Any) -> Any:
    """The smallest s ≥ t, s ≥ 0 or s ≥ −t: max(0, t) or |t| where a penalty pushes it down."""
    if head.family not in ("relu", "abs"):
        raise OptionError(f"The kink of the head {head.name!r} is not known to Pyomo. Use to_scipy().")
    slack = model.kinks.add()
    model.above.add(slack >= argument)
    model.above.add(slack >= (0 if head.family == "relu" else -argument))
    return slack


def _smooth(pyo: Any, head: Head, argument: Any) -> Any:
    """The form of a head, evaluated in Pyomo's functions."""
    if head.form == "t":
        return argument
    known = {"exp": pyo.exp, "log": pyo.log, "tanh": pyo.tanh, "sqrt": pyo.sqrt, "Abs": abs}
    sympy = import_module("sympy")  # takes long to load, so that fits and predictions do without
    symbols = sympy.symbols(["t", *head.parameters])
    form = sympy.sympify(head.form, locals={str(symbol): symbol for symbol in symbols})
    if form.has(sympy.Piecewise, sympy.Max, sympy.Min):
        raise OptionError(f"The head {head.name!r} has pieces, which Pyomo's solvers do not take. Use to_scipy().")
    return sympy.lambdify(symbols, form, modules=[known])(argument, *head.parameters.values())
