"""A learned problem as JSON and back, without loss."""

import json
from dataclasses import asdict
from math import isfinite
from typing import Any

from behavior_learning.core.features import BSpline, Curve, Ramp, Wave
from behavior_learning.core.heads import get_head
from behavior_learning.errors import DataError
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Goal, Hierarchy, LearnedUMP
from behavior_learning.symbolic.sources import Source

__all__ = ["FORMAT", "from_json", "to_json"]

FORMAT = "behavior_learning problem 1"

_CURVES = {"ramp": Ramp, "bspline": BSpline, "wave": Wave}


def to_json(problem: LearnedUMP | Hierarchy) -> str:
    """Write a problem as JSON; what all blocks share is written once."""
    layers = ((problem,),) if isinstance(problem, LearnedUMP) else problem.layers
    first = layers[0][0]
    state = {
        "format": FORMAT,
        "response": list(problem.response),
        "spreads": dict(first.spreads),
        "sources": {name: asdict(source) for name, source in first.sources.items()},
        "curves": {name: _curve_state(curve) | {"of": column} for name, (curve, column) in first.curves.items()},
        "layers": [[_ump_state(ump) for ump in layer] for layer in layers],
    }
    if isinstance(problem, Hierarchy):
        state["outputs"] = {name: _terms(output) for name, output in problem.outputs.items()}
    return json.dumps(state, ensure_ascii=False, allow_nan=False, indent=1)


def from_json(text: str) -> LearnedUMP | Hierarchy:
    """Read a problem that `to_json` wrote.

    Examples
    --------
    >>> ump = LearnedUMP("block1.1", (), ("y",), {})
    >>> from_json(ump.to_json()) == ump
    True

    Raises
    ------
    DataError
        If the text is no problem of this format.
    """
    try:
        state = json.loads(text, parse_constant=_refuse)
    except (TypeError, ValueError) as error:
        raise DataError(f"This is no JSON ({error}). Write a problem with problem.to_json().") from error
    found = state.get("format") if isinstance(state, dict) else type(state).__name__
    if found != FORMAT:
        raise DataError(f"A problem has the format {FORMAT!r}; got {found!r}. Write one with problem.to_json().")
    try:
        return _problem(state)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(f"This problem is damaged: {error!r}. Write it again with problem.to_json().") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _number(value: Any) -> float:
    """A finite number as it stands.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
        return value
    raise ValueError(f"{value!r} is no finite number")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is no name")


def _names(values: Any) -> tuple[str, ...]:
    if isinstance(values, list):
        return tuple(map(_text, values))
    raise ValueError(f"{values!r} is no list of names")


def _problem(state: dict[str, Any]) -> LearnedUMP | Hierarchy:
    response = _names(state["response"])
    layers = tuple(tuple(_ump(block, state) for block in layer) for layer in state["layers"])
    names = [ump.name for layer in layers for ump in layer]
    if not layers or not all(layers) or len(set(names)) < len(names):
        raise ValueError(f"every layer needs blocks with names of their own; got {names}")
    if "outputs" not in state:
        return layers[0][0]
    outputs = {name: _polynomial(terms) for name, terms in state["outputs"].items()}
    if not outputs:
        raise ValueError("there are no outputs")
    return Hierarchy(layers, outputs, response)


def _ump_state(ump: LearnedUMP) -> dict[str, Any]:
    goals = [_goal_state(goal) for goal in ump.goals]
    return {"name": ump.name, "response": list(ump.response), "goals": goals, "shortcut": _terms(ump.shortcut)}


def _ump(state: dict[str, Any], shared: dict[str, Any]) -> LearnedUMP:
    return LearnedUMP(
        _text(state["name"]),
        tuple(map(_goal, state["goals"])),
        _names(state["response"]),
        {name: _number(spread) for name, spread in shared["spreads"].items()},
        _polynomial(state["shortcut"]),
        {name: _curve(dict(curve)) for name, curve in shared["curves"].items()},
        {name: Source(**(source | {"levels": tuple(source["levels"])})) for name, source in shared["sources"].items()},
    )


def _goal_state(goal: Goal) -> dict[str, Any]:
    state = {"role": goal.head.role, "head": goal.head.name, "multiplier": goal.multiplier, "scale": goal.scale}
    factors = [_terms(factor) for factor in goal.factors]
    return state | {"polynomial": _terms(goal.polynomial), "factors": factors, "rest": goal.rest}


def _goal(state: dict[str, Any]) -> Goal:
    head, factors = get_head(state["role"], state["head"]), tuple(map(_polynomial, state["factors"]))
    polynomial, rest = _polynomial(state["polynomial"]), state["rest"]
    return Goal(head, _number(state["multiplier"]), polynomial, _number(state["scale"]), factors, rest)


def _terms(polynomial: Polynomial) -> list[list[Any]]:
    return [[value, [list(factor) for factor in monomial]] for monomial, value in polynomial.coefficients.items()]


def _polynomial(terms: list[list[Any]]) -> Polynomial:
    monomial = lambda factors: tuple((_text(name), _power(power)) for name, power in factors)
    return Polynomial({monomial(factors): _number(value) for value, factors in terms})


def _power(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"{value!r} is no power")


def _curve_state(curve: Curve) -> dict[str, Any]:
    kind = next(kind for kind, cls in _CURVES.items() if isinstance(curve, cls))
    return {"kind": kind} | asdict(curve)


def _curve(state: dict[str, Any]) -> tuple[Curve, str]:
    kind, column = state.pop("kind"), state.pop("of")
    return _CURVES[kind](**{key: tuple(v) if isinstance(v, list) else v for key, v in state.items()}), column
