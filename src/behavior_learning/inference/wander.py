"""Noisy descents, many at once, from random networks.

Where every row has to find its place among the others, one in some hundred searches does. Adam on few random rows of
the data passes small optima by, and steps of scoring by all of them lead on. Rounds begin anew: of three classes every
second to tenth ends in the best optimum, whatever came before, and optima with rows drawn anew seldom lead to it
(`benchmarks/LOG.md`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from behavior_learning.identification.parameters import LocalParameters
from behavior_learning.inference.estimation import SAME_LOSS, Optimum
from behavior_learning.inference.problem import Problem, compiled

__all__ = ["cost_of_round", "wandered"]

PER_NUMBER, MOST, STEPS, BATCH, RATE = 10, 288, 190, 32, 0.05
"""Of a round: descents for each number that is learned, descents at most, their steps, the rows of each step, and the
first rate, which falls as half a cosine."""

STAGES = ((1, 15, 250), (3, 20, 1000), (9, 20, 2000), (36, 40, 2000))
"""Of how many descents of a round one goes on by steps of scoring, the best so far, for how many steps, and the rows
they see at most. By the loss where it ends the descent that leads to the best optimum is as often among the worse."""

TOGETHER = 250
"""Rows at most that a step of scoring looks at together."""

FEWER = 0.5
"""Of the candidates for an integral, which are enough for noisy steps."""

FOLLOWED = 4
"""Of these the ones that are followed to the optimum."""

SPREAD, LEAST = 0.5, 1e-3
"""Standard deviation of a random coefficient, and the smallest size of a number with a sign."""

DAMPING, EASED, HARDER, LONGEST, FLAT = 0.1, 0.3, 5.0, 3.0, 1e-6
"""Of a step of scoring: the first damping, what it is multiplied by after a step that lowers the loss and one that does
not, the longest step, and the least curvature that damping is relative to."""

ENOUGH, AGREED = 6, 2
"""Searches that end in the best optimum, the best before the rounds among them, after which there are no more rounds:
of labels, whose searches may agree on what is not the best, and elsewhere."""

ADAM = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))


def cost_of_round(rows: int, candidates: int, parameters: int) -> float:
    """Row evaluations times parameters."""
    descents = _descents(parameters)
    seen = sum(count * steps * min(most, rows) for count, steps, most in _stages(descents))
    return float(descents * STEPS * BATCH + seen) * candidates * parameters


def _descents(parameters: int) -> int:
    return min(PER_NUMBER * parameters, MOST)


def _stages(descents: int) -> list[tuple[int, int, int]]:
    """How many go on, for how many steps, and the rows they see."""
    return [(min(max(descents // part, FOLLOWED), descents), steps, rows) for part, steps, rows in STAGES]


def wandered(
    problem: Problem,
    local: LocalParameters,
    follow: Callable[[Array], Optimum],
    *,
    rounds: int,
    enough: int,
    known: float,
    seed: int,
) -> list[Optimum]:
    """Optima that descents lead to, best first, each twice at most.

    Parameters
    ----------
    follow : brings a point to the next optimum.
    enough : searches that end in the best optimum, after which there are no more rounds.
    known : the lowest mean loss of the searches before.
    """
    rng, brief, signs = np.random.default_rng([seed, 6]), _in_single(problem), local.signs
    found: list[Optimum] = []
    best = [known]
    for _ in range(rounds):
        starts = np.where(signs == 0, SPREAD * rng.normal(size=(_descents(len(signs)), len(signs))), signs)
        ends, losses = _ends(brief, starts, signs, int(rng.integers(2**31)))
        new = [follow(jnp.asarray(ends[at])) for at in np.argsort(losses)[:FOLLOWED]]
        found += new
        best.append(min(map(_loss, new)))
        if np.sum(np.array(best) < min(best) + SAME_LOSS) >= enough:
            break
    return _at_most_twice(sorted(found, key=_loss))


def _loss(optimum: Optimum) -> float:
    return float(np.nan_to_num(float(optimum.loss), nan=np.inf))


def _at_most_twice(found: Sequence[Optimum]) -> list[Optimum]:
    """Two optima of each loss at most, in order."""
    far = (_loss(optimum) - _loss(before) > SAME_LOSS for optimum, before in zip(found[2:], found, strict=False))
    return [*found[:2], *(optimum for optimum, keep in zip(found[2:], far, strict=True) if keep)]


def _in_single(problem: Problem) -> Problem:
    """The problem in single precision, which is enough for noisy steps."""
    with jax.enable_x64(False):
        return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)) if eqx.is_array(leaf) else leaf, problem)


def _ends(
    problem: Problem, starts: Float[np.ndarray, "k p"], signs: Int[np.ndarray, " p"], seed: int
) -> tuple[Float[np.ndarray, "k p"], Float[np.ndarray, " k"]]:
    """Where descents of a problem in single precision end after scoring, and their mean losses."""
    with jax.enable_x64(False):
        problem = eqx.tree_at(lambda p: p.objective, problem, problem.objective.refined(FEWER))
        key, kept = jax.random.key(seed), jnp.asarray(signs)
        ends = _descended(problem, jnp.asarray(starts), kept, key)
        ends, losses = _scored(problem, ends, kept, key, jnp.array(_stages(len(starts))))
        return np.asarray(ends, float), np.nan_to_num(np.asarray(losses, float), nan=np.inf)


@compiled(0)
def _descended(
    problem: Problem, starts: Float[Array, "k p"], signs: Int[Array, " p"], key: PRNGKeyArray
) -> Float[Array, "k p"]:
    """Where descents end."""
    data = tuple(map(problem.joined, problem.data))
    weights = problem.joined(problem.weights) * (problem.n / problem.total)

    def mean_loss(theta: Array, rows: Array) -> Array:
        own = problem.objective(problem.network(theta), *(column[rows] for column in data))
        return jnp.mean(own * weights[rows]) + problem.penalty(theta)

    def step(number: Array, at: tuple[Array, optax.OptState]) -> tuple[Array, optax.OptState]:
        thetas, state = at
        rows = jax.random.randint(jax.random.fold_in(key, number), (BATCH,), 0, problem.n)
        slopes = jax.vmap(jax.grad(mean_loss), (0, None))(thetas, rows)
        moves, state = ADAM.update(jnp.where(jnp.isfinite(slopes), slopes, 0.0), state)
        return jnp.where(signs == 0, thetas + moves, signs * jnp.maximum(signs * (thetas + moves), LEAST)), state

    return jax.lax.fori_loop(0, STEPS, step, (starts, ADAM.init(starts)))[0]


class _Scoring(NamedTuple):
    """A point, its mean loss, gradient and Σ w ∇ℓ ∇ℓᵀ, and the damping of the next step.

    Before the first step the loss is infinite, and the point itself is tried.
    """

    theta: Float[Array, " p"]
    loss: Float[Array, ""]
    slope: Float[Array, " p"]
    curvature: Float[Array, "p p"]
    damping: Float[Array, ""]


@compiled(0)
def _scored(
    problem: Problem,
    starts: Float[Array, "k p"],
    signs: Int[Array, " p"],
    key: PRNGKeyArray,
    stages: Int[Array, "stages 3"],
) -> tuple[Float[Array, "k p"], Float[Array, " k"]]:
    """Damped steps by the outer product of the scores on a sample of the rows, and the losses there, best first.

    Far from an optimum they get on where Newton's Hessian has eigenvalues of both signs, and cost a tenth.

    Parameters
    ----------
    stages : how many of the best go on, for how many steps, and how many rows these see.

    Source: Berndt, Hall, Hall and Hausman (1974), with the damping of Levenberg and Marquardt.
    """
    p, blocks = starts.shape[1], -(-problem.n // TOGETHER)
    order = jax.random.permutation(key, problem.n)
    blank = jnp.arange(-(-problem.n // blocks) * blocks).reshape(-1, blocks).T
    rows = order[jnp.minimum(blank, problem.n - 1)]
    data = tuple(problem.joined(column)[rows] for column in problem.data)
    weights = jnp.where(blank < problem.n, problem.joined(problem.weights)[rows], 0.0)

    def of_row(theta: Array, row: tuple[Array, ...]) -> Array:
        return problem.objective(problem.network(theta), *(column[None] for column in row))[0]

    def at(theta: Array, damping: Array, seen: Array) -> _Scoring:
        def of_block(number: Array, total: tuple[Array, ...]) -> tuple[Array, ...]:
            own = weights[number]
            losses, scores = jax.vmap(jax.value_and_grad(of_row), (None, 0))(theta, [column[number] for column in data])
            parts = own @ losses, own @ scores, (scores.T * own) @ scores, jnp.sum(own)
            return jax.tree.map(jnp.add, total, parts)

        none = jnp.zeros(()), jnp.zeros(p), jnp.zeros((p, p)), jnp.zeros(())
        loss, slope, outer, weight = jax.lax.fori_loop(0, seen, of_block, none)
        ridge, pull = jax.value_and_grad(problem.penalty)(theta)
        curvature = outer / weight + problem.l2 / problem.total * jnp.eye(p)
        return _Scoring(theta, loss / weight + ridge, slope / weight + pull, curvature, damping)

    def step(seen: Array, now: _Scoring) -> _Scoring:
        size = jnp.maximum(jnp.diag(now.curvature), FLAT)
        move = -jnp.linalg.solve(now.curvature + now.damping * jnp.diag(size), now.slope)
        move = move * jnp.minimum(1.0, LONGEST / jnp.maximum(jnp.linalg.norm(move), LEAST))
        moved = now.theta + move
        trial = jnp.where(signs == 0, moved, signs * jnp.maximum(signs * moved, 0.1 * signs * now.theta))
        then, stay = at(trial, EASED * now.damping, seen), now._replace(damping=HARDER * now.damping)
        return jax.tree.map(lambda a, b: jnp.where(then.loss < now.loss, a, b), then, stay)

    def stage(number: Array, found: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        count, steps, most = stages[number]
        seen = jnp.minimum(-(-most // TOGETHER), blocks)

        def go_on(place: Array, found: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            theta, loss, damping = found
            first = _Scoring(theta[place], jnp.full((), jnp.inf), jnp.zeros(p), jnp.eye(p), damping[place] / EASED)
            end = jax.lax.fori_loop(0, steps + 1, lambda _, now: step(seen, now), first)
            return theta.at[place].set(end.theta), loss.at[place].set(end.loss), damping.at[place].set(end.damping)

        theta, loss, damping = jax.lax.fori_loop(0, count, go_on, found)
        loss = jnp.where(jnp.arange(len(loss)) < count, loss, jnp.inf)  # Others have seen other rows.
        order = jnp.argsort(loss)
        return theta[order], loss[order], damping[order]

    losses = jnp.full(len(starts), jnp.inf)
    ends, losses, _ = jax.lax.fori_loop(0, len(stages), stage, (starts, losses, jnp.full_like(losses, DAMPING)))
    return ends, losses
