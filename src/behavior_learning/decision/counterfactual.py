"""The question an economist asks of a learned problem: what if?"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import pandas as pd

from behavior_learning.decision.edits import edits_of
from behavior_learning.decision.parameters import Parameters
from behavior_learning.decision.scenario import Scenario
from behavior_learning.decision.tables import Change, changed, decoded, distances
from behavior_learning.errors import OutsideDataWarning
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.effects import Errors
from behavior_learning.learned.inference import infer_problem
from behavior_learning.learned.model import LearnedModel
from behavior_learning.options import check_count, check_number

__all__ = ["counterfactual_of"]


def counterfactual_of(
    model: LearnedModel,
    X: Any,
    *,
    change: Change,
    relax: Mapping[str, float] | None,
    drop: Sequence[str] | str,
    add: Mapping[str, Any] | None,
    coefficients: Mapping[str, Any] | None,
    draws: Any,
    inference: InferenceResults | None,
    n_draws: int,
    n_refits: int,
    level: float,
    seed: int,
) -> Scenario:
    """A scenario of a learned model; see `FittedEstimator.counterfactual`."""
    level = check_number("level", level, below=1.0)
    results, smooth = inference, model.network.architecture.smooth
    match draws:
        case None:
            parameters = Parameters.without_errors()
        case str("refits" | "auto") if draws == "refits" or not (smooth or inference):
            refitted = Errors("bootstrap", None, check_count("n_refits", n_refits, minimum=2), seed)
            networks = refitted.refitted(model, model.given_rows("counterfactual"))
            parameters = Parameters.of_refits(model.network, networks)
        case _:
            if results is None:
                results = infer_problem(model, model.given_rows("counterfactual"), n_restarts=0, seed=seed)
            draws = "delta" if isinstance(draws, str) and draws == "auto" else draws
            parameters = Parameters.of(results, draws, check_count("n_draws", n_draws, minimum=20), seed)
            model = replace(model, network=results.fitted.network, known_deviations=model.deviations)
    table = decoded(model.encoder, model.training_rows("counterfactual").x) if X is None else model.table(X)
    after = changed(table, change)
    with jax.enable_x64(True):  # The network at the optimum is in double precision.
        labels = () if results is None or parameters.cov is None else tuple(results.params.index)
        edits = edits_of(model, relax, drop, add).with_coefficients(coefficients or {}, labels)
    scenario = Scenario(model, table, after, edits, parameters, pd.DataFrame(), level)
    if model.rows is None:
        return scenario
    distance = distances(model.encoder, model.rows.x, after)
    outside = distance[distance["outside"] > 0].sort_values("farthest", ascending=False)
    if len(outside):
        name, line = outside.index[0], outside.iloc[0]
        warnings.warn(
            f"The scenario leaves the data: {line['outside']:.0%} of its rows have {name!r} beyond what was observed, "
            f"by up to {line['farthest']:.2g} standard deviations. What is learned is not tested there.",
            OutsideDataWarning,
            stacklevel=3,
        )
    return replace(scenario, distance=distance)
