"""Between a learned model and inference: rows, labels, starts, and the way back to the user's units."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from behavior_learning.core.network import BehaviorNetwork, in_double
from behavior_learning.core.spaces import Space
from behavior_learning.identification.parameters import parameter_labels
from behavior_learning.inference.exploration import random_networks
from behavior_learning.inference.infer import infer
from behavior_learning.inference.quadrature import MOST, enough_candidates, quadrature_gap
from behavior_learning.inference.results import InferenceResults, Units
from behavior_learning.learned.model import LearnedModel, Rows
from behavior_learning.objectives import Objective
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.symbolic.read import basis_polynomials

__all__ = ["infer_network", "infer_problem", "original_units"]

QUADRATURE_TOLERANCE = 1e-7
"""Nats by which twice the candidates may change the loss of a row, on average."""

N_RESTARTS, SIGN_FLIPS = 4, 8
EXPLORATION = 8e8
"""Row evaluations times parameters that restarts and sign flips may cost by default."""


def infer_problem(
    model: LearnedModel, data: Rows, *, n_restarts: int | None, seed: int, **options: Any
) -> InferenceResults:
    """Inference on a learned model by its objective, with the user's names and units.

    Parameters
    ----------
    data : encoded rows in double precision.
    n_restarts : random starts beside the trained network; None is 4, or fewer where they would take long.
    """
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
        n_restarts=n_restarts,
        seed=seed,
        **options,
    )


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
    **options: Any,
) -> InferenceResults:
    """Inference on a trained network by an objective on a space.

    Parameters
    ----------
    inputs, response : what the columns of x and of a candidate are to the user.
    log_unit : logarithm of the unit of y.
    n_restarts : as in `infer_problem`.
    """
    with jax.enable_x64(True):
        wide = in_double(network)
        space = enough_candidates(wide, space, temperature, data[0])
        x_names, y_names = [v.name for v in inputs], [v.name for v in response]
        names = parameter_labels(network, x_names, y_names, y_names if network.architecture.output == "vector" else [])
        cost = min(len(data[0]), 2000) * space.size * network.n_parameters * 40
        affordable = int(EXPLORATION // cost)
        count = min(affordable // 2, N_RESTARTS) if n_restarts is None else n_restarts
        units = Units(*original_units(network, names, inputs, response), log_unit)
        while True:
            losses = objective.on(space, temperature)
            noise = losses.noise(jax.random.key(seed), jnp.asarray(data[1]))
            results = infer(
                wide,
                losses,
                (*data, *map(np.asarray, noise)),
                names,
                candidates=losses.evaluations,
                one_hot=one_hot,
                starts=random_networks(network, count, seed),
                sign_flips=min(max(affordable - count, 0), SIGN_FLIPS),
                units=units,
                seed=seed,
                **options,
            )
            gap = quadrature_gap(results.fitted)
            if gap <= QUADRATURE_TOLERANCE:
                return results
            if space.size >= MOST:
                return replace(
                    results, cautions=(f"The integral over y is off by {gap:.0e} nats: narrow the support.",)
                )
            space = space.refined(2)


def original_units(
    network: BehaviorNetwork, names: Sequence[str], inputs: Sequence[Variable], response: Sequence[Variable]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels in the user's units, and the matrix that turns the numbers of a network into them.

    A row of the first layer is a polynomial in the user's columns: its coefficients are linear in those on
    standardised columns. Multipliers, later layers and the readout are the same in both.
    """
    seen = () if network.architecture.output == "vector" else response
    terms = basis_polynomials(network.basis, inputs, seen)
    monomials = list(dict.fromkeys(m for term in terms for m in term.coefficients if m))
    expansion = np.array([[term.coefficients.get(m, 0.0) for m in [*monomials, ()]] for term in terms])
    position = {name: i for i, name in enumerate(names)}
    place = {variable.name: i for i, variable in enumerate((*inputs, *seen))}
    ordered = (sorted(m, key=lambda factor: place.get(factor[0], len(place))) for m in monomials)  # Curves last.
    written = ["*".join(name if power == 1 else f"{name}^{power}" for name, power in m) for m in ordered]
    labels, rows = [], []
    for name in names:
        if name.startswith("layer1.") and name.endswith(".intercept"):
            row = name.removesuffix(".intercept")
            inside = [i for i, other in enumerate(names) if other.startswith(f"{row}.coef[")]
            for j, monomial in enumerate([*monomials, ()]):
                line = np.zeros(len(names))
                line[inside] = expansion[:, j]
                line[position[name]] = float(monomial == ())
                labels.append(f"{row}.coef[{written[j]}]" if monomial else name)
                rows.append(line)
        elif not (name.startswith("layer1.") and ".coef[" in name):
            labels.append(name)
            rows.append(np.eye(1, len(names), position[name])[0])
    return tuple(labels), np.array(rows)
