"""One step of every sampler, for all rows and chains at once: Langevin, MALA, HMC, NUTS.

A method is a frozen value; `METHODS` lists them, and a new one is one entry.
"""

from abc import abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from behavior_learning.errors import OptionError
from behavior_learning.gibbs.supports import Support

__all__ = [
    "HMC",
    "METHODS",
    "NUTS",
    "Langevin",
    "LogDensity",
    "Method",
    "Move",
    "State",
    "Target",
    "optional_blackjax",
    "value_and_score",
]

LogDensity = Callable[[Float[Array, "n k m"]], Float[Array, "n k"]]
"""log p(y | x) of each row, up to a constant, at k responses of its own."""

DIVERGENCE = 1000.0
"""Loss of log-density within a step, beyond what the proposal explains, that no accurate step makes."""


def value_and_score(log_density: LogDensity, y: Float[Array, "n k m"]) -> tuple[Float[Array, "n k"], Array]:
    """log p(y) and ∇_y log p(y) of every chain, by one reverse pass of their sum."""
    value, pull = jax.vjp(log_density, y)
    return value, pull(jnp.ones_like(value))[0]


class State(NamedTuple):
    """Where chains are, with what their next step needs."""

    position: Float[Array, "n k m"]
    log_density: Float[Array, "n k"]
    score: Float[Array, "n k m"]


class Move(NamedTuple):
    """What a step did: probability of acceptance, and whether it left the range where it is accurate."""

    acceptance: Float[Array, "n k"]
    divergent: Bool[Array, "n k"]


class Target(eqx.Module):
    """The density that a method sees: of y itself, or of z where y = constrain(z) and z has no bounds.

    Attributes
    ----------
    transformed : whether positions are z, so that log p carries log |∂y/∂z|.
    """

    log_density: LogDensity
    support: Support
    transformed: bool = eqx.field(static=True)

    def position(self, y: Float[Array, "n k m"]) -> Float[Array, "n k m"]:
        return self.support.unconstrain(y) if self.transformed else y

    def response(self, position: Float[Array, "n k m"]) -> Float[Array, "n k m"]:
        return self.support.constrain(position) if self.transformed else position

    def state(self, position: Float[Array, "n k m"]) -> State:
        return State(position, *value_and_score(self._log_density, position))

    def _log_density(self, position: Float[Array, "n k m"]) -> Float[Array, "n k"]:
        if not self.transformed:
            return self.log_density(position)
        return self.log_density(self.support.constrain(position)) + self.support.log_jacobian(position)


class Method(eqx.Module):
    """One way to move chains. Positions are scaled by `variance`, one value per row and coordinate.

    Attributes
    ----------
    target_acceptance : what the step size is adapted to in warm-up.
    least_acceptance : below this, draws are poor.
    reflects : the support's ends are mirrors; otherwise the chain moves in coordinates without ends.
    adjusted : the step leaves the target exactly invariant.
    preconditioned : warm-up learns a variance for every coordinate; otherwise all have the same.
    """

    target_acceptance: eqx.AbstractVar[float]
    least_acceptance: eqx.AbstractVar[float]
    reflects: eqx.AbstractVar[bool]
    adjusted: eqx.AbstractVar[bool]
    preconditioned: eqx.AbstractVar[bool]

    @abstractmethod
    def step(
        self,
        target: Target,
        keys: PRNGKeyArray,
        state: State,
        step_size: Float[Array, " n"],
        variance: Float[Array, "n m"],
        adapting: Bool[Array, ""],
    ) -> tuple[State, Move]:
        """The next state of all chains, with one key per row and chain."""


class Langevin(Method):
    """y' = y + η S ∇log p(y) + √(2ηθS) ξ, accepted always or by Metropolis and Hastings (MALA).

    S is the diagonal preconditioner. With θ = 1 MALA samples p, and the unadjusted chain p up to an error that grows
    with η; the acceptance it reports is the one that the correction would have had. Where the ends of a support
    reflect, the chain is one on the even, periodic continuation of p, for which the acceptance ratio is exact too.

    Source: Section 3.4; Roberts & Tweedie (1996). Deviation: the paper scales the noise by √(2ητ) while its drift is
    already ∇BL/τ; that update samples exp(BL/τ²). `noise_temperature` θ = τ, a number or one per row, reproduces it;
    in general the chain samples p^(1/θ).
    """

    adjusted: bool = eqx.field(static=True, default=True)
    reflects: bool = eqx.field(static=True, default=False)
    preconditioned: bool = eqx.field(static=True, default=True)
    target_acceptance: float = 0.574
    least_acceptance: float = 0.2
    noise_temperature: Float[Array, " #n"] | float = 1.0

    def step(
        self,
        target: Target,
        keys: PRNGKeyArray,
        state: State,
        step_size: Float[Array, " n"],
        variance: Float[Array, "n m"],
        adapting: Bool[Array, ""],
    ) -> tuple[State, Move]:
        noise, uniform = _draw(keys, state.position)
        eta, scale = step_size[:, None, None], variance[:, None, :]
        theta = jnp.broadcast_to(self.noise_temperature, step_size.shape)[:, None]
        arrival = state.position + eta * scale * state.score + jnp.sqrt(2 * eta * theta[..., None] * scale) * noise
        folded, direction = target.support.reflect(arrival) if self.reflects else (arrival, 1.0)
        proposed = target.state(folded)
        unfolded = State(arrival, proposed.log_density, direction * proposed.score)
        backward = _log_transition(unfolded, state, eta, scale)
        forward = _log_transition(state, unfolded, eta, scale)
        log_ratio = (proposed.log_density - state.log_density + backward - forward) / theta
        log_ratio = jnp.where(jnp.isnan(log_ratio), -jnp.inf, log_ratio)
        accepted = jnp.log(uniform) < log_ratio
        if not self.adjusted:
            accepted = accepted | ~adapting
        following = jax.tree.map(
            lambda new, old: jnp.where(accepted.reshape(accepted.shape + (1,) * (new.ndim - 2)), new, old),
            proposed,
            state,
        )
        return following, Move(jnp.exp(jnp.minimum(log_ratio, 0.0)), log_ratio < -DIVERGENCE)


def _log_transition(origin: State, end: State, eta: Array, scale: Array) -> Float[Array, "n k"]:
    """log q(end | origin) = −‖end − origin − ηS∇log p(origin)‖²_S⁻¹ / (4η), up to a constant."""
    step = end.position - origin.position - eta * scale * origin.score
    return -jnp.sum(step**2 / scale, axis=-1) / (4 * eta[..., 0])


def _draw(keys: PRNGKeyArray, like: Float[Array, "n k m"]) -> tuple[Float[Array, "n k m"], Float[Array, "n k"]]:
    """Normal noise and a uniform number for every chain, by inversion of m + 1 numbers from its key."""
    m, above = like.shape[-1], jnp.nextafter(jnp.asarray(-1.0, like.dtype), jnp.asarray(0.0, like.dtype))
    draw = jax.vmap(lambda key: jax.random.uniform(key, (m + 1,), like.dtype, minval=above))
    numbers = draw(keys.reshape(-1)).reshape(*keys.shape, m + 1)
    return jnp.sqrt(2.0).astype(like.dtype) * jax.lax.erf_inv(numbers[..., :m]), (1 + numbers[..., m]) / 2


class Hamiltonian(Method):
    """What trajectories of Hamiltonian dynamics have in common."""

    target_acceptance: float = 0.8
    least_acceptance: float = 0.4
    reflects: bool = eqx.field(static=True, default=False)
    adjusted: bool = eqx.field(static=True, default=True)
    preconditioned: bool = eqx.field(static=True, default=True)


class HMC(Hamiltonian):
    """Hamiltonian Monte Carlo with a fixed number of leapfrog steps (blackjax).

    Their length varies by a half from one move to the next, so that no orbit closes (Neal, 2011).
    """

    leapfrog_steps: int = eqx.field(static=True, default=8)

    def step(
        self,
        target: Target,
        keys: PRNGKeyArray,
        state: State,
        step_size: Float[Array, " n"],
        variance: Float[Array, "n m"],
        adapting: Bool[Array, ""],
    ) -> tuple[State, Move]:
        pairs = jax.vmap(jax.vmap(jax.random.split))(keys)
        vary = jax.vmap(jax.vmap(lambda key: jax.random.uniform(key, (), step_size.dtype, minval=0.5, maxval=1.5)))
        sizes = step_size[:, None] * vary(pairs[..., 0])
        return _hamiltonian_step(
            optional_blackjax("blackjax.mcmc.hmc").build_kernel(),
            self.leapfrog_steps,
            target,
            pairs[..., 1],
            state,
            sizes,
            variance,
        )


class NUTS(Hamiltonian):
    """The no-U-turn sampler (blackjax): Hamiltonian trajectories as long as they move away.

    All chains wait for the longest trajectory of the step.
    """

    doublings: int = eqx.field(static=True, default=8)

    def step(
        self,
        target: Target,
        keys: PRNGKeyArray,
        state: State,
        step_size: Float[Array, " n"],
        variance: Float[Array, "n m"],
        adapting: Bool[Array, ""],
    ) -> tuple[State, Move]:
        sizes = jnp.broadcast_to(step_size[:, None], keys.shape)
        return _hamiltonian_step(
            optional_blackjax("blackjax.mcmc.nuts").build_kernel(), self.doublings, target, keys, state, sizes, variance
        )


METHODS: dict[str, Method] = {
    "mala": Langevin(),
    "langevin": Langevin(adjusted=False, reflects=True, target_acceptance=0.95, least_acceptance=0.8),
    "hmc": HMC(),
    "nuts": NUTS(),
}
"""Samplers by the name that `sample(method=)` takes."""


def optional_blackjax(module: str, instead: str = "use MALA") -> Any:
    """A module of blackjax, which the extra ``[sampling]`` brings.

    Raises
    ------
    OptionError
        If it is not installed; `instead` is what to use then.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise OptionError(
            f"HMC and NUTS need blackjax: pip install 'behavior-learning[sampling]', or {instead}."
        ) from error


def _hamiltonian_step(
    kernel: Callable[..., tuple[Any, Any]],
    limit: int,
    target: Target,
    keys: PRNGKeyArray,
    state: State,
    sizes: Float[Array, "n k"],
    variance: Float[Array, "n m"],
) -> tuple[State, Move]:
    """A blackjax kernel, written for one chain, over all chains of all rows."""
    n, k = state.log_density.shape
    log_density = _single_chain(target, (n, k))

    def move(key: PRNGKeyArray, state: State, size: Array, scale: Array) -> tuple[State, Move]:
        end, info = kernel(
            key, optional_blackjax("blackjax.mcmc.hmc").HMCState(*state), log_density, size, scale, limit
        )
        following = State(end.position, end.logdensity, end.logdensity_grad)
        return following, Move(jnp.nan_to_num(info.acceptance_rate, nan=0.0), info.is_divergent)

    flat = jax.tree.map(lambda leaf: leaf.reshape(n * k, *leaf.shape[2:]), (keys, state, sizes))
    chains = jax.vmap(move)(flat[0], flat[1], flat[2], jnp.repeat(variance, k, axis=0))
    return jax.tree.map(lambda leaf: leaf.reshape(n, k, *leaf.shape[1:]), chains)


def _single_chain(target: Target, shape: tuple[int, int]) -> Callable[[Float[Array, " m"]], Float[Array, ""]]:
    """log p of one chain, which `jax.vmap` over all n·k chains turns back into one batched evaluation.

    So the part that depends on x alone is still computed once per row. Arrays pass as arguments because a rule for
    `vmap` must not capture traced values.
    """
    arrays, static = eqx.partition(target, eqx.is_array)

    def batched(arrays: Any, positions: Float[Array, "nk m"]) -> tuple[Array, Array]:
        state = eqx.combine(arrays, static).state(positions.reshape(*shape, -1))
        return state.log_density.reshape(-1), state.score.reshape(positions.shape)

    @jax.custom_batching.custom_vmap  # the plain function only tells shapes; the rule below is what runs
    def pair(arrays: Any, position: Float[Array, " m"]) -> tuple[Array, Array]:
        value, score = batched(arrays, jnp.broadcast_to(position, (shape[0] * shape[1], *position.shape)))
        return value[0], score[0]

    @pair.def_vmap
    def _(size: int, batched_arguments: Any, arrays: Any, positions: Float[Array, "nk m"]) -> tuple[Any, Any]:
        return batched(arrays, positions), (True, True)

    value = jax.custom_vjp(lambda position: pair(arrays, position)[0])
    value.defvjp(lambda position: pair(arrays, position), lambda score, change: (change * score,))
    return value
