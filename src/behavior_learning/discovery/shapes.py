"""The shapes of problem that are compared: sets of heads, each with every term that its rows may hold."""

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from behavior_learning.core.bases import Basis
from behavior_learning.core.basis_families import Affine, Polynomial
from behavior_learning.core.features import FeatureMap
from behavior_learning.discovery.groupings import learned_again, learned_groupings
from behavior_learning.discovery.knowledge import Knowledge, factors
from behavior_learning.discovery.one_block import learned_path
from behavior_learning.discovery.path import Menu, Path, best_of
from behavior_learning.discovery.quantities import of_like_quantities
from behavior_learning.errors import OptionError, TrainingWarning
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.explanation.statements import Explanation, Statement, named_columns
from behavior_learning.explanation.words import explain_problem
from behavior_learning.identification.orientation import oriented
from behavior_learning.learned.columns import Columns
from behavior_learning.learned.explain import EXPLANATION_ROWS, explained_values
from behavior_learning.learned.model import LearnedModel, some_rows
from behavior_learning.learned.records import StandardDeviations
from behavior_learning.responses import Response
from behavior_learning.responses.columns import holds_numbers
from behavior_learning.training.active_set import Support, reduced
from behavior_learning.training.refit import Data, Family, Refit

__all__ = ["HEADS", "LAYERED", "Shape", "by_columns", "shape_of"]

HEADS = ((None, "softplus", "square"), ("identity", "relu", None))
"""Sets of heads that are compared, the second where there are products, of columns as they are, not less their means: a
limit beside a belief, or beside a utility that is a sum. No row of one says what a row of the other could: |t| =
2·relu(t) − t, and a tanh of small t is a sum, so that of the paper's heads each stands in for the others in some
sample."""

LAYERED = ("tanh", "relu", "abs")
"""Those of agents below a block: the paper's."""

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

    def path(self, data: Data, seen: Bool[np.ndarray, " terms"] | None, rng: np.random.Generator) -> Path:
        """The best problem of each size for some rows; in layers, with agents for the columns of terms that matter.

        Rows of agents hold the response, so that with its unit all that sum like quantities are in one choice.
        """
        if len(self.family.template.layers) == 1 or seen is None:
            return best_of([learned_path(self.family, data, menu, rng) for menu in self.menu.of_like_quantities])
        (menu,) = self.menu.of_like_quantities
        return learned_groupings(self.family, data, menu, seen, rng)

    def path_again(self, data: Data, path: Path, rng: np.random.Generator) -> Path:
        """The path for other rows; in layers, of the groupings that did best in a search before."""
        if path.groupings:
            (menu,) = self.menu.of_like_quantities
            return learned_again(self.family, data, menu, path.groupings, rng)
        return self.path(data, None, rng)

    def learned(self, refit: Refit) -> LearnedModel:
        """A problem of the family as a learned model, printed by the spreads of the template."""
        network = reduced(oriented(self.family.network(refit)), refit.support)
        spreads = [[1.0] * width for width in network.architecture.layers]
        known = StandardDeviations(spreads, self.model.deviations.of_functions)
        return replace(self.model, network=network, objective=self.family.objective, known_deviations=known)

    def explained(self, refit: Refit) -> Explanation:
        """What a problem of the family says, on the rows of the search."""
        model = self.learned(refit)
        rows = some_rows(self.model.given_rows("discover"), EXPLANATION_ROWS)
        whole = replace(model, network=self.family.network(refit))  # One program draws for problems of all sizes.
        found = explain_problem(model.problem, explained_values(whole, model.problem, rows))
        return by_columns(found, model.response)


def by_columns(explanation: Explanation, response: Response) -> Explanation:
    """Statements that name the response, and columns of x by their strength beside the strongest of these.

    The response moves every row, and some by far the most: against it they would name no column, and recur always.
    """
    responses = {response.name, *(variable.name for variable in response.variables)}

    def measured(statement: Statement) -> Statement:
        strongest = max((v for name, v in statement.strengths.items() if name not in responses), default=0.0)
        if statement.head == "output" or strongest == 0:
            return statement
        strengths = {name: strongest if name in responses else v for name, v in statement.strengths.items()}
        strengths = dict(sorted(strengths.items(), key=lambda item: -item[1]))
        return replace(statement, strengths=strengths, variables=named_columns(strengths))

    return replace(explanation, said=tuple(map(measured, explanation.said)))


def shape_of(
    heads: Sequence[str | None],
    X: Any,
    y: Any,
    *,
    degree: int,
    most: int,
    knowledge: Knowledge,
    seed: int,
    response: Any,
    products: bool = True,
    bends: int = 0,
    limits: str = "all",
    layers: Sequence[int] = (1,),
    n_terms: Sequence[int] = (1, 1, 1),
    centered: bool = True,
) -> Shape:
    """The shape of a set of heads for a table.

    Parameters
    ----------
    degree : 2 for squares of columns among the terms, and for products of two columns where `products` are asked for.
    bends : of each column, at so many of its quantiles.
    limits : ``"response"`` where an inequality holds terms of the response alone.
    most : terms of the largest problem.
    knowledge : what is known of the columns.
    layers : blocks per layer; ``(2, 1)`` is two agents below one block.
    n_terms : rows of each head of a block.
    centered : whether products are of columns less their means. What a price and a quantity cost is one term of columns
        as they are, and three of these.
    """
    labelled = not holds_numbers(pd.Series(np.asarray(y).ravel()))
    options: dict[str, Any] = {} if response is None else {"response": response}
    basis = Polynomial(degree, products, bends) if degree > 1 or bends else Affine()
    kind = partial(BLClassifier, output="scalar") if labelled else BLRegressor
    estimator = kind(
        layers=tuple(layers),
        n_terms=tuple(n_terms),
        heads=tuple(heads),
        basis=basis,
        max_epochs=1,
        n_restarts=1,
        random_state=seed,
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # One epoch finds units and terms, not a problem.
        estimator.fit(X, y)
    if not centered:
        estimator.model_ = _uncentered(estimator.model_)
    model = estimator.model_
    space = model.response.space(NODES) if model.space.continuous else model.space
    objective = model.objective.on(space, 1.0)
    family, finer = Family(model.network, objective, RIDGE), Family(model.network, objective.refined(2), RIDGE)
    return Shape(estimator, family, finer, _menu(model, heads, most, knowledge, limits))


def _uncentered(model: LearnedModel) -> LearnedModel:
    """With products of columns that are scaled, but not centred."""
    basis, columns = model.network.basis, model.columns

    def shifted(maps: Sequence[FeatureMap], units: Sequence[tuple[float, float]]) -> tuple[FeatureMap, ...]:
        shift = tuple(center / scale for center, scale in units)
        return tuple(each.uncentered(shift) for each in maps)

    x_maps, y_maps = shifted(basis.x_maps, columns.x_units), shifted(basis.y_maps, columns.y_units)
    return replace(model, network=replace(model.network, basis=Basis(x_maps, y_maps, basis.pairing)))


def _menu(model: LearnedModel, heads: Sequence[str | None], most: int, knowledge: Knowledge, limits: str) -> Menu:
    """Every term but void ones, those of forbidden columns, for a utility that is a sum those of x alone, and for an
    inequality, where limits are of the response, those of x."""
    terms, columns = model.network.basis.terms, model.columns
    degrees = np.array([x.degree + y.degree for x, y in terms])
    responds, moves = np.array([y.degree > 0 for _, y in terms]), np.array([x.degree > 0 for x, _ in terms])
    two_valued = [len(np.unique(values)) <= 2 for values in model.given_rows("discover")[0].T]
    products = [x.columns for x, _ in terms]
    sources = [{columns.x_sources[i] for i in product} for product in products]
    says = np.array([_useful(product, columns, two_valued) for product in products])
    factored = [
        tuple(sorted([columns.x_sources[i] for i in x.columns] + [columns.y_sources[i] for i in y.columns]))
        for x, y in terms
    ]

    def named(name: str) -> Bool[np.ndarray, " terms"]:
        """Terms of a column, or the one that is a product."""
        wanted = () if name in columns.x_sources else factors(name, columns.x_sources, columns.y_sources[0])
        if not wanted:
            return np.array([name in own for own in sources])
        found = np.array([own == wanted for own in factored])
        if not (found & says).any():
            raise OptionError(
                f"{name!r} is a product, and this search has none such: pass degree=2, with products=True for one of "
                "two columns. The square of a column of two values says nothing that the column does not."
            )
        return found

    known = tuple(map(named, knowledge.known))
    useful = says & ~np.any([np.zeros(len(terms), bool), *map(named, knowledge.forbidden)], axis=0)
    sums = heads[0] == "identity" and len(model.network.layers) == 1  # Below a block what is of x alone counts too.
    # ∂²/∂x∂y of a bounded utility has no sign.
    of_utility = np.array([not own & knowledge.monotone for own in sources]) & (responds if sums else True)

    def support(simple: Bool[np.ndarray, " terms"]) -> Support:
        limiting = simple & ~moves if limits == "response" else simple
        chosen = {"utility": of_utility & (simple | sums), "inequality": limiting, "equality": simple}
        lower = {
            role: np.broadcast_to(useful & chosen[role], np.shape(rows.coef.raw)).copy()
            for role, rows in model.network.layers[0].heads.items()
        }
        above = [
            {role: np.ones(np.shape(rows.coef.raw), bool) for role, rows in layer.heads.items()}
            for layer in model.network.layers[1:]
        ]
        return Support((lower, *above), None)

    def of_columns(names: Collection[str]) -> Bool[np.ndarray, " terms"]:
        return np.array([bool(own & set(names)) for own in sources])

    allowed = support(np.ones(len(terms), bool))
    few = allowed.size <= DENSE or len(model.network.layers) > 1
    dense = allowed if few else support((degrees == 1) | (responds & bool(model.response.levels)))
    grouped = {name for theme in knowledge.themes for name in theme}
    units = [*knowledge.themes, *((name,) for name in dict.fromkeys(columns.x_sources) if name not in grouped)]
    directions = [knowledge.direction(next(iter(own))) if len(own) == 1 else 0 for own in sources]
    owned, themes = (tuple(map(of_columns, groups)) for groups in (units, knowledge.themes))
    known_of = knowledge.quantities
    like = of_like_quantities(allowed, factored, known_of, columns.y_sources[0]) if known_of else ()
    return Menu(model.network, dense, allowed, responds, moves, most, known, np.array(directions), owned, themes, like)


def _useful(product: tuple[int, ...], columns: Columns, two_valued: Sequence[bool]) -> bool:
    """Whether a product of columns of x is not void."""
    sources = [columns.x_sources[i] for i in product]
    square = len(product) == 2 and product[0] == product[1]
    return not two_valued[product[0]] if square else len(set(sources)) == len(sources)
