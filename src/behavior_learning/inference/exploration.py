"""Where to search from: random networks, and the best optimum with a row negated."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Int

from behavior_learning.core.heads import Identity
from behavior_learning.core.network import BehaviorNetwork, drawn_like
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import LocalParameters, number_places, row_label
from behavior_learning.inference.estimation import (
    AIM,
    SAME_LOSS,
    TOLERANCE,
    Convergence,
    Optimum,
    Search,
    local_optima,
    polish,
    status_of,
)
from behavior_learning.inference.fitted import GUIDING_ROWS, numbers_of
from behavior_learning.inference.problem import Problem
from behavior_learning.inference.wander import AGREED, ENOUGH, wandered

__all__ = [
    "MOST_OTHERS",
    "Exploration",
    "Progress",
    "briefly",
    "contested",
    "explore",
    "followed",
    "random_networks",
    "released",
    "rows_that_flip",
]

BRIEF_STEPS, KEPT = 30, 8
"""Steps that follow a noisy descent, and how many of the optima found so are kept."""

CONTESTED = 4.0
"""Nats by which half of the searches end above the best optimum where more is tried."""

LAST_STEPS = 400
"""Steps that the best search may go on for."""

EXPLORING_ROWS = 2000
"""Rows on which starts look for local optima; the best is then followed on all rows."""


Progress = Callable[[str], None]
"""Is told in a sentence what has been done."""


class Exploration(NamedTuple):
    """Where searches ended: the best, all in a table, one of every other local optimum, and what θ stands for."""

    best: Optimum
    table: pd.DataFrame
    others: tuple[Optimum, ...]
    network: Callable[[Any], BehaviorNetwork]


def explore(
    problem: Problem,
    start: LocalParameters,
    networks: Sequence[BehaviorNetwork],
    one_hot: bool,
    sign_flips: int = 0,
    progress: Progress | None = None,
    *,
    rounds: int = 0,
    always: bool = False,
    seed: int = 0,
) -> Exploration:
    """Search on a sample of the rows from every network and from the best with rows negated, then on all from the best.

    Parameters
    ----------
    sign_flips : searches at most that start from the best optimum with one row negated, see `rows_that_flip`.
    progress : is told of every search that ends.
    rounds : of noisy descents at most (`wandered`), where these searches end in optima that differ.
    always : whether descents are made where they agree as well.
    """
    learned = np.asarray(problem.parametrization.learned)
    signs, guide = jnp.asarray(start.signs), problem.chunks_of(max(GUIDING_ROWS, 20 * len(learned)))
    sample = problem.chunks_of(max(EXPLORING_ROWS, 20 * len(learned)))
    points = [numbers_of(canonicalize(other, one_hot=one_hot, prune=False).network)[learned] for other in networks]
    rows = rows_that_flip(start)
    everything = sample == problem.chunks or (len(networks) == 1 and not 0 < len(rows) <= sign_flips)

    aim = AIM if len(networks) == 1 else 0.5 * TOLERANCE  # Of several the best is followed further.

    def follow(point: Any, **options: float) -> Optimum:
        return polish(problem, jnp.asarray(point), signs, Search(sample=guide, **options))

    def look(point: Any) -> Optimum:
        end = follow(point, aim=aim) if everything else follow(point, chunks=sample, aim=1e-7)
        if progress is not None:
            progress(f"a search of {int(end.steps)} steps ended at a mean loss of {float(end.loss):.5f}")
        return end

    found = {"fit" if number == 0 else f"start {number}": look(point) for number, point in enumerate(points)}
    alone = [*found.values()]
    found |= _with_flips(rows, min(alone, key=_loss), look, sign_flips)
    known = min(map(_loss, found.values()))
    if rounds and (always or contested(alone, known, float(problem.total))):
        brief = partial(follow, max_steps=BRIEF_STEPS, aim=1e-7)
        enough = ENOUGH if always else AGREED
        ends = wandered(problem, start, brief, rounds=rounds, enough=enough, known=known, seed=seed)
        found |= {f"descent {number + 1}": end for number, end in enumerate(ends[:KEPT])}
        if progress is not None:
            progress(f"noisy descents found {len(ends)} optima, the best at a mean loss of {_loss(ends[0]):.5f}")
    table = local_optima(problem, list(found.values()), list(found), one_hot=one_hot)
    best = min(found.values(), key=_loss)
    if not everything or aim > AIM or status_of(best) is not Convergence.OPTIMUM:
        best = follow(best.theta, max_steps=LAST_STEPS)
    others = tuple(found[starts[0]] for starts in table["starts"].iloc[1:])
    return Exploration(
        best, table.assign(rows=min(problem.n, sample * problem.weights.shape[1])), others, problem.network
    )


def contested(alone: Sequence[Optimum], best: float, total: float) -> bool:
    """Whether half of the searches that begin at a network of their own ended far above the best."""
    return len(alone) > 2 and total * (float(np.median([*map(_loss, alone)])) - best) > CONTESTED


MOST_OTHERS = 3
"""Optima beside the best that are looked at again."""


def followed(problem: Problem, start: LocalParameters, before: Exploration) -> Exploration:
    """The best optima of an exploration, followed to those of a problem near it."""
    guide = problem.chunks_of(max(GUIDING_ROWS, 20 * len(start.theta)))
    search = Search(sample=guide, max_steps=LAST_STEPS)
    old = (before.best, *before.others[:MOST_OTHERS])
    ends = sorted((polish(problem, end.theta, jnp.asarray(start.signs), search) for end in old), key=_loss)
    return Exploration(ends[0], before.table, tuple(ends[1:]), problem.network)


FEW_STEPS = 60
"""Steps in which a search without the weak prior, and that of another optimum that may fit alike, must end."""


def briefly(problem: Problem, start: LocalParameters) -> tuple[Problem, Optimum]:
    """The problem and the optimum that few steps lead to."""
    guide = problem.chunks_of(max(GUIDING_ROWS, 20 * len(start.theta)))
    search = Search(sample=guide, max_steps=FEW_STEPS)
    return problem, polish(problem, jnp.asarray(start.theta), jnp.asarray(start.signs), search)


def released(problem: Problem, start: LocalParameters, best: Optimum) -> tuple[Problem, Optimum]:
    """The problem and its optimum without the prior where the likelihood has a finite maximum; with it elsewhere."""
    plain = eqx.tree_at(lambda p: p.l2, problem, 0.0 * problem.l2)
    _, free = briefly(plain, replace(start, theta=np.asarray(best.theta)))
    return (plain, free) if status_of(free) is Convergence.OPTIMUM else (problem, best)


def _loss(optimum: Optimum) -> float:
    return float(np.nan_to_num(float(optimum.loss), nan=np.inf))


def _with_flips(
    rows: dict[str, Int[np.ndarray, " places"]], best: Optimum, look: Callable[[np.ndarray], Optimum], sign_flips: int
) -> dict[str, Optimum]:
    """Searches from the best optimum with one row negated, row after row until none of them leads to a better one."""
    found: dict[str, Optimum] = {}
    tried = 0
    while tried < len(rows) <= sign_flips and len(found) < sign_flips:
        turn, place = divmod(len(found), len(rows))
        row, places = list(rows.items())[place]
        theta = np.array(best.theta)
        theta[places] *= -1
        end = found[f"{row} flipped {turn + 1}"] = look(theta)
        better = _loss(end) < _loss(best) - SAME_LOSS
        best, tried = (end, 1) if better else (best, tried + 1)
    return found


def rows_that_flip(local: LocalParameters) -> dict[str, Int[np.ndarray, " places"]]:
    """Rows that mean something else with their coefficients negated, and their places among the parameters.

    Optima of a block are often each other's reflections, a row that points the wrong way while others make up for it.
    Even heads flip for free, an identity never gets stuck, and rows with stated numbers or signs stay.
    """
    network = local.parametrization.template
    rows: dict[str, list[int]] = {}
    places = number_places(network)
    for number, at in enumerate(np.asarray(local.parametrization.learned)):
        place = places[at]
        head = network.layers[place.layer].head(place.role) if place.role else None
        for_free = head is None or head.parity == "even" or head == Identity()
        if place.part in ("coef", "intercept") and not for_free:
            rows.setdefault(row_label(network, place.of_row), []).append(number)
    return {row: np.array(own) for row, own in rows.items() if not local.signs[own].any()}


def random_networks(network: BehaviorNetwork, count: int, seed: int) -> list[BehaviorNetwork]:
    """Starting points under the same rules."""
    rng = np.random.default_rng([seed, 5])
    return [drawn_like(network, rng) for _ in range(count)]
