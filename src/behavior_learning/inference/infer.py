"""From a network and an objective to inference: search, choose the best optimum, and attach errors."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.errors import DataError, OptionError
from behavior_learning.identification.canonical_form import distance
from behavior_learning.identification.parameters import LocalParameters
from behavior_learning.inference.clusters import Clusters
from behavior_learning.inference.covariance import make_covariance
from behavior_learning.inference.estimation import SAME_OPTIMUM, Convergence, Optimum
from behavior_learning.inference.exploration import (
    MOST_OTHERS,
    Exploration,
    Progress,
    briefly,
    explore,
    followed,
    released,
)
from behavior_learning.inference.fitted import Fitted, WeightKind, at_optimum
from behavior_learning.inference.problem import WEAK_PRIOR, Problem
from behavior_learning.inference.quadrature import sharp_enough
from behavior_learning.inference.results import InferenceResults, estimated
from behavior_learning.inference.simplify import bic, runs_off, submodels, without_idle_rows
from behavior_learning.inference.tables import Estimates
from behavior_learning.inference.units import Units
from behavior_learning.objectives import Objective
from behavior_learning.options import check_number

__all__ = ["infer"]


def infer(
    network: BehaviorNetwork,
    objective: Objective,
    data: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    candidates: int = 1,
    one_hot: bool = False,
    starts: Sequence[BehaviorNetwork] = (),
    sign_flips: int = 0,
    rounds: int = 0,
    always: bool = False,
    sharpened: bool = False,
    cov_type: str = "robust",
    weights: Any = None,
    weight_kind: WeightKind = "frequency",
    clusters: Any = None,
    units: Units | None = None,
    l2: float | None = 0.0,
    draws: int = 500,
    seed: int = 0,
    progress: Progress | None = None,
) -> InferenceResults:
    """Estimate to the optimum of the mean loss and attach standard errors.

    Parameters
    ----------
    network : where the search starts, such as a trained network.
    objective : a loss per row of ``(network, *data)``; smooth in the parameters.
    data : arrays with the rows first, in double precision.
    names : labels of all numbers of the network, see `parameter_labels`.
    candidates : utility evaluations per row, which bound the memory of a chunk of rows.
    one_hot : whether candidates are indicators of a class.
    starts : further networks to search from.
    sign_flips : searches at most from the best optimum with one row negated, which finds out reflections.
    rounds, always : of noisy descents at most, where these searches end in optima that differ, or always.
    sharpened : whether optima are followed with more candidates where twice as many change the loss there.
    cov_type : see `InferenceResults.with_covariance`.
    weights : of the rows; ``weight_kind="frequency"`` counts equal rows, ``"sampling"`` the share of the population
        that a row stands for.
    clusters : a label per row, or two columns of labels.
    l2 : None searches under a weak prior (`WEAK_PRIOR`) and takes it away where the likelihood has a finite maximum;
        elsewhere it looks for a submodel with one that has the lower BIC, and keeps the prior if there is none. Rows
        whose λ is zero are left out, and optima that fit alike are kept as `rivals`. A number is a ridge
        l2/(2Σw)·|θ|² on the canonical parameters; 0 is the plain loss. Parameters of which it says more than a tenth,
        var(θ̂)·l2, get no standard error, nor do those that it moves by more than half of one, l2/Σw·J⁻¹θ̂.
    progress : is told of every search that ends.

    Examples
    --------
    >>> from behavior_learning.core.bases import affine_basis
    >>> from behavior_learning.identification.parameters import parameter_labels
    >>> from behavior_learning.core.architecture import Architecture
    >>> from behavior_learning.core.spaces import Interval
    >>> from behavior_learning.objectives import Likelihood
    >>> rng = np.random.default_rng(0)
    >>> line = Architecture((1,), heads=("identity", None, "square"), readout="identity")
    >>> network = BehaviorNetwork.random(rng, line, features=1, response=1, basis=affine_basis(1, 1))
    >>> x, y = rng.normal(size=(200, 1)), rng.normal(size=200)
    >>> names = parameter_labels(network, ["x"], ["y"])
    >>> res = infer(network, Likelihood().on(Interval(-9.0, 9.0)), (x, y), names)
    >>> res.convergence.name
    'OPTIMUM'

    Raises
    ------
    OptionError
        If heads have kinks, or options contradict each other.
    """
    if not network.architecture.smooth:
        raise OptionError(
            f"Standard errors need smooth heads; got heads={network.architecture.heads!r}, whose kinks the Hessian "
            "misses. Fit with identifiable=True, or with heads such as ('tanh', 'softplus', 'square') or "
            "('tanh', 'softplus(5)', 'smooth_abs(0.1)')."
        )
    n = len(data[0])
    options: dict[str, Any] = {
        "clusters": None if clusters is None else Clusters.of(clusters, n),
        "draws": draws,
        "seed": seed,
    }
    covariance, checked = make_covariance(cov_type, **options), _checked_weights(weights, n, weight_kind)
    if clusters is not None and not hasattr(covariance, "clusters"):
        raise OptionError(
            f"cov_type={cov_type!r} has no use for clusters. Use cov_type='clustered', 'cluster_bootstrap' or "
            "'multiplier', or leave clusters out."
        )
    common: dict[str, Any] = {
        "candidates": candidates,
        "weights": checked,
        "weight_kind": weight_kind,
        "one_hot": one_hot,
    }
    explored: list[Exploration] = []

    def choose(problem: Problem, start: LocalParameters) -> tuple[Problem, Optimum]:
        searched = explore(
            problem, start, [network, *starts], one_hot, sign_flips, progress, rounds=rounds, always=always, seed=seed
        )
        ended = released(problem, start, searched.best) if l2 is None else (problem, searched.best)
        if sharpened and (finer := sharp_enough(problem, searched.best.theta)) is not problem.objective:
            common["candidates"] = finer.evaluations
            finite = float(ended[0].l2) < ridge  # Elsewhere more candidates would only take longer to say so.
            problem = Problem.of(finer, start.parametrization, data, checked, candidates=finer.evaluations, l2=ridge)
            searched = followed(problem, start, searched)
            ended = released(problem, start, searched.best) if finite else (problem, searched.best)
        explored.append(searched)
        return ended

    ridge = WEAK_PRIOR if l2 is None else check_number("l2", l2, inclusive=True)
    fitted, cautions, rivals = at_optimum(objective, data, network, names, choose=choose, l2=ridge, **common), (), ()
    again = partial(at_optimum, fitted.problem.objective, data, names=names, **common)
    if l2 is None and objective.likelihood and fitted.convergence is Convergence.OPTIMUM and runs_off(fitted):
        with jax.enable_x64(True):
            held = explored[0].network(explored[0].best.theta)
        fitted = again(held, l2=WEAK_PRIOR)
    if l2 is None:
        optima = [fitted, *_rivals(fitted, explored[0], again)]  # Without the prior the first may be a rival itself.
        fitted = min(optima, key=lambda f: float(f.optimum.loss))
        rivals = [own for own in optima if own is not fitted and _fits_alike(own, fitted)]
        fitted, cautions = _simplified(fitted, again, objective.likelihood)
        rivals = [] if cautions else rivals

    def blank(fitted: Fitted) -> InferenceResults:
        return InferenceResults(
            fitted,
            Estimates.of(fitted.local.labels, fitted.theta, np.full((len(fitted.theta),) * 2, np.nan)),
            pd.Series([None] * len(fitted.theta), dtype=object),
            covariance,
            explored[0].table,
            objective.estimand,
            objective.likelihood,
            units,
            weak_prior=l2 is None and float(fitted.problem.l2) > 0,
            **options,
        )

    if progress is not None:
        progress(f"{fitted.convergence.value} Standard errors: {covariance.description}")
    found = replace(blank(fitted), cautions=cautions, rivals=tuple(map(blank, rivals)))
    return estimated(found, covariance)


ALIKE = 3.84
"""Likelihood ratio below which two optima fit alike (95 % of chi-square 1)."""


def _fits_alike(rival: Fitted, best: Fitted) -> bool:
    """Whether an estimate is another optimum and about as likely."""
    alike = 2 * best.total * (float(rival.optimum.loss) - float(best.optimum.loss)) < ALIKE
    ended = rival.convergence is Convergence.OPTIMUM
    return ended and alike and distance(rival.network, best.network, one_hot=best.one_hot) > SAME_OPTIMUM


def _rivals(fitted: Fitted, explored: Exploration, again: Callable[..., Fitted]) -> list[Fitted]:
    """Other local optima that may fit alike, followed to their ends on all rows."""
    near = float(fitted.optimum.loss) + 2 * ALIKE / fitted.total
    others, l2 = explored.others[:MOST_OTHERS], float(fitted.problem.l2)
    with jax.enable_x64(True):
        starts = [explored.network(other.theta) for other in others if float(other.loss) < near]
    found = [again(start, l2=l2, choose=briefly) for start in starts]
    return [rival for rival in found if rival.convergence is Convergence.OPTIMUM]


def _simplified(fitted: Fitted, again: Callable[..., Fitted], likelihood: bool) -> tuple[Fitted, tuple[str, ...]]:
    """The submodel that the data support, with the reason, where the model has no finite or unique estimate."""
    said: list[str] = []
    far = likelihood and float(fitted.problem.l2) > 0
    while far:
        tried = ((smaller, again(smaller.network, signs=smaller.signs)) for smaller in submodels(fitted))
        optima = (own for own in tried if own[1].convergence is Convergence.OPTIMUM and _narrower(own[1], fitted))
        chosen = next((own for own in optima if bic(own[1]) < bic(fitted) - 1e-6), None)
        if chosen is None:
            break
        smaller, found = chosen
        said.append(f"{smaller.reason} (BIC {bic(fitted) - bic(found):.1f} lower.)")
        fitted, far = found, runs_off(found)
        if far:
            fitted = again(smaller.network, signs=smaller.signs, l2=WEAK_PRIOR)
    idle = without_idle_rows(fitted)
    if idle is not None:
        found = again(idle.network, signs=idle.signs, l2=float(fitted.problem.l2))
        if found.convergence is Convergence.OPTIMUM:
            fitted, said = found, [*said, idle.reason]
    return fitted, tuple(said)


def _narrower(submodel: Fitted, fitted: Fitted) -> bool:
    """Whether a submodel has fewer directions, and the data determine all of them, without which it had no errors."""
    fewer = len(submodel.information.spectrum) < len(fitted.information.spectrum)
    return fewer and np.isfinite(submodel.information.condition_number)


def _checked_weights(weights: Any, n: int, kind: str) -> Float[np.ndarray, " n"]:
    """Weights per row; sampling weights are scaled to sum to n."""
    if kind not in ("frequency", "sampling"):
        raise OptionError(f"weight_kind must be 'frequency' or 'sampling'; got {kind!r}.")
    if weights is None:
        return np.ones(n)
    values = np.asarray(weights, float).reshape(-1)
    if len(values) != n or not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        raise DataError(f"weights needs a non-negative finite number for each of {n} rows, not all zero.")
    if kind == "frequency" and not np.array_equal(values, np.round(values)):
        raise DataError("Frequency weights must be whole numbers: how many equal rows each row stands for.")
    return values if kind == "frequency" else values * n / values.sum()
