"""Some responses of several: utilities of some components of y, the others given or integrated out.

Either is again a utility, so that the Gibbs distribution of it has every quantity of a single response.
"""

from collections.abc import Sequence
from typing import Any, cast

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.products import Product, outer_product
from behavior_learning.core.spaces import Space, Utility
from behavior_learning.gibbs.distribution import Gibbs

__all__ = ["Conditioned", "Marginalized", "marginal_distribution", "subspace"]


class Conditioned(eqx.Module):
    """BL(x, y) as a utility of some columns of y, the others given: x carries them behind its own columns.

    Attributes
    ----------
    utility : of all columns of y.
    given : how many columns of y are given.
    order : where each column of y is found in (given columns, free columns).
    """

    utility: Utility
    given: int = eqx.field(static=True)
    order: tuple[int, ...] = eqx.field(static=True)

    @property
    def width(self) -> int:
        """Pre-activations for one row and candidate."""
        return cast(Any, self.utility).width

    def __call__(self, x: Float[Array, "n d+given"], y: Float[Array, "#n k free"]) -> Float[Array, "n k"]:
        x, given = x[:, : x.shape[1] - self.given], x[:, x.shape[1] - self.given :]
        return self.utility(x, outer_product(given[:, None], y[:, None], np.array(self.order)))


class Marginalized(eqx.Module):
    """τ·log ∫ exp{BL(x, y)/τ} over the last components of y, as a utility of the first.

    Attributes
    ----------
    utility : of all columns of y.
    temperature : τ.
    hidden : the space of the components that are integrated out.
    """

    utility: Utility
    temperature: Float[Array, ""]
    hidden: Space

    @property
    def width(self) -> int:
        """Pre-activations for one row and candidate."""
        return cast(Any, self.utility).width * self.hidden.size

    def __call__(self, x: Float[Array, "n d"], y: Float[Array, "#n k free"]) -> Float[Array, "n k"]:
        def given(hidden: Float[Array, "#n #k j hidden"]) -> Float[Array, "n k j"]:
            at = self.utility(x, outer_product(y, hidden)) / self.temperature
            return at.reshape(len(x), y.shape[1], -1)

        rule = self.hidden.rule(given, (len(x), y.shape[1]), x.dtype)
        return self.temperature * rule.log_integral(given(rule.candidates))


def subspace(space: Space, components: Sequence[int]) -> Space:
    """The space of some components of a response, in the order they are named."""
    chosen = [space.components[i] for i in components]
    return chosen[0] if len(chosen) == 1 else Product(chosen)


def marginal_distribution(distribution: Gibbs, components: Sequence[int], *, given: Sequence[int] = ()) -> Gibbs:
    """p(y_A | x, y_B) of the components A, those in B given and all others integrated out.

    The x of the distribution that comes back has the given components, as candidates, behind its own columns.

    Parameters
    ----------
    components, given : positions of A and of B among the components of the space, each as they will be passed.
    """
    space, utility = distribution.space, distribution.utility
    hidden = [i for i in range(len(space.components)) if i not in (*given, *components)]
    arranged = [*given, *components, *hidden]
    if given or arranged != sorted(arranged):
        width = sum(space.components[i].dimension for i in given)
        utility = Conditioned(utility, width, _order(space.components, arranged))
    if hidden:
        utility = Marginalized(utility, distribution.temperature, subspace(space, hidden))
    return Gibbs(utility, subspace(space, components), distribution.temperature)


def _order(components: Sequence[Space], arranged: Sequence[int]) -> tuple[int, ...]:
    """For each column of the components, its place once they are arranged anew."""
    starts = np.cumsum([0] + [component.dimension for component in components])
    columns = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in arranged])
    return tuple(np.argsort(columns).tolist())
