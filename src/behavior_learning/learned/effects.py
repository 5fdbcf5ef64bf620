"""Between a learned model and its effects: the user's variables, and where standard errors come from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.batches import by_batches
from behavior_learning.core.network import BehaviorNetwork, in_double
from behavior_learning.core.spaces import MOST_DIMENSIONS
from behavior_learning.encoding import EncodedColumn, TableEncoder
from behavior_learning.errors import ConvergenceError, OptionError
from behavior_learning.explanation.axes import Axis
from behavior_learning.explanation.correction import Correction, Terms
from behavior_learning.explanation.effects import Effects
from behavior_learning.explanation.quantities import Counted, Labels, Number, Ordered, Part, make_quantity
from behavior_learning.explanation.questions import Level, Question
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.identification.parameters import Parametrization
from behavior_learning.inference.estimation import Convergence
from behavior_learning.inference.results import InferenceResults
from behavior_learning.learned.inference import infer_problem
from behavior_learning.learned.model import LearnedModel, Rows, some_rows
from behavior_learning.learned.refits import Keep, refits
from behavior_learning.options import check_choice, check_count, check_returned, check_seed
from behavior_learning.responses import Response

__all__ = ["Errors", "answers", "axes_of", "effects_of"]

ROWS_PER_COLUMN = 10
"""Rows from which averages are corrected, per column."""

EFFECT_ROWS, CORRECTION_ROWS = 2_000, 20_000
"""Rows that effects are taken at, and whose residuals correct averages, at most, evenly spaced."""

REFINEMENT = 2
"""Candidates of an effect, in multiples of those of training."""

MOST_PARAMETERS = 200
"""Parameters up to which standard errors come from inference where that is not asked for."""

REFITTED = 2
"""Networks of which a refit of a mean of more is one: what they leave to chance makes errors larger, never smaller."""

RIDGE = 0.1
"""Of that inference: it keeps parameters finite that would run off."""


@dataclass(frozen=True, eq=False)
class Point:
    """Numbers of one network, with no errors.

    Attributes
    ----------
    network : in double precision.
    """

    network: BehaviorNetwork

    @property
    def unknown(self) -> bool:
        """Whether there are no errors."""
        return type(self) is Point

    @property
    def description(self) -> str:
        """How the errors were had."""
        return "none were asked for"

    def values(self, question: Question, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "n q"]:
        return answers(question, self.network, x, y)

    def loadings(self, question: Question, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "n q r"]:
        return np.zeros((len(x), question.outputs, 0))


@dataclass(frozen=True, eq=False)
class Deferred(Point):
    """Errors that are not computed before they are asked for.

    Attributes
    ----------
    make : computes them.
    """

    make: Callable[[], Point]

    @cached_property
    def errors(self) -> Point:
        return self.make()

    def loadings(self, question: Question, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "n q r"]:
        return self.errors.loadings(question, x, y)

    @property
    def description(self) -> str:
        return self.errors.description


@dataclass(frozen=True, eq=False)
class Delta(Point):
    """The delta method: ∇θ of every number at the optimum times a square root of the covariance of θ̂.

    What p(y|x) leaves open has no covariance and moves no number.

    Attributes
    ----------
    results : of inference.
    """

    results: InferenceResults

    @property
    def description(self) -> str:
        return f"delta method, {self.results.covariance.description}"

    @cached_property
    def root(self) -> Float[np.ndarray, "p r"]:
        """A square root of the covariance."""
        with jax.enable_x64(True):
            values, vectors = np.linalg.eigh(self.results.covariance(self.results.fitted).matrix)
        return vectors[:, values > 0] * np.sqrt(values[values > 0])

    def loadings(self, question: Question, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "n q r"]:
        local = self.results.fitted.local
        size = question.gibbs.space.size * self.network.width * question.outputs
        with jax.enable_x64(True):
            at = local.parametrization, jnp.asarray(local.theta), jnp.asarray(self.root)
            return by_batches(lambda x, y: _slopes(question, *at, x, y), (x, y), 4 * size)


@dataclass(frozen=True, eq=False)
class Refitted(Point):
    """Bootstrap: the whole fit repeated on rows drawn with replacement.

    Attributes
    ----------
    networks : of the refits, in double precision.
    """

    networks: tuple[BehaviorNetwork, ...]

    @property
    def description(self) -> str:
        return f"bootstrap, {len(self.networks)} refits"

    def loadings(self, question: Question, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "n q r"]:
        found = np.stack([answers(question, network, x, y) for network in self.networks], axis=-1)
        return (found - found.mean(axis=-1, keepdims=True)) / np.sqrt(len(self.networks) - 1)


@dataclass(frozen=True)
class Errors:
    """Where standard errors come from.

    Attributes
    ----------
    method : ``"delta"``, ``"bootstrap"``, ``"none"`` or ``"auto"``: the delta method where heads are smooth,
        parameters are at most 200 and inference finds an optimum, and bootstrap refits otherwise.
    inference : results of the model's; the effects are then those at its optimum.
    n_refits, seed : of the bootstrap.
    correct : whether averages of effects on means are corrected; None where that is possible and no inference given.
    keep : of refits.
    """

    method: str = "none"
    inference: InferenceResults | None = None
    n_refits: int = 20
    seed: int = 0
    correct: bool | None = False
    keep: Keep | None = None

    def checked(self) -> "Errors":
        """The same, checked.

        Raises
        ------
        OptionError
            If a value is invalid, or inference comes with another method.
        """
        check_choice("std_errors", self.method, ("auto", "delta", "bootstrap", "none"))
        check_choice("correct", self.correct, (None, True, False))
        check_returned("inference", self.inference, InferenceResults)
        if self.inference is not None and self.method in ("bootstrap", "none"):
            raise OptionError(
                f"inference is for the delta method; got std_errors={self.method!r}. Leave out one of them."
            )
        return replace(
            self, n_refits=check_count("n_refits", self.n_refits, minimum=2), seed=check_seed("seed", self.seed)
        )

    def of(self, model: LearnedModel, rows: Callable[[], Rows]) -> Point:
        """Estimates of a model with these errors; inside `jax.enable_x64`.

        Parameters
        ----------
        rows : what inference and refits use.
        """
        if self.inference is not None:
            return Delta(self.inference.fitted.network, self.inference)
        network = in_double(model.network)
        if self.method == "none":
            return Point(network)
        return Deferred(network, lambda: self._computed(model, network, rows()))

    def _computed(self, model: LearnedModel, network: BehaviorNetwork, rows: Rows) -> Point:
        few = model.network.n_parameters <= MOST_PARAMETERS
        if self.method == "delta" or (self.method == "auto" and model.network.architecture.smooth and few):
            results = infer_problem(model, rows, n_restarts=0, seed=self.seed, l2=RIDGE)
            if self.method == "delta" or results.convergence is Convergence.OPTIMUM:
                return Delta(network, results)
        found = self.refitted(model, rows)
        with jax.enable_x64(True):
            return Refitted(network, tuple(map(in_double, found)))

    def correction(self, effects: Effects, model: LearnedModel, rows: Rows | None) -> Correction | None:
        """Of averages, from rows with responses; None where there is none.

        Raises
        ------
        OptionError
            If one was asked for that is not possible.
        """
        wanted = self.inference is None if self.correct is None else self.correct
        seen = effects.quantity.expected and all(part.columns == 1 for part in model.response.components)
        terms = Terms.of(effects.axes, effects.x.shape[1]) if wanted and seen else None
        if rows is not None and terms is not None and len(rows[0]) >= ROWS_PER_COLUMN * effects.x.shape[1]:
            return _correction(effects, model, terms, rows)
        if not self.correct:
            return None
        raise OptionError(
            f"correct=True needs effects on a mean or probabilities, and {ROWS_PER_COLUMN} rows with known y for every "
            f"column; got {effects.quantity.description}, {0 if rows is None else len(rows[0]):,} rows and "
            f"{effects.x.shape[1]} columns. Leave it out."
        )

    def refitted(self, model: LearnedModel, rows: Rows) -> tuple[BehaviorNetwork, ...]:
        """Networks of refits, two at least; those on the rows of the fit are made once.

        Raises
        ------
        ConvergenceError
            If fewer found parameters.
        """
        own, key = _are_of_fit(model, rows), ("bootstrap", self.n_refits, self.seed)
        if own and key in model.refitted:
            return model.refitted[key]
        made = refits(_lighter(model), rows, self.n_refits, "bootstrap", self.seed, _weight(model, rows), self.keep)
        found = tuple(again.network for again, _ in made if again)
        if len(found) < 2:
            raise ConvergenceError(f"{len(found)} of {self.n_refits} refits found parameters. Raise l2 and fit anew.")
        if own:
            model.refitted[key] = found
        return found


def effects_of(
    model: LearnedModel,
    rows: Rows,
    *,
    of: str,
    q: float = 0.5,
    errors: Errors,
    fitted_to: Callable[[], Rows],
    with_responses: bool = True,
) -> Effects:
    """Effects of a model at encoded rows, in the user's names and units.

    Parameters
    ----------
    fitted_to : the rows that standard errors use.
    with_responses : whether those have any.
    """
    if len(model.space.continuous) > MOST_DIMENSIONS:
        raise OptionError(
            f"Effects need sums or quadrature; {len(model.space.continuous)} continuous responses are more than "
            f"{MOST_DIMENSIONS}. Fit a model of fewer of them."
        )
    quantity, axes = make_quantity(of, q, list(map(_part, model.response.components))), axes_of(model.encoder)
    if quantity.effects and not axes:
        raise OptionError("A model without inputs that vary has no effects of them. Use of='marginal_utility'.")
    weight, positions = _weight(model, rows), np.arange(len(rows[0]))
    chosen = some_rows((positions, positions), EFFECT_ROWS)[0]
    with jax.enable_x64(True):
        estimator = errors.of(model, fitted_to)
        gibbs = Gibbs(estimator.network, model.space.refined(REFINEMENT), jnp.asarray(model.temperature, float))
    weights = np.ones(len(rows[0])) if weight is None else weight
    x, y = rows[0][chosen].astype(float), rows[1][chosen]
    found = Effects(quantity, tuple(axes), x, y, weights[chosen], chosen, len(positions), gibbs, estimator)
    return replace(found, correction=errors.correction(found, model, fitted_to() if with_responses else None))


def _correction(effects: Effects, model: LearnedModel, terms: Terms, rows: Rows) -> Correction:
    """By the residuals of rows, as much as each counts."""
    weight, positions = _weight(model, rows), np.arange(len(rows[0]))
    at = some_rows((positions, positions), CORRECTION_ROWS)[0]
    x, y = rows[0][at].astype(float), rows[1][at]
    asked = Level(effects.quantity, effects.gibbs), x, y
    residuals = effects.quantity.observed(y) - effects.estimator.values(*asked)
    weights = np.ones(len(x)) if weight is None else weight[at]
    return Correction(terms, x, residuals, weights, lambda: effects.estimator.loadings(*asked))


def _lighter(model: LearnedModel) -> LearnedModel:
    """A model whose refits are means of few networks where it is one of several."""
    if model.members == 1:
        return model
    recipe = model.recipe
    starts = replace(recipe.initialization, n=min(REFITTED, recipe.initialization.n))
    return replace(model, recipe=replace(recipe, initialization=starts))


def _are_of_fit(model: LearnedModel, rows: Rows) -> bool:
    return model.rows is not None and rows[0] is model.rows.x


def _weight(model: LearnedModel, rows: Rows) -> Float[np.ndarray, " n"] | None:
    """How much each row counts; rows of a fit have its weights."""
    return model.rows.weight if model.rows is not None and _are_of_fit(model, rows) else None


def axes_of(encoder: TableEncoder) -> list[Axis]:
    """The variables of x that varied in training: of others the data say nothing."""
    sources = dict.fromkeys(column.source for column in encoder.columns if column.spread > 0)
    return [_input_axis(source, list(enumerate(encoder.columns))) for source in sources]


def _input_axis(source: str, columns: list[tuple[int, EncodedColumn]]) -> Axis:
    """A number with its gaps, or a category, whose absence is one more level."""
    own = [(j, column) for j, column in columns if column.source == source]
    positions, names = tuple(j for j, _ in own), tuple(column.name for _, column in own)
    first = own[0][1]
    if first.is_number:
        gap = positions[1] if len(own) > 1 else None
        return Axis(
            source, positions[:1], names[:1], center=first.center, scale=first.scale, missing=gap, pair=first.pair
        )
    if first.kind == "step":
        return _step_axis(source, positions, [column for _, column in own])
    levels = tuple(column.level or column.kind for _, column in own)
    return Axis(source, positions, names, levels)


def _step_axis(source: str, positions: tuple[int, ...], own: list[EncodedColumn]) -> Axis:
    """A category with an order: the lowest level is at no step, the highest at all."""
    steps = [column.level for column in own if column.kind == "step"]
    below = own[0].levels[own[0].levels.index(steps[0]) - 1]
    levels = (below, *steps, *(["missing"] * (len(own) - len(steps))))
    table = np.zeros((len(levels), len(own)))
    table[: len(steps) + 1, : len(steps)] = np.tri(len(steps) + 1, len(steps), -1)
    table[len(steps) + 1 :, len(steps) :] = 1.0
    return Axis(source, positions, tuple(f"{source}[{level}]" for level in levels), levels, table=table)


def _part(response: Response) -> Part:
    """A single response as effects see it."""
    levels = tuple(map(str, response.levels or ()))
    if response.labelled:
        return (Ordered if response.ordered else Labels)(response.name, levels=levels)
    center = float(response.restore(np.zeros(1))[0]) if not levels else float(getattr(response, "center", 0.0))
    return (Counted if levels else Number)(response.name, center, float(response.unit), levels)


def answers(question: Question, network: BehaviorNetwork, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "n q"]:
    """What a network answers in every row."""
    with jax.enable_x64(True):
        values = question.gibbs.space.size * network.width * question.outputs
        return by_batches(lambda x, y: _answered(question, network, x, y), (x, y), values)


@eqx.filter_jit
def _answered(question: Question, network: BehaviorNetwork, x: Array, y: Array) -> Float[Array, "n q"]:
    return question(network, x, y)


@eqx.filter_jit
def _slopes(
    question: Question, parametrization: Parametrization, theta: Array, root: Array, x: Array, y: Array
) -> Float[Array, "n q r"]:
    def of_row(x: Array, y: Array) -> Float[Array, "q p"]:
        return jax.jacrev(lambda t: question(parametrization.network(t), x[None], y[None])[0])(theta)

    return jax.vmap(of_row)(x, y) @ root
