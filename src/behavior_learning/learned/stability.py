"""Fit a model again, on bootstrap samples or from other random starts, with its basis and encoding kept."""

from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np

from behavior_learning.core.arrays import to_device
from behavior_learning.core.network import drawn_like
from behavior_learning.errors import ConvergenceError
from behavior_learning.explanation.stability import Stability, stability_of
from behavior_learning.explanation.statements import read_statements
from behavior_learning.learned.explain import READING_ROWS, Rows, problem_values, read, some_rows
from behavior_learning.learned.predict import in_single
from behavior_learning.learned.records import spreads
from behavior_learning.options import check_choice, check_count
from behavior_learning.training.multistart import fit_from

__all__ = ["refits", "stability"]


def stability(model: Any, X: Any, y: Any, *, n: int, kind: str, seed: int) -> Stability:
    """Read a model and its refits on the same rows and compare them."""
    n, kind = check_count("n", n), check_choice("kind", kind, ("bootstrap", "seeds"))
    seed = check_count("seed", seed, minimum=0)
    rows = model._rows_or_training("stability", X, y)
    reference, readings, failed = read(model, X, y, None), [], 0
    for again in refits(model, rows, n, kind, seed):
        if again is None:
            failed += 1
            continue
        problem = again.problem_
        readings.append(read_statements(problem, problem_values(again, problem, some_rows(rows, READING_ROWS))))
    if not readings:
        raise ConvergenceError(f"None of {n} refits found parameters. Lower learning_rate or raise alpha and fit anew.")
    return stability_of(reference, readings, kind, failed)


def refits(model: Any, rows: Rows, n: int, kind: str, seed: int) -> Iterator[Any]:
    """The model fitted n times more, or None where a fit finds no parameters.

    Every refit has the shapes of the fit, so that one compiled program serves all. Rows are drawn with replacement
    after the split, so that none both trains and validates.
    """
    data = in_single(rows)
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        yield _refit(model, data, rng, kind == "bootstrap")


def _refit(model: Any, data: Rows, rng: np.random.Generator, bootstrap: bool) -> Any:
    held_out = max(1, round(model.validation_fraction * len(data[0])))
    parts = np.split(rng.permutation(len(data[0])), [held_out])
    validation, train = (rng.choice(part, len(part)) for part in parts) if bootstrap else parts
    columns = lambda chosen: tuple(to_device(column[chosen]) for column in data)
    network, space = model.network_, model.space_
    draw = lambda: drawn_like(network, rng, **model._scales())
    try:
        result = fit_from(
            [draw() for _ in range(model.n_restarts)],
            draw,
            [model._objective(space, model.sigma_, model._temperature())],
            data=columns(train),
            validation=columns(validation),
            settings=model._settings(),
            seed=int(rng.integers(2**31)),
        )
    except ConvergenceError:
        return None
    again = copy(model)
    again.network_, again.space_, again.block_names_ = result.network, result.objective.space, {}
    again._spreads = spreads(result.network, space, *(column[train] for column in data))
    return again
