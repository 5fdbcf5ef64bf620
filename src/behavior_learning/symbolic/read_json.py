"""A learned problem from the JSON that it was written to."""

import json
from math import isfinite
from typing import Any

from behavior_learning.core.features import Curve
from behavior_learning.core.heads import get_head
from behavior_learning.errors import DataError
from behavior_learning.options import built, from_plain
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from behavior_learning.symbolic.sources import Source
from behavior_learning.symbolic.to_json import CURVES, FORMAT

__all__ = ["from_json"]


def from_json(text: str) -> LearnedProblem:
    """Read a problem that `LearnedProblem.to_json` wrote.

    Examples
    --------
    >>> problem = LearnedProblem.of_block(Block("block1.1", (), ("y",), {}))
    >>> from_json(problem.to_json()) == problem
    True

    Raises
    ------
    DataError
        If the text is no problem of this format.
    """
    try:
        state = json.loads(text, parse_constant=lambda constant: _of((float,), constant, "number"))
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"This is no JSON ({str(error)[:200]}). Write a problem with problem.to_json().") from error
    found = state.get("format") if type(state) is dict else type(state).__name__
    if found != FORMAT:
        raise DataError(f"A problem has the format {FORMAT!r}; got {found!r}. Write one with problem.to_json().")
    try:
        return _problem(state)
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise DataError(
            f"This problem is damaged: {repr(error)[:200]}. Write it again with problem.to_json()."
        ) from error


def _problem(state: dict[str, Any]) -> LearnedProblem:
    layers = tuple(tuple(_block(block, state) for block in layer) for layer in state["layers"])
    names = [block.name for layer in layers for block in layer]
    if not layers or not all(layers) or len(set(names)) < len(names):
        raise ValueError(f"every layer needs blocks with names of their own; got {names}")
    outputs = {name: _polynomial(terms) for name, terms in state["outputs"].items()}
    if not outputs:
        raise ValueError("there are no outputs")
    return LearnedProblem(layers, outputs, _names(state["response"]))


def _block(state: dict[str, Any], shared: dict[str, Any]) -> Block:
    return Block(
        _text(state["name"]),
        tuple(
            HeadTerm(
                get_head(term["role"], term["head"]),
                _number(term["multiplier"]),
                _polynomial(term["polynomial"]),
                _number(term["scale"]),
                tuple(map(_polynomial, term["factors"])),
                _text(term["rest"]),
            )
            for term in state["head_terms"]
        ),
        _names(state["response"]),
        {name: _number(value) for name, value in shared["standard_deviations"].items()},
        _polynomial(state["shortcut"]),
        {name: _curve(**curve) for name, curve in shared["curves"].items()},
        {name: _source(source) for name, source in shared["sources"].items()},
    )


def _polynomial(terms: list[list[Any]]) -> Polynomial:
    return Polynomial({tuple((_text(n), _power(p)) for n, p in monomial): _number(value) for value, monomial in terms})


def _curve(kind: str, of: str, **state: Any) -> tuple[Curve, str]:
    curve = built(CURVES[kind], from_plain(state))
    if not all(isfinite(value) for name, value in vars(curve).items() if name in ("low", "high", "zero", "unit")):
        raise ValueError(f"a {kind} without ends")
    return curve, _text(of)


def _source(state: dict[str, Any]) -> Source:
    source = built(Source, from_plain(state))
    if source.kind == "at_least" and source.level not in source.levels:
        raise ValueError(f"{source.level!r} is none of the levels of {source.column!r}")
    return source


def _of(kinds: tuple[type, ...], value: Any, what: str) -> Any:
    """A value as it stands if it is of one of the kinds, of which true and false are none."""
    if type(value) in kinds:
        return value
    raise ValueError(f"{value!r} is no {what}")


def _text(value: Any) -> str:
    return _of((str,), value, "name")


def _names(values: Any) -> tuple[str, ...]:
    return tuple(map(_text, _of((list,), values, "list of names")))


def _number(value: Any) -> float:
    return value if isfinite(_of((int, float), value, "number")) else _of((), value, "finite number")


def _power(value: Any) -> int:
    return value if _of((int,), value, "power") >= 1 else _of((), value, "power")
