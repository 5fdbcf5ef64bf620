"""How firmly a penalty holds its constraint at finite temperature: draws from exp{−λT(y)²/τ} over a sweep of (λ, τ)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from behavior_learning.errors import OptionError
from behavior_learning.gibbs.kernels import Langevin, Method
from behavior_learning.gibbs.sampling import check_chains, simulate

__all__ = ["Enforcement", "Penalized", "Residual", "Violations", "enforce", "violation"]

Residual = Callable[[Float[Array, "n k m"]], Float[Array, "n k"]]
"""T(x, y) for the k chains of each of n rows x, zero where the constraint holds."""

ADAPTED = Langevin(preconditioned=False)
"""MALA with one step size for all directions, which a constraint treats alike."""


class Penalized(eqx.Module):
    """log p(y|x) = −λ T(x, y)²/τ up to a constant, for every setting (λ, τ) and, within it, every row x.

    Source: Section 3.4. The curvature of −log p across the constraint is 2λ‖∇T‖²/τ where T = 0, so an unadjusted step
    is stable below η = τ/(λ‖∇T‖²): for T = ‖y‖² − ‖x‖², whose ‖∇T‖² is 4‖x‖², where 8λ‖x‖²η/τ < 2.
    """

    residual: Residual
    multiplier: Float[Array, " settings"]
    temperature: Float[Array, " settings"]

    def __call__(self, y: Float[Array, "settings*n k m"]) -> Float[Array, "settings*n k"]:
        residual = self.along(y)
        weight = jnp.repeat(self.multiplier / self.temperature, len(y) // len(self.multiplier))
        return -weight[:, None] * residual**2

    def along(self, y: Float[Array, "settings*n k m"]) -> Float[Array, "settings*n k"]:
        """T at every setting's rows."""
        by_setting = y.reshape(len(self.multiplier), -1, *y.shape[1:])
        return jax.vmap(self.residual)(by_setting).reshape(y.shape[:2])


class Violations(NamedTuple):
    """E|T|, the 95th percentile of |T|, and P(|T| ≤ tolerance)."""

    mean: np.ndarray
    percentile: np.ndarray
    feasible: np.ndarray


@dataclass(frozen=True)
class Enforcement:
    """What a sweep over settings (λ, τ) leaves, one entry or row per setting.

    Attributes
    ----------
    violations : statistics of |T| at the end of all chains.
    residual : T of every kept draw of every chain.
    acceptance, step_size : of every chain and of every row.
    """

    multiplier: Float[np.ndarray, " settings"]
    temperature: Float[np.ndarray, " settings"]
    violations: Violations
    residual: Float[np.ndarray, "settings n k draws"]
    acceptance: Float[np.ndarray, "settings n k"]
    step_size: Float[np.ndarray, "settings n"]


def enforce(
    residual: Residual,
    starts: Float[Array, "n k m"],
    key: PRNGKeyArray,
    *,
    multiplier: ArrayLike,
    temperature: ArrayLike,
    method: Method = ADAPTED,
    step_size: ArrayLike | None = None,
    draws: int = 50,
    warmup: int = 500,
    thin: int = 20,
    tolerance: float = 0.1,
    checked: bool = True,
) -> Enforcement:
    """The constraint-enforcement test of Section 3.4 (Figure 6) for any residual, all settings in one program.

    Deviation: the paper's unadjusted step of 1e-4 is unstable for most of its settings and inflates |T| at the others;
    by default the step is adapted and corrected, for every row by itself. The paper's update is `method=Langevin(
    adjusted=False, noise_temperature=τ)` with `step_size=1e-4`; it samples exp(BL/τ²).

    Parameters
    ----------
    residual : T(x, y) for y of shape (n, k, m); rows x that differ in curvature need rows of their own.
    starts : where the chains of each row begin, the same for every setting.
    multiplier, temperature : λ and τ, broadcast against each other.
    checked : False returns diverged chains as they are, for a study of divergence.

    Raises
    ------
    SamplingError : chains diverged.

    Warns
    -----
    SamplingWarning : T mixes poorly. Directions along the constraint are not looked at.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from behavior_learning.gibbs.enforcement import enforce
    >>> circle = lambda y: jnp.sum(y**2, axis=-1) - 1
    >>> starts = jax.random.normal(jax.random.key(0), (64, 1, 2))  # Each with a step of its own.
    >>> result = enforce(circle, starts, jax.random.key(1), multiplier=25.0, temperature=[1.0, 0.1, 0.01])
    >>> [f"{mean:.2f}" for mean in result.violations.mean]
    ['0.11', '0.04', '0.01']
    """
    multiplier, temperature = np.broadcast_arrays(np.atleast_1d(multiplier), np.atleast_1d(temperature))
    if not (temperature > 0).all() or not (multiplier >= 0).all():
        raise OptionError(f"Multipliers must be >= 0 and temperatures > 0, not {multiplier} and {temperature}.")
    if step_size is None and not (multiplier > 0).all():
        raise OptionError(
            "A multiplier of 0 leaves a flat density that no normaliser exists for. "
            "Use multipliers above 0, or state step_size= to watch chains wander off."
        )
    starts = jnp.asarray(starts)
    settings, n, k = len(multiplier), *starts.shape[:2]
    target = Penalized(residual, jnp.asarray(multiplier, starts.dtype), jnp.asarray(temperature, starts.dtype))
    chains = simulate(
        target, jnp.tile(starts, (settings, 1, 1)), key,
        draws=draws, method=method, warmup=warmup, thin=thin, step_size=step_size,
    )  # fmt: skip
    along = eqx.tree_at(lambda chains: chains.draws, chains, _along(target, chains.draws))
    if checked:
        check_chains(along, method)
    values = np.asarray(along.draws).reshape(settings, n, k, draws)
    end = values[..., -1].reshape(settings, -1)
    acceptance, step_sizes = np.asarray(chains.acceptance), np.asarray(chains.step_size)
    return Enforcement(
        multiplier, temperature, violation(end, tolerance), values,
        acceptance.reshape(settings, n, k), step_sizes.reshape(settings, n),
    )  # fmt: skip


@eqx.filter_jit
def _along(target: Penalized, draws: Float[Array, "rows k draws m"]) -> Float[Array, "rows k draws 1"]:
    """T of every draw, as chains of dimension one."""
    return jax.lax.map(target.along, jnp.moveaxis(draws, 2, 0)).transpose(1, 2, 0)[..., None]


def violation(values: Float[ArrayLike, "*settings draws"], tolerance: float = 0.1) -> Violations:
    """Statistics of |T| over the last axis."""
    size = np.abs(np.asarray(values))
    return Violations(size.mean(axis=-1), np.percentile(size, 95, axis=-1), np.mean(size <= tolerance, axis=-1))
