"""Estimation to the optimum: damped Newton from many starts at once, and which local_optima they end in.

Training stops early and carries a ridge; standard errors belong to the point where the gradient of the plain loss is
zero, θ̂ of Theorem B.9.
"""

from enum import Enum
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Bool, Float, Int

from behavior_learning.identification.canonical_form import distance
from behavior_learning.inference.problem import Problem, compiled, gradient, hessian

__all__ = [
    "Convergence",
    "Optimum",
    "Search",
    "bfgs_update",
    "local_optima",
    "newton_step",
    "polish",
    "projected_norm",
    "search_from",
    "status_of",
]

TOLERANCE = 1e-8
"""Norm of the gradient of the mean loss at an optimum."""

AIM = 1e-10
"""Norm at which the iteration stops; between AIM and TOLERANCE it goes on while it still improves."""

NEAR = 1e-2
"""Norm of the gradient above which a sample of the rows gives a good enough Hessian."""

MAX_STEPS = 100

BRIEF = 1000
"""Rows times candidates up to which a search of many steps is compiled quickly."""

AT_BOUND = 1e-8
"""Size of a number with a sign below which it counts as zero."""

SAME_LOSS = 1e-6
SAME_OPTIMUM = 1e-2


class Convergence(Enum):
    """How the search ended; the value is the sentence shown to the user."""

    OPTIMUM = "Converged: the gradient of the mean loss is below 1e-8."
    LIMIT = (
        "Not converged: the step limit was reached while the loss still fell, which happens where parameters run off "
        "to infinity. Use inference(l2=0.01), a ridge that keeps them finite, fewer rows or terms, or more data."
    )
    STALLED = (
        "Not converged: no step lowers the loss, yet its gradient is not zero. Look for extreme values in the columns, "
        "or start again with n_restarts=20."
    )


class Optimum(NamedTuple):
    """Where a search ended.

    Attributes
    ----------
    theta, loss, hessian : the point, the mean loss and its Hessian there.
    gradient_norm : of the mean loss, without the components that push a number with a sign against zero.
    steps : iterations.
    limited : whether it ended because there were no more of them.
    """

    theta: Float[Array, " p"]
    loss: Float[Array, ""]
    hessian: Float[Array, "p p"]
    gradient_norm: Float[Array, ""]
    steps: Int[Array, ""]
    limited: Bool[Array, ""]


class Search(eqx.Module):
    """When a search stops, and what it may use.

    Attributes
    ----------
    aim : norm of the gradient at which it stops.
    max_steps : iterations at most.
    sample : chunks of rows whose Hessian guides it while it is far from the optimum.
    chunks : chunks of rows whose mean loss it lowers; all by default.
    """

    aim: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=AIM)
    max_steps: Int[Array, ""] = eqx.field(converter=jnp.asarray, default=MAX_STEPS)
    sample: Int[Array, ""] = eqx.field(converter=jnp.asarray, default=2**30)
    chunks: Int[Array, ""] = eqx.field(converter=jnp.asarray, default=2**30)


class _State(NamedTuple):
    """Before the first step `loss` is infinite, and the point itself is tried; the last step brings the Hessian."""

    theta: Float[Array, " p"]
    loss: Float[Array, ""]
    gradient: Float[Array, " p"]
    hessian: Float[Array, "p p"]
    refresh: Bool[Array, ""]
    stale: Bool[Array, ""]
    damping: Float[Array, ""]
    steps: Int[Array, ""]
    last: Bool[Array, ""]
    done: Bool[Array, ""]


@compiled(BRIEF)
def polish(problem: Problem, start: Float[Array, " p"], signs: Int[Array, " p"], search: Search) -> Optimum:
    """Lower the mean loss from one start by damped Newton steps until its gradient vanishes.

    Eigenvalues of the Hessian enter by their size, so that saddle points repel. The Hessian is kept as long as steps
    with it shrink the gradient to less than a third. Many starts take one call each of one compiled program: side by
    side under `vmap` every start would wait for the slowest, and none could keep its Hessian.

    Parameters
    ----------
    signs : sign that each parameter must keep, 0 for none; a step takes at most nine tenths of the way to zero.
    """
    return search_from(problem, start, signs, search)


def search_from(
    problem: Problem,
    start: Float[Array, " p"],
    signs: Int[Array, " p"],
    search: Search,
    guess: Float[Array, "p p"] | None = None,
) -> Optimum:
    """`polish`, to be called from compiled code.

    Parameters
    ----------
    guess : the Hessian at the start, where it is known. It is then updated from gradients (Broyden, Fletcher, Goldfarb
        and Shanno) and computed only where a step fails or the gradient grows, not at the optimum either.
    """
    no, p = jnp.zeros((), bool), len(start)
    first = _State(
        start,
        jnp.full((), jnp.inf),
        jnp.zeros(p),
        jnp.eye(p) if guess is None else guess,
        refresh=no,
        stale=no,
        damping=jnp.full((), 1e-3),
        steps=jnp.zeros((), jnp.int32),
        last=no,
        done=no,
    )
    end = jax.lax.while_loop(lambda s: ~s.done, lambda s: _step(problem, signs, search, s, guess is not None), first)
    norm, limited = projected_norm(end.theta, end.gradient, signs), end.steps >= search.max_steps
    return Optimum(end.theta, end.loss, end.hessian, norm, end.steps, limited)


def _step(problem: Problem, signs: Int[Array, " p"], search: Search, state: _State, guessed: bool) -> _State:
    """Try a step; keep the Hessian while it serves, raise the damping where a fresh one does not."""
    before = projected_norm(state.theta, state.gradient, signs)
    rows = jnp.minimum(search.chunks, problem.chunks)
    guide = jnp.where((before > NEAR) & ~state.last, jnp.minimum(search.sample, rows), rows)
    curvature = jax.lax.cond(state.refresh, lambda: hessian(problem, state.theta, guide), lambda: state.hessian)
    unmoved = jnp.isinf(state.loss) | state.last
    trial = jnp.where(unmoved, state.theta, newton_step(state._replace(hessian=curvature), signs))
    loss, slope = gradient(problem, trial, rows)
    after = projected_norm(trial, slope, signs)
    rounding = 1e-13 * (1 + jnp.abs(loss))  # Near the optimum the loss no longer tells which point is better.
    lower = (loss < state.loss - rounding) | ((loss < state.loss + 1e4 * rounding) & (after < 0.5 * before))
    taken = jnp.isfinite(loss) & lower & jnp.all(jnp.isfinite(slope)) & ~state.last
    harder = jnp.where(state.stale, state.damping, jnp.maximum(10 * state.damping, 1e-4))
    eased = jnp.where(state.damping < 1e-9, 0.0, 0.1 * state.damping)
    damping = jnp.where(taken, eased, harder)
    stuck = ~taken & ~state.stale & ((before < TOLERANCE) | (damping > 1e10))
    last = jnp.where(taken, after < search.aim, stuck) | (state.steps + 1 >= search.max_steps)
    poor = (after > before) & ~jnp.isinf(state.loss) if guessed else (after > 0.3 * before) | jnp.isinf(state.loss)
    refresh = jnp.where(taken, poor, state.stale) | (last & (not guessed))
    updated = bfgs_update(curvature, trial - state.theta, slope - state.gradient) if guessed else curvature
    return _State(
        jnp.where(taken, trial, state.theta),
        jnp.where(taken, loss, state.loss),
        jnp.where(taken, slope, state.gradient),
        jnp.where(taken, updated, curvature),
        refresh,
        stale=taken & ~refresh,
        damping=damping,
        steps=state.steps + 1,
        last=last,
        done=last if guessed else state.last,
    )


def newton_step(state: Any, signs: Int[Array, " p"]) -> Float[Array, " p"]:
    """θ − (|H| + μ)⁻¹ g in the units of the diagonal of H, at most nine tenths of the way to zero for a sign.

    Parameters
    ----------
    state : has ``theta``, ``gradient``, ``hessian`` and ``damping`` μ.
    """
    free = ~_held(state.theta, state.gradient, signs)
    slope = jnp.where(free, state.gradient, 0.0)
    curvature = jnp.where(free[:, None] & free, state.hessian, jnp.eye(len(free)))
    size = jnp.abs(jnp.diag(curvature))
    unit = 1 / jnp.sqrt(jnp.maximum(size, 1e-8 * jnp.max(size)))
    values, vectors = jnp.linalg.eigh(unit[:, None] * curvature * unit)
    step = -unit * (vectors @ ((vectors.T @ (unit * slope)) / (jnp.maximum(jnp.abs(values), 1e-9) + state.damping)))
    longest = 1 + jnp.linalg.norm(state.theta)
    step = step * jnp.minimum(1.0, longest / jnp.maximum(jnp.linalg.norm(step), 1e-300))
    moved = state.theta + step
    return jnp.where(signs == 0, moved, signs * jnp.maximum(signs * moved, 0.1 * signs * state.theta))


def bfgs_update(curvature: Float[Array, "p p"], move: Float[Array, " p"], change: Float[Array, " p"]):
    """H + y yᵀ/(yᵀs) − H s sᵀ H/(sᵀH s) after a step s that changed the gradient by y; H where yᵀs is not positive."""
    bent, along = curvature @ move, change @ move
    before = move @ bent
    sound = (along > 0) & (before > 0)
    along, before = jnp.where(sound, along, 1.0), jnp.where(sound, before, 1.0)
    updated = curvature + jnp.outer(change, change) / along - jnp.outer(bent, bent) / before
    return jnp.where(sound, updated, curvature)


def _held(theta: Float[Array, " p"], slope: Float[Array, " p"], signs: Int[Array, " p"]) -> Bool[Array, " p"]:
    """Numbers at zero that the gradient would push beyond it."""
    return (signs != 0) & (signs * theta <= AT_BOUND) & (signs * slope > 0)


def projected_norm(theta: Float[Array, " p"], slope: Float[Array, " p"], signs: Int[Array, " p"]) -> Float[Array, ""]:
    return jnp.linalg.norm(jnp.where(_held(theta, slope, signs), 0.0, slope))


def status_of(optimum: Optimum) -> Convergence:
    """Why one search ended."""
    if float(optimum.gradient_norm) < TOLERANCE:
        return Convergence.OPTIMUM
    return Convergence.LIMIT if bool(optimum.limited) else Convergence.STALLED


def local_optima(problem: Problem, optima: list[Optimum], names: list[str], *, one_hot: bool = False) -> pd.DataFrame:
    """Which searches ended in the same place, best first.

    Returns
    -------
    One line per local optimum: its mean `loss`, how often it was `reached`, the quotient `distance` to the best, the
    largest `gradient` norm among its searches, and `starts`, which of `names` ended there.
    """
    ends = sorted(zip(optima, names, strict=True), key=lambda end: np.nan_to_num(float(end[0].loss), nan=np.inf))
    found: list[dict[str, Any]] = []
    for optimum, name in ends:
        network, loss = problem.network(optimum.theta), float(optimum.loss)
        near = (place for place in found if abs(place["loss"] - loss) < SAME_LOSS)
        home = next((p for p in near if distance(p["network"], network, one_hot=one_hot) < SAME_OPTIMUM), None)
        if home is None:
            apart = distance(found[0]["network"], network, one_hot=one_hot) if found else 0.0
            found.append(
                {"loss": loss, "reached": 0, "distance": apart, "gradient": 0.0, "starts": [], "network": network}
            )
            home = found[-1]
        home["reached"] += 1
        home["gradient"] = max(home["gradient"], float(optimum.gradient_norm))
        home["starts"].append(name)
    return pd.DataFrame(found).drop(columns="network")
