"""Between a learned model and inference: rows, labels, starts, and the way back to the user's units."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.core.network import BehaviorNetwork, in_double, with_weights
from behavior_learning.core.spaces import Space
from behavior_learning.devices import suited
from behavior_learning.identification.parameters import learned_numbers, number_places, parameter_labels
from behavior_learning.identification.reference_levels import equal_sums, with_reference_levels
from behavior_learning.inference.exploration import random_networks
from behavior_learning.inference.infer import infer
from behavior_learning.inference.quadrature import MOST, TOLERANCE, enough_candidates, quadrature_gap
from behavior_learning.inference.results import InferenceResults
from behavior_learning.inference.units import RowTerms, Units
from behavior_learning.inference.wander import cost_of_round
from behavior_learning.learned.model import LearnedModel, Rows
from behavior_learning.learned.records import standard_deviations
from behavior_learning.objectives import Objective
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.symbolic.read import basis_polynomials
from behavior_learning.symbolic.text import format_monomial

__all__ = ["infer_network", "infer_problem", "model_at", "original_units"]

N_RESTARTS, SIGN_FLIPS = 4, 8
EXPLORATION = 8e8
"""Row evaluations times parameters that restarts and sign flips may cost by default."""

ROUNDS, ROWS_OF_ROUND, WANDERING = 12, 20, 8e9
"""Rounds of noisy descents at most, the rows for each of which there is one, and the row evaluations times parameters
that they may cost."""


def infer_problem(
    model: LearnedModel, data: Rows, *, n_restarts: int | None, seed: int, **options: Any
) -> InferenceResults:
    """Inference on a learned model by its objective, with the user's names and units.

    Parameters
    ----------
    data : encoded rows in double precision.
    n_restarts : random starts beside the trained network; None is 4, or fewer where they would take long.
    """

    def problem_of(network: BehaviorNetwork) -> LearnedProblem:
        """The problem that another network of the model's kind stands for; strengths are those over the rows."""
        known = standard_deviations(network, model.space, *data)
        return replace(model, network=network, known_deviations=known).problem

    return infer_network(
        model.network,
        model.objective,
        model.space,
        model.temperature,
        data,
        inputs=model.encoder.variables,
        response=model.response.variables,
        one_hot=model.response.one_hot,
        log_unit=model.response.log_unit,
        block_names=model.block_names,
        problem=problem_of,
        n_restarts=n_restarts,
        seed=seed,
        **options,
    )


def model_at(model: LearnedModel, results: InferenceResults) -> LearnedModel:
    """The model at the estimates of inference, so that all that is asked of it is of the parameter that has errors."""
    with jax.enable_x64(False):
        network = results.fitted.network
        weights = [replace(weight, raw=jnp.asarray(weight.raw, jnp.float32)) for weight in network.weights]
        return replace(model, network=with_weights(network, weights), known_deviations=None, l2=None)


def infer_network(
    network: BehaviorNetwork,
    objective: Objective,
    space: Space,
    temperature: float,
    data: Rows,
    *,
    inputs: Sequence[Variable],
    response: Sequence[Variable],
    one_hot: bool,
    log_unit: float,
    n_restarts: int | None,
    seed: int,
    block_names: Mapping[str, str] | None = None,
    problem: Callable[[BehaviorNetwork], LearnedProblem] | None = None,
    **options: Any,
) -> InferenceResults:
    """Inference on a trained network by an objective on a space.

    Parameters
    ----------
    inputs, response : what the columns of x and of a candidate are to the user.
    log_unit : logarithm of the unit of y.
    block_names : the user's names of blocks by their own.
    problem : writes a network as the problem that it stands for.
    n_restarts : as in `infer_problem`.
    """
    data = np.asarray(data[0], float), data[1]
    with jax.enable_x64(True), suited(0):
        x_names, y_names = [v.name for v in inputs], [v.name for v in response]
        outputs = y_names if network.architecture.output == "vector" else []
        names = parameter_labels(network, x_names, y_names, outputs, block_names)
        wide, references = _with_references(in_double(network), data[0], inputs, names)
        space = enough_candidates(wide, space, temperature, data[0])
        cost = min(len(data[0]), 2000) * space.size * network.n_parameters * 40
        affordable = int(EXPLORATION // cost)
        count = min(affordable // 2, N_RESTARTS) if n_restarts is None else n_restarts
        labels, matrix, rows = original_units(wide, names, inputs, response)
        units = Units(labels, matrix, log_unit, rows, problem)
        while True:
            losses = objective.on(space, temperature)
            noise = losses.noise(jax.random.key(seed), jnp.asarray(data[1]))
            of_round = cost_of_round(len(data[0]), losses.evaluations, network.n_parameters)
            results = infer(
                wide,
                losses,
                (*data, *map(np.asarray, noise)),
                names,
                candidates=losses.evaluations,
                one_hot=one_hot,
                starts=random_networks(network, count, seed),
                sign_flips=min(max(affordable - count, 0), SIGN_FLIPS),
                always=one_hot and space.size > 2,  # Searches for three labels may agree on what is not the best.
                rounds=min(int(WANDERING // of_round), ROUNDS, -(-len(data[0]) // ROWS_OF_ROUND)),
                units=units,
                sharpened=True,
                seed=seed,
                **options,
            )
            space = results.fitted.problem.objective.space
            gap = quadrature_gap(results.fitted.problem, results.fitted.theta)
            off = (f"The integral over y is off by {gap:.0e} nats: narrow the support.",)
            if gap <= TOLERANCE or space.size >= MOST:
                said = (*references, *(off if gap > TOLERANCE else ()))
                return replace(results, cautions=(*results.cautions, *said))
            space = space.refined(2)


def _with_references(
    network: BehaviorNetwork, x: np.ndarray, inputs: Sequence[Variable], names: Sequence[str]
) -> tuple[BehaviorNetwork, tuple[str, ...]]:
    """The network with reference levels of categories whose levels stand beside their sum, and which these are."""
    columns: dict[str, list[int]] = {}
    for place, variable in enumerate(inputs):
        if variable.source is not None and not variable.source.is_number:
            columns.setdefault(variable.source.column, []).append(place)
    categories = [levels for levels in columns.values() if len(levels) > 1]
    sums = equal_sums(network.basis, x, categories) if categories else []
    if not sums:
        return network, ()
    chosen = with_reference_levels(network, sums)
    pinned = np.array(names)[learned_numbers(network) & ~learned_numbers(chosen)]
    first = [inputs[levels[0]].name for levels in categories]
    said = ", ".join(name for name in first if any(name in label for label in pinned))
    return chosen, (f"Reference levels, of which the others are differences: {said}.",) if said else ()


def original_units(
    network: BehaviorNetwork, names: Sequence[str], inputs: Sequence[Variable], response: Sequence[Variable]
) -> tuple[tuple[str, ...], np.ndarray, dict[tuple[int, int, str, int], RowTerms]]:
    """Labels in the user's units, the matrix that turns the numbers of a network into them, and the rows among them.

    A row of the first layer is a polynomial in the user's columns: its coefficients are linear in those on
    standardised columns. Multipliers, later layers and the readout are the same in both.
    """
    seen = () if network.architecture.output == "vector" else response
    terms = basis_polynomials(network.basis, inputs, seen)
    monomials = [*dict.fromkeys(m for term in terms for m in term.coefficients if m), ()]
    expansion = np.array([[term.coefficients.get(m, 0.0) for m in monomials] for term in terms])
    order = {variable.name: i for i, variable in enumerate((*inputs, *seen))}  # Of the table; curves come last.
    texts = [format_monomial(sorted(m, key=lambda factor: order.get(factor[0], len(order)))) for m in monomials]
    places, first_layer = number_places(network), ("coef", "intercept")
    labels, lines, rows = [], [], {}
    for position, (name, place) in enumerate(zip(names, places, strict=True)):
        if place.layer == 0 and place.part == "intercept":
            row = name.removesuffix(".intercept")
            inside = [i for i, other in enumerate(places) if other.of_row == place.of_row and other.part == "coef"]
            rows[place.of_row] = RowTerms(len(labels), tuple(monomials))
            block = np.zeros((len(monomials), len(names)))
            block[:, inside], block[-1, position] = expansion.T, 1.0
            labels += [f"{row}[{text}]" if text else name for text in texts]
            lines.append(block)
        elif place.layer > 0 or place.part not in first_layer:
            labels.append(name)
            lines.append(np.eye(1, len(names), position))
    return tuple(labels), np.concatenate(lines), rows
