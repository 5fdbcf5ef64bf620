"""What compiled programs take of a scenario: the problem at any parameters, before and after it is changed."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Quadrature, Space
from behavior_learning.decision.edits import Edits
from behavior_learning.decision.outcomes import At, Outcome
from behavior_learning.decision.parameters import Flat
from behavior_learning.gibbs.distribution import Gibbs, OnCandidates
from behavior_learning.identification.parameters import Parametrization

__all__ = ["World", "at_draws", "at_estimate"]


class World(eqx.Module):
    """A problem at any parameters, and a changed one.

    Attributes
    ----------
    source : θ ↦ network, or a network without parameters.
    """

    source: Parametrization | Flat | BehaviorNetwork
    edits: Edits
    space: Space
    temperature: Float[Any, ""]

    def utilities(self, theta: Float[Array, " p"]) -> tuple[Any, Any]:
        def network(theta: Array) -> BehaviorNetwork:
            return self.source if isinstance(self.source, BehaviorNetwork) else self.source.network(theta)

        return self.edits.baseline(network(theta)), self.edits(network(self.edits.moved_numbers(theta)))

    def rules(self, theta: Array, x0: Array, x1: Array) -> tuple[Quadrature, ...]:
        """The candidates of both states."""
        pairs = zip(self.utilities(theta), (x0, x1), strict=True)
        rules = [self.space.quadrature(Gibbs(u, self.space, self.temperature).scaled, x) for u, x in pairs]
        return tuple(jax.lax.stop_gradient(rule) for rule in rules)

    def numbers(
        self, outcome: Outcome, rules: tuple[Quadrature, ...], theta: Array, x0: Array, x1: Array, *weight: Array
    ) -> Array:
        """Numbers per row, or their weighted sums."""
        states = [
            At(OnCandidates(utility, self.space, self.temperature, rule=rule), x)
            for utility, rule, x in zip(self.utilities(theta), rules, (x0, x1), strict=True)
        ]
        found = outcome(*states)
        return (weight[0].T @ found).reshape(-1) if weight else found


@eqx.filter_jit
def at_estimate(
    world: World, outcome: Outcome, sloped: bool, theta: Array, x0: Array, x1: Array, *weight: Array
) -> tuple[Array, Array]:
    """Numbers at parameters, and their derivatives (p, ...) where `sloped`."""
    rules = world.rules(theta, x0, x1)
    if not sloped:
        value = world.numbers(outcome, rules, theta, x0, x1, *weight)
        return value, jnp.zeros((0, *value.shape))
    value, along = jax.linearize(lambda theta: world.numbers(outcome, rules, theta, x0, x1, *weight), theta)
    return value, jax.vmap(along)(jnp.eye(len(theta)))


@eqx.filter_jit
def at_draws(world: World, outcome: Outcome, thetas: Array, x0: Array, x1: Array, *weight: Array) -> Array:
    """Numbers at every draw of parameters, on the candidates of the first."""
    rules = world.rules(thetas[0], x0, x1)
    return jax.lax.map(lambda theta: world.numbers(outcome, rules, theta, x0, x1, *weight), thetas)
