"""Denoising score matching, the paper's loss of numbers."""

from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.spaces import Space, Utility
from behavior_learning.errors import OptionError
from behavior_learning.gibbs.score import score
from behavior_learning.objectives.base import Objective, register_objective
from behavior_learning.options import check_choice, check_count, check_number, parameter

__all__ = ["DenoisingScoreMatching"]

DEFAULT_NOISE = 0.2
"""Share of the spread that a linear regression leaves, which the noise of denoising score matching has by default."""


def _check_levels(name: str, sigma: Any) -> Any:
    """A positive number, a falling sequence of them, or None."""
    match sigma:
        case None:
            return None
        case list() | tuple():
            levels = tuple(check_number(name, level) for level in sigma)
            if not levels or any(later >= earlier for earlier, later in pairwise(levels)):
                raise OptionError(f"{name} must be a positive number or a falling sequence of them; got {sigma!r}.")
            return levels
        case _:
            return check_number(name, sigma)


@register_objective
class DenoisingScoreMatching(Objective):
    """½‖∇_ỹ BL(x, ỹ)/τ + (ỹ − y)/σ²‖² with ỹ = y + noise, averaged over the given noise (Eq. 6).

    It estimates the score of the distribution of y convolved with N(0, σ²), so the fitted density is wider than the
    data: a Gaussian of standard deviation s is learned as one of √(s² + σ²). Heads must be smooth: at a kink the
    gradient with respect to the parameters loses a contribution. Only continuous responses move; classes stay as
    observed.

    Source: Eq. 6. Deviation: the factor ½ of Vincent (2011), which changes no minimiser; Eq. 39 has the opposite sign
    and another factor 1/σ².

    Parameters
    ----------
    sigma : standard deviation of the noise in standard deviations of the response, or a falling sequence of levels to
        go through. None is a fifth of what a linear regression leaves.
    draws : noisy copies of each response and epoch; random ones are in pairs ±ε, one more for an odd number.
    gauss_hermite : whether they are Gauss–Hermite nodes instead of random, which make the mean over the noise exact up
        to their order; None means where there is a single number.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.BLRegressor(objective=bl.DenoisingScoreMatching(sigma=[1.0, 0.3])).objective.sigma
    [1.0, 0.3]
    """

    sigma: Any = parameter(None, _check_levels)
    draws: int = parameter(8, check_count, minimum=2, static=True)
    gauss_hermite: bool | None = parameter(None, check_choice, valid=(None, True, False), static=True)

    short_name: ClassVar[str] = "dsm"
    derivatives: ClassVar[int] = 1

    def levels(self, space: Space, x: Float[np.ndarray, "n d"], y: np.ndarray) -> tuple[Objective, ...]:
        """One stage for each level of noise."""
        if self.sigma is None:
            numbers = y.reshape(len(y), -1)[:, [bool(part.continuous) for part in space.components]]
            design = np.column_stack([np.ones(len(x)), x]).astype(float)
            left = numbers - design @ np.linalg.lstsq(design, numbers.astype(float), rcond=None)[0]
            spread = np.exp(np.mean(np.log(np.maximum(left.std(axis=0), 1e-3))))  # Geometric mean over responses.
            return (replace(self, sigma=DEFAULT_NOISE * float(spread)),)
        return tuple(replace(self, sigma=level) for level in np.atleast_1d(self.sigma).tolist())

    @property
    def estimand(self) -> str:
        name = f"y + N(0, {float(self.sigma):.3g}²)"
        return f"the distribution of {name} given x closest in Fisher divergence: wider than the distribution of y"

    @property
    def evaluations(self) -> int:
        return self.draws if self._at_nodes or self.draws == 1 else self.draws + self.draws % 2

    @property
    def _at_nodes(self) -> bool:
        return len(self.space.continuous) == 1 if self.gauss_hermite is None else self.gauss_hermite

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        """Loss per row of noise (n, draws, continuous responses), as `noise` draws it."""
        columns, observed = self.space.continuous, self.space.candidates(y)
        epsilon = noise[0].astype(observed.dtype)
        noisy = observed[:, None, :].repeat(epsilon.shape[1], axis=1).at[..., columns].add(epsilon)
        gap = score(utility, x, noisy, columns) / self.temperature + epsilon / self.sigma**2
        weights = _hermite(self.draws)[1] if self._at_nodes else 1 / epsilon.shape[1]
        return 0.5 * jnp.sum(weights * jnp.sum(gap**2, axis=-1), axis=1)

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        if self._at_nodes:
            nodes = jnp.asarray(_hermite(self.draws)[0], jnp.result_type(float))
            return (self.sigma * jnp.broadcast_to(nodes[:, None], (len(y), self.draws, 1)),)
        half = jax.random.normal(key, (len(y), -(-self.draws // 2), len(self.space.continuous)))
        return (self.sigma * (half if self.draws == 1 else jnp.concatenate([half, -half], axis=1)),)


def _hermite(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the mean over a standard normal variable."""
    at, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return at, weights / weights.sum()
