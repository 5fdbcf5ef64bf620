"""Is this constraint there? A test of λ = 0, the end of its range, where the row's coefficients mean nothing.

Under λ = 0 the coefficients M of the row are not identified, and λ ≥ 0 is one-sided, so neither χ² nor its half-half
mixture is the distribution of a Wald or likelihood-ratio statistic. The score in λ at λ = 0 is a process in M; the
statistic is its largest one-sided square, and its distribution is simulated by multipliers.

Source: Davies (1987); Hansen (1996), the multiplier simulation of the supremum of score statistics. Deviation: draws
are divided by their own size as the statistic is, scores are relieved of their bias of second order, and their spread
is taken √(n/(n − p)) as large, as p fitted numbers have made it smaller (HC1).
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.block import FREE, Weight
from behavior_learning.core.network import with_weights
from behavior_learning.errors import OptionError
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import Parametrization, number_places
from behavior_learning.inference.estimation import TOLERANCE, Optimum, polish, status_of
from behavior_learning.inference.exploration import random_networks
from behavior_learning.inference.fitted import Fitted, numbers_of
from behavior_learning.inference.hypotheses import TestResult
from behavior_learning.inference.information import AT_BOUND, Information
from behavior_learning.inference.problem import ONCE, Problem, compiled, gradient, losses

__all__ = ["constraint_test"]

SCORE_NUMBERS = 2**24
"""Scores (rows × directions) held at once."""


CURVED = 1e-3
"""Standard deviations of one row between losses whose differences are a slope and a curvature."""

STEP = 1e-4
"""In λ, between the gradients whose difference is a second derivative."""

NULL_STARTS = 1
"""Random starts for the model without the row, beside the estimate."""

SIZES = (1.0, 0.7)
"""Median length of the coefficients that are tried, on standardised columns, and the spread of its logarithm."""


class _Row(NamedTuple):
    """Where a row stands.

    Attributes
    ----------
    multiplier : its λ among all numbers of the network.
    coefficients : those that are learned, among all numbers.
    own : its learned numbers among the parameters.
    """

    multiplier: int
    coefficients: np.ndarray
    own: np.ndarray


def constraint_test(fitted: Fitted, row: str, *, directions: int, draws: int, seed: int) -> TestResult:
    """Test λ = 0 of one row by the supremum of its one-sided score over the row's coefficients.

    The coefficients that are tried are drawn without a look at the data, which the simulation presumes.
    """
    place = _row(fitted, row)
    with jax.enable_x64(True):
        null = _without(fitted, place)
        if float(null.gradient_norm) > TOLERANCE:
            return TestResult.unavailable(f"The model without {row}: {status_of(null).value}")
        candidates = _coefficients(len(place.coefficients), directions, np.random.default_rng(seed))
        information = _null_information(fitted, null, place)
        effective = _effective_scores(fitted, null, place, candidates, information)
        lift = _second_order(_null_problem(fitted, place, tested=False), null.theta, information) / (2 * fitted.total)
        largest, simulated = _suprema(effective, lift, fitted.weights, np.random.default_rng(seed + 1), draws)
        largest *= max(0.0, 1 - information.tangent_space.shape[1] / len(effective)) ** 0.5
    pvalue = (1 + float(np.sum(simulated >= largest))) / (1 + draws)
    note = f"Score test of {row}: multiplier = 0, largest of {len(candidates)} directions of the row; one-sided."
    return TestResult(max(largest, 0.0) ** 2, None, pvalue, f"simulated, {draws} draws", note)


def _row(fitted: Fitted, row: str) -> _Row:
    rows = {name: own for own, name in fitted.row_names.items()}
    if row not in rows:
        raise OptionError(f"row must be one of {', '.join(map(repr, sorted(rows)))}; got {row!r}.")
    if rows[row] in fitted.omitted:
        raise OptionError(f"{row} was left out, as its multiplier is zero: there is nothing to test. See the notes.")
    learned, places = np.asarray(fitted.local.parametrization.learned), number_places(fitted.network)
    own = [i for i, at in enumerate(learned) if places[at].of_row == rows[row]]
    multiplier = next(at for at, p in enumerate(places) if p.of_row == rows[row] and p.part == "multiplier")
    return _Row(multiplier, np.setdiff1d(learned[own], [multiplier]), np.array(own, int))


def _null_problem(fitted: Fitted, place: _Row, *, tested: bool) -> Problem:
    """The problem with λ = 0, of the same shape, so that what is compiled for the whole model serves.

    The row's parameters move nothing; with `tested` the first of them is λ.
    """
    old = fitted.local.parametrization
    learned = np.asarray(old.learned).copy()
    given = place.multiplier not in learned
    learned[place.own] = len(old.values)  # Beyond the end: dropped.
    if tested:
        learned[place.own[0]] = place.multiplier
    template = old.template
    if given:  # A λ that is fixed by rule moves under no rule.
        template = with_weights(template, [Weight(weight.raw, FREE) for weight in template.weights])
    values = jnp.asarray(numbers_of(fitted.network)).at[place.coefficients].set(0.0).at[place.multiplier].set(0.0)
    parametrization = Parametrization(template, values, jnp.asarray(learned))
    return eqx.tree_at(lambda p: p.parametrization, fitted.problem, parametrization)


def _without(fitted: Fitted, place: _Row) -> Optimum:
    """The best optimum without the row, from the estimate and from random networks."""
    problem, learned = _null_problem(fitted, place, tested=False), np.asarray(fitted.local.parametrization.learned)
    others = random_networks(fitted.network, NULL_STARTS, 0)
    forms = [canonicalize(other, one_hot=fitted.one_hot, prune=False) for other in others]
    starts = [fitted.theta, *(numbers_of(form.network)[learned] for form in forms)]
    signs = fitted.local.signs.copy()
    signs[place.own] = 0

    def follow(start: np.ndarray) -> Optimum:
        start = start.copy()
        start[place.own] = 0.0
        return polish(problem, jnp.asarray(start), jnp.asarray(signs), fitted.search())

    return min(map(follow, starts), key=lambda end: float(np.nan_to_num(float(end.loss), nan=np.inf)))


def _coefficients(count: int, directions: int, rng: np.random.Generator) -> Float[np.ndarray, "directions count"]:
    """Random directions of random lengths."""
    if count == 0:
        return np.zeros((1, 0))
    random = rng.standard_normal((directions, count))
    lengths = SIZES[0] * np.exp(SIZES[1] * rng.standard_normal((directions, 1)))
    return lengths * random / np.linalg.norm(random, axis=1, keepdims=True)


def _null_information(fitted: Fitted, null: Optimum, place: _Row) -> Information:
    """The information where the row is not there and numbers at a bound stay."""
    p, signs = len(null.theta), fitted.local.signs
    kept = np.setdiff1d(np.arange(p), place.own)
    kept = kept[(signs == 0)[kept] | (signs * np.asarray(null.theta) > AT_BOUND)[kept]]
    return Information(fitted.local.labels, np.asarray(null.hessian), np.eye(p)[:, kept], np.zeros(p, bool))


def _effective_scores(
    fitted: Fitted,
    null: Optimum,
    place: _Row,
    candidates: Float[np.ndarray, "directions k"],
    information: Information,
) -> Float[np.ndarray, "n directions"]:
    """∂ℓ/∂λ of every row at λ = 0 for each direction, less its projection on the scores of the null model."""
    problem = _null_problem(fitted, place, tested=True)
    first = np.eye(len(null.theta))[place.own[0]]
    arrays = (null.theta, information.inverse(), first, place.coefficients, candidates)
    return np.asarray(_process(problem, *map(jnp.asarray, arrays))).T


def _second_order(problem: Problem, theta: Float[Array, " p"], information: Information) -> Float[np.ndarray, " n"]:
    """q = s·J⁻¹s − tr(J⁻¹h) of every row, s and h the slope and the curvature of its loss, by differences.

    Scores e at θ̂ sum to −½·E[e·q] on average where the model is right, since θ̂ has seen the rows: a shift that does not
    fall with the number of rows.
    """
    sizes, directions = np.linalg.eigh(information.inverse())
    here = np.asarray(_losses(problem, theta))
    second = np.zeros(len(here))
    for size, direction in zip(sizes, directions.T, strict=True):
        if size > 1e-12 * sizes[-1]:
            step = CURVED * np.sqrt(size) * direction
            ahead, behind = (np.asarray(_losses(problem, theta + side * step)) for side in (1, -1))
            second += ((ahead - behind) / 2) ** 2 - (ahead - 2 * here + behind)
    return second / CURVED**2


_losses = compiled(ONCE)(losses)


@eqx.filter_jit
def _process(
    problem: Problem,
    point: Float[Array, " p"],
    inverse: Float[Array, "p p"],
    direction: Float[Array, " p"],
    inside: Array,
    candidates: Float[Array, "directions k"],
) -> Float[Array, "directions n"]:
    """ℓ' along λ less J⁻¹·∂²Q/∂θ∂λ in the other parameters, for every row and direction.

    The second derivative is a central difference of gradients, which takes half as long to compile.
    """

    def at(coefficients: Float[Array, " k"]) -> Float[Array, " n"]:
        values = problem.parametrization.values.at[inside].set(coefficients)
        moved = eqx.tree_at(lambda p: p.parametrization.values, problem, values)
        sides = jnp.array([[STEP], [-STEP]])
        ahead, behind = jax.lax.map(lambda side: gradient(moved, point + side * direction)[1], sides)
        move = direction - inverse @ ((ahead - behind) / (2 * STEP))

        def of_chunk(data: tuple[Array, ...]) -> Float[Array, " rows"]:
            return jax.jvp(lambda t: moved.objective(moved.network(t), *data), (point,), (move,))[1]

        return moved.joined(jax.lax.map(of_chunk, moved.data))

    return jax.lax.map(at, candidates)


def _suprema(
    effective: Float[np.ndarray, "n directions"],
    lift: Float[np.ndarray, " n"],
    weights: np.ndarray,
    rng: np.random.Generator,
    draws: int,
) -> tuple[float, np.ndarray]:
    """The largest −Σ e(1 + lift)/√Σ e² of all directions, and Σ ±e/√Σ (±e)² with random factors of normal size."""
    weighted = effective * weights[:, None]
    spread = np.sqrt(np.sum(weighted**2, axis=0))
    kept = spread > 1e-10 * max(spread.max(initial=0.0), 1e-300)
    standard = weighted[:, kept] / spread[kept]
    squares, size, simulated = standard**2, max(1, SCORE_NUMBERS // len(standard)), []
    for start in range(0, draws, size):
        factors = rng.standard_normal((min(size, draws - start), len(standard)))
        simulated.append(np.max(factors @ standard / np.sqrt(factors**2 @ squares), axis=1))
    return float(np.max(-(1 + lift) @ standard)), np.concatenate(simulated)
