"""Warm-up of samplers: a step size by dual averaging and a diagonal preconditioner, one of each per row.

Source: Nesterov (2009) and Hoffman & Gelman (2014), Section 3.2, for the step size; the windows and the shrinkage of
variances follow Stan.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

__all__ = ["Adaptation"]

FIRST_STEP = 0.1
SHRINKAGE, DELAY, FORGETTING = 0.05, 10.0, 0.75
"""γ, t₀ and κ of dual averaging."""


class Adaptation(NamedTuple):
    """Running state of warm-up.

    Attributes
    ----------
    log_step, log_average : log ε of the next step, and its weighted average, which is what warm-up ends with.
    centre : log ε that dual averaging shrinks to, ten times the step that the window began with.
    error : weighted average of target minus reached acceptance since the window began.
    variance : the preconditioner in force.
    mean, squares : Welford's moments of the chains' positions since the window began.
    begun : step at which the window began.
    """

    log_step: Float[Array, " n"]
    log_average: Float[Array, " n"]
    center: Float[Array, " n"]
    error: Float[Array, " n"]
    variance: Float[Array, "n m"]
    mean: Float[Array, "n m"]
    squares: Float[Array, "n m"]
    begun: Int[Array, ""]

    @classmethod
    def start(cls, position: Float[Array, "n k m"], *, preconditioned: bool) -> "Adaptation":
        """Step 0.1, in units of the spread of the starting points where they spread and a preconditioner is wanted."""
        n, _, m = position.shape
        spread = jnp.var(position, axis=1)
        row, table = jnp.zeros(n, position.dtype), jnp.zeros((n, m), position.dtype)
        log_step = row + jnp.log(FIRST_STEP).astype(row.dtype)
        center = log_step + jnp.log(10.0).astype(row.dtype)
        rounding = jnp.finfo(position.dtype).eps * jnp.mean(position**2, axis=1)
        variance = jnp.where((spread > rounding) & preconditioned, spread, 1.0)
        return cls(log_step, log_step, center, row, variance, table, table, jnp.zeros((), jnp.int32))

    @classmethod
    def fixed(cls, position: Float[Array, "n k m"], step_size: Float[Array, " n"]) -> "Adaptation":
        """A given step size, no preconditioner."""
        start, log_step = cls.start(position, preconditioned=False), jnp.log(step_size)
        return start._replace(log_step=log_step, log_average=log_step)

    def after(
        self,
        i: Int[Array, ""],
        warmup: Int[Array, ""],
        acceptance: Float[Array, "n k"],
        position: Float[Array, "n k m"],
        *,
        target_acceptance: float,
        preconditioned: bool,
    ) -> "Adaptation":
        """State after step i of warm-up; windows end after an eighth, a quarter and a half of it."""
        adapted = self._average(i, jnp.mean(acceptance, axis=1), target_acceptance)._observe(i, position)
        ends = ((i + 1) == warmup // 8) | ((i + 1) == warmup // 4) | ((i + 1) == warmup // 2)
        renewed = adapted._renew(i + 1, position.shape[1], preconditioned)
        return Adaptation(*(jnp.where(ends, new, old) for new, old in zip(renewed, adapted, strict=True)))

    def final(self) -> "Adaptation":
        """The averaged step size, frozen."""
        return self._replace(log_step=self.log_average)

    def _average(self, i: Array, acceptance: Float[Array, " n"], target: float) -> "Adaptation":
        """One update of dual averaging, at t = 1, 2, … within the window."""
        t = (i - self.begun + 1).astype(acceptance.dtype)
        error = self.error + (target - acceptance - self.error) / (t + DELAY)
        log_step = self.center - jnp.sqrt(t) / SHRINKAGE * error
        log_average = self.log_average + t**-FORGETTING * (log_step - self.log_average)
        return self._replace(log_step=log_step, log_average=log_average, error=error)

    def _observe(self, i: Array, position: Float[Array, "n k m"]) -> "Adaptation":
        """Welford's update of mean and sum of squares with the k positions of each row."""
        k = position.shape[1]
        before = ((i - self.begun) * k).astype(position.dtype)
        batch = jnp.mean(position, axis=1)
        difference = batch - self.mean
        squares = jnp.sum((position - batch[:, None]) ** 2, axis=1) + difference**2 * before * k / (before + k)
        return self._replace(mean=self.mean + difference * k / (before + k), squares=self.squares + squares)

    def _renew(self, begun: Array, k: int, preconditioned: bool) -> "Adaptation":
        """A new window: the variance of the last one, shrunk a little, and dual averaging afresh."""
        count = ((begun - self.begun) * k).astype(self.mean.dtype)
        shrunk = (self.squares + 5e-3 * self.variance) / (count + 5)
        usable = jnp.isfinite(shrunk) & (self.squares > 0) & preconditioned
        zero = jnp.zeros_like
        return Adaptation(
            log_step=self.log_average,
            log_average=self.log_average,
            center=self.log_average + jnp.log(10.0).astype(self.log_average.dtype),
            error=zero(self.error),
            variance=jnp.where(usable, shrunk, self.variance),
            mean=zero(self.mean),
            squares=zero(self.squares),
            begun=begun,
        )
