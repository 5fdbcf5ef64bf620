"""The shapes of problem that are compared: sets of heads, each with every term that its rows may hold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from behavior_learning.core.basis_families import Affine, Polynomial
from behavior_learning.core.features import Product
from behavior_learning.discovery.path import Menu
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.explanation.statements import Explanation, explain_problem
from behavior_learning.learned.columns import Columns
from behavior_learning.learned.explain import EXPLANATION_ROWS, explained_values
from behavior_learning.learned.model import LearnedModel, some_rows
from behavior_learning.learned.records import StandardDeviations
from behavior_learning.responses.columns import holds_numbers
from behavior_learning.training.active_set import Support, reduced
from behavior_learning.training.refit import Family, Refit

__all__ = ["HEADS", "Shape", "shape_of"]

HEADS = (("tanh", "relu", "abs"), ("identity", "relu", "abs"))
"""Sets of heads that are compared: the paper's, and one whose utility is a sum without an upper bound."""

NODES = 32
"""Candidates of the quadrature while problems are searched; held-out losses have twice as many."""

DENSE = 60
"""Coefficients up to which random starts have every term; beyond, products come in one by one."""

RIDGE = 1.0
"""Ridge of all rows together: it keeps numbers finite that would run off."""


@dataclass(frozen=True, eq=False)
class Shape:
    """One set of heads.

    Attributes
    ----------
    estimator : of that shape, with every term, hardly trained.
    family, finer : its problems on the quadrature of the search, and on a finer one.
    menu : which terms they may have.
    """

    estimator: BehaviorEstimator
    family: Family
    finer: Family
    menu: Menu

    @property
    def model(self) -> LearnedModel:
        return self.estimator.model_

    def learned(self, refit: Refit) -> LearnedModel:
        """A problem of the family as a learned model, printed by the spreads of the template."""
        network = reduced(self.family.network(refit), refit.support)
        known = StandardDeviations([[1.0]], self.model.deviations.of_functions)
        return replace(self.model, network=network, objective=self.family.objective, known_deviations=known)

    def explained(self, refit: Refit) -> Explanation:
        """What a problem of the family says, on the rows of the search."""
        model = self.learned(refit)
        rows = some_rows(self.model.given_rows("discover"), EXPLANATION_ROWS)
        whole = replace(model, network=self.family.network(refit))  # One program draws for problems of all sizes.
        return explain_problem(model.problem, explained_values(whole, model.problem, rows))


def shape_of(
    heads: Sequence[str | None],
    X: Any,
    y: Any,
    *,
    degree: int,
    most: int,
    forbidden: Sequence[str],
    seed: int,
    response: Any,
) -> Shape:
    """The shape of a set of heads for a table.

    Parameters
    ----------
    degree : 2 for products and squares of columns among the terms.
    most : terms of the largest problem.
    forbidden : columns that no row may hold.
    """
    labelled = not holds_numbers(pd.Series(np.asarray(y).ravel()))
    options: dict[str, Any] = {} if response is None else {"response": response}
    basis = Polynomial(degree) if degree > 1 else Affine()
    kind = partial(BLClassifier, output="scalar") if labelled else BLRegressor
    estimator = kind(
        layers=(1,), heads=tuple(heads), basis=basis, max_epochs=1, n_restarts=1, random_state=seed, **options
    ).fit(X, y)
    model = estimator.model_
    space = model.response.space(NODES) if model.space.continuous else model.space
    objective = model.objective.on(space, 1.0)
    family, finer = Family(model.network, objective, RIDGE), Family(model.network, objective.refined(2), RIDGE)
    return Shape(estimator, family, finer, _menu(model, heads, most, forbidden))


def _menu(model: LearnedModel, heads: Sequence[str | None], most: int, forbidden: Sequence[str]) -> Menu:
    """Every term but void ones, those of forbidden columns, and for a utility that is a sum those of x alone."""
    terms, columns = model.network.basis.terms, model.columns
    degrees = np.array([x.degree + y.degree for x, y in terms])
    responds, moves = np.array([y.degree > 0 for _, y in terms]), np.array([x.degree > 0 for x, _ in terms])
    two_valued = [len(np.unique(values)) <= 2 for values in model.given_rows("discover")[0].T]
    products = [x.columns for x, _ in terms if isinstance(x, Product)]  # A polynomial basis has no curves.
    useful = np.array([_useful(product, columns, two_valued, forbidden) for product in products])
    sums = heads[0] == "identity"

    def support(terms: Bool[np.ndarray, " terms"], of_utility: Bool[np.ndarray, " terms"]) -> Support:
        rows = model.network.layers[0].heads
        chosen = {role: useful & (of_utility if role == "utility" else terms) for role in rows}
        coefs = {role: np.broadcast_to(chosen[role], np.shape(r.coef.raw)).copy() for role, r in rows.items()}
        return Support((coefs,), None)

    every = np.ones(len(terms), bool)
    allowed = support(every, responds if sums else every)
    simple = (degrees == 1) | (responds & bool(model.response.levels))
    dense = allowed if allowed.size <= DENSE else support(simple, responds if sums else simple)
    return Menu(model.network, dense, allowed, responds, moves, most)


def _useful(product: tuple[int, ...], columns: Columns, two_valued: Sequence[bool], forbidden: Sequence[str]) -> bool:
    """Whether a product of columns of x is not void and holds no forbidden column."""
    sources = [columns.x_sources[i] for i in product]
    square = len(product) == 2 and product[0] == product[1]
    void = two_valued[product[0]] if square else len(set(sources)) < len(sources)
    return not void and not set(sources) & set(forbidden)
