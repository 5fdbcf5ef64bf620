"""Submodels that the data support where the whole model has no finite or no unique estimate."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from behavior_learning.core.block import Layer
from behavior_learning.core.heads import Identity, Tanh
from behavior_learning.core.network import BehaviorNetwork, with_weights
from behavior_learning.identification.canonical_form import Canonical, Change, canonicalize
from behavior_learning.identification.parameters import Parametrization, null_space, number_places
from behavior_learning.inference.estimation import polish
from behavior_learning.inference.fitted import Fitted, numbers_of
from behavior_learning.inference.information import UNIDENTIFIED, Information, NotIdentified
from behavior_learning.inference.problem import WEAK_PRIOR

__all__ = ["Submodel", "bic", "runs_off", "submodels", "without_idle_rows"]


class Submodel(NamedTuple):
    """A smaller model, where its search starts, and why it is looked at.

    Attributes
    ----------
    network : the starting point.
    signs : that its numbers must keep.
    reason : a sentence about the rows that are simpler now.
    """

    network: BehaviorNetwork
    signs: np.ndarray
    reason: str


OUTLYING = WEAK_PRIOR**-0.5
"""A standard deviation of the weak prior; a row beyond may have left the data behind."""

LEVEL = 1.92
"""Nats of all rows by which a likelihood-ratio test of 95 % tells two points apart."""


def runs_off(fitted: Fitted) -> bool:
    """Whether an estimate without a prior is no maximum but a place far out where the gradient happens to be small.

    So it is where the loss falls in some direction, where a number beyond ten deviations of the prior is not told from
    zero, and where a row may as well be twice as long, as a saturated tanh may.
    """
    information, theta, signs = fitted.information, fitted.theta, jnp.asarray(fitted.local.signs)
    if information.spectrum.min(initial=0.0) < -UNIDENTIFIED:
        return True
    errors = np.sqrt(np.diag(information.inverse()) / fitted.total)
    unknown = np.array([why is NotIdentified.UNIDENTIFIED for why in information.not_identified()], bool)
    if np.any((np.abs(theta) > 10 * OUTLYING) & (unknown | (np.abs(theta) < 2 * errors))):
        return True
    places = number_places(fitted.network)
    own = [places[at] for at in np.asarray(fitted.local.parametrization.learned)]
    rows = [
        np.array([p.of_row == row and p.part != "multiplier" for p in own]) for row in {p.of_row for p in own if p.role}
    ]
    long = [inside for inside in rows if np.linalg.norm(theta[inside]) > OUTLYING]
    with jax.enable_x64(True):
        ends = [
            polish(fitted.problem, jnp.asarray(np.where(inside, 2, 1) * theta), signs, fitted.search(max_steps=0))
            for inside in long
        ]
    return any(fitted.total * (float(end.loss) - float(fitted.optimum.loss)) < LEVEL for end in ends)


def bic(fitted: Fitted) -> float:
    """−2 log L + log(n)·df, without the prior."""
    return 2 * fitted.total * fitted.loss + np.log(fitted.total) * fitted.information.rank


def without_idle_rows(fitted: Fitted) -> Submodel | None:
    """The model without rows whose λ is zero or that repeat others; None where all rows say something."""
    bounded = np.asarray(fitted.local.parametrization.learned)[fitted.information.bounded]
    places = number_places(fitted.network)
    idle = [number for number in bounded if places[number].part == "multiplier"]
    pruned = _pruned(fitted, idle)
    gone = [note for note in pruned.notes if note.change in (Change.VANISHED, Change.DUPLICATE)]
    gone = [note for note in gone if note not in fitted.canonical.notes]
    if not gone:
        return None
    says = {Change.VANISHED: "is not there on these data (its multiplier is zero)", Change.DUPLICATE: "repeats another"}
    reasons = [f"{fitted.row_names[note.place]} {says[note.change]}: estimated without it." for note in gone]
    return Submodel(pruned.network, pruned.signs, " ".join(reasons))


def submodels(fitted: Fitted) -> Iterator[Submodel]:
    """Smaller models whose limits the runaway directions of a single layer tend to, if their BIC is about as low.

    That is judged near each limit in the compiled program of the whole model: a submodel takes seconds to compile.
    """
    network = fitted.network
    if len(network.architecture.layers) > 1:
        return
    blocks = "each block" if network.layers[0].n_blocks > 1 else "the block"
    linear = _with_linear_utility(network)
    if linear is not None and _pays(fitted, *_nearly_linear(fitted)):
        reason = f"The tanh of {blocks} is linear on these data: estimated as identity."
        yield Submodel(linear, fitted.canonical.signs, reason)
    places = number_places(network)
    rows = [i for i, place in enumerate(places) if (place.role, place.part) == PENALTY]
    silent = np.array([place.role == PENALTY[0] for place in places])
    if rows and len(network.layers[0].parts) > 1 and _pays(fitted, np.where(silent, 0.0, numbers_of(network)), silent):
        pruned = _pruned(fitted, rows)
        reason = f"The data do not support the inequality of {blocks} beside its other rows: estimated without it."
        yield Submodel(pruned.network, pruned.signs, reason)


PENALTY = ("inequality", "multiplier")

FLAT = 1e3
"""λ of a tanh that is as good as linear: λ·tanh(u/λ) = u − u³/3λ²."""

SLACK = 2.0
"""By how much the BIC of a submodel near its limit may be above that of the whole."""

FEW_STEPS, HOPELESS = 30, 100.0
"""Steps of a search for a submodel's optimum, which goes on once if its BIC is not so much above that of the whole."""


def _nearly_linear(fitted: Fitted) -> tuple[Float[np.ndarray, " numbers"], Bool[np.ndarray, " numbers"]]:
    """The numbers with λ·u as FLAT·tanh(λ·u/FLAT), and which of them are held there."""
    numbers, places = numbers_of(fitted.network), number_places(fitted.network)
    strengths = {p.of_row: at for at, p in enumerate(places) if (p.role, p.part) == ("utility", "multiplier")}
    factors = np.array([numbers[strengths[p.of_row]] / FLAT if p.of_row in strengths else 1.0 for p in places])
    held = np.isin(np.arange(len(places)), list(strengths.values()))
    return np.where(held, FLAT, numbers * factors), held


def _pays(fitted: Fitted, numbers: Float[np.ndarray, " numbers"], held: Bool[np.ndarray, " numbers"]) -> bool:
    """Whether the model with some numbers held has about as low a BIC, by a short search without the prior."""
    old = fitted.local.parametrization
    learned = np.asarray(old.learned)
    silent = held[learned]
    places = np.where(silent, len(numbers), learned)  # Beyond the end: dropped.
    with jax.enable_x64(True):
        parametrization = Parametrization(old.template, jnp.asarray(numbers), jnp.asarray(places))
        plain = eqx.tree_at(
            lambda p: (p.parametrization, p.l2), fitted.problem, (parametrization, 0.0 * fitted.problem.l2)
        )
        signs = jnp.asarray(np.where(silent, 0, fitted.local.signs))
        tangent_space = fitted.local.tangent_space @ null_space(fitted.local.tangent_space[silent])
        theta, worse = jnp.asarray(numbers[learned]), np.inf
        for _ in range(2):
            end = polish(plain, theta, signs, fitted.search(max_steps=FEW_STEPS))
            information = Information(fitted.local.labels, np.asarray(end.hessian), tangent_space, silent)
            theta, price = end.theta, np.log(fitted.total) * information.rank
            worse = 2 * fitted.total * float(end.loss) + price - bic(fitted)
            if worse > HOPELESS or not bool(end.limited):
                break
    return worse < SLACK


def _with_linear_utility(network: BehaviorNetwork) -> BehaviorNetwork | None:
    """λ·u in place of λ·tanh(u)."""
    layer, heads = network.layers[0], network.architecture.heads
    if layer.head("utility") != Tanh():
        return None
    parts = tuple(part._replace(head=Identity()) if part.head == Tanh() else part for part in layer.parts)
    architecture = replace(network.architecture, heads=("identity", *heads[1:]))
    linear = Layer(layer.coef, layer.intercept, layer.multiplier, parts, layer.n_blocks)
    return BehaviorNetwork(network.basis, (linear,), network.projections, network.readout, architecture)


def _pruned(fitted: Fitted, silenced: list[int]) -> Canonical:
    """The canonical form with some numbers at zero and rows that say nothing taken out."""
    numbers, weights, start = numbers_of(fitted.network), [], 0
    numbers[silenced] = 0.0
    for weight in fitted.network.weights:
        raw = numbers[start : start + np.size(weight.raw)].reshape(np.shape(weight.raw))
        weights.append(replace(weight, raw=raw))
        start += raw.size
    network = with_weights(fitted.network, weights)
    return canonicalize(network, one_hot=fitted.one_hot, signs=fitted.canonical.signs)
