"""Is this constraint there? A test of λ = 0, the end of its range, where the row's coefficients mean nothing.

Under λ = 0 the coefficients M of the row are not identified, and λ ≥ 0 is one-sided, so neither χ² nor its half-half
mixture is the distribution of a Wald or likelihood-ratio statistic. The score in λ at λ = 0 is a process in M; the
statistic is its largest one-sided square, and its distribution is simulated by multipliers.

Source: Davies (1987); Hansen (1996), who simulates the supremum of score statistics by multipliers. Deviation: rows are
drawn from the model without the row where there are not too many, since scores are skewed, which multipliers do not
know of and √n rows forget slowly; draws are divided by their own size as the statistic is. Fitted numbers make the
spread of scores smaller, by √(1 − p/n) where a score is linear in what is not explained, as slopes' are, and not
where it is quadratic, as widths' are; half of that is taken.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.sparse import csr_array

from behavior_learning.core.block import FREE, Weight
from behavior_learning.core.network import BehaviorNetwork, with_weights
from behavior_learning.errors import OptionError
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import Parametrization, number_places
from behavior_learning.inference.estimation import TOLERANCE, Optimum, polish, status_of
from behavior_learning.inference.exploration import random_networks
from behavior_learning.inference.fitted import Fitted, numbers_of
from behavior_learning.inference.hypotheses import TestResult
from behavior_learning.inference.information import AT_BOUND, Information
from behavior_learning.inference.problem import Problem, gradient

__all__ = ["constraint_test"]

NUMBERS_HELD = 2**24
"""Numbers held at once: draws of rows, or scores of all rows, directions and candidates."""

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


class _Scores(NamedTuple):
    """∂ℓ/∂λ at λ = 0 for each direction, less its projection on the scores of the null model.

    Attributes
    ----------
    rows : as observed.
    at_candidates : had each candidate been observed; none where draws are to be multiplied instead.
    mass : of the candidates under the null model.
    """

    rows: Float[np.ndarray, "n directions"]
    at_candidates: Float[np.ndarray, "n k directions"]
    mass: Float[np.ndarray, "n k"]


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
        scores = _effective_scores(fitted, null, place, candidates, information)
    largest, simulated = _suprema(scores, fitted.weights, np.random.default_rng(seed + 1), draws)
    largest *= max(0.0, 1 - information.tangent_space.shape[1] / len(scores.rows)) ** 0.25
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
) -> _Scores:
    """Of every row and direction; and of every candidate, where the loss is a likelihood and there is room."""
    problem = _null_problem(fitted, place, tested=True)
    first = np.eye(len(null.theta))[place.own[0]]
    arrays = (null.theta, information.inverse(), first, place.coefficients, candidates)
    room = problem.n * problem.objective.space.size * len(candidates) <= NUMBERS_HELD
    modelled = problem.objective.likelihood and problem.objective.space.pointwise and room
    rows, at_candidates, mass = map(np.asarray, _process(problem, *map(jnp.asarray, arrays), modelled=modelled))
    return _Scores(rows.T, np.moveaxis(at_candidates, 0, -1), mass)


@eqx.filter_jit
def _process(
    problem: Problem,
    point: Float[Array, " p"],
    inverse: Float[Array, "p p"],
    direction: Float[Array, " p"],
    inside: Array,
    candidates: Float[Array, "directions k"],
    modelled: bool,
) -> tuple[Float[Array, "directions n"], Float[Array, "directions n k"], Float[Array, "n k"]]:
    """ℓ' along λ less J⁻¹·∂²Q/∂θ∂λ in the other parameters, for every row and direction, and at every candidate.

    The second derivative is a central difference of gradients, which takes half as long to compile.
    """

    def log_mass(network: BehaviorNetwork, x: Float[Array, "rows d"]) -> Float[Array, "rows k"]:
        if not modelled:
            return jnp.zeros((len(x), 0))
        law = Gibbs(network, problem.objective.space, problem.objective.temperature).log_mass(x)
        return jnp.broadcast_to(law, (len(x), law.shape[1]))

    def at(coefficients: Float[Array, " k"]) -> tuple[Float[Array, " n"], Float[Array, "n k"]]:
        values = problem.parametrization.values.at[inside].set(coefficients)
        moved = eqx.tree_at(lambda p: p.parametrization.values, problem, values)
        sides = jnp.array([[STEP], [-STEP]])
        ahead, behind = jax.lax.map(lambda side: gradient(moved, point + side * direction)[1], sides)
        move = direction - inverse @ ((ahead - behind) / (2 * STEP))

        def losses(theta: Float[Array, " p"], data: tuple[Array, ...]) -> tuple[Array, Array]:
            network = moved.network(theta)
            return moved.objective(network, *data), -log_mass(network, data[0])

        def of_chunk(data: tuple[Array, ...]) -> tuple[Float[Array, " rows"], Float[Array, "rows k"]]:
            return jax.jvp(lambda t: losses(t, data), (point,), (move,))[1]

        observed, possible = jax.lax.map(of_chunk, moved.data)
        return moved.joined(observed), moved.joined(possible)

    law = jax.lax.map(lambda data: jnp.exp(log_mass(problem.network(point), data[0])), problem.data)
    return *jax.lax.map(at, candidates), problem.joined(law)


def _suprema(
    scores: _Scores, weights: Float[np.ndarray, " n"], rng: np.random.Generator, draws: int
) -> tuple[float, Float[np.ndarray, " draws"]]:
    """The largest −Σ e/√Σ e² of all directions, and the same of rows drawn from the model or with random factors."""
    weighted = scores.rows * weights[:, None]
    spread = np.sqrt(np.sum(weighted**2, axis=0))
    kept = spread > 1e-10 * max(spread.max(initial=0.0), 1e-300)
    n, k = scores.mass.shape
    entries = (scores.at_candidates[..., kept] if k else scores.rows[:, None, kept]).reshape(n * max(k, 1), -1)
    squares, size, simulated = entries**2, max(1, NUMBERS_HELD // n), []
    for start in range(0, draws, size):
        count = min(size, draws - start)
        factors = _drawn(scores.mass, weights, count, rng) if k else weights * rng.standard_normal((count, n))
        simulated.append(np.max(-(factors @ entries) / np.sqrt(factors**2 @ squares), axis=1))
    return float(np.max(-np.sum(weighted[:, kept] / spread[kept], axis=0))), np.concatenate(simulated)


def _drawn(mass: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"], count: int, rng: np.random.Generator):
    """The weights, count times, at one candidate of every row of a flat table, drawn by inversion."""
    rows, ends = np.arange(len(mass)), np.cumsum(mass, axis=1)
    places = np.searchsorted((rows[:, None] + ends / ends[:, -1:]).ravel(), rows + rng.random((count, len(mass))))
    starts = len(mass) * np.arange(count + 1)
    return csr_array((np.tile(weights, count), places.ravel(), starts), shape=(count, mass.size))
