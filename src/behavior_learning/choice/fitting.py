"""From a specification and data to a fitted choice model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from behavior_learning.choice.answers import Answers
from behavior_learning.choice.classes import LatentClasses
from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.estimation import Limits, Optimum, maximize
from behavior_learning.choice.factors import AlternativeIs
from behavior_learning.choice.formula import Term, read_terms, varies_within_cases
from behavior_learning.choice.integration import Integration, integration_of
from behavior_learning.choice.likelihood import Kernel, Likelihood, of_cases
from behavior_learning.choice.logit import Logit
from behavior_learning.choice.mixing import Mixing
from behavior_learning.choice.nests import Nests
from behavior_learning.choice.results import (
    ChoiceResults,
    FitStatistics,
    clusters_of_units,
    covariance_of,
    resolved_cov_type,
)
from behavior_learning.choice.utility import Utility
from behavior_learning.errors import DataError, OptionError
from behavior_learning.inference.tables import Estimates
from behavior_learning.options import check_count, check_sequence, is_number

__all__ = ["ChoiceModel", "FittedChoice", "Specification", "fit_choice"]

EXAMPLES = {
    "nests": "{'land': ['bus', 'car']}",
    "random": "{'time': 'normal'}",
    "monotone": "{'cost': 'decreasing'}",
    "fixed": "{'cost': -1}",
    "bounds": "{'time': (None, 0)}",
}
"""Options that are mappings, and how they are written."""

SIGNS = {"decreasing": (-np.inf, 0.0), "increasing": (0.0, np.inf)}

CLASS_STARTS = 4
"""Searches for latent classes, each from other coefficients."""


@dataclass(frozen=True)
class Specification:
    """What is to be fitted, in the user's words; see `BLChoice`."""

    utility: str
    nests: Mapping[str, Any] | None = None
    random: Mapping[str, str] | None = None
    correlated: bool = False
    classes: int | None = None
    membership: str | None = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    monotone: Mapping[str, str] = field(default_factory=dict)
    panel: bool = True
    draws: int | None = None
    seed: int = 0
    money: str | None = None


@dataclass(frozen=True)
class ChoiceModel:
    """A choice model with its parameters, to be asked about any data.

    Attributes
    ----------
    theta : the parameters, named by `labels`.
    """

    utility: Utility
    kernel: Kernel
    mixing: Mixing
    integration: Integration
    theta: Float[np.ndarray, " p"]
    labels: tuple[str, ...]
    classes: int = 1
    membership: tuple[Term, ...] = ()

    def on(self, data: ChoiceData) -> Likelihood | LatentClasses:
        """The model on data, every case a unit of its own."""
        design, weights, unit = self.utility.on(data), np.ones(len(data)), np.arange(len(data))
        if self.classes > 1:
            return LatentClasses(design, self.classes, self.membership, weights, unit)
        nodes = self.integration.nodes(len(data), len(self.mixing.random))
        return Likelihood(design, self.kernel, self.mixing, nodes, weights, unit)

    def probabilities(self, data: ChoiceData, theta: np.ndarray | None = None) -> Float[np.ndarray, " lines"]:
        """P of every line."""
        return self.on(data).probabilities(self.theta if theta is None else theta)

    @property
    def title(self) -> str:
        """What kind of model it is."""
        if self.classes > 1:
            return f"Latent classes: a mixture of {self.classes} logits"
        shared = any(label.startswith("alpha(") for label in self.kernel.labels)
        kind = "logit" if not self.kernel.labels else "cross-nested logit" if shared else "nested logit"
        where = " in willingness-to-pay space" * (self.utility.money is not None)
        return (f"Mixed {kind}" if self.mixing.random else kind.capitalize()) + where

    @property
    def params(self) -> pd.Series:
        return pd.Series(self.theta, pd.Index(self.labels, name="parameter"), name="estimate")


@dataclass(frozen=True)
class FittedChoice:
    """A fitted choice model with what its errors need.

    Attributes
    ----------
    data : what it was fitted to, in the user's order.
    order, unit : the cases sorted by unit, and the unit of each in that order.
    signs : 1 or −1 of parameters that a monotone attribute bounds at 0, 0 of others.
    cautions : what the user should know of the estimates.
    """

    model: ChoiceModel
    optimum: Optimum
    fit: FitStatistics
    data: ChoiceData
    order: Int[np.ndarray, " cases"]
    unit: Int[np.ndarray, " cases"]
    title: str
    signs: Int[np.ndarray, " p"]
    cautions: tuple[str, ...] = ()

    def results(self, cov_type: str = "auto", clusters: Any = None) -> ChoiceResults:
        """Estimates with standard errors.

        Parameters
        ----------
        cov_type : ``"auto"`` is ``"clustered"`` by chooser where choosers repeat, else ``"robust"``.
        clusters : a label per case, instead of the choosers.

        Raises
        ------
        OptionError
            If the name is unknown, or clusters are needed and there are none.
        """
        kind, said = resolved_cov_type(cov_type, self.data.repeats, clusters)
        labels = self.data.panel if clusters is None else clusters
        known = self.data.repeats or clusters is not None
        codes = clusters_of_units(labels, self.unit, self.order) if known and kind == "clustered" else None
        estimates = Estimates.of(self.model.labels, self.optimum.theta, covariance_of(self.optimum, kind, codes))
        return ChoiceResults(estimates, self.optimum, self.fit, kind, self.title, (*said, *self.cautions))

    def answers(self, method: str, level: float, cov_type: str) -> Answers:
        """The model with the covariance of its parameters."""
        cov = self.results(cov_type).cov.to_numpy()
        return Answers(self.model.on, self.model.theta, cov, method=method, level=level)


def fit_choice(spec: Specification, data: ChoiceData, weights: np.ndarray | None = None) -> FittedChoice:
    """Fit a specification by maximum likelihood.

    Raises
    ------
    OptionError
        If the specification contradicts itself or names what is not there.
    DataError
        If a term cancels or terms are collinear.
    """
    data.chosen_lines  # noqa: B018  (raises where choices are not known)
    weights = np.ones(len(data)) if weights is None else np.asarray(weights, float)
    _check_specification(spec, data)
    utility = Utility.read(spec.utility, data)
    _check_chosen(utility, data)
    kernel = Nests.read(spec.nests, data.alternatives) if spec.nests else Logit()
    if isinstance(kernel, Nests):
        kernel.check_determined(spec.fixed)
    if spec.classes is not None and (spec.nests or spec.random or spec.money):
        raise OptionError("classes= goes with none of nests=, random= and money=. Choose one of them.")
    if spec.money is not None and set(spec.monotone) - {spec.money}:
        raise OptionError("With money= coefficients are ratios: use bounds={'wtp(time)': (0, None)}, not monotone.")
    if spec.classes is not None:
        return _fit_classes(spec, utility, data, weights)
    start = np.concatenate([utility.start, kernel.start])
    if spec.money is not None:
        start[: len(utility.terms)] = maximize(of_cases(utility.on(data), Logit(), weights), utility.start).theta
        utility = utility.paid_in(spec.money)
        start[: len(utility.terms)] = utility.as_paid(start[: len(utility.terms)])
    plain = of_cases(utility.on(data), kernel, weights)
    mixing = Mixing.of(spec.random or {}, utility.coefficients, spec.correlated)
    powered = {term.label for term in utility.terms if term.boxcox is not None} & set(mixing.names)
    if powered:
        raise OptionError(f"{powered.pop()!r} has an estimated power and cannot be random too. Drop one of the two.")
    limits = _limits(spec, utility, (*utility.labels, *mixing.labels, *kernel.labels), kernel)
    p = len(utility.labels)
    spreads = slice(p, p + len(mixing.labels))
    own = Limits(*(np.delete(end, np.arange(p, p + len(mixing.labels))) for end in (limits.lower, limits.upper)))
    optimum = maximize(plain, start, own)
    order, unit, fitted = np.arange(len(data)), np.arange(len(data)), plain
    integration = integration_of(len(mixing.random), spec.draws, spec.seed)
    if mixing.random:
        order, unit = _units(data, spec.panel)
        mixing = mixing.with_signs(optimum.theta)
        means, spread = mixing.starts(optimum.theta[:p])
        units = int(unit.max()) + 1
        nodes = integration.nodes(units, len(mixing.random))
        mixed = Likelihood(utility.on(data.reordered(order)), kernel, mixing, nodes, weights[order], unit)
        fitted, optimum = integration.maximize(mixed, np.concatenate([means, spread, optimum.theta[p:]]), limits)
        if not spec.correlated:
            optimum = optimum.with_positive(spreads)
    model = ChoiceModel(utility, kernel, mixing, integration, optimum.theta, fitted.labels)
    error = integration.error(fitted, optimum.theta)
    return _fitted(model, optimum, data, order, unit, weights, limits, error)


def _fit_classes(spec: Specification, utility: Utility, data: ChoiceData, weights: np.ndarray) -> FittedChoice:
    count = check_count("classes", spec.classes, minimum=2)
    terms = () if spec.membership is None else tuple(
        term for text in spec.membership.split("+") for term in read_terms(text.strip(), data)
    )  # fmt: skip
    varying = [term.label for term in terms if varies_within_cases(term(data), data)]
    if varying:
        raise DataError(
            f"membership= is of choosers, and {varying[0]!r} varies within a case. Name columns of chooser=."
        )
    order, unit = _units(data, spec.panel)
    target = LatentClasses(utility.on(data.reordered(order)), count, terms, weights[order], unit)
    single = maximize(of_cases(utility.on(data), Logit(), weights), utility.start)
    spread = np.sqrt(np.diag(np.linalg.pinv(-single.hessian)) * len(data)) * 0.15
    rng, p = np.random.default_rng(spec.seed), len(utility.labels)
    limits = _limits(spec, utility, target.labels, Logit())
    found = []
    for _ in range(CLASS_STARTS):
        start = np.zeros(len(target.labels))
        start[: count * p] = (single.theta + spread * rng.standard_normal((count, p))).ravel()
        found.append(maximize(target, start, limits))
    best = max(found, key=lambda optimum: optimum.log_likelihood)
    again = sum(abs(optimum.log_likelihood - best.log_likelihood) < 0.01 for optimum in found)
    model = ChoiceModel(
        utility, Logit(), Mixing.none(), Integration(), best.theta, target.labels, classes=count, membership=terms
    )
    said = f"{again} of {CLASS_STARTS} searches ended in this optimum; classes are known up to their order."
    return replace(_fitted(model, best, data, order, unit, weights, limits, None), cautions=(said,))


def _fitted(
    model: ChoiceModel,
    optimum: Optimum,
    data: ChoiceData,
    order: np.ndarray,
    unit: np.ndarray,
    weights: np.ndarray,
    limits: Limits,
    error: float | None,
) -> FittedChoice:
    fit = statistics_of(model.probabilities(data), data, weights, error, str(model.integration))
    signs = (limits.lower == 0).astype(int) - (limits.upper == 0)
    return FittedChoice(model, optimum, fit, data, order, unit, model.title, signs)


def statistics_of(
    p: Float[np.ndarray, " lines"], data: ChoiceData, weights: np.ndarray, error: float | None = None, how: str = ""
) -> FitStatistics:
    """How well probabilities of every line fit."""
    best = np.maximum.reduceat(p, data.starts)
    return FitStatistics(
        null=float(-(weights * np.log(data.sizes)).sum()),
        hit_rate=float((p[data.chosen_lines] >= best).mean()),
        cases=len(data),
        choosers=int(data.panel.max()) + 1,
        simulation_error=error,
        integration=how,
    )


def _units(data: ChoiceData, panel: bool) -> tuple[np.ndarray, np.ndarray]:
    """The cases sorted by unit, and the unit of each in that order: choosers, or the cases themselves."""
    if not panel:
        return np.arange(len(data)), np.arange(len(data))
    order = np.argsort(data.panel, kind="stable")
    return order, data.panel[order]


def _limits(spec: Specification, utility: Utility, labels: Sequence[str], kernel: Kernel) -> Limits:
    """Bounds of all parameters by label."""
    limits = Limits.none(len(labels))
    for name, direction in spec.monotone.items():
        if direction not in SIGNS:
            raise OptionError(f"monotone is 'decreasing' or 'increasing'; got {direction!r} for {name!r}.")
        own = {term.label for term in utility.terms if name in term.columns} - set(spec.random or {})
        for at in (i for i, label in enumerate(labels) if label.split(".", 1)[-1] in own or label in own):
            limits.lower[at], limits.upper[at] = SIGNS[direction]
    if isinstance(kernel, Nests):
        own = slice(len(labels) - len(kernel.labels), None)
        if kernel.shared:
            limits.lower[own], limits.upper[own] = kernel.lower, kernel.upper
    for label, ends in {**spec.bounds, **{name: (value, value) for name, value in spec.fixed.items()}}.items():
        if label not in labels:
            raise OptionError(f"{label!r} is no parameter. Parameters: {', '.join(labels)}.")
        at = list(labels).index(label)
        if len(check_sequence(f"bounds[{label!r}]", ends, "(None, 0)")) != 2:
            raise OptionError(
                f"bounds[{label!r}] must be a lowest and a highest value, such as (None, 0); got {ends!r}."
            )
        if not all(end is None or (is_number(end) and not np.isnan(end)) for end in ends):
            raise OptionError(f"fixed= and bounds= take numbers, and None for no bound; got {ends!r} for {label!r}.")
        lower, upper = ends
        limits.lower[at] = -np.inf if lower is None else lower
        limits.upper[at] = np.inf if upper is None else upper
        if limits.lower[at] > limits.upper[at]:
            raise OptionError(f"The bounds of {label!r} are in the wrong order: {ends}.")
    return limits


def _check_specification(spec: Specification, data: ChoiceData) -> None:
    """Refuse options of the wrong kind, and those that say nothing without another."""
    if not isinstance(spec.utility, str):
        raise OptionError(f"utility= is a formula such as 'cost + time + C(alternative)'; got {spec.utility!r}.")
    for name in EXAMPLES:
        if not isinstance(getattr(spec, name) or {}, Mapping):
            raise OptionError(f"{name}= is a mapping, such as {EXAMPLES[name]}; got {getattr(spec, name)!r}.")
    for name, needed in (("membership", "classes"), ("correlated", "random"), ("draws", "random")):
        if getattr(spec, name) and not getattr(spec, needed):
            raise OptionError(f"{name}= says nothing without {needed}=. Give both or drop it.")
    if spec.draws is not None:
        check_count("draws", spec.draws)
    for name in spec.monotone:
        data.column(name)


def _check_chosen(utility: Utility, data: ChoiceData) -> None:
    """Refuse constants of alternatives that nobody chose: their maximum is at minus infinity."""
    counts = np.bincount(data.alternative[data.chosen_lines], minlength=len(data.alternatives))
    constants = {AlternativeIs(name).label: name for name, n in zip(data.alternatives, counts, strict=True) if n == 0}
    for label in set(utility.coefficients) & set(constants):
        raise DataError(
            f"Nobody chose {constants[label]!r}, so that {label} has no finite estimate. Leave the alternative out, or "
            "write the constants of the others one by one."
        )
