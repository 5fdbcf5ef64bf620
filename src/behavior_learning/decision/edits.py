"""A learned problem changed: constraints moved, dropped and added, alternatives taken away."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.block import Weight
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_head
from behavior_learning.decision.rows import constraint_labels
from behavior_learning.errors import OptionError
from behavior_learning.formulas import parse_sum
from behavior_learning.learned.model import LearnedModel
from behavior_learning.options import check_number
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import HeadTerm
from behavior_learning.symbolic.read import basis_polynomials

__all__ = ["Edited", "Edits", "Place", "edits_of", "places_of"]

FORBIDDEN = 1e6
"""Utility that an alternative loses which is taken away."""


class Place(eqx.Module):
    """A row of a network.

    Attributes
    ----------
    solved : what turns its coefficients into the one on the response, by which the printed row was divided; empty where
        it was not.
    """

    layer: int = eqx.field(static=True)
    role: str = eqx.field(static=True)
    block: int = eqx.field(static=True)
    row: int = eqx.field(static=True)
    solved: Float[Any, " inputs"] | None


class Added(eqx.Module):
    """A penalty price·max(0, C) that is new; C by its monomials, whose factors are encoded columns of x and of y.

    Attributes
    ----------
    units : center and scale of every encoded column, those of y behind those of x.
    """

    monomials: tuple[tuple[tuple[int, int], ...], ...] = eqx.field(static=True)
    coef: Float[Any, " monomials"]
    price: Float[Any, ""]
    units: Float[Any, "columns 2"]

    @classmethod
    def read(cls, model: LearnedModel, text: str, price: Any) -> "Added":
        """C ≤ 0 of a text such as ``"price <= 1.2*income"``, with what breaking it costs."""
        variables = [*model.encoder.variables, *model.response.variables]
        names = [variable.name for variable in variables]
        sides = text.replace(">=", "<=").split("<=")
        if len(sides) != 2:
            raise OptionError(f"add takes constraints with one '<=' or '>=', such as 'price <= 30'; got {text!r}.")
        left, right = (_polynomial(side, set(names)) for side in (sides if "<=" in text else sides[::-1]))
        gap = left + right.scaled(-1.0)
        return cls(
            tuple(tuple((names.index(name), power) for name, power in monomial) for monomial in gap.coefficients),
            np.array(list(gap.coefficients.values())),
            np.float64(check_number(f"add[{text!r}]", price)),
            np.array([(variable.center, variable.scale) for variable in variables]),
        )

    def __call__(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> Float[Array, "n k"]:
        units = self.units
        columns = [x[:, j, None] for j in range(x.shape[1])] + [y[..., j] for j in range(y.shape[-1])]
        total = jnp.zeros((), x.dtype)
        for coefficient, monomial in zip(self.coef, self.monomials, strict=True):
            term = coefficient
            for column, power in monomial:
                term = term * (units[column, 0] + units[column, 1] * columns[column]) ** power
            total = total + term
        return self.price * jax.nn.relu(total)


class Edited(eqx.Module):
    """A utility with penalties that a scenario adds, alternatives that it takes away, and new ones.

    Attributes
    ----------
    twins : for each new alternative, whose columns of the candidates come last, the column of the one that it is like.
    """

    network: BehaviorNetwork
    added: tuple[Added, ...]
    without: tuple[int, ...] = eqx.field(static=True)
    twins: tuple[int, ...] = eqx.field(static=True)

    @property
    def width(self) -> int:
        return self.network.width

    def __call__(self, x: Float[Array, "n d"], y: Float[Array, "#n k m"]) -> Float[Array, "n k"]:
        known = y[..., : y.shape[-1] - len(self.twins)]
        for place, like in enumerate(self.twins, known.shape[-1]):
            known = known.at[..., like].add(y[..., place])
        utility = self.network(x, known)
        for penalty in self.added:
            utility = utility - penalty(x, known)
        for column in self.without:
            utility = utility - FORBIDDEN * y[..., column]
        return utility


@dataclass(frozen=True)
class Constant:
    """A function of one value, which compiled programs know by it."""

    value: float

    def __call__(self, was: Any) -> float:
        return self.value


class Edits(eqx.Module):
    """What a scenario does to the problem.

    Attributes
    ----------
    moves, amounts : rows, and by how much they are relaxed in the units of the printed row.
    drops : rows that are gone.
    added : penalties that are new.
    without : columns of the candidates that no choice may have.
    twins : new alternatives by name, and the column of the candidates of the one that each is like.
    numbers, functions : positions of parameters that change, and how.
    """

    moves: tuple[Place, ...] = ()
    amounts: tuple[Float[Any, ""], ...] = ()
    drops: tuple[Place, ...] = ()
    added: tuple[Added, ...] = ()
    without: tuple[int, ...] = eqx.field(static=True, default=())
    twins: tuple[tuple[str, int], ...] = eqx.field(static=True, default=())
    numbers: tuple[int, ...] = eqx.field(static=True, default=())
    functions: tuple[Callable[[Any], Any], ...] = eqx.field(static=True, default=())

    def with_coefficients(self, changes: Mapping[str, Any], labels: Sequence[str]) -> "Edits":
        """These edits and coefficients that change, each a number or a function of what it was.

        Parameters
        ----------
        labels : of the parameters; none where the scenario has no parameters.

        Raises
        ------
        OptionError
            If a label is no parameter.
        """
        for label, change in changes.items():
            if label not in labels:
                known = f"There are: {', '.join(labels)}." if labels else "Parameters need draws='delta' or 'normal'."
                raise OptionError(f"coefficients names {label!r}, which is no parameter of the inference. {known}")
            if not callable(change):
                check_number(f"coefficients[{label!r}]", change, above=-np.inf)
        functions = tuple(how if callable(how) else Constant(float(how)) for how in changes.values())
        return replace(self, numbers=tuple(map(list(labels).index, changes)), functions=functions)

    @property
    def same_alternatives(self) -> bool:
        """Whether none is gone or new, so that a path leads from the baseline to the scenario."""
        return not self.without and not self.twins

    def baseline(self, network: BehaviorNetwork) -> Edited:
        """The utility before anything is changed, on the candidates of the scenario: nobody chooses what is new."""
        return Edited(network, (), tuple(range(-len(self.twins), 0)), tuple(like for _, like in self.twins))

    def moved_numbers(self, theta: Float[Array, " p"]) -> Float[Array, " p"]:
        """θ with the coefficients that the scenario changes, each a function of what it was."""
        for place, function in zip(self.numbers, self.functions, strict=True):
            theta = theta.at[place].set(function(theta[place]))
        return theta

    def __call__(self, network: BehaviorNetwork) -> Edited:
        """The changed utility at any parameters."""
        for place, amount in zip(self.moves, self.amounts, strict=True):
            rows = network.layers[place.layer].heads[place.role]
            coef, intercept = rows.coef.value, rows.intercept.value
            at = place.block, place.row
            scale = 1.0 if place.solved is None else jnp.abs(coef[at] @ place.solved)
            moved = Weight(intercept.at[at].add(-amount * scale))
            network = with_head(network, place.layer, place.role, intercept=moved)
        for place in self.drops:
            value = network.layers[place.layer].heads[place.role].multiplier.value
            gone = Weight(value.at[place.block, place.row].set(0.0))
            network = with_head(network, place.layer, place.role, multiplier=gone)
        return Edited(network, self.added, self.without, tuple(like for _, like in self.twins))


def edits_of(
    model: LearnedModel,
    relax: Mapping[str, float] | None,
    drop: Sequence[str] | str,
    add: Mapping[str, Any] | None,
) -> Edits:
    """Read what a scenario changes of the problem.

    Raises
    ------
    OptionError
        If a label is no row or alternative, or an added constraint or alternative cannot be read.
    """
    places = places_of(model)
    levels = {str(level): j for j, level in enumerate(model.response.levels or ()) if model.response.one_hot}
    dropped = [drop] if isinstance(drop, str) else list(drop)
    for label in [*(relax or {}), *dropped]:
        if label not in places and not (label in dropped and label in levels):
            known = ", ".join([*places, *levels]) or "none"
            raise OptionError(f"There is no constraint {label!r} that the response can move. There are: {known}.")
    alternatives = {name: like for name, like in (add or {}).items() if isinstance(like, Mapping)}
    constraints = {text: price for text, price in (add or {}).items() if text not in alternatives}
    moved = {label: check_number(f"relax[{label!r}]", v, above=-np.inf) for label, v in (relax or {}).items()}
    return Edits(
        tuple(places[label] for label in moved),
        tuple(np.float64(amount) for amount in moved.values()),
        tuple(places[label] for label in dropped if label in places),
        tuple(Added.read(model, text, price) for text, price in constraints.items()),
        tuple(levels[label] for label in dropped if label not in places),
        tuple((str(name), _twin(str(name), like, levels)) for name, like in alternatives.items()),
    )


def _twin(name: str, stated: Mapping[str, Any], levels: Mapping[str, int]) -> int:
    """The column of the class that a new one is like."""
    like = str(stated.get("like", ""))
    if list(stated) != ["like"] or like not in levels or name in levels:
        known = ", ".join(levels) or "none, since the response is no class"
        raise OptionError(
            f"add takes new classes by a name of their own and the class that each is like, such as "
            f"{{'night bus': {{'like': 'bus'}}}}; got {name!r}: {dict(stated)!r}. Classes: {known}."
        )
    return levels[like]


def places_of(model: LearnedModel) -> dict[str, Place]:
    """Where each constraint of the printed problem stands in the network."""
    problem, network = model.problem, model.network
    labels = {id(term): label for label, term in constraint_labels(problem).items()}
    response = () if model.vector else model.response.variables
    terms = basis_polynomials(network.basis, model.encoder.variables, response)
    found: dict[str, Place] = {}
    for number, layer in enumerate(network.layers):
        for role in ("inequality", "equality"):
            multipliers = weight_value(layer.heads[role].multiplier)
            for block, row in np.argwhere(multipliers != 0):
                printed = problem.layers[number][block].terms_of(role)
                term = printed[int(np.sum(multipliers[block, :row] != 0))]
                if id(term) in labels:
                    solved = _solved(network, number, term, terms, problem.response)
                    found[labels[id(term)]] = Place(number, role, int(block), int(row), solved)
    return found


def _solved(
    network: BehaviorNetwork, layer: int, term: HeadTerm, terms: Sequence[Polynomial], response: tuple[str, ...]
) -> np.ndarray | None:
    if term.scale == 1.0:
        return None
    seen = network.architecture.inputs(layer)
    own = [polynomial.coefficients.get(((response[0], 1),), 0.0) for polynomial in terms] if seen.terms else []
    return np.array([*own, *[0.0] * len(seen.blocks)])


def _polynomial(text: str, known: set[str]) -> Polynomial:
    total = Polynomial({})
    for term in parse_sum(text):
        unknown = [name for name, _ in term.factors if name not in known]
        if unknown:
            raise OptionError(f"{text!r} names no column {unknown[0]!r}. Columns: {', '.join(sorted(known))}.")
        size = (-1.0 if term.negative else 1.0) * (1.0 if term.number is None else term.number)
        total = total + Polynomial({tuple(sorted(term.factors)): size})
    return total
