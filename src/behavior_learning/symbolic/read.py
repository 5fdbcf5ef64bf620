"""From a network to the optimisation problem it stands for, in the user's names and units."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from behavior_learning.core.bases import Basis
from behavior_learning.core.block import Layer, Rows
from behavior_learning.core.features import Curve, Product
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.symbolic.polynomials import Polynomial, Variable
from behavior_learning.symbolic.problem import Goal, Hierarchy, LearnedUMP
from behavior_learning.symbolic.sources import Source

__all__ = ["basis_polynomials", "block_name", "read_problem"]

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
    curve_spreads: Sequence[float],
    block_spreads: Sequence[Sequence[float]],
) -> LearnedUMP | Hierarchy:
    """Write a network as a LearnedUMP, or as a hierarchy where it has several blocks.

    Parameters
    ----------
    inputs, response : the columns of x and y.
    curve_spreads : standard deviation over the training rows of each function of x in the basis.
    block_spreads : the same of each block's utility, by layer.

    A block whose name a column has already gets an apostrophe.
    """
    architecture, layers = network.architecture, []
    vector, y_names = architecture.output == "vector", tuple(variable.name for variable in response)
    seen_response = () if vector else response
    names = _Names.of(network.basis, inputs, seen_response, curve_spreads, block_spreads)
    terms = basis_polynomials(network.basis, inputs, seen_response)
    blocks: list[Polynomial] = []
    for number, layer in enumerate(network.layers):
        seen = blocks[len(blocks) - architecture.seen_blocks(number) :]
        visible = [*(terms if architecture.sees_terms(number) else ()), *seen]
        layers.append(_read_layer(layer, number, visible, _shortcuts(network, number, seen), names))
        blocks += [Polynomial({((ump.name, 1),): 1.0}) for ump in layers[-1]]
    if len(blocks) == 1 and network.readout.weight is None:
        return layers[0][0]
    top = blocks[len(blocks) - len(layers[-1]) :]
    return Hierarchy(tuple(layers), _outputs(network, top, y_names if vector else ("utility",)), y_names)


@dataclass(frozen=True)
class _Names:
    """What rows are written in: the response, the spread of every variable, and the curves among them."""

    response: tuple[str, ...]
    spreads: Mapping[str, float]
    curves: Mapping[str, tuple[Curve, str]] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    blocks: Sequence[Sequence[str]] = ()

    @classmethod
    def of(
        cls,
        basis: Basis,
        inputs: Sequence[Variable],
        response: Sequence[Variable],
        curve_spreads: Sequence[float],
        block_spreads: Sequence[Sequence[float]],
    ) -> "_Names":
        variables = (*inputs, *response)
        spreads = {variable.name: variable.spread for variable in variables}
        sources = {variable.name: variable.source for variable in variables if variable.source is not None}
        named, curves = _curve_names(basis, inputs), {}
        for function, spread in zip(basis.x_functions, curve_spreads, strict=True):
            if not isinstance(function, Product):
                curve, column = _user_curve(function, inputs), inputs[function.column].name
                curves[named[function]], spreads[named[function]] = (curve, column), spread
        blocks = _block_names([len(layer) for layer in block_spreads], taken=spreads)
        for names, layer in zip(blocks, block_spreads, strict=True):
            spreads |= dict(zip(names, layer, strict=True))
        return cls(tuple(variable.name for variable in response), spreads, curves, sources, blocks)


def _block_names(widths: Sequence[int], taken: Container[str]) -> list[list[str]]:
    """The names of blocks by layer, apart from those of columns."""

    def free(name: str) -> str:
        return free(f"{name}'") if name in taken else name

    return [[free(block_name(i, j + 1)) for j in range(width)] for i, width in enumerate(widths, start=1)]


def _curve_names(basis: Basis, inputs: Sequence[Variable]) -> dict[Curve, str]:
    """Curves by name, with as many digits as it takes to tell them apart."""
    curves = [function for function in basis.x_functions if not isinstance(function, Product)]
    columns = [variable.name for variable in inputs]
    spelled = lambda digits: [_user_curve(curve, inputs).name(columns, digits) for curve in curves]
    apart = lambda names: len({*names, *columns}) == len(names) + len(columns)
    names = next((names for names in map(spelled, NAME_DIGITS) if apart(names)), None)
    return dict(zip(curves, names or [f"curve{i}" for i in range(1, len(curves) + 1)], strict=True))


def basis_polynomials(basis: Basis, inputs: Sequence[Variable], response: Sequence[Variable]) -> list[Polynomial]:
    """Each term of a basis as a polynomial in the user's units, standardised columns multiplied out."""
    names = _curve_names(basis, inputs)
    expanded: dict[Product | Curve, Polynomial] = {
        f: _expand(f, inputs) if isinstance(f, Product) else Polynomial({((names[f], 1),): 1.0})
        for f in basis.x_functions
    }
    expanded[Product(())] = Polynomial({(): 1.0})
    return [expanded[x] * _expand(y, response) for x, y in basis.terms]


def _expand(function: Product, variables: Sequence[Variable]) -> Polynomial:
    product = Polynomial({(): 1.0})
    for column in function.columns:
        variable = variables[column]
        product = product * (variable.scaled if function.uncentered else variable.standardized)
    return product


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


def _read_layer(
    layer: Layer, number: int, visible: Sequence[Polynomial], shortcuts: Sequence[Polynomial], names: _Names
) -> tuple[LearnedUMP, ...]:
    def read(block: int) -> LearnedUMP:
        goals = (goal for rows in layer.heads.values() for goal in _read_rows(rows, block, visible, names))
        name, shortcut = names.blocks[number][block], shortcuts[block]
        return LearnedUMP(name, tuple(goals), names.response, names.spreads, shortcut, names.curves, names.sources)

    return tuple(read(block) for block in range(len(shortcuts)))


def _read_rows(rows: Rows, block: int, visible: Sequence[Polynomial], names: _Names) -> Iterable[Goal]:
    if rows.head is None:
        return
    coef, intercept, multiplier = (_numbers(weight.value)[block] for weight in rows.weights)
    for row, constant, strength in zip(coef, intercept, multiplier, strict=True):
        if strength == 0:
            continue
        polynomial = _combine(visible, row) + Polynomial({(): float(constant)})
        scale = _response_coefficient(polynomial, names) if rows.head.role != "utility" else 1.0
        yield Goal(rows.head, float(strength), polynomial.scaled(1 / scale), scale)


def _response_coefficient(polynomial: Polynomial, names: _Names) -> float:
    """|a| where the polynomial is a·y + g(x) and y matters, and 1 otherwise: dividing by it solves the row for y."""
    strengths = polynomial.strengths(names.spreads)
    with_response = [m for m in strengths if any(name in names.response for name, _ in m)]
    solvable = len(names.response) == 1 and with_response == [((names.response[0], 1),)]
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


def _numbers(values) -> np.ndarray:
    return np.asarray(values, float)
