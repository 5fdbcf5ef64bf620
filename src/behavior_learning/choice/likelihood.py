"""The log-likelihood of choices and its scores: a logit or nests, with coefficients that may vary over choosers.

log L_u = log Σ_r w_r Π_t P(choice t | β_r), the product over the cases t of one unit u inside the sum over the nodes r
of the distribution of the coefficients. Without random coefficients there is one node, and units are the cases.

Source: Train (2009), "Discrete Choice Methods with Simulation", sections 3, 4, 6 and 11.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.logit import Logit, Values, information
from behavior_learning.choice.mixing import Mixing, Nodes, single_node
from behavior_learning.choice.utility import Design

__all__ = ["Kernel", "Likelihood", "Scored"]

NUMBERS_AT_ONCE = 200_000
"""Lines times nodes that are evaluated at once; more would leave the cache of a core."""


class Kernel(Protocol):
    """From utilities to probabilities: a logit, or nests with parameters of their own."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the parameters of the nests."""
        ...

    @property
    def start(self) -> Float[np.ndarray, " q"]:
        """Where their search starts."""
        ...

    def log_probabilities(self, v: np.ndarray, structure: np.ndarray, data: ChoiceData) -> np.ndarray:
        """log P of every line, for every node."""
        ...

    def log_sums(self, v: np.ndarray, structure: np.ndarray, data: ChoiceData) -> np.ndarray:
        """Expected utility of the best alternative of every case, for every node."""
        ...

    def __call__(self, v: np.ndarray, structure: np.ndarray, data: ChoiceData) -> Values:
        """log P of what was chosen, and its derivatives."""
        ...


class Scored(NamedTuple):
    """Log-likelihoods and their gradients, one per unit."""

    log_likelihood: Float[np.ndarray, " units"]
    scores: Float[np.ndarray, "units p"]


@dataclass(frozen=True)
class Likelihood:
    """A model on data whose cases are sorted by unit.

    Attributes
    ----------
    design : the utility on the data.
    mixing : which coefficients vary, and how.
    nodes : of their distribution, and the weight of each.
    weights : of the cases.
    unit : for each case the number of its unit, in increasing order.
    """

    design: Design
    kernel: Kernel
    mixing: Mixing
    nodes: Nodes
    weights: Float[np.ndarray, " cases"]
    unit: Int[np.ndarray, " cases"]

    @property
    def data(self) -> ChoiceData:
        return self.design.data

    @property
    def labels(self) -> tuple[str, ...]:
        """Coefficients and powers, spreads, and the parameters of the nests."""
        return (*self.design.utility.labels, *self.mixing.labels, *self.kernel.labels)

    @property
    def concave(self) -> bool:
        """Whether it is a logit that is linear in its parameters, with a Hessian in closed form."""
        utility = self.design.utility
        return not (self.mixing.random or self.kernel.labels or utility.powers) and utility.money is None

    def split(self, theta: Float[np.ndarray, " p"]) -> list[np.ndarray]:
        """The parameters of the utility, of the mixing and of the nests."""
        ends = np.cumsum([len(self.design.utility.labels), len(self.mixing.labels)])
        return np.split(theta, ends)

    def __call__(self, theta: Float[np.ndarray, " p"]) -> Scored:
        """log L and ∂ log L/∂θ of every unit."""
        own, spreads, structure = self.split(theta)
        parts = [chunk.scored(own, spreads, structure) for chunk in self._chunks]
        return Scored(*(np.concatenate(values) for values in zip(*parts, strict=True)))

    def scored(self, own: np.ndarray, spreads: np.ndarray, structure: np.ndarray) -> Scored:
        """`__call__` with the parameters split, on all units at once."""
        data, mixing = self.data, self.mixing
        jacobian, coefficients = self.design.jacobian(own), mixing.coefficients(own, spreads, self.nodes)
        inner, price = self._inner(own, coefficients.values)
        values = self.kernel(inner if price is None else inner * price, structure, data)
        joint = self.nodes.log_weights + self._by_unit(self.weights[:, None] * values.log_chosen)
        log_l = _log_sum(joint)
        posterior = np.exp(joint - log_l[:, None])[self.unit] * self.weights[:, None]
        slope = posterior.take(data.case, axis=0)
        slope *= values.by_utility
        money, by_money = self.design.utility.money, slope
        if price is not None:
            by_money, slope = slope * inner, slope * price
        scores = self._by_unit(data.membership @ (slope.sum(axis=1)[:, None] * jacobian))
        if money is not None:
            scores[:, money] = self._by_unit(data.membership @ by_money.sum(axis=1))
        scores[:, list(mixing.random)] = 0.0
        spread_scores = np.zeros((len(log_l), len(mixing.labels)))
        for place, column in enumerate(mixing.random):
            by_coefficient = by_money if column == money else slope * jacobian[:, column, None]
            moved = self._by_unit(data.membership @ by_coefficient)
            scores[:, column] = (moved * coefficients.by_mean[place]).sum(axis=1)
            for entry, derivative in coefficients.by_spread[place].items():
                spread_scores[:, entry] += (moved * derivative).sum(axis=1)
        nest_scores = [self._by_unit(d * posterior).sum(axis=1) for d in values.by_structure]
        return Scored(log_l, np.column_stack([scores, spread_scores, *nest_scores]))

    def log_likelihoods(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " units"]:
        """log L of every unit, without derivatives."""
        own, spreads, structure = self.split(theta)
        return np.concatenate([_log_sum(chunk.joint(own, spreads, structure)) for chunk in self._chunks])

    def joint(self, own: np.ndarray, spreads: np.ndarray, structure: np.ndarray) -> Float[np.ndarray, "units nodes"]:
        """log of weight times likelihood of every unit and node."""
        coefficients = self.mixing.coefficients(own, spreads, self.nodes)
        log_p = self.kernel.log_probabilities(self._utilities(own, coefficients.values), structure, self.data)
        return self.nodes.log_weights + self._by_unit(self.weights[:, None] * log_p[self.data.chosen_lines])

    def posterior(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "units nodes"]:
        """The weight of every node, given what the unit chose."""
        joint = np.concatenate([chunk.joint(*self.split(theta)) for chunk in self._chunks])
        return np.exp(joint - _log_sum(joint)[:, None])

    def probabilities(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " lines"]:
        """P of every line before anything is known of what the unit chose: the mean over nodes."""
        return np.concatenate([chunk.mean_probabilities(*self.split(theta)) for chunk in self._chunks])

    def mean_probabilities(self, own: np.ndarray, spreads: np.ndarray, structure: np.ndarray) -> np.ndarray:
        """`probabilities` with the parameters split, on all units at once."""
        coefficients = self.mixing.coefficients(own, spreads, self.nodes)
        log_p = self.kernel.log_probabilities(self._utilities(own, coefficients.values), structure, self.data)
        weights = np.exp(np.broadcast_to(self.nodes.log_weights, (self.units, log_p.shape[1])))
        return (np.exp(log_p) * weights[self.unit][self.data.case]).sum(axis=1)

    def utilities(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "lines nodes"]:
        """V of every line and node."""
        own, spreads, _ = self.split(theta)
        return self._utilities(own, self.mixing.coefficients(own, spreads, self.nodes).values)

    def log_sums(self, theta: Float[np.ndarray, " p"]) -> tuple[np.ndarray, np.ndarray]:
        """Expected utility of the best alternative of every case and node, and the log-weights of the nodes."""
        sums = self.kernel.log_sums(self.utilities(theta), self.split(theta)[2], self.data)
        return sums, np.broadcast_to(self.nodes.log_weights, sums.shape)

    def hessian(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "p p"]:
        """∂² log L/∂θ∂θᵀ in closed form, where it is concave."""
        p = np.exp(Logit().log_probabilities(self.design(theta), theta[:0], self.data))
        return -information(p, self.design.x, self.weights, self.data)

    @property
    def units(self) -> int:
        return int(self.unit[-1]) + 1

    def _utilities(
        self, own: np.ndarray, random: Float[np.ndarray, " k #units nodes"]
    ) -> Float[np.ndarray, "lines nodes"]:
        """V of every line and node."""
        inner, price = self._inner(own, random)
        return inner if price is None else inner * price

    def _inner(
        self, own: np.ndarray, random: Float[np.ndarray, " k #units nodes"]
    ) -> tuple[Float[np.ndarray, "lines nodes"], Float[np.ndarray, "..."] | None]:
        """V of every line and node; in willingness-to-pay space what the coefficient of money multiplies, and that."""
        columns, fixed = self.design.columns(own), own[: self.design.x.shape[1]].copy()
        money, price = self.design.utility.money, None
        fixed[list(self.mixing.random)] = 0.0
        if money is not None:
            price, fixed[money] = own[money, None], 1.0
        v = np.empty((len(columns), self.nodes.count))
        v[:] = (columns @ fixed)[:, None]
        for column, values in zip(self.mixing.random, random, strict=True):
            wide = np.broadcast_to(values, (self.units, self.nodes.count)).take(self.unit[self.data.case], axis=0)
            if column == money:
                price = wide
            else:
                v += np.multiply(wide, columns[:, column, None], out=wide)
        return v, price

    def _by_unit(self, values: Float[np.ndarray, " cases *rest"]) -> Float[np.ndarray, " units *rest"]:
        """Sums over the cases of each unit."""
        return values if self.units == len(values) else self._membership @ values

    @cached_property
    def _membership(self) -> csr_array:
        """Units × cases, 1 where a case is of a unit."""
        ends = np.append(self._unit_starts, len(self.unit))
        return csr_array((np.ones(len(self.unit)), np.arange(len(self.unit)), ends), shape=(self.units, len(self.unit)))

    @cached_property
    def _unit_starts(self) -> Int[np.ndarray, " units"]:
        return np.searchsorted(self.unit, np.arange(self.units))

    @cached_property
    def _chunks(self) -> "tuple[Likelihood, ...]":
        """The likelihood in parts that fit the memory."""
        parts = -(-self.data.lines * self.nodes.count // NUMBERS_AT_ONCE)
        if parts <= 1 or self.units <= 1:
            return (self,)
        bounds = np.unique(np.linspace(0, self.units, parts + 1).astype(int))
        return tuple(self._parts(bounds))

    def _parts(self, bounds: np.ndarray) -> "Iterator[Likelihood]":
        ends = np.append(self._unit_starts, len(self.data))[bounds]
        lines = np.append(self.data.starts, self.data.lines)[ends]
        for i in range(len(bounds) - 1):
            cases = slice(ends[i], ends[i + 1])
            data = self.data.between(ends[i], ends[i + 1])
            design = replace(self.design, data=data, x=self.design.x[lines[i] : lines[i + 1]])
            nodes = self.nodes.of_units(slice(bounds[i], bounds[i + 1]))
            unit = self.unit[cases] - bounds[i]
            yield replace(self, design=design, nodes=nodes, weights=self.weights[cases], unit=unit)


def of_cases(design: Design, kernel: Kernel, weights: np.ndarray) -> Likelihood:
    """A model without random coefficients, whose units are the cases."""
    return Likelihood(design, kernel, Mixing.none(), single_node(), weights, np.arange(len(design.data)))


def _log_sum(values: Float[np.ndarray, "units nodes"]) -> Float[np.ndarray, " units"]:
    highest = values.max(axis=1)
    return highest + np.log(np.exp(values - highest[:, None]).sum(axis=1))
