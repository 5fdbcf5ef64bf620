"""How often what a model says recurs when it is made again, selection included, beside linear regression."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from behavior_learning.core.spaces import MOST_DIMENSIONS
from behavior_learning.errors import ConvergenceError, OptionError
from behavior_learning.explanation.stability import Linear, Stability, compare_refits, effect_recurrence
from behavior_learning.explanation.words import explain_problem
from behavior_learning.learned.effects import Errors, effects_of
from behavior_learning.learned.explain import EXPLANATION_ROWS, explain_model, explained_values
from behavior_learning.learned.model import LearnedModel, Rows, some_rows
from behavior_learning.learned.refits import KINDS, Keep, refits
from behavior_learning.options import check_choice, check_count

__all__ = ["Progress", "columns_of_heads", "measure_stability"]

EFFECT_ROWS = 200
"""Rows over which effects are averaged to see whether they recur."""

Progress = Callable[[int, int], None]
"""Called with the refits done and their number."""


def measure_stability(
    model: LearnedModel,
    given: Rows | None,
    *,
    n: int,
    kind: str,
    seed: int,
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> Stability:
    """Explain a model and its refits on the same rows and compare them.

    Parameters
    ----------
    given : rows; None for those of the fit, with their weights.
    """
    n, kind = check_count("n", n), check_choice("kind", kind, KINDS)
    seed = check_count("seed", seed, minimum=0)
    if kind == "halves" and n % 2:
        raise OptionError(f"Halves come in pairs: n must be even; got {n}.")
    weight = model.training_rows("stability").weight if given is None else None
    rows = model.given_rows("stability") if given is None else given
    few = some_rows(rows, EXPLANATION_ROWS)
    explanations, effects, lines = [], [_effects(model, rows)], [linear(model, rows, weight)]
    failed = 0
    for number, (again, sample) in enumerate(refits(model, rows, n, kind, seed, weight, keep)):
        lines.append(linear(model, (sample.x, sample.y), sample.weight))
        if again is None:
            failed += 1
        else:
            read = again.member(0)
            explanations.append(explain_problem(read.problem, explained_values(read, read.problem, few)))
            effects.append(_effects(again, rows))
        if progress is not None:
            progress(number + 1, n)
    if not explanations:
        raise ConvergenceError(f"None of {n} refits found parameters. Lower learning_rate or raise l2 and fit anew.")
    counts = {"candidates": columns_of_heads(model), "failed": failed}
    found = compare_refits(explain_model(model, rows), explanations, kind, **counts)
    return replace(
        found,
        reference=float(np.mean([lines[0].recurrence(line) for line in lines[1:]])),
        effects=effect_recurrence(effects[0], effects[1:]),
    )


def columns_of_heads(model: LearnedModel) -> int:
    """Pairs of a head and a column of x, which statements may name."""
    return len(model.encoder.names) * sum(head is not None for head in model.network.architecture.heads)


def linear(model: LearnedModel, rows: Rows, weight: np.ndarray | None) -> Linear:
    """Linear regression of the encoded response on the encoded columns."""
    return Linear.of(rows[0], model.candidates(rows[1]), weight)


def _effects(model: LearnedModel, rows: Rows) -> pd.Series:
    """Average effects dE[y|x]/dx per standard deviation; none where there are no inputs or no normaliser."""
    if not model.encoder.names or len(model.space.continuous) > MOST_DIMENSIONS:
        return pd.Series(dtype=float)
    some = some_rows(rows, EFFECT_ROWS)
    return effects_of(model, some, of="mean", errors=Errors(), fitted_to=lambda: some).table(standardized=True)[
        "estimate"
    ]
