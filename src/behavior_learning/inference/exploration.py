"""Where to search from: random networks, and the best optimum with a row turned round."""

import re
from collections.abc import Callable, Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Int

from behavior_learning.core.network import BehaviorNetwork, drawn_like
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.head_table import EVEN, family
from behavior_learning.identification.parameters import LocalParameters
from behavior_learning.inference.estimation import SAME_LOSS, Optimum, Search, basins, polish
from behavior_learning.inference.fitted import GUIDING_ROWS, numbers_of
from behavior_learning.inference.problem import Problem

__all__ = ["explore", "random_networks", "rows_that_turn"]

LAST_STEPS = 400
"""Steps that the best search may go on for."""

EXPLORING_ROWS = 2000
"""Rows on which restarts look for basins; the best is then followed on all rows."""


def explore(
    problem: Problem, start: LocalParameters, networks: Sequence[BehaviorNetwork], one_hot: bool, turns: int = 0
) -> tuple[Optimum, pd.DataFrame]:
    """Search from every network on a sample of the rows, turn rows of the best, then search on all rows from the best.

    Parameters
    ----------
    turns : searches at most that start from the best optimum with one row turned round, see `rows_that_turn`.
    """
    learned = np.asarray(problem.parametrization.learned)
    signs, guide = jnp.asarray(start.signs), problem.chunks_of(max(GUIDING_ROWS, 20 * len(learned)))
    sample = problem.chunks_of(max(EXPLORING_ROWS, 20 * len(learned)))
    points = [numbers_of(canonicalize(other, one_hot=one_hot, prune=False).network)[learned] for other in networks]
    follow = lambda point, **options: polish(problem, jnp.asarray(point), signs, Search(sample=guide, **options))
    rows = rows_that_turn(start)
    everything = sample == problem.chunks or (len(networks) == 1 and not 0 < len(rows) <= turns)
    look = follow if everything else partial(follow, chunks=sample, aim=1e-7)
    optima = [look(point) for point in points]
    names = ["fit", *(f"start {number}" for number in range(1, len(points)))]
    turned = _turn_rows(rows, min(optima, key=_loss), look, turns)
    optima, names = [*optima, *turned.values()], [*names, *turned]
    found = basins(problem, optima, names, one_hot=one_hot)
    best = min(optima, key=_loss)
    if not everything or best.limited:
        best = follow(best.theta, max_steps=LAST_STEPS)
    return best, found.assign(rows=min(problem.n, sample * problem.weights.shape[1]))


def _loss(optimum: Optimum) -> float:
    return float(np.nan_to_num(float(optimum.loss), nan=np.inf))


def _turn_rows(
    rows: dict[str, Int[np.ndarray, " places"]], best: Optimum, look: Callable[[np.ndarray], Optimum], turns: int
) -> dict[str, Optimum]:
    """Searches from the best optimum with one row turned round, as long as one of them is better."""
    found: dict[str, Optimum] = {}
    while len(found) + len(rows) <= turns and rows:
        ends = {}
        for row, places in rows.items():
            theta = np.array(best.theta)
            theta[places] *= -1
            ends[f"{row} turned {len(found) // len(rows) + 1}"] = look(theta)
        found |= ends
        leader = min(ends.values(), key=_loss)
        if _loss(leader) > _loss(best) - SAME_LOSS:
            break
        best = leader
    return found


def rows_that_turn(local: LocalParameters) -> dict[str, Int[np.ndarray, " places"]]:
    """Rows that mean something else with their coefficients negated, and their places among the parameters.

    Optima of a block are often each other's reflections, a row that points the wrong way while others make up for it.
    Even heads turn for free, an identity never gets stuck, and rows with stated numbers or signs stay.
    """
    layers, rows = local.parametrization.template.layers, {}
    for place, label in enumerate(local.labels):
        if match := _ROW_NUMBER.match(label):
            head = layers[int(match["layer"]) - 1].heads[match["role"]].head
            if family(head) not in EVEN and family(head) != "identity":
                rows.setdefault(match["row"], []).append(place)
    return {row: np.array(places) for row, places in rows.items() if not local.signs[places].any()}


_ROW_NUMBER = re.compile(r"(?P<row>layer(?P<layer>\d+)\.block\d+\.(?P<role>\w+)(\.row\d+)?)\.(coef\[|intercept$)")


def random_networks(network: BehaviorNetwork, count: int, seed: int) -> list[BehaviorNetwork]:
    """Starting points under the same rules."""
    rng = np.random.default_rng([seed, 5])
    return [drawn_like(network, rng) for _ in range(count)]
