"""Which columns meet in one agent: those that interact, given y.

Where rows of the block above see one agent each, log p(y|x) is a sum over agents and −log Z(x). Columns of two agents
then have no interaction in y, ∂³log p/∂y∂x_i∂x_j = 0, and those of one agent do. So flexible curves of each column,
log p(y|x) = Σ_j f_j(x_j, y) − log Z(x), which have one optimum, are learned first, and Rao's score test says which two
columns interact beyond them: the strongest pair comes in, and all others are tested again.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import BSpline
from scipy.special import logsumexp

from behavior_learning.discovery.path import Menu
from behavior_learning.training.refit import Data, Family

__all__ = ["Grouping", "Terms", "groups_of_columns"]

OF_X, OF_Y, OF_BOTH = 5, 8, (2, 6)
"""Polynomials of a column and splines of y in a curve, and the first of both in the interaction that is tested."""

RIDGE, STEPS, FLAT = 1.0, 20, 0.01
"""Of all rows; Newton steps at most, and nats of all rows that one brings before the next is taken."""

PAIRS = 8
"""Pairs that come in at most."""

Terms = Bool[np.ndarray, " terms"]

Grouping = frozenset[frozenset[int]]
"""The units that each agent sees."""


def groups_of_columns(family: Family, data: Data, menu: Menu, units: Sequence[Terms], most: int) -> Iterator[Grouping]:
    """For two agents and more, the units of each: those that interact, and in the last all others.

    The last of two may share what the first sees, except themes. Where the two pairs that interact most have a column
    in common, the first is one agent, and what the second adds belongs to another beside either column of the first.
    """
    groups, pairs = [frozenset({unit}) for unit in range(len(units))], list[frozenset[int]]()
    themes = frozenset(unit for unit, terms in enumerate(units) if any((terms & theme).any() for theme in menu.themes))
    agents = 2
    for pair in _interacting(family, data, menu, units):
        pairs.append(pair)
        linked = [group for group in groups if group & pair]
        groups = [*(group for group in groups if not group & pair), frozenset().union(*linked)]
        several = [group for group in groups if len(group) > 1]
        rest = frozenset().union(*(group for group in groups if len(group) == 1))
        if len(pairs) == 2 and len(several) == 1:
            first, added = pairs[0], pair - pairs[0]
            yield from (frozenset({first, added | rest | {shared}}) for shared in sorted(first - themes))
        if len(several) == agents - 1 and rest:
            yield frozenset({*several, rest})
            if agents == 2:
                yield frozenset({*several, rest | (several[0] - themes)})
            agents += 1
        if agents > most or not rest:
            return


def _interacting(family: Family, data: Data, menu: Menu, units: Sequence[Terms]) -> Iterator[frozenset[int]]:
    """The pair of units that interacts most beyond all curves, then the one that does beyond these and that pair."""
    curves, of_y, log_weights = _curves(family, data, menu, units)
    n, left = len(of_y.own), list(combinations(range(len(units)), 2))
    design = np.column_stack([np.ones(n), *curves])
    for _ in range(min(PAIRS, len(left))):
        residual = of_y.own - _shares(design, of_y, log_weights) @ of_y.nodes
        own = _products(design, residual)
        inverse = np.linalg.inv(own.T @ own + RIDGE * np.eye(own.shape[1]))
        scores = []
        for i, j in left:
            new = _products(
                _products(curves[i][:, : OF_BOTH[0]], curves[j][:, : OF_BOTH[0]]), residual[:, : OF_BOTH[1]]
            )
            net = new - own @ (inverse @ (own.T @ new))
            score = new.sum(axis=0)
            scores.append(score @ np.linalg.solve(net.T @ net + 1e-6 * np.eye(len(score)), score) - len(score))
        i, j = left.pop(int(np.argmax(scores)))
        yield frozenset({i, j})
        design = np.column_stack([design, _products(curves[i][:, : OF_BOTH[0] + 1], curves[j][:, : OF_BOTH[0] + 1])])


class _OfY(NamedTuple):
    """Functions of y at each row's own, and at the candidates."""

    own: Float[np.ndarray, "n functions"]
    nodes: Float[np.ndarray, "k functions"]


def _curves(
    family: Family, data: Data, menu: Menu, units: Sequence[Terms]
) -> tuple[list[Float[np.ndarray, "n functions"]], _OfY, Float[np.ndarray, " k"]]:
    """Polynomials of the ranks of each unit's columns, by degree, functions of y, and the log weights of candidates."""
    x, y, weight = data
    space, basis = family.objective.space, family.template.basis
    rule = space.rule(lambda at: jnp.zeros(at.shape[:-1]), (1,), np.dtype(np.float32))
    counted = np.asarray(weight) > 0
    values = np.asarray(basis(x, rule.candidates).x, float)[counted]
    nodes, own = np.asarray(rule.candidates[0], float), np.asarray(space.candidates(space.points(y)), float)[counted]
    if own.shape[1] == 1:
        nodes, own = np.split(_splines(np.concatenate([nodes, own])[:, 0], own), [len(nodes)])
    else:
        nodes, own = nodes[:, :-1], own[:, :-1]  # Of classes, one for each but the last.
    pairs = basis.pairing.pairs
    columns = [sorted({pairs[t][0] for t in np.flatnonzero(unit & menu.moves)}) for unit in units]
    ranks = 2 * (np.argsort(np.argsort(values, axis=0), axis=0) + 0.5) / len(values) - 1
    return [_polynomials(ranks[:, own], OF_X) for own in columns], _OfY(own, nodes), np.log(np.asarray(rule.weights[0]))


def _splines(t: Float[np.ndarray, " n"], of: Float[np.ndarray, "m 1"]) -> Float[np.ndarray, "n functions"]:
    """Cubic, with knots at quantiles of some numbers, without the first: together they are 1.

    Where densities have kinks polynomials fit so badly that columns of two agents seem to interact.
    """
    inner = np.unique(np.quantile(of, np.linspace(0, 1, OF_Y - 1)[1:-1]))
    knots = np.concatenate([[t.min()] * 4, inner[(inner > t.min()) & (inner < t.max())], [t.max()] * 4])
    return BSpline.design_matrix(t, knots, 3).toarray()[:, 1:]


def _polynomials(t: Float[np.ndarray, "n columns"], degree: int) -> Float[np.ndarray, "n functions"]:
    """Legendre's of every column, all of one degree before those of the next."""
    return np.column_stack([np.polynomial.legendre.Legendre.basis(d)(t) for d in range(1, degree + 1)])


def _products(a: Float[np.ndarray, "n p"], b: Float[np.ndarray, "n q"]) -> Float[np.ndarray, "n p*q"]:
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)


def _shares(
    design: Float[np.ndarray, "n p"], of_y: _OfY, log_weights: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "n k"]:
    """The probability of every candidate where log p(y|x) = Σ θ_ab a(x) b(y) − log Z(x), by Newton's method."""
    theta = np.zeros((design.shape[1], of_y.own.shape[1]))

    def at(theta: np.ndarray) -> tuple[float, np.ndarray]:
        of_row = design @ theta
        utility = of_row @ of_y.nodes.T + log_weights
        log_normalizer = logsumexp(utility, axis=1, keepdims=True)
        loss = np.sum(log_normalizer[:, 0] - np.sum(of_row * of_y.own, axis=1)) + 0.5 * RIDGE * np.sum(theta**2)
        return float(loss), np.exp(utility - log_normalizer)

    loss, shares = at(theta)
    for _ in range(STEPS):
        mean = shares @ of_y.nodes
        slope = design.T @ (mean - of_y.own) + RIDGE * theta
        step = np.linalg.solve(_curvature(design, shares, of_y.nodes, mean), slope.ravel()).reshape(theta.shape)
        fall, length = float(np.sum(step * slope)), 1.0
        while (new := at(theta - length * step))[0] > loss - 0.1 * length * fall and length > 1e-4:
            length /= 2
        theta, gained = theta - length * step, loss - new[0]
        loss, shares = new
        if gained < FLAT:
            break
    return shares


def _curvature(
    design: Float[np.ndarray, "n p"],
    shares: Float[np.ndarray, "n k"],
    nodes: Float[np.ndarray, "k q"],
    mean: Float[np.ndarray, "n q"],
) -> Float[np.ndarray, "p*q p*q"]:
    """Σ_rows (a aᵀ) ⊗ Cov(b), and the ridge."""
    (p, q), count = (design.shape[1], nodes.shape[1]), range(nodes.shape[1])
    whole = np.empty((p, q, p, q))
    for b, c in ((b, c) for b in count for c in count if b <= c):
        covariance = shares @ (nodes[:, b] * nodes[:, c]) - mean[:, b] * mean[:, c]
        whole[:, b, :, c] = whole[:, c, :, b] = design.T @ (covariance[:, None] * design)
    return whole.reshape(p * q, p * q) + RIDGE * np.eye(p * q)
