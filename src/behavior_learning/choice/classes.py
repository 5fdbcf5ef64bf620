"""Latent classes of choosers, each with coefficients of its own: log L_u = log Σ_c π_c(z_u) Π_t P(choice t | β_c).

Source: Kamakura and Russell (1989); Greene and Hensher (2003).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from behavior_learning.choice.data import ChoiceData
from behavior_learning.choice.formula import Term
from behavior_learning.choice.likelihood import Scored
from behavior_learning.choice.logit import Logit, log_sum
from behavior_learning.choice.utility import Design

__all__ = ["LatentClasses", "membership_columns"]


def membership_columns(terms: tuple[Term, ...], data: ChoiceData) -> Float[np.ndarray, "cases q"]:
    """A constant and the columns of the chooser that say how likely each class is."""
    return np.stack([np.ones(len(data)), *(term(data)[data.starts] for term in terms)], axis=1)


@dataclass(frozen=True)
class LatentClasses:
    """A finite mixture of logits on data whose cases are sorted by unit.

    Attributes
    ----------
    count : classes.
    z : what membership is linear in, a line per case; that of a unit's first case counts.
    weights, unit : of the cases.
    """

    design: Design
    count: int
    terms: tuple[Term, ...]
    weights: Float[np.ndarray, " cases"]
    unit: Int[np.ndarray, " cases"]

    concave = False

    @property
    def data(self) -> ChoiceData:
        return self.design.data

    @property
    def labels(self) -> tuple[str, ...]:
        """Coefficients by class, and membership of all classes relative to the first."""
        own = [f"class{c + 1}.{label}" for c in range(self.count) for label in self.design.utility.labels]
        names = ("1", *(term.label for term in self.terms))
        return (*own, *(f"class{c + 1}.membership[{name}]" for c in range(1, self.count) for name in names))

    @cached_property
    def z(self) -> Float[np.ndarray, "units q"]:
        first = np.flatnonzero(np.diff(self.unit, prepend=-1))
        return membership_columns(self.terms, self.data)[first]

    @property
    def units(self) -> int:
        return len(self.z)

    def split(self, theta: Float[np.ndarray, " p"]) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients, a line per class, and membership, a line per class with zeros for the first."""
        size = self.count * len(self.design.utility.labels)
        membership = theta[size:].reshape(self.count - 1, -1)
        return theta[:size].reshape(self.count, -1), np.vstack([np.zeros((1, self.z.shape[1])), membership])

    def log_shares(self, membership: Float[np.ndarray, "classes q"]) -> Float[np.ndarray, "units classes"]:
        """log π of every unit."""
        scores = self.z @ membership.T
        return scores - _log_sum(scores)[:, None]

    def __call__(self, theta: Float[np.ndarray, " p"]) -> Scored:
        """log L and ∂ log L/∂θ of every unit."""
        own, membership = self.split(theta)
        shares, parts, slopes = self.log_shares(membership), [], []
        for beta in own:
            values = Logit()(self.design(beta), theta[:0], self.data)
            slope = np.add.reduceat(values.by_utility[:, None] * self.design.jacobian(beta), self.data.starts)
            parts.append(self._by_unit(self.weights * values.log_chosen))
            slopes.append(self._by_unit(self.weights[:, None] * slope))
        joint = shares + np.stack(parts, axis=1)
        log_l = _log_sum(joint)
        posterior = np.exp(joint - log_l[:, None])
        surprise = (posterior - np.exp(shares))[:, 1:, None] * self.z[:, None, :]
        coefficients = [posterior[:, [c]] * slope for c, slope in enumerate(slopes)]
        return Scored(log_l, np.column_stack([*coefficients, surprise.reshape(len(log_l), -1)]))

    def hessian(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "p p"]:
        """Not in closed form."""
        raise NotImplementedError

    def log_likelihoods(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " units"]:
        return self(theta).log_likelihood

    def utilities(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, "lines classes"]:
        """V of every line and class."""
        return np.stack([self.design(beta) for beta in self.split(theta)[0]], axis=1)

    def log_sums(self, theta: Float[np.ndarray, " p"]) -> tuple[np.ndarray, np.ndarray]:
        """Expected utility of the best alternative of every case and class, and the log-shares of the classes."""
        alone = replace(self, unit=np.arange(len(self.data)))
        return log_sum(self.utilities(theta), self.data), alone.log_shares(self.split(theta)[1])

    def probabilities(self, theta: Float[np.ndarray, " p"]) -> Float[np.ndarray, " lines"]:
        """P of every line before anything is known of what the unit chose."""
        own, membership = self.split(theta)
        alone = replace(self, unit=np.arange(len(self.data)))
        shares = np.exp(alone.log_shares(membership))
        p = [np.exp(Logit().log_probabilities(self.design(beta), theta[:0], self.data)) for beta in own]
        return (shares[self.data.case] * np.stack(p, axis=1)).sum(axis=1)

    def _by_unit(self, values: Float[np.ndarray, " cases *rest"]) -> Float[np.ndarray, " units *rest"]:
        return np.add.reduceat(values, np.flatnonzero(np.diff(self.unit, prepend=-1)))


def _log_sum(values: Float[np.ndarray, "units classes"]) -> Float[np.ndarray, " units"]:
    highest = values.max(axis=1)
    return highest + np.log(np.exp(values - highest[:, None]).sum(axis=1))
