"""From a network to the optimisation problem it stands for, in the user's names and units."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from behavior_learning.core.bases import Basis
from behavior_learning.core.block import Layer
from behavior_learning.core.features import Curve, Function, Product
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial, Variable
from behavior_learning.symbolic.problem import Block, HeadTerm

__all__ = ["basis_polynomials", "block_name", "read_problem", "solved_scale"]

SOLVED_SHARE = 0.2
"""A constraint is divided by the coefficient of y where y's term is at least this share of its strongest term."""

NAME_DIGITS = (4, 6, 9, 17)
"""Digits with which a curve's name states its knots, the first that tell all curves apart."""


def block_name(layer: int, block: int) -> str:
    """Name of a block, counted from 1: ``block2.1``."""
    return f"block{layer}.{block}"


def read_problem(
    network: BehaviorNetwork,
    *,
    inputs: Sequence[Variable],
    response: Sequence[Variable],
    curve_standard_deviations: Sequence[float],
    block_standard_deviations: Sequence[Sequence[float]],
) -> LearnedProblem:
    """Write a network as the problem that it stands for.

    Parameters
    ----------
    inputs, response : the columns of x and y.
    curve_standard_deviations : over the training rows, of each function of x in the basis, then of y.
    block_standard_deviations : the same of each block's utility, by layer.

    A block whose name a column has already gets an apostrophe.
    """
    architecture, vector = network.architecture, network.architecture.output == "vector"
    y_names, seen_response = tuple(variable.name for variable in response), () if vector else response
    columns = _common(network.basis, inputs, seen_response, curve_standard_deviations)
    of_blocks = [
        {_free(block_name(i, j), columns): deviation for j, deviation in enumerate(layer, 1)}
        for i, layer in enumerate(block_standard_deviations, 1)
    ]
    deviations = {name: value for known in (columns.standard_deviations, *of_blocks) for name, value in known.items()}
    common = replace(columns, standard_deviations=deviations)
    terms = basis_polynomials(network.basis, inputs, seen_response)
    layers: list[tuple[Block, ...]] = []
    utilities: list[Polynomial] = []
    for number, layer in enumerate(network.layers):
        sees = architecture.inputs(number)
        seen = utilities[len(utilities) - len(sees.blocks) :]
        visible = [*(terms if sees.terms else ()), *seen]
        blocks = [
            replace(common, name=name, head_terms=tuple(_head_terms(layer, j, visible, common)), shortcut=shortcut)
            for j, (name, shortcut) in enumerate(zip(of_blocks[number], _shortcuts(network, number, seen), strict=True))
        ]
        layers.append(tuple(blocks))
        utilities += [block.itself for block in blocks]
    top = [block.itself for block in layers[-1]]
    return LearnedProblem(tuple(layers), _outputs(network, top, y_names if vector else ("utility",)), y_names)


def _common(
    basis: Basis, inputs: Sequence[Variable], response: Sequence[Variable], curve_deviations: Sequence[float]
) -> Block:
    """What all blocks have in common: the response, the curves, where columns come from and how far each moves."""
    variables, sides = (*inputs, *response), ((basis.x_functions, inputs), (basis.y_functions, response))
    deviations = {variable.name: variable.standard_deviation for variable in variables}
    sources = {variable.name: variable.source for variable in variables if variable.source is not None}
    of_functions, curves = iter(curve_deviations), {}
    for functions, own in sides:
        named = _curve_names(functions, own, variables)
        deviations |= {named[f]: sd for f, sd in zip(functions, of_functions, strict=False) if f in named}
        curves |= {name: (_user_curve(c, own), own[c.column].name) for c, name in named.items()}
    return Block("", (), tuple(v.name for v in response), deviations, curves=curves, sources=sources)


def _free(name: str, block: Block) -> str:
    """A block's name apart from those of columns."""
    return _free(f"{name}'", block) if name in block.standard_deviations else name


def _curve_names(functions: Sequence[Function], own: Sequence[Variable], known: Sequence[Variable]) -> dict[Curve, str]:
    """Curves of one side by name, with as many digits as it takes to tell them apart, and from known variables."""
    curves = [function for function in functions if not isinstance(function, Product)]
    columns, taken = [variable.name for variable in own], {variable.name for variable in known}
    for digits in NAME_DIGITS:
        names = [_user_curve(curve, own).name(columns, digits) for curve in curves]
        if len({*names, *taken}) == len(names) + len(taken):
            return dict(zip(curves, names, strict=True))
    return {curve: f"curve{i} of {columns[curve.column]}" for i, curve in enumerate(curves, 1)}


def basis_polynomials(basis: Basis, inputs: Sequence[Variable], response: Sequence[Variable]) -> list[Polynomial]:
    """Each term of a basis as a polynomial in the user's units, standardised columns multiplied out."""

    def expanded(functions: Sequence[Function], own: Sequence[Variable]) -> dict[Function, Polynomial]:
        names = _curve_names(functions, own, (*inputs, *response))
        curves = {c: Polynomial({((name, 1),): 1.0}) for c, name in names.items()}
        return curves | {f: _expand(f, own) for f in (*functions, Product(())) if isinstance(f, Product)}

    of_x, of_y = expanded(basis.x_functions, inputs), expanded(basis.y_functions, response)
    return [of_x[x] * of_y[y] for x, y in basis.terms]


def _expand(product: Product, variables: Sequence[Variable]) -> Polynomial:
    columns = [variables[column] for column in product.columns]
    return Polynomial.product(v.scaled if product.uncentered else v.standardized for v in columns)


def _user_curve(curve: Curve, variables: Sequence[Variable]) -> Curve:
    variable = variables[curve.column]
    return curve.rescaled(variable.center, variable.scale)


def _shortcuts(network: BehaviorNetwork, number: int, seen: Sequence[Polynomial]) -> list[Polynomial]:
    """What a residual skip adds to each block of a layer."""
    width = network.architecture.layers[number]
    if number == 0 or network.architecture.skip != "residual":
        return [Polynomial({})] * width
    projection = network.projections[number - 1]
    return list(seen) if projection is None else [_combine(seen, row) for row in _numbers(projection.value)]


def _head_terms(layer: Layer, block: int, visible: Sequence[Polynomial], common: Block) -> Iterable[HeadTerm]:
    for rows in layer.heads.values():
        if rows.head is None:
            continue
        coef, intercept, multiplier = (_numbers(weight.value)[block] for weight in rows.weights)
        for row, constant, strength in zip(coef, intercept, multiplier, strict=True):
            polynomial = _combine(visible, row) + Polynomial({(): float(constant)})
            scale = solved_scale(polynomial, common, rows.head.role)
            if strength != 0:
                yield HeadTerm(rows.head, float(strength), polynomial.scaled(1 / scale), scale)


def solved_scale(polynomial: Polynomial, common: Block, role: str) -> float:
    """|a| of a constraint a·y + g(x) where y matters, which is divided by it to be solved for y, and 1 otherwise."""
    strengths = polynomial.strengths(common.standard_deviations)
    with_response = [m for m in strengths if any(common.plain_variable(name) in common.response for name, _ in m)]
    solvable = len(common.response) == 1 and with_response == [((common.response[0], 1),)] and role != "utility"
    if not solvable or strengths[with_response[0]] < SOLVED_SHARE * max(strengths.values()):
        return 1.0
    return abs(polynomial.coefficients[with_response[0]])


def _outputs(network: BehaviorNetwork, blocks: Sequence[Polynomial], names: Sequence[str]) -> dict[str, Polynomial]:
    weight, bias = network.readout.weight, network.readout.bias
    rows = np.ones((len(names), len(blocks))) if weight is None else _numbers(weight.value)
    constants = np.zeros(len(names)) if bias is None else _numbers(bias.value)
    return {
        name: _combine(blocks, row) + Polynomial({(): float(constant)})
        for name, row, constant in zip(names, rows, constants, strict=True)
    }


def _combine(polynomials: Sequence[Polynomial], weights: Iterable[float]) -> Polynomial:
    return Polynomial.total(p.scaled(float(w)) for p, w in zip(polynomials, weights, strict=True))


def _numbers(values: Any) -> np.ndarray:
    return np.asarray(values, float)
