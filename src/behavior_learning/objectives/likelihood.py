"""The exact likelihood."""

from dataclasses import replace
from typing import ClassVar

from jaxtyping import Array, Float

from behavior_learning.core.spaces import Utility
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.objectives.base import Objective, register_objective

__all__ = ["Likelihood"]


@register_objective
class Likelihood(Objective):
    """−log p_τ(y|x), exact: the cross-entropy of Eq. 6 for classes, by quadrature for continuous y.

    Deviation: the paper trains continuous responses by denoising score matching (Eq. 6). The likelihood needs no
    noise level, estimates the distribution of y itself rather than of y plus noise, and is as cheap in one dimension.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.BLRegressor().objective, bl.Likelihood().short_name
    ('likelihood', 'likelihood')
    """

    short_name: ClassVar[str] = "likelihood"
    likelihood: ClassVar[bool] = True

    @property
    def estimand(self) -> str:
        return "the distribution p(y|x) closest to the data in Kullback–Leibler divergence"

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        return -Gibbs(utility, self.space, self.temperature).log_prob(x, y)

    def with_finer(
        self, finer: Objective, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        coarse, fine = Gibbs(utility, self.space, self.temperature).log_probs(x, y, finer.space)
        return -coarse, -fine

    def refined(self, factor: float) -> "Likelihood":
        finer = self.space.refined(factor)
        return self if finer is self.space else replace(self, space=finer)
