"""Draws from p_τ(y|x) in several dimensions by Markov chains: all rows, all chains, one compiled program.

A target is an unnormalised log-density of n rows at k responses each, `log_density(y: (n, k, m)) -> (n, k)`: k chains
per row, so that what depends on x alone is computed once per row. Pass an `eqx.Module` or `eqx.Partial` whose arrays
are its fields, and other arrays of the same shape reuse the program.
"""

import warnings
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray

from behavior_learning.errors import DataError, OptionError, SamplingError, SamplingWarning
from behavior_learning.gibbs.adaptation import Adaptation
from behavior_learning.gibbs.diagnostics import effective_sample_size, split_r_hat
from behavior_learning.gibbs.kernels import METHODS, LogDensity, Method, State, Target
from behavior_learning.gibbs.supports import Support

__all__ = ["Chains", "anneal", "check_chains", "sample", "simulate", "spread_starts"]

LEAST_DRAWS = 4
"""Draws per chain from which R-hat and effective sample size exist."""

DIAGNOSED = 64
"""Most chains per row that diagnostics look at: ranks need sorting, which may take longer than drawing."""

MOST_R_HAT = 1.05
LEAST_EFFECTIVE = 100.0
BY_CHANCE = 0.01


class Chains(eqx.Module):
    """Draws with what tells how far to trust them.

    Attributes
    ----------
    draws : kept responses, in the units of y.
    acceptance : mean probability of acceptance after warm-up.
    divergent : share of steps after warm-up that left the range where the method is accurate.
    step_size, variance : of each row, as warm-up left them.
    """

    draws: Float[Array, "n k draws m"]
    acceptance: Float[Array, "n k"]
    divergent: Float[Array, "n k"]
    step_size: Float[Array, " n"]
    variance: Float[Array, "n m"]

    @property
    def pooled(self) -> Float[Array, "n kdraws m"]:
        """The draws of all chains of a row, one chain after the other."""
        return self.draws.reshape(len(self.draws), -1, self.draws.shape[-1])

    @property
    def r_hat(self) -> Float[Array, "n m"]:
        """Split R-hat of every coordinate of y over the chains of a row, the first 64 where there are more."""
        return split_r_hat(self.draws[:, :DIAGNOSED])

    @property
    def effective(self) -> Float[Array, "n m"]:
        """Bulk effective sample size over the chains of a row, extrapolated from the first 64 where there are more."""
        diagnosed = self.draws[:, :DIAGNOSED]
        return effective_sample_size(diagnosed) * (self.draws.shape[1] / diagnosed.shape[1])

    def raise_if_diverged(self, method: Method) -> None:
        """Refuse draws that are not finite, and rows in which no proposal was accepted."""
        finite = jnp.all(jnp.isfinite(self.draws), axis=(2, 3))
        lost = np.asarray(~finite if method.adjusted else ~finite | (self.divergent > 0))
        if lost.any():
            size = float(np.asarray(self.step_size)[lost.any(axis=1)].min())
            raise SamplingError(
                f"{lost.sum()} of {lost.size} chains left the region where log p is finite, at step size {size:.3g}. "
                "An unadjusted step must stay below 2 over the largest curvature of -log p. Lower step_size=, or use "
                "method='mala'."
            )
        still = np.asarray(jnp.all(self.acceptance == 0, axis=1))
        if method.adjusted and still.any():
            raise SamplingError(
                f"In {still.sum()} of {still.size} rows no proposal was accepted. Start where the log-density is "
                "finite, raise warmup=, or lower step_size= where it is fixed."
            )


def sample(
    log_density: LogDensity,
    starts: Float[Array, "n k m"],
    key: PRNGKeyArray,
    *,
    draws: int,
    method: str | Method = "mala",
    warmup: int = 500,
    thin: int = 1,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    step_size: ArrayLike | None = None,
) -> Chains:
    """Draws from exp{log_density}, checked: poor ones with a warning, diverged ones not at all.

    Parameters
    ----------
    starts : where the k chains of each row begin, inside the support and dispersed over where the mass may lie.
    draws : kept per chain, one in every `thin` steps after `warmup` steps.
    method : a name in `METHODS`, or a method with other settings, such as `HMC(leapfrog_steps=32)`.
    lower, upper : ends of the support of each coordinate; None or infinite where there is none.
    step_size : fixes the step (one number, or one per row) and drops the preconditioner; adapted in warm-up if None.

    Raises
    ------
    SamplingError : chains left the region where log p is finite, or no proposal of a row was ever accepted.

    Warns
    -----
    SamplingWarning : R-hat, effective sample size or acceptance is poor.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from behavior_learning.gibbs.sampling import sample
    >>> log_density = lambda y: -0.5 * jnp.sum(y**2, axis=-1)
    >>> chains = sample(log_density, jnp.zeros((1, 4, 2)), jax.random.key(0), draws=500)
    >>> chains.pooled.shape
    (1, 2000, 2)
    """
    starts, chosen = jnp.asarray(starts), _method(method)
    least = 16 if step_size is None else 0
    if draws < LEAST_DRAWS or thin < 1 or warmup < least:
        raise OptionError(
            f"Sampling needs draws >= {LEAST_DRAWS} per chain, thin >= 1 and warmup >= {least}; "
            f"received draws={draws}, thin={thin}, warmup={warmup}."
        )
    _check_starts(starts, lower, upper)
    if step_size is not None and not np.all(np.asarray(step_size) > 0):
        raise OptionError(f"step_size must be positive, not {step_size}. Leave it out to have it adapted in warm-up.")
    chains = simulate(
        log_density, starts, key,
        draws=draws, method=chosen, warmup=warmup, thin=thin, lower=lower, upper=upper, step_size=step_size,
    )  # fmt: skip
    return check_chains(chains, chosen)


def simulate(
    log_density: LogDensity,
    starts: Float[Array, "n k m"],
    key: PRNGKeyArray,
    *,
    draws: int,
    method: Method,
    warmup: int = 500,
    thin: int = 1,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    step_size: ArrayLike | None = None,
) -> Chains:
    """`sample` without checks: diverged chains come back as they are. Callable inside a compiled program."""
    starts = jnp.asarray(starts)
    support = Support(lower, upper, starts)
    target = Target(log_density, support, transformed=support.bounded and not method.reflects)
    if step_size is not None:
        step_size = jnp.broadcast_to(jnp.asarray(step_size, starts.dtype), starts.shape[:1])
    steps = [jnp.asarray(count, jnp.int32) for count in (warmup, thin)]
    return _run(target, method, starts, key, step_size, *steps, draws=draws)


class _Loop(NamedTuple):
    """What one step hands to the next."""

    state: State
    adaptation: Adaptation
    draws: Float[Array, "draws n k m"]
    acceptance: Float[Array, "n k"]
    divergent: Float[Array, "n k"]


@eqx.filter_jit
def _run(
    target: Target,
    method: Method,
    starts: Float[Array, "n k m"],
    key: PRNGKeyArray,
    step_size: Float[Array, " n"] | None,
    warmup: Int[Array, ""],
    thin: Int[Array, ""],
    *,
    draws: int,
) -> Chains:
    """Warm-up and sampling in one loop, so that a step is compiled once; each draw is the last of `thin` steps."""
    position = target.position(starts)
    adapts = step_size is None
    adaptation = (
        Adaptation.start(position, preconditioned=method.preconditioned)
        if adapts
        else Adaptation.fixed(position, step_size)
    )
    rows, chains = (jnp.arange(size) for size in starts.shape[:2])
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    seeds = jax.vmap(fold, (0, None))(fold(key, rows), chains)  # Whatever other rows and chains there are.

    def step(i: Array, loop: _Loop) -> _Loop:
        keys = jax.vmap(jax.vmap(lambda seed: jax.random.fold_in(seed, i)))(seeds)
        warming = i < warmup
        size, variance = jnp.exp(loop.adaptation.log_step), loop.adaptation.variance
        state, move = method.step(target, keys, loop.state, size, variance, warming & adapts)
        adaptation = loop.adaptation
        if adapts:
            adapted = adaptation.after(
                i, warmup, move.acceptance, state.position,
                target_acceptance=method.target_acceptance, preconditioned=method.preconditioned,
            )  # fmt: skip
            adapted = _select(i + 1 == warmup, adapted.final(), adapted)
            adaptation = _select(warming, adapted, adaptation)
        slot = jnp.maximum(i - warmup, 0) // thin
        kept = jax.lax.dynamic_update_index_in_dim(loop.draws, target.response(state.position), slot, 0)
        counted = jnp.where(warming, 0.0, 1.0).astype(kept.dtype)
        acceptance = loop.acceptance + counted * move.acceptance
        return _Loop(state, adaptation, kept, acceptance, loop.divergent + counted * move.divergent)

    zeros = jnp.zeros(starts.shape[:2], starts.dtype)
    buffer = jnp.zeros((draws, *starts.shape), starts.dtype)
    begin = _Loop(target.state(position), adaptation, buffer, zeros, zeros)
    end = jax.lax.fori_loop(jnp.zeros((), jnp.int32), warmup + thin * draws, step, begin)
    steps = (thin * draws).astype(starts.dtype)
    return Chains(
        draws=jnp.moveaxis(end.draws, 0, 2),
        acceptance=end.acceptance / steps,
        divergent=end.divergent / steps,
        step_size=jnp.exp(end.adaptation.log_step),
        variance=end.adaptation.variance,
    )


def _select(condition: Bool[Array, ""], new: Adaptation, old: Adaptation) -> Adaptation:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def check_chains(chains: Chains, method: str | Method = "mala") -> Chains:
    """The same chains, after a warning for each diagnostic that is poor.

    R-hat may exceed 1.05 by what chance does to k short chains, (2 + 10/k) over the draws of each. The effective sample
    size is to reach 100, or a tenth of the draws where fewer than 1000 are kept. One coordinate in a hundred may miss
    either.

    Raises
    ------
    SamplingError : a draw or, unadjusted, its density is not finite, or no proposal of a row was ever accepted.
    """
    method = _method(method)
    chains.raise_if_diverged(method)
    _, k, kept, _ = chains.draws.shape
    most, least = MOST_R_HAT + (2 + 10 / k) / kept, min(LEAST_EFFECTIVE, k * kept / 10)
    r_hat, effective = np.asarray(chains.r_hat), np.asarray(chains.effective)
    acceptance = np.asarray(jnp.mean(chains.acceptance, axis=1))
    _warn_of(np.logical_not(r_hat <= most), f"R-hat is above {most:.3g}", f"worst {r_hat.max():.3g}",
             "The chains of a row disagree on where the mass is. Run longer (warmup=, thin=), or start from `anneal`, "
             "which shares chains out between modes.")  # fmt: skip
    _warn_of(np.logical_not(effective >= least), f"{k * kept} draws are worth fewer than {least:.3g} independent ones",
             f"worst {effective.min():.3g}", "Raise thin= or draws=, or use method='nuts'.")  # fmt: skip
    _warn_of(np.logical_not(acceptance >= method.least_acceptance), f"Acceptance is below {method.least_acceptance:g}",
             f"worst {acceptance.min():.2g}", "Steps are too long. Raise warmup=, lower step_size= where it is fixed, "
             "or use method='nuts'.")  # fmt: skip
    return chains


def _warn_of(poor: np.ndarray, finding: str, worst: str, remedy: str) -> None:
    """A warning where more than the share of cases is poor that chance alone makes so."""
    if poor.mean() > BY_CHANCE:
        where = f"in {poor.reshape(len(poor), -1).any(axis=1).sum()} of {len(poor)} rows"
        warnings.warn(f"{finding} {where} ({worst}). {remedy}", SamplingWarning, stacklevel=4)


def _method(method: str | Method) -> Method:
    if isinstance(method, Method):
        return method
    if method not in METHODS:
        raise OptionError(f"method must be one of {', '.join(METHODS)} or a Method, not {method!r}.")
    return METHODS[method]


def _check_starts(starts: Float[Array, "n k m"], lower: ArrayLike | None, upper: ArrayLike | None) -> None:
    if starts.ndim != 3 or not np.isfinite(starts).all():
        raise DataError(
            f"starts must be finite and of shape (rows, chains, dimensions), not {starts.shape}"
            f"{'' if np.isfinite(starts).all() else ' with values that are not finite'}."
        )
    low, high = (np.broadcast_to(end, starts.shape[-1:]) for end in _ends(lower, upper))
    if not (low < high).all():
        raise OptionError(f"lower must lie below upper in every dimension, not {low} and {high}.")
    outside = ((np.asarray(starts) < low) | (np.asarray(starts) > high)).any(axis=-1)
    if outside.any():
        raise DataError(
            f"{outside.sum()} of {outside.size} chains start outside the support. "
            "Clip them to it, or draw them with `spread_starts`."
        )


def _ends(lower: ArrayLike | None, upper: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(-np.inf if lower is None else lower), np.asarray(np.inf if upper is None else upper)


def spread_starts(
    key: PRNGKeyArray, rows: int, chains: int, *, lower: Float[ArrayLike, " m"], upper: Float[ArrayLike, " m"]
) -> Float[Array, "n k m"]:
    """Starting points over a finite box, one in each of k equal slices of every coordinate (a Latin hypercube)."""
    lower, upper = jnp.atleast_1d(jnp.asarray(lower, float)), jnp.atleast_1d(jnp.asarray(upper, float))
    for_slice, for_place = jax.random.split(key)
    slices = jnp.broadcast_to(jnp.arange(chains)[None, :, None], (rows, chains, len(lower)))
    slices = jax.random.permutation(for_slice, slices, axis=1, independent=True)
    share = (slices + jax.random.uniform(for_place, slices.shape, lower.dtype)) / chains
    return lower + (upper - lower) * share


class _Tempered(eqx.Module):
    """β·log p: flat at 0, the target at 1."""

    log_density: LogDensity
    power: Float[Array, ""]

    def __call__(self, y: Float[Array, "n k m"]) -> Float[Array, "n k"]:
        return self.power * self.log_density(y)


def anneal(
    log_density: LogDensity,
    starts: Float[Array, "n k m"],
    key: PRNGKeyArray,
    *,
    temperatures: int = 12,
    steps: int = 32,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
) -> Float[Array, "n k m"]:
    """Starting points shared out between the modes of a row in proportion to their mass.

    Annealing: points uniform over a box (`spread_starts`) are moved by MALA under p^β, β = (j/temperatures)³, and
    resampled by the weight p^(Δβ) at every inverse temperature β. Use many, 64 or more per row, and hand any k of them
    to `sample`.

    Source: Del Moral, Doucet & Jasra (2006), "Sequential Monte Carlo samplers".
    """
    return _annealed(
        log_density, starts, key, Support(lower, upper, starts), temperatures, jnp.asarray(steps, jnp.int32)
    )


@eqx.filter_jit
def _annealed(
    log_density: LogDensity,
    starts: Float[Array, "n k m"],
    key: PRNGKeyArray,
    support: Support,
    temperatures: int,
    steps: Int[Array, ""],
) -> Float[Array, "n k m"]:
    powers, one = (jnp.arange(temperatures + 1, dtype=starts.dtype) / temperatures) ** 3, jnp.asarray(1, jnp.int32)

    def cooled(
        y: Float[Array, "n k m"], level: tuple[PRNGKeyArray, Array, Array]
    ) -> tuple[Float[Array, "n k m"], None]:
        key, before, after = level
        for_choice, for_moves = jax.random.split(key)
        chosen = systematic_resampling(for_choice, (after - before) * log_density(y))
        y = jnp.take_along_axis(y, chosen[..., None], axis=1)
        target = Target(_Tempered(log_density, after), support, transformed=support.bounded)
        return _run(target, METHODS["mala"], y, for_moves, None, steps, one, draws=1).draws[:, :, 0], None

    y, _ = jax.lax.scan(cooled, starts, (jax.random.split(key, temperatures), powers[:-1], powers[1:]))
    return y


def systematic_resampling(key: PRNGKeyArray, log_weights: Float[Array, "n k"]) -> Int[Array, "n k"]:
    """Systematic resampling of each row: points in proportion to their weights, with one uniform number per row."""
    n, k = log_weights.shape
    cumulative = jnp.cumsum(jax.nn.softmax(log_weights, axis=1), axis=1)
    places = (jnp.arange(k) + jax.random.uniform(key, (n, 1), log_weights.dtype)) / k
    chosen = jax.vmap(jnp.searchsorted)(cumulative, places * cumulative[:, -1:])
    return jnp.minimum(chosen, k - 1)
