"""Learning objectives: each returns one loss per row, in nats for likelihoods (Section 2.2).

Noise is an argument of a loss, never drawn inside it; an objective that needs some says how to draw it from a key.
"""

from abc import abstractmethod
from dataclasses import fields, replace
from typing import Any, ClassVar, Self, TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.arrays import to_device
from behavior_learning.core.spaces import Space, Utility
from behavior_learning.errors import OptionError
from behavior_learning.gibbs.components import marginal_distribution
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.gibbs.score import score, score_and_curvature

__all__ = [
    "OBJECTIVES",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "Hybrid",
    "NegativeLogLikelihood",
    "Objective",
    "ScoreMatching",
    "objective_from_json",
    "register_objective",
]

EDGE = 0.25
"""Share of a box, from either end, over which score matching fades its weight to zero."""


OBJECTIVES: dict[str, type["Objective"]] = {}
"""Every registered objective by the name of its class."""

Kind = TypeVar("Kind", bound="type[Objective]")


def register_objective(kind: Kind) -> Kind:
    """Make an objective known to files and to the tests over all objectives.

    Raises
    ------
    OptionError
        If the name is taken.
    """
    if OBJECTIVES.get(kind.__name__, kind) is not kind:
        raise OptionError(f"An objective is registered once; {kind.__name__!r} is taken. Choose another name.")
    OBJECTIVES[kind.__name__] = kind
    return kind


class Objective(eqx.Module):
    """A loss per row of a utility on responses in a space.

    Attributes
    ----------
    space : where the responses live.
    """

    space: Space

    likelihood: ClassVar[bool] = False
    """Whether the loss is −log p, so that likelihood-ratio tests and information criteria apply."""

    @property
    def estimand(self) -> str:
        """What the parameters are parameters of, where the model is wrong too."""
        return "the minimiser of the expected loss"

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Candidates per row at which the utility is evaluated together."""

    @abstractmethod
    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        """Loss of every row."""

    def beside(
        self, finer: "Objective", utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Losses of every row by this objective's candidates and by those of a finer version of it."""
        return self(utility, x, y, *noise), finer(utility, x, y, *noise)

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        """What the loss needs beside (x, y): nothing, or draws with the rows first."""
        return ()

    def on(self, space: Space, temperature: Array | float) -> Self:
        """The same objective on another space, at another temperature."""
        return replace(cast(Any, self), space=space, temperature=temperature)

    def to_json(self) -> dict[str, Any]:
        """Its numbers, and those of the objectives it is made of, without the space."""
        own = {part.name: getattr(self, part.name) for part in fields(cast(Any, self)) if part.name != "space"}
        plain = {k: v.to_json() if isinstance(v, Objective) else np.asarray(v).item() for k, v in own.items()}
        return {"kind": type(self).__name__, **plain}

    def refined(self, factor: int) -> "Objective":
        """The same objective with at least `factor` times the candidates, or itself where there is no quadrature."""
        return self


def objective_from_json(state: dict[str, Any], space: Space) -> Objective:
    """Read what `to_json` of any registered objective wrote."""
    parts = {k: objective_from_json(v, space) if isinstance(v, dict) else v for k, v in state.items() if k != "kind"}
    return OBJECTIVES[state["kind"]](space, **parts)


@register_objective
class NegativeLogLikelihood(Objective):
    """−log p_τ(y|x), exact: the cross-entropy of Eq. 6 for classes, by quadrature for continuous y.

    Deviation: the paper trains continuous responses by denoising score matching (Eq. 6). The likelihood needs no
    noise level, estimates the distribution of y itself rather than of y plus noise, and is as cheap in one dimension.
    """

    temperature: Float[Array, ""] = eqx.field(default=1.0, converter=to_device)

    likelihood: ClassVar[bool] = True

    @property
    def estimand(self) -> str:
        return "the distribution p(y|x) closest to the data in Kullback–Leibler divergence"

    @property
    def evaluations(self) -> int:
        return self.space.size

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        return -Gibbs(utility, self.space, self.temperature).log_prob(x, y)

    def beside(
        self, finer: Objective, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        coarse, fine = Gibbs(utility, self.space, self.temperature).log_probs(x, y, finer.space)
        return -coarse, -fine

    def refined(self, factor: int) -> "NegativeLogLikelihood":
        finer = self.space.refined(factor)
        return self if finer is self.space else NegativeLogLikelihood(finer, self.temperature)


@register_objective
class DenoisingScoreMatching(Objective):
    """½‖∇_ỹ BL(x, ỹ)/τ + (ỹ − y)/σ²‖² with ỹ = y + noise, averaged over the given noise (Eq. 6).

    It estimates the score of the distribution of y convolved with N(0, σ²), so the fitted density is wider than the
    data: a Gaussian of standard deviation s is learned as one of √(s² + σ²). Heads must be smooth: at a kink the
    gradient with respect to the parameters loses a contribution. Only continuous responses move; classes stay as
    observed.

    Source: Eq. 6. Deviation: the factor ½ of Vincent (2011), which changes no minimiser; Eq. 39 has the opposite sign
    and another factor 1/σ².

    Attributes
    ----------
    sigma : standard deviation of the noise, in the units of y.
    draws : noisy copies of each response, random and, beyond one, in pairs ±ε; an odd number has one more.
    gauss_hermite : whether they are Gauss–Hermite nodes instead, which make the mean over the noise exact up to their
        order; for a single continuous response.
    """

    sigma: Float[Array, ""] = eqx.field(converter=to_device)
    temperature: Float[Array, ""] = eqx.field(default=1.0, converter=to_device)
    draws: int = eqx.field(static=True, default=8)
    gauss_hermite: bool = eqx.field(static=True, default=False)

    @property
    def estimand(self) -> str:
        name = f"y + N(0, {float(self.sigma):.3g}²)"
        return f"the distribution of {name} given x closest in Fisher divergence: wider than the distribution of y"

    @property
    def evaluations(self) -> int:
        return self.draws if self.gauss_hermite or self.draws == 1 else self.draws + self.draws % 2

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        """Loss per row of noise (n, draws, continuous responses), as `noise` draws it."""
        columns, observed = self.space.continuous, self.space.candidates(y)
        epsilon = noise[0].astype(observed.dtype)
        noisy = observed[:, None, :].repeat(epsilon.shape[1], axis=1).at[..., columns].add(epsilon)
        gap = score(utility, x, noisy, columns) / self.temperature + epsilon / self.sigma**2
        weights = _hermite(self.draws)[1] if self.gauss_hermite else 1 / epsilon.shape[1]
        return 0.5 * jnp.sum(weights * jnp.sum(gap**2, axis=-1), axis=1)

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        if self.gauss_hermite:
            nodes = jnp.asarray(_hermite(self.draws)[0], jnp.result_type(float))
            return (self.sigma * jnp.broadcast_to(nodes[:, None], (len(y), self.draws, 1)),)
        half = jax.random.normal(key, (len(y), -(-self.draws // 2), len(self.space.continuous)))
        return (self.sigma * (half if self.draws == 1 else jnp.concatenate([half, -half], axis=1)),)


def _hermite(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the mean over a standard normal variable."""
    at, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return at, weights / weights.sum()


@register_objective
class ScoreMatching(Objective):
    """Σ_j g_j·(½s_j² + ∂_j s_j) + g_j′·s_j with s = ∇_y BL(x, y)/τ: the limit of denoising score matching as σ → 0.

    The weight g_j is one inside the box and falls linearly to zero at its ends, so that the integration by parts
    behind it has no boundary term, whatever mass the density has there.

    Source: Hyvärinen (2005); the weight is that of Hyvärinen (2007) and Yu, Drton and Shojaie (2019).
    Deviation: beyond the paper, which trains by denoising score matching alone.
    """

    temperature: Float[Array, ""] = eqx.field(default=1.0, converter=to_device)

    @property
    def evaluations(self) -> int:
        return 1

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        columns = self.space.continuous
        at = self.space.candidates(y)
        lower, upper = self.space.ends[:, np.array(columns)]
        slope, curvature = score_and_curvature(utility, x, at[:, None], columns)
        s, s_prime = slope[:, 0] / self.temperature, curvature[:, 0] / self.temperature
        g, g_prime = _fading(at[:, np.array(columns)], lower, upper)
        return jnp.sum(g * (0.5 * s**2 + s_prime) + g_prime * s, axis=-1)


def _fading(y: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """g(y) = min(1, distance to the nearer end over EDGE of the box), and its derivative."""
    width = EDGE * (upper - lower)
    rise, fall = (y - lower) / width, (upper - y) / width
    slope = jnp.where(rise < fall, 1.0, -1.0) / width
    nearest = jnp.minimum(rise, fall)
    return jnp.clip(nearest, 0.0, 1.0), jnp.where((nearest > 0) & (nearest < 1), slope, 0.0)


@register_objective
class CrossEntropy(Objective):
    """−log p_τ(y_disc | x, y_cont): the classes of a hybrid response, its numbers as observed.

    Source: the first term of Eq. 6. Deviation: the paper writes p(y_disc | x), which integrates the numbers out.
    Given them it is a plain softmax, and together with the score of y_cont given y_disc it identifies the joint
    distribution (a composite likelihood, Besag 1975).
    """

    temperature: Float[Array, ""] = eqx.field(default=1.0, converter=to_device)

    @property
    def evaluations(self) -> int:
        return int(np.prod([part.size for part in self.space.components if not part.integrated]))

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        parts = self.space.components
        numbers = [i for i, part in enumerate(parts) if part.integrated]
        classes = [i for i in range(len(parts)) if i not in numbers]
        joint = Gibbs(utility, self.space, self.temperature)
        discrete = marginal_distribution(joint, classes, given=numbers)
        codes = y[:, classes[0]].astype(int) if len(classes) == 1 else y[:, np.array(classes)]
        return -discrete.log_prob(jnp.concatenate([x, y[:, np.array(numbers, int)].astype(x.dtype)], axis=1), codes)


@register_objective
class Hybrid(Objective):
    """γ_d · loss of the classes + γ_c · loss of the numbers (Eq. 6).

    Attributes
    ----------
    discrete, continuous : objectives on the whole response.
    discrete_weight, continuous_weight : γ_d and γ_c.
    """

    discrete: Objective
    continuous: Objective
    discrete_weight: Float[Array, ""] = eqx.field(default=1.0, converter=to_device)
    continuous_weight: Float[Array, ""] = eqx.field(default=1.0, converter=to_device)

    @property
    def evaluations(self) -> int:
        return self.discrete.evaluations + self.continuous.evaluations

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        classes = self.discrete_weight * self.discrete(utility, x, y)
        return classes + self.continuous_weight * self.continuous(utility, x, y, *noise)

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        return self.continuous.noise(key, y)

    def on(self, space: Space, temperature: Array | float) -> Self:
        discrete, continuous = self.discrete.on(space, temperature), self.continuous.on(space, temperature)
        return replace(cast(Any, self), space=space, discrete=discrete, continuous=continuous)

    def refined(self, factor: int) -> "Hybrid":
        discrete, continuous = self.discrete.refined(factor), self.continuous.refined(factor)
        if discrete is self.discrete and continuous is self.continuous:
            return self
        return Hybrid(continuous.space, discrete, continuous, self.discrete_weight, self.continuous_weight)
