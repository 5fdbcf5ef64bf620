"""Which higher-order terms a fitted model asks for: a score test of every candidate (A.3.2)."""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.stats import chi2

from behavior_learning.core.arrays import to_device
from behavior_learning.core.bases import Basis, with_terms
from behavior_learning.core.block import Layer, Rule, Weight
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork, in_double
from behavior_learning.formulas import write_product
from behavior_learning.identification.parameters import (
    Parametrization,
    learned_numbers,
    number_places,
    parameter_labels,
)
from behavior_learning.inference.fitted import Fitted, at_optimum, numbers_of
from behavior_learning.inference.problem import WEAK_PRIOR, Problem, hessian_columns, scores
from behavior_learning.inference.quadrature import enough_candidates
from behavior_learning.learned.columns import Columns
from behavior_learning.learned.model import LearnedModel, in_single, some_rows
from behavior_learning.learned.model import Rows as EncodedRows
from behavior_learning.objectives import Objective

__all__ = [
    "candidate_products",
    "efficient_tests",
    "product_name",
    "score_tests",
    "suggest_terms",
    "with_zero_terms",
]

SUGGESTION_ROWS = 2000
"""Rows on which terms are tested."""

Pair = tuple[Product, Product]

TERMS_AT_ONCE = 64
"""Candidates whose scores are held in memory together."""


def suggest_terms(model: LearnedModel, rows: EncodedRows) -> pd.DataFrame:
    """Score tests of every product of two columns that the basis lacks, on at most 2,000 of the rows.

    Smooth models are tested at the optimum on these rows, see `efficient_tests`; those with kinks, which have no
    Hessian, where they stand, see `score_tests`. Of a mean of networks the first is tested.
    """
    model = model.member(0)
    x, y = some_rows(rows, SUGGESTION_ROWS)
    some = x.astype(float), y
    two_valued = [len(np.unique(values)) <= 2 for values in rows[0].T]
    products = candidate_products(model.network.basis, model.columns, two_valued, not model.vector)
    names = [product_name(pair, model.columns) for pair in products]
    if model.network.architecture.smooth and products:
        with jax.enable_x64(True):
            return efficient_tests(_optimum(model, some), products, names)
    objective = model.objective.on(model.space, model.temperature)
    return score_tests(
        model.network, objective, *in_single(some), products, names, ridge=model.recipe.settings.penalty.l2
    )


def _optimum(model: LearnedModel, rows: EncodedRows) -> Fitted:
    """The optimum on some rows under a weak prior."""
    network = in_double(model.network)
    space = enough_candidates(network, model.space, model.temperature, rows[0])
    losses = model.objective.on(space, model.temperature)
    noise = losses.noise(jax.random.key(0), jnp.asarray(rows[1]))
    x_names, y_names = model.columns.x, model.columns.y
    return at_optimum(
        losses,
        (*rows, *map(np.asarray, noise)),
        network,
        parameter_labels(network, x_names, y_names),
        candidates=losses.evaluations,
        weights=np.ones(len(rows[0])),
        weight_kind="frequency",
        one_hot=model.response.one_hot,
        l2=WEAK_PRIOR,
    )


def efficient_tests(fitted: Fitted, products: Sequence[Pair], names: Sequence[str]) -> pd.DataFrame:
    """Test, for every candidate, that its coefficients in all rows of the first layer are zero, by Neyman's C(α).

    The score of each data row in the new coefficients less J_νθ·J_θθ⁻¹ times that in the fitted ones does not feel, to
    first order, that θ is estimated. With s the sum of these and V their outer product sᵀV⁻¹s is χ², whether the model
    is right or not.

    Source: Neyman (1959); Boos (1992).
    """
    wide, problem = with_zero_terms(fitted.network, products), fitted.problem
    learned = learned_numbers(wide)
    new: dict[int, list[int]] = {wide.basis.terms.index(product): [] for product in products}
    for at, place in enumerate(number_places(wide)):
        if place.layer == 0 and place.part == "coef" and learned[at] and place.column in new:
            new[place.column].append(at)
    added = [at for own in new.values() for at in own]
    order = np.array([*np.setdiff1d(np.flatnonzero(learned), added), *added])
    parametrization = Parametrization(wide, jnp.asarray(numbers_of(wide)), jnp.asarray(order))
    data = [np.asarray(problem.joined(column)) for column in problem.data]
    larger = Problem.of(problem.objective, parametrization, data, fitted.weights, candidates=problem.candidates)
    theta, p = parametrization.values[parametrization.learned], len(fitted.theta)
    cross = np.asarray(_hessian_columns(larger, theta, p))
    row_scores = np.asarray(_scores(larger, theta))
    efficient = row_scores[:, p:] - row_scores[:, :p] @ fitted.information.inverse() @ cross[p:].T
    ends = np.cumsum([len(own) for own in new.values()])[:-1]
    return _table(names, [_statistic(own) for own in np.split(efficient, ends, axis=1)])


def _table(names: Sequence[str], results: Sequence[tuple[float, int]]) -> pd.DataFrame:
    statistic, freedom = np.array(results).reshape(-1, 2).T
    table = pd.DataFrame({"term": names, "statistic": statistic, "df": freedom.astype(int)})
    table["pvalue"] = chi2.sf(table["statistic"], table["df"])
    return table.sort_values(["pvalue", "statistic"], ascending=[True, False], ignore_index=True)


_scores, _hessian_columns = eqx.filter_jit(scores), eqx.filter_jit(hessian_columns)


def candidate_products(basis: Basis, columns: Columns, two_valued: Sequence[bool], with_y: bool) -> list[Pair]:
    """Every product of two columns that the basis lacks and that is not constant or linear by construction.

    Parameters
    ----------
    two_valued : whether a column of x has two values only, so that its square adds nothing.
    with_y : whether blocks see y.
    """
    x = range(len(columns.x))
    source = columns.x_sources
    pairs = [
        (i, j)
        for i, j in combinations_with_replacement(x, 2)
        if source[i] != source[j] or (i == j and not two_valued[i])
    ]
    products = [(Product(pair), Product(())) for pair in pairs]
    if with_y:
        products += [(Product((i,)), Product((j,))) for i in x for j in range(len(columns.y))]
        y_pairs, choices = combinations_with_replacement(range(len(columns.y)), 2), columns.choices
        products += [
            (Product(()), Product((i, j))) for i, j in y_pairs if choices[i] is None or choices[i] != choices[j]
        ]
    return [product for product in products if product not in basis.terms]


def product_name(pair: Pair, columns: Columns) -> str:
    """A candidate as `extra_terms` reads it."""
    both = zip(pair, (columns.x, columns.y), strict=True)
    return write_product(
        tuple((names[j], product.columns.count(j)) for product, names in both for j in dict.fromkeys(product.columns))
    )


def with_zero_terms(network: BehaviorNetwork, products: Sequence[Pair]) -> BehaviorNetwork:
    """The same utility written on a larger basis: the new terms have coefficient zero, free to be learned."""
    basis = with_terms(network.basis, products)
    place = [basis.terms.index(term) for term in network.basis.terms]
    extra = basis.size - network.basis.size

    def widen(layer: Layer) -> Layer:
        size, rows = np.shape(layer.coef.raw)
        columns = np.array([*place, *range(basis.size, size + extra)], dtype=int)
        rule = layer.coef.rule

        def placed(values: np.ndarray, empty: float) -> np.ndarray:
            """Columns of a table at their new places; what is the same everywhere stays."""
            wide = np.full((size + extra, rows) if values.ndim else (), empty, values.dtype)
            wide[columns if values.ndim else ()] = values
            return wide

        raw = placed(np.asarray(layer.coef.raw), 0.0)
        coef = Weight(to_device(raw), Rule(placed(rule.signs, 0), placed(rule.numbers, np.nan)))
        return eqx.tree_at(lambda layer: layer.coef, layer, coef, is_leaf=lambda node: node is layer.coef)

    layers = tuple(
        widen(layer) if network.architecture.inputs(number).terms else layer
        for number, layer in enumerate(network.layers)
    )
    return BehaviorNetwork(basis, layers, network.projections, network.readout, network.architecture)


def score_tests(
    network: BehaviorNetwork,
    objective: Objective,
    x: np.ndarray,
    y: np.ndarray,
    products: Sequence[Pair],
    names: Sequence[str],
    *,
    ridge: float,
) -> pd.DataFrame:
    """Test, for every candidate, that its coefficients in all rows of the first layer are zero.

    The statistic is sᵀV⁻¹s with s the sum and V the outer product of each data row's score in the new coefficients,
    after projection on the scores of the fitted ones (with the ridge of training): χ² with one degree of freedom per
    row of the layer where the fitted model is right.

    Source: Rao's score test in its outer-product form. Deviation: the ridge makes it approximate where it is large.

    Parameters
    ----------
    x, y : encoded rows.
    names : how each candidate is printed.
    ridge : l2 of the fit.
    """
    rows = jnp.asarray(x), jnp.asarray(y)
    leaves = jax.tree.leaves(_gradients(network, objective, *rows))
    fitted = np.concatenate([np.asarray(leaf, float).reshape(len(x), -1) for leaf in leaves], axis=1)
    gram = fitted.T @ fitted + ridge * np.eye(fitted.shape[1])
    results = []
    for start in range(0, len(products), TERMS_AT_ONCE):
        batch = list(products[start : start + TERMS_AT_ONCE])
        wider = with_zero_terms(network, batch)
        place = [wider.basis.terms.index(product) for product in batch]
        gradient = np.asarray(_gradients(wider, objective, *rows).layers[0].coef.raw, float)
        new = np.moveaxis(gradient[:, place], 1, 2)
        flat = new.reshape(len(x), -1)
        residual = (flat - fitted @ np.linalg.solve(gram, fitted.T @ flat)).reshape(new.shape)
        results += [_statistic(residual[:, :, t]) for t in range(len(batch))]
    return _table(names, results)


def _statistic(scores: np.ndarray) -> tuple[float, int]:
    """sᵀV⁻¹s and the rank of V."""
    total, outer = scores.sum(axis=0), scores.T @ scores
    values, vectors = np.linalg.eigh(outer)
    kept = values > 1e-10 * max(values[-1], 1e-300)
    return float(np.sum((vectors[:, kept].T @ total) ** 2 / values[kept])), int(kept.sum())


@eqx.filter_jit
def _gradients(network: BehaviorNetwork, objective: Objective, x: jax.Array, y: jax.Array) -> BehaviorNetwork:
    """Gradient of the loss of every row in every learned number, rows first."""
    params, static = eqx.partition(network, eqx.is_inexact_array)
    rows = (x, y, *objective.noise(jax.random.key(0), y))

    def loss(params: BehaviorNetwork, *row: jax.Array) -> jax.Array:
        return objective(eqx.combine(params, static), *(column[None] for column in row))[0]

    return jax.vmap(jax.grad(loss), in_axes=(None, *(0,) * len(rows)))(params, *rows)
