"""A learned problem as JSON, without loss."""

import json
from dataclasses import asdict
from typing import Any

from behavior_learning.core.features import BSpline, Clip, Ramp, Transform, Wave
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Problem

__all__ = ["CURVES", "FORMAT", "problem_json"]

FORMAT = "behavior_learning problem 2"

CURVES = {"ramp": Ramp, "clip": Clip, "bspline": BSpline, "wave": Wave, "transform": Transform}


def problem_json(problem: Problem) -> str:
    """Write a problem as JSON; what all blocks share is written once."""
    first, kinds = problem.layers[0][0], {curve: kind for kind, curve in CURVES.items()}
    state = {
        "format": FORMAT,
        "response": problem.response,
        "standard_deviations": first.standard_deviations,
        "sources": {name: asdict(source) for name, source in first.sources.items()},
        "curves": {
            name: {"kind": kinds[type(curve)]} | asdict(curve) | {"of": column}
            for name, (curve, column) in first.curves.items()
        },
        "layers": [
            [
                {"name": block.name, "response": block.response, "shortcut": _polynomial_state(block.shortcut)}
                | {
                    "head_terms": [
                        {"role": term.head.role, "head": term.head.name, "multiplier": term.multiplier}
                        | {"scale": term.scale, "polynomial": _polynomial_state(term.polynomial)}
                        | {"factors": [_polynomial_state(factor) for factor in term.factors], "rest": term.rest}
                        for term in block.head_terms
                    ]
                }
                for block in layer
            ]
            for layer in problem.layers
        ],
        "outputs": {name: _polynomial_state(output) for name, output in problem.outputs.items()},
    }
    return json.dumps(state, ensure_ascii=False, allow_nan=False, indent=1)


def _polynomial_state(polynomial: Polynomial) -> list[Any]:
    return [[value, monomial] for monomial, value in polynomial.coefficients.items()]
