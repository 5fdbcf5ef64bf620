"""Data sets, first tries and intervals for `coverage.py`: what a user gets who only calls `fit` and `inference`.

Each part yields, per replication, whether the interval of each number holds the truth; None where there is no interval.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import behavior_learning as bl
from behavior_learning.core.bases import polynomial_basis, without_pure_x
from behavior_learning.core.block import Rule
from behavior_learning.core.network import Architecture, BehaviorNetwork, RowRules, in_double
from behavior_learning.core.spaces import Categories
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import LocalParameters, parameter_labels
from behavior_learning.inference import Estimates, InferenceResults
from behavior_learning.inference.infer import infer
from behavior_learning.objectives import Likelihood
from decisions import households, learned, probabilities
from designs import Design, fisher_information, population

Hits = dict[str, bool | None]

Z = 1.959963984540054

CLASSES = ("A", "B", "C")
DRAWS = 300
"""Random laws of three classes, of which the best identified one is the truth."""


def covered(intervals: pd.DataFrame, truth: Mapping[str, float]) -> Hits:
    """Whether intervals hold the truth, by label."""
    found: Hits = {}
    for label, value in truth.items():
        low, high = intervals.loc[label, ["lower", "upper"]] if label in intervals.index else (np.nan, np.nan)
        found[label] = None if np.isnan(low) else bool(low <= value <= high)
    return found


# Three classes, all defaults.


@cache
def three_classes() -> Design:
    """The default `BLClassifier(layers=(1,), identifiable=True)` of two columns: the best identified of its laws."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(-2, 2, (60, 2)), columns=["u", "v"])
    template = classifier().fit(X, pd.Series(np.tile(CLASSES, 20), name="y")).model_.network
    names = parameter_labels(template, ["u", "v"], [f"y[{name}]" for name in CLASSES])
    local = LocalParameters.of(canonicalize(in_double(template), one_hot=True), names)
    best, truth = np.inf, local.theta
    for _ in range(DRAWS):
        theta = rng.uniform(0.5, 3.0, len(local.theta)) * np.where(local.signs == 0, rng.choice([-1, 1]), 1)
        theta *= np.where(local.signs == 0, rng.choice([-1, 1], len(theta)), 1)
        network = canonicalize(local.parametrization.network(jnp.asarray(theta)), one_hot=True)
        own = LocalParameters.of(network, names)
        if own.labels != local.labels:
            continue
        design = Design("three classes", own, Categories(3), 2, 2.0, tuple(own.theta))
        information = np.asarray(fisher_information(*population(design), jnp.asarray(own.theta)))
        tangent = own.tangent_space
        errors = np.sqrt(np.diag(tangent @ np.linalg.pinv(tangent.T @ information @ tangent) @ tangent.T))
        worst = float(np.max(errors / np.abs(own.theta)))
        best, truth = (worst, design) if worst < best else (best, truth)
    print(f"largest relative standard error at n = 1000: {best / np.sqrt(1000):.2f}", flush=True)
    return truth


def classifier() -> bl.BLClassifier:
    return bl.BLClassifier(layers=(1,), identifiable=True, random_state=0)


def classes_by_default(n: int, seed: int) -> Hits:
    """Intervals in the units of the table; rows of a square point as those of the truth do, class by class."""
    with jax.enable_x64(True):
        design = three_classes()
        x, codes = design.draw(jax.random.key(seed), n, jnp.asarray(design.truth))
    X = pd.DataFrame(np.asarray(x), columns=["u", "v"])
    y = pd.Series(np.array(CLASSES)[np.asarray(codes)], name="y")
    results = classifier().fit(X, y).inference()
    truth = dict(zip(design.local.labels, design.truth, strict=True))
    return covered(_pointing_alike(results.original, truth), truth) | {"(simplified)": bool(results.cautions)}


def _pointing_alike(estimates: Estimates, truth: Mapping[str, float]) -> pd.DataFrame:
    """Intervals with the squared row of each class negated where that brings the estimates closer to the truth."""
    intervals = estimates.conf_int()
    for name in CLASSES:
        own = [label for label in truth if label.startswith("equality") and f"y[{name}]" in label]
        at = [label for label in own if label in intervals.index]
        if sum(estimates.params[label] * truth[label] for label in at) < 0:
            intervals.loc[at] = -intervals.loc[at, ["upper", "lower"]].to_numpy()
    return intervals


# Demand under a budget.

DEMAND = {
    "utility[q]": 24.0,
    "utility[q^2]": -3.0,
    "inequality[price*q]": 1.0,
    "inequality[income]": -1.0,
    "inequality.multiplier": 8.0,
}


def demand(n: int, seed: int) -> Hits:
    """The consumer of `decisions.py`: structure is stated, numbers are learned, in the units of the table."""
    rng = np.random.default_rng(seed)
    X = households(rng, n)
    mass = probabilities(X)
    nodes = np.linspace(0, 6, mass.shape[1])
    inside = (np.cumsum(mass, axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, len(nodes) - 1)
    results = learned(X, pd.Series(nodes[inside], name="q"), 0).inference()
    return covered(results.original.conf_int(), DEMAND) | {"(simplified)": bool(results.cautions)}


# A weakly identified design.

WEAK = {"utility[u*B]": 0.8, "utility.multiplier": 1.5}


@cache
def nearly_linear() -> tuple[BehaviorNetwork, tuple[str, ...]]:
    """p(B | u) = 1/(1 + exp(−λ·tanh(a·u))): where a·u is small only λ·a is known."""
    basis = without_pure_x(polynomial_basis(1, 2, degree=2, one_hot=True))
    names = basis.names(["u"], ["A", "B"])
    rule = Rule(fixed=(tuple(None if name == "u*B" else 0.0 for name in names),))
    tanh = Architecture((1,), (1, 0, 0), ("tanh", None, None), readout="identity", intercepts=False)
    rules = {"utility": RowRules(rule, Rule(fixed=0.0), Rule(1))}
    network = BehaviorNetwork.random(np.random.default_rng(0), tanh, features=1, response=2, basis=basis, rules=rules)
    return network, tuple(parameter_labels(network, ["u"], ["A", "B"]))


def weak(n: int, seed: int) -> Hits:
    """Wald intervals from the Hessian, profile intervals by both tests, and posterior ones, under the weak prior."""
    results = _weak_results(n, seed)
    errors = np.sqrt(np.diag(results.fitted.information.inverse()) / n)
    found = {
        "Wald": pd.DataFrame({"lower": results.params - Z * errors, "upper": results.params + Z * errors}),
        "posterior": results.posterior(draws=1000, seed=seed).conf_int(),
    }
    for method in ("likelihood", "score"):
        lines = {label: results.profile_interval(label, method=method)[1:] for label in WEAK}
        found[f"profile, {method}"] = pd.DataFrame(lines, ["lower", "upper"]).T
    return {f"{kind} {label}": hit for kind, own in found.items() for label, hit in covered(own, WEAK).items()}


def _weak_results(n: int, seed: int) -> InferenceResults:
    network, names = nearly_linear()
    rng = np.random.default_rng(seed)
    u = rng.uniform(-2, 2, (n, 1))
    slope, strength = WEAK.values()
    y = (rng.random(n) < 1 / (1 + np.exp(-strength * np.tanh(slope * u[:, 0])))).astype(np.int32)
    with jax.enable_x64(True):
        return infer(in_double(network), Likelihood().on(Categories(2)), (u, y), names, one_hot=True, l2=0.01)


PARTS: dict[str, Callable[[int, int], Hits]] = {"default-classes": classes_by_default, "demand": demand, "weak": weak}


def run(part: str, n: int, replications: int, every: int = 10) -> Iterator[pd.DataFrame]:
    """Coverage so far, with its Monte-Carlo error, after every few replications."""
    lines: list[Hits] = []
    for seed in range(replications):
        lines.append(PARTS[part](n, seed))
        if (seed + 1) % every == 0 or seed + 1 == replications:
            hits = pd.DataFrame(lines).astype(float)
            share = hits.mean()
            error = np.sqrt(share * (1 - share) / hits.notna().sum())
            yield pd.DataFrame({"covered": share, "± simulation": error, "intervals": hits.notna().sum()})
