"""From a network to the optimisation problem it stands for, in the user's names and units."""

from collections.abc import Mapping, Sequence

import numpy as np

from behavior_learning.core.bases import ONE, Basis, Monomials
from behavior_learning.core.block import Layer, Rows
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.symbolic.polynomials import Polynomial, Variable
from behavior_learning.symbolic.ump import UMP, Goal, Hierarchy

__all__ = ["block_name", "read_problem"]

SOLVED_SHARE = 0.2
"""A constraint is divided by the coefficient of y where y's term is at least this share of its strongest term."""


def block_name(layer: int, block: int) -> str:
    """Name of a block, counted from 1: ``block2.1``."""
    return f"block{layer}.{block}"


def read_problem(
    network: BehaviorNetwork,
    *,
    inputs: Sequence[Variable],
    response: Sequence[Variable],
    block_spreads: Sequence[Sequence[float]],
) -> UMP | Hierarchy:
    """Write a network as a UMP, or as a hierarchy where it has several blocks.

    Parameters
    ----------
    inputs, response : the columns of x and y.
    block_spreads : standard deviation of each block's utility over the training rows, by layer.
    """
    spreads = {variable.name: variable.spread for variable in (*inputs, *response)}
    spreads |= {
        block_name(i + 1, j + 1): spread for i, layer in enumerate(block_spreads) for j, spread in enumerate(layer)
    }
    y_names = tuple(variable.name for variable in response)
    vector = network.architecture.output == "vector"
    terms = basis_polynomials(network.basis, inputs, () if vector else response)
    layers = []
    for number, layer in enumerate(network.layers, start=1):
        layers.append(_read_layer(layer, number, terms, y_names, spreads))
        terms = [Polynomial({((ump.name, 1),): 1.0}) for ump in layers[-1]]
    if len(layers) == 1 and len(layers[0]) == 1 and network.readout.weight is None:
        return layers[0][0]
    return Hierarchy(tuple(layers), _outputs(network, terms, y_names if vector else ("utility",)), y_names)


def basis_polynomials(basis: Basis, inputs: Sequence[Variable], response: Sequence[Variable]) -> list[Polynomial]:
    """Each term of a basis as a polynomial in the user's units: standardised columns multiplied out."""
    x, y = _expand(basis.x_map, inputs), _expand(basis.y_map, response)
    one = Polynomial({(): 1.0})
    return [(x[i] if i != ONE else one) * (y[j] if j != ONE else one) for i, j in basis.pairing.pairs]


def _expand(monomials: Monomials, variables: Sequence[Variable]) -> list[Polynomial]:
    expanded = []
    for columns in monomials.columns:
        product = Polynomial({(): 1.0})
        for column in columns:
            product = product * variables[column].standardised
        expanded.append(product)
    return expanded


def _read_layer(
    layer: Layer, number: int, terms: Sequence[Polynomial], response: tuple[str, ...], spreads: Mapping[str, float]
) -> tuple[UMP, ...]:
    blocks = len(layer.utility.coef)
    goals = [
        [goal for rows in layer.heads.values() for goal in _read_rows(rows, b, terms, response, spreads)]
        for b in range(blocks)
    ]
    return tuple(UMP(block_name(number, b + 1), tuple(goals[b]), response, spreads) for b in range(blocks))


def _read_rows(
    rows: Rows, block: int, terms: Sequence[Polynomial], response: tuple[str, ...], spreads: Mapping[str, float]
) -> list[Goal]:
    if rows.head is None:
        return []
    coef, intercept = np.asarray(rows.masked_coef[block], float), np.asarray(rows.intercept[block], float)
    multiplier = np.asarray(rows.multiplier.value[block], float)
    goals = []
    for r in range(len(intercept)):
        scaled_terms = (term.scaled(value) for term, value in zip(terms, coef[r], strict=True))
        polynomial = Polynomial.total([*scaled_terms, Polynomial({(): float(intercept[r])})])
        scale = _response_coefficient(polynomial, response, spreads) if rows.head.role != "utility" else 1.0
        goals.append(Goal(rows.head, float(multiplier[r]), polynomial.scaled(1 / scale), scale))
    return goals


def _response_coefficient(polynomial: Polynomial, response: tuple[str, ...], spreads: Mapping[str, float]) -> float:
    """|a| where the polynomial is a·y + g(x) and y matters, and 1 otherwise: dividing by it solves the row for y."""
    strengths = polynomial.strengths(spreads)
    with_response = [m for m in strengths if any(name in response for name, _ in m)]
    solvable = len(response) == 1 and with_response == [((response[0], 1),)]
    if not solvable or strengths[with_response[0]] < SOLVED_SHARE * max(strengths.values()):
        return 1.0
    return abs(polynomial.coefficients[with_response[0]])


def _outputs(network: BehaviorNetwork, blocks: Sequence[Polynomial], names: Sequence[str]) -> dict[str, Polynomial]:
    readout = network.readout
    weight = np.ones((len(names), len(blocks))) if readout.weight is None else np.asarray(readout.weight.value, float)
    bias = np.zeros(len(names)) if readout.bias is None else np.asarray(readout.bias, float)
    return {
        name: Polynomial.total([*(b.scaled(w) for b, w in zip(blocks, row, strict=True)), Polynomial({(): float(c)})])
        for name, row, c in zip(names, weight, bias, strict=True)
    }
