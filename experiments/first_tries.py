"""Data sets, first tries and intervals for `coverage.py`: what a user gets who only calls `fit` and `inference`.

Each part yields, per replication, whether the interval of each number holds the truth; None where there is no interval.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from scipy.special import logsumexp

import behavior_learning as bl
from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import polynomial_basis, without_pure_x
from behavior_learning.core.block import Rule
from behavior_learning.core.network import BehaviorNetwork, RowRules, in_double
from behavior_learning.core.spaces import Categories
from behavior_learning.encoding.tables import TableEncoder
from behavior_learning.identification.canonical_form import canonicalize
from behavior_learning.identification.parameters import LocalParameters, parameter_labels
from behavior_learning.inference import Estimates, InferenceResults
from behavior_learning.inference.estimation import Optimum, Search, polish
from behavior_learning.inference.infer import infer
from behavior_learning.inference.problem import Problem, scores
from behavior_learning.objectives import Likelihood
from decisions import Q, households, learned
from designs import Design, with_rows

Hits = dict[str, bool | None]

Z = 1.959963984540054

CLASSES = ("A", "B", "C")


def covered(intervals: pd.DataFrame, truth: Mapping[str, float]) -> Hits:
    """Whether intervals hold the truth, by label."""
    found: Hits = {}
    for label, value in truth.items():
        low, high = intervals.loc[label, ["lower", "upper"]] if label in intervals.index else (np.nan, np.nan)
        found[label] = None if np.isnan(low) else bool(low <= value <= high)
    return found


# Three classes, all defaults.


THREE = (
    *(2.06, 2.43, 3.34, -3.45, 0.73, -3.4, 3.47, -1.63, -2.92, 4.0),
    *(-2.03, -3.83, -1.69, -1.73, -4.0, 3.36, 3.72, 3.61, -3.75, 4.0),
    *(1.21, 0.87, 1.04, 1.26, 1.26, -1.02, 2.44, 1.8, 0.71),
)
"""Utility, inequality and equality, found once by a random search for the law that is best identified: the largest
standard error at n = 1000, relative to the larger of the number's size and .5, is .22."""


@cache
def three_classes() -> Design:
    """The default `BLClassifier(layers=(1,), identifiable=True)` of two columns, 29 parameters."""
    X = pd.DataFrame(np.random.default_rng(0).uniform(-2, 2, (60, 2)), columns=["u", "v"])
    template = classifier().fit(X, pd.Series(np.tile(CLASSES, 20), name="y")).model_.network
    names = parameter_labels(template, ["u", "v"], [f"y[{name}]" for name in CLASSES])
    with jax.enable_x64(True):
        local = LocalParameters.of(canonicalize(in_double(template), one_hot=True), names)
    return Design("three classes", local, Categories(3), 2, 2.0, THREE)


def classifier() -> bl.BLClassifier:
    return bl.BLClassifier(layers=(1,), identifiable=True, random_state=0)


def classes_by_default(n: int, seed: int) -> Hits:
    """Intervals in the units of the table; rows of a square point as those of the truth do, class by class."""
    design, (x, codes) = three_classes(), _three_drawn(n, seed)
    X = pd.DataFrame(np.asarray(x), columns=["u", "v"])
    y = pd.Series(np.array(CLASSES)[np.asarray(codes)], name="y")
    results = classifier().fit(X, y).inference()
    truth = dict(zip(design.local.labels, design.truth, strict=True))
    ahead = n * (results.fitted.loss - float(_from_the_truth((x, codes))[1].loss))
    return covered(_pointing_alike(results.original, truth), truth) | {
        "(simplified)": bool(results.cautions),
        "(rivals)": bool(results.rivals),
        "(better from the truth)": ahead > APART,
        "(worse from the truth)": ahead < -APART,
    }


APART = 1e-3
"""Nats of all rows by which two optima differ."""


def classes_from_the_truth(n: int, seed: int) -> Hits:
    """Intervals of the same tables by the sandwich, without a prior, where the search begins at the truth."""
    truth = three_classes().truth
    with jax.enable_x64(True):
        problem, end = _from_the_truth(_three_drawn(n, seed))
        moves = np.asarray(_scores(problem, end.theta)) @ np.linalg.inv(np.asarray(end.hessian)) / n
    held = np.abs(np.asarray(end.theta) - np.array(truth)) <= Z * np.sqrt(np.sum(moves**2, axis=0))
    return dict(zip(three_classes().local.labels, map(bool, held), strict=True))


def _three_drawn(n: int, seed: int) -> tuple[Array, Array]:
    with jax.enable_x64(True):
        design = three_classes()
        return design.draw(jax.random.key(seed), n, jnp.asarray(design.truth))


def _from_the_truth(rows: tuple[Array, Array]) -> tuple[Problem, Optimum]:
    with jax.enable_x64(True):
        design = three_classes()
        problem = with_rows(design.problem(len(rows[0])), rows)
        start, signs = jnp.asarray(design.truth), jnp.asarray(design.local.signs)
        return problem, polish(problem, start, signs, Search(aim=1e-9))


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

DEMAND = {"utility[q]": 24.0, "utility[q^2]": -3.0, "inequality.multiplier": 8.0}


def demand(n: int, seed: int) -> Hits:
    """q with log-density 24q − 3q² − 8·log(1 + exp(v)) on [0, 6]; v is (price·q − income) per spread of incomes.

    The structure is stated as in `decisions.py`, where the library scales a constraint by that spread. Searches go on
    from one fit, of the first replication, and from random networks, so that all share their programs.
    """
    results = _first_demand(n).inference(*_demanded(n, seed))
    return covered(results.original.conf_int(), DEMAND) | {"(simplified)": bool(results.cautions)}


def _demanded(n: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """The same households in all replications, and what they draw."""
    X = households(np.random.default_rng(0), n)
    scale = TableEncoder.learn(X).columns[1].scale
    price, income = X.to_numpy()[:, :1], X.to_numpy()[:, 1:]
    logits = 24 * Q - 3 * Q**2 - 8 * np.logaddexp(0, (price * Q - income) / scale)
    mass = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    inside = (np.cumsum(mass, axis=1) < np.random.default_rng([seed, n]).random((n, 1))).sum(axis=1)
    return X, pd.Series(Q[inside.clip(0, len(Q) - 1)], name="q")


@cache
def _first_demand(n: int) -> bl.BLRegressor:
    return learned(*_demanded(n, 0))


# A weakly identified design.

WEAK = {"utility[u*B]": 0.8, "utility.multiplier": 1.5}
WEAKER = {"utility[u*B]": 0.25, "utility.multiplier": 4.0}


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


def weak(n: int, seed: int, law: Mapping[str, float] = WEAK) -> Hits:
    """Wald intervals from the Hessian, profile intervals by both tests, and posterior ones, under the weak prior."""
    results = _weak_results(n, seed, law)
    errors = np.sqrt(np.diag(results.fitted.information.inverse()) / n)
    found = {
        "Wald": pd.DataFrame({"lower": results.params - Z * errors, "upper": results.params + Z * errors}),
        "posterior": results.posterior(draws=1000, seed=seed).conf_int(),
    }
    for method in ("likelihood", "score"):
        lines = {label: results.profile_interval(label, method=method)[1:] for label in law}
        found[f"profile, {method}"] = pd.DataFrame(lines, ["lower", "upper"]).T
    return {f"{kind} {label}": hit for kind, own in found.items() for label, hit in covered(own, law).items()}


def _weak_results(n: int, seed: int, law: Mapping[str, float]) -> InferenceResults:
    network, names = nearly_linear()
    rng = np.random.default_rng(seed)
    u = rng.uniform(-2, 2, (n, 1))
    slope, strength = law.values()
    y = (rng.random(n) < 1 / (1 + np.exp(-strength * np.tanh(slope * u[:, 0])))).astype(np.int32)
    with jax.enable_x64(True):
        return infer(in_double(network), Likelihood().on(Categories(2)), (u, y), names, one_hot=True, l2=0.01)


PARTS: dict[str, Callable[[int, int], Hits]] = {
    "default-classes": classes_by_default,
    "classes-from-truth": classes_from_the_truth,
    "demand": demand,
    "weak": weak,
    "weaker": partial(weak, law=WEAKER),
}


def run(part: str, n: int, replications: int, records: Path, seconds: float = np.inf) -> Iterator[pd.DataFrame]:
    """Coverage so far, with its Monte-Carlo error, as replications are added to those that are on record.

    Parameters
    ----------
    records : a table with a line per seed, which is read and appended to.
    seconds : after which no further replication begins.
    """
    known = pd.read_csv(records, index_col="seed") if records.exists() else pd.DataFrame()
    start = time.perf_counter()
    for seed in range(replications):
        if seed in known.index:
            continue
        if time.perf_counter() - start > seconds:
            break
        compiled, busy = len(COMPILATIONS), time.process_time()
        hits = pd.DataFrame([PARTS[part](n, seed)], pd.Index([seed], name="seed")).astype(float)
        known = pd.concat([known, hits]).rename_axis("seed")
        known.to_csv(records)
        print(
            f"{seed}: {time.process_time() - busy:.1f} CPU s, {len(COMPILATIONS) - compiled} compilations", flush=True
        )
        if len(known) % 10 == 0:
            yield coverage(known)
    yield coverage(known)


def coverage(hits: pd.DataFrame) -> pd.DataFrame:
    share = hits.mean()
    error = np.sqrt(share * (1 - share) / hits.notna().sum())
    return pd.DataFrame({"covered": share, "± simulation": error, "intervals": hits.notna().sum()})


def beside(few: pd.DataFrame, many: pd.DataFrame) -> str:
    """Coverage of a dear method of few tables by a cheap one of many: mean of the many + mean difference of the few.

    Source: control variates, Owen (2013), Monte Carlo theory, methods and examples, Section 8.9.
    """
    numbers, seeds = [*few.columns.intersection(many.columns)], few.index.intersection(many.index)
    cheap, change = many[numbers].mean(axis=1), (few - many).loc[seeds, numbers].mean(axis=1)
    error = np.hypot(cheap.std() / len(cheap) ** 0.5, change.std() / len(change) ** 0.5)
    return (
        f"{len(numbers)} numbers, {len(many)} tables: {cheap.mean():.4f}; {len(seeds)} of them the other way, the same "
        f"intervals held in {(change == 0).sum()}: {change.mean():+.4f}; together {cheap.mean() + change.mean():.4f} "
        f"± {error:.4f}"
    )


_scores = eqx.filter_jit(scores)

COMPILATIONS: list[float] = []
"""Seconds of each compilation of this process."""


def _listen(event: str, seconds: float, **_: object) -> None:
    if event.endswith("backend_compile_duration"):
        COMPILATIONS.append(seconds)


jax.monitoring.register_event_duration_secs_listener(_listen)
