"""Is this constraint there? A test of λ = 0, the end of its range, where the row's coefficients mean nothing.

Under λ = 0 the coefficients M of the row are not identified, and λ ≥ 0 is one-sided, so neither χ² nor its half-half
mixture is the distribution of a Wald or likelihood-ratio statistic. The score in λ at λ = 0 is a process in M; the
statistic is its largest one-sided square, and its distribution is simulated by multipliers.

Source: Davies (1987); Hansen (1996), the multiplier simulation of the supremum of score statistics.
"""

from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.block import FREE, Rule, Weight
from behavior_learning.core.network import BehaviorNetwork, with_weights
from behavior_learning.errors import OptionError
from behavior_learning.identification.parameters import Parametrization, learned_numbers, number_places
from behavior_learning.inference.estimation import TOLERANCE
from behavior_learning.inference.exploration import explore, random_networks
from behavior_learning.inference.fitted import Fitted, at_optimum, numbers_of
from behavior_learning.inference.hypotheses import TestResult
from behavior_learning.inference.problem import Problem

__all__ = ["constraint_test"]

SCORE_NUMBERS = 2**24
"""Scores (rows × directions) held at once."""


NULL_STARTS = 1
"""Random starts for the model without the row, beside the estimate."""


class _Row(NamedTuple):
    """Positions among all numbers of the network: the row's λ, and the coefficients that can be learned."""

    multiplier: int
    coefficients: np.ndarray


def constraint_test(fitted: Fitted, row: str, *, directions: int, draws: int, seed: int) -> TestResult:
    """Test λ = 0 of one row by the supremum of its one-sided score over the row's coefficients."""
    place = _row(fitted, row)
    with jax.enable_x64(True):
        null = _without(fitted, place)
        if float(null.optimum.gradient_norm) > TOLERANCE:
            return TestResult.unavailable(f"The model without {row}: {null.convergence.value}")
        candidates = _coefficients(fitted, place, directions, np.random.default_rng(seed))
        effective = _effective_scores(null, place, candidates)
        statistic, simulated = _suprema(effective, null.weights, np.random.default_rng(seed + 1), draws)
    pvalue = (1 + float(np.sum(simulated >= statistic))) / (1 + draws)
    note = f"Score test of {row}: multiplier = 0, largest of {len(candidates)} directions of the row; one-sided."
    return TestResult(statistic, None, pvalue, f"simulated, {draws} draws", note)


def _row(fitted: Fitted, row: str) -> _Row:
    rows = {name: own for own, name in fitted.row_names.items()}
    if row not in rows:
        raise OptionError(f"row must be one of {', '.join(map(repr, sorted(rows)))}; got {row!r}.")
    learned = learned_numbers(fitted.network)
    if rows[row] in fitted.omitted:
        raise OptionError(f"{row} was left out, as its multiplier is zero: there is nothing to test. See the notes.")
    inside = [(at, place) for at, place in enumerate(number_places(fitted.network)) if place.of_row == rows[row]]
    coefficients = [at for at, place in inside if place.part != "multiplier" and learned[at]]
    return _Row(next(at for at, place in inside if place.part == "multiplier"), np.array(coefficients, int))


def _with_numbers(network: BehaviorNetwork, numbers: np.ndarray, fixed: np.ndarray) -> BehaviorNetwork:
    """The network with some numbers replaced, whatever its rules say."""
    weights, start = [], 0
    for weight in network.weights:
        part = slice(start, start + weight.raw.size)
        raw = numbers[part].reshape(weight.raw.shape)
        given = np.where(fixed[part].reshape(weight.raw.shape), raw, np.broadcast_to(weight.rule.numbers, raw.shape))
        weights.append(Weight(cast(Array, raw), Rule(fixed=given) if raw.size else weight.rule))
        start += weight.raw.size
    return with_weights(network, weights)


def _without(fitted: Fitted, place: _Row) -> Fitted:
    """The best model without the row, searched for from the full one."""
    numbers, fixed = numbers_of(fitted.network), np.zeros(len(fitted.names), bool)
    gone = np.append(place.coefficients, place.multiplier)
    numbers[gone], fixed[gone] = 0.0, True
    problem = fitted.problem
    data = tuple(np.asarray(problem.joined(column)) for column in problem.data)
    network = _with_numbers(fitted.network, numbers, fixed)
    starts = [network, *random_networks(network, NULL_STARTS, 0)]
    return at_optimum(
        problem.objective,
        data,
        network,
        fitted.names,
        candidates=problem.candidates,
        weights=fitted.weights,
        weight_kind=fitted.weight_kind,
        one_hot=fitted.one_hot,
        signs=fitted.canonical.signs,
        choose=lambda problem, start: (problem, explore(problem, start, starts, fitted.one_hot).best),
        l2=float(problem.l2),
    )


def _coefficients(fitted: Fitted, place: _Row, directions: int, rng: np.random.Generator) -> np.ndarray:
    """Coefficients to try: random directions of sizes around that of the estimate, and the estimate itself."""
    numbers = numbers_of(fitted.network)[place.coefficients]
    if len(numbers) == 0:
        return np.zeros((1, 0))
    size = max(float(np.linalg.norm(numbers)), 0.5)
    random = rng.standard_normal((directions - 1, len(numbers)))
    random *= (
        size * np.exp(0.7 * rng.standard_normal((directions - 1, 1))) / np.linalg.norm(random, axis=1, keepdims=True)
    )
    return np.concatenate([numbers[None], random])


def _effective_scores(null: Fitted, place: _Row, candidates: np.ndarray) -> Float[np.ndarray, "n directions"]:
    """∂ℓ/∂λ of every row at λ = 0 for each direction, less its projection on the scores of the null model."""
    free = with_weights(null.network, [Weight(weight.raw, FREE) for weight in null.network.weights])
    learned = np.asarray(null.local.parametrization.learned)
    parametrization = Parametrization(
        free, jnp.asarray(numbers_of(null.network)), jnp.asarray(np.append(learned, place.multiplier))
    )
    problem = eqx.tree_at(lambda p: p.parametrization, null.problem, parametrization)
    point = jnp.append(jnp.asarray(null.theta), 0.0)
    inside = jnp.asarray(place.coefficients)
    one, cross = _process(problem, point, inside, jnp.asarray(candidates))
    projection = null.information.inverse() @ np.asarray(cross).T
    return np.asarray(one).T - null.scores() @ projection


@eqx.filter_jit
def _process(
    problem: Problem, point: Float[Array, " q"], inside: Array, candidates: Float[Array, "directions k"]
) -> tuple[Float[Array, "directions n"], Float[Array, "directions p"]]:
    """∂ℓ/∂λ per row, and ∂²Q/∂λ∂θ, for every direction in turn."""
    direction = jnp.zeros_like(point).at[-1].set(1.0)

    def at(coefficients: Float[Array, " k"]) -> tuple[Float[Array, " n"], Float[Array, " p"]]:
        moved = eqx.tree_at(
            lambda p: p.parametrization.values, problem, problem.parametrization.values.at[inside].set(coefficients)
        )

        def losses(t: Float[Array, " q"], data: tuple[Array, ...]) -> Float[Array, " rows"]:
            return moved.objective(moved.network(t), *data)

        def total(t: Float[Array, " q"]) -> Float[Array, ""]:
            return jnp.sum(moved.weights * jax.lax.map(lambda data: losses(t, data), moved.data))

        def along(data: tuple[Array, ...]) -> Float[Array, " rows"]:
            return jax.jvp(lambda t: losses(t, data), (point,), (direction,))[1]

        rows = moved.joined(jax.lax.map(along, moved.data))
        cross = jax.jvp(jax.grad(total), (point,), (direction,))[1] / moved.total
        return rows, cross[:-1]

    return jax.lax.map(at, candidates)


def _suprema(
    effective: Float[np.ndarray, "n directions"], weights: np.ndarray, rng: np.random.Generator, draws: int
) -> tuple[float, np.ndarray]:
    """max over directions of (−Σ s)₊²/Σ s², and the same with random signs of normal size on the rows."""
    weighted = effective * weights[:, None]
    spread = np.sqrt(np.sum(weighted**2, axis=0))
    kept = spread > 1e-10 * max(spread.max(initial=0.0), 1e-300)
    standard = weighted[:, kept] / spread[kept]
    statistic = float(np.max(np.maximum(-standard.sum(axis=0), 0)) ** 2)
    size = max(1, SCORE_NUMBERS // len(standard))
    parts = [
        rng.standard_normal((min(size, draws - start), len(standard))) @ standard for start in range(0, draws, size)
    ]
    return statistic, np.max(np.maximum(np.concatenate(parts), 0), axis=1) ** 2
