"""Fit a model again, on bootstrap samples or from other random starts, with its basis and encoding kept."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from behavior_learning.core.network import drawn_like
from behavior_learning.errors import ConvergenceError
from behavior_learning.explanation.stability import Stability, compare_refits
from behavior_learning.explanation.statements import explain_problem
from behavior_learning.learned.explain import EXPLANATION_ROWS, explain_model, explained_values
from behavior_learning.learned.model import LearnedModel, Rows, in_single, some_rows
from behavior_learning.learned.records import standard_deviations
from behavior_learning.options import check_choice, check_count
from behavior_learning.training.multistart import fit_from
from behavior_learning.training.weights import chosen_rows

__all__ = ["measure_stability", "refits"]


def measure_stability(model: LearnedModel, given: Rows | None, *, n: int, kind: str, seed: int) -> Stability:
    """Explain a model and its refits on the same rows and compare them.

    Parameters
    ----------
    given : rows; None for those of the fit, with their weights.
    """
    n, kind = check_count("n", n), check_choice("kind", kind, ("bootstrap", "seeds"))
    seed = check_count("seed", seed, minimum=0)
    weight = model.training_rows("stability").weight if given is None else None
    rows = model.given_rows("stability") if given is None else given
    reference, explanations, failed = explain_model(model, rows), [], 0
    for again in refits(model, rows, n, kind, seed, weight):
        if again is None:
            failed += 1
            continue
        values = explained_values(again, again.problem, some_rows(rows, EXPLANATION_ROWS))
        explanations.append(explain_problem(again.problem, values))
    if not explanations:
        raise ConvergenceError(f"None of {n} refits found parameters. Lower learning_rate or raise l2 and fit anew.")
    return compare_refits(reference, explanations, kind, failed)


def refits(
    model: LearnedModel, rows: Rows, n: int, kind: str, seed: int, weight: np.ndarray | None = None
) -> Iterator[LearnedModel | None]:
    """The model fitted n times more, or None where a fit finds no parameters.

    Every refit has the shapes of the fit, so that one compiled program serves all. Rows are drawn with replacement
    after the split, so that none both trains and validates.
    """
    data = in_single(rows)
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        try:
            yield _refit(model, data, weight, rng, kind == "bootstrap")
        except ConvergenceError:
            yield None


def _refit(
    model: LearnedModel, data: Rows, weight: np.ndarray | None, rng: np.random.Generator, bootstrap: bool
) -> LearnedModel:
    recipe = model.recipe
    held_out = max(1, round(recipe.validation_fraction * len(data[0])))
    parts = np.split(rng.permutation(len(data[0])), [held_out])
    validation, train = (rng.choice(part, len(part)) for part in parts) if bootstrap else parts

    def draw():
        return drawn_like(model.network, rng, **recipe.initialization.get_params())

    result = fit_from(
        [draw() for _ in range(recipe.n_restarts)],
        draw,
        [model.objective.on(model.space, recipe.temperature)],
        data=chosen_rows(data, weight, train),
        validation=chosen_rows(data, weight, validation),
        settings=recipe.settings,
        seed=int(rng.integers(2**31)),
    )
    return replace(
        model,
        network=result.network,
        objective=result.objective,
        block_names={},
        known_deviations=standard_deviations(result.network, model.space, *(column[train] for column in data)),
    )
