"""Learning objectives: each returns one loss per row, in nats for likelihoods (Section 2.2).

Noise is an argument of a loss, never drawn inside it; an objective that needs some says how to draw it from a key.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, Self, TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.arrays import numbers_to_device
from behavior_learning.core.spaces import Space, Utility
from behavior_learning.errors import OptionError
from behavior_learning.gibbs.components import marginal_distribution
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.gibbs.score import score, score_and_curvature
from behavior_learning.options import (
    Option,
    check_choice,
    check_count,
    check_number,
    check_option,
    from_plain,
    learned,
    parameter,
    register,
)

__all__ = [
    "OBJECTIVES",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "Hybrid",
    "Likelihood",
    "Objective",
    "ScoreMatching",
    "Weighted",
    "objective_from_json",
    "register_objective",
]

EDGE = 0.25
"""Share of a box, from either end, over which score matching fades its weight to zero."""

DEFAULT_NOISE = 0.2
"""Share of the spread that a linear regression leaves, which the noise of denoising score matching has by default."""

OBJECTIVES: dict[str, type["Objective"]] = {}
"""Every registered objective by its short name."""

Kind = TypeVar("Kind", bound="type[Objective]")


def register_objective(kind: Kind) -> Kind:
    """Make an objective known by its `short_name`: to estimators, files and the tests over all objectives.

    Raises
    ------
    OptionError
        If the name is taken.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.register_objective(bl.Likelihood) is bl.Likelihood  # or a class of one's own
    True
    """
    register(OBJECTIVES, kind)
    return kind


class Objective(Option, eqx.Module):
    """A loss per row of a utility on responses in a space; an option of estimators before it is bound to one.

    A new objective is one class in one file: subclass this, with parameters as fields, and decorate it with
    `register_objective`.

    Attributes
    ----------
    space : where the responses live; None before `on` binds the objective.
    temperature : τ, likewise.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> isinstance(bl.ScoreMatching(), bl.Objective), bl.ScoreMatching().derivatives
    (True, 2)
    """

    space: Space = learned(None)
    temperature: Float[Array, ""] = learned(1.0)

    short_name: ClassVar[str]
    """How strings and files call it."""

    derivatives: ClassVar[int] = 0
    """How many derivatives of the utility in y it takes: with one, heads have no kinks, and classes have none."""

    likelihood: ClassVar[bool] = False
    """Whether the loss is −log p(y|x): it depends on the unit of y, and likelihood-ratio tests apply."""

    # From an option to losses.

    def stages(
        self, space: Space, temperature: Array | float, x: Float[np.ndarray, "n d"], y: np.ndarray
    ) -> tuple["Objective", ...]:
        """Bind it to a response: one for each stage of training, the last of which decides.

        Parameters
        ----------
        x, y : encoded training rows.

        Raises
        ------
        OptionError
            If the response has no such loss.
        """
        self.check_space(space)
        if self.derivatives and len(space.continuous) < len(space.components):
            return Hybrid(continuous=self).stages(space, temperature, x, y)
        return tuple(level.on(space, temperature) for level in self.levels(space, x, y))

    def check_space(self, space: Space) -> None:
        """Refuse responses that have no such loss."""
        if self.derivatives and not space.continuous:
            raise OptionError(
                f"objective={self.short_name!r} takes derivatives in y, and classes have none. "
                "Use objective='cross_entropy'."
            )
        if self.derivatives and not space.pointwise:
            raise OptionError(
                f"objective={self.short_name!r} needs y itself, and some rows give bounds on it only. "
                "Use objective='likelihood'."
            )

    def levels(self, space: Space, x: Float[np.ndarray, "n d"], y: np.ndarray) -> "tuple[Objective, ...]":
        """The parameters of each stage, from the training rows where they are not stated."""
        return (self,)

    def on(self, space: Space, temperature: Array | float = 1.0) -> Self:
        """The same objective on a space, at a temperature."""
        bound = numbers_to_device(replace(cast(Any, self), space=None, temperature=temperature))
        return replace(bound, space=space)

    # The loss.

    @property
    def estimand(self) -> str:
        """What the parameters are parameters of, where the model is wrong too."""
        return "the minimiser of the expected loss"

    @property
    def evaluations(self) -> int:
        """Candidates per row at which the utility is evaluated together."""
        return self.space.size

    @abstractmethod
    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        """Loss of every row."""

    def with_finer(
        self, finer: "Objective", utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Losses of every row by this objective's candidates and by those of a finer version of it."""
        return self(utility, x, y, *noise), finer(utility, x, y, *noise)

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        """What the loss needs beside (x, y): nothing, or draws with the rows first."""
        return ()

    def refined(self, factor: float) -> "Objective":
        """The same objective with at least `factor` times the candidates, or itself where there is no quadrature."""
        return self

    # To a file and back.

    def to_json(self) -> dict[str, Any]:
        """Its parameters, and those of the objectives it is made of, without the space."""
        own = {name: _plain(value) for name, value in self.get_params(deep=False).items()}
        return {"kind": self.short_name, "temperature": _plain(self.temperature), **own}


def _plain(value: Any) -> Any:
    return value.to_json() if isinstance(value, Objective) else np.asarray(value).tolist()


def objective_from_json(state: dict[str, Any], space: Space) -> Objective:
    """Read what `to_json` of any registered objective wrote."""
    parts: dict[str, Any] = {k: objective_from_json(v, space) if isinstance(v, dict) else v for k, v in state.items()}
    kind, temperature = cast(Any, OBJECTIVES[parts.pop("kind")]), parts.pop("temperature")
    return kind(**from_plain(parts)).on(space, temperature)


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


@register_objective
class ScoreMatching(Objective):
    """Σ_j g_j·(½s_j² + ∂_j s_j) + g_j′·s_j with s = ∇_y BL(x, y)/τ: the limit of denoising score matching as σ → 0.

    The weight g_j is one inside the box and falls linearly to zero at its ends, so that the integration by parts
    behind it has no boundary term, whatever mass the density has there.

    Source: Hyvärinen (2005); the weight is that of Hyvärinen (2007) and Yu, Drton and Shojaie (2019).
    Deviation: beyond the paper, which trains by denoising score matching alone.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> reg = bl.BLRegressor(objective=bl.ScoreMatching(), layers=(1,), max_epochs=5, n_restarts=1).fit(X[["RM"]], y)
    >>> reg.predict(X[["RM"]].head(2)).shape
    (2,)
    """

    short_name: ClassVar[str] = "score_matching"
    derivatives: ClassVar[int] = 2

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
    """−log p_τ(y_disc | x, y_cont): classes, and the numbers of a hybrid response as observed.

    Source: the first term of Eq. 6. Deviation: the paper writes p(y_disc | x), which integrates the numbers out.
    Given them it is a plain softmax, and together with the score of y_cont given y_disc it identifies the joint
    distribution (a composite likelihood, Besag 1975). Of classes alone it is the likelihood.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, ["stay", "stay", "go", "go"] * 10
    >>> clf = bl.BLClassifier(objective=bl.CrossEntropy(), layers=(1,), max_epochs=5, n_restarts=1).fit(X, y)
    >>> clf.classes_.tolist()
    ['go', 'stay']
    """

    short_name: ClassVar[str] = "cross_entropy"

    def stages(
        self, space: Space, temperature: Array | float, x: Float[np.ndarray, "n d"], y: np.ndarray
    ) -> tuple[Objective, ...]:
        self.check_space(space)
        return Likelihood().stages(space, temperature, x, y)

    def check_space(self, space: Space) -> None:
        if space.continuous:
            raise OptionError(
                "objective='cross_entropy' is for classes; numbers need 'likelihood', 'dsm' or 'score_matching'."
            )

    @property
    def evaluations(self) -> int:
        return int(np.prod([part.size for part in self.space.components if not part.continuous]))

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        parts = self.space.components
        numbers = [i for i, part in enumerate(parts) if part.continuous]
        classes = [i for i in range(len(parts)) if i not in numbers]
        joint = Gibbs(utility, self.space, self.temperature)
        discrete = marginal_distribution(joint, classes, given=numbers)
        codes = y[:, classes[0]].astype(int) if len(classes) == 1 else y[:, np.array(classes)]
        return -discrete.log_prob(jnp.concatenate([x, y[:, np.array(numbers, int)].astype(x.dtype)], axis=1), codes)


@register_objective
class Hybrid(Objective):
    """γ_d · loss of the classes + γ_c · loss of the numbers (Eq. 6), the classes' by cross-entropy given the numbers.

    Parameters
    ----------
    continuous : the objective of the numbers, such as ``"dsm"`` or ``bl.ScoreMatching()``.
    discrete_weight, continuous_weight : γ_d and γ_c.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> hybrid = bl.BLHybrid(objective=bl.Hybrid(discrete_weight=2.0))
    >>> hybrid.set_params(objective__continuous_weight=0.5).objective.discrete_weight
    2.0
    """

    continuous: Objective | str = parameter("dsm", check_option, kinds=OBJECTIVES)
    discrete_weight: float = parameter(1.0, check_number)
    continuous_weight: float = parameter(1.0, check_number)

    short_name: ClassVar[str] = "hybrid"

    @property
    def derivatives(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._numbers.derivatives

    @property
    def _numbers(self) -> Objective:
        return cast(Objective, self.continuous)

    def stages(
        self, space: Space, temperature: Array | float, x: Float[np.ndarray, "n d"], y: np.ndarray
    ) -> tuple[Objective, ...]:
        self.check_space(space)
        return tuple(level.on(space, temperature) for level in self.levels(space, x, y))

    def check_space(self, space: Space) -> None:
        if not 0 < len(space.continuous) < len(space.components):
            raise OptionError("objective='hybrid' is for classes and numbers together. Use its `continuous` alone.")

    def levels(self, space: Space, x: Float[np.ndarray, "n d"], y: np.ndarray) -> tuple[Objective, ...]:
        return tuple(replace(self, continuous=level) for level in self._numbers.levels(space, x, y))

    def on(self, space: Space, temperature: Array | float = 1.0) -> Self:
        bound = cast(Any, super().on(space, temperature))
        return replace(bound, continuous=self._numbers.on(space, temperature))

    @property
    def evaluations(self) -> int:
        return self._classes.evaluations + self._numbers.evaluations

    @property
    def _classes(self) -> CrossEntropy:
        return CrossEntropy().on(self.space, self.temperature)

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        classes = self.discrete_weight * self._classes(utility, x, y)
        return classes + self.continuous_weight * self._numbers(utility, x, y, *noise)

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        return self._numbers.noise(key, y)

    def refined(self, factor: float) -> "Hybrid":
        finer = self._numbers.refined(factor)
        return self if finer is self._numbers else replace(self, space=finer.space, continuous=finer)


class Weighted(Objective):
    """The losses of another objective times a weight per row, which is a third column of the data; its mean is one."""

    objective: Objective = cast(Any, None)

    @classmethod
    def where(cls, objective: Objective, rows: Sequence[Array]) -> Objective:
        """The objective for rows (x, y) or (x, y, weight)."""
        return cls(objective=objective).on(objective.space, objective.temperature) if len(rows) > 2 else objective

    @property
    def evaluations(self) -> int:
        return self.objective.evaluations

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        return noise[0] * self.objective(utility, x, y, *noise[1:])

    def with_finer(
        self, finer: Objective, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        coarse, fine = self.objective.with_finer(cast(Weighted, finer).objective, utility, x, y, *noise[1:])
        return noise[0] * coarse, noise[0] * fine

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        return self.objective.noise(key, y)

    def refined(self, factor: float) -> Objective:
        finer = self.objective.refined(factor)
        return self if finer is self.objective else replace(self, objective=finer, space=finer.space)
